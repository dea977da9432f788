"""What the reporters of incidents hear in their inbox: the newest word on each of their own reports, without asking for it."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Stage
from services.intake import access
from services.intake.store import Feedback, Incident
from services.runtime.actor import Actor

SHOWN = timedelta(days=30)
MOST = 20


class InboxFeedback(BaseModel):
    """The newest that a reporter is told of one of their reports."""

    incident_id: UUID
    category: Category
    stage: Stage
    message: str
    sent_at: datetime


def heard(session: Session, actor: Actor, now: datetime) -> list[InboxFeedback]:
    """Of the caller's own reports, the newest first, for thirty days; nothing of one that they are kept away from."""
    newest = (
        select(Feedback, Incident)
        .join(Incident, Incident.incident_id == Feedback.incident_id)
        .where(Incident.provider_id == actor.provider_id, Incident.reporter_id == actor.id)
        .where(Feedback.sent_at > now - SHOWN)
        .ext(distinct_on(Feedback.incident_id))
        .order_by(Feedback.incident_id, Feedback.sent_at.desc(), Feedback.feedback_id.desc())
    )
    found = [
        InboxFeedback(
            incident_id=incident.incident_id,
            category=Category(incident.category),
            stage=Stage(incident.stage),
            message=said.message,
            sent_at=said.sent_at,
        )
        for said, incident in session.execute(newest)
        if not access.excludes(session, actor, incident.incident_id)
    ]
    return sorted(found, key=lambda one: one.sent_at, reverse=True)[:MOST]
