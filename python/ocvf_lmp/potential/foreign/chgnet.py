"""CHGNet as a prior (Deng et al., Nat. Mach. Intell. 5, 1031, 2023; package chgnet).

CHGNet adds the image's lattice translation to the neighbour's position to get its bond vectors.
Ours go in as translations between atoms that all sit at the origin of a unit lattice: the energies
are then differentiable in the edge vectors, twice.

Its angles go through an arc cosine whose argument is scaled by 1 - 1e-6, and have a kink, rounded
over about 1e-3 rad, at 180°: where bonds are straight (Ti-O-Ti, O-Ti-O of a cubic perovskite)
second derivatives, which the adjoint needs, are those of the rounding, not of the bond: 5.6 eV/Å²
for titanium at the centre of its cage against 0.6 from forces 0.02 Å to either side.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ocvf_lmp.arrays import AtomEnergies, Scalar, Species
from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.potential.foreign.line_graph import angles_of, bonds_of, shorter
from ocvf_lmp.potential.foreign.optional import optional_module, quiet
from ocvf_lmp.potential.protocol import Exchange
from ocvf_lmp.system.edges import Edges

EXTRA = "chgnet"
LARGEST = 94
"""Atomic number of the heaviest element that CHGNet knows."""


def load_chgnet(
    symbols: Sequence[str], path: Path | str | None = None, version: str = "0.3.0"
) -> "ChgnetPrior":
    """CHGNet with the weights of a file, or with those that its package ships.

    Args:
        symbols: chemical symbols in the order of the species indices.
        path: a file that CHGNet's trainer wrote; it is read without running code from it.
        version: of the weights in the package, if there is no path.

    Raises:
        InputError: chgnet is not installed, or a species or version that it does not know.
        ModelFileError: the file is missing or unreadable, or a model without energies of atoms.
    """
    module = optional_module("chgnet.model.model", EXTRA)
    model = _shipped(module, version) if path is None else _read(module, Path(path))
    prior = ChgnetPrior(model.model_args | {"composition_model": None}, symbols)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("composition_")}
    prior.model.load_state_dict(weights)
    prior.reference.copy_(_reference(model))
    return prior.requires_grad_(False)


class ChgnetPrior(nn.Module):
    """CHGNet behind the protocol `Potential`; float64.

    Args:
        arguments: of CHGNet's constructor; plain values.
        symbols: chemical symbols in the order of the species indices.

    Attributes:
        model: CHGNet's module, without its energies of elements.
        reference: energies of elements, by atomic number less one, eV, (94,).
    """

    reference: Tensor
    numbers: Tensor

    def __init__(self, arguments: Mapping[str, Any], symbols: Sequence[str]) -> None:
        super().__init__()
        module = optional_module("chgnet.model.model", EXTRA)
        self.arguments, self.symbols = dict(arguments), tuple(symbols)
        try:
            with quiet(), torch.random.fork_rng(devices=[]):
                self.model = module.CHGNet(**arguments).to(torch.float64)
        except (KeyError, TypeError, ValueError) as reason:
            raise ModelFileError(
                f"expected arguments of CHGNet, found: {reason!r}; install the chgnet that wrote"
                " the file"
            ) from reason
        if not self.model.mlp_first:
            raise ModelFileError(
                "expected a CHGNet whose energy is a sum over atoms (mlp_first), found one that"
                " averages over the crystal; use it as a black box: prior: {calculator: ...}"
            )
        self.model.eval().requires_grad_(False)
        self.cutoff = float(self.arguments["atom_graph_cutoff"])
        self.bond_cutoff = float(self.arguments["bond_graph_cutoff"])
        self.n_hops = int(self.model.n_conv)
        zeros = torch.zeros(LARGEST, dtype=torch.float64)
        self.register_buffer("reference", zeros)
        self.register_buffer("numbers", _numbers(self.symbols), persistent=False)

    def atom_energies(
        self, edges: Edges, species: Species, exchange: Exchange | None = None
    ) -> AtomEnergies:
        """Energy of each atom, eV.

        Args:
            edges: edges within at least the cutoff, closed under reversal.
            species: (atoms,).
            exchange: not possible: bonds of ghost atoms are needed.

        Raises:
            InputError: edges without their reverse, or an exchange (as in LAMMPS).
        """
        if exchange is not None or edges.reverse is None:
            raise InputError(
                "expected the edges of a whole periodic cell for CHGNet, found those of LAMMPS;"
                " export the correction alone with --delta-only"
            )
        edges = shorter(edges, self.cutoff)
        numbers = self.numbers[species]
        graph = self._graph(edges, numbers)
        found = self.model([graph], task="e", return_site_energies=True)
        return found["site_energies"][0] + self.reference[numbers - 1]

    def energy(self, edges: Edges, species: Species) -> Scalar:
        """Total energy, eV."""
        return self.atom_energies(edges, species).sum()

    def description(self) -> dict[str, Any]:
        """What builds a prior of the same architecture; plain JSON."""
        return {"type": "chgnet", "symbols": list(self.symbols), "arguments": self.arguments}

    def _graph(self, edges: Edges, numbers: Tensor) -> Any:
        """The crystal graph whose bond vectors are the edges'."""
        assert edges.reverse is not None
        crystal = optional_module("chgnet.graph.crystalgraph", EXTRA)
        bonds = bonds_of(edges.reverse)
        short = edges.vector.detach().square().sum(dim=1) < self.bond_cutoff**2
        one, other = angles_of(edges.center, short.nonzero().squeeze(1))
        angles = [edges.center[one], bonds.undirected[one], one, bonds.undirected[other], other]
        return crystal.CrystalGraph(
            atomic_number=numbers,
            atom_frac_coord=edges.vector.new_zeros(len(numbers), 3),
            atom_graph=torch.stack([edges.center, edges.neighbor], dim=1),
            atom_graph_cutoff=self.cutoff,
            neighbor_image=edges.vector,
            directed2undirected=bonds.undirected,
            undirected2directed=bonds.first,
            bond_graph=torch.stack(angles, dim=1),
            bond_graph_cutoff=self.bond_cutoff,
            lattice=torch.eye(3, dtype=edges.vector.dtype, device=edges.vector.device),
        )


