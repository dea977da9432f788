"""Working days in England: Monday to Friday without bank holidays, by the date in London."""

import functools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays

LONDON = ZoneInfo("Europe/London")


def add_working_days(at: datetime, days: int) -> datetime:
    """The same time of day in London, `days` working days later; UTC.

    A moment on a day that is no working day counts as the start of the next one, so a later start never gives an
    earlier deadline. `at` must carry a time zone and `days` must not be negative (ValueError).
    """
    if at.tzinfo is None:
        raise ValueError("at must carry a time zone")
    if days < 0:
        raise ValueError("days must not be negative")
    local = at.astimezone(LONDON)
    day, clock = local.date(), local.time()
    if not is_working_day(day):
        day, clock = _next_working_day(day), time.min
    for _ in range(days):
        day = _next_working_day(day)
    # London changes its clocks on Sundays: a time on a working day exists exactly once.
    return datetime.combine(day, clock, LONDON).astimezone(UTC)


def is_working_day(day: date) -> bool:
    """Whether it is neither a weekend nor a bank holiday in England."""
    return day.weekday() < 5 and day not in _bank_holidays(day.year)


def _next_working_day(day: date) -> date:
    day += timedelta(days=1)
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


@functools.cache
def _bank_holidays(year: int) -> frozenset[date]:
    # A set of its own for each year: the library's calendar fills itself in when asked, which threads must not share.
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year))
