"""RIDDOR days: the day of the accident does not count, every other day does, and limits end with a day in London."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.intake.obligations.domain import (
    LONDON,
    assess,
    day_in_london,
    days_incapacitated,
    end_of_day,
    report_by,
)
from services.intake.obligations.policy import shipped

WORKER = {"work_related": True, "injured_party": "worker"}
DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(accident=DAYS, after=st.integers(0, 10), length=st.integers(0, 60))
@example(accident=date(2026, 3, 27), after=1, length=7)  # over the change to summer time
@example(accident=date(2026, 10, 23), after=1, length=7)  # and back
@example(accident=date(2025, 12, 24), after=1, length=8)  # over Christmas
@example(accident=date(2024, 2, 28), after=1, length=8)  # over a leap day
def test_every_calendar_day_counts_but_that_of_the_accident(accident: date, after: int, length: int) -> None:
    first = accident + timedelta(days=after)
    last = first + timedelta(days=length)
    counted = sum(1 for n in range((last - accident).days + 1) if accident + timedelta(days=n) >= first and n > 0)
    assert days_incapacitated(accident, first, last) == counted


@given(accident=DAYS, days=st.integers(0, 30))
def test_over_three_is_recorded_and_over_seven_is_reported(accident: date, days: int) -> None:
    unfit_to = accident + timedelta(days=days)
    facts = {**WORKER, "worker_incapacitated_days": days_incapacitated(accident, accident, unfit_to)}
    rules = shipped().rules
    reported = assess(rules["riddor-over-7-days"], facts).outcome == "triggered"
    recorded = assess(rules["riddor-over-3-days"], facts).outcome == "triggered"
    assert reported == (days > 7)
    assert recorded == (3 < days <= 7)


@given(at=MOMENTS, limit=st.sampled_from([10, 15]))
@example(at=datetime(2026, 3, 15, 23, 30, tzinfo=UTC), limit=15)
@example(at=datetime(2026, 10, 11, 22, 30, tzinfo=UTC), limit=15)
@example(at=datetime(2026, 7, 1, 23, 30, tzinfo=UTC), limit=10)  # the next day in London already
def test_a_limit_ends_with_the_last_second_of_its_day_in_london(at: datetime, limit: int) -> None:
    accident = day_in_london(at)
    due = report_by(accident, limit)
    assert due.tzinfo is UTC
    local = due.astimezone(LONDON)
    assert (local.date() - accident).days == limit
    assert (local.hour, local.minute, local.second) == (23, 59, 59)
    assert day_in_london(due + timedelta(seconds=1)) == local.date() + timedelta(days=1)


@given(first=DAYS, days=st.integers(1, 20))
def test_a_later_accident_is_never_due_earlier(first: date, days: int) -> None:
    assert report_by(first, 15) < report_by(first + timedelta(days=days), 15)


@given(at=MOMENTS)
def test_the_policys_limit_is_the_same_count(at: datetime) -> None:
    rule = shipped().rules["riddor-over-7-days"]
    assert rule.statutory is not None
    assert rule.statutory.due(at, {}) == report_by(day_in_london(at), 15)


@pytest.mark.parametrize(
    ("accident", "unfit_to", "days"),
    [
        (date(2026, 5, 22), date(2026, 5, 29), 7),  # Friday to Friday, over the Spring bank holiday
        (date(2026, 5, 22), date(2026, 5, 30), 8),
        (date(2026, 4, 2), date(2026, 4, 10), 8),  # over Easter
        (date(2026, 6, 8), date(2026, 6, 8), 0),  # the day itself
        (date(2026, 6, 8), date(2026, 6, 7), 0),
    ],
)
def test_boundaries(accident: date, unfit_to: date, days: int) -> None:
    assert days_incapacitated(accident, accident, unfit_to) == days


def test_a_day_over_the_clock_change_has_23_or_25_hours() -> None:
    assert end_of_day(date(2026, 3, 29)) - end_of_day(date(2026, 3, 28)) == timedelta(hours=23)
    assert end_of_day(date(2026, 10, 25)) - end_of_day(date(2026, 10, 24)) == timedelta(hours=25)
