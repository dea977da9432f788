"""Handing over, over HTTP."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.actions import queries as actions
from services.actions.commands import VERIFIERS
from services.actions.people import commands, queries
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["handover"])


class HandedOver(BaseModel):
    """What was handed over, each as it is now."""

    actions: list[actions.ActionSummary]


@router.post("/handovers", status_code=201, response_model=HandedOver, summary="Hand over what somebody owns")
def hand_over(body: commands.HandOver, actor: Caller, key: CommandKey, database: Database, clock: Time) -> JSONResponse:
    """All open actions of a person that you may see, or those you name, to a new owner. Clocks run on.

    Managers, quality and safeguarding leads, nominated individuals, directors.
    """
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            handed = commands.hand_over(session, actor, body, clock.now())
            return Reply(201, HandedOver(actions=[actions.summary(action) for action in handed]))

        return once(session, "actions", actor, key, fingerprint("hand-over", body), run)


@router.get("/handovers/needed", summary="List whose actions have to be handed over")
def needed(
    actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.HandoverNeeded]:
    """People who have left, or whose last day is near, and still own what is not finished. Those who may hand over."""
    require_role(actor, *VERIFIERS)
    with transaction(database, actor.provider_id) as session:
        return queries.needed(session, actor, now=clock.now(), limit=limit, cursor=cursor)
