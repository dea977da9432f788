"""How much care there was, day by day: the denominator of every rate."""

import functools
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from operator import mul
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
        self._starts = list(_starts(first, until))
        self._unit: dict[UUID, str] = {}
        self._daily: dict[UUID, list[float]] = {}
        self._sums: dict[UUID, list[float]] = {}
        days = [(start - first).days for start in self._starts]
        lengths = [following - day for day, following in pairwise([*days, (until - first).days])]
        for place, units in by_place.items():
            # A place of two kinds is measured by the one it gives more months of.
            unit = min(units, key=lambda name: (-len(units[name]), name))
            self._unit[place] = unit
            daily = self._daily[place] = _daily(units[unit], self._starts)
            self._sums[place] = [0.0, *accumulate(map(mul, daily, lengths))]

    def unit(self, place: UUID) -> str:
        """What the exposure of a place is counted in."""
        return self._unit.get(place, DAYS)

    def of(self, place: UUID, first: date, until: date) -> float:
        """How much between two days."""
        start = min(max(first, self.first), self.until)
        end = min(max(until, start), self.until)
        if place not in self._sums:
            return float((end - start).days)
        return self._before(place, end) - self._before(place, start)

    def _before(self, place: UUID, day: date) -> float:
        """How much from the first day to this one."""
        month = bisect_right(self._starts, day) - 1
        if month < 0:
            return 0.0
        return self._sums[place][month] + self._daily[place][month] * (day - self._starts[month]).days


def _starts(first: date, until: date) -> Iterator[date]:
    """The first day, and the first of each month after it."""
    day = first
    while day < until:
        yield day
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _daily(months: Mapping[date, float], starts: Iterable[date]) -> list[float]:
    """How much on each day of the months that begin then."""
    known = sorted(months)
    found = []
    for start in starts:
        month = start.replace(day=1)
        nearest = month if month in months else known[max(bisect_right(known, month) - 1, 0)]
        found.append(months[nearest] / _length(nearest))
    return found


@functools.cache
def _length(month: date) -> int:
    return monthrange(month.year, month.month)[1]
