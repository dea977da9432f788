"""Codes, days and spans in plain words."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_LONDON = ZoneInfo("Europe/London")
_WORDS = {
    "medication": "medicines", "abuse_allegation": "abuse or neglect, or an allegation of it",
    "none": "no harm", "service": "Plumbline itself", "fatal": "death",
    "verified": "verified by somebody else", "done": "done, not verified",
}  # fmt: skip


def word(code: object) -> str:
    """A code as a reader says it."""
    text = str(code)
    return _WORDS.get(text) or text.replace("_", " ")


def moment(value: str | datetime) -> datetime:
    """A time as the APIs give it."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def when(value: str | datetime | None) -> str:
    """Day and time in London."""
    if value is None:
        return "no time recorded"
    local = moment(value).astimezone(_LONDON)
    return f"{local.day} {local:%b %Y, %H:%M}"


def day(value: str | datetime) -> str:
    """The day in London, as 2026-06-09."""
    return moment(value).astimezone(_LONDON).date().isoformat()


def span(length: timedelta) -> str:
    """A length of time, to the nearest unit that says enough."""
    hours = int(length.total_seconds() // 3600)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} hours" if hours > 1 else "an hour" if hours == 1 else "less than an hour"


def latest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the highest cycle."""
    cycle = max((row["cycle"] for row in rows), default=0)
    return [row for row in rows if row["cycle"] == cycle]


def roles(record: Mapping[str, Any]) -> dict[str, str]:
    """The role in which each opaque id acted, so that a person is told as a role."""
    found: dict[str, str] = {}
    timeline = record.get("timeline") or {}
    for entry in timeline.get("entries", []):
        found.setdefault(entry["actor"], entry["actor_role"])
    for review in record.get("reviews") or []:
        for step in review["steps"]:
            found.setdefault(step["actor_id"], step["actor_role"])
    return found
