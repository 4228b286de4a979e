"""A training on one cell of BaTiO3, for tests."""

import json
from dataclasses import replace

import torch

from ocvf_lmp.fit.experiment import Experiment
from ocvf_lmp.fit.logbook import Logbook
from ocvf_lmp.fit.objective import NamedTarget
from ocvf_lmp.fit.plan import StatePoint, TrainingPlan
from ocvf_lmp.fit.targets import LatticeTarget, PdfTarget
from ocvf_lmp.fit.train import Trainer
from ocvf_lmp.md.parameters import NptParameters
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.structure import perovskite

SYMBOLS = ("Ba", "Ti", "O")
PLAN = TrainingPlan(
    estimator="adjoint", epochs=3, window=20, min_window=10, sample_every=5, equilibration=10,
    evaluation=20, evaluate_every=4, learning_rate=0.05, anchor_every=10, horizon=0,
)  # fmt: skip
REWEIGHT = replace(PLAN, estimator="reweight", sampling=32, sample_every=2, relaxation=4)
GAUSS_NEWTON = replace(REWEIGHT, step="gauss-newton", min_effective=0.3)
IN_PARTS = replace(GAUSS_NEWTON, linearizations=3)


def state(temperature=100.0, lattice=4.06) -> StatePoint:
    r = torch.arange(1.6, 3.0, 0.02, dtype=torch.float64)
    pdf = PdfTarget(
        temperature, 1.0, r, torch.sin(4 * r), "neutron", 30.0, metric="r_w", synthetic=True
    )
    return StatePoint(
        f"{temperature:g}K",
        perovskite(SYMBOLS, (1, 1, 1), (4.0, 4.0, 4.0), (0.05, 0.04, 0.06)),
        (1, 1, 1),
        NptParameters(temperature=temperature, timestep=0.002, p_damp=0.1),
        [
            NamedTarget("lattice", LatticeTarget(temperature, 1.0, (lattice,) * 3)),
            NamedTarget("pdf", pdf),
        ],
    )


def correction() -> DimeNet:
    size = DimeNetSize(cutoff=4.0, n_features=8, n_angular=4, n_radial=4, l_max=1)
    network = DimeNet(SYMBOLS, size, stream(2, "correction"), zero_start=True)
    network.scale.fill_(0.05)
    return network


def trainer(prior, folder, states=None, plan=PLAN, shared=True) -> Trainer:
    states = states or [state()]
    one = correction()
    corrections = {s.name: one if shared else correction() for s in states}
    logbook = Logbook(folder, {}, shared=shared)
    return Trainer(Experiment(prior, corrections, states, plan, logbook))


def die_after(n_saves, monkeypatch) -> None:
    """Interrupts a training right after its n-th checkpoint."""
    saved, save = 0, Logbook.save

    def save_then_die(self, content):
        nonlocal saved
        save(self, content)
        saved += 1
        if saved == n_saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(Logbook, "save", save_then_die)


def metrics(folder) -> list[dict]:
    """What was logged, but for the time that it took."""
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def parameters_of(found: Trainer) -> torch.Tensor:
    modules = {id(m): m for m in found.experiment.corrections.values()}.values()
    return torch.cat([p.detach().flatten() for m in modules for p in m.parameters()])
