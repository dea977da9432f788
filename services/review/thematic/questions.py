"""The questions of a theme's terms, put in its review after those of the method."""

import hashlib
from collections.abc import Sequence

from sqlalchemy.orm import Session

from services.contracts.taxonomy import CaseKind
from services.review.methods.domain import Question, Stage
from services.review.store import Review
from services.review.thematic.store import theme_of


def asked_by(questions: Sequence[str]) -> Stage:
    """As a stage. An id is of the words: an answer never stands under another question when the terms change."""
    unlike = {f"theme_{hashlib.sha256(words.encode()).hexdigest()[:8]}": words for words in questions}
    return Stage("terms", "What the terms ask", [Question(one, words, None, None) for one, words in unlike.items()])


def own_questions(session: Session, review: Review) -> Stage | None:
    """The stage of a theme's review; none for an incident's, nor for one that began before its method had a form."""
    if review.case_kind is not CaseKind.THEME or review.template is None:
        return None
    return asked_by(theme_of(session, review).questions)
