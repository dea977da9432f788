"""What a pattern is made of, and how a signal lives: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import Band, Kind, PhysicalHarm, Stage

_LOCAL = ZoneInfo("Europe/London")


class PatternKind(StrEnum):
    """By what a pattern was found."""

    PERSON = "person_repeat"
    PLACE = "place_and_type"
    RATE = "rate_special_cause"
    CLUSTER = "cluster"
    THEME = "theme_across_services"
    WORDING = "repeated_action_wording"
    PRECURSOR = "precursor"
    THRESHOLD = "threshold"


class Trait(StrEnum):
    """What incidents may share besides type and place. Staff only ever by group."""

    PERSON = "person"
    FACTOR = "factor"
    SHIFT = "shift"
    TIME = "time_of_day"
    MEDICINE = "medicine"
    EQUIPMENT = "equipment"
    STAFF_GROUP = "staff_group"
    WORDING = "wording"


class Status(StrEnum):
    """Where a signal is. People move it on; only new evidence moves it back."""

    RAISED = "raised"
    ACCEPTED = "accepted"
    MERGED = "merged"
    DISMISSED = "dismissed"


class Decision(StrEnum):
    """What people can say to a signal."""

    ACCEPT = "accept"
    MERGE = "merge"
    DISMISS = "dismiss"

    @property
    def leads_to(self) -> Status:
        """The status after it."""
        return {
            Decision.ACCEPT: Status.ACCEPTED,
            Decision.MERGE: Status.MERGED,
            Decision.DISMISS: Status.DISMISSED,
        }[self]


class LeftOut(StrEnum):
    """Why an incident that was considered is not a member."""

    ANOTHER_VALUE = "another_value"
    NOT_KNOWN = "not_known"
    GOOD_CARE = "good_care"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"
    OUTSIDE_THE_RULE = "outside_the_rule"


@dataclass(frozen=True)
class Shifts:
    """At which hour of the day each shift begins, in the time of England."""

    begins: tuple[tuple[int, str], ...]

    def of(self, hour: int) -> str:
        """The shift of an hour; before the first beginning it is still the last shift."""
        name = self.begins[-1][1]
        for begin, shift in self.begins:
            if hour >= begin:
                name = shift
        return name


def time_of_day(hour: int) -> str:
    """The two hours of the day that an hour is in, such as `12-14`."""
    first = hour - hour % 2
    return f"{first:02d}-{first + 2:02d}"


@dataclass(frozen=True)
class Seen:
    """An incident as patterns see it: where, what, when, how bad, and what it shares with others."""

    incident_id: UUID
    location_id: UUID
    region_id: UUID | None
    kind: str
    category: str
    at: datetime
    stage: str | None
    harm: str | None
    band: str | None
    traits: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def counted(self) -> bool:
        """Whether it is in the figures: something went wrong, or nearly, and the report stands."""
        return self.kind != Kind.GOOD_CARE and self.stage not in (Stage.WITHDRAWN, Stage.DUPLICATE)

    @property
    def serious(self) -> bool:
        """Whether it did grave harm or could have."""
        return self.kind == Kind.INCIDENT and (
            self.harm in (PhysicalHarm.SEVERE, PhysicalHarm.FATAL) or self.band in (Band.HIGH, Band.EXTREME)
        )

    @property
    def reason_out(self) -> LeftOut | None:
        """Why it does not count at all, if so."""
        if self.kind == Kind.GOOD_CARE:
            return LeftOut.GOOD_CARE
        return {Stage.WITHDRAWN: LeftOut.WITHDRAWN, Stage.DUPLICATE: LeftOut.DUPLICATE}.get(self.stage)  # type: ignore[call-overload,no-any-return]


def timed(at: datetime, shifts: Shifts) -> dict[str, frozenset[str]]:
    """The traits that follow from when something happened."""
    hour = at.astimezone(_LOCAL).hour
    return {Trait.TIME: frozenset({time_of_day(hour)}), Trait.SHIFT: frozenset({shifts.of(hour)})}


@dataclass(frozen=True)
class Agreed:
    """An action as patterns see it: for which incident, when, and what stands for its words."""

    action_id: UUID
    incident_id: UUID
    location_id: UUID
    region_id: UUID | None
    category: str
    at: datetime
    wording: str
    weak: bool


@dataclass(frozen=True)
class Found:
    """A pattern as one look finds it.

    `pattern` is its name: the same pattern found again has the same. `chance` is how likely so many would be if nothing
    were behind it; None for a rule that counts only.
    """

    kind: PatternKind
    pattern: str
    location_id: UUID | None
    region_id: UUID | None
    category: str | None
    trait: str | None
    code: str | None
    rule: str
    chance: float | None
    figures: Mapping[str, str | int | bool | None]
    members: frozenset[UUID]
    since: datetime
    """From when on incidents were considered."""


def may_return(
    status: Status, new_members: int, quiet: timedelta, *, members_needed: int, quiet_needed: timedelta
) -> str | None:
    """Why a decided signal must be decided anew, if so.

    A dismissed one returns when enough happened since; an accepted one when it had been quiet and begins again.
    """
    if status is Status.DISMISSED and new_members >= members_needed:
        return "new_incidents"
    if status is Status.ACCEPTED and new_members > 0 and quiet >= quiet_needed:
        return "began_again"
    return None
