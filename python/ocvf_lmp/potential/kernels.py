"""The library of fused CPU kernels (plugin/kernels), and a network's weights packed for it."""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

LIBRARY = Path(__file__).resolve().parents[1] / "plugins" / "ocvfkernels.so"

WEIGHTS = (
    "embed_source.weight",
    "embed_target.weight",
    "embed_radial.weight",
    "embed_dense.weight",
    "embed_dense.bias",
    "outputs.0.filter.weight",
    "traceless",
    "blocks.0.down.weight",
    "blocks.0.down.bias",
    "blocks.0.radial_filters.weight",
    "blocks.0.up.weight",
    "blocks.0.direct.weight",
    "blocks.0.direct.bias",
    "blocks.0.update.weight",
    "blocks.0.update.bias",
    "outputs.1.filter.weight",
)
"""In the order in which the library takes them."""


PAIRS = ("vector", "of_own", "of_arrived", "own", "arrived", "slope")
"""Arrays that may have tangents; see plugin/kernels/variants.h."""


class _Edges(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_int64),
        ("center", ctypes.c_void_p),
        ("neighbor", ctypes.c_void_p),
        ("species", ctypes.c_void_p),
    )


class _Arrays(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p * 2) for name in PAIRS),
        ("weights", ctypes.c_void_p),
    )


@cache
def library() -> ctypes.CDLL | None:
    """The kernels; None if they were not built, or OCVF_KERNELS=none is in the environment."""
    if os.environ.get("OCVF_KERNELS") == "none" or not LIBRARY.is_file():
        return None
    found = ctypes.CDLL(str(LIBRARY))
    pointer = ctypes.c_void_p
    found.ocvf_variant.restype = ctypes.c_char_p
    found.ocvf_create.restype = pointer
    found.ocvf_create.argtypes = [ctypes.c_int, pointer, ctypes.c_double, pointer]
    found.ocvf_destroy.argtypes = [pointer]
    found.ocvf_run.argtypes = [pointer] * 3
    found.ocvf_create_reader.restype = pointer
    found.ocvf_create_reader.argtypes = [ctypes.c_int, pointer, pointer]
    found.ocvf_read.argtypes = [pointer] * 2
    found.ocvf_close.restype = ctypes.c_int64
    found.ocvf_close.argtypes = [pointer, pointer, ctypes.c_int, pointer, ctypes.c_int64, pointer]
    return found


def variant() -> str:
    """For which processors the kernels in use were compiled; "torch" without kernels."""
    found = library()
    return "torch" if found is None else found.ocvf_variant().decode()


def described() -> str:
    """Who evaluates networks on CPUs, in words."""
    kind = variant()
    return "torch (kernels were not built)" if kind == "torch" else f"kernels for {kind}"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Indices of edges, sorted by centre, and the species of the atoms; contiguous."""

    center: Tensor
    neighbor: Tensor
    species: Tensor


class Packed:
    """Weights that the library holds, and frees with this object.

    Args:
        create: the library's function that copies them.
        arguments: its arguments.
    """

    def __init__(self, create: str, *arguments: Any) -> None:
        found = library()
        assert found is not None
        self.library = found
        self.handle = getattr(found, create)(*arguments)
        if not self.handle:
            raise MemoryError("the weights of the network could not be copied")

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.library.ocvf_destroy(self.handle)


class Kernel(Packed):
    """A network's weights, packed for the kernels."""

    def __init__(
        self, weights: Mapping[str, Tensor], size: Any, n_species: int, single: bool
    ) -> None:
        sizes = (size.n_features, size.n_angular, size.n_radial, size.l_max)
        numbers = (ctypes.c_int64 * 6)(*sizes, n_species, size.n_blocks)
        held = [weights[n].contiguous() if n in weights else None for n in WEIGHTS]
        self.trained = [n in weights and n != "traceless" for n in WEIGHTS]
        super().__init__("ocvf_create", int(single), numbers, size.cutoff, addresses(held))

    def run(
        self,
        pairs: Pairs,
        vector: Tensor,
        direction: Tensor | None = None,
        of_weights: Sequence[Tensor] | None = None,
        **arrays: Tensor | tuple[Tensor | None, Tensor | None],
    ) -> None:
        """Sums of messages, and derivatives.

        All tensors have to be contiguous; vectors and what is like them are (edges, 3), sums
        (atoms, features).

        Args:
            pairs: sorted edges.
            vector: of the edges, Å.
            direction: of the vectors, along which tangents are taken.
            of_weights: where derivatives by weights are written, in the order and shape of these;
                with a direction, the tangents of these derivatives.
            arrays: by their names in `PAIRS`, alone or with tangents: gradients of the sums (no
                tangent is zero), and what is wanted: sums, which are added to what is there, and
                the gradient by the vectors, which is written.
        """
        filled = _Arrays()
        for name, given in {**arrays, "vector": (vector, direction)}.items():
            value, tangent = given if isinstance(given, tuple) else (given, None)
            setattr(filled, name, addresses((value, tangent)))
        if of_weights is not None:
            left = iter(of_weights)
            places = addresses([next(left) if trained else None for trained in self.trained])
            filled.weights = ctypes.addressof(places)
        edges = _edges(pairs)
        if not self.library.ocvf_run(self.handle, ctypes.byref(edges), ctypes.byref(filled)):
            raise MemoryError("no memory for the messages of an atom")


