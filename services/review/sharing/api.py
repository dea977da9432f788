"""Sharing over HTTP: permissions and shapes; the rules are in the use-cases."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import Category
from services.review.domain import APPROVERS, REVIEWERS, STAFF
from services.review.sharing import commands, follow_up, library, queries, supervision
from services.review.sharing.store import visible_briefing, visible_check
from services.review.store import visible_review
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page
from services.runtime.text import Word

router = APIRouter(tags=["sharing"])


@router.get("/briefings", summary="List briefings")
def list_briefings(
    actor: Caller,
    database: Database,
    is_open: Annotated[
        bool | None, Query(alias="open", description="True: those that still wait for your right answer.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.BriefingSummary]:
    """Briefings that went to a location in the caller's scope, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.briefings(session, actor, is_open=is_open, limit=limit, cursor=cursor)


@router.get("/briefings/{briefing_id}", summary="Read a briefing")
def read_briefing(briefing_id: UUID, actor: Caller, database: Database) -> queries.BriefingView:
    """What happened elsewhere, what changes, and the question to answer."""
    with transaction(database, actor.provider_id) as session:
        return queries.briefing_view(session, actor, visible_briefing(session, actor, briefing_id))


@router.get("/reviews/{review_id}/briefing-preview", summary="Preview a briefing before it is sent")
def preview(review_id: UUID, actor: Caller, database: Database) -> queries.BriefingPreview:
    """Where it would go, how many people are expected to know it, and what in it may tell who it was."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.preview(session, visible_review(session, actor, review_id))


@router.post(
    "/briefings/{briefing_id}/acknowledgements",
    response_model=queries.AcknowledgementView,
    summary="Acknowledge a briefing",
)
def acknowledge(
    briefing_id: UUID,
    body: commands.AcknowledgeBriefing,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """I read it, and this is my answer. All staff at the locations it went to, once each; a wrong answer may be corrected."""
    require_role(actor, *STAFF)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.acknowledge_briefing(session, actor, briefing_id, body, clock.now())
            return Reply(200, queries.acknowledgement(session, row))

        return once(session, "review", actor, key, fingerprint(f"acknowledge:{briefing_id}", body), run)


@router.get("/briefings/{briefing_id}/reach", summary="Read the reach of a briefing")
def reach(
    briefing_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> queries.BriefingReach:
    """How many locations understood it, in all and one by one."""
    with transaction(database, actor.provider_id) as session:
        briefing = visible_briefing(session, actor, briefing_id)
        return queries.reach(session, actor, briefing, limit=limit, cursor=cursor)


@router.post(
    "/briefings/{briefing_id}/routes",
    status_code=201,
    response_model=queries.RouteView,
    summary="Record how a briefing reached a team",
)
def record_route(
    briefing_id: UUID,
    body: follow_up.RecordRoute,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """A meeting, supervision or training with how many were there; guidance or an alert with its reference.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = follow_up.record_route(session, actor, briefing_id, body, clock.now())
            return Reply(201, queries.route_view(row))

        return once(session, "review", actor, key, fingerprint(f"route:{briefing_id}", body), run)


@router.get("/briefings/{briefing_id}/routes", summary="List how a briefing reached teams")
def list_routes(
    briefing_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.RouteView]:
    """Each with its proof, at locations in the caller's scope. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        briefing = visible_briefing(session, actor, briefing_id)
        return queries.routes(session, actor, briefing, limit=limit, cursor=cursor)


@router.post(
    "/briefings/{briefing_id}/adoption-checks",
    status_code=201,
    response_model=queries.AdoptionView,
    summary="Ask other services",
)
def ask_adoption(
    briefing_id: UUID,
    body: follow_up.AskAdoption,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Every location to which the briefing went answers, until a day. Managers, quality and safeguarding leads."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            check = follow_up.ask_adoption(session, actor, briefing_id, body, clock.now())
            return Reply(201, queries.adoption_view(session, actor, check, clock.now()))

        return once(session, "review", actor, key, fingerprint(f"adoption:{briefing_id}", body), run)


@router.get("/briefings/{briefing_id}/adoption-checks", summary="List what other services were asked")
def list_adoption_checks(
    briefing_id: UUID, actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.AdoptionView]:
    """Each with what came back and what is missing. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        briefing = visible_briefing(session, actor, briefing_id)
        return queries.adoption_checks(session, actor, briefing, clock.now(), limit=limit, cursor=cursor)


