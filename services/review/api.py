"""Review over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.review import commands, queries
from services.review.domain import APPROVERS, REVIEWERS, ReviewStatus
from services.review.store import visible_incident, visible_review
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["reviews"])

_NOTHING_TO_SUBMIT, _NOTHING_TO_APPROVE = commands.SubmitReview(), commands.ApproveReview()
"""Without a body nothing is answered."""


@router.get("/reviews", summary="List reviews")
def list_reviews(
    actor: Caller,
    database: Database,
    status: ReviewStatus | None = None,
    incident_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ReviewSummary]:
    """Reviews in the caller's scope, newest first. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.reviews(session, actor, status=status, incident_id=incident_id, limit=limit, cursor=cursor)


@router.get("/reviews/{review_id}", summary="Read a review")
def read(review_id: UUID, actor: Caller, database: Database, response: Response) -> queries.ReviewView:
    """The content, the policy's decision and the history. The ETag is the version to send back with a change."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        review = visible_review(session, actor, review_id)
        response.headers["ETag"] = f'"{review.version}"'
        return queries.view(session, review)


@router.get("/reviews/{review_id}/findings", summary="Read what the quality gate points at")
def read_findings(review_id: UUID, actor: Caller, database: Database) -> list[queries.FindingView]:
    """What a careful reader would ask about, in the reviewer's own words; for the reviewer and for the approver."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.findings(session, visible_review(session, actor, review_id))


@router.put("/reviews/{review_id}/draft", response_model=queries.ReviewSummary, summary="Save the draft of a review")
def save_draft(
    review_id: UUID,
    body: commands.WriteDraft,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Replace the content as far as it is written; nothing has to be complete. Managers, quality and safeguarding leads.

    It may be sent every few seconds while somebody writes: with a new Idempotency-Key each time, and the ETag of the
    reply in the next If-Match. The history notes who began to write, once until somebody else writes. 412 when somebody
    else saved in between: it names what differs, and nothing of theirs is overwritten.
    """
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            review = commands.save_draft(session, actor, review_id, body, version, clock.now())
            return Reply(200, queries.summary(review), review.version)

        return once(session, "review", actor, key, fingerprint(f"draft:{review_id}:{version}", body), run)


@router.post("/reviews/{review_id}/submission", response_model=queries.ReviewSummary, summary="Submit a review")
def submit(
    review_id: UUID,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
    body: commands.SubmitReview = _NOTHING_TO_SUBMIT,
) -> JSONResponse:
    """The reviewer says it is complete. What is missing is named field by field; so is who did not take part.

    What the quality gate points at may be answered here. Managers, quality and safeguarding leads.
    """
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            review = commands.submit_review(session, actor, review_id, body, version, clock.now())
            return Reply(200, queries.summary(review), review.version)

        return once(session, "review", actor, key, fingerprint(f"submit:{review_id}:{version}", body), run)


@router.post("/reviews/{review_id}/return", response_model=queries.ReviewSummary, summary="Return a review")
def send_back(
    review_id: UUID,
    body: commands.ReturnReview,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The approver says what is missing. The role is the policy's, see `approval_role`."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            review = commands.return_review(session, actor, review_id, body, version, clock.now())
            return Reply(200, queries.summary(review), review.version)

        return once(session, "review", actor, key, fingerprint(f"return:{review_id}:{version}", body), run)


@router.post("/reviews/{review_id}/approval", response_model=queries.ReviewSummary, summary="Approve a review")
def approve(
    review_id: UUID,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
    body: commands.ApproveReview = _NOTHING_TO_APPROVE,
) -> JSONResponse:
    """Somebody other than its authors agrees, and answers what the quality gate points at and nobody answered yet.

    The role is the policy's, see `approval_role`.
    """
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            review = commands.approve_review(session, actor, review_id, body, version, clock.now())
            return Reply(200, queries.summary(review), review.version)

        return once(session, "review", actor, key, fingerprint(f"approve:{review_id}:{version}", body), run)


@router.get("/incidents/{incident_id}/audit", summary="Read the audit chain of an incident")
def audit_chain(incident_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """The hash-chained history that review keeps of it; whole, so that anybody can verify it offline."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id)
        return audit.read(session, "review", incident_id)