def close_edges(pairs: Pairs, vector: Tensor, limits: Tensor) -> Tensor:
    """Indices of the edges that are shorter than a length for their species.

    Args:
        pairs: edges.
        vector: Å, (edges, 3), contiguous.
        limits: Å, (species, species), float64.
    """
    found = library()
    if found is None or vector.device.type != "cpu":
        limit = limits[pairs.species[pairs.center], pairs.species[pairs.neighbor]]
        return (vector.square().sum(dim=1) < limit**2).nonzero().squeeze(1)
    places = torch.empty(len(pairs.center), dtype=torch.int64)
    single = vector.dtype == torch.float32
    limits = limits.to(torch.float64).contiguous()
    number = found.ocvf_close(
        ctypes.byref(_edges(pairs)), vector.data_ptr(), single, limits.data_ptr(), len(limits),
        places.data_ptr(),
    )  # fmt: skip
    return places[:number]


def _edges(pairs: Pairs) -> _Edges:
    indices = (pairs.center, pairs.neighbor, pairs.species)
    return _Edges(len(pairs.center), *map(address, indices))


def address(tensor: Tensor | None) -> int:
    """Where a tensor's numbers begin; 0: no tensor."""
    return 0 if tensor is None else tensor.data_ptr()


def addresses(tensors: Sequence[Tensor | None]) -> "ctypes.Array[ctypes.c_void_p]":
    """The same of several, as the library takes them."""
    return (ctypes.c_void_p * len(tensors))(*map(address, tensors))


Made = TypeVar("Made")


class WhileWeightsStand(Generic[Made]):
    """What is made from a network's weights, one of each network, as long as they stay the same."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[nn.Module, tuple[tuple, list[Tensor], Made]] = (
            WeakKeyDictionary()
        )

    def get(
        self,
        network: nn.Module,
        dtype: torch.dtype,
        weights: Sequence[Tensor],
        make: Callable[[], Made],
    ) -> Made:
        """The known one, or a new one by `make` if weights or precision are others."""
        key = (dtype, tuple((w.data_ptr(), w._version) for w in weights))
        known = self._known.get(network)
        if known is not None and known[0] == key:
            return known[2]
        made = make()
        # the weights are kept too, lest others come to lie at their addresses
        self._known[network] = (key, [w.detach() for w in weights], made)
        return made


_kernels: WhileWeightsStand[Kernel] = WhileWeightsStand()
_places: WeakKeyDictionary[nn.Module, list[tuple[dict[str, Any], str]]] = WeakKeyDictionary()
"""Where the parameters in `WEIGHTS` are: to look for them anew costs 0.1 ms at every step."""


def _entering(network: nn.Module) -> list[Tensor]:
    """The network's parameters in `WEIGHTS`; those that replace them, inside `functional_call`."""
    if network not in _places:
        parts = dict(network.named_modules())
        split = [name.rpartition(".") for name in WEIGHTS]
        _places[network] = [
            (parts[part]._parameters, name)
            for part, _, name in split
            if part in parts and name in parts[part]._parameters
        ]
    return [holder[name] for holder, name in _places[network]]


def kernel_of(network: nn.Module, dtype: torch.dtype) -> tuple[Kernel, Sequence[Tensor]]:
    """The network's kernel, made anew when its weights have changed; and these weights."""
    entering = _entering(network)
    return _kernels.get(network, dtype, entering, lambda: _packed(network, dtype)), entering


def _packed(network: nn.Module, dtype: torch.dtype) -> Kernel:
    weights = {name: p.detach().to(torch.float64) for name, p in network.named_parameters()}
    matrices = [b.double().flatten() for b in network.spherical.buffers()]  # pyright: ignore
    weights["traceless"] = torch.cat([*matrices, torch.zeros(1, dtype=torch.float64)])
    n_species = len(network.symbols)  # pyright: ignore
    return Kernel(weights, network.size, n_species, dtype == torch.float32)
