"""The rules of obligations: pure, no I/O. Facts are codes, numbers, dates and yes or no; None is not yet known."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.contracts.taxonomy import ObligationOutcome as Outcome
from services.contracts.taxonomy import Role

DECIDERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
)
"""Who decides for the provider about an incident."""

ANSWERERS = (*DECIDERS, Role.SHIFT_LEAD, Role.ON_CALL_MANAGER)
"""Who manages an incident: says what is known of it, and sees to what is done in the first hours."""

LONDON = ZoneInfo("Europe/London")
NOT_YET_KNOWN = "not_yet_known"


@dataclass(frozen=True)
class Check:
    """One condition over one fact. `over` and `at_least` compare numbers, `known` asks whether there is an answer.

    `by` is the fact that holds the number where it is known.
    """

    fact: str
    op: str
    value: Any
    by: str | None = None

    def holds(self, facts: Mapping[str, Any]) -> bool | None:
        """Whether it holds; None while the fact is not known."""
        fact = facts.get(self.fact)
        if self.op == "known":
            return fact is not None and fact != NOT_YET_KNOWN
        if fact == NOT_YET_KNOWN and self.op == "is" and NOT_YET_KNOWN in self.value:
            return True
        if fact is None or fact == NOT_YET_KNOWN:
            return None
        if self.op == "over":
            return bool(fact > self.limit(facts))
        if self.op == "at_least":
            return bool(fact >= self.limit(facts))
        if isinstance(fact, list):
            return bool(set(fact).intersection(self.value))
        return fact in self.value

    def limit(self, facts: Mapping[str, Any]) -> Any:
        """What it is compared with."""
        own = None if self.by is None else facts.get(self.by)
        return self.value if own is None else own


@dataclass(frozen=True)
class Group:
    """Several conditions: `all`, `any` or, with one of them, `not`. What is unknown stays unknown unless it cannot matter."""

    op: str
    parts: Sequence["Condition"]

    def holds(self, facts: Mapping[str, Any]) -> bool | None:
        """Three-valued: true, false, or None."""
        results = [part.holds(facts) for part in self.parts]
        if self.op == "not":
            return None if results[0] is None else not results[0]
        decides = self.op == "any"
        if decides in results:
            return decides
        return None if None in results else not decides


Condition = Check | Group


def tests_of(condition: Condition) -> list[Check]:
    """Every test in a condition, in order."""
    if isinstance(condition, Check):
        return [condition]
    return [test for part in condition.parts for test in tests_of(part)]


def open_facts(condition: Condition, facts: Mapping[str, Any]) -> list[str]:
    """The facts on which the answer still turns, in order; those that cannot matter any more are left out."""
    if condition.holds(facts) is not None:
        return []
    if isinstance(condition, Check):
        return [condition.fact]
    return list(dict.fromkeys(fact for part in condition.parts for fact in open_facts(part, facts)))


@dataclass(frozen=True)
class Limit:
    """A length of time and what it runs from. Days end with the last moment of the day in London, the first not counted.

    No days are the day itself.
    """

    hours: float | None
    days: int | None
    runs_from: str
    hours_by: str | None = None

    def due(self, start: datetime, facts: Mapping[str, Any]) -> datetime:
        """When it ends. Hours run through nights; days count weekends and bank holidays."""
        if self.hours is not None:
            answered = facts.get(self.hours_by) if self.hours_by is not None else None
            return start + timedelta(hours=self.hours if answered is None else answered)
        assert self.days is not None
        return end_of_day(day_in_london(start) + timedelta(days=self.days))


@dataclass(frozen=True)
class Rule:
    """One obligation. `statutory` is None unless the law states a number; `target` is always the provider's own."""

    id: str
    row: int
    title: str
    recipient: str
    recipient_name: str
    legal_basis: str
    statutory_wording: str
    statutory: Limit | None
    target: Limit | None
    when: Condition
    ask_when: Condition | None
    must_decide_when: Condition | None
    consider_when: Condition | None
    decide_target: Limit | None
    proof: str
    notes: Sequence[str]
    draft: Sequence[str]
    per_person: bool = False
    per_contract: bool = False
    advice: bool = False
    kept_by: str | None = None
    sent_sets: str | None = None
    needs_to_send: Sequence[str] = ()
    codes_only: bool = False
    must_decide_later_when: Condition | None = None
    decide_later_target: Limit | None = None

    def must_be_decided(self, facts: Mapping[str, Any]) -> bool:
        """Whether what is only asked keeps the incident open until it is decided."""
        return _holds(self.must_decide_when, facts) or _holds(self.must_decide_later_when, facts)

    def time_to_decide(self, facts: Mapping[str, Any]) -> Limit | None:
        """The provider's own time to decide: the longer one where nothing asks for it sooner."""
        sooner = _holds(self.must_decide_when, facts) or _holds(self.consider_when, facts)
        return (
            self.decide_later_target
            if not sooner and _holds(self.must_decide_later_when, facts)
            else self.decide_target
        )


