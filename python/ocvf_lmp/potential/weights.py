"""Potentials in files: a header that says what they are, and their weights.

The file is read without running code from it (``torch.load(weights_only=True)``). Priors of other
people are in it with their architecture and weights; a calculator is only named, and not made when
the file is read (see `CalculatorPrior.connect`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ocvf_lmp.errors import ModelFileError
from ocvf_lmp.files import write_atomically
from ocvf_lmp.potential.blocks import DimeNetSize
from ocvf_lmp.potential.composite import Corrected, Sum
from ocvf_lmp.potential.dimenet import DimeNet
from ocvf_lmp.potential.elsewhere import Elsewhere
from ocvf_lmp.potential.experts import Experts
from ocvf_lmp.potential.foreign.calculator import CalculatorPrior
from ocvf_lmp.potential.foreign.chgnet import ChgnetPrior
from ocvf_lmp.potential.foreign.mace import MacePrior
from ocvf_lmp.potential.pair_series import PairSeries, PairTerm
from ocvf_lmp.potential.repulsion import Repulsion

FORMAT = "ocvf-lmp potential"
VERSION = 1


def describe(potential: nn.Module) -> dict[str, Any]:
    """What `construct` needs to build a potential of the same kind; plain JSON.

    Raises:
        ModelFileError: the potential is not one of this package's.
    """
    match potential:
        case DimeNet():
            return {
                "type": "dimenet",
                "symbols": list(potential.symbols),
                "size": asdict(potential.size),
            }
        case Repulsion():
            return {
                "type": "repulsion",
                "symbols": list(potential.symbols),
                "outer": potential.outer.tolist(),
            }
        case PairSeries():
            return {
                "type": "pair series",
                "symbols": list(potential.symbols),
                "terms": [asdict(term) for term in potential.terms],
            }
        case Elsewhere():
            return {
                "type": "elsewhere",
                "symbols": list(potential.symbols),
                "commands": list(potential.commands),
            }
        case Experts():
            return {
                "type": "experts",
                "experts": [describe(expert) for expert in potential.experts],
                "anchors": list(potential.anchors),
                "width": potential.width,
                "temperature": potential.temperature,
                "frozen": potential.frozen,
            }
        case Corrected():
            return {
                "type": "corrected",
                "prior": describe(potential.prior),
                "correction": describe(potential.correction),
            }
        case Sum():
            return {"type": "sum", "terms": [describe(term) for term in potential.terms]}
        case MacePrior() | ChgnetPrior() | CalculatorPrior():
            return potential.description()
        case _:
            raise ModelFileError(
                f"expected a potential of this package, found {type(potential).__name__};"
                " only these can be stored"
            )


def in_words(description: Mapping[str, Any], sizes: bool = False) -> str:
    """The kind of a potential, such as ``(dimenet + repulsion) + correction dimenet``.

    Args:
        description: what `describe` gives.
        sizes: name the sizes of networks, too.
    """
    match description:
        case {"type": "corrected", "prior": prior, "correction": correction}:
            return f"({in_words(prior, sizes)}) + correction {in_words(correction, sizes)}"
        case {"type": "experts", "experts": experts, "anchors": anchors}:
            at = ", ".join(f"{anchor:g}" for anchor in anchors)
            state = f", frozen at {description['temperature']:g} K" if description["frozen"] else ""
            return f"experts at {at} K ({in_words(experts[0], sizes)}{state})"
        case {"type": "sum", "terms": terms}:
            return " + ".join(in_words(term, sizes) for term in terms)
        case {"type": "calculator", "factory": factory}:
            return f"calculator {factory}"
        case {"type": "dimenet", "size": size} if sizes:
            return f"dimenet [{', '.join(f'{k} {v}' for k, v in size.items())}]"
        case {"type": "pair series", "terms": terms}:
            number = sum(term["n_splines"] for term in terms)
            return f"pair series [{len(terms)} experiments, {number} splines]"
        case {"type": "elsewhere", "commands": commands}:
            return f"LAMMPS: {commands[0]}"
        case {"type": kind}:
            return str(kind)
        case _:
            return "unknown"


def construct(description: dict[str, Any]) -> nn.Module:
    """A potential of the described kind, its weights still to be loaded.

    Raises:
        ModelFileError: the description is of an unknown kind.
    """
    match description:
        case {"type": "dimenet", "symbols": symbols, "size": size}:
            return DimeNet(tuple(symbols), DimeNetSize(**size), torch.Generator())
        case {"type": "repulsion", "symbols": symbols, "outer": outer}:
            return Repulsion(tuple(symbols), torch.tensor(outer, dtype=torch.float64))
        case {"type": "pair series", "symbols": symbols, "terms": terms}:
            known = [PairTerm(**(term | {"powers": tuple(term["powers"])})) for term in terms]
            return PairSeries(symbols, known)
        case {"type": "experts", "experts": experts, "anchors": anchors, "width": width} as found:
            parts = [construct(expert) for expert in experts]
            return Experts(parts, anchors, width, found["temperature"], found["frozen"])
        case {"type": "corrected", "prior": prior, "correction": correction}:
            return Corrected(construct(prior), construct(correction))
        case {"type": "sum", "terms": terms}:
            return Sum([construct(term) for term in terms])
        case {"type": "mace" | "chgnet" | "calculator" | "elsewhere"}:
            return _of_others(description)
        case _:
            raise ModelFileError(
                f"expected a known kind of potential, found {description.get('type')!r};"
                " the file may come from a newer version of ocvf-lmp"
            )


def _of_others(description: dict[str, Any]) -> nn.Module:
    symbols = description["symbols"]
    match description["type"]:
        case "mace":
            prior = MacePrior(description["config"], symbols, description["head"])
            prior.source = dict(description.get("source", {}))
            return prior
        case "chgnet":
            return ChgnetPrior(description["arguments"], symbols)
        case "elsewhere":
            return Elsewhere(symbols, description["commands"])
        case _:
            return CalculatorPrior(description["factory"], symbols, description["arguments"])


def save_potential(path: Path, potential: nn.Module, provenance: dict[str, Any]) -> None:
    """Writes a potential with its provenance (plain JSON) to a file, atomically."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "potential": describe(potential),
        "provenance": provenance,
    }
    content = {"header": json.dumps(header), "weights": potential.state_dict()}
    write_atomically(path, lambda partial: torch.save(content, partial))


def load_potential(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A potential in float64 and its provenance.

    Raises:
        ModelFileError: the file is missing, truncated, of another format or version.
    """
    header, weights = _read(path)
    potential = construct(header["potential"])
    try:
        potential.load_state_dict(weights)
    except RuntimeError as reason:
        raise ModelFileError(
            f"expected weights that fit the header of {path}, found: {reason}; export it again"
        ) from reason
    return potential.to(torch.float64).requires_grad_(False), header["provenance"]


def read_header(path: Path) -> dict[str, Any]:
    """Format, version, kind and provenance of a potential's file."""
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise ModelFileError(
            f"expected a potential in {path}, found no such file; train or copy it there"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        header = json.loads(content["header"])
    except Exception as reason:
        raise ModelFileError(
            f"expected a complete potential file in {path}, found it truncated or of another kind"
            f" ({type(reason).__name__}); copy it again or train it anew"
        ) from reason
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise ModelFileError(
            f"expected {FORMAT} version {VERSION} in {path}, found {header.get('format')!r} version"
            f" {header.get('version')!r}; use the ocvf-lmp that wrote it"
        )
    return header, content["weights"]
