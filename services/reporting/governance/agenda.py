"""What a meeting has before it: compiled from the projections at one moment, then frozen.

The meeting itself reads, as somebody who covers its place and needs to know of nothing that is restricted. So whoever may
see a meeting may see every figure of it; those who need to know read restricted incidents by themselves.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import MeetingLevel
from services.reporting import queries
from services.reporting.governance.domain import ItemStatus, Topic
from services.reporting.governance.store import Item, Meeting
from services.reporting.patterns.domain import Status
from services.reporting.patterns.store import Signal, visible_signals
from services.reporting.radar.queries import Finding
from services.reporting.radar.queries import radar as read_radar
from services.reporting.radar.silence import SilentService
from services.reporting.store import INCIDENT, SAME_CASE, THEME, TIMELINE, visible_incidents, visible_themes
from services.runtime.actor import Actor
from services.runtime.restriction import restriction_table

MOST = 200
"""So many records of a topic are named, those with the earliest clock first; all are counted."""

_I = INCIDENT.c
_OPEN = _I.ended_at.is_(None)


class TopicView(BaseModel):
    """One topic: how many records now and at the last meeting, how many came and went since, and which they are."""

    topic: Topic
    count: int
    before: int | None = Field(description="At the last meeting; absent at the first.")
    came: int | None = Field(description="Not before the last meeting. Absent where not all records are named.")
    went: int | None
    records: list[UUID] = Field(description="Ids of incidents, themes or signals, those with the earliest clock first.")
    hidden: int = Field(default=0, description="Records that the reader may not see any more.")


class Changed(BaseModel):
    """What happened since the last meeting."""

    reported: int
    ended: int
    reviews_approved: int
    actions_verified: int
    effects_judged: int


class LastMeeting(BaseModel):
    """What became of the last meeting. `held_at` is absent if it was not held."""

    meeting_id: UUID
    compiled_at: datetime
    held_at: datetime | None
    decisions: int
    challenges: int
    accepted: int
    answered: int
    open: int
    late: int


class Agenda(BaseModel):
    """What the meeting has before it, as it was seen at `seen_at`. It opens with what the last one left."""

    seen_at: datetime
    since: datetime
    last: LastMeeting | None
    items: list[UUID] = Field(description="Decisions and challenges not settled, or settled since the last meeting.")
    changed: Changed
    topics: list[TopicView]
    services: list[queries.LocationCount] = Field(description="The ten with most overdue, then most open.")
    radar: list[Finding]
    silent: list[SilentService]
    restricted_open: int | None = Field(
        description="Open incidents that are for those who need to know; told at executive and board meetings only."
    )


def reader(meeting_id: UUID, provider_id: UUID, location_id: UUID | None, region_id: UUID | None) -> Actor:
    """The meeting as somebody who reads: its place whole, and nothing that is restricted."""
    return Actor(
        id=meeting_id,
        provider_id=provider_id,
        roles=frozenset({"meeting"}),
        all_locations=location_id is None and region_id is None,
        locations=frozenset() if location_id is None else frozenset({location_id}),
        regions=frozenset() if location_id is not None or region_id is None else frozenset({region_id}),
    )


def compile_agenda(
    session: Session, actor: Actor, level: MeetingLevel, since: datetime, now: datetime, previous: Meeting | None
) -> Agenda:
    """What a meeting of a level has before it at `now`; `actor` is its `reader`."""
    location_id = next(iter(actor.locations), None)
    region_id = next(iter(actor.regions), None)
    before = {} if previous is None else {one.topic: one for one in Agenda.model_validate(previous.agenda).topics}
    seen = read_radar(session, actor, now, location_id=location_id, region_id=region_id)
    return Agenda(
        seen_at=now,
        since=since,
        last=None if previous is None else _last(session, previous, now),
        items=list(session.scalars(_items(actor, level, location_id, region_id, since))),
        changed=_changed(session, actor, since, now),
        topics=[*_of_incidents(session, actor, since, now, before), *_of_patterns(session, actor, before)],
        services=queries.overview(session, actor, now, region_id=None, location_id=None).by_location,
        radar=seen.findings,
        silent=seen.silent,
        restricted_open=_restricted(session, actor) if level in (MeetingLevel.EXECUTIVE, MeetingLevel.BOARD) else None,
    )


def _of_incidents(
    session: Session, actor: Actor, since: datetime, now: datetime, before: Mapping[Topic, TopicView]
) -> list[TopicView]:
    conditions: dict[Topic, ColumnElement[bool]] = {
        Topic.HIGH_RISK: and_(_OPEN, _I.band.in_(["high", "extreme"])),
        Topic.OVERDUE: and_(_OPEN, _I.earliest_due_at < now),
        Topic.UNVERIFIED: and_(_OPEN, _I.actions_done > 0),
        Topic.INEFFECTIVE: and_(_I.last_verdict.in_(["no_change", "worse"]), or_(_OPEN, _I.ended_at >= since)),
        Topic.UNANSWERED_CALLS: and_(_OPEN, _I.escalations_unacknowledged > 0),
        Topic.SERIOUS_HARM: and_(_I.actual_harm.in_(["severe", "fatal"]), _I.reported_at >= since),
    }
    made = []
    for topic, condition in conditions.items():
        within = and_(visible_incidents(actor), _I.stage.not_in(["withdrawn", "duplicate"]), condition)
        count = session.scalar(select(func.count()).select_from(INCIDENT).where(within)) or 0
        named = select(_I.incident_id).where(within).order_by(_I.earliest_due_at, _I.incident_id).limit(MOST)
        made.append(_topic(topic, count, list(session.scalars(named)) if count else [], before))
    return made


def _of_patterns(session: Session, actor: Actor, before: Mapping[Topic, TopicView]) -> list[TopicView]:
    themes = session.scalars(
        select(_I.incident_id)
        .join(THEME, SAME_CASE)
        .where(visible_themes(actor), _OPEN)
        .order_by(_I.earliest_due_at, _I.incident_id)
    ).all()
    signals = session.scalars(
        select(Signal.signal_id)
        .where(visible_signals(actor), Signal.status == Status.RAISED)
        .order_by(Signal.raised_at.desc(), Signal.signal_id)
    ).all()
    return [
        _topic(topic, len(found), list(found[:MOST]), before)
        for topic, found in ((Topic.THEMES, themes), (Topic.SIGNALS, signals))
    ]


def _topic(topic: Topic, count: int, records: list[UUID], before: Mapping[Topic, TopicView]) -> TopicView:
    last = before.get(topic)
    comparable = last is not None and count <= MOST and last.count <= MOST
    known = set(last.records) if last is not None else set()
    return TopicView(
        topic=topic,
        count=count,
        before=None if last is None else last.count,
        came=len(set(records) - known) if comparable else None,
        went=len(known - set(records)) if comparable else None,
        records=records,
    )


def _changed(session: Session, actor: Actor, since: datetime, now: datetime) -> Changed:
    """By when it happened: incidents by the count of rows, actions and effects by their events in the timeline."""
    told = _I.stage.not_in(["withdrawn", "duplicate"])
    row = session.execute(
        select(
            func.count().filter(_I.reported_at >= since, told).label("reported"),
            func.count().filter(_I.ended_at >= since, told).label("ended"),
            func.count().filter(_I.review_approved_at >= since).label("reviews_approved"),
        )
        .select_from(INCIDENT)
        .where(visible_incidents(actor), _I.last_event_at >= since)
    ).one()
    line = TIMELINE.c
    events: dict[str, int] = dict(
        session.execute(
            select(line.type, func.count())
            .join(INCIDENT, and_(_I.incident_id == line.incident_id, _I.provider_id == line.provider_id))
            .where(visible_incidents(actor), _I.last_event_at >= since, line.at >= since, line.at <= now)
            .where(line.type.in_(["plumbline.action.verified.v1", "plumbline.impact.judged.v1"]))
            .group_by(line.type)
        )
        .tuples()
        .all()
    )
    return Changed(
        **row._mapping,
        actions_verified=events.get("plumbline.action.verified.v1", 0),
        effects_judged=events.get("plumbline.impact.judged.v1", 0),
    )


def _items(
    actor: Actor, level: MeetingLevel, location_id: UUID | None, region_id: UUID | None, since: datetime
) -> Select[UUID]:
    """What the last meeting left and what climbed to this level, not settled or settled since; late first."""
    within = [Item.provider_id == actor.provider_id]
    if location_id is not None:
        within.append(Item.location_id == location_id)
    elif region_id is not None:
        within.append(Item.region_id == region_id)
    return (
        select(Item.item_id)
        .where(*within, or_(Item.level == level, Item.raised_level == level))
        .where(or_(Item.status != ItemStatus.ACCEPTED, Item.settled_at >= since))
        .order_by(Item.due_at, Item.item_id)
        .limit(MOST)
    )


def _last(session: Session, previous: Meeting, now: datetime) -> LastMeeting:
    row = session.execute(
        select(
            func.count().filter(Item.kind == "decision").label("decisions"),
            func.count().filter(Item.kind == "challenge").label("challenges"),
            *(func.count().filter(Item.status == status).label(status) for status in ItemStatus),
            func.count().filter(Item.status == ItemStatus.OPEN, or_(Item.due_at < now, Item.climbs > 0)).label("late"),
        ).where(Item.meeting_id == previous.meeting_id)
    ).one()
    return LastMeeting(
        meeting_id=previous.meeting_id, compiled_at=previous.compiled_at, held_at=previous.held_at, **row._mapping
    )


def _restricted(session: Session, actor: Actor) -> int:
    kept = select(restriction_table("reporting").c.record_id)
    query = select(func.count()).select_from(INCIDENT).where(
        _I.provider_id == actor.provider_id, _OPEN, _I.reported_at.is_not(None), _I.incident_id.in_(kept)
    )  # fmt: skip
    return session.scalar(query) or 0


def shown(session: Session, actor: Actor, agenda: Agenda) -> Agenda:
    """The agenda as somebody may see it by now: what was restricted since, or an item kept to others, is not named."""
    sees = {
        Topic.THEMES: select(_I.incident_id).join(THEME, SAME_CASE).where(visible_themes(actor)),
        Topic.SIGNALS: select(Signal.signal_id).where(visible_signals(actor)),
    }
    topics = []
    for topic in agenda.topics:
        column = Signal.signal_id if topic.topic is Topic.SIGNALS else _I.incident_id
        query = sees.get(topic.topic, select(_I.incident_id).where(visible_incidents(actor)))
        seen = set(session.scalars(query.where(column.in_(topic.records)))) if topic.records else set()
        named = [one for one in topic.records if one in seen]
        topics.append(topic.model_copy(update={"records": named, "hidden": len(topic.records) - len(named)}))
    return agenda.model_copy(update={"topics": topics})
