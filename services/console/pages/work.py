"""My work: one list of what is mine now, by clock."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.labels import label
from services.console.page import TEXTS
from services.console.pages.action import VERIFIERS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.contracts.taxonomy import Role

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

STAFF = (Role.CARER, Role.SHIFT_LEAD, *VERIFIERS)


@dataclass(frozen=True)
class Item:
    """Something that is somebody's move: what, on which page, until when. `of` is the incident and the stage it moves."""

    what: str
    about: str
    href: str
    due_at: str
    of: tuple[str, str] = ("", "")


@router.get("/")
def my_work(visit: Visitor) -> Response:
    """Calls that need an answer, then all that waits for this person by clock, then what is good to know."""
    with ThreadPoolExecutor(6) as lists:  # side by side the page is there in time
        waits = [lists.submit(_listed, read, visit) for read in (_actions, _reviews, _briefings, _concerns)]
        meetings = lists.submit(_asked, visit)
        statements = lists.submit(visit.api.get, "review", "/contributions", limit=200)
        inbox = read_inbox(visit)
        items = [item for found in waits for item in found.result()]
    moved = {item.of for item in items}
    items += [*_duties(visit, inbox), *(item for item in _routine(inbox) if item.of not in moved)]
    return visit.page(
        "work.html",
        calls=[call for call in inbox["escalations"] if call["to_answer"]],
        told=[call for call in inbox["escalations"] if not call["to_answer"]],
        items=sorted(items, key=lambda item: datetime.fromisoformat(item.due_at)),
        notices=inbox["notices"],
        feedback=inbox["feedback"],
        asked=meetings.result(),
        statements=[one for one in statements.result()["items"] if one["outcome"] == "asked"],
        answered=visit.request.query_params.get("answered"),
    )


def _listed(read: Callable[[Visit], Iterator[Item]], visit: Visit) -> list[Item]:
    return list(read(visit))


@router.get("/work")
def from_a_message(visit: Visitor) -> Response:
    """Where the links of messages lead that have no page of their own."""
    return go("/")


@router.post("/escalations/{incident_id}/{escalation_id}")
def answer(visit: Visitor, incident_id: str, escalation_id: str) -> Response:
    """One tap: I have been told and I am on it."""
    visit.api.send(
        "POST", "intake", f"/incidents/{incident_id}/escalations/{escalation_id}/acknowledgement",
        key=f"answer-{escalation_id}",
    )  # fmt: skip
    return go("/?answered=1")


def _asked(visit: Visit) -> list[dict[str, Any]] | None:
    """What meetings ask of this person; None while reporting is away, which must not hide the calls above."""
    try:
        return list(visit.api.get("reporting", "/governance-items", mine=True, limit=20)["items"])
    except Refused as refused:
        if refused.status == 401:
            raise
        return None


def read_inbox(visit: Visit) -> dict[str, Any]:
    """What intake keeps for this person; nothing for a role that has no inbox."""
    try:
        return dict(visit.api.get("intake", "/inbox"))
    except Refused as refused:
        if refused.status == 403:
            return {"escalations": [], "duties": [], "notices": [], "routine": [], "feedback": []}
        raise


_DUTY_PAGES = {
    "obligation": "/obligations/{subject_id}",
    "candour": "/incidents/{incident_id}/candour",
    "safeguarding": "/incidents/{incident_id}/safeguarding",
    "check": "/incidents/{incident_id}/checks#{waits_for}",
    "recurrence": "/recurrences/{subject_id}",
    "protection": "/incidents/{incident_id}/protections#protection-{subject_id}",
    "proceeding": "/incidents/{incident_id}/proceedings#proceeding-{subject_id}",
}
_STAGE_PAGES = {"reported": ("/triage", _("To triage")), "acting": ("/agree", _("Actions to agree"))}
"""Where the move of a stage is made, where it has a page of its own, and what to call it."""


