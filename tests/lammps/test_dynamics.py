"""Trajectories of the shipped prior with a correction: energy is kept, ranks do not matter."""

import numpy as np
import pytest
import torch
from bto_models import SYMBOLS, builds, lammps_of, system
from lmp_runs import Result

from ocvf_lmp.lammps.cells import distorted_cell, write_data
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.lammps.run import run_lammps
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.seeding import stream
from ocvf_lmp.system.structure import perovskite

pytestmark = pytest.mark.lammps

MOTION = """
neighbor 1.0 bin
timestep 0.001
velocity all create {kick} 5 mom yes rot no dist gaussian
fix motion all nve
thermo_style custom step etotal temp
thermo_modify format float %.17g
thermo {every}
run {steps}
write_dump all custom atoms.dump id x y z vx vy vz modify sort id format float %.17g
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, root):
    """The shipped prior, and a correction of the usual size whose weights are random but small."""
    prior = load_potential(root / "data" / "prior" / "bto_pbesol.pt")[0]
    size = DimeNetSize(n_features=16, n_angular=8)
    correction = DimeNet(SYMBOLS, size, stream(3, "weights"))
    with torch.no_grad():
        for output in correction.outputs:
            output.final.weight.mul_(0.01)  # pyright: ignore
    path = tmp_path_factory.mktemp("dynamics") / "model.pt"
    return path, export_model(path, Corrected(prior, correction))


def move(build, folder, model, structure, ranks=1, **settings) -> Result:
    path, header = model
    lammps = lammps_of(build)
    folder.mkdir(exist_ok=True)
    (folder / "model.pt").write_bytes(path.read_bytes())
    write_data(folder / "cell.data", structure)
    text = system(lammps, header.reach) + MOTION.format(**settings)
    (folder / "in.motion").write_text(text)
    done = run_lammps(lammps, folder / "in.motion", folder, ranks, timeout=900.0)
    return Result(done.code, done.text, folder)


@pytest.mark.parametrize("build", builds())
def test_two_ranks_go_the_way_of_one(build, model, tmp_path):
    """Positions (Å) and velocities (Å/ps) after 100 steps."""
    start = distorted_cell(SYMBOLS, (3, 2, 2), 1)
    ways = [
        move(build, tmp_path / f"{ranks}", model, start, ranks, kick=300, every=100, steps=100)
        for ranks in (1, 2)
    ]
    assert ways[0].thermo[-1, 0] == 100
    assert float(np.abs(ways[0].atoms[:, 1:4] - ways[1].atoms[:, 1:4]).max()) < 1e-8
    assert float(np.abs(ways[0].atoms[:, 4:7] - ways[1].atoms[:, 4:7]).max()) < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("build", builds())
def test_energy_does_not_drift(build, model, tmp_path):
    """At about 300 K, 1 fs: at most 10^-6 eV an atom and ps, from a line through 9 ps."""
    start = perovskite(SYMBOLS, (2, 2, 2), (4.0, 4.0, 4.02), (0.0, 0.0, 0.02))
    rows = move(build, tmp_path, model, start, kick=600, every=20, steps=10_000).thermo
    later = rows[rows[:, 0] >= 1000]
    time, energy = 1e-3 * later[:, 0], later[:, 1] / 40
    drift, _ = np.polyfit(time, energy, 1)
    assert 200.0 < later[:, 2].mean() < 400.0
    assert abs(drift) < 1e-6, f"fluctuation {energy.std():.1g} eV an atom"
