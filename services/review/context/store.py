"""What review knows of the circumstances of an incident, from intake's events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Text, exists, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import CaseKind
from services.review.context.domain import MOST_REPEATS, Fact
from services.review.domain import ReviewStatus
from services.review.holds.store import Hold
from services.review.store import Review, Table
from services.review.thematic.store import KnownIncident
from services.runtime.restriction import restriction_table


class Circumstance(Table):
    """That a fact holds of an incident by one of its subjects (an adult, an obligation); the highest revision counts."""

    __tablename__ = "circumstance"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    fact: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    revision: Mapped[int]
    holds: Mapped[bool]


class Described(Table):
    """To whom an incident happened: stand-ins of intake's, equal for equals, which tell nobody who it was."""

    __tablename__ = "described"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    people: Mapped[list[str]]
    revision: Mapped[int]


@dataclass(frozen=True)
class Context:
    """What is known of an incident beside its triage."""

    facts: frozenset[str]
    repeats: Mapping[str, int]
    """How many others of the type there were: at the location, of one of the people wherever, in the whole provider."""
    restricted: bool
    on_hold: bool


def keep_fact(
    session: Session, provider_id: UUID, incident_id: UUID, fact: Fact, subject_id: UUID, revision: int, holds: bool
) -> None:
    """Keep the newest word. An older revision than the one known changes nothing."""
    statement = insert(Circumstance).values(
        incident_id=incident_id, fact=fact, subject_id=subject_id, provider_id=provider_id,
        revision=revision, holds=holds,
    )  # fmt: skip
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["incident_id", "fact", "subject_id"],
            set_={"revision": revision, "holds": holds},
            where=Circumstance.revision < revision,
        )
    )


def keep_people(session: Session, provider_id: UUID, incident_id: UUID, people: Sequence[str], revision: int) -> None:
    """Keep to whom it happened. An older revision than the one known changes nothing."""
    statement = insert(Described).values(
        incident_id=incident_id, provider_id=provider_id, people=people, revision=revision
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["incident_id"],
            set_={"people": statement.excluded.people, "revision": revision},
            where=Described.revision < revision,
        )
    )


def context_of(
    session: Session, incident_id: UUID, location_id: UUID, category: str, *, now: datetime, within_days: int
) -> Context:
    """Everything in one query. A repeat is another known incident of the type that was not ended."""
    restricted = restriction_table("review")
    known = KnownIncident
    ended = exists().where(Review.incident_id == known.incident_id, Review.status == ReviewStatus.ENDED)
    theirs = select(Described.people).where(Described.incident_id == incident_id).scalar_subquery()
    which = {
        "at_location": known.location_id == location_id,
        "of_person": exists().where(Described.incident_id == known.incident_id, Described.people.op("&&")(theirs)),
        "at_provider": true(),
    }
    others = {
        where: select(literal(1).label("one"))
        .where(
            condition,
            known.category == category,
            known.incident_id != incident_id,
            known.occurred_at > now - timedelta(days=within_days),
            known.occurred_at <= now,
            ~ended,
        )
        .limit(MOST_REPEATS)
        .subquery()
        for where, condition in which.items()
    }
    facts = select(func.array_agg(Circumstance.fact, type_=ARRAY(Text))).where(
        Circumstance.incident_id == incident_id, Circumstance.holds
    )
    row = session.execute(
        select(
            facts.scalar_subquery().label("facts"),
            *(select(func.count()).select_from(one).scalar_subquery().label(where) for where, one in others.items()),
            exists().where(restricted.c.record_id == incident_id).label("restricted"),
            exists().where(Hold.incident_id == incident_id, Hold.lifted_at.is_(None)).label("on_hold"),
        )
    ).one()
    repeats = {where: int(getattr(row, where)) for where in which}
    return Context(frozenset(row.facts or ()), repeats, row.restricted, row.on_hold)


REPEAT_DAYS = 180


def is_repeat(session: Session, review: Review) -> bool:
    """Whether it is not the first of its type: a theme never is.

    Of an incident: when another happened at the place in the half year before, reviewed or not, or was reviewed there. One
    whose review was ended does not count.
    """
    if review.case_kind is CaseKind.THEME:
        return True
    since = timedelta(days=REPEAT_DAYS)
    reviewed = exists().where(
        Review.location_id == review.location_id,
        Review.category == review.category,
        Review.incident_id != review.incident_id,
        Review.status != ReviewStatus.ENDED,
        Review.opened_at <= review.opened_at,
        Review.opened_at > review.opened_at - since,
    )
    known = KnownIncident
    ended = exists().where(Review.incident_id == known.incident_id, Review.status == ReviewStatus.ENDED)
    happened = exists().where(
        known.location_id == review.location_id,
        known.category == review.category,
        known.incident_id != review.incident_id,
        known.occurred_at <= review.opened_at,
        known.occurred_at > review.opened_at - since,
        ~ended,
    )
    return bool(session.scalar(select(or_(reviewed, happened))))
