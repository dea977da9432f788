"""The questions by type of incident: versioned data."""

from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Category
from services.runtime.policy_file import PolicyKind


class AnswerType(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    YES_NO = "yes_no"
    NUMBER = "number"
    CHOICE = "choice"


class Question(BaseModel):
    """One question, for some categories or for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z_]{3,40}$")
    text: str
    type: AnswerType
    required: bool = False
    category: list[Category] | None = None
    options: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _options_where_there_is_a_choice(self) -> "Question":
        if (self.type is AnswerType.CHOICE) != bool(self.options):
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

    def of(self, category: Category) -> list[Question]:
        """What is asked about an incident of a category."""
        return [q for q in self.questions if q.category is None or category in q.category]


@cache
def shipped() -> Questions:
    """The default list."""
    path = Path(__file__).parents[1] / "policies" / "questions.yaml"
    return Questions.model_validate(yaml.safe_load(path.read_text()))


KIND = PolicyKind("questions", Questions, build=lambda questions: questions, shipped=shipped)
