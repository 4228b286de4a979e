"""The model on a GPU, where LAMMPS with Kokkos hands over arrays of the device."""

import numpy as np
import pytest
import torch
from bto_models import SYMBOLS, Exchanging, corrected, network

from ocvf_lmp.errors import SimulationError
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.parity import in_python
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.inference import energies_and_slopes
from ocvf_lmp.potential.weights import load_potential
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

CELL = distorted_cell(SYMBOLS, (2, 1, 1), 5)
CUTOFF = 4.5


class OnDevice(Exchanging):
    """Arrays as CuPy's, where it is installed, and rows exchanged on the device."""

    def __init__(self, *args):
        super().__init__(*args)
        cupy = pytest.importorskip("cupy")
        self.numbers = {name: getattr(self, name) for name in ("pair_i", "pair_j")}
        for name in ("rij", "pair_i", "pair_j", "elems", "iatoms", "_eatoms"):
            setattr(self, name, cupy.asarray(getattr(self, name)))
        self.owner = self.owner.cuda()

    def update_pair_forces(self, fij):
        assert fij.is_cuda
        assert fij.is_contiguous()
        assert fij.dtype == torch.float64
        slope = fij.cpu().numpy()
        np.add.at(self.f, self.numbers["pair_i"], slope)
        np.add.at(self.f, self.numbers["pair_j"], -slope)


def assert_right(data, potential, tolerance):
    expected = in_python(potential, CELL)
    assert data.energy == pytest.approx(float(expected.energy[0]), rel=tolerance)
    np.testing.assert_allclose(data.eatoms.get(), expected.atom_energies, rtol=0, atol=tolerance)
    np.testing.assert_allclose(data.forces, expected.forces, rtol=0, atol=20 * tolerance)


def gated():
    return Experts([network(3), network(4)], [100.0, 200.0], 30.0, temperature=160.0)


@pytest.mark.parametrize("n_blocks", [0, 1, 2])
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_a_step_on_the_device_gives_what_python_gives(model_of, n_blocks, precision, tolerance):
    potential, data = corrected(n_blocks), OnDevice(CELL, CUTOFF)
    model_of(potential, precision=precision).compute_forces(data)
    assert_right(data, potential, tolerance)


def test_rows_are_exchanged_whole(model_of):
    data = OnDevice(CELL, CUTOFF)
    model_of(corrected()).compute_forces(data)
    assert data.widths
    assert max(abs(width) for width in data.widths) > 3


def test_a_rank_without_atoms_exchanges_as_often_as_the_others(model_of):
    model = model_of(corrected(n_blocks=2))
    idle, busy, bare = (OnDevice(CELL, CUTOFF) for _ in range(3))
    idle.nlocal = idle.nlistatoms = idle.npairs = 0
    idle.rij = idle.pair_i = idle.pair_j = None
    idle.owner = torch.arange(idle.ntotal).cuda()
    bare.nlocal = bare.nlistatoms = bare.npairs = bare.ntotal = 0
    bare.rij = bare.pair_i = bare.pair_j = bare.elems = None
    bare.owner = torch.arange(0).cuda()
    for data in (bare, idle, busy):  # a rank's first steps may be empty
        model.compute_forces(data)
    assert_right(busy, corrected(n_blocks=2), 1e-12)
    assert bare.widths == idle.widths == busy.widths
    assert idle.energy == bare.energy == 0.0


def test_results_that_are_no_numbers_end_the_run(model_of):
    data = OnDevice(CELL, CUTOFF)
    data.rij[7] = float("nan")
    with pytest.raises(SimulationError, match="finite energies and forces"):
        model_of(corrected()).compute_forces(data)


@pytest.mark.parametrize("kind", ["shipped prior", "gated"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_the_device_agrees_with_the_processor(root, kind, dtype, tolerance):
    cell = distorted_cell(SYMBOLS, (3, 3, 2), 6)
    potential = gated()
    if kind == "shipped prior":
        potential = load_potential(root / "data" / "prior" / "bto_pbesol.pt")[0]
    pairs = build_neighbors(cell.positions, cell.cell, potential.cutoff)
    edges, rows = edges_from(pairs, cell.positions, cell.cell), torch.arange(cell.n_atoms)
    expected = energies_and_slopes(potential, edges, cell.species, rows)
    there = Edges(
        edges.center.cuda(), edges.neighbor.cuda(), edges.vector.to("cuda", dtype),
        edges.reverse.cuda(),
    )  # fmt: skip
    found = energies_and_slopes(
        potential.to("cuda", dtype), there, cell.species.cuda(), rows.cuda()
    )
    for mine, wanted in zip(found, expected, strict=True):
        assert mine.is_cuda
        assert mine.shape == wanted.shape
    # the kernels of the processor share a pair's slope between its edges as torch does not
    forces = [slopes - slopes[edges.reverse] for slopes in (found[1].cpu().double(), expected[1])]
    torch.testing.assert_close(found[0].cpu().double(), expected[0], rtol=0, atol=tolerance)
    torch.testing.assert_close(*forces, rtol=0, atol=tolerance)
