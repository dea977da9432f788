"""Clocks and blockers beside the stages, for whatever in intake has a time of its own.

A concept (escalation, obligation, candour, safeguarding) sets a clock on a subject of its own and says in `RINGERS` what
happens when it runs out. The durable timer is the process's: it hears of the clock by event and rings it by activity.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts import activities
from services.contracts.intake import REVISION_OF_REPORT, BlockerLifted, BlockerRaised, ClockSet, ClockStopped
from services.contracts.taxonomy import BlockerKind, ClockKind
from services.intake.store import Incident, Table
from services.runtime import outbox
from services.runtime.actor import Actor
from services.runtime.errors import not_found
from services.runtime.outbox import new_id


class ClockRow(Table):
    """A clock; without `due_at` it stands. `revision` counts every setting and stopping."""

    __tablename__ = "clock"

    clock_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    revision: Mapped[int]
    due_at: Mapped[datetime | None]


class Blocker(Table):
    """Something that must be decided before the incident can close."""

    __tablename__ = "blocker"

    blocker_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    raised_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]


Ringer = Callable[[Session, Incident, UUID, datetime, Actor], datetime | None]
"""Acts on a subject whose clock ran out (session, incident, subject id, now, actor); answers when to ring next, if ever."""

RINGERS: dict[ClockKind, Ringer] = {}
"""What each kind does; filled by the modules that own the kinds, read by the activity."""

SET_BY_REPORT: list[Callable[[Session, Incident], None]] = []
"""Writes down a clock that the event of the report set, before it rings; filled by the module that owns the clock."""


def set_clock(
    session: Session,
    actor: Actor,
    incident: Incident,
    kind: ClockKind,
    subject_id: UUID,
    due_at: datetime,
    now: datetime,
) -> None:
    """Let the subject's clock run until `due_at`; a clock that runs is moved. Nothing happens if it stands there already."""
    clock = _clock(session, kind, subject_id)
    if clock is None:
        clock = ClockRow(
            clock_id=new_id(),
            provider_id=incident.provider_id,
            incident_id=incident.incident_id,
            kind=kind,
            subject_id=subject_id,
            revision=0,
            due_at=None,
        )
        session.add(clock)
    if clock.due_at != due_at:
        clock.revision, clock.due_at = clock.revision + 1, due_at
        _say(session, actor, incident, clock, now)


def is_known(session: Session, kind: ClockKind, subject_id: UUID) -> bool:
    """Whether the subject ever had a clock."""
    return _clock(session, kind, subject_id) is not None


def set_by_report(session: Session, incident: Incident, kind: ClockKind, due_at: datetime) -> None:
    """Write down the clock that the event of the report has set. It is on the incident, bears its id and says nothing again."""
    row = ClockRow(
        clock_id=incident.incident_id,
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        kind=kind,
        subject_id=incident.incident_id,
        revision=REVISION_OF_REPORT,
        due_at=due_at,
    )
    session.add(row)
    session.flush()


def stop_clock(
    session: Session, actor: Actor, incident: Incident, kind: ClockKind, subject_id: UUID, now: datetime
) -> None:
    """Stop the subject's clock, if it runs."""
    clock = _clock(session, kind, subject_id)
    if clock is not None and clock.due_at is not None:
        clock.revision, clock.due_at = clock.revision + 1, None
        _say(session, actor, incident, clock, now)


def stop_all(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Stop every clock and lift every blocker of an incident that was withdrawn or is a duplicate."""
    for clock in session.scalars(select(ClockRow).where(ClockRow.incident_id == incident.incident_id)):
        stop_clock(session, actor, incident, ClockKind(clock.kind), clock.subject_id, now)
    for blocker in session.scalars(select(Blocker).where(Blocker.incident_id == incident.incident_id)):
        lift_blocker(session, actor, incident, BlockerKind(blocker.kind), blocker.subject_id, now)


def ring(session: Session, command: activities.RingClock, now: datetime, actor: Actor) -> activities.Rung:
    """Do what is due for a clock that ran out. A revision that was replaced, or rung before, changes nothing."""
    incident = session.get(Incident, command.incident_id, with_for_update=True)
    if incident is not None and command.clock_id == command.incident_id:
        for write_down in SET_BY_REPORT:
            write_down(session, incident)
    clock = session.get(ClockRow, command.clock_id, with_for_update=True)
    if incident is None or clock is None:
        raise not_found("clock")
    if clock.revision == command.revision and clock.due_at is not None and clock.due_at <= now and not incident.ended:
        following = RINGERS[ClockKind(clock.kind)](session, incident, clock.subject_id, now, actor)
        # The ringer may have set or stopped its clock itself by what it did.
        if clock.revision == command.revision:
            clock.revision, clock.due_at = clock.revision + 1, following
            _say(session, actor, incident, clock, now)
    return activities.Rung(revision=clock.revision, due_at=clock.due_at)


def raise_blocker(
    session: Session, actor: Actor, incident: Incident, kind: BlockerKind, subject_id: UUID, now: datetime
) -> None:
    """Keep the incident from closing until the subject is decided. Once for a subject."""
    if session.scalars(select(Blocker).where(Blocker.subject_id == subject_id, Blocker.kind == kind)).first():
        return
    blocker = Blocker(
        blocker_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        kind=kind,
        subject_id=subject_id,
        raised_at=now,
        lifted_at=None,
    )
    session.add(blocker)
    session.flush()
    event = BlockerRaised(incident_id=incident.incident_id, blocker_id=blocker.blocker_id, kind=kind)
    row = outbox.event_row(event, actor=actor, subject=blocker.blocker_id, version=1, at=now)
    outbox.record(session, "intake", row)


def lift_blocker(
    session: Session, actor: Actor, incident: Incident, kind: BlockerKind, subject_id: UUID, now: datetime
) -> None:
    """The subject is decided. Once; nothing happens without a blocker."""
    blocker = session.scalars(select(Blocker).where(Blocker.subject_id == subject_id, Blocker.kind == kind)).first()
    if blocker is None or blocker.lifted_at is not None:
        return
    blocker.lifted_at = now
    session.flush()
    event = BlockerLifted(incident_id=incident.incident_id, blocker_id=blocker.blocker_id, kind=kind)
    row = outbox.event_row(event, actor=actor, subject=blocker.blocker_id, version=2, at=now)
    outbox.record(session, "intake", row)


def blocking(session: Session, incident_id: UUID) -> Sequence[Blocker]:
    """What still keeps the incident from closing."""
    return session.scalars(select(Blocker).where(Blocker.incident_id == incident_id, Blocker.lifted_at.is_(None))).all()


def _clock(session: Session, kind: ClockKind, subject_id: UUID) -> ClockRow | None:
    return session.scalars(
        select(ClockRow).where(ClockRow.subject_id == subject_id, ClockRow.kind == kind).with_for_update()
    ).first()


def _say(session: Session, actor: Actor, incident: Incident, clock: ClockRow, now: datetime) -> None:
    session.flush()
    said = {"incident_id": incident.incident_id, "clock_id": clock.clock_id, "revision": clock.revision}
    kind = ClockKind(clock.kind)
    event: ClockSet | ClockStopped
    if clock.due_at is None:
        event = ClockStopped(kind=kind, **said)
    else:
        event = ClockSet(kind=kind, due_at=clock.due_at, **said)
    urgent = kind is ClockKind.ESCALATION
    row = outbox.event_row(event, actor=actor, subject=clock.clock_id, version=clock.revision, at=now, urgent=urgent)
    outbox.record(session, "intake", row)