def _duties(visit: Visit, inbox: dict[str, Any]) -> Iterator[Item]:
    titles: dict[str, str] = {}
    if any(one["kind"] == "obligation" for one in inbox["duties"]):
        owed = (visit.api.get_or_none("intake", "/obligations", limit=200) or {"items": []})["items"]
        titles = {one["rule"]: f"{one['recipient_name']}: {one['title']}" for one in owed}
    for one in inbox["duties"]:
        what = titles.get(one["waits_for"]) or label(one["waits_for"])
        yield Item(label(one["kind"]), what, _DUTY_PAGES[one["kind"]].format(**one), one["due_at"])


def _routine(inbox: dict[str, Any]) -> Iterator[Item]:
    for one in inbox["routine"]:
        page, what = _STAGE_PAGES.get(one["stage"], ("", label(one["stage"])))
        href = f"/incidents/{one['incident_id']}{page}"
        yield Item(what, label(one["category"]), href, one["due_at"], (one["incident_id"], one["stage"]))


def _actions(visit: Visit) -> Iterator[Item]:
    """What this person has to do, and what others say is done and this person may look at."""
    for one in visit.api.all("actions", "/actions", mine="true", status="open"):
        yield _action(one, _("To do"), one["due_at"], "acting")
    if visit.has(*VERIFIERS):
        for one in visit.api.all("actions", "/actions", most=200, asked="true"):
            if one["owner_id"] != str(visit.actor.id):
                yield _action(one, _("Its owner asks"), one["due_at"] or visit.now.isoformat(), "acting")
        needed = visit.api.get_or_none("actions", "/handovers/needed", limit=200) or {"items": []}
        for one in needed["items"]:
            what = _("%(count)s of somebody who leaves") % {"count": one["actions"]}
            due_at = one["earliest_due_at"] or visit.now.isoformat()
            yield Item(_("To hand over"), what, f"/handover?from_id={one['person_id']}", due_at)
        for one in visit.api.all("actions", "/actions", most=200, status="done"):
            if one["owner_id"] != str(visit.actor.id):
                yield _action(one, _("To verify"), one["verify_due_at"], "verifying")


def _action(one: dict[str, Any], what: str, due_at: str, stage: str) -> Item:
    return Item(what, one["title"], f"/actions/{one['action_id']}", due_at, (one["incident_id"], stage))


def _reviews(visit: Visit) -> Iterator[Item]:
    """Those that this person's role leads while they are written, and those that it approves once they are handed in."""
    if not visit.has(*VERIFIERS):
        return
    for status, role, what in (
        ("open", "lead_role", _("Review to write")),
        ("returned", "lead_role", _("Review that came back")),
        ("submitted", "approval_role", _("Review to approve")),
    ):
        for one in visit.api.all("review", "/reviews", most=200, status=status):
            if one[role] in visit.actor.roles:
                about = f"{label(one['method'])}, {label(one['category']).lower()}"
                page = f"/reviews/{one['review_id']}"
                yield Item(what, about, page, one["due_at"], (one["incident_id"], "reviewing"))


def _concerns(visit: Visit) -> Iterator[Item]:
    """What somebody raised outside the line, for those who review it: by their role, or named whatever their role."""
    for one in visit.api.all("intake", "/concerns", most=200):
        if one["answered_at"] is None:
            about = label(one["mode"])
            yield Item(_("Concern to answer"), about, f"/concerns/{one['concern_id']}", one["answer_due_at"])


def _briefings(visit: Visit) -> Iterator[Item]:
    """What this person has not understood yet, and what they are asked again."""
    if not visit.has(*STAFF):
        return
    for one in visit.api.all("review", "/briefings", most=200, open="true"):
        yield Item(_("Briefing to read"), one["summary"], f"/briefings/{one['briefing_id']}", one["due_at"])
    for one in visit.api.all("review", "/recall-questions", most=200):
        yield Item(_("Asked again"), one["question"], f"/briefings/{one['briefing_id']}", one["due_at"])
