"""A potential as a calculator of ASE, for relaxations, phonons and comparisons."""

from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.system.structure import from_ase


class PotentialCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt) of a potential.

    Args:
        potential: the energy.
        skin: of the neighbour list, Å.
        dtype: of the computation.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self, potential: Potential, skin: float = 0.5, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        self.potential, self.skin, self.dtype = potential, skin, dtype
        self._force_field: ForceField | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Computes all properties of the atoms (ASE's interface).

        Raises:
            InputError: a species that the potential does not know, or a cell that is not periodic.
        """
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise InputError("expected atoms, found none; attach the calculator to atoms")
        structure = from_ase(self.atoms, self.potential.symbols)
        positions, cell = structure.positions.to(self.dtype), structure.cell.to(self.dtype)
        current = self._force_field
        if current is None or not torch.equal(current.species, structure.species):
            current = ForceField(self.potential, structure.species, self.skin)
            self._force_field = current
        found = current(positions, cell)
        volume = abs(float(torch.linalg.det(structure.cell)))
        stress: Any = -np.asarray(found.virial.double()) / volume
        self.results = {
            "energy": float(found.energy),
            "free_energy": float(found.energy),
            "forces": np.asarray(found.forces.double()),
            "stress": full_3x3_to_voigt_6_stress(stress),
        }
