"""The second stage of reporting: answers to what the type asks for."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Role
from services.intake.checks import commands as checks
from services.intake.details import policy
from services.intake.details.describing import describe
from services.intake.details.policy import problem_of
from services.intake.details.store import Answer
from services.intake.store import Incident, reported_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, forbidden
from services.runtime.idempotency import check_version
from services.runtime.text import LongText


class GiveAnswers(BaseModel):
    """Some or all answers; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    answers: Annotated[dict[str, bool | Annotated[int, Field(ge=0, le=1_000_000)] | LongText], Field(max_length=50)]


def give_answers(
    session: Session, actor: Actor, incident_id: UUID, command: GiveAnswers, version: int, now: datetime
) -> Incident:
    """Keep answers of the reporter or of whoever manages the incident. Every wrong one is named; then none is kept."""
    incident = reported_incident(session, actor, incident_id, lock=True)
    check_version(incident.version, version)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    if actor.id != incident.reporter_id and actor.roles <= {Role.CARER}:
        raise forbidden("Answers come from whoever reported the incident or manages it.")
    asked = {question.id: question for question in policy.shipped().of(Category(incident.category))}
    wrong = [
        problem
        for name, value in command.answers.items()
        if (problem := problem_of(asked, f"answers.{name}", name, value))
    ]
    if wrong:
        raise ServiceError(
            422,
            "invalid-input",
            "Some answers need attention",
            "Nothing was saved. Correct the answers below and send them again.",
            errors=wrong,
        )
    for name, value in command.answers.items():
        row = {"value": value, "answered_by": actor.id, "answered_at": now}
        identity = {"incident_id": incident_id, "question": name, "provider_id": incident.provider_id}
        session.execute(
            insert(Answer)
            .values(**identity, **row)
            .on_conflict_do_update(index_elements=["incident_id", "question"], set_=row)
        )
    incident.version += 1
    session.flush()
    audit.append(
        session,
        "intake",
        chain=incident_id,
        actor=actor,
        action="answered",
        subject=incident_id,
        at=now,
        data={"questions": {name: audit.digest(str(value)) for name, value in sorted(command.answers.items())}},
    )
    describe(session, actor, incident, now)
    checks.answered(session, actor, incident, now)
    return incident
