"""Tables and figures of `throughput.py`."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

from throughput_sides import Measured, Side

Rounds = list[Measured | None]
"""A side's measurements at one size, one of each round; None where there is none."""
Table = dict[tuple[int, str], Rounds]
"""By number of atoms and label of the side."""

HEADLINE = 320
"""Size (atoms) of the figures that name none: every run measures it, and it fits every peer."""
CLOCKS: dict[str, Callable[[Measured], float]] = {
    "": lambda m: m.rate,
    "_by_cpu_time": lambda m: m.rate_by_cpu_time,
}


def head() -> None:
    """Head of the table of measurements."""
    print(
        "  atoms side             steps  s/step  atom-steps/s  by cpu time  cpu/wall  peak MB  load"
    )


def row(side: Side, found: Measured) -> None:
    """One measurement."""
    print(
        f"{found.atoms:7d} {side.label:16s} {found.steps:5d} {found.wall / found.steps:7.3f}"
        f" {found.rate:13.0f} {found.rate_by_cpu_time:12.0f} {found.processor / found.wall:9.2f}"
        f" {found.peak / 1e6:8.0f} {found.load:5.1f}",
        flush=True,
    )


def taken(rounds: Rounds) -> list[Measured]:
    """Those that were made."""
    return [found for found in rounds if found is not None]


def ratio(above: Rounds, below: Rounds, of: Callable[[Measured], float]) -> float | None:
    """Median over the rounds in which both were measured, one after the other."""
    pairs = [
        of(a) / of(b) for a, b in zip(above, below, strict=True) if a is not None and b is not None
    ]
    return median(pairs) if pairs else None


def speeds(table: Table) -> Iterator[str]:
    """Speed and memory of every side at every size."""
    for (atoms, label), rounds in table.items():
        found = taken(rounds)
        if not found:
            continue
        name, *rest = label.split("_")
        key = "_".join([name, str(atoms), *rest])
        for suffix, of in CLOCKS.items():
            yield f"atomsteps_{key}{suffix} {median(of(m) for m in found):.0f} atom-steps/s"
        yield f"memory_{key} {max(m.peak for m in found) / 1e6:.0f} MB"


def memory(table: Table) -> Iterator[str]:
    """Memory an atom, from the difference between the two largest sizes of a side."""
    for label in dict.fromkeys(label for _, label in table):
        peaks = [
            (atoms, max(m.peak for m in taken(rounds)))
            for (atoms, name), rounds in sorted(table.items(), key=lambda item: item[0][0])
            if name == label and taken(rounds)
        ]
        for (small, low), (large, high) in list(pairwise(peaks))[-1:]:
            yield f"bytes_per_atom_{label} {(high - low) / (large - small):.0f} B"


def comparisons(table: Table) -> Iterator[str]:
    """Ours over each peer, and two ranks over one."""
    sizes = sorted({atoms for atoms, _ in table})
    labels = list(dict.fromkeys(label for _, label in table))
    for atoms in sizes:
        at = {label: table[atoms, label] for label in labels if (atoms, label) in table}
        for mine in (label for label in at if label in ("ours_f32", "ours_f64")):
            precision = mine.split("_")[1]
            for peer in ("pod", "chgnet", "mace", "deepmd"):
                # a peer that has only one precision is compared with both of ours
                others = (at.get(f"{peer}_{p}") for p in (precision, "f64", "f32"))
                other = next((rounds for rounds in others if rounds), None)
                yield from _named(f"ratio_ours_over_{peer}", atoms, precision, at[mine], other)
            several = at.get(f"{mine}_2ranks")
            yield from _named("speedup_two_ranks", atoms, precision, several, at[mine])
        one, two = at.get("pod_f64"), at.get("pod_f64_2ranks")
        yield from _named("speedup_two_ranks_pod", atoms, "f64", two, one)


def _named(
    name: str, atoms: int, precision: str, above: Rounds | None, below: Rounds | None
) -> Iterator[str]:
    if above is None or below is None:
        return
    for suffix, of in CLOCKS.items():
        value = ratio(above, below, of)
        if value is None:
            continue
        yield f"{name}_{atoms}_{precision}{suffix} {value:.2f} 1"
        if atoms == HEADLINE and precision == "f32":
            yield f"{name}{suffix} {value:.2f} 1"


def results(table: Table) -> None:
    """Prints all figures."""
    for make in (speeds, memory, comparisons):
        for line in make(table):
            print(f"RESULT {line}")
