"""The command line with wrong input: one paragraph that says what to do, and exit code 1."""

import json
import shutil

import pytest
import yaml

from ocvf_lmp.build.trainer import _claim_folder
from ocvf_lmp.cli import main
from ocvf_lmp.commands import train as train_command
from ocvf_lmp.config.file import load_config
from ocvf_lmp.errors import InputError

TINY = {
    "epochs": 1, "window": 10, "min_window": 10, "sample_every": 5, "equilibration": 5,
    "evaluation": 10, "evaluate_every": 2,
}  # fmt: skip


def changed(tmp_path, root, **changes):
    """A copy of the shipped configuration with some entries replaced."""
    content = yaml.safe_load((root / "inputs" / "bto.yaml").read_text())
    content["prior"] = str(root / "data" / "prior" / "bto_pbesol.pt")
    for state in content["states"]:
        for target in state["targets"]:
            target["pdf"] = str(root / "inputs" / target["pdf"])
    content["sample"]["repeat"] = [2, 2, 2]
    content["training"] = TINY  # should an error be missed, the run that follows is short
    content |= changes
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def fails(capsys, *arguments) -> str:
    """Runs a command that must fail; its message."""
    assert main([str(a) for a in arguments]) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "error: expected" in message
    return message


def with_target(root, **target):
    return [{"temperature": 100, "targets": [target]}]


def test_the_shipped_configuration_is_valid(root):
    config = load_config(root / "inputs" / "bto.yaml")
    assert config.prior.is_file()
    quick = load_config(root / "inputs" / "bto.yaml", quick=True)
    assert quick.sample.repeat < config.sample.repeat


