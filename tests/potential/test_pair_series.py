import pytest
import torch
from contract import SYMBOLS, PotentialContract, distorted

from ocvf_lmp.errors import InputError
from ocvf_lmp.md.forcefield import ForceField
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.potential.weights import load_potential, save_potential
from ocvf_lmp.seeding import normal, stream

TERMS = (
    PairTerm((1.2, -0.8, 1.5), 1.4, 5.0, 9),
    PairTerm((2.2, 0.9, 0.3), 1.6, 4.2, 5),
)


def series() -> PairSeries:
    found = PairSeries(SYMBOLS, TERMS)
    with torch.no_grad():
        found.coefficients.copy_(0.1 * normal((14,), stream(4, "coefficients")))
    return found


class TestPairSeries(PotentialContract):
    @pytest.fixture
    def potential(self):
        return series()


def test_it_starts_at_zero():
    s = distorted()
    energy = ForceField(PairSeries(SYMBOLS, TERMS), s.species).energy(s.positions, s.cell)
    assert float(energy.detach()) == 0.0


def test_splines_add_up_to_one_inside_and_vanish_at_their_ends():
    term = TERMS[0]
    inside = torch.linspace(term.r_min + 3 * term.knot, term.r_max - 3 * term.knot, 50).double()
    assert torch.allclose(term.splines(inside).sum(dim=1), torch.ones(50).double())
    ends = torch.tensor([term.r_min, term.r_max], dtype=torch.float64)
    assert float(term.splines(ends).abs().max()) < 1e-14
    centre = torch.tensor([term.r_min + 2 * term.knot], dtype=torch.float64)
    assert float(term.splines(centre)[0, 0]) == pytest.approx(2 / 3)


def test_the_energy_is_a_sum_over_pairs_with_their_powers():
    s, potential = distorted((1, 1, 1), amplitude=0.1), series()
    total, first = 0.0, 0
    images = torch.cartesian_prod(*[torch.arange(-2, 3).double()] * 3)
    for term in TERMS:
        own = potential.coefficients[first : first + term.n_splines].detach()
        first += term.n_splines
        for i in range(s.n_atoms):
            for j in range(s.n_atoms):
                vectors = s.positions[j] - s.positions[i] + images @ s.cell
                r = vectors.norm(dim=1)
                r = r[r > 0.1]
                powers = term.powers[int(s.species[i])] * term.powers[int(s.species[j])]
                total += 0.5 * powers * float((term.splines(r) @ own).sum())
    found = ForceField(potential, s.species).energy(s.positions, s.cell)
    assert float(found.detach()) == pytest.approx(total, rel=1e-12)


def test_a_file_gives_it_back(tmp_path):
    core = Repulsion(SYMBOLS, torch.full((3, 3), 1.2, dtype=torch.float64))
    save_potential(tmp_path / "p.pt", Corrected(core, series()), {})
    found, _ = load_potential(tmp_path / "p.pt")
    s = distorted()
    energies = [
        float(ForceField(p, s.species).energy(s.positions, s.cell).detach())
        for p in (found.correction, series())
    ]
    assert energies[0] == energies[1] != 0.0


def test_wrong_terms_are_refused():
    with pytest.raises(InputError, match="powers of 3 species"):
        PairSeries(SYMBOLS, [PairTerm((1.0,), 1.0, 2.0, 4)])
    with pytest.raises(InputError, match="r_min < r_max"):
        PairTerm((1.0,), 3.0, 2.0, 4)
