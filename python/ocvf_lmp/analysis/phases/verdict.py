"""How far models are from a reference, and how much of the last model's error the others remove."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.pair_distributions import Misfit
from ocvf_lmp.analysis.phases.references import BOTH, Reference
from ocvf_lmp.analysis.phases.results import Value
from ocvf_lmp.analysis.phases.tables import TextTable, shown
from ocvf_lmp.analysis.phases.transitions import BY, NAMES, NOTHING
from ocvf_lmp.files import write_text_atomically

CLEAR = 2.0
"""Standard errors from which a deviation is one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity.

    Attributes:
        quantity: in words.
        unit: of all values.
        reference: the truth.
        models: what each model gives; NaN where it gives nothing.
        said: words of each model where it gives nothing.
    """

    quantity: str
    unit: str
    reference: Value
    models: tuple[Value, ...]
    said: tuple[str, ...]

    def deviation(self, number: int) -> Value:
        """Of a model from the reference; errors that nobody states do not count."""
        mine, true = self.models[number], self.reference
        errors = [e for e in (mine.error, true.error) if math.isfinite(e)]
        return Value(mine.value - true.value, math.hypot(*errors) if errors else math.nan)

    def cut(self, number: int) -> Value:
        """Share of the last model's error that a model takes away: 1 - |deviation / its|.

        NaN where that error is not clear of its own uncertainty.
        """
        mine, theirs = self.deviation(number), self.deviation(len(self.models) - 1)
        if not math.isfinite(mine.value * theirs.value):
            return NOTHING
        if not abs(theirs.value) > CLEAR * (theirs.error if math.isfinite(theirs.error) else 0.0):
            return NOTHING  # no error to take away
        ratio = abs(mine.value / theirs.value)
        error = math.hypot(mine.error, ratio * theirs.error) / abs(theirs.value)
        return Value(1.0 - ratio, error)


def compare(
    models: Sequence[Analysis],
    reference: Reference,
    misfits: Sequence[Mapping[tuple[str, float], Misfit]] = (),
) -> list[Comparison]:
    """All quantities that the reference and at least one model have.

    Args:
        models: the last one is what the others are to improve, the prior.
        reference: the truth.
        misfits: of each model's PDFs, by branch and temperature.
    """
    rows = [*_transitions(models, reference), *_by_phase(models, reference)]
    for branch, temperature in reference.volumes:
        legs = [
            next((x.volume for x in m.legs if (x.branch, x.temperature) == (branch, temperature)),
                 NOTHING)
            for m in models
        ]  # fmt: skip
        rows.append(_row(f"V, {branch} {temperature:g} K", "Å³",
                         reference.volumes[branch, temperature], legs))  # fmt: skip
    for branch, temperature in sorted({key for each in misfits for key in each}):
        found = [each.get((branch, temperature)) for each in misfits]
        values = [NOTHING if x is None else x.r_w for x in found]
        floor = next(x.floor for x in found if x is not None)
        words = f"R_w of G(r), {branch} {temperature:g} K"
        rows.append(_row(words, "1", Value(0.0, floor), values))
    return [row for row in rows if any(math.isfinite(x.value) for x in row.models) or any(row.said)]


def _transitions(models: Sequence[Analysis], reference: Reference) -> list[Comparison]:
    rows = []
    wanted = [
        (by, name, branch, true)
        for by in BY
        for (branch, name, known_by), true in reference.transitions.items()
        if known_by in ("", by)
    ]
    wanted.sort(key=lambda row: (BY.index(row[0]), NAMES.index(row[1])))
    for by, name, branch, true in wanted:
        branches = [branch] if branch else [*sorted({b for m in models for b in m.branches}), BOTH]
        for own in branches:
            found = [_transition(m, own, by, name) for m in models]
            values, said = zip(*found, strict=True)
            words = f"{name}, {own}" + ("" if by == BY[0] else f", by {by}")
            rows.append(Comparison(words, "K", true, values, said))
    return rows


def _transition(model: Analysis, branch: str, by: str, name: str) -> tuple[Value, str]:
    """Its temperature; without one, why."""
    if branch == BOTH:
        middle = (h.bracketed() for h in model.hysteresis if (h.name, h.by) == (name, by))
        return next(middle, NOTHING), ""
    found = model.transitions_of(branch, by).get(name)
    if found is None:
        return NOTHING, ""
    return found.temperature, "" if math.isfinite(found.temperature.value) else found.statement


def _by_phase(models: Sequence[Analysis], reference: Reference) -> list[Comparison]:
    rows = []
    for phase in "ROTC":
        mine = [next((p for p in m.phases if p.phase == phase), None) for m in models]
        if phase in reference.polarization and phase != "C":
            values = [NOTHING if p is None else p.ordered for p in mine]
            rows.append(_row(f"P, {phase}", "C/m²", reference.polarization[phase], values))
        for name, true in reference.lattice.get(phase, {}).items():
            values = [NOTHING if p is None else p.lattice.get(name, NOTHING) for p in mine]
            unit = "°" if name == "alpha" else "1" if name == "c/a" else "Å"
            rows.append(_row(f"{name}, {phase}", unit, true, values))
    return rows


def _row(quantity: str, unit: str, true: Value, values: Sequence[Value]) -> Comparison:
    return Comparison(quantity, unit, true, tuple(values), ("",) * len(values))


def write_verdict(
    path: Path, models: Sequence[Analysis], reference: Reference, rows: Sequence[Comparison]
) -> None:
    """Writes ``verdict.json``; numbers that could not be had are null.

    Raises:
        OcvfError: it cannot be written.
    """
    quantities = TypeAdapter(list[Comparison]).dump_python(list(rows), mode="json")
    content = {
        "reference": reference.name,
        "models": [m.name for m in models],
        "quantities": quantities,
    }
    write_text_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def verdict_table(
    models: Sequence[Analysis], reference: Reference, rows: Sequence[Comparison]
) -> TextTable:
    """Reference and models side by side, with what each takes away of the last one's error."""
    several = len(models) > 1
    columns = ["", reference.name, *(m.name for m in models)]
    if several:
        columns += [f"error cut by {m.name}" for m in models[:-1]]
    lines = []
    for row in rows:
        unit = "" if row.unit == "1" else f" ({row.unit})"
        line = [row.quantity + unit, shown(row.reference)]
        line += [
            shown(value) if math.isfinite(value.value) else said or "–"
            for value, said in zip(row.models, row.said, strict=True)
        ]
        if several:
            line += [_percent(row.cut(k)) for k in range(len(models) - 1)]
        lines.append(line)
    note = "R_w: the reference's value is what its noise and the models' would give."
    if several:
        note += f" Error cut: share of the deviation of {models[-1].name} that is gone."
        if any(math.isnan(row.reference.error) for row in rows):
            note += " An error of the reference that nobody states counts as none."
    return TextTable(f"Against {reference.name}", columns, lines, note)


def _percent(x: Value) -> str:
    if not math.isfinite(x.value):
        return "–"
    error = f" ± {100 * x.error:.0f}" if math.isfinite(x.error) else ""
    return f"{100 * x.value:.0f}{error} %"
