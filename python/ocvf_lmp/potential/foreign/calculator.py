"""Any calculator of ASE as a prior: energy, forces and stress of whole configurations.

Nothing can be differentiated through it, so a correction on top of it trains with the estimator
`reweight` alone.
"""

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from ocvf_lmp.arrays import AtomEnergies, Cell, Forces, Matrix3, Positions, Scalar, Species
from ocvf_lmp.errors import InputError, ModelFileError, SimulationError
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges

NEEDED = ("energy", "forces", "stress")
REMEMBERED = 100_000
"""Configurations whose energy is kept: reweighting asks again for those that were sampled."""


def calculator_prior(
    factory: str,
    symbols: Sequence[str],
    arguments: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> "CalculatorPrior":
    """A prior from the import path of a calculator's class, or of a function that makes one.

    Args:
        factory: ``module:name``, such as ``ase.calculators.lj:LennardJones`` or
            ``my_module:make_calculator``. It is imported and called: only name what you trust.
        symbols: chemical symbols in the order of the species indices.
        arguments: keyword arguments of the call; plain values.
        folder: where modules are looked for, too (the configuration's folder).

    Raises:
        InputError: it cannot be imported or called, or has no energy, forces or stress.
    """
    prior = CalculatorPrior(factory, symbols, arguments, folder)
    prior.connect()
    return prior


class CalculatorPrior(nn.Module):
    """A calculator of ASE behind the protocols `BlackBox` and (as one that refuses) `Potential`.

    Pickled, as for a worker process, it takes only its description along and makes a calculator of
    its own there.

    Args:
        factory: see `calculator_prior`.
        symbols: see there.
        arguments: see there.
        folder: see there.

    Attributes:
        cutoff: Å; only how far the run looks for atoms that come too close.
        n_hops: none of it is seen through edges.

    Raises:
        InputError: an import path of another form, or arguments that are not plain values.
    """

    cutoff, n_hops = 1.0, 0

    def __init__(
        self,
        factory: str,
        symbols: Sequence[str],
        arguments: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__()
        module, colon, name = factory.partition(":")
        if not (module and colon and name):
            raise InputError(
                f"expected a calculator named as module:name, found {factory!r}; write for"
                " example ase.calculators.lj:LennardJones"
            )
        try:
            self.arguments: dict[str, Any] = json.loads(json.dumps(dict(arguments or {})))
        except TypeError as reason:
            raise InputError(
                f"expected plain values as arguments of {factory}, found: {reason}; write a"
                " function that takes plain values and makes the calculator, and name that"
            ) from reason
        self.factory, self.symbols, self.folder = factory, tuple(symbols), folder
        self._calculator: Any = None
        self._atoms: Any = None
        self._energies: dict[bytes, float] = {}

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the calculator {self.factory}"

    def connect(self) -> None:
        """Imports and makes the calculator: runs the code that the import path names.

        A potential read from a file is not connected, so that reading it runs nothing.

        Raises:
            InputError: see `calculator_prior`.
        """
        calculator = _called(self.factory, self.arguments, self.folder)
        offered = getattr(calculator, "implemented_properties", None)
        missing = [p for p in NEEDED if offered is not None and p not in offered]
        if missing:
            self._lacks(", ".join(missing))
        self._calculator = calculator

    def mechanics(
        self, positions: Positions, cell: Cell, species: Species
    ) -> tuple[Scalar, Forces, Matrix3]:
        """Energy (eV), forces (eV/Å) and virial (eV) of a periodic configuration.

        Raises:
            InputError: the calculator gives no stress.
            ModelFileError: the prior was read from a file and not connected.
            SimulationError: the calculator fails.
        """
        atoms = self._configured(positions, cell, species)
        energy = self._asked(lambda: self._energy(atoms))
        forces = self._asked(atoms.get_forces)
        stress = self._asked(lambda: atoms.get_stress(voigt=False))
        self._remember(_key(positions, cell, species), energy)
        virial = torch.from_numpy(-atoms.get_volume() * 0.5 * (stress + stress.T))
        return (
            torch.tensor(energy, dtype=positions.dtype),
            torch.from_numpy(np.array(forces, dtype=float)).to(positions.dtype),
            virial.to(cell.dtype),
        )

    def configuration_energy(self, positions: Positions, cell: Cell, species: Species) -> Scalar:
        """Energy alone, eV; not computed again for a configuration that has been seen.

        Raises:
            ModelFileError: the prior was read from a file and not connected.
            SimulationError: the calculator fails.
        """
        key = _key(positions, cell, species)
        energy = self._energies.get(key)
        if energy is None:
            atoms = self._configured(positions, cell, species)
            energy = self._asked(lambda: self._energy(atoms))
            self._remember(key, energy)
        return torch.tensor(energy, dtype=positions.dtype)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Refused: a black box has no energies of atoms."""
        raise InputError(
            f"expected a potential that torch can evaluate here, found {self.name}, which gives"
            " energies and forces of whole configurations only; use it through `ForceField`, and"
            " export its correction with --delta-only"
        )

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Refused: see `atom_energies`."""
        return self.atom_energies(edges, species).sum()

    def description(self) -> dict[str, Any]:
        """Plain JSON: what a file says of it."""
        return {
            "type": "calculator",
            "symbols": list(self.symbols),
            "factory": self.factory,
            "arguments": self.arguments,
        }

    def __reduce__(self) -> tuple[Callable[..., "CalculatorPrior"], tuple[Any, ...]]:
        connected = self._calculator is not None
        return _again, (self.factory, self.symbols, self.arguments, self.folder, connected)

    def _configured(self, positions: Positions, cell: Cell, species: Species) -> Any:
        from ase import Atoms  # noqa: PLC0415 (slow import)

        if self._calculator is None:
            raise ModelFileError(
                f"expected {self.name} at hand, found it only named by the file that this potential"
                " was read from; if you trust the file, call `connect()` of its prior first"
            )
        names = [self.symbols[int(k)] for k in species]
        if self._atoms is None or self._atoms.get_chemical_symbols() != names:
            self._atoms = Atoms(names, pbc=True)
            self._atoms.calc = self._calculator
        self._atoms.set_cell(cell.detach().double().numpy())
        self._atoms.set_positions(positions.detach().double().numpy())
        return self._atoms

    def _energy(self, atoms: Any) -> float:
        """The one whose gradient the forces are (with hot electrons there are two)."""
        offered = getattr(self._calculator, "implemented_properties", ())
        return float(atoms.get_potential_energy(force_consistent="free_energy" in offered))

    def _asked(self, question: Callable[[], Any]) -> Any:
        from ase.calculators.calculator import PropertyNotImplementedError  # noqa: PLC0415

        try:
            return question()
        except PropertyNotImplementedError as reason:
            self._lacks(str(reason) or "a property")
        except Exception as reason:
            raise SimulationError(
                f"expected {self.name} to evaluate a configuration of"
                f" {len(self._atoms)} atoms, found {type(reason).__name__}: {reason}; check its"
                " arguments and species"
            ) from reason

    def _lacks(self, what: str) -> NoReturn:
        raise InputError(
            f"expected a calculator with {', '.join(NEEDED)} (the cell moves at constant pressure),"
            f" found {self.name} without: {what}; choose another calculator"
        )

    def _remember(self, key: bytes, energy: float) -> None:
        if len(self._energies) >= REMEMBERED:
            del self._energies[next(iter(self._energies))]
        self._energies[key] = energy


def _again(
    factory: str, symbols: tuple[str, ...], arguments: Any, folder: Path | None, connected: bool
) -> CalculatorPrior:
    prior = CalculatorPrior(factory, symbols, arguments, folder)
    if connected:
        prior.connect()
    return prior


def _called(factory: str, arguments: Mapping[str, Any], folder: Path | None) -> Any:
    module, _, name = factory.partition(":")
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))  # at the end: it must not hide other modules
    try:
        made: Any = importlib.import_module(module)
        for part in name.split("."):
            made = getattr(made, part)
    except (ImportError, AttributeError) as reason:
        raise InputError(
            f"expected a calculator that can be imported as {factory}, found: {reason}; correct the"
            " name, install its package, or put the module beside the configuration"
        ) from reason
    try:
        return made(**arguments)
    except Exception as reason:
        raise InputError(
            f"expected {factory} to make a calculator from {dict(arguments)}, found"
            f" {type(reason).__name__}: {reason}; correct its arguments"
        ) from reason


def _key(positions: Positions, cell: Cell, species: Species) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (positions, cell, species):
        digest.update(part.detach().contiguous().numpy().tobytes())
    return digest.digest()
