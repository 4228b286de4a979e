"""The twin's ensemble against `fix npt` of LAMMPS and against exact results, for four systems.

    python benchmarks/ensembles.py [--quick] [--system gas|harmonic|lj|bto|gas4] [--out FOLDER]

Same Hamiltonian, temperature, pressure, masses and damping times in both programs, several seeds
each: ideal gas (32 atoms, `iso`), harmonic crystal (32, `tri`), Lennard-Jones solid (32, `tri`) and
BaTiO3 with the shipped prior (40, `tri`, float32 in LAMMPS). Compared are mean and variance of the
volume, of the lengths and angles of the cell (which no rotation changes) and of the kinetic energy,
with jackknife errors over blocks.

RESULT SYSTEM_QUANTITY_mean_z (and _var_z): twin less LAMMPS in standard errors of the difference;
worst_z_SYSTEM: the largest of them. Of 16 such figures, one beyond 3 is met by chance in a few
runs of a hundred.

The two programs do not sample quite the same density of cells. With q in scaled coordinates

    twin             V^(N-1) exp(-(U + P V)/kT) V^-2 d⁹h        (Martyna, Tobias, Klein 1994)
    LAMMPS, tri      the same times (h_zz/h_xx)² V^(-1/N)
    LAMMPS, iso      V^(N-1-1/N) exp(-(U + P V)/kT) dV

for LAMMPS moves a triangular cell, whose flow dh/dt = h ν has the divergence 3 ν_xx + 2 ν_yy + ν_zz
instead of 3 Tr ν, and couples α = 1/3N instead of 1/(3N - 3). Every figure is therefore given a
second time, as SYSTEM_QUANTITY_mean_same_measure_z, with LAMMPS' samples weighted by the inverse of
these factors. RESULT SYSTEM_PROGRAM_c_over_a_z: mean of ln(c/a), which symmetry makes zero in a
cubic crystal, in its standard errors.

Runs stay in the folder, and what is complete there is not made again; an interrupted run goes on.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ensemble_runs import Series, lammps, twin
from ensemble_statistics import QUANTITIES, Moment, Moments, difference, moments, quantities
from ensemble_systems import SYSTEMS, System

from ocvf_lmp.units import KB


@dataclass(frozen=True)
class Plan:
    """Runs of each program and steps of each run, after the equilibration.

    Attributes:
        twin: number of runs, steps of each.
        lammps: number of runs, steps of each.
        blocks: of all runs of a program together, for the errors.
    """

    twin: tuple[int, int]
    lammps: tuple[int, int]
    blocks: int = 40


WHOLE = {
    "gas": Plan((4, 8_000), (8, 100_000)),
    "gas4": Plan((4, 8_000), (8, 100_000)),
    "harmonic": Plan((3, 30_000), (8, 200_000), 36),
    "lj": Plan((4, 26_000), (8, 200_000)),
    "bto": Plan((2, 12_000), (2, 40_000), 16),
}
QUICK = {
    "gas": Plan((2, 3_000), (2, 20_000), 12),
    "gas4": Plan((2, 3_000), (2, 20_000), 12),
    "harmonic": Plan((2, 4_000), (2, 40_000), 12),
    "lj": Plan((2, 4_000), (2, 40_000), 12),
    "bto": Plan((1, 2_000), (1, 4_000), 8),
}


@dataclass(frozen=True)
class Sampled:
    """All runs of one program.

    Attributes:
        plain: by quantity.
        weighted: the same, of weighted samples.
        ratio: mean of ln(c/a), plain and weighted; None for a cell that cannot change its shape.
    """

    plain: dict[str, Moments]
    weighted: dict[str, Moments]
    ratio: tuple[Moment, Moment] | None


def sampled(
    runs: list[Series], blocks: int, flexible: bool, weight: Callable[[np.ndarray], np.ndarray]
) -> Sampled:
    """Moments of the runs.

    Args:
        runs: of one program.
        blocks: of all runs together.
        flexible: whether to look at the shape of the cell.
        weight: of the samples, given the cells.
    """
    n_blocks = blocks // len(runs)
    names = QUANTITIES if flexible else ("volume", "kinetic")
    columns = [quantities(run) for run in runs]
    weights = [weight(run.cells) for run in runs]
    table = {name: [c[name] for c in columns] for name in names}
    plain = {name: moments(table[name], n_blocks) for name in names}
    weighted = {name: moments(table[name], n_blocks, weights) for name in names}
    if not flexible:
        return Sampled(plain, weighted, None)
    logs = [np.log(c["c"] / c["a"]) for c in columns]
    ratio = moments(logs, n_blocks).mean, moments(logs, n_blocks, weights).mean
    return Sampled(plain, weighted, ratio)


def to_the_twins_measure(system: System) -> Callable[[np.ndarray], np.ndarray]:
    """Weight that takes the cells that LAMMPS samples to the density that the twin samples."""
    power = 1.0 / system.structure.n_atoms

    def weight(cells: np.ndarray) -> np.ndarray:
        shape = cells[:, 0, 0] / cells[:, 2, 2]
        return shape**2 * (np.linalg.det(cells) / np.linalg.det(cells[0])) ** power

    return weight


def compare(system: System, plan: Plan, folder: Path) -> None:
    """Runs a system in both programs and prints how they differ."""
    ours = [twin(system, seed, plan.twin[1], folder) for seed in range(plan.twin[0])]
    theirs = [lammps(system, seed, plan.lammps[1], folder) for seed in range(plan.lammps[0])]
    flexible = system.params.mode == "flexible"
    one = sampled(ours, plan.blocks, flexible, lambda cells: np.ones(len(cells)))
    two = sampled(theirs, plan.blocks, flexible, to_the_twins_measure(system))
    table(system, one, two)
    for program, found in (("twin", one), ("lammps", two)):
        against_exact(system, program, found.plain)
    if one.ratio and two.ratio:
        cubic(f"{system.name}_twin", one.ratio[0])
        cubic(f"{system.name}_lammps", two.ratio[0])
        cubic(f"{system.name}_lammps_same_measure", two.ratio[1])


def cubic(name: str, ratio: Moment) -> None:
    """Prints the mean of ln(c/a)."""
    print(f"{name}: ln(c/a) {show(ratio)}")
    print(f"RESULT {name}_c_over_a_z {ratio.value / ratio.error:.2f} sigma", flush=True)


def table(system: System, one: Sampled, two: Sampled) -> None:
    """Prints both programs' moments, and their differences in standard errors."""
    print(f"\n{system.name}: {system.structure.n_atoms} atoms, {system.params}")
    print(f"{'':18s}{'twin':>24s}{'LAMMPS':>24s}{'z':>7s}{'z, same measure':>17s}")
    worst, worst_weighted = 0.0, 0.0
    lines: list[str] = []
    for name in one.plain:
        for what, short in (("mean", "mean"), ("variance", "var")):
            a, b, c = (getattr(m[name], what) for m in (one.plain, two.plain, two.weighted))
            z, weighted = difference(a, b), difference(a, c)
            worst, worst_weighted = max(worst, abs(z)), max(worst_weighted, abs(weighted))
            print(f"{name + ' ' + short:18s}{show(a):>24s}{show(b):>24s}{z:7.2f}{weighted:17.2f}")
            lines.append(f"RESULT {system.name}_{name}_{short}_z {z:.2f} sigma")
            lines.append(f"RESULT {system.name}_{name}_{short}_same_measure_z {weighted:.2f} sigma")
    shortest = [min(m.length for m in s.plain.values()) for s in (one, two)]
    print(f"blocks of at least {shortest[0]:.0f} (twin) and {shortest[1]:.0f} correlation times")
    print("\n".join(lines))
    print(f"RESULT worst_z_{system.name} {worst:.2f} sigma")
    print(f"RESULT worst_z_{system.name}_same_measure {worst_weighted:.2f} sigma", flush=True)


