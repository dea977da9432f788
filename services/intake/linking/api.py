"""Links over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.intake.commands import MANAGERS, SECOND_ROLES
from services.intake.linking import commands, queries
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once

router = APIRouter(tags=["links"])
KEEPERS = (*MANAGERS, *SECOND_ROLES)


@router.get("/incidents/{incident_id}/links", summary="Read what an incident is linked to, or could be")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.LinksView:
    """From either side, with who linked them and why. For managers."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        incident = visible_incident(session, actor, incident_id, now=clock.now())
        return queries.links(session, actor, incident)


@router.post(
    "/incidents/{incident_id}/links", status_code=201, response_model=queries.LinksView, summary="Link another incident"
)
def link(
    incident_id: UUID, body: commands.LinkIncident, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Say how the two belong together and why; neither is changed by it. For managers."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            commands.link(session, actor, incident_id, body, clock.now())
            return Reply(201, queries.links(session, actor, visible_incident(session, actor, incident_id)), 1)

        return once(session, "intake", actor, key, fingerprint(f"link:{incident_id}", body), run)
