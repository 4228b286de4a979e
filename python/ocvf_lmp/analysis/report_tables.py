"""The tables of the report's page."""

from collections.abc import Sequence

import numpy as np

from ocvf_lmp.analysis.identifiability import UNASKED, shifts
from ocvf_lmp.analysis.page import Cell, Page, Row
from ocvf_lmp.analysis.runfolder import STAGES, RunFolder
from ocvf_lmp.analysis.tables import (
    SIGNIFICANT,
    LatticeRow,
    LossRow,
    lattice_table,
    loss_table,
    thermo_table,
)

MINUS = "\N{MINUS SIGN}"
UNITS = {
    "temp": "K",
    "poteng": "eV",
    "kineng": "eV",
    "toteng": "eV",
    "etotal": "eV",
    "press": "bar",
    "volume": "Å³",
    "density": "g/cm³",
    **dict.fromkeys(("v_a", "v_b", "v_c", "cella", "cellb", "cellc", "lx", "ly", "lz"), "Å"),
    **dict.fromkeys(("cellalpha", "cellbeta", "cellgamma"), "°"),
}
"""Of LAMMPS' columns in metal units."""


def loss_page(run: RunFolder) -> Page | None:
    """Loss of every state, before and after."""
    rows = loss_table(run)
    if not any(row.before is not None or row.after is not None for row in rows):
        return None
    head = ("State", "Loss before", "Loss after", "Change", "T measured (K)", "Measured over (ps)")
    states = {state.name: state for state in run.states}
    lines = []
    for row in rows:
        last = states[row.state].after or states[row.state].before
        lines.append(
            Row(
                [
                    Cell(row.state),
                    Cell(with_error(row.before, row.before_error)),
                    Cell(with_error(row.after, row.after_error)),
                    _change(row),
                    Cell(f"{last.temperature:.1f}" if last else "–"),
                    Cell(f"{last.ps:.3g}" if last else "–"),
                ]
            )
        )
    text = (
        "Standard errors in brackets, in units of the last digit, from five blocks of each run. A"
        f" change is coloured where it exceeds {SIGNIFICANT:g} of them."
    )
    return Page("loss", "Loss before and after training", head, lines, text)


def target_page(run: RunFolder) -> Page | None:
    """R_w and parts of the loss of every target."""
    lines = []
    for state in run.states:
        names = dict.fromkeys(n for e in state.evaluations.values() for n in e.parts)
        kinds = {p.name: p for e in state.evaluations.values() for p in e.pdfs}
        for k, name in enumerate(names):
            pdf = kinds.get(name)
            what = "lattice" if pdf is None else pdf.label.split(",")[0]
            tag = "" if pdf is None else "SYNTHETIC" if pdf.synthetic else "measured"
            cells = [Cell(state.name if k == 0 else ""), Cell(name), Cell(what, tag=tag)]
            parts = [e.parts.get(name) if e else None for e in (state.before, state.after)]
            cells += [Cell(_number(part)) for part in parts]
            cells += [Cell(with_error(*state.r_w(stage, name))) for stage in STAGES]
            lines.append(Row(cells, first=k == 0 and bool(lines)))
    if not lines:
        return None
    head = ("State", "Target", "Kind", "Loss before", "after", "R_w before", "after")
    text = (
        "R_w is the weighted relative difference between simulated and target curve, 0 where they"
        " agree; it is computed with the target's own weights. Standard errors in brackets, in"
        " units of the last digit, by the jackknife over five blocks of each run."
    )
    return Page("targets", "Targets", head, lines, text, left=(0, 1, 2))


def lattice_page(run: RunFolder) -> Page | None:
    """Lattice parameters before, after and of the target."""
    rows = lattice_table(run)
    if not rows:
        return None
    head = ("State", "", "a (Å)", "b (Å)", "c (Å)", "α (°)", "β (°)", "γ (°)", "c/a")
    words = {"before": "prior", "after": "corrected", "target": "target"}
    lines, last = [], ""
    for row in rows:
        cells = [Cell(row.state if row.state != last else ""), Cell(words[row.what])]
        cells += [
            Cell(with_error(float(v), float(e)), "soft" if row.what == "target" else "")
            for v, e in zip(row.values, row.errors, strict=True)
        ]
        cells.append(Cell(f"{row.values[2] / row.values[0]:.4f}"))
        lines.append(Row(cells, first=row.state != last and bool(lines)))
        last = row.state
    text = (
        "Pseudocubic unit cell; lengths in ascending order, each angle with the axis it faces and"
        " folded to at most 90°, so that domains of any orientation compare."
    )
    return Page("lattice-table", "Lattice", head, lines, text + _closer(rows), left=(0, 1))