def _shipped(module: Any, version: str) -> Any:
    with quiet():
        try:
            return module.CHGNet.load(model_name=version, use_device="cpu", verbose=False)
        except ValueError as reason:
            raise InputError(
                f"expected a version of CHGNet that its package ships, found {version!r}; 0.3.0 and"
                " r2scan are known to work"
            ) from reason


def _read(module: Any, path: Path) -> Any:
    if not path.is_file():
        raise ModelFileError(f"expected a CHGNet in {path}, found no such file; correct prior")
    with quiet():
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            return module.CHGNet.from_dict(content["model"])
        except Exception as reason:
            raise ModelFileError(
                f"expected weights that CHGNet's trainer wrote in {path}, found a file that cannot"
                f" be read ({type(reason).__name__}: {reason}); save it anew with the installed"
                " chgnet"
            ) from reason


def _reference(model: Any) -> Tensor:
    """Energies of elements, eV: a constant for each atom, which CHGNet adds in float32."""
    elements = model.composition_model
    if elements is None:
        return torch.zeros(LARGEST, dtype=torch.float64)
    if type(elements).__name__ != "AtomRef":
        raise ModelFileError(
            "expected a CHGNet with an energy for each element, found one with a"
            f" {type(elements).__name__}; use it as a black box: prior: {{calculator: ...}}"
        )
    return elements.fc.weight.detach().double().squeeze(0)


def _numbers(symbols: tuple[str, ...]) -> Tensor:
    from ase.data import atomic_numbers  # noqa: PLC0415 (slow import)

    found = [atomic_numbers.get(symbol, 0) for symbol in symbols]
    strange = [s for s, z in zip(symbols, found, strict=True) if not 1 <= z <= LARGEST]
    if strange or not symbols:
        raise InputError(
            f"expected elements up to number {LARGEST} for CHGNet, found"
            f" {', '.join(strange) or 'none'}; choose another prior"
        )
    return torch.tensor(found)
