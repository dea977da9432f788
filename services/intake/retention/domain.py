"""For how long records are kept: of incidents, and what is not of one. Periods are minimums, and run from when it was last used."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import Band, Category, Kind, RecordKind

_ENGLAND = ZoneInfo("Europe/London")


class Disposal(StrEnum):
    """What somebody decided about a record whose time has come."""

    DESTROY = "destroy"
    KEEP = "keep"
    PRESERVE = "preserve"


@dataclass(frozen=True)
class RetentionRule:
    """For how many years a kind of record is kept. What is None fits all."""

    id: str
    kinds: Collection[Kind] | None
    categories: Collection[Category] | None
    bands: Collection[Band] | None
    years: int
    source: str


@dataclass(frozen=True)
class RetentionPolicy:
    """The rules of one version, the first that fits counts; the last fits everything. Other kinds of records have one each."""

    version: str
    rules: Sequence[RetentionRule]
    others: Mapping[RecordKind, RetentionRule]

    def rule(self, kind: Kind, category: Category, band: Band | None) -> RetentionRule:
        """The rule for a record."""
        return next(
            rule
            for rule in self.rules
            if (rule.kinds is None or kind in rule.kinds)
            and (rule.categories is None or category in rule.categories)
            and (rule.bands is None or band in rule.bands)
        )

    @property
    def shortest(self) -> int:
        """The years before which nothing is due."""
        return min(rule.years for rule in self.rules)


@dataclass(frozen=True)
class Standing:
    """What decides whether a record may be disposed of. `last_used_at` is None while it is in use.

    `theme`: a theme that runs rests on it.
    """

    last_used_at: datetime | None
    held: bool
    proceeding: bool
    theme: bool = False


def last_used(closed_at: datetime | None, proceedings_ended: Collection[datetime]) -> datetime | None:
    """When a record was last in use; None while its case is open. A reopened case begins again with its next closing."""
    return None if closed_at is None else max([closed_at, *proceedings_ended])


def kept_until(last_used_at: datetime, years: int) -> date:
    """The last day on which a record must be kept, in England. Who used it on 29 February keeps it to 1 March."""
    day = last_used_at.astimezone(_ENGLAND).date()
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def is_due(standing: Standing, years: int, now: datetime) -> bool:
    """Whether somebody may decide to destroy the record: its period has passed and nothing speaks against it."""
    if standing.last_used_at is None or standing.held or standing.proceeding or standing.theme:
        return False
    return now.astimezone(_ENGLAND).date() > kept_until(standing.last_used_at, years)
