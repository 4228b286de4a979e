"""Energies of prior and correction over the displacements, for every state of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ocvf_lmp.analysis.maps.displacements import (
    B_ALONE,
    DIRECTIONS,
    PLANES,
    Displacement,
    Pattern,
    line,
)
from ocvf_lmp.analysis.maps.energies import Crystal, energies
from ocvf_lmp.analysis.maps.lattice import lattice_of
from ocvf_lmp.analysis.maps.potentials import Potentials
from ocvf_lmp.analysis.maps.sites import sites_of_run
from ocvf_lmp.analysis.maps.soft_mode import soft_mode
from ocvf_lmp.analysis.runfolder import RunFolder
from ocvf_lmp.errors import InputError, ModelFileError, OcvfError
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.foreign.calculator import CalculatorPrior
from ocvf_lmp.potential.protocol import Potential

REACH, REACH_TOGETHER = 0.2, 0.25
"""Å: largest off-centring of the curves, and half of the edge of a map; where B moves alone, and
where the other ions make way, so that the wells are wider."""

N_LINE, N_MAP, N_ANGLE = 41, 21, 13
"""Points of a curve; along half an edge of a map; of a quarter of a circle."""


@dataclass(frozen=True, slots=True)
class Energies:
    """Energies of a formula unit less those of the undisplaced cell, eV, of one shape.

    Attributes:
        correction: ΔH.
        prior: H_o, or None where it cannot be evaluated here.
    """

    correction: np.ndarray
    prior: np.ndarray | None

    @property
    def corrected(self) -> np.ndarray | None:
        """H_o + ΔH."""
        return None if self.prior is None else self.prior + self.correction

    def shaped(self, fold: "Fold") -> "Energies":
        """The same, unfolded to a whole map."""
        prior = None if self.prior is None else fold(self.prior)
        return Energies(fold(self.correction), prior)


@dataclass(frozen=True, slots=True)
class Fold:
    """Values of a quarter, (n · m,), as a whole: by mirrors of a plane, or round a circle.

    Attributes:
        shape: of the quarter.
        circle: the last axis is the angle from 0 to 90°, and closes to 360°.
    """

    shape: tuple[int, int]
    circle: bool = False

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The whole: (2n - 1, 2m - 1), or (n, 4m - 3) for a circle."""
        quarter = values.reshape(self.shape)
        if self.circle:
            half = np.concatenate([quarter, quarter[:, -2::-1]], axis=1)
            return np.concatenate([half, half[:, 1:]], axis=1)
        half = np.concatenate([quarter[:0:-1], quarter])
        return np.concatenate([half[:, :0:-1], half], axis=1)


@dataclass(frozen=True, slots=True)
class Surface:
    """The energy surface of one state.

    Attributes:
        state: name.
        temperature: K, or None.
        crystal: its cubic cell.
        lattice_source: where the lattice constant comes from.
        pattern: who moves.
        constant: force constant of the soft mode, eV/Å², where it was computed.
        offset: ΔH of the undisplaced cell, eV a formula unit; taken off all maps.
        sizes: off-centrings of the curves, Å, (points,).
        curves: by direction, (points,).
        edge: off-centrings along both axes of a map, Å, (points,).
        maps: by the key of the plane; rows along its y, columns along its x.
        radii: of the discs, Å, (radii,).
        angles: of the discs, from the plane's x, rad, (angles,).
        discs: by the key of the plane, (radii, angles); empty but for the state that is drawn.
    """

    state: str
    temperature: float | None
    crystal: Crystal
    lattice_source: str
    pattern: Pattern
    constant: float | None
    offset: float
    sizes: np.ndarray
    curves: Mapping[str, Energies]
    edge: np.ndarray
    maps: Mapping[str, Energies]
    radii: np.ndarray
    angles: np.ndarray
    discs: Mapping[str, Energies] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """All states of a run.

    Attributes:
        surfaces: in the order of the states.
        reach: largest off-centring, Å.
        shared: one correction serves all states.
        words: why something is not shown, one sentence each.
    """

    surfaces: Sequence[Surface]
    reach: float = REACH
    shared: bool = False
    words: Sequence[str] = ()

    @property
    def shown(self) -> Surface | None:
        """The state of the three-dimensional figure."""
        return next((s for s in self.surfaces if s.discs), None)


