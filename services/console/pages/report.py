"""Reporting: one thing on each page, at most eight questions, and nothing typed is lost.

Without a script the answers travel in the form from page to page. With one all questions are in the first page, which keeps
what is typed on the device until it is sent (`kept.py`). The server keeps nothing until the report is sent, under one key, so
it counts once.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS, problems_of
from services.console.pages.body import body_map
from services.console.pages.report_words import WORDS
from services.console.service_api import Refused, new_key
from services.console.visit import Visit, Visitor, go
from services.contracts.taxonomy import Category, Kind
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

MAX_STORY = 10_000
Answers = dict[str, str]


@dataclass(frozen=True)
class Question:
    """One page: its heading, its name on the page that shows all, its fields, when it is asked, what to say if it is empty."""

    name: str
    title: str
    short: str
    fields: tuple[str, ...]
    check: Callable[[Visit, Answers], dict[str, str]]
    empty: str = ""
    only_if: tuple[str, str] | None = None
    unless: tuple[str, str] | None = None

    def asked(self, answers: Answers) -> bool:
        """Whether it is asked, by what was answered before."""
        fits = self.only_if is None or answers.get(self.only_if[0]) == self.only_if[1]
        return fits and (self.unless is None or answers.get(self.unless[0]) != self.unless[1])


CHOOSE_KIND = _("Choose what you want to report")
CHOOSE_PLACE = _("Choose where it happened")
CHOOSE_WHEN = _("Choose whether it just happened")
GIVE_TIME = _("Give the day and the time, for example 14:05. Guess if you must.")
NOT_YET = _("This time has not come yet. Give the time it happened.")
CHOOSE_TYPE = _("Choose the type that fits best")
SAY_DANGER = _("Say whether anybody is in danger now")
SAY_STAFF = _("Say whether it is about somebody who works here")
SAY_WHAT = _("Say what happened, in a few words at least")


def _one_of(
    field: str, allowed: type[Kind] | type[Category], message: str
) -> Callable[[Visit, Answers], dict[str, str]]:
    return lambda visit, answers: {} if answers.get(field, "") in list(allowed) else {field: message}


def _check_place(visit: Visit, answers: Answers) -> dict[str, str]:
    known = {place["location_id"] for place in places(visit)}
    return {} if answers.get("location_id") in known else {"location_id": CHOOSE_PLACE}


def _check_when(visit: Visit, answers: Answers) -> dict[str, str]:
    if answers.get("when") == "now":
        return {}
    if answers.get("when") != "earlier":
        return {"when": CHOOSE_WHEN}
    at = occurred_at(visit, answers)
    if at is None:
        return {"date": GIVE_TIME}
    if at > visit.now:
        return {"date": NOT_YET}
    return {}


def _check_danger(visit: Visit, answers: Answers) -> dict[str, str]:
    return {} if answers.get("danger") in ("yes", "no") else {"danger": SAY_DANGER}


def _check_story(visit: Visit, answers: Answers) -> dict[str, str]:
    story = answers.get("narrative", "")
    if not story:
        return {"narrative": SAY_WHAT}
    if len(story) > MAX_STORY:
        return {"narrative": _("Shorten it to 10,000 characters; you can add more later")}
    return {}


def _check_about_staff(visit: Visit, answers: Answers) -> dict[str, str]:
    fine = answers.get("about_staff") in ("yes", "no", "unsure")
    return {} if fine else {"about_staff": SAY_STAFF}


QUESTIONS = (
    Question("kind", _("What do you want to report?"), _("What"), ("kind",), _one_of("kind", Kind, CHOOSE_KIND), CHOOSE_KIND),
    Question(
        "danger", _("Is anybody in danger now?"), _("Anybody in danger now"), ("danger",), _check_danger, SAY_DANGER,
        unless=("kind", Kind.GOOD_CARE),
    ),
    Question("place", _("Where did it happen?"), _("Where"), ("location_id",), _check_place, CHOOSE_PLACE),
    Question("when", _("When did it happen?"), _("When"), ("when", "date", "time", "at"), _check_when, CHOOSE_WHEN),
    Question(
        "type", _("What type is it?"), _("Type"), ("category",), _one_of("category", Category, CHOOSE_TYPE), CHOOSE_TYPE
    ),
    Question(
        "staff", _("Is it about somebody who works here?"), _("About somebody who works here"), ("about_staff",),
        _check_about_staff, SAY_STAFF, only_if=("category", Category.ABUSE_ALLEGATION),
    ),
    Question("story", _("What happened?"), _("What happened"), ("narrative",), _check_story, SAY_WHAT),
    Question("people", _("Whom did it happen to?"), _("Whom"), ("people",), lambda visit, answers: {}),
)  # fmt: skip
FIELDS = tuple(field for question in QUESTIONS for field in question.fields)
_BY_NAME = {question.name: question for question in QUESTIONS}


def places(visit: Visit) -> list[dict[str, Any]]:
    """Where this person may report from: the active locations in their scope, by name."""
    found = visit.api.all("directory", "/locations", active="true")
    return sorted(found, key=lambda place: str(place["name"]))


def occurred_at(visit: Visit, answers: Answers) -> datetime | None:
    """When it happened; None if what was typed is no time. What was answered stays, however late it is sent."""
    if answers.get("when") == "now":
        return _answered_at(answers.get("at", "")) or visit.now
    try:
        date = answers.get("date") or f"{visit.now.astimezone(LONDON):%Y-%m-%d}"
        return datetime.fromisoformat(f"{date}T{answers.get('time', '').replace('.', ':').zfill(5)}").replace(
            tzinfo=LONDON
        )
    except ValueError:
        return None


def _answered_at(text: str) -> datetime | None:
    """The moment that an earlier page put into the form, if it still stands there."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def person_reference(provider_id: uuid.UUID, code: str) -> str:
    """The opaque reference of a person's code in the care record: the same code gives the same one, and no way back."""
    return str(uuid.uuid5(provider_id, " ".join(code.upper().split())))


