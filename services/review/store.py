"""The tables of review and the few queries its use-cases need."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Integer, MetaData, Text, exists, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.contracts.identity import EVERYWHERE
from services.contracts.taxonomy import CaseKind
from services.review.domain import ReviewStatus, Step
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class Table(DeclarativeBase):
    """Everything lives in the schema `review`; text columns are `text`, times carry a zone."""

    metadata = MetaData(schema="review")
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own idiom
        str: Text,
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
    }


class Review(Table):
    """One review of an incident in one cycle: what the policy decided, what was written, how far it is."""

    __tablename__ = "review"

    review_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    kind: Mapped[str]
    category: Mapped[str]
    actual_harm: Mapped[str]
    band: Mapped[str]
    rule: Mapped[str]
    policy_version: Mapped[str]
    method: Mapped[str]
    lead_role: Mapped[str]
    approval_role: Mapped[str]
    actions_need: Mapped[str]
    briefing_need: Mapped[str]
    briefing_audience: Mapped[str]
    briefing_target_percent: Mapped[int]
    briefing_working_days: Mapped[int]
    status: Mapped[str]
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    what_happened: Mapped[str | None]
    why: Mapped[str | None]
    only_person_reason: Mapped[str | None]
    no_actions_reason: Mapped[str | None]
    no_briefing_reason: Mapped[str | None]
    briefing: Mapped[dict[str, Any] | None]
    known_cause: Mapped[dict[str, Any] | None]
    five_whys: Mapped[list[dict[str, Any]] | None]
    barriers: Mapped[list[dict[str, Any]] | None]
    actions_needed: Mapped[bool | None]
    briefing_needed: Mapped[bool | None]
    triage_revision: Mapped[int]
    psychological_harm: Mapped[str]
    decision: Mapped[dict[str, Any] | None]
    template: Mapped[str | None]
    version: Mapped[int]

    @property
    def case_kind(self) -> CaseKind:
        """Whether it is the review of an incident, or of a theme whose id then stands in `incident_id`."""
        # By where, not by the method: a policy may want a single incident looked at by the thematic one.
        return CaseKind.THEME if self.location_id == EVERYWHERE else CaseKind.INCIDENT


class Factor(Table):
    """One contributing factor. `place` is its place in the list, from 0."""

    __tablename__ = "factor"

    review_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    element: Mapped[str]
    description: Mapped[str | None]
    word: Mapped[str | None]


class Learning(Table):
    """One thing that was learned. Its id is final once the review is approved."""

    __tablename__ = "learning"

    learning_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    review_id: Mapped[UUID]
    place: Mapped[int]
    statement: Mapped[str]
    answers_factor: Mapped[int | None]
    answers_cause: Mapped[int | None]


class RootCause(Table):
    """What lies beneath. `place` is its place in the list, from 0; `factors` the places of those that show it."""

    __tablename__ = "root_cause"

    review_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    statement: Mapped[str]
    factors: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class ReviewStep(Table):
    """One step in the history of a review, by whom, and why if it was sent back."""

    __tablename__ = "review_step"

    step_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    review_id: Mapped[UUID]
    step: Mapped[str]
    actor_id: Mapped[UUID]
    actor_role: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime]


def visible_review(
    session: Session, actor: Actor, review_id: UUID, *, lock: bool = False, what: str = "review"
) -> Review:
    """The review if it is in the actor's scope, else 404. `lock` holds it to the end of the transaction.

    `what` was asked for, if it was something of the review: that is what is not there then.

    The review of a restricted incident is for those who need to know; the lessons sent to other teams are for all.
    """
    review = session.get(Review, review_id, with_for_update=True if lock else None)
    in_scope = review is not None and actor.sees(review.location_id, review.region_id)
    if review is None or not restriction.may_see(session, "review", actor, review.incident_id, in_scope=in_scope):
        raise not_found(what)
    return review


def visible_incident(session: Session, actor: Actor, incident_id: UUID) -> None:
    """Raise 404 unless a review of the incident is in the actor's scope."""
    reviewed = exists().where(
        Review.incident_id == incident_id,
        restriction.visible(
            "review", actor, Review.incident_id, in_scope=actor.scope(Review.location_id, Review.region_id)
        ),
    )
    if not session.scalar(select(reviewed)):
        raise not_found("incident")


def review_of(session: Session, incident_id: UUID, cycle: int) -> Review:
    """The review of an incident in a cycle; it must be there."""
    return session.scalars(select(Review).where(Review.incident_id == incident_id, Review.cycle == cycle)).one()


def latest_approved(session: Session, incident_id: UUID, cycle: int) -> Review | None:
    """The review that speaks for a cycle: its own, or the one before if the cycle began after reviewing."""
    return session.scalars(
        select(Review)
        .where(Review.incident_id == incident_id, Review.cycle <= cycle, Review.status == ReviewStatus.APPROVED)
        .order_by(Review.cycle.desc())
        .limit(1)
    ).first()


def factors(session: Session, review_id: UUID) -> Sequence[Factor]:
    """The factors of a review in order."""
    return session.scalars(select(Factor).where(Factor.review_id == review_id).order_by(Factor.place)).all()


def root_causes(session: Session, review_id: UUID) -> Sequence[RootCause]:
    """The root causes of a review in order."""
    return session.scalars(select(RootCause).where(RootCause.review_id == review_id).order_by(RootCause.place)).all()


def learning(session: Session, review_id: UUID) -> Sequence[Learning]:
    """The learning of a review in order."""
    return session.scalars(select(Learning).where(Learning.review_id == review_id).order_by(Learning.place)).all()


def steps(session: Session, review_id: UUID) -> Sequence[ReviewStep]:
    """The history of a review in order."""
    return session.scalars(
        select(ReviewStep).where(ReviewStep.review_id == review_id).order_by(ReviewStep.at, ReviewStep.step_id)
    ).all()


def authors(session: Session, review_id: UUID) -> set[UUID]:
    """Everybody whose words are in a review: who wrote, submitted or was asked and contributed, in any round."""
    said = (Step.DRAFTED, Step.SUBMITTED, Step.CONTRIBUTED)
    return set(
        session.scalars(select(ReviewStep.actor_id).where(ReviewStep.review_id == review_id, ReviewStep.step.in_(said)))
    )


def roles_of_authors(session: Session, review_id: UUID) -> set[str]:
    """As what they wrote or submitted it."""
    return set(
        session.scalars(
            select(ReviewStep.actor_role).where(
                ReviewStep.review_id == review_id, ReviewStep.step.in_((Step.DRAFTED, Step.SUBMITTED))
            )
        )
    )
