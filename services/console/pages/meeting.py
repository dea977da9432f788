"""Meetings: what each has before it, frozen as it was seen, with what changed since the last; what it decides and challenges."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.places import LEADERS, leaders, read_places
from services.console.service_api import Refused
from services.console.steps import number
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import GovernanceKind, MeetingLevel
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

QUESTIONS = (
    "does_the_evidence_support_it", "what_changed_and_why", "why_do_services_differ", "are_actions_in_place_and_working",
    "independent_assurance", "other",
)  # fmt: skip
_RAISED = ("kind", "said", "question", "owner", "due_at", "about")


@router.get("/meetings")
def meetings(visit: Visitor) -> Response:
    """Meetings of the places that this person covers, the newest first; and how to call one."""
    return _list(visit, Sent())


@router.post("/meetings")
def call(visit: Visitor) -> Response:
    """Call a meeting beside the cadence, because something cannot wait."""
    body = answered(visit, "call", ("level", "reason"))
    kind, _colon, place = visit.text("call_place").partition(":")
    if place and kind in ("location", "region"):
        body[f"{kind}_id"] = place
    missing = {
        f"call_{name}": text
        for name, text in (("level", _("Choose the level")), ("reason", _("Say why it cannot wait")))
        if name not in body
    }
    wanted = {"service": "location", "region": "region"}.get(body.get("level", ""), "")
    if "level" in body and (kind if place else "") != wanted:
        missing["call_place"] = {
            "location": _("Choose the service that meets"), "region": _("Choose the region that meets"),
            "": _("Executives and the board meet for the whole provider: choose no place"),
        }[wanted]  # fmt: skip
    if missing:
        return _list(visit, Sent("call", visit.typed(), {}, missing, 422, key_of(visit)))
    try:
        made = visit.api.send("POST", "reporting", "/meetings", body, key=key_of(visit)).body
    except Refused as error:
        return _list(visit, refused(visit, "call", error, ("level", "reason")))
    return go(f"/meetings/{made['meeting_id']}")


@router.get("/meetings/{meeting_id}")
def meeting(visit: Visitor, meeting_id: str) -> Response:
    """The meeting pack: the agenda as it was seen, and its decisions and challenges as they stand now."""
    return _show(visit, meeting_id, Sent())


@router.post("/meetings/{meeting_id}/held")
def held(visit: Visitor, meeting_id: str) -> Response:
    """Record that it was held, when and with how many."""
    body: dict[str, Any] = answered(visit, "held", ("held_at", "present", "minutes"))
    missing = {}
    at = _moment(body.get("held_at", ""))
    if at is None:
        missing["held_held_at"] = _("Give the day and time at which it was held")
    if not body.get("present", "").isdecimal():
        missing["held_present"] = _("Give the number of people who took part")
    if missing:
        return _show(visit, meeting_id, Sent("held", visit.typed(), {}, missing, 422, key_of(visit)))
    body |= {"held_at": at, "present": number(body["present"])}
    path = f"/meetings/{meeting_id}/held"
    try:
        visit.api.send("POST", "reporting", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _show(visit, meeting_id, refused(visit, "held", error, ("held_at", "present", "minutes")))
    return go(f"/meetings/{meeting_id}?saved=held")


@router.post("/meetings/{meeting_id}/items")
def raise_item(visit: Visitor, meeting_id: str) -> Response:
    """Record a decision, or a challenge that somebody answers."""
    body = answered(visit, "raise", ("kind", "said", "question"))
    owner, _colon, role = visit.text("raise_owner").partition(":")
    body |= {name: value for name, value in (("owner_id", owner), ("owner_role", role)) if value}
    missing = {
        f"raise_{name}": text
        for name, text, there in (
            ("kind", _("Choose whether it is a decision or a challenge"), body.get("kind")),
            ("said", _("Write what was decided, or what is asked"), body.get("said")),
            ("owner", _("Choose who does it, or answers"), owner and role),
            ("question", _("Choose what sort of question it is"), body.get("kind") != "challenge" or body.get("question")),
        )
        if not there
    }  # fmt: skip
    if body.get("kind") == "decision":
        body.pop("question", None)
    asked = visit.text("raise_due_at")
    if asked:
        due = _moment(f"{asked}T17:00")
        if due is None:
            missing["raise_due_at"] = _("Give a day, or leave it empty")
        else:
            body["due_at"] = due
    about, _colon, record = visit.text("raise_about").partition(":")
    if record and about in ("incident_id", "theme_id", "weakness"):
        body[about] = record
    if missing:
        return _show(visit, meeting_id, Sent("raise", visit.typed(), {}, missing, 422, key_of(visit)))
    try:
        visit.api.send("POST", "reporting", f"/meetings/{meeting_id}/items", body, key=key_of(visit))
    except Refused as error:
        renamed = {
            "owner_id": "owner",
            "owner_role": "owner",
            "incident_id": "about",
            "theme_id": "about",
            "weakness": "about",
        }
        errors = {renamed.get(name, name): text for name, text in error.errors.items()}
        moved = Refused(error.status, error.title, error.detail, errors, error.kind)
        return _show(visit, meeting_id, refused(visit, "raise", moved, _RAISED))
    return go(f"/meetings/{meeting_id}?saved=raise#items")


def _moment(text: str) -> str | None:
    """A day and time as they are typed, in England."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=LONDON)).isoformat()


def _list(visit: Visit, sent: Sent) -> Response:
    places, query = read_places(visit), visit.request.query_params
    chosen = {name: query[name] for name in ("level", "held") if query.get(name)}
    page = visit.api.get("reporting", "/meetings", cursor=query.get("cursor"), **chosen, **places.query)
    following = urlencode({**chosen, "place": places.chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "meetings.html", sent.status, meetings=page["items"], places=places, chosen=chosen, following=following, sent=sent,
        errors=sent.errors, levels=list(MeetingLevel),
    )  # fmt: skip


def _show(visit: Visit, meeting_id: str, sent: Sent) -> Response:
    read = visit.api.read("reporting", f"/meetings/{meeting_id}")
    found, places = read.body, read_places(visit)
    items = found["decisions_and_challenges"]
    return visit.page(
        "meeting.html", sent.status, meeting=found, version=read.version, sent=sent, errors=sent.errors, places=places,
        records=_records(visit, found), people=names(visit, [found["held_by"], *(one["owner_id"] for one in items)]),
        owners=leaders(visit, found["location_id"], found["region_id"]), kinds=list(GovernanceKind), questions=QUESTIONS, governs=visit.has(*LEADERS),
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _records(visit: Visit, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each record that the agenda names is called and where its page is. What may not be seen is not in it."""
    named = {one["incident_id"]: {"href": f"/incidents/{one['incident_id']}", **one} for one in found["incidents"]}
    wanted = {one for topic in found["agenda"]["topics"] for one in topic["records"]} - named.keys()
    if not wanted:
        return named
    for one in (visit.api.get_or_none("review", "/themes", limit=200) or {"items": []})["items"]:
        if one["theme_id"] in wanted:
            named[one["theme_id"]] = {"href": f"/themes/{one['theme_id']}", "text": one["title"], "is_theme": True}
    for one in (visit.api.get_or_none("reporting", "/signals", limit=200) or {"items": []})["items"]:
        if one["signal_id"] in wanted:
            named[one["signal_id"]] = {"href": f"/patterns/{one['signal_id']}", "text": one["why"]["sentence"]}
    return named
