"""The use-cases of sharing: learning goes out, and is understood. Each runs in one transaction of the caller.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by the incident and cycle they speak about.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import and_, delete, exists, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.directory import PersonRecorded
from services.contracts.event import CaseData, EventData
from services.contracts.review import BriefingAcknowledged, BriefingReached, BriefingSent
from services.review.commands import SERVICE, Strict
from services.review.domain import STAFF
from services.review.sharing import domain, policy, store
from services.review.sharing.domain import MAX_OPTIONS, MAX_QUESTIONS
from services.review.sharing.store import (
    Acknowledgement,
    Briefing,
    BriefingLearning,
    BriefingLocation,
    BriefingPerson,
    HeldRole,
    Location,
    Person,
    visible_briefing,
)
from services.review.store import Review, latest_approved, learning
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.outbox import new_id


class AcknowledgeBriefing(Strict):
    """I read it, and this is my answer."""

    location_id: UUID = Field(description="Where you work: a location of the briefing's audience.")
    question: Annotated[int, Field(ge=0, lt=MAX_QUESTIONS)] | None = Field(
        default=None,
        description="`question_number` as you read it. Needed when the briefing has more than one question.",
    )
    answer: Annotated[int, Field(ge=0, lt=MAX_OPTIONS)] = Field(
        description="The place of your answer among the options, counted from 0."
    )


def record_change(
    session: Session, actor: Actor, briefing: Briefing, at: datetime, action: str, event: EventData | None, **data: Any
) -> None:
    """Append to the incident's chain and publish, if there is something to say. Data holds codes and digests only."""
    audit.append(
        session,
        SERVICE,
        chain=briefing.incident_id,
        actor=actor,
        action=action,
        subject=briefing.briefing_id,
        at=at,
        data={"cycle": briefing.cycle, **data},
    )
    if event is not None:
        if isinstance(event, CaseData):
            kind = session.get_one(Review, briefing.review_id).case_kind
            event = event.model_copy(update={"case_kind": kind})
        row = outbox.event_row(event, actor=actor, subject=briefing.briefing_id, version=briefing.version, at=at)
        outbox.record(session, SERVICE, row)


def send_briefing(
    session: Session, command: activities.SendBriefing, now: datetime, actor: Actor
) -> activities.BriefingPlan:
    """Send the approved learning to its audience. Once an incident and cycle: again answers the first.

    A cycle that began after reviewing shares what the review before it found. Raises 409 when no review was approved,
    or when the approved one has no briefing.
    """
    known = store.briefing_of(session, command.incident_id, command.cycle)
    if known is not None:
        return _briefing_plan(known)
    review = latest_approved(session, command.incident_id, command.cycle)
    if review is None:
        raise conflict("not-approved", "No review of this incident was approved", "Approve its review first.")
    if review.briefing is None:
        raise conflict("nothing-to-share", "The approved review has no briefing", "It says that none is needed.")
    draft = domain.read_draft(review.briefing)
    audience = store.audience_of(session, review, draft.audience)
    recall = policy.shipped().recall
    recall_at = now + timedelta(days=recall.after_days) if review.band in recall.bands else None
    briefing_id = new_id()
    sent = insert_new(
        session,
        Briefing,
        briefing_id=briefing_id,
        provider_id=actor.provider_id,
        incident_id=command.incident_id,
        cycle=command.cycle,
        review_id=review.review_id,
        summary=draft.summary,
        what_changes=draft.what_changes,
        for_whom=draft.for_whom,
        question=draft.question,
        options=draft.options,
        correct=draft.correct,
        explanation=draft.explanation,
        more_questions=[asdict(one) for one in draft.more_questions],
        audience_rule=asdict(draft.audience),
        audience=len(audience),
        understood=0,
        target_percent=review.briefing_target_percent,
        location_id=review.location_id,
        sent_at=now,
        recall_at=recall_at,
        recall_due_at=None if recall_at is None else recall_at + timedelta(days=recall.answer_days),
        due_at=add_working_days(now, review.briefing_working_days),
        version=1,
    )
    briefing = store.briefing_of(session, command.incident_id, command.cycle)
    assert briefing is not None
    if sent:
        session.execute(
            insert(BriefingLocation),
            [
                {
                    "briefing_id": briefing_id,
                    "location_id": location_id,
                    "provider_id": actor.provider_id,
                    "region_id": region_id,
                }
                for location_id, region_id in audience.items()
            ],
        )
        _share_learning(session, briefing, review.review_id, draft)
        people = _expect(session, briefing, now)
        record_change(
            session,
            actor,
            briefing,
            now,
            "briefing_sent",
            BriefingSent(
                incident_id=briefing.incident_id,
                briefing_id=briefing_id,
                cycle=briefing.cycle,
                audience=briefing.audience,
                target_percent=briefing.target_percent,
                due_at=briefing.due_at,
                follow_up_at=briefing.due_at if recall_at is None else min(briefing.due_at, recall_at),
            ),
            review_id=review.review_id,
            audience=briefing.audience,
            people=people,
            target_percent=briefing.target_percent,
            due_at=briefing.due_at,
        )
    return _briefing_plan(briefing)


