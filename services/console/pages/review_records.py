"""What a review is drawn from: its terms, the timeline, the people involved with their account and questions, and who took part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console import autosave
from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Change, Sent, answered, key_of, names, refused
from services.contracts.taxonomy import Role
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

WRITERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
TERMS = ("to_find_out", "scope", "covers_from", "covers_until", "left_out", "agreed_with", "agreed_on")
CHOICES: Mapping[str, Sequence[str]] = {
    "nature": ("fact", "account"),
    "source": ("record", "device", "observation", "person", "other"),
    "marks": (
        "hot_debrief", "structured_debrief", "staff_welfare",
        "advice_given", "advice_in_plan", "advice_to_staff", "advice_to_hospital",
    ),
    "who": ("person", "family_or_friend", "advocate", "staff", "other"),
    "approach": ("not_yet", "asked", "declined", "unavailable", "not_asked"),
    "part": (
        "staff_involved", "registered_manager", "quality_lead", "safeguarding_lead", "person_or_family", "outside_expertise",
    ),
    "how": ("interview", "written_statement", "meeting", "advice"),
    "outcome": ("contributed", "declined", "unavailable", "asked"),
}  # fmt: skip
_TIMES = ("at", "asked_at", "covers_from", "covers_until", "told_at")
_NO_TIME = _("Give the day and the time, for example 03/06/2026, 14:05")

Missing = Iterator[tuple[str, str]]


def _of_entry(body: Mapping[str, Any]) -> Missing:
    if "at" not in body:
        yield "at", _NO_TIME
    if "what" not in body:
        yield "what", _("Say what happened")
    if "nature" not in body:
        yield "nature", _("Say whether it is established, or what somebody says")
    if "source" not in body:
        yield "source", _("Choose where it comes from")


def _of_involved(body: Mapping[str, Any]) -> Missing:
    if "who" not in body:
        yield "who", _("Choose how they are involved")
    if "reference" not in body:
        yield "reference", _("Give a code or a role, for example P1 or daughter; no name")
    if body.get("approach") == "asked" and "asked_at" not in body:
        yield "asked_at", _("Say when they were asked")
    if body.get("approach") in ("declined", "unavailable", "not_asked") and "reason" not in body:
        yield "reason", _("Say why they do not take part")
    if ("told_at" in body) != ("told_what" in body):
        yield "told_what" if "told_at" in body else "told_at", _("Say both: what they were told, and when")


def _of_part(body: Mapping[str, Any]) -> Missing:
    if "part" not in body:
        yield "part", _("Choose in which part")
    if "described" not in body and "person_id" not in body:
        yield "described", _("Say who it is: choose somebody, or give a role or a group, no names")
    if "outcome" not in body:
        yield "outcome", _("Choose what became of asking")
    if body.get("outcome") == "contributed" and "said" not in body:
        yield "said", _("Write down what they said")
    if body.get("outcome") in ("declined", "unavailable") and "reason" not in body:
        yield "reason", _("Say why they did not take part")


@dataclass(frozen=True)
class Kind:
    """Records of one kind: where the service keeps them, the form of one, and what such a form must say."""

    path: str
    held_in: tuple[str, ...]
    id_field: str
    template: str
    fields: tuple[str, ...]
    missing: Callable[[Mapping[str, Any]], Missing]


KINDS = {
    "timeline": Kind(
        "timeline", ("timeline", "withdrawn"), "entry_id", "review_timeline.html",
        ("at", "what", "nature", "source", "source_detail", "analysis", "marks", "withdrawn_reason"), _of_entry,
    ),
    "involved": Kind(
        "people", ("people",), "involved_id", "review_involved.html",
        ("who", "reference", "part", "approach", "asked_at", "asked_how", "reason", "questions", "account",
         "account_given", "told_at", "told_what", "withdrawn_reason"), _of_involved,
    ),
    "people": Kind(
        "contributions", ("contributions",), "contribution_id", "review_people.html",
        ("part", "person_id", "described", "how", "asks", "outcome", "said", "reason"), _of_part,
    ),
}  # fmt: skip


@router.get("/reviews/{review_id}/records/terms")
def terms(visit: Visitor, review_id: str) -> Response:
    """What the review is to find out, and its scope."""
    return _terms(visit, review_id, Sent())


@router.post("/reviews/{review_id}/records/terms")
def write_terms(visit: Visitor, review_id: str) -> Response:
    """Keep them; while they are being written the form saves itself."""
    body, wrong = _read(visit, "terms", TERMS, None)
    if "to_find_out" not in body:
        wrong.setdefault("to_find_out", _("Say what is to be found out"))
    if not wrong and body.get("covers_until", "9") < body.get("covers_from", ""):
        wrong["covers_until"] = _("This is before the beginning of the time that is looked at")
    if wrong:
        if autosave.asked(visit):
            return autosave.nothing_to_keep(next(iter(wrong.values())))
        return _terms(visit, review_id, _mend(visit, "terms", wrong))
    path, version = f"/reviews/{review_id}/terms", visit.text("version") or None
    try:
        kept = visit.api.send("PUT", "review", path, body, key=key_of(visit), version=version)
    except Refused as error:
        if autosave.asked(visit):
            return autosave.not_kept(error, _written(visit, visit.api.get_or_none("review", path)))
        return _terms(visit, review_id, refused(visit, "terms", error, TERMS), list(error.errors))
    return autosave.kept(visit, kept.version) if autosave.asked(visit) else go(f"/reviews/{review_id}/records/terms?saved=1")  # fmt: skip


@router.get("/reviews/{review_id}/records/{name}")
def records(visit: Visitor, review_id: str, name: str) -> Response:
    """All records of a kind, and the form for another."""
    return _page(visit, review_id, name, None, Sent())


@router.get("/reviews/{review_id}/records/{name}/{record_id}")
def record(visit: Visitor, review_id: str, name: str, record_id: str) -> Response:
    """One record, to go on with."""
    return _page(visit, review_id, name, record_id, Sent())


@router.post("/reviews/{review_id}/records/{name}")
def add(visit: Visitor, review_id: str, name: str) -> Response:
    """Keep another record."""
    return _keep(visit, review_id, name, None)


@router.post("/reviews/{review_id}/records/{name}/{record_id}")
def change(visit: Visitor, review_id: str, name: str, record_id: str) -> Response:
    """Go on with a record, or say why it no longer counts."""
    return _keep(visit, review_id, name, record_id)


def _keep(visit: Visit, review_id: str, name: str, record_id: str | None) -> Response:
    kind, page = _kind(name), f"/reviews/{review_id}/records/{name}"
    held = None if record_id is None else _held(visit, review_id, kind, record_id)[1]
    body, wrong = _read(visit, name, kind.fields, held)
    if held is not None and held.get("person_id"):
        body["person_id"] = held["person_id"]
    for field, text in kind.missing(body):
        wrong.setdefault(field, text)
    if wrong:
        return _page(visit, review_id, name, record_id, _mend(visit, name, wrong))
    if name == "involved":
        told = {name: body.pop(f"told_{name}") for name in ("at", "what") if f"told_{name}" in body}
        body["told"] = [*(held["told"] if held else []), *([told] if told else [])]
    path, key = f"/reviews/{review_id}/{kind.path}", key_of(visit)
    try:
        if record_id is None:
            visit.api.send("POST", "review", path, body, key=key)
        else:
            visit.api.send("PUT", "review", f"{path}/{record_id}", body, key=key, version=visit.text("version"))
    except Refused as error:
        return _page(visit, review_id, name, record_id, refused(visit, name, error, kind.fields), list(error.errors))
    return go(f"{page}?saved=1")


def _read(visit: Visit, step: str, fields: Sequence[str], held: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, str]]:  # fmt: skip
    """What the form says by the names of the API, and which of its times cannot be read.

    A time of which nothing was changed stays as exact as it is kept.
    """
    body, wrong = answered(visit, step, fields), {}
    for field in (name for name in _TIMES if name in body):
        if held is not None and held.get(field) and local(held[field]) == body[field]:
            body[field] = held[field]
            continue
        try:
            body[field] = datetime.fromisoformat(body[field]).replace(tzinfo=LONDON).isoformat()
        except ValueError:
            del body[field]
            wrong[field] = _NO_TIME
    return body, wrong


def local(at: str | None) -> str:
    """A time as the field of a form holds it: day and minute in England."""
    return f"{datetime.fromisoformat(at).astimezone(LONDON):%Y-%m-%dT%H:%M}" if at else ""


def _mend(visit: Visit, step: str, wrong: Mapping[str, str]) -> Sent:
    return Sent(step, visit.typed(), {}, {f"{step}_{name}": text for name, text in wrong.items()}, 422, key_of(visit))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise Refused(404, _("No such page"), _("Start from the review."))
    return KINDS[name]


def _held(visit: Visit, review_id: str, kind: Kind, record_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    found = visit.api.get("review", f"/reviews/{review_id}/records")
    rows = [row for part in kind.held_in for row in found[part]]
    row = next((one for one in rows if one[kind.id_field] == record_id), None)
    if row is None:
        raise Refused(404, _("No such record"), _("Start from the review."))
    return found, row


def _page(
    visit: Visit, review_id: str, name: str, record_id: str | None, sent: Sent, differing: Sequence[str] = ()
) -> Response:
    kind = _kind(name)
    review = visit.api.get("review", f"/reviews/{review_id}")
    if record_id is None:
        found, held = visit.api.get("review", f"/reviews/{review_id}/records"), None
    else:
        found, held = _held(visit, review_id, kind, record_id)
    return visit.page(
        kind.template, sent.status, review=review, records=found, held=held, name=name, sent=sent, errors=sent.errors,
        kept=_as_typed(held), choices=CHOICES, version=_version(held),
        people=names(visit, [one["person_id"] for one in found["contributions"]]) if name == "people" else {},
        staff=_staff(visit, review) if name == "people" and record_id is None else [], writes=_writes(visit, review), theirs=_theirs(held, differing), change=_written(visit, held) if sent.stale else None,
        saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _staff(visit: Visit, review: Mapping[str, Any]) -> list[dict[str, str]]:
    """Who works at the place and may be asked by name: they find it under My work and write it themselves."""
    people = visit.api.all("directory", "/people", most=400, location_id=review["location_id"])
    return [{"value": one["person_id"], "text": one["display_name"]} for one in people if one["active"]]


def _terms(visit: Visit, review_id: str, sent: Sent, differing: Sequence[str] = ()) -> Response:
    review = visit.api.get("review", f"/reviews/{review_id}")
    held = visit.api.get_or_none("review", f"/reviews/{review_id}/terms")
    if not _writes(visit, review):
        return go(f"/reviews/{review_id}")
    return visit.page(
        "review_terms.html", sent.status, review=review, held=held, sent=sent, errors=sent.errors, kept=_as_typed(held),
        version=_version(held), theirs=_theirs(held, differing or (TERMS if sent.stale else ())),
        change=_written(visit, held) if sent.stale else None, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _version(held: Mapping[str, Any] | None) -> str | None:
    return None if held is None else f'"{held["version"]}"'


def _as_typed(held: Mapping[str, Any] | None) -> dict[str, Any]:
    if held is None:
        return {}
    return {name: local(value) if name in _TIMES else value for name, value in held.items()}


def _theirs(held: Mapping[str, Any] | None, differing: Sequence[str]) -> dict[str, str]:
    """What stands in the fields that somebody else filled in otherwise meanwhile."""
    return {} if held is None else {name: str(_as_typed(held).get(name) or "") for name in differing if name in held}


def _written(visit: Visit, held: Mapping[str, Any] | None) -> Change | None:
    if held is None:
        return None
    who = names(visit, [held["written_by"]]).get(held["written_by"], _("Somebody else"))
    return Change(who, held["written_at"], _("this record"))


def _writes(visit: Visit, review: Mapping[str, Any]) -> bool:
    return visit.has(*WRITERS) and review["status"] in ("open", "returned")
