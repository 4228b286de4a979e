"""Describes trajectories, LAMMPS logs and run folders."""

from pathlib import Path

import numpy as np

from ocvf_lmp.analysis.description import Description, formula, span
from ocvf_lmp.analysis.runfolder import RunFolder, RunState, read_run
from ocvf_lmp.analysis.tables import block_error, loss_table
from ocvf_lmp.analysis.thermo_log import read_log
from ocvf_lmp.system.trajectory import Trajectory, read_trajectory

JUMP = 0.2
"""Relative change of the volume between frames that is called a jump."""


def describe_trajectory(path: Path) -> Description:
    """An H5MD file.

    Raises:
        DataError: it is damaged.
    """
    found = read_trajectory(path)
    rows = [
        ("frames", str(len(found))),
        ("atoms", f"{len(found.symbols)}: {formula(found.symbols)}"),
        ("written by", found.creator),
    ]
    if not len(found):
        return Description(f"Trajectory in {path.name}", tuple(rows), ("it holds no frame",))
    volumes = np.abs(np.linalg.det(found.cells))
    rows += [
        ("steps", f"{span(found.step, '', 12)}, {_interval(found.step)}"),
        ("time", span(found.time, "ps", 6)),
        ("volume", span(volumes / len(found.symbols), "Å³/atom", 5)),
        ("cell a, b, c", "; ".join(span(found.lattice[:, k], "Å") for k in range(3))),
        ("cell α, β, γ", "; ".join(span(found.lattice[:, k], "°") for k in range(3, 6))),
    ]
    for name, values in found.observables.items():
        unit = found.units.get(name, "")
        rows.append((name.replace("_", " "), f"{span(values, unit)}, mean {values.mean():.5g}"))
    rows.append(("velocities", "no" if found.velocities is None else "yes"))
    return Description(
        f"Trajectory in {path.name}", tuple(rows), tuple(_trajectory_problems(found, volumes))
    )


def describe_log(path: Path) -> Description:
    """The log of a LAMMPS run.

    Raises:
        DataError: it holds no thermodynamic table.
    """
    log = read_log(path)
    rows = [("written by", log.version)]
    rows += [("atoms", str(log.n_atoms))] if log.n_atoms else []
    rows += [("timestep", f"{log.timestep:g} ps")] if log.timestep else []
    step = log.column("Step")
    if step is not None and len(step):
        rows.append(("steps", f"{span(step, '', 12)} in {len(log)} lines"))
    half = len(log) // 2
    for name, values in log.columns.items():
        if name.lower() in ("step", "time"):
            continue
        error = block_error(values[half:])
        mean = f"{values[half:].mean():.6g}" + (f" ± {error:.2g}" if np.isfinite(error) else "")
        rows.append((name, f"{span(values, '')}; mean of the second half {mean}"))
    problems = [f"LAMMPS reported: {line}" for line in log.errors]
    if not log.finished:
        problems.append("the run did not come to its regular end")
    if log.n_warnings:
        plural = "s" if log.n_warnings > 1 else ""
        problems.append(f"{log.n_warnings} warning{plural}: to be read in the log")
    broken = [n for n, v in log.columns.items() if not np.isfinite(v).all()]
    if broken:
        problems.append(f"values that are not numbers in {', '.join(broken)}")
    return Description(f"LAMMPS log {path.name}", tuple(rows), tuple(problems))


def describe_run(path: Path) -> Description:
    """A run folder.

    Raises:
        DataError: it is none.
    """
    run = read_run(path)
    planned = f" of {run.epochs_planned}" if run.epochs_planned else ""
    rows = [
        ("experiment", run.name),
        ("status", "finished" if run.finished and not run.missing else "not finished"),
        ("epochs", f"{run.epochs}{planned}"),
        ("sample", "×".join(map(str, run.repeat)) + " unit cells"),
    ]
    for state in run.states:
        rows += _state_rows(state)
    rows.append(("potentials", ", ".join(p.name for p in run.potentials) or "none yet"))
    if run.log is not None:
        rows.append(("LAMMPS run", f"{len(run.log)} lines of thermodynamics"))
    if run.synthetic:
        rows.append(("PDF targets", "SYNTHETIC (computed, not measured), at least in part"))
    problems = [f"missing: {line}" for line in run.missing]
    problems += [*run.problems, *_training_problems(run)]
    return Description(f"Training run in {run.path}", tuple(rows), tuple(problems))


def _state_rows(state: RunState) -> list[tuple[str, str]]:
    rows = []
    measured = [
        f"{stage} training {e.loss:.4g} ± {e.loss_error:.2g}"
        for stage, e in state.evaluations.items()
    ]
    if measured:
        rows.append((f"{state.name}: loss", ", ".join(measured)))
    agreement: dict[str, list[str]] = {}
    for evaluation in state.evaluations.values():
        for name, value in evaluation.r_w.items():
            agreement.setdefault(name, []).append(f"{value:.3f}")
    for name, values in agreement.items():
        rows.append((f"{state.name}: R_w of {name}", " → ".join(values)))
    if state.metrics:
        last = state.metrics[-1]
        text = f"epoch {last['epoch']}, loss {last.get('loss', float('nan')):.4g}"
        rows.append((f"{state.name}: last window", text))
    return rows


def _training_problems(run: RunFolder) -> list[str]:
    problems = []
    for state in run.states:
        used = [bool(m.get("updated", True)) for m in state.metrics]
        if used and sum(used) < 0.5 * len(used):
            problems.append(
                f"{state.name}: the gradient of {used.count(False)} of {len(used)} windows was"
                " refused; shorten training.window"
            )
    for row in loss_table(run):
        if row.change is not None and row.change >= 0:
            words = "has risen" if row.significant else "has not fallen (within its error)"
            problems.append(f"{row.state}: the loss {words}")
    return problems


def _interval(steps: np.ndarray) -> str:
    gaps = np.diff(steps)
    if not len(gaps):
        return "one frame"
    usual = int(np.median(gaps))
    wide = int((gaps > 4 * usual).sum())
    return f"every {usual}" + (f" with {wide} longer gaps" if wide else "")


def _trajectory_problems(found: Trajectory, volumes: np.ndarray) -> list[str]:
    problems = []
    for name, values in (("positions", found.positions), ("cells", found.cells)):
        if not np.isfinite(values).all():
            problems.append(f"{name} that are not numbers")
    if (np.diff(found.step) <= 0).any():
        problems.append("steps that do not grow")
    jumps = np.abs(np.diff(volumes)) > JUMP * volumes[:-1]
    if jumps.any():
        problems.append(f"the volume jumps by more than {JUMP:.0%} at {int(jumps.sum())} places")
    return problems
