r"""One correction for each of several temperatures, mixed by a gate (OCVF eq. 14-15).

Between two neighbouring anchors T_a ≤ T ≤ T_b the weights are

    w_k ∝ exp(-((T - T_k)/σ)²),   w_a + w_b = 1,

computed as a logistic function of the difference of the exponents: the literal kernel of eq. 15
(σ = 1 K) underflows to 0/0 between anchors 50 K apart. The function is stretched a little so that
at an anchor its expert acts alone, for any σ: the gate is then continuous in T where the neighbours
change. Beyond the last anchors, theirs alone acts.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import Sum
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges


def gate_weights(anchors: Sequence[float], width: float, temperature: float) -> list[float]:
    """Weight of every anchor at a temperature; they sum to one exactly.

    Args:
        anchors: K, ascending.
        width: σ, K.
        temperature: K.
    """
    weights = [0.0] * len(anchors)
    if temperature <= anchors[0]:
        weights[0] = 1.0
    elif temperature >= anchors[-1]:
        weights[-1] = 1.0
    else:
        upper = next(k for k, anchor in enumerate(anchors) if anchor >= temperature)
        below, above = temperature - anchors[upper - 1], anchors[upper] - temperature
        # half the logarithm of w_upper / w_lower, here and at the upper anchor
        here = 0.5 * (below**2 - above**2) / width**2
        there = 0.5 * ((below + above) / width) ** 2
        weights[upper] = min(1.0, 0.5 * (1.0 + math.tanh(here) / math.tanh(there)))
        weights[upper - 1] = 1.0 - weights[upper]
    return weights


class Experts(nn.Module):
    """ΔH at a temperature: its neighbouring experts, weighted by the gate.

    The temperature is a setting, not an argument: it is that of the ensemble, the same for every
    configuration, and no forces come from it.

    Args:
        experts: corrections, each for one temperature, for the same species.
        anchors: these temperatures, K, ascending.
        width: σ of the gate, K.
        temperature: K, until `set_temperature` says otherwise; the first anchor if None.
        frozen: whether the temperature is part of the model, and not the host's to say.

    Raises:
        InputError: no expert, anchors that do not ascend, a width that is not positive, experts for
            different species.
    """

    def __init__(
        self,
        experts: Sequence[nn.Module],
        anchors: Sequence[float],
        width: float,
        temperature: float | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if not experts or len(experts) != len(anchors):
            raise InputError(
                f"expected one expert for each anchor temperature, found {len(experts)} experts and"
                f" {len(anchors)} temperatures; name as many"
            )
        if any(a >= b for a, b in itertools.pairwise(anchors)) or not width > 0.0:
            raise InputError(
                "expected ascending anchor temperatures and a positive width, found"
                f" {', '.join(f'{a:g}' for a in anchors)} K and {width:g} K; sort the experts"
            )
        species = {tuple(expert.symbols) for expert in experts}  # pyright: ignore
        if len(species) != 1:
            raise InputError(f"expected experts for the same species, found {species}")
        self.experts = nn.ModuleList(experts)
        self.anchors, self.width = tuple(float(a) for a in anchors), float(width)
        self.symbols: tuple[str, ...] = species.pop()
        self.cutoff: float = max(float(e.cutoff) for e in experts)  # pyright: ignore
        self.n_hops: int = max(int(e.n_hops) for e in experts)  # pyright: ignore
        self.frozen = frozen
        self.set_temperature(self.anchors[0] if temperature is None else temperature)

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature of the gate, K.

        Raises:
            InputError: not a positive number.
        """
        if not (math.isfinite(temperature) and temperature > 0.0):
            raise InputError(f"expected a temperature above 0 K for the gate, found {temperature}")
        self.temperature = float(temperature)
        self.weights = gate_weights(self.anchors, self.width, self.temperature)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV, (atoms,); experts without weight are not evaluated."""
        total: Tensor | None = None
        for weight, expert in zip(self.weights, self.experts, strict=True):
            if weight == 0.0:
                continue
            part = weight * expert.atom_energies(edges, species, exchange)  # pyright: ignore
            total = part if total is None else total + part
        assert total is not None
        return total

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return torch.sum(self.atom_energies(edges, species))


def weighted_terms(potential: object) -> list[tuple[float, nn.Module]] | None:
    """What a potential is the sum of, with weights that are not zero; None: it is no sum."""
    if isinstance(potential, Sum):
        return [(1.0, term) for term in potential.terms]
    if isinstance(potential, Experts):
        pairs = zip(potential.weights, potential.experts, strict=True)
        return [(weight, expert) for weight, expert in pairs if weight != 0.0]
    return None


def experts_of(potential: nn.Module) -> Experts | None:
    """The experts of a potential, if it has some."""
    return next((part for part in potential.modules() if isinstance(part, Experts)), None)
