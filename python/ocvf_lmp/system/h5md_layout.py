"""Layout of H5MD 1.1 files (de Buyl, Colberg, Höfling, CPC 185, 1546 (2014)).

All time-dependent elements share one ``step`` and one ``time`` data set by hard links. Data sets
grow by whole blocks of frames; a frame is complete once its step has been written.
"""

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ocvf_lmp.errors import DataError
from ocvf_lmp.system.structure import Structure

H5 = Any
"""A file, group or data set of h5py, whose types do not say which of them a path leads to."""

GROUP = "particles/all"
UNITS = {
    "temperature": "K",
    "pressure": "bar",
    "potential_energy": "eV",
    "kinetic_energy": "eV",
    "total_energy": "eV",
    "conserved_energy": "eV",
    "volume": "Angstrom+3",
}
"""Units of observables that are known by name, as H5MD writes units."""

BLOCK = 32
"""Frames by which data sets grow."""


def time_dependent(file: H5) -> Iterator[H5]:
    """All data sets of a file that grow with the number of frames."""
    elements = list(elements_of(file))
    if elements:
        yield file[f"{GROUP}/position/step"]
        yield file[f"{GROUP}/position/time"]
    for element in elements:
        yield file[f"{element}/value"]


def count_frames(file: H5) -> int:
    """Number of complete frames: the last one may be missing in some data sets."""
    return len(complete_steps(file))


def complete_steps(file: H5) -> list[int]:
    """Steps of the complete frames."""
    n = min((len(data) for data in time_dependent(file)), default=0)
    steps = file[f"{GROUP}/position/step"][:n] if n else np.zeros(0, int)
    missing = np.flatnonzero(steps < 0)  # never written
    return steps[: missing[0] if len(missing) else n].tolist()


def elements_of(file: H5) -> Iterator[str]:
    """Names of the time-dependent elements of a file."""
    for name in ("position", "box/edges", "velocity"):
        if f"{GROUP}/{name}/value" in file:
            yield f"{GROUP}/{name}"
    for name in file.get("observables", ()):
        yield f"observables/{name}"


def start_file(path: Path, structure: Structure, author: str) -> None:
    """Writes a file without frames."""
    try:
        release = version("ocvf-lmp")
    except PackageNotFoundError:  # used from a source tree
        release = "unknown"
    atoms = structure.to_ase()
    names = dict(zip(atoms.get_chemical_symbols(), atoms.numbers.tolist(), strict=True))
    with h5py.File(path, "w", locking=False) as opened:
        file: H5 = opened
        head = file.create_group("h5md")
        head.attrs["version"] = np.array([1, 1])
        head.create_group("author").attrs["name"] = author
        creator = head.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "ocvf-lmp", release
        head.create_group("modules/units").attrs["version"] = np.array([1, 0])
        group = file.create_group(GROUP)
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["periodic"] * 3
        kind = h5py.enum_dtype(names, basetype="i4")
        group.create_dataset("species", data=atoms.numbers, dtype=kind)
        group.create_dataset("mass", data=structure.masses.numpy()).attrs["unit"] = "u"
        file.create_group("observables")


def open_file(path: Path, structure: Structure) -> H5:
    """Opens a file to go on with it.

    Raises:
        DataError: the file is damaged, or holds other atoms than the structure.
    """
    try:
        file: H5 = h5py.File(path, "r+", locking=False)
        numbers = file[f"{GROUP}/species"][()]
        count_frames(file)
    except (OSError, KeyError, RuntimeError, ValueError) as reason:
        raise DataError(
            f"expected an intact H5MD file in {path} to continue, found it damaged ({reason});"
            " move it away: the run then goes on in a new file"
        ) from reason
    if not np.array_equal(numbers, structure.to_ase().numbers):
        file.close()
        raise DataError(
            f"expected the same {structure.n_atoms} atoms in {path} as in this run, found"
            f" {len(numbers)} others; move the file away or choose another folder"
        )
    return file


def open_copy(path: Path) -> H5:
    """Opens the copy of a file that is known to be intact, to change it."""
    return h5py.File(path, "r+", locking=False)


def growing(group: H5, name: str, shape: tuple[int, ...], fill: np.generic, unit: str | None) -> H5:
    """A data set for one value a frame, whose space is taken as soon as it grows."""
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    chunk = (1, *shape) if shape else (BLOCK,)
    data = group.create_dataset(
        name, (0, *shape), fill.dtype, maxshape=(None, *shape), chunks=chunk, fillvalue=fill,
        dcpl=early,
    )  # fmt: skip
    if unit:
        data.attrs["unit"] = unit
    return data


def reserve(file: H5, n_bytes: int) -> None:
    """Makes sure of disk space: HDF5 itself leaves a damaged file where it runs out of it.

    Raises:
        OSError: there is not as much; the file is intact.
    """
    handle = os.open(file.filename, os.O_RDWR)
    size, end = os.fstat(handle).st_size, file.id.get_filesize()
    try:
        os.posix_fallocate(handle, end, n_bytes)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, size)
        raise
    finally:
        os.close(handle)


def close(file: H5, path: Path) -> None:
    """Closes a file that lies at a path and gives back what was reserved and not used."""
    file.flush()
    end = file.id.get_filesize()  # does not count what was reserved
    file.close()
    os.truncate(path, end)
