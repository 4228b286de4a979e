"""What the literature says of other models, beside ours (OCVF table I)."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.references import Reference
from ocvf_lmp.analysis.phases.tables import TextTable, shown, transition_text
from ocvf_lmp.analysis.phases.transitions import NAMES, NOTHING
from ocvf_lmp.errors import DataError

POLAR = "ROT"


class PublishedModel(BaseModel):
    """A row.

    Attributes:
        model: in words.
        cells: size of the sample, in words; None if it was not stated.
        transitions: K, by name.
        errors: of them, where stated.
        polarizations: C/m², by phase.
        reading: how it was read.
        seen_in: key of the source.
        note: for readers of the file.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    cells: str | None
    transitions: dict[str, float]
    errors: dict[str, float] = {}
    polarizations: dict[str, float] = {}
    reading: str
    seen_in: str
    note: str = ""


class Literature(BaseModel):
    """Published models and their sources, in the form of ``data/bto/literature.yaml``."""

    model_config = ConfigDict(extra="forbid")

    sources: dict[str, str]
    models: list[PublishedModel]


def read_literature(path: Path) -> Literature:
    """Reads a file of published models.

    Raises:
        DataError: the file is missing or has another form, or a row names an unknown source,
            transition or phase.
    """
    try:
        found = Literature.model_validate(yaml.safe_load(path.read_text()))
        for row in found.models:
            names = {*row.transitions, *row.errors} - set(NAMES)
            if names or set(row.polarizations) - set(POLAR) or row.seen_in not in found.sources:
                raise ValueError(f"{row.model}: an unknown transition, phase or source")
    except (OSError, yaml.YAMLError, ValidationError, ValueError) as reason:
        raise DataError(
            f"expected models in the form of data/bto/literature.yaml in {path}, found {reason};"
            " correct the file, or name another by --literature"
        ) from reason
    return found


def method_table(
    models: Sequence[Analysis], reference: Reference, literature: Literature
) -> TextTable:
    """Transition temperatures and polarizations by method: reference, ours, literature."""
    true = [next(iter(reference.by_polarization(name)), NOTHING) for name in NAMES]
    true += [reference.polarization.get(phase, NOTHING) for phase in POLAR]
    rows = [[reference.name, "–", *map(shown, true)]]
    rows += [_ours(found, branch) for found in models for branch in found.branches]
    for row in literature.models:
        line = [f"{row.model} [{_number(literature, row)}]", row.cells or "–"]
        line += [_given(row.transitions.get(n), row.errors.get(n)) for n in NAMES]
        rows.append(line + [_given(row.polarizations.get(p), None) for p in POLAR])
    columns = (
        "Method", "Cells", *(f"{name} (K)" for name in NAMES), *(f"P, {p} (C/m²)" for p in POLAR)
    )  # fmt: skip
    note = (
        "Ours with standard errors; the literature as it stands there, which mostly states none."
        " Sources: "
    )
    note += "; ".join(f"[{k}] {text}" for k, text in enumerate(literature.sources.values(), 1))
    return TextTable("Transitions and polarization by method", columns, rows, note + ".")


def _ours(found: Analysis, branch: str) -> list[str]:
    mine, sizes = found.transitions_of(branch), found.polarizations()
    return [
        f"{found.name}, {branch}",
        "×".join(map(str, found.repeat)),
        *(transition_text(mine.get(name)) for name in NAMES),
        *(shown(sizes.get(phase, NOTHING)) for phase in POLAR),
    ]


def _number(literature: Literature, row: PublishedModel) -> int:
    return list(literature.sources).index(row.seen_in) + 1


def _given(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if error is None else f"{value:g} ± {error:g}"
