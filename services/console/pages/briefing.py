"""One briefing: what happened elsewhere, what changes, and a question that shows whether it was understood."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.action import VERIFIERS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, key_of, refused

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext


@router.get("/briefings/{briefing_id}")
def briefing(visit: Visitor, briefing_id: str) -> Response:
    """The briefing, and the question that is this person's now."""
    return _show(visit, briefing_id, Sent())


@router.post("/briefings/{briefing_id}")
def answer(visit: Visitor, briefing_id: str) -> Response:
    """Answer the question. After a wrong answer it is explained, and the next question is asked."""
    body = {name: visit.text(f"answer_{name}") or None for name in ("location_id", "question", "answer")}
    missing = {"answer_answer": _("Choose an answer")} if body["answer"] is None else {}
    if body["location_id"] is None:
        missing["answer_location_id"] = _("Choose where you work")
    if missing:
        return _show(visit, briefing_id, Sent("answer", visit.typed(), {}, missing, 422, key_of(visit)))
    path = f"/briefings/{briefing_id}/acknowledgements"
    try:
        said = visit.api.send("POST", "review", path, body, key=key_of(visit)).body
    except Refused as error:
        return _show(visit, briefing_id, refused(visit, "answer", error, ("location_id", "answer")))
    if said["understood"]:
        return go(f"/briefings/{briefing_id}")
    place = Sent("explained", {"answer_location_id": body["location_id"] or ""})
    return _show(visit, briefing_id, place, explanation=said["explanation"], wrong=True)


@router.post("/briefings/{briefing_id}/again")
def answer_again(visit: Visitor, briefing_id: str) -> Response:
    """Answer what is asked again weeks later: once."""
    chosen = visit.text("again_answer")
    if not chosen:
        missing = {"again_answer": _("Choose an answer")}
        return _show(visit, briefing_id, Sent("again", visit.typed(), {}, missing, 422, key_of(visit)))
    path = f"/briefings/{briefing_id}/recall-answers"
    try:
        visit.api.send("POST", "review", path, {"answer": chosen}, key=key_of(visit))
    except Refused as error:
        return _show(visit, briefing_id, refused(visit, "again", error, ("answer",)))
    return go(f"/briefings/{briefing_id}?again=1")


def _show(visit: Visit, briefing_id: str, sent: Sent, **words: Any) -> Response:
    found = visit.api.get("review", f"/briefings/{briefing_id}")
    reach = visit.api.get("review", f"/briefings/{briefing_id}/reach", limit=200)
    places = {one["location_id"]: str(one["name"]) for one in visit.api.all("directory", "/locations", active="true")}
    asked = visit.api.get("review", "/recall-questions", limit=200)["items"]
    return visit.page(
        "briefing.html", sent.status, briefing=found, sent=sent, errors=sent.errors, places=_places(reach, places),
        reach=reach, place_names=places, oversees=visit.has(*VERIFIERS),
        again=next((one for one in asked if one["briefing_id"] == briefing_id), None),
        answered_again=visit.request.query_params.get("again"), **words,
    )  # fmt: skip


def _places(reach: dict[str, Any], names: dict[str, str]) -> list[dict[str, str]]:
    """Where the briefing went, as far as this person works there, by name."""
    sent_to = [one["location_id"] for one in reach["locations"]["items"]]
    places = [{"value": place, "text": names[place]} for place in sent_to if place in names]
    return sorted(places, key=lambda place: place["text"])
