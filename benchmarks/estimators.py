"""Useful gradient for the time: adjoint against reweighting, on BaTiO3 at 300 K.

    python benchmarks/estimators.py [--quick]

The gradient of the PDF loss of `inputs/bto.yaml` (300 K, SYNTHETIC) at zero correction, by

- adjoint: windows of 60 steps, one after another; noise from their scatter;
- reweight: one run of the same processor time, or so; noise from the jackknife.

RESULT ESTIMATOR_snr2_per_minute_N: (|true gradient| / noise)² a minute of processor time, N atoms:
what halves when the noise of the same minute doubles its variance. adjoint_over_reweight_N: size of
the adjoint's gradient along reweighting's, over that; cosine_N: of the angle between the two.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from ocvf_lmp.allocator import keep_memory
from ocvf_lmp.build.trainer import build_trainer
from ocvf_lmp.config.file import load_config
from ocvf_lmp.fit.ensemble import sample
from ocvf_lmp.fit.reweight import reweighted_gradient
from ocvf_lmp.fit.site import Site
from ocvf_lmp.md.adjoint import adjoint_gradient
from ocvf_lmp.md.engine import Twin
from ocvf_lmp.md.rollout import rollout

CONFIG = Path(__file__).parents[1] / "inputs" / "bto.yaml"
WINDOW, EVERY = 60, 10


def make_site(repeat: int, folder: Path) -> Site:
    """The state at 300 K of the shipped experiment, in a cell of its own."""
    config = load_config(CONFIG, changes={"sample": {"repeat": [repeat] * 3}})
    return next(s for s in build_trainer(config, folder).sites if s.point.name == "300K")


def flat(gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    """All components in one vector."""
    return torch.cat([g.flatten() for g in gradients.values()])


def by_adjoint(site: Site, n_windows: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Mean gradient of windows, variance of one window's components, and seconds a window."""
    run, found, start = site.runs[0], [], time.process_time()
    for _ in range(n_windows):
        result = adjoint_gradient(
            site.model, site.objective.species, run.state, site.point.params, WINDOW,
            site.objective.observe, site.pooled_loss(), EVERY,
        )  # fmt: skip
        run.state = result.final_state
        found.append(flat(result.gradients))
    table = torch.stack(found)
    seconds = (time.process_time() - start) / n_windows
    return table.mean(dim=0), table.var(dim=0), seconds


def compare(repeat: int, equilibration: int, n_windows: int, n_steps: int) -> None:
    """Prints both estimators' worth for one size."""
    with tempfile.TemporaryDirectory() as name:
        site = make_site(repeat, Path(name))
    n, params, species = site.objective.n_atoms, site.point.params, site.objective.species
    run, correction = site.runs[0], site.model.correction
    run.state = rollout(site.model, species, run.state, params, equilibration).state
    start = time.process_time()
    ensemble, run.state = sample(
        Twin(), site.model, correction, species,  # pyright: ignore
        run.state, params, n_steps, EVERY, site.objective.observe,
    )  # fmt: skip
    loss, temperature = site.objective.loss, params.temperature
    whole = reweighted_gradient(correction, species, ensemble, temperature, loss)  # pyright: ignore
    spent = time.process_time() - start
    site.pooled, site.keep = whole.observables, 0.8
    reference, noise = flat(whole.gradients), flat(whole.errors).square().sum()
    worth = whole.signal_to_noise**2 / (spent / 60)
    mean, variance, seconds = by_adjoint(site, n_windows)
    signal = float(mean.square().sum() - variance.sum() / n_windows)
    adjoint_worth = max(signal, 0.0) / float(variance.sum()) / (seconds / 60)
    cosine = float(torch.dot(mean, reference) / (mean.norm() * reference.norm()))
    ratio = float(torch.dot(mean, reference) / reference.square().sum())
    print(
        f"{n} atoms: reweight |g| {reference.norm():.4g} ± {noise.sqrt():.2g} in {spent:.0f} s of"
        f" {n_steps} steps; adjoint |g| {mean.norm():.4g}, scatter of a window"
        f" {variance.sum().sqrt():.3g}, {seconds:.1f} s a window"
    )
    print(f"RESULT reweight_snr2_per_minute_{n} {worth:.3g} 1/min")
    print(f"RESULT adjoint_snr2_per_minute_{n} {adjoint_worth:.3g} 1/min")
    print(f"RESULT cosine_{n} {cosine:.3f} 1")
    print(f"RESULT adjoint_over_reweight_{n} {ratio:.3f} 1", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 atoms only, short runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    if options.quick:
        compare(2, 200, 3, 400)
        return
    compare(2, 1000, 12, 4000)
    compare(4, 400, 4, 800)


if __name__ == "__main__":
    main()
