"""One review: the questions of its method, its text with the quality gate beside it, who took part, and the decision."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console import autosave
from services.console.labels import label
from services.console.page import TEXTS
from services.console.pages import review_draft
from services.console.pages.review_draft import Draft
from services.console.pages.review_records import WRITERS
from services.console.service_api import Refused, new_key
from services.console.visit import Visit, Visitor, go
from services.console.writing import Change, Sent, answered, key_of, names, refused
from services.contracts.taxonomy import Role, Seips

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

BARRIERS_BECAME = ("held", "failed", "bypassed", "missing")
_SPARE_ROWS = 2


@router.get("/reviews/{review_id}")
def review(visit: Visitor, review_id: str) -> Response:
    """How far it is, what it says, and the decision for whoever approves it."""
    return _show(visit, review_id, Sent())


@router.post("/reviews/{review_id}/decision")
def decide(visit: Visitor, review_id: str) -> Response:
    """Approve it, with a reason for each finding that stands, or return it with what is missing."""
    returned = visit.text("go") == "return"
    step, reason = ("return", visit.text("return_reason")) if returned else ("approval", "")
    body = {"reason": reason} if returned else {"answers": _answers(visit)}
    if returned and not reason:
        missing = {"return_reason": _("Say what is missing")}
        return _show(visit, review_id, Sent("decide", visit.typed(), {}, missing, 422, key_of(visit)))
    path = f"/reviews/{review_id}/{step}"
    try:
        visit.api.send("POST", "review", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        sent = refused(visit, "decide", error, ())
        if error.kind == "findings-unanswered":
            sent.errors = {_reason(name): _("Say why this stands, or return the review") for name in error.errors}
        return _show(visit, review_id, sent)
    return go(f"/reviews/{review_id}?saved={step}")


@router.get("/reviews/{review_id}/questions/{question}")
def question(visit: Visitor, review_id: str, question: str) -> Response:
    """One question of the form."""
    return _ask(visit, review_id, question, Sent())


@router.post("/reviews/{review_id}/questions/{question}")
def answer(visit: Visitor, review_id: str, question: str) -> Response:
    """Save the answer and go on to the next question; or only save it, while it is being written."""
    body = answered(visit, "answer", ("answer", "not_applicable_reason"))
    if len(body) != 1:
        missing = {"answer_answer": _("Answer it, or say why it does not apply: one of the two")}
        if autosave.asked(visit):
            return autosave.nothing_to_keep(missing["answer_answer"])
        return _ask(visit, review_id, question, Sent("answer", visit.typed(), {}, missing, 422, key_of(visit)))
    version = visit.text("version") or None
    path = f"/reviews/{review_id}/answers/{question}"
    try:
        saved = visit.api.send("PUT", "review", path, body, key=key_of(visit), version=version)
    except Refused as error:
        if autosave.asked(visit):
            return autosave.not_kept(error, _answered_by(visit, review_id, question))
        sent = refused(visit, "answer", error, ("answer", "not_applicable_reason"))
        if sent.stale:
            sent.errors = {"answer_answer": _("Somebody else answered this meanwhile. Yours was not stored yet.")}
        return _ask(visit, review_id, question, sent)
    if autosave.asked(visit):
        return autosave.kept(visit, saved.version)
    following = _after(visit, review_id, question)
    return go(f"/reviews/{review_id}/questions/{following}" if following else f"/reviews/{review_id}?saved=answers")


@router.get("/reviews/{review_id}/write")
def write(visit: Visitor, review_id: str) -> Response:
    """The text of the review, with what the quality gate points at beside it."""
    return _write(visit, review_id, Sent(), None)


@router.post("/reviews/{review_id}/write")
def save(visit: Visitor, review_id: str) -> Response:
    """Save the text, and hand it in if that was asked for. What was saved stays, also where it cannot be handed in yet.

    While it is being written the form saves itself, and is answered by how far that came.
    """
    path, key, draft = f"/reviews/{review_id}", key_of(visit), review_draft.typed(visit)
    body = review_draft.body(draft, visit.api.get("review", path))
    try:
        saved = visit.api.send("PUT", "review", f"{path}/draft", body, key=key, version=visit.text("version"))
    except Refused as error:
        if autosave.asked(visit):
            return autosave.not_kept(error, _written_by(visit, review_id))
        differing = list(error.errors) if error.status == 412 else []
        sent = refused(visit, "write", error, ())
        if error.errors and not sent.stale:
            sent.errors = _placed((review_draft.field_of(name, draft), text) for name, text in error.errors.items())
        return _write(visit, review_id, sent, draft, differing)
    if autosave.asked(visit):
        return autosave.kept(visit, saved.version)
    if visit.text("go") != "hand-in":
        return go(f"{path}/write?saved=1")
    answers = {"answers": _answers(visit)}
    try:
        visit.api.send("POST", "review", f"{path}/submission", answers, key=f"{key}-hand-in", version=saved.version)
    except Refused as error:
        sent = refused(visit, "write", error, ())
        sent.key = new_key()
        # The text is saved and is shown as it is kept; only the reasons stand in the form alone.
        sent.typed = {name: text for name, text in sent.typed.items() if name.startswith("reason.")}
        sent.typed["version"] = saved.version or ""
        sent.ticked = {}
        if error.errors and not sent.stale:
            sent.errors = _placed(error.errors.items())
        return _write(visit, review_id, sent, None)
    return go(f"{path}?saved=submission")


def _show(visit: Visit, review_id: str, sent: Sent) -> Response:
    read = visit.api.read("review", f"/reviews/{review_id}")
    found = read.body
    handed_in = visit.api.all("review", f"/reviews/{review_id}/submissions")
    points = (handed_in[-1]["points"] or []) if handed_in else []
    records, form = visit.api.get("review", f"/reviews/{review_id}/records"), _form(visit, review_id)
    known = names(
        visit, [one["actor_id"] for one in found["steps"]] + [one["person_id"] for one in records["contributions"]]
    )
    return visit.page(
        "review.html", sent.status, review=found, version=read.version, sent=sent, errors=sent.errors, people=known,
        form=form, questions=_questions(form), points=points, records=records, changed=handed_in[-1]["changed"] if handed_in else [],
        writes=visit.has(*WRITERS) and found["status"] in ("open", "returned"),
        decides=found["status"] == "submitted" and _may_decide(visit, found), place=_place(visit, found),
        change=_last(found, known) if sent.stale else None, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _ask(visit: Visit, review_id: str, name: str, sent: Sent) -> Response:
    stages = (_form(visit, review_id) or {"stages": []})["stages"]
    asked = [(stage, one) for stage in stages for one in stage["questions"]]
    place = next((n for n, (_stage, one) in enumerate(asked) if one["id"] == name), None)
    if place is None:
        raise Refused(404, _("No such question"), _("Start from the review."))
    stage, one = asked[place]
    known = names(visit, [one["answer"]["answered_by"]]) if one["answer"] else {}
    version = f'"{one["answer"]["version"]}"' if one["answer"] else None
    return visit.page(
        "review_question.html", sent.status, review_id=review_id, version=version, stage=stage, question=one, number=place + 1,
        count=len(asked), before=asked[place - 1][1]["id"] if place else None, sent=sent, errors=sent.errors, people=known,
    )  # fmt: skip


def _after(visit: Visit, review_id: str, name: str) -> str | None:
    stages = (_form(visit, review_id) or {"stages": []})["stages"]
    asked = [one["id"] for stage in stages for one in stage["questions"]]
    return next(iter(asked[asked.index(name) + 1 :]), None)


def _write(visit: Visit, review_id: str, sent: Sent, draft: Draft | None, differing: Iterable[str] = ()) -> Response:
    read = visit.api.read("review", f"/reviews/{review_id}")
    found = read.body
    if found["status"] not in ("open", "returned") or not visit.has(*WRITERS):
        return _show(visit, review_id, sent)
    findings = visit.api.get("review", f"/reviews/{review_id}/findings")
    shown = draft or review_draft.stored(found)
    return visit.page(
        "review_write.html", sent.status, review=found, version=read.version, sent=sent, errors=sent.errors,
        draft=shown, theirs=review_draft.stored(found), differing=set(differing),
        findings=findings, questions=_questions(_form(visit, review_id)), elements=list(Seips),
        rows={name: min(len(shown.rows[name]) + _SPARE_ROWS, most) for name, (most, _fields) in review_draft.ROWS.items()},
        words=visit.api.get("review", "/factor-words"), became=BARRIERS_BECAME,
        change=_last(found, names(visit, [one["actor_id"] for one in found["steps"]])) if sent.stale else None,
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _form(visit: Visit, review_id: str) -> dict[str, Any] | None:
    """The questions of the method; None for a review that began before there were forms."""
    found: dict[str, Any] | None = visit.api.get_or_none("review", f"/reviews/{review_id}/method")
    return found


def _questions(form: dict[str, Any] | None) -> dict[str, str]:
    """How each question of the method is put, by its id."""
    return {one["id"]: one["text"] for stage in (form or {"stages": []})["stages"] for one in stage["questions"]}


def _answers(visit: Visit) -> list[dict[str, Any]]:
    """Why each finding stands, as far as it was said."""
    return [
        {"findings": [name.removeprefix("reason.")], "reason": text}
        for name in visit.form
        if name.startswith("reason.") and (text := visit.text(name))
    ]


def _reason(finding: str) -> str:
    return f"reason.{finding}"


def _placed(errors: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is wrong with a text, by the field of the page; what belongs to the pages beside it stands for them."""
    placed: dict[str, str] = {}
    for name, text in errors:
        if name.startswith("take_part."):
            placed.setdefault("write_people", _("Record who took part, or why they did not"))
        elif name.startswith(("answers", "known_cause", "members", "questions")):
            placed["write_form"] = f"{placed.get('write_form', '')} {text}".strip()
        elif name == "briefing":
            placed["write_briefing_summary"] = _(
                "Write the briefing, or say why none is needed if the policy allows it"
            )
        elif name in ("factors", "learning"):
            first = {"factors": "write_factors_0_description", "learning": "write_learning_0_statement"}[name]
            placed[first] = _("Fill in at least one")
        else:
            placed[f"write_{name.replace('.', '_')}"] = text
    return placed


