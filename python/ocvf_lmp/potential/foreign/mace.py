"""MACE models as priors (Batatia et al., NeurIPS 2022; package mace-torch, tested with 0.3.16).

mace takes positions and shifts, and subtracts positions from one another to get its edge vectors.
Ours go in as shifts between atoms that all sit at the origin: the energies are then differentiable
in the edge vectors, twice, like those of any potential of this package.
"""

import hashlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.potential.foreign.mace_config import EXTRA, build, config_of
from ocvf_lmp.potential.foreign.optional import optional_module, quiet
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges

SAME = 1e-9
"""Relative difference of an energy that round-off may make between a model and its rebuilt self."""


def load_mace(
    path: Path | str, symbols: Sequence[str] | None = None, head: str | None = None
) -> "MacePrior":
    """The prior in a file that mace wrote.

    Such a file is a pickle: **reading it runs code from it**. Only read files that you trust. What
    this package writes of the prior later is read without running code.

    Args:
        path: usually ``*.model``.
        symbols: the species that are wanted, in the order of their indices; all that the model
            knows, by atomic number, if None.
        head: of a model with several.

    Raises:
        InputError: mace is not installed; a species or a head that the model does not have.
        ModelFileError: the file is missing or unreadable, or holds another kind of model.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"expected a MACE model in {path}, found no such file; correct prior")
    optional_module("mace.modules", EXTRA)
    try:
        with quiet():
            model = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as reason:
        raise ModelFileError(
            f"expected a MACE model in {path}, found a file that cannot be read"
            f" ({type(reason).__name__}: {reason}); copy it again, or install the mace-torch that"
            " wrote it"
        ) from reason
    prior = MacePrior(config_of(model), symbols, head)
    try:
        prior.model.load_state_dict(model.state_dict())
    except RuntimeError as reason:
        raise _not_the_same(path, str(reason)) from reason
    prior.source = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "mace": optional_module("mace", EXTRA).__version__,
    }
    difference = _difference(prior, model)
    if not difference < SAME:
        raise _not_the_same(path, f"energies that differ by {difference:.1e} relative")
    return prior.requires_grad_(False)


class MacePrior(nn.Module):
    """A MACE model behind the protocol `Potential`; float64.

    Args:
        config: architecture, from `mace_config.config_of`.
        symbols: see `load_mace`.
        head: see `load_mace`.

    Attributes:
        model: mace's module.
        source: what is known of the file it came from.

    Raises:
        InputError: see `load_mace`.
        ModelFileError: an architecture that the installed mace cannot build.
    """

    elements: Tensor
    head_index: Tensor

    def __init__(
        self,
        config: Mapping[str, Any],
        symbols: Sequence[str] | None = None,
        head: str | None = None,
    ) -> None:
        super().__init__()
        self.config = dict(config)
        self.model = build(config).eval().requires_grad_(False)
        known = _symbols_of(self.model)
        self.symbols = known if symbols is None else tuple(symbols)
        strange = sorted(set(self.symbols) - set(known))
        if strange:
            raise InputError(
                f"expected species that the MACE model knows, found {', '.join(strange)}; it knows"
                f" {' '.join(known)}"
            )
        self.head = _chosen_head(list(config.get("heads") or ["Default"]), head)
        self.cutoff = float(self.model.r_max)  # pyright: ignore
        self.n_hops = int(self.model.num_interactions)  # pyright: ignore
        self.source: dict[str, str] = {}
        rows = torch.tensor([known.index(s) for s in self.symbols])
        self.register_buffer("elements", rows, persistent=False)
        index = list(config.get("heads") or ["Default"]).index(self.head)
        self.register_buffer("head_index", torch.tensor([index]), persistent=False)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV, with the energies of free atoms that the model was given.

        Args:
            edges: edges within at least the cutoff.
            species: (atoms,).
            exchange: brings ghost rows up to date; edges then need centres on owned atoms only, and
                the energies can be differentiated once.
        """
        inside = edges.vector.detach().square().sum(dim=1) < self.cutoff**2
        chosen = inside.nonzero().squeeze(1)
        # mace sends messages along r_receiver - r_sender, from our neighbours to our centres
        vector = -edges.vector[chosen]
        index = torch.stack([edges.neighbor[chosen], edges.center[chosen]])
        data = mace_input(self.elements[species], index, vector, self._n_elements())
        data["head"] = self.head_index
        if exchange is not None:
            data |= {"vectors": vector, "natoms": (len(species), 0)}
            data["lammps_class"] = _Bridge(exchange)
        # mace lets its positions require grad, whether anybody wants a graph or not
        wanted = vector.requires_grad or any(p.requires_grad for p in self.model.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and wanted):
            found = self.model(data, compute_force=False, lammps_mliap=exchange is not None)
        return found["node_energy"]

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()

    def description(self) -> dict[str, Any]:
        """What builds a prior of the same architecture; plain JSON."""
        return {
            "type": "mace",
            "symbols": list(self.symbols),
            "head": self.head,
            "config": self.config,
            "source": self.source,
        }

    def _n_elements(self) -> int:
        return len(self.model.atomic_numbers)  # pyright: ignore

    def __reduce__(self) -> tuple[Callable[[bytes], "MacePrior"], tuple[bytes]]:
        return _revived, (pickle.dumps(self.__dict__),)


