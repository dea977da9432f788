"""The rules of the ladder: pure, no I/O."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from enum import StrEnum
from typing import Any

from services.contracts.taxonomy import Band, Category, EscalationReason, Kind, PhysicalHarm, Role


class Outcome(StrEnum):
    """What became of the call of one rung."""

    WAITING = "waiting"
    NOBODY_FOUND = "nobody_found"
    UNANSWERED = "unanswered"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED_ELSEWHERE = "answered_elsewhere"


class Same(StrEnum):
    """What incidents of a series have in common, beside their type."""

    PERSON = "person"
    PLACE = "place"
    PROVIDER = "provider"


@dataclass(frozen=True)
class Circumstances:
    """What a rule may look at."""

    band: Band | None
    category: Category
    kind: Kind
    out_of_hours: bool
    count: int = 1
    actual_harm: PhysicalHarm | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)

    def answered(self, wanted: Mapping[str, frozenset[Any]] | None) -> bool:
        """Whether each question that is named has one of the answers that are."""
        return all(self.answers.get(question) in values for question, values in (wanted or {}).items())


@dataclass(frozen=True)
class Rule:
    """Starts the ladder at a rung; each rung then has `answer` to acknowledge."""

    id: str
    reason: EscalationReason
    start: Role
    answer: timedelta
    bands: frozenset[Band] | None = None
    categories: frozenset[Category] | None = None
    kinds: frozenset[Kind] | None = None
    actual_harms: frozenset[PhysicalHarm] | None = None
    out_of_hours: bool | None = None
    at_least: int = 1
    answers: Mapping[str, frozenset[Any]] | None = None

    def fits(self, reason: EscalationReason, at: Circumstances) -> bool:
        """Whether the rule speaks about this reason in these circumstances."""
        return (
            reason is self.reason
            and (self.bands is None or at.band in self.bands)
            and (self.categories is None or at.category in self.categories)
            and (self.kinds is None or at.kind in self.kinds)
            and (self.actual_harms is None or at.actual_harm in self.actual_harms)
            and (self.out_of_hours is None or at.out_of_hours == self.out_of_hours)
            and at.count >= self.at_least
            and at.answered(self.answers)
        )


@dataclass(frozen=True)
class Tell:
    """Who else is told at once for a reason, beside the ladder."""

    id: str
    reason: EscalationReason
    roles: Sequence[Role]
    bands: frozenset[Band] | None = None
    categories: frozenset[Category] | None = None
    kinds: frozenset[Kind] | None = None
    people_at_least: int = 1
    answers: Mapping[str, frozenset[Any]] | None = None

    def fits(self, reasons: Sequence[EscalationReason], at: Circumstances, people: int) -> bool:
        """Whether the rule speaks about one of these reasons in these circumstances."""
        return (
            self.reason in reasons
            and (self.bands is None or at.band in self.bands)
            and (self.categories is None or at.category in self.categories)
            and (self.kinds is None or at.kind in self.kinds)
            and people >= self.people_at_least
            and at.answered(self.answers)
        )


@dataclass(frozen=True)
class Quietly:
    """What a role finds in its inbox for a while, without being called."""

    id: str
    roles: Sequence[Role]
    categories: frozenset[Category]
    kinds: frozenset[Kind]
    shown: timedelta


@dataclass(frozen=True)
class Repeat:
    """How often, in how many days, makes a repeat. `quiet` keeps one pattern from calling people day after day."""

    id: str
    same: Same
    same_type: bool
    at_least: int
    within: timedelta
    bands: frozenset[Band] | None
    quiet: timedelta | None


@dataclass(frozen=True)
class EscalationPolicy:
    """A version of a provider's escalation policy."""

    version: str
    ladder: Sequence[Role]
    repeat_at_top: Sequence[timedelta]
    interrupts_within: timedelta
    opens: time
    closes: time
    rules: Sequence[Rule]
    tell: Sequence[Tell]
    quietly: Sequence[Quietly]
    repeats: Sequence[Repeat]

    @property
    def top(self) -> int:
        """The level of the highest rung."""
        return len(self.ladder) - 1

    def level(self, role: Role) -> int:
        """The level of a role's rung, from 0; of a role that stands on none, the lowest."""
        return self.ladder.index(role) if role in self.ladder else 0

    def asks_for_harm(self, reasons: Sequence[EscalationReason]) -> bool:
        """Whether a rule about one of these reasons looks at the harm that was done."""
        return any(rule.actual_harms is not None and rule.reason in reasons for rule in self.rules)

    def about_answers(self, questions: Collection[str]) -> "EscalationPolicy":
        """Only what looks at the answer to one of these questions."""
        rules = [rule for rule in self.rules if not (rule.answers or {}).keys().isdisjoint(questions)]
        tell = [one for one in self.tell if not (one.answers or {}).keys().isdisjoint(questions)]
        return replace(self, rules=rules, tell=tell)

    def choose(self, reasons: Sequence[EscalationReason], at: Circumstances) -> Rule | None:
        """Of all rules that fit, the one that starts highest; the first of those. None: nobody has to be called."""
        fitting = [rule for rule in self.rules for reason in reasons if rule.fits(reason, at)]
        return max(fitting, key=lambda rule: self.level(rule.start), default=None)

    def top_again(self, calls: int) -> timedelta:
        """How long after the top was called for the `calls`-th time it is called again."""
        return self.repeat_at_top[min(max(calls, 1), len(self.repeat_at_top)) - 1]