def shift_page(run: RunFolder) -> Page | None:
    """What training moved, of what the data say and of what they do not say."""
    rows = shifts(run)
    if not rows:
        return None
    head = ("State", "Observable", "In the data", "Before", "After", "Change", "In errors")
    lines, last = [], ""
    for row in rows:
        errors = row.errors
        tone = "worse" if errors > UNASKED and not row.constrained else ""
        unit = f" {row.unit}" if row.unit else ""
        cells = [
            Cell(row.state if row.state != last else ""),
            Cell(row.observable),
            Cell("yes" if row.constrained else "no", "" if row.constrained else "soft"),
            Cell(_number(row.before)),
            Cell(_number(row.after)),
            Cell(f"{_number(row.change)}{unit}"),
            Cell(f"{errors:.1f}" if np.isfinite(errors) else "–", tone),
        ]
        lines.append(Row(cells, first=row.state != last and bool(lines)))
        last = row.state
    text = (
        "A target says something of an observable directly (yes), or the correction moved it by its"
        " form and by chance (no; coloured beyond"
        f" {UNASKED:g} standard errors): check these against what else is known of the material."
        " Curves: root mean square over the compared distances; noise alone gives about 1 in the"
        " last column."
    )
    return Page(
        "shifts", "What moved, and what the data say of it", head, lines, text, left=(0, 1, 2)
    )


def production_page(run: RunFolder) -> Page | None:
    """Means of the LAMMPS run."""
    rows = thermo_table(run)
    if not rows or run.log is None:
        return None
    lines = [
        Row([Cell(name), Cell(with_error(mean, error)), Cell(UNITS.get(name.lower(), ""))])
        for name, mean, error in rows
    ]
    count = f"{len(run.log)} lines, the first fifth left out"
    end = "" if run.log.finished else " The run did not come to its regular end."
    errors = f" LAMMPS reported: {'; '.join(run.log.errors)}" if run.log.errors else ""
    text = f"Means over {count}; standard errors from five blocks.{end}{errors}"
    return Page("production-table", "LAMMPS run", ("Quantity", "Mean", "Unit"), lines, text)


def with_error(value: float | None, error: float | None) -> str:
    """A number with its standard error in brackets: 4.0021(4)."""
    if value is None or not np.isfinite(value):
        return "–"
    if error is None or not np.isfinite(error) or error <= 0:
        return _number(value)
    digits = max(0, 1 - int(np.floor(np.log10(error * 1.05))))
    if error * 10**digits >= 30 and digits > 0:
        digits -= 1
    shown = f"{error:.{digits}f}" if error >= 1 else f"{round(error * 10**digits)}"
    return f"{value:.{digits}f}({shown})".replace("-", MINUS)


def _number(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.4g}".replace("-", MINUS)


def _change(row: LossRow) -> Cell:
    if row.change is None:
        return Cell("–")
    text = f"{row.change:+.1f} %".replace("-", MINUS)
    if not row.significant:
        return Cell(f"{text} (within error)", "soft")
    return Cell(text, "better" if row.change < 0 else "worse")


def _closer(rows: Sequence[LatticeRow]) -> str:
    """How the mean deviation of the lengths from the targets changed."""
    table = {(row.state, row.what): row.values[:3] for row in rows}
    shifts = [
        [np.abs(table[state, s] - table[state, "target"]).mean() for s in ("before", "after")]
        for state in {row.state for row in rows}
        if all((state, what) in table for what in ("before", "after", "target"))
    ]
    if not shifts:
        return ""
    before, after = 1000 * np.mean(shifts, axis=0)
    return f" Mean deviation of the lengths from the targets: {before:.1f} → {after:.1f} mÅ."
