"""Describes model files, potentials, checkpoints and ``.gr`` files from what was read of them."""

import zipfile
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocvf_lmp.analysis.description import Description, flat, span
from ocvf_lmp.potential.weights import in_words

_UNITS = {"cutoff": "Å", "temperature": "K", "trained_temperatures": "K", "reach": "Å"}


def is_exported(path: Path) -> bool:
    """Whether an archive is a model for LAMMPS; nothing of it is run."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/header.json") for name in archive.namelist())


def describe_model(path: Path, header: Any) -> Description:
    """A model for LAMMPS, from its header (a dataclass or a mapping)."""
    fields: dict[str, Any] = asdict(header) if is_dataclass(header) else dict(header)  # pyright: ignore
    provenance = fields.pop("provenance", {}) or {}
    potential = fields.pop("potential", {}) or {}
    rows = [("potential", in_words(potential, sizes=True))]
    for name in ("symbols", "trained_temperatures"):
        fields[name] = ", ".join(f"{x:g}" if isinstance(x, float) else str(x)
                                 for x in fields.get(name) or ()) or "none"  # fmt: skip
    fields["reach"] = fields.get("cutoff", 0.0) * fields.get("n_hops", 1)
    for name, value in flat(fields):
        known = value not in ("None", "none", "")
        unit = f" {_UNITS[name]}" if name in _UNITS and known else ""
        rows.append((name.replace("_", " "), f"{value if value != 'None' else 'none'}{unit}"))
    rows += _provenance(provenance)
    problems = []
    if not provenance:
        problems.append("no provenance: nothing says what the weights were trained on")
    return Description(f"Model for LAMMPS in {path.name}", tuple(rows), tuple(problems))


def describe_potential(path: Path, header: Mapping[str, Any]) -> Description:
    """A potential's weights, from their header."""
    described = header.get("potential") or {}
    provenance = header.get("provenance") or {}
    rows = [
        ("format", f"{header.get('format')}, version {header.get('version')}"),
        ("potential", in_words(described, sizes=True)),
        ("symbols", ", ".join(_symbols(described)) or "unknown"),
        *_provenance(provenance),
    ]
    problems = [] if provenance else ["no provenance: nothing says what it was trained on"]
    return Description(f"Potential in {path.name}", tuple(rows), tuple(problems))


def describe_checkpoint(path: Path, content: Mapping[str, Any]) -> Description:
    """A checkpoint of a top-down training."""
    rows = [("epochs done", str(content.get("epoch")))]
    for name, site in (content.get("sites") or {}).items():
        for number, run in enumerate(site.get("runs") or (), start=1):
            label = name if number == 1 else f"{name} #{number}"
            rows.append((label, f"{run.get('stage')}, {run.get('steps')} steps"))
    parameters = sum(
        int(np.prod(tensor.shape))
        for weights in (content.get("corrections") or {}).values()
        for tensor in weights.values()
    )
    rows.append(("parameters of the corrections", str(parameters)))
    return Description(f"Checkpoint in {path.name}", tuple(rows))


def describe_gr(path: Path, data: Any) -> Description:
    """A G(r), from an object with the attributes of `fit.gr_file.GrFile`."""
    r, g = np.asarray(data.r, dtype=float), np.asarray(data.g, dtype=float)
    steps = np.diff(r)
    low = r < 1.2
    kind = "SYNTHETIC (computed, not measured)" if data.synthetic else "taken for measured"
    rows = [
        ("kind", kind),
        ("radiation", data.radiation or "not stated"),
        ("points", f"{len(r)}, r from {span(r, 'Å')}, step {span(steps.round(6), 'Å', 3)}"),
        ("G(r)", f"{span(g, 'Å^-2')}, highest at {r[np.argmax(g)]:.2f} Å"),
    ]
    if data.error is not None:
        rows.append(("standard errors", span(data.error, "Å^-2", 3)))
    units = {"q_max": "Å^-1", "q_min": "Å^-1", "q_damp": "Å^-1", "q_broad": "Å^-1",
             "temperature": "K", "pressure": "bar", "density": "atoms/Å³"}  # fmt: skip
    for name, unit in units.items():
        value = getattr(data, name)
        if value is not None:
            rows.append((name.replace("_", " "), f"{value:.6g} {unit}"))
    if data.composition:
        shown = " ".join(f"{s} {x:.3f}" for s, x in data.composition.items())
        rows.append(("atomic fractions", shown))
    if low.sum() >= 10:  # G = -4πρr below the shortest distance
        density = -float((r[low] * g[low]).sum() / (r[low] ** 2).sum()) / (4 * np.pi)
        rows.append(("density from the slope at small r", f"{density:.4f} atoms/Å³"))
    rows.append(("source", str(data.source)))
    return Description(f"G(r) in {path.name}", tuple(rows), tuple(_gr_problems(data, r, g)))


def _gr_problems(data: Any, r: np.ndarray, g: np.ndarray) -> list[str]:
    problems = []
    lacking = [n for n in ("radiation", "q_max", "temperature") if getattr(data, n) is None]
    if data.synthetic and data.radiation == "neutron" and "q_max" in lacking:
        lacking.remove("q_max")  # a computed curve need not be filtered
    if lacking:
        names = ", ".join(name.replace("_", " ") for name in lacking)
        problems.append(f"the header does not state: {names}. Give it in the configuration")
    if data.error is None:
        problems.append("no standard errors: the metric chi2 cannot be used")
    elif (np.asarray(data.error) <= 0).any():
        problems.append("standard errors that are not positive")
    if data.q_damp is None and not data.synthetic:
        problems.append("no Q_damp: it will be fitted together with the scale")
    steps = np.diff(r)
    if np.ptp(steps) > 0.01 * steps.mean():
        problems.append("distances that are not evenly spaced")
    low = (r > 0.3) & (r < 1.4)
    if low.sum() > 10 and data.density:
        off = g[low] + 4 * np.pi * data.density * r[low]
        if np.sqrt(np.mean(off**2)) > 0.5 * g.std():
            problems.append(
                "large ripples below 1.4 Å, where no atoms are: check the normalisation and start"
                " the compared range above them"
            )
    return problems


def _symbols(description: Mapping[str, Any]) -> list[str]:
    if "symbols" in description:
        return list(description["symbols"])
    parts = (description.get("terms") or ()), (description.get("experts") or ())
    inner = [description.get("prior"), *parts[0], *parts[1]]
    return next((_symbols(part) for part in inner if part), [])


def _provenance(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a potential comes from; of its errors only those on held-out frames."""
    rows = [
        (f"from: {name}", value)
        for name, value in flat(provenance)
        if "errors.train/" not in name and "errors.validation/" not in name
    ]
    if provenance.get("synthetic_targets"):
        rows.append(
            ("note", "trained on SYNTHETIC targets: shows the method, not the real material")
        )
    return rows
