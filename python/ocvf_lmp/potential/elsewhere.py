"""A prior that is evaluated by somebody else, and cannot be here."""

from collections.abc import Sequence
from typing import NoReturn

from torch import nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges


class Elsewhere(nn.Module):
    """Stands for a pair style or an input of LAMMPS as the prior of a correction.

    Args:
        symbols: chemical symbols in the order of the species indices (LAMMPS' atom types).
        commands: what defines it: the LAMMPS commands ``pair_style`` and ``pair_coeff``, or how
            its input is run.
    """

    cutoff, n_hops = 0.0, 0

    def __init__(self, symbols: Sequence[str], commands: Sequence[str]) -> None:
        super().__init__()
        self.symbols, self.commands = tuple(symbols), tuple(commands)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Cannot be had.

        Raises:
            InputError: always.
        """
        del edges, species, exchange
        self._refuse()

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Cannot be had.

        Raises:
            InputError: always.
        """
        del edges, species
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise InputError(
            "expected a prior that can be evaluated here, found one that only LAMMPS knows"
            f" ({self.commands[0]}); sample with LAMMPS (sampler: {{engine: lammps}}) and take the"
            " gradient by reweighting (training.estimator: reweight)"
        )
