"""From what was asked for to the files of a pack."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.reporting.packs import chart, frameworks, gather, manifest, page, redaction, render, selection
from services.reporting.packs import theme as theme_page
from services.reporting.packs.gather import Reader
from services.reporting.packs.words import day, moment, when, word

_YEAR = timedelta(days=365)
_MONTHS_SHOWN = 24

README = """This is an evidence pack of Plumbline.

index.html and pack.pdf say the same; the PDF has one page for each incident, and for the theme if it is of one.
records/ has what each page was made from, selection.json how the incidents were chosen, frameworks.json which page is
evidence for which statement, charts/ the figures with their tables, audit/ the hash-chained history of each service.
manifest.json has the SHA-256 of every file; the id of the pack is the SHA-256 of the manifest.

To verify it anywhere, without a running system:   plumbline pack verify FILE.zip
Compare the id that it prints with the one you were given when the pack was built.
"""


class CannotBuild(Exception):
    """There is nothing to build a pack of, as it was asked for. The message says what to change."""


@dataclass(frozen=True)
class Asked:
    """What the pack is of: exactly one of the four, and the days it covers."""

    location: str | None = None
    theme: str | None = None
    incident: str | None = None
    demo: bool = False
    first: date | None = None
    last: date | None = None


@dataclass
class _Subject:
    """What was chosen, and what there is to say of the choice."""

    title: str
    chosen: dict[str, str]
    facts: list[tuple[str, str]]
    choice: list[str]
    withheld: list[str]
    charted: list[dict[str, Any]]
    chart_title: str
    place: str | None
    selected: dict[str, Any]
    theme: gather.Read | None = None


@dataclass(frozen=True)
class Built:
    """A finished pack."""

    content: bytes
    pack_id: str
    title: str
    incident_ids: tuple[str, ...]
    gaps: int

    @property
    def incidents(self) -> int:
        """How many have a page."""
        return len(self.incident_ids)


def build(
    reader: Reader, role: str, asked: Asked, seed: int, progress: Callable[[int, int], None] = lambda done, of: None
) -> Built:
    """Read, choose, write, hash. Only what the reader's role may see and take out is in it.

    `progress` hears after each incident how many of how many were read. Raises CannotBuild, and Refused where the reader
    may not read at all.
    """
    now = moment(reader.get("reporting", "/overview")["as_of"])
    places = {row["location_id"]: row["name"] for row in gather.everything(reader, "reporting", "/locations/overview")}
    subject = _subject(reader, asked, seed, now, places)
    staff = gather.people(reader)
    redactor = redaction.Redactor(role, None if staff is None else redaction.names_of(staff))
    rules = frameworks.shipped()
    files: dict[str, bytes] = {}
    pages: list[page.Page] = []
    chains: dict[str, list[dict[str, Any]]] = {}
    policies: dict[str, set[str]] = {}
    if subject.theme is not None:
        pages.append(theme_page.make(subject.theme.record, redactor, rules, places))
        theme_id = pages[0].incident_id
        chains |= {f"audit/{service}/{theme_id}.json": chain for service, chain in subject.theme.chains.items()}
    for number, (incident_id, why) in enumerate(subject.chosen.items(), 1):
        progress(number - 1, len(subject.chosen))
        read = gather.incident(reader, incident_id)
        if read is None:
            subject.withheld.append("An incident that was chosen is not shown: this role may not read it.")
            continue
        pages.append(page.make(read.record, why, now, redactor, rules, places))
        chains |= {f"audit/{service}/{incident_id}.json": chain for service, chain in read.chains.items()}
        for kind, version in _policies(read.record):
            policies.setdefault(kind, set()).add(version)
    files |= {f"records/{one.name}.json": _json(one.to_json()) for one in pages}
    files |= {name: _json(chain) for name, chain in chains.items()}
    drawn = _chart(reader, subject, now)
    if drawn is not None:
        files["charts/incidents.svg"], files["charts/incidents.json"] = drawn.svg.encode(), _json(drawn.to_json())
    withheld = [*_always(role), *subject.withheld, *([] if staff is not None else [_NO_NAMES])]
    facts = [*subject.facts, ("Built", when(now)), ("Built by", f"the {word(role)}")]
    content = render.content(
        title=subject.title, author=f"The {word(role)}", facts=facts, choice=subject.choice, withheld=withheld,
        pages=pages, chart=drawn, frameworks=rules,
    )  # fmt: skip
    files |= {
        "index.html": render.html(content),
        "pack.pdf": render.pdf(content, now),
        "selection.json": _json(subject.selected),
        "frameworks.json": _json({"version": rules.version, "frameworks": content["frameworks"]}),
        "README.txt": README.encode(),
    }
    about = {
        "title": subject.title,
        "built_at": now.isoformat(),
        "built_by_role": role,
        "subject": {k: v for k, v in subject.selected.items() if k in ("kind", "id", "first_day", "last_day")},
        "seed": subject.selected.get("seed"),
        "versions": {
            "selection": selection.RULE,
            "redaction": redaction.shipped().version,
            "frameworks": rules.version,
            "policies_of_the_incidents": {kind: sorted(found) for kind, found in sorted(policies.items())},
        },
        "incidents": [one.incident_id for one in pages if not one.is_theme],
        "chains": {name: {"entries": len(chain), "last_hash": chain[-1]["hash"]} for name, chain in chains.items()},
        "withheld": withheld,
    }
    packed, pack_id = manifest.write(about, files)
    return Built(
        packed,
        pack_id,
        subject.title,
        tuple(one.incident_id for one in pages if not one.is_theme),
        sum(len(one.gaps) for one in pages),
    )


_NO_NAMES = (
    "This role may not read who works here, so names could not be covered in what people wrote: no such text is here."
)


def _always(role: str) -> list[str]:
    return [
        f"Whatever the {word(role)} may not see, such as records kept to those who need to know. How many there are"
        " cannot be told.",
        "Names: people are shown as their roles; mail and telephone are covered in what people wrote.",
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


def _policies(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [("triage", one["policy_version"]) for one in record["incident"]["triage"]]
    found += [("review", one["policy_version"]) for one in record["reviews"] or []]
    found += [("obligations", one["policy_version"]) for one in (record["obligations"] or {}).get("obligations", [])]
    found += [("impact", one["policy_version"]) for one in record["checkpoints"] or [] if one["policy_version"]]
    return found


def _subject(reader: Reader, asked: Asked, seed: int, now: datetime, places: Mapping[str, str]) -> _Subject:
    if asked.incident is not None:
        return _of_incident(reader, asked.incident, places)
    if asked.theme is not None:
        return _of_theme(reader, asked.theme)
    place, first = asked.location, asked.first
    if asked.demo:
        place, first_played = _demonstration(reader)
        first = first or first_played
    assert place is not None
    if place not in places:
        raise CannotBuild(f"there is no location {place} that this person may see")
    last = asked.last or date.fromisoformat(day(now))
    first = first or last - _YEAR
    if first > last:
        raise CannotBuild(f"--from {first} is after --to {last}")
    return _of_location(reader, place, places[place], first, last, seed)


def _demonstration(reader: Reader) -> tuple[str, date]:
    """The service of the demonstration with most incidents played, and the day of the first of them."""
    played: dict[str, list[str]] = {}
    for row in gather.everything(reader, "reporting", "/incidents"):
        if row["origin"] == "live":
            played.setdefault(row["location_id"], []).append(row["reported_at"])
    if not played:
        raise CannotBuild("nothing was played yet: run 'plumbline demo' first")
    place = min(played, key=lambda one: (-len(played[one]), one))
    return place, date.fromisoformat(day(min(played[place], key=moment)))


def _of_location(reader: Reader, place: str, name: str, first: date, last: date, seed: int) -> _Subject:
    everything = list(gather.everything(reader, "reporting", "/incidents", location_id=place))
    within = [one for one in everything if str(first) <= day(one["reported_at"]) <= str(last)]
    raised = gather.obligations(reader)
    chosen = selection.draw(seed, within, raised or {})
    why = {one: f"{' and '.join(chosen.serious[one]).capitalize()}: all of these are shown" for one in chosen.serious}
    why |= dict.fromkeys(chosen.drawn, "Drawn at random")
    others = len(chosen.candidates) - len(chosen.serious)
    choice = [
        f"{len(chosen.candidates)} incidents and near misses were reported from {first} to {last}."
        f" {len(chosen.serious)} are a death, abuse or a serious injury: all are here."
        f" {len(chosen.drawn)} of the other {others} were drawn at random, with the seed {seed}.",
        f"The rule, by which anybody can draw again from selection.json: {selection.RULE_IN_WORDS.format(size=selection.SIZE)}",
    ]
    withheld = []
    if raised is None:
        withheld.append(
            "This role may not list obligations: a serious injury that shows only in what was notified may be missing."
        )
    return _Subject(
        title=f"Evidence pack: {name}, {first} to {last}",
        chosen={one: why[one] for one in chosen.shown},
        facts=[("Location", name), ("Reported from", str(first)), ("Reported to", str(last))],
        choice=choice,
        withheld=withheld,
        charted=[one for one in everything if selection.is_candidate(one) and day(one["occurred_at"]) <= str(last)],
        chart_title=f"Incidents and near misses by month: {name}",
        place=place,
        selected={"kind": "location", "id": place, "first_day": str(first), "last_day": str(last), **chosen.to_json()},
    )


def _of_incident(reader: Reader, incident_id: str, places: Mapping[str, str]) -> _Subject:
    summary = reader.get("reporting", f"/incidents/{incident_id}/timeline", limit=1)["incident"]
    place = summary["location_id"]
    name = places.get(place, "a location")
    charted = list(gather.everything(reader, "reporting", "/incidents", location_id=place))
    return _Subject(
        title=f"Evidence pack: one incident of {name}",
        chosen={incident_id: "Asked for by name"},
        facts=[("Location", name)],
        choice=["One incident was asked for; nothing was drawn."],
        withheld=[],
        charted=[one for one in charted if selection.is_candidate(one)],
        chart_title=f"Incidents and near misses by month: {name}",
        place=place,
        selected={"kind": "incident", "id": incident_id},
    )


def _of_theme(reader: Reader, theme_id: str) -> _Subject:
    read = gather.theme(reader, theme_id)
    theme = read.record["theme"]
    members = [one["incident_id"] for one in read.record["members"] if one["decision"] == "linked"]
    places = set(theme["locations"])
    charted = gather.everything(reader, "reporting", "/incidents", category=theme["category"])
    return _Subject(
        title=f"Evidence pack: a theme of {word(theme['category'])}",
        chosen=dict.fromkeys(members, "A member of the theme"),
        facts=[("Theme", word(theme["category"])), ("Services in which it was seen", str(len(places)))],
        choice=[
            f"The {len(members)} incidents that were linked to the theme and that this role may see; nothing was drawn."
            f" {theme['excluded']} were considered and left out."
        ],
        withheld=[],
        charted=[one for one in charted if one["location_id"] in places and selection.is_candidate(one)],
        chart_title=f"Incidents of {word(theme['category'])} by month, in the services of the theme",
        place=None,
        selected={"kind": "theme", "id": theme_id, "members": members, "excluded": theme["excluded"]},
        theme=read,
    )


def _chart(reader: Reader, subject: _Subject, now: datetime) -> chart.Drawn | None:
    """Whole months from the first incident on, two years at most; the running month is not over."""
    at = [one["occurred_at"] for one in subject.charted]
    if not at:
        return None
    last = subject.selected.get("last_day")
    until = min(date.fromisoformat(day(now)), date.fromisoformat(last) + timedelta(days=1) if last else date.max)
    months = chart.months_between(date.fromisoformat(day(min(at, key=moment))), until)[-_MONTHS_SHOWN:]
    exposure, unit = None, ""
    if subject.place is not None:
        rows = gather.exposure(reader, subject.place)
        units = {row["unit"] for row in rows}
        if len(units) == 1:
            unit = word(units.pop())
            exposure = {date.fromisoformat(row["month"]): float(row["quantity"]) for row in rows}
    return chart.of_months(subject.chart_title, at, months, exposure, unit)
