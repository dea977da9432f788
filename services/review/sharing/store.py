"""The tables of sharing and the few queries its use-cases need."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, and_, cast, exists, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.identity import EVERYWHERE
from services.contracts.taxonomy import Employment, Shift
from services.review.domain import Audience
from services.review.sharing import domain
from services.review.store import Review, Table
from services.runtime.actor import Actor
from services.runtime.errors import invalid, not_found


class Location(Table):
    """What review knows of a location, from directory's events."""

    __tablename__ = "location"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    name: Mapped[str | None]
    types: Mapped[list[str]]
    active: Mapped[bool]
    revision: Mapped[int]


class Person(Table):
    """How somebody works, from directory's events. No name."""

    __tablename__ = "person"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    active: Mapped[bool]
    shift: Mapped[str | None]
    employment: Mapped[str | None]
    started_on: Mapped[date | None]
    revision: Mapped[int]


class HeldRole(Table):
    """A role that somebody holds at one location; who covers a region is nobody's colleague there."""

    __tablename__ = "held_role"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]


class Briefing(Table):
    """Approved learning on its way to other teams. `understood` counts locations, not people.

    `incident_id` is the case it belongs to. `audience_rule` is what the writer added to the policy's audience.
    """

    __tablename__ = "briefing"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    review_id: Mapped[UUID | None]
    summary: Mapped[str]
    what_changes: Mapped[str]
    question: Mapped[str]
    options: Mapped[list[str]]
    correct: Mapped[int]
    explanation: Mapped[str | None]
    for_whom: Mapped[str | None]
    more_questions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    audience_rule: Mapped[dict[str, Any]]
    audience: Mapped[int]
    understood: Mapped[int]
    target_percent: Mapped[int]
    location_id: Mapped[UUID | None]
    sent_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reached_at: Mapped[datetime | None]
    recall_at: Mapped[datetime | None]
    recall_due_at: Mapped[datetime | None]
    recall_opened_at: Mapped[datetime | None]
    recall_closed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int]


class BriefingLocation(Table):
    """A location in the audience, when it first counted as reached, and who of its line was told that it does not."""

    __tablename__ = "briefing_location"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    understood_at: Mapped[datetime | None]
    reminders: Mapped[int]
    reminded_role: Mapped[str | None]
    reminded_at: Mapped[datetime | None]


class BriefingLearning(Table):
    """Learning that a briefing shares."""

    __tablename__ = "briefing_learning"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    learning_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]


class BriefingPerson(Table):
    """Somebody of whom it is expected to know a briefing, and how they worked when it reached them."""

    __tablename__ = "briefing_person"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    role: Mapped[str]
    shift: Mapped[str | None]
    employment: Mapped[str | None]
    new_starter: Mapped[bool]
    added_at: Mapped[datetime]


class Acknowledgement(Table):
    """One person's answer to a briefing's question; a wrong one may be corrected, with another question of the pool."""

    __tablename__ = "acknowledgement"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    question: Mapped[int]
    answer: Mapped[int]
    understood: Mapped[bool]
    attempts: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class BriefingRoute(Table):
    """Proof that a briefing was talked about, or handed on, at a location."""

    __tablename__ = "briefing_route"

    route_id: Mapped[UUID] = mapped_column(primary_key=True)
    briefing_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    kind: Mapped[str]
    held_on: Mapped[date]
    present: Mapped[int | None]
    reference: Mapped[str | None]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class AdoptionCheck(Table):
    """A question that every location of a briefing answers. `closed_at`: all have."""

    __tablename__ = "adoption_check"

    check_id: Mapped[UUID] = mapped_column(primary_key=True)
    briefing_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    question: Mapped[str]
    answer_kind: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    version: Mapped[int]


class AdoptionReturn(Table):
    """What one location answered."""

    __tablename__ = "adoption_return"

    check_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    count: Mapped[int | None]
    adopted: Mapped[bool | None]
    comment: Mapped[str | None]
    returned_by: Mapped[UUID]
    returned_at: Mapped[datetime]


class Recall(Table):
    """A question that somebody who had understood is asked again."""

    __tablename__ = "recall"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    role: Mapped[str | None]
    shift: Mapped[str | None]
    question: Mapped[int]
    asked_at: Mapped[datetime]
    answer: Mapped[int | None]
    could_say: Mapped[bool | None]
    answered_at: Mapped[datetime | None]


class SpotCheck(Table):
    """People at a location were asked in person what they had learned."""

    __tablename__ = "spot_check"

    spot_check_id: Mapped[UUID] = mapped_column(primary_key=True)
    briefing_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    role: Mapped[str | None]
    shift: Mapped[str | None]
    asked: Mapped[int]
    could_say: Mapped[int]
    held_on: Mapped[date]
    recorded_by: Mapped[UUID]
    recorded_at: Mapped[datetime]


class Improvement(Table):
    """How far an action is that answers a case, from the events of actions."""

    __tablename__ = "improvement"

    action_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    strength: Mapped[str | None]
    state: Mapped[str]
    at: Mapped[datetime]
    revision: Mapped[int]


class Effect(Table):
    """What a person decided that the actions of a cycle achieved."""

    __tablename__ = "effect"

    checkpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    verdict: Mapped[str]
    at: Mapped[datetime]
    revision: Mapped[int]


