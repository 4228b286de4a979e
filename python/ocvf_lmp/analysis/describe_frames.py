"""Describes files of atomic configurations: extended XYZ and whatever else ASE reads."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ocvf_lmp.analysis.description import Description, span
from ocvf_lmp.errors import DataError
from ocvf_lmp.units import GPA

if TYPE_CHECKING:
    from ase import Atoms

NEAR = 3.2
"""Å; pairs up to this distance are looked at."""

MOST_FRAMES = 300
"""Frames whose distances are computed, evenly spaced: enough to see what is wrong."""

TOO_CLOSE = 0.6
"""Of the sum of the covalent radii."""

LARGE_FORCE = 50.0
"""eV/Å."""

LARGE_STRESS = 1.0
"""eV/Å³ (160 GPa): beyond, the unit is probably another."""

ENERGY_SPREAD = 1.0
"""eV/atom between frames of one composition: beyond, they have different zeros."""


def describe_frames(path: Path) -> Description:
    """Frames, composition, ranges of volume, energy, forces and stress; what is wrong with them.

    Raises:
        DataError: ASE cannot read the file, or it holds no frame.
    """
    from ase.io import read  # noqa: PLC0415 (slow import)

    try:
        found = read(path, index=":")
    except Exception as reason:  # ASE raises whatever its many readers do
        raise _unknown(path, str(reason) or type(reason).__name__) from reason
    frames: list[Atoms] = list(found) if isinstance(found, list) else [found]
    if not frames:
        raise _unknown(path, "no configuration")
    volumes = np.array([_volume(a) / max(len(a), 1) for a in frames])
    compositions = Counter(a.get_chemical_formula() for a in frames)
    shown = ", ".join(f"{name} ({n}×)" for name, n in compositions.most_common(4))
    more = f" and {len(compositions) - 4} others" if len(compositions) > 4 else ""
    rows = [
        ("frames", str(len(frames))),
        ("atoms a frame", span([len(a) for a in frames], "", 6)),
        ("compositions", shown + more),
        ("volume", span(volumes[volumes > 0], "Å³/atom")),
    ]
    problems = _of_geometry(frames, volumes)
    rows += _results(frames, problems)
    rows += _distances(frames, problems)
    kind = "Configurations" if len(frames) > 1 else "Configuration"
    return Description(f"{kind} in {path.name}", tuple(rows), tuple(problems))


def _unknown(path: Path, found: str) -> DataError:
    return DataError(
        f"expected a file that ocvf-lmp or ASE can read in {path}, found: {found}; known are model"
        " and potential files (.pt), .gr, H5MD (.h5), LAMMPS logs, run folders, and structures such"
        " as extended XYZ"
    )


def _volume(atoms: "Atoms") -> float:
    return float(abs(np.linalg.det(atoms.cell.array)))


def _of_geometry(frames: list["Atoms"], volumes: np.ndarray) -> list[str]:
    problems = []
    flat = int((volumes < 1e-6).sum())
    if flat:
        problems.append(f"{flat} frames have no cell: ocvf-lmp needs periodic ones")
    open_ones = sum(not all(a.pbc) for a in frames) - flat
    if open_ones > 0:
        problems.append(f"{open_ones} frames are not periodic in all three directions")
    broken = [k for k, a in enumerate(frames) if not np.isfinite(a.positions).all()]
    if broken:
        problems.append(f"positions that are not numbers in {_listed(broken)}")
    seen: dict[bytes, int] = {}
    copies = []
    for k, atoms in enumerate(frames):
        content = (atoms.numbers, atoms.positions.round(6), atoms.cell.array.round(6))
        key = hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in content)).digest()
        if seen.setdefault(key, k) != k:
            copies.append(k)
    if copies:
        problems.append(f"duplicates of earlier frames: {_listed(copies)}")
    return problems


def _results(frames: list["Atoms"], problems: list[str]) -> list[tuple[str, str]]:
    """Rows of energy, forces and stress, as far as the frames have them."""
    results: list[dict[str, Any]] = [dict(a.calc.results) if a.calc else {} for a in frames]
    rows = []
    for name in ("energy", "forces", "stress"):
        have = [(k, a, r[name]) for k, (a, r) in enumerate(zip(frames, results, strict=True))
                if r.get(name) is not None]  # fmt: skip
        if 0 < len(have) < len(frames):
            problems.append(f"{len(frames) - len(have)} of {len(frames)} frames have no {name}")
        if not have:
            rows.append((name, "none"))
            continue
        broken = [k for k, _, value in have if not np.isfinite(np.asarray(value)).all()]
        if broken:
            problems.append(f"{name} that is not a number in {_listed(broken)}")
        rows.append((name, _QUANTITIES[name]([(a, v) for _, a, v in have], problems)))
    return rows


def _energy(have: list[tuple["Atoms", Any]], problems: list[str]) -> str:
    by_composition: dict[str, list[float]] = {}
    for atoms, energy in have:
        reduced = atoms.symbols.formula.reduce()[0]
        by_composition.setdefault(str(reduced), []).append(float(energy) / len(atoms))
    for name, values in by_composition.items():
        spread = np.ptp(np.array(values)[np.isfinite(values)]) if np.isfinite(values).any() else 0
        if spread > ENERGY_SPREAD:
            problems.append(
                f"energies of {name} spread over {spread:.3g} eV/atom: frames of different codes or"
                " settings have different zeros and belong in files of their own"
            )
    return span([e for values in by_composition.values() for e in values], "eV/atom", 7)


def _forces(have: list[tuple["Atoms", Any]], problems: list[str]) -> str:
    largest = np.array([np.abs(forces).max() for _, forces in have])
    net = np.array([np.abs(np.sum(f, axis=0)).max() / len(f) for _, f in have])
    if (largest > LARGE_FORCE).any():
        count = int((largest > LARGE_FORCE).sum())
        problems.append(f"{count} frames hold forces above {LARGE_FORCE:g} eV/Å: check their units")
    if (net > 0.01).any():
        problems.append(
            f"{int((net > 0.01).sum())} frames have a net force above 0.01 eV/Å an atom"
        )
    rms = float(np.sqrt(np.nanmean(np.concatenate([np.ravel(f) ** 2 for _, f in have]))))
    return f"rms {rms:.3g} eV/Å, largest {np.nanmax(largest):.3g} eV/Å"


def _stress(have: list[tuple["Atoms", Any]], problems: list[str]) -> str:
    values = np.concatenate([np.ravel(stress) for _, stress in have])
    if np.nanmax(np.abs(values)) > LARGE_STRESS:
        problems.append(
            f"stresses up to {np.nanmax(np.abs(values)):.3g} eV/Å³ (if that is their unit) are not"
            " those of a solid near equilibrium: ASE expects eV/Å³, tension positive"
        )
    return f"{span(values / GPA, 'GPa', 3)} (tension positive)"


_QUANTITIES = {"energy": _energy, "forces": _forces, "stress": _stress}


def _distances(frames: list["Atoms"], problems: list[str]) -> list[tuple[str, str]]:
    """The shortest distances, by pair of species."""
    from ase.data import chemical_symbols, covalent_radii  # noqa: PLC0415 (slow import)
    from ase.neighborlist import neighbor_list  # noqa: PLC0415 (slow import)

    shortest: dict[tuple[int, int], float] = {}
    close: set[int] = set()
    chosen = range(0, len(frames), -(-len(frames) // MOST_FRAMES))
    for k in chosen:
        atoms = frames[k]
        if not np.isfinite(atoms.positions).all() or len(atoms) < 2:
            continue
        first, second, distance = neighbor_list("ijd", atoms, NEAR)
        a, b = atoms.numbers[first], atoms.numbers[second]
        if (distance < TOO_CLOSE * (covalent_radii[a] + covalent_radii[b])).any():
            close.add(k)
        for pair in {(int(x), int(y)) for x, y in zip(a, b, strict=True) if x <= y}:
            here = distance[(a == pair[0]) & (b == pair[1])].min()
            shortest[pair] = min(shortest.get(pair, np.inf), float(here))
    if close:
        problems.append(f"atoms nearly on top of each other in {_listed(sorted(close))}")
    if not shortest:
        return []
    some = f" ({len(chosen)} of {len(frames)} frames)" if len(chosen) < len(frames) else ""
    shown = ", ".join(
        f"{chemical_symbols[a]}-{chemical_symbols[b]} {d:.2f}"
        for (a, b), d in sorted(shortest.items(), key=lambda item: item[1])
    )
    return [("shortest distances", f"{shown} Å{some}")]


def _listed(frames: list[int], most: int = 6) -> str:
    """Numbers of frames in words."""
    shown = ", ".join(map(str, frames[:most]))
    more = f" and {len(frames) - most} more" if len(frames) > most else ""
    return f"frame{'s' if len(frames) > 1 else ''} {shown}{more} (from 0)"
