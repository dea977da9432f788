"""What reviews say when they are read together: each contributing factor, how often now and before, and where (PT-05)."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Seips
from services.reporting.domain import TraitKind
from services.reporting.store import INCIDENT, TRAIT, visible_incidents
from services.runtime.actor import Actor
from services.spc.chance import share_at_least

NAMED = 50
"""So many incidents of a factor are named, the newest first; all are counted."""

_I, _T = INCIDENT.c, TRAIT.c


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
    within: list[ColumnElement[bool]] = [
        visible_incidents(actor), _T.kind == TraitKind.FACTOR, func.cardinality(_T.codes) > 0,
        _I.review_approved_at <= now, _I.stage.not_in(["withdrawn", "duplicate"]),
        *(column == value for column, value in asked.items() if value is not None),
    ]  # fmt: skip
    joined = INCIDENT.join(TRAIT, and_(_T.incident_id == _I.incident_id, _T.provider_id == _I.provider_id))
    lately, before = _I.review_approved_at > since, _I.review_approved_at > since - timedelta(days=days)
    counted = (func.count().filter(lately).label("now"), func.count().filter(~lately).label("before"))
    total = session.execute(select(*counted).select_from(joined).where(*within, before)).one()
    named = func.unnest(_T.codes).table_valued("factor").render_derived(name="named")
    rows = session.execute(
        select(
            named.c.factor, *counted,
            func.count(_I.location_id.distinct()).filter(lately).label("services"),
            func.array_agg(_I.incident_id).filter(lately).label("incidents"),
        )
        .select_from(joined.join(named, true()))
        .where(*within, before)
        .group_by(named.c.factor)
    )  # fmt: skip
    known = {row.factor: row for row in rows}
    views = [_view(factor, known.get(factor), total.now, total.before) for factor in Seips]
    return Together(
        since=since, until=now, reviews=total.now, reviews_before=total.before,
        factors=sorted(views, key=lambda one: (-one.reviews, one.factor)),
    )  # fmt: skip


def _view(factor: Seips, row: object, of: int, of_before: int) -> FactorView:
    seen, before = getattr(row, "now", 0), getattr(row, "before", 0)
    incidents = sorted(getattr(row, "incidents", None) or [], reverse=True)
    chance = share_at_least(seen, of, (before + 0.5) / (of_before + 1)) if of and of_before else None
    return FactorView(
        factor=factor,
        reviews=seen,
        share=round(seen / of, 3) if of else None,
        reviews_before=before,
        share_before=round(before / of_before, 3) if of_before else None,
        services=getattr(row, "services", 0),
        chance=None if chance is None else float(f"{chance:.2g}"),
        incidents=incidents[:NAMED],
    )
