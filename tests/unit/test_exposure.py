"""How much care there was between two days: the sum of its days, each a share of its month or of the nearest before it."""

from calendar import monthrange
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.patterns.exposure import DAYS, Exposures, Month

PLACE, OTHER = UUID(int=1), UUID(int=2)
FIRST = date(2025, 1, 1)

MONTHS = st.dictionaries(
    st.integers(0, 23).map(lambda n: date(2024 + n // 12, n % 12 + 1, 1)), st.floats(0, 9000), min_size=1
)
DAY = st.integers(-400, 900).map(lambda n: FIRST + timedelta(days=n))


def of_day(months: dict[date, float], day: date) -> float:
    month = day.replace(day=1)
    nearest = max((one for one in months if one <= month), default=min(months))
    return months[nearest] / monthrange(nearest.year, nearest.month)[1]


@given(MONTHS, st.integers(0, 700), DAY, DAY)
def test_exposure_is_the_sum_of_its_days(months: dict[date, float], length: int, start: date, end: date) -> None:
    until = FIRST + timedelta(days=length)
    found = Exposures([Month(PLACE, month, "bed days", much) for month, much in months.items()], FIRST, until)
    days = (FIRST + timedelta(days=n) for n in range(length))
    expected = sum(of_day(months, day) for day in days if start <= day < end)
    assert found.of(PLACE, start, end) == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert found.unit(PLACE) == "bed days"


@given(st.integers(0, 700), DAY, DAY)
def test_a_place_that_nobody_measured_has_its_days(length: int, start: date, end: date) -> None:
    until = FIRST + timedelta(days=length)
    expected = sum(start <= FIRST + timedelta(days=n) < end for n in range(length))
    found = Exposures([], FIRST, until)
    assert (found.unit(OTHER), found.of(OTHER, start, end)) == (DAYS, expected)


def test_the_unit_with_more_months_is_the_one() -> None:
    months = [Month(PLACE, date(2025, n, 1), "visits", 31.0) for n in (1, 2)] + [Month(PLACE, FIRST, "bed days", 9.0)]
    found = Exposures(months, FIRST, date(2025, 2, 1))
    assert (found.unit(PLACE), found.of(PLACE, FIRST, date(2025, 2, 1))) == ("visits", pytest.approx(31.0))
