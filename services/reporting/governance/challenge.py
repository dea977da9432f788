"""The use-cases of decisions and of challenge and response: raised, answered, judged, and taken up a level unanswered."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.activities import GovernanceWatch
from services.contracts.event import EventData
from services.contracts.reporting import (
    GovernanceItemAnswered,
    GovernanceItemEscalated,
    GovernanceItemJudged,
    GovernanceItemRaised,
)
from services.contracts.taxonomy import GovernanceKind, MeetingLevel, Role
from services.reporting.governance import assurance, policy, store
from services.reporting.governance.domain import Altered, ItemStatus, Question, above
from services.reporting.governance.meetings import SERVICE, Strict, tell
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.governance.store import Answer, Item, Meeting, covers_place, visible_item, visible_meeting
from services.reporting.policy import of_governance
from services.reporting.radar.policy import Weakness
from services.reporting.store import INCIDENT, LOCATION, visible_incidents, visible_theme
from services.runtime import audit, restriction
from services.runtime.actor import SYSTEM_ID, Actor
from services.runtime.calendar import add_working_days
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

JUDGES = frozenset(store.SENIORS | {Role.REGIONAL_MANAGER})
"""Who may judge an answer beside whoever asked: not the managers of the place that it may be about."""

_LONGEST = timedelta(days=366)


class RaiseItem(Strict):
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


class AnswerItem(Strict):
    """The response to a challenge, or that and how what was decided is done."""

    said: LongText


class JudgeItem(Strict):
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


def raise_item(session: Session, actor: Actor, meeting_id: UUID, command: RaiseItem, now: datetime) -> Item:
    """Record a decision or a challenge of a meeting, about a record that the actor may see at the meeting's place (422)."""
    meeting = visible_meeting(session, actor, meeting_id)
    if command.kind is GovernanceKind.CHALLENGE and command.owner_id == actor.id:
        raise invalid("owner_id", "is you", "A challenge is answered by somebody else. Name who answers for it.")
    _check_record(session, actor, meeting, command)
    return _raise(session, actor, meeting, command.model_dump(exclude={"due_at"}), command.due_at, now)


def ask_for_assurance(session: Session, actor: Actor, meeting: Meeting, now: datetime) -> list[Item]:
    """Ask for independent assurance of what is weak at a place meeting after meeting. The same agenda asks once."""
    rules = of_governance(session, actor.provider_id)
    return [
        _raise(session, actor, meeting, assurance.values(actor, rules, meeting, weakness, now), None, now)
        for weakness in assurance.asked_for(session, actor, rules, meeting)
    ]


def _raise(
    session: Session, actor: Actor, meeting: Meeting, asked: Mapping[str, Any], due_at: datetime | None, now: datetime
) -> Item:
    level = MeetingLevel(meeting.level)
    rules = of_governance(session, actor.provider_id)
    item = Item(
        **asked,
        item_id=new_id(),
        provider_id=actor.provider_id,
        meeting_id=meeting.meeting_id,
        level=level,
        raised_level=level,
        location_id=meeting.location_id,
        region_id=meeting.region_id,
        raised_by=actor.id,
        raised_role=actor.role,
        raised_at=now,
        due_at=_until(rules, level, due_at, now),
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
        **_names(item), owner_id=item.owner_id, owner_role=Role(item.owner_role), due_at=item.due_at,
        policy_version=rules.version,
    )  # fmt: skip
    _note(
        session, actor, item, now, f"{item.kind}_raised", event, kind=item.kind, question=item.question,
        owner_id=item.owner_id, due_at=item.due_at, said_sha256=audit.digest(item.said), weakness=item.weakness,
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
    rules = of_governance(session, actor.provider_id)
    rule = rules.levels.get(MeetingLevel(item.level))
    called = item.climbs > 0 and rule is not None and rule.called in actor.roles
    covers = covers_place(actor, item.location_id, item.region_id)
    asked = item.kind == GovernanceKind.CHALLENGE and item.raised_by == actor.id
    of_role = item.owner_id == SYSTEM_ID and item.owner_role in actor.roles
    if asked or not (item.owner_id == actor.id or ((called or of_role) and covers)):
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
        rules = of_governance(session, actor.provider_id)
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
    rules = of_governance(session, actor.provider_id)
    if item.due_at <= now:
        _climb(session, actor, item, rules, now)
    rule = rules.levels.get(MeetingLevel(item.level))
    late = item.climbs > 0
    return GovernanceWatch(
        waits=True,
        next_at=item.due_at,
        late=late,
        people=[] if item.owner_id == SYSTEM_ID else [item.owner_id],
        roles=_told(item, rule.called if late and rule is not None else None),
        location_id=item.location_id or _somewhere(session, item.region_id),
        call=item.round * 1000 + item.climbs,
    )


def _told(item: Item, called: Role | None) -> list[Role]:
    """The role that owns it where nobody was named, and the one that is called."""
    own = [Role(item.owner_role)] if item.owner_id == SYSTEM_ID else []
    return list(dict.fromkeys([*own, *([] if called is None else [called])]))


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
    tell(session, actor, item.item_id, item.version, at, action, event, **data)
