"""The use-cases of the governance cycle: agendas by cadence or call, meetings held, decisions, challenge and response."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from services.contracts.activities import CompiledMeetings, GovernanceWatch
from services.contracts.event import EventData
from services.contracts.reporting import (
    GovernanceItemAnswered,
    GovernanceItemEscalated,
    GovernanceItemJudged,
    GovernanceItemRaised,
    MeetingCompiled,
    MeetingHeld,
)
from services.contracts.taxonomy import GovernanceKind, MeetingLevel, Role
from services.reporting.governance import agenda, policy, store
from services.reporting.governance.domain import Altered, ItemStatus, Question, above, occurrence, place_of
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.governance.store import Answer, Item, Meeting, covers_place, visible_item, visible_meeting
from services.reporting.radar.policy import Weakness
from services.reporting.store import INCIDENT, LOCATION, visible_incidents, visible_theme
from services.runtime import audit, outbox, restriction
from services.runtime.actor import Actor, system
from services.runtime.calendar import add_working_days
from services.runtime.clock import Clock
from services.runtime.db import run, transaction
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "reporting"
GOVERNORS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, *sorted(store.SENIORS))
"""Who takes part in meetings, each of the places that they cover."""

JUDGES = frozenset(store.SENIORS | {Role.REGIONAL_MANAGER})
"""Who may judge an answer beside whoever asked: not the managers of the place that it may be about."""

BATCH = 25
"""So many agendas are compiled in one activity; the rest in the next."""
_LONGEST = timedelta(days=366)

Place = tuple[MeetingLevel, UUID | None, UUID | None]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CallMeeting(_Strict):
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


class HoldMeeting(_Strict):
    """That the meeting took place."""

    held_at: datetime = Field(
        description="When it was held, with a time zone; not before its agenda, not later than now."
    )
    present: int = Field(ge=1, le=200, description="How many took part.")
    minutes: LongText | None = Field(default=None, description="What was said beside decisions and challenges.")


class RaiseItem(_Strict):
    """A decision with somebody who does it, or a challenge with somebody who responds; about one record at most."""

    kind: GovernanceKind
    said: LongText = Field(description="What was decided, or what is asked.")
    question: Question | None = Field(default=None, description="With a challenge: what sort of question it is.")
    owner_id: UUID = Field(description="The one person who does it, or responds.")
    owner_role: Role
    due_at: datetime | None = Field(
        default=None, description="Left out: by the working days that the provider's policy gives this level."
    )
    incident_id: UUID | None = None
    theme_id: UUID | None = None
    weakness: Weakness | None = Field(default=None, description="A weakness of the radar, at the meeting's place.")

    @model_validator(mode="after")
    def _fits(self) -> "RaiseItem":
        if (self.kind is GovernanceKind.CHALLENGE) != (self.question is not None):
            raise ValueError("question: a challenge has one, a decision has none")
        if sum(one is not None for one in (self.incident_id, self.theme_id, self.weakness)) > 1:
            raise ValueError("name one of incident_id, theme_id and weakness, or none: raise the others by themselves")
        return self


class AnswerItem(_Strict):
    """The response to a challenge, or that and how what was decided is done."""

    said: LongText


class JudgeItem(_Strict):
    """Whether the answer is accepted, or challenged again with what is still missing."""

    accepted: bool
    reason: ShortText = Field(description="Why. No names.")
    altered: Annotated[list[Altered], Field(max_length=3)] = Field(
        default_factory=list, description="With an accepted answer: what it altered. Empty: nothing."
    )
    due_at: datetime | None = Field(
        default=None, description="With one that is not accepted: until when, if not by policy."
    )

    @model_validator(mode="after")
    def _fits(self) -> "JudgeItem":
        if self.altered and not self.accepted:
            raise ValueError("altered: only an accepted answer has altered something")
        if self.due_at is not None and self.accepted:
            raise ValueError("due_at: nothing is waited for after an accepted answer")
        return self


def compile_due(engine: Engine, clock: Clock, provider_id: UUID) -> CompiledMeetings:
    """Compile what is due by the provider's cadence, at most `BATCH` agendas, each in a transaction of its own.

    A place that never met is due at once: its first agenda is what the next is compared with. After an interruption
    only the newest occurrence is compiled. The same look again changes nothing.
    """
    with transaction(engine, provider_id) as session:
        rules = policy.current(session, provider_id)
        due, next_at = _due(session, provider_id, rules, clock.now())
    for place, scheduled_at in due[:BATCH]:
        with transaction(engine, provider_id) as session:
            run(session, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reporting.meetings:{provider_id}"])
            if _newest(session, provider_id).get(place) != scheduled_at:
                _compile(session, system(provider_id), rules, place, clock.now(), scheduled_at=scheduled_at)
    return CompiledMeetings(compiled=len(due[:BATCH]), more=len(due) > BATCH, next_at=next_at)


def _newest(session: Session, provider_id: UUID) -> dict[Place, datetime]:
    """The newest occurrence of each place for which an agenda was compiled."""
    rows = session.execute(
        select(Meeting.level, Meeting.location_id, Meeting.region_id, func.max(Meeting.scheduled_at))
        .where(Meeting.provider_id == provider_id, Meeting.called_by.is_(None))
        .group_by(Meeting.level, Meeting.location_id, Meeting.region_id)
    )
    found: dict[Place, datetime] = {}
    for level, location_id, region_id, at in rows:
        # A location may have moved to another region since.
        place = (MeetingLevel(level), location_id, None if location_id is not None else region_id)
        found[place] = max(at, found.get(place, at))
    return found


def _due(
    session: Session, provider_id: UUID, rules: GovernancePolicy, now: datetime
) -> tuple[list[tuple[Place, datetime]], datetime | None]:
    columns = LOCATION.c
    places = session.execute(
        select(columns.location_id, columns.region_id)
        .where(columns.provider_id == provider_id, columns.active)
        .order_by(columns.location_id)
    ).all()
    if not places:
        return [], None
    of_level: dict[MeetingLevel, list[Place]] = {
        MeetingLevel.SERVICE: [(MeetingLevel.SERVICE, row.location_id, None) for row in places],
        MeetingLevel.REGION: [
            (MeetingLevel.REGION, None, region_id) for region_id in sorted({r.region_id for r in places if r.region_id})
        ],
        MeetingLevel.EXECUTIVE: [(MeetingLevel.EXECUTIVE, None, None)],
        MeetingLevel.BOARD: [(MeetingLevel.BOARD, None, None)],
    }
    newest = _newest(session, provider_id)
    due, following = [], []
    for level, rule in rules.levels.items():
        last = occurrence(now, rule.every_months, rule.day)
        following.append(occurrence(now, rule.every_months, rule.day, after=1))
        due += [(place, last) for place in of_level[level] if place not in newest or newest[place] < last]
    return due, min(following)


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
    rules = policy.current(session, actor.provider_id)
    place = (command.level, command.location_id, command.region_id)
    return _compile(session, actor, rules, place, now, scheduled_at=now, reason=command.reason)


def _compile(
    session: Session,
    actor: Actor,
    rules: GovernancePolicy,
    place: Place,
    now: datetime,
    *,
    scheduled_at: datetime,
    reason: str | None = None,
) -> Meeting:
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
    _tell(
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
    _tell(
        session, actor, meeting_id, meeting.version, now, "meeting_held", event, present=command.present,
        minutes_sha256=None if command.minutes is None else audit.digest(command.minutes),
    )  # fmt: skip
    return meeting


def raise_item(session: Session, actor: Actor, meeting_id: UUID, command: RaiseItem, now: datetime) -> Item:
    """Record a decision or a challenge of a meeting, about a record that the actor may see at the meeting's place (422)."""
    meeting = visible_meeting(session, actor, meeting_id)
    level = MeetingLevel(meeting.level)
    if command.kind is GovernanceKind.CHALLENGE and command.owner_id == actor.id:
        raise invalid("owner_id", "is you", "A challenge is answered by somebody else. Name who answers for it.")
    _check_record(session, actor, meeting, command)
    rules = policy.current(session, actor.provider_id)
    item = Item(
        item_id=new_id(),
        provider_id=actor.provider_id,
        meeting_id=meeting_id,
        kind=command.kind,
        level=level,
        raised_level=level,
        location_id=meeting.location_id,
        region_id=meeting.region_id,
        incident_id=command.incident_id,
        theme_id=command.theme_id,
        weakness=command.weakness,
        question=command.question,
        said=command.said,
        owner_id=command.owner_id,
        owner_role=command.owner_role,
        raised_by=actor.id,
        raised_role=actor.role,
        raised_at=now,
        due_at=_until(rules, level, command.due_at, now),
        status=ItemStatus.OPEN,
        round=1,
        climbs=0,
        altered=[],
        policy_version=rules.version,
        version=1,
    )
    session.add(item)
    session.flush()
    event = GovernanceItemRaised(
        **_names(item), owner_id=item.owner_id, owner_role=command.owner_role, due_at=item.due_at,
        policy_version=rules.version,
    )  # fmt: skip
    _note(
        session, actor, item, now, f"{item.kind}_raised", event, kind=item.kind, question=item.question,
        owner_id=item.owner_id, due_at=item.due_at, said_sha256=audit.digest(command.said), weakness=item.weakness,
        incident_id=item.incident_id, theme_id=item.theme_id,
    )  # fmt: skip
    return item


