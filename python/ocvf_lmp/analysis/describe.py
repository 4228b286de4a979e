"""Describes any file that the project reads or writes: what it holds and what is wrong with it."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ocvf_lmp.analysis.describe_frames import describe_frames
from ocvf_lmp.analysis.describe_models import (
    describe_checkpoint,
    describe_gr,
    describe_model,
    describe_potential,
    is_exported,
)
from ocvf_lmp.analysis.describe_runs import describe_log, describe_run, describe_trajectory
from ocvf_lmp.analysis.description import Description
from ocvf_lmp.analysis.thermo_log import is_log
from ocvf_lmp.errors import DataError, InputError, ModelFileError
from ocvf_lmp.potential.weights import read_header

__all__ = ["Description", "describe_file"]

GR_SUFFIXES = (".gr", ".fgr")
MODEL_SUFFIXES = (".pt", ".pth")


def describe_file(path: str | Path, readers: Mapping[str, Callable[[Path], Any]]) -> Description:
    """Describes a file or a run folder by its content.

    Args:
        path: of a model or potential, a checkpoint, a ``.gr``, an H5MD trajectory, a LAMMPS log,
            a run folder, or a file of configurations that ASE reads.
        readers: of files that other rooms know: ``model`` (the header of a model file, as
            `lammps.model_header.read_header`) and ``gr`` (as `fit.gr_file.read_gr`).

    Raises:
        DataError: the file is missing or damaged, or of no known kind.
        ModelFileError: a model, potential or checkpoint is damaged.
        InputError: a reader that is needed was not given.
    """
    path = Path(path)
    if path.is_dir():
        return describe_run(path)
    if not path.is_file():
        raise DataError(f"expected a file or a run folder in {path}, found nothing; check the path")
    if path.stat().st_size == 0:
        raise DataError(f"expected content in {path}, found an empty file; copy or make it again")
    with path.open("rb") as handle:
        magic = handle.read(8)
    suffix = path.suffix.lower()
    if suffix in GR_SUFFIXES:
        return describe_gr(path, _reader(readers, "gr")(path))
    if magic == b"\x89HDF\r\n\x1a\n" or suffix in (".h5", ".h5md"):
        return describe_trajectory(path)
    if is_log(path):
        return describe_log(path)
    if suffix in MODEL_SUFFIXES:
        return _describe_torch(path, readers)
    if suffix == ".npz" or suffix in (".yaml", ".yml", ".jsonl"):
        raise DataError(
            f"expected a file that can be described by itself, found {path}, a part of a run or a"
            " configuration; describe the run folder, or check a configuration by `ocvf-lmp train`"
        )
    return describe_frames(path)


def _describe_torch(path: Path, readers: Mapping[str, Callable[[Path], Any]]) -> Description:
    """A model, a potential or a checkpoint, told apart without running code from the file."""
    if not zipfile.is_zipfile(path) or is_exported(path):
        return describe_model(path, _reader(readers, "model")(path))
    checkpoint = _checkpoint(path)
    if checkpoint is not None:
        return describe_checkpoint(path, checkpoint)
    return describe_potential(path, read_header(path))


def _checkpoint(path: Path) -> Mapping[str, Any] | None:
    import torch  # noqa: PLC0415 (slow import)

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as reason:  # whatever a damaged pickle leads to
        raise ModelFileError(
            f"expected a complete potential or checkpoint in {path}, found it damaged or of"
            f" another kind ({type(reason).__name__}); copy it again or make it anew"
        ) from reason
    return content if isinstance(content, dict) and {"epoch", "sites"} <= set(content) else None


def _reader(readers: Mapping[str, Callable[[Path], Any]], kind: str) -> Callable[[Path], Any]:
    if kind not in readers:
        raise InputError(
            f"expected a reader for files of the kind {kind!r}, found"
            f" {', '.join(readers) or 'none'}; hand one to describe_file"
        )
    return readers[kind]
