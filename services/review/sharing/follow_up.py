"""What follows a briefing: proof of each route, returns of other locations, and whether people still know weeks later."""

from datetime import date, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.review import AdoptionAsked, AdoptionReturned, BriefingReminded, RecallMeasured
from services.contracts.taxonomy import Role, Shift
from services.review.commands import Strict
from services.review.sharing import domain, policy, store
from services.review.sharing.commands import pool_of, record_change
from services.review.sharing.domain import MAX_OPTIONS, AnswerKind, Route
from services.review.sharing.store import (
    Acknowledgement,
    AdoptionCheck,
    AdoptionReturn,
    Briefing,
    BriefingLocation,
    BriefingRoute,
    HeldRole,
    Person,
    Recall,
    SpotCheck,
    visible_briefing,
    visible_check,
)
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

Number = Annotated[int, Field(ge=0, le=100_000)]


class RecordRoute(Strict):
    """How the learning reached a team, with its proof."""

    location_id: UUID
    kind: Route
    held_on: date = Field(description="The day of the meeting, or the day it was handed on.")
    present: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="How many were there. Needed for a meeting, supervision or training."
    )
    reference: ShortText | None = Field(
        default=None, description="Where it can be found. Needed for guidance, a communication or an alert."
    )


class AskAdoption(Strict):
    """A question that every location to which the briefing went answers."""

    question: ShortText = Field(examples=["How many plug-in mats do you have?"])
    answer_kind: AnswerKind
    days: Annotated[int, Field(ge=1, le=90)] = Field(description="Calendar days until the answer is due.")


class ReturnAdoption(Strict):
    """What a location answers: a count, or whether it does what was agreed."""

    location_id: UUID
    count: Number | None = None
    adopted: bool | None = None
    comment: ShortText | None = None


class AnswerRecall(Strict):
    """The answer to a question that was asked again."""

    answer: Annotated[int, Field(ge=0, lt=MAX_OPTIONS)]


class RecordSpotCheck(Strict):
    """How many people were asked in person what they had learned, and how many could say."""

    location_id: UUID
    role: Role | None = None
    shift: Shift | None = None
    held_on: date
    asked: Annotated[int, Field(ge=1, le=10_000)]
    could_say: Number

    @model_validator(mode="after")
    def _no_more(self) -> Self:
        if self.could_say > self.asked:
            raise ValueError("could_say is more than were asked: correct one of them")
        return self


def record_route(
    session: Session, actor: Actor, briefing_id: UUID, command: RecordRoute, now: datetime
) -> BriefingRoute:
    """Keep that a briefing was talked about or handed on at a location. Without proof it is refused (422)."""
    briefing = visible_briefing(session, actor, briefing_id, lock=True)
    store.location_of(session, actor, briefing_id, command.location_id)
    _in_the_past(command.held_on, now)
    if command.kind.meets and command.present is None:
        raise invalid("present", "is missing", "Say how many people were there.")
    if not command.kind.meets and command.reference is None:
        raise invalid("reference", "is missing", "Say where it can be found, for example the number of the guidance.")
    route = BriefingRoute(
        route_id=new_id(),
        briefing_id=briefing_id,
        provider_id=actor.provider_id,
        recorded_by=actor.id,
        recorded_at=now,
        **command.model_dump(),
    )
    session.add(route)
    record_change(
        session,
        actor,
        briefing,
        now,
        "briefing_route_recorded",
        None,
        route_id=route.route_id,
        location_id=command.location_id,
        kind=command.kind,
        held_on=command.held_on,
        present=command.present,
        reference_sha256=None if command.reference is None else audit.digest(command.reference),
    )
    return route


def _in_the_past(day: date, now: datetime) -> None:
    if day > now.date():
        raise invalid("held_on", "is in the future", "Record it once it has taken place.")


