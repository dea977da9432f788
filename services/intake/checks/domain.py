"""The times of checks: pure, no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Times:
    """One check that runs: when it is warned of, when it is due, and how often it was called out as late."""

    required_at: datetime
    warn_at: datetime
    warned: bool
    calls: int


def late_calls(times: Times, now: datetime, again: timedelta, most: int) -> int:
    """How often it is to be called out as late by now: none before its time, once at it, once more every `again`, at most `most`."""
    if now < times.required_at:
        return 0
    return min((now - times.required_at) // again + 1, most)


def next_ring(times: Times, again: timedelta, most: int) -> datetime | None:
    """When somebody must be told next: the warning, the time itself, and then again; None once it was called out enough."""
    if times.calls >= most:
        return None
    if times.calls:
        return times.required_at + again * times.calls
    return times.required_at if times.warned else times.warn_at
