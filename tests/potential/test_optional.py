"""Packages that are not there, and packages that are loud."""

import os
import sys
import warnings

import pytest

from ocvf_lmp.errors import InputError
from ocvf_lmp.potential.foreign.chgnet import load_chgnet
from ocvf_lmp.potential.foreign.mace import load_mace
from ocvf_lmp.potential.foreign.optional import optional_module

SETTING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


def absent(monkeypatch, *names):
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    absent(monkeypatch, "mace", "mace.modules", "chgnet", "chgnet.model.model")
    (tmp_path / "a.model").write_text("anything")
    with pytest.raises(InputError, match=r"mace.*pip install 'ocvf-lmp\[mace\]'"):
        load_mace(tmp_path / "a.model", ("O",))
    with pytest.raises(InputError, match=r"chgnet.*pip install 'ocvf-lmp\[chgnet\]'"):
        load_chgnet(("O",))


@pytest.mark.parametrize("before", [None, "0"])
def test_what_a_package_prints_warns_and_sets_on_import_is_kept_back(
    before, monkeypatch, tmp_path, capsys
):
    name = f"loud_{before}"
    (tmp_path / f"{name}.py").write_text(
        "import os, warnings\nprint('here I am')\nwarnings.warn('old')\n"
        f"os.environ['{SETTING}'] = '1'\nfound = os.environ['{SETTING}']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    if before is not None:
        monkeypatch.setenv(SETTING, before)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optional_module(name, "none").found == "1"
    assert os.environ.get(SETTING) == before
    assert capsys.readouterr().out == ""
