"""Energy surfaces of a potential alone, in the cell that its provenance tells of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocvf_lmp.analysis.describe_models import is_exported
from ocvf_lmp.analysis.maps.displacements import B_ALONE, Displacement
from ocvf_lmp.analysis.maps.energies import Crystal
from ocvf_lmp.analysis.maps.lattice import initial_lattice
from ocvf_lmp.analysis.maps.potentials import at_temperature, load_corrected
from ocvf_lmp.analysis.maps.sites import sites_of_sample
from ocvf_lmp.analysis.maps.survey import Survey, reach_of, survey_model
from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of

States = Mapping[str, float | None]
"""Temperatures (K) by the names of states; None where the correction is for several."""


def survey_potential(
    path: Path, displacement: Displacement = B_ALONE, lattice: float | None = None
) -> Survey:
    """Evaluates the potential of a file, each of its corrections once.

    Args:
        path: of the file.
        displacement: who moves.
        lattice: edge of the cubic cell, Å; by default that of the cell its training began with.

    Returns:
        The energies, and in words why the prior is not among them where it cannot be evaluated.

    Raises:
        InputError: the potential has no correction or was exported for LAMMPS, `lattice` is not
            positive, or the soft mode is asked for and the prior cannot be evaluated here.
        DataError: nothing says how large the cell is or which species sits where, or the sample of
            the training was no perovskite.
        ModelFileError: the file is missing, damaged or of another kind.
    """
    _refuse_exported(path)
    model, provenance = load_corrected(path)
    config = next(iter(configurations(provenance).values()), {})
    symbols = sites_of_sample(config) or _three(model, path)
    crystal = Crystal(symbols, _edge(config, lattice, path))
    source = "cell as given" if lattice is not None else "cell that its training began with"
    states = _states(model, provenance, path.stem)
    shown = min(states, key=lambda name: abs((states[name] or np.inf) - 300.0))
    reach = reach_of(displacement)
    surfaces, words = [], []
    for name, temperature in states.items():
        found, word = survey_model(
            at_temperature(model, temperature), crystal, displacement, reach, name=name,
            temperature=temperature, lattice_source=source, discs=name == shown,
        )  # fmt: skip
        surfaces.append(found)
        words += [word] if word and word not in words else []
    return Survey(surfaces, reach, _is_shared(model, provenance), words)


def configurations(provenance: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The configurations that a potential was trained with, by what each has made.

    Args:
        provenance: of the potential; that of experts behind a gate holds theirs.
    """
    found = {"": provenance.get("configuration")}
    for expert in provenance.get("experts") or ():
        name = ", ".join(f"{t:g}" for t in expert.get("temperatures") or ())
        found[f"{name} K"] = (expert.get("provenance") or {}).get("configuration")
    return {name: config for name, config in found.items() if isinstance(config, dict)}


def _refuse_exported(path: Path) -> None:
    if is_exported(path):
        raise InputError(
            f"expected a potential in {path}, found a model that was exported for LAMMPS; name the"
            " file that it was exported from (potential.pt of the run)"
        )


def _three(model: Corrected, path: Path) -> tuple[str, str, str]:
    """A, B and the anion in the order of the potential's species."""
    if len(model.symbols) != 3:
        raise DataError(
            f"expected a potential for a perovskite ABO3 in {path}, found one for"
            f" {', '.join(model.symbols)}; its energy surface is not known"
        )
    a, b, x = model.symbols
    return a, b, x


def _edge(config: Mapping[str, Any], lattice: float | None, path: Path) -> float:
    found = initial_lattice(config) if lattice is None else lattice
    if found is None:
        raise DataError(
            f"expected the cell of the training in the provenance of {path}, found none; give the"
            " edge of the cubic cell in Å by --lattice"
        )
    if not (np.isfinite(found) and found > 0.0):
        raise InputError(f"expected a positive edge of the cubic cell, found {found:g} Å")
    return float(found)


def _is_shared(model: Corrected, provenance: Mapping[str, Any]) -> bool:
    """Whether one correction was trained for several temperatures."""
    several = len(provenance.get("temperatures") or ()) > 1
    return several and experts_of(model) is None and not provenance.get("state")


def _states(model: Corrected, provenance: Mapping[str, Any], otherwise: str) -> States:
    """Every correction once: the experts of a gate at their anchors, or the one that there is."""
    gate = experts_of(model)
    if gate is not None:
        anchors = (gate.temperature,) if gate.frozen else gate.anchors
        return {f"{t:g}K": t for t in anchors}
    known = sorted(float(t) for t in provenance.get("temperatures") or ())
    if provenance.get("state"):
        return {str(provenance["state"]): None}
    if len(known) == 1:
        return {f"{known[0]:g}K": known[0]}
    return {f"{known[0]:g} to {known[-1]:g} K": None} if known else {otherwise: None}
