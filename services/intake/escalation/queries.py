"""What the ladder answers, by query: the calls of an incident, and the inbox of a person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, EscalationReason, Kind, Role, Stage
from services.intake.escalation import policy
from services.intake.escalation.domain import Outcome
from services.intake.escalation.duties import InboxDuty, duties
from services.intake.escalation.heard import SHOWN, InboxFeedback, heard
from services.intake.escalation.store import Escalation, LadderRun
from services.intake.store import Incident
from services.runtime import restriction
from services.runtime.actor import Actor

ENDED = [stage for stage in Stage if stage.ended]
MOST = 100


class EscalationView(BaseModel):
    """The call of one rung: why, by which rule of which version, whom, until when, and what became of it."""

    escalation_id: UUID
    run_id: UUID | None
    step: int
    level: int
    reason: EscalationReason
    rule: str
    policy_version: str
    to_role: Role
    to_person: UUID | None
    sent_at: datetime
    answer_due_at: datetime | None
    outcome: Outcome
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None


class InboxEscalation(BaseModel):
    """Something that needs the caller's answer, or that the caller is told of at once beside those who are to answer."""

    incident_id: UUID
    category: Category
    escalation_id: UUID
    reason: EscalationReason
    to_role: Role
    by_name: bool = Field(description="True if the caller was called in person, false if by role.")
    to_answer: bool = Field(description="False if the caller is told of it only: nothing climbs without an answer.")
    sent_at: datetime
    answer_due_at: datetime | None


class InboxRoutine(BaseModel):
    """An incident where the caller's role has the next move."""

    incident_id: UUID
    category: Category
    stage: Stage
    due_at: datetime
    overdue: bool


class InboxNotice(BaseModel):
    """Something to know of that asks for no answer."""

    incident_id: UUID
    location_id: UUID
    category: Category
    kind: Kind
    reported_at: datetime


class Inbox(BaseModel):
    """What waits for the caller: what needs an answer now; what is owed; apart from them the routine, most pressing first."""

    escalations: list[InboxEscalation]
    duties: list[InboxDuty] = Field(
        description=f"At most {MOST}: notices, candour, safeguarding and checks, once warned of; recurrence."
    )
    notices: list[InboxNotice] = Field(
        description=f"At most {MOST}, the newest first: what happened lately that whoever leads the shift is to know of."
    )
    routine: list[InboxRoutine] = Field(description=f"At most {MOST}.")
    feedback: list[InboxFeedback] = Field(
        description=f"The newest word of the last {SHOWN.days} days on each of the caller's own reports; at most 20."
    )
    routine_total: int
    routine_overdue: int


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def escalation_view(row: Escalation) -> EscalationView:
    """One call."""
    return EscalationView.model_validate(_columns(EscalationView, row))


def escalations(session: Session, incident_id: UUID) -> list[EscalationView]:
    """Every call that was made, in order."""
    rows = session.scalars(
        select(Escalation)
        .where(Escalation.incident_id == incident_id)
        .order_by(Escalation.sent_at, Escalation.run_id, Escalation.step)
    )
    return [escalation_view(row) for row in rows]


def _seen(actor: Actor, in_scope: ColumnElement[bool]) -> ColumnElement[bool]:
    return restriction.visible("intake", actor, Incident.incident_id, in_scope=in_scope)


def inbox(session: Session, actor: Actor, now: datetime) -> Inbox:
    """What waits for the caller by name, or by role within their scope. Each ladder shows once, by its latest call."""
    by_role = and_(Escalation.to_role.in_(actor.roles), actor.scope(Incident.location_id, Incident.region_id))
    waiting = (
        select(Escalation, Incident.category, LadderRun.told_role.is_(None))
        .join(LadderRun, LadderRun.run_id == Escalation.run_id)
        .join(Incident, Incident.incident_id == Escalation.incident_id)
        .where(Escalation.provider_id == actor.provider_id, Escalation.acknowledged_at.is_(None))
        .where(LadderRun.acknowledged_at.is_(None))
        .where(or_(Incident.stage.not_in(ENDED), LadderRun.reason == EscalationReason.BREAK_GLASS))
        .where(_seen(actor, or_(Escalation.to_person == actor.id, by_role)))
        .ext(distinct_on(Escalation.run_id))
        .order_by(Escalation.run_id, Escalation.step.desc())
    )
    mine = and_(
        Incident.provider_id == actor.provider_id,
        Incident.next_move.in_(actor.roles),
        Incident.next_due_at.is_not(None),
        Incident.stage.not_in(ENDED),
        _seen(actor, actor.scope(Incident.location_id, Incident.region_id)),
    )
    routine = session.scalars(select(Incident).where(mine).order_by(Incident.next_due_at).limit(MOST))
    total, overdue = session.execute(
        select(func.count(), func.count().filter(Incident.next_due_at <= now)).where(mine)
    ).one()
    calls = [
        InboxEscalation.model_validate(
            {
                **_columns(InboxEscalation, row),
                "category": category,
                "by_name": row.to_person == actor.id,
                "to_answer": to_answer,
            }
        )
        for row, category, to_answer in session.execute(waiting)
    ]
    return Inbox(
        escalations=sorted(calls, key=lambda call: call.sent_at),
        duties=duties(session, actor, now),
        notices=notices(session, actor, now),
        routine=[
            InboxRoutine(
                incident_id=row.incident_id,
                category=Category(row.category),
                stage=Stage(row.stage),
                due_at=row.next_due_at,
                overdue=row.next_due_at <= now,
            )
            for row in routine
            if row.next_due_at is not None
        ],
        feedback=heard(session, actor, now),
        routine_total=total,
        routine_overdue=overdue,
    )


def notices(session: Session, actor: Actor, now: datetime) -> list[InboxNotice]:
    """What was reported of late where the caller's role is told quietly, by the policy: of others, and not what is restricted.

    Derived when read: whoever leads a shift at the place finds it, whenever it began, and a report pays nothing for it.
    """
    quietly = [one for one in policy.shipped().quietly if actor.roles.intersection(one.roles)]
    if not quietly:
        return []
    told = or_(
        *(
            and_(
                Incident.category.in_(one.categories),
                Incident.kind.in_(one.kinds),
                Incident.reported_at > now - one.shown,
            )
            for one in quietly
        )
    )
    rows = session.scalars(
        select(Incident)
        .where(
            Incident.provider_id == actor.provider_id,
            Incident.reporter_id != actor.id,
            Incident.stage.not_in(ENDED),
            told,
            _seen(actor, actor.scope(Incident.location_id, Incident.region_id)),
        )
        .order_by(Incident.reported_at.desc(), Incident.incident_id)
        .limit(MOST)
    )
    return [InboxNotice.model_validate(_columns(InboxNotice, row)) for row in rows]
