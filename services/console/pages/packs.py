"""Evidence packs: have one built, look at it, let somebody outside read it for a while, end that."""

import secrets
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.navigation import PACK_BUILDERS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

PARTS = ("pages", "pdf", "zip")
FAILURES = {
    "sign_in_over": _("You were signed out before it was ready. Have it built again."),
    "not_allowed": _("Your role may not read what a pack needs."),
    "not_there": _("What it is of is not there any more, or not for you."),
    "nothing_to_show": _("There is nothing to show for these days. Choose others."),
    "part_away": _("A part of Plumbline did not answer. Have it built again in a few minutes."),
    "erased": _("It had a page of a record that was erased, as the retention policy says. Have it built again."),
    "stopped": _("The building stopped. Have it built again."),
    "error": _("Something went wrong that is not your doing. Tell support if it happens again."),
}
_BUILD = ("seed", "first_day", "last_day")
_SHARE = ("recipient", "purpose", "days")


@router.get("/packs")
def packs(visit: Visitor, incident: str | None = None, theme: str | None = None) -> Response:
    """The packs that this person may see, and the form to have one built."""
    return _list(visit, Sent(), incident, theme)


@router.post("/packs")
def build(visit: Visitor) -> Response:
    """Have one built: once however often it is sent."""
    kind = visit.text("kind") or "location"
    body = {**answered(visit, "build", _BUILD), "kind": kind, "subject_id": visit.text("build_subject_id")}
    try:
        made = visit.api.send("POST", "reporting", "/packs", body, key=key_of(visit))
    except Refused as error:
        if error.status == 404:
            error.status, error.errors = 422, {"subject_id": f"{error.title}. {error.detail}"}
        of = visit.text("build_subject_id")
        sent = refused(visit, "build", error, (*_BUILD, "subject_id"))
        return _list(visit, sent, of if kind == "incident" else None, of if kind == "theme" else None)
    return go(f"/packs/{made.body['record_id']}")


@router.get("/packs/{record_id}")
def pack(visit: Visitor, record_id: str) -> Response:
    """How far it is; once it is built, its parts and for whom it is open."""
    return _show(visit, record_id, Sent())


@router.get("/packs/{record_id}/content/{part}")
def content(visit: Visitor, record_id: str, part: str) -> Response:
    """A part of it as somebody outside sees it, with the headers that keep its pages in a box."""
    if part not in PARTS:
        return go(f"/packs/{record_id}")
    found = visit.api.fetch("reporting", f"/packs/{record_id}/content/{part}")
    kept = ("Content-Disposition", "Content-Security-Policy", "Cache-Control", "Referrer-Policy")
    headers = {name: found.headers[name] for name in kept if name in found.headers}
    return Response(found.content, media_type=found.headers["Content-Type"], headers=headers)


@router.post("/packs/{record_id}/share")
def share(visit: Visitor, record_id: str) -> Response:
    """Open it for somebody outside. The code is on the page that answers, and on no other."""
    body: dict[str, Any] = {**answered(visit, "share", _SHARE), "may_download": bool(visit.texts("share_may_download"))}
    try:
        made = visit.api.send("POST", "reporting", f"/packs/{record_id}/grants", body, key=key_of(visit))
    except Refused as error:
        return _show(visit, record_id, refused(visit, "share", error, _SHARE))
    return _show(visit, record_id, Sent(), shared=made.body)


@router.post("/packs/{record_id}/grants/{grant_id}/end")
def end(visit: Visitor, record_id: str, grant_id: str) -> Response:
    """End access at once."""
    version = visit.text("version")
    try:
        visit.api.send("POST", "reporting", f"/pack-grants/{grant_id}/revocation", key=key_of(visit), version=version)
    except Refused as error:
        if error.status not in (409, 412):
            raise
    return go(f"/packs/{record_id}")


def _list(visit: Visit, sent: Sent, incident: str | None, theme: str | None) -> Response:
    found = visit.api.get("reporting", "/packs", limit=50, cursor=visit.request.query_params.get("cursor"))
    kind, subject = ("incident", incident) if incident else ("theme", theme) if theme else ("location", None)
    places = [] if subject else visit.api.all("reporting", "/locations/overview")
    return visit.page(
        "packs.html", sent.status, packs=found["items"], following=found["next"], places=places, kind=kind,
        subject=subject, sent=sent, errors=sent.errors, seed=str(secrets.randbelow(10**9)), failures=FAILURES,
    )  # fmt: skip


def _show(visit: Visit, record_id: str, sent: Sent, shared: dict[str, Any] | None = None) -> Response:
    found = visit.api.get("reporting", f"/packs/{record_id}")
    ready = found["state"] == "ready"
    grants = visit.api.all("reporting", f"/packs/{record_id}/grants") if ready else []
    openings = visit.api.get("reporting", f"/packs/{record_id}/openings", limit=50)["items"] if ready else []
    people = names(visit, [found["asked_by"], *(one["granted_by"] for one in grants)])
    return visit.page(
        "pack.html", sent.status, pack=found, grants=grants, openings=openings, people=people, sent=sent,
        errors=sent.errors, shared=shared, failures=FAILURES, may=visit.has(*PACK_BUILDERS),
        recipients={one["grant_id"]: one["recipient"] for one in grants},
    )  # fmt: skip
