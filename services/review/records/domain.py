"""What the records of a review must say: pure, no I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.review.domain import Gap, Participant


class Record(StrEnum):
    """A record that a method may need."""

    TERMS = "terms"
    TIMELINE = "timeline"
    PEOPLE = "people"
    STATEMENTS = "statements"


class Nature(StrEnum):
    """Whether an entry of the timeline is established, or what somebody says."""

    FACT = "fact"
    ACCOUNT = "account"


class Source(StrEnum):
    """Where an entry of the timeline comes from."""

    RECORD = "record"
    DEVICE = "device"
    OBSERVATION = "observation"
    PERSON = "person"
    OTHER = "other"


class Mark(StrEnum):
    """What an entry of the timeline marks, where its time is measured."""

    HOT_DEBRIEF = "hot_debrief"
    STRUCTURED_DEBRIEF = "structured_debrief"
    STAFF_WELFARE = "staff_welfare"
    ADVICE_GIVEN = "advice_given"
    ADVICE_IN_PLAN = "advice_in_plan"
    ADVICE_TO_STAFF = "advice_to_staff"
    ADVICE_TO_HOSPITAL = "advice_to_hospital"


@dataclass(frozen=True)
class Standard:
    """From when a mark is measured (None: from the incident), and the provider's own target. No limit of the law."""

    since: Mark | None
    within: timedelta | None


STANDARDS: Mapping[Mark, Standard] = {
    Mark.HOT_DEBRIEF: Standard(None, timedelta(hours=1)),
    Mark.STRUCTURED_DEBRIEF: Standard(None, None),
    Mark.STAFF_WELFARE: Standard(None, timedelta(hours=72)),
    Mark.ADVICE_IN_PLAN: Standard(Mark.ADVICE_GIVEN, timedelta(hours=24)),
    Mark.ADVICE_TO_STAFF: Standard(Mark.ADVICE_GIVEN, timedelta(hours=24)),
    Mark.ADVICE_TO_HOSPITAL: Standard(Mark.ADVICE_GIVEN, None),
}
"""Advice that is not known when it was given is measured from nothing."""


@dataclass(frozen=True)
class Measured:
    """How long it took to a mark, and whether that is within the provider's own target, where there is one."""

    mark: Mark
    at: datetime
    took: timedelta
    within: timedelta | None

    @property
    def kept(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        return None if self.within is None else self.took <= self.within


def measured(marks: Sequence[tuple[Mark, datetime]], happened: datetime | None) -> list[Measured]:
    """What can be measured: the first time of each mark, from the incident or from the first time of what it follows."""
    first: dict[Mark, datetime] = {}
    for mark, at in marks:
        first[mark] = min(at, first.get(mark, at))
    found = []
    for mark, standard in STANDARDS.items():
        since = happened if standard.since is None else first.get(standard.since)
        reached = first.get(mark)
        if reached is not None and since is not None:
            found.append(Measured(mark, reached, reached - since, standard.within))
    return found


class Who(StrEnum):
    """How somebody is involved. Never a name."""

    PERSON = "person"
    FAMILY = "family_or_friend"
    ADVOCATE = "advocate"
    STAFF = "staff"
    OTHER = "other"


class Approach(StrEnum):
    """Whether somebody involved was asked to take part."""

    NOT_YET = "not_yet"
    ASKED = "asked"
    DECLINED = "declined"
    UNAVAILABLE = "unavailable"
    NOT_ASKED = "not_asked"

    @property
    def explained(self) -> bool:
        """Whether it needs a reason."""
        return self in (Approach.DECLINED, Approach.UNAVAILABLE, Approach.NOT_ASKED)


class How(StrEnum):
    """In which form somebody contributes."""

    INTERVIEW = "interview"
    STATEMENT = "written_statement"
    MEETING = "meeting"
    ADVICE = "advice"


class Outcome(StrEnum):
    """What became of asking somebody to contribute."""

    ASKED = "asked"
    CONTRIBUTED = "contributed"
    DECLINED = "declined"
    UNAVAILABLE = "unavailable"

    @property
    def explained(self) -> bool:
        """Whether it needs a reason."""
        return self in (Outcome.DECLINED, Outcome.UNAVAILABLE)


OF_PERSON_OR_FAMILY = frozenset({Who.PERSON, Who.FAMILY, Who.ADVOCATE})


@dataclass(frozen=True)
class Contributed:
    """Somebody's part in a review, and what became of asking."""

    part: Participant
    outcome: Outcome


@dataclass(frozen=True)
class Involvement:
    """Somebody involved: how, whether asked, and whether they said anything."""

    who: Who
    approach: Approach
    spoke: bool


@dataclass(frozen=True)
class Kept:
    """Which records a review has."""

    terms: bool
    timeline: int
    involved: Sequence[Involvement]
    contributed: Sequence[Contributed]


def not_taken_part(asked: Sequence[str], kept: Kept, roles_of_authors: Collection[str]) -> Iterator[Gap]:
    """Who the policy wants in a review and is not in it; whoever declined or was unavailable, with a reason, is.

    Whoever wrote the review as registered manager, quality or safeguarding lead has taken part by that.
    """
    settled = {one.part for one in kept.contributed if one.outcome is not Outcome.ASKED}
    if any(_settled(one) for one in kept.involved if one.who in OF_PERSON_OR_FAMILY):
        settled.add(Participant.PERSON_OR_FAMILY)
    for part in asked:
        if part not in settled and part not in roles_of_authors:
            yield Gap(
                f"take_part.{part}",
                "must take part by the policy, and nothing says that they did",
                "Record at POST /reviews/{review_id}/contributions what they contributed, or that they declined or were"
                " unavailable, and why.",
            )


def _settled(one: Involvement) -> bool:
    return one.approach in (Approach.DECLINED, Approach.UNAVAILABLE) or (one.approach is Approach.ASKED and one.spoke)


_LEAST_ENTRIES = 2


def missing(needed: Sequence[Record], kept: Kept) -> Iterator[Gap]:
    """The records that a method needs and a review does not have."""
    for record in needed:
        match record:
            case Record.TERMS if not kept.terms:
                yield Gap("records.terms", "The method needs terms of reference.", "Write what is to be found out.")
            case Record.TIMELINE if kept.timeline < _LEAST_ENTRIES:
                yield Gap(
                    "records.timeline",
                    "The method needs a timeline, and there is none to speak of.",
                    "Enter at least two events with their time and source.",
                )
            case Record.PEOPLE if all(
                one.approach is Approach.NOT_YET or one.who not in OF_PERSON_OR_FAMILY for one in kept.involved
            ):
                yield Gap(
                    "records.people",
                    "Nothing says whether the person or the family was asked.",
                    "Record whether they were asked, and if not, why not.",
                )
            case Record.STATEMENTS if all(one.outcome is Outcome.ASKED for one in kept.contributed):
                yield Gap(
                    "records.statements",
                    "The method needs what those who were there say, and nobody said anything.",
                    "Record what each contributed, or that they declined or were unavailable.",
                )
            case _:
                pass


def since_previous(times: Sequence[datetime]) -> list[timedelta | None]:
    """How long nothing is known before each time; None before the first. The times are in order."""
    return [None if n == 0 else at - times[n - 1] for n, at in enumerate(times)]
