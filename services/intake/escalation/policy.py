"""Reads an escalation policy from YAML and refuses one that cannot work."""

from datetime import time, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Band, Category, EscalationReason, Kind, PhysicalHarm, Role
from services.intake.details import policy as questions
from services.intake.escalation.domain import EscalationPolicy, Quietly, Repeat, Rule, Same, Tell
from services.runtime.policy_file import PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Answers = dict[str, Annotated[list[bool | int | str], Field(min_length=1)]] | None


class _Rule(_Strict):
    id: str
    reason: EscalationReason
    band: list[Band] | None = None
    category: list[Category] | None = None
    kind: list[Kind] | None = None
    actual_harm: list[PhysicalHarm] | None = None
    out_of_hours: bool | None = None
    answers: _Answers = None
    at_least: int = Field(default=1, ge=1)
    start: Role
    answer_minutes: int = Field(ge=1, le=60 * 24 * 14)


class _Tell(_Strict):
    id: str
    reason: EscalationReason
    band: list[Band] | None = None
    category: list[Category] | None = None
    kind: list[Kind] | None = None
    answers: _Answers = None
    people_at_least: int = Field(default=1, ge=1)
    roles: list[Role] = Field(min_length=1)


class _Quietly(_Strict):
    id: str
    category: list[Category] = Field(min_length=1)
    kind: list[Kind] = Field(min_length=1)
    roles: list[Role] = Field(min_length=1)
    shown_hours: float = Field(gt=0, le=24 * 14)


class _Repeat(_Strict):
    id: str
    same: Same
    type: bool
    bands: list[Band] | None = None
    at_least: int = Field(ge=2)
    days: int = Field(ge=1, le=366)
    quiet_days: int | None = Field(default=None, ge=1)


class _Hours(_Strict):
    opens: time
    closes: time


class _Document(_Strict):
    version: str
    ladder: list[Role] = Field(min_length=1)
    repeat_at_top_minutes: list[Annotated[int, Field(ge=5)]] = Field(min_length=1)
    interrupts_within_minutes: Annotated[int, Field(ge=0)]
    office_hours: _Hours
    rules: list[_Rule]
    tell: list[_Tell] = Field(default_factory=list)
    quietly: list[_Quietly] = Field(default_factory=list)
    repeats: list[_Repeat]

    @model_validator(mode="after")
    def _workable(self) -> "_Document":
        if len(set(self.ladder)) < len(self.ladder) or Role.SERVICE in self.ladder:
            raise ValueError("ladder: name each role that people hold once")
        for rule in self.rules:
            if rule.start not in self.ladder:
                raise ValueError(f"rules: '{rule.id}' starts at {rule.start}, which is on no rung of the ladder")
        named: dict[str, list[_Rule] | list[_Tell] | list[_Quietly] | list[_Repeat]] = {
            "rules": self.rules, "tell": self.tell, "quietly": self.quietly, "repeats": self.repeats,
        }  # fmt: skip
        for kind, ids in ((kind, [one.id for one in rows]) for kind, rows in named.items()):
            if len(set(ids)) < len(ids):
                raise ValueError(f"{kind}: an id is used twice, so that nobody could tell which one fired")
        for series in self.repeats:
            if series.same is Same.PROVIDER and not (series.type and series.quiet_days):
                raise ValueError(
                    f"repeats: '{series.id}' needs `type: true` and `quiet_days`: a provider has always some"
                )
        asked = {question.id for question in questions.shipped().questions}
        looking: list[_Rule | _Tell] = [*self.rules, *self.tell]
        for one in looking:
            if one.answers is not None and one.reason is not EscalationReason.WHAT_HAPPENED:
                raise ValueError(f"'{one.id}' looks at answers: its reason is {EscalationReason.WHAT_HAPPENED}")
            unknown = sorted(set(one.answers or {}) - asked)
            if unknown:
                raise ValueError(f"'{one.id}' looks at the answer to {unknown[0]}, which is asked of no type")
        narrowed = {"band", "category", "kind", "actual_harm", "out_of_hours", "at_least"}
        glass = [rule for rule in self.rules if rule.reason is EscalationReason.BREAK_GLASS]
        if all(rule.model_fields_set & narrowed for rule in glass):
            raise ValueError("rules: one must call somebody whenever the glass is broken, whatever the incident")
        if self.office_hours.opens >= self.office_hours.closes:
            raise ValueError("office_hours: `opens` must be before `closes`")
        return self


def _wanted(answers: _Answers) -> dict[str, frozenset[bool | int | str]] | None:
    return None if answers is None else {question: frozenset(values) for question, values in answers.items()}


def _built(document: _Document) -> EscalationPolicy:
    return EscalationPolicy(
        version=document.version,
        ladder=document.ladder,
        repeat_at_top=[timedelta(minutes=minutes) for minutes in document.repeat_at_top_minutes],
        interrupts_within=timedelta(minutes=document.interrupts_within_minutes),
        opens=document.office_hours.opens,
        closes=document.office_hours.closes,
        rules=[
            Rule(
                id=rule.id,
                reason=rule.reason,
                start=rule.start,
                answer=timedelta(minutes=rule.answer_minutes),
                bands=None if rule.band is None else frozenset(rule.band),
                categories=None if rule.category is None else frozenset(rule.category),
                kinds=None if rule.kind is None else frozenset(rule.kind),
                actual_harms=None if rule.actual_harm is None else frozenset(rule.actual_harm),
                out_of_hours=rule.out_of_hours,
                at_least=rule.at_least,
                answers=_wanted(rule.answers),
            )
            for rule in document.rules
        ],
        tell=[
            Tell(
                id=one.id,
                reason=one.reason,
                roles=one.roles,
                bands=None if one.band is None else frozenset(one.band),
                categories=None if one.category is None else frozenset(one.category),
                kinds=None if one.kind is None else frozenset(one.kind),
                people_at_least=one.people_at_least,
                answers=_wanted(one.answers),
            )
            for one in document.tell
        ],
        quietly=[
            Quietly(
                id=one.id,
                roles=one.roles,
                categories=frozenset(one.category),
                kinds=frozenset(one.kind),
                shown=timedelta(hours=one.shown_hours),
            )
            for one in document.quietly
        ],
        repeats=[
            Repeat(
                id=one.id,
                same=one.same,
                same_type=one.type,
                at_least=one.at_least,
                within=timedelta(days=one.days),
                bands=None if one.bands is None else frozenset(one.bands),
                quiet=None if one.quiet_days is None else timedelta(days=one.quiet_days),
            )
            for one in document.repeats
        ],
    )


def load(path: Path) -> EscalationPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return _built(_Document.model_validate(yaml.safe_load(path.read_text())))


@cache
def shipped() -> EscalationPolicy:
    """The default policy."""
    return load(Path(__file__).parents[1] / "policies" / "escalation.yaml")


KIND = PolicyKind("escalation", _Document, build=_built, shipped=shipped)
