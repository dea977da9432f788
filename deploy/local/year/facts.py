"""The incidents of a made-up year as a back-test reads them: what was known of each at triage, and whether it came again."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from deploy.local.year.generator import make_year
from services.contracts.intake import IncidentDescribed, IncidentReported, IncidentTriaged
from services.review.backtest.domain import Past
from services.review.context.domain import MOST_REPEATS, Situation

AFTER = timedelta(days=90)
"""How long after an incident another of its type at its place counts as the same coming again."""


def made_up_past(seed: int, services: int, repeats_within_days: int) -> list[Past]:
    """The year of a seed. The same seed gives the same incidents; ids are numbers, so that two runs can be compared."""
    reported: dict[UUID, IncidentReported] = {}
    triaged: dict[UUID, IncidentTriaged] = {}
    people: dict[UUID, list[str]] = {}
    for told in make_year(seed, services=services, planted=True).told:
        if isinstance(told.data, IncidentReported):
            reported[told.data.incident_id] = told.data
        elif isinstance(told.data, IncidentTriaged):
            triaged[told.data.incident_id] = told.data
        elif isinstance(told.data, IncidentDescribed):
            people[told.data.incident_id] = told.data.people
    alike: dict[Hashable, list[datetime]] = defaultdict(list)
    for one in sorted(reported.values(), key=lambda one: one.occurred_at):
        for of in (one.location_id, None, *people.get(one.incident_id, ())):
            alike[of, one.category].append(one.occurred_at)
    found = []
    for number, (incident_id, one) in enumerate(reported.items(), 1):
        if incident_id not in triaged:
            continue
        decided, times = triaged[incident_id], alike[one.location_id, one.category]
        since = one.occurred_at - timedelta(days=repeats_within_days)
        of_person = (_between(alike[of, one.category], since, one.occurred_at) for of in people.get(incident_id, ()))
        situation = Situation(
            kind=one.kind,
            category=one.category,
            band=decided.band,
            actual_harm=decided.actual_harm,
            psychological_harm=decided.psychological_harm,
            repeats_at_location=_between(times, since, one.occurred_at),
            repeats_of_person=max(of_person, default=0),
            repeats_at_provider=_between(alike[None, one.category], since, one.occurred_at),
        )
        again = bisect_right(times, one.occurred_at + AFTER) - bisect_right(times, one.occurred_at)
        found.append(Past(f"{seed}-{number:05d}", situation, repeats_after=again))
    return found


def _between(times: Sequence[datetime], start: datetime, before: datetime) -> int:
    return min(bisect_left(times, before) - bisect_left(times, start), MOST_REPEATS)
