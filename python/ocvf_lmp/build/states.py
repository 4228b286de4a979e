"""States of a training: the sample, its ensemble, what is known of it."""

import logging
from functools import cache

from ocvf_lmp.config.schema import (
    ExperimentConfig,
    LatticeTargetConfig,
    PdfTargetConfig,
    SampleConfig,
    StateConfig,
    StressTargetConfig,
)
from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.fit.load_targets import load_pdf_target
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.plan import StatePoint
from ocvf_lmp.fit.stress import StressTarget
from ocvf_lmp.fit.targets import LatticeTarget
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.system.cell import heights
from ocvf_lmp.system.structure import Structure, from_ase, perovskite

logger = logging.getLogger(__name__)

IMAGE_MARGIN = 0.75
"""Å; how far below the cell's height PDFs are still compared."""


def build_structure(sample: SampleConfig, symbols: tuple[str, ...]) -> Structure:
    """The simulated sample, for a potential of these species.

    Raises:
        DataError: the file of the structure cannot be read.
        InputError: it has other species, or is not periodic.
    """
    if sample.structure is None:
        made = perovskite(sample.symbols, sample.repeat, sample.lattice, sample.off_centering)
        return from_ase(made.to_ase(), symbols)
    from ase.io import read  # noqa: PLC0415 (slow import)

    try:
        atoms = read(sample.structure)
    except Exception as reason:
        raise DataError(
            f"expected a structure that ASE can read in {sample.structure}, found: {reason};"
            " check sample.structure"
        ) from reason
    return from_ase(atoms, symbols)  # pyright: ignore


def build_state(
    config: ExperimentConfig, state: StateConfig, symbols: tuple[str, ...]
) -> StatePoint:
    """A state with its sample, for a potential of these species, and its targets.

    Raises:
        InputError: the sample has other species, is not periodic, or too small for the targets; or
            a target asks for the impossible.
        DataError: the file of the sample or of a target is wrong.
    """
    structure = build_structure(_sample(config, state), symbols)
    name = f"{state.temperature:g}K"
    if state.pressure != 1.0:
        name += f"_{state.pressure:g}bar"
    targets = [_target(state, k, t, structure) for k, t in enumerate(state.targets)]
    params = NptParameters(
        temperature=state.temperature,
        pressure=state.pressure,
        **config.dynamics.model_dump(),
    )
    return StatePoint(
        name, structure, config.sample.repeat, params, targets, state.weight, state.held_out
    )


def _sample(config: ExperimentConfig, state: StateConfig) -> SampleConfig:
    if state.off_centering is None:
        return config.sample
    if config.sample.structure is not None:
        raise InputError(
            f"expected a sample that is built of unit cells beside off_centering of the state at"
            f" {state.temperature:g} K, found the file {config.sample.structure}; leave one away"
        )
    return config.sample.model_copy(update={"off_centering": state.off_centering})


def _target(
    state: StateConfig,
    number: int,
    entry: PdfTargetConfig | LatticeTargetConfig | StressTargetConfig,
    structure: Structure,
) -> NamedTarget:
    if isinstance(entry, LatticeTargetConfig):
        target = LatticeTarget(
            state.temperature,
            state.pressure,
            entry.lattice,
            entry.angles,
            entry.length_error,
            entry.angle_error,
            weight=entry.weight,
            source=entry.source,
        )
        return NamedTarget(f"lattice{number}" if number else "lattice", target)
    if isinstance(entry, StressTargetConfig):
        target = StressTarget(entry.pressure_tensor, entry.error, entry.weight, entry.source)
        return NamedTarget(f"stress{number}" if number else "stress", target)
    composition = {
        s: float((structure.species == k).sum()) for k, s in enumerate(structure.symbols)
    }
    options = entry.model_dump(exclude={"pdf"})
    options["r_range"] = _visible_range(entry.r_range, structure)
    found = load_pdf_target(
        entry.pdf,
        temperature=state.temperature,
        pressure=state.pressure,
        composition=composition,
        **options,
    )
    return NamedTarget(entry.pdf.stem, found)


def _visible_range(wanted: tuple[float, float], structure: Structure) -> tuple[float, float]:
    """The part of a range of distances that a periodic sample can show.

    An atom and its own image keep one distance, without thermal motion between them: at the
    shortest height of the cell a simulated PDF has sharp peaks that no experiment has.
    """
    limit = float(heights(structure.cell).min()) - IMAGE_MARGIN
    if wanted[1] <= limit:
        return wanted
    if limit <= wanted[0] + 1.0:
        raise InputError(
            f"expected a sample wider than {wanted[0] + 1.0 + IMAGE_MARGIN:.1f} Å to compare PDFs"
            f" from {wanted[0]:g} Å on, found {limit + IMAGE_MARGIN:.1f} Å; raise sample.repeat"
        )
    _note_range(round(limit, 2), wanted[1])
    return (wanted[0], limit)


@cache
def _note_range(limit: float, wanted: float) -> None:
    """Said once, however many targets it concerns."""
    logger.warning(
        "PDFs are compared up to %.2f Å instead of %g Å: beyond, atoms meet their own images in"
        " this sample (raise sample.repeat to see more)",
        limit,
        wanted,
    )
