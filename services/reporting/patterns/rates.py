"""Rates that lastingly changed: of a type at a place, in a region, at the whole provider; to more, or to fewer."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from uuid import UUID

from services.reporting.patterns.domain import Found, PatternKind, Seen, Trait
from services.reporting.patterns.exposure import DAYS
from services.reporting.patterns.look import PRIOR_STRENGTH, Look, short
from services.spc.chance import share_at_least
from services.spc.change import Change, common_dispersion, more_or_fewer

Row = list[float]
Key = tuple[str, UUID | None, str, str]
"""Scope, place or region, type, unit."""


@dataclass
class _Whole:
    """A series with the places that it is made of; a place without an incident of the type gives exposure all the same."""

    counts: dict[UUID, Row]
    amounts: dict[UUID, Row]
    events: list[Seen] = field(default_factory=list)

    def without(self, places: Sequence[UUID] = ()) -> tuple[Row, Row]:
        """Counts and exposure by period, of all but some places."""
        count = [row for place, row in self.counts.items() if place not in places]
        amount = [row for place, row in self.amounts.items() if place not in places]
        return _sums(count, len(next(iter(self.amounts.values())))), _sums(amount, 0)


def rates(look: Look) -> Iterator[Found]:
    """Changes that chance does not explain. What raises a region or the provider must hold without its most unusual place.

    A place is held against its own past and its peers, from `place_periods` on: what is shorter is `place_and_type`. Whoever
    gave no exposure has no rate.
    """
    rule = look.policy.rate
    periods = min((look.today - look.first).days // rule.period_days, look.policy.history_days // rule.period_days)
    if periods <= rule.baseline_periods:
        return
    start = look.today - timedelta(days=periods * rule.period_days)
    edges = [start + timedelta(days=rule.period_days * number) for number in range(periods + 1)]
    wholes = _wholes(look, edges)
    charted = {key: whole for key, whole in wholes.items() if len(whole.events) >= rule.least_events}
    number = Counter(key[0] for key in charted)
    varies = _dispersions(look, charted)
    for key in sorted(charted, key=str):
        scope, scope_id, category, unit = key
        whole = wholes[key]
        for change, fewer in _changes(look, key, wholes, edges, varies[scope, category]):
            if change is None or change.chance > rule.by_chance / number[scope]:
                continue
            if (change.expected if fewer else change.seen) < rule.ratio * (change.seen if fewer else change.expected):
                continue  # sure, and too small to be worth anybody's time
            first = edges[-1 - change.periods]
            # What there are fewer of is shown by those before: as long a time before the change as after it.
            shown = edges[max(0, len(edges) - 1 - 2 * change.periods)] if fewer else first
            members = [one for one in whole.events if one.at.date() >= shown]
            yield look.found(
                PatternKind.RATE,
                f"rate:{scope}:{scope_id}:{category}:{unit}" + (":fewer" if fewer else ""),
                members,
                rule="fewer" if fewer else "more",
                since=datetime.combine(shown, datetime.min.time(), look.now.tzinfo),
                category=category,
                place=scope_id if scope == "location" else None,
                region=scope_id if scope == "region" else None,
                chance=change.chance,
                figures={
                    "seen": short(change.seen), "expected": short(change.expected), "ratio": short(change.ratio),
                    "unit": f"per_1000_{unit}", "periods": change.periods, "period_days": rule.period_days,
                    "since": first.isoformat(), "history_periods": periods - change.periods, "volume": False,
                    **_beside(key, wholes, change.periods), **_along_with(whole.events, first),
                },
            )  # fmt: skip


def _dispersions(look: Look, wholes: dict[Key, _Whole]) -> dict[tuple[str, str], float]:
    alike: dict[tuple[str, str], list[tuple[Row, Row]]] = defaultdict(list)
    for (scope, _, category, _), whole in wholes.items():
        alike[scope, category].append(whole.without())
    return {key: common_dispersion(series, look.policy.rate.baseline_periods) for key, series in alike.items()}


def _changes(
    look: Look, key: Key, wholes: dict[Key, _Whole], edges: Sequence[date], dispersion: float
) -> Iterator[tuple[Change | None, bool]]:
    """The rise and the fall of a series, each as far as it holds against what else could be behind it."""
    rule, whole = look.policy.rate, wholes[key]
    scope, _, category, unit = key
    prior = (0.0, 0.0)
    lengths = rule.lengths
    if scope == "location":
        lengths = [length for length in rule.lengths if length >= rule.place_periods]
        prior = look.prior(category, unit, edges[-1 - lengths[0]])
    asked = partial(
        more_or_fewer, baseline=rule.baseline_periods, lengths=lengths, strongest=PRIOR_STRENGTH, dispersion=dispersion
    )
    counts, amounts = whole.without()
    if min(amounts) <= 0:
        return
    rise, fall = asked(counts, amounts, prior=prior)
    if scope != "location":
        rise = rise and _if(asked(*whole.without([_most_unusual(whole, rise)]))[0], rise, rule.held)
        fall = fall and _if(asked(*whole.without([_most_unusual(whole, fall)]))[1], fall, rule.held)
    if fall is not None and fall.chance < 0.05:
        fall = _if(asked(counts, _others(key, wholes))[1], fall, rule.held)  # else all reporting fell: that is silence
    yield rise, False
    yield fall, True


def _if(also: Change | None, change: Change, chance: float) -> Change | None:
    return change if also is not None and also.chance <= chance else None


def _others(key: Key, wholes: dict[Key, _Whole]) -> Row:
    """Everything else that was reported there, by period."""
    scope, scope_id, category, unit = key
    others = [w for k, w in wholes.items() if k[0] == scope and k[1] == scope_id and k[3] == unit and k[2] != category]
    return _sums([whole.without()[0] for whole in others], len(next(iter(wholes[key].amounts.values()))))


def _most_unusual(whole: _Whole, change: Change) -> UUID:
    """The place that gives most of a change."""
    share = change.expected / (sum(sum(row[-change.periods :]) for row in whole.amounts.values()) or 1.0)
    sign = 1 if change.ratio > 1 else -1
    return max(
        sorted(whole.amounts, key=str),
        key=lambda place: sign * (
            sum(whole.counts.get(place, [0.0])[-change.periods :]) - share * sum(whole.amounts[place][-change.periods :])
        ),
    )  # fmt: skip


def _wholes(look: Look, edges: Sequence[date]) -> dict[Key, _Whole]:
    """Every series that has events: of places, of regions and of the provider with two places or more."""
    rule, periods = look.policy.rate, len(edges) - 1
    amounts = {
        place: [look.exposures.of(place, a, b) for a, b in pairwise(edges)]
        for place in sorted(look.region)
        if look.exposures.unit(place) != DAYS
    }
    members: dict[tuple[str, UUID | None, str], list[UUID]] = defaultdict(list)
    for place in amounts:
        unit, region = look.exposures.unit(place), look.region[place]
        members["provider", None, unit].append(place)
        if region is not None:
            members["region", region, unit].append(place)
    found: dict[Key, _Whole] = {}
    for (place, category), theirs in look.by_place.items():
        if place not in amounts:
            continue
        unit, region = look.exposures.unit(place), look.region[place]
        inside = [one for one in theirs if edges[0] <= one.at.date() < edges[-1]]
        row = [0.0] * periods
        for one in inside:
            row[(one.at.date() - edges[0]).days // rule.period_days] += 1
        for scope, scope_id in (("location", place), ("region", region), ("provider", None)):
            if scope == "region" and region is None:
                continue
            key = scope, scope_id, category, unit
            if key not in found:
                mine = [place] if scope == "location" else members[scope, scope_id, unit]
                found[key] = _Whole({}, {one: amounts[one] for one in mine})
            found[key].counts[place] = row
            found[key].events.extend(inside)
    return {key: whole for key, whole in found.items() if key[0] == "location" or len(whole.amounts) > 1}


def _beside(key: Key, wholes: dict[Key, _Whole], last: int) -> dict[str, str]:
    """How many times as many of everything else were reported since, as before: whether reporting itself changed."""
    counts, amounts = _others(key, wholes), wholes[key].without()[1]
    before, over = sum(counts[:-last]), sum(amounts[:-last])
    return {"all_others": short(sum(counts[-last:]) / (before / over * sum(amounts[-last:])))} if before else {}


def _along_with(events: Sequence[Seen], first: date) -> dict[str, str]:
    """What the incidents since have far more often than those before, if anything: `trait:code`."""
    traits = (Trait.FACTOR, Trait.SHIFT, Trait.TIME, Trait.MEDICINE, Trait.EQUIPMENT, Trait.STAFF_GROUP)
    likeliest = (0.01, "", "")
    for trait in traits:
        known = [one for one in events if one.traits.get(trait)]
        after = Counter(code for one in known if one.at.date() >= first for code in one.traits[trait])
        before = Counter(code for one in known if one.at.date() < first for code in one.traits[trait])
        since = sum(one.at.date() >= first for one in known)
        earlier = len(known) - since
        for code, seen in after.items():
            share = (before[code] + 0.5) / (earlier + 1)
            chance = share_at_least(seen, since, share) * max(len(after), 2) * len(traits)
            if earlier >= 10 and chance < likeliest[0]:
                likeliest = (chance, f"{trait}:{code}", f"{seen} of {since}, before {before[code]} of {earlier}")
    return {"along_with": likeliest[1], "along_with_share": likeliest[2]} if likeliest[1] else {}


def _sums(rows: Sequence[Row], length: int) -> Row:
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0.0] * length
