"""Impact over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Response
from fastapi.responses import JSONResponse

from services.actions.impact import commands, indicators, measuring, queries
from services.actions.impact.domain import DEFINERS, JUDGES, RECORDERS
from services.actions.impact.store import visible_checkpoint, visible_indicator
from services.actions.store import visible_incident
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
        return queries.checkpoint_view(session, actor, checkpoint)


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
    require_role(actor, *JUDGES)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            checkpoint = commands.judge_impact(session, actor, checkpoint_id, body, version, clock.now())
            return Reply(200, queries.checkpoint_summary(checkpoint), checkpoint.version)

        return once(session, "actions", actor, key, fingerprint(f"judge:{checkpoint_id}:{version}", body), run)


@router.get("/incidents/{incident_id}/measures", summary="Read by what the effect is measured")
def list_measures(
    incident_id: UUID, actor: Caller, database: Database, response: Response
) -> list[queries.MeasureView]:
    """All definitions of all cycles, with who changed them and why, in order.

    The ETag is the number of the current cycle's newest definition, 0 without one; send it back with a change.
    """
    with transaction(database, actor.provider_id) as session:
        incident = visible_incident(session, actor, incident_id)
        found = queries.measures(session, incident_id)
        newest = max((m.number for m in found if m.cycle == incident.cycle), default=0)
        response.headers["ETag"] = f'"{newest}"'
        return found


@router.post(
    "/incidents/{incident_id}/measures",
    status_code=201,
    response_model=queries.MeasureView,
    summary="Say by what the effect is measured",
)
def define(
    incident_id: UUID,
    body: measuring.DefineMeasure,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """For the current cycle. Frozen when its first action is agreed, and changed after that only with a reason; once its
    actions are open, it is judged by again only with a baseline of its own.

    Managers, quality and safeguarding leads, nominated individuals, directors; once it is frozen, no managers.
    """
    require_role(actor, *DEFINERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            defined = measuring.define_measure(session, actor, incident_id, body, version, clock.now())
            return Reply(201, queries.measure_view(defined), defined.number)

        return once(session, "actions", actor, key, fingerprint(f"measure:{incident_id}:{version}", body), run)


@router.post("/indicators", status_code=201, response_model=queries.IndicatorView, summary="Begin an indicator")
def create_indicator(
    body: indicators.CreateIndicator, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """A series that people record: an audit score, competence observed, staff confidence, an outcome for people.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *RECORDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            indicator = indicators.create_indicator(session, actor, body, clock.now())
            return Reply(201, queries.indicator_view(session, indicator), indicator.version)

        return once(session, "actions", actor, key, fingerprint("indicator", body), run)


@router.get("/indicators", summary="List indicators")
def list_indicators(
    actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.IndicatorView]:
    """Those of the whole provider and of the caller's places, newest first."""
    with transaction(database, actor.provider_id) as session:
        return queries.indicators(session, actor, limit=limit, cursor=cursor)


@router.get("/indicators/{indicator_id}", summary="Read an indicator")
def read_indicator(
    indicator_id: UUID, actor: Caller, database: Database, response: Response
) -> queries.IndicatorDetail:
    """With all its definitions and months, and its control chart over all months of the newest definition."""
    with transaction(database, actor.provider_id) as session:
        indicator = visible_indicator(session, actor, indicator_id)
        response.headers["ETag"] = f'"{indicator.version}"'
        return queries.indicator_detail(session, indicator)


@router.post(
    "/indicators/{indicator_id}/definitions", response_model=queries.IndicatorView, summary="Define an indicator anew"
)
def redefine(
    indicator_id: UUID,
    body: indicators.RedefineIndicator,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """From the next values on, with a reason. Quality and safeguarding leads, nominated individuals, directors."""
    require_role(actor, *JUDGES)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            indicator = indicators.redefine_indicator(session, actor, indicator_id, body, version, clock.now())
            return Reply(200, queries.indicator_view(session, indicator), indicator.version)

        return once(session, "actions", actor, key, fingerprint(f"redefine:{indicator_id}:{version}", body), run)


@router.post("/indicators/{indicator_id}/values", response_model=queries.IndicatorView, summary="Record months")
def record(
    indicator_id: UUID, body: indicators.RecordValues, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """All or none; a month that is there is corrected, and the correction stays on record.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *RECORDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            indicator = indicators.record_values(session, actor, indicator_id, body.values, clock.now())
            return Reply(200, queries.indicator_view(session, indicator), indicator.version)

        return once(session, "actions", actor, key, fingerprint(f"values:{indicator_id}", body), run)


@router.post(
    "/indicators/{indicator_id}/import", response_model=queries.IndicatorView, summary="Import months from a CSV"
)
def import_values(
    indicator_id: UUID,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
    body: Annotated[bytes, Body(media_type="text/csv")],
) -> JSONResponse:
    """Columns `month` (2026-03) and `value`, or `month`, `numerator` and `denominator`. All rows or none.

    Managers, quality and safeguarding leads.
    """
    require_role(actor, *RECORDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            values = indicators.read_csv(body)
            indicator = indicators.record_values(session, actor, indicator_id, values, clock.now())
            return Reply(200, queries.indicator_view(session, indicator), indicator.version)

        return once(session, "actions", actor, key, fingerprint(f"import:{indicator_id}", body), run)
