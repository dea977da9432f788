"""Reads the checks from YAML and refuses what cannot work."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Role
from services.intake.details.policy import AnswerType, Question
from services.intake.details.policy import shipped as questions
from services.intake.obligations.domain import Condition
from services.intake.obligations.policy import ConditionText
from services.runtime.policy_file import PolicyKind


class RunsFrom(StrEnum):
    """What the time of a check runs from."""

    OCCURRED = "occurred"
    REPORTED = "reported"
    KNOWN = "known"


class KeptBy(StrEnum):
    """The record that settles a check, where nobody records it by hand."""

    REPORT = "report"
    SAFEGUARDING = "safeguarding"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Within(_Strict):
    """The time for a check: minutes or hours, and what they run from."""

    minutes: float | None = Field(default=None, gt=0)
    hours: float | None = Field(default=None, gt=0)
    runs_from: RunsFrom

    @model_validator(mode="after")
    def _one_length(self) -> "Within":
        if (self.hours is None) == (self.minutes is None):
            raise ValueError("a time has either minutes or hours")
        return self

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return timedelta(minutes=self.minutes or 0, hours=self.hours or 0)

    @property
    def text(self) -> str:
        """The same in words."""
        length = f"{self.minutes:g} minutes" if self.minutes is not None else f"{self.hours:g} hours"
        return f"{length} from when it was {self.runs_from} (our own standard)"


class CheckRule(_Strict):
    """One check: when it is needed, within what time, who sees to it and what is recorded."""

    id: str = Field(pattern=r"^[a-z0-9-]{3,40}$")
    title: str
    wording: str
    who: list[Role] = Field(min_length=1)
    when: ConditionText
    within: Within
    chased: bool = False
    kept_by: KeptBy | None = None
    answered_by: str | None = None
    answered_with: dict[str, str] = Field(default_factory=dict)
    asks: list[Question] = Field(default_factory=list)

    @model_validator(mode="after")
    def _whole(self) -> "CheckRule":
        if self.kept_by is not None and (self.asks or self.answered_by):
            raise ValueError("kept_by: another record settles it, so asks and answered_by have no place")
        if self.kept_by is KeptBy.REPORT and self.chased:
            raise ValueError("chased: a report is there when the check begins, so there is nothing to chase")
        if self.chased and self.within.runs_from is RunsFrom.OCCURRED:
            raise ValueError("chased: a time that runs from when it occurred may be over before anybody can know of it")
        if self.answered_by is not None:
            known = {q.id: q for q in questions().questions}.get(self.answered_by)
            if known is None or known.type is not AnswerType.YES_NO:
                raise ValueError(f"answered_by: '{self.answered_by}' is not a question that is answered by yes or no")
        for question in self.asks:
            told = {q.id: q for q in questions().questions}.get(self.answered_with.get(question.id, ""))
            if told is not None and (told.type, told.options) != (question.type, question.options):
                raise ValueError(f"answered_with: '{told.id}' is not answered as '{question.id}' is")
            if self.answered_by is not None and question.required and told is None:
                raise ValueError(f"answered_with: no question tells '{question.id}', and a yes alone settles nothing")
        if self.answered_with.keys() - {question.id for question in self.asks}:
            raise ValueError("answered_with: names what is not in asks")
        ids = [question.id for question in self.asks]
        if len(set(ids)) != len(ids):
            raise ValueError("asks: an id is used twice")
        return self

    @cached_property
    def condition(self) -> Condition:
        """`when`, ready to be judged."""
        return self.when.built()

    @cached_property
    def asked(self) -> Mapping[str, Question]:
        """What is recorded, by id."""
        return {question.id: question for question in self.asks}


class _Document(_Strict):
    version: str
    warn_at_percent: int = Field(ge=1, le=99)
    late_again_hours: float = Field(gt=0)
    late_calls: int = Field(ge=1, le=100)
    checks: list[CheckRule]

    @model_validator(mode="after")
    def _whole(self) -> "_Document":
        ids = [rule.id for rule in self.checks]
        if len(set(ids)) != len(ids):
            raise ValueError("checks: an id is used twice")
        return self


class Policy:
    """A version of the checks."""

    def __init__(self, document: Any) -> None:
        read = _Document.model_validate(document)
        self.version = read.version
        self.warn_at_percent = read.warn_at_percent
        self.late_again = timedelta(hours=read.late_again_hours)
        self.late_calls = read.late_calls
        self.rules = {rule.id: rule for rule in read.checks}

    def needed(self, facts: Mapping[str, Any]) -> list[CheckRule]:
        """The checks that an incident with these facts needs."""
        return [rule for rule in self.rules.values() if rule.condition.holds(facts)]


def load(path: Path) -> Policy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return Policy(yaml.safe_load(path.read_text()))


@cache
def shipped() -> Policy:
    """The checks shipped with Plumbline."""
    return load(Path(__file__).parents[1] / "policies" / "checks.yaml")


KIND = PolicyKind("checks", _Document, build=Policy, shipped=shipped)