@router.get("/report")
def begin(visit: Visitor) -> Response:
    """The first question, under a key of its own; for a script all of them are there."""
    return visit.page("report/form.html", **form_words(visit))


def form_words(visit: Visit) -> dict[str, Any]:
    """What the page that begins a report needs: the first question, and all of them for a script."""
    first = QUESTIONS[0]
    return {
        **_question_words(visit, first, {}, {}), "key": new_key(), "hidden": {}, "places": places(visit), "questions": QUESTIONS,
        "words": {**WORDS, "give_time": GIVE_TIME, "not_yet": NOT_YET},
    }  # fmt: skip


@router.post("/report")
def answer(visit: Visitor) -> Response:
    """Check the answer, go on, back or to another question; at the end send everything, once."""
    answers = {field: visit.text(field) for field in FIELDS if visit.text(field)}
    key, step, to = visit.text("key") or new_key(), visit.text("step"), visit.text("go")
    if to == "send":
        return _send(visit, answers, key)
    asked = [question for question in QUESTIONS if question.asked(answers)]
    names = [question.name for question in asked]
    if to.startswith("to:") and to[3:] in _BY_NAME:
        return _ask(visit, to[3:], answers, key, {})
    here = names.index(step) if step in names else 0
    if to == "back":
        return _ask(visit, names[max(here - 1, 0)], answers, key, {})
    errors = asked[here].check(visit, answers)
    if errors:
        return _ask(visit, names[here], answers, key, errors)
    if names[here] == "when":
        at = occurred_at(visit, {name: value for name, value in answers.items() if name != "at"})
        answers["at"] = at.isoformat() if at is not None else ""
    following = next((q.name for q in asked if q.name not in names[: here + 1] and q.check(visit, answers)), None)
    complete = visit.text("checked") == "yes" and following is None
    if complete or here + 1 == len(asked):
        return _check(visit, answers, key, {})
    return _ask(visit, names[here + 1], answers, key, {})


@router.get("/report/{incident_id}/received")
def receipt(visit: Visitor, incident_id: str) -> Response:
    """What happens next, and what can still be added."""
    return _receipt(visit, _reported(visit, incident_id), {})


@router.post("/report/{incident_id}/photos")
def add_photo(visit: Visitor, incident_id: str) -> Response:
    """Add a photograph or document to a report."""
    chosen = visit.file("file")
    errors = {"file": _("Choose a photograph or document first")} if chosen is None else {}
    if chosen is not None:
        try:
            visit.api.upload(
                "intake", f"/incidents/{incident_id}/attachments", name=chosen.filename or "file",
                media_type=chosen.content_type or "application/octet-stream", content=chosen.file.read(),
                key=visit.text("key") or new_key(),
            )  # fmt: skip
        except Refused as refused:
            if refused.status in (401, 404):
                raise
            errors = {"file": _file_refused(refused)}
    if not errors:
        return go(f"/report/{incident_id}/received#photos")
    return _receipt(visit, _reported(visit, incident_id), errors)


