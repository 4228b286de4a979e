"""Reading and writing of ``.gr`` files: columns r, G(r) with a free-form header.

Understood are the files of PDFgetX3 and xPDFsuite, PDFgetN, RMCProfile-like ones (a count, a title,
two columns) and plain columns: r G, r G dG, or r G dr dG. G(r) must be the PDFFIT one, 4πrρ₀(g - 1)
in Å^-2 with r in Å; files that look like something else are refused by `gr_checks`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ocvf_lmp.errors import DataError
from ocvf_lmp.fit.gr_checks import check_columns, check_convention
from ocvf_lmp.fit.gr_header import (
    normalised,
    parse_formula,
    parse_header,
    take_composition,
    take_radiation,
)

_MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class GrFile:
    """A G(r) and what its header says of it; None where the header says nothing.

    Attributes:
        r: distances, Å, (points,).
        g: G(r), Å^-2, (points,).
        error: standard errors of G, Å^-2, (points,).
        r_error: standard errors of r, Å, (points,).
        radiation: "xray" or "neutron".
        composition: atomic fractions by symbol.
        q_max: Å^-1.
        q_min: Å^-1.
        q_damp: Å^-1.
        q_broad: Å^-1.
        temperature: K. The ``temp`` of PDFgetN is not taken: it often is that of the instrument.
        pressure: bar.
        density: atoms per Å^3.
        synthetic: computed, not measured.
        source: where the data come from (the file's path if the header does not say).
        extra: all other ``key = value`` pairs of the header.
    """

    r: Float[torch.Tensor, " points"]
    g: Float[torch.Tensor, " points"]
    error: Float[torch.Tensor, " points"] | None = None
    r_error: Float[torch.Tensor, " points"] | None = None
    radiation: str | None = None
    composition: Mapping[str, float] | None = None
    q_max: float | None = None
    q_min: float | None = None
    q_damp: float | None = None
    q_broad: float | None = None
    temperature: float | None = None
    pressure: float | None = None
    density: float | None = None
    synthetic: bool = False
    source: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def stretched(self, factor: float) -> "GrFile":
        """The curve of the same structure with all distances longer by a factor.

        4πr(ρ - ρ₀) falls by its square, what is stated in 1/Å by itself. (Form factors of x-rays
        do not stretch along: nothing for the small corrections that this is for.)
        """

        def over(value: float | None, power: int) -> float | None:
            return None if value is None else value / factor**power

        return replace(
            self,
            r=self.r * factor,
            g=self.g / factor**2,
            error=None if self.error is None else self.error / factor**2,
            r_error=None if self.r_error is None else self.r_error * factor,
            q_max=over(self.q_max, 1),
            q_min=over(self.q_min, 1),
            q_damp=over(self.q_damp, 1),
            q_broad=over(self.q_broad, 1),
            density=over(self.density, 3),
        )


def read_gr(path: str | Path, composition: Mapping[str, int | float] | str | None = None) -> GrFile:
    """Read a G(r).

    Args:
        path: of the file.
        composition: what the sample should be, a formula or atoms by symbol; compared with the
            header where that states one.

    Raises:
        DataError: the file is missing, holds no columns of numbers, holds NaN or r that does not
            increase, is in other units or another convention than G(r) in Å^-2 over Å, or is of
            another composition.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"expected a .gr file at {path}, found {'a folder' if path.is_dir() else 'nothing'};"
            " correct the path in the configuration"
        )
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    header, rows = _split(lines, path)
    r, g, r_error, error = _columns(rows, header, path)
    check_columns(r, g, path)
    check_convention(r, g, path)
    known, extra = parse_header(header)
    found = GrFile(
        torch.from_numpy(r),
        torch.from_numpy(g),
        None if error is None else torch.from_numpy(error),
        None if r_error is None else torch.from_numpy(r_error),
        radiation=take_radiation(header, extra),
        composition=take_composition(header, extra),
        synthetic=extra.pop("synthetic", "false").lower() in ("true", "yes", "1"),
        source=extra.pop("source", str(path)),
        extra=extra,
        **known,
    )
    if composition is not None:
        _check_composition(found.composition, composition, path)
    return found