def ask_adoption(
    session: Session, actor: Actor, briefing_id: UUID, command: AskAdoption, now: datetime
) -> AdoptionCheck:
    """Ask every location of a briefing; the clock runs, and the process reminds of what is missing."""
    briefing = visible_briefing(session, actor, briefing_id, lock=True)
    if briefing.ended_at is not None:
        raise conflict("briefing-ended", "This briefing has ended", "Its incident was withdrawn or is a duplicate.")
    check = AdoptionCheck(
        check_id=new_id(),
        briefing_id=briefing_id,
        provider_id=actor.provider_id,
        question=command.question,
        answer_kind=command.answer_kind,
        asked_by=actor.id,
        asked_at=now,
        due_at=now + timedelta(days=command.days),
        version=1,
    )
    session.add(check)
    briefing.version += 1
    session.flush()
    record_change(
        session,
        actor,
        briefing,
        now,
        "adoption_asked",
        AdoptionAsked(
            incident_id=briefing.incident_id,
            check_id=check.check_id,
            briefing_id=briefing_id,
            cycle=briefing.cycle,
            due_at=check.due_at,
        ),
        check_id=check.check_id,
        question_sha256=audit.digest(command.question),
        due_at=check.due_at,
    )
    return check


def return_adoption(
    session: Session, actor: Actor, check_id: UUID, command: ReturnAdoption, now: datetime
) -> AdoptionReturn:
    """Keep what a location answers, once (409). The last one closes the check."""
    check = visible_check(session, actor, check_id, lock=True)
    store.location_of(session, actor, check.briefing_id, command.location_id)
    wanted = "count" if check.answer_kind == AnswerKind.COUNT else "adopted"
    if getattr(command, wanted) is None:
        raise invalid(wanted, "is missing", "Answer what the check asks for.")
    if session.get(AdoptionReturn, (check_id, command.location_id)) is not None:
        raise conflict("already-returned", "This location has answered", "Its first answer stands.")
    returned = AdoptionReturn(
        check_id=check_id,
        provider_id=actor.provider_id,
        returned_by=actor.id,
        returned_at=now,
        **command.model_dump(),
    )
    session.add(returned)
    session.flush()
    left = len(store.missing(session, check))
    if left == 0:
        check.closed_at = now
    check.version += 1
    briefing = session.get_one(Briefing, check.briefing_id, with_for_update=True)
    briefing.version += 1
    record_change(
        session,
        actor,
        briefing,
        now,
        "adoption_returned",
        AdoptionReturned(
            incident_id=briefing.incident_id,
            check_id=check_id,
            briefing_id=briefing.briefing_id,
            cycle=briefing.cycle,
            location_id=command.location_id,
            missing=left,
        ),
        check_id=check_id,
        location_id=command.location_id,
        count=command.count,
        adopted=command.adopted,
        missing=left,
    )
    return returned


def answer_recall(session: Session, actor: Actor, briefing_id: UUID, command: AnswerRecall, now: datetime) -> Recall:
    """Keep the one answer of somebody who is asked again (409 for a second). Nobody else was asked (404)."""
    asked = session.get(Recall, (briefing_id, actor.id), with_for_update=True)
    if asked is None:
        raise not_found("question")
    briefing = session.get_one(Briefing, briefing_id, with_for_update=True)
    if asked.answered_at is not None or briefing.recall_closed_at is not None:
        raise conflict("already-answered", "This question waits for no answer", "It is asked once, until its day.")
    question = pool_of(briefing)[asked.question]
    if command.answer >= len(question.options):
        raise invalid("answer", "is not the place of an option", "Give the place of your answer, counted from 0.")
    asked.answer, asked.could_say, asked.answered_at = command.answer, command.answer == question.correct, now
    record_change(
        session, actor, briefing, now, "recall_answered", None, location_id=asked.location_id, could_say=asked.could_say
    )
    return asked


def record_spot_check(
    session: Session, actor: Actor, briefing_id: UUID, command: RecordSpotCheck, now: datetime
) -> SpotCheck:
    """Keep how many of those asked in person could say what they had learned."""
    briefing = visible_briefing(session, actor, briefing_id, lock=True)
    store.location_of(session, actor, briefing_id, command.location_id)
    _in_the_past(command.held_on, now)
    spot = SpotCheck(
        spot_check_id=new_id(),
        briefing_id=briefing_id,
        provider_id=actor.provider_id,
        recorded_by=actor.id,
        recorded_at=now,
        **command.model_dump(),
    )
    session.add(spot)
    record_change(
        session, actor, briefing, now, "spot_check_recorded", None, **command.model_dump(exclude={"role", "shift"})
    )
    return spot


