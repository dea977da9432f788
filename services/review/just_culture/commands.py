"""The use-cases of the guide. Each runs in one transaction of the caller.

Each use has an audit chain of its own, so that not even the history of the incident says that the guide was opened.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from services.review.commands import SERVICE, Strict, deciders
from services.review.just_culture import guide
from services.review.just_culture.domain import out_of_order
from services.review.just_culture.store import Use
from services.review.store import Review, visible_review
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText


class OpenGuide(Strict):
    """Why the guide is opened: which concern about one person's part there already is. No names."""

    reason: ShortText


class WriteGuide(Strict):
    """What was thought about each question so far; the whole of it."""

    answers: dict[str, LongText] = Field(max_length=20)


def _log(session: Session, actor: Actor, use: Use, action: str, now: datetime, **data: Any) -> None:
    audit.append(
        session, SERVICE, chain=use.use_id, actor=actor, action=action, subject=use.use_id, at=now, data=data
    )  # fmt: skip


def open_guide(session: Session, actor: Actor, review_id: UUID, command: OpenGuide, now: datetime) -> Use:
    """Open the guide about a review that the actor may see. The review itself is not changed and says nothing of it."""
    review = visible_review(session, actor, review_id)
    form = guide.newest()
    use = Use(
        use_id=new_id(), provider_id=review.provider_id, review_id=review_id, guide=form.name, opened_by=actor.id,
        opened_at=now, reason=command.reason, answers={}, version=1,
    )  # fmt: skip
    session.add(use)
    session.flush()
    _log(session, actor, use, "guide_opened", now, guide=form.name, reason_sha256=audit.digest(command.reason))
    return use


def may_read(session: Session, actor: Actor, use: Use, review: Review) -> bool:
    """Whether the use is for the actor: who opened it, and who decides on the review."""
    return use.opened_by == actor.id or bool(actor.roles.intersection(deciders(session, review)))


def read_guide(session: Session, actor: Actor, use_id: UUID, now: datetime, *, log: bool = True) -> Use:
    """The use, for who opened it and for the review's approver; 404 for all others. Each reading is logged."""
    use = session.get(Use, use_id)
    if use is None:
        raise not_found("guide")
    review = visible_review(session, actor, use.review_id, what="guide")
    if not may_read(session, actor, use, review):
        raise not_found("guide")
    if log:
        _log(session, actor, use, "guide_read", now)
    return use


def write_guide(session: Session, actor: Actor, use_id: UUID, command: WriteGuide, version: int, now: datetime) -> Use:
    """Keep what was thought, in the order of the guide. Only who opened it."""
    use = session.get(Use, use_id, with_for_update=True)
    if use is None or use.opened_by != actor.id:
        raise not_found("guide")
    visible_review(session, actor, use.review_id, what="guide")
    check_version(use.version, version, [] if use.answers == command.answers else ["answers"])
    passed_over = out_of_order(guide.shipped()[use.guide], command.answers)
    if passed_over is not None:
        raise invalid(
            "answers",
            "are not in the order of the guide, or name what is no question of it",
            "Go through the questions one after the other; the order is deliberate.",
        )
    use.answers = command.answers
    use.version += 1
    session.flush()
    content = json.dumps(command.answers, sort_keys=True, ensure_ascii=False)
    _log(session, actor, use, "guide_written", now, answered=len(use.answers), content_sha256=audit.digest(content))
    return use
