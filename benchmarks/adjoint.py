"""The adjoint against full automatic differentiation and finite differences; its memory and cost.

    python benchmarks/adjoint.py [--quick] [--prior FILE]

Prints RESULT adjoint_vs_autograd_rel, adjoint_vs_fd_rel (100 NPT steps of one unit cell, prior and
correction), adjoint_backward_over_forward (CPU time, 40 atoms), adjoint_memory_2000_over_100 (peak
resident memory of two processes; 40 atoms, one unit cell with --quick).
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from systems import build, find_prior

from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.md.npt import Integrator, push_of
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.system.cell import lengths_angles

PARAMS = NptParameters(temperature=150.0, pressure=1.0, t_damp=0.1, p_damp=0.5)
CORRECTION = 0.02
EVERY = 10


def observe(positions: torch.Tensor, cell: torch.Tensor) -> dict[str, torch.Tensor]:
    """Cell parameters and a smooth function of some distances."""
    near = (positions[1:] - positions[:-1]).square().sum(dim=1)
    return {"cell": lengths_angles(cell), "near": torch.exp(-near / 16.0)}


def loss(means: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Distance from a given shape of the cell, its size, and the smooth function."""
    lengths, angles = means["cell"][:3], means["cell"][3:]
    shape = lengths / lengths.mean() - torch.tensor([0.99, 1.0, 1.02], dtype=lengths.dtype)
    size = 1e2 * shape.square().sum() + 1e-2 * lengths.square().sum()
    return size + 1e-2 * (angles - 89.0).square().sum() + means["near"].square().sum()


def full_autograd(
    potential: torch.nn.Module, species: torch.Tensor, state: NptState, n_steps: int
) -> tuple[torch.Tensor, ...]:
    """The gradient from the graph of the whole run."""
    force_field = ForceField(potential, species)  # pyright: ignore

    def forces(positions: torch.Tensor, cell: torch.Tensor):  # noqa: ANN202
        return force_field(positions, cell, create_graph=True)

    integrator = Integrator(PARAMS, state.n_atoms)
    now = state.map(lambda t: t.clone().requires_grad_())
    mechanics, frames = forces(now.positions, now.cell), []
    for step in range(1, n_steps + 1):
        now, mechanics = integrator.step(now, push_of(mechanics), forces)
        if step % EVERY == 0:
            frames.append(observe(now.positions, now.cell))
    value = loss({k: torch.stack([f[k] for f in frames]).mean(dim=0) for k in frames[0]})
    wanted = [p for p in potential.parameters() if p.requires_grad]
    return torch.autograd.grad(value, wanted, materialize_grads=True)


def loss_of_run(
    potential: torch.nn.Module, species: torch.Tensor, state: NptState, n_steps: int
) -> float:
    """The loss without a gradient."""
    frames: list[dict[str, torch.Tensor]] = []
    rollout(
        potential, species, state, PARAMS, n_steps,  # pyright: ignore
        lambda _, s, m: frames.append(observe(s.positions, s.cell)), every=EVERY,
    )  # fmt: skip
    return float(loss({k: torch.stack([f[k] for f in frames]).mean(dim=0) for k in frames[0]}))


def compare(prior: Path | None, n_steps: int) -> None:
    """Prints the deviations from full autograd and from central differences."""
    potential, species, state = build(prior, 1, PARAMS, CORRECTION)
    found = adjoint_gradient(potential, species, state, PARAMS, n_steps, observe, loss, EVERY)  # pyright: ignore
    gradient = torch.cat([g.flatten() for g in found.gradients.values()])
    exact = torch.cat([g.flatten() for g in full_autograd(potential, species, state, n_steps)])
    deviation = float((gradient - exact).norm() / exact.norm())
    print(f"RESULT adjoint_vs_autograd_rel {deviation:.3e} 1")
    wanted = [p for p in potential.parameters() if p.requires_grad]
    kept = torch.nn.utils.parameters_to_vector(wanted).detach().clone()
    direction = gradient / gradient.norm()
    step, values = 1e-3 * float(kept.norm()) / len(kept) ** 0.5, []
    for multiple in (1, -1, 2, -2):
        torch.nn.utils.vector_to_parameters(kept + multiple * step * direction, wanted)
        values.append(loss_of_run(potential, species, state, n_steps))
    torch.nn.utils.vector_to_parameters(kept, wanted)
    slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
    expected = float(gradient @ direction)
    print(f"RESULT adjoint_vs_fd_rel {abs(slope - expected) / abs(expected):.3e} 1")


def cost(prior: Path | None, n_steps: int) -> None:
    """Prints the backward pass' cost in units of the forward pass'."""
    potential, species, state = build(prior, 2, PARAMS, CORRECTION)
    marks: dict[str, float] = {}

    def mark(phase: str, step: int) -> None:
        marks[f"{phase} {step}"] = time.process_time()

    loss_of_run(potential, species, state, EVERY)  # warm up
    adjoint_gradient(
        potential, species, state, PARAMS, n_steps, observe, loss, EVERY, progress=mark  # pyright: ignore
    )  # fmt: skip
    forward = (marks[f"forward {n_steps}"] - marks["forward 1"]) / (n_steps - 1)
    backward = (marks["backward 0"] - marks[f"backward {n_steps}"]) / n_steps
    print(f"forward {forward * 1e3:.1f} ms, backward {backward * 1e3:.1f} ms a step (CPU time)")
    print(f"RESULT adjoint_backward_over_forward {backward / forward:.2f} 1")


def own_peak() -> float:
    """Peak resident memory of this program, MiB.

    Not `getrusage`: Linux lets a program inherit the peak of the process that started it, which
    here held the graph of a whole run.
    """
    status = Path("/proc/self/status").read_text()
    return float(next(s for s in status.splitlines() if s.startswith("VmHWM")).split()[1]) / 1024.0


def peak_memory(arguments: list[str], n_steps: int) -> float:
    """Peak resident memory, MiB, of a fresh process that makes the steps and the way back."""
    command = [sys.executable, __file__, *arguments, "--memory", str(n_steps)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--quick", action="store_true", help="smaller system for the memory")
    parser.add_argument("--prior", type=Path, help="file of the prior (default: the shipped one)")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior = find_prior(options.prior)
    if options.memory is not None:
        system = build(prior, 1 if options.quick else 2, PARAMS, None if options.quick else 0.02)
        if options.memory > 0:
            adjoint_gradient(*system, PARAMS, options.memory, observe, loss, EVERY)  # pyright: ignore
        print(own_peak())
        return
    print(f"potential: {prior or 'the toy of the tests (no prior found)'}", flush=True)
    compare(prior, 100)
    cost(prior, 20 if options.quick else 100)
    arguments = ["--quick"] if options.quick else []
    arguments += ["--prior", str(options.prior)] if options.prior else []
    idle, short, long = (peak_memory(arguments, n) for n in (0, 100, 2000))
    print(
        f"peak memory: {idle:.0f} MiB with nothing run, {short:.0f} MiB for 100 steps,"
        f" {long:.0f} MiB for 2000"
    )
    print(f"RESULT adjoint_memory_2000_over_100 {long / short:.3f} 1")


if __name__ == "__main__":
    main()
