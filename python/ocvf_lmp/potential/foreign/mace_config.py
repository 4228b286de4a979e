"""The architecture of a MACE model as plain JSON, and back.

mace stores whole pickled modules; a file of ours must be readable without running code from it, so
it holds what mace's constructor needs, with classes and functions by name, and the weights.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from ocvf_lmp.errors import ModelFileError
from ocvf_lmp.potential.foreign.optional import optional_module, quiet

EXTRA = "mace"


def config_of(model: nn.Module) -> dict[str, Any]:
    """The arguments that build a model of the same architecture, as plain JSON.

    Raises:
        ModelFileError: a model of another kind than ScaleShiftMACE, or with inputs besides the
            atoms (charge, spin, fields).
    """
    kind = type(model).__name__
    if kind != "ScaleShiftMACE" or hasattr(model, "joint_embedding"):
        found = kind if kind != "ScaleShiftMACE" else "one that depends on a charge or a spin"
        raise ModelFileError(
            f"expected a MACE model of energies (ScaleShiftMACE) as a prior, found {found}; use it"
            " as a black box: prior: {calculator: ...} with estimator: reweight"
        )
    scripts = optional_module("mace.tools.scripts_utils", EXTRA)
    try:
        with quiet():
            extracted = scripts.extract_config_mace_model(model)
    except Exception as reason:
        raise ModelFileError(
            f"expected a MACE model whose architecture mace can tell, found: {reason}; use it as a"
            " black box: prior: {calculator: ...} with estimator: reweight"
        ) from reason
    return {name: _encoded(name, value) for name, value in extracted.items()}


def build(config: Mapping[str, Any]) -> nn.Module:
    """A model in float64 of the architecture that `config_of` describes, its weights arbitrary.

    Raises:
        InputError: mace is not installed.
        ModelFileError: an architecture that the installed mace does not know.
    """
    modules = optional_module("mace.modules", EXTRA)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with quiet(), torch.random.fork_rng(devices=[]):
            arguments = {name: _decoded(value) for name, value in config.items()}
            return modules.ScaleShiftMACE(**arguments).to(torch.float64)
    except (KeyError, TypeError, ValueError, RuntimeError) as reason:
        version = optional_module("mace", EXTRA).__version__
        raise ModelFileError(
            f"expected the architecture of a MACE model that mace-torch {version} can build,"
            f" found: {reason!r}; install the version that trained it"
        ) from reason
    finally:
        torch.set_default_dtype(before)


def _encoded(name: str, value: Any) -> Any:
    blocks = optional_module("mace.modules", EXTRA)
    classes = {**blocks.interaction_classes, **blocks.readout_classes}
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__name__ == "Irreps":
        return {"irreps": str(value)}
    if isinstance(value, list | tuple):
        return [_encoded(name, item) for item in value]
    for table, key in ((classes, "class"), (blocks.gate_dict, "gate")):
        known = next((k for k, v in table.items() if v is value), None)
        if known is not None:
            return {key: known}
    raise ModelFileError(
        f"expected a MACE model that can be described in plain words, found {name}: {value!r}; use"
        " it as a black box: prior: {calculator: ...} with estimator: reweight"
    )


def _decoded(value: Any) -> Any:
    """Only names in mace's own tables become code."""
    blocks = optional_module("mace.modules", EXTRA)
    match value:
        case {"array": numbers}:
            return np.array(numbers)
        case {"irreps": text}:
            return optional_module("e3nn.o3", EXTRA).Irreps(text)
        case {"class": name}:
            return {**blocks.interaction_classes, **blocks.readout_classes}[name]
        case {"gate": name}:
            return blocks.gate_dict[name]
        case list():
            return [_decoded(item) for item in value]
        case _:
            return value
