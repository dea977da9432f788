"""Reads the recurrence policy from YAML and refuses one that cannot work."""

from functools import cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import RecurrenceGround, Role
from services.intake.recurrence.domain import Likeness
from services.runtime.policy_file import PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SameWording(_Strict):
    """When two accounts count as alike."""

    share: float = Field(gt=0, le=1)
    words: int = Field(ge=1)


class RecurrencePolicy(_Strict):
    """A version of a provider's recurrence policy."""

    version: str
    watch_days: int = Field(ge=1, le=3650)
    weights: dict[RecurrenceGround, int]
    ask_from: int = Field(ge=1)
    same_time_minutes: int = Field(ge=0, le=720)
    same_wording: SameWording
    ask_at_most: int = Field(ge=1, le=20)
    asked: Role
    decides: list[Role] = Field(min_length=1)
    decides_restricted: list[Role] = Field(min_length=1)
    answer_hours: float = Field(gt=0)
    late_again_hours: float = Field(gt=0)

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if set(self.weights) != set(RecurrenceGround) or any(weight < 0 for weight in self.weights.values()):
            raise ValueError(f"weights: give each of {', '.join(RecurrenceGround)} a weight from 0")
        if self.ask_from > sum(self.weights.values()):
            raise ValueError("ask_from: is more than all weights together, so nothing would ever be asked")
        if self.asked not in self.decides:
            raise ValueError("asked: is not among those who decide")
        return self

    @property
    def likeness(self) -> Likeness:
        """What the rules need of it."""
        return Likeness(
            weights=self.weights,
            same_time_minutes=self.same_time_minutes,
            wording_share=self.same_wording.share,
            wording_words=self.same_wording.words,
        )


def load(path: Path) -> RecurrencePolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return RecurrencePolicy.model_validate(yaml.safe_load(path.read_text()))


_SHIPPED = Path(__file__).parents[1] / "policies" / "recurrence.yaml"


@cache
def shipped() -> RecurrencePolicy:
    """The default policy."""
    return load(_SHIPPED)


KIND = PolicyKind("recurrence", RecurrencePolicy, build=lambda policy: policy, shipped=shipped, text=_SHIPPED)
