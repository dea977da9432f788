"""The arithmetic of the capacity model."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.load.capacity import SECONDS_A_YEAR, Measured, need
from tests.load.projection import life

_SIZES = st.integers(min_value=1, max_value=10**10)


@given(_SIZES, _SIZES)
def test_more_incidents_never_need_less(one: int, other: int) -> None:
    few, many = need(min(one, other)), need(max(one, other))
    assert few.api_processes <= many.api_processes
    assert few.partitions <= many.partitions
    assert few.two_core_machines_for_processes <= many.two_core_machines_for_processes


@given(_SIZES)
def test_what_is_planned_carries_the_busiest_minute_twice(incidents: int) -> None:
    measured = Measured()
    one = need(incidents, measured)
    assert one.api_processes * measured.reports_a_second >= 2 * one.reports_a_second * (1 - 1e-9)
    assert one.partitions * measured.projected_a_second >= 2 * one.events_a_second * (1 - 1e-9)
    assert one.two_core_machines_for_processes * measured.lives_a_second >= 2 * one.reports_a_second * (1 - 1e-9)


def test_a_year_that_is_busy_all_the_time() -> None:
    busy = need(round(SECONDS_A_YEAR))
    assert busy.reports_a_second == pytest.approx(10)
    assert busy.events_a_second == pytest.approx(220)
    assert busy.two_core_machines_for_processes == 3


@given(_SIZES)
def test_what_is_kept_grows_as_the_incidents_do(incidents: int) -> None:
    one, ten = need(incidents), need(10 * incidents)
    for name in ("actions_a_year", "database_gb_a_year", "wal_gb_a_day", "broker_gb_a_week"):
        assert getattr(ten, name) == pytest.approx(10 * getattr(one, name))
    # A week of events is less than a year of rows; a day of log is not less than a day of rows.
    assert one.broker_gb_a_week < one.database_gb_a_year
    assert one.wal_gb_a_day > one.database_gb_a_year / 366


def test_no_incidents_is_no_question() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        need(0)


def test_events_of_a_life_are_as_many_as_are_planned_with() -> None:
    lives = [len(list(life(random.Random(seed), datetime(2026, 1, 5, tzinfo=UTC)))) for seed in range(30)]
    assert min(lives) == Measured().events
