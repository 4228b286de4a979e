"""Gradients of averages over a trajectory by walking it back, step by step.

The forward pass keeps no graph. The backward pass undoes every part of the step exactly, which
yields the configurations in reverse order, and pulls the cotangent of the state back through the
same parts: the exact gradient of the discrete trajectory at the memory of one step. Round-off of
the way back grows like the distance of neighbouring trajectories, so the state is replaced by a
stored one (an anchor) every so often. The forces of all steps are kept, which is three numbers an
atom and step: they need not be computed again, and spare the way back most of its round-off.

The way back is in `walk`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from ocvf_lmp.arrays import Species
from ocvf_lmp.errors import InputError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.horizon import Horizon, horizon
from ocvf_lmp.md.lyapunov import Lyapunov
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.npt import Push, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import Limits, rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.md.walk import Observe, Walk
from ocvf_lmp.potential.protocol import Potential

Loss = Callable[[Mapping[str, torch.Tensor]], torch.Tensor]
"""Scalar function of the observables' means."""

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class AdjointResult:
    """A loss and its gradient.

    Attributes:
        loss: value of the loss.
        gradients: derivative with respect to each parameter that requires grad, by name.
        observables: means over the sampled frames.
        frames: number of sampled frames.
        final_state: state after the last step, to continue from.
        initial_gradient: derivative with respect to each tensor of the initial state (the masses
            in it are those of the atoms).
        adjoint_norm: standard deviation of the loss, to first order, if the momenta at a step were
            kicked by thermal noise, for steps 0 ... n, (n + 1,).
        horizon: growth of that norm and the usable window.
        round_trip: largest deviation of a position from its anchor after walking back, Å.
    """

    loss: float
    gradients: dict[str, torch.Tensor]
    observables: dict[str, torch.Tensor]
    frames: int
    final_state: NptState
    initial_gradient: NptState
    adjoint_norm: torch.Tensor
    horizon: Horizon
    round_trip: float


def adjoint_gradient(
    potential: Potential,
    species: Species,
    state: NptState,
    params: NptParameters,
    n_steps: int,
    observe: Observe,
    loss: Loss,
    sample_every: int = 10,
    *,
    first_sample: int | None = None,
    anchor_every: int = 100,
    skin: float = 0.5,
    limits: Limits | None = None,
    progress: Progress | None = None,
    lyapunov: Lyapunov | None = None,
) -> AdjointResult:
    """Gradient of a loss of averaged observables with respect to the potential's parameters.

    Args:
        potential: a module; the gradient is taken for its parameters that require grad.
        species: (atoms,).
        state: initial state.
        params: the ensemble.
        n_steps: number of steps.
        observe: observables of a frame, differentiable in positions and cell.
        loss: function of their means over the frames.
        sample_every: steps between frames.
        first_sample: step of the first frame; `sample_every` if None.
        anchor_every: steps between stored states.
        skin: of the neighbour list, Å.
        limits: of physical ground.
        progress: called after each step, with its number, of the ``forward`` and of the
            ``backward`` pass.
        lyapunov: exponent of a longer run, which tells the horizon better than one window can.

    Raises:
        InputError: no frame would be sampled, a loss that does not depend on the observables, or a
            potential with a term that cannot be differentiated twice.
        SimulationError: the run left physical ground.
    """
    first = sample_every if first_sample is None else first_sample
    if not (n_steps >= 1 and sample_every >= 1 and anchor_every >= 1 and 0 <= first <= n_steps):
        raise InputError(
            f"expected at least one step and one frame, found n_steps {n_steps}, sample_every"
            f" {sample_every}, first_sample {first}, anchor_every {anchor_every}; lengthen the"
            " window or sample earlier"
        )
    ForceField(potential, species, skin).refuse_graph()  # now, not after the way forward
    sampled = range(first, n_steps + 1, sample_every)
    recorder = _Recorder(observe, sampled, anchor_every)
    state = state.map(torch.Tensor.detach)
    recorder.note(0, state)

    def watch(step: int, now: NptState, mechanics: Mechanics) -> None:
        recorder.note(step, now, push_of(mechanics))
        if progress is not None:
            progress("forward", step)

    end = rollout(potential, species, state, params, n_steps, watch, skin=skin, limits=limits)
    means = recorder.means()
    value, weights = _loss_and_weights(loss, means, len(sampled))
    walk = Walk(potential, species, params, end.state, skin)
    for step in walk.back(n_steps, recorder.anchors, recorder.pushes, observe, sampled, weights):
        if progress is not None:
            progress("backward", step)
    norms = torch.stack(walk.norms[::-1])
    return AdjointResult(
        loss=value,
        gradients=walk.gradients,
        observables=means,
        frames=len(sampled),
        final_state=end.state,
        initial_gradient=walk.cotangent,
        adjoint_norm=norms,
        horizon=horizon(norms, params.timestep, lyapunov=lyapunov),
        round_trip=walk.round_trip,
    )


@dataclass
class _Recorder:
    """Sums observables and keeps anchors and forces during the forward pass."""

    observe: Observe
    sampled: range
    anchor_every: int
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    anchors: dict[int, NptState] = field(default_factory=dict)
    pushes: dict[int, Push] = field(default_factory=dict)

    def note(self, step: int, state: NptState, push: Push | None = None) -> None:
        if push is not None:
            self.pushes[step] = push
        if step % self.anchor_every == 0:
            self.anchors[step] = state
        if step not in self.sampled:
            return
        with torch.no_grad():
            for name, found in self.observe(state.positions, state.cell).items():
                self.sums[name] = self.sums[name] + found if name in self.sums else found

    def means(self) -> dict[str, torch.Tensor]:
        return {name: total / len(self.sampled) for name, total in self.sums.items()}


def _loss_and_weights(
    loss: Loss, means: dict[str, torch.Tensor], frames: int
) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss, and the cotangent of each observable of each frame."""
    with torch.enable_grad():
        leaves = {name: mean.detach().requires_grad_(True) for name, mean in means.items()}
        value = loss(leaves)
        if not value.requires_grad:
            raise InputError(
                "expected a loss that depends on the means of the observables"
                f" {', '.join(leaves)}, found one that does not; build it from what it is given"
            )
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    weights = {
        name: slope / frames
        for name, slope in zip(leaves, slopes, strict=True)
        if slope is not None
    }
    return float(value.detach()), weights
