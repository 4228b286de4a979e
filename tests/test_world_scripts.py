"""The scripts in data/world that turn frames into the synthetic experiment."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ocvf_lmp.observables.rdf import PartialGrid, partials


@pytest.fixture(scope="module")
def folder(request):
    return request.config.rootpath / "data" / "world"


def small_frame(seed=0):
    rng = np.random.default_rng(seed)
    cell = np.array([[8.1, 0.0, 0.0], [0.1, 7.9, 0.0], [0.05, -0.2, 8.2]])
    basis = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    corners = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    fractional = ((corners + basis) / 2).reshape(-1, 3)
    species = np.tile([0, 1, 2, 2, 2], 8)
    return fractional @ cell + 0.1 * rng.standard_normal((40, 3)), cell, species


def test_the_histogram_agrees_with_the_smeared_partials_of_the_package(scripts):
    positions, cell, species = small_frame()
    dr, sigma = 0.002, 0.05
    found = scripts["world_frames"].frame_partials(positions, cell, species, 10.0, dr)
    grid = PartialGrid(3, 10.0, dr, sigma)
    expected = partials(
        torch.from_numpy(positions), torch.from_numpy(cell), torch.from_numpy(species), grid
    ).numpy()
    r = grid.r().numpy()
    offsets = np.arange(-150, 151) * dr
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    smooth = np.array([np.convolve(r * g, kernel / kernel.sum(), "same") for g in found]) / r
    inside = (r > 1.0) & (r < 9.5)
    assert smooth[:, inside] == pytest.approx(expected[:, inside], abs=3e-3 * expected.max())


def write_dump(path, positions, cell, species):
    """A frame as LAMMPS writes it: bounds are those of the box around the tilted cell."""
    xy, xz, yz = cell[1, 0], cell[2, 0], cell[2, 1]
    x = (min(0, xy, xz, xy + xz), cell[0, 0] + max(0, xy, xz, xy + xz))
    y = (min(0, yz), cell[1, 1] + max(0, yz))
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", str(len(species))]
    lines += ["ITEM: BOX BOUNDS xy xz yz pp pp pp", f"{x[0]} {x[1]} {xy}", f"{y[0]} {y[1]} {xz}"]
    lines += [f"0 {cell[2, 2]} {yz}", "ITEM: ATOMS id type xu yu zu"]
    for k, (kind, position) in enumerate(zip(species, positions, strict=True)):
        lines.append(f"{k + 1} {kind + 1} " + " ".join(f"{x:.10f}" for x in position))
    with gzip.open(path, "wt") as out:
        out.write("\n".join(lines) + "\n")
    return lines


def test_a_dump_is_read_as_it_was_written(scripts, tmp_path):
    positions, cell, species = small_frame()
    write_dump(tmp_path / "x.gz", positions, cell, species)
    frames = scripts["world_frames"].read_dump(tmp_path / "x.gz")
    assert frames.cells[0] == pytest.approx(cell, abs=1e-12)
    assert frames.positions[0] == pytest.approx(positions, abs=1e-9)
    assert np.array_equal(frames.species, species)


def test_a_truncated_dump_is_refused(scripts, tmp_path):
    positions, cell, species = small_frame()
    lines = write_dump(tmp_path / "x.gz", positions, cell, species)
    with gzip.open(tmp_path / "x.gz", "wt") as out:
        out.write("\n".join(lines[:-3]) + "\n")
    with pytest.raises(ValueError, match="truncated"):
        scripts["world_frames"].read_dump(tmp_path / "x.gz")


def test_phases_are_told_by_the_axes_of_the_polarization(scripts):
    phase = scripts["measure"].phase
    assert phase(np.array([0.15, -0.16, 0.14])) == "R"
    assert phase(np.array([0.18, 0.02, -0.17])) == "O"
    assert phase(np.array([0.01, 0.07, 0.2])) == "T"
    assert phase(np.array([0.01, 0.02, -0.03])) == "C"


def test_phases_are_told_by_the_cell(scripts):
    phase = scripts["measure"].phase_of_cell
    assert phase(np.array([4.013, 4.014, 4.013, 89.75, 89.74, 89.76])) == "R"
    assert phase(np.array([4.03, 3.985, 4.03, 89.98, 89.7, 90.02])) == "O"
    assert phase(np.array([3.995, 3.997, 4.05, 90.03, 89.97, 90.01])) == "T"
    assert phase(np.array([4.015, 4.016, 4.014, 90.02, 89.98, 90.01])) == "C"


def test_off_centring_is_that_which_was_put_in(scripts):
    _, cell, species = small_frame()
    frames = scripts["world_frames"]
    inverse = np.linalg.inv(cell)
    ideal = np.rint(small_frame()[0] @ inverse * 4) / 4 @ cell
    move = np.array([0.1, 0.0, -0.05])
    ideal[species == 1] += move
    found = frames.off_centring(frames.Frames(ideal[None], cell[None], species), 2)
    assert found[0] == pytest.approx(move, abs=0.005)


def lmp():
    found = Path(sys.executable).with_name("lmp")
    if not found.exists():
        pytest.skip("the lmp executable is not installed")
    return str(found)


def run_lmp(folder, where, *variables):
    words = [lmp(), "-in", str(folder / "in.shell_model"), "-log", "none", "-echo", "none"]
    for pair in (("folder", str(where)), *variables):
        words += ["-var", *pair]
    done = subprocess.run(words, capture_output=True, text=True, cwd=where, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@pytest.mark.lammps
def test_the_cubic_cell_of_the_world_is_free_of_pressure_at_its_lattice_constant(folder, tmp_path):
    """a0 = 3.9902 Å with the cutoffs of this world; 3.985 Å if the dispersion reached 12 Å."""

    def pressure(a0, *more):
        variables = (
            ("mode", "static"),
            ("size", "4"),
            ("offx", "0"),
            ("offy", "0"),
            ("offz", "0"),
            ("a0", str(a0)),
            *more,
        )
        text = run_lmp(folder, tmp_path, *variables)
        match = re.search(r"press_bar (\S+)", text)
        assert match
        return float(match.group(1))

    lower, upper = pressure(3.989), pressure(3.991)
    root = 3.989 + 0.002 * lower / (lower - upper)
    assert root == pytest.approx(3.9902, abs=0.001)
    assert pressure(3.9902, ("oocut", "12.0")) < -3000.0


@pytest.mark.lammps
def test_the_input_runs_and_its_output_is_read(folder, scripts, tmp_path):
    """Two temperatures of a 3 × 3 × 3 cell: polarization of the thermo table against the cores'."""
    settings = {"size": "3", "equil": "20", "steps": "100", "every": "20"}
    run_lmp(folder, tmp_path, *settings.items(), ("temps", "100", "150"))
    frames = scripts["world_frames"].read_dump(tmp_path / "cores_150K.dump.gz")
    thermo = scripts["measure"].read_thermo(tmp_path / "thermo_150K.log")
    assert frames.positions.shape == (6, 135, 3)
    assert np.bincount(frames.species).tolist() == [27, 27, 81]
    assert frames.densities[0] == pytest.approx(135 / thermo["Volume"][0], rel=1e-6)
    assert scripts["world_frames"].lattice(frames.cells, 3)[0, 0] == pytest.approx(
        thermo["v_a"][0], rel=1e-6
    )
    assert thermo["v_inner"].max() < 10.0
    off = scripts["world_frames"].off_centring(frames, 3)
    assert (off > 0.05).all()
    assert (thermo["v_px"] > 0.1).all()
