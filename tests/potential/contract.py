"""Claims that every potential must meet; a test class inherits them and makes the potential."""

import pytest
import torch

from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential.protocol import Potential
from ocvf_lmp.seeding import normal, stream
from ocvf_lmp.system.cell import strained
from ocvf_lmp.system.edges import Edges
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import Structure, perovskite

SYMBOLS = ("Ba", "Ti", "O")


def distorted(repeat=(2, 1, 1), amplitude=0.12, seed=3) -> Structure:
    """A perovskite cell with displaced atoms and a triclinic cell, smaller than the cutoff."""
    s = perovskite(SYMBOLS, repeat, (4.0, 3.95, 4.05), (0.05, 0.02, 0.1))
    generator = stream(seed, "distortion")
    positions = s.positions + amplitude * normal(tuple(s.positions.shape), generator)
    positions, cell = strained(positions, s.cell, 0.03 * normal((3, 3), generator))
    return Structure(positions, cell, s.species, s.symbols)


def energy_of(potential: Potential, positions, cell, species) -> torch.Tensor:
    """Energy without a graph."""
    neighbors = build_neighbors(positions, cell, potential.cutoff)
    return potential.energy(edges_from(neighbors, positions, cell), species).detach()


class PotentialContract:
    """Inherit, and give a fixture `potential`."""

    near_cutoff = 1e-4  # how close to the cutoff, relative, energies must be nothing

    def test_satisfies_the_protocol(self, potential):
        assert isinstance(potential, Potential)

    def test_forces_are_minus_the_energy_gradient(self, potential):
        s = distorted()
        neighbors = build_neighbors(s.positions, s.cell, potential.cutoff)
        forces = evaluate(potential, s.species, s.positions, s.cell, neighbors).forces
        step = 1e-4
        for atom, axis in ((0, 0), (1, 1), (3, 2), (7, 0)):
            numeric = 0.0
            for weight, shift in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
                moved = s.positions.clone()
                moved[atom, axis] += shift * step
                numeric -= weight * float(energy_of(potential, moved, s.cell, s.species))
            numeric /= 12 * step
            assert float(forces[atom, axis]) == pytest.approx(numeric, rel=1e-6, abs=1e-7)

    def test_virial_is_minus_the_strain_derivative(self, potential):
        s = distorted()
        neighbors = build_neighbors(s.positions, s.cell, potential.cutoff)
        virial = evaluate(potential, s.species, s.positions, s.cell, neighbors).virial
        step = 1e-5
        for a in range(3):
            for b in range(3):
                energies = []
                for weight in (1, -1, 2, -2):
                    strain = torch.zeros(3, 3, dtype=torch.float64)
                    strain[a, b] += 0.5 * weight * step
                    strain[b, a] += 0.5 * weight * step
                    moved = strained(s.positions, s.cell, strain)
                    energies.append(float(energy_of(potential, *moved, s.species)))
                slope = (8 * (energies[0] - energies[1]) - energies[2] + energies[3]) / (12 * step)
                assert float(virial[a, b]) == pytest.approx(-slope, rel=1e-6, abs=1e-6)

    def test_invariant_under_translation_rotation_permutation(self, potential):
        s = distorted()
        reference = energy_of(potential, s.positions, s.cell, s.species)
        generator = stream(5, "rotation")
        rotation = torch.linalg.qr(normal((3, 3), generator))[0]
        order = torch.randperm(s.n_atoms, generator=generator)
        turned = energy_of(potential, s.positions @ rotation, s.cell @ rotation, s.species)
        shifted = energy_of(potential, s.positions + 1.7, s.cell, s.species)
        permuted = energy_of(potential, s.positions[order], s.cell, s.species[order])
        for other in (turned, shifted, permuted):
            assert float(other) == pytest.approx(float(reference), rel=1e-11, abs=1e-10)

    def test_extensive_under_supercells(self, potential):
        s = distorted((1, 1, 1))
        once = energy_of(potential, s.positions, s.cell, s.species)
        copies = [s.positions + i * s.cell[0] + j * s.cell[2] for i in range(2) for j in range(2)]
        multiple = torch.tensor([2.0, 1.0, 2.0], dtype=torch.float64)
        four = energy_of(
            potential, torch.cat(copies), s.cell * multiple[:, None], s.species.repeat(4)
        )
        assert float(four) == pytest.approx(4 * float(once), rel=1e-11, abs=1e-10)

    def test_energy_smooth_and_zero_beyond_the_cutoff(self, potential):
        """Two atoms crossing the cutoff: value, slope and curvature go to zero continuously."""
        species = torch.tensor([0, 0])  # the pair with the longest reach in the tests' potentials

        def pair(distance: torch.Tensor) -> torch.Tensor:
            vector = torch.stack([distance, 0 * distance, 0 * distance])
            vectors = torch.stack([vector, -vector])
            edges = Edges(torch.tensor([0, 1]), torch.tensor([1, 0]), vectors, torch.tensor([1, 0]))
            return potential.energy(edges, species)

        far = pair(torch.tensor(potential.cutoff * 1.001, dtype=torch.float64))
        alone = pair(torch.tensor(50.0, dtype=torch.float64))
        assert float(far.detach()) == float(alone.detach())
        d = torch.tensor(
            potential.cutoff * (1 - self.near_cutoff), dtype=torch.float64, requires_grad=True
        )
        value = pair(d)
        (slope,) = torch.autograd.grad(value, d, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, d)
        assert abs(float((value - alone).detach())) < 1e-10
        assert abs(float(slope.detach())) < 1e-6
        assert abs(float(curvature)) < 1e-2

    def test_second_derivatives(self, potential):
        """The gradient of a force component equals its central difference."""
        s = distorted((1, 1, 1))
        neighbors = build_neighbors(s.positions, s.cell, potential.cutoff, skin=0.01)
        weights = normal((s.n_atoms, 3), stream(7, "weights"))

        def projected(positions, cell, graph=False):
            m = evaluate(potential, s.species, positions, cell, neighbors, create_graph=graph)
            return (m.forces * weights).sum() + m.virial[0, 1]

        positions = s.positions.clone().requires_grad_(True)
        cell = s.cell.clone().requires_grad_(True)
        by_position, by_cell = torch.autograd.grad(
            projected(positions, cell, graph=True), (positions, cell), allow_unused=True
        )
        step = 1e-5
        moved = torch.zeros_like(s.positions)
        moved[1, 2] = step
        numeric = projected(s.positions + moved, s.cell) - projected(s.positions - moved, s.cell)
        assert float(by_position[1, 2]) == pytest.approx(
            float(numeric) / (2 * step), rel=2e-5, abs=1e-5
        )
        moved = torch.zeros_like(s.cell)
        moved[0, 1] = step
        numeric = projected(s.positions, s.cell + moved) - projected(s.positions, s.cell - moved)
        assert float(by_cell[0, 1]) == pytest.approx(
            float(numeric) / (2 * step), rel=2e-5, abs=1e-5
        )