def _check_record(session: Session, actor: Actor, meeting: Meeting, command: RaiseItem) -> None:
    if command.theme_id is not None:
        visible_theme(session, actor, command.theme_id)
    if command.incident_id is None:
        return
    columns = INCIDENT.c
    at = [columns.incident_id == command.incident_id, visible_incidents(actor)]
    if meeting.location_id is not None:
        at.append(columns.location_id == meeting.location_id)
    elif meeting.region_id is not None:
        at.append(columns.region_id == meeting.region_id)
    if session.scalar(select(columns.incident_id).where(*at)) is None:
        raise invalid(
            "incident_id", "is not an incident that you may see at this meeting's place",
            "Choose from GET /incidents of this place. If it was reported a moment ago, try again in a few seconds.",
        )  # fmt: skip
    kept = restriction.find(session, SERVICE, command.incident_id)
    if kept is not None and command.owner_id in kept.excluded:
        raise invalid("owner_id", "may not see this incident", "Name somebody who is not kept away from it.")


def _until(rules: GovernancePolicy, level: MeetingLevel, asked: datetime | None, now: datetime) -> datetime:
    if asked is None:
        rule = rules.levels.get(level) or policy.shipped().levels[level]
        return add_working_days(now, rule.answer_working_days)
    if asked.tzinfo is None or not now < asked <= now + _LONGEST:
        raise invalid(
            "due_at", "is not within a year from now, or has no time zone", "Give a time, with a zone, to come."
        )
    return asked


