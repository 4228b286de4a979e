"""The network's sums of messages by fused CPU kernels, differentiable twice.

The library (plugin/kernels) walks from atom to atom with all messages of one atom in the cache,
where torch passes through memory after each operation. It knows networks of at most one
interaction block. Elsewhere, on other devices and where the library was not built, torch does the
same by itself.

With the sums S(v; θ) of the edge vectors v, a gradient g of S goes back to v and θ; that is a node
of the graph as well. Its own way back is the derivative along the cotangent λ of the vectors,

    ∂/∂(v, g, θ) of λ·∂(g·S)/∂v = D_λ of (∂(g·S)/∂v, S, ∂(g·S)/∂θ),

which the kernels take by running on dual numbers. Where λ is known from the start, `sums_along`
saves the way to ∂(g·S)/∂v. There are no third derivatives.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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

    def sums(self, vector: Tensor) -> Tensor:
        """Zeros, (atoms, features)."""
        return vector.new_zeros(len(self.pairs.species), self.width)


def _like(weights: Sequence[Tensor]) -> list[Tensor]:
    return [torch.empty_like(w, memory_format=torch.contiguous_format) for w in weights]


class _Sums(torch.autograd.Function):
    """Edge vectors (and weights) to sums of messages."""

    @staticmethod
    def forward(ctx: Any, task: _Task, vector: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        ctx.task = task
        ctx.save_for_backward(vector, *weights)
        own, arrived = task.sums(vector), task.sums(vector)
        task.kernel.run(task.pairs, vector, own=own, arrived=arrived)
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
        found = _like(weights) if of_weights else None
        task.kernel.run(
            task.pairs, vector, None, found, of_own=own, of_arrived=arrived, slope=slope
        )
        return slope, *(found or ())

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, direction: Tensor | None, *of_weights: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if any(g is not None for g in of_weights):
            raise InputError(
                "expected derivatives of the gradient by edge vectors, found one of the gradient by"
                " a network's parameters, which kernels do not give; evaluate the network inside"
                " fused.torch_alone()"
            )
        vector, own, arrived, *weights = ctx.saved_tensors
        if direction is None:
            return (None,) * (5 + len(weights))
        task: _Task = ctx.task
        slope, of_own, of_arrived = torch.empty_like(vector), task.sums(vector), task.sums(vector)
        found = _like(weights) if any(ctx.needs_input_grad[5:]) else None
        task.kernel.run(
            task.pairs, vector, direction.contiguous(), found, of_own=own, of_arrived=arrived,
            own=(None, of_own), arrived=(None, of_arrived), slope=(None, slope),
        )  # fmt: skip
        return None, None, slope, of_own, of_arrived, *(found or [None] * len(weights))


class _Along(torch.autograd.Function):
    """Sums of messages, and their derivatives along a direction of the edge vectors."""

    @staticmethod
    def forward(
        ctx: Any, task: _Task, vector: Tensor, direction: Tensor, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.task = task
        ctx.save_for_backward(vector, direction, *weights)
        own, arrived = ((task.sums(vector), task.sums(vector)) for _ in range(2))
        task.kernel.run(task.pairs, vector, direction, own=own, arrived=arrived)
        return own[0], arrived[0], own[1], arrived[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vector, direction, *weights = ctx.saved_tensors
        task: _Task = ctx.task
        own, arrived, own_tangent, arrived_tangent = (g.contiguous() for g in gradients)
        slope = torch.empty_like(vector), torch.empty_like(vector)
        found = _like(weights) if any(ctx.needs_input_grad[3:]) else None
        task.kernel.run(
            task.pairs, vector, direction, found, slope=slope,
            of_own=(own_tangent, own), of_arrived=(arrived_tangent, arrived),
        )  # fmt: skip
        return None, slope[1], slope[0], *(found or [None] * len(weights))


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
    task, weights = _task(network, edges, species)
    return _Sums.apply(task, edges.vector.contiguous(), *weights)  # pyright: ignore


def sums_along(
    network: nn.Module, edges: Edges, direction: Tensor, species: Tensor
) -> tuple[Tensor, ...]:
    """The two sums of `message_sums`, and after them their derivatives along a direction.

    They can be differentiated once.

    Args:
        network: a `DimeNet`.
        edges: as there.
        direction: of the edge vectors, (edges, 3).
        species: (atoms,).
    """
    task, weights = _task(network, edges, species)
    vector, direction = edges.vector.contiguous(), direction.contiguous()
    return _Along.apply(task, vector, direction, *weights)  # pyright: ignore


def _task(network: nn.Module, edges: Edges, species: Tensor) -> tuple[_Task, Sequence[Tensor]]:
    pairs = Pairs(edges.center.contiguous(), edges.neighbor.contiguous(), species.contiguous())
    kernel, weights = kernel_of(network, edges.vector.dtype)
    return _Task(kernel, pairs, network.size.n_features), weights  # pyright: ignore
