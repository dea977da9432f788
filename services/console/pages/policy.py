"""Policies of the provider's own: the text with what is wrong at its line, the back-test, and publishing by a second person."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, key_of, names, refused
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

KINDS = {
    "triage": "intake", "review": "review", "improvement": "actions", "safeguarding": "intake", "recurrence": "intake", "retention": "intake",
    "governance": "reporting",
}  # fmt: skip
"""The kinds that a provider may have its own of, and the service that goes by it."""
BACKTESTED = ("review",)
PUBLISHERS = (Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
_STEPS = {"propose": "proposal", "publish": "publication", "retire": "retirement"}


@router.get("/administration/policies")
def policies(visit: Visitor) -> Response:
    """What counts now, kind by kind, and every version of the provider's own."""
    services = list(dict.fromkeys(KINDS.values()))
    kinds = [one for service in services for one in visit.api.get(service, "/policies/kinds")]
    versions = [one for service in services for one in visit.api.all(service, "/policies")]
    return visit.page(
        "policies.html", kinds=kinds, versions=sorted(versions, key=lambda one: one["drafted_at"], reverse=True),
        people=names(visit, [one["drafted_by"] for one in versions]),
    )  # fmt: skip


@router.get("/administration/policies/{kind}/new")
def new(visit: Visitor, kind: str) -> Response:
    """The editor, with the text that counts now to begin with."""
    if kind not in KINDS:
        return go("/administration/policies")
    return _edit(visit, kind, Sent(), _text_of(visit, kind))


@router.post("/administration/policies/{kind}/new")
def draft(visit: Visitor, kind: str) -> Response:
    """Check the text, try it on past incidents, or keep it as a draft. What was typed stays whatever becomes of it."""
    if kind not in KINDS:
        return go("/administration/policies")
    form = visit.form.get("source")
    source = form.replace("\r\n", "\n") if isinstance(form, str) else ""
    body, service, key = {"name": kind, "source": source}, KINDS[kind], key_of(visit)
    if not source.strip():
        return _edit(visit, kind, Sent("draft", {}, {}, {"source": _("Write the policy")}, 422, key), source)
    try:
        checked = visit.api.send("POST", service, "/policies/checks", body, key=f"{key}-check").body
        if checked["problems"]:
            wrong = {"source": _("The policy cannot be used yet: see what is wrong, by line")}
            return _edit(visit, kind, Sent("draft", {}, {}, wrong, 422), source, checked=checked)
        if visit.text("go") == "check":
            return _edit(visit, kind, Sent(), source, checked=checked)
        if visit.text("go") == "backtest" and kind in BACKTESTED:
            tried = visit.api.send("POST", service, "/policies/backtests", body, key=f"{key}-try").body
            return _edit(visit, kind, Sent(), source, checked=checked, tried=tried)
        made = visit.api.send("POST", service, "/policies", body, key=key).body
    except Refused as error:
        sent = refused(visit, "draft", error, ())
        sent.errors = {"source": " ".join(sent.errors.values())}
        return _edit(visit, kind, sent, source)
    return go(f"/administration/policies/{kind}/{made['policy_id']}?saved=draft")


@router.get("/administration/policies/{kind}/{policy_id}")
def policy(visit: Visitor, kind: str, policy_id: str) -> Response:
    """One version: its text, who did what, and the next step for whoever may take it."""
    return _show(visit, kind, policy_id, Sent())


@router.post("/administration/policies/{kind}/{policy_id}")
def take(visit: Visitor, kind: str, policy_id: str) -> Response:
    """Propose, publish or retire it."""
    step = visit.text("go")
    if kind not in KINDS or step not in _STEPS:
        return go("/administration/policies")
    path = f"/policies/{policy_id}/{_STEPS[step]}"
    try:
        visit.api.send("POST", KINDS[kind], path, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _show(visit, kind, policy_id, refused(visit, "step", error, ()))
    return go(f"/administration/policies/{kind}/{policy_id}?saved={step}")


def _text_of(visit: Visit, kind: str) -> str:
    """The text of what counts now: the provider's own, or the shipped one."""
    published = visit.api.get(KINDS[kind], "/policies", name=kind, state="published")["items"]
    if published:
        return str(visit.api.get(KINDS[kind], f"/policies/{published[0]['policy_id']}")["source"])
    return next(
        str(one["shipped_source"]) for one in visit.api.get(KINDS[kind], "/policies/kinds") if one["name"] == kind
    )


def _edit(visit: Visit, kind: str, sent: Sent, source: str, **words: Any) -> Response:
    return visit.page(
        "policy_edit.html", sent.status, kind=kind, source=source, sent=sent, errors=sent.errors, backtested=kind in BACKTESTED,
        **words,
    )  # fmt: skip


def _show(visit: Visit, kind: str, policy_id: str, sent: Sent) -> Response:
    if kind not in KINDS:
        return go("/administration/policies")
    read = visit.api.read(KINDS[kind], f"/policies/{policy_id}")
    found, me = read.body, str(visit.actor.id)
    people = names(visit, [found[name] for name in ("drafted_by", "proposed_by", "published_by", "retired_by")])
    second = visit.has(*PUBLISHERS) and me not in (found["drafted_by"], found["proposed_by"])
    return visit.page(
        "policy.html", sent.status, policy=found, kind=kind, version=read.version, sent=sent, errors=sent.errors, people=people,
        second=second, publishes=visit.has(*PUBLISHERS), saved=visit.request.query_params.get("saved"),
    )  # fmt: skip
