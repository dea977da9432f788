"""What the methods answer, by query."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category
from services.review.domain import Step
from services.review.findings.store import FindingAnswer
from services.review.findings.store import answers as answers_to_findings
from services.review.gate import Weakness
from services.review.methods import domain, store, template
from services.review.records.domain import Record
from services.review.store import Review
from services.review.thematic.questions import own_questions
from services.runtime import pagination
from services.runtime.errors import not_found
from services.runtime.pagination import Page


class AnswerView(BaseModel):
    """An answer, or why the question does not apply. `version` is the ETag to send back with a change."""

    question: str
    answer: str | None
    not_applicable_reason: str | None
    answered_by: UUID
    answered_at: datetime
    version: int


class QuestionView(BaseModel):
    """A question as it is put, and its answer when it has one."""

    id: str
    text: str
    help: str | None
    answer: AnswerView | None


class StageView(BaseModel):
    """Questions that are worked through together."""

    id: str
    title: str
    questions: list[QuestionView]


class MethodView(BaseModel):
    """The form of a review: its version, its stages, what was answered so far. `minutes`: how long it should take."""

    template: str
    title: str
    purpose: str
    minutes: int | None
    outputs: list[str]
    records: list[Record]
    stages: list[StageView]


class DifferenceView(BaseModel):
    """A field that the submission before held differently; null where one of the two lacks it."""

    field: str
    before: Any
    after: Any


class FindingAnswerView(BaseModel):
    """Why a finding stands, by whom, and whether it was said when the review was submitted or when it was approved."""

    step: Step
    reason: str
    answered_by: UUID
    answered_at: datetime


class PointView(BaseModel):
    """A finding of the quality gate, and its answer when it has one."""

    finding: str
    weakness: Weakness
    field: str
    quote: str
    message: str
    remedy: str
    answer: FindingAnswerView | None


class SubmissionView(BaseModel):
    """The content as it was handed on, what the gate pointed at then, and what changed since the submission before."""

    submission_id: UUID
    number: int
    submitted_by: UUID
    submitted_at: datetime
    findings: list[str]
    points: list[PointView] | None = Field(description="One by one, with the answers; null where they were not kept.")
    content: dict[str, Any]
    changed: list[DifferenceView]


def answer(row: store.Answer) -> AnswerView:
    """One answer."""
    return AnswerView.model_validate({name: getattr(row, name) for name in AnswerView.model_fields})


def method(session: Session, review: Review) -> MethodView:
    """The form of a review in the version it started with; of a theme, with the questions of its terms.

    404 for one that began before there were forms.
    """
    if review.template is None:
        raise not_found("form")
    form = template.shipped()[review.template]
    known = store.answers(session, review.review_id)
    terms = own_questions(session, review)
    return MethodView(
        template=form.name,
        title=form.title,
        purpose=form.purpose,
        minutes=form.minutes,
        outputs=list(form.outputs),
        records=list(form.records),
        stages=[
            StageView(
                id=stage.id,
                title=stage.title,
                questions=[
                    QuestionView(
                        id=one.id,
                        text=one.text,
                        help=one.help,
                        answer=answer(known[one.id]) if one.id in known else None,
                    )
                    for one in stage.questions
                ],
            )
            for stage in [*form.stages_for(Category(review.category)), *([] if terms is None else [terms])]
        ],
    )


def submissions(session: Session, review: Review, *, limit: int, cursor: str | None) -> Page[SubmissionView]:
    """Every submission, first to last."""
    after = pagination.decode(cursor)
    # With the last of the page before, to tell what changed since, and one more, to tell whether there is another page.
    rows = list(store.submissions(session, review.review_id, since=after, limit=limit + 1 + (after is not None)))
    before = rows.pop(0) if rows and after is not None else None
    items = []
    said = answers_to_findings(session, [row.submission_id for row in rows[:limit]])
    for row in rows[:limit]:
        changed = [] if before is None else domain.differences(before.content, row.content)
        items.append(
            SubmissionView(
                submission_id=row.submission_id,
                number=row.number,
                submitted_by=row.submitted_by,
                submitted_at=row.submitted_at,
                findings=row.findings,
                points=None if row.points is None else [_point(row.submission_id, one, said) for one in row.points],
                content=row.content,
                changed=[DifferenceView(field=d.field, before=d.before, after=d.after) for d in changed],
            )
        )
        before = row
    return Page(items=items, next=pagination.encode(items[-1].submission_id) if len(rows) > limit else None)


def _point(submission_id: UUID, point: dict[str, Any], said: Mapping[tuple[UUID, str], FindingAnswer]) -> PointView:
    row = said.get((submission_id, point["finding"]))
    answer = row and {name: getattr(row, name) for name in FindingAnswerView.model_fields}
    return PointView.model_validate({**point, "answer": answer})
