"""The page "Input reference", made of the configuration's schema.

mkdocs calls `on_files` (see mkdocs.yml); `python docs/input_reference.py` prints the page.
"""

import enum
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from ocvf_lmp.config import priors, schema, sweep

PAGE = "input-reference.md"
UNITS = (
    "Å", "ps", "K", "bar", "eV", "1/Å", "degrees", "atoms per Å^3", "(Å/eV)²", "steps", "epochs",
    "per nat (reweight)",
)  # fmt: skip
WORDS: dict[Any, tuple[str, str]] = {
    float: ("number", "numbers"),
    int: ("integer", "integers"),
    str: ("text", "texts"),
    bool: ("true or false", ""),
    Path: ("file", "files"),
    dict: ("mapping", "mappings"),
}
"""Names of types, of one and of several."""

PRIORS = (
    priors.LammpsPriorConfig,
    priors.MacePriorConfig,
    priors.ChgnetPriorConfig,
    priors.CalculatorPriorConfig,
)
SECTIONS: dict[type[BaseModel], str] = {
    schema.ExperimentConfig: "The file",
    schema.SampleConfig: "sample",
    schema.CorrectionConfig: "correction",
    schema.CevmConfig: "cevm",
    schema.SamplerConfig: "sampler",
    schema.DynamicsConfig: "dynamics",
    schema.TrainingConfig: "training",
    schema.StateConfig: "states",
    schema.PdfTargetConfig: "A target: pdf",
    schema.LatticeTargetConfig: "A target: lattice",
    schema.StressTargetConfig: "A target: pressure_tensor",
    priors.LammpsPriorConfig: "prior: lammps",
    priors.MacePriorConfig: "prior: mace",
    priors.ChgnetPriorConfig: "prior: chgnet",
    priors.CalculatorPriorConfig: "prior: calculator",
    sweep.SweepConfig: "A sweep",
}
INTRODUCTION = """\
# Input reference

This page is made from the schema that checks every configuration
(`python/ocvf_lmp/config/`): what it does not list is refused.

- `ocvf-lmp train CONFIG` reads a YAML file with the entries of [The file](#the-file). Paths are
  relative to that file. `config.yaml` in the run folder shows every option with the value that it
  had.
- `quick` holds changes in the form of the file itself; `--quick` applies them. Mappings are merged,
  lists replaced.
- Numbers have to be finite. Where a range has no unit it is that of the option.
- A *required* entry has no default. `null` means: nothing, or what the text says.
"""


def page() -> str:
    """The whole page in Markdown."""
    parts = [INTRODUCTION]
    for model, title in SECTIONS.items():
        text = " ".join((model.__doc__ or "").split()).replace("``", "`")
        parts.append(f"## {title}\n\n{text}\n\n{table(model)}\n")
    return "\n".join(parts)


def table(model: type[BaseModel]) -> str:
    """One row an option."""
    rows = ["| option | type | default | unit | range | what |", "|---|---|---|---|---|---|"]
    for name, entry in model.model_fields.items():
        what, unit = described(name, entry)
        kind = kind_of(entry.annotation)
        limits = range_of([*entry.metadata, *nested(entry.annotation)])
        cells = (f"`{name}`", kind, default_of(entry), unit, limits, what)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def described(name: str, entry: FieldInfo) -> tuple[str, str]:
    """What an option is, and its unit, which the description ends (or begins) with.

    Raises:
        ValueError: an option without a description.
    """
    text = entry.description or ""
    inner = section_of(entry.annotation)
    if not text and inner is not None:
        return f"see [{SECTIONS[inner]}](#{anchor(SECTIONS[inner])})", ""
    if not text:
        raise ValueError(f"expected a description of the option {name}, found none; add it")
    head, _, last = text.rpartition(", ")
    if last in UNITS:
        return head or text, last.removesuffix(" (reweight)")
    first = text.split()[0]
    return text, first if first in UNITS else ""


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that describes a type, if one does."""
    return annotation if isinstance(annotation, type) and annotation in SECTIONS else None


def kind_of(annotation: Any, several: bool = False) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0], several)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_of(part, several) for part in arguments))
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"{len(arguments)} {kind_of(arguments[0], several=True)}"
    if origin in (tuple, list):
        return f"list of {kind_of(arguments[0], several=True)}"
    if annotation is type(None):
        return "null"
    section = section_of(annotation)
    if section is not None:
        return f"[{SECTIONS[section]}](#{anchor(SECTIONS[section])})"
    return WORDS[origin or annotation][several]


def nested(annotation: Any) -> Iterator[Any]:
    """Limits of the parts of a type."""
    for part in get_args(annotation):
        if isinstance(part, FieldInfo):
            yield from part.metadata
        elif not isinstance(part, str | int | enum.Enum):
            yield from nested(part)


def range_of(limits: list[Any]) -> str:
    """Limits in words."""
    found = []
    for sign, name in ((">", "gt"), ("≥", "ge"), ("<", "lt"), ("≤", "le")):
        values = {
            getattr(limit, name) for limit in limits if getattr(limit, name, None) is not None
        }
        found += [f"{sign} {value:g}" for value in sorted(values)]
    shortest = [limit.min_length for limit in limits if getattr(limit, "min_length", None)]
    if shortest:
        found.append("not empty")
    patterns = [limit.pattern for limit in limits if getattr(limit, "pattern", None)]
    return ", ".join(found + [f"`{pattern}`" for pattern in patterns])


def default_of(entry: FieldInfo) -> str:
    """A default as YAML has it."""
    if entry.is_required():
        return "*required*"
    value = entry.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        value = f"[{', '.join(map(str, value))}]"
    words = {None: "null", True: "true", False: "false"}
    if isinstance(value, bool) or value is None:
        return f"`{words[value]}`"
    return f"`{value}`" if value != "" else '`""`'


def anchor(title: str) -> str:
    """What Markdown makes of a heading."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " _-")
    return "-".join(kept.split())


def on_files(files: Any, config: Any) -> Any:
    """Mkdocs' hook: adds the page."""
    from mkdocs.structure.files import File  # noqa: PLC0415 (only where the site is built)

    files.append(File.generated(config, PAGE, content=page()))
    return files


if __name__ == "__main__":
    print(page())
