"""The records of a review over HTTP: permissions and shapes; the rules are in the use-cases."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.review.domain import APPROVERS, REVIEWERS
from services.review.methods import template
from services.review.records import commands, queries
from services.review.records.store import Terms
from services.review.store import visible_review
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.errors import not_found
from services.runtime.idempotency import CommandKey, ExpectedVersion, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["reviews"])


@router.get("/reviews/{review_id}/records", summary="Read what a review is drawn from")
def read_records(review_id: UUID, actor: Caller, database: Database) -> queries.RecordsView:
    """Terms, timeline with its gaps, people involved, contributions. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        review = visible_review(session, actor, review_id)
        return queries.records(session, review, list(template.needed(review.template)))


@router.get("/reviews/{review_id}/terms", summary="Read the terms of a review")
def read_terms(review_id: UUID, actor: Caller, database: Database, response: Response) -> queries.TermsView:
    """What is to be found out. 404 until they are written. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        kept = session.get(Terms, visible_review(session, actor, review_id).review_id)
        if kept is None:
            raise not_found("terms")
        response.headers["ETag"] = f'"{kept.version}"'
        return queries.terms(kept)


@router.put("/reviews/{review_id}/terms", response_model=queries.TermsView, summary="Write the terms of a review")
def write_terms(
    review_id: UUID, body: commands.WriteTerms, actor: Caller, key: CommandKey, version: KnownVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """What is to be found out, and the scope. Leave If-Match out the first time. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.write_terms(session, actor, review_id, body, version, clock.now())
            return Reply(200, queries.terms(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"terms-of:{review_id}:{version}", body), run)


@router.post(
    "/reviews/{review_id}/timeline", status_code=201, response_model=queries.EntryView, summary="Enter an event"
)
def add_entry(
    review_id: UUID, body: commands.WriteEntry, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """An event of the timeline, with its source. Those who write reviews; several may at once."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.add_entry(session, actor, review_id, body, clock.now())
            return Reply(201, queries.entry(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"timeline:{review_id}", body), run)


@router.put("/reviews/{review_id}/timeline/{entry_id}", response_model=queries.EntryView, summary="Correct an event")
def change_entry(
    review_id: UUID, entry_id: UUID, body: commands.WriteEntry, actor: Caller, key: CommandKey,
    version: ExpectedVersion, database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """Correct it, or withdraw it with a reason. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.change_entry(session, actor, review_id, entry_id, body, version, clock.now())
            return Reply(200, queries.entry(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"timeline:{entry_id}:{version}", body), run)


@router.post(
    "/reviews/{review_id}/people", status_code=201, response_model=queries.InvolvedView,
    summary="Enter somebody involved",
)  # fmt: skip
def add_involved(
    review_id: UUID, body: commands.WriteInvolved, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """The person, the family, staff: by reference or role, never by name. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.add_involved(session, actor, review_id, body, clock.now())
            return Reply(201, queries.involved(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"people:{review_id}", body), run)


@router.put(
    "/reviews/{review_id}/people/{involved_id}", response_model=queries.InvolvedView,
    summary="Go on with somebody involved",
)  # fmt: skip
def change_involved(
    review_id: UUID, involved_id: UUID, body: commands.WriteInvolved, actor: Caller, key: CommandKey,
    version: ExpectedVersion, database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """Whether they were asked, their questions, their account, what they were told. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.change_involved(session, actor, review_id, involved_id, body, version, clock.now())
            return Reply(200, queries.involved(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"people:{involved_id}:{version}", body), run)


@router.post(
    "/reviews/{review_id}/contributions", status_code=201, response_model=queries.ContributionView,
    summary="Ask somebody to contribute",
)  # fmt: skip
def ask(
    review_id: UUID, body: commands.AskContribution, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Ask somebody, or record what they said or why they did not. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.ask_contribution(session, actor, review_id, body, clock.now())
            return Reply(201, queries.contribution(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"contributions:{review_id}", body), run)


@router.put(
    "/reviews/{review_id}/contributions/{contribution_id}", response_model=queries.ContributionView,
    summary="Record what became of asking somebody",
)  # fmt: skip
def change_contribution(
    review_id: UUID, contribution_id: UUID, body: commands.AskContribution, actor: Caller, key: CommandKey,
    version: ExpectedVersion, database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """What they said, or why they did not. Nobody changes what another wrote. Those who write reviews."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.change_contribution(session, actor, review_id, contribution_id, body, version, clock.now())
            return Reply(200, queries.contribution(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"contribution:{contribution_id}:{version}", body), run)


@router.get("/contributions", summary="List what I was asked to contribute")
def list_asked(
    actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.ContributionView]:
    """What the caller was asked by name, whatever their role, newest first; nothing else of the review."""
    with transaction(database, actor.provider_id) as session:
        return queries.asked(session, actor, limit=limit, cursor=cursor)


@router.get("/contributions/{contribution_id}", summary="Read what I was asked")
def read_asked(
    contribution_id: UUID, actor: Caller, database: Database, response: Response
) -> queries.ContributionView:
    """What the caller was asked by name, and what they said. The ETag is the version to send back with a change."""
    with transaction(database, actor.provider_id) as session:
        row = commands.asked_of(session, actor, contribution_id)
        response.headers["ETag"] = f'"{row.version}"'
        return queries.contribution(row)


@router.put(
    "/contributions/{contribution_id}/statement", response_model=queries.ContributionView, summary="Say what I know"
)
def write_statement(
    contribution_id: UUID, body: commands.WriteStatement, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """In their own words. Whoever was asked by name, whatever their role, while the review is being written."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.write_statement(session, actor, contribution_id, body, version, clock.now())
            return Reply(200, queries.contribution(row), row.version)

        return once(session, "review", actor, key, fingerprint(f"statement:{contribution_id}:{version}", body), run)