def _briefing_plan(briefing: Briefing) -> activities.BriefingPlan:
    return activities.BriefingPlan(
        briefing_id=briefing.briefing_id, audience=briefing.audience, due_at=briefing.due_at, reminds_by_location=True
    )


def _share_learning(session: Session, briefing: Briefing, review_id: UUID, draft: domain.BriefingDraft) -> None:
    learned = [one for one in learning(session, review_id) if not draft.learning or one.place in draft.learning]
    if learned:
        session.execute(
            insert(BriefingLearning),
            [
                {
                    "briefing_id": briefing.briefing_id,
                    "learning_id": one.learning_id,
                    "provider_id": briefing.provider_id,
                }
                for one in learned
            ],
        )


def _expect(session: Session, briefing: Briefing, now: datetime, person_id: UUID | None = None) -> int:
    """Add those who work at a location of the audience to it, or one person. Answers how many were added."""
    weeks = timedelta(weeks=policy.shipped().new_starter_weeks)
    roles = briefing.audience_rule.get("roles") or sorted(STAFF)
    query = (
        select(HeldRole.location_id, HeldRole.role, Person)
        .join(Person, Person.person_id == HeldRole.person_id)
        .join(
            BriefingLocation,
            and_(
                BriefingLocation.briefing_id == briefing.briefing_id,
                BriefingLocation.location_id == HeldRole.location_id,
            ),
        )
        .where(Person.active, HeldRole.role.in_(roles))
        .order_by(Person.person_id, HeldRole.location_id, HeldRole.role)
    )
    if person_id is not None:
        query = query.where(Person.person_id == person_id)
    rows = {
        person.person_id: {
            "briefing_id": briefing.briefing_id,
            "person_id": person.person_id,
            "provider_id": briefing.provider_id,
            "location_id": location_id,
            "role": role,
            "shift": person.shift,
            "employment": person.employment,
            "new_starter": person.started_on is not None and person.started_on >= (briefing.sent_at - weeks).date(),
            "added_at": now,
        }
        for location_id, role, person in session.execute(query)
    }
    if not rows:
        return 0
    added = session.execute(
        upsert(BriefingPerson).values(list(rows.values())).on_conflict_do_nothing().returning(BriefingPerson.person_id)
    )
    return len(added.all())


