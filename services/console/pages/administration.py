"""Administration: where it begins, what is known of the law and the regulator, systems outside, and the audit chains."""

import uuid
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.navigation import ADMINISTRATORS, AUDITORS
from services.console.pages.retention import DECIDERS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import OPERATORS, Role
from services.runtime import audit

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

KEEPERS = (Role.PLATFORM_ADMIN, Role.DIRECTOR)
"""Who keeps places, people and webhooks."""
POLICY_READERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
_CHAINS = {
    "incident": (
        ("intake", "/incidents/{}/audit"),
        ("review", "/incidents/{}/audit"),
        ("actions", "/incidents/{}/audit"),
    ),
    "theme": (("review", "/themes/{}/audit"),),
    "location": (("directory", "/locations/{}/audit"),),
    "meeting": (("reporting", "/meetings/{}/audit"),),
    "governance": (("reporting", "/governance-items/{}/audit"),),
}
"""Which services keep a chain of what, and where."""
_OF_FORMS = uuid.UUID("c2a7d9be-0b0f-4d0e-9c55-2f0f8e0f5b02")
"""Ids of webhooks are made of the keys of forms in this space."""


@router.get("/administration")
def begin(visit: Visitor) -> Response:
    """What this person may administer."""
    return visit.page(
        "administration.html", administers=visit.has(*ADMINISTRATORS), keeps=visit.has(*KEEPERS),
        imports=visit.has(Role.PLATFORM_ADMIN), policies=visit.has(*POLICY_READERS), audits=visit.has(*AUDITORS),
        people=visit.has(*AUDITORS, *KEEPERS), operates=visit.has(*OPERATORS),
        erases=visit.has(*DECIDERS),
    )  # fmt: skip


@router.get("/administration/reference")
def reference(visit: Visitor) -> Response:
    """The obligations with the law's words and the provider's target, and the regulator's frameworks, each with its version."""
    return visit.page(
        "reference.html", obligations=visit.api.get("intake", "/obligation-rules"),
        frameworks=visit.api.get("reporting", "/frameworks"),
    )  # fmt: skip


@router.get("/administration/audit")
def chains(visit: Visitor) -> Response:
    """The chains of one record, service by service: whether each holds together, and what was done by whom."""
    query = visit.request.query_params
    kind, record = query.get("kind", "incident"), query.get("record", "").strip().rstrip("/").rsplit("/", 1)[-1]
    errors: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    if record:
        try:
            uuid.UUID(record)
        except ValueError:
            errors["record"] = _("Paste the address of its page, or its id")
        else:
            found = [_chain(visit, service, path.format(record)) for service, path in _CHAINS.get(kind, ())]
    people = names(visit, [entry["actor"] for one in found for entry in one["entries"] or []][:200])
    return visit.page(
        "audit.html", 422 if errors else 200, kind=kind, record=query.get("record", ""), errors=errors, chains=found,
        kinds=list(_CHAINS), people=people,
    )  # fmt: skip


def _chain(visit: Visit, service: str, path: str) -> dict[str, Any]:
    """A chain, and what is wrong with it; without entries where this person may not read it or there is none."""
    entries = visit.api.get_or_none(service, path)
    return {"service": service, "entries": entries, "wrong": audit.verify(entries) if entries else None}


@router.get("/administration/webhooks")
def webhooks(visit: Visitor) -> Response:
    """The systems outside that are told what happens, and whether they take it."""
    return _webhooks(visit, Sent(), None)


@router.post("/administration/webhooks")
def record_webhook(visit: Visitor) -> Response:
    """Tell a system outside, or stop telling it. What its calls are signed with is shown once."""
    webhook_id, key = visit.text("webhook_id"), key_of(visit)
    body: dict[str, Any] = answered(visit, "hook", ("url",))
    body |= {"event_types": visit.text("hook_event_types").split(), "active": visit.text("hook_active") != "no"}
    if "url" not in body:
        missing = {"hook_url": _("Give the https address that is to be called")}
        return _webhooks(visit, Sent("hook", visit.typed(), {}, missing, 422, key), None)
    path = f"/webhooks/{webhook_id or uuid.uuid5(_OF_FORMS, key)}"
    try:
        made = visit.api.send("PUT", "reporting", path, body, key=key, version=visit.text("version") or None).body
    except Refused as error:
        return _webhooks(visit, refused(visit, "hook", error, ("url", "event_types")), None)
    return _webhooks(visit, Sent(), made)


def _webhooks(visit: Visit, sent: Sent, made: dict[str, Any] | None) -> Response:
    found = visit.api.all("reporting", "/webhooks")
    return visit.page("webhooks.html", sent.status, webhooks=found, sent=sent, errors=sent.errors, made=made)
