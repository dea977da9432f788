"""Telling the others what is known of an incident, so that patterns can be seen: codes and stand-ins, never words."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.intake import IncidentDescribed
from services.intake.details.store import AffectedPerson, Answer
from services.intake.store import Incident
from services.runtime import outbox
from services.runtime.actor import Actor
from services.runtime.pseudonym import stand_ins

TOLD = {"medicine_class": "medicine", "equipment": "equipment", "staff_group": "staff_group"}
"""The questions whose answers are codes that others may have, and what the event calls them."""


def describe(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Say what is known by now. Says nothing while there is nothing to say."""
    refs: list[UUID] = list(
        session.scalars(select(AffectedPerson.person_ref).where(AffectedPerson.incident_id == incident.incident_id))
    )
    answers = session.execute(
        select(Answer.question, Answer.value).where(
            Answer.incident_id == incident.incident_id, Answer.question.in_(TOLD)
        )
    )
    codes = {TOLD[question]: value for question, value in answers}
    if not refs and not codes:
        return
    people = stand_ins(session, "intake", incident.provider_id, "person", map(str, refs))
    event = IncidentDescribed(incident_id=incident.incident_id, people=people, revision=incident.version, **codes)
    row = outbox.event_row(event, actor=actor, subject=incident.incident_id, version=incident.version, at=now)
    outbox.record(session, "intake", row)
