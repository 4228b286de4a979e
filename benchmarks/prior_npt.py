"""The shipped prior for 20 ps of NPT at 100, 300 and 500 K in LAMMPS: does it stay on its ground?

    python benchmarks/prior_npt.py [--quick] [--out FOLDER]

4x4x4 cells, 2 fs, float32, `inputs/in.bto_npt`; an hour on one core. Logs stay in the folder, and
runs that are complete there are not made again. Prints the mean cell of the last 15 ps and the
range of everything; RESULT prior_npt_TK_ps is the length of the run.
"""

import argparse
from pathlib import Path

import numpy as np
from systems import find_prior

from ocvf_lmp.analysis.thermo_log import ThermoLog, read_log
from ocvf_lmp.cli import main as ocvf_lmp
from ocvf_lmp.errors import DataError
from ocvf_lmp.lammps.run import find_lammps, run_lammps

INPUT = Path(__file__).parents[1] / "inputs" / "in.bto_npt"
TEMPERATURES = (100, 300, 500)
TIMESTEP = 0.002
RANGES = {"a, b, c (Å)": (3.85, 4.20), "angles (°)": (88.0, 92.0), "volume (Å³/f.u.)": (60.0, 70.0)}
"""Physical ground of BaTiO3: beyond, the cell has run away."""


def complete(path: Path, steps: int) -> ThermoLog | None:
    """The log of a run, if it came to its end."""
    try:
        log = read_log(path)
    except DataError:
        return None
    done = log.column("Step")
    return log if log.finished and done is not None and done[-1] >= steps else None


def describe(temperature: int, log: ThermoLog, size: int) -> None:
    """Prints a run's means and ranges, and whether it stayed on physical ground."""
    lengths_angles, volume = log.lattice, log.column("Volume")
    assert lengths_angles is not None
    assert volume is not None
    late = log.time >= 0.25 * log.time[-1]
    mean = np.sort(lengths_angles[late, :3].mean(axis=0))
    print(f"{temperature} K: sorted mean a b c {mean.round(4)} Å", end="")
    print(f", angles {lengths_angles[late, 3:].mean(axis=0).round(3)}°")
    tables = (lengths_angles[:, :3], lengths_angles[:, 3:], volume / size**3)
    for (name, (low, high)), values in zip(RANGES.items(), tables, strict=True):
        inside = low < values.min() and values.max() < high
        where = "" if inside else "  LEFT PHYSICAL GROUND"
        print(f"   {name}: {values.min():.3f} to {values.max():.3f}{where}")
    print(f"RESULT prior_npt_{temperature}K_ps {log.time[-1]:.2f} ps", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2x2x2 cells, 0.2 ps")
    parser.add_argument("--out", type=Path, default=Path("runs/prior_npt"))
    options = parser.parse_args()
    size, steps = (2, 100) if options.quick else (4, 10_000)
    folder: Path = options.out / ("quick" if options.quick else "whole")
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "prior.pt"
    prior = find_prior(None)
    ocvf_lmp(["export", str(model), "--potential", str(prior), "--precision", "float32"])
    for temperature in TEMPERATURES:
        path = folder / f"log.{temperature}"
        log = complete(path, steps)
        if log is None:
            variables = {
                "model": model.resolve(), "temperature": temperature, "size": size, "steps": steps,
                "timestep": TIMESTEP, "out": f"T{temperature}",
            }  # fmt: skip
            run_lammps(find_lammps(arguments=("-log", path.name)), INPUT, folder, 1, variables)
            log = complete(path, steps)
            assert log is not None
        describe(temperature, log, size)


if __name__ == "__main__":
    main()
