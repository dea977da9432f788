"""The answers to findings, with the submission they belong to."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.review.domain import Step
from services.review.gate import Finding
from services.review.methods.store import Submission
from services.review.store import Table


class FindingAnswer(Table):
    """Why a finding stands, by whom and at which step. Never changed."""

    __tablename__ = "finding_answer"

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    finding: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    step: Mapped[str]
    reason: Mapped[str]
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]


def points(findings: dict[str, Finding]) -> list[dict[str, Any]]:
    """The findings as a submission keeps them."""
    return [{"finding": name, **asdict(one)} for name, one in findings.items()]


def latest(session: Session, review_id: UUID) -> Submission:
    """What was submitted last."""
    query = select(Submission).where(Submission.review_id == review_id).order_by(Submission.number.desc()).limit(1)
    return session.scalars(query).one()


def answers(session: Session, submissions: Sequence[UUID]) -> dict[tuple[UUID, str], FindingAnswer]:
    """The answers of submissions."""
    rows = session.scalars(select(FindingAnswer).where(FindingAnswer.submission_id.in_(submissions)))
    return {(row.submission_id, row.finding): row for row in rows}


def keep_answers(
    session: Session, submission: Submission, given: dict[str, str], step: Step, *, by: UUID, at: datetime
) -> None:
    """Keep why findings stand; what was answered before keeps its answer."""
    known = answers(session, [submission.submission_id])
    for finding, reason in given.items():
        if (submission.submission_id, finding) not in known:
            session.add(
                FindingAnswer(
                    submission_id=submission.submission_id, finding=finding, provider_id=submission.provider_id,
                    step=step, reason=reason, answered_by=by, answered_at=at,
                )
            )  # fmt: skip
    session.flush()
