"""The tables of an analysis as plain text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.results import Transition, Value
from ocvf_lmp.analysis.phases.transitions import NAMES
from ocvf_lmp.analysis.report_tables import with_error


@dataclass(frozen=True, slots=True)
class TextTable:
    """A title, columns and rows, and what must be said below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(found: Analysis) -> list[TextTable]:
    """All tables of one sweep, without empty ones."""
    made = [
        phase_table(found),
        cell_table(found),
        polar_table(found),
        transition_table(found),
        polarization_table(found),
        lattice_table(found),
        free_energy_table(found),
        left_out_table(found),
    ]
    return [one for one in made if one.rows]


def phase_table(found: Analysis) -> TextTable:
    """Shares of the phases at every temperature, both ways."""
    rows = []
    for leg in found.legs:
        skipped = ", ".join(f"{n} {reason}" for reason, n in leg.skipped.items())
        rows.append(
            [
                f"{leg.branch} {leg.temperature:g} K",
                shown(leg.kinetic_temperature),
                str(leg.frames),
                skipped or "–",
                leg.phase,
                *(_share(x) for x in leg.by_polarization),
                *(_share(x) for x in leg.by_strain),
                _share(leg.agreement),
                str(leg.switches),
                shown(leg.binder),
                f"{leg.correlation:.2g}",
            ]
        )
    columns = (
        "Temperature", "Kinetic (K)", "Frames", "Left out", "Phase", "R_P", "O_P", "T_P", "C_P",
        "R_e", "O_e", "T_e", "C_e", "Agree", "Changes", "Binder", "Corr. (ps)",
    )  # fmt: skip
    note = (
        f"Shares of frames in percent, from windows of {found.window:.3g} ps, by polarization (_P)"
        " and by the shape of the cell (_e); Agree: both the same. Binder: 1 polarization of"
        " constant size, 0 noise about none. Errors in brackets, of the last digits."
    )
    return TextTable("Phases", columns, rows, note)


def cell_table(found: Analysis) -> TextTable:
    """Cell at every temperature."""
    rows = [
        [f"{leg.branch} {leg.temperature:g} K", leg.phase, *map(shown, leg.aligned),
         shown(leg.ratio), shown(leg.difference), shown(leg.volume)]
        for leg in found.legs
    ]  # fmt: skip
    columns = (
        "Temperature", "Phase", "a (Å)", "b (Å)", "c (Å)", "α (°)", "β (°)", "γ (°)", "2c/(a+b)",
        "|a-b| (Å)", "V (Å³)",
    )  # fmt: skip
    note = (
        "Pseudocubic cell; in every window the axes are ordered by their polarization (c: the most"
        " polar) and angles folded to one domain."
    )
    return TextTable("Cell", columns, rows, note)


def polar_table(found: Analysis) -> TextTable:
    """Polarization at every temperature."""
    rows = [
        [f"{leg.branch} {leg.temperature:g} K", leg.phase, *map(shown, leg.components),
         shown(leg.size), f"{leg.size_deviation:.4f}", shown(leg.ordered), shown(leg.local)]
        for leg in found.legs
    ]  # fmt: skip
    columns = (
        "Temperature", "Phase", "P1 (C/m²)", "P2", "P3", "|P|", "Std. dev.", "|⟨P⟩|", "|P| a cell",
    )  # fmt: skip
    note = (
        "Components in the order of their size in each window; |P| of frames, |⟨P⟩| of windows,"
        " and the mean size in a single cell."
    )
    return TextTable("Polarization", columns, rows, note)


def transition_table(found: Analysis) -> TextTable:
    """Transition temperatures of every branch, and hysteresis."""
    rows = [[t.name, t.branch, t.by, t.statement] for t in found.transitions]
    rows += [
        [h.name, "hysteresis", h.by,
         f"{h.width.value:.0f} ± {h.width.error:.0f} K about {h.middle.value:.0f} K"]
        for h in found.hysteresis
    ]  # fmt: skip
    rows.sort(key=lambda row: NAMES.index(row[0]))
    note = (
        "Errors hold the distance of the neighbouring temperatures over √12 and a moving-block"
        " bootstrap over the frames of every temperature."
    )
    return TextTable("Transitions", ("", "Branch", "By", "Temperature"), rows, note)