def follow_up(
    session: Session, command: activities.FollowUpBriefing, now: datetime, actor: Actor
) -> activities.BriefingFollowUp:
    """What a briefing still waits for, and who is to be told now. Asked again it answers the same.

    Opens and closes the time in which people are asked again. A location where it is not understood by its day, or that
    owes a return: its manager is reminded, then the line above it is told.
    """
    briefing = session.get(Briefing, command.briefing_id, with_for_update=True)
    if briefing is None or briefing.ended_at is not None:
        return activities.BriefingFollowUp(next_at=None)
    tell, again = _recall(session, briefing, now, actor)
    more, next_at = _lagging(session, briefing, now, actor)
    tell += more
    if next_at is not None:
        again.append(next_at)
    for check in session.scalars(
        select(AdoptionCheck).where(
            AdoptionCheck.briefing_id == briefing.briefing_id, AdoptionCheck.closed_at.is_(None)
        )
    ):
        more, next_at = _owed(session, check, now)
        tell += more
        again.append(next_at)
    return activities.BriefingFollowUp(next_at=min(again, default=None), tell=tell)


def _lagging(
    session: Session, briefing: Briefing, now: datetime, actor: Actor
) -> tuple[list[activities.ToTell], datetime | None]:
    """Until enough locations have understood it, the line of each that has not is told, rung by rung."""
    if briefing.reached_at is not None:
        return [], None
    rules = policy.shipped().reach
    every = timedelta(days=rules.remind_days)
    count = domain.reminder(briefing.due_at, now, every)
    if count == 0:
        return [], briefing.due_at
    lagging = session.scalars(
        select(BriefingLocation)
        .where(BriefingLocation.briefing_id == briefing.briefing_id, BriefingLocation.understood_at.is_(None))
        .order_by(BriefingLocation.location_id)
    ).all()
    role = rules.rung(count)
    if any(one.reminders < count for one in lagging):
        for one in lagging:
            one.reminders, one.reminded_role, one.reminded_at = count, role, now
        briefing.version += 1
        session.flush()
        event = BriefingReminded(
            incident_id=briefing.incident_id, briefing_id=briefing.briefing_id, cycle=briefing.cycle, count=count,
            to_role=role, locations=[one.location_id for one in lagging], missing=len(lagging),
        )  # fmt: skip
        record_change(
            session, actor, briefing, now, "briefing_reminded", event, count=count, to_role=role, missing=len(lagging)
        )
    tell = [
        activities.ToTell(
            about=f"reach:{count}:{one.location_id}",
            role=role,
            location_id=one.location_id,
            urgent=role is not rules.line[0],
        )
        for one in lagging
    ]
    return tell, briefing.due_at + count * every


def _owed(session: Session, check: AdoptionCheck, now: datetime) -> tuple[list[activities.ToTell], datetime]:
    rules = policy.shipped().adoption
    every = timedelta(days=rules.remind_days)
    count = domain.reminder(check.due_at, now, every)
    if count == 0:
        return [], check.due_at
    role = Role.REGISTERED_MANAGER if count <= rules.reminders else Role.REGIONAL_MANAGER
    tell = [
        activities.ToTell(
            about=f"{check.check_id}:{count}:{location_id}",
            role=role,
            location_id=location_id,
            urgent=count > rules.reminders,
        )
        for location_id in store.missing(session, check)
    ]
    return tell, check.due_at + count * every


