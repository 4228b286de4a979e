"""The Python side of the plugin: loads models and calls them.

The plugin (plugin/python_host.cpp) calls `load`, `evaluate` and `release`. None of them raises: the
first entry of what they return is the text of the failure, or empty.
"""

import ctypes
import os
import pickle
import sys
import traceback
from pathlib import Path

import torch

from ocvf_lmp.errors import ModelFileError, OcvfError
from ocvf_lmp.lammps.host_data import PluginData, Step, UnifiedModel

REQUIRED = (
    *("element_types", "rcutfac", "ndescriptors", "nparams"),
    *("compute_descriptors", "compute_gradients", "compute_forces"),
)
TO_DO = "to do: make one by `ocvf-lmp export model.pt`; see also `ocvf-lmp info`"

_models: dict[int, UnifiedModel] = {}


class PluginInterface:
    """What `model.interface` is in this host."""

    name = "ocvf plugin"


def load(path: str, threads: int) -> tuple[str, int, float, float, str, str]:
    """Loads a model file.

    Args:
        path: file written by torch.save.
        threads: how many torch may use in this process; 0: as it is.

    Returns:
        Failure, handle, cutoff Å, reach of all layers Å, elements (blanks between), text to log.
    """
    try:
        _join_the_user()
        if threads > 0:
            torch.set_num_threads(threads)
        model = read_model(Path(path))
        model.interface = PluginInterface()
        handle = max(_models, default=-1) + 1
        _models[handle] = model
        cutoff = 2.0 * float(model.rcutfac)
        reach = float(getattr(model, "ghost_cutoff", cutoff))
        summary = _text(getattr(model, "summary", ""))
        return "", handle, cutoff, reach, " ".join(model.element_types), summary
    except BaseException as error:  # not one may pass into C++
        return explain(error), -1, 0.0, 0.0, "", ""


def evaluate(address: int, handle: int) -> tuple[str]:
    """Lets a model compute the time step that lies at an address."""
    try:
        step = Step.from_address(address)
        if step.bytes != ctypes.sizeof(Step):
            raise OcvfError(
                "expected: ocvfplugin.so and Python package of the same version\n"
                f"found: a plugin with {step.bytes} bytes a step, {ctypes.sizeof(Step)} here\n"
                "to do: reinstall ocvf-lmp"
            )
        model = _models[handle]
        data = PluginData(step, model)
        model.compute_descriptors(data)
        model.compute_gradients(data)
        model.compute_forces(data)
        return ("",)
    except BaseException as error:  # not one may pass into C++
        return (explain(error),)


def release(handle: int) -> tuple[str]:
    """Forgets a model."""
    _models.pop(handle, None)
    return ("",)


def read_model(path: Path) -> UnifiedModel:
    """The model in a file; loading it runs code of the file, as with any pickle.

    Raises:
        ModelFileError: the file is missing, damaged, or holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"expected: a model file\nfound: no file {path}\n{TO_DO}")
    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise ModelFileError(
            f"expected: the Python classes that {path} was saved from\nfound: {error}\n"
            f"to do: install what is missing for {sys.executable}, in the version that saved it"
        ) from error
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
        raise ModelFileError(
            f"expected: a whole model file\nfound: {path} cannot be read "
            f"({_first_line(error)})\n{TO_DO}"
        ) from error
    missing = [name for name in REQUIRED if not hasattr(model, name)]
    if missing:
        raise ModelFileError(
            f"expected: an ML-IAP unified model in {path}\n"
            f"found: {type(model).__name__} without {', '.join(missing)}\n{TO_DO}"
        )
    if not float(model.rcutfac) > 0.0:
        raise ModelFileError(f"expected: a cutoff in {path}\nfound: rcutfac {model.rcutfac}")
    return model


def explain(error: BaseException) -> str:
    """Text of an exception for LAMMPS' log: errors on purpose bare, others with where they arose.

    With OCVF_TRACEBACK=1 in the environment: the whole traceback.
    """
    if os.environ.get("OCVF_TRACEBACK", "0") != "0":
        return _text("".join(traceback.format_exception(error)))
    if isinstance(error, OcvfError):
        return _text(str(error))
    lines = [f"{type(error).__name__}: {error}"]
    for frame in traceback.extract_tb(error.__traceback__)[1:][-3:]:
        lines.append(f"  in {frame.name}, {frame.filename} line {frame.lineno}: {frame.line}")
    return _text("\n".join(lines))


def _join_the_user() -> None:
    """Finds modules in the current folder, as LAMMPS' own Python does; prints line by line."""
    if "." not in sys.path and "" not in sys.path:
        sys.path.append(".")
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _text(value: object) -> str:
    """A string that C accepts: no zero bytes, valid UTF-8."""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
