"""What sharing answers, by query. Every query is limited to the caller's scope."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role, Shift
from services.review.domain import STAFF
from services.review.sharing import domain, policy, store
from services.review.sharing.commands import pool_of, question_for
from services.review.sharing.store import (
    Acknowledgement,
    AdoptionCheck,
    AdoptionReturn,
    Briefing,
    BriefingLocation,
    BriefingPerson,
    BriefingRoute,
    HeldRole,
    Location,
    Person,
    Recall,
    SpotCheck,
    not_erased,
)
from services.review.store import Review
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.errors import not_found
from services.runtime.pagination import Page


class BriefingSummary(BaseModel):
    """A briefing in a list. `understood` is the caller's own answer, None while there is none.

    Where it happened is left out: other teams are to learn, not to guess who it was.
    """

    briefing_id: UUID
    incident_id: UUID
    cycle: int
    summary: str
    sent_at: datetime
    due_at: datetime
    reached_at: datetime | None
    understood: bool | None


class BriefingView(BriefingSummary):
    """A briefing as staff read it, with the question that is theirs, without the right answer."""

    what_changes: str
    for_whom: str | None
    question_number: int
    question: str
    options: list[str]


class AcknowledgementView(BaseModel):
    """The caller's answer to a briefing."""

    briefing_id: UUID
    location_id: UUID
    question: int
    answer: int
    understood: bool
    explanation: str | None
    attempts: int
    first_at: datetime
    last_at: datetime


class LocationReach(BaseModel):
    """How many people at a location are expected to know it, how many answered, and how many of them rightly.

    `reminded_role` is whoever of its line was told last that it is not understood there, after its day.
    """

    location_id: UUID
    expected: int
    acknowledged: int
    understood: int
    understood_at: datetime | None
    reminders: int
    reminded_role: Role | None
    reminded_at: datetime | None


class PeopleReach(BaseModel):
    """How many of a group of people are expected to know a briefing, and how many do."""

    name: str
    expected: int
    understood: int


class BriefingReach(BaseModel):
    """How far a briefing has come. `understood` counts locations, `people` and what follows those whom directory knows.

    The totals are those of the whole audience, `locations` the part that the caller may see.
    """

    briefing_id: UUID
    audience: int
    understood: int
    reach_percent: int
    target_percent: int
    due_at: datetime
    reached_at: datetime | None
    people: PeopleReach
    by_role: list[PeopleReach]
    by_shift: list[PeopleReach]
    by_employment: list[PeopleReach]
    new_starters: PeopleReach
    locations: Page[LocationReach]


class RouteView(BaseModel):
    """Proof that a briefing was talked about, or handed on, at a location."""

    route_id: UUID
    briefing_id: UUID
    location_id: UUID
    kind: domain.Route
    held_on: date
    present: int | None
    reference: str | None
    recorded_by: UUID
    recorded_at: datetime


class AdoptionReturnView(BaseModel):
    """What one location answered."""

    location_id: UUID
    count: int | None
    adopted: bool | None
    comment: str | None
    returned_by: UUID
    returned_at: datetime


class AdoptionView(BaseModel):
    """A question to the locations of a briefing. Returns and missing ones are those the caller may see, the rest all."""

    check_id: UUID
    briefing_id: UUID
    question: str
    answer_kind: domain.AnswerKind
    asked_at: datetime
    due_at: datetime
    closed_at: datetime | None
    locations: int
    returned: int
    total: int
    overdue: bool
    missing: list[UUID]
    returns: list[AdoptionReturnView]


class RecallQuestion(BaseModel):
    """A question that the caller is asked again."""

    briefing_id: UUID
    question: str
    options: list[str]
    asked_at: datetime
    due_at: datetime


class RecallAnswerView(BaseModel):
    """The caller's answer to a question that was asked again."""

    briefing_id: UUID
    could_say: bool
    answered_at: datetime


class SpotCheckView(BaseModel):
    """People at a location who were asked in person."""

    spot_check_id: UUID
    briefing_id: UUID
    location_id: UUID
    role: Role | None
    shift: Shift | None
    asked: int
    could_say: int
    held_on: date


class Recalled(BaseModel):
    """How many of a group were asked again, and how many could say. A place is named by its id."""

    name: str
    asked: int
    could_say: int


