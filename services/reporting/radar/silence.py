"""Services that report suspiciously little: found once an hour for the whole provider, for each reader their own of them.

What is kept beside the weeks is an hour old; what is older than a day, or of another policy, is counted anew.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from services.reporting.patterns.exposure import DAYS
from services.reporting.patterns.store import exposures
from services.reporting.radar import policy
from services.reporting.store import INCIDENT, LOCATION, visible_locations
from services.runtime.actor import Actor
from services.spc.chance import at_most, fewer, gamma_prior, poisson_dispersion

_I = INCIDENT.c
_HOLDS = timedelta(days=1)


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


SILENT = TypeAdapter(list[SilentService])
"""How the silent services of a provider are kept."""


def seen_by(
    session: Session, actor: Actor, now: datetime, *, location_id: UUID | None, region_id: UUID | None
) -> list[SilentService]:
    """The silent services in the actor's scope: those kept with the radar's weeks if they hold still, else found now."""
    kept = session.scalar(
        text(
            "select silent from reporting.radar_mark where provider_id = :provider_id and policy_version = :version"
            " and made_at between :oldest and :now"
        ),
        {
            "provider_id": actor.provider_id,
            "version": policy.shipped().version,
            "oldest": now - _HOLDS,
            "now": now,
        },
    )
    found = find(session, actor.provider_id, now) if kept is None else SILENT.validate_python(kept)
    asked = {"location_id": location_id, "region_id": region_id}
    mine = set(
        session.scalars(
            select(LOCATION.c.location_id).where(
                visible_locations(actor),
                LOCATION.c.location_id.in_([one.location_id for one in found]),
                *(LOCATION.c[name] == value for name, value in asked.items() if value is not None),
            )
        )
    )
    return [one for one in found if one.location_id in mine]


def find(session: Session, provider_id: UUID, now: datetime) -> list[SilentService]:
    """Services with far fewer reports than their peers' rate gives them, or than their own before: all of the provider's
    are the measure, and what all report less of makes nobody silent.

    Counts are of every report, also those that a reader may not see; no record is named.
    """
    rules = policy.shipped()
    rule, first = rules.silence, now - timedelta(days=rules.days)
    since = now - timedelta(days=rule.days)
    amount = exposures(session, provider_id, first, now)
    counts = {
        row.location_id: row
        for row in session.execute(
            select(
                _I.location_id,
                func.count().filter(_I.occurred_at >= since).label("lately"),
                func.count().filter(_I.occurred_at < since).label("before"),
            )
            .where(_I.provider_id == provider_id, _I.occurred_at >= first, _I.occurred_at <= now)
            .where(_I.reported_at.is_not(None))
            .group_by(_I.location_id)
        )
    }
    places = session.execute(
        select(LOCATION.c.location_id, LOCATION.c.types).where(LOCATION.c.provider_id == provider_id, LOCATION.c.active)
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
