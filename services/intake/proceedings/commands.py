"""The use-cases of a proceeding. Each runs in one transaction of the caller: row and audit entry.

It is kept apart: an audit chain of its own, no event, no clock of the incident and nothing in its review. So no timeline
and nobody who sees the incident can tell that there is one; an incident closes without waiting for it.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import ProceedingKind, Role
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.proceedings.store import Proceeding
from services.intake.store import visible_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "intake"
KEEPERS = (Role.NOMINATED_INDIVIDUAL, Role.SAFEGUARDING_LEAD, Role.DIRECTOR)
"""Who keeps proceedings: nobody of the line that works with those involved, and nobody who leads a review by that."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Next = Annotated[Instant | None, Field(description="When something is due in it next, if that is known.")]


class BeginProceeding(_Body):
    """Which process, and how it is kept apart from the learning."""

    kind: ProceedingKind
    reference: ShortText | None = Field(default=None, description="Its own reference. No names.")
    about: LongText = Field(description="What it is about.")
    shared: LongText = Field(description="What is given to it, by whom, and on which ground; or that nothing is.")
    kept_apart: LongText = Field(description="What is not given to it, as what people said to learn from it.")
    begun_at: Instant
    next_at: _Next = None


class NoteProceeding(_Body):
    """What happened in it."""

    said: LongText
    next_at: _Next = None


class EndProceeding(_Body):
    """How it ended."""

    outcome: LongText
    ended_at: Instant


def begin(session: Session, actor: Actor, incident_id: UUID, command: BeginProceeding, now: datetime) -> Proceeding:
    """Record a proceeding about an incident, also about one that has ended."""
    incident = visible_incident(session, actor, incident_id)
    _past("begun_at", command.begun_at, now)
    _ahead(command.next_at, now)
    row = Proceeding(
        proceeding_id=new_id(), provider_id=incident.provider_id, incident_id=incident_id, recorded_by=actor.id,
        recorded_at=now, history=[], version=1, **command.model_dump(),
    )  # fmt: skip
    session.add(row)
    _say(session, actor, row, "proceeding_begun", command.about, now)
    return row


def note(
    session: Session, actor: Actor, proceeding_id: UUID, command: NoteProceeding, version: int, now: datetime
) -> Proceeding:
    """Keep what happened in it, and when something is due next."""
    row = _running(session, actor, proceeding_id, version)
    _ahead(command.next_at, now)
    row.history = [*row.history, {"at": now.isoformat(), "by": str(actor.id), "said": command.said}]
    row.next_at = command.next_at
    _say(session, actor, row, "proceeding_noted", command.said, now)
    return row


def end(
    session: Session, actor: Actor, proceeding_id: UUID, command: EndProceeding, version: int, now: datetime
) -> Proceeding:
    """Keep how it ended. What is to be learned from it begins as an incident or a review of its own."""
    row = _running(session, actor, proceeding_id, version)
    _past("ended_at", command.ended_at, now)
    if command.ended_at < row.begun_at:
        raise invalid("ended_at", "is before it began", "Check date and time zone.")
    row.outcome, row.ended_at, row.next_at = command.outcome, command.ended_at, None
    _say(session, actor, row, "proceeding_ended", command.outcome, now)
    return row


def visible(session: Session, actor: Actor, proceeding_id: UUID, now: datetime) -> Proceeding:
    """A proceeding about an incident that the actor sees, else 404."""
    row = session.get(Proceeding, proceeding_id)
    if row is None:
        raise not_found("proceeding")
    visible_incident(session, actor, row.incident_id, now=now, what="proceeding")
    return row


def _running(session: Session, actor: Actor, proceeding_id: UUID, version: int) -> Proceeding:
    row = session.get(Proceeding, proceeding_id, with_for_update=True)
    if row is None:
        raise not_found("proceeding")
    visible_incident(session, actor, row.incident_id, what="proceeding")
    check_version(row.version, version)
    if row.ended_at is not None:
        raise conflict("already-ended", "This proceeding has ended", "Record a new one if another has begun.")
    row.version += 1
    return row


def _past(field: str, at: datetime, now: datetime) -> None:
    if at > now + CLOCK_TOLERANCE:
        raise invalid(field, "is in the future", "Give the time it happened, not later than now.")


def _ahead(at: datetime | None, now: datetime) -> None:
    if at is not None and at <= now:
        raise invalid("next_at", "has passed", "Give the time of what comes next, or leave it out.")


def _say(session: Session, actor: Actor, row: Proceeding, action: str, words: str, now: datetime) -> None:
    session.flush()
    audit.append(
        session, SERVICE, chain=row.proceeding_id, actor=actor, action=action, subject=row.proceeding_id, at=now,
        data={
            "kind": row.kind, "incident_id": row.incident_id, "next_at": row.next_at,
            "words_sha256": audit.digest(words),
        },
    )  # fmt: skip
