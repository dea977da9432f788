"""The incidents of a made-up year as a back-test reads them: what was known of each at triage, and whether it came again."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from deploy.local.year.generator import make_year
from services.contracts.intake import IncidentReported, IncidentTriaged
from services.contracts.taxonomy import Category
from services.review.backtest.domain import Past
from services.review.context.domain import MOST_REPEATS, Situation

AFTER = timedelta(days=90)
"""How long after an incident another of its type at its place counts as the same coming again."""


def made_up_past(seed: int, services: int, repeats_within_days: int) -> list[Past]:
    """The year of a seed. The same seed gives the same incidents; ids are numbers, so that two runs can be compared."""
    reported: dict[UUID, IncidentReported] = {}
    triaged: dict[UUID, IncidentTriaged] = {}
    for told in make_year(seed, services=services, planted=True).told:
        if isinstance(told.data, IncidentReported):
            reported[told.data.incident_id] = told.data
        elif isinstance(told.data, IncidentTriaged):
            triaged[told.data.incident_id] = told.data
    alike: dict[tuple[UUID, Category], list[datetime]] = defaultdict(list)
    for one in reported.values():
        alike[one.location_id, one.category].append(one.occurred_at)
    found = []
    for number, (incident_id, one) in enumerate(reported.items(), 1):
        if incident_id not in triaged:
            continue
        decided, times = triaged[incident_id], alike[one.location_id, one.category]
        before = _between(times, one.occurred_at - timedelta(days=repeats_within_days), one.occurred_at)
        situation = Situation(
            kind=one.kind,
            category=one.category,
            band=decided.band,
            actual_harm=decided.actual_harm,
            psychological_harm=decided.psychological_harm,
            repeats_at_location=min(before, MOST_REPEATS),
        )
        again = _between(times, one.occurred_at, one.occurred_at + AFTER, after=True)
        found.append(Past(f"{seed}-{number:05d}", situation, repeats_after=again))
    return found


def _between(times: Sequence[datetime], start: datetime, end: datetime, *, after: bool = False) -> int:
    return sum(start < at <= end if after else start <= at < end for at in times)
