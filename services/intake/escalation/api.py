"""The ladder over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.intake.escalation import commands, queries
from services.runtime.app import Database, Time
from services.runtime.auth import Caller
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["escalation"])


@router.get("/inbox", summary="Read what waits for you")
def inbox(actor: Caller, database: Database, clock: Time) -> queries.Inbox:
    """Escalations that need the caller's answer now; what is owed outside and warned of; and what is the caller's move."""
    with transaction(database, actor.provider_id) as session:
        return queries.inbox(session, actor, clock.now())


@router.get("/incidents/{incident_id}/escalations", summary="List the escalations of an incident")
def escalations(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.EscalationView]:
    """Every rung of the ladder that was called, with the rule that called it and its answer."""
    with transaction(database, actor.provider_id) as session:
        commands.answerable(session, actor, incident_id, now=clock.now())
        return queries.escalations(session, incident_id)


@router.post(
    "/incidents/{incident_id}/escalations/{escalation_id}/acknowledgement",
    response_model=queries.EscalationView,
    summary="Acknowledge an escalation",
)
def acknowledge(
    incident_id: UUID, escalation_id: UUID, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Say: I have it. Stops the ladder. For the person or role that was called, or a higher rung that was called too.

    A second acknowledgement is answered with the first.
    """
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "intake", actor, key, fingerprint(f"acknowledge:{escalation_id}", b""),
            lambda: Reply(200, queries.escalation_view(
                commands.acknowledge(session, actor, incident_id, escalation_id, clock.now())
            )),
        )  # fmt: skip
