"""Finds patterns in what is known of a provider's incidents: pure, no I/O, and the same for the same input.

Each rule gives its figures with what it found: how many were seen, how many were to be expected and from what, and how
likely so many would be if nothing were behind it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from services.reporting.patterns.domain import Agreed, Found, LeftOut, PatternKind, Seen, Trait
from services.reporting.patterns.exposure import Exposures
from services.reporting.patterns.look import PRIOR_STRENGTH, Look, short
from services.reporting.patterns.persons import persons
from services.reporting.patterns.policy import PatternPolicy, Scope
from services.reporting.patterns.rates import rates
from services.spc.chance import at_least, share_at_least


def find(
    incidents: Sequence[Seen], agreed: Sequence[Agreed], exposures: Exposures, policy: PatternPolicy, now: datetime
) -> list[Found]:
    """All patterns that end at `now`."""
    counted = sorted((one for one in incidents if one.counted and one.at <= now), key=lambda one: one.at)
    look = _Look(counted, exposures, policy, now)
    found = [
        *persons(look),
        *look.places(),
        *rates(look),
        *_one_of_each(look.clusters()),
        *_one_of_each(look.themes()),
        *look.wordings(agreed),
        *look.precursors(),
        *look.thresholds(),
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


class _Look(Look):
    """The rules that count one type at one place, or the same across places."""

    def places(self) -> Iterator[Found]:
        """One type at one place, more than its history, its peers and its exposure explain."""
        rule = self.policy.place
        since = self.now - timedelta(days=rule.days)
        for (place, category), theirs in self.by_place.items():
            members = [one for one in theirs if one.at > since]
            if len(members) < rule.count:
                continue
            chance, figures = self.unlikely(place, category, theirs, since, self.now, len(members))
            if chance <= rule.chance:
                yield self.found(
                    PatternKind.PLACE, f"place:{place}:{category}", members, rule=rule.rule, since=since,
                    category=category, place=place, chance=chance,
                    figures={**figures, "window_days": rule.days, "needed": rule.count},
                )  # fmt: skip

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
                    yield self.found(
                        PatternKind.CLUSTER,
                        f"cluster:{place}:{category}:{trait}:{code}",
                        [one for one in known if code in one.traits[trait]],
                        rule=f"share_of_{trait}", since=since, category=category, place=place, trait=trait, code=code,
                        chance=chance,
                        figures={
                            "seen": seen, "of": len(known), "expected": short(share * len(known)),
                            "share_elsewhere": short(share), "window_days": rule.days,
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
        """The same type with the same trait at several services: more than before, and a greater share of the type.

        Both must hold without the place that gives most of it, else it is that place's cluster.
        """
        rule = self.policy.theme
        since = self.now - timedelta(days=rule.days)
        known_days = (since.date() - self.first).days
        if known_days < rule.days // 2:
            return
        groups: dict[tuple[str, Trait, str], list[Seen]] = defaultdict(list)
        known: dict[tuple[str, Trait], list[Seen]] = defaultdict(list)
        for one in self.counted:
            for trait in rule.traits:
                codes = one.traits.get(trait)
                if codes:
                    known[one.category, trait].append(one)
                for code in codes or ():
                    groups[one.category, trait, code].append(one)
        places = {one.location_id for one in self.counted}
        before_exposure = sum(self._scaled(place, self.first, since.date()) for place in places)
        exposure = sum(self._scaled(place, since.date(), self.today) for place in places)
        for (category, trait, code), theirs in groups.items():
            recent = [one for one in theirs if one.at > since]
            at = Counter(one.location_id for one in recent)
            where = [place for place, number in at.items() if number >= rule.each]
            if len(where) < rule.locations or not before_exposure:
                continue
            most = max(sorted(at, key=str), key=at.__getitem__)
            rest = [one for one in theirs if one.location_id != most]
            expected, chance = self._more_than_before(theirs, since, before_exposure, exposure)
            held = self._more_than_before(rest, since, before_exposure, exposure)[1]
            others = [one for one in known[category, trait] if one.location_id != most]
            if chance > rule.chance or len(recent) < rule.ratio * expected or held > rule.held:
                continue
            if self._share_than_before(rest, others, since) > rule.held:
                continue
            yield self.found(
                PatternKind.THEME,
                f"theme:{category}:{trait}:{code}",
                recent,
                rule=f"share_of_{trait}", since=since, category=category, trait=trait, code=code, chance=chance,
                figures={
                    "seen": len(recent), "expected": short(expected), "locations": len(at),
                    "locations_with_several": len(where), "window_days": rule.days, "history_days": known_days,
                    "volume": False,
                },
            )  # fmt: skip

    def _more_than_before(
        self, theirs: Sequence[Seen], since: datetime, before_exposure: float, exposure: float
    ) -> tuple[float, float]:
        """How many were to be expected since, by the time before, and how likely as many as there are is."""
        before = sum(1 for one in theirs if one.at <= since) + 0.5
        scale = min(1.0, PRIOR_STRENGTH / before)
        seen = sum(1 for one in theirs if one.at > since)
        return before / before_exposure * exposure, at_least(seen, before * scale, before_exposure * scale, exposure)

    @staticmethod
    def _share_than_before(theirs: Sequence[Seen], known: Sequence[Seen], since: datetime) -> float:
        """How likely so many of the type since have it, by its share before: more of the type alone is no theme."""
        before = sum(1 for one in theirs if one.at <= since)
        of = sum(1 for one in known if one.at <= since)
        return share_at_least(len(theirs) - before, len(known) - of, (before + 0.5) / (of + 1))

    def _scaled(self, place: UUID, first: date, until: date) -> float:
        """Exposure of a place in days of its usual activity, so that beds and hours can be added."""
        whole = self.exposures.of(place, self.exposures.first, self.exposures.until)
        days = (self.exposures.until - self.exposures.first).days
        return self.exposures.of(place, first, until) / whole * days if whole else 0.0

    def wordings(self, agreed: Sequence[Agreed]) -> Iterator[Found]:
        """The same words of an action, for incident after incident: at several services more than before or a great part
        of all actions, at one place more than elsewhere."""
        rule = self.policy.wording
        since = self.now - timedelta(days=rule.days)
        recent = [one for one in agreed if since < one.at <= self.now]
        by_words: dict[str, list[Agreed]] = defaultdict(list)
        for one in recent:
            by_words[one.wording].append(one)
        before = Counter(one.wording for one in agreed if one.at <= since)
        at = Counter(one.location_id for one in recent)
        of_type = Counter(one.category for one in recent)
        for words, theirs in by_words.items():
            incidents = {one.incident_id for one in theirs}
            places = Counter(one.location_id for one in {one.incident_id: one for one in theirs}.values())
            if len(incidents) >= rule.at_provider and sum(1 for n in places.values() if n >= 2) >= rule.locations:
                share = len(theirs) / sum(of_type[category] for category in {one.category for one in theirs})
                earlier = (before[words] + 0.5) / (before.total() + 1)
                chance = share_at_least(len(theirs), len(recent), earlier) if before.total() else None
                if share >= rule.share or chance is None or chance <= rule.chance:
                    figures: dict[str, str | int | bool | None] = {
                        "locations": len(places), "share": short(share), "before": before[words],
                        "before_of": before.total(),
                    }  # fmt: skip
                    yield self._worded("provider", None, words, theirs, since, chance, figures)
                    continue
            for place, number in places.items():
                if number < rule.at_place:
                    continue
                elsewhere = len(recent) - at[place]
                share = (len(theirs) - sum(1 for one in theirs if one.location_id == place) + 0.5) / (elsewhere + 1)
                chance = share_at_least(number, max(number, at[place]), share)
                if chance <= rule.chance:
                    here = [one for one in theirs if one.location_id == place]
                    expected = short(share * at[place])
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
                chance, figures = self.unlikely(place, category, theirs, since, serious.at, len(before))
                if chance <= rule.chance:
                    yield self.found(
                        PatternKind.PRECURSOR, f"precursor:{place}:{category}", [*before, serious],
                        rule="low_level_before_serious", since=since, category=category, place=place, chance=chance,
                        figures={**figures, "window_days": rule.days, "needed": rule.count},
                    )  # fmt: skip
                    break

    def thresholds(self) -> Iterator[Found]:
        """What the provider's own counts ask for, whatever is usual: a volume, and it says so."""
        for rule in self.policy.thresholds:
            since = self.now - timedelta(days=rule.days)
            groups: dict[UUID | None, list[Seen]] = defaultdict(list)
            for one in self.counted:
                if (
                    one.at > since
                    and rule.category in (None, one.category)
                    and rule.kind in (None, one.kind)
                    and (one.serious or not rule.serious)
                ):
                    scopes = {Scope.LOCATION: one.location_id, Scope.REGION: one.region_id, Scope.PROVIDER: None}
                    groups[scopes[rule.scope]].append(one)
            for scope_id, members in groups.items():
                if len(members) < rule.count or (scope_id is None and rule.scope is not Scope.PROVIDER):
                    continue
                yield self.found(
                    PatternKind.THRESHOLD, f"threshold:{rule.rule}:{rule.scope}:{scope_id}", members, rule=rule.rule,
                    since=since, category=rule.category,
                    place=scope_id if rule.scope is Scope.LOCATION else None,
                    region=scope_id if rule.scope is Scope.REGION else None,
                    figures={
                        "seen": len(members), "window_days": rule.days, "needed": rule.count, "scope": rule.scope,
                        "volume": True,
                    },
                )  # fmt: skip


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
