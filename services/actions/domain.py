"""The rules of actions: pure, no I/O. Times carry a time zone; the caller says what time it is.

Done, verified and effective are three different things: the owner says so; somebody else looked at evidence in
practice; the measure moved, and stayed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import Band, ExposureUnit, Kind, Verdict

_LONDON = ZoneInfo("Europe/London")


class ActionStatus(StrEnum):
    """How far an action is. Agreed: the clock does not run yet. Open: it does. Effective is not said of one action."""

    AGREED = "agreed"
    OPEN = "open"
    DONE = "done"
    VERIFIED = "verified"
    CANCELLED = "cancelled"

    @property
    def settled(self) -> bool:
        """Nothing is left to do or to verify."""
        return self in (ActionStatus.VERIFIED, ActionStatus.CANCELLED)


class CheckpointStatus(StrEnum):
    """How far a checkpoint is. Dropped: a final verdict came before it was due."""

    PLANNED = "planned"
    MEASURED = "measured"
    JUDGED = "judged"
    DROPPED = "dropped"


class EvidenceKind(StrEnum):
    """What sort of proof it is."""

    OBSERVATION = "observation"
    DOCUMENT = "document"
    AUDIT_RESULT = "audit_result"
    LINK = "link"


class VerificationMethod(StrEnum):
    """How somebody looked whether the change is there in practice."""

    SPOT_CHECK = "spot_check"
    OBSERVATION = "observation"
    DOCUMENT_CHECK = "document_check"
    PEOPLE_ASKED = "people_asked"
    RECORDS_AUDIT = "records_audit"
    RE_AUDIT = "re_audit"


def independent(verifier: UUID, *, owner: UUID, done_by: UUID | None) -> bool:
    """Whether somebody may verify: neither who owns the action nor who said that it is done."""
    return verifier not in (owner, done_by)


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


@dataclass(frozen=True)
class ImprovementPolicy:
    """A version of a provider's policy for actions and their effect."""

    version: str
    agree_working_days: int
    redo_working_days: int
    decide_working_days: int
    verify: timedelta
    checkpoints: Mapping[Band, Sequence[timedelta]]
    extension: timedelta
    baseline_days: int
    default_unit: ExposureUnit
    min_baseline_events: int
    min_expected_events: int
    confidence: float
    stronger_needed: Collection[Band]

    def plan(self, band: Band, at: datetime) -> list[datetime]:
        """When to measure after the last action of a cycle was settled, earliest first. Calendar days."""
        return [at + after for after in self.checkpoints[band]]

    def propose(self, before: Observed, after: Observed, ratio: RateRatio | None, *, last: bool) -> Proposal:
        """A verdict on the change of a rate. The first rule that fits decides. `ratio` is None when there is none.

        Improvement counts as sustained only at the last planned checkpoint. Without a clear change, few expected
        events always come with an interval too wide to say that there was none, so nothing is concluded then.
        """
        if before.exposure <= 0 or after.exposure <= 0:
            return Proposal(Verdict.CANNOT_JUDGE, "no-exposure")
        if ratio is None or before.events < self.min_baseline_events:
            return Proposal(Verdict.CANNOT_JUDGE, "few-events-before")
        if ratio.lower > 1:
            return Proposal(Verdict.WORSE, "rate-rose")
        if ratio.upper < 1:
            if last:
                return Proposal(Verdict.SUSTAINED, "rate-fell-and-stayed")
            return Proposal(Verdict.IMPROVING, "rate-fell")
        if before.events * after.exposure / before.exposure < self.min_expected_events:
            return Proposal(Verdict.CANNOT_JUDGE, "few-events-expected")
        return Proposal(Verdict.NO_CHANGE, "no-clear-change")
