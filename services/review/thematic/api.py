"""Thematic review over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import MemberDecision, ThemeStage
from services.review.thematic import commands, queries
from services.review.thematic.domain import COMMISSIONERS
from services.review.thematic.store import KnownIncident, visible_theme
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["themes"])


@router.post("/themes", status_code=201, response_model=queries.ThemeSummary, summary="Commission a thematic review")
def commission(
    body: commands.CommissionTheme, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """What several incidents have in common, with scope, questions and somebody who leads it.

    Quality and safeguarding leads, nominated individuals, directors.
    """
    require_role(actor, *COMMISSIONERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            theme = commands.commission_theme(session, actor, body, clock.now())
            return Reply(201, queries.summary(theme), theme.version)

        return once(session, "review", actor, key, fingerprint("commission", body), run)


@router.get("/themes", summary="List themes")
def list_themes(
    actor: Caller,
    database: Database,
    stage: ThemeStage | None = None,
    incident_id: UUID | None = None,
    signal_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ThemeSummary]:
    """Themes of the caller's whole scope, and those the caller leads or works on, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.themes(
            session, actor, stage=stage, incident_id=incident_id, signal_id=signal_id, limit=limit, cursor=cursor
        )


@router.get("/themes/{theme_id}", summary="Read a theme")
def read(theme_id: UUID, actor: Caller, database: Database, response: Response) -> queries.ThemeView:
    """Its terms and where it stands. The ETag is the version to send back with a change."""
    with transaction(database, actor.provider_id) as session:
        theme = visible_theme(session, actor, theme_id)
        response.headers["ETag"] = f'"{theme.version}"'
        return queries.view(session, actor, theme)


@router.put("/themes/{theme_id}/terms", response_model=queries.ThemeSummary, summary="Change the terms of a theme")
def change_terms(
    theme_id: UUID,
    body: commands.Terms,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Questions, team, sources, and who leads it; the whole of them. Whoever may commission a theme."""
    require_role(actor, *COMMISSIONERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            theme = commands.change_terms(session, actor, theme_id, body, version, clock.now())
            return Reply(200, queries.summary(theme), theme.version)

        return once(session, "review", actor, key, fingerprint(f"terms:{theme_id}:{version}", body), run)


@router.post(
    "/themes/{theme_id}/acceptance", response_model=queries.ThemeSummary, summary="Accept the terms of a theme"
)
def accept(
    theme_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """Whoever leads it says so; the review opens with its own clock."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            theme = commands.accept_theme(session, actor, theme_id, version, clock.now())
            return Reply(200, queries.summary(theme), theme.version)

        return once(session, "review", actor, key, fingerprint(f"accept:{theme_id}:{version}", b""), run)


@router.put(
    "/themes/{theme_id}/members/{incident_id}",
    response_model=queries.MemberView,
    summary="Link an incident to a theme, or exclude it",
)
def decide_member(
    theme_id: UUID,
    incident_id: UUID,
    body: commands.DecideMember,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Whether it belongs, and why. The incident stays as it is.

    Of those who may see both the theme and the incident: who leads the theme or works on it, managers, quality and
    safeguarding leads, nominated individuals, directors.
    """
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            member = commands.decide_member(session, actor, theme_id, incident_id, body, clock.now())
            return Reply(200, queries.member_view(member, session.get_one(KnownIncident, incident_id)))

        return once(session, "review", actor, key, fingerprint(f"member:{theme_id}:{incident_id}", body), run)


@router.get("/themes/{theme_id}/members", summary="List the incidents that were considered")
def list_members(
    theme_id: UUID,
    actor: Caller,
    database: Database,
    decision: MemberDecision | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.MemberView]:
    """Linked and excluded ones, each with the reason, as far as the caller may see them."""
    with transaction(database, actor.provider_id) as session:
        theme = visible_theme(session, actor, theme_id)
        return queries.members(session, actor, theme, decision=decision, limit=limit, cursor=cursor)


@router.post("/themes/{theme_id}/end", response_model=queries.ThemeSummary, summary="End a theme unfinished")
def end(
    theme_id: UUID,
    body: commands.EndTheme,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Decide, with a reason, that it will not be finished. Whoever may commission a theme."""
    require_role(actor, *COMMISSIONERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            theme = commands.end_theme(session, actor, theme_id, body, version, clock.now())
            return Reply(200, queries.summary(theme), theme.version)

        return once(session, "review", actor, key, fingerprint(f"end:{theme_id}:{version}", body), run)


@router.get("/themes/{theme_id}/audit", summary="Read the audit chain of a theme")
def audit_chain(theme_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """The hash-chained history that review keeps of it; for whoever may commission a theme."""
    require_role(actor, *COMMISSIONERS)
    with transaction(database, actor.provider_id) as session:
        visible_theme(session, actor, theme_id)
        return audit.read(session, "review", theme_id)
