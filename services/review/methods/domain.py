"""What a method asks: pure, no I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.contracts.taxonomy import Category
from services.review.records.domain import Record


@dataclass(frozen=True)
class Question:
    """One question. `categories`: only for incidents of these; None asks it always."""

    id: str
    text: str
    help: str | None
    categories: frozenset[Category] | None

    def asked(self, category: Category) -> bool:
        """Whether it is put about such an incident."""
        return self.categories is None or category in self.categories


@dataclass(frozen=True)
class Stage:
    """Questions that are worked through together, at one time."""

    id: str
    title: str
    questions: Sequence[Question]


@dataclass(frozen=True)
class Template:
    """One version of a method's form. `outputs` are the parts of the review that the method must yield.

    `records` are what it must be drawn from.
    """

    name: str
    method: str
    title: str
    purpose: str
    minutes: int | None
    outputs: Sequence[str]
    stages: Sequence[Stage]
    records: Sequence[Record] = ()

    def stages_for(self, category: Category) -> list[Stage]:
        """The stages with the questions that such an incident is asked; a stage without any is left out."""
        kept = [
            Stage(stage.id, stage.title, [question for question in stage.questions if question.asked(category)])
            for stage in self.stages
        ]
        return [stage for stage in kept if stage.questions]

    def questions_for(self, category: Category) -> list[Question]:
        """The same without the stages."""
        return [question for stage in self.stages_for(category) for question in stage.questions]


@dataclass(frozen=True)
class Difference:
    """A field that two submissions hold differently; None where one of them lacks it."""

    field: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What changed between two contents, leaf by leaf, in the order of the names."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    return [
        Difference(field, old.get(field), new.get(field))
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{path}.{place}")
    else:
        yield path, value
