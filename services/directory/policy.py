"""Reads a directory policy from YAML and refuses one that cannot work."""

from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.contracts.taxonomy import Role
from services.directory.domain import DirectoryPolicy


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _OnCall(_Strict):
    ladder: list[Role] = Field(min_length=1)
    stands_in: dict[Role, list[Role]] = Field(default_factory=dict)
    longest_turn_days: int = Field(ge=1)

    @field_validator("ladder")
    @classmethod
    def _callable_once(cls, ladder: list[Role]) -> list[Role]:
        if len(set(ladder)) < len(ladder):
            raise ValueError("a role on two rungs would be called twice: name each role once")
        if Role.SERVICE in ladder:
            raise ValueError("`service` is a machine: name roles that people hold")
        return ladder


class _Exposure(_Strict):
    most_occupied: Decimal = Field(ge=1, le=2)
    most_care_hours: Decimal = Field(gt=0, le=1_000_000)


class _Document(_Strict):
    version: str
    on_call: _OnCall
    exposure: _Exposure


def load(path: Path) -> DirectoryPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
    return DirectoryPolicy(
        version=document.version,
        ladder=document.on_call.ladder,
        stands_in=document.on_call.stands_in,
        longest_turn=timedelta(days=document.on_call.longest_turn_days),
        most_occupied=document.exposure.most_occupied,
        most_care_hours=document.exposure.most_care_hours,
    )


@cache
def shipped() -> DirectoryPolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")
