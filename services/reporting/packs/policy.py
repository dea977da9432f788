"""Reads who may have packs built and shared, and for how long, and refuses a policy that cannot work."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import Role


class AccessPolicy(BaseModel):
    """A version of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    builders: tuple[Role, ...] = Field(min_length=1)
    most_days: int = Field(ge=1, le=90)
    tries_per_minute: int = Field(ge=1)
    at_a_time: int = Field(ge=1)


@cache
def shipped() -> AccessPolicy:
    """The policy that is used."""
    path = Path(__file__).parent / "policies" / "access.yaml"
    return AccessPolicy.model_validate(yaml.safe_load(path.read_text()))
