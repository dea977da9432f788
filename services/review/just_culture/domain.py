"""The guide and the order in which it is worked through. Pure, no I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question, and what an answer points to."""

    id: str
    text: str
    so: str


@dataclass(frozen=True)
class Guide:
    """One version of the guide."""

    name: str
    about: str
    questions: Sequence[Question]


def out_of_order(guide: Guide, answered: Collection[str]) -> str | None:
    """The first question that was passed over, or what is no question; None when all is in order."""
    ids = [question.id for question in guide.questions]
    if unknown := sorted(set(answered) - set(ids)):
        return unknown[0]
    return next((one for one in ids[: len(answered)] if one not in answered), None)
