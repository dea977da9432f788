"""How much care there was, day by day: the denominator of every rate."""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, repeat
from uuid import UUID

DAYS = "days"
"""The unit of a place whose exposure nobody recorded: time alone. What is counted over it is a volume, not a rate."""


@dataclass(frozen=True)
class Month:
    """What directory told of one month at one place."""

    location_id: UUID
    month: date
    unit: str
    quantity: float


class Exposures:
    """Exposure by place between two days, the last one left out. A month without a figure takes that of its neighbour."""

    def __init__(self, months: Iterable[Month], first: date, until: date) -> None:
        self.first, self.until = first, until
        by_place: dict[UUID, dict[str, dict[date, float]]] = {}
        for month in months:
            by_place.setdefault(month.location_id, {}).setdefault(month.unit, {})[month.month] = month.quantity
        self._unit: dict[UUID, str] = {}
        self._sums: dict[UUID, list[float]] = {}
        for place, units in by_place.items():
            # A place of two kinds is measured by the one it gives more months of.
            unit = min(units, key=lambda name: (-len(units[name]), name))
            self._unit[place] = unit
            self._sums[place] = [0.0, *accumulate(_daily(units[unit], first, until))]

    def unit(self, place: UUID) -> str:
        """What the exposure of a place is counted in."""
        return self._unit.get(place, DAYS)

    def of(self, place: UUID, first: date, until: date) -> float:
        """How much between two days."""
        start = min(max((first - self.first).days, 0), (self.until - self.first).days)
        end = min(max((until - self.first).days, start), (self.until - self.first).days)
        sums = self._sums.get(place)
        return float(end - start) if sums is None else sums[end] - sums[start]


def _daily(months: Mapping[date, float], first: date, until: date) -> Iterable[float]:
    known = sorted(months)
    day = first
    while day < until:
        month = day.replace(day=1)
        nearest = month if month in months else known[max(bisect_right(known, month) - 1, 0)]
        following = min((month + timedelta(days=32)).replace(day=1), until)
        yield from repeat(months[nearest] / monthrange(nearest.year, nearest.month)[1], (following - day).days)
        day = following
