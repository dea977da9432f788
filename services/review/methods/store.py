"""The tables of the methods and the few queries their use-cases need."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.review.store import Review, Table
from services.runtime.outbox import new_id


class Answer(Table):
    """What was answered to one question of a review's template, or why the question does not apply."""

    __tablename__ = "answer"

    review_id: Mapped[UUID] = mapped_column(primary_key=True)
    question: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    answer: Mapped[str | None]
    not_applicable_reason: Mapped[str | None]
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]
    version: Mapped[int]


class Submission(Table):
    """The content of a review as it was handed on. Never changed, so a returned review keeps what was returned."""

    __tablename__ = "submission"

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    review_id: Mapped[UUID]
    number: Mapped[int]
    provider_id: Mapped[UUID]
    content: Mapped[dict[str, Any]]
    findings: Mapped[list[str]]
    points: Mapped[list[dict[str, Any]] | None]
    submitted_by: Mapped[UUID]
    submitted_at: Mapped[datetime]


def answers(session: Session, review_id: UUID) -> dict[str, Answer]:
    """The answers of a review by question."""
    rows = session.scalars(select(Answer).where(Answer.review_id == review_id).order_by(Answer.question))
    return {row.question: row for row in rows}


def submissions(session: Session, review_id: UUID, *, since: UUID | None, limit: int) -> Sequence[Submission]:
    """What was submitted, first to last, from the one with the id `since` on."""
    query = select(Submission).where(Submission.review_id == review_id).order_by(Submission.number).limit(limit)
    if since is not None:
        known = select(Submission.number).where(Submission.submission_id == since).scalar_subquery()
        query = query.where(Submission.number >= known)
    return session.scalars(query).all()


def keep(
    session: Session,
    review: Review,
    content: dict[str, Any],
    findings: Sequence[str],
    points: list[dict[str, Any]],
    *,
    by: UUID,
    at: datetime,
) -> Submission:
    """Keep a content as it is handed on, with what the gate pointed at then, by kind and one by one."""
    before = select(func.count()).where(Submission.review_id == review.review_id)
    submission = Submission(
        submission_id=new_id(),
        review_id=review.review_id,
        number=session.scalars(before).one() + 1,
        provider_id=review.provider_id,
        content=content,
        findings=list(findings),
        points=points,
        submitted_by=by,
        submitted_at=at,
    )
    session.add(submission)
    session.flush()
    return submission
