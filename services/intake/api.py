"""Intake over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contracts.taxonomy import Role, Stage
from services.intake import commands, queries
from services.intake.store import reported_incident, visible_incident
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once, once_new
from services.runtime.limit import Limit as Often
from services.runtime.pagination import Cursor, Limit, Page
from services.runtime.text import Word

router = APIRouter(tags=["incidents"])


class ReportSettings(BaseSettings):
    """What one person may send; far above what somebody can write: it stops a machine that has gone wrong."""

    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore")

    reports_per_minute: int = Field(default=600, ge=1)


REPORTING = Often("report", ReportSettings().reports_per_minute)


@router.post(
    "/incidents",
    status_code=201,
    response_model=commands.Receipt,
    summary="Report an incident",
    openapi_extra=REPORTING.described,
)
def report(body: commands.ReportIncident, actor: Caller, key: CommandKey, database: Database, clock: Time) -> Response:
    """Accepted at once and kept, whatever else is away. Anybody with a role at the location may report."""
    REPORTING.take(actor.id)
    return once_new(
        database, "intake", actor, key, fingerprint("report", body),
        lambda session, remember: commands.report_incident(session, actor, body, clock.now(), remember=remember),
    )  # fmt: skip


@router.get("/incidents", summary="List incidents")
def list_incidents(
    actor: Caller,
    database: Database,
    stage: Stage | None = None,
    location_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.IncidentSummary]:
    """Incidents in the caller's scope and the caller's own reports, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.incidents(session, actor, stage=stage, location_id=location_id, limit=limit, cursor=cursor)


@router.get("/incidents/{incident_id}", summary="Read an incident")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.IncidentView:
    """The record with its triage history. The ETag is the version to send back with a change."""
    with transaction(database, actor.provider_id) as session:
        incident = visible_incident(session, actor, incident_id, now=clock.now())
        response.headers["ETag"] = f'"{incident.version}"'
        return queries.view(session, actor, incident)


@router.get("/incidents/{incident_id}/triage-suggestion", summary="Read what the rule suggests")
def read_suggestion(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.SuggestionView:
    """What the policy says of such a report; to score lower needs a reason. Managers, quality and safeguarding leads."""
    require_role(actor, *commands.MANAGERS)
    with transaction(database, actor.provider_id) as session:
        return queries.suggestion(session, actor, visible_incident(session, actor, incident_id, now=clock.now()))


@router.post("/incidents/{incident_id}/triage", response_model=queries.IncidentSummary, summary="Triage an incident")
def triage(
    incident_id: UUID,
    body: commands.TriageIncident,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Score actual harm and the worst credible harm; again, with a reason, when facts change.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *commands.MANAGERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            incident = commands.triage_incident(session, actor, incident_id, body, version, clock.now())
            return Reply(200, queries.summary(incident), incident.version)

        return once(session, "intake", actor, key, fingerprint(f"triage:{incident_id}:{version}", body), run)


@router.post(
    "/incidents/{incident_id}/withdrawal", response_model=queries.IncidentSummary, summary="Withdraw an incident"
)
def withdraw(
    incident_id: UUID,
    body: commands.EndIncident,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """End an incident that was reported in error, with a reason, once nothing is undecided.

    Managers, quality and safeguarding leads, nominated individuals, directors; a death, an allegation and what is
    restricted: a safeguarding lead, nominated individual or director.
    """
    require_role(actor, *commands.MANAGERS, *commands.SECOND_ROLES)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            incident = commands.withdraw_incident(session, actor, incident_id, body, version, clock.now())
            return Reply(200, queries.summary(incident), incident.version)

        return once(session, "intake", actor, key, fingerprint(f"withdraw:{incident_id}:{version}", body), run)


@router.post(
    "/incidents/{incident_id}/duplicate",
    response_model=queries.IncidentSummary,
    summary="Mark an incident as a duplicate",
)
def duplicate(
    incident_id: UUID,
    body: commands.MarkDuplicate,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """End an incident that another one of its category covers, once nothing is undecided.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *commands.MANAGERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            incident = commands.mark_duplicate(session, actor, incident_id, body, version, clock.now())
            return Reply(200, queries.summary(incident), incident.version)

        return once(session, "intake", actor, key, fingerprint(f"duplicate:{incident_id}:{version}", body), run)


@router.post("/incidents/{incident_id}/reopening", response_model=queries.IncidentSummary, summary="Reopen an incident")
def reopen(
    incident_id: UUID,
    body: commands.ReopenIncident,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Put a closed incident back into the chain, in a new cycle that keeps the old one. Quality leads, directors."""
    require_role(actor, Role.QUALITY_LEAD, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            incident = commands.reopen_incident(session, actor, incident_id, body, version, clock.now())
            return Reply(200, queries.summary(incident), incident.version)

        return once(session, "intake", actor, key, fingerprint(f"reopen:{incident_id}:{version}", body), run)


@router.get("/incidents/{incident_id}/feedback", summary="Read what the reporter was told")
def feedback(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[queries.FeedbackView]:
    """In plain words, from the receipt on. Reporters may read it for what they reported."""
    with transaction(database, actor.provider_id) as session:
        return queries.feedback(session, reported_incident(session, actor, incident_id, now=clock.now()))


@router.get("/incidents/{incident_id}/audit", summary="Read the audit chain of an incident")
def audit_chain(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> list[dict[str, Any]]:
    """The hash-chained history that intake keeps of it; whole, so that anybody can verify it offline."""
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        return audit.read(session, "intake", incident_id)


class ImportBatch(commands.Strict):
    """Up to 2,000 historical incidents of one source."""

    source: Annotated[Word, Field(min_length=1, max_length=100, examples=["datix-2025"])]
    incidents: Annotated[list[commands.ImportedIncident], Field(min_length=1, max_length=2000)]


@router.post("/incident-imports", response_model=commands.ImportResult, summary="Import historical incidents")
def import_incidents(
    body: ImportBatch, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Take one batch over. Rows are known by source and reference, so a batch may be sent again.

    Quality leads, directors, platform administrators.
    """
    require_role(actor, Role.QUALITY_LEAD, Role.DIRECTOR, Role.PLATFORM_ADMIN)
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "intake", actor, key, fingerprint("import", body),
            lambda: Reply(200, commands.import_incidents(session, actor, body.source, body.incidents, clock.now())),
        )  # fmt: skip


BODY_LIMITS = {"/incident-imports": 24_000_000}
