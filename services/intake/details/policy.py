"""The questions by type of incident: versioned data."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Category, Kind
from services.runtime.errors import FieldProblem
from services.runtime.policy_file import PolicyKind


class AnswerType(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    YES_NO = "yes_no"
    NUMBER = "number"
    CHOICE = "choice"
    CHOICES = "choices"


class Question(BaseModel):
    """One question, for some categories and kinds or for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z_]{3,40}$")
    text: str
    type: AnswerType
    required: bool = False
    category: list[Category] | None = None
    kind: list[Kind] | None = None
    options: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _options_where_there_is_a_choice(self) -> "Question":
        if (self.type in (AnswerType.CHOICE, AnswerType.CHOICES)) != bool(self.options):
            raise ValueError(f"{self.id}: a choice needs options, and nothing else may have them")
        return self


class Questions(BaseModel):
    """A version of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    questions: list[Question]

    @model_validator(mode="after")
    def _ids_once(self) -> "Questions":
        ids = [question.id for question in self.questions]
        if len(ids) != len(set(ids)):
            raise ValueError("two questions have the same id")
        return self

    def of(self, category: Category, kind: Kind) -> list[Question]:
        """What is asked about an incident of a category and kind."""
        return [
            q
            for q in self.questions
            if (q.category is None or category in q.category) and (q.kind is None or kind in q.kind)
        ]


@cache
def shipped() -> Questions:
    """The default list."""
    path = Path(__file__).parents[1] / "policies" / "questions.yaml"
    return Questions.model_validate(yaml.safe_load(path.read_text()))


def problem_of(asked: Mapping[str, Question], field: str, name: str, value: Any) -> FieldProblem | None:
    """What is wrong with an answer, or nothing; `field` is where it stands."""
    question = asked.get(name)
    if question is None:
        return FieldProblem(
            field=field, message="is not asked about this type", remedy=f"Answer what is asked: {', '.join(asked)}."
        )
    fits = {
        AnswerType.TEXT: isinstance(value, str),
        AnswerType.YES_NO: isinstance(value, bool),
        AnswerType.NUMBER: isinstance(value, int) and not isinstance(value, bool),
        AnswerType.CHOICE: value in question.options,
        AnswerType.CHOICES: isinstance(value, list) and set(value) <= set(question.options),
    }[question.type]
    remedies = {
        AnswerType.TEXT: "Give a text.",
        AnswerType.YES_NO: "Answer true or false.",
        AnswerType.NUMBER: "Give a whole number.",
        AnswerType.CHOICE: f"Choose one of {', '.join(question.options)}.",
        AnswerType.CHOICES: f"Choose some or none of {', '.join(question.options)}.",
    }
    if fits:
        return None
    return FieldProblem(field=field, message="is not an answer to this question", remedy=remedies[question.type])


KIND = PolicyKind("questions", Questions, build=lambda questions: questions, shipped=shipped)
