"""Whether what a known cause links is there, approved, and for the eyes of whoever links it."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from services.review.causes.domain import KnownCause
from services.review.domain import Gap, ReviewStatus
from services.review.sharing.library import readable
from services.review.sharing.store import Briefing, Improvement
from services.review.store import Learning, Review
from services.review.thematic.store import KnownIncident, Theme, in_scope, visible_known
from services.runtime import restriction
from services.runtime.actor import Actor


def gaps(session: Session, actor: Actor, review: Review, cause: KnownCause) -> Iterator[Gap]:
    """The links that cannot stand. What is not there and what the actor may not see are answered alike.

    A case is no answer to itself: its own learning and actions of an earlier cycle do not count.
    """
    other = Review.incident_id != review.incident_id
    seen = restriction.visible(
        "review", actor, Review.incident_id, in_scope=actor.scope(Review.location_id, Review.region_id)
    )
    learned = (
        select(Learning.learning_id)
        .join(Review, Review.review_id == Learning.review_id)
        .where(Review.status == ReviewStatus.APPROVED, other, or_(seen, _shared(actor, Review.incident_id)))
        .where(Learning.learning_id.in_(cause.learning))
    )
    of_incident = exists().where(KnownIncident.incident_id == Improvement.incident_id, visible_known(actor))
    of_theme = exists().where(Theme.theme_id == Improvement.incident_id, in_scope(actor))
    acted = (
        select(Improvement.action_id)
        .where(Improvement.action_id.in_(cause.actions), Improvement.state != "cancelled")
        .where(Improvement.incident_id != review.incident_id)
        .where(or_(of_incident, of_theme, _shared(actor, Improvement.incident_id)))
    )
    themes = select(Theme.theme_id).where(
        Theme.theme_id.in_(cause.themes),
        Theme.theme_id != review.incident_id,
        Theme.end_reason.is_(None),
        in_scope(actor),
    )
    for name, linked, query, what in (
        ("learning", cause.learning, learned, "learning of another approved review"),
        ("actions", cause.actions, acted, "an action of another case that was not cancelled"),
        ("themes", cause.themes, themes, "a theme that was not ended"),
    ):
        found = set(session.scalars(query)) if linked else set()
        for place, one in enumerate(linked):
            if one not in found:
                yield Gap(
                    f"known_cause.{name}.{place}",
                    f"is not {what} that you can see",
                    "Link what the library, a review or a theme shows you, or remove it and agree actions instead.",
                )


def _shared(actor: Actor, incident_id: "InstrumentedAttribute[UUID]") -> ColumnElement[bool]:
    """Whether the library shows the case to the actor."""
    return exists().where(and_(Briefing.incident_id == incident_id, readable(actor)))
