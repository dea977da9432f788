"""Patterns and the radar: what was found and why, which records, what was left out; and what people decide about it."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.places import read_places
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

DECIDERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR, Role.REGIONAL_MANAGER)
COMMISSIONERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
STATUSES = ("raised", "accepted", "merged", "dismissed")
KINDS = (
    "person_repeat", "place_and_type", "rate_special_cause", "cluster", "theme_across_services", "repeated_action_wording",
    "precursor",
)  # fmt: skip
_FIELDS = ("decision", "reason", "into")


@router.get("/patterns")
def patterns(visit: Visitor) -> Response:
    """Those that nobody decided on first asked for; each with why it was raised."""
    places, query = read_places(visit), visit.request.query_params
    chosen = {name: query[name] for name in ("status", "kind") if query.get(name)}
    page = visit.api.get("reporting", "/signals", cursor=query.get("cursor"), **chosen, **places.query)
    quality = visit.api.get("reporting", "/signals/quality")
    following = urlencode({**chosen, "place": places.chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "patterns.html", signals=page["items"], places=places, chosen=chosen, following=following, quality=quality,
        statuses=STATUSES, kinds=KINDS,
    )  # fmt: skip


@router.get("/patterns/{signal_id}")
def pattern(visit: Visitor, signal_id: str) -> Response:
    """Why it was raised, its members, what was left out and why, and what people said to it."""
    return _show(visit, signal_id, Sent())


@router.post("/patterns/{signal_id}")
def decide(visit: Visitor, signal_id: str) -> Response:
    """Accept it, merge it into another, or dismiss it, with a reason."""
    body = answered(visit, "decide", _FIELDS)
    if body.get("decision") != "merge":
        body.pop("into", None)
    missing = {
        f"decide_{name}": text
        for name, text, needed in (
            ("decision", _("Choose what is to become of it"), True),
            ("reason", _("Say why, for those who ask later"), True),
            ("into", _("Choose the pattern that this one is part of"), body.get("decision") == "merge"),
        )
        if needed and name not in body
    }
    if missing:
        return _show(visit, signal_id, Sent("decide", visit.typed(), {}, missing, 422, key_of(visit)))
    path = f"/signals/{signal_id}/decisions"
    try:
        visit.api.send("POST", "reporting", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _show(visit, signal_id, refused(visit, "decide", error, _FIELDS))
    return go(f"/patterns/{signal_id}?saved=1")


@router.get("/radar")
def radar(visit: Visitor) -> Response:
    """Every weakness of a service, a region, or all that somebody sees, with its records and since when."""
    places = read_places(visit)
    found = visit.api.get("reporting", "/radar", **places.query)
    return visit.page("radar.html", places=places, radar=found, here=urlencode({"place": places.chosen}))


@router.get("/radar/{weakness}")
def weakness(visit: Visitor, weakness: str) -> Response:
    """The records behind one weakness."""
    places, cursor = read_places(visit), visit.request.query_params.get("cursor")
    found = visit.api.get("reporting", f"/radar/{weakness}/records", cursor=cursor, **places.query)
    radar = visit.api.get("reporting", "/radar", **places.query)
    said = next((one for one in radar["findings"] if one["weakness"] == weakness), None)
    following = urlencode({"place": places.chosen, "cursor": found["next"]}) if found["next"] else None
    return visit.page(
        "weakness.html", places=places, weakness=weakness, finding=said, records=found["items"], following=following,
        here=urlencode({"place": places.chosen}),
    )  # fmt: skip


def _show(visit: Visit, signal_id: str, sent: Sent) -> Response:
    read = visit.api.read("reporting", f"/signals/{signal_id}")
    found, decides = read.body, visit.has(*DECIDERS)
    query, of = visit.request.query_params, f"/signals/{signal_id}/incidents"
    out = query.get("show") == "out"
    with ThreadPoolExecutor(4) as pool:
        places = pool.submit(read_places, visit)
        members = pool.submit(visit.api.get, "reporting", of, member=not out, cursor=query.get("cursor"), limit=50)
        themes = pool.submit(visit.api.get_or_none, "review", "/themes", signal_id=signal_id)
        others = pool.submit(visit.api.get, "reporting", "/signals", limit=100) if decides else None
        people = names(visit, [one["by"] for one in found["decisions"]])
    page = members.result()
    following = urlencode({"show": "out" if out else "", "cursor": page["next"]}) if page["next"] else None
    joins = [one for one in (others.result()["items"] if others else []) if one["signal_id"] != signal_id
             and one["status"] in ("raised", "accepted")]  # fmt: skip
    return visit.page(
        "pattern.html", sent.status, signal=found, version=read.version, sent=sent, errors=sent.errors, members=page["items"],
        out=out, following=following, places=places.result(), themes=(themes.result() or {"items": []})["items"], people=people,
        decides=decides and found["status"] == "raised", commissions=visit.has(*COMMISSIONERS), others=joins,
        saved=query.get("saved"),
    )  # fmt: skip
