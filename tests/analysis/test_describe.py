import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocvf_lmp.analysis.describe import describe_file
from ocvf_lmp.errors import DataError, InputError, ModelFileError, OcvfError
from ocvf_lmp.fit.gr_file import GrFile, read_gr, write_gr
from ocvf_lmp.lammps.model_file import export_model, read_header
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.potential.weights import save_potential
from ocvf_lmp.units import GPA

READERS = {"gr": read_gr, "model": read_header}


def rows_of(path) -> dict[str, str]:
    return dict(describe_file(path, READERS).rows)


def problems_of(path) -> str:
    return "; ".join(describe_file(path, READERS).problems)


def frame(seed: int, **results) -> Atoms:
    rng = np.random.default_rng(seed)
    scaled = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    atoms = Atoms("BaTiO3", scaled_positions=scaled, cell=[4.0, 4.0, 4.0 + 0.1 * seed], pbc=True)
    atoms.positions += 0.02 * rng.normal(size=(5, 3))
    forces = rng.normal(size=(5, 3))
    usual = {
        "energy": -41.0 - 0.01 * seed,
        "forces": forces - forces.mean(axis=0),
        "stress": np.array([1.0, 2.0, -3.0, 0, 0, 0]) * GPA,
    }
    atoms.calc = SinglePointCalculator(atoms, **(usual | results))
    return atoms


def test_configurations_state_what_they_hold_with_units(tmp_path):
    frames = [frame(k) for k in range(3)]
    write(tmp_path / "a.extxyz", frames)
    found = describe_file(tmp_path / "a.extxyz", READERS)
    rows = dict(found.rows)
    assert found.problems == ()
    assert rows["frames"] == "3"
    assert rows["compositions"] == "BaO3Ti (3×)"
    assert rows["volume"] == "12.8 to 13.44 Å³/atom"
    assert rows["energy"] == "-8.204 to -8.2 eV/atom"
    assert rows["stress"] == "-3 to 2 GPa (tension positive)"
    largest = max(np.abs(a.get_forces()).max() for a in frames)
    assert f"largest {largest:.3g} eV/Å" in rows["forces"]
    shortest = min(d for a in frames for d in a.get_distances(1, [2, 3, 4], mic=True))
    assert f"O-Ti {shortest:.2f}" in rows["shortest distances"]


def without_results(atoms: Atoms) -> Atoms:
    atoms.calc = None
    return atoms


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: [*f, f[0]], "duplicates of earlier frames: frame 3"),
        (lambda f: [*f, frame(7, forces=np.full((5, 3), np.nan))], "forces that is not a number"),
        (lambda f: [*f, frame(7, energy=-4000.0)], "different zeros"),
        (lambda f: [*f, frame(7, stress=np.full(6, 3.0))], "ASE expects eV/Å³"),
        (lambda f: [*f, frame(7, forces=80 * frame(7).get_forces())], "above 50 eV/Å"),
        (lambda f: [*f, frame(7, forces=np.ones((5, 3)))], "net force"),
        (lambda f: [*f, without_results(frame(7))], "1 of 4 frames have no energy"),
    ],
)
def test_what_is_wrong_with_configurations_is_named(tmp_path, change, words):
    write(tmp_path / "a.extxyz", change([frame(k) for k in range(3)]))
    assert words in problems_of(tmp_path / "a.extxyz")


def test_atoms_on_top_of_each_other_and_missing_cells_are_named(tmp_path):
    near, open_one = without_results(frame(1)), without_results(frame(2))
    near.positions[2] = near.positions[1] + [0, 0, 0.7]
    open_one.cell, open_one.pbc = np.zeros((3, 3)), False
    write(tmp_path / "a.extxyz", [frame(5), near, open_one])
    found = problems_of(tmp_path / "a.extxyz")
    assert "nearly on top of each other in frame 1" in found
    assert "1 frames have no cell" in found


def test_a_gr_file_states_its_header_its_kind_and_what_it_lacks(tmp_path):
    r = torch.arange(0.02, 10.0, 0.02, dtype=torch.float64)
    g = -4 * np.pi * 0.0772 * r + torch.where(r > 1.6, 20.0, 0.0) * torch.sin(8 * r)
    data = GrFile(r, g, radiation="xray", q_max=25.0, temperature=300.0, source="a test")
    write_gr(tmp_path / "a.gr", data)
    found = describe_file(tmp_path / "a.gr", READERS)
    rows = dict(found.rows)
    assert rows["kind"] == "taken for measured"
    assert rows["q max"] == "25 Å^-1"
    assert rows["temperature"] == "300 K"
    assert rows["density from the slope at small r"] == "0.0772 atoms/Å³"
    assert any("no standard errors" in p for p in found.problems)
    assert any("no Q_damp" in p for p in found.problems)


def test_a_synthetic_gr_file_is_called_synthetic_in_capitals(root):
    path = sorted((root / "data" / "world").glob("*SYNTHETIC_neutron*.gr"))[0]
    assert rows_of(path)["kind"].startswith("SYNTHETIC")
    assert problems_of(path) == ""


