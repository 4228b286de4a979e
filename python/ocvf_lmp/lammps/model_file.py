"""The model file: one artifact that LAMMPS loads and that anybody can inspect safely.

It is a torch archive (zip) with three parts: `header.json` (what it is), one record with the
weights, and a pickle that does nothing but hand both to `open_in_lammps`. LAMMPS, which loads any
model by `torch.load(weights_only=False)`, runs that pickle; everything in this package reads the
two records instead and executes nothing.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ocvf_lmp
from ocvf_lmp.errors import InputError, ModelFileError
from ocvf_lmp.files import write_atomically
from ocvf_lmp.lammps.model_header import (
    PRECISIONS,
    RECORD,
    ModelHeader,
    reach,
    read_header,
    read_record,
)
from ocvf_lmp.lammps.unified import MLIAPModel
from ocvf_lmp.potential.composite import Corrected
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.foreign.calculator import CalculatorPrior
from ocvf_lmp.potential.foreign.chgnet import ChgnetPrior
from ocvf_lmp.potential.weights import construct, describe

WEIGHTS = "archive/data/0"  # where torch stores the only tensor of the pickle

__all__ = ["ModelHeader", "export_model", "load_model", "open_in_lammps", "reach", "read_header"]


class _Pickled:
    """Becomes, in the pickle, a call of `open_in_lammps`."""

    def __init__(self, header: str, weights: Tensor) -> None:
        self.content = header, weights

    def __reduce__(self) -> tuple[Callable[..., MLIAPModel], tuple[str, Tensor]]:
        return open_in_lammps, self.content


def export_model(
    path: Path,
    potential: nn.Module,
    *,
    delta_only: bool = False,
    temperature: float | None = None,
    trained_temperatures: Sequence[float] = (),
    precision: str = "float64",
    provenance: dict[str, Any] | None = None,
) -> ModelHeader:
    """Writes a model for LAMMPS, atomically.

    Args:
        path: usually ``model.pt``.
        potential: a potential of this package.
        delta_only: store the correction alone, for ``pair_style hybrid/overlay``.
        temperature: temperature that the correction belongs to, K.
        trained_temperatures: all temperatures of the training, K.
        precision: in which LAMMPS evaluates the model; the weights are stored in float64.
        provenance: plain JSON: data, options and errors of the training.

    Returns:
        The header that was written.

    Raises:
        InputError: an unknown precision, `delta_only` for a potential without correction, or a
            prior that cannot work in LAMMPS through this file.
        ModelFileError: a potential that is not one of this package's.
        OcvfError: the file could not be written.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"expected a precision of {' or '.join(PRECISIONS)}, found {precision!r}; use float64"
            " unless speed matters more than the last digits"
        )
    if delta_only:
        if not isinstance(potential, Corrected):
            raise InputError(
                "expected a corrected potential to export its correction alone, found"
                f" {type(potential).__name__}; leave out --delta-only"
            )
        potential = potential.correction
    _refuse_outsiders(potential)
    weights = _pack(potential)
    header = ModelHeader(
        symbols=tuple(potential.symbols),  # pyright: ignore
        cutoff=float(potential.cutoff),  # pyright: ignore
        n_hops=int(potential.n_hops),  # pyright: ignore
        potential=describe(potential),
        precision=precision,
        delta_only=delta_only,
        temperature=temperature,
        trained_temperatures=tuple(trained_temperatures),
        provenance=provenance or {},
        checksum=hashlib.sha256(weights).hexdigest(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"ocvf_lmp": ocvf_lmp.__version__, "torch": str(torch.__version__)},
    )
    write_atomically(Path(path), lambda partial: _write(partial, header, weights))
    return header


