"""Reads and writes configurations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ocvf_lmp.config.priors import (
    CalculatorPriorConfig,
    ChgnetPriorConfig,
    LammpsPriorConfig,
    MacePriorConfig,
    PriorConfig,
)
from ocvf_lmp.config.schema import ExperimentConfig, PdfTargetConfig
from ocvf_lmp.config.strict import Strict
from ocvf_lmp.errors import InputError


def load_config(
    path: Path, quick: bool = False, changes: dict[str, Any] | None = None
) -> ExperimentConfig:
    """Reads and checks a configuration; paths in it become absolute.

    Args:
        path: YAML file.
        quick: apply the file's own `quick` section.
        changes: further changes, nested as in the file.

    Raises:
        InputError: the file is missing or malformed, or a value is unknown or out of range.
    """
    if not path.is_file():
        raise InputError(
            f"expected a configuration in {path}, found no such file; run from the project's root"
            " or name the file: ocvf-lmp train CONFIG"
        )
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as reason:
        raise InputError(
            f"expected YAML in {path}, found: {reason}; correct the syntax"
        ) from reason
    if not isinstance(content, dict):
        raise InputError(f"expected a mapping in {path}, found {type(content).__name__}")
    if quick:
        content = _merge(content, content.get("quick", {}))
    content = _merge(content, changes or {})
    try:
        config = ExperimentConfig.model_validate(content)
    except ValidationError as reason:
        raise InputError(
            f"expected a valid configuration in {path}, found: {explain(reason)}. Correct these"
            " entries; inputs/bto.yaml shows all that exist"
        ) from reason
    return _with_absolute_paths(config, path.resolve().parent)


def dump_config(config: Strict) -> str:
    """The resolved configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def differing_entries(one: Strict, other: Strict) -> set[str]:
    """Names of the entries that two configurations do not share, those of sections with dots."""
    first, second = (dict(_entries(config.model_dump(mode="json"))) for config in (one, other))
    both = first.keys() & second.keys()
    return (first.keys() ^ second.keys()) | {name for name in both if first[name] != second[name]}


def _entries(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    match content:
        case dict() | list() if content:
            inner = content.items() if isinstance(content, dict) else enumerate(content)
            for key, value in inner:
                yield from _entries(value, f"{name}.{key}".lstrip("."))
        case _:
            yield name, content


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _merge(inner, value) if both else value  # pyright: ignore
    return merged


def explain(reason: ValidationError) -> str:
    """What is wrong with each entry of a configuration."""
    lines = []
    for problem in reason.errors():
        place = ".".join(str(x) for x in problem["loc"] if not str(x).endswith("Config"))
        found = problem.get("input")
        shown = "" if isinstance(found, dict | list) else f" (found {found!r})"
        lines.append(f"{place or 'the file'}: {problem['msg']}{shown}")
    return "; ".join(lines)


def _with_absolute_paths(config: ExperimentConfig, folder: Path) -> ExperimentConfig:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else (folder / path).resolve()

    states = [
        state.model_copy(
            update={
                "targets": [
                    t.model_copy(update={"pdf": absolute(t.pdf)})
                    if isinstance(t, PdfTargetConfig)
                    else t
                    for t in state.targets
                ]
            }
        )
        for state in config.states
    ]
    sample = config.sample.model_copy(update={"structure": absolute(config.sample.structure)})
    training = config.training.model_copy(update={"start": absolute(config.training.start)})
    prior = prior_with_absolute_paths(config.prior, folder)
    return config.model_copy(
        update={"prior": prior, "sample": sample, "training": training, "states": states}
    )


def prior_with_absolute_paths(prior: PriorConfig, folder: Path) -> PriorConfig:
    """The entry with its files' places resolved against a folder."""

    def absolute(path: Path) -> Path:
        return (folder / path).resolve()

    match prior:
        case Path():
            return absolute(prior)
        case MacePriorConfig():
            return prior.model_copy(update={"mace": absolute(prior.mace)})
        case ChgnetPriorConfig(weights_file=Path() as path):
            return prior.model_copy(update={"chgnet": str(absolute(path))})
        case CalculatorPriorConfig():
            return prior.model_copy(update={"folder": absolute(prior.folder)})
        case LammpsPriorConfig(input_file=Path() as path):
            return prior.model_copy(update={"lammps": str(absolute(path))})
        case LammpsPriorConfig():  # LAMMPS runs in a folder of its own
            lines = [
                " ".join(str(absolute(Path(w))) if (folder / w).is_file() else w for w in ws)
                for ws in (line.split() for line in prior.lammps.splitlines())
            ]
            return prior.model_copy(update={"lammps": "\n".join(lines)})
        case _:
            return prior
