"""What the guide answers, by query."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.review.just_culture import guide
from services.review.just_culture.commands import may_read
from services.review.just_culture.store import Use
from services.review.store import Review
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class GuideQuestion(BaseModel):
    """A question, what an answer points to, and what was thought."""

    id: str
    text: str
    so: str
    answer: str | None


class UseSummary(BaseModel):
    """That the guide was opened. Nothing of what was thought."""

    use_id: UUID
    review_id: UUID
    guide: str
    opened_by: UUID
    opened_at: datetime
    version: int


class UseView(UseSummary):
    """One use, for who opened it and for the approver."""

    about: str
    reason: str
    questions: list[GuideQuestion]


def summary(use: Use) -> UseSummary:
    """The list form."""
    return UseSummary.model_validate({name: getattr(use, name) for name in UseSummary.model_fields})


def view(use: Use) -> UseView:
    """The full form, with the guide in the version that was opened."""
    form = guide.shipped()[use.guide]
    return UseView(
        **summary(use).model_dump(),
        about=form.about,
        reason=use.reason,
        questions=[
            GuideQuestion(id=one.id, text=one.text, so=one.so, answer=use.answers.get(one.id)) for one in form.questions
        ],
    )


def uses(session: Session, actor: Actor, review: Review, *, limit: int, cursor: str | None) -> Page[UseSummary]:
    """Those the actor may read, newest first."""
    query = select(Use).where(Use.review_id == review.review_id).order_by(Use.use_id.desc()).limit(limit + 1)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Use.use_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit] if may_read(session, actor, row, review)]
    return Page(items=items, next=pagination.encode(rows[limit - 1].use_id) if len(rows) > limit else None)
