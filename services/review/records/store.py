"""The tables of the records and the few queries their use-cases need."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.review.domain import Participant
from services.review.records.domain import Approach, Contributed, Involvement, Kept, Outcome, Who
from services.review.store import Table


class Terms(Table):
    """What a review is to find out, and what lies within its scope."""

    __tablename__ = "terms"

    review_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    to_find_out: Mapped[str]
    scope: Mapped[str | None]
    covers_from: Mapped[datetime | None]
    covers_until: Mapped[datetime | None]
    left_out: Mapped[str | None]
    agreed_with: Mapped[str | None]
    agreed_on: Mapped[date | None]
    written_by: Mapped[UUID]
    written_at: Mapped[datetime]
    version: Mapped[int]


class TimelineEntry(Table):
    """One event of the timeline. `analysis` is kept apart from what happened."""

    __tablename__ = "timeline_entry"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    review_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    at: Mapped[datetime]
    what: Mapped[str]
    nature: Mapped[str]
    source: Mapped[str]
    source_detail: Mapped[str | None]
    analysis: Mapped[str | None]
    marks: Mapped[str | None]
    withdrawn_reason: Mapped[str | None]
    written_by: Mapped[UUID]
    written_at: Mapped[datetime]
    version: Mapped[int]


class Involved(Table):
    """Somebody involved, by reference or role: whether they were asked, what they ask and say, what they were told."""

    __tablename__ = "involved"

    involved_id: Mapped[UUID] = mapped_column(primary_key=True)
    review_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    who: Mapped[str]
    reference: Mapped[str]
    part: Mapped[str | None]
    approach: Mapped[str]
    asked_at: Mapped[datetime | None]
    asked_how: Mapped[str | None]
    reason: Mapped[str | None]
    questions: Mapped[str | None]
    account: Mapped[str | None]
    account_given: Mapped[str | None]
    told: Mapped[list[dict[str, Any]]]
    withdrawn_reason: Mapped[str | None]
    written_by: Mapped[UUID]
    written_at: Mapped[datetime]
    version: Mapped[int]


class Contribution(Table):
    """Somebody who is asked to contribute, and what they said. With a `person_id` they may say it themselves."""

    __tablename__ = "contribution"

    contribution_id: Mapped[UUID] = mapped_column(primary_key=True)
    review_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    part: Mapped[str]
    person_id: Mapped[UUID | None]
    described: Mapped[str | None]
    how: Mapped[str]
    asks: Mapped[str | None]
    outcome: Mapped[str]
    reason: Mapped[str | None]
    said: Mapped[str | None]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    said_by: Mapped[UUID | None]
    contributed_at: Mapped[datetime | None]
    written_by: Mapped[UUID]
    written_at: Mapped[datetime]
    version: Mapped[int]


def timeline(session: Session, review_id: UUID) -> Sequence[TimelineEntry]:
    """The entries by when they happened."""
    query = select(TimelineEntry).where(TimelineEntry.review_id == review_id)
    return session.scalars(query.order_by(TimelineEntry.at, TimelineEntry.entry_id)).all()


def involved(session: Session, review_id: UUID) -> Sequence[Involved]:
    """The people involved as they were entered."""
    query = select(Involved).where(Involved.review_id == review_id)
    return session.scalars(query.order_by(Involved.involved_id)).all()


def contributions(session: Session, review_id: UUID) -> Sequence[Contribution]:
    """Who was asked, first to last."""
    query = select(Contribution).where(Contribution.review_id == review_id)
    return session.scalars(query.order_by(Contribution.contribution_id)).all()


def kept(session: Session, review_id: UUID) -> Kept:
    """Which records a review has; what was withdrawn does not count."""
    return Kept(
        terms=session.get(Terms, review_id) is not None,
        timeline=sum(row.withdrawn_reason is None for row in timeline(session, review_id)),
        involved=[
            Involvement(Who(row.who), Approach(row.approach), row.account is not None or row.questions is not None)
            for row in involved(session, review_id)
            if row.withdrawn_reason is None
        ],
        contributed=[
            Contributed(Participant(row.part), Outcome(row.outcome)) for row in contributions(session, review_id)
        ],
    )


def content(session: Session, review_id: UUID) -> dict[str, Any]:
    """Everything people wrote in the records, as a submission keeps it; by id, so that a change is found again."""
    terms = session.get(Terms, review_id)
    return {
        "terms": None if terms is None else _said(terms),
        "timeline": {str(row.entry_id): _said(row) for row in timeline(session, review_id)},
        "people": {str(row.involved_id): _said(row) for row in involved(session, review_id)},
        "contributions": {str(row.contribution_id): _said(row) for row in contributions(session, review_id)},
    }


_NOT_SAID = frozenset({"review_id", "provider_id", "written_by", "written_at", "version"})


def _said(row: Table) -> dict[str, Any]:
    names = [column.name for column in row.__table__.columns if column.name not in _NOT_SAID]
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
