import torch

from ocvf_lmp.potential.foreign.line_graph import angles_of, bonds_of


def test_bonds_and_angles_of_a_small_graph():
    """A triangle 0-1-2 and a bond of atom 2 with its own image."""
    center = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2])
    reverse = torch.tensor([2, 4, 0, 5, 1, 3, 7, 6])
    bonds = bonds_of(reverse)
    assert bonds.undirected.tolist() == [0, 1, 0, 2, 1, 2, 3, 3]
    assert bonds.first.tolist() == [0, 1, 3, 6]
    one, other = angles_of(center, torch.tensor([0, 1, 2, 4, 6, 7]))
    pairs = sorted(zip(one.tolist(), other.tolist(), strict=True))
    assert pairs == [(0, 1), (1, 0), (4, 6), (4, 7), (6, 4), (6, 7), (7, 4), (7, 6)]
