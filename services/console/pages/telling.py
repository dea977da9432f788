"""Who outside must be told of an incident: the questions that decide it, and every duty with its state and its page."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages.case import ANSWERERS, read_case, show
from services.console.steps import Step, moment, take
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

UNKNOWN = "not_known"
"""How a form takes an answer back: it was given, and is not known after all."""


@router.get("/incidents/{incident_id}/telling")
def telling(visit: Visitor, incident_id: str) -> Response:
    """What is owed, and what is asked to know what is owed."""
    return _show(visit, incident_id, Sent())


@router.post("/incidents/{incident_id}/telling")
def tell(visit: Visitor, incident_id: str) -> Response:
    """Keep the answers that were given; what is owed is assessed anew at once."""
    asks = visit.api.get("intake", f"/incidents/{incident_id}/facts")["asks"]
    names = tuple(one["fact"] for one in asks)
    step = Step(
        "intake", "/incidents/{incident_id}/facts", shown=names, method="PUT",
        body=lambda visit, body: {one["fact"]: _answer(visit, one) for one in asks if _is_answered(visit, one["fact"])},
    )  # fmt: skip
    sent = take(visit, "facts", step, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/telling?saved=facts")


_OPEN = Step(
    "intake", "/incidents/{incident_id}/obligations", ("rule", "person", "authority"), versioned=False,
    needs={"rule": _("Choose what is to be decided")},
)  # fmt: skip


@router.post("/incidents/{incident_id}/telling/open")
def open_by_hand(visit: Visitor, incident_id: str) -> Response:
    """Have a decision made that no rule asks for."""
    sent = take(visit, "open", _OPEN, incident_id=incident_id)
    return _show(visit, incident_id, sent) if sent else go(f"/incidents/{incident_id}/telling?saved=open")


@router.get("/incidents/{incident_id}/obligations")
def from_a_message(visit: Visitor, incident_id: str) -> Response:
    """Where messages about what must be told lead."""
    return go(f"/incidents/{incident_id}/telling")


def _is_answered(visit: Visit, fact: str) -> bool:
    return any(value.strip() for value in visit.texts(f"facts_{fact}"))


def _answer(visit: Visit, ask: dict[str, Any]) -> Any:
    """What was typed, in the type of its question; what does not fit is sent as it is, for intake to say what is wrong."""
    name = f"facts_{ask['fact']}"
    said = visit.text(name)
    if said == UNKNOWN:
        return None
    match ask["type"]:
        case "yes_no":
            return said == "yes"
        case "choices":
            return [value for value in visit.texts(name) if value]
        case "number":
            return _number(said)
        case "moment":
            return moment(said)
        case "people":
            return [_person(line) for line in said.splitlines() if line.strip()]
    return said


def _number(said: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(said)
        except ValueError:
            continue
    return said


def _person(line: str) -> dict[str, str]:
    code, _space, authority = line.strip().partition(" ")
    return {"code": code, **({"local_authority": authority.strip()} if authority.strip() else {})}


def _show(visit: Visit, incident_id: str, sent: Sent) -> Response:
    record, look = f"/incidents/{incident_id}", visit.api.get_or_none
    with ThreadPoolExecutor(4) as reads:  # side by side the page is there in time
        beside = {
            name: reads.submit(look, "intake", f"{record}/{name}") for name in ("candour", "safeguarding", "checks")
        }
        known = reads.submit(visit.api.read, "intake", f"{record}/facts")
        owed = visit.api.get("intake", f"{record}/obligations")
        case = read_case(visit, incident_id)
    facts = known.result()
    asked = {one["fact"] for row in owed["obligations"] for one in row["explanation"]["ask"]}
    asked |= {name.removeprefix("facts_") for name in sent.errors}
    return show(
        visit, "telling.html", case, sent, owed=owed["obligations"], others=owed["others"],
        answers=facts.body["answers"], questions=facts.body["questions"], asks=facts.body["asks"], asked=asked,
        facts_version=facts.version, answers_facts=visit.has(*ANSWERERS) and not case.ended,
        unknown=UNKNOWN, **{name: one.result() for name, one in beside.items()},
    )  # fmt: skip
