"""Decisions and challenges of meetings: the log of them, and each with what was asked, answered and judged."""

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.places import LEADERS, read_places
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import GovernanceKind, MeetingLevel, Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

JUDGES = tuple(role for role in LEADERS if role is not Role.REGISTERED_MANAGER)
STATUSES = ("open", "answered", "accepted")
ALTERED = ("plan", "money", "pace")
_FILTERS = ("kind", "status", "late", "level", "location_id")


@router.get("/governance")
def log(visit: Visitor) -> Response:
    """The challenge log: who asked whom, what became of it, and what it altered."""
    query = visit.request.query_params
    places = read_places(visit)
    chosen = {name: query[name] for name in _FILTERS if query.get(name)}
    if "location_id" in places.query:
        chosen["location_id"] = places.query["location_id"]
    page = visit.api.get("reporting", "/governance-items", cursor=query.get("cursor"), **chosen)
    following = urlencode({**chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "challenges.html", found=page["items"], chosen=chosen, following=following, places=places, kinds=list(GovernanceKind),
        statuses=STATUSES, levels=list(MeetingLevel), people=names(visit, [one["owner_id"] for one in page["items"]]),
    )  # fmt: skip


@router.get("/governance/{item_id}")
def asked(visit: Visitor, item_id: str) -> Response:
    """Who asked what, until when, and every answer with what became of it."""
    return _show(visit, item_id, Sent())


@router.post("/governance/{item_id}")
def answer(visit: Visitor, item_id: str) -> Response:
    """Send the answer."""
    return _send(visit, item_id, "answer", "answers", {"said": visit.text("answer_said")}, ("said",))


@router.post("/governance/{item_id}/judgement")
def judge(visit: Visitor, item_id: str) -> Response:
    """Accept the answer and say what it altered, or ask again."""
    body: dict[str, Any] = answered(visit, "judge", ("accepted", "reason"))
    missing = {
        f"judge_{name}": text
        for name, text in (("accepted", _("Choose whether you accept it")), ("reason", _("Say why")))
        if name not in body
    }
    if missing:
        ticked = {name: visit.texts(name) for name in visit.form}
        return _show(visit, item_id, Sent("judge", visit.typed(), ticked, missing, 422, key_of(visit)))
    body["accepted"] = body["accepted"] == "yes"
    body["altered"] = visit.texts("judge_altered") if body["accepted"] else []
    return _send(visit, item_id, "judge", "judgements", body, ("accepted", "reason", "altered"))


def _send(visit: Visit, item_id: str, step: str, path: str, body: Any, shown: tuple[str, ...]) -> Response:
    path = f"/governance-items/{item_id}/{path}"
    try:
        visit.api.send("POST", "reporting", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _show(visit, item_id, refused(visit, step, error, shown))
    return go(f"/governance/{item_id}")


def _show(visit: Visit, item_id: str, sent: Sent) -> Response:
    read = visit.api.read("reporting", f"/governance-items/{item_id}")
    found, me = read.body, str(visit.actor.id)
    last = found["answers"][-1]["by"] if found["answers"] else None
    people = names(visit, [found["owner_id"], found["raised_by"], *(one["by"] for one in found["answers"])])
    return visit.page(
        "governance.html", sent.status, item=found, version=read.version, sent=sent, errors=sent.errors, people=people,
        mine=found["owner_id"] == me, altered=ALTERED,
        judges=found["status"] == "answered" and last != me and (found["raised_by"] == me or visit.has(*JUDGES)),
    )  # fmt: skip
