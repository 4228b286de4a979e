"""Energies and forces of BaTiO3 on a GPU: time of a step's networks, memory, deviation.

    python benchmarks/cuda.py [--quick] [--copies 1 8 32 96] [--prior FILE]

What LAMMPS with Kokkos on CUDA asks of the model at every step, energies and slopes along all
edges, without LAMMPS itself. The potential is the prior and one correction of the default size, as
in `throughput.py`. The sample is a distorted cell of 1080 atoms; larger ones are independent copies
of it, whose work per atom is the same. Medians over repetitions, each until the device is done. The
deviation is that of the pairs' forces from the processor's in float64, as a share of their norm.

RESULT cuda_devices: 0 ends the benchmark. cuda_ms_N_PRECISION: a step of N atoms;
cuda_us_per_atom_N_PRECISION; cuda_GiB_N_PRECISION: peak memory; cuda_rel_PRECISION: deviation;
cpu_us_per_atom_float32: the same step on one core of the processor.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from systems import SYMBOLS, find_prior

from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.inference import energies_and_slopes
from ocvf_lmp.potential.kernels import described
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

PRECISIONS = (torch.float32, torch.float64)


class Sample:
    """Copies of one cell.

    Args:
        cutoff: Å.
    """

    def __init__(self, cutoff: float) -> None:
        cell = distorted_cell(SYMBOLS, (6, 6, 6), 1)
        pairs = build_neighbors(cell.positions, cell.cell, cutoff)
        self.edges, self.species = edges_from(pairs, cell.positions, cell.cell), cell.species

    def copies(self, number: int, like: torch.Tensor) -> tuple[Edges, torch.Tensor, torch.Tensor]:
        """Edges, species and rows of so many copies, where and in the precision that `like` is."""
        edges, device = self.edges, like.device
        n_atoms, n_edges = len(self.species), len(edges.center)
        first = torch.arange(number, device=device).repeat_interleave(n_edges)
        assert edges.reverse is not None
        return (
            Edges(
                edges.center.to(device).repeat(number) + n_atoms * first,
                edges.neighbor.to(device).repeat(number) + n_atoms * first,
                edges.vector.to(like).repeat(number, 1),
                edges.reverse.to(device).repeat(number) + n_edges * first,
            ),
            self.species.to(device).repeat(number),
            torch.arange(number * n_atoms, device=device),
        )

    def forces(self, potential: Corrected, like: torch.Tensor) -> torch.Tensor:
        """Of the pairs of one copy, eV/Å, (edges, 3), float64, on the processor."""
        slopes = energies_and_slopes(potential, *self.copies(1, like))[1].cpu().double()
        assert self.edges.reverse is not None
        return slopes - slopes[self.edges.reverse]


def median_seconds(action: Callable[[], object], wait: Callable[[], None], n: int) -> float:
    """Of so many repetitions after two that warm up."""
    spent = []
    for _ in range(n + 2):
        wait()
        start = time.perf_counter()
        action()
        wait()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent[2:])


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer copies and repetitions")
    parser.add_argument("--copies", type=int, nargs="+", help="of 1080 atoms")
    parser.add_argument("--prior", type=Path, help="file of the prior (default: the shipped one)")
    options = parser.parse_args()
    copies = options.copies or ([1, 8] if options.quick else [1, 8, 32, 96])
    repetitions = 5 if options.quick else 20
    torch.set_num_threads(1)
    print(f"RESULT cuda_devices {torch.cuda.device_count()} 1")
    if not torch.cuda.is_available():
        print("no CUDA device here: nothing to measure")
        return
    prior = find_prior(options.prior)
    assert prior is not None
    network = DimeNet(SYMBOLS, DimeNetSize(), stream(1, "correction"), zero_start=False)
    potential = Corrected(load_potential(prior)[0], network)
    potential.eval().requires_grad_(False)
    sample = Sample(potential.cutoff)
    wanted = sample.forces(potential, torch.zeros((), dtype=torch.float64))
    single = deepcopy(potential).to(torch.float32)
    asked = sample.copies(1, torch.zeros((), dtype=torch.float32))
    own = median_seconds(lambda: energies_and_slopes(single, *asked), lambda: None, 3)
    n_atoms = len(sample.species)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; processor: {described()}")
    print(f"RESULT cpu_us_per_atom_float32 {1e6 * own / n_atoms:.2f} us")
    for dtype in PRECISIONS:
        name = str(dtype).removeprefix("torch.")
        there = deepcopy(potential).to("cuda", dtype)
        like = torch.zeros((), dtype=dtype, device="cuda")
        off = float((sample.forces(there, like) - wanted).norm() / wanted.norm())
        print(f"RESULT cuda_rel_{name} {off:.2e} 1")
        for number in copies:
            asked, total = sample.copies(number, like), number * n_atoms
            torch.cuda.reset_peak_memory_stats()
            try:
                seconds = median_seconds(
                    lambda there=there, asked=asked: energies_and_slopes(there, *asked),
                    torch.cuda.synchronize,
                    repetitions,
                )
            except torch.cuda.OutOfMemoryError:
                print(f"{total} atoms in {name} do not fit into the device's memory")
                break
            print(f"RESULT cuda_ms_{total}_{name} {1e3 * seconds:.3f} ms")
            print(f"RESULT cuda_us_per_atom_{total}_{name} {1e6 * seconds / total:.3f} us")
            peak = torch.cuda.max_memory_allocated() / 2**30
            print(f"RESULT cuda_GiB_{total}_{name} {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
