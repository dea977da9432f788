"""The answer whether a closed case has come back. One transaction of the caller, with the reopening if it is one."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.intake import RecurrenceAnswered
from services.contracts.taxonomy import RecurrenceAnswer, Stage
from services.intake import access, clocks
from services.intake.commands import ReopenIncident, reopen_incident
from services.intake.recurrence.asking import BLOCKER, CLOCK, SERVICE, rules_of
from services.intake.recurrence.store import Recurrence
from services.intake.store import visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, forbidden, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.text import ShortText


class AnswerRecurrence(BaseModel):
    """Whether it has come back, and why one thinks so."""

    model_config = ConfigDict(extra="forbid")

    answer: RecurrenceAnswer
    reason: ShortText
    stage: Literal[Stage.REVIEWING, Stage.ACTING] | None = Field(
        default=None, description="Where the closed case goes on: needed to reopen it."
    )


def answer(
    session: Session, actor: Actor, recurrence_id: UUID, command: AnswerRecurrence, version: int, now: datetime
) -> Recurrence:
    """Answer once (409). To reopen puts the closed case back into the chain; one that is back already is left as it is.

    404 unless the actor sees both incidents; 403 unless they may decide.
    """
    row = session.get(Recurrence, recurrence_id)
    if row is None:
        raise not_found("recurrence")
    incident = visible_incident(session, actor, row.incident_id, lock=True, what="recurrence")
    closed = visible_incident(session, actor, row.closed_incident_id, lock=True, what="recurrence")
    session.refresh(row, with_for_update=True)
    rules = rules_of(session, row)
    restricted = any(access.is_restricted(session, one.incident_id) for one in (incident, closed))
    deciders = rules.decides_restricted if restricted else rules.decides
    if not actor.roles.intersection(deciders):
        raise forbidden(f"This needs one of the roles {', '.join(sorted(deciders))}. Ask somebody who has it.")
    check_version(row.version, version)
    if row.answered_at is not None:
        raise conflict("already-answered", "This question was answered", "Read it again to see how and why.")
    if incident.ended:
        raise conflict(
            "already-ended", "This incident has ended", "Reopen the closed one if it must be looked at again."
        )
    reopen = command.answer is RecurrenceAnswer.REOPEN
    if reopen and command.stage is None:
        raise invalid("stage", "is needed to reopen", "Say whether it goes on at reviewing or at acting.")
    if not reopen and command.stage is not None:
        raise invalid("stage", "is only for reopening", "Leave it out.")
    reopens = reopen and closed.stage == Stage.CLOSED
    if reopens and command.stage is not None:
        body = ReopenIncident(stage=command.stage, reason=command.reason)
        reopen_incident(session, actor, closed.incident_id, body, closed.version, now)
    row.answer, row.reason, row.stage = command.answer, command.reason, command.stage
    row.answered_by, row.answered_at, row.version = actor.id, now, row.version + 1
    session.flush()
    clocks.stop_clock(session, actor, incident, CLOCK, recurrence_id, now)
    clocks.lift_blocker(session, actor, incident, BLOCKER, recurrence_id, now)
    audit.append(
        session, SERVICE, chain=row.incident_id, actor=actor, action="recurrence_answered", subject=recurrence_id,
        at=now, data={
            "answer": command.answer, "closed_incident_id": row.closed_incident_id, "reopened": reopens,
            "reason_sha256": audit.digest(command.reason),
        },
    )  # fmt: skip
    event = RecurrenceAnswered(
        incident_id=row.incident_id,
        recurrence_id=recurrence_id,
        closed_incident_id=row.closed_incident_id,
        answer=command.answer,
        reopened=reopens,
    )
    said = outbox.event_row(event, actor=actor, subject=recurrence_id, version=row.version, at=now)
    outbox.record(session, SERVICE, said)
    return row
