import pytest
import torch

from ocvf_lmp.errors import InputError
from ocvf_lmp.observables.lattice import (
    lattice_parameters,
    mean_parameters,
    sorted_parameters,
    unit_cell,
)

F64 = torch.float64


def cell_of(a, b, c, alpha=90.0, beta=90.0, gamma=90.0) -> torch.Tensor:
    from ase.geometry import cellpar_to_cell

    return torch.from_numpy(cellpar_to_cell([a, b, c, alpha, beta, gamma]))


def test_parameters_of_a_supercell_are_those_of_the_repeated_cell():
    unit = cell_of(4.0, 4.01, 4.03, 89.8, 89.9, 90.3)
    big = torch.diag(torch.tensor([2.0, 3.0, 4.0], dtype=F64)) @ unit
    expected = torch.tensor([4.0, 4.01, 4.03, 89.8, 89.9, 90.3], dtype=F64)
    torch.testing.assert_close(lattice_parameters(big, (2, 3, 4)), expected)


def test_a_supercell_cut_along_diagonals_gives_back_its_unit():
    unit, matrix = cell_of(4.0, 4.0, 4.03), [[1, 1, 0], [-1, 1, 0], [0, 0, 2]]
    torch.testing.assert_close(unit_cell(torch.tensor(matrix, dtype=F64) @ unit, matrix), unit)


def test_sorted_parameters_are_equal_for_all_domains_of_a_phase():
    tetragonal = [(3.99, 3.99, 4.03), (4.03, 3.99, 3.99), (3.99, 4.03, 3.99)]
    expected = torch.tensor([3.99, 3.99, 4.03, 90, 90, 90], dtype=F64)
    for lengths in tetragonal:
        torch.testing.assert_close(
            sorted_parameters(lattice_parameters(cell_of(*lengths))), expected
        )
    orthorhombic = [(3.98, 4.02, 4.021, 89.87, 90, 90), (4.021, 3.98, 4.02, 90, 90.13, 90)]
    expected = torch.tensor([3.98, 4.02, 4.021, 89.87, 90, 90], dtype=F64)
    for parameters in orthorhombic:
        got = sorted_parameters(lattice_parameters(cell_of(*parameters)))
        torch.testing.assert_close(got, expected)


def test_sorted_parameters_have_the_gradient_of_central_differences():
    cell = cell_of(4.03, 3.98, 4.0, 90.2, 89.7, 90.1)
    weight = torch.tensor([1.0, -2.0, 0.5, 0.3, 0.7, -1.0], dtype=F64)

    def value(c):
        return (weight * sorted_parameters(lattice_parameters(c))).sum()

    assert torch.autograd.gradcheck(value, cell.clone().requires_grad_())


def test_mean_parameters_weigh_the_frames():
    cells = torch.stack([cell_of(4.0, 4.0, 4.0), cell_of(4.1, 4.0, 4.0)])
    weights = torch.tensor([1.0, 3.0], dtype=F64)
    assert float(mean_parameters(cells, weights=weights)[0]) == pytest.approx(4.075)
    assert float(mean_parameters(cells)[0]) == pytest.approx(4.05)


def test_a_repetition_that_is_none_is_refused():
    with pytest.raises(InputError, match="three positive repetitions"):
        unit_cell(torch.eye(3, dtype=F64), (2, 2))
