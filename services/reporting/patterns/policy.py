"""Reads the pattern policy and refuses one that cannot work."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.reporting.patterns.domain import Shifts, Trait


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CountRule(_Strict):
    """So many in so many days."""

    rule: str = Field(pattern="^[a-z0-9_]{3,40}$")
    count: int = Field(ge=2)
    days: int = Field(ge=1)


class PlaceRule(CountRule):
    """The same, and unlikely."""

    chance: float = Field(gt=0, lt=0.1)


class RateRule(_Strict):
    """Which points of which charts count."""

    period_days: int = Field(ge=7)
    baseline_points: int = Field(ge=12)
    points: int = Field(ge=13)
    least_mean: float = Field(gt=0)
    shift_ratio: float = Field(ge=1)
    rules: list[str]


class ClusterRule(_Strict):
    """What is shared at one place."""

    days: int = Field(ge=7)
    count: int = Field(ge=2)
    ratio: float = Field(gt=1)
    chance: float = Field(gt=0, lt=0.1)
    traits: list[Trait]


class ThemeRule(_Strict):
    """What is shared across places: at least `locations` with `each` incidents."""

    days: int = Field(ge=7)
    locations: int = Field(ge=2)
    each: int = Field(ge=1)
    ratio: float = Field(gt=1)
    chance: float = Field(gt=0, lt=0.1)
    traits: list[Trait]


class WordingRule(_Strict):
    """How often the same words."""

    days: int = Field(ge=7)
    at_place: int = Field(ge=2)
    at_provider: int = Field(ge=2)
    locations: int = Field(ge=2)
    chance: float = Field(gt=0, lt=0.1)


class PrecursorRule(_Strict):
    """How many before a serious one."""

    days: int = Field(ge=1)
    count: int = Field(ge=2)
    chance: float = Field(gt=0, lt=0.1)


class Returns(_Strict):
    """When what was decided comes back."""

    members: int = Field(ge=1)
    quiet_days: int = Field(ge=1)


class PatternPolicy(_Strict):
    """A version of all rules."""

    version: str = Field(pattern="^[a-z0-9_-]{3,40}$")
    history_days: int = Field(ge=60)
    shifts: dict[int, str]
    person: list[CountRule]
    place: PlaceRule
    rate: RateRule
    cluster: ClusterRule
    theme: ThemeRule
    wording: WordingRule
    precursor: PrecursorRule
    returns: Returns

    def day(self) -> Shifts:
        """The shifts of a day, in order."""
        return Shifts(tuple(sorted(self.shifts.items())))


def load(path: Path) -> PatternPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return PatternPolicy.model_validate(yaml.safe_load(path.read_text()))


@cache
def shipped() -> PatternPolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")