@dataclass(frozen=True)
class Finding:
    """What one test found."""

    fact: str
    test: str
    value: Any
    holds: bool | None


@dataclass(frozen=True)
class Assessment:
    """What a rule says, and why."""

    rule: Rule
    outcome: Outcome
    must_decide: bool
    findings: Sequence[Finding]
    missing: Sequence[str] = field(default=())
    pointers: Sequence[Finding] = field(default=())

    def explained(self) -> dict[str, Any]:
        """Ready to be kept as JSON: the conditions with the facts they met, what points to it, what is still to be asked."""
        return {
            "outcome": str(self.outcome),
            "must_decide": self.must_decide,
            "findings": [asdict(f) for f in self.findings],
            "pointers": [asdict(f) for f in self.pointers],
            "missing": list(self.missing),
        }


def assess(rule: Rule, facts: Mapping[str, Any]) -> Assessment:
    """Triggered, suggested (facts are missing or point both ways: ask) or not triggered, explained.

    Where a test is not met but `consider_when` holds, the facts point both ways, and a person decides with a reason.
    """
    tests = tests_of(rule.when)
    held = rule.when.holds(facts)
    findings = _findings(tests, facts)
    missing = open_facts(rule.when, facts)
    asked = held is None and _holds(rule.ask_when, facts)
    considered = held is False and _holds(rule.consider_when, facts)
    outcome = Outcome.TRIGGERED if held else Outcome.SUGGESTED if asked or considered else Outcome.NOT_TRIGGERED
    must = outcome is Outcome.TRIGGERED or considered or (asked and rule.must_be_decided(facts))
    pointing = rule.consider_when if considered else rule.ask_when if held is None else None
    pointers = _findings(tests_of(pointing), facts) if pointing is not None else []
    return Assessment(rule, outcome, must, findings, missing, [p for p in pointers if p.holds])


def _holds(condition: Condition | None, facts: Mapping[str, Any]) -> bool:
    return condition is not None and condition.holds(facts) is True


def _findings(tests: Sequence[Check], facts: Mapping[str, Any]) -> list[Finding]:
    return [Finding(t.fact, describe(t, facts), facts.get(t.fact), t.holds(facts)) for t in tests]


def describe(test: Check, facts: Mapping[str, Any]) -> str:
    """A test in words."""
    if test.op == "known":
        return "is known"
    if test.op == "over":
        return f"is over {test.limit(facts)}"
    if test.op == "at_least":
        return f"is at least {test.limit(facts)}"
    return "is " + " or ".join("yes" if v is True else "no" if v is False else str(v) for v in test.value)


def warn_at(start: datetime, target: datetime, percent: int) -> datetime:
    """When `percent` of the way from start to target has passed."""
    return start + max(target - start, timedelta(0)) * percent / 100


def day_in_london(at: datetime) -> date:
    """The date in London at a moment that carries a time zone."""
    return at.astimezone(LONDON).date()


def end_of_day(day: date) -> datetime:
    """The last second of a day in London, in UTC."""
    return datetime.combine(day, time(23, 59, 59), LONDON).astimezone(UTC)


def days_incapacitated(accident_on: date, unfit_from: date, unfit_to: date) -> int:
    """Consecutive days on which a worker cannot do their normal work, by RIDDOR 2013 regulation 4(2).

    The day of the accident does not count; weekends, rest days and bank holidays do. Both ends are included.
    """
    first = max(unfit_from, accident_on + timedelta(days=1))
    return max((unfit_to - first).days + 1, 0)


def report_by(accident_on: date, days: int) -> datetime:
    """The end of the day `days` days after the accident, whose own day does not count (RIDDOR 2013 schedule 1)."""
    return end_of_day(accident_on + timedelta(days=days))
