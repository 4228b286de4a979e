"""Measured curves in a run folder: PDFs, partials and time series of one state and stage."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ocvf_lmp.errors import DataError

PARAMETERS = ("a", "b", "c", "alpha", "beta", "gamma")


@dataclass(frozen=True, slots=True)
class PdfCurve:
    """A target and what the model gives for it.

    Attributes:
        name: of the target.
        r: Å, (points,).
        target: G(r), Å^-2, (points,).
        simulated: G(r), Å^-2, (points,).
        error: standard errors of the target, Å^-2, (points,), or None.
        radiation: "neutron" or "xray".
        synthetic: computed, not measured.
        source: where the target comes from.
        simulated_error: standard errors of the simulated curve, or None.
    """

    name: str
    r: np.ndarray
    target: np.ndarray
    simulated: np.ndarray
    error: np.ndarray | None
    radiation: str
    synthetic: bool
    source: str
    simulated_error: np.ndarray | None = None

    @property
    def label(self) -> str:
        """What the target is, in words."""
        radiation = {"xray": "X-ray"}.get(self.radiation, self.radiation)
        return f"{radiation}, {'SYNTHETIC' if self.synthetic else 'measured'}"


@dataclass(frozen=True, slots=True)
class Partials:
    """Partial g_ab(r).

    Attributes:
        r: Å, (bins,).
        g: (pairs, bins).
        pairs: such as ``Ba-O``.
        error: standard errors, (pairs, bins), or None.
    """

    r: np.ndarray
    g: np.ndarray
    pairs: tuple[str, ...]
    error: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Averages over one measuring run.

    Attributes:
        loss: of the averages.
        loss_error: its standard error.
        parts: of the loss, by target.
        r_w: of the PDF targets, by target.
        lattice: mean a, b, c (Å), α, β, γ (degrees) of the unit cell, (6,).
        lattice_error: standard errors, (6,).
        temperature: K, measured.
        ps: length of the run.
        time: of the frames, ps, (frames,).
        cells: lattice parameters of the frames, (frames, 6).
        temperatures: K, (frames,).
        partials: mean partials, or None.
        density: atoms per Å³, or None.
        pdfs: one for each PDF target.
        delta: ΔH of the frames, eV, (frames,), or None.
        r_w_error: standard errors of `r_w`, of those that are known.
    """

    loss: float
    loss_error: float
    parts: Mapping[str, float]
    r_w: Mapping[str, float]
    lattice: np.ndarray
    lattice_error: np.ndarray
    temperature: float
    ps: float
    time: np.ndarray
    cells: np.ndarray
    temperatures: np.ndarray
    partials: Partials | None = None
    density: float | None = None
    pdfs: tuple[PdfCurve, ...] = ()
    delta: np.ndarray | None = None
    r_w_error: Mapping[str, float] = field(default_factory=dict)


def read_evaluation(path: Path, scores: Mapping[str, Any]) -> Evaluation:
    """Reads one ``evaluation_{stage}_{state}.npz``.

    Args:
        path: of the file.
        scores: the entry of ``evaluation.json``.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        data = _load(path)
        return Evaluation(
            float(scores["loss"]),
            float(scores.get("loss_error", np.nan)),
            dict(scores.get("parts") or {}),
            dict(scores.get("r_w") or {}),
            np.array(scores["lattice"], dtype=float),
            np.array(scores.get("lattice_error") or [np.nan] * 6, dtype=float),
            float(scores.get("temperature", np.nan)),
            float(scores.get("ps", np.nan)),
            data["time"],
            data["cell_parameters"],
            data["temperatures"],
            _partials(data, "partials"),
            float(data["density"]) if "density" in data else None,
            _pdfs(data),
            data.get("delta"),
            dict(scores.get("r_w_error") or {}),
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as reason:
        raise DataError(
            f"expected a measurement in {path}, found it missing or damaged ({reason!r}); run the"
            " training again in another folder"
        ) from reason


def read_reference(
    folder: Path, state: str, entry: Mapping[str, Any], evaluations: Mapping[str, Evaluation]
) -> Partials | None:
    """Partials of the world that a synthetic target was computed in, if they are at hand.

    They were kept aside from training and serve as a check. They are looked for in the
    measurement itself (``reference_partials``) and beside the target's file
    (``partials_{temperature}K.npz``).
    """
    for stage in evaluations:
        data = _load(folder / f"evaluation_{stage}_{state}.npz")
        if "reference_partials" in data:
            return _partials(data, "reference_partials")
    for target in entry.get("targets") or ():
        if not target.get("pdf"):
            continue
        path = Path(target["pdf"]).parent / f"partials_{float(entry['temperature']):g}K.npz"
        try:
            data = _load(path)
            pairs = tuple(str(p) for p in data["pairs"])
            return Partials(data["r"], data["g"].astype(float), pairs)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            continue
    return None


def _load(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file, which is closed also if it is damaged."""
    with path.open("rb") as handle, np.load(handle) as content:
        return {name: content[name] for name in content.files}


def _partials(data: Mapping[str, np.ndarray], name: str) -> Partials | None:
    if name not in data:
        return None
    pairs = tuple(str(pair) for pair in data["pairs"])
    r = data.get(name.replace("partials", "r"), data["r"])
    return Partials(r, data[name], pairs, data.get(f"{name}_error"))


def _pdfs(data: Mapping[str, np.ndarray]) -> tuple[PdfCurve, ...]:
    found = []
    while f"target{len(found)}_g" in data:
        k = f"target{len(found)}"
        found.append(
            PdfCurve(
                str(data[f"{k}_name"]),
                data[f"{k}_r"],
                data[f"{k}_g"],
                data[f"{k}_simulated"],
                data.get(f"{k}_error"),
                str(data[f"{k}_radiation"]),
                bool(data[f"{k}_synthetic"]),
                str(data.get(f"{k}_source", "")),
                data.get(f"{k}_simulated_error"),
            )
        )
    return tuple(found)
