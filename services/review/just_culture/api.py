"""The just-culture guide over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.review.domain import APPROVERS, REVIEWERS
from services.review.just_culture import commands, queries
from services.review.store import visible_review
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["just culture"])


@router.post(
    "/reviews/{review_id}/just-culture", status_code=201, response_model=queries.UseView,
    summary="Open the just-culture guide",
)  # fmt: skip
def open_guide(
    review_id: UUID, body: commands.OpenGuide, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """An aid where there already is a concern about one person's part; no decision, and no part of the review.

    With a reason, which is kept. Managers, quality and safeguarding leads.
    """
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            use = commands.open_guide(session, actor, review_id, body, clock.now())
            return Reply(201, queries.view(use), use.version)

        return once(session, "review", actor, key, fingerprint(f"just-culture:{review_id}", body), run)


@router.get("/reviews/{review_id}/just-culture", summary="List uses of the just-culture guide")
def list_uses(
    review_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.UseSummary]:
    """One's own, and for the review's approver all of them; without what was thought."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        review = visible_review(session, actor, review_id)
        return queries.uses(session, actor, review, limit=limit, cursor=cursor)


@router.get("/just-culture/{use_id}", summary="Read a use of the just-culture guide")
def read(use_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.UseView:
    """For who opened it and for the review's approver. Each reading is logged."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        use = commands.read_guide(session, actor, use_id, clock.now())
        response.headers["ETag"] = f'"{use.version}"'
        return queries.view(use)


@router.put("/just-culture/{use_id}", response_model=queries.UseView, summary="Work through the just-culture guide")
def write(
    use_id: UUID, body: commands.WriteGuide, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """What was thought about the questions so far, in their order. Only who opened it."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            use = commands.write_guide(session, actor, use_id, body, version, clock.now())
            return Reply(200, queries.view(use), use.version)

        return once(session, "review", actor, key, fingerprint(f"just-culture:{use_id}:{version}", body), run)


@router.get("/just-culture/{use_id}/audit", summary="Read who opened and read it")
def audit_chain(use_id: UUID, actor: Caller, database: Database, clock: Time) -> list[dict[str, Any]]:
    """The hash-chained history of one use. For who opened it and for the review's approver."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        use = commands.read_guide(session, actor, use_id, clock.now(), log=False)
        return audit.read(session, "review", use.use_id)
