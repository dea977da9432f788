"""The use-cases of meetings: an agenda, by call too, and that a meeting was held."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.reporting import MeetingCompiled, MeetingHeld
from services.contracts.taxonomy import MeetingLevel
from services.reporting.governance import agenda, policy
from services.reporting.governance.domain import occurrence, place_of
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.governance.store import Meeting, covers_place, visible_meeting
from services.reporting.policy import of_governance
from services.reporting.store import LOCATION
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "reporting"
Place = tuple[MeetingLevel, UUID | None, UUID | None]
"""A level with its location or its region. The region of a location is not part of it: services move."""


class Strict(BaseModel):
    """What people send. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CallMeeting(Strict):
    """A meeting beside the cadence, because something cannot wait for the next."""

    level: MeetingLevel
    location_id: UUID | None = Field(default=None, description="With level `service`: of which location.")
    region_id: UUID | None = Field(default=None, description="With level `region`: of which region.")
    reason: ShortText = Field(description="Why it cannot wait. No names.")

    @model_validator(mode="after")
    def _place_goes_with_level(self) -> "CallMeeting":
        wanted = {MeetingLevel.SERVICE: "location_id", MeetingLevel.REGION: "region_id"}.get(self.level)
        for name in ("location_id", "region_id"):
            if (getattr(self, name) is not None) != (name == wanted):
                raise ValueError("give location_id with level service, region_id with level region, and neither above")
        return self


class HoldMeeting(Strict):
    """That the meeting took place."""

    held_at: datetime = Field(
        description="When it was held, with a time zone; not before its agenda, not later than now."
    )
    present: int = Field(ge=1, le=200, description="How many took part.")
    minutes: LongText | None = Field(default=None, description="What was said beside decisions and challenges.")


def call_meeting(session: Session, actor: Actor, command: CallMeeting, now: datetime) -> Meeting:
    """Compile an agenda now, beside the cadence. 404-like 422 for a place that is not there, 403 outside the scope."""
    columns = LOCATION.c
    known = select(columns.region_id).where(columns.provider_id == actor.provider_id)
    if command.location_id is not None:
        found = session.execute(known.where(columns.location_id == command.location_id)).first()
    elif command.region_id is not None:
        found = session.execute(known.where(columns.region_id == command.region_id).limit(1)).first()
    else:
        found = session.execute(known.limit(1)).first()
    region_id = None if found is None else found.region_id
    seen = found is not None and covers_place(actor, *place_of(command.level, command.location_id, region_id))
    if not seen and (command.location_id or command.region_id):
        field = "location_id" if command.location_id else "region_id"
        raise invalid(field, "is not a place that you cover", "Choose one that you cover; ask its level otherwise.")
    if not seen:
        raise forbidden("Meetings of executives and board are called by those who cover the whole provider.")
    rules = of_governance(session, actor.provider_id)
    place = (command.level, command.location_id, command.region_id)
    return compile_meeting(session, actor, rules, place, now, scheduled_at=now, reason=command.reason)


def compile_meeting(
    session: Session,
    actor: Actor,
    rules: GovernancePolicy,
    place: Place,
    now: datetime,
    *,
    scheduled_at: datetime,
    reason: str | None = None,
) -> Meeting:
    """Compile the agenda of a place as it is seen now, and keep it for good."""
    level, location_id, region_id = place
    if location_id is not None:
        columns = LOCATION.c
        region_id = session.scalar(
            select(columns.region_id).where(
                columns.provider_id == actor.provider_id, columns.location_id == location_id
            )
        )
    previous = session.scalars(
        select(Meeting)
        .where(Meeting.provider_id == actor.provider_id, Meeting.level == level)
        .where(Meeting.location_id.is_not_distinct_from(location_id))
        .where(Meeting.region_id.is_not_distinct_from(region_id) if location_id is None else Meeting.compiled_at <= now)
        .order_by(Meeting.compiled_at.desc(), Meeting.meeting_id.desc())
        .limit(1)
    ).one_or_none()
    rule = rules.levels.get(level) or policy.shipped().levels[level]
    since = occurrence(now, rule.every_months, rule.day, after=-1) if previous is None else previous.compiled_at
    meeting_id = new_id()
    seen = agenda.compile_agenda(
        session, agenda.reader(meeting_id, actor.provider_id, location_id, region_id), level, since, now, previous
    )
    meeting = Meeting(
        meeting_id=meeting_id,
        provider_id=actor.provider_id,
        level=level,
        location_id=location_id,
        region_id=region_id,
        scheduled_at=scheduled_at,
        compiled_at=now,
        since=since,
        previous_id=None if previous is None else previous.meeting_id,
        hold_by=add_working_days(now, rule.hold_working_days),
        called_by=None if reason is None else actor.id,
        reason=reason,
        agenda=seen.model_dump(mode="json"),
        policy_version=rules.version,
        version=1,
    )
    session.add(meeting)
    session.flush()
    event = MeetingCompiled(
        meeting_id=meeting_id, level=level, location_id=location_id, region_id=region_id, since=since,
        hold_by=meeting.hold_by, called=reason is not None, policy_version=rules.version,
    )  # fmt: skip
    tell(
        session, actor, meeting_id, 1, now, "meeting_compiled", event,
        level=level, agenda_sha256=audit.digest(seen.model_dump_json()),
        reason_sha256=None if reason is None else audit.digest(reason),
    )  # fmt: skip
    return meeting


def hold_meeting(
    session: Session, actor: Actor, meeting_id: UUID, command: HoldMeeting, version: int, now: datetime
) -> Meeting:
    """Record that a meeting took place, once (409). Minutes stay here; the audit has their digest."""
    meeting = visible_meeting(session, actor, meeting_id, lock=True)
    check_version(meeting.version, version)
    if meeting.held_at is not None:
        raise conflict("already-held", "This meeting is recorded as held", "Read it again; what was recorded stays.")
    if command.held_at.tzinfo is None:
        raise invalid("held_at", "has no time zone", "Add it, for example 2026-06-09T10:00:00Z.")
    if not meeting.compiled_at <= command.held_at <= now:
        raise invalid("held_at", "is before its agenda, or later than now", "Give the time at which it was held.")
    meeting.held_at, meeting.held_by, meeting.present = command.held_at, actor.id, command.present
    meeting.minutes, meeting.version = command.minutes, meeting.version + 1
    session.flush()
    event = MeetingHeld(
        meeting_id=meeting_id, level=MeetingLevel(meeting.level), location_id=meeting.location_id,
        region_id=meeting.region_id, held_at=command.held_at, present=command.present,
    )  # fmt: skip
    tell(
        session, actor, meeting_id, meeting.version, now, "meeting_held", event, present=command.present,
        minutes_sha256=None if command.minutes is None else audit.digest(command.minutes),
    )  # fmt: skip
    return meeting


def tell(
    session: Session,
    actor: Actor,
    subject: UUID,
    version: int,
    at: datetime,
    action: str,
    event: EventData,
    **data: Any,
) -> None:
    """One audit entry of the record's own chain and one event, in the caller's transaction."""
    audit.append(session, SERVICE, chain=subject, actor=actor, action=action, subject=subject, at=at, data=data)
    outbox.record(session, SERVICE, outbox.event_row(event, actor=actor, subject=subject, version=version, at=at))
