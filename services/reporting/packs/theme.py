"""A theme on one page: what is late, why it was looked at and with which questions, which incidents, and what followed."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.reporting.packs.frameworks import Frameworks
from services.reporting.packs.gaps import Gap
from services.reporting.packs.page import Page, Writer, parts_of
from services.reporting.packs.redaction import Redactor
from services.reporting.packs.words import day, moment, when, word


def make(record: Mapping[str, Any], redactor: Redactor, frameworks: Frameworks, places: Mapping[str, str]) -> Page:
    """The page of a theme as it was read; `places` are the names of locations by id."""
    theme, stood = record["theme"], record["timeline"]["theme"]
    texts = redactor.may("review")
    return Page(
        incident_id=theme["theme_id"],
        title=f"The theme: {word(theme['category'])}, commissioned {when(theme['commissioned_at'])}",
        why="What was looked at across its members",
        facts=[
            ("Services", str(len(theme["locations"]))),
            ("Risk", word(theme["band"])),
            ("Members", f"{theme['linked']} linked, {theme['excluded']} considered and left out"),
            ("Stage", word(theme["stage"]) + ("" if theme["cycle"] == 1 else f", round {theme['cycle']}")),
            ("Ended", when(stood["ended_at"]) if stood["ended_at"] else "no"),
        ],
        gaps=[
            Gap(f"late_{clock['kind']}", f"Late: {clock['what']}", "It to be done", moment(clock["due_at"]))
            for clock in record["timeline"]["clocks"]
            if clock["overdue"]
        ],
        sections=[
            ("Why it was looked at", list(_why(record, redactor, places))),
            ("Questions", _texts(redactor, theme["questions"])),
            ("Members", list(_considered(record, "linked", redactor, places)) or ["None that this role may see."]),
            ("Considered and left out", list(_considered(record, "excluded", redactor, places)) or ["None."]),
            *Writer(record, redactor, places).what_followed(),
        ],
        evidence=frameworks.evidence(parts_of(record), theme["category"]),
        withheld=[*record["withheld"], *([] if texts else ["What people wrote of the theme is left out for this role."])],
        entries=[
            {"at": e["at"], "what": e["what"], "by_role": e["actor_role"], "type": e["type"]}
            for e in record["timeline"]["entries"]
        ],
        is_theme=True,
    )  # fmt: skip


def _texts(redactor: Redactor, texts: list[str]) -> list[str]:
    shown = [text for one in texts if (text := redactor.text("review", one))]
    return shown or [f"{len(texts)}, not shown for this role."]


def _why(record: Mapping[str, Any], redactor: Redactor, places: Mapping[str, str]) -> Iterator[str]:
    theme = record["theme"]
    yield from (text for one in (theme["title"], theme["why"]) if (text := redactor.text("review", one)))
    found = "a pattern that was found" if theme["signal_id"] else "a person's own judgement"
    yield f"It began with {found}. Seen at: {', '.join(places.get(one, 'a location') for one in theme['locations'])}."
    if theme["sources"]:
        yield f"Read for it: {'; '.join(_texts(redactor, theme['sources']))}"
    if theme["team"]:
        yield f"In the team: {'; '.join(_texts(redactor, [one['part'] for one in theme['team']]))}"


def _considered(
    record: Mapping[str, Any], decision: str, redactor: Redactor, places: Mapping[str, str]
) -> Iterator[str]:
    for one in record["members"]:
        if one["decision"] == decision:
            reason = redactor.text("review", one["reason"])
            place = places.get(one["location_id"], "a location")
            yield f"{word(one['category']).capitalize()} of {day(one['occurred_at'])}, {place}{f': {reason}' if reason else '.'}"
