"""The rules of agreeing: pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID


class Priority(StrEnum):
    """Which action comes first. Urgent ones are those that protect somebody today."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"


def circle(waits_for: Mapping[UUID, Sequence[UUID]], start: UUID) -> bool:
    """Whether an action would, in the end, wait for itself."""
    seen: set[UUID] = set()
    ahead = list(waits_for.get(start, ()))
    while ahead:
        one = ahead.pop()
        if one == start:
            return True
        if one not in seen:
            seen.add(one)
            ahead += waits_for.get(one, ())
    return False
