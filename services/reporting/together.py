"""What reviews say when they are read together: each contributing factor, how often now and before, and where (PT-05)."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, TableValuedAlias, Uuid, cast, func, null, select, true, union_all
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Seips
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime.actor import Actor
from services.spc.chance import share_at_least

NAMED = 50
"""So many incidents of a factor are named, the newest first; all are counted."""

_I = INCIDENT.c


class FactorView(BaseModel):
    """One factor: how many reviews name it, of how many, and at how many services; now and in the time before."""

    factor: Seips
    reviews: int
    share: float | None = Field(description="Of the approved reviews that name any factor.")
    reviews_before: int
    share_before: float | None
    services: int
    chance: float | None = Field(
        description="How likely so many name it if nothing changed since the time before; absent without that."
    )
    incidents: list[UUID] = Field(description="Those that name it now, the newest 50.")


class Together(BaseModel):
    """Approved reviews of a time read together, beside the time of the same length before it."""

    since: datetime
    until: datetime
    reviews: int
    reviews_before: int
    factors: list[FactorView] = Field(description="Every factor, those named most first.")


def together(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    days: int,
    location_id: UUID | None,
    region_id: UUID | None,
    category: Category | None,
) -> Together:
    """Reviews approved in the last `days`, as far as the caller may see their incidents."""
    since = now - timedelta(days=days)
    asked = {_I.location_id: location_id, _I.region_id: region_id, _I.category: category}
    reviews = (
        select(_I.incident_id, _I.location_id, (_I.review_approved_at > since).label("lately"), _I.factors)
        .where(
            visible_incidents(actor), _I.stage.not_in(["withdrawn", "duplicate"]),
            _I.review_approved_at > since - timedelta(days=days), _I.review_approved_at <= now,
            func.cardinality(_I.factors) > 0,
            *(column == value for column, value in asked.items() if value is not None),
        )
        .cte("reviews")
        .prefix_with("materialized")
    )  # fmt: skip
    one = reviews.c
    # Reviews that name the same factors are counted first, and then each of these factors; and once none, for all reviews.
    alike = (
        select(
            one.factors,
            one.location_id,
            func.count().filter(one.lately).label("now"),
            func.count().filter(~one.lately).label("before"),
        )
        .group_by(one.factors, one.location_id)
        .subquery("alike")
    )
    named = _each(func.array_append(alike.c.factors, null()))
    by_place = (
        select(named.c.factor, func.sum(alike.c.now).label("now"), func.sum(alike.c.before).label("before"))
        .select_from(alike.join(named, true()))
        .group_by(named.c.factor, alike.c.location_id)
        .subquery("by_place")
    )
    counts = select(
        by_place.c.factor,
        func.sum(by_place.c.now).label("now"),
        func.sum(by_place.c.before).label("before"),
        func.count().filter(by_place.c.now > 0).label("services"),
        cast(null(), Uuid).label("incident_id"),
    ).group_by(by_place.c.factor)
    # As one text: PostgreSQL takes twice as long to sort arrays.
    same = func.array_to_string(one.factors, ",").collate("C")
    turn = func.row_number().over(partition_by=same, order_by=one.incident_id.desc())
    newest = select(one.factors, one.incident_id, turn.label("turn")).where(one.lately).subquery("newest")
    each = _each(newest.c.factors)
    incidents = (
        select(each.c.factor, null(), null(), null(), newest.c.incident_id)
        .select_from(newest.join(each, true()))
        .where(newest.c.turn <= NAMED)
    )
    known: dict[str | None, Any] = {}
    named_by: dict[str, list[UUID]] = defaultdict(list)
    for row in session.execute(union_all(counts, incidents)):
        if row.incident_id is None:
            known[row.factor] = row
        else:
            named_by[row.factor].append(row.incident_id)
    total = known.get(None)
    of, of_before = (int(total.now), int(total.before)) if total is not None else (0, 0)
    views = [
        _view(factor, known.get(factor), sorted(named_by[factor], reverse=True)[:NAMED], of, of_before)
        for factor in Seips
    ]
    return Together(
        since=since, until=now, reviews=of, reviews_before=of_before,
        factors=sorted(views, key=lambda one: (-one.reviews, one.factor)),
    )  # fmt: skip


def _each(factors: ColumnElement[Any]) -> TableValuedAlias:
    """A row for each of them."""
    return func.unnest(factors).table_valued("factor").render_derived()


def _view(factor: Seips, row: object, incidents: list[UUID], of: int, of_before: int) -> FactorView:
    seen, before = int(getattr(row, "now", 0)), int(getattr(row, "before", 0))
    chance = share_at_least(seen, of, (before + 0.5) / (of_before + 1)) if of and of_before else None
    return FactorView(
        factor=factor,
        reviews=seen,
        share=round(seen / of, 3) if of else None,
        reviews_before=before,
        share_before=round(before / of_before, 3) if of_before else None,
        services=getattr(row, "services", 0),
        chance=None if chance is None else float(f"{chance:.2g}"),
        incidents=incidents,
    )
