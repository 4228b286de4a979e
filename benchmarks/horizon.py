"""Limits of the adjoint's window on BaTiO3, against the scatter of its gradients.

    python benchmarks/horizon.py [--quick] [--state 300K]

40 atoms, the PDF loss of `inputs/bto.yaml` (SYNTHETIC), zero correction, fully flexible cell:

- growth_rate, usable_steps: largest Lyapunov exponent and the window it allows, with errors (_se);
- relaxation_ps: of the slowest of volume and strains, as far as the run tells;
- snr_N: size of the mean gradient of windows of N steps over the scatter of one (the size is
  corrected for the noise in it; 0 where that is all there is);
- refused_N: share of the windows that the horizon refuses with the exponent; refused_alone_N: by
  the window's own norm.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.build.trainer import build_trainer
from ocvf_lmp.config.file import load_config
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.diagnosis import Diagnosis
from ocvf_lmp.md.horizon import Horizon, horizon
from ocvf_lmp.md.lyapunov import Lyapunov, Shadow
from ocvf_lmp.md.mechanics import Mechanics
from ocvf_lmp.md.relaxation import cell_relaxation, slowest
from ocvf_lmp.md.rollout import rollout
from ocvf_lmp.md.state import NptState
from ocvf_lmp.seeding import normal, stream

CONFIG = Path(__file__).parents[1] / "inputs" / "bto.yaml"
EVERY = 10
"""Steps between frames."""


def make_site(state: str, folder: Path) -> Site:
    """A state of the shipped experiment with 40 atoms."""
    config = load_config(CONFIG, changes={"sample": {"repeat": [2, 2, 2]}})
    return next(s for s in build_trainer(config, folder).sites if s.point.name == state)


def explore(site: Site, n_steps: int, n_states: int) -> tuple[Lyapunov, list[NptState]]:
    """A run with a shadow: prints both limits, and keeps states and the mean observables."""
    params, species, state = site.point.params, site.objective.species, site.runs[0].state
    noise = normal((state.n_atoms, 3), stream(1, "shadow"))
    shadow = Shadow(site.model, species, state, params, noise)
    cells, states, sums = [], [], {}

    def watch(step: int, now: NptState, mechanics: Mechanics) -> None:
        shadow(step, now, mechanics)
        cells.append(now.cell)
        for name, value in site.objective.observe(now.positions, now.cell).items():
            sums[name] = sums.get(name, 0.0) + value
        if step % (n_steps // n_states) == 0:
            states.append(now)

    rollout(site.model, species, state, params, n_steps, watch, EVERY)
    site.pooled = {name: value / len(cells) for name, value in sums.items()}
    exponent = shadow.exponent()
    found = cell_relaxation(torch.stack(cells), EVERY * params.timestep)
    seen = Horizon.of_exponent(exponent, 60 * params.timestep)
    usable = seen.usable / params.timestep
    print("; ".join(str(part) for part in found.values()))
    print(Diagnosis(seen, slowest(found)))
    print(f"RESULT growth_rate {exponent.rate:.3g} 1/ps")
    print(f"RESULT growth_rate_se {exponent.error:.2g} 1/ps")
    print(f"RESULT usable_steps {usable:.0f} steps")
    print(f"RESULT usable_steps_se {usable * exponent.error / exponent.rate:.0f} steps")
    print(f"RESULT relaxation_ps {slowest(found).time:.2g} ps", flush=True)
    return exponent, states


def windows(site: Site, states: list[NptState], n_steps: int, exponent: Lyapunov) -> None:
    """Signal to noise of the gradients of windows, and how many are refused."""

    def loss(means) -> torch.Tensor:  # noqa: ANN001
        # the slope at the mean of the long run: the same for all windows
        return site.objective.loss({k: v + (site.pooled[k] - v).detach() for k, v in means.items()})

    gradients, refused, alone = [], 0, 0
    params = site.point.params
    for state in states:
        found = adjoint_gradient(
            site.model, site.objective.species, state, params, n_steps,
            site.objective.observe, loss, EVERY, lyapunov=exponent,
        )  # fmt: skip
        gradients.append(torch.cat([g.flatten() for g in found.gradients.values()]))
        refused += not found.horizon.trusted
        alone += not horizon(found.adjoint_norm, params.timestep).trusted
    table, n = torch.stack(gradients), len(states)
    noise = float(table.var(dim=0).sum())
    signal = max(float(table.mean(dim=0).square().sum()) - noise / n, 0.0)
    print(f"RESULT snr_{n_steps} {(signal / noise) ** 0.5:.3g} 1")
    print(f"RESULT gradient_size_{n_steps} {signal**0.5:.3g} 1")
    print(f"RESULT refused_{n_steps} {refused / n:.2f} 1")
    print(f"RESULT refused_alone_{n_steps} {alone / n:.2f} 1", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short runs, windows to 50 steps")
    parser.add_argument("--state", default="300K", help="name of the state: 100K or 300K")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    with tempfile.TemporaryDirectory() as name:
        site = make_site(options.state, Path(name))
    settle, n_steps, n_states = (100, 300, 3) if options.quick else (800, 2000, 8)
    species, params = site.objective.species, site.point.params
    run = site.runs[0]
    run.state = rollout(site.model, species, run.state, params, settle).state
    exponent, states = explore(site, n_steps, n_states)
    for window in (20, 50) if options.quick else (20, 50, 100, 200):
        windows(site, states, window, exponent)
    if not options.quick:
        windows(site, states[::2], 400, exponent)


if __name__ == "__main__":
    main()
