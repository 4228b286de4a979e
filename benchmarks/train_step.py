"""Processor time of a training step by the adjoint: kernels against torch alone, on BaTiO3.

    python benchmarks/train_step.py [--quick] [--prior FILE]

A training step is a window of dynamics and the way back to the gradient with respect to the
correction's parameters, as `benchmarks/adjoint.py` makes it. The same window is made with the
kernels and by torch alone, one after the other and more than once, so that noise of the machine
hits both; medians count.

RESULT train_step_ratio_N: time by torch over that with kernels, N atoms; train_step_seconds_N and
train_step_seconds_torch_N: of one window; train_step_gradient_rel_N: of the two gradients'
difference to their length.
"""

import argparse
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from adjoint import CORRECTION, EVERY, PARAMS, loss, observe
from systems import build, find_prior

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.potential.fused import torch_alone
from ocvf_lmp.potential.kernels import described


def gradient(system: tuple, n_steps: int, kernels: bool) -> tuple[torch.Tensor, float]:
    """The gradient in one vector, and seconds of processor time."""
    start = time.process_time()
    with nullcontext() if kernels else torch_alone():
        found = adjoint_gradient(*system, PARAMS, n_steps, observe, loss, EVERY)  # pyright: ignore
    spent = time.process_time() - start
    return torch.cat([g.flatten() for g in found.gradients.values()]), spent


def compare(prior: Path | None, repeat: int, n_steps: int, n_pairs: int) -> None:
    """Prints both sides' times and the deviation of their gradients."""
    system = build(prior, repeat, PARAMS, CORRECTION)
    n_atoms = len(system[1])
    for kernels in (True, False):
        gradient(system, EVERY, kernels)  # warm up
    seconds: dict[bool, list[float]] = {True: [], False: []}
    found: dict[bool, torch.Tensor] = {}
    for _ in range(n_pairs):
        for kernels in (True, False):
            found[kernels], spent = gradient(system, n_steps, kernels)
            seconds[kernels].append(spent)
    ours, plain = (statistics.median(seconds[kernels]) for kernels in (True, False))
    deviation = float((found[True] - found[False]).norm() / found[False].norm())
    each = ", ".join(f"{b / a:.2f}" for a, b in zip(seconds[True], seconds[False], strict=True))
    print(f"{n_atoms} atoms, {n_steps} steps: {ours:.2f} s and {plain:.2f} s; ratios {each}")
    print(f"RESULT train_step_ratio_{n_atoms} {plain / ours:.2f} 1")
    print(f"RESULT train_step_seconds_{n_atoms} {ours:.3f} s")
    print(f"RESULT train_step_seconds_torch_{n_atoms} {plain:.3f} s")
    print(f"RESULT train_step_gradient_rel_{n_atoms} {deviation:.2e} 1", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="shorter windows, fewer of them")
    parser.add_argument("--prior", type=Path, help="file of the prior (default: the shipped one)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    prior = find_prior(options.prior)
    print(f"potential: {prior or 'the toy of the tests (no prior found)'}; {described()}")
    compare(prior, 2, 20 if options.quick else 60, 2 if options.quick else 5)
    compare(prior, 4, 10 if options.quick else 20, 1 if options.quick else 3)


if __name__ == "__main__":
    main()