def _recall(
    session: Session, briefing: Briefing, now: datetime, actor: Actor
) -> tuple[list[activities.ToTell], list[datetime]]:
    if briefing.recall_at is None or briefing.recall_due_at is None:
        return [], []
    if briefing.recall_closed_at is not None:
        return _low(session, briefing), []
    if now < briefing.recall_at:
        return [], [briefing.recall_at]
    if briefing.recall_opened_at is None:
        _ask_again(session, briefing, now)
    if now < briefing.recall_due_at:
        waiting = session.scalars(
            select(Recall.person_id)
            .where(Recall.briefing_id == briefing.briefing_id, Recall.answered_at.is_(None))
            .order_by(Recall.person_id)
        )
        tell = [activities.ToTell(about=f"recall:{one}", person_id=one) for one in waiting]
        return tell, [briefing.recall_due_at]
    return _measure(session, briefing, now, actor), []


def _ask_again(session: Session, briefing: Briefing, now: datetime) -> None:
    rules = policy.shipped().recall
    still_here = select(Person.person_id).where(Person.active.is_(False))
    understood = {
        str(one.person_id): one
        for one in session.scalars(
            select(Acknowledgement).where(
                Acknowledgement.briefing_id == briefing.briefing_id,
                Acknowledgement.understood,
                Acknowledgement.person_id.not_in(still_here),
            )
        )
    }
    chosen = [
        understood[one]
        for one in domain.sample(f"{briefing.briefing_id}:recall", understood, rules.sample_percent, rules.at_least)
    ]
    pool = len(briefing.more_questions) + 1
    rows = []
    for one in chosen:
        person = session.get(Person, one.person_id)
        role = session.scalar(
            select(func.min(HeldRole.role)).where(
                HeldRole.person_id == one.person_id, HeldRole.location_id == one.location_id
            )
        )
        rows.append(
            {
                "briefing_id": briefing.briefing_id,
                "person_id": one.person_id,
                "provider_id": briefing.provider_id,
                "location_id": one.location_id,
                "role": role,
                "shift": None if person is None else person.shift,
                "question": domain.draw(f"{briefing.briefing_id}:{one.person_id}:recall", pool, 0),
                "asked_at": now,
            }
        )
    if rows:
        session.execute(insert(Recall), rows)
    briefing.recall_opened_at = now
    session.flush()


def _measure(session: Session, briefing: Briefing, now: datetime, actor: Actor) -> list[activities.ToTell]:
    """Close the time of asking. Whoever did not answer could not say."""
    target = policy.shipped().recall.target_percent
    asked, could_say = recalled(session, briefing.briefing_id)
    briefing.recall_closed_at = now
    briefing.version += 1
    session.flush()
    record_change(
        session,
        actor,
        briefing,
        now,
        "recall_measured",
        RecallMeasured(
            incident_id=briefing.incident_id,
            briefing_id=briefing.briefing_id,
            cycle=briefing.cycle,
            asked=asked,
            could_say=could_say,
            target_percent=target,
        ),
        asked=asked,
        could_say=could_say,
        target_percent=target,
    )
    return _low(session, briefing)


def _low(session: Session, briefing: Briefing) -> list[activities.ToTell]:
    asked, could_say = recalled(session, briefing.briefing_id)
    if asked and domain.is_reached(could_say, asked, policy.shipped().recall.target_percent):
        return []
    return [activities.ToTell(about="recall:low", role=Role.QUALITY_LEAD, location_id=briefing.location_id)]


def recalled(session: Session, briefing_id: UUID) -> tuple[int, int]:
    """How many were asked again, by the system or in person, and how many could say."""
    asked, could_say = session.execute(
        select(func.count(), func.count().filter(Recall.could_say.is_(True))).where(Recall.briefing_id == briefing_id)
    ).one()
    in_person, of_them = session.execute(
        select(func.coalesce(func.sum(SpotCheck.asked), 0), func.coalesce(func.sum(SpotCheck.could_say), 0)).where(
            SpotCheck.briefing_id == briefing_id
        )
    ).one()
    return asked + in_person, could_say + of_them


def end(session: Session, command: activities.EndReview, now: datetime) -> None:
    """Nothing more is waited for: the incident was withdrawn or is a duplicate. What was learned stays readable."""
    session.execute(
        update(Briefing)
        .where(Briefing.incident_id == command.incident_id, Briefing.ended_at.is_(None))
        .values(ended_at=now)
    )
