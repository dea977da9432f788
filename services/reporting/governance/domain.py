"""The rules of the governance cycle: pure, no I/O. Times carry a time zone; the caller says what time it is."""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import MeetingLevel

LONDON = ZoneInfo("Europe/London")
HOUR = 6
"""At which an agenda is compiled, in the time of England."""


class ItemStatus(StrEnum):
    """Where a decision or challenge is: with its owner, with whoever judges the answer, or settled."""

    OPEN = "open"
    ANSWERED = "answered"
    ACCEPTED = "accepted"


class Question(StrEnum):
    """What a challenge asks, in the questions that show scrutiny (requirements GV-01 and GV-02)."""

    EVIDENCE = "does_the_evidence_support_it"
    CHANGE = "what_changed_and_why"
    DIFFERENCE = "why_do_services_differ"
    WORKING = "are_actions_in_place_and_working"
    ASSURANCE = "independent_assurance"
    OTHER = "other"


class Altered(StrEnum):
    """What an accepted answer altered (GV-03)."""

    PLAN = "plan"
    MONEY = "money"
    PACE = "pace"


class Topic(StrEnum):
    """What an agenda puts before a meeting. Each counts records and names them."""

    HIGH_RISK = "high_risk"
    OVERDUE = "overdue"
    UNVERIFIED = "unverified"
    INEFFECTIVE = "ineffective"
    UNANSWERED_CALLS = "unanswered_calls"
    SERIOUS_HARM = "serious_harm"
    THEMES = "themes"
    SIGNALS = "signals"


def occurrence(now: datetime, every_months: int, day: int, *, after: int = 0) -> datetime:
    """The newest day of a cadence that is not after `now`, or the `after`-th from there. UTC.

    Months count from January, so that a quarterly meeting is in January, April, July and October.
    """

    def at(index: int) -> datetime:
        return datetime(index // 12, index % 12 + 1, day, HOUR, tzinfo=LONDON).astimezone(UTC)

    local = now.astimezone(LONDON)
    index = local.year * 12 + local.month - 1
    index -= index % every_months
    if at(index) > now:
        index -= every_months
    return at(index + after * every_months)


def above(level: MeetingLevel, meeting: Collection[MeetingLevel], region_id: UUID | None) -> MeetingLevel:
    """The next level that meets and that there is: no region, no regional meeting. The top stays where it is."""
    levels = list(MeetingLevel)
    for higher in levels[levels.index(level) + 1 :]:
        if higher in meeting and not (higher is MeetingLevel.REGION and region_id is None):
            return higher
    return level


def place_of(level: MeetingLevel, location_id: UUID | None, region_id: UUID | None) -> tuple[UUID | None, UUID | None]:
    """The location and the region that a meeting of a level is of."""
    if level is MeetingLevel.SERVICE:
        return location_id, region_id
    return None, region_id if level is MeetingLevel.REGION else None