def answer_item(
    session: Session, actor: Actor, item_id: UUID, command: AnswerItem, version: int, now: datetime
) -> Item:
    """Answer, as its owner, or once it has climbed as whoever was called at that level; never as who asked (403).

    409 while nothing is waited for. Every round is kept.
    """
    item = visible_item(session, actor, item_id, lock=True)
    check_version(item.version, version)
    if item.status != ItemStatus.OPEN:
        raise conflict(
            "already-answered",
            "This was answered",
            "Somebody else judges the answer; it may be asked again after that.",
        )
    rules = policy.current(session, actor.provider_id)
    rule = rules.levels.get(MeetingLevel(item.level))
    called = item.climbs > 0 and rule is not None and rule.called in actor.roles
    covers = covers_place(actor, item.location_id, item.region_id)
    asked = item.kind == GovernanceKind.CHALLENGE and item.raised_by == actor.id
    if asked or not (item.owner_id == actor.id or (called and covers)):
        raise forbidden(
            "Its owner answers; once it went up, so may whoever was called there. Who asked does not answer."
        )
    item.status, item.version = ItemStatus.ANSWERED, item.version + 1
    session.add(
        Answer(
            item_id=item_id, round=item.round, provider_id=item.provider_id, said=command.said,
            answered_by=actor.id, answered_role=actor.role, answered_at=now,
        )
    )  # fmt: skip
    session.flush()
    event = GovernanceItemAnswered(**_names(item), round=item.round)
    _note(
        session, actor, item, now, f"{item.kind}_answered", event, round=item.round, late=now > item.due_at,
        said_sha256=audit.digest(command.said),
    )  # fmt: skip
    return item