@router.get("/adoption-checks/{check_id}", summary="Read what other services answered")
def read_adoption_check(check_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.AdoptionView:
    """What came back and what is missing. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.adoption_view(session, actor, visible_check(session, actor, check_id), clock.now())


@router.post(
    "/adoption-checks/{check_id}/returns",
    status_code=201,
    response_model=queries.AdoptionReturnView,
    summary="Answer for a location",
)
def return_adoption(
    check_id: UUID,
    body: follow_up.ReturnAdoption,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The count, or whether it is done as agreed; once for each location. Managers, quality and safeguarding leads."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = follow_up.return_adoption(session, actor, check_id, body, clock.now())
            return Reply(201, queries.return_view(row))

        return once(session, "review", actor, key, fingerprint(f"return:{check_id}", body), run)


@router.get("/recall-questions", summary="List what I am asked again")
def list_recall_questions(
    actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.RecallQuestion]:
    """Questions about briefings that the caller understood weeks ago and is asked about again."""
    with transaction(database, actor.provider_id) as session:
        return queries.recall_questions(session, actor, limit=limit, cursor=cursor)


@router.post(
    "/briefings/{briefing_id}/recall-answers",
    response_model=queries.RecallAnswerView,
    summary="Answer what I am asked again",
)
def answer_recall(
    briefing_id: UUID,
    body: follow_up.AnswerRecall,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """One answer, by those who are asked."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = follow_up.answer_recall(session, actor, briefing_id, body, clock.now())
            return Reply(200, queries.recall_answer(row))

        return once(session, "review", actor, key, fingerprint(f"recall:{briefing_id}", body), run)


@router.post(
    "/briefings/{briefing_id}/spot-checks",
    status_code=201,
    response_model=queries.SpotCheckView,
    summary="Record that people were asked in person",
)
def record_spot_check(
    briefing_id: UUID,
    body: follow_up.RecordSpotCheck,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """How many were asked what they had learned, and how many could say. Managers, quality and safeguarding leads."""
    require_role(actor, *REVIEWERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = follow_up.record_spot_check(session, actor, briefing_id, body, clock.now())
            return Reply(201, queries.spot_check_view(row))

        return once(session, "review", actor, key, fingerprint(f"spot-check:{briefing_id}", body), run)


@router.get("/briefings/{briefing_id}/recall", summary="Read what people still know")
def recall(briefing_id: UUID, actor: Caller, database: Database) -> queries.RecallView:
    """In all, and by location, role and shift. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return queries.recall_view(session, actor, visible_briefing(session, actor, briefing_id))


@router.get("/library", summary="Search what was learned")
def search_library(
    actor: Caller,
    database: Database,
    words: Annotated[
        Word | None, Query(alias="q", min_length=2, max_length=200, description="Words, or nearly so; best first.")
    ] = None,
    category: Category | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[library.Entry]:
    """Briefings of the whole provider, with what changed because of each. For everybody who is signed in.

    Without words the newest first, page by page; with words one page.
    """
    with transaction(database, actor.provider_id) as session:
        return library.search(session, actor, words=words, category=category, limit=limit, cursor=cursor)


@router.get("/library/similar", summary="Find what was learned from cases like this")
def similar(
    incident_id: UUID, actor: Caller, database: Database, limit: Annotated[int, Query(ge=1, le=50)] = 10
) -> library.Alike:
    """By type, factors and wording of its review, each with why it was found. For those who write or approve reviews."""
    require_role(actor, *APPROVERS)
    with transaction(database, actor.provider_id) as session:
        return library.Alike(entries=library.similar(session, actor, incident_id, limit))


@router.get("/what-changed/{month}", summary="Read what changed in a month")
def what_changed(
    month: Annotated[str, Path(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", examples=["2026-06"])],
    actor: Caller,
    database: Database,
    region_id: UUID | None = None,
    location_id: UUID | None = None,
) -> library.Note:
    """What went out in the month to places in the caller's scope, and how far the actions are. For everybody."""
    with transaction(database, actor.provider_id) as session:
        first_day = date.fromisoformat(f"{month}-01")
        return library.note(session, actor, first_day, region_id=region_id, location_id=location_id)


@router.get("/briefings/{briefing_id}/supervision-prompts", summary="Read what to reflect on")
def supervision_prompts(briefing_id: UUID, actor: Caller, database: Database) -> supervision.Prompts:
    """Prompts for a reflective supervision, from the briefing. Shift leads, managers, quality and safeguarding leads."""
    require_role(actor, *supervision.SUPERVISORS)
    with transaction(database, actor.provider_id) as session:
        return supervision.prompts(visible_briefing(session, actor, briefing_id))


@router.post(
    "/supervisions", status_code=201, response_model=supervision.SupervisionFact, summary="Record a supervision"
)
def record_supervision(
    body: supervision.RecordSupervision, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """A reflective supervision that the caller led. Shift leads, managers, quality and safeguarding leads."""
    require_role(actor, *supervision.SUPERVISORS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            return Reply(201, supervision.fact(supervision.record(session, actor, body, clock.now())))

        return once(session, "review", actor, key, fingerprint("supervision", body), run)


@router.get("/supervisions", summary="List supervisions that took place")
def list_supervisions(
    actor: Caller,
    database: Database,
    briefing_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[supervision.SupervisionFact]:
    """The facts, never what was said: one's own, and those in scope for those who write or approve reviews."""
    with transaction(database, actor.provider_id) as session:
        return supervision.facts(session, actor, briefing_id=briefing_id, limit=limit, cursor=cursor)


@router.get("/supervisions/{supervision_id}", summary="Read a supervision")
def read_supervision(supervision_id: UUID, actor: Caller, database: Database) -> supervision.SupervisionView:
    """With what was said. For the two people only."""
    with transaction(database, actor.provider_id) as session:
        return supervision.read(session, actor, supervision_id)
