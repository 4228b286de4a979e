"""G(r) of a sweep beside its results, for comparisons that do without the sweep's frames."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ocvf_lmp.analysis.phases.pair_distributions import Curves, Diffractometer
from ocvf_lmp.errors import DataError
from ocvf_lmp.files import write_atomically

FORMAT = "ocvf-lmp G(r) of a sweep, 1"


def beside(results: Path) -> Path:
    """Where the curves of the sweep are whose results stand in a file."""
    return results.with_name(f"{results.stem}_pdfs.npz")


def write_curves(path: Path, instrument: Diffractometer, curves: Curves) -> None:
    """Writes curves, in single precision, to a NumPy file.

    Args:
        path: of the file.
        instrument: that has seen them.
        curves: by branch and temperature.
    """
    keys = sorted(curves)
    content = {
        "format": np.array(FORMAT),
        "instrument": np.array(_words(instrument)),
        "branch": np.array([branch for branch, _ in keys]),
        "temperature_K": np.array([temperature for _, temperature in keys]),
        "r_angstrom": instrument.r,
        "g_blocks": np.stack([curves[key] for key in keys]).astype(np.float32),
    }

    def write(partial: Path) -> None:
        with partial.open("wb") as handle:
            np.savez_compressed(handle, **content)  # pyright: ignore

    write_atomically(path, write)


def read_curves(path: Path, instrument: Diffractometer) -> Curves:
    """Curves from `write_curves`; none where there is no such file.

    Raises:
        DataError: the file is something else, or another instrument's.
    """
    if not path.is_file():
        return {}
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as found:
            if str(found["format"]) != FORMAT:
                raise ValueError(f"format {found['format']!s}")
            said, wanted = str(found["instrument"]), _words(instrument)
            if said != wanted:
                raise DataError(
                    f"expected G(r) as seen by {wanted} in {path}, found {said}; make the file"
                    " anew: ocvf-lmp analyze SWEEP --pdfs"
                )
            keys = zip(found["branch"].tolist(), found["temperature_K"].tolist(), strict=True)
            return dict(zip(keys, found["g_blocks"].astype(np.float64), strict=True))
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as reason:
        raise DataError(
            f"expected {FORMAT!r} in {path}, found {reason!r}; make the file anew:"
            " ocvf-lmp analyze SWEEP --pdfs"
        ) from reason


def _words(instrument: Diffractometer) -> str:
    first, last = instrument.r_range
    return (
        f"{instrument.radiation}, {first:g} to {last:g} Å every {instrument.dr:g} Å, Q_max"
        f" {instrument.q_max:g} 1/Å, {instrument.frames} frames at most"
    )
