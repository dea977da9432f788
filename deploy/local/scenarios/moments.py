"""How a scenario says when: durations such as `90m` or `1d 4h`, and moments such as `+2h` or `fracture + 4h`."""

import re
from dataclasses import dataclass
from datetime import timedelta

START = "T0"
"""The moment at which the first step may happen, once everybody is registered."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?\s*[smhdw]\s*)+")
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_MOMENT = re.compile(r"(?P<name>[A-Za-z][\w-]*?)?\s*(?:(?P<sign>[+-])\s*(?P<offset>[\d.\s smhdw]+))?")
DURATION_REMEDY = "Write a number and s, m, h, d or w, for example 90m, 4h or '1d 12h'."
MOMENT_REMEDY = (
    "Write +2h (two hours after the start), -30m, or the id of an earlier step with or without an offset: 'fall + 4h'."
)


@dataclass(frozen=True)
class Moment:
    """A named moment and how far from it."""

    name: str
    offset: timedelta


def duration(text: str) -> timedelta:
    """A length of time. Raises ValueError for anything else."""
    if not _DURATION.fullmatch(text.strip()):
        raise ValueError("is not a length of time")
    pieces = dict.fromkeys(_UNITS.values(), 0.0)
    for number, unit in _PIECE.findall(text):
        pieces[_UNITS[unit]] += float(number)
    return timedelta(**pieces)


def moment(text: str) -> Moment:
    """A moment. Raises ValueError for anything else."""
    match = _MOMENT.fullmatch(text.strip())
    if not match or not text.strip():
        raise ValueError("is not a moment")
    offset = duration(match["offset"]) if match["offset"] else timedelta()
    return Moment(match["name"] or START, -offset if match["sign"] == "-" else offset)