class RecallView(BaseModel):
    """What people still know weeks later. Locations are those the caller may see, the rest counts all.

    While it is open, whoever has not answered yet counts as asked.
    """

    briefing_id: UUID
    asked: int
    could_say: int
    percent: int | None
    target_percent: int
    planned_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    by_location: list[Recalled]
    by_role: list[Recalled]
    by_shift: list[Recalled]


class IdentifyingView(BaseModel):
    """Something in a briefing that may tell who it was; `quote` is the writer's own words."""

    field: str
    sign: domain.Sign
    quote: str
    message: str


class BriefingPreview(BaseModel):
    """A briefing before it is sent: how wide it goes, and what in it may tell who it was."""

    locations: int
    people: int
    identifying: list[IdentifyingView]


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def briefings(
    session: Session, actor: Actor, *, is_open: bool | None, limit: int, cursor: str | None
) -> Page[BriefingSummary]:
    """Briefings that went to a location in scope, newest first. Open ones still wait for the caller's right answer."""
    reaches = exists().where(
        BriefingLocation.briefing_id == Briefing.briefing_id,
        actor.scope(BriefingLocation.location_id, BriefingLocation.region_id),
    )
    mine = and_(Acknowledgement.briefing_id == Briefing.briefing_id, Acknowledgement.person_id == actor.id)
    query = (
        select(Briefing, Acknowledgement.understood)
        .outerjoin(Acknowledgement, mine)
        .where(Briefing.provider_id == actor.provider_id, reaches, not_erased())
        .order_by(Briefing.briefing_id.desc())
        .limit(limit + 1)
    )
    if is_open is not None:
        query = query.where(func.coalesce(Acknowledgement.understood, False) != is_open)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Briefing.briefing_id < after)
    rows = session.execute(query).all()
    items = [
        BriefingSummary.model_validate({**_columns(BriefingSummary, briefing), "understood": understood})
        for briefing, understood in rows[:limit]
    ]
    return Page(items=items, next=pagination.encode(items[-1].briefing_id) if len(rows) > limit else None)


def briefing_view(session: Session, actor: Actor, briefing: Briefing) -> BriefingView:
    """A briefing as the caller reads it."""
    mine = session.get(Acknowledgement, (briefing.briefing_id, actor.id))
    place = question_for(briefing, actor.id, mine)
    asked = pool_of(briefing)[place]
    return BriefingView.model_validate(
        {
            **_columns(BriefingView, briefing),
            "understood": None if mine is None else mine.understood,
            "question_number": place,
            "question": asked.question,
            "options": asked.options,
        }
    )


def acknowledgement(session: Session, row: Acknowledgement) -> AcknowledgementView:
    """The caller's answer; a wrong one with what explains it."""
    briefing = session.get_one(Briefing, row.briefing_id)
    explanation = None if row.understood else pool_of(briefing)[row.question].explanation
    return AcknowledgementView.model_validate({**_columns(AcknowledgementView, row), "explanation": explanation})


def preview(session: Session, review: Review) -> BriefingPreview:
    """What sending the briefing of a review, as it stands, would mean."""
    if review.briefing is None:
        raise not_found("briefing")
    draft = domain.read_draft(review.briefing)
    audience = store.audience_of(session, review, draft.audience)
    people = select(func.count(HeldRole.person_id.distinct())).join(Person, Person.person_id == HeldRole.person_id)
    people = people.where(
        HeldRole.location_id.in_(audience), HeldRole.role.in_(draft.audience.roles or sorted(STAFF)), Person.active
    )
    place = session.get(Location, review.location_id)
    return BriefingPreview(
        locations=len(audience),
        people=session.scalar(people) or 0,
        identifying=[
            IdentifyingView(field=field, sign=sign, quote=quote, message=f"holds {sign.words}")
            for field, sign, quote in domain.identifying(draft, None if place is None else place.name)
        ],
    )


