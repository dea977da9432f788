"""Working-day arithmetic holds for every moment, through weekends, bank holidays and clock changes."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.calendar import LONDON, add_working_days, is_working_day

MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(2040, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, LONDON]),
)
DAYS = st.integers(min_value=0, max_value=60)


def london(*when: int) -> datetime:
    return datetime(*when, tzinfo=LONDON)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (london(2026, 6, 8, 9), 5, london(2026, 6, 15, 9)),  # over a weekend
        (london(2026, 12, 24, 16), 1, london(2026, 12, 29, 16)),  # Christmas, and Boxing Day in lieu on Monday
        (london(2026, 3, 27, 9), 1, london(2026, 3, 30, 9)),  # the clocks went forward: nine o'clock is nine o'clock
        (london(2026, 4, 2, 9), 1, london(2026, 4, 7, 9)),  # Easter
        (london(2026, 6, 6, 15), 1, london(2026, 6, 9, 0)),  # Saturday counts as the start of Monday
        (london(2026, 6, 6, 15), 0, london(2026, 6, 8, 0)),
        (datetime(2026, 6, 7, 23, 30, tzinfo=UTC), 1, london(2026, 6, 9, 0, 30)),  # Monday in London already
    ],
)
def test_examples(start: datetime, days: int, end: datetime) -> None:
    assert add_working_days(start, days) == end


@given(MOMENTS, DAYS)
def test_ends_on_a_working_day_after_exactly_so_many(at: datetime, days: int) -> None:
    end = add_working_days(at, days)
    first, last = at.astimezone(LONDON), end.astimezone(LONDON)
    assert end.tzinfo is UTC
    assert is_working_day(last.date())
    between = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days)]
    if is_working_day(first.date()):
        assert last.time() == first.time()
    else:
        assert last.time().isoformat() == "00:00:00"
    assert sum(is_working_day(day) for day in between) == days


@given(MOMENTS, DAYS, DAYS)
def test_adds_up(at: datetime, some: int, more: int) -> None:
    assert add_working_days(add_working_days(at, some), more) == add_working_days(at, some + more)


@given(MOMENTS, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10)), DAYS)
def test_a_later_start_never_gives_an_earlier_deadline(at: datetime, later: timedelta, days: int) -> None:
    assert add_working_days(at, days) <= add_working_days(at.astimezone(UTC) + later, days)


@given(MOMENTS, DAYS, st.integers(min_value=-12, max_value=12))
def test_the_zone_of_the_start_does_not_matter(at: datetime, days: int, hours: int) -> None:
    assert add_working_days(at.astimezone(timezone(timedelta(hours=hours))), days) == add_working_days(at, days)


def test_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="time zone"):
        add_working_days(datetime(2026, 6, 8), 1)  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="negative"):
        add_working_days(london(2026, 6, 8), -1)


def test_bank_holidays_are_englands() -> None:
    assert not is_working_day(date(2026, 8, 31))  # the last Monday of August, in England
    assert is_working_day(date(2026, 8, 3))  # the first, in Scotland
    assert is_working_day(date(2026, 11, 30))  # St Andrew's Day
