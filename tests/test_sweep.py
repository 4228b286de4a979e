"""``ocvf-lmp sweep``: legs that follow one another, whatever interrupts them."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk
from ase.io import write

from ocvf_lmp.build.sweep import CONFIG
from ocvf_lmp.cli import main
from ocvf_lmp.errors import DataError
from ocvf_lmp.lammps.frames import read_thermo
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.system.sweep_file import iterate_legs, read_header, read_leg, write_sweep

LJ = "pair_style lj/cut 7.0\npair_coeff 1 1 0.0104 3.4"
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(not (BIN / "lmp").exists(), reason="needs lmp in this environment")


@pytest.fixture
def argon(tmp_path):
    atoms = bulk("Ar", "fcc", 5.4, cubic=True) * (2, 2, 2)
    write(tmp_path / "argon.extxyz", atoms)
    return tmp_path


def words(folder, *further, steps=60):
    return [
        "sweep", "--lammps", LJ, "--symbols", "Ar", "--structure", str(folder / "argon.extxyz"),
        "--repeat", "2", "2", "2", "--temperatures", "20:40:10", "--steps", str(steps),
        "--equilibration", "20", "--every", "10", "--folder", str(folder / "sweep"), *further,
    ]  # fmt: skip


def arrays(path):
    """All numbers of a sweep by their place."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[:]}) if hasattr(item, "shape") else None
        )
    return found


def same(path, other):
    mine, theirs = arrays(path), arrays(other)
    assert mine.keys() == theirs.keys()
    for name, values in mine.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


def test_a_sweep_heats_and_cools(argon):
    assert main(words(argon, "--workers", "2")) == 0
    header = read_header(argon / "sweep" / "sweep.h5")
    assert header.symbols == ("Ar",)
    assert header.repeat == (2, 2, 2)
    np.testing.assert_allclose(header.reference[1], [0.0, 0.25, 0.25], atol=1e-12)
    legs = list(iterate_legs(argon / "sweep" / "sweep.h5"))
    assert [(leg.branch, leg.temperature) for leg in legs] == [
        ("cooling", 40.0), ("cooling", 30.0), ("cooling", 20.0),
        ("heating", 20.0), ("heating", 30.0), ("heating", 40.0),
    ]  # fmt: skip
    for leg in legs:
        assert leg.step.tolist() == list(range(10, 81, 10))
        assert leg.positions.shape == (8, 32, 3)
        thermo = read_thermo(argon / "sweep" / "logs" / f"{leg.name}.log")
        assert leg.potential_energy[-1] == thermo[80]["PotEng"]
        assert leg.pressure[-1, 0, 1] == leg.pressure[-1, 1, 0] == thermo[80]["Pxy"]


def test_each_leg_begins_where_the_one_before_has_ended(argon):
    """The first frame after ten steps lies a short way from the last configuration before."""
    assert main(words(argon, "--branches", "heating")) == 0
    legs = list(iterate_legs(argon / "sweep" / "sweep.h5"))
    for before, leg in pairwise(legs):
        flown = before.last_positions + 10 * 0.002 * before.last_velocities
        assert np.abs(leg.positions[0] - flown).max() < 0.02
        assert np.abs(flown - before.last_positions).max() > 0.01  # velocities were handed on


def test_independent_legs_start_from_the_same_structure(argon):
    assert main(words(argon, "--branches", "heating", "--independent", steps=10)) == 0
    for leg in iterate_legs(argon / "sweep" / "sweep.h5"):
        drift = leg.positions[0] - bulk("Ar", "fcc", 5.4, cubic=True).repeat(2).positions
        assert np.abs(drift).max() < 0.1


