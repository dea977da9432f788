"""The second stage of reporting: answers to what the type asks for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Kind
from services.intake.checks import commands as checks
from services.intake.details import policy
from services.intake.details.describing import describe
from services.intake.details.policy import problem_of
from services.intake.details.store import Answer, AnswerBefore
from services.intake.escalation import commands as ladder
from services.intake.obligations.domain import ANSWERERS
from services.intake.store import Incident, reported_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, forbidden
from services.runtime.idempotency import check_version
from services.runtime.text import LongText, ShortText


class GiveAnswers(BaseModel):
    """Some or all answers; those left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    answers: Annotated[
        dict[
            str,
            bool
            | Annotated[int, Field(ge=0, le=1_000_000)]
            | LongText
            | Annotated[list[ShortText], Field(max_length=100)],
        ],
        Field(max_length=50),
    ]


def give_answers(
    session: Session, actor: Actor, incident_id: UUID, command: GiveAnswers, version: int, now: datetime
) -> Incident:
    """Keep answers of the reporter or of whoever manages the incident. Every wrong one is named; then none is kept.

    An answer that is changed stays as it was, with who gave it when; the new one stands beside it.
    """
    incident = reported_incident(session, actor, incident_id, lock=True)
    check_version(incident.version, version)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    if actor.id != incident.reporter_id and not actor.roles.intersection(ANSWERERS):
        raise forbidden("Answers come from whoever reported the incident or manages it.")
    asked = {
        question.id: question for question in policy.shipped().of(Category(incident.category), Kind(incident.kind))
    }
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
    changed, answers = _keep(session, actor, incident, command.answers, now)
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
    ladder.at_answers(session, actor, incident, changed, answers, now)
    return incident


def _keep(
    session: Session, actor: Actor, incident: Incident, given: Mapping[str, Any], now: datetime
) -> tuple[set[str], dict[str, Any]]:
    """Keep what is new; which that was, and all answers. The same answer again is no new one: it stays whose it was."""
    known = {
        row.question: row for row in session.scalars(select(Answer).where(Answer.incident_id == incident.incident_id))
    }
    changed = {name for name, value in given.items() if name not in known or known[name].value != value}
    for name, value in given.items():
        row = known.get(name)
        if row is None:
            row = Answer(incident_id=incident.incident_id, question=name, provider_id=incident.provider_id, revision=1)
            session.add(row)
        elif row.value == value:
            continue
        else:
            session.add(
                AnswerBefore(
                    incident_id=row.incident_id,
                    question=row.question,
                    revision=row.revision,
                    provider_id=row.provider_id,
                    value=row.value,
                    answered_by=row.answered_by,
                    answered_at=row.answered_at,
                )
            )
            row.revision += 1
        row.value, row.answered_by, row.answered_at = value, actor.id, now
    return changed, {**{name: row.value for name, row in known.items()}, **given}
