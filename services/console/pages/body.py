"""Where on the body: marks on a drawing of the front and the back, kept as codes among the answers to what the type asks."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, key_of, refused

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

QUESTION = "body_map"
WIDTH, HEIGHT = 240, 470
_MIDDLE = {
    "front": {"head": 36, "neck": 78, "chest": 118, "abdomen": 162, "groin": 206},
    "back": {"head": 36, "neck": 78, "upper_back": 118, "lower_back": 158, "sacrum": 198},
}
_BESIDE = {
    "front": {
        "shoulder": (78, 98), "upper_arm": (60, 138), "forearm": (46, 190), "hand": (34, 238), "hip": (86, 222),
        "thigh": (98, 268), "knee": (95, 318), "lower_leg": (92, 370), "foot": (88, 436),
    },
    "back": {
        "shoulder": (78, 98), "upper_arm": (62, 132), "elbow": (53, 164), "forearm": (44, 198), "hand": (34, 238),
        "buttock": (94, 230), "thigh": (98, 278), "calf": (93, 366), "heel": (88, 436),
    },
}  # fmt: skip
"""Down the middle, and on the side that is left in the drawing; the other side is its mirror. At least 24 apart: a finger's width."""


@dataclass(frozen=True)
class Place:
    """A place on the drawing, by the code that intake knows."""

    code: str
    side: str
    text: str
    x: int
    y: int
    marked: bool


def drawing(question: dict[str, Any], marked: list[str]) -> list[Place]:
    """The places that intake asks about and the drawing knows, front first, each from head to foot."""
    found = []
    for side in ("front", "back"):
        # Seen from the front the person's right is on the left of the drawing.
        left_of_drawing, right_of_drawing = ("right", "left") if side == "front" else ("left", "right")
        at = {f"{side}_{name}": (WIDTH // 2, y) for name, y in _MIDDLE[side].items()}
        for name, (x, y) in _BESIDE[side].items():
            at[f"{side}_{left_of_drawing}_{name}"] = (x, y)
            at[f"{side}_{right_of_drawing}_{name}"] = (WIDTH - x, y)
        found += [
            Place(code, side, code.replace("_", " ").capitalize().replace(" ", ": ", 1), x, y, code in marked)
            for code, (x, y) in sorted(at.items(), key=lambda place: (place[1][1], place[1][0]))
            if code in question["options"]
        ]
    return found


def body_map(questions: dict[str, Any] | None) -> list[Place] | None:
    """What is marked on the body of an incident's person; None where it is not asked, or not this person's to see."""
    asked = question_of(questions)
    return None if asked is None else drawing(asked, asked["answer"] or [])


def question_of(questions: dict[str, Any] | None) -> dict[str, Any] | None:
    """The question about the body, if it is asked of this incident."""
    return next((one for one in (questions or {}).get("questions", []) if one["id"] == QUESTION), None)


@router.get("/incidents/{incident_id}/body")
def ask(visit: Visitor, incident_id: str) -> Response:
    """The drawing to mark, with what was marked before."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/body")
def mark(visit: Visitor, incident_id: str) -> Response:
    """Keep what is marked; what somebody else marked meanwhile is shown first, and nothing ticked is lost."""
    answers = {"answers": {QUESTION: visit.texts("mark_body_map")}}
    try:
        visit.api.send(
            "PUT", "intake", f"/incidents/{incident_id}/answers", answers, key=key_of(visit), version=visit.text("version")
        )  # fmt: skip
    except Refused as error:
        return _show(visit, incident_id, refused(visit, "mark", error, ()))
    return go(f"/incidents/{incident_id}/body?saved=1")


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    answer = visit.api.read("intake", f"/incidents/{incident_id}/questions")
    asked = question_of(answer.body)
    if asked is None:
        return go(f"/incidents/{incident_id}")
    marked = sent.ticked.get("mark_body_map", []) if sent.step else asked["answer"] or []
    return visit.page(
        "body.html", sent.status, sent=sent, errors=sent.errors, version=answer.version, incident_id=incident_id,
        places=drawing(asked, marked), question=asked, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
