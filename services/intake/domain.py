"""The rules of intake: pure, no I/O. Times carry a time zone; the caller says what time it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.contracts.taxonomy import (
    Band,
    Category,
    Consequence,
    Kind,
    Likelihood,
    PhysicalHarm,
    PsychologicalHarm,
    Stage,
)

# A clock of the reporter's device may be a little ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)


def variance_minutes(required_at: datetime | None, done_at: datetime | None) -> int | None:
    """By how many minutes something was late, or, with a minus, early. A begun minute of lateness counts."""
    if required_at is None or done_at is None:
        return None
    return math.ceil((done_at - required_at).total_seconds() / 60)


STAGE_ORDER = [
    Stage.REPORTED,
    Stage.TRIAGED,
    Stage.REVIEWING,
    Stage.ACTING,
    Stage.VERIFYING,
    Stage.SHARING,
    Stage.CHECKING,
    Stage.CLOSED,
]

FEEDBACK = {
    Stage.REPORTED: "Thank you for speaking up. Your report is safe with us and a manager will look at it by the time shown.",
    Stage.TRIAGED: "A manager has looked at your report and decided how serious it could have been.",
    Stage.REVIEWING: "We are finding out why it happened, looking at how work is set up rather than at one person.",
    Stage.ACTING: "We know more about why it happened and have agreed what will change.",
    Stage.VERIFYING: "The changes have been made. Somebody independent is checking that they work in practice.",
    Stage.SHARING: "The changes were checked. We are telling the other teams what was learned.",
    Stage.CHECKING: "We are measuring whether the changes make a difference.",
    Stage.CLOSED: "We have finished. You can read what changed because of your report.",
    Stage.WITHDRAWN: "Your report was withdrawn with a recorded reason. Tell us if you disagree.",
    Stage.DUPLICATE: "The same event is already being looked at. Your report was added to it.",
}
"""What the reporter is told when a stage is entered, in plain words."""

TRIAGED_BY_RULE = (
    "Nobody has looked at your report in the time we set ourselves. A rule has decided for now how serious it could have"
    " been, so that it goes on, and a manager is reminded."
)
"""What the reporter is told instead when the clock triaged."""


@dataclass(frozen=True)
class Suggestion:
    """What a triage rule says about a report."""

    rule: str
    actual_harm: PhysicalHarm
    consequence: Consequence
    likelihood: Likelihood


@dataclass(frozen=True)
class TriageRule:
    """Fits a report when every condition that is set holds."""

    id: str
    kinds: frozenset[Kind] | None
    categories: frozenset[Category] | None
    immediate_danger: bool | None
    suggestion: Suggestion

    def fits(self, kind: Kind, category: Category, immediate_danger: bool) -> bool:
        """Whether the rule speaks about such a report."""
        return (
            (self.kinds is None or kind in self.kinds)
            and (self.categories is None or category in self.categories)
            and (self.immediate_danger is None or immediate_danger == self.immediate_danger)
        )


@dataclass(frozen=True)
class TriagePolicy:
    """A version of a provider's triage policy."""

    version: str
    standard: timedelta
    immediate: timedelta
    bands: Sequence[tuple[Band, int]]
    rules: Sequence[TriageRule]
    reminder_every: timedelta
    escalate_after: int

    def triage_due(self, reported_at: datetime, immediate_danger: bool) -> datetime:
        """Until when somebody must triage. A 24-hour clock runs through the night."""
        return reported_at + (self.immediate if immediate_danger else self.standard)

    def suggest(self, kind: Kind, category: Category, immediate_danger: bool) -> Suggestion:
        """What the first fitting rule says."""
        return next(rule.suggestion for rule in self.rules if rule.fits(kind, category, immediate_danger))

    def band(self, score: int) -> Band:
        """The risk band of a score of 1 to 25."""
        return next(band for band, up_to in self.bands if score <= up_to)

    def next_reminder(self, at: datetime, count: int) -> tuple[datetime, bool]:
        """When to remind next after reminder number `count`, and whether to tell the line above."""
        return at + self.reminder_every, count >= self.escalate_after


_LEAST: dict[str, Consequence] = {
    "low": Consequence.MINOR,
    "moderate": Consequence.MODERATE,
    "severe": Consequence.MAJOR,
}
"""What was done is credible: the worst credible consequence is no less than the harm (NPSA, January 2008)."""


def harm_contradiction(
    kind: Kind, category: Category, physical: PhysicalHarm, psychological: PsychologicalHarm, consequence: Consequence
) -> tuple[str, str, str] | None:
    """What cannot be true together: the field, what is wrong with it, the remedy; None if all of it can."""
    harmed = (("actual_harm", physical), ("psychological_harm", psychological))
    if kind is not Kind.INCIDENT:
        for field, harm in harmed:
            if harm != "none":
                return (
                    field,
                    "contradicts the report: a near miss or good care harmed nobody",
                    "Set it to none. If somebody was harmed, withdraw this report and report an incident.",
                )
    elif category is Category.DEATH and physical is not PhysicalHarm.FATAL:
        return (
            "actual_harm",
            "contradicts the report: it is of a death",
            "Set actual_harm to fatal. If nobody died, withdraw this report and report what happened.",
        )
    if physical is PhysicalHarm.FATAL and consequence < Consequence.CATASTROPHIC:
        return (
            "consequence",
            "contradicts the actual harm: a death is the worst credible consequence",
            "Set consequence to 5, or correct actual_harm.",
        )
    for field, harm in harmed:
        least = _LEAST.get(harm, Consequence.NEGLIGIBLE)
        if consequence < least:
            return (
                "consequence",
                f"is below the harm that was done: {field} is {harm}",
                f"Set consequence to {int(least)} or more, or correct {field}.",
            )
    return None


def may_enter(current: tuple[int, Stage], wanted: tuple[int, Stage]) -> bool:
    """Whether the process may move an incident from (cycle, stage) to another.

    Forwards, into a later cycle, or from verifying back to acting when a verifier returned an action.
    """
    if current[1].ended or wanted[0] != current[0]:
        return wanted[0] > current[0]
    if (current[1], wanted[1]) == (Stage.VERIFYING, Stage.ACTING):
        return True
    return STAGE_ORDER.index(wanted[1]) > STAGE_ORDER.index(current[1])
