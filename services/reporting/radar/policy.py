"""Reads the radar's policy and refuses one that cannot work."""

from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Weakness(StrEnum):
    """What can be weak. The first five are those that inspectors name; silence is beside them, without records."""

    ACTIONS_WITHOUT_CHANGE = "actions_without_change"
    REPEATS_WITHOUT_LEARNING = "repeats_without_learning"
    LEARNING_NOT_SHARED = "learning_not_shared"
    NO_OVERSIGHT = "no_oversight"
    BLAME = "blame"
    LATE_TO_REPORT = "late_to_report"
    LATE_TO_REVIEW = "late_to_review"
    UNVERIFIED = "unverified"
    WEAK_ACTIONS_ONLY = "weak_actions_only"
    OBLIGATIONS_LATE = "obligations_late"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """The usual share, and how many records are needed to say anything."""

    benchmark: float = Field(gt=0, lt=1)
    least: int = Field(ge=1)


class Silence(_Strict):
    """When few reports are too few."""

    days: int = Field(ge=28)
    chance: float = Field(gt=0, lt=0.1)
    least_peers: int = Field(ge=3)


class RadarPolicy(_Strict):
    """A version of all thresholds."""

    version: str
    days: int = Field(ge=28)
    chance: float = Field(gt=0, lt=0.5)
    silence: Silence
    weaknesses: dict[Weakness, Threshold]

    @model_validator(mode="after")
    def _all_named(self) -> "RadarPolicy":
        if missing := set(Weakness) - set(self.weaknesses):
            raise ValueError(f"no threshold for {', '.join(sorted(missing))}")
        return self


@cache
def shipped() -> RadarPolicy:
    """The default policy."""
    path = Path(__file__).parent / "policies" / "default.yaml"
    return RadarPolicy.model_validate(yaml.safe_load(path.read_text()))