def polarization_table(found: Analysis) -> TextTable:
    """Spontaneous polarization by phase, as table III of the paper."""
    rows = [
        [
            one.phase,
            f"{one.coldest:g}–{one.warmest:g}",
            str(one.frames),
            shown(one.size),
            f"{one.deviation:.4f}",
            f"{one.variance:.6f}",
            shown(one.ordered),
        ]
        for one in found.phases
    ]
    columns = (
        "Phase", "T (K)", "Frames", "|P| (C/m²)", "Std. dev.", "Variance", "|⟨P⟩| (C/m²)",
    )  # fmt: skip
    note = f"Born charges {found.charges}: {found.remarks[0]}." if found.remarks else ""
    return TextTable("Spontaneous polarization", columns, rows, note)


def lattice_table(found: Analysis) -> TextTable:
    """Cell and thermal expansion by phase."""
    rows = []
    for one in found.phases:
        free = ", ".join(f"{k} {shown(v)}" for k, v in one.lattice.items())
        scaled = Value(1e5 * one.expansion.value, 1e5 * one.expansion.error)
        count = f"{one.expansion_legs} temperatures"
        rows.append([one.phase, free, shown(one.volume), shown(scaled), count])
    columns = ("Phase", "Parameters (Å, °)", "V (Å³)", "Expansion (10⁻⁵/K)", "from")
    note = "Expansion: d ln V / 3 dT over the temperatures that are mostly in the phase."
    return TextTable("Lattice by phase", columns, rows, note)


def free_energy_table(found: Analysis) -> TextTable:
    """Free energies of neighbouring temperatures and of phases."""
    rows = [
        [
            f"{s.branch} {s.cold:g} to {s.warm:g} K",
            shown(s.difference),
            "–" if math.isnan(s.overlap) else f"{s.overlap:.2g}",
            f"{s.samples[0]:.0f}, {s.samples[1]:.0f}",
            s.refused or "",
        ]
        for s in found.free_steps
    ]
    columns = ("", "Δ(G/kT) a cell", "Overlap", "Independent", "Refused")
    note = "\n".join(f"G of {b.phases}, {b.branch}: {b.statement}." for b in found.balances)
    return TextTable("Free energies (MBAR)", columns, rows, note)


def left_out_table(found: Analysis) -> TextTable:
    """Temperatures that could not be used."""
    rows = [[f"{x.branch} {x.temperature:g} K", x.reason] for x in found.left_out]
    return TextTable("Left out", ("Temperature", "Reason"), rows)


def comparison_table(all_found: Sequence[Analysis]) -> TextTable:
    """Several sweeps beside each other: sizes or models."""
    rows = []
    for found in all_found:
        for branch in found.branches:
            table, sizes = found.transitions_of(branch), found.polarizations()
            rows.append(
                [
                    found.name,
                    "×".join(map(str, found.repeat)),
                    str(found.atoms),
                    branch,
                    *(transition_text(table.get(name)) for name in NAMES),
                    *(shown(sizes[p]) if p in sizes else "–" for p in "ROT"),
                ]
            )
    columns = (
        "Sweep", "Cells", "Atoms", "Branch", *(f"{n} (K)" for n in NAMES),
        "P R (C/m²)", "P O", "P T",
    )  # fmt: skip
    note = "By polarization; P: |⟨P⟩| of windows, of both branches."
    return TextTable("Comparison", columns, rows, note)


def shown(value: Value) -> str:
    """A number with its error in brackets; with ± ? where the error is not known."""
    if not math.isfinite(value.value):
        return "–"
    if not math.isfinite(value.error):
        return f"{value.value:.4g} ± ?"
    return with_error(value.value, value.error)


def transition_text(one: Transition | None) -> str:
    """Its temperature with error, or why there is none."""
    if one is None:
        return "–"
    if math.isfinite(one.temperature.value):
        return f"{one.temperature.value:.0f} ± {one.temperature.error:.0f}"
    return one.statement.split(" (")[0]


def _share(x: float) -> str:
    return f"{100 * x:.0f}"
