"""Which findings of a submission are answered. Pure, no I/O."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, TypeVar

from services.review.domain import Gap


class Pointed(Protocol):
    """Something that was pointed out: what it is, and where."""

    @property
    def weakness(self) -> str:
        """What is pointed out."""

    @property
    def field(self) -> str:
        """Where."""


_Finding = TypeVar("_Finding", bound=Pointed)


def named(findings: Sequence[_Finding]) -> dict[str, _Finding]:
    """The findings by a name that is the same each time they are made of the same content: `blame.why`, `blame.why.2`."""
    seen: Counter[str] = Counter()
    names: dict[str, _Finding] = {}
    for one in findings:
        name = f"{one.weakness}.{one.field}"
        seen[name] += 1
        names[name if seen[name] == 1 else f"{name}.{seen[name]}"] = one
    return names


def not_pointed_out(answers: Sequence[Sequence[str]], names: Collection[str]) -> Iterator[Gap]:
    """Answers to what nobody pointed out."""
    for place, given in enumerate(answers):
        for inner, name in enumerate(given):
            if name not in names:
                yield Gap(
                    f"answers.{place}.findings.{inner}",
                    "is not a finding of this content",
                    "Read the findings again at GET /reviews/{review_id}/findings; what was mended needs no answer.",
                )


def unanswered(names: Sequence[str], answered: Collection[str]) -> Iterator[Gap]:
    """Findings that nobody answered."""
    for name in names:
        if name not in answered:
            yield Gap(
                name,
                "was pointed out and has no answer",
                "Say in answers why it stands, or return the review so that it is mended.",
            )
