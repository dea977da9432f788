"""What the radar answers, by query over the projections, in the caller's scope and as far as the caller may see.

Each weakness is a share: of the records that it could be said of, those that show it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category
from services.reporting.governance.oversight import Oversight, oversight
from services.reporting.governance.store import Item
from services.reporting.radar import policy, silence, weeks
from services.reporting.radar.policy import Weakness
from services.reporting.radar.silence import SilentService
from services.reporting.radar.weeks import CHALLENGED, SHARES
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page
from services.spc.chance import share_at_least

_I = INCIDENT.c


class Finding(BaseModel):
    """One weakness: how often it shows, against what is thought usual, and since when."""

    weakness: Weakness
    value: float | None = Field(description="The share that shows it. Absent where it can be said of no record.")
    benchmark: float
    shown_by: int
    of: int
    enough: bool = Field(description="False: too few records to say anything.")
    chance: float | None = Field(description="How likely so many would be if the benchmark were true.")
    weak: bool
    since: datetime | None = Field(description="When the first of the records behind it happened.")


class Radar(BaseModel):
    """All weaknesses of a place, a region or the whole scope of the caller."""

    as_of: datetime
    since: datetime
    policy_version: str
    findings: list[Finding]
    silent: list[SilentService]
    oversight: Oversight = Field(description="Whether meetings take place, challenge, and alter anything.")


class RecordView(BaseModel):
    """A record behind a finding."""

    incident_id: UUID
    location_id: UUID
    category: Category
    occurred_at: datetime


def _in_window(
    actor: Actor, now: datetime, location_id: UUID | None, region_id: UUID | None
) -> list[ColumnElement[bool]]:
    within = [
        visible_incidents(actor),
        _I.occurred_at >= weeks.since(now),
        _I.occurred_at <= now,
        _I.kind != "good_care",
        _I.stage.not_in(["withdrawn", "duplicate"]),
    ]
    if location_id is not None:
        within.append(_I.location_id == location_id)
    if region_id is not None:
        within.append(_I.region_id == region_id)
    return within


def radar(session: Session, actor: Actor, now: datetime, *, location_id: UUID | None, region_id: UUID | None) -> Radar:
    """Every weakness with its figures."""
    rules, since = policy.shipped(), weeks.since(now)
    row = weeks.counts(session, actor, now, location_id=location_id, region_id=region_id)
    challenged = _challenged(session, actor, now, location_id, region_id)
    findings = []
    for weakness in Weakness:
        of, shown, first = (row[f"{part}_{weakness}"] for part in ("of", "shown", "since"))
        if weakness is Weakness.NO_OVERSIGHT:
            shown += challenged.shown
            first = min((at for at in (first, challenged.since) if at is not None), default=None)
        threshold = rules.weaknesses[weakness]
        enough = of >= threshold.least
        chance = share_at_least(shown, of, threshold.benchmark) if of else None
        value = shown / of if of else None
        findings.append(
            Finding(
                weakness=weakness,
                value=None if value is None else round(value, 3),
                benchmark=threshold.benchmark,
                shown_by=shown,
                of=of,
                enough=enough,
                chance=None if chance is None else float(f"{chance:.2g}"),
                weak=enough and value is not None and value > threshold.benchmark and (chance or 0) <= rules.chance,
                since=first,
            )
        )
    return Radar(
        as_of=now,
        since=since,
        policy_version=rules.version,
        findings=findings,
        silent=silence.seen_by(session, actor, now, location_id=location_id, region_id=region_id),
        oversight=oversight(session, actor, since, now, location_id=location_id, region_id=region_id),
    )


def _challenged(session: Session, actor: Actor, now: datetime, location_id: UUID | None, region_id: UUID | None) -> Any:
    """Incidents that show no oversight by a challenge alone."""
    of, shown = SHARES[Weakness.NO_OVERSIGHT]
    return session.execute(
        select(func.count().label("shown"), func.min(_I.occurred_at).label("since"))
        .select_from(INCIDENT)
        .where(
            *_in_window(actor, now, location_id, region_id),
            _I.incident_id.in_(select(Item.incident_id).where(Item.provider_id == actor.provider_id)),
            text(f"({of}) and {CHALLENGED} and ({shown}) is not true"),
        ),
        {"now": now},
    ).one()


def records(
    session: Session,
    actor: Actor,
    weakness: Weakness,
    now: datetime,
    *,
    location_id: UUID | None,
    region_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[RecordView]:
    """The records that show a weakness, the newest first."""
    of, shown = SHARES[weakness]
    if weakness is Weakness.NO_OVERSIGHT:
        shown = f"{shown} or {CHALLENGED}"
    query = (
        select(INCIDENT)
        .where(*_in_window(actor, now, location_id, region_id), text(f"({of})"), text(f"({shown})"))
        .where(_I.incident_id >= weeks.oldest(session, actor.provider_id, now))
        .order_by(_I.incident_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_I.incident_id < after)
    # What is hidden is asked by key. PostgreSQL takes reading all of it for as cheap, to a hundredth of what these rows cost.
    # And it thinks that few records show a weakness, so that it would read and sort all of them for the newest.
    session.execute(text("set local enable_material = off; set local enable_sort = off"))
    rows = session.execute(query, {"now": now}).all()
    items = [
        RecordView(
            incident_id=row.incident_id,
            location_id=row.location_id,
            category=row.category,
            occurred_at=row.occurred_at,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)
