import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ocvf_lmp.errors import DataError, InputError
from ocvf_lmp.system.h5md import H5mdWriter
from ocvf_lmp.system.structure import perovskite
from ocvf_lmp.system.trajectory import read_trajectory

STRUCTURE = perovskite(("Ba", "Ti", "O"), (2, 1, 1), (4.0, 4.0, 4.1))


def frame(step: int) -> dict:
    noise = torch.randn(10, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
    tilt = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.2, 0.0]], dtype=torch.float64)
    return {
        "positions": STRUCTURE.positions + noise + 5.0 * step,  # leaves the cell
        "cell": STRUCTURE.cell + tilt * step / 100,
        "observables": {"temperature": 300.0 + step, "pressure": -step / 7},
    }


def write(path: Path, steps: range, **options) -> None:
    with H5mdWriter(path, STRUCTURE, **options) as writer:
        for step in steps:
            writer.append(step, 0.002 * step, **frame(step))


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path):
    write(tmp_path / "t.h5", range(10, 60, 10))
    found = read_trajectory(tmp_path / "t.h5")
    assert found.step.tolist() == [10, 20, 30, 40, 50]
    assert np.array_equal(found.time, 0.002 * np.arange(10, 60, 10))
    for k, step in enumerate(found.step):
        expected = frame(int(step))
        assert np.array_equal(found.positions[k], expected["positions"].numpy())
        assert np.array_equal(found.cells[k], expected["cell"].numpy())
        for name, value in expected["observables"].items():
            assert found.observables[name][k] == value
    assert found.symbols == ("Ba", "Ti", "O", "O", "O") * 2
    assert found.masses == pytest.approx(STRUCTURE.masses.numpy())
    assert found.units == {"temperature": "K", "pressure": "bar"}


def test_the_layout_is_that_of_h5md_1_1(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 4))
    with h5py.File(tmp_path / "t.h5") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert {"author", "creator"} <= set(file["h5md"])
        box = file["particles/all/box"]
        assert box.attrs["dimension"] == 3
        assert list(box.attrs["boundary"]) == ["periodic"] * 3
        position = file["particles/all/position"]
        assert position["value"].shape == (3, 10, 3)
        assert position["value"].attrs["unit"] == "Angstrom"
        assert position["time"].attrs["unit"] == "ps"
        for element in ("particles/all/box/edges", "observables/temperature"):
            assert file[element]["step"] == position["step"]  # one data set, linked
            assert file[element]["time"] == position["time"]
        assert file["particles/all/species"][:5].tolist() == [56, 22, 8, 8, 8]


def test_ase_frames_keep_geometry_velocities_and_thermodynamics(tmp_path: Path):
    velocities = torch.linspace(-1, 1, 30, dtype=torch.float64).reshape(10, 3)
    with H5mdWriter(tmp_path / "t.h5", STRUCTURE) as writer:
        writer.append(7, 0.014, **frame(7), velocities=velocities)
    (atoms,) = read_trajectory(tmp_path / "t.h5").to_ase()
    assert atoms.get_chemical_formula() == "Ba2O6Ti2"
    assert atoms.info["step"] == 7
    assert atoms.info["temperature"] == 307.0
    assert np.array_equal(atoms.positions, frame(7)["positions"].numpy())
    mass, speed = STRUCTURE.masses.numpy(), velocities.numpy()
    kinetic = 0.5 * (mass[:, None] * speed**2).sum() * 1.0364269e-4  # LAMMPS' mvv2e
    assert atoms.get_kinetic_energy() == pytest.approx(kinetic, rel=1e-6)


def test_lattice_of_a_trajectory_agrees_with_ase(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 80, 26))
    found = read_trajectory(tmp_path / "t.h5")
    expected = [atoms.cell.cellpar() for atoms in found.to_ase()]
    assert found.lattice == pytest.approx(np.array(expected), rel=1e-12)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path):
    write(tmp_path / "whole.h5", range(1, 31))
    write(tmp_path / "parts.h5", range(1, 18))  # interrupted; the last checkpoint was at 12
    write(tmp_path / "parts.h5", range(13, 31), restart_step=12)
    whole, parts = (read_trajectory(tmp_path / f"{name}.h5") for name in ("whole", "parts"))
    assert np.array_equal(whole.step, parts.step)
    assert np.array_equal(whole.positions, parts.positions)
    assert np.array_equal(whole.observables["pressure"], parts.observables["pressure"])


def test_a_new_run_replaces_an_old_file(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 9))
    write(tmp_path / "t.h5", range(1, 3))
    assert len(read_trajectory(tmp_path / "t.h5")) == 2


def test_restarting_before_the_first_frame_leaves_none(tmp_path: Path):
    write(tmp_path / "t.h5", range(5, 9))
    write(tmp_path / "t.h5", range(0), restart_step=0)
    assert len(read_trajectory(tmp_path / "t.h5")) == 0


def test_restart_without_a_file_starts_one(tmp_path: Path):
    write(tmp_path / "t.h5", range(8, 10), restart_step=7)
    assert read_trajectory(tmp_path / "t.h5").step.tolist() == [8, 9]


