"""The use-cases of the methods. Each runs in one transaction of the caller."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category
from services.review import commands
from services.review.commands import Strict
from services.review.methods import template
from services.review.methods.store import Answer
from services.review.thematic.questions import own_questions
from services.runtime.actor import Actor
from services.runtime.errors import not_found
from services.runtime.idempotency import check_version
from services.runtime.text import LongText, ShortText


class WriteAnswer(Strict):
    """An answer, or why the question does not apply; one of the two."""

    answer: LongText | None = None
    not_applicable_reason: ShortText | None = Field(default=None, description="Why the question does not apply here.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.answer is None) == (self.not_applicable_reason is None):
            raise ValueError("needs either an answer or a not_applicable_reason")
        return self


def answer_question(
    session: Session,
    actor: Actor,
    review_id: UUID,
    question: str,
    command: WriteAnswer,
    version: int | None,
    now: datetime,
) -> Answer:
    """Answer one question of a review that is being written (else 409); each answer has a version of its own.

    So several people may answer different questions at once. Whoever answers is an author, and may not approve. 412
    when somebody answered this question in between; it names what differs, and what the caller typed is not stored.
    """
    review = commands.written_by(session, actor, review_id)
    terms = own_questions(session, review)
    asked = [*template.asked(review.template, Category(review.category)), *(() if terms is None else terms.questions)]
    if question not in {one.id for one in asked}:
        raise not_found("question")
    known = session.get(Answer, (review_id, question), populate_existing=True)
    said = command.model_dump()
    if known is None:
        if version is not None:
            check_version(0, version)
        known = Answer(review_id=review_id, question=question, provider_id=review.provider_id, version=0)
        session.add(known)
    else:
        check_version(known.version, version, [name for name in said if getattr(known, name) != said[name]])
    known.answer, known.not_applicable_reason = command.answer, command.not_applicable_reason
    known.answered_by, known.answered_at = actor.id, now
    known.version += 1
    session.flush()
    commands.note_author(session, actor, review, now)
    return known