def against_exact(system: System, program: str, found: dict[str, Moments]) -> None:
    """Prints differences from what is known exactly: kinetic energy, and volume of the gas.

    3N - 3 momenta carry kT/2 each; the volume of the gas is gamma distributed.
    """
    n = system.structure.n_atoms
    kt = KB * system.params.temperature
    half = 0.5 * (3 * n - 3)
    known = {"kinetic": (half * kt, half * kt**2)}
    if system.name.startswith("gas"):
        shape = n if program == "twin" else n - 1.0 / n
        known["volume"] = (shape * system.unit_volume, shape * system.unit_volume**2)
    for name, exact in known.items():
        pairs = zip(("mean", "var"), exact, (found[name].mean, found[name].variance), strict=True)
        for short, value, moment in pairs:
            z = (moment.value - value) / moment.error
            print(f"{system.name} {program}: {name} {short} {show(moment)}, exactly {value:.6g}")
            print(f"RESULT {system.name}_{program}_{name}_{short}_vs_exact_z {z:.2f} sigma")


def show(moment: Moment) -> str:
    """Value ± error."""
    return f"{moment.value:.6g} ± {moment.error:.2g}"


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs; bto only if asked for")
    parser.add_argument("--system", choices=sorted(SYSTEMS), help="only this one")
    parser.add_argument("--out", type=Path, default=Path("runs/ensembles"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    some = ["gas", "harmonic", "lj"] if options.quick else ["gas", "harmonic", "lj", "bto"]
    for name in [options.system] if options.system else some:
        plan = (QUICK if options.quick else WHOLE)[name]
        compare(SYSTEMS[name](), plan, options.out)


if __name__ == "__main__":
    main()
