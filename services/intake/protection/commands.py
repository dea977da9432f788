"""The use-cases of a protection. Each runs in one transaction of the caller: row, audit entry and outbox event together.

A restriction or a plan stands until somebody ends it with a reason, and nothing stands unlooked at: by its date somebody
looks again, and is called when nobody does. While one stands the incident does not close.
"""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import ProtectionEnded, ProtectionStands
from services.contracts.taxonomy import BlockerKind, ClockKind, EscalationReason, ProtectionEnding, ProtectionKind
from services.intake import clocks
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as ladder
from services.intake.protection import policy
from services.intake.protection.store import Protection
from services.intake.store import Incident, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "intake"
CLOCK, BLOCKER = ClockKind.SAFEGUARDING, BlockerKind.SAFEGUARDING
"""The codes that the process knows are closed lists: to it this is one more step that keeps an incident open."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_LookAgain = Annotated[Instant, Field(description="When somebody looks at it again.")]


class Protect(_Body):
    """What was put in place after an incident, for whom, and how it ends."""

    kind: ProtectionKind
    concerns: ShortText = Field(description="Whom it concerns: codes of the care record, never names.")
    what: LongText = Field(description="What is restricted; or how each of them is supported.")
    reason: LongText = Field(
        description="Why: the risk it answers; or what came before it for each, causes in health looked for."
    )
    least_restrictive: LongText | None = Field(
        default=None, description="Needed for a restriction: what less was considered, and why it does not do."
    )
    agreed_with: ShortText | None = Field(default=None, description="Who else takes part or agreed. Roles, no names.")
    ends_when: LongText = Field(description="What has to be so for it to end.")
    started_at: Instant
    look_again_at: _LookAgain


class LookAgain(_Body):
    """Somebody looked at it, and it goes on."""

    found: LongText = Field(description="What was found, what the person says of it, and why it goes on.")
    medicines_reviewed_on: date | None = Field(
        default=None, description="Of people who harmed one another: when their medicines were reviewed."
    )
    medicines_not_reviewed_because: ShortText | None = None
    look_again_at: _LookAgain


class End(_Body):
    """It ends, and how."""

    ending: ProtectionEnding
    reason: LongText = Field(description="What is so now; or where it goes on, and who looks at it there and when.")


def protect(session: Session, actor: Actor, incident_id: UUID, command: Protect, now: datetime) -> Protection:
    """Record a restriction or a plan, and when somebody looks at it again. Not for an incident that has ended (409)."""
    incident = visible_incident(session, actor, incident_id, lock=True)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Reopen it first, or record it in the care plan.")
    if command.started_at > now + CLOCK_TOLERANCE:
        raise invalid("started_at", "is in the future", "Give the time it began, not later than now.")
    if command.kind is ProtectionKind.RESTRICTION and command.least_restrictive is None:
        raise invalid(
            "least_restrictive", "is needed for a restriction", "Say what less was considered, and why it does not do."
        )
    _ahead(command.kind, command.look_again_at, now)
    row = Protection(
        protection_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident_id,
        placed_by=actor.id,
        placed_at=now,
        history=[],
        late=0,
        version=1,
        **command.model_dump(),
    )
    session.add(row)
    session.flush()
    clocks.raise_blocker(session, actor, incident, BLOCKER, row.protection_id, now)
    _stands(session, actor, incident, row, "protection_recorded", command.reason, now)
    return row


def look_again(
    session: Session, actor: Actor, protection_id: UUID, command: LookAgain, version: int, now: datetime
) -> Protection:
    """Keep what was found and when the next look is; what was late is not any more."""
    incident, row = _standing(session, actor, protection_id, version)
    kind = ProtectionKind(row.kind)
    reviewed, because = command.medicines_reviewed_on, command.medicines_not_reviewed_because
    if kind is ProtectionKind.BETWEEN_RESIDENTS and (reviewed is None) == (because is None):
        raise invalid(
            "medicines_reviewed_on",
            "is needed, or why the medicines were not reviewed",
            "Give the day of the review, or medicines_not_reviewed_because: one of the two.",
        )
    if reviewed is not None and reviewed > now.date():
        raise invalid("medicines_reviewed_on", "is in the future", "Give the day on which it took place.")
    _ahead(kind, command.look_again_at, now)
    look = {"at": now.isoformat(), "by": str(actor.id), **command.model_dump(mode="json", exclude={"look_again_at"})}
    row.history = [*row.history, look]
    row.look_again_at, row.late = command.look_again_at, 0
    _stands(session, actor, incident, row, "protection_looked_at", command.found, now)
    return row


def end(session: Session, actor: Actor, protection_id: UUID, command: End, version: int, now: datetime) -> Protection:
    """End it with the reason. What goes on in the care plan has its dates there."""
    incident, row = _standing(session, actor, protection_id, version)
    row.ending, row.end_reason = command.ending, command.reason
    row.ended_by, row.ended_at = actor.id, now
    session.flush()
    clocks.stop_clock(session, actor, incident, CLOCK, protection_id, now)
    clocks.lift_blocker(session, actor, incident, BLOCKER, protection_id, now)
    event = ProtectionEnded(
        incident_id=row.incident_id,
        protection_id=protection_id,
        revision=row.version,
        kind=ProtectionKind(row.kind),
        started_at=row.started_at,
        ending=command.ending,
        ended_at=now,
    )
    _say(session, actor, row, "protection_ended", event, command.reason, now, ending=command.ending)
    return row


def ring(session: Session, incident: Incident, protection_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Nobody looked by the date: somebody is called, higher each time, and again until it is looked at."""
    row = session.get(Protection, protection_id, with_for_update=True)
    if row is None or row.ended_at is not None:
        return None
    if now < row.look_again_at:
        return row.look_again_at
    row.late += 1
    about = f"protection:{protection_id}:{row.version}:{row.late}"
    ladder.request(session, actor, incident, EscalationReason.OVERDUE, now, about=about, count=row.late)
    return now + timedelta(hours=policy.shipped().late_again_hours)


