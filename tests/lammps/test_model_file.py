import io
import json
import os
import pickle
import zipfile
import zlib

import numpy as np
import pytest
import torch
from bto_models import SYMBOLS, corrected, prior

from ocvf_lmp.errors import InputError, ModelFileError, OcvfError
from ocvf_lmp.lammps.cells import distorted_cell
from ocvf_lmp.lammps.model_file import (
    WEIGHTS,
    export_model,
    load_model,
    reach,
    read_header,
    read_whole,
)
from ocvf_lmp.lammps.model_header import RECORD
from ocvf_lmp.lammps.parity import in_python
from ocvf_lmp.potential.weights import save_potential


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pt"
    export_model(
        path, corrected(), temperature=150.0, trained_temperatures=(150.0, 300.0),
        provenance={"data": "random weights"},
    )  # fmt: skip
    return path


def rewritten(path, **changes):
    """The same archive with some of its records replaced."""
    names = {"header": RECORD, "weights": WEIGHTS, "pickle": "archive/data.pkl"}
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        records[names[name]] = change(records[names[name]])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    return path


def with_field(name, value):
    return lambda text: json.dumps({**json.loads(text), name: value}).encode()


def test_a_potential_comes_back_bit_for_bit(model):
    potential, header = load_model(model)
    for name, value in corrected().state_dict().items():
        assert torch.equal(potential.state_dict()[name], value)
    cell = distorted_cell(SYMBOLS, (2, 1, 1), 3)
    assert in_python(potential, cell).energy == in_python(corrected(), cell).energy
    assert (header.symbols, header.cutoff, header.n_hops) == (SYMBOLS, 4.5, 2)
    assert (header.temperature, header.trained_temperatures) == (150.0, (150.0, 300.0))
    assert header.provenance == {"data": "random weights"}
    assert header.kind == "(dimenet + repulsion) + correction dimenet"
    assert reach(str(model)) == 9.0


def test_torch_load_gives_what_lammps_asks_for(model):
    unified = torch.load(model, weights_only=False)
    unified.interface = "anything"
    assert unified.element_types == list(SYMBOLS)
    assert unified.rcutfac == 2.25
    assert (unified.ndescriptors, unified.nparams) == (1, 1)
    assert unified.ghost_cutoff == 9.0
    assert "150 K" in unified.summary


def test_reading_a_model_runs_nothing_of_it(model, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    rewritten(model, pickle=lambda _: pickle.dumps(Trap()))
    assert read_header(model).symbols == SYMBOLS
    load_model(model)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_told_as_such(model, fraction):
    content = model.read_bytes()
    model.write_bytes(content[: int(fraction * len(content))])
    for read in (read_header, load_model):
        with pytest.raises(ModelFileError, match=r"whole model file.*copy it again"):
            read(model)


def test_damaged_weights_are_found_by_their_checksum(model):
    rewritten(model, weights=lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    for read in (read_whole, load_model):
        with pytest.raises(ModelFileError, match="SHA-256"):
            read(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_field("version", 99), r"version 99; install the ocvf-lmp that wrote it \(0"),
        (with_field("format", "another"), "found another"),
        (with_field("new_field", 1), "complete header"),
        (with_field("cutoff", 4.0), "species, cutoff and layers"),
        (with_field("potential", {"type": "unheard"}), "unheard"),
        (lambda _: b"{", "none that can be read"),
    ],
)
def test_a_header_of_another_version_is_refused(model, change, message):
    rewritten(model, header=change)
    with pytest.raises(ModelFileError, match=message):
        load_model(model)


def test_lammps_refuses_a_model_of_another_version(model):
    rewritten(model, pickle=lambda content: content.replace(b'"version": 1', b'"version": 9'))
    with pytest.raises(ModelFileError, match="version 9"):
        torch.load(model, weights_only=False)


def test_other_species_are_refused(model):
    load_model(model, ("O", "Ba"))
    with pytest.raises(ModelFileError, match="does not know Pb"):
        load_model(model, ("Pb", "Ti", "O"))


def test_files_of_another_kind_are_refused(tmp_path):
    save_potential(tmp_path / "potential.pt", prior(), {})
    (tmp_path / "text.pt").write_text("not a model\n")
    with pytest.raises(ModelFileError, match=r"becomes a model by `ocvf-lmp export`"):
        load_model(tmp_path / "potential.pt")
    with pytest.raises(ModelFileError, match="whole model file"):
        load_model(tmp_path / "text.pt")
    with pytest.raises(ModelFileError, match="no file"):
        load_model(tmp_path / "absent.pt")


def test_a_failed_export_keeps_the_earlier_file(model, monkeypatch):
    before = model.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OcvfError, match="No space left"):
        export_model(model, prior())
    monkeypatch.undo()
    assert model.read_bytes() == before
    assert [file.name for file in model.parent.iterdir()] == ["model.pt"]


def test_the_correction_alone_is_the_difference_to_the_prior(tmp_path):
    header = export_model(tmp_path / "delta.pt", corrected(), delta_only=True)
    delta, _ = load_model(tmp_path / "delta.pt")
    assert header.delta_only
    assert header.kind == "dimenet"
    cell = distorted_cell(SYMBOLS, (2, 1, 1), 3)
    whole, part, rest = (in_python(p, cell).forces for p in (corrected(), prior(), delta))
    np.testing.assert_allclose(part + rest, whole, rtol=0, atol=1e-13)


def test_options_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(InputError, match="--delta-only"):
        export_model(tmp_path / "model.pt", prior(), delta_only=True)
    with pytest.raises(InputError, match="float16"):
        export_model(tmp_path / "model.pt", prior(), precision="float16")
    with pytest.raises(ModelFileError, match="Linear"):
        export_model(tmp_path / "model.pt", linear())
    assert not any(tmp_path.iterdir())


def linear():
    strange = torch.nn.Linear(1, 1)
    strange.symbols, strange.cutoff, strange.n_hops = SYMBOLS, 1.0, 1
    return strange


def test_the_weights_record_is_a_plain_dictionary_of_tensors(model):
    with zipfile.ZipFile(model) as archive:
        weights = torch.load(io.BytesIO(zlib.decompress(archive.read(WEIGHTS))), weights_only=True)
    assert set(weights) == set(corrected().state_dict())
