"""One action: what changes and why, the proof that is asked for, and the next step of its owner or of who verifies it."""

import hashlib
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.labels import label
from services.console.page import TEXTS
from services.console.pages.action_history import history
from services.console.service_api import Refused
from services.console.steps import Step, number, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, newest_change, refused
from services.contracts.taxonomy import Role, Shift

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

VERIFIERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
    Role.DIRECTOR,
)
ARRANGERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
CANCELLERS = (Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
KINDS = ("observation", "document", "audit_result", "link")
METHODS = ("spot_check", "observation", "document_check", "people_asked", "records_audit", "re_audit")
_FOUND = (
    "outcome", "method", "draw_id", "not_drawn_reason", "sample_size", "compliant", "finding", "missing",
    "redo_working_days", "remaining_risk", "next_check_on",
)  # fmt: skip


def _evidence(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "proves": visit.texts("evidence_proves")}


def _draw(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    lines = [line.strip() for line in body.pop("frame", "").splitlines() if line.strip()]
    return {**body, **({"frame": lines} if lines else {})}


def _look(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    places = [name.removeprefix("look_compliant_") for name in visit.form if name.startswith("look_compliant_")]
    items = [
        {
            "position": number(place),
            "compliant": visit.text(f"look_compliant_{place}") == "yes",
            "note": visit.text(f"look_note_{place}") or None,
        }
        for place in places
        if place.isdecimal()
    ]
    return {"items": items, "rest": True if visit.text("look_rest") == "yes" else None}


def _verification(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "shifts": visit.texts("verify_shifts")}


def _decision(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "granted": visit.text("decide_granted") == "yes"}


def _cancelling(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "accepted": visit.text("cancelling_accepted") == "yes"}


def _handing(visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
    to, _bar, role = body.pop("to").partition("|")
    one = {"action_ids": [visit.text("of")]} if visit.text("of") else {}
    return {**body, "to_id": to, "to_role": role, **one}


def handed(**more: str) -> Step:
    """The form that gives what somebody owns to somebody else; without an action all of it. `more` are needs besides."""
    needs = {"to": _("Choose who takes it over"), "reason": _("Say why")}
    return Step(
        "actions", "/handovers", ("from_id", "to", "reason"), versioned=False, body=_handing, needs={**needs, **more}
    )


def _step(path: str, *fields: str, **how: Any) -> Step:
    return Step("actions", f"/actions/{{action_id}}/{path}", fields, **how)


STEPS = {
    "understood": _step("understanding", "in_own_words"),
    "evidence": _step("evidence", "kind", "description", versioned=False, body=_evidence, shown=("file",)),
    "done": _step("completion", body=lambda visit, body: None),
    "time": _step("extensions", "working_days", "reason"),
    "decide": _step("extensions/{of}/decision", "reason", body=_decision, shown=("granted",)),
    "draw": _step("draws", "frame", "frame_size", "size", "reason", versioned=False, body=_draw),
    "look": _step("draws/{of}/findings", versioned=False, body=_look),
    "verify": _step("verification", *_FOUND, body=_verification),
    "recheck": _step("recheck", *_FOUND, body=_verification),
    "ask_cancel": _step("cancellation-requests", "reason", needs={"reason": _("Say why it should not be done")}),
    "cancelling": _step("cancellation-requests/{of}/decision", "reason", body=_cancelling, shown=("accepted",)),
    "cancel": _step("cancellation", "reason", needs={"reason": _("Say why it will not be done")}),
    "waits": _step("waits-for", method="PUT", body=lambda visit, body: {"waits_for": visit.texts("waits_for")}),
    "learning": _step("learning", "learning_ref", method="PUT", needs={"learning_ref": _("Choose what was learned")}),
    "site": _step("sites/{of}", "state", "note", versioned=False, needs={"state": _("Choose how far it is there")}),
    "hand": handed(),
}


@router.get("/actions/{action_id}")
def action(visit: Visitor, action_id: str) -> Response:
    """The action, with the step that is this person's."""
    return _show(visit, action_id, Sent())


@router.get("/actions/{action_id}/evidence/{evidence_id}/files/{file_id}")
def file(visit: Visitor, action_id: str, evidence_id: str, file_id: str) -> Response:
    """A file of evidence, as a download."""
    found = visit.api.fetch("actions", f"/actions/{action_id}/evidence/{evidence_id}/files/{file_id}")
    headers = {"Content-Disposition": "attachment", "Cache-Control": "no-store"}
    return Response(found.content, media_type=found.headers["Content-Type"], headers=headers)


@router.post("/actions/{action_id}/{name}")
def take_step(visit: Visitor, action_id: str, name: str) -> Response:
    """Take a step: once however often it is sent, and not unseen over the change of somebody else."""
    step = STEPS.get(name)
    if step is None:
        return go(f"/actions/{action_id}")
    form = visit.text("form") or ("verify" if name == "recheck" else name)
    sent = take(visit, form, step, action_id=action_id, of=visit.text("of"))
    if sent is None and name == "evidence":
        sent = _attached(visit, action_id)
    return _show(visit, action_id, sent) if sent else go(f"/actions/{action_id}?saved={name}")


def _attached(visit: Visit, action_id: str) -> Sent | None:
    try:
        _attach(visit, action_id, answered(visit, "evidence", ("kind", "description")))
    except Refused as error:
        return refused(visit, "evidence", error, ("file",))
    return None


def _attach(visit: Visit, action_id: str, body: dict[str, Any]) -> None:
    """Keep the file that was chosen with the evidence that was just added; the evidence stays if the file is refused."""
    chosen = visit.file("evidence_file")
    if chosen is None:
        return
    mine = [
        one["evidence_id"]
        for one in visit.api.get("actions", f"/actions/{action_id}")["evidence"]
        if (one["added_by"], one["description"]) == (str(visit.actor.id), body["description"])
    ]
    content = chosen.file.read()
    try:
        if not mine:
            raise Refused(409, "", _("it was changed before the file came."))
        visit.api.upload(
            "actions", f"/actions/{action_id}/evidence/{mine[-1]}/files", name=chosen.filename or "file",
            media_type=chosen.content_type or "application/octet-stream", content=content,
            key=f"{key_of(visit)}-{hashlib.sha256(content).hexdigest()[:16]}",
        )  # fmt: skip
    except Refused as error:
        said = _("What you wrote is kept, the file is not: %(why)s Choose another file and add it again.")
        raise Refused(422, error.title, error.detail, {"file": said % {"why": error.detail}}) from None


def _show(visit: Visit, action_id: str, sent: Sent) -> Response:
    answer = visit.api.read("actions", f"/actions/{action_id}")
    found, me = answer.body, str(visit.actor.id)
    people = names(visit, [found["owner_id"], found["answering_id"], *_people(found)])
    asked = next((one for one in found["rechecks"] if one["asked_at"] and not one["answered_at"]), None)
    verifies = visit.has(*VERIFIERS) and me not in (found["owner_id"], found["done_by"])
    return visit.page(
        "action.html", sent.status, action=found, version=answer.version, sent=sent, errors=sent.errors, people=people,
        owner=me == found["answering_id"] and found["status"] in ("agreed", "open"),
        verifies=verifies and (found["status"] == "done" or (found["status"] == "verified" and asked is not None)),
        recheck=asked, draw=_draw_in_use(found), request_for_time=_undecided(found),
        decides=visit.has(*VERIFIERS) and me != found["owner_id"], history=history(found, people),
        change=newest_change(visit, "actions", found["incident_id"], action_id) if sent.stale else None,
        asks=me == found["answering_id"] and found["status"] in ("agreed", "open", "done"),
        cancel_asked=next((one for one in found["cancellations"] if one["accepted"] is None), None),
        cancels=visit.has(*CANCELLERS) and me != found["owner_id"] and found["status"] in ("agreed", "open", "done"),
        arranges=visit.has(*ARRANGERS) and found["status"] in ("agreed", "open"), **_arranging(visit, found),
        learning=_learning(visit, found), kinds=KINDS, methods=METHODS, shifts=list(Shift),
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _arranging(visit: Visit, found: dict[str, Any]) -> dict[str, Any]:
    """What a manager chooses from: who could own it, what it could wait for, what was learned that it could answer."""
    if not visit.has(*ARRANGERS) or found["status"] in ("verified", "cancelled"):
        return {"staff": [], "siblings": [], "learned": []}
    others = visit.api.get("actions", "/actions", incident_id=found["incident_id"], limit=200)["items"]
    return {
        "staff": staff_of(visit, found["location_id"]),
        "siblings": [one for one in others if one["action_id"] != found["action_id"] and one["status"] != "cancelled"],
        "learned": [] if found["learning_ref"] else learned(visit, found["incident_id"]),
    }


def staff_of(visit: Visit, location_id: str) -> list[dict[str, str]]:
    """Who works at a place or for it, once for each role, by name; the value is `person|role`."""
    people = visit.api.all("directory", "/people", most=400, location_id=location_id)
    pairs = {
        (one["display_name"], one["person_id"], held["role"])
        for one in people
        if one["active"]
        for held in one["roles"]
    }
    return [
        {"value": f"{person}|{role}", "text": f"{name}, {label(role).lower()}"} for name, person, role in sorted(pairs)
    ]


def learned(visit: Visit, incident_id: str) -> list[dict[str, Any]]:
    """What the approved reviews of an incident learned, for those who may read them."""
    page = visit.api.get_or_none("review", "/reviews", incident_id=incident_id) or {"items": []}
    approved = [one["review_id"] for one in page["items"] if one["status"] == "approved"]
    full = [visit.api.get_or_none("review", f"/reviews/{review_id}") or {"learning": []} for review_id in approved]
    return [one for review in full for one in review["learning"]]


def _people(found: dict[str, Any]) -> list[Any]:
    """Whoever did something to an action."""
    return [
        found["agreed_by"],
        *(one["added_by"] for one in found["evidence"]),
        *(one["verified_by"] for one in found["verifications"]),
        *(one["decided_by"] for one in found["extensions"]),
    ]


def _draw_in_use(found: dict[str, Any]) -> dict[str, Any] | None:
    """The newest sample of this attempt, unless somebody has decided by it."""
    used = {one["draw_id"] for one in found["verifications"]}
    draws = [one for one in found["draws"] if one["attempt"] == found["attempt"]]
    return draws[-1] if draws and draws[-1]["draw_id"] not in used else None


def _undecided(found: dict[str, Any]) -> dict[str, Any] | None:
    waiting = [one for one in found["extensions"] if one["granted"] is None and one["attempt"] == found["attempt"] + 1]
    return waiting[-1] if waiting and found["status"] == "open" else None


def _learning(visit: Visit, found: dict[str, Any]) -> str | None:
    """What was learned that the action answers, for those who may read the review."""
    if found["learning_ref"] is None or not visit.has(*VERIFIERS):
        return None
    for one in learned(visit, found["incident_id"]):
        if one["learning_id"] == found["learning_ref"]:
            return str(one["statement"])
    return None
