"""The tables of sharing and the few queries its use-cases need."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.review.domain import Audience
from services.review.store import Review, Table
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class Location(Table):
    """What review knows of a location, from directory's events."""

    __tablename__ = "location"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    active: Mapped[bool]
    revision: Mapped[int]


class Briefing(Table):
    """Approved learning on its way to other teams. `understood` counts locations, not people."""

    __tablename__ = "briefing"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    review_id: Mapped[UUID]
    summary: Mapped[str]
    what_changes: Mapped[str]
    question: Mapped[str]
    options: Mapped[list[str]]
    correct: Mapped[int]
    audience: Mapped[int]
    understood: Mapped[int]
    target_percent: Mapped[int]
    sent_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reached_at: Mapped[datetime | None]
    version: Mapped[int]


class BriefingLocation(Table):
    """A location in the audience, and when somebody there first understood."""

    __tablename__ = "briefing_location"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    understood_at: Mapped[datetime | None]


class Acknowledgement(Table):
    """One person's answer to a briefing's question; a wrong one may be corrected."""

    __tablename__ = "acknowledgement"

    briefing_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    answer: Mapped[int]
    understood: Mapped[bool]
    attempts: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


def visible_briefing(session: Session, actor: Actor, briefing_id: UUID, *, lock: bool = False) -> Briefing:
    """The briefing if a location of its audience is in the actor's scope, else 404. `lock` as for a review."""
    briefing = session.get(Briefing, briefing_id, with_for_update=True if lock else None)
    reaches = exists().where(
        BriefingLocation.briefing_id == briefing_id,
        actor.scope(BriefingLocation.location_id, BriefingLocation.region_id),
    )
    if briefing is None or not session.scalar(select(reaches)):
        raise not_found("briefing")
    return briefing


def briefing_of(session: Session, incident_id: UUID, cycle: int) -> Briefing | None:
    """The briefing of an incident in a cycle."""
    return session.scalars(select(Briefing).where(Briefing.incident_id == incident_id, Briefing.cycle == cycle)).first()


def audience_of(session: Session, review: Review) -> dict[UUID, UUID | None]:
    """The locations a briefing goes to, with their regions: the review's own, and the active ones in its audience."""
    query = select(Location.location_id, Location.region_id).where(Location.provider_id == review.provider_id)
    audience = Audience(review.briefing_audience)
    if audience is Audience.PROVIDER:
        query = query.where(Location.active)
    elif audience is Audience.REGION and review.region_id is not None:
        query = query.where(Location.region_id == review.region_id, Location.active)
    else:
        query = query.where(Location.location_id == review.location_id)
    others = {row.location_id: row.region_id for row in session.execute(query)}
    return {review.location_id: review.region_id} | others
