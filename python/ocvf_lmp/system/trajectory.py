"""Reading trajectories from H5MD files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ocvf_lmp.errors import DataError
from ocvf_lmp.system.h5md_layout import GROUP, H5, complete_steps

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Frames of a run.

    Attributes:
        step: number of the step of each frame, (frames,).
        time: ps, (frames,).
        positions: Å, (frames, atoms, 3); unwrapped if they were written so.
        cells: rows, Å, (frames, 3, 3).
        symbols: chemical symbol of each atom.
        masses: amu, (atoms,).
        observables: scalars of each frame by name, (frames,).
        units: of the observables, by name, where the file states them.
        velocities: Å/ps, (frames, atoms, 3), or None.
        author: whose run it is.
        creator: program and version that wrote the file.
    """

    step: np.ndarray
    time: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    symbols: tuple[str, ...]
    masses: np.ndarray
    observables: Mapping[str, np.ndarray] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    velocities: np.ndarray | None = None
    author: str = ""
    creator: str = ""

    def __len__(self) -> int:
        return len(self.step)

    @property
    def lattice(self) -> np.ndarray:
        """Lengths (Å) and angles (degrees) of the cell of each frame, (frames, 6)."""
        lengths = np.linalg.norm(self.cells, axis=2)
        unit = self.cells / lengths[:, :, None]
        pairs = ((1, 2), (0, 2), (0, 1))
        cosines = np.stack([(unit[:, i] * unit[:, j]).sum(axis=1) for i, j in pairs], axis=1)
        return np.concatenate([lengths, np.degrees(np.arccos(cosines))], axis=1)

    def to_ase(self) -> list["Atoms"]:
        """The frames as `ase.Atoms`, with step, time (ps) and observables in ``info``."""
        from ase import Atoms  # noqa: PLC0415 (slow import)

        frames = []
        for k in range(len(self)):
            atoms = Atoms(self.symbols, self.positions[k], cell=self.cells[k], pbc=True)
            atoms.info = {"step": int(self.step[k]), "time": float(self.time[k])}
            atoms.info |= {name: float(v[k]) for name, v in self.observables.items()}
            atoms.set_masses(self.masses)  # pyright: ignore[reportArgumentType]
            if self.velocities is not None:
                from ase.units import fs  # noqa: PLC0415

                atoms.set_velocities(self.velocities[k] / (1000.0 * fs))
            frames.append(atoms)
        return frames


def read_trajectory(path: str | Path, every: int = 1, atoms: bool = True) -> Trajectory:
    """Reads an H5MD file of this package, also one that is still being written.

    Args:
        path: of the file.
        every: reads only every so many frames.
        atoms: False leaves positions and velocities out (0 atoms), for long files of which only
            cells and observables are needed.

    Raises:
        DataError: the file is missing, damaged, or no H5MD file with a group ``particles/all``.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"expected a trajectory in {path}, found no such file; check the path")
    try:
        with h5py.File(path, "r", locking=False) as file:
            return _read(file, slice(0, len(complete_steps(file)), every), atoms)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as reason:
        raise DataError(
            f"expected an intact H5MD file with the group {GROUP} in {path}, found: {reason};"
            " the file is damaged or of another kind: run the simulation again or copy it anew"
        ) from reason


def _read(file: H5, chosen: slice, atoms: bool) -> Trajectory:
    group = file[GROUP]
    species = group["species"]
    names = {number: name for name, number in (h5py.check_enum_dtype(species.dtype) or {}).items()}
    symbols = tuple(names[int(k)] for k in species[()])
    who, creator = file["h5md/author"].attrs["name"], file["h5md/creator"].attrs
    shared: dict[str, Any] = {
        "symbols": symbols,
        "masses": group["mass"][()],
        "author": str(who),
        "creator": f"{creator['name']} {creator['version']}",
    }
    if "position" not in group:  # killed before the first frame
        none = np.zeros(0)
        return Trajectory(
            none.astype(int), none, np.zeros((0, len(symbols), 3)), np.zeros((0, 3, 3)), **shared
        )
    observables = {name: element["value"] for name, element in file["observables"].items()}
    empty = np.zeros((len(range(chosen.stop)[chosen]), 0, 3))
    return Trajectory(
        step=group["position/step"][chosen],
        time=group["position/time"][chosen],
        positions=group["position/value"][chosen] if atoms else empty,
        cells=group["box/edges/value"][chosen],
        observables={name: data[chosen] for name, data in observables.items()},
        units={k: str(d.attrs["unit"]) for k, d in observables.items() if "unit" in d.attrs},
        velocities=group["velocity/value"][chosen] if atoms and "velocity" in group else None,
        **shared,
    )
