"""Reads the policy of protections from YAML and refuses one that cannot work."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import ProtectionKind

_Hours = Annotated[int, Field(ge=1, le=24 * 14)]


class ProtectionPolicy(BaseModel):
    """A version of the policy: how long until the next look at most, by kind, and what happens around it."""

    model_config = ConfigDict(extra="forbid")

    version: str = Field(min_length=1)
    look_again_days_at_most: dict[ProtectionKind, Annotated[int, Field(ge=1, le=366)]]
    late_again_hours: _Hours
    shown_hours_before: _Hours

    @model_validator(mode="after")
    def _every_kind(self) -> "ProtectionPolicy":
        if missing := set(ProtectionKind) - self.look_again_days_at_most.keys():
            raise ValueError(f"look_again_days_at_most: nothing for {', '.join(sorted(missing))}")
        return self


@cache
def shipped() -> ProtectionPolicy:
    """The default policy."""
    path = Path(__file__).parents[1] / "policies" / "protection.yaml"
    return ProtectionPolicy.model_validate(yaml.safe_load(path.read_text()))
