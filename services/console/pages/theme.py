"""Themes: several incidents looked at together. Terms and who leads, members and exclusions, and what follows from it."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.navigation import PACK_BUILDERS
from services.console.places import Places, leaders, read_places
from services.console.service_api import Refused
from services.console.steps import number
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, answered, key_of, names, refused
from services.contracts.taxonomy import Band, Category, Role, Strength, ThemeStage

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

COMMISSIONERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
LEADS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.REGIONAL_MANAGER)
AGREERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
_TERMS = ("title", "why", "questions", "sources", "lead_id", "team")
_COMMISSION = (*_TERMS, "category", "band", "region_id", "locations", "signal_id")


@router.get("/themes")
def themes(visit: Visitor) -> Response:
    """Those of this person's whole scope, and those that they lead or work on."""
    query = visit.request.query_params
    stage = query.get("stage") or None
    page = visit.api.get("review", "/themes", stage=stage, cursor=query.get("cursor"))
    following = urlencode({"stage": stage or "", "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "themes.html", themes=page["items"], stage=stage, stages=list(ThemeStage), following=following,
        places=read_places(visit), people=names(visit, [one["lead_id"] for one in page["items"]]),
        commissions=visit.has(*COMMISSIONERS),
    )  # fmt: skip


@router.get("/themes/new")
def new(visit: Visitor) -> Response:
    """The form to commission one; from a pattern it is filled in with what the pattern says."""
    return _commission(visit, Sent())


@router.post("/themes/new")
def commission(visit: Visitor) -> Response:
    """Commission it: scope, questions, and somebody who leads it."""
    body = {**_terms(visit), **answered(visit, "terms", ("category", "band", "region_id", "signal_id"))}
    body["locations"] = visit.texts("terms_locations")
    missing = _missing(body) | {
        f"terms_{name}": text
        for name, text in (("category", _("Choose a type")), ("band", _("Choose the risk")), ("locations", _("Tick at least one place")))
        if not body.get(name)
    }  # fmt: skip
    if missing:
        return _commission(visit, _wrong(visit, "terms", missing))
    try:
        made = visit.api.send("POST", "review", "/themes", body, key=key_of(visit)).body
    except Refused as error:
        return _commission(visit, refused(visit, "terms", _by_line(error), _COMMISSION))
    return go(f"/themes/{made['theme_id']}?saved=commission")


@router.get("/themes/{theme_id}")
def theme(visit: Visitor, theme_id: str) -> Response:
    """The terms, the members, and where it stands."""
    return _show(visit, theme_id, Sent())


@router.get("/themes/{theme_id}/terms")
def terms(visit: Visitor, theme_id: str) -> Response:
    """The form of the terms."""
    return _change(visit, theme_id, Sent())


@router.post("/themes/{theme_id}/terms")
def change_terms(visit: Visitor, theme_id: str) -> Response:
    """Replace the terms, who leads it included."""
    before = visit.api.get("review", f"/themes/{theme_id}")["team"]
    body = _terms(visit, {one["person_id"]: one["part"] for one in before if one["person_id"]})
    if missing := _missing(body):
        return _change(visit, theme_id, _wrong(visit, "terms", missing))
    path = f"/themes/{theme_id}/terms"
    try:
        visit.api.send("PUT", "review", path, body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        return _change(visit, theme_id, refused(visit, "terms", _by_line(error), _TERMS))
    return go(f"/themes/{theme_id}?saved=terms")


@router.post("/themes/{theme_id}/accept")
def accept(visit: Visitor, theme_id: str) -> Response:
    """Whoever leads it accepts the terms; the review opens."""
    path = f"/themes/{theme_id}/acceptance"
    return _send(visit, theme_id, "accept", "POST", path, None, (), version=visit.text("version"))


@router.post("/themes/{theme_id}/member")
def member(visit: Visitor, theme_id: str) -> Response:
    """Link an incident, or keep that it was considered and excluded, with the reason."""
    incident_id = visit.text("member_incident_id").rstrip("/").rsplit("/", 1)[-1]
    body = answered(visit, "member", ("decision", "reason"))
    missing = {
        f"member_{name}": text
        for name, text, there in (
            ("incident_id", _("Choose an incident, or paste the address of its page"), incident_id),
            ("decision", _("Choose whether it belongs"), body.get("decision")),
            ("reason", _("Say why"), body.get("reason")),
        )
        if not there
    }
    if missing:
        return _show(visit, theme_id, _wrong(visit, "member", missing))
    path = f"/themes/{theme_id}/members/{incident_id}"
    return _send(visit, theme_id, "member", "PUT", path, body, ("incident_id", "decision", "reason"))


@router.post("/themes/{theme_id}/agree")
def agree(visit: Visitor, theme_id: str) -> Response:
    """Agree what will change because of its findings."""
    body: dict[str, Any] = answered(
        visit,
        "agree",
        ("title", "strength", "strength_reason", "success_criterion", "what_counts_as_proof", "learning_ref"),
    )
    owner, _colon, role = visit.text("agree_owner").partition(":")
    days = visit.text("agree_due_working_days")
    missing = {
        f"agree_{name}": text
        for name, text, there in (
            ("title", _("Say in one line what will change"), body.get("title")),
            ("strength", _("Choose how strong it is"), body.get("strength")),
            ("success_criterion", _("Say how one will see that it worked"), body.get("success_criterion")),
            ("what_counts_as_proof", _("Say what a verifier must find in practice"), body.get("what_counts_as_proof")),
            ("owner", _("Choose the one person who answers for it"), owner and role),
            ("due_working_days", _("Give the number of working days"), days.isdecimal()),
        )
        if not there
    }
    if missing:
        return _show(visit, theme_id, _wrong(visit, "agree", missing))
    body |= {
        "incident_id": theme_id, "owner_id": owner, "owner_role": role, "due_working_days": number(days),
        "sites": visit.texts("agree_sites"),
    }  # fmt: skip
    try:
        visit.api.send("POST", "actions", "/actions", body, key=key_of(visit))
    except Refused as error:
        found = _by_line(error)
        found.errors = {"owner" if name.startswith("owner_") else name: text for name, text in found.errors.items()}
        return _show(visit, theme_id, refused(visit, "agree", found, (*body, "owner")))
    return go(f"/themes/{theme_id}?saved=agree")


@router.post("/themes/{theme_id}/end")
def end(visit: Visitor, theme_id: str) -> Response:
    """Decide that it will not be finished."""
    body = answered(visit, "end", ("reason",))
    if not body:
        return _show(visit, theme_id, _wrong(visit, "end", {"end_reason": _("Say why it will not be finished")}))
    path = f"/themes/{theme_id}/end"
    return _send(visit, theme_id, "end", "POST", path, body, ("reason",), version=visit.text("version"))


def _send(
    visit: Visit,
    theme_id: str,
    step: str,
    method: str,
    path: str,
    body: Any,
    shown: tuple[str, ...],
    version: str | None = None,
) -> Response:
    try:
        visit.api.send(method, "review", path, body, key=key_of(visit), version=version)
    except Refused as error:
        return _show(visit, theme_id, refused(visit, step, error, shown))
    return go(f"/themes/{theme_id}?saved={step}")


def _lines(visit: Visit, name: str) -> list[str]:
    return [line.strip() for line in visit.text(f"terms_{name}").splitlines() if line.strip()]


def _terms(visit: Visit, before: dict[str, str] | None = None) -> dict[str, Any]:
    """The terms as they were typed: questions and sources one on a line; of the team those with an account are ticked.

    `before` is in what part each of these took part so far.
    """
    team: list[dict[str, str]] = [{"part": line} for line in _lines(visit, "team")]
    for one in visit.texts("terms_people"):
        team.append({"part": (before or {}).get(one) or _("takes part"), "person_id": one})
    given = answered(visit, "terms", ("title", "why", "lead_id"))
    return {**given, "questions": _lines(visit, "questions"), "sources": _lines(visit, "sources"), "team": team}


def _missing(body: dict[str, Any]) -> dict[str, str]:
    asked = {
        "title": _("Say in one line what it is about"), "why": _("Say why they are looked at together"),
        "questions": _("Write at least one question"), "lead_id": _("Choose who leads it"),
    }  # fmt: skip
    return {f"terms_{name}": text for name, text in asked.items() if not body.get(name)}


def _wrong(visit: Visit, step: str, errors: dict[str, str]) -> Sent:
    return Sent(step, visit.typed(), {name: visit.texts(name) for name in visit.form}, errors, 422, key_of(visit))


def _by_line(error: Refused) -> Refused:
    """What is wrong with one line of a text, at the text."""
    errors = {name.partition(".")[0]: text for name, text in error.errors.items()}
    return Refused(error.status, error.title, error.detail, errors, error.kind)


def _leads(visit: Visit) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for role in LEADS:
        for one in visit.api.all("directory", "/people", role=role.value):
            if one["active"]:
                found[one["person_id"]] = one["display_name"]
    if visit.has(*LEADS):
        found.setdefault(str(visit.actor.id), _("You"))
    return [{"value": one, "text": name} for one, name in sorted(found.items(), key=lambda item: item[1])]


def _staff(visit: Visit) -> list[dict[str, str]]:
    page = visit.api.get_or_none("directory", "/people", limit=100) or {"items": []}
    return [{"value": one["person_id"], "text": one["display_name"]} for one in page["items"] if one["active"]]


def _commission(visit: Visit, sent: Sent) -> Response:
    signal_id = visit.text("terms_signal_id") or visit.request.query_params.get("signal_id", "")
    signal = visit.api.get_or_none("reporting", f"/signals/{signal_id}") if signal_id else None
    return _form(visit, None, sent, read_places(visit), signal=signal, found=_of_signal(visit, signal), version=None)


def _change(visit: Visit, theme_id: str, sent: Sent) -> Response:
    read = visit.api.read("review", f"/themes/{theme_id}")
    found = read.body
    texts = {
        "title": found["title"], "why": found["why"], "lead_id": found["lead_id"], "questions": "\n".join(found["questions"]),
        "sources": "\n".join(found["sources"]), "team": "\n".join(one["part"] for one in found["team"] if not one["person_id"]),
        "people": [one["person_id"] for one in found["team"] if one["person_id"]],
    }  # fmt: skip
    return _form(visit, theme_id, sent, read_places(visit), signal=None, found=texts, version=read.version)


def _of_signal(visit: Visit, signal: dict[str, Any] | None) -> dict[str, Any]:
    """What a pattern says of the theme that is commissioned from it."""
    if signal is None:
        return {}
    members = visit.api.all("reporting", f"/signals/{signal['signal_id']}/incidents", member=True)
    return {
        "why": signal["why"]["sentence"], "category": signal["category"], "region_id": signal["region_id"] or "",
        "locations": sorted({one["location_id"] for one in members}),
    }  # fmt: skip


def _form(visit: Visit, theme_id: str | None, sent: Sent, places: Places, **words: Any) -> Response:
    return visit.page(
        "theme_terms.html", sent.status, theme_id=theme_id, sent=sent, errors=sent.errors, places=places, leads=_leads(visit),
        staff=_staff(visit), categories=list(Category), bands=list(Band), **words,
    )  # fmt: skip


def _show(visit: Visit, theme_id: str, sent: Sent) -> Response:
    read = visit.api.read("review", f"/themes/{theme_id}")
    found, of = read.body, {"incident_id": theme_id, "limit": 200}
    with ThreadPoolExecutor(6) as pool:
        asked: dict[str, Future[Any] | None] = {
            "places": pool.submit(read_places, visit),
            "members": pool.submit(visit.api.all, "review", f"/themes/{theme_id}/members"),
            "life": pool.submit(visit.api.get_or_none, "reporting", f"/themes/{theme_id}/timeline"),
            "review": pool.submit(visit.api.get_or_none, "review", f"/reviews/{found['review_id']}")
            if found["review_id"]
            else None,
            "actions": pool.submit(visit.api.get_or_none, "actions", "/actions", **of),
            "checkpoints": pool.submit(visit.api.get_or_none, "actions", "/checkpoints", **of),
        }
        people = names(
            visit, [found["lead_id"], found["commissioned_by"], *(one["person_id"] for one in found["team"])]
        )
    parts: dict[str, Any] = {name: one.result() if one else None for name, one in asked.items()}
    collecting = found["stage"] in ("commissioned", "reviewing") and (parts["review"] or {}).get("status") not in (
        "submitted",
        "approved",
    )
    agrees = visit.has(*AGREERS) and found["stage"] in ("reviewing", "acting") and parts["review"] is not None
    considered = {one["incident_id"] for one in parts["members"]}
    return visit.page(
        "theme.html", sent.status, theme=found, version=read.version, sent=sent, errors=sent.errors, people=people,
        me=str(visit.actor.id), collecting=collecting, running=found["stage"] not in ("closed", "ended"),
        could=[one for one in _could_belong(visit, found) if one["incident_id"] not in considered] if collecting else [],
        strengths=list(Strength), owners=leaders(visit, None, None) if agrees else [], agrees=agrees,
        commissions=visit.has(*COMMISSIONERS), packs=visit.has(*PACK_BUILDERS), saved=visit.request.query_params.get("saved"), **parts,
    )  # fmt: skip


def _could_belong(visit: Visit, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Incidents that could belong: members of its pattern, and of its type in its places; newest first."""
    could: dict[str, dict[str, Any]] = {}
    if found["signal_id"]:
        page = visit.api.get_or_none("reporting", f"/signals/{found['signal_id']}/incidents", limit=200) or {
            "items": []
        }
        could = {one["incident_id"]: one for one in page["items"]}
    query = {"category": found["category"], "region_id": found["region_id"], "limit": 200}
    listed = visit.api.get_or_none("reporting", "/incidents", **query) or {"items": []}
    for one in listed["items"]:
        if one["location_id"] in found["locations"]:
            could.setdefault(one["incident_id"], one)
    return list(could.values())[:200]