def load_model(path: Path, symbols: Sequence[str] | None = None) -> tuple[nn.Module, ModelHeader]:
    """The potential of a model file, in float64, and the header; no code of the file runs.

    Args:
        path: model file.
        symbols: the species that are needed, in any order; None: whatever the model has.

    Raises:
        ModelFileError: the file is missing, truncated, damaged, of another format or version, or
            for other species.
    """
    header = read_header(path)
    missing = [] if symbols is None else sorted(set(symbols) - set(header.symbols))
    if missing:
        raise ModelFileError(
            f"expected a model for {' '.join(symbols or ())}, found {path} for"
            f" {' '.join(header.symbols)}; it does not know {' '.join(missing)}: choose another"
        )
    return _rebuild(header, read_record(path, WEIGHTS), str(path)), header


def read_whole(path: Path) -> ModelHeader:
    """The header of a model file whose weights are undamaged; the potential is not made.

    Raises:
        ModelFileError: as `load_model`.
    """
    header = read_header(path)
    _check(header, read_record(path, WEIGHTS), str(path))
    return header


def open_in_lammps(header: str, weights: Tensor) -> MLIAPModel:
    """What the pickle of a model file calls when LAMMPS loads it.

    The name and the arguments are part of the file format.

    Args:
        header: JSON.
        weights: bytes of the weights' record, uint8.

    Raises:
        ModelFileError: the file is damaged, or from another version.
    """
    known = ModelHeader.from_json(header)
    potential = _rebuild(known, weights.numpy().tobytes(), "the model file")
    return MLIAPModel(potential.to(getattr(torch, known.precision)), known)


def _refuse_outsiders(potential: nn.Module) -> None:
    for part in potential.modules():
        if isinstance(part, CalculatorPrior | ChgnetPrior | Elsewhere):
            kind = getattr(part, "name", "CHGNet")
            raise InputError(
                f"expected a prior that the model file can bring to LAMMPS, found {kind}; export"
                " the correction with --delta-only, and add it to a pair style of the prior by"
                " pair_style hybrid/overlay"
            )


def _pack(potential: nn.Module) -> bytes:
    """The weights as bytes.

    Compressed, since a truncated file that holds a whole archive would pass for that one.
    """
    buffer = io.BytesIO()
    torch.save({k: v.detach().cpu().clone() for k, v in potential.state_dict().items()}, buffer)
    return zlib.compress(buffer.getvalue())


def _unpack(weights: bytes) -> dict[str, Tensor]:
    return torch.load(io.BytesIO(zlib.decompress(weights)), weights_only=True)


def _write(path: Path, header: ModelHeader, weights: bytes) -> None:
    text = header.to_json()
    buffer = io.BytesIO()  # written to a buffer, torch names the archive's folder "archive"
    torch.save(_Pickled(text, torch.frombuffer(bytearray(weights), dtype=torch.uint8)), buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(RECORD, text)
    path.write_bytes(buffer.getvalue())


def _check(header: ModelHeader, weights: bytes, source: str) -> None:
    found = hashlib.sha256(weights).hexdigest()
    if found != header.checksum:
        raise ModelFileError(
            f"expected weights with the SHA-256 {header.checksum[:12]}... in {source}, found"
            f" {found[:12]}...: the file is damaged; copy it again or export it again"
        )


def _rebuild(header: ModelHeader, weights: bytes, source: str) -> nn.Module:
    _check(header, weights, source)
    potential = construct(header.potential)
    try:
        potential.load_state_dict(_unpack(weights))
    except Exception as reason:
        raise ModelFileError(
            f"expected weights that fit the header of {source}, found: {reason}; install the"
            f" ocvf-lmp that wrote it ({header.versions.get('ocvf_lmp')}), or export it again"
        ) from reason
    # The header describes the network by its arguments; what follows from them must still agree.
    agreed = (tuple(potential.symbols), potential.cutoff, potential.n_hops)  # pyright: ignore
    if agreed != (header.symbols, header.cutoff, header.n_hops):
        raise ModelFileError(
            f"expected species, cutoff and layers {agreed} in {source}, found a header with"
            f" {(header.symbols, header.cutoff, header.n_hops)}; export the model again"
        )
    return potential.to(torch.float64).eval().requires_grad_(False)
