"""The rules of impact: pure, no I/O. What was counted before and after, and how far a checkpoint is."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import Kind, Role, Verdict

# Who records series, who decides on effect, and who says by what it is measured as long as that is not frozen.
RECORDERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
JUDGES = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
DEFINERS = (*RECORDERS, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)

_LONDON = ZoneInfo("Europe/London")


class CheckpointStatus(StrEnum):
    """How far a checkpoint is. Dropped: a final verdict came before it was due."""

    PLANNED = "planned"
    MEASURED = "measured"
    JUDGED = "judged"
    DROPPED = "dropped"


def local_day(at: datetime) -> date:
    """The calendar day in England."""
    return at.astimezone(_LONDON).date()


@dataclass(frozen=True)
class Window:
    """Whole calendar days in England, from `first` until the day before `until`. Empty when `until` is not later."""

    first: date
    until: date


def window_before(at: datetime, days: int) -> Window:
    """The days before the day of `at`."""
    day = local_day(at)
    return Window(day - timedelta(days=days), day)


def window_of(month: date) -> Window:
    """A whole month, by any day of it."""
    first = month_of(month)
    return Window(first, month_of(first + timedelta(days=31)))


def baseline_before(at: datetime, days: int, prompted: date | None) -> Window:
    """The days to compare with, from the beginning of a month: as many as asked for beside the prompting month."""
    whole = window_before(at, days)
    lost = 0
    if prompted is not None:
        month = window_of(prompted)
        if whole.first < month.until and month.first < whole.until:
            lost = (min(month.until, whole.until) - month.first).days
    return Window(month_of(whole.first - timedelta(days=lost)), whole.until)


def without(window: Window, month: Window) -> tuple[Window, ...]:
    """What is left of a window beside a month, in order."""
    if month.until <= window.first or window.until <= month.first:
        return (window,)
    parts = (Window(window.first, month.first), Window(month.until, window.until))
    return tuple(part for part in parts if part.first < part.until)


def window_between(since: datetime, now: datetime) -> Window:
    """The whole days after the day of `since` and before today: a day that is not over would look too good."""
    return Window(local_day(since) + timedelta(days=1), local_day(now))


def counts_as(kind: Kind) -> tuple[int, int]:
    """What a report adds to (incidents, near misses). Good care is neither."""
    return int(kind is Kind.INCIDENT), int(kind is Kind.NEAR_MISS)


@dataclass(frozen=True)
class Observed:
    """What was counted in a window. `exposure` is in the measure's unit; counts are of where there is exposure."""

    events: int
    near_misses: int
    exposure: Decimal

    @property
    def per_1000(self) -> float | None:
        """Events per 1,000 units of exposure; None without exposure."""
        return float(self.events * 1000 / self.exposure) if self.exposure > 0 else None

    @property
    def near_miss_share(self) -> float | None:
        """Near misses among all that was reported. If it falls as events do, people may only be reporting less."""
        reported = self.events + self.near_misses
        return self.near_misses / reported if reported else None


@dataclass(frozen=True)
class RateRatio:
    """Rate after over rate before, with its confidence limits. Below 1 is fewer."""

    ratio: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Proposal:
    """What the figures say, and the rule that decided it. A person has the last word."""

    verdict: Verdict
    rule: str


def settles(verdict: Verdict) -> bool:
    """Whether a verdict ends the measuring. What is not yet proven, or cannot be judged, is measured again."""
    return verdict not in (Verdict.IMPROVING, Verdict.CANNOT_JUDGE)


class MeasureKind(StrEnum):
    """What a cycle is measured by: incidents counted here, or a series that people or another system record."""

    INCIDENT_RATE = "incident_rate"
    INDICATOR = "indicator"


class Scope(StrEnum):
    """Where incidents are counted."""

    PROVIDER = "provider"
    REGION = "region"
    LOCATION = "location"


class About(StrEnum):
    """What an indicator is about: the ways in which an action can show its effect beside fewer incidents."""

    AUDIT_SCORE = "audit_score"
    COMPETENCE = "competence_observed"
    STAFF_CONFIDENCE = "staff_confidence"
    OUTCOME_FOR_PEOPLE = "outcome_for_people"
    QUALITY_INDICATOR = "quality_indicator"


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def months_of(window: Window) -> list[date]:
    """The months that a window touches, by their first days; the first and the last may be in it in part."""
    months, month = [], month_of(window.first)
    while month < window.until:
        months.append(month)
        month = month_of(month + timedelta(days=31))
    return months