def _reported(visit: Visit, incident_id: str) -> dict[str, Any]:
    """The incident; of a restricted one, whoever reported it has what they were told and nothing else."""
    path = f"/incidents/{incident_id}"
    try:
        found: dict[str, Any] = visit.api.get("intake", path)
    except Refused as refused:
        if refused.status != 404:
            raise
        return {"incident_id": incident_id, "told": visit.api.get("intake", f"{path}/feedback")}
    return found


def _receipt(visit: Visit, incident: dict[str, Any], errors: dict[str, str]) -> Response:
    path = f"/incidents/{incident['incident_id']}"
    return visit.page(
        "report/receipt.html", 422 if errors else 200, incident=incident, errors=errors,
        attachments=visit.api.get_or_none("intake", f"{path}/attachments"),
        body=body_map(visit.api.get_or_none("intake", f"{path}/questions")),
    )  # fmt: skip


def _file_refused(refused: Refused) -> str:
    """What is wrong with a file, in words for somebody with a phone in their hand; the report itself is safe."""
    why = refused.errors.get("file") or f"{refused.title}. {refused.detail}"
    if refused.status == 413:
        why = _("It is larger than 10 MB. Take the photograph at a lower resolution, or split the document.")
    return _("This file was not kept: %(why)s Your report is safe.") % {"why": why}


def _ask(visit: Visit, name: str, answers: Answers, key: str, errors: dict[str, str]) -> Response:
    question = _BY_NAME[name]
    hidden = {field: value for field, value in answers.items() if field not in question.fields}
    return visit.page(
        "report/question.html", 422 if errors else 200, hidden=hidden, key=key,
        places=places(visit) if name == "place" else [], **_question_words(visit, question, answers, errors),
    )  # fmt: skip


def _question_words(visit: Visit, question: Question, answers: Answers, errors: dict[str, str]) -> dict[str, Any]:
    asked = [q.name for q in QUESTIONS if q.asked(answers)]
    today = visit.now.astimezone(LONDON)
    return {
        "step": question.name, "title": question.title, "answers": answers, "errors": errors,
        "number": asked.index(question.name) + 1 if question.name in asked else 1, "count": len(asked),
        "kinds": list(Kind), "categories": list(Category), "max_story": MAX_STORY, "today": f"{today:%Y-%m-%d}",
    }  # fmt: skip


def _check(visit: Visit, answers: Answers, key: str, errors: dict[str, str], status: int = 200) -> Response:
    place = next((p["name"] for p in places(visit) if p["location_id"] == answers.get("location_id")), "")
    asked = [question for question in QUESTIONS if question.asked(answers)]
    return visit.page(
        "report/check.html", status, answers=answers, hidden=answers, key=key, errors=errors, place=place, asked=asked,
        at=occurred_at(visit, answers),
    )  # fmt: skip


def _send(visit: Visit, answers: Answers, key: str) -> Response:
    for question in QUESTIONS:
        if question.asked(answers) and (errors := question.check(visit, answers)):
            return _ask(visit, question.name, answers, key, errors)
    at = occurred_at(visit, answers)
    assert at is not None
    codes = [code for code in answers.get("people", "").replace(",", "\n").splitlines() if code.strip()]
    body = {
        "location_id": answers["location_id"],
        "occurred_at": at.isoformat(),
        "kind": answers["kind"],
        "category": answers["category"],
        "immediate_danger": answers.get("danger") == "yes",
        "narrative": answers["narrative"],
        "person_refs": [person_reference(visit.actor.provider_id, code) for code in codes],
        "not_about_staff": answers.get("about_staff") == "no",
    }
    try:
        sent = visit.api.send("POST", "intake", "/incidents", body, key=key)
    except Refused as refused:
        if refused.kind == "idempotency-key-reused":
            return _check(
                visit,
                answers,
                new_key(),
                {"form": _("You have changed it since it was sent. Send it again if both are needed.")},
                409,
            )
        return _check(visit, answers, key, problems_of(refused), refused.status)
    return go(f"/report/{sent.body['incident_id']}/received")
