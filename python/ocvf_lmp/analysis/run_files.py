"""Reading the small files of a run folder: problems are noted, not raised."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def read_config(folder: Path, problems: list[str]) -> Mapping[str, Any]:
    """The resolved configuration; empty if it cannot be read."""
    path = folder / "config.yaml"
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, OSError) as reason:
        problems.append(f"{path.name} cannot be read: {reason}")
        return {}
    return content if isinstance(content, dict) else {}


def read_json(path: Path, problems: list[str]) -> Mapping[str, Any]:
    """A JSON object; empty if it cannot be read."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text())
    except (ValueError, OSError) as reason:
        problems.append(f"{path.name} cannot be read: {reason}")
        return {}


def read_metrics(folder: Path, problems: list[str]) -> list[Mapping[str, Any]]:
    """The windows of training, one record each; damaged lines are left out."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return []
    found, broken = [], 0
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
            found.append(record | {"epoch": int(record["epoch"])})
        except (ValueError, KeyError, TypeError):
            broken += 1
    if broken:
        problems.append(f"metrics.jsonl: {broken} damaged lines were left out")
    return found


def state_name(entry: Mapping[str, Any]) -> str:
    """The name that a state of the configuration has in the names of files."""
    name = f"{float(entry.get('temperature', 0)):g}K"
    pressure = float(entry.get("pressure", 1.0))
    return name if pressure == 1.0 else f"{name}_{pressure:g}bar"


def dig(content: Any, *keys: str) -> Any:
    """An inner value of nested mappings, or None."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content
