"""Reads the policy of sharing from YAML."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import Band, Role


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recall(_Strict):
    """When people are asked again, how many of them, and how many should still know."""

    bands: list[Band]
    after_days: int = Field(ge=1, le=365)
    answer_days: int = Field(ge=1, le=90)
    sample_percent: int = Field(ge=1, le=100)
    at_least: int = Field(ge=1, le=100)
    target_percent: int = Field(ge=1, le=100)


class Adoption(_Strict):
    """How often a location that owes a return is reminded before it goes up the line."""

    remind_days: int = Field(ge=1, le=30)
    reminders: int = Field(ge=1, le=10)


class Reach(_Strict):
    """Who of a location's line is told that a briefing is not understood there, and how often before the next rung is."""

    remind_days: int = Field(ge=1, le=30)
    times_each: int = Field(ge=1, le=10)
    line: list[Role] = Field(min_length=1)

    def rung(self, count: int) -> Role:
        """Who is told at the `count`-th reminder, counted from 1. At the top it stays."""
        return self.line[min((count - 1) // self.times_each, len(self.line) - 1)]


class SharingPolicy(_Strict):
    """A version of a provider's policy of sharing. Days are calendar days: teams work at weekends too."""

    version: str = Field(min_length=1)
    new_starter_weeks: int = Field(ge=1, le=52)
    recall: Recall
    reach: Reach
    adoption: Adoption


def load(path: Path) -> SharingPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return SharingPolicy.model_validate(yaml.safe_load(path.read_text()))


@cache
def shipped() -> SharingPolicy:
    """The default policy."""
    return load(Path(__file__).parents[1] / "policies" / "sharing.yaml")
