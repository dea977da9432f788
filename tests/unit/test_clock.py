"""One clock for all: what it once showed it always showed, and waiting for an instant ends at that instant."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.clock import Clock, Segment

START = datetime(2026, 6, 8, 9, tzinfo=UTC)
# A day of real time: at the fastest speed drawn, two of them are 5,500 years, and dates end with the year 9999.
INSTANTS = st.datetimes(
    min_value=datetime(2026, 6, 8),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(2026, 6, 9),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SPEEDS = st.one_of(st.sampled_from([1.0, 60.0, 86_400.0]), st.floats(min_value=0.001, max_value=1_000_000))


def shows(segments: list[tuple[datetime, float]]) -> Clock:
    """A clock that was started or changed at these instants, each time from where it stood."""
    clock = Clock()
    made: list[Segment] = []
    for real, speed in segments:
        made.append(Segment(real, clock.at(real), speed))
        clock = Clock(tuple(made))
    return clock


HISTORIES = st.lists(
    st.tuples(INSTANTS, st.one_of(st.just(0.0), SPEEDS)), min_size=1, max_size=6, unique_by=lambda one: one[0]
).map(sorted)


@given(HISTORIES, INSTANTS, st.data())
def test_a_past_instant_never_changes_when_segments_are_appended(
    history: list[tuple[datetime, float]], instant: datetime, data: st.DataObject
) -> None:
    known = data.draw(st.integers(min_value=0, max_value=len(history) - 1))
    before, after = shows(history[:known]), shows(history)
    if instant <= history[known][0]:
        assert after.at(instant) == before.at(instant)


@given(HISTORIES, INSTANTS, INSTANTS)
def test_it_never_goes_back(history: list[tuple[datetime, float]], some: datetime, other: datetime) -> None:
    clock = shows(history)
    assert clock.at(min(some, other)) <= clock.at(max(some, other))


@given(
    HISTORIES, SPEEDS, st.timedeltas(timedelta(0), timedelta(hours=20)), st.timedeltas(timedelta(0), timedelta(days=90))
)
def test_after_the_real_delay_it_shows_the_instant_that_was_waited_for(
    history: list[tuple[datetime, float]], speed: float, later: timedelta, ahead: timedelta
) -> None:
    started = history[-1][0] + timedelta(seconds=1)
    clock = shows([*history, (started, speed)])
    real_now = started + later
    due = clock.at(real_now) + ahead
    shown = clock.at(real_now + clock.real_delay(real_now, due))
    # A delay is a whole number of microseconds, each of which is `speed` on the clock.
    assert abs(shown - due) <= timedelta(microseconds=speed + 2)


@given(HISTORIES, INSTANTS, INSTANTS)
def test_a_delay_is_never_negative_and_nothing_is_waited_for_that_has_passed(
    history: list[tuple[datetime, float]], real_now: datetime, due: datetime
) -> None:
    clock = shows(history)
    delay = clock.real_delay(real_now, due)
    assert delay >= timedelta(0)
    stands_still = [speed for real, speed in history if real <= real_now][-1:] == [0.0]
    if due <= clock.at(real_now) and not stands_still:
        assert delay == timedelta(0)


@given(INSTANTS, INSTANTS)
def test_without_segments_it_is_real_time(real: datetime, due: datetime) -> None:
    clock = Clock()
    assert clock.at(real) == real
    assert clock.real_delay(real, due) == max(due - real, timedelta(0))


@given(SPEEDS, st.timedeltas(timedelta(microseconds=1), timedelta(days=300)))
def test_before_its_first_segment_it_is_real_time(speed: float, earlier: timedelta) -> None:
    clock = Clock((Segment(START, START + timedelta(days=1), speed),))
    assert clock.at(START - earlier) == START - earlier


def test_a_day_a_second() -> None:
    clock = shows([(START, 86_400.0)])
    assert clock.at(START + timedelta(seconds=30)) == START + timedelta(days=30)
    assert clock.real_delay(START, START + timedelta(days=90)) == timedelta(seconds=90)


def test_a_clock_that_stands_still_is_asked_again_after_a_second() -> None:
    clock = shows([(START, 3600.0), (START + timedelta(minutes=1), 0.0)])
    stopped_at = START + timedelta(hours=60)
    assert clock.at(START + timedelta(days=5)) == stopped_at
    assert clock.real_delay(START + timedelta(days=5), stopped_at + timedelta(hours=1)) == timedelta(seconds=1)


def test_it_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    second = START + timedelta(seconds=10)
    path.write_text(
        json.dumps(
            {
                "segments": [
                    {"real": START.isoformat(), "virtual": START.isoformat(), "speed": 86_400},
                    {"real": second.isoformat(), "virtual": (START + timedelta(days=10)).isoformat(), "speed": 0},
                ]
            }
        )
    )
    clock = Clock.from_file(path)
    assert clock.at(START + timedelta(seconds=4)) == START + timedelta(days=4)
    assert clock.at(second + timedelta(hours=1)) == START + timedelta(days=10)
    assert Clock.from_file(None).at(START) == START


def test_now_is_in_utc() -> None:
    assert Clock().now().tzinfo is UTC
