"""The methods over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.review.domain import APPROVERS, REVIEWERS
from services.review.methods import commands, queries
from services.review.store import visible_review
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["reviews"])


@router.get("/reviews/{review_id}/method", summary="Read the form of a review")
def read_method(review_id: UUID, actor: Caller, database: Database) -> queries.MethodView:
    """The stages and questions of its method, with the answers so far. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.method(session, visible_review(session, actor, review_id))


@router.put(
    "/reviews/{review_id}/answers/{question}",
    response_model=queries.AnswerView,
    summary="Answer a question of the form",
)
def answer(
    review_id: UUID,
    question: str,
    body: commands.WriteAnswer,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Say it, or say why the question does not apply. Leave If-Match out for the first answer.

    Managers, quality and safeguarding leads; several may answer at once.
    """
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.answer_question(session, actor, review_id, question, body, version, clock.now())
            return Reply(200, queries.answer(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"answer:{review_id}:{question}:{version}", body), run)


@router.get("/reviews/{review_id}/submissions", summary="Read what was submitted")
def read_submissions(
    review_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.SubmissionView]:
    """Each submission as it was, and what changed since the one before. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        review = visible_review(session, actor, review_id)
        return queries.submissions(session, review, limit=limit, cursor=cursor)