@pytest.fixture
def potential() -> Repulsion:
    return Repulsion(("Ba", "Ti", "O"), torch.full((3, 3), 1.2, dtype=torch.float64))


def test_potentials_and_model_files_are_told_apart(tmp_path, potential):
    provenance = {"data": "none", "errors": {"force": 1.5}, "synthetic_targets": True}
    save_potential(tmp_path / "p.pt", potential, provenance)
    found = describe_file(tmp_path / "p.pt", READERS)
    assert found.title == "Potential in p.pt"
    assert dict(found.rows)["from: errors.force"] == "1.5"
    assert "SYNTHETIC" in dict(found.rows)["note"]
    export_model(tmp_path / "m.pt", potential, trained_temperatures=(100.0, 300.0))
    found = describe_file(tmp_path / "m.pt", READERS)
    rows = dict(found.rows)
    assert found.title == "Model for LAMMPS in m.pt"
    assert rows["symbols"] == "Ba, Ti, O"
    assert rows["cutoff"] == "1.2 Å"
    assert rows["trained temperatures"] == "100, 300 K"
    assert "no provenance" in found.problems[0]


def test_a_checkpoint_states_how_far_the_training_has_come(tmp_path):
    content = {
        "epoch": 4,
        "sites": {"300K": {"runs": [{"stage": "training", "steps": 1500}]}},
        "corrections": {"300K": {"a": torch.zeros(3, 4), "b": torch.zeros(5)}},
    }
    torch.save(content, tmp_path / "checkpoint.pt")
    rows = rows_of(tmp_path / "checkpoint.pt")
    assert rows["epochs done"] == "4"
    assert rows["300K"] == "training, 1500 steps"
    assert rows["parameters of the corrections"] == "17"


def test_a_trajectory_states_frames_times_and_observables(finished_run):
    rows = rows_of(finished_run / "trajectory_300K.h5")
    assert rows["frames"] == "150"
    assert rows["atoms"] == "40: Ba8 Ti8 O24"
    assert rows["steps"] == "20 to 3720, every 20 with 1 longer gaps"
    assert rows["time"] == "0.04 to 7.44 ps"
    assert " K, mean " in rows["temperature"]


def test_a_log_states_means_and_an_irregular_end(finished_run, tmp_path):
    text = (finished_run / "lammps" / "log.lammps").read_text().split("Loop time")[0]
    (tmp_path / "log.lammps").write_text(text + "ERROR: Lost atoms\n")
    found = describe_file(tmp_path / "log.lammps", READERS)
    assert dict(found.rows)["timestep"] == "0.001 ps"
    assert "mean of the second half 4.03" in dict(found.rows)["v_c"]
    assert found.problems[:2] == (
        "LAMMPS reported: ERROR: Lost atoms", "the run did not come to its regular end",
    )  # fmt: skip


def test_a_run_folder_states_losses_and_what_is_missing(finished_run, unfinished_run):
    found = describe_file(finished_run, READERS)
    rows = dict(found.rows)
    assert rows["status"] == "finished"
    assert rows["100K: R_w of xray_100K"].count("→") == 1
    assert "SYNTHETIC" in rows["PDF targets"]
    assert not any(p.startswith("missing") for p in found.problems)
    found = describe_file(unfinished_run, READERS)
    assert dict(found.rows)["status"] == "not finished"
    assert sum(p.startswith("missing") for p in found.problems) == 3


def test_a_run_whose_loss_has_risen_says_so(finished_run, tmp_path):
    for path in finished_run.glob("*.npz"):
        shutil.copy(path, tmp_path)
    scores = json.loads((finished_run / "evaluation.json").read_text())
    scores["after"]["100K"]["loss"] = 3.0 * scores["before"]["100K"]["loss"]
    (tmp_path / "evaluation.json").write_text(json.dumps(scores))
    assert "100K: the loss has risen" in problems_of(tmp_path)
    assert "300K: the loss" not in problems_of(tmp_path)


def test_a_damaged_file_of_any_kind_is_an_error_that_says_what_to_do(
    finished_run, tmp_path, potential
):
    export_model(tmp_path / "model.pt", potential)
    save_potential(tmp_path / "potential.pt", potential, {})
    shutil.copy(finished_run / "trajectory_300K.h5", tmp_path)
    for path in list(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises((ModelFileError, DataError), match="expected"):
            describe_file(path, READERS)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", "nothing to see\n", "known are"),
        ("empty.extxyz", "", "empty file"),
        ("config.yaml", "a: 1\n", "ocvf-lmp train"),
    ],
)
def test_other_files_are_errors_too(tmp_path: Path, name: str, content: str, words: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(OcvfError, match=words):
        describe_file(tmp_path / name, READERS)


def test_a_missing_file_and_a_missing_reader_are_errors(tmp_path):
    with pytest.raises(DataError, match="nothing"):
        describe_file(tmp_path / "none", READERS)
    (tmp_path / "a.gr").write_text("0 0\n")
    with pytest.raises(InputError, match="reader"):
        describe_file(tmp_path / "a.gr", {})