def test_a_zero_is_asked_for_like_any_other_number(argon):
    zeros = ("--branches", "heating", "--temperatures", "20", "--pressure", "0", "--seed", "0")
    assert main(words(argon, *zeros, steps=10)) == 0
    assert read_header(argon / "sweep" / "sweep.h5").pressure == 0.0
    kept = yaml.safe_load((argon / "sweep" / CONFIG).read_text())
    assert (kept["pressure"], kept["seed"], kept["independent"]) == (0.0, 0, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_legs_that_are_being_run(argon, number):
    leftover: list[Path] = []
    command = [str(BIN / "ocvf-lmp"), *words(argon, "--workers", "2", steps=10**8)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a job in background ignores ^C
    )  # fmt: skip
    running = argon / "sweep" / "running"
    deadline = time.monotonic() + 120.0
    try:
        while len(list(running.glob("*/log.lammps"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60.0)
    finally:
        process.kill()
        for pid in Path("/proc").glob("[0-9]*"):  # what has outlived it
            if (folder := where(pid)) is not None and argon.resolve() in folder.parents:
                leftover.append(folder)
                os.kill(int(pid.name), signal.SIGKILL)
        process.communicate()
    assert process.returncode == 130
    assert "the same command resumes" in errors
    assert not leftover


def where(process: Path) -> Path | None:
    """Working directory of a process, if it is ours to ask for."""
    try:
        return (process / "cwd").resolve(strict=True)
    except OSError:
        return None


def test_a_sweep_killed_half_way_ends_with_the_same_numbers(argon):
    whole = argon / "whole"
    assert main([*words(argon, steps=3000), "--folder", str(whole)]) == 0
    command = [sys.executable, "-m", "ocvf_lmp", *words(argon, steps=3000)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while len(list((argon / "sweep" / "legs").glob("*.h5"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    kept = {p: p.stat().st_mtime_ns for p in (argon / "sweep" / "legs").glob("*.h5")}
    assert 2 <= len(kept) < 6
    assert main(["sweep", "--folder", str(argon / "sweep")]) == 0  # its folder knows the rest
    assert all(p.stat().st_mtime_ns == since for p, since in kept.items())
    same(argon / "sweep" / "sweep.h5", whole / "sweep.h5")


def test_shares_of_a_job_array_make_the_whole(argon):
    assert main([*words(argon), "--folder", str(argon / "whole")]) == 0
    assert main(words(argon, "--part", "1/2")) == 0
    assert len(list(iterate_legs(argon / "sweep" / "sweep.h5"))) == 3
    assert main(words(argon, "--part", "2/2")) == 0
    same(argon / "sweep" / "sweep.h5", argon / "whole" / "sweep.h5")


def ranks_of(arguments):
    if not (BIN / "mpirun").exists():
        pytest.skip("no mpirun beside this Python")
    return subprocess.run(
        [str(BIN / "mpirun"), "-np", "2", str(BIN / "ocvf-lmp"), *arguments],
        capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_two_ranks_share_the_series_and_make_the_whole(argon):
    assert main([*words(argon), "--folder", str(argon / "whole")]) == 0
    done = ranks_of(words(argon))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" K: running") == 6  # each by one of them
    assert done.stdout.count("sweep.h5: 6 temperatures") == 1
    same(argon / "sweep" / "sweep.h5", argon / "whole" / "sweep.h5")


def test_what_fails_on_either_rank_is_reported_once(argon):
    arguments = words(argon)
    arguments[arguments.index(LJ)] = LJ.replace("3.4", "wide")
    done = ranks_of(arguments)
    assert done.returncode != 0
    assert done.stderr.count("error:") == 1
    assert "cooling: expected" in done.stderr
    assert "heating: expected" in done.stderr


def test_what_is_wrong_before_the_first_leg_ends_all_ranks(argon):
    done = ranks_of([*words(argon), "--part", "3/2"])
    assert done.returncode != 0
    assert "K/N" in done.stderr


def test_a_leg_that_another_job_ends_meanwhile_is_not_left_out(argon, monkeypatch):
    def written(path, header, legs):
        write_sweep(path, header, legs)
        monkeypatch.setattr("ocvf_lmp.commands.sweep.write_sweep", write_sweep)
        meanwhile.append(main(words(argon, "--part", "2/2")))
        write_sweep(path, header, legs)  # this one's file replaces the other job's

    meanwhile: list[int] = []
    monkeypatch.setattr("ocvf_lmp.commands.sweep.write_sweep", written)
    assert main(words(argon, "--part", "1/2")) == 0
    assert meanwhile == [0]
    branches = [leg.branch for leg in iterate_legs(argon / "sweep" / "sweep.h5")]
    assert branches == ["cooling"] * 3 + ["heating"] * 3


def test_another_sweep_does_not_go_into_the_same_folder(argon, capsys):
    assert main(words(argon)) == 0
    assert main(words(argon, "--seed", "2")) == 1
    assert "found another one" in capsys.readouterr().err


def test_temperatures_and_branches_are_added_where_a_series_ends(argon, capsys):
    """The last --temperatures counts."""
    heating = words(argon, "--branches", "heating")
    assert main([*heating, "--temperatures", "20", "30"]) == 0
    assert main([*heating, "--temperatures", "20", "25", "30"]) == 1
    assert "found 25 K, which heating" in capsys.readouterr().err
    assert main([*heating, "--temperatures", "20"]) == 1
    assert "found another one" in capsys.readouterr().err
    assert main(words(argon)) == 0
    assert main([*words(argon), "--folder", str(argon / "whole")]) == 0
    same(argon / "sweep" / "sweep.h5", argon / "whole" / "sweep.h5")


def test_a_series_that_fails_ends_alone_and_says_why(argon, capsys):
    """An input that stops above 25 K: the legs before it and the other branch are kept."""
    (argon / "in.own").write_text(
        "units metal\natom_style atomic\nbox tilt large\nread_data start.data\n"
        f"{LJ}\ntimestep ${{timestep}}\n# ${{model}}\n"
        'if "${temperature} > 25" then "print \'ERROR: too hot\'" "quit 1"\n'
        "fix motion all npt temp ${temperature} ${temperature} 0.1 tri 1.0 1.0 1.0\n"
        "thermo ${every}\nthermo_style custom step temp pe pxx pyy pzz pxy pxz pyz\n"
        "dump frames all custom ${every} frames.dump id type xu yu zu\n"
        "dump_modify frames sort id\nrun ${steps}\n"
        "write_dump all custom last.dump id type xu yu zu vx vy vz modify sort id\n"
        "# ${model}\nvariable unused string ${model}\n"
    )
    arguments = words(argon)
    arguments[arguments.index(LJ)] = str(argon / "in.own")
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert "heating: expected" in message
    assert "cooling: expected" in message
    (leg,) = iterate_legs(argon / "sweep" / "sweep.h5")
    assert (leg.branch, leg.temperature) == ("heating", 20.0)


def test_a_leg_that_is_damaged_is_named(argon, capsys):
    assert main(words(argon)) == 0
    path = argon / "sweep" / "legs" / "heating_0020.000K.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="delete it"):
        read_leg(path)
    assert main(words(argon)) == 1
    assert path.name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("--temperatures", "40:20:10"), "FIRST:LAST:STEP"),
        (("--part", "3/2"), "K/N"),
        (("--timestep", "0.1"), "timestep"),
        (("--every", "0"), "every"),
        (("--branches", "sideways"), "branches"),
        (("--temperatures", "20", "20"), "twice"),
    ],
)
def test_wrong_options_are_explained(argon, capsys, change, says):
    assert main(words(argon, *change)) == 1
    assert says in capsys.readouterr().err
    assert not (argon / "sweep").exists()


def test_a_sweep_of_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--temperatures", "20"]) == 1
    assert "neither a model nor LAMMPS commands" in capsys.readouterr().err
    assert not (tmp_path / "sweeps").exists()


def test_a_model_alone_and_over_a_prior_of_lammps(tmp_path, capsys, potentials):
    """A correction needs its prior's pair style, and a whole model must not get a second one."""
    whole, delta = potentials
    few = [
        "--temperatures", "100", "--branches", "heating", "--repeat", "2", "2", "2", "--steps",
        "4", "--equilibration", "2", "--every", "2", "--timestep", "0.0005",
    ]  # fmt: skip
    soft = "pair_style born 4.0\npair_coeff * * 0.1 0.3 0.0 0.0 0.0"
    assert main(["sweep", str(whole), *few, "--folder", str(tmp_path / "whole")]) == 0
    assert main(["sweep", str(delta), *few, "--folder", str(tmp_path / "wrong")]) == 1
    assert "--lammps" in capsys.readouterr().err
    both = ["sweep", str(whole), "--lammps", soft, *few, "--folder", str(tmp_path / "wrong")]
    assert main(both) == 1
    assert "--delta-only" in capsys.readouterr().err
    over = ["sweep", str(delta), "--lammps", soft, *few, "--folder", str(tmp_path / "over")]
    assert main(over) == 0
    alone = ["sweep", "--lammps", soft, *few, "--folder", str(tmp_path / "alone")]
    assert main(alone) == 0
    energy = {}
    for name in ("over", "alone", "whole"):
        (leg,) = iterate_legs(tmp_path / name / "sweep.h5")
        energy[name] = leg.potential_energy[0]
        header = read_header(tmp_path / name / "sweep.h5")
        assert header.source.get("gated", False) is False
    assert len(set(energy.values())) == 3


@pytest.fixture
def potentials(tmp_path):
    generator = torch.Generator().manual_seed(3)
    size = DimeNetSize(cutoff=4.0, n_features=8, n_angular=4, n_radial=4, l_max=1)
    core = Repulsion(("Ba", "Ti", "O"), torch.full((3, 3), 1.5, dtype=torch.float64))
    corrected = Corrected(core, DimeNet(("Ba", "Ti", "O"), size, generator))
    export_model(tmp_path / "whole.pt", corrected)
    export_model(tmp_path / "delta.pt", corrected, delta_only=True)
    return tmp_path / "whole.pt", tmp_path / "delta.pt"
