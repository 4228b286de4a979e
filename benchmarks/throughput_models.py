"""What `throughput.py` runs: thermal samples of BaTiO3, and exported models."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from systems import ROOT, SYMBOLS

from ocvf_lmp.cli import main as ocvf_lmp
from ocvf_lmp.config.file import load_config
from ocvf_lmp.lammps.cells import write_data
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.weights import load_potential, save_potential
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.units import KB, MVV2E

LATTICE, DISPLACEMENT, TEMPERATURE = 4.01, 0.05, 300.0
PRECISIONS = {"f32": "float32", "f64": "float64"}


@dataclass(frozen=True, slots=True)
class Sample:
    """Thermally displaced atoms, in the files that the sides read.

    Attributes:
        n_atoms: number of atoms.
        data_file: with velocities, for LAMMPS.
        array_file: numpy arrays, for ASE.
    """

    n_atoms: int
    data_file: Path
    array_file: Path


def make_sample(n_atoms: int, folder: Path) -> Sample:
    """A cube of slightly polar BaTiO3, its atoms displaced by 0.05 Å, with momenta of 300 K.

    Raises:
        ValueError: the number of atoms is not 5 n³.
    """
    n = round((n_atoms / 5) ** (1 / 3))
    if 5 * n**3 != n_atoms:
        raise ValueError(f"expected 5 n³ atoms, found {n_atoms}; choose 320, 2560 or 20480")
    cell = perovskite(SYMBOLS, (n, n, n), (LATTICE, LATTICE, LATTICE), (0.03, 0.04, 0.05))
    cell.positions.add_(DISPLACEMENT * normal((n_atoms, 3), stream(1, f"displacements/{n}")))
    width = (KB * TEMPERATURE / (MVV2E * cell.masses)).sqrt()
    velocities = width[:, None] * normal((n_atoms, 3), stream(1, f"velocities/{n}"))
    data, arrays = folder / f"sample_{n_atoms}.data", folder / f"sample_{n_atoms}.npz"
    write_data(data, cell, velocities)
    names = np.array(SYMBOLS)[cell.species.numpy()]
    np.savez(arrays, positions=cell.positions.numpy(), cell=cell.cell.numpy(), symbols=names)
    return Sample(n_atoms, data, arrays)


def export_models(prior_file: Path, folder: Path) -> dict[str, Path]:
    """Model files of the prior and of prior + correction, as ``prior_f32``, ``ours_f64``, ...

    The correction has the size of the shipped experiment's; its weights are random, for only the
    cost counts here.
    """
    prior, _ = load_potential(prior_file)
    symbols: tuple[str, ...] = prior.symbols  # pyright: ignore
    options = load_config(ROOT / "inputs" / "bto.yaml").correction.model_dump()
    scale = options.pop("scale")
    size = DimeNetSize(**options)
    correction = DimeNet(symbols, size, stream(1, "throughput"), zero_start=False)
    with torch.no_grad():
        correction.scale.fill_(scale)
    for name, network in (("prior", prior), ("correction", correction)):
        print(f"# {name}: {sum(p.numel() for p in network.parameters())} parameters")
    print(f"# the correction has random weights (its cost is that of a trained one): {size}")
    whole = folder / "ours_potential.pt"
    save_potential(whole, Corrected(prior, correction), {})
    models = {}
    for name, source in (("prior", prior_file), ("ours", whole)):
        for short, precision in PRECISIONS.items():
            model = models[f"{name}_{short}"] = folder / f"{name}_{short}.pt"
            arguments = ["export", str(model), "--potential", str(source)]
            if ocvf_lmp([*arguments, "--precision", precision]):
                raise RuntimeError(f"expected ocvf-lmp to export {source}, found that it failed")
    return models
