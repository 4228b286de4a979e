"""The files of a training run, read for figures and tables; also those of an unfinished run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocvf_lmp.analysis.curves import Evaluation, Partials, read_evaluation, read_reference
from ocvf_lmp.analysis.run_files import dig, read_config, read_json, read_metrics, state_name
from ocvf_lmp.analysis.thermo_log import ThermoLog, read_log
from ocvf_lmp.errors import DataError

STAGES = ("before", "after")
LOGS = ("lammps/log.lammps", "log.lammps")


@dataclass(frozen=True, slots=True)
class LatticeGoal:
    """What the configuration says of the lattice parameters of a state.

    Attributes:
        values: a, b, c (Å), α, β, γ (degrees).
        errors: of these.
        source: where the numbers come from.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    source: str


@dataclass(frozen=True, slots=True)
class RunState:
    """One state of a run.

    Attributes:
        name: such as ``300K``.
        temperature: K, or None where nothing says it.
        evaluations: measurements by stage, ``before`` and ``after`` training.
        metrics: one record for each window of training, in the order of the epochs.
        goal: lattice target, if the configuration has one.
        reference: partials that were kept aside from training, if there are some.
        trajectory: its H5MD file, if there is one.
    """

    name: str
    temperature: float | None
    evaluations: Mapping[str, Evaluation]
    metrics: tuple[Mapping[str, Any], ...] = ()
    goal: LatticeGoal | None = None
    reference: Partials | None = None
    trajectory: Path | None = None

    def r_w(self, stage: str, target: str) -> tuple[float | None, float | None]:
        """R_w of a target and its standard error, None where they are not known."""
        found = self.evaluations.get(stage)
        if found is None:
            return None, None
        return found.r_w.get(target), found.r_w_error.get(target)

    @property
    def before(self) -> Evaluation | None:
        """Measurement of the prior."""
        return self.evaluations.get("before")

    @property
    def after(self) -> Evaluation | None:
        """Measurement of the corrected model."""
        return self.evaluations.get("after")

    @property
    def synthetic(self) -> bool:
        """Whether one of its PDF targets is computed, not measured."""
        return any(p.synthetic for e in self.evaluations.values() for p in e.pdfs)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A training run.

    Attributes:
        path: folder.
        name: of the experiment.
        config: resolved configuration as plain data.
        states: ordered by temperature.
        epochs: number of completed epochs.
        epochs_planned: number of epochs that the configuration asks for, or None.
        potentials: files of trained potentials.
        log: of the production run by LAMMPS, if there was one.
        missing: what an unfinished run lacks, one sentence each.
        problems: files that could not be read.
    """

    path: Path
    name: str
    config: Mapping[str, Any]
    states: tuple[RunState, ...]
    epochs: int
    epochs_planned: int | None
    potentials: tuple[Path, ...] = ()
    log: ThermoLog | None = None
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def finished(self) -> bool:
        """Whether every state was measured after training."""
        return bool(self.states) and all(s.after is not None for s in self.states)

    @property
    def synthetic(self) -> bool:
        """Whether any PDF target is computed, not measured."""
        return any(state.synthetic for state in self.states)

    @property
    def repeat(self) -> tuple[int, int, int]:
        """Unit cells along a, b, c of the simulated sample."""
        found = dig(self.config, "sample", "repeat") or (1, 1, 1)
        return tuple(int(n) for n in found)  # pyright: ignore


def read_run(folder: str | Path, log: str | Path | None = None) -> RunFolder:
    """Reads a run folder; what is missing or damaged is listed, not raised.

    Args:
        folder: of the run.
        log: of a LAMMPS run with the trained model; by default one of `LOGS` in the folder.

    Raises:
        DataError: the folder does not exist or holds no run, or `log` cannot be read.
    """
    folder = Path(folder)
    known = ("config.yaml", "metrics.jsonl", "evaluation.json", "checkpoint.pt")
    if not folder.is_dir() or not any((folder / name).exists() for name in known):
        what = "no such folder" if not folder.is_dir() else f"none of {', '.join(known)}"
        raise DataError(
            f"expected the folder of a training run in {folder}, found {what}; name the folder that"
            " `ocvf-lmp train` has written"
        )
    problems: list[str] = []
    config = read_config(folder, problems)
    metrics = read_metrics(folder, problems)
    scores = read_json(folder / "evaluation.json", problems)
    planned = dig(config, "training", "epochs")
    states = [
        _read_state(folder, name, config, metrics, scores, problems)
        for name in _state_names(folder, config, metrics, scores)
    ]
    states.sort(key=lambda s: (s.temperature or 0.0, s.name))
    epochs = max((int(m.get("epoch", 0)) for m in metrics), default=0)
    potentials = tuple(sorted(folder.glob("potential*.pt")))
    return RunFolder(
        folder,
        str(config.get("name") or folder.resolve().name),
        config,
        tuple(states),
        epochs,
        planned if isinstance(planned, int) else None,
        potentials,
        _read_production(folder, log, problems),
        tuple(_missing(folder, states, epochs, planned, potentials)),
        tuple(problems),
    )


def _state_names(
    folder: Path, config: Mapping, metrics: list[Mapping], scores: Mapping
) -> dict[str, None]:
    names = dict.fromkeys(state_name(s) for s in config.get("states") or ())
    names |= dict.fromkeys(str(m.get("state")) for m in metrics if m.get("state"))
    for stage in STAGES:
        names |= dict.fromkeys(scores.get(stage) or ())
    files = folder.glob("trajectory_*.h5")
    return names | dict.fromkeys(p.stem.removeprefix("trajectory_") for p in files)


def _read_state(
    folder: Path,
    name: str,
    config: Mapping,
    metrics: list[Mapping],
    scores: Mapping,
    problems: list[str],
) -> RunState:
    mine = tuple(m for m in metrics if m.get("state") == name)
    evaluations = {}
    for stage in STAGES:
        found = (scores.get(stage) or {}).get(name)
        if found is None:
            continue
        try:
            evaluations[stage] = read_evaluation(folder / f"evaluation_{stage}_{name}.npz", found)
        except DataError as reason:
            problems.append(str(reason))
    entry = next((s for s in config.get("states") or () if state_name(s) == name), {})
    number = re.match(r"([\d.]+)K", name)
    temperature = entry.get("temperature") or next(
        (m["target_temperature"] for m in mine if "target_temperature" in m), None
    )
    trajectory = folder / f"trajectory_{name}.h5"
    return RunState(
        name,
        float(temperature) if temperature else float(number.group(1)) if number else None,
        evaluations,
        mine,
        _goal(entry),
        read_reference(folder, name, entry, evaluations),
        trajectory if trajectory.is_file() else None,
    )


def _goal(entry: Mapping) -> LatticeGoal | None:
    for target in entry.get("targets") or ():
        if target.get("lattice"):
            angles = target.get("angles") or (90.0, 90.0, 90.0)
            errors = [target.get("length_error", 0.0)] * 3 + [target.get("angle_error", 0.0)] * 3
            values = tuple(float(x) for x in (*target["lattice"], *angles))
            return LatticeGoal(values, tuple(errors), str(target.get("source", "")))
    return None


def _read_production(folder: Path, log: str | Path | None, problems: list[str]) -> ThermoLog | None:
    if log is not None:
        return read_log(log)
    for name in LOGS:
        if (folder / name).is_file():
            try:
                return read_log(folder / name)
            except DataError as reason:
                problems.append(str(reason))
    return None


def _missing(
    folder: Path, states: list[RunState], epochs: int, planned: Any, potentials: tuple[Path, ...]
) -> list[str]:
    lacking = []
    if not (folder / "config.yaml").is_file():
        lacking.append("the configuration (config.yaml)")
    for stage, words in (("before", "of the prior"), ("after", "of the corrected model")):
        names = [s.name for s in states if stage not in s.evaluations]
        if names:
            lacking.append(f"the measurement {words} at {', '.join(names)}")
    if isinstance(planned, int) and epochs < planned:
        lacking.append(f"{planned - epochs} of {planned} epochs of training")
    if not potentials:
        lacking.append("the trained potential (written at the end)")
    return lacking
