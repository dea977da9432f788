"""The use-cases of a hold. Each runs in one transaction of the caller: row, audit entry and outbox event together.

While one stands, review takes no statement and no submission of that incident, and the incident does not close. Nothing
waits for ever: at its date somebody must look again, and is called when nobody does.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import HoldLifted, HoldPlaced
from services.contracts.taxonomy import BlockerKind, ClockKind, EscalationReason, HoldFor
from services.intake import clocks, policy
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as ladder
from services.intake.holds.store import Hold, holds_of
from services.intake.store import Incident, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText

SERVICE = "intake"
CLOCK, BLOCKER = ClockKind.SAFEGUARDING, BlockerKind.SAFEGUARDING
"""A hold is a step of safeguarding: it keeps its incident open and rings like one."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_LookAgain = Annotated[Instant, Field(description="When somebody asks again if nothing was heard.")]


class PlaceHold(_Body):
    """Whose agreement internal fact-finding waits for, and why."""

    waits_for: HoldFor
    reason: LongText
    asked_at: Instant = Field(description="When they were asked.")
    look_again_at: _LookAgain


class LookAgain(_Body):
    """They were asked again and have not agreed yet."""

    said: LongText = Field(description="What they said, or that nobody could be reached.")
    look_again_at: _LookAgain


class LiftHold(_Body):
    """They agreed: from now on internal fact-finding may go on."""

    answer: LongText = Field(description="What was agreed, with whom: what may be asked, of whom, from when.")
    answered_at: Instant


def place_hold(session: Session, actor: Actor, incident_id: UUID, command: PlaceHold, now: datetime) -> Hold:
    """Stop internal fact-finding until they agree. One stands for each at a time (409)."""
    incident = _open(session, actor, incident_id)
    if any(row.waits_for == command.waits_for and row.lifted_at is None for row in holds_of(session, incident_id)):
        raise conflict(
            "already-on-hold",
            "A hold for the same body stands already",
            "Read GET .../holds; record there that you looked again, or what they answered.",
        )
    _past("asked_at", command.asked_at, now)
    _ahead(session, actor, command.look_again_at, now)
    hold = Hold(
        hold_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident_id,
        waits_for=command.waits_for,
        reason=command.reason,
        asked_at=command.asked_at,
        look_again_at=command.look_again_at,
        placed_by=actor.id,
        placed_at=now,
        history=[],
        version=1,
    )
    session.add(hold)
    session.flush()
    clocks.raise_blocker(session, actor, incident, BLOCKER, hold.hold_id, now)
    _stands(session, actor, incident, hold, "hold_placed", command.reason, now)
    return hold


def look_again(session: Session, actor: Actor, hold_id: UUID, command: LookAgain, version: int, now: datetime) -> Hold:
    """Keep that they were asked again, and when the next time is."""
    incident, hold = _standing(session, actor, hold_id, version)
    _ahead(session, actor, command.look_again_at, now)
    look = {"at": now.isoformat(), "by": str(actor.id), "said": command.said}
    hold.history = [*hold.history, look]
    hold.look_again_at = command.look_again_at
    _stands(session, actor, incident, hold, "hold_looked_at", command.said, now)
    return hold


def lift_hold(session: Session, actor: Actor, hold_id: UUID, command: LiftHold, version: int, now: datetime) -> Hold:
    """They agreed. The answer is kept with the hold."""
    incident, hold = _standing(session, actor, hold_id, version)
    _past("answered_at", command.answered_at, now)
    if command.answered_at < hold.asked_at:
        raise invalid("answered_at", "is before they were asked", "Check date and time zone.")
    hold.answer, hold.answered_at = command.answer, command.answered_at
    hold.lifted_by, hold.lifted_at = actor.id, now
    session.flush()
    clocks.stop_clock(session, actor, incident, CLOCK, hold_id, now)
    clocks.lift_blocker(session, actor, incident, BLOCKER, hold_id, now)
    event = HoldLifted(
        incident_id=incident.incident_id,
        hold_id=hold_id,
        revision=hold.version,
        waits_for=HoldFor(hold.waits_for),
        placed_at=hold.placed_at,
        lifted_at=now,
    )
    _say(session, actor, hold, "hold_lifted", event, command.answer, now, answered_at=command.answered_at)
    return hold


def ring(session: Session, incident: Incident, hold_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Nobody looked again by the date: somebody is called, and again until it is looked at."""
    hold = session.get(Hold, hold_id, with_for_update=True)
    if hold is None or hold.lifted_at is not None:
        return None
    if now < hold.look_again_at:
        return hold.look_again_at
    ladder.request(session, actor, incident, EscalationReason.SAFEGUARDING_LATE, now, about=f"hold:{hold_id}")
    return now + timedelta(hours=policy.safeguarding(session, incident.provider_id).late_again_hours)


def _open(session: Session, actor: Actor, incident_id: UUID) -> Incident:
    incident = visible_incident(session, actor, incident_id, lock=True)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Reopen it first if facts must be found again.")
    return incident


def _standing(session: Session, actor: Actor, hold_id: UUID, version: int) -> tuple[Incident, Hold]:
    hold = session.get(Hold, hold_id)
    if hold is None:
        raise not_found("hold")
    incident = visible_incident(session, actor, hold.incident_id, lock=True, what="hold")
    session.refresh(hold, with_for_update=True)
    check_version(hold.version, version)
    if hold.lifted_at is not None:
        raise conflict("already-lifted", "This hold was lifted", "Place a new one if they asked you to wait again.")
    hold.version += 1
    return incident, hold


def _past(field: str, at: datetime, now: datetime) -> None:
    if at > now + CLOCK_TOLERANCE:
        raise invalid(field, "is in the future", "Give the time it happened, not later than now.")


def _ahead(session: Session, actor: Actor, at: datetime, now: datetime) -> None:
    days = policy.safeguarding(session, actor.provider_id).hold_look_again_days_at_most
    if not now < at <= now + timedelta(days=days):
        raise invalid("look_again_at", f"is not within the next {days} days", "Choose when to ask them again.")


def _stands(
    session: Session, actor: Actor, incident: Incident, hold: Hold, action: str, words: str, now: datetime
) -> None:
    session.flush()
    if not incident.ended:
        clocks.set_clock(session, actor, incident, CLOCK, hold.hold_id, hold.look_again_at, now)
    event = HoldPlaced(
        incident_id=incident.incident_id,
        hold_id=hold.hold_id,
        revision=hold.version,
        waits_for=HoldFor(hold.waits_for),
        placed_at=hold.placed_at,
        look_again_at=hold.look_again_at,
    )
    _say(session, actor, hold, action, event, words, now, look_again_at=hold.look_again_at)


def _say(
    session: Session, actor: Actor, hold: Hold, action: str, event: EventData, words: str, now: datetime, **data: Any
) -> None:
    audit.append(
        session, SERVICE, chain=hold.incident_id, actor=actor, action=action, subject=hold.hold_id, at=now,
        data={"waits_for": hold.waits_for, "words_sha256": audit.digest(words), **data},
    )  # fmt: skip
    # Urgent: an interview that must not be held may be about to begin.
    row = outbox.event_row(event, actor=actor, subject=hold.hold_id, version=hold.version, at=now, urgent=True)
    outbox.record(session, SERVICE, row)
