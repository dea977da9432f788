"""Reads the obligations from YAML and refuses what cannot work."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.intake.obligations.domain import Check, Condition, Group, Limit, Rule
from services.intake.obligations.facts import FACTS, MOMENTS, Facts
from services.runtime.policy_file import PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConditionText(_Strict):
    """A condition as it is written: over the facts there are, in one form."""

    all: "list[ConditionText] | None" = None
    any: "list[ConditionText] | None" = None
    not_: "ConditionText | None" = Field(default=None, alias="not")
    fact: str | None = None
    is_: list[bool | int | str] | None = Field(default=None, alias="is")
    over: float | None = None
    at_least: float | None = None
    known: Literal[True] | None = None
    by: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "ConditionText":
        groups = [name for name in ("all", "any", "not_") if getattr(self, name) is not None]
        tests = [name for name in ("is_", "over", "at_least", "known") if getattr(self, name) is not None]
        if len(groups) + (self.fact is not None) != 1 or len(tests) != (1 if self.fact is not None else 0):
            raise ValueError("a condition is one of all, any, not, or a fact with one of is, over, at_least, known")
        if self.fact is not None and self.fact not in FACTS:
            raise ValueError(f"there is no fact '{self.fact}'; the facts are {', '.join(sorted(FACTS))}")
        if self.by is not None and ((self.over is None and self.at_least is None) or self.by not in FACTS):
            raise ValueError("by is a fact that replaces the number of over or at_least where it is known")
        return self

    def built(self) -> Condition:
        """The condition as the domain knows it."""
        for op in ("all", "any"):
            parts = getattr(self, op)
            if parts is not None:
                return Group(op, [part.built() for part in parts])
        if self.not_ is not None:
            return Group("not", [self.not_.built()])
        assert self.fact is not None
        if self.is_ is not None:
            return Check(self.fact, "is", self.is_)
        if self.known is not None:
            return Check(self.fact, "known", True)
        return (
            Check(self.fact, "over", self.over, self.by)
            if self.over is not None
            else Check(self.fact, "at_least", self.at_least, self.by)
        )


class _Limit(_Strict):
    hours: float | None = Field(default=None, gt=0)
    days: int | None = Field(default=None, ge=0)
    runs_from: str = "aware"
    hours_by: str | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "_Limit":
        if (self.hours is None) == (self.days is None):
            raise ValueError("a limit has either hours or days")
        if self.runs_from not in ("aware", "accident", *MOMENTS):
            raise ValueError(f"runs_from is aware, accident, or one of {', '.join(MOMENTS)}")
        if self.hours_by is not None and (self.hours is None or self.hours_by not in FACTS):
            raise ValueError("hours_by is a fact that replaces `hours` where it is answered")
        return self

    def built(self) -> Limit:
        """The limit as the domain knows it."""
        return Limit(self.hours, self.days, self.runs_from, self.hours_by)


class _Rule(_Strict):
    id: str
    row: int = Field(ge=1)
    title: str
    recipient: str
    legal_basis: str
    statutory_wording: str
    statutory_limit: _Limit | None
    provider_target: _Limit | None
    when: ConditionText
    ask_when: ConditionText | None = None
    must_decide_when: ConditionText | None = None
    consider_when: ConditionText | None = None
    provider_target_to_decide: _Limit | None = None
    must_decide_later_when: ConditionText | None = None
    provider_target_to_decide_later: _Limit | None = None
    proof: str
    notes: list[str] = Field(default_factory=list)
    draft: list[str] = Field(default_factory=list)
    per_person: bool = False
    per_contract: bool = False
    advice: bool = False
    kept_by: Literal["candour", "safeguarding"] | None = None
    sent_sets: str | None = None
    needs_to_send: list[str] = Field(default_factory=list)
    codes_only: bool = False

    @model_validator(mode="after")
    def _whole(self) -> "_Rule":
        unknown = [name for name in [*self.draft, *self.needs_to_send] if name not in FACTS]
        if unknown:
            raise ValueError(f"draft, needs_to_send: there is no fact {', '.join(unknown)}")
        if self.sent_sets is not None and self.sent_sets not in Facts.model_fields:
            raise ValueError(f"sent_sets: there is no answer '{self.sent_sets}'")
        if self.statutory_limit is not None and self.provider_target is None:
            raise ValueError("statutory_limit needs provider_target, which warns before it")
        if self.must_decide_when is not None and (self.ask_when is None or self.provider_target_to_decide is None):
            raise ValueError("must_decide_when needs ask_when and provider_target_to_decide")
        later = (self.must_decide_later_when, self.provider_target_to_decide_later)
        if later != (None, None) and (None in later or self.must_decide_when is None):
            raise ValueError("must_decide_later_when needs must_decide_when and provider_target_to_decide_later")
        if self.consider_when is not None and self.provider_target_to_decide is None:
            raise ValueError("consider_when needs provider_target_to_decide")
        return self


class _Document(_Strict):
    version: str
    warn_at_percent: int = Field(ge=1, le=99)
    late_again_hours: float = Field(gt=0)
    recipients: dict[str, str]
    obligations: list[_Rule]

    @model_validator(mode="after")
    def _whole(self) -> "_Document":
        ids = [rule.id for rule in self.obligations]
        if len(set(ids)) != len(ids):
            raise ValueError("obligations: an id is used twice")
        missing = {rule.recipient for rule in self.obligations} - set(self.recipients)
        if missing:
            raise ValueError(f"recipients: {', '.join(sorted(missing))} has no name")
        return self


class Policy:
    """A version of the obligations."""

    def __init__(self, document: Any) -> None:
        read = _Document.model_validate(document)
        self.version = read.version
        self.warn_at_percent = read.warn_at_percent
        self.late_again = timedelta(hours=read.late_again_hours)
        self.rules = {rule.id: _built(rule, read.recipients) for rule in read.obligations}


def _built(rule: _Rule, recipients: dict[str, str]) -> Rule:
    return Rule(
        id=rule.id,
        row=rule.row,
        title=rule.title,
        recipient=rule.recipient,
        recipient_name=recipients[rule.recipient],
        legal_basis=rule.legal_basis,
        statutory_wording=rule.statutory_wording,
        statutory=None if rule.statutory_limit is None else rule.statutory_limit.built(),
        target=None if rule.provider_target is None else rule.provider_target.built(),
        when=rule.when.built(),
        ask_when=None if rule.ask_when is None else rule.ask_when.built(),
        consider_when=None if rule.consider_when is None else rule.consider_when.built(),
        must_decide_when=None if rule.must_decide_when is None else rule.must_decide_when.built(),
        decide_target=None if rule.provider_target_to_decide is None else rule.provider_target_to_decide.built(),
        must_decide_later_when=None if rule.must_decide_later_when is None else rule.must_decide_later_when.built(),
        decide_later_target=None
        if rule.provider_target_to_decide_later is None
        else rule.provider_target_to_decide_later.built(),
        proof=rule.proof,
        notes=rule.notes,
        draft=rule.draft,
        per_person=rule.per_person,
        per_contract=rule.per_contract,
        advice=rule.advice,
        kept_by=rule.kept_by,
        sent_sets=rule.sent_sets,
        needs_to_send=rule.needs_to_send,
        codes_only=rule.codes_only,
    )


def load(path: Path) -> Policy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return Policy(yaml.safe_load(path.read_text()))


@cache
def shipped() -> Policy:
    """The obligations shipped with Plumbline."""
    return load(Path(__file__).parents[1] / "policies" / "obligations.yaml")


KIND = PolicyKind("obligations", _Document, build=Policy, shipped=shipped)
