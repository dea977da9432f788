"""Impact over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.actions.impact import commands, queries
from services.actions.impact.store import visible_checkpoint
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["impact"])


@router.get("/checkpoints", summary="List checkpoints")
def list_checkpoints(
    actor: Caller, database: Database, incident_id: UUID | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.CheckpointSummary]:
    """Checkpoints in the caller's scope, in the order in which they were planned."""
    with transaction(database, actor.provider_id) as session:
        return queries.checkpoints(session, actor, incident_id=incident_id, limit=limit, cursor=cursor)


@router.get("/checkpoints/{checkpoint_id}", summary="Read a checkpoint")
def read_checkpoint(
    checkpoint_id: UUID, actor: Caller, database: Database, response: Response
) -> queries.CheckpointView:
    """What was counted before and after, the proposed verdict and the decision. The ETag is the version to decide on."""
    with transaction(database, actor.provider_id) as session:
        checkpoint = visible_checkpoint(session, actor, checkpoint_id)
        response.headers["ETag"] = f'"{checkpoint.version}"'
        return queries.checkpoint_view(session, checkpoint)


@router.post(
    "/checkpoints/{checkpoint_id}/decision",
    response_model=queries.CheckpointSummary,
    summary="Decide on the effect",
)
def judge(
    checkpoint_id: UUID,
    body: commands.JudgeImpact,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Agree with the proposed verdict, or differ with a reason.

    Quality and safeguarding leads, nominated individuals, directors.
    """
    require_role(actor, *commands.JUDGES)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            checkpoint = commands.judge_impact(session, actor, checkpoint_id, body, version, clock.now())
            return Reply(200, queries.checkpoint_summary(checkpoint), checkpoint.version)

        return once(session, "actions", actor, key, fingerprint(f"judge:{checkpoint_id}:{version}", body), run)
