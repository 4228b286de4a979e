"""A peer of `throughput.py`, timed through its ASE calculator in its own environment.

    PEER_PYTHON throughput_peer.py NAME PRECISION SAMPLE.npz RESULT.json SECONDS WARM LEAST

NAME is chgnet (as published, float32), mace or deepmd (random weights, of a usual size). A step is
one call for energy, forces and stress, which an NPT run needs, after all atoms have moved by
0.003 Å at random; the integrator itself, which costs nothing beside it, is left out. WARM steps
come before the clock; SECONDS are timed, LEAST steps at least.
"""

# pyright: reportMissingImports=false
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

MACE_CUTOFF, DEEPMD_CUTOFF = 5.0, 6.0
SYMBOLS = ("Ba", "Ti", "O")


def chgnet(precision: str, atoms: Atoms, folder: Path) -> tuple[Any, str]:
    """CHGNet with the weights of its package."""
    import chgnet as package  # noqa: PLC0415
    from chgnet.model.dynamics import CHGNetCalculator  # noqa: PLC0415

    del atoms, folder
    assert precision == "f32"
    calculator = CHGNetCalculator(use_device="cpu")
    count = sum(p.numel() for p in calculator.model.parameters())
    graphs = calculator.model.graph_converter.algorithm
    return calculator, f"CHGNet {package.__version__}, {count} parameters, graphs: {graphs}"


def mace(precision: str, atoms: Atoms, folder: Path) -> tuple[Any, str]:
    """MACE as large as the shipped prior: cutoff 5 Å, two layers, 32 channels, L = 1."""
    import torch  # noqa: PLC0415

    torch.serialization.add_safe_globals([slice])  # e3nn's own constants hold some
    from e3nn import o3  # noqa: PLC0415
    from mace import __version__, modules  # noqa: PLC0415
    from mace.calculators import MACECalculator  # noqa: PLC0415

    del folder
    dtype = {"f32": "float32", "f64": "float64"}[precision]
    torch.set_default_dtype(getattr(torch, dtype))
    torch.manual_seed(1)
    blocks = modules.interaction_classes
    neighbors = len(neighbor_list("i", atoms, MACE_CUTOFF)) / len(atoms)
    model = modules.ScaleShiftMACE(
        r_max=MACE_CUTOFF, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, num_interactions=2,
        interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=blocks["RealAgnosticResidualInteractionBlock"],
        num_elements=3, atomic_numbers=[8, 22, 56], atomic_energies=np.zeros((1, 3)),
        hidden_irreps=o3.Irreps("32x0e + 32x1o"), MLP_irreps=o3.Irreps("16x0e"), correlation=3,
        avg_num_neighbors=neighbors, gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0, atomic_inter_shift=0.0,
    )  # fmt: skip
    calculator = MACECalculator(models=[model], device="cpu", default_dtype=dtype)
    count = sum(p.numel() for p in model.parameters())
    return calculator, (
        f"MACE {__version__}, random weights, cutoff {MACE_CUTOFF} Å, 2 layers, 32x0e + 32x1o,"
        f" max_ell 3, correlation 3, {count} parameters"
    )


def deepmd(precision: str, atoms: Atoms, folder: Path) -> tuple[Any, str]:
    """DeePMD `se_e2_a` with the networks of its example, frozen for the PyTorch backend."""
    import torch  # noqa: PLC0415
    from deepmd import __version__  # noqa: PLC0415
    from deepmd.calculator import DP  # noqa: PLC0415
    from deepmd.pt.model.model import get_model  # noqa: PLC0415

    assert precision == "f64"
    center, neighbor = neighbor_list("ij", atoms, DEEPMD_CUTOFF)
    kinds = np.array([SYMBOLS.index(s) for s in atoms.get_chemical_symbols()])
    counts = np.zeros((len(atoms), 3), dtype=int)
    np.add.at(counts, (center, kinds[neighbor]), 1)
    most = [int(4 * np.ceil(1.1 * n / 4)) for n in counts.max(axis=0)]  # what `sel: auto` takes
    model = get_model({
        "type_map": list(SYMBOLS),
        "descriptor": {
            "type": "se_e2_a", "rcut": DEEPMD_CUTOFF, "rcut_smth": 0.5, "sel": most,
            "neuron": [25, 50, 100], "axis_neuron": 16, "type_one_side": True, "seed": 1,
        },
        "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True, "seed": 1},
    })  # fmt: skip
    file = folder / "frozen.pth"
    torch.jit.save(torch.jit.script(model.eval()), str(file))
    count = sum(p.numel() for p in model.parameters())
    return DP(str(file)), (
        f"DeePMD-kit {__version__} (PyTorch), se_e2_a, random weights, cutoff {DEEPMD_CUTOFF} Å,"
        f" sel {most}, {count} parameters"
    )


def evaluate(atoms: Atoms) -> None:
    """One step."""
    energy = atoms.get_potential_energy()
    if not np.isfinite(energy + atoms.get_forces().sum() + atoms.get_stress().sum()):
        sys.exit("expected finite energy, forces and stress, found others")


def main() -> None:
    """Times the peer."""
    name, precision, sample, result = sys.argv[1:5]
    seconds, warm, least = float(sys.argv[5]), int(sys.argv[6]), int(sys.argv[7])
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with np.load(sample) as file:
        atoms = Atoms(file["symbols"], positions=file["positions"], cell=file["cell"], pbc=True)
    makers = {"chgnet": chgnet, "mace": mace, "deepmd": deepmd}
    atoms.calc, description = makers[name](precision, atoms, Path(result).parent)
    rng = np.random.default_rng(1)
    for _ in range(warm):
        evaluate(atoms)
        atoms.positions += rng.normal(0.0, 0.003, (len(atoms), 3))
    steps, start, used = 0, time.perf_counter(), time.process_time()
    while steps < least or time.perf_counter() - start < seconds:
        evaluate(atoms)
        atoms.positions += rng.normal(0.0, 0.003, (len(atoms), 3))
        steps += 1
    found = {
        "steps": steps, "wall": time.perf_counter() - start,
        "processor": time.process_time() - used, "description": description,
    }  # fmt: skip
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