class _Bridge:
    """Our exchange of ghost rows behind the methods that mace expects of LAMMPS."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def forward_exchange(self, source: Tensor, target: Tensor, width: int) -> None:
        with torch.no_grad():
            target.copy_(self._exchange.to_ghosts(source))

    def reverse_exchange(self, source: Tensor, target: Tensor, width: int) -> None:
        with torch.no_grad():
            target.copy_(self._exchange.to_owners(source))


def mace_input(
    elements: Tensor, edge_index: Tensor, vector: Tensor, n_elements: int
) -> dict[str, Any]:
    """What mace's models take.

    Args:
        elements: index of each atom's element in the model's table, (atoms,).
        edge_index: senders and receivers, (2, edges).
        vector: r_receiver - r_sender, Å, (edges, 3).
        n_elements: length of the model's table.
    """
    n = len(elements)
    return {
        "positions": vector.new_zeros(n, 3),
        "shifts": vector,
        "unit_shifts": vector.new_zeros(len(vector), 3),
        "cell": vector.new_zeros(3, 3),
        "edge_index": edge_index,
        "node_attrs": nn.functional.one_hot(elements, n_elements).to(vector.dtype),
        "batch": torch.zeros(n, dtype=torch.long, device=vector.device),
        "ptr": torch.tensor([0, n], device=vector.device),
    }


def _revived(content: bytes) -> MacePrior:
    optional_module("mace.modules", EXTRA)  # before the pickle does it, with its noise
    prior = MacePrior.__new__(MacePrior)
    nn.Module.__init__(prior)
    with quiet():
        prior.__dict__.update(pickle.loads(content))
    return prior


def _symbols_of(model: nn.Module) -> tuple[str, ...]:
    from ase.data import chemical_symbols  # noqa: PLC0415 (slow import)

    return tuple(chemical_symbols[int(z)] for z in model.atomic_numbers)  # pyright: ignore


def _chosen_head(heads: list[str], wanted: str | None) -> str:
    """The only head, the one asked for, or the default (as mace's calculator chooses)."""
    default = [head for head in heads if head.lower() == "default"]
    if wanted is None and (len(heads) == 1 or default):
        return heads[0] if len(heads) == 1 else default[0]
    if wanted not in heads:
        found = "none" if wanted is None else wanted
        raise InputError(
            f"expected one of the heads of the MACE model ({', '.join(heads)}), found {found}; name"
            " one: prior: {mace: file, head: name}"
        )
    return wanted


def _difference(prior: MacePrior, model: nn.Module) -> float:
    """Largest relative difference of atoms' energies in a random cluster from the file's model."""
    stream = torch.Generator().manual_seed(0)
    n = max(8, len(prior.symbols))
    spread = 0.5 * prior.cutoff * n ** (1.0 / 3.0)
    places = torch.rand(n, 3, generator=stream, dtype=torch.float64) * spread
    vector = places[None, :] - places[:, None]
    far = vector.norm(dim=2)
    index = ((far < prior.cutoff) & (far > 0.8)).nonzero().T
    elements = prior.elements[torch.arange(n) % len(prior.symbols)]
    energies = []
    for module in (prior.model, model.to(torch.float64).eval()):
        chosen = vector[index[0], index[1]]
        data = mace_input(elements, index, chosen, prior._n_elements())
        data["head"] = prior.head_index
        with torch.no_grad():
            energies.append(module(data, compute_force=False)["node_energy"])
    return float(((energies[0] - energies[1]) / energies[1].abs().clamp(min=1.0)).abs().max())


def _not_the_same(path: Path, found: str) -> ModelFileError:
    return ModelFileError(
        f"expected that the MACE model in {path} can be rebuilt from its architecture, found"
        f" {found}; use it as a black box: prior: {{calculator: ...}} with estimator: reweight"
    )
