"""What all parts of a configuration have in common."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Refuses what it does not know, and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