def reach(session: Session, actor: Actor, briefing: Briefing, *, limit: int, cursor: str | None) -> BriefingReach:
    """How far a briefing has come, with its locations in scope."""
    query = (
        select(BriefingLocation)
        .where(BriefingLocation.briefing_id == briefing.briefing_id)
        .where(actor.scope(BriefingLocation.location_id, BriefingLocation.region_id))
        .order_by(BriefingLocation.location_id)
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(BriefingLocation.location_id > after)
    rows = session.scalars(query).all()
    shown = [row.location_id for row in rows[:limit]]
    answers = {
        location_id: (acknowledged, understood)
        for location_id, acknowledged, understood in session.execute(
            select(
                Acknowledgement.location_id,
                func.count(),
                func.count().filter(Acknowledgement.understood),
            )
            .where(Acknowledgement.briefing_id == briefing.briefing_id, Acknowledgement.location_id.in_(shown))
            .group_by(Acknowledgement.location_id)
        )
    }
    expected = {
        row.location_id: row.number
        for row in session.execute(
            select(BriefingPerson.location_id, func.count().label("number"))
            .join(Person, and_(Person.person_id == BriefingPerson.person_id, Person.active))
            .where(BriefingPerson.briefing_id == briefing.briefing_id, BriefingPerson.location_id.in_(shown))
            .group_by(BriefingPerson.location_id)
        )
    }
    items = [
        LocationReach(
            **_columns(LocationReach, row),
            expected=expected.get(row.location_id, 0),
            acknowledged=answers.get(row.location_id, (0, 0))[0],
            understood=answers.get(row.location_id, (0, 0))[1],
        )
        for row in rows[:limit]
    ]
    return BriefingReach(
        **_columns(BriefingReach, briefing),
        **_people_reach(session, briefing.briefing_id),
        reach_percent=domain.reach_percent(briefing.understood, briefing.audience),
        locations=Page(items=items, next=pagination.encode(items[-1].location_id) if len(rows) > limit else None),
    )


def _people_reach(session: Session, briefing_id: UUID) -> dict[str, Any]:
    mine = and_(
        Acknowledgement.briefing_id == BriefingPerson.briefing_id,
        Acknowledgement.person_id == BriefingPerson.person_id,
    )
    query = (
        select(BriefingPerson, Acknowledgement.understood)
        .join(Person, and_(Person.person_id == BriefingPerson.person_id, Person.active))
        .outerjoin(Acknowledgement, mine)
        .where(BriefingPerson.briefing_id == briefing_id)
    )
    people = [(person, bool(understood)) for person, understood in session.execute(query)]

    def part(name: str, fits: Callable[[BriefingPerson], bool]) -> PeopleReach:
        of = [understood for person, understood in people if fits(person)]
        return PeopleReach(name=name, expected=len(of), understood=sum(of))

    def parts(value: Callable[[BriefingPerson], str | None]) -> list[PeopleReach]:
        names = sorted({value(person) or "not_known" for person, _ in people})
        return [part(name, lambda person, name=name: (value(person) or "not_known") == name) for name in names]  # type: ignore[misc]

    return {
        "people": part("all", lambda _: True),
        "by_role": parts(lambda person: person.role),
        "by_shift": parts(lambda person: person.shift),
        "by_employment": parts(lambda person: person.employment),
        "new_starters": part("new_starters", lambda person: person.new_starter),
    }


def route_view(row: BriefingRoute) -> RouteView:
    """One proof."""
    return RouteView.model_validate(_columns(RouteView, row))


def routes(session: Session, actor: Actor, briefing: Briefing, *, limit: int, cursor: str | None) -> Page[RouteView]:
    """The proofs of a briefing at locations in scope, oldest first."""
    query = (
        select(BriefingRoute)
        .join(
            BriefingLocation,
            and_(
                BriefingLocation.briefing_id == BriefingRoute.briefing_id,
                BriefingLocation.location_id == BriefingRoute.location_id,
            ),
        )
        .where(BriefingRoute.briefing_id == briefing.briefing_id)
        .where(actor.scope(BriefingLocation.location_id, BriefingLocation.region_id))
        .order_by(BriefingRoute.route_id)
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(BriefingRoute.route_id > after)
    rows = list(session.scalars(query))
    items = [route_view(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].route_id) if len(rows) > limit else None)


def adoption_view(session: Session, actor: Actor, check: AdoptionCheck, now: datetime) -> AdoptionView:
    """A check with what came back and what is missing."""
    briefing = session.get_one(Briefing, check.briefing_id)
    returns = list(
        session.scalars(
            select(AdoptionReturn).where(AdoptionReturn.check_id == check.check_id).order_by(AdoptionReturn.location_id)
        )
    )
    places = {
        row.location_id: row.region_id
        for row in session.execute(
            select(BriefingLocation.location_id, BriefingLocation.region_id).where(
                BriefingLocation.briefing_id == briefing.briefing_id
            )
        )
    }
    return AdoptionView(
        **_columns(AdoptionView, check),
        locations=len(places),
        returned=len(returns),
        total=sum(one.count or 0 for one in returns),
        overdue=check.closed_at is None and now >= check.due_at,
        missing=[place for place, region in store.missing(session, check).items() if actor.sees(place, region)],
        returns=[
            AdoptionReturnView.model_validate(_columns(AdoptionReturnView, one))
            for one in returns
            if actor.sees(one.location_id, places[one.location_id])
        ],
    )


def adoption_checks(
    session: Session, actor: Actor, briefing: Briefing, now: datetime, *, limit: int, cursor: str | None
) -> Page[AdoptionView]:
    """The checks of a briefing, oldest first."""
    query = (
        select(AdoptionCheck)
        .where(AdoptionCheck.briefing_id == briefing.briefing_id)
        .order_by(AdoptionCheck.check_id)
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(AdoptionCheck.check_id > after)
    rows = list(session.scalars(query))
    items = [adoption_view(session, actor, row, now) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].check_id) if len(rows) > limit else None)


