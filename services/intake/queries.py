"""What intake answers, by query. Every query is limited to the caller's scope."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, Role, Stage
from services.intake import access, policy
from services.intake.domain import FEEDBACK, variance_minutes
from services.intake.store import Feedback, Incident, Triage
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class IncidentSummary(BaseModel):
    """An incident in a list. No narrative."""

    incident_id: UUID
    location_id: UUID
    kind: Kind
    category: Category
    band: Band | None
    stage: Stage
    cycle: int
    occurred_at: datetime
    reported_at: datetime
    next_move: Role | None
    next_due_at: datetime | None
    version: int


class TriageView(BaseModel):
    """A triage decision with what the rule suggested."""

    revision: int
    actual_harm: str
    psychological_harm: str
    consequence: int
    likelihood: int
    score: int
    band: Band
    rule: str
    suggested_consequence: int
    suggested_likelihood: int
    policy_version: str
    by_default: bool
    reason: str | None
    earlier_seen: int
    decided_by: UUID
    decided_at: datetime
    required_at: datetime | None = Field(
        description="Until when the first triage was to be made; null for a later one."
    )
    variance_minutes: int | None = Field(description="Minutes late; early with a minus.")


class SuggestionView(BaseModel):
    """What the rule of the policy says of a report, before a person has judged."""

    rule: str
    policy_version: str
    actual_harm: PhysicalHarm
    consequence: int
    likelihood: int
    band: Band


class IncidentView(IncidentSummary):
    """One incident as people who may see it see it."""

    region_id: UUID | None
    narrative: str
    immediate_danger: bool
    reporter_id: UUID
    triage_due_at: datetime | None
    duplicate_of: UUID | None
    end_reason: str | None
    closed_at: datetime | None
    restricted: bool = Field(description="Only those who need to know see it.")
    seen_as: Literal["role", "named", "break_glass"] | None = Field(
        description="By what the caller sees a restricted one: their role, by name, or for a while after break-glass."
    )
    triage: list[TriageView]


class FeedbackView(BaseModel):
    """What the reporter was told."""

    message: str
    sent_at: datetime


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def summary(incident: Incident) -> IncidentSummary:
    """The list form of an incident."""
    return IncidentSummary.model_validate(_columns(IncidentSummary, incident))


def view(session: Session, actor: Actor, incident: Incident) -> IncidentView:
    """The full form of an incident, as the actor may see it."""
    triage = session.scalars(select(Triage).where(Triage.incident_id == incident.incident_id).order_by(Triage.revision))
    return IncidentView.model_validate(
        {
            **_columns(IncidentView, incident),
            "restricted": access.is_restricted(session, incident.incident_id),
            "seen_as": access.seen_as(session, actor, incident.incident_id),
            "triage": [_triage(incident, row) for row in triage],
        }
    )


def suggestion(session: Session, actor: Actor, incident: Incident) -> SuggestionView:
    """What the first fitting rule of the policy of now says of a report."""
    rules = policy.current(session, actor.provider_id)
    found = rules.suggest(Kind(incident.kind), Category(incident.category), incident.immediate_danger)
    return SuggestionView(
        rule=found.rule,
        policy_version=rules.version,
        actual_harm=found.actual_harm,
        consequence=found.consequence,
        likelihood=found.likelihood,
        band=rules.band(found.consequence * found.likelihood),
    )


def _triage(incident: Incident, row: Triage) -> dict[str, Any]:
    required_at = incident.triage_due_at if row.revision == 1 else None
    variance = variance_minutes(required_at, row.decided_at)
    return {**_columns(TriageView, row), "required_at": required_at, "variance_minutes": variance}


def incidents(
    session: Session, actor: Actor, *, stage: Stage | None, location_id: UUID | None, limit: int, cursor: str | None
) -> Page[IncidentSummary]:
    """Incidents in scope and those the caller reported, newest first. Restricted ones: for those who need to know."""
    query = (
        select(Incident)
        .where(Incident.provider_id == actor.provider_id)
        .where(
            access.visible(
                actor,
                Incident.incident_id,
                Incident.reporter_id,
                actor.scope(Incident.location_id, Incident.region_id),
            )
        )
        .order_by(Incident.incident_id.desc())
        .limit(limit + 1)
    )
    if stage is not None:
        query = query.where(Incident.stage == stage)
    if location_id is not None:
        query = query.where(Incident.location_id == location_id)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Incident.incident_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)


def feedback(session: Session, incident: Incident) -> list[FeedbackView]:
    """What the reporter was told, from the receipt on; of a duplicate, also what became of the other one since."""
    said = Feedback.incident_id == incident.incident_id
    if incident.duplicate_of is not None and not access.is_restricted(session, incident.duplicate_of):
        since = Feedback.sent_at >= incident.stage_entered_at
        said = or_(said, and_(Feedback.incident_id == incident.duplicate_of, since))
    rows = session.scalars(select(Feedback).where(said).order_by(Feedback.sent_at, Feedback.feedback_id))
    first = FeedbackView(message=FEEDBACK[Stage.REPORTED], sent_at=incident.reported_at)
    return [first, *(FeedbackView(message=row.message, sent_at=row.sent_at) for row in rows)]
