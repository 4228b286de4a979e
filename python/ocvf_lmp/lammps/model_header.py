"""What a model file says about itself, readable without running anything from the file."""

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocvf_lmp.errors import ModelFileError
from ocvf_lmp.potential.weights import in_words

FORMAT = "ocvf-lmp model"
VERSION = 1
RECORD = "archive/header.json"
PRECISIONS = ("float64", "float32")


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """Everything about a model but its weights.

    Attributes:
        symbols: species, in the order of the species indices.
        cutoff: Å.
        n_hops: how many cutoffs an atom's energy reaches.
        potential: what `potential.weights.construct` needs.
        precision: "float64" or "float32", in which LAMMPS evaluates the model.
        delta_only: the file holds ΔH alone, to be added to a prior by `hybrid/overlay`.
        temperature: temperature of this ΔH, K; None for a model without correction, or with one
            correction for all temperatures.
        trained_temperatures: all temperatures of the training, K.
        provenance: where the weights come from.
        checksum: SHA-256 of the weights' record.
        created: date of the export, ISO 8601, UTC.
        versions: of ocvf_lmp and torch at the export.
    """

    symbols: tuple[str, ...]
    cutoff: float
    n_hops: int
    potential: dict[str, Any]
    precision: str = "float64"
    delta_only: bool = False
    temperature: float | None = None
    trained_temperatures: tuple[float, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    checksum: str = ""
    created: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def reach(self) -> float:
        """How far an atom's energy reaches, Å."""
        return self.cutoff * self.n_hops

    @property
    def kind(self) -> str:
        """The potential in words, such as "(dimenet + repulsion) + correction dimenet"."""
        return in_words(self.potential)

    def to_json(self) -> str:
        """The header as it is stored."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str, source: str = "the model file") -> "ModelHeader":
        """The header from its stored form.

        Raises:
            ModelFileError: another format or version, or fields that are missing.
        """
        try:
            content = json.loads(text)
            found = content.pop("format"), content.pop("version")
        except (ValueError, AttributeError, KeyError, TypeError) as reason:
            raise ModelFileError(
                f"expected the header of a model in {source}, found none that can be read"
                f" ({reason!r}); export the model again by `ocvf-lmp export`"
            ) from reason
        if found != (FORMAT, VERSION):
            raise ModelFileError(
                f"expected {FORMAT}, version {VERSION}, in {source}, found {found[0]}, version"
                f" {found[1]}; install the ocvf-lmp that wrote it"
                f" ({_of(content, 'versions', 'ocvf_lmp')}; here is another), or export it again"
            )
        try:
            content["symbols"] = tuple(content["symbols"])
            content["trained_temperatures"] = tuple(content["trained_temperatures"])
            return cls(**content)
        except (KeyError, TypeError) as reason:
            raise ModelFileError(
                f"expected a complete header in {source}, found: {reason}; export the model again"
            ) from reason


def read_header(path: Path) -> ModelHeader:
    """The header of a model file; nothing in the file is executed.

    Raises:
        ModelFileError: the file is missing, truncated, or not a model of this package.
    """
    return ModelHeader.from_json(read_record(path, RECORD).decode("utf-8", "replace"), str(path))


def reach(path: str) -> float:
    """How far a model reaches, Å; what LAMMPS inputs call through LAMMPS' own `python` command."""
    return read_header(Path(path)).reach


def read_record(path: Path, name: str) -> bytes:
    """One record of a model file, its CRC checked.

    Raises:
        ModelFileError: the file is missing, truncated, or has no such record.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"expected a model file, found no file {path}; make one by `ocvf-lmp export {path}`"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except KeyError as reason:
        raise ModelFileError(
            f"expected a model exported by ocvf-lmp, found {path} without a record {name};"
            " a file of weights becomes a model by `ocvf-lmp export`"
        ) from reason
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as reason:
        raise ModelFileError(
            f"expected a whole model file, found {path} of {path.stat().st_size} bytes that"
            f" cannot be read ({reason}): truncated, damaged, or of another kind; copy it again,"
            " or export it again by `ocvf-lmp export`"
        ) from reason


def _of(content: dict[str, Any], *keys: str) -> str:
    inner: Any = content
    for key in keys:
        inner = inner.get(key, "?") if isinstance(inner, dict) else "?"
    return str(inner)
