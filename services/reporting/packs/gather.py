"""What a pack is made from, read through the HTTP APIs as one person. What that person may not read is noted, not guessed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

CHAINS = ("intake", "review", "actions")


class Refused(Exception):
    """An API said no to the reader. `status` is that of HTTP; the message is the API's own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Reader(Protocol):
    """Somebody who reads through the APIs."""

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Read. Raises Refused."""


@dataclass
class Read:
    """One incident or theme as the person may see it. `chains` are its audit chains by service."""

    record: dict[str, Any]
    chains: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def everything(reader: Reader, service: str, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All rows of a list, page by page."""
    cursor: dict[str, str] = {}
    while True:
        page = reader.get(service, path, limit=200, **query, **cursor)
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def people(reader: Reader) -> list[dict[str, Any]] | None:
    """Who works here, to cover their names; None where the person may not read it."""
    try:
        return list(everything(reader, "directory", "/people"))
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        return None


def exposure(reader: Reader, location_id: str) -> list[dict[str, Any]]:
    """The care given at a location by month; nothing where the person may not read it, and the chart counts instead."""
    try:
        found: list[dict[str, Any]] = reader.get("directory", f"/locations/{location_id}/exposures")
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        return []
    return found


def obligations(reader: Reader) -> dict[str, set[str]] | None:
    """The rules that each incident raised an obligation by; None where the person may not list them."""
    found: dict[str, set[str]] = {}
    try:
        for row in everything(reader, "intake", "/obligations", unsent=False):
            found.setdefault(row["incident_id"], set()).add(row["rule"])
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        return None
    return found


def incident(reader: Reader, incident_id: str) -> Read | None:
    """The whole chain of one incident; None where the person may not see it at all."""
    withheld: list[str] = []
    parts = _Parts(reader, withheld)
    own = f"/incidents/{incident_id}"
    seen, timeline = parts.read("the report", "intake", own), parts.read("the timeline", "reporting", f"{own}/timeline")
    if seen is None or timeline is None:
        return None
    _all_entries(reader, f"{own}/timeline", timeline)
    record: dict[str, Any] = {
        "incident": seen,
        "summary": timeline["incident"],
        "timeline": timeline,
        "checks": parts.read("the checks of the first hours", "intake", f"{own}/checks"),
        "escalations": parts.read("escalations", "intake", f"{own}/escalations"),
        "feedback": parts.read("what the reporter was told", "intake", f"{own}/feedback"),
        "obligations": parts.read("obligations", "intake", f"{own}/obligations"),
        "candour": parts.read("the duty of candour", "intake", f"{own}/candour"),
        "safeguarding": parts.read("safeguarding", "intake", f"{own}/safeguarding", absent_is_none=True),
        "reviews": parts.each("the review", "review", "/reviews", "review_id", incident_id),
        "actions": parts.each("actions", "actions", "/actions", "action_id", incident_id),
        "checkpoints": parts.each("whether it worked", "actions", "/checkpoints", "checkpoint_id", incident_id),
        "briefings": parts.briefings(timeline["incident"]["briefing"]),
        "challenges": parts.each(
            "decisions and challenges of meetings", "reporting", "/governance-items", "item_id", incident_id
        ),
        "withheld": withheld,
    }
    chains = {service: parts.read(f"the audit chain of {service}", service, f"{own}/audit") for service in CHAINS}
    for asked in record["challenges"] or []:
        path = f"/governance-items/{asked['item_id']}/audit"
        chains[f"reporting/{asked['item_id']}"] = parts.read("the audit chain of a challenge", "reporting", path)
    return Read(record, {service: chain for service, chain in chains.items() if chain})


def theme(reader: Reader, theme_id: str) -> Read:
    """A theme with its members and what followed. Raises Refused where the person may not see it at all."""
    withheld: list[str] = []
    parts = _Parts(reader, withheld)
    timeline = reader.get("reporting", f"/themes/{theme_id}/timeline")
    _all_entries(reader, f"/themes/{theme_id}/timeline", timeline)
    record: dict[str, Any] = {
        "theme": reader.get("review", f"/themes/{theme_id}"),
        "members": list(everything(reader, "review", f"/themes/{theme_id}/members")),
        "timeline": timeline,
        "reviews": parts.each("the review", "review", "/reviews", "review_id", theme_id),
        "actions": parts.each("actions", "actions", "/actions", "action_id", theme_id),
        "checkpoints": parts.each("whether it worked", "actions", "/checkpoints", "checkpoint_id", theme_id),
        "briefings": parts.briefings(timeline["theme"]["briefing"]),
        "withheld": withheld,
    }
    chains = {
        "review": parts.read("the audit chain of review", "review", f"/themes/{theme_id}/audit"),
        "actions": parts.read(
            "the audit chain of actions", "actions", f"/incidents/{theme_id}/audit", absent_is_none=True
        ),
    }
    return Read(record, {service: chain for service, chain in chains.items() if chain})


def _all_entries(reader: Reader, path: str, timeline: dict[str, Any]) -> None:
    while timeline["more"]:
        following = reader.get("reporting", path, cursor=timeline["more"])
        timeline["entries"] += following["entries"]
        timeline["more"] = following["more"]


class _Parts:
    """Reads part by part; a refusal is noted under the part's name."""

    def __init__(self, reader: Reader, withheld: list[str]) -> None:
        self._reader, self._withheld = reader, withheld

    def read(self, name: str, service: str, path: str, *, absent_is_none: bool = False, **query: Any) -> Any:
        try:
            return self._reader.get(service, path, **query)
        except Refused as refused:
            if refused.status not in (403, 404):
                raise
            if refused.status == 403 or not absent_is_none:
                self._withheld.append(f"Not shown, because this role may not read it: {name}.")
            return None

    def each(self, name: str, service: str, path: str, key: str, incident_id: str) -> list[dict[str, Any]] | None:
        try:
            rows = list(everything(self._reader, service, path, incident_id=incident_id))
            return [self._reader.get(service, f"{path}/{row[key]}") for row in rows]
        except Refused as refused:
            if refused.status not in (403, 404):
                raise
            self._withheld.append(f"Not shown, because this role may not read it: {name}.")
            return None

    def briefings(self, state: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
        """The briefing of the latest cycle, with how many locations have understood it."""
        if state is None or state["briefing_id"] is None:
            return []
        path = f"/briefings/{state['briefing_id']}"
        text = self.read("what was shared", "review", path)
        reach = self.read("with whom it was shared", "review", f"{path}/reach", limit=200)
        if text is None or reach is None:
            return None
        return [
            {
                "what_changes": text["what_changes"],
                "sent_at": text["sent_at"],
                **{k: reach[k] for k in ("audience", "understood", "target_percent", "due_at", "reached_at")},
                "locations": [row["location_id"] for row in reach["locations"]["items"]],
            }
        ]
