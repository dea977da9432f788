"""The rules of candour: pure, no I/O. The test is that of regulation 20(9), which is for social care; not the NHS one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Limb(StrEnum):
    """What the incident appears to have resulted in, or (b) requires treatment to prevent (regulation 20(9))."""

    DEATH = "death"
    IMPAIRMENT = "impairment"
    CHANGE_TO_STRUCTURE_OF_BODY = "change_to_structure_of_body"
    PROLONGED_PAIN = "prolonged_pain"
    PROLONGED_PSYCHOLOGICAL_HARM = "prolonged_psychological_harm"
    SHORTENED_LIFE_EXPECTANCY = "shortened_life_expectancy"
    TREATMENT_TO_PREVENT = "treatment_to_prevent"


LASTING = frozenset({Limb.IMPAIRMENT, Limb.PROLONGED_PAIN, Limb.PROLONGED_PSYCHOLOGICAL_HARM})
"""Limbs that count only if they have lasted, or are likely to last, for a continuous period (28 days)."""


@dataclass(frozen=True)
class Step:
    """One part of the duty."""

    id: str
    paragraph: str
    mandatory: bool
    title: str


@dataclass(frozen=True)
class CandourPolicy:
    """A version of the policy. Every length of time in it is the provider's own target."""

    version: str
    warn_at_percent: int
    late_again: timedelta
    prolonged_days: int
    steps: Mapping[str, Step]
    decide: timedelta
    in_person: timedelta
    written: timedelta
    results: timedelta
    attempts_before_unreachable: int

    def waits_for(
        self, status: str, done: Mapping[str, datetime], aware_at: datetime
    ) -> tuple[str, datetime, datetime] | None:
        """(what is waited for, since when, until when); None when nothing is."""
        if status == "to_decide":
            return "decision", aware_at, aware_at + self.decide
        if status == "not_met":
            return None
        missing = self.missing(done)
        if not missing:
            return None
        spoken = done.get("in_person_notification")
        letters = {"written_notification", "further_results"}
        if spoken is None or set(missing) - letters:
            return "in_person_notification", aware_at, aware_at + self.in_person
        if "written_notification" in missing:
            return "written_notification", spoken, spoken + self.written
        return "further_results", spoken, spoken + self.results

    def missing(self, done: Iterable[str]) -> Sequence[str]:
        """The mandatory steps that are not recorded, in order."""
        return [step.id for step in self.steps.values() if step.mandatory and step.id not in set(done)]

    def released_by(self, attempts: Sequence[str]) -> bool:
        """Whether the person declined, or could not be reached often enough (regulation 20(5)). Each is on record."""
        return "declined" in attempts or attempts.count("unreachable") >= self.attempts_before_unreachable


def is_notifiable(unintended_or_unexpected: bool, during_regulated_activity: bool, harm_test_met: bool) -> bool:
    """Whether it is a notifiable safety incident: all three questions answered yes. No harm grade has a say."""
    return unintended_or_unexpected and during_regulated_activity and harm_test_met