def write_gr(path: str | Path, data: GrFile, comment: str = "") -> None:
    """Write r, G, dr, dG under a commented header of ``key = value``, which `read_gr` restores.

    Args:
        path: of the file, overwritten.
        data: curve and metadata; absent errors are written as zeros, which are read as absent.
        comment: free text for the first lines.
    """
    lines = [f"# {line}" for line in comment.splitlines()]
    names = ("temperature", "pressure", "q_max", "q_min", "q_damp", "q_broad")
    entries: dict[str, object] = {"synthetic": str(data.synthetic).lower()}
    entries["radiation"] = data.radiation
    if data.composition is not None:
        entries["composition"] = "".join(f"{s}{n:.10g}" for s, n in data.composition.items())
    entries.update({name: getattr(data, name) for name in names})
    entries["number_density"] = data.density
    entries["source"] = data.source or None
    entries.update(data.extra)
    lines += [f"# {key} = {value}" for key, value in entries.items() if value is not None]
    lines += ["#### start data", "#L r(Å) G(Å^-2) dr dG"]
    zero = torch.zeros_like(data.g)
    r_error = zero if data.r_error is None else data.r_error
    error = zero if data.error is None else data.error
    columns = (column.tolist() for column in (data.r, data.g, r_error, error))
    lines += [f"{r:.6f} {g:.9g} {dr:.6g} {dg:.6g}" for r, g, dr, dg in zip(*columns, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _numbers(line: str) -> list[float] | None:
    words = re.split(r"[\s,;]+", line.strip().rstrip(",;"))
    try:
        return [float(word) for word in words] if len(words) >= 2 else None
    except ValueError:
        return None


def _split(lines: list[str], path: Path) -> tuple[list[str], np.ndarray]:
    """Header lines and the longest run of rows of numbers."""
    parsed = [_numbers(line) for line in lines]
    best_start, best_end, start = 0, 0, 0
    for k in range(len(parsed) + 1):
        row = parsed[k] if k < len(parsed) else None
        first = parsed[start] if start < len(parsed) else None
        if row is None or first is None or len(row) != len(first):
            if k - start > best_end - best_start and first is not None:
                best_start, best_end = start, k
            start = k if row is not None else k + 1
    if best_end - best_start < _MIN_ROWS:
        raise DataError(
            f"expected at least {_MIN_ROWS} rows of numbers (r in Å, G in Å^-2) in {path}, found"
            f" {best_end - best_start}; check that this is a .gr file with decimal points"
        )
    _refuse_broken_rows(lines, parsed, best_start, best_end, path)
    return lines[:best_start], np.array(parsed[best_start:best_end], dtype=float)


def _refuse_broken_rows(
    lines: list[str], parsed: list[list[float] | None], start: int, end: int, path: Path
) -> None:
    bad = next((k for k in range(end, len(lines)) if lines[k].strip(" \t#")), None)
    before = [k for k in range(max(0, start - _MIN_ROWS), start) if parsed[k] is not None]
    columns = len(parsed[start] or [])
    if bad is None and len(before) >= _MIN_ROWS - 1 and len(parsed[before[0]] or []) == columns:
        bad = start - 1
    if bad is not None:
        raise DataError(
            f"expected rows of {columns} numbers to the end of {path}, found {lines[bad][:60]!r} in"
            f" line {bad + 1}; the file seems damaged or to hold several curves: keep one"
        )


def _columns(
    rows: np.ndarray, header: list[str], path: Path
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    count = rows.shape[1]
    if count > 4:
        raise DataError(
            f"expected 2, 3 or 4 columns (r, G, [dr], [dG]) in {path}, found {count}; keep those"
        )
    label = header[-1].lower() if header and header[-1].startswith("#L") else ""
    only_dr = count == 3 and re.search(r"\bdr\b", label) and not re.search(r"\bdg\b", label)
    r_error = rows[:, 2] if count == 4 or only_dr else None
    error = rows[:, 3] if count == 4 else rows[:, 2] if count == 3 and not only_dr else None
    r_error, error = (c.copy() if c is not None and c.any() else None for c in (r_error, error))
    return rows[:, 0].copy(), rows[:, 1].copy(), r_error, error


def _check_composition(
    found: Mapping[str, float] | None, expected: Mapping[str, int | float] | str, path: Path
) -> None:
    wanted = parse_formula(expected) if isinstance(expected, str) else normalised(expected)
    if found is None or wanted is None:
        return
    if any(abs(found.get(s, 0.0) - wanted.get(s, 0.0)) > 0.02 for s in {*found, *wanted}):

        def text(fractions: Mapping[str, float]) -> str:
            return " ".join(f"{s} {x:.3f}" for s, x in fractions.items())

        raise DataError(
            f"expected data of a sample with the atomic fractions {text(wanted)}, found"
            f" {text(found)} in the header of {path}; choose the file of the right sample"
        )
