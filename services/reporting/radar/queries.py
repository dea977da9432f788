"""What the radar answers, by query over the projections, in the caller's scope and as far as the caller may see.

Each weakness is a share: of the records that it could be said of, those that show it.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Text, Uuid, cast, func, select, text
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category
from services.reporting.governance.oversight import Oversight, oversight
from services.reporting.governance.store import Item
from services.reporting.patterns.exposure import DAYS
from services.reporting.patterns.store import exposures
from services.reporting.radar import policy, weeks
from services.reporting.radar.policy import Weakness
from services.reporting.radar.weeks import CHALLENGED, SHARES
from services.reporting.store import INCIDENT, LOCATION, visible_incidents, visible_locations
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page
from services.spc.chance import at_most, fewer, gamma_prior, poisson_dispersion, share_at_least

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


class SilentService(BaseModel):
    """A service that reports suspiciously little for its size and kind."""

    location_id: UUID
    reports: int
    expected: float
    peers: int
    chance: float
    than: Literal["peers", "itself"] = Field(
        default="peers", description="Too few by what its peers report, or by what it reported itself before."
    )


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
        _I.occurred_at >= now - timedelta(days=policy.shipped().days),
        _I.occurred_at <= now,
        _I.kind != "good_care",
        _I.stage.not_in(["withdrawn", "duplicate"]),
    ]
    if location_id is not None:
        within.append(_I.location_id == location_id)
    if region_id is not None:
        within.append(_I.region_id == region_id)
    return within


def _oldest(actor: Actor, now: datetime) -> ColumnElement[UUID]:
    """The lowest id in the window: what was reported long before it need not be looked at where few records show."""
    since = now - timedelta(days=policy.shipped().days)
    within = _I.provider_id == actor.provider_id, _I.occurred_at >= since, _I.reported_at.is_not(None)
    return cast(select(func.min(cast(_I.incident_id, Text).collate("C"))).where(*within).scalar_subquery(), Uuid)


def radar(session: Session, actor: Actor, now: datetime, *, location_id: UUID | None, region_id: UUID | None) -> Radar:
    """Every weakness with its figures."""
    rules = policy.shipped()
    row = weeks.counts(session, actor, now, location_id=location_id, region_id=region_id)
    challenged = _challenged(session, actor, now, location_id, region_id)
    findings = []
    for weakness in Weakness:
        of, shown, since = (row[f"{part}_{weakness}"] for part in ("of", "shown", "since"))
        if weakness is Weakness.NO_OVERSIGHT:
            shown += challenged.shown
            since = min((at for at in (since, challenged.since) if at is not None), default=None)
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
                since=since,
            )
        )
    return Radar(
        as_of=now,
        since=now - timedelta(days=rules.days),
        policy_version=rules.version,
        findings=findings,
        silent=_silent(session, actor, now, location_id, region_id),
        oversight=oversight(
            session, actor, now - timedelta(days=rules.days), now, location_id=location_id, region_id=region_id
        ),
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


def _silent(
    session: Session, actor: Actor, now: datetime, location_id: UUID | None, region_id: UUID | None
) -> list[SilentService]:
    """Services with far fewer reports than their peers' rate gives them, or than their own before: all of the provider's
    are the measure, and what all report less of makes nobody silent.

    Counts are of every report, also those that the caller may not see; no record is named.
    """
    rules = policy.shipped()
    rule, first = rules.silence, now - timedelta(days=rules.days)
    since = now - timedelta(days=rule.days)
    amount = exposures(session, actor.provider_id, first, now)
    counts = {
        row.location_id: row
        for row in session.execute(
            select(
                _I.location_id,
                func.count().filter(_I.occurred_at >= since).label("lately"),
                func.count().filter(_I.occurred_at < since).label("before"),
            )
            .where(_I.provider_id == actor.provider_id, _I.occurred_at >= first, _I.occurred_at <= now)
            .where(_I.reported_at.is_not(None))
            .group_by(_I.location_id)
        )
    }
    places = session.execute(
        select(
            LOCATION.c.location_id, LOCATION.c.types, LOCATION.c.region_id, visible_locations(actor).label("mine")
        ).where(LOCATION.c.provider_id == actor.provider_id, LOCATION.c.active)
    ).all()
    groups = defaultdict(list)
    for place in places:
        unit = amount.unit(place.location_id)
        if unit != DAYS and amount.of(place.location_id, since.date(), now.date()) > 0:
            groups[unit, tuple(sorted(place.types))].append(place)
    found = []
    for group in groups.values():
        if len(group) <= rule.least_peers:
            continue
        seen, before = (
            [float(getattr(counts[one.location_id], name)) if one.location_id in counts else 0.0 for one in group]
            for name in ("lately", "before")
        )
        over = [amount.of(one.location_id, since.date(), now.date()) for one in group]
        earlier = [amount.of(one.location_id, first.date(), since.date()) for one in group]
        rate = sum(seen) / sum(over)
        spread = poisson_dispersion(seen, [rate * one for one in over])
        shape, scale = gamma_prior(before, earlier)
        usual = sum(before) / sum(earlier) if sum(earlier) else 0.0
        trend = min(1.0, rate / usual) if usual else 1.0
        for place, reports, exposure, own, own_over in zip(group, seen, over, before, earlier, strict=True):
            asked = location_id in (None, place.location_id) and region_id in (None, place.region_id)
            if not (place.mine and asked):
                continue
            by_itself = (own + shape) / (own_over + scale) * exposure * trend if own_over + scale else 0.0
            tests: list[tuple[float, float, Literal["peers", "itself"]]] = [
                (at_most(int(reports), rate * exposure, spread), rate * exposure, "peers"),
                (fewer(reports, own + shape, own_over + scale, exposure * trend), by_itself, "itself"),
            ]
            chance, expected, than = min(one for one in tests)
            chance = min(1.0, chance * len(tests))
            if chance <= rule.chance and reports < expected / 2:
                found.append(
                    SilentService(
                        location_id=place.location_id,
                        reports=int(reports),
                        expected=round(expected, 1),
                        peers=len(group) - 1,
                        chance=float(f"{chance:.2g}"),
                        than=than,
                    )
                )
    return sorted(found, key=lambda one: (one.chance, one.location_id))


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
        .where(_I.incident_id >= _oldest(actor, now))
        .order_by(_I.incident_id.desc())
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_I.incident_id < after)
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