class Supervision(Table):
    """That two people reflected on what was learned, when, and on which briefings. Nothing of what was said."""

    __tablename__ = "supervision"

    supervision_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    supervisor_id: Mapped[UUID]
    worker_id: Mapped[UUID]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    held_on: Mapped[date]
    next_on: Mapped[date | None]
    topics: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    recorded_at: Mapped[datetime]


class SupervisionContent(Table):
    """What was said, for the two people only."""

    __tablename__ = "supervision_content"

    supervision_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    reflections: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    agreed: Mapped[str | None]


def not_erased() -> ColumnElement[bool]:
    """The condition for briefings whose words are there: those of an erased incident are not, and nobody is shown them."""
    return Briefing.summary != ""


def visible_briefing(session: Session, actor: Actor, briefing_id: UUID, *, lock: bool = False) -> Briefing:
    """The briefing if a location of its audience is in the actor's scope, else 404. `lock` as for a review."""
    briefing = session.get(Briefing, briefing_id, with_for_update=True if lock else None)
    reaches = exists().where(
        BriefingLocation.briefing_id == briefing_id,
        actor.scope(BriefingLocation.location_id, BriefingLocation.region_id),
    )
    if briefing is None or briefing.summary == "" or not session.scalar(select(reaches)):
        raise not_found("briefing")
    return briefing


def briefing_of(session: Session, incident_id: UUID, cycle: int) -> Briefing | None:
    """The briefing of an incident in a cycle."""
    return session.scalars(select(Briefing).where(Briefing.incident_id == incident_id, Briefing.cycle == cycle)).first()


def audience_of(session: Session, review: Review, rule: domain.Audience) -> dict[UUID, UUID | None]:
    """The locations a briefing goes to, with their regions: the review's own, and the active ones in its audience.

    A location whose type is not known is not left out.
    """
    query = select(Location.location_id, Location.region_id).where(Location.provider_id == review.provider_id)
    policy = Audience(review.briefing_audience)
    regions = {UUID(one) for one in rule.regions}
    if policy is Audience.REGION and review.region_id is not None:
        regions.add(review.region_id)
    if not (rule.everywhere or policy is Audience.PROVIDER):
        query = query.where(Location.region_id.in_(regions))
    query = query.where(Location.active)
    if rule.location_types:
        wanted = cast(list(rule.location_types), ARRAY(Text))
        query = query.where(or_(func.cardinality(Location.types) == 0, Location.types.op("&&")(wanted)))
    others = {row.location_id: row.region_id for row in session.execute(query)}
    if review.location_id == EVERYWHERE:
        return others  # a theme's review is of no single place
    return {review.location_id: review.region_id} | others


def location_of(session: Session, actor: Actor, briefing_id: UUID, location_id: UUID) -> BriefingLocation:
    """A location of the briefing in the actor's scope, else 422."""
    location = session.get(BriefingLocation, (briefing_id, location_id))
    if location is None or not actor.sees(location.location_id, location.region_id):
        raise invalid(
            "location_id",
            "is not a location of this briefing at which you work",
            "Give a location to which the briefing went and for which you work.",
        )
    return location


def visible_check(session: Session, actor: Actor, check_id: UUID, *, lock: bool = False) -> AdoptionCheck:
    """The adoption check if its briefing is the actor's to see, else 404. `lock` as for a review."""
    check = session.get(AdoptionCheck, check_id, with_for_update=True if lock else None)
    if check is None:
        raise not_found("adoption check")
    visible_briefing(session, actor, check.briefing_id)
    return check


def missing(session: Session, check: AdoptionCheck) -> dict[UUID, UUID | None]:
    """The locations that have not answered, with their regions."""
    returned = select(AdoptionReturn.location_id).where(AdoptionReturn.check_id == check.check_id)
    query = (
        select(BriefingLocation.location_id, BriefingLocation.region_id)
        .where(BriefingLocation.briefing_id == check.briefing_id, BriefingLocation.location_id.not_in(returned))
        .order_by(BriefingLocation.location_id)
    )
    return {row.location_id: row.region_id for row in session.execute(query)}


def expected_at(session: Session, briefing_id: UUID, location_id: UUID) -> list[domain.Expected]:
    """Those of the audience who still work here, at one location."""
    query = (
        select(BriefingPerson, Acknowledgement.understood)
        .join(Person, and_(Person.person_id == BriefingPerson.person_id, Person.active))
        .outerjoin(
            Acknowledgement,
            and_(
                Acknowledgement.briefing_id == BriefingPerson.briefing_id,
                Acknowledgement.person_id == BriefingPerson.person_id,
            ),
        )
        .where(BriefingPerson.briefing_id == briefing_id, BriefingPerson.location_id == location_id)
    )
    return [domain.Expected(bool(understood), groups_of(person)) for person, understood in session.execute(query)]


def groups_of(person: BriefingPerson) -> set[domain.Group]:
    """Which groups somebody belongs to."""
    belongs = {
        domain.Group.NIGHTS: person.shift == Shift.NIGHT,
        domain.Group.BANK_AND_AGENCY: person.employment in (Employment.BANK, Employment.AGENCY),
        domain.Group.NEW_STARTERS: person.new_starter,
    }
    return {group for group, does in belongs.items() if does}
