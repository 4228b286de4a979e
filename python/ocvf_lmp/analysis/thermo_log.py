"""Thermodynamic tables in the logs of LAMMPS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocvf_lmp.errors import DataError

_LENGTHS = (("v_a", "v_b", "v_c"), ("cella", "cellb", "cellc"), ("lx", "ly", "lz"))
_ANGLES = (("v_alpha", "v_beta", "v_gamma"), ("cellalpha", "cellbeta", "cellgamma"))


@dataclass(frozen=True, slots=True)
class ThermoLog:
    """What a LAMMPS run printed.

    Attributes:
        path: of the log.
        version: of LAMMPS, as it prints it.
        columns: by the names in the table's head, (lines,); runs that follow each other with the
            same columns are one table. The last such table of the file.
        timestep: ps in metal units, or None where the log does not say.
        n_atoms: number of atoms, or None.
        finished: whether LAMMPS came to its regular end.
        errors: its error messages.
        n_warnings: number of warnings.
    """

    path: Path
    version: str
    columns: Mapping[str, np.ndarray]
    timestep: float | None
    n_atoms: int | None
    finished: bool
    errors: tuple[str, ...]
    n_warnings: int

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, *names: str) -> np.ndarray | None:
        """The first column that exists of these names, whatever their case."""
        known = {name.lower(): values for name, values in self.columns.items()}
        return next((known[n.lower()] for n in names if n.lower() in known), None)

    @property
    def time(self) -> np.ndarray:
        """Time since step 0, ps; the steps themselves where no timestep is known."""
        time = self.column("Time")
        if time is not None:
            return time
        step = self.column("Step")
        steps = np.arange(len(self), dtype=float) if step is None else step
        return steps * (self.timestep or 1.0)

    @property
    def lattice(self) -> np.ndarray | None:
        """Lengths (Å) and angles (degrees) in the table, (lines, 6).

        Variables ``a b c`` of the input come before the lengths of the whole cell. Angles that are
        not printed are taken for right ones.
        """
        for lengths in _LENGTHS:
            found = [self.column(name) for name in lengths]
            if all(x is not None for x in found):
                break
        else:
            return None
        for names in _ANGLES:
            angles = [self.column(name) for name in names]
            if all(x is not None for x in angles):
                return np.stack([*found, *angles], axis=1)  # pyright: ignore
        right = np.full((len(self), 3), 90.0)
        return np.concatenate([np.stack(found, axis=1), right], axis=1)  # pyright: ignore


def read_log(path: str | Path) -> ThermoLog:
    """Reads the log of a run, finished or not.

    Raises:
        DataError: the file is missing or holds no thermodynamic table.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"expected a LAMMPS log in {path}, found no such file; check the path")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    tables = _tables(lines)
    if not tables:
        raise DataError(
            f"expected a table that starts with Step in {path}, found none; the run ended before"
            " its first step, or the file is no LAMMPS log"
        )
    head = tables[-1][0]
    rows = [row for names, part in tables if names == head for row in part]
    values = np.array(rows, dtype=float).reshape(-1, len(head))
    if len(values) and head[0] == "Step":  # a run repeats the last line of the one before
        values = values[np.append(values[1:, 0] != values[:-1, 0], True)]
    text = "\n".join(lines)
    steps = re.findall(r"^timestep\s+([\d.eE+-]+)\s*$", text, re.MULTILINE)
    atoms = re.findall(r"^\s*(?:Created (\d+) atoms|(\d+) atoms)\s*$", text, re.MULTILINE)
    return ThermoLog(
        path,
        lines[0].strip() if lines and lines[0].startswith("LAMMPS") else "LAMMPS",
        dict(zip(head, values.T, strict=True)),
        float(steps[-1]) if steps else None,
        int(max(atoms[-1])) if atoms else None,
        "Total wall time" in text,
        tuple(line.strip() for line in lines if line.startswith("ERROR")),
        sum(line.startswith("WARNING") for line in lines),
    )


def is_log(path: Path) -> bool:
    """Whether a file looks like the log of a LAMMPS run."""
    with path.open("rb") as handle:
        return handle.read(8).startswith(b"LAMMPS (")


def _tables(lines: list[str]) -> list[tuple[list[str], list[list[float]]]]:
    tables: list[tuple[list[str], list[list[float]]]] = []
    current: list[list[float]] | None = None
    for line in lines:
        words = line.split()
        if words and words[0] == "Step" and len(words) > 1:
            current = []
            tables.append((words, current))
        elif current is not None and not line.startswith("WARNING"):
            row = _numbers(words, len(tables[-1][0]))
            if row is None:
                current = None
            else:
                current.append(row)
    return [table for table in tables if table[1]]


def _numbers(words: list[str], count: int) -> list[float] | None:
    if len(words) != count:
        return None
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
