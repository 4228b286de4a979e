"""What all parts of a configuration have in common."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Refuses what it does not know, and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def for_the_record(self) -> dict[str, Any]:
        """Plain JSON for results that leave the machine: files by their names, without folders."""
        return {key: _named(value) for key, value in self.model_dump(mode="json").items()}


def _named(value: Any) -> Any:
    match value:
        case dict():
            return {key: _named(inner) for key, inner in value.items()}
        case list():
            return [_named(inner) for inner in value]
        case str() if value.startswith("/") and len(value.split()) == 1:
            return Path(value).name
        case _:
            return value
