"""Fused CPU kernels of the network: sums of messages, and their first derivative, without a graph.

The library (plugin/kernels) walks from atom to atom with all messages of one atom in the cache,
where torch passes through memory after each operation. It knows networks of at most one
interaction block and first derivatives only. It is therefore used where nobody can ask for more:
without gradients, and inside `first_derivatives`. Elsewhere, on other devices and where the library
was not built, torch does the same by itself.
"""

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ocvf_lmp.system.edges import Edges

LIBRARY = Path(__file__).resolve().parents[1] / "plugins" / "ocvfkernels.so"
MAX_BLOCKS, MAX_ORDER = 1, 6

_first_order: ContextVar[bool] = ContextVar("first_order", default=False)
_allowed: ContextVar[bool] = ContextVar("allowed", default=True)

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


class _Edges(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_int64),
        ("center", ctypes.c_void_p),
        ("neighbor", ctypes.c_void_p),
        ("species", ctypes.c_void_p),
    )


def torch_alone() -> AbstractContextManager[None]:
    """Keeps the kernels out: what they are checked against."""
    return _meanwhile(_allowed, False)


def first_derivatives() -> AbstractContextManager[None]:
    """Says that nothing inside is differentiated more than once, nor by parameters of networks."""
    return _meanwhile(_first_order, True)


@contextmanager
def _meanwhile(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def applies(network: nn.Module, vector: Tensor) -> bool:
    """Whether the kernels can be used for a `DimeNet` on these edges, here and now."""
    allowed = _allowed.get() and (_first_order.get() or not torch.is_grad_enabled())
    size: Any = network.size
    known = size.n_blocks <= MAX_BLOCKS and size.l_max <= MAX_ORDER
    kind = vector.device.type == "cpu" and vector.dtype in (torch.float32, torch.float64)
    return allowed and known and kind and library() is not None


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
    found.ocvf_forward.argtypes = [pointer] * 5
    found.ocvf_backward.argtypes = [pointer] * 6
    return found


def variant() -> str:
    """For which processors the kernels in use were compiled; "torch" without kernels."""
    found = library()
    return "torch" if found is None else found.ocvf_variant().decode()


def described() -> str:
    """Who evaluates networks on CPUs, in words."""
    kind = variant()
    return "torch (kernels were not built)" if kind == "torch" else f"kernels for {kind}"


class _Kernel:
    """A network's weights, packed for the kernels."""

    def __init__(
        self, weights: Mapping[str, Tensor], size: Any, n_species: int, single: bool
    ) -> None:
        found = library()
        assert found is not None
        self.library = found
        self.source: list[Tensor] = []
        sizes = (size.n_features, size.n_angular, size.n_radial, size.l_max)
        numbers = (ctypes.c_int64 * 6)(*sizes, n_species, size.n_blocks)
        held = [weights[n].contiguous() if n in weights else None for n in WEIGHTS]
        addresses = (ctypes.c_void_p * len(held))(*(0 if h is None else h.data_ptr() for h in held))
        self.handle = found.ocvf_create(int(single), numbers, size.cutoff, addresses)
        if not self.handle:
            raise MemoryError("the weights of the network could not be copied")

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.library.ocvf_destroy(self.handle)


_kernels: WeakKeyDictionary[nn.Module, tuple[tuple, _Kernel]] = WeakKeyDictionary()


def _kernel(network: nn.Module, dtype: torch.dtype) -> _Kernel:
    """The network's kernel; made anew when its weights have changed."""
    parameters = dict(network.named_parameters())
    key = (dtype, *((p.data_ptr(), p._version) for p in parameters.values()))
    known = _kernels.get(network)
    if known is not None and known[0] == key:
        return known[1]
    weights = {name: p.detach().to(torch.float64) for name, p in parameters.items()}
    matrices = [b.double().flatten() for b in network.spherical.buffers()]  # pyright: ignore
    weights["traceless"] = torch.cat([*matrices, torch.zeros(1, dtype=torch.float64)])
    n_species = len(network.symbols)  # pyright: ignore
    made = _Kernel(weights, network.size, n_species, dtype == torch.float32)
    made.source = [p.detach() for p in parameters.values()]  # whose addresses are the key
    _kernels[network] = (key, made)
    return made


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Indices of edges, sorted by centre, and the species of the atoms; contiguous."""

    center: Tensor
    neighbor: Tensor
    species: Tensor


class _Sums(torch.autograd.Function):
    """Edge vectors to sums of messages."""

    @staticmethod
    def forward(
        ctx: Any, vector: Tensor, kernel: _Kernel, pairs: _Pairs, width: int
    ) -> tuple[Tensor, Tensor]:
        ctx.kernel, ctx.pairs = kernel, pairs
        ctx.save_for_backward(vector)
        own = vector.new_zeros(len(pairs.species), width)
        arrived = torch.zeros_like(own)
        _call("ocvf_forward", kernel, pairs, vector, own, arrived)
        return own, arrived

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (vector,) = ctx.saved_tensors
        slope = torch.empty_like(vector)
        own, arrived = (g.contiguous() for g in gradients)
        _call("ocvf_backward", ctx.kernel, ctx.pairs, vector, own, arrived, slope)
        return slope, None, None, None


def _call(name: str, kernel: _Kernel, pairs: _Pairs, *arrays: Tensor) -> None:
    indices = (pairs.center, pairs.neighbor, pairs.species)
    edges = _Edges(len(pairs.center), *(index.data_ptr() for index in indices))
    call = getattr(kernel.library, name)
    if not call(kernel.handle, ctypes.byref(edges), *(a.data_ptr() for a in arrays)):
        raise MemoryError("no memory for the messages of an atom")


def message_sums(network: nn.Module, edges: Edges, species: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of messages of a `DimeNet` with at most one block.

    Args:
        network: a `DimeNet`.
        edges: in ascending order of their centres (`layout.by_center`); those at or beyond the
            cutoff do not count.
        species: (atoms,).

    Returns:
        Of the embedded messages that reach each atom, (atoms, features), and of those that leave
        the atoms after the block, added at their targets, (atoms, features); each filtered as the
        output block that reads it does.
    """
    pairs = _Pairs(edges.center.contiguous(), edges.neighbor.contiguous(), species.contiguous())
    kernel = _kernel(network, edges.vector.dtype)
    width = network.size.n_features  # pyright: ignore
    return _Sums.apply(edges.vector.contiguous(), kernel, pairs, width)  # pyright: ignore
