"""The network's sums of messages by fused CPU kernels, differentiable twice.

The library (plugin/kernels) walks from atom to atom with all messages of one atom in the cache,
where torch passes through memory after each operation. It knows networks of at most one
interaction block. Elsewhere, on other devices and where the library was not built, torch does the
same by itself.

With the sums S(v; θ) of the edge vectors v, a gradient g of S goes back to v and θ; that is a node
of the graph as well. Its own way back is the derivative along the cotangent λ of the vectors,

    ∂/∂(v, g, θ) of λ·∂(g·S)/∂v = D_λ of (∂(g·S)/∂v, S, ∂(g·S)/∂θ),

which the kernels take by running on dual numbers.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.kernels import Kernel, Pairs, kernel_of, library
from ocvf_lmp.system.edges import Edges

MAX_BLOCKS, MAX_ORDER = 1, 6

_allowed: ContextVar[bool] = ContextVar("allowed", default=True)
_vectors_alone: ContextVar[bool] = ContextVar("vectors_alone", default=False)


def torch_alone() -> AbstractContextManager[None]:
    """Keeps the kernels out: what they are checked against, and what has third derivatives."""
    return _meanwhile(_allowed, False)


def of_vectors_alone() -> AbstractContextManager[None]:
    """Says that gradients taken inside are by the vectors of edges, not by parameters.

    Without it, each gradient by the vectors of a network that trains computes those by its
    parameters too, because torch does not tell which are wanted.
    """
    return _meanwhile(_vectors_alone, True)


@contextmanager
def _meanwhile(variable: ContextVar[bool], value: bool) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def applies(network: nn.Module, vector: Tensor) -> bool:
    """Whether the kernels can be used for a `DimeNet` on these edges, here and now."""
    size: Any = network.size
    known = size.n_blocks <= MAX_BLOCKS and size.l_max <= MAX_ORDER
    kind = vector.device.type == "cpu" and vector.dtype in (torch.float32, torch.float64)
    return _allowed.get() and known and kind and library() is not None


@dataclass(frozen=True, slots=True)
class _Task:
    """What an evaluation needs beside numbers that have derivatives."""

    kernel: Kernel
    pairs: Pairs
    width: int


class _Sums(torch.autograd.Function):
    """Edge vectors (and weights) to sums of messages."""

    @staticmethod
    def forward(
        ctx: Any, task: _Task, vector: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.task = task
        ctx.save_for_backward(vector, *weights)
        own = vector.new_zeros(len(task.pairs.species), task.width)
        arrived = torch.zeros_like(own)
        task.kernel.forward(task.pairs, vector, own, arrived)
        return own, arrived

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vector, *weights = ctx.saved_tensors
        of_weights = any(ctx.needs_input_grad[2:]) and not _vectors_alone.get()
        own, arrived = (g.contiguous() for g in gradients)
        slope, *found = _Slopes.apply(  # pyright: ignore
            ctx.task, of_weights, vector, own, arrived, *weights
        )
        return None, slope, *(found or [None] * len(weights))


class _Slopes(torch.autograd.Function):
    """Gradients of the sums to those by edge vectors, and by weights if wanted."""

    @staticmethod
    def forward(
        ctx: Any,
        task: _Task,
        of_weights: bool,
        vector: Tensor,
        own: Tensor,
        arrived: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.task = task
        ctx.save_for_backward(vector, own, arrived, *weights)
        ctx.set_materialize_grads(False)
        slope = torch.empty_like(vector)
        found = [torch.empty_like(w) for w in weights] if of_weights else None
        task.kernel.backward(task.pairs, vector, own, arrived, slope, found)
        return slope, *(found or ())

    @staticmethod
    def backward(
        ctx: Any, direction: Tensor | None, *of_weights: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if any(g is not None for g in of_weights):
            _refuse("a derivative of those by its parameters")
        vector, own, arrived, *weights = ctx.saved_tensors
        if direction is None:
            return (None,) * (5 + len(weights))
        wanted = any(ctx.needs_input_grad[5:])
        slope, *found = _Curvature.apply(  # pyright: ignore
            ctx.task, wanted, vector, direction.contiguous(), own, arrived, *weights
        )
        of_own, of_arrived, *by_weights = found
        return None, None, slope, of_own, of_arrived, *(by_weights or [None] * len(weights))


class _Curvature(torch.autograd.Function):
    """Derivatives of sums and slopes along a direction of the edge vectors; the last there are."""

    @staticmethod
    def forward(
        ctx: Any,
        task: _Task,
        of_weights: bool,
        vector: Tensor,
        direction: Tensor,
        own: Tensor,
        arrived: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        del ctx
        slope = torch.empty_like(vector)
        sums = torch.zeros_like(own), torch.zeros_like(arrived)
        found = [torch.empty_like(w) for w in weights] if of_weights else None
        task.kernel.curvature(task.pairs, vector, direction, own, arrived, *sums, slope, found)
        return slope, *sums, *(found or ())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> NoReturn:
        del ctx, gradients
        _refuse("a third derivative")


def _refuse(found: str) -> NoReturn:
    raise InputError(
        "expected at most first derivatives of a network, or derivatives of those by the vectors of"
        f" its edges, from the kernels, found {found}; evaluate it inside fused.torch_alone()"
    )


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

    Raises:
        InputError: on differentiation, if more derivatives are asked for than the kernels have.
    """
    pairs = Pairs(edges.center.contiguous(), edges.neighbor.contiguous(), species.contiguous())
    kernel, weights = kernel_of(network, edges.vector.dtype)
    task = _Task(kernel, pairs, network.size.n_features)  # pyright: ignore
    return _Sums.apply(task, edges.vector.contiguous(), *weights)  # pyright: ignore
