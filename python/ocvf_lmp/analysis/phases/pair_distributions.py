"""G(r) of the temperatures of a sweep, and how far it is from another sweep's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ocvf_lmp.analysis.phases.results import Value
from ocvf_lmp.analysis.phases.series import sound_frames
from ocvf_lmp.observables.cages import Cages, find_cages
from ocvf_lmp.observables.pdf import PdfModel, input_reach, pdf_model
from ocvf_lmp.observables.rdf import PartialGrid, average, number_density, partials
from ocvf_lmp.system.leg import Leg, LostLeg
from ocvf_lmp.system.sweep_file import SweepHeader, iterate_legs, read_header

BLOCKS = 5
"""Consecutive parts of a leg, whose scatter gives the errors."""


@dataclass(frozen=True, slots=True)
class Diffractometer:
    """An imagined one; neutrons see the first Ti-O shell best.

    Attributes:
        radiation: neutron or xray.
        r_range: Å; further than half the width of a small cell, an atom meets its own images.
        dr: Å.
        q_max: 1/Å.
        frames: of a leg, at most.
    """

    radiation: str = "neutron"
    r_range: tuple[float, float] = (1.5, 10.0)
    dr: float = 0.02
    q_max: float = 35.0
    frames: int = 15

    @property
    def r(self) -> np.ndarray:
        """Distances of its G(r), Å, (points,)."""
        first, last = (round(x / self.dr) for x in self.r_range)
        return self.dr * np.arange(first, last + 1)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Between two G(r).

    Attributes:
        r_w: √(Σ(G - G_ref)² / ΣG_ref²), no scale fitted; error from the scatter of blocks.
        floor: R_w that the noise of both alone would give.
    """

    r_w: Value
    floor: float


Curves = Mapping[tuple[str, float], np.ndarray]
"""G(r) of the blocks of a leg, Å⁻², (blocks, points), by branch and temperature."""


def curves(
    path: Path, instrument: Diffractometer, wanted: set[tuple[str, float]] | None = None
) -> Curves:
    """G(r) of legs of a sweep, from the frames that its analysis uses and counts.

    Left out are legs that cannot be read, and those with fewer sound frames than `BLOCKS`.

    Args:
        path: of the sweep.
        instrument: that sees it.
        wanted: branches and temperatures; all if None.

    Raises:
        DataError: the file is no sweep, or none of its legs can be read.
        InputError: its crystal is no perovskite.
    """
    header = read_header(path)
    r = torch.from_numpy(instrument.r)
    species = torch.from_numpy(header.species)
    counts = torch.bincount(species, minlength=len(header.symbols)).tolist()
    grid = PartialGrid(len(header.symbols), input_reach(float(r[-1]), instrument.q_max) + 0.02)
    model = pdf_model(grid, header.symbols, counts, instrument.radiation, r, instrument.q_max)
    anion = header.symbols[int(np.argmax(counts))]  # three of the five atoms of ABX3
    cages = find_cages(header.reference, header.species, header.symbols, header.repeat, anion)
    found = {}
    for leg in iterate_legs(path):
        if isinstance(leg, LostLeg):
            continue
        key = leg.branch, leg.temperature
        if wanted is None or key in wanted:
            curve = _curve(leg, header, cages, model, instrument.frames)
            if curve is not None:
                found[key] = curve
    return found


def _curve(
    leg: Leg, header: SweepHeader, cages: Cages, model: PdfModel, most: int
) -> np.ndarray | None:
    numbers = sound_frames(leg, cages)
    if len(numbers) < BLOCKS:
        return None
    numbers = numbers[np.linspace(0, len(numbers) - 1, min(most, len(numbers))).astype(int)]
    species = torch.from_numpy(header.species)
    tables, densities = [], []
    for k in numbers:
        cell = torch.from_numpy(leg.cell[k])
        positions = torch.from_numpy(leg.positions[k].astype(np.float64))
        tables.append(partials(positions, cell, species, model.grid))
        densities.append(number_density(cell, len(species)))
    parts = np.array_split(np.arange(len(numbers)), BLOCKS)
    every, rho = torch.stack(tables), torch.stack(densities)
    return np.stack([model(*average(every[list(p)], rho[list(p)])).numpy() for p in parts])


def misfits(mine: Curves, reference: Curves) -> dict[tuple[str, float], Misfit]:
    """Of all legs that two sweeps have in common."""
    return {key: misfit(mine[key], reference[key]) for key in mine.keys() & reference.keys()}


def misfit(mine: np.ndarray, reference: np.ndarray) -> Misfit:
    """Of two curves, each in blocks (blocks, points); errors by the jackknife over both."""
    size = float(np.square(reference.mean(axis=0)).sum()) ** 0.5

    def r_w(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum()) ** 0.5 / size

    square = 0.0
    for one in (0, 1):
        left = [mine, reference]
        n = len(left[one])
        without = []
        for k in range(n):
            parts = list(left)
            parts[one] = np.delete(left[one], k, axis=0)
            without.append(r_w(*parts))
        square += (n - 1) * float(np.var(without))
    noise = sum(float(x.var(axis=0, ddof=1).sum()) / len(x) for x in (mine, reference))
    return Misfit(Value(r_w(mine, reference), square**0.5), noise**0.5 / size)
