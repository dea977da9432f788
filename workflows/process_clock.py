"""The clock of the worker process, for workflow code.

Segments of a clock are only ever appended, so the time of a past instant never changes and replay stays deterministic.
"""

from services.runtime.clock import Clock

_clock = Clock()


def install(clock: Clock) -> None:
    """Called once by the worker before it serves workflows."""
    global _clock
    _clock = clock


def current() -> Clock:
    """The installed clock; real time unless one was installed."""
    return _clock