def judge_item(session: Session, actor: Actor, item_id: UUID, command: JudgeItem, version: int, now: datetime) -> Item:
    """Accept an answer, or ask again with a new clock. By who asked, or a judge of the place; never who answered (403)."""
    item = visible_item(session, actor, item_id, lock=True)
    check_version(item.version, version)
    if item.status != ItemStatus.ANSWERED:
        raise conflict("not-answered", "There is no answer to judge", f"It is {item.status}. Read it again.")
    answer = session.get_one(Answer, (item_id, item.round))
    judge = bool(JUDGES & actor.roles) and covers_place(actor, item.location_id, item.region_id)
    if actor.id == answer.answered_by or not (actor.id == item.raised_by or judge):
        raise forbidden("Who asked judges the answer, or somebody who covers the place; never who gave it.")
    answer.accepted, answer.reason = command.accepted, command.reason
    answer.judged_by, answer.judged_role, answer.judged_at = actor.id, actor.role, now
    judged = item.round
    if command.accepted:
        item.status, item.settled_at, item.altered = ItemStatus.ACCEPTED, now, sorted(set(command.altered))
    else:
        rules = policy.current(session, actor.provider_id)
        item.due_at = _until(rules, MeetingLevel(item.level), command.due_at, now)
        item.status, item.round = ItemStatus.OPEN, item.round + 1
    item.version += 1
    session.flush()
    event = GovernanceItemJudged(
        **_names(item), round=judged, accepted=command.accepted, due_at=None if command.accepted else item.due_at
    )
    _note(
        session, actor, item, now, f"{item.kind}_{'accepted' if command.accepted else 'asked_again'}", event,
        round=judged, altered=item.altered, reason_sha256=audit.digest(command.reason),
    )  # fmt: skip
    return item


def watch(session: Session, actor: Actor, item_id: UUID, now: datetime) -> GovernanceWatch:
    """How an item stands, and whom to tell. One whose time ran out goes up a level, or is told again at the top.

    The same look again answers the same: a new clock runs from the climb on.
    """
    item = visible_item(session, actor, item_id, lock=True)
    if item.status != ItemStatus.OPEN:
        return GovernanceWatch(waits=False, next_at=now, call=0)
    rules = policy.current(session, actor.provider_id)
    if item.due_at <= now:
        _climb(session, actor, item, rules, now)
    rule = rules.levels.get(MeetingLevel(item.level))
    late = item.climbs > 0
    return GovernanceWatch(
        waits=True,
        next_at=item.due_at,
        late=late,
        people=[item.owner_id],
        roles=[rule.called] if late and rule is not None else [],
        location_id=item.location_id or _somewhere(session, item.region_id),
        call=item.round * 1000 + item.climbs,
    )


def _climb(session: Session, actor: Actor, item: Item, rules: GovernancePolicy, now: datetime) -> None:
    level = MeetingLevel(item.level)
    higher = above(level, rules.levels.keys(), item.region_id)
    rule = rules.levels.get(higher) or policy.shipped().levels[higher]
    item.level, item.climbs, item.climbed_at = higher, item.climbs + 1, now
    item.due_at, item.version = add_working_days(now, rule.answer_working_days), item.version + 1
    session.flush()
    event = GovernanceItemEscalated(
        **_names(item), from_level=level, to_role=rule.called, due_at=item.due_at, times=item.climbs
    )
    _note(
        session, actor, item, now, f"{item.kind}_escalated", event, from_level=level, to_level=higher,
        times=item.climbs, due_at=item.due_at,
    )  # fmt: skip


def _somewhere(session: Session, region_id: UUID | None) -> UUID | None:
    """A service of the region, so that its regional manager is found; None for the whole provider."""
    if region_id is None:
        return None
    columns = LOCATION.c
    return session.scalar(
        select(columns.location_id)
        .where(columns.region_id == region_id, columns.active)
        .order_by(columns.location_id)
        .limit(1)
    )


def _names(item: Item) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "meeting_id": item.meeting_id,
        "kind": item.kind,
        "level": item.level,
        "incident_id": item.incident_id,
        "theme_id": item.theme_id,
    }


def _note(session: Session, actor: Actor, item: Item, at: datetime, action: str, event: EventData, **data: Any) -> None:
    _tell(session, actor, item.item_id, item.version, at, action, event, **data)


def _tell(
    session: Session,
    actor: Actor,
    subject: UUID,
    version: int,
    at: datetime,
    action: str,
    event: EventData,
    **data: Any,
) -> None:
    audit.append(session, SERVICE, chain=subject, actor=actor, action=action, subject=subject, at=at, data=data)
    outbox.record(session, SERVICE, outbox.event_row(event, actor=actor, subject=subject, version=version, at=at))
