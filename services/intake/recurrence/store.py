"""The table of questions whether a closed case has come back, and what is read to find them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, exists, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from services.contracts.taxonomy import Kind, Stage
from services.intake.details.describing import TOLD
from services.intake.details.store import AffectedPerson, Answer
from services.intake.recurrence.domain import Traits
from services.intake.store import Incident, Table
from services.runtime.calendar import LONDON

COMPARED = 300
"""So many closed cases are compared at most, the last closed first: triage must not wait."""


class Recurrence(Table):
    """One question: is this incident the closed case come back? `grounds` say why it is asked.

    `matched` holds words of the two accounts: it stays here, and is shown to those who may see both.
    """

    __tablename__ = "recurrence"

    recurrence_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    closed_incident_id: Mapped[UUID]
    closed_cycle: Mapped[int]
    closed_at: Mapped[datetime]
    grounds: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    score: Mapped[int]
    policy_version: Mapped[str]
    asked_role: Mapped[str]
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    late: Mapped[int]
    answer: Mapped[str | None]
    reason: Mapped[str | None]
    stage: Mapped[str | None]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]
    version: Mapped[int]


def questions_of(session: Session, incident_id: UUID) -> Sequence[Recurrence]:
    """Every question about an incident, in the order in which they were asked."""
    return session.scalars(
        select(Recurrence).where(Recurrence.incident_id == incident_id).order_by(Recurrence.recurrence_id)
    ).all()


def closed_before(session: Session, incident: Incident, watch: timedelta) -> list[Incident]:
    """Cases of the same people or the same place that were closed, and are watched at the time of the incident.

    Not what this incident was asked about before, nor what has no process to go back to. They happened before it.
    """
    mine, theirs = aliased(AffectedPerson), aliased(AffectedPerson)
    same_person = exists().where(
        mine.incident_id == incident.incident_id,
        theirs.provider_id == incident.provider_id,
        theirs.person_ref == mine.person_ref,
        theirs.incident_id == Incident.incident_id,
    )
    asked = select(Recurrence.closed_incident_id).where(Recurrence.incident_id == incident.incident_id)
    return list(
        session.scalars(
            select(Incident)
            .where(
                Incident.provider_id == incident.provider_id,
                Incident.incident_id != incident.incident_id,
                Incident.stage == Stage.CLOSED,
                Incident.closed_at.is_not(None),
                Incident.closed_at >= incident.occurred_at - watch,
                Incident.occurred_at < incident.occurred_at,
                Incident.kind != Kind.GOOD_CARE,
                Incident.band.is_not(None),
                Incident.incident_id.not_in(asked),
                or_(Incident.location_id == incident.location_id, same_person),
            )
            .order_by(Incident.closed_at.desc(), Incident.incident_id)
            .limit(COMPARED)
        )
    )


def traits(session: Session, incidents: Sequence[Incident]) -> dict[UUID, Traits]:
    """What is compared, of several incidents at once."""
    ids = [one.incident_id for one in incidents]
    people: dict[UUID, set[UUID]] = {}
    for row in session.scalars(select(AffectedPerson).where(AffectedPerson.incident_id.in_(ids))):
        people.setdefault(row.incident_id, set()).add(row.person_ref)
    factors: dict[UUID, set[str]] = {}
    for answer in session.scalars(select(Answer).where(Answer.incident_id.in_(ids), Answer.question.in_(TOLD))):
        factors.setdefault(answer.incident_id, set()).add(f"{answer.question}: {answer.value}")
    stems = type_coerce(func.tsvector_to_array(func.to_tsvector("english", Incident.narrative)), ARRAY(Text))
    said = select(Incident.incident_id, stems.label("stems")).where(Incident.incident_id.in_(ids))
    words = {row.incident_id: row.stems or [] for row in session.execute(said)}
    return {
        one.incident_id: Traits(
            category=one.category,
            location_id=one.location_id,
            people=frozenset(people.get(one.incident_id, ())),
            factors=frozenset(factors.get(one.incident_id, ())),
            minute=_minute(one.occurred_at),
            words=frozenset(w for w in words[one.incident_id] if len(w) > 2 and not w.isdigit()),
        )
        for one in incidents
    }


def _minute(at: datetime) -> int:
    local = at.astimezone(LONDON)
    return local.hour * 60 + local.minute