def return_view(row: AdoptionReturn) -> AdoptionReturnView:
    """One location's answer."""
    return AdoptionReturnView.model_validate(_columns(AdoptionReturnView, row))


def recall_questions(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[RecallQuestion]:
    """What the caller is asked again and has not answered."""
    query = (
        select(Recall, Briefing)
        .join(Briefing, Briefing.briefing_id == Recall.briefing_id)
        .where(Recall.person_id == actor.id, Recall.answered_at.is_(None), Briefing.recall_closed_at.is_(None))
        .order_by(Recall.briefing_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Recall.briefing_id < after)
    rows = session.execute(query).all()
    items = []
    for asked, briefing in rows[:limit]:
        question = pool_of(briefing)[asked.question]
        items.append(
            RecallQuestion(
                briefing_id=briefing.briefing_id,
                question=question.question or "",
                options=list(question.options),
                asked_at=asked.asked_at,
                due_at=briefing.recall_due_at or asked.asked_at,
            )
        )
    return Page(items=items, next=pagination.encode(items[-1].briefing_id) if len(rows) > limit else None)


def recall_answer(row: Recall) -> RecallAnswerView:
    """The caller's answer."""
    return RecallAnswerView.model_validate(_columns(RecallAnswerView, row))


def spot_check_view(row: SpotCheck) -> SpotCheckView:
    """One round of asking in person."""
    return SpotCheckView.model_validate(_columns(SpotCheckView, row))


def recall_view(session: Session, actor: Actor, briefing: Briefing) -> RecallView:
    """What people still know, in all and by location, role and shift."""
    asked = [
        (one.location_id, one.role, one.shift, 1, int(bool(one.could_say)))
        for one in session.scalars(select(Recall).where(Recall.briefing_id == briefing.briefing_id))
    ]
    asked += [
        (one.location_id, one.role, one.shift, one.asked, one.could_say)
        for one in session.scalars(select(SpotCheck).where(SpotCheck.briefing_id == briefing.briefing_id))
    ]
    seen = set(
        session.scalars(
            select(BriefingLocation.location_id)
            .where(BriefingLocation.briefing_id == briefing.briefing_id)
            .where(actor.scope(BriefingLocation.location_id, BriefingLocation.region_id))
        )
    )

    def by(name: Callable[[tuple[UUID, str | None, str | None, int, int]], str | None]) -> list[Recalled]:
        names = sorted({name(row) or "not_known" for row in asked})
        return [
            Recalled(
                name=one,
                asked=sum(row[3] for row in asked if (name(row) or "not_known") == one),
                could_say=sum(row[4] for row in asked if (name(row) or "not_known") == one),
            )
            for one in names
        ]

    number, could_say = sum(row[3] for row in asked), sum(row[4] for row in asked)
    return RecallView(
        briefing_id=briefing.briefing_id,
        asked=number,
        could_say=could_say,
        percent=domain.reach_percent(could_say, number) if number else None,
        target_percent=policy.shipped().recall.target_percent,
        planned_at=briefing.recall_at,
        opened_at=briefing.recall_opened_at,
        closed_at=briefing.recall_closed_at,
        by_location=[one for one in by(lambda row: str(row[0])) if UUID(one.name) in seen],
        by_role=by(lambda row: row[1]),
        by_shift=by(lambda row: row[2]),
    )