def survey_run(
    run: RunFolder, displacement: Displacement = B_ALONE, reach: float | None = None
) -> Survey | None:
    """Evaluates the potentials of a run.

    Args:
        run: finished; the potentials are read from its folder.
        displacement: who moves.
        reach: largest off-centring, Å; see `reach_of` where it is None.

    Returns:
        The energies, with what could not be had in words; None where no potential is written yet.

    Raises:
        InputError: the soft mode is asked for, and the prior cannot be evaluated here.
    """
    if not run.potentials:
        return None
    reach = reach_of(displacement) if reach is None else reach
    try:
        symbols = sites_of_run(run)
    except OcvfError as reason:
        return Survey((), reach, words=(str(reason),))
    folder = Potentials(run.path)
    shown = min(run.states, key=lambda s: abs((s.temperature or np.inf) - 300.0), default=None)
    surfaces, words = [], []
    for state in run.states:
        try:
            model = folder.of(state)
            lattice, source = lattice_of(run, state)
        except OcvfError as reason:
            words.append(f"{state.name}: {reason}")
            continue
        crystal = Crystal(symbols, lattice)
        found, word = survey_model(
            model, crystal, displacement, reach, name=state.name, temperature=state.temperature,
            lattice_source=source, discs=state is shown,
        )  # fmt: skip
        surfaces.append(found)
        words += [word] if word and word not in words else []
    return Survey(surfaces, reach, folder.shared, words)


def reach_of(displacement: Displacement) -> float:
    """Largest off-centring, Å, unless another one is asked for."""
    return REACH if displacement == B_ALONE else REACH_TOGETHER


def survey_model(
    model: Corrected,
    crystal: Crystal,
    displacement: Displacement = B_ALONE,
    reach: float = REACH,
    *,
    name: str = "",
    temperature: float | None = None,
    lattice_source: str = "",
    discs: bool = True,
) -> tuple[Surface, str]:
    """Evaluates one corrected potential, its experts at the temperature they are set to.

    Args:
        model: H_o + ΔH.
        crystal: the cubic cell.
        displacement: who moves.
        reach: largest off-centring, Å.
        name: of the state.
        temperature: K.
        lattice_source: where the lattice constant comes from.
        discs: also evaluate the discs of the three-dimensional figure.

    Returns:
        The energies, and a sentence that says why the prior is not among them ("" where it is).

    Raises:
        InputError: the soft mode is asked for, and the prior cannot be evaluated here; or the
            potential does not know the species.
    """
    prior, word = _evaluable(model.prior, crystal)  # pyright: ignore
    correction: Potential = model.correction  # pyright: ignore
    constant = None
    if displacement == "soft-mode":
        if prior is None:
            raise InputError(
                f"expected a prior whose soft mode can be computed here, found that {word};"
                " give the displacements of A, B, O∥, O⊥ as four numbers"
            )
        pattern, constant = soft_mode(prior, crystal)
    else:
        pattern = displacement.scaled()
    origin = np.zeros((1, 3))
    terms = {"correction": correction} | ({} if prior is None else {"prior": prior})
    zero = {k: float(energies(term, crystal, pattern, origin)[0]) for k, term in terms.items()}

    def at(u: np.ndarray) -> Energies:
        found = {k: energies(t, crystal, pattern, u) - zero[k] for k, t in terms.items()}
        return Energies(found["correction"], found.get("prior"))

    sizes, half = np.linspace(0.0, reach, N_LINE), np.linspace(0.0, reach, N_MAP)
    quarter = np.linspace(0.0, np.pi / 2, N_ANGLE)
    curves = {key: at(line(direction, sizes)) for key, direction in DIRECTIONS.items()}
    maps, round_ = {}, {}
    for plane in PLANES:
        y, x = (g.ravel() for g in np.meshgrid(half, half, indexing="ij"))
        maps[plane.key] = at(plane.points(x, y)).shaped(Fold((N_MAP, N_MAP)))
        if discs:
            r, phi = (g.ravel() for g in np.meshgrid(half, quarter, indexing="ij"))
            found = at(plane.points(r * np.cos(phi), r * np.sin(phi)))
            round_[plane.key] = found.shaped(Fold((N_MAP, N_ANGLE), circle=True))
    surface = Surface(
        name, temperature, crystal, lattice_source, pattern, constant, zero["correction"],
        sizes, curves, np.concatenate([-half[:0:-1], half]), maps,
        half, np.linspace(0.0, 2.0 * np.pi, 4 * N_ANGLE - 3), round_,
    )  # fmt: skip
    return surface, f"The correction is shown alone: {word}." if word else ""


def _evaluable(prior: Potential, crystal: Crystal) -> tuple[Potential | None, str]:
    """The prior, or None and why it cannot be evaluated here."""
    try:
        energies(prior, crystal, B_ALONE, np.zeros((1, 3)))
    except (InputError, ModelFileError) as reason:
        crystal.species(prior)  # what it does not know, the correction does not know either
        parts = list(getattr(prior, "modules", list)())
        by_lammps = next((p.commands[0] for p in parts if isinstance(p, Elsewhere)), None)
        if by_lammps is not None:
            return None, f"LAMMPS alone knows the prior ({by_lammps})"
        named = next((p.name for p in parts if isinstance(p, CalculatorPrior)), None)
        if named is not None:
            return None, f"the prior is {named}, which a report does not start"
        return None, str(reason)
    return prior, ""
