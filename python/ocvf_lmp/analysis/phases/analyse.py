"""From the file of a sweep to everything that is known of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ocvf_lmp.analysis.phases.alignment import align
from ocvf_lmp.analysis.phases.analysis_file import Analysis
from ocvf_lmp.analysis.phases.balance import balances
from ocvf_lmp.analysis.phases.by_phase import phase_results
from ocvf_lmp.analysis.phases.classify import Criteria, Labels, by_polarization, window_length
from ocvf_lmp.analysis.phases.free_energy import GATED, free_steps
from ocvf_lmp.analysis.phases.legs import leg_result
from ocvf_lmp.analysis.phases.results import Balance, FreeStep, LeftOut, LegResult, Transition
from ocvf_lmp.analysis.phases.series import LegSeries, leg_series
from ocvf_lmp.analysis.phases.strain import by_strain
from ocvf_lmp.analysis.phases.transitions import branch_transitions, hysteresis
from ocvf_lmp.errors import DataError
from ocvf_lmp.observables.born_charges import BornCharges
from ocvf_lmp.observables.cages import find_cages
from ocvf_lmp.observables.polarization import OVERESTIMATE
from ocvf_lmp.system.leg import LostLeg
from ocvf_lmp.system.sweep_file import iterate_legs, read_header

BINDER = 0.5
"""Binder ratio beyond which a leg that reads C hides a polarization that changes its axis."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a sweep is analysed.

    Attributes:
        criteria: of the phases.
        fewest: sound frames that a leg must have.
        samples: of the bootstrap.
        seed: of the bootstrap.
    """

    criteria: Criteria = field(default_factory=Criteria)
    fewest: int = 10
    samples: int = 500
    seed: int = 1


def read_series(
    path: Path, charges: BornCharges, fewest: int
) -> tuple[list[LegSeries], list[LeftOut]]:
    """Series of all legs of a sweep, and which could not be used.

    Args:
        path: of the sweep.
        charges: Born charges.
        fewest: sound frames that a leg must have.

    Raises:
        DataError: the file is no sweep, or none of its legs can be read.
        InputError: its crystal is no perovskite, or has other atoms than the charges.
    """
    header = read_header(path)
    cages = find_cages(
        header.reference, header.species, header.symbols, header.repeat, charges.anion
    )
    used, left_out = [], []
    for leg in iterate_legs(path):
        if isinstance(leg, LostLeg):
            left_out.append(LeftOut(leg.branch, leg.temperature, leg.reason))
            continue
        series = leg_series(leg, cages, charges, header.timestep)
        if len(series) >= fewest:
            used.append(series)
            continue
        skipped = ", ".join(f"{n} × {reason}" for reason, n in series.skipped.items())
        left_out.append(
            LeftOut(
                leg.branch,
                leg.temperature,
                f"{len(series)} sound frames of {series.found} after equilibration, fewer than"
                f" {fewest}" + (f" ({skipped})" if skipped else ""),
            )
        )
    return used, left_out


def analyse(path: Path, charges: BornCharges, settings: Settings) -> Analysis:
    """Everything that the sweep shows.

    Args:
        path: of the sweep.
        charges: Born charges.
        settings: how.

    Raises:
        DataError: the file is no sweep, or has no leg that can be read and used.
        InputError: its crystal is no perovskite, or has other atoms than the charges.
    """
    header = read_header(path)
    legs, left_out = read_series(path, charges, settings.fewest)
    if not legs:
        why = "; ".join(f"{x.branch} {x.temperature:g} K: {x.reason}" for x in left_out)
        raise DataError(
            f"expected at least one temperature with {settings.fewest} sound frames in {path},"
            f" found none ({why or 'the sweep is empty'}); run the sweep longer"
        )
    random = np.random.default_rng(settings.seed)
    window = window_length(legs, settings.criteria)
    polar = by_polarization(legs, settings.criteria, window)
    strain = by_strain(legs, settings.criteria, window)
    aligned = [align(leg, own.parts) for leg, own in zip(legs, polar, strict=True)]
    results = [
        leg_result(*one, random, settings.samples)
        for one in zip(legs, aligned, polar, strain, strict=True)
    ]
    gated = bool(header.source.get("gated"))
    transitions: list[Transition] = []
    steps: list[FreeStep] = []
    balance: list[Balance] = []
    for branch in dict.fromkeys(leg.branch for leg in legs):
        mine = [k for k, leg in enumerate(legs) if leg.branch == branch]
        own = [legs[k] for k in mine]
        for by, labels in (("polarization", polar), ("strain", strain)):
            transitions += branch_transitions(
                own, [labels[k] for k in mine], by, window, settings.samples, random
            )
        if not gated:
            joined = free_steps(own, header.pressure)
            steps += joined
            balance += balances(own, [polar[k] for k in mine], joined, header.pressure, random)
    return Analysis(
        name=header.name,
        file=str(path),
        repeat=header.repeat,
        atoms=len(header.species),
        pressure=header.pressure,
        charges=charges.name,
        charges_source=charges.source,
        window=window,
        criteria=asdict(settings.criteria) | {
            "fewest_frames": float(settings.fewest),
            "bootstrap_samples": float(settings.samples),
            "seed": float(settings.seed),
        },
        source=header.source,
        legs=results,
        left_out=left_out,
        transitions=transitions,
        hysteresis=hysteresis(transitions),
        phases=phase_results(list(zip(legs, aligned, polar, strain, strict=True))),
        free_steps=steps,
        balances=balance,
        remarks=_remarks(results, left_out, legs, polar, window, gated),
    )  # fmt: skip


def _remarks(
    results: Sequence[LegResult],
    left_out: Sequence[LeftOut],
    legs: Sequence[LegSeries],
    polar: Sequence[Labels],
    window: float,
    gated: bool,
) -> list[str]:
    said = [f"the polarization is {OVERESTIMATE}"]
    if gated:
        said.append(GATED)
    short = [leg.name for leg, own in zip(legs, polar, strict=True) if _is_short(leg, window)]
    if short:
        said.append(
            f"shorter than two windows of {window:.3g} ps, so that the errors of"
            f" their shares are hardly known: {', '.join(short)}"
        )
    hidden = [
        f"{x.branch} {x.temperature:g} K ({x.binder.value:.2f})"
        for x in results
        if x.phase == "C" and x.binder.value - x.binder.error > BINDER
    ]
    if hidden:
        said.append(
            "read as C, but the size of the polarization hardly fluctuates (Binder ratio in"
            " brackets): it may change its axis more often than once in half a window:"
            f" {', '.join(hidden)}"
        )
    skipped = sum(sum(x.skipped.values()) for x in results)
    if skipped:
        said.append(f"{skipped} frames were left out; the table of temperatures says why")
    if left_out:
        said.append(
            f"{len(left_out)} of {len(left_out) + len(results)} temperatures were left out; a table"
            " of their own says why"
        )
    return said


def _is_short(leg: LegSeries, window: float) -> bool:
    return len(leg) * leg.spacing < 2 * window
