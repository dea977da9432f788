"""The directory: CQC's file with a preview, people with their roles, and who is on call."""

import base64
import uuid
import zlib
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.administration import KEEPERS
from services.console.places import read_places
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import Role
from services.runtime.calendar import LONDON

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

ON_CALL_KEEPERS = (*KEEPERS, Role.QUALITY_LEAD)
_MOST_KEPT = 900_000
"""A file is held in the page between its preview and its import: nothing is kept on the server."""
_MOST_BYTES = 64_000_000
_SPARE = 2
_OF_FORMS = uuid.UUID("7e5a3b1c-94f6-4f0f-8a5c-0b8f6d3c1a03")
"""Ids of turns are made of the keys of forms in this space."""


@router.get("/administration/import")
def choose(visit: Visitor) -> Response:
    """Choose a file."""
    return visit.page("import.html", sent=Sent(), errors={}, would=None, held="")


@router.post("/administration/import")
def preview(visit: Visitor) -> Response:
    """Say what the file would make and change, and which lines would be refused; nothing is kept yet."""
    chosen = visit.file("import_file")
    content = chosen.file.read() if chosen else b""
    held = base64.b64encode(zlib.compress(content, 9)).decode()
    wrong = ""
    if not content:
        wrong = _("Choose a CSV file that is not empty")
    elif len(held) > _MOST_KEPT:
        wrong = _(
            "The file is too large for this page. Give it the lines of your services, or have it imported by command"
        )
    if wrong:
        return visit.page("import.html", 422, sent=Sent(status=422), errors={"import_file": wrong}, would=None, held="")
    try:
        would = visit.api.send_text(
            "directory", "/imports/cqc-directory/previews", content, media_type="text/csv", key=key_of(visit)
        ).body
    except Refused as error:
        return _again(visit, error)
    return visit.page("import.html", sent=Sent(), errors={}, would=would, held=held)


@router.post("/administration/import/confirmed")
def confirm(visit: Visitor) -> Response:
    """Take the file over that was previewed."""
    try:
        unpacked = zlib.decompressobj()
        content = unpacked.decompress(base64.b64decode(visit.text("held")), _MOST_BYTES)
    except (ValueError, zlib.error):
        content = b""
    try:
        done = visit.api.send_text(
            "directory", "/imports/cqc-directory", content, media_type="text/csv", key=key_of(visit)
        ).body
    except Refused as error:
        return _again(visit, error)
    return visit.page("import.html", sent=Sent(), errors={}, would=None, held="", done=done)


def _again(visit: Visit, error: Refused) -> Response:
    if error.status in (401, 403, 404):
        raise error
    said = error.errors.get("file") or f"{error.title}. {error.detail}"
    return visit.page("import.html", error.status, sent=Sent(), errors={"import_file": said}, would=None, held="")


@router.get("/administration/people")
def people(visit: Visitor) -> Response:
    """People in scope, by role and place."""
    query, places = visit.request.query_params, read_places(visit)
    chosen = {"role": query.get("role") or None, "location_id": places.query.get("location_id")}
    page = visit.api.get("directory", "/people", cursor=query.get("cursor"), limit=50, **chosen)
    kept = {name: value for name, value in {**chosen, "cursor": page["next"]}.items() if value}
    return visit.page(
        "people.html", people=page["items"], places=places, role=chosen["role"], all_roles=_roles(), keeps=visit.has(*KEEPERS),
        following=urlencode(kept) if page["next"] else None,
    )  # fmt: skip


@router.get("/administration/people/new")
def new_person(visit: Visitor) -> Response:
    """The form to register somebody."""
    return _person(visit, None, Sent())


@router.post("/administration/people/new")
def register(visit: Visitor) -> Response:
    """Register somebody with their roles."""
    body = _typed(visit)
    if person_id := visit.text("person_person_id"):
        body["person_id"] = person_id
    missing = {} if body.get("display_name") else {"person_display_name": _("Give the name that colleagues know")}
    if missing:
        return _person(visit, None, Sent("person", visit.typed(), {}, missing, 422, key_of(visit)))
    try:
        made = visit.api.send("POST", "directory", "/people", body, key=key_of(visit)).body
    except Refused as error:
        return _person(visit, None, refused(visit, "person", _placed(error), _SHOWN))
    return go(f"/administration/people/{made['person_id']}?saved=1")


@router.get("/administration/people/{person_id}")
def person(visit: Visitor, person_id: str) -> Response:
    """Somebody with the roles that they hold, and where."""
    return _person(visit, person_id, Sent())


