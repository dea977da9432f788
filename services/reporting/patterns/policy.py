"""Reads the pattern policy and refuses one that cannot work. A provider may have its own."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.contracts.taxonomy import Category, Kind
from services.reporting.patterns.domain import Shifts, Trait
from services.runtime.policy_file import VERSION, PolicyKind


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


class PersonRule(_Strict):
    """Counts of one person and one type, and how many a look may find by chance alone; with less known, by count."""

    counts: list[CountRule] = Field(min_length=1)
    by_chance: float = Field(gt=0, le=5)
    least_events: int = Field(ge=1)
    least_days: int = Field(ge=28)


class RateRule(_Strict):
    """Over which periods a change of a rate is looked for, and how many a look may find by chance alone."""

    period_days: int = Field(ge=7)
    baseline_periods: int = Field(ge=6)
    lengths: list[Annotated[int, Field(ge=1, le=26)]] = Field(min_length=1)
    place_periods: int = Field(ge=1)
    least_events: int = Field(ge=1)
    by_chance: float = Field(gt=0, le=5)
    held: float = Field(gt=0, lt=0.1)
    ratio: float = Field(ge=1)


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
    held: float = Field(gt=0, lt=0.1)
    traits: list[Trait]


class WordingRule(_Strict):
    """How often the same words."""

    days: int = Field(ge=7)
    at_place: int = Field(ge=2)
    at_provider: int = Field(ge=2)
    locations: int = Field(ge=2)
    share: float = Field(gt=0, le=1)
    chance: float = Field(gt=0, lt=0.1)


class PrecursorRule(_Strict):
    """How many before a serious one."""

    days: int = Field(ge=1)
    count: int = Field(ge=2)
    chance: float = Field(gt=0, lt=0.1)


class Scope(StrEnum):
    """What a threshold counts by."""

    LOCATION = "location"
    REGION = "region"
    PROVIDER = "provider"


class ThresholdRule(CountRule):
    """So many in so many days at each place, in each region or at the whole provider, of what the rule names."""

    scope: Scope
    category: Category | None = None
    kind: Literal[Kind.INCIDENT, Kind.NEAR_MISS] | None = None
    serious: bool = False
    """Only what did grave harm or could have."""


class Returns(_Strict):
    """When what was decided comes back."""

    members: int = Field(ge=1)
    quiet_days: int = Field(ge=1)


class PatternPolicy(_Strict):
    """A version of all rules."""

    version: str = Field(pattern=VERSION)
    history_days: int = Field(ge=60)
    shifts: dict[int, str]
    person: PersonRule
    place: PlaceRule
    rate: RateRule
    cluster: ClusterRule
    theme: ThemeRule
    wording: WordingRule
    precursor: PrecursorRule
    thresholds: list[ThresholdRule] = Field(default=[], max_length=40)
    returns: Returns

    @field_validator("thresholds")
    @classmethod
    def _named_once(cls, rules: list[ThresholdRule]) -> list[ThresholdRule]:
        if len({one.rule for one in rules}) < len(rules):
            raise ValueError("two rules have the same name: name each once")
        return rules

    def built(self) -> "PatternPolicy":
        """What is decided by is the file as it stands."""
        return self

    def day(self) -> Shifts:
        """The shifts of a day, in order."""
        return Shifts(tuple(sorted(self.shifts.items())))


def load(path: Path) -> PatternPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return PatternPolicy.model_validate(yaml.safe_load(path.read_text()))


_SHIPPED = Path(__file__).parent / "policies" / "default.yaml"


@cache
def shipped() -> PatternPolicy:
    """The default policy."""
    return load(_SHIPPED)


KIND = PolicyKind("patterns", PatternPolicy, build=PatternPolicy.built, shipped=shipped, text=_SHIPPED)
