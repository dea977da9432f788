"""What is answered about meetings, decisions and challenges, as far as the caller covers their place."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, GovernanceKind, MeetingLevel, Role, Stage
from services.reporting.governance.agenda import Agenda, shown
from services.reporting.governance.challenge import JUDGES
from services.reporting.governance.domain import Altered, ItemStatus, Question
from services.reporting.governance.store import Answer, Item, Meeting, covers, visible_items, visible_meetings
from services.reporting.radar.policy import Weakness
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime import pagination
from services.runtime.actor import SYSTEM_ID, Actor
from services.runtime.pagination import Page


class MeetingSummary(BaseModel):
    """A meeting in lists."""

    meeting_id: UUID
    level: MeetingLevel
    location_id: UUID | None
    region_id: UUID | None = Field(description="Absent with location_id: the whole provider.")
    compiled_at: datetime
    since: datetime
    hold_by: datetime
    held_at: datetime | None
    not_held: bool = Field(description="Its time passed and nobody recorded that it was held.")
    called: bool
    version: int


class NamedIncident(BaseModel):
    """An incident that the agenda names, as it stands now."""

    incident_id: UUID
    location_id: UUID
    category: Category
    band: Band | None
    stage: Stage | None
    next_due_at: datetime | None


class MeetingView(MeetingSummary):
    """A meeting with what it has before it, as it was seen at `compiled_at`."""

    previous_id: UUID | None
    reason: str | None
    policy_version: str
    held_by: UUID | None
    present: int | None
    minutes: str | None
    agenda: Agenda
    incidents: list[NamedIncident] = Field(
        description="The incidents that its topics name, as the reader may see them."
    )
    decisions_and_challenges: list["ItemSummary"] = Field(
        description="What the agenda opens with, and what this meeting raised, as it stands now."
    )


class ItemSummary(BaseModel):
    """A decision or challenge in lists: who asked whom about what, and where it is."""

    item_id: UUID
    meeting_id: UUID
    kind: GovernanceKind
    status: ItemStatus
    level: MeetingLevel = Field(
        description="The level it is with: higher than `raised_level` once nobody answered in time."
    )
    raised_level: MeetingLevel
    location_id: UUID | None
    region_id: UUID | None
    incident_id: UUID | None
    theme_id: UUID | None
    weakness: Weakness | None
    question: Question | None
    said: str
    owner_id: UUID = Field(description="The system's where nobody was named: whoever holds owner_role there owns it.")
    owner_role: Role
    raised_by: UUID
    raised_role: str
    raised_at: datetime
    due_at: datetime | None = Field(description="Until when an answer is waited for; absent while none is.")
    late: bool
    round: int
    climbs: int = Field(description="How often its time ran out without an answer.")
    settled_at: datetime | None
    altered: list[Altered]
    records: str | None = Field(
        description="Where the records that it is about are read; absent for the place as a whole."
    )
    version: int


class AnswerView(BaseModel):
    """The answer of a round, and what became of it."""

    round: int
    said: str
    by: UUID
    by_role: str
    at: datetime
    accepted: bool | None
    reason: str | None
    judged_by: UUID | None
    judged_role: str | None
    judged_at: datetime | None


class ItemView(ItemSummary):
    """A decision or challenge with every round."""

    policy_version: str
    answers: list[AnswerView]


def meetings(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    level: MeetingLevel | None,
    location_id: UUID | None,
    region_id: UUID | None,
    held: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[MeetingSummary]:
    """Meetings of places that the actor covers, the newest first."""
    equal = {Meeting.level: level, Meeting.location_id: location_id, Meeting.region_id: region_id}
    query = (
        select(Meeting)
        .where(visible_meetings(actor), *(column == value for column, value in equal.items() if value is not None))
        .order_by(Meeting.meeting_id.desc())
        .limit(limit + 1)
    )
    if held is not None:
        query = query.where(Meeting.held_at.is_not(None) if held else Meeting.held_at.is_(None))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Meeting.meeting_id < after)
    rows = session.scalars(query).all()
    items = [MeetingSummary(**_meeting(row, now)) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].meeting_id) if len(rows) > limit else None)


def _meeting(row: Meeting, now: datetime) -> dict[str, Any]:
    made = ("not_held", "called")
    return {
        **{name: getattr(row, name) for name in MeetingSummary.model_fields if name not in made},
        "not_held": row.held_at is None and row.hold_by < now,
        "called": row.called_by is not None,
    }


def meeting_view(session: Session, actor: Actor, meeting: Meeting, now: datetime) -> MeetingView:
    """One meeting whole; records that the actor may not see are counted and not named."""
    agenda = shown(session, actor, Agenda.model_validate(meeting.agenda))
    rows = session.scalars(
        select(Item)
        .where(visible_items(actor), or_(Item.item_id.in_(agenda.items), Item.meeting_id == meeting.meeting_id))
        .order_by(Item.raised_at, Item.item_id)
    ).all()
    seen = {row.item_id for row in rows}
    return MeetingView(
        **_meeting(meeting, now),
        previous_id=meeting.previous_id,
        reason=meeting.reason,
        policy_version=meeting.policy_version,
        held_by=meeting.held_by,
        present=meeting.present,
        minutes=meeting.minutes,
        incidents=_named(session, actor, agenda),
        agenda=agenda.model_copy(update={"items": [one for one in agenda.items if one in seen]}),
        decisions_and_challenges=[ItemSummary(**_item(row, now)) for row in rows],
    )


def _named(session: Session, actor: Actor, agenda: Agenda) -> list[NamedIncident]:
    wanted = {one for topic in agenda.topics for one in topic.records}
    columns = INCIDENT.c
    rows = session.execute(
        select(INCIDENT).where(visible_incidents(actor), columns.incident_id.in_(wanted)).order_by(columns.incident_id)
    )
    return [
        NamedIncident(
            incident_id=row.incident_id, location_id=row.location_id, category=row.category, band=row.band,
            stage=row.stage, next_due_at=row.earliest_due_at,
        )
        for row in rows
    ]  # fmt: skip


def items(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    mine: bool,
    kind: GovernanceKind | None,
    status: ItemStatus | None,
    late: bool | None,
    level: MeetingLevel | None,
    incident_id: UUID | None,
    theme_id: UUID | None,
    location_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[ItemSummary]:
    """Decisions and challenges that the actor may see, the newest first; with `mine` those that wait for the actor."""
    equal = {
        Item.kind: kind, Item.status: status, Item.level: level, Item.incident_id: incident_id,
        Item.theme_id: theme_id, Item.location_id: location_id,
    }  # fmt: skip
    query = (
        select(Item)
        .where(visible_items(actor), *(column == value for column, value in equal.items() if value is not None))
        .order_by(Item.item_id.desc())
        .limit(limit + 1)
    )
    if mine:
        query = query.where(_waits_for(actor))
    if late is not None:
        is_late = and_(Item.status == ItemStatus.OPEN, or_(Item.due_at < now, Item.climbs > 0))
        query = query.where(is_late if late else not_(is_late))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Item.item_id < after)
    rows = session.scalars(query).all()
    found = [ItemSummary(**_item(row, now)) for row in rows[:limit]]
    return Page(items=found, next=pagination.encode(found[-1].item_id) if len(rows) > limit else None)


def _waits_for(actor: Actor) -> ColumnElement[bool]:
    """An answer of its owner, or the judgement of whoever asked; of others what went up to a place that they cover."""
    of_role = and_(
        Item.owner_id == SYSTEM_ID, Item.owner_role.in_(actor.roles), covers(actor, Item.location_id, Item.region_id)
    )
    mine = or_(
        and_(or_(Item.owner_id == actor.id, of_role), Item.status == ItemStatus.OPEN),
        and_(Item.raised_by == actor.id, Item.status == ItemStatus.ANSWERED),
    )
    if not JUDGES & actor.roles:
        return mine
    climbed = and_(Item.climbs > 0, Item.status == ItemStatus.OPEN, covers(actor, Item.location_id, Item.region_id))
    return or_(mine, and_(climbed, Item.raised_by != actor.id))


def _records(row: Item) -> str | None:
    if row.incident_id is not None:
        return f"/incidents/{row.incident_id}"
    if row.theme_id is not None:
        return f"/themes/{row.theme_id}"
    if row.weakness is None:
        return None
    at = {"location_id": row.location_id} if row.location_id is not None else {"region_id": row.region_id}
    place = "&".join(f"{name}={value}" for name, value in at.items() if value is not None)
    return f"/radar/{row.weakness}/records" + (f"?{place}" if place else "")


def _item(row: Item, now: datetime) -> dict[str, Any]:
    waits = row.status == ItemStatus.OPEN
    return {
        **{name: getattr(row, name) for name in ItemSummary.model_fields if name not in ("due_at", "late", "records")},
        "records": _records(row),
        "due_at": row.due_at if waits else None,
        "late": waits and (row.due_at < now or row.climbs > 0),
    }


def item_view(session: Session, item: Item, now: datetime) -> ItemView:
    """One decision or challenge with every round of it."""
    answers = session.scalars(select(Answer).where(Answer.item_id == item.item_id).order_by(Answer.round))
    return ItemView(
        **_item(item, now),
        policy_version=item.policy_version,
        answers=[
            AnswerView(
                round=one.round,
                said=one.said,
                by=one.answered_by,
                by_role=one.answered_role,
                at=one.answered_at,
                accepted=one.accepted,
                reason=one.reason,
                judged_by=one.judged_by,
                judged_role=one.judged_role,
                judged_at=one.judged_at,
            )
            for one in answers
        ],
    )
