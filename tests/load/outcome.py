"""What a measurement answers: a name, whether it held, and numbers that a person and a program can read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass
class Outcome:
    """One measurement. `holds` says what is asked for; `held` is None where nothing is asked."""

    name: str
    result: str
    holds: str = ""
    held: bool | None = None
    numbers: dict[str, Any] = field(default_factory=dict)


def middle(values: Sequence[float]) -> float:
    """The median: one disturbed round does not move it."""
    return median(values)


def ratio(measured: Sequence[float], yardstick: Sequence[float]) -> float:
    """The median of the ratios of neighbours: what slowed the machine for a while slowed both."""
    return median(a / b for a, b in zip(measured, yardstick, strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
