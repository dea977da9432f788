"""What the records answer, by query."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import false, select
from sqlalchemy.orm import Session

from services.review.commands import SERVICE
from services.review.domain import Participant
from services.review.records import store
from services.review.records.commands import WriteTold
from services.review.records.domain import (
    STANDARDS,
    Approach,
    How,
    Mark,
    Nature,
    Outcome,
    Record,
    Source,
    Who,
    measured,
    since_previous,
)
from services.review.records.store import Contribution, Terms
from services.review.store import Review
from services.review.thematic.store import KnownIncident
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class TermsView(BaseModel):
    """What is to be found out. `version` is the ETag to send back with a change."""

    to_find_out: str
    scope: str | None
    covers_from: datetime | None
    covers_until: datetime | None
    left_out: str | None
    agreed_with: str | None
    agreed_on: date | None
    written_by: UUID
    written_at: datetime
    version: int


class EntryView(BaseModel):
    """One event. `version` is the ETag to send back with a change."""

    entry_id: UUID
    at: datetime
    what: str
    nature: Nature
    source: Source
    source_detail: str | None
    analysis: str | None
    marks: Mark | None
    withdrawn_reason: str | None
    written_by: UUID
    written_at: datetime
    version: int


class PlacedEntry(EntryView):
    """One event among the others."""

    minutes_since_previous: int | None = Field(description="How long before it nothing is known; null for the first.")


class MeasuredView(BaseModel):
    """How long it took to something that the timeline marks."""

    mark: Mark
    since: Mark | None = Field(description="Measured from this; null: from the incident.")
    at: datetime
    minutes: int
    own_target_minutes: int | None = Field(description="The provider's own standard; no limit of the law.")
    kept: bool | None = Field(
        description="Whether it was within the provider's own standard; null where there is none."
    )


class InvolvedView(BaseModel):
    """Somebody involved. `version` is the ETag to send back with a change."""

    involved_id: UUID
    who: Who
    reference: str
    part: str | None
    approach: Approach
    asked_at: datetime | None
    asked_how: str | None
    reason: str | None
    questions: str | None
    account: str | None
    account_given: str | None
    told: list[WriteTold]
    withdrawn_reason: str | None
    written_by: UUID
    written_at: datetime
    version: int


class ContributionView(BaseModel):
    """Somebody who was asked, and what became of it. `version` is the ETag to send back with a change."""

    contribution_id: UUID
    review_id: UUID
    part: Participant
    person_id: UUID | None
    described: str | None
    how: How
    asks: str | None
    outcome: Outcome
    reason: str | None
    said: str | None
    asked_by: UUID
    asked_at: datetime
    said_by: UUID | None = Field(description="Who wrote down what was said.")
    contributed_at: datetime | None
    written_by: UUID
    written_at: datetime
    version: int


class RecordsView(BaseModel):
    """Everything a review is drawn from."""

    needed: list[Record] = Field(description="Which of them the method asks for.")
    terms: TermsView | None
    timeline: list[PlacedEntry] = Field(description="By when it happened.")
    measured: list[MeasuredView] = Field(description="Debriefs since the incident, and advice since it was given.")
    withdrawn: list[EntryView] = Field(description="Entries that no longer count, each with the reason.")
    people: list[InvolvedView]
    contributions: list[ContributionView]


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def terms(row: Terms) -> TermsView:
    """The terms."""
    return TermsView.model_validate(_columns(TermsView, row))


def entry(row: store.TimelineEntry) -> EntryView:
    """One event."""
    return EntryView.model_validate(_columns(EntryView, row))


def involved(row: store.Involved) -> InvolvedView:
    """Somebody involved."""
    return InvolvedView.model_validate(_columns(InvolvedView, row))


def contribution(row: Contribution) -> ContributionView:
    """Somebody who was asked."""
    return ContributionView.model_validate(_columns(ContributionView, row))


def records(session: Session, review: Review, needed: list[Record]) -> RecordsView:
    """All records of a review."""
    rows = store.timeline(session, review.review_id)
    counted = [row for row in rows if row.withdrawn_reason is None]
    gaps = since_previous([row.at for row in counted])
    kept = session.get(Terms, review.review_id)
    known = session.get(KnownIncident, review.incident_id)
    marks = [(Mark(row.marks), row.at) for row in counted if row.marks is not None]
    return RecordsView(
        needed=needed,
        terms=None if kept is None else terms(kept),
        timeline=[
            PlacedEntry(
                **entry(row).model_dump(),
                minutes_since_previous=None if gap is None else int(gap.total_seconds() // 60),
            )
            for row, gap in zip(counted, gaps, strict=True)
        ],
        measured=[
            MeasuredView(
                mark=one.mark,
                since=STANDARDS[one.mark].since,
                at=one.at,
                minutes=int(one.took.total_seconds() // 60),
                own_target_minutes=None if one.within is None else int(one.within.total_seconds() // 60),
                kept=one.kept,
            )
            for one in measured(marks, None if known is None else known.occurred_at)
        ],
        withdrawn=[entry(row) for row in rows if row.withdrawn_reason is not None],
        people=[involved(row) for row in store.involved(session, review.review_id)],
        contributions=[contribution(row) for row in store.contributions(session, review.review_id)],
    )


def asked(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[ContributionView]:
    """What the actor was asked by name, newest first."""
    mine = Contribution.person_id == actor.id
    query = (
        select(Contribution)
        .join(Review, Review.review_id == Contribution.review_id)
        .where(Contribution.provider_id == actor.provider_id, mine)
        .where(restriction.visible(SERVICE, actor, Review.incident_id, in_scope=false(), own=mine))
        .order_by(Contribution.contribution_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Contribution.contribution_id < after)
    rows = list(session.scalars(query))
    items = [contribution(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].contribution_id) if len(rows) > limit else None)