def test_no_configuration(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "inputs/bto.yaml" in fails(capsys, "train")


def test_no_such_prior(tmp_path, root, capsys):
    path = changed(tmp_path, root)
    message = fails(capsys, "train", path, "--run", tmp_path / "run", "--prior", "nowhere.pt")
    assert "nowhere.pt" in message
    assert not (tmp_path / "run").exists()


def test_a_typo_and_a_negative_value_are_both_named(tmp_path, root, capsys):
    path = changed(tmp_path, root, training={"epoch": 3, "learning_rate": -1.0})
    message = fails(capsys, "train", path, "--run", tmp_path / "run")
    assert "training.epoch: Extra inputs are not permitted" in message
    assert "training.learning_rate" in message
    assert not (tmp_path / "run").exists()


def test_too_few_frames_are_refused_before_anything_is_run_or_written(tmp_path, root, capsys):
    path = changed(tmp_path, root, training=TINY | {"sampling": 79})
    message = fails(capsys, "train", path, "--run", tmp_path / "run")
    assert "training.sampling to at least 80" in message
    assert not (tmp_path / "run").exists()


def test_a_missing_gr_file(tmp_path, root, capsys):
    path = changed(tmp_path, root, states=with_target(root, pdf="nowhere.gr"))
    assert "nowhere.gr" in fails(capsys, "train", path, "--run", tmp_path / "run")


def test_a_gr_file_of_other_species(tmp_path, root, capsys):
    source = root / "data" / "world" / "BaTiO3_SYNTHETIC_xray_100K.gr"
    wrong = tmp_path / "srtio3.gr"
    wrong.write_text(source.read_text().replace("Ba1Ti1O3", "Sr1Ti1O3"))
    path = changed(tmp_path, root, states=with_target(root, pdf=str(wrong)))
    assert "found Sr" in fails(capsys, "train", path, "--run", tmp_path / "run")


def test_a_gr_file_in_nanometres(tmp_path, root, capsys):
    source = root / "data" / "world" / "BaTiO3_SYNTHETIC_xray_100K.gr"
    lines = []
    for line in source.read_text().splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            words[0] = f"{float(words[0]) / 10:.6f}"
            line = " ".join(words)
        lines.append(line)
    wrong = tmp_path / "nm.gr"
    wrong.write_text("\n".join(lines) + "\n")
    path = changed(tmp_path, root, states=with_target(root, pdf=str(wrong)))
    assert "nm" in fails(capsys, "train", path, "--run", tmp_path / "run")


def test_a_malformed_gr_file(tmp_path, root, capsys):
    wrong = tmp_path / "bad.gr"
    wrong.write_text("# r G\n1.0 0.5\nnot a number\n")
    path = changed(tmp_path, root, states=with_target(root, pdf=str(wrong)))
    assert "bad.gr" in fails(capsys, "train", path, "--run", tmp_path / "run")


def test_a_truncated_prior(tmp_path, root, capsys):
    prior = tmp_path / "prior.pt"
    prior.write_bytes((root / "data" / "prior" / "bto_pbesol.pt").read_bytes()[:9000])
    path = changed(tmp_path, root, prior=str(prior))
    assert "truncated" in fails(capsys, "train", path, "--run", tmp_path / "run")


def test_a_run_folder_of_another_configuration_is_not_overwritten(tmp_path, root, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("name: other\n")
    message = fails(capsys, "train", changed(tmp_path, root), "--run", folder)
    assert "--fresh" in message
    assert (folder / "config.yaml").read_text() == "name: other\n"


def test_more_epochs_are_no_other_configuration(tmp_path, root):
    path, folder = changed(tmp_path, root), tmp_path / "run"
    folder.mkdir()
    for epochs in (1, 6):
        config = load_config(path, changes={"training": {"epochs": epochs}})
        _claim_folder(config, folder)
        assert f"epochs: {epochs}\n" in (folder / "config.yaml").read_text()
    other = load_config(path, changes={"training": {"epochs": 6, "window": 11}})
    with pytest.raises(InputError, match=r"same configuration .* \(differing in training.window\)"):
        _claim_folder(other, folder)


def test_a_run_of_an_older_version_goes_on(tmp_path, root):
    """Its file does not have the entries that were added since, whose defaults change nothing."""
    config, folder = load_config(changed(tmp_path, root)), tmp_path / "run"
    folder.mkdir()
    _claim_folder(config, folder)
    path = folder / "config.yaml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "start_temperature" not in line))
    _claim_folder(config, folder)
    assert "start_temperature" in path.read_text()


def test_a_finished_training_whose_evaluation_is_gone(tmp_path, root, capsys, monkeypatch):
    monkeypatch.setattr(train_command, "_run", lambda *_: None)  # nothing is left to do
    message = fails(capsys, "train", changed(tmp_path, root), "--run", tmp_path)
    assert "evaluation.json" in message
    assert "export" in message


def test_export_without_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "ocvf-lmp train" in fails(capsys, "export", "model.pt")


def test_export_of_an_unfinished_run(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("name: x\n")
    message = fails(capsys, "export", tmp_path / "model.pt", "--run", tmp_path)
    assert "resumes" in message


def test_export_of_the_prior_can_be_read_back(tmp_path, root, capsys):
    prior = root / "data" / "prior" / "bto_pbesol.pt"
    model = tmp_path / "model.pt"
    assert main(["export", str(model), "--potential", str(prior)]) == 0
    assert "Ba Ti O" in capsys.readouterr().out
    assert main(["info", str(model)]) == 0
    assert "cutoff" in capsys.readouterr().out


def test_check_of_a_truncated_model(tmp_path, root, capsys):
    prior = root / "data" / "prior" / "bto_pbesol.pt"
    model = tmp_path / "model.pt"
    main(["export", str(model), "--potential", str(prior)])
    capsys.readouterr()
    model.write_bytes(model.read_bytes()[:-4000])
    assert "export" in fails(capsys, "check", model)


def test_pretrain_without_energies(tmp_path, capsys):
    data = tmp_path / "bare.extxyz"
    data.write_text(
        '1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 pbc="T T T"\nO 0 0 0\n'
    )
    message = fails(capsys, "pretrain", "--data", data, "--out", tmp_path / "run")
    assert "energy and forces" in message


def test_info_of_a_missing_file(tmp_path, capsys):
    fails(capsys, "info", tmp_path / "nothing.pt")


def test_wrong_usage_is_exit_code_two(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["trian"])
    assert stopped.value.code == 2


def test_info_reads_every_kind_of_shipped_file(root, tmp_path, capsys):
    gr = root / "data" / "world" / "BaTiO3_SYNTHETIC_neutron_100K.gr"
    prior = root / "data" / "prior" / "bto_pbesol.pt"
    copy = tmp_path / "prior.pt"
    shutil.copy(prior, copy)
    assert main(["info", str(gr), str(copy)]) == 0
    shown = capsys.readouterr().out
    assert "SYNTHETIC" in shown.upper()
    assert "dimenet" in shown


def test_what_is_kept_with_results_names_files_without_their_folders(root):
    config = load_config(
        root / "inputs" / "bto.yaml", changes={"training": {"start": str(root / "some.pt")}}
    )
    record = config.for_the_record()
    assert record["prior"] == "bto_pbesol.pt"
    assert record["training"]["start"] == "some.pt"
    pdfs = [t["pdf"] for state in record["states"] for t in state["targets"]]
    assert pdfs[0] == "BaTiO3_SYNTHETIC_neutron_100K.gr"
    assert str(root) not in json.dumps(record)
    assert record["dynamics"] == config.dynamics.model_dump()
