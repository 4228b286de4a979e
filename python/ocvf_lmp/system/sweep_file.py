"""Results of a sweep: what was sampled at each temperature of each branch, in HDF5.

One file for a leg (one temperature of one branch), written when it is complete, and one for all
legs, with what they share:

    /species                 (atoms,) index into the attribute `symbols`
    /reference               (atoms, 3) fractional coordinates of the atoms at the start
    /legs/BRANCH/TEMPERATURE attributes temperature (K), order, equilibration; datasets as `Leg`
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from ocvf_lmp.errors import DataError
from ocvf_lmp.files import write_atomically
from ocvf_lmp.system.leg import Leg, LostLeg, check_leg

FORMAT = "ocvf-lmp sweep"
VERSION = 1
ORDER = ("temperature", "order", "equilibration")
DAMAGE = (KeyError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises where a part of a file is missing, broken or something else."""


@dataclass(frozen=True, slots=True)
class SweepHeader:
    """What all legs of a sweep share.

    Attributes:
        name: of the sweep, for tables and figures.
        symbols: chemical symbols.
        species: index of each atom in `symbols`, (atoms,).
        reference: fractional coordinates of the atoms at the start, (atoms, 3).
        repeat: unit cells along a, b, c.
        pressure: bar.
        timestep: ps.
        source: what was run and how, plain JSON.
    """

    name: str
    symbols: tuple[str, ...]
    species: np.ndarray
    reference: np.ndarray
    repeat: tuple[int, int, int]
    pressure: float
    timestep: float
    source: dict[str, Any] = field(default_factory=dict)


def write_leg(path: Path, leg: Leg) -> None:
    """One leg as a file of its own; a good file is never replaced by half of a new one.

    Raises:
        OcvfError: the file cannot be written.
    """

    def write(partial_path: Path) -> None:
        with h5py.File(partial_path, "w") as file:
            file.attrs["format"], file.attrs["version"] = FORMAT + " leg", VERSION
            _put_leg(file.create_group("leg"), leg)

    write_atomically(path, write)


def read_leg(path: Path) -> Leg:
    """A leg from its own file.

    Raises:
        DataError: it is missing, broken off, or something else.
    """
    with _opened(path, FORMAT + " leg") as file:
        return _leg_of(file["leg"], path)  # pyright: ignore


def write_sweep(path: Path, header: SweepHeader, legs: Sequence[Path]) -> None:
    """All legs that there are in one file.

    Args:
        path: of the file.
        header: what they share.
        legs: their files.

    Raises:
        DataError: one of them cannot be read.
        OcvfError: the file cannot be written.
    """
    write_atomically(path, partial(_write_sweep, header=header, legs=legs))


def _write_sweep(path: Path, header: SweepHeader, legs: Sequence[Path]) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
        file.attrs["name"], file.attrs["symbols"] = header.name, list(header.symbols)
        file.attrs["repeat"] = np.array(header.repeat)
        file.attrs["pressure"], file.attrs["timestep"] = header.pressure, header.timestep
        file.attrs["source"] = yaml.safe_dump(header.source, sort_keys=False)
        file["species"], file["reference"] = header.species, header.reference
        for leg in map(read_leg, legs):
            _put_leg(file.create_group(f"legs/{leg.branch}/{leg.temperature:08.3f}"), leg)


def read_header(path: Path) -> SweepHeader:
    """What the legs of a sweep share.

    Raises:
        DataError: the file is missing, broken off, or something else.
    """
    with _opened(path, FORMAT) as file:
        return _header_in(file, path)


def _header_in(file: Any, path: Path) -> SweepHeader:
    attributes: Any = dict(file.attrs)
    try:
        return SweepHeader(
            str(attributes["name"]),
            tuple(map(str, attributes["symbols"])),
            file["species"][:],
            file["reference"][:],
            tuple(map(int, attributes["repeat"])),  # pyright: ignore[reportArgumentType]
            float(attributes["pressure"]),
            float(attributes["timestep"]),
            yaml.safe_load(str(attributes["source"])),
        )
    except KeyError as reason:
        raise _broken(path, reason) from reason


def iterate_legs(path: Path) -> Iterator[Leg | LostLeg]:
    """The legs of a sweep, one at a time: branch by branch, in the order of the branch.

    Raises:
        DataError: as `read_header`; it has legs of which none can be read, or something else in the
            place of legs.
    """
    lost: list[LostLeg] = []
    count = 0
    with _opened(path, FORMAT) as file:
        n_atoms = len(_header_in(file, path).species)
        branches: Any = file.get("legs", {})
        for branch in sorted(branches):
            groups = branches[branch]
            if not isinstance(groups, h5py.Group):
                raise _broken(path, f"an array in the place of the branch {branch}")
            for name in sorted(groups, key=lambda name: _place(groups, name)):
                try:
                    temperature = float(name)
                except ValueError as reason:
                    raise _broken(path, f"{branch}/{name} in the place of a leg") from reason
                leg = _leg_or_reason(groups, branch, temperature, name, n_atoms)
                lost += [leg] if isinstance(leg, LostLeg) else []
                count += 1
                yield leg
    if lost and len(lost) == count:
        first = lost[0]
        what = f"{first.branch} {first.temperature:g} K that {first.reason}, and no other that can"
        raise _broken(path, what)


def _place(groups: Any, name: str) -> int:
    """Of a leg in its branch; at the end if it is not readable."""
    try:
        return int(groups[name].attrs["order"])
    except DAMAGE:
        return len(groups)


def _leg_or_reason(
    groups: Any, branch: str, temperature: float, name: str, n_atoms: int
) -> Leg | LostLeg:
    """A leg, or why it cannot be read."""
    try:
        leg = _leg_in(groups[name])
        check_leg(leg, n_atoms)
    except DAMAGE as reason:
        return LostLeg(branch, temperature, f"cannot be read: {reason}")
    return leg


def _arrays() -> list[str]:
    return [f.name for f in fields(Leg) if f.name not in (*ORDER, "branch")]


def _put_leg(group: h5py.Group, leg: Leg) -> None:
    group.attrs["branch"] = leg.branch
    for name in ORDER:
        group.attrs[name] = getattr(leg, name)
    for name in _arrays():
        values = getattr(leg, name)
        group[name] = values.astype(np.float32) if name == "positions" else values


def _leg_of(group: Any, path: Path) -> Leg:
    try:
        return _leg_in(group)
    except (KeyError, OSError) as reason:
        raise _broken(path, reason) from reason


def _leg_in(group: Any) -> Leg:
    return Leg(
        branch=str(group.attrs["branch"]),
        temperature=float(group.attrs["temperature"]),
        order=int(group.attrs["order"]),
        equilibration=int(group.attrs["equilibration"]),
        **{name: group[name][:] for name in _arrays()},
    )


def _opened(path: Path, kind: str) -> h5py.File:
    if not path.is_file():
        raise DataError(f"expected results of a sweep in {path}, found no such file; run it first")
    try:
        file = h5py.File(path, "r")
    except OSError as reason:
        raise _broken(path, reason) from reason
    found = file.attrs.get("format"), file.attrs.get("version")
    if found != (kind, VERSION):
        file.close()
        raise DataError(
            f"expected {kind}, version {VERSION}, in {path}, found {found[0]}, version {found[1]};"
            " give the file that `ocvf-lmp sweep` wrote"
        )
    return file


def _broken(path: Path, reason: Exception | str) -> DataError:
    return DataError(
        f"expected whole results of a sweep in {path}, found {reason}; it is damaged or broken off:"
        " delete it, and run the sweep again, which makes what is missing"
    )
