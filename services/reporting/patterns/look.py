"""One look at all that is counted of a provider, with what several rules need worked out once."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from services.reporting.patterns.domain import Found, PatternKind, Seen
from services.reporting.patterns.exposure import DAYS, Exposures
from services.reporting.patterns.policy import PatternPolicy
from services.spc.chance import at_least, gamma_prior

_SHOWN = 4
"""Significant digits of a figure."""

PRIOR_STRENGTH = 400.0
"""No baseline counts as more events than this: a rate that is known for ever would make every season a signal."""


class Look:
    """One look at all that is counted, with what several rules need worked out once."""

    def __init__(self, counted: Sequence[Seen], exposures: Exposures, policy: PatternPolicy, now: datetime) -> None:
        self.counted, self.exposures, self.policy, self.now = counted, exposures, policy, now
        self.today = now.date()
        self.by_place: dict[tuple[UUID, str], list[Seen]] = defaultdict(list)
        for one in counted:
            self.by_place[one.location_id, one.category].append(one)
        self.region = {one.location_id: one.region_id for one in counted}
        self.first = max(exposures.first, min((one.at.date() for one in counted), default=self.today))
        self._priors: dict[tuple[str, str, date], tuple[float, float]] = {}

    def unlikely(
        self, place: UUID, category: str, theirs: Sequence[Seen], since: datetime, until: datetime, seen: int
    ) -> tuple[float, dict[str, str | int | bool | None]]:
        """How likely so many are at a place, by its own history before `since` and by its peers'."""
        unit = self.exposures.unit(place)
        shape, over = self.prior(category, unit, since.date())
        before = sum(1 for one in theirs if one.at <= since)
        known = shape + before
        known_exposure = over + self.exposures.of(place, self.first, since.date())
        exposure = self.exposures.of(place, since.date(), until.date())
        expected = known / known_exposure * exposure if known_exposure > 0 else 0.0
        scale = min(1.0, PRIOR_STRENGTH / known) if known else 1.0
        chance = at_least(seen, known * scale, known_exposure * scale, exposure)
        return chance, {
            "seen": seen,
            "expected": short(expected),
            "exposure": short(exposure),
            "unit": unit,
            "events_before": before,
            "volume": unit == DAYS,
        }

    def prior(self, category: str, unit: str, until: date) -> tuple[float, float]:
        """How the rate of a type varies between the places of a unit, over all that was before `until`."""
        # Days that lie near one another share a prior: precursors ask for many.
        anchor = self.today - timedelta(days=7 * round((self.today - until).days / 7))
        known = self._priors.get((category, unit, anchor))
        if known is None:
            events, exposure = [], []
            for place in self.region:
                if self.exposures.unit(place) == unit:
                    theirs = self.by_place.get((place, category), ())
                    events.append(float(sum(1 for one in theirs if one.at.date() < anchor)))
                    exposure.append(self.exposures.of(place, self.first, anchor))
            known = self._priors[category, unit, anchor] = gamma_prior(events, exposure)
        return known

    def found(
        self,
        kind: PatternKind,
        pattern: str,
        members: Sequence[Seen],
        *,
        rule: str,
        since: datetime,
        figures: dict[str, str | int | bool | None],
        category: str | None = None,
        place: UUID | None = None,
        region: UUID | None = None,
        trait: str | None = None,
        code: str | None = None,
        chance: float | None = None,
    ) -> Found:
        """A pattern with its members, placed in the region of its place unless a region is given."""
        return Found(
            kind=kind,
            pattern=pattern,
            location_id=place,
            region_id=region if place is None else self.region.get(place),
            category=category,
            trait=trait,
            code=code,
            rule=rule,
            chance=chance,
            figures=figures,
            members=frozenset(one.incident_id for one in members),
            since=since,
        )


def short(value: float) -> str:
    """A figure as it is shown."""
    return f"{float(value):.{_SHOWN}g}"
