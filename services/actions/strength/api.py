"""The hierarchy, and what a weak plan needs, over HTTP."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.actions.strength import commands
from services.actions.strength.hierarchy import shipped
from services.contracts.taxonomy import Strength
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["strength"])


class StrengthView(BaseModel):
    """One level of the hierarchy; `words` in the wording of an action suggest it."""

    strength: Strength
    help: str
    kinds: list[str]
    examples: list[str]
    words: list[str]


class AcceptedView(BaseModel):
    """That a plan of only weaker actions was accepted, by whom and why."""

    incident_id: UUID
    cycle: int
    reason: str
    accepted_by: UUID
    accepted_at: datetime


@router.get("/strengths", summary="Explain how strong actions are")
def strengths(_: Caller) -> list[StrengthView]:
    """The three levels of the action hierarchy, strongest first, with help and examples from care."""
    return [StrengthView(strength=name, **level.model_dump()) for name, level in shipped().levels.items()]


@router.post("/incidents/{incident_id}/weaker-actions", response_model=AcceptedView, summary="Accept weaker actions")
def accept_weaker(
    incident_id: UUID, body: commands.AcceptWeaker, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Say why only weaker actions are enough for a case of high risk, or of moderate risk that happened before. Without it its cycle cannot complete.

    Regional managers, quality leads, nominated individuals, directors; not who owns or agreed one of the actions.
    """
    require_role(actor, *commands.APPROVERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            accepted = commands.accept_weaker(session, actor, incident_id, body, clock.now())
            return Reply(200, AcceptedView(**{name: getattr(accepted, name) for name in AcceptedView.model_fields}))

        return once(session, "actions", actor, key, fingerprint(f"weaker:{incident_id}", body), run)