def in_a_child(work: Callable[[], None]) -> None:
    """Runs the work in a process of its own that ends without any clean-up."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_killed_writer_leaves_all_frames_that_it_had_appended(tmp_path: Path):
    path = tmp_path / "t.h5"

    def write_and_die() -> None:
        writer = H5mdWriter(path, STRUCTURE)
        for step in range(1, 21):
            writer.append(step, 0.002 * step, **frame(step))
        os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(write_and_die)
    found = read_trajectory(path)
    assert found.step.tolist() == list(range(1, 21))
    assert np.array_equal(found.positions[-1], frame(20)["positions"].numpy())
    write(path, range(16, 18), restart_step=15)
    assert read_trajectory(path).step.tolist() == list(range(1, 18))


def test_a_half_written_frame_is_not_read_and_is_replaced(tmp_path: Path):
    path = tmp_path / "t.h5"
    write(path, range(1, 6))
    with h5py.File(path, "r+") as file:  # killed between the positions and the step
        file["particles/all/position/value"].resize(6, axis=0)
        file["particles/all/position/time"].resize(6, axis=0)
    assert read_trajectory(path).step.tolist() == [1, 2, 3, 4, 5]
    write(path, range(6, 8), restart_step=5)
    found = read_trajectory(path)
    assert found.step.tolist() == list(range(1, 8))
    assert np.isfinite(found.positions).all()


def test_a_file_can_be_read_while_it_is_written(tmp_path: Path):
    with H5mdWriter(tmp_path / "t.h5", STRUCTURE) as writer:
        assert len(read_trajectory(tmp_path / "t.h5")) == 0
        for step in (1, 2):
            writer.append(step, 0.002 * step, **frame(step))
            assert read_trajectory(tmp_path / "t.h5").step[-1] == step


def test_a_truncated_file_is_called_damaged_by_reader_and_writer(tmp_path: Path):
    path = tmp_path / "t.h5"
    write(path, range(1, 50))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match="damaged"):
        read_trajectory(path)
    with pytest.raises(DataError, match="move it away"):
        H5mdWriter(path, STRUCTURE, restart_step=5)


def test_other_hdf5_files_and_missing_ones_are_refused(tmp_path: Path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = [1, 2]
    with pytest.raises(DataError, match="particles/all"):
        read_trajectory(tmp_path / "other.h5")
    with pytest.raises(DataError, match="no such file"):
        read_trajectory(tmp_path / "none.h5")


def test_other_atoms_cannot_continue_a_file(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 3))
    other = perovskite(("Sr", "Ti", "O"), (2, 1, 1), (4.0, 4.0, 4.0))
    with pytest.raises(DataError, match="others"):
        H5mdWriter(tmp_path / "t.h5", other, restart_step=2)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"step": 2}, "after 2"),
        ({"observables": {"temperature": 1.0}}, "pressure"),
        ({"positions": torch.zeros(9, 3)}, "shape"),
        ({"velocities": torch.zeros(10, 3)}, "velocity"),
    ],
)
def test_frames_that_do_not_fit_are_refused_and_leave_the_file_intact(
    tmp_path: Path, change: dict, word: str
):
    with H5mdWriter(tmp_path / "t.h5", STRUCTURE) as writer:
        for step in (1, 2):
            writer.append(step, 0.002 * step, **frame(step))
        with pytest.raises(InputError, match=word):
            writer.append(**({"step": 3, "time": 0.006} | frame(3) | change))
        writer.append(3, 0.006, **frame(3))
    assert read_trajectory(tmp_path / "t.h5").step.tolist() == [1, 2, 3]


def test_a_full_disk_raises_an_os_error_and_keeps_earlier_frames(tmp_path: Path):
    path, said = tmp_path / "t.h5", tmp_path / "said"

    def write_until_full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            with H5mdWriter(path, STRUCTURE) as writer:
                for step in range(1, 2000):
                    writer.append(step, 0.002 * step, **frame(step))
        except OSError:
            said.write_text(str(writer.n_frames))

    in_a_child(write_until_full)
    n = int(said.read_text())
    assert n > 20
    assert read_trajectory(path).step.tolist() == list(range(1, n + 1))
    write(path, range(n + 1, n + 3), restart_step=n)
    assert len(read_trajectory(path)) == n + 2


def test_a_closed_file_takes_no_more_space_than_its_data_need(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 301))
    data = 300 * 8 * (30 + 9 + 2 + 2)
    assert (tmp_path / "t.h5").stat().st_size < 2 * data  # chunks of small arrays have an index
    assert len(read_trajectory(tmp_path / "t.h5")) == 300


def test_every_and_atoms_thin_out_what_is_read(tmp_path: Path):
    write(tmp_path / "t.h5", range(1, 11))
    found = read_trajectory(tmp_path / "t.h5", every=4, atoms=False)
    assert found.step.tolist() == [1, 5, 9]
    assert found.positions.shape == (3, 0, 3)
    assert found.cells.shape == (3, 3, 3)