@router.post("/administration/people/{person_id}")
def change(visit: Visitor, person_id: str) -> Response:
    """Replace name and roles, or say that somebody has left. How they work stays as it is."""
    found = visit.api.get("directory", f"/people/{person_id}")
    how = {
        name: found[name]
        for name in ("manager_id", "leaves_on", "shift", "employment", "started_on")
        if found.get(name)
    }
    body = {**how, **_typed(visit), "active": visit.text("person_active") != "no"}
    try:
        visit.api.send(
            "PUT", "directory", f"/people/{person_id}", body, key=key_of(visit), version=visit.text("version")
        )
    except Refused as error:
        return _person(visit, person_id, refused(visit, "person", _placed(error), _SHOWN))
    return go(f"/administration/people/{person_id}?saved=1")


_MOST_ROLES = 20
_SHOWN = ("display_name", "person_id", *(f"role_{row}" for row in range(_MOST_ROLES)))


def _typed(visit: Visit) -> dict[str, Any]:
    roles = []
    for row in range(_MOST_ROLES):
        if role := visit.text(f"person_role_{row}"):
            kind, _colon, place = visit.text(f"person_place_{row}").partition(":")
            roles.append({"role": role, **({f"{kind}_id": place} if place and kind in ("region", "location") else {})})
    return {**answered(visit, "person", ("display_name",)), "roles": roles}


def _placed(error: Refused) -> Refused:
    """What is wrong with a role, at its row."""
    errors = {
        f"role_{name.split('.')[1]}" if name.startswith("roles.") else name: text for name, text in error.errors.items()
    }
    return Refused(error.status, error.title, error.detail, errors, error.kind)


def _person(visit: Visit, person_id: str | None, sent: Sent) -> Response:
    read = visit.api.read("directory", f"/people/{person_id}") if person_id else None
    found: dict[str, Any] = read.body if read else {"display_name": "", "active": True, "roles": []}
    held = [
        (one["role"], f"location:{one['location_id']}" if one["location_id"] else f"region:{one['region_id']}" if one["region_id"] else "")
        for one in found["roles"]
    ]  # fmt: skip
    return visit.page(
        "person.html", sent.status, person=found, person_id=person_id, version=read.version if read else None, sent=sent,
        errors=sent.errors, held=[*held, *[("", "")] * _SPARE][:_MOST_ROLES], places=read_places(visit), all_roles=_roles(),
        keeps=visit.has(*KEEPERS), saved=visit.request.query_params.get("saved"),
    )  # fmt: skip


def _roles() -> list[str]:
    return [role.value for role in Role if role is not Role.SERVICE]


@router.get("/administration/rota")
def rota(visit: Visitor) -> Response:
    """Who is on call from now on."""
    return _rota(visit, Sent())


@router.post("/administration/rota")
def put_on_call(visit: Visitor) -> Response:
    """Put somebody on call."""
    key = key_of(visit)
    body: dict[str, Any] = answered(visit, "turn", ("role", "person_id"))
    kind, _colon, place = visit.text("turn_place").partition(":")
    if place and kind in ("region", "location"):
        body[f"{kind}_id"] = place
    missing = {
        f"turn_{name}": text
        for name, text in (("role", _("Choose as what")), ("person_id", _("Choose who")))
        if name not in body
    }
    for name, text in (
        ("starts_at", _("Give the day and time at which it begins")),
        ("ends_at", _("Give the day and time at which it ends")),
    ):
        try:
            at = datetime.fromisoformat(visit.text(f"turn_{name}"))
            body[name] = (at if at.tzinfo else at.replace(tzinfo=LONDON)).isoformat()
        except ValueError:
            missing[f"turn_{name}"] = text
    if missing:
        return _rota(visit, Sent("turn", visit.typed(), {}, missing, 422, key))
    try:
        visit.api.send("PUT", "directory", f"/rota/{uuid.uuid5(_OF_FORMS, key)}", body, key=key)
    except Refused as error:
        return _rota(visit, refused(visit, "turn", error, ("role", "person_id", "starts_at", "ends_at")))
    return go("/administration/rota?saved=1")


def _rota(visit: Visit, sent: Sent) -> Response:
    page = visit.api.get("directory", "/rota", ending_after=visit.now.isoformat(), limit=200)
    keeps = visit.has(*ON_CALL_KEEPERS)
    listed = visit.api.get_or_none("directory", "/people", limit=200) if keeps else None
    staff = [
        {"value": one["person_id"], "text": one["display_name"]}
        for one in (listed or {"items": []})["items"]
        if one["active"]
    ]
    return visit.page(
        "rota.html", sent.status, turns=sorted(page["items"], key=lambda one: one["starts_at"]), places=read_places(visit),
        people=names(visit, [one["person_id"] for one in page["items"]]), staff=staff, all_roles=_roles(), keeps=keeps, sent=sent,
        errors=sent.errors, saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
