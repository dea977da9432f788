"""A provider's past incidents, as review knows them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Text, exists, func, select
from sqlalchemy.orm import Session, aliased

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm, Verdict
from services.review.backtest.domain import Past
from services.review.context.domain import Fact, Situation
from services.review.context.store import Circumstance
from services.review.domain import ReviewStatus
from services.review.sharing.store import Effect
from services.review.store import Review
from services.review.thematic.store import KnownIncident
from services.runtime import restriction
from services.runtime.actor import Actor

MOST = 5000
"""The newest so many are looked at."""


def past(session: Session, actor: Actor) -> Iterator[Past]:
    """The incidents in the caller's sight whose decision was kept, newest first, with the facts that came since."""
    later, known = aliased(Review), KnownIncident
    query = (
        select(
            Review.incident_id,
            Review.decision["inputs"].label("inputs"),
            select(func.array_agg(Circumstance.fact, type_=ARRAY(Text)))
            .where(Circumstance.incident_id == Review.incident_id, Circumstance.holds)
            .scalar_subquery()
            .label("facts"),
            select(func.count())
            .where(
                known.location_id == Review.location_id, known.category == Review.category,
                known.incident_id != Review.incident_id, known.occurred_at > Review.opened_at,
            )
            .scalar_subquery()
            .label("repeats_after"),
            select(Effect.verdict)
            .where(Effect.incident_id == Review.incident_id)
            .order_by(Effect.at.desc(), Effect.checkpoint_id.desc())
            .limit(1)
            .scalar_subquery()
            .label("verdict"),
            exists().where(later.incident_id == Review.incident_id, later.cycle > 1).label("reopened"),
        )
        .where(
            Review.provider_id == actor.provider_id, Review.cycle == 1, Review.decision.is_not(None),
            Review.status != ReviewStatus.ENDED,
            restriction.visible(
                "review", actor, Review.incident_id, in_scope=actor.scope(Review.location_id, Review.region_id)
            ),
        )
        .order_by(Review.review_id.desc())
        .limit(MOST)
    )  # fmt: skip
    for row in session.execute(query):
        verdict = None if row.verdict is None else Verdict(row.verdict)
        situation = _situation(row.inputs, row.facts or ())
        yield Past(str(row.incident_id), situation, row.repeats_after, verdict, row.reopened)


def _situation(inputs: dict[str, Any], facts: Any) -> Situation:
    return Situation(
        kind=Kind(inputs["kind"]),
        category=Category(inputs["category"]),
        band=Band(inputs["band"]),
        actual_harm=PhysicalHarm(inputs["actual_harm"]),
        psychological_harm=PsychologicalHarm(inputs["psychological_harm"]),
        repeats_at_location=inputs["repeats_at_location"],
        # Decisions from before these were asked have neither.
        repeats_of_person=inputs.get("repeats_of_person", 0),
        repeats_at_provider=inputs.get("repeats_at_provider", 0),
        restricted=inputs["restricted"],
        on_hold=inputs["on_hold"],
        **{fact.value: fact in facts for fact in Fact},
    )
