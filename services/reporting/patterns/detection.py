"""Finds patterns in what is known of a provider's incidents: pure, no I/O, and the same for the same input.

Each rule gives its figures with what it found: how many were seen, how many were to be expected and from what, and how
likely so many would be if nothing were behind it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import numpy as np

from services.reporting.patterns.domain import Agreed, Found, LeftOut, PatternKind, Seen, Trait
from services.reporting.patterns.exposure import DAYS, Exposures
from services.reporting.patterns.policy import PatternPolicy
from services.spc import chart
from services.spc.chance import at_least, gamma_prior, share_at_least
from services.spc.limits import Kind as ChartKind

_SHOWN = 4
"""Significant digits of a figure."""

_PRIOR_STRENGTH = 400.0
"""No baseline counts as more events than this: a rate that is known for ever would make every season a signal."""


def find(
    incidents: Sequence[Seen], agreed: Sequence[Agreed], exposures: Exposures, policy: PatternPolicy, now: datetime
) -> list[Found]:
    """All patterns that end at `now`."""
    counted = sorted((one for one in incidents if one.counted and one.at <= now), key=lambda one: one.at)
    look = _Look(counted, exposures, policy, now)
    found = [
        *look.persons(),
        *look.places(),
        *look.rates(),
        *_one_of_each(look.clusters()),
        *_one_of_each(look.themes()),
        *look.wordings(agreed),
        *look.precursors(),
    ]
    return sorted(found, key=lambda one: one.pattern)


def left_out(found: Found, incidents: Iterable[Seen]) -> dict[UUID, LeftOut]:
    """What was considered for a pattern and is not a member, each with the reason: same type, same place, same time."""
    reasons: dict[UUID, LeftOut] = {}
    for one in incidents:
        if one.incident_id in found.members or one.at < found.since:
            continue
        if found.location_id is not None and one.location_id != found.location_id:
            continue
        if found.region_id is not None and found.location_id is None and one.region_id != found.region_id:
            continue
        if found.category is not None and one.category != found.category:
            continue
        reasons[one.incident_id] = _why_not(found, one)
    return reasons


def _why_not(found: Found, one: Seen) -> LeftOut:
    if one.reason_out is not None:
        return one.reason_out
    if found.trait is None or found.trait == Trait.WORDING:
        return LeftOut.OUTSIDE_THE_RULE
    values = one.traits.get(found.trait)
    if not values:
        return LeftOut.NOT_KNOWN
    return LeftOut.OUTSIDE_THE_RULE if found.code in values else LeftOut.ANOTHER_VALUE


class _Look:
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

    def persons(self) -> Iterator[Found]:
        """The same person, the same type, again and again."""
        longest = max(rule.days for rule in self.policy.person)
        since = self.now - timedelta(days=longest)
        by_person: dict[tuple[str, str], list[Seen]] = defaultdict(list)
        for one in self.counted:
            if one.at > since:
                for person in one.traits.get(Trait.PERSON, ()):
                    by_person[person, one.category].append(one)
        for (person, category), theirs in by_person.items():
            for rule in self.policy.person:
                members = _within(theirs, rule.count, timedelta(days=rule.days))
                if members:
                    yield self._found(
                        PatternKind.PERSON,
                        f"person:{person}:{category}",
                        members,
                        rule=rule.rule,
                        since=since,
                        category=category,
                        trait=Trait.PERSON,
                        code=person,
                        place=members[-1].location_id,
                        figures={"seen": len(members), "window_days": rule.days, "needed": rule.count, "volume": True},
                    )
                    break

    def places(self) -> Iterator[Found]:
        """One type at one place, more than its history, its peers and its exposure explain."""
        rule = self.policy.place
        since = self.now - timedelta(days=rule.days)
        for (place, category), theirs in self.by_place.items():
            members = [one for one in theirs if one.at > since]
            if len(members) < rule.count:
                continue
            chance, figures = self._unlikely(place, category, theirs, since, self.now, len(members))
            if chance <= rule.chance:
                yield self._found(
                    PatternKind.PLACE, f"place:{place}:{category}", members, rule=rule.rule, since=since,
                    category=category, place=place, chance=chance,
                    figures={**figures, "window_days": rule.days, "needed": rule.count},
                )  # fmt: skip

    def rates(self) -> Iterator[Found]:
        """Special causes on charts of rates: busy places, each region, and the provider."""
        rule = self.policy.rate
        days = (self.today - self.first).days
        points = min(rule.points, days // rule.period_days)
        if points <= rule.baseline_points:
            return
        start = self.today - timedelta(days=points * rule.period_days)
        edges = [start + timedelta(days=rule.period_days * number) for number in range(points + 1)]
        series = self._series(start, edges)
        if not series:
            return
        keys = sorted(series, key=str)
        drawn = chart.draw(
            ChartKind.UP,
            np.array([series[key][0] for key in keys]),
            np.array([series[key][1] for key in keys]),
            scale=1000,
            fixed=rule.baseline_points,
        )
        for number, key in enumerate(keys):
            one = drawn.of(number)
            fired = [name for name in rule.rules if getattr(one.signals, name)[-1] > 0]
            run_of = one.values[-chart.MDC.rules.shift :]
            if fired == ["shift"] and np.mean(run_of) < rule.shift_ratio * one.lines.centre[-1]:
                continue  # sure, and too small to be worth anybody's time
            if not fired:
                continue
            scope, scope_id, category, unit = key
            first = edges[-2] if fired[0] == "outside" else edges[-1 - chart.MDC.rules.shift]
            members = [m for m in series[key][2] if m.at.date() >= first]
            yield self._found(
                PatternKind.RATE,
                f"rate:{scope}:{scope_id}:{category}:{unit}",
                members,
                rule=fired[0],
                since=datetime.combine(first, datetime.min.time(), self.now.tzinfo),
                category=category,
                place=scope_id if scope == "location" else None,
                region=scope_id if scope == "region" else None,
                figures={
                    "seen": _short(one.values[-1]), "expected": _short(one.lines.centre[-1]),
                    "upper_limit": _short(one.lines.upper[-1]), "unit": f"per_1000_{unit}", "points": points,
                    "baseline_points": rule.baseline_points, "period_days": rule.period_days, "volume": False,
                },
            )  # fmt: skip

    def _series(
        self, start: date, edges: Sequence[date]
    ) -> dict[tuple[str, UUID | None, str, str], tuple[list[float], list[float], list[Seen]]]:
        """Counts and exposure by period, of what has enough events to be charted. A place without exposure is not."""
        rule = self.policy.rate
        periods = len(edges) - 1
        counts: dict[tuple[UUID, str], list[float]] = {}
        events: dict[tuple[UUID, str], list[Seen]] = {}
        for (place, category), theirs in self.by_place.items():
            if self.exposures.unit(place) == DAYS:
                continue
            row = [0.0] * periods
            inside = [one for one in theirs if edges[0] <= one.at.date() < edges[-1]]
            for one in inside:
                row[(one.at.date() - edges[0]).days // rule.period_days] += 1
            counts[place, category], events[place, category] = row, inside
        amount = {
            place: [self.exposures.of(place, a, b) for a, b in pairwise(edges)]
            for place in {place for place, _ in counts}
        }
        wholes: dict[tuple[str, UUID | None, str, str], list[tuple[UUID, str]]] = defaultdict(list)
        for place, category in counts:
            unit = self.exposures.unit(place)
            wholes["location", place, category, unit].append((place, category))
            wholes["provider", None, category, unit].append((place, category))
            if self.region[place] is not None:
                wholes["region", self.region[place], category, unit].append((place, category))
        # A place without an incident of the type gives exposure all the same.
        places = sorted(amount)
        series = {}
        for key, parts in wholes.items():
            scope, scope_id, _, unit = key
            total = [sum(column) for column in zip(*(counts[part] for part in parts), strict=True)]
            if sum(total[: rule.baseline_points]) / rule.baseline_points < rule.least_mean:
                continue
            within = [
                place
                for place in places
                if self.exposures.unit(place) == unit
                and (scope == "provider" or scope_id == (place if scope == "location" else self.region[place]))
            ]
            exposure = [sum(column) for column in zip(*(amount[place] for place in within), strict=True)]
            if min(exposure) <= 0 or (scope != "location" and len(parts) < 2):
                continue
            series[key] = (total, exposure, [one for part in parts for one in events[part]])
        return series

    def clusters(self) -> Iterator[Found]:
        """What the incidents of one type at one place share, far more often than the same type does elsewhere."""
        rule = self.policy.cluster
        since = self.now - timedelta(days=rule.days)
        shares = self._shares(rule.traits)
        for (place, category), theirs in self.by_place.items():
            recent = [one for one in theirs if one.at > since]
            if len(recent) < rule.count:
                continue
            for trait in rule.traits:
                known = [one for one in recent if one.traits.get(trait)]
                values = Counter(code for one in known for code in one.traits[trait])
                for code, seen in values.items():
                    if seen < rule.count:
                        continue
                    share = self._share_elsewhere(shares, place, category, trait, code)
                    if share is None:
                        continue
                    chance = min(1.0, share_at_least(seen, len(known), share) * max(len(values), 2))
                    if chance > rule.chance or seen < rule.ratio * share * len(known):
                        continue
                    yield self._found(
                        PatternKind.CLUSTER,
                        f"cluster:{place}:{category}:{trait}:{code}",
                        [one for one in known if code in one.traits[trait]],
                        rule=f"share_of_{trait}", since=since, category=category, place=place, trait=trait, code=code,
                        chance=chance,
                        figures={
                            "seen": seen, "of": len(known), "expected": _short(share * len(known)),
                            "share_elsewhere": _short(share), "window_days": rule.days,
                            "not_known": len(recent) - len(known), "volume": False,
                        },
                    )  # fmt: skip

    def _shares(self, traits: Sequence[Trait]) -> dict[tuple[str, str], Counter[tuple[UUID, str]]]:
        """By type and trait: how many incidents each place has with each code, and in all (the empty code)."""
        shares: dict[tuple[str, str], Counter[tuple[UUID, str]]] = defaultdict(Counter)
        for one in self.counted:
            for trait in traits:
                codes = one.traits.get(trait)
                if codes:
                    counter = shares[one.category, trait]
                    counter[one.location_id, ""] += 1
                    for code in codes:
                        counter[one.location_id, code] += 1
        totals: dict[tuple[str, str], Counter[str]] = {}
        for key, counter in shares.items():
            total: Counter[str] = Counter()
            for (_, code), number in counter.items():
                total[code] += number
            totals[key] = total
        self._totals = totals
        return shares

    def _share_elsewhere(
        self,
        shares: dict[tuple[str, str], Counter[tuple[UUID, str]]],
        place: UUID,
        category: str,
        trait: str,
        code: str,
    ) -> float | None:
        """The share at the provider's other places, with half an event added so that it is never nothing."""
        counter, total = shares[category, trait], self._totals[category, trait]
        others = total[""] - counter[place, ""]
        if others < 20:
            return None
        return (total[code] - counter[place, code] + 0.5) / (others + 1)

    def themes(self) -> Iterator[Found]:
        """The same type with the same trait, at several services, more than before."""
        rule = self.policy.theme
        since = self.now - timedelta(days=rule.days)
        known_days = (since.date() - self.first).days
        groups: dict[tuple[str, Trait, str], list[Seen]] = defaultdict(list)
        for one in self.counted:
            for trait in rule.traits:
                for code in one.traits.get(trait, ()):
                    groups[one.category, trait, code].append(one)
        places = {one.location_id for one in self.counted}
        before_exposure = sum(self._scaled(place, self.first, since.date()) for place in places)
        exposure = sum(self._scaled(place, since.date(), self.today) for place in places)
        for (category, trait, code), theirs in groups.items():
            recent = [one for one in theirs if one.at > since]
            at = Counter(one.location_id for one in recent)
            where = [place for place, number in at.items() if number >= rule.each]
            if len(where) < rule.locations:
                continue
            before = len(theirs) - len(recent)
            if known_days < rule.days // 2 or not before_exposure:
                continue
            events = before + 0.5
            scale = min(1.0, _PRIOR_STRENGTH / events)
            chance = at_least(len(recent), events * scale, before_exposure * scale, exposure)
            expected = events / before_exposure * exposure
            if chance > rule.chance or len(recent) < rule.ratio * expected:
                continue
            yield self._found(
                PatternKind.THEME,
                f"theme:{category}:{trait}:{code}",
                recent,
                rule=f"share_of_{trait}", since=since, category=category, trait=trait, code=code, chance=chance,
                figures={
                    "seen": len(recent), "expected": _short(expected), "locations": len(at),
                    "locations_with_several": len(where), "window_days": rule.days, "history_days": known_days,
                    "volume": False,
                },
            )  # fmt: skip

    def _scaled(self, place: UUID, first: date, until: date) -> float:
        """Exposure of a place in days of its usual activity, so that beds and hours can be added."""
        whole = self.exposures.of(place, self.exposures.first, self.exposures.until)
        days = (self.exposures.until - self.exposures.first).days
        return self.exposures.of(place, first, until) / whole * days if whole else 0.0

    def wordings(self, agreed: Sequence[Agreed]) -> Iterator[Found]:
        """The same words of an action, for incident after incident."""
        rule = self.policy.wording
        since = self.now - timedelta(days=rule.days)
        recent = [one for one in agreed if since < one.at <= self.now]
        by_words: dict[str, list[Agreed]] = defaultdict(list)
        for one in recent:
            by_words[one.wording].append(one)
        at = Counter(one.location_id for one in recent)
        for words, theirs in by_words.items():
            incidents = {one.incident_id for one in theirs}
            places = Counter(one.location_id for one in {one.incident_id: one for one in theirs}.values())
            if len(incidents) >= rule.at_provider and sum(1 for n in places.values() if n >= 2) >= rule.locations:
                yield self._worded("provider", None, words, theirs, since, None, {"locations": len(places)})
                continue
            for place, number in places.items():
                if number < rule.at_place:
                    continue
                elsewhere = len(recent) - at[place]
                share = (len(theirs) - sum(1 for one in theirs if one.location_id == place) + 0.5) / (elsewhere + 1)
                chance = share_at_least(number, max(number, at[place]), share)
                if chance <= rule.chance:
                    here = [one for one in theirs if one.location_id == place]
                    expected = _short(share * at[place])
                    yield self._worded(
                        "location", place, words, here, since, chance, {"expected": expected, "of": at[place]}
                    )

    def _worded(
        self,
        scope: str,
        place: UUID | None,
        words: str,
        theirs: Sequence[Agreed],
        since: datetime,
        chance: float | None,
        figures: dict[str, str | int | bool | None],
    ) -> Found:
        categories = {one.category for one in theirs}
        incidents = frozenset(one.incident_id for one in theirs)
        return Found(
            kind=PatternKind.WORDING,
            pattern=f"wording:{scope}:{place}:{words}",
            location_id=place,
            region_id=None if place is None else self.region.get(place),
            category=next(iter(categories)) if len(categories) == 1 else None,
            trait=Trait.WORDING,
            code=words,
            rule=f"same_words_at_{scope}",
            chance=chance,
            figures={
                "seen": len(incidents),
                "actions": len(theirs),
                "weak": sum(one.weak for one in theirs),
                "window_days": self.policy.wording.days,
                "volume": chance is None,
                **figures,
            },
            members=incidents,
            since=since,
        )

    def precursors(self) -> Iterator[Found]:
        """Low-level events before a serious one of the same type at the same place, more than are usual there."""
        rule = self.policy.precursor
        window = timedelta(days=rule.days)
        for (place, category), theirs in self.by_place.items():
            for serious in (one for one in theirs if one.serious and one.at > self.now - window):
                since = serious.at - window
                before = [one for one in theirs if since < one.at < serious.at and not one.serious]
                if len(before) < rule.count:
                    continue
                chance, figures = self._unlikely(place, category, theirs, since, serious.at, len(before))
                if chance <= rule.chance:
                    yield self._found(
                        PatternKind.PRECURSOR, f"precursor:{place}:{category}", [*before, serious],
                        rule="low_level_before_serious", since=since, category=category, place=place, chance=chance,
                        figures={**figures, "window_days": rule.days, "needed": rule.count},
                    )  # fmt: skip
                    break

    def _unlikely(
        self, place: UUID, category: str, theirs: Sequence[Seen], since: datetime, until: datetime, seen: int
    ) -> tuple[float, dict[str, str | int | bool | None]]:
        """How likely so many are at a place, by its own history before `since` and by its peers'."""
        unit = self.exposures.unit(place)
        shape, over = self._prior(category, unit, since.date())
        before = sum(1 for one in theirs if one.at <= since)
        known = shape + before
        known_exposure = over + self.exposures.of(place, self.first, since.date())
        exposure = self.exposures.of(place, since.date(), until.date())
        expected = known / known_exposure * exposure if known_exposure > 0 else 0.0
        scale = min(1.0, _PRIOR_STRENGTH / known) if known else 1.0
        chance = at_least(seen, known * scale, known_exposure * scale, exposure)
        return chance, {
            "seen": seen,
            "expected": _short(expected),
            "exposure": _short(exposure),
            "unit": unit,
            "events_before": before,
            "volume": unit == DAYS,
        }

    def _prior(self, category: str, unit: str, until: date) -> tuple[float, float]:
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

    def _found(
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


def _within(theirs: Sequence[Seen], count: int, window: timedelta) -> list[Seen]:
    """The incidents of every run of `count` within `window`; in order of time."""
    members: dict[UUID, Seen] = {}
    for first in range(len(theirs) - count + 1):
        run = theirs[first : first + count]
        if run[-1].at - run[0].at <= window:
            members.update((one.incident_id, one) for one in run)
    return list(members.values())


def _one_of_each(found: Iterable[Found]) -> Iterator[Found]:
    """Of patterns that are nearly the same incidents of one type at one place, the least likely; it names the others.

    The round before lunch is also the early shift, and the agency staff who work then: one thing to look at, not three.
    """
    kept: dict[tuple[UUID | None, str | None], list[tuple[Found, list[str]]]] = defaultdict(list)
    for one in sorted(found, key=lambda found: (found.chance or 0.0, found.pattern)):
        group = kept[one.location_id, one.category]
        for other, also in group:
            if len(one.members & other.members) >= 0.6 * min(len(one.members), len(other.members)):
                also.append(f"{one.trait}:{one.code}")
                break
        else:
            group.append((one, []))
    for group in kept.values():
        for one, also in group:
            yield one if not also else _with(one, also)


def _with(found: Found, also: Sequence[str]) -> Found:
    return replace(found, figures={**found.figures, "also": " ".join(also)})


def _short(value: float) -> str:
    return f"{float(value):.{_SHOWN}g}"