def _standing(session: Session, actor: Actor, protection_id: UUID, version: int) -> tuple[Incident, Protection]:
    row = session.get(Protection, protection_id)
    if row is None:
        raise not_found("protection")
    incident = visible_incident(session, actor, row.incident_id, lock=True, what="protection")
    session.refresh(row, with_for_update=True)
    check_version(row.version, version)
    if row.ended_at is not None:
        raise conflict("already-ended", "This was ended", "Record a new one if it is needed again.")
    row.version += 1
    return incident, row


def _ahead(kind: ProtectionKind, at: datetime, now: datetime) -> None:
    days = policy.shipped().look_again_days_at_most[kind]
    if not now < at <= now + timedelta(days=days):
        raise invalid(
            "look_again_at",
            f"is not within the next {days} days",
            f"Choose when somebody looks again: within {days} days, by the provider's own standard.",
        )


def _stands(
    session: Session, actor: Actor, incident: Incident, row: Protection, action: str, words: str, now: datetime
) -> None:
    session.flush()
    if not incident.ended:
        clocks.set_clock(session, actor, incident, CLOCK, row.protection_id, row.look_again_at, now)
    event = ProtectionStands(
        incident_id=row.incident_id,
        protection_id=row.protection_id,
        revision=row.version,
        kind=ProtectionKind(row.kind),
        started_at=row.started_at,
        look_again_at=row.look_again_at,
    )
    _say(session, actor, row, action, event, words, now, look_again_at=row.look_again_at)


def _say(
    session: Session, actor: Actor, row: Protection, action: str, event: EventData, words: str, now: datetime,
    **data: str | datetime,
) -> None:  # fmt: skip
    audit.append(
        session, SERVICE, chain=row.incident_id, actor=actor, action=action, subject=row.protection_id, at=now,
        data={"kind": row.kind, "words_sha256": audit.digest(words), **data},
    )  # fmt: skip
    said = outbox.event_row(event, actor=actor, subject=row.protection_id, version=row.version, at=now)
    outbox.record(session, SERVICE, said)