def acknowledge_briefing(
    session: Session, actor: Actor, briefing_id: UUID, command: AcknowledgeBriefing, now: datetime
) -> Acknowledgement:
    """Keep one person's answer. The same answer again changes nothing; a wrong one may be corrected, a right one not (409).

    After a wrong answer the next question of the pool is asked. Answers wait for one another at the briefing's row, so
    that the one that reaches the target is known, once.
    """
    briefing = visible_briefing(session, actor, briefing_id, lock=True)
    location = store.location_of(session, actor, briefing_id, command.location_id)
    pool = pool_of(briefing)
    known = session.get(Acknowledgement, (briefing_id, actor.id))
    place = command.question if command.question is not None or len(pool) > 1 else 0
    if place is None or place >= len(pool):
        raise invalid("question", "is not a question of this briefing", "Give question_number as you read it.")
    if command.answer >= len(pool[place].options):
        raise invalid("answer", "is not the place of an option", "Give the place of your answer, counted from 0.")
    if known is not None and (known.question, known.answer) == (place, command.answer):
        return known
    if known is not None and known.understood:
        raise conflict(
            "already-acknowledged", "You have already answered this rightly", "Your first right answer stands."
        )
    if place != question_for(briefing, actor.id, known):
        raise conflict("another-question", "You are asked another question now", "Read the briefing again.")
    understood = command.answer == pool[place].correct
    if known is None:
        known = Acknowledgement(
            briefing_id=briefing_id, person_id=actor.id, provider_id=actor.provider_id, attempts=0, first_at=now
        )
        session.add(known)
    known.location_id, known.question = location.location_id, place
    known.answer, known.understood = command.answer, understood
    known.attempts, known.last_at = known.attempts + 1, now
    briefing.version += 1
    session.flush()
    record_change(
        session,
        actor,
        briefing,
        now,
        "briefing_acknowledged",
        BriefingAcknowledged(
            incident_id=briefing.incident_id,
            briefing_id=briefing_id,
            cycle=briefing.cycle,
            location_id=location.location_id,
            understood=understood,
        ),
        location_id=location.location_id,
        understood=understood,
        attempt=known.attempts,
    )
    if understood and location.understood_at is None:
        rule = domain.Audience(**briefing.audience_rule)
        people = store.expected_at(session, briefing_id, location.location_id)
        if domain.location_understood(True, people, rule):
            location.understood_at = now
            briefing.understood += 1
            _check_reach(session, actor, briefing, now)
    return known


def pool_of(briefing: Briefing) -> list[domain.Question]:
    """The questions of a briefing, the first one first."""
    first = domain.Question(briefing.question, briefing.options, briefing.correct, briefing.explanation)
    return [first, *(domain.Question(**one) for one in briefing.more_questions)]


def question_for(briefing: Briefing, person_id: UUID, known: Acknowledgement | None) -> int:
    """The question that is somebody's now: after a right answer the one they answered, else the next they draw."""
    if known is not None and known.understood:
        return known.question
    attempts = 0 if known is None else known.attempts
    return domain.draw(f"{briefing.briefing_id}:{person_id}", len(briefing.more_questions) + 1, attempts)


def _check_reach(session: Session, actor: Actor, briefing: Briefing, now: datetime) -> None:
    if briefing.reached_at is not None or not domain.is_reached(
        briefing.understood, briefing.audience, briefing.target_percent
    ):
        return
    briefing.reached_at = now
    percent = domain.reach_percent(briefing.understood, briefing.audience)
    record_change(
        session,
        actor,
        briefing,
        now,
        "briefing_reached",
        BriefingReached(
            incident_id=briefing.incident_id,
            briefing_id=briefing.briefing_id,
            cycle=briefing.cycle,
            reach_percent=percent,
        ),
        reach_percent=percent,
    )


def record_location(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a location that directory told of."""
    statement = upsert(Location).values(**values)
    changed = {name: values[name] for name in ("region_id", "name", "types", "active", "revision")}
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Location.location_id], set_=changed, where=Location.revision < values["revision"]
        )
    )


def record_person(session: Session, provider_id: UUID, event: PersonRecorded, now: datetime) -> None:
    """Keep how somebody works, and give them what was shared at their location in the last weeks.

    An older revision than the one known changes nothing.
    """
    values = event.model_dump(exclude={"roles", "leaves_on", "manager_id"})
    statement = upsert(Person).values(provider_id=provider_id, **values)
    newer = session.execute(
        statement.on_conflict_do_update(
            index_elements=[Person.person_id],
            set_={name: value for name, value in values.items() if name != "person_id"},
            where=Person.revision < event.revision,
        ).returning(Person.person_id)
    ).first()
    if newer is None:
        return
    session.execute(delete(HeldRole).where(HeldRole.person_id == event.person_id))
    held = {(one.location_id, one.role) for one in event.roles if one.location_id is not None}
    if not held:
        return
    session.execute(
        insert(HeldRole),
        [
            {"person_id": event.person_id, "location_id": location_id, "role": role, "provider_id": provider_id}
            for location_id, role in sorted(held, key=str)
        ],
    )
    recent = select(Briefing).where(
        Briefing.sent_at > now - timedelta(weeks=policy.shipped().new_starter_weeks),
        exists().where(
            BriefingLocation.briefing_id == Briefing.briefing_id,
            BriefingLocation.location_id.in_({location_id for location_id, _ in held}),
        ),
    )
    if event.active:
        for briefing in session.scalars(recent):
            _expect(session, briefing, now, event.person_id)