def _may_decide(visit: Visit, found: dict[str, Any]) -> bool:
    """The policy's approver; of a restricted incident the nominated individual too, for the approver may not see it."""
    if found["approval_role"] in visit.actor.roles:
        return True
    if not visit.has(Role.NOMINATED_INDIVIDUAL):
        return False
    access = visit.api.get_or_none("intake", f"/incidents/{found['incident_id']}/access")
    return bool(access and access["restricted"])


def _written_by(visit: Visit, review_id: str) -> Change:
    found = visit.api.get("review", f"/reviews/{review_id}")
    return _last(found, names(visit, [found["steps"][-1]["actor_id"]]))


def _answered_by(visit: Visit, review_id: str, name: str) -> Change | None:
    stages = (_form(visit, review_id) or {"stages": []})["stages"]
    answer = next((one["answer"] for stage in stages for one in stage["questions"] if one["id"] == name), None)
    if answer is None:
        return None
    who = names(visit, [answer["answered_by"]]).get(answer["answered_by"], _("Somebody else"))
    return Change(who, answer["answered_at"], _("the answer"))


def _last(found: dict[str, Any], known: dict[str, str]) -> Change:
    step = found["steps"][-1]
    return Change(known.get(step["actor_id"], label(step["actor_role"])), step["at"], _("the text"))


def _place(visit: Visit, found: dict[str, Any]) -> str:
    place = visit.api.get_or_none("directory", f"/locations/{found['location_id']}")
    return str(place["name"]) if place else ""
