"""The same person, the same type, again and again: more than is usual for the type, the place and the person.

Two falls in a week are a reason to look at one person, and the ladder calls somebody for that at once; they are common
enough that a pattern of each would teach people to look away.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.contracts.taxonomy import ExposureUnit
from services.reporting.patterns.domain import Found, PatternKind, Seen, Trait
from services.reporting.patterns.look import Look, short
from services.reporting.patterns.policy import CountRule
from services.spc.chance import at_least, gamma_prior

Theirs = dict[tuple[str, str], list[Seen]]


def persons(look: Look) -> Iterator[Found]:
    """Runs of one person and one type that one of the policy's counts asks for, and that are unusual.

    Where too little is known to say what is usual, the count alone decides, and the signal says that it is a volume.
    """
    rule = look.policy.person
    longest = max(count.days for count in rule.counts)
    since = look.now - timedelta(days=longest)
    by_person: Theirs = defaultdict(list)
    at: dict[UUID, set[str]] = defaultdict(set)
    for one in look.counted:
        for person in one.traits.get(Trait.PERSON, ()):
            by_person[person, one.category].append(one)
            at[one.location_id].add(person)
    people = {place: _people(look, place, len(seen)) for place, seen in at.items()}
    usual = _Usual(look, by_person, people, since)
    most = rule.by_chance / max(1.0, sum(people.values()))
    for (person, category), theirs in by_person.items():
        recent = [one for one in theirs if one.at > since]
        runs = [(run, count) for count in rule.counts if (run := _within(recent, count.count, count.days))]
        if not runs:
            continue
        before = len(theirs) - len(recent)
        place = recent[-1].location_id
        rate = usual.of(category, place, before)
        members, count = runs[0]
        figures: dict[str, str | int | bool | None] = {}
        chance: float | None = None
        if rate is not None:
            # A short window has several places in the time that is looked at, and there is more than one count.
            tails = [_tail(run, count, rate) * longest / count.days * len(rule.counts) for run, count in runs]
            chance = min(1.0, *tails)
            if chance > most:
                continue
            members, count = runs[tails.index(min(tails))]
            figures["expected"] = short(rate[0] / rate[1] * count.days)
        yield look.found(
            PatternKind.PERSON,
            f"person:{person}:{category}",
            members,
            rule=count.rule,
            since=since,
            category=category,
            trait=Trait.PERSON,
            code=person,
            place=place,
            chance=chance,
            figures={
                "seen": len(members), "window_days": count.days, "needed": count.count, "events_before": before,
                "known_since_days": (look.now - min(one.at for one in _all(by_person, person))).days,
                "volume": rate is None, **figures,
            },
        )  # fmt: skip


def _all(by_person: Theirs, person: str) -> list[Seen]:
    return [one for (who, _), theirs in by_person.items() if who == person for one in theirs]


def _people(look: Look, place: UUID, seen: int) -> float:
    """How many people there are at a place: those its beds are occupied by, or at least those who were seen."""
    days = (look.today - look.first).days
    if look.exposures.unit(place) != ExposureUnit.OCCUPIED_BED_DAYS or days <= 0:
        return float(seen)
    return max(float(seen), look.exposures.of(place, look.first, look.today) / days)


class _Usual:
    """How often something of a type happens to one person: by the place, by how people differ, by their own past."""

    def __init__(self, look: Look, by_person: Theirs, people: dict[UUID, float], since: datetime) -> None:
        self.look, self.people, self.since = look, people, since
        self.days = (since.date() - look.first).days
        self.before: dict[str, dict[UUID, list[int]]] = defaultdict(lambda: defaultdict(list))
        for (_, category), theirs in by_person.items():
            earlier = [one for one in theirs if one.at <= since]
            if earlier:
                self.before[category][earlier[-1].location_id].append(len(earlier))
        self._spread: dict[str, float | None] = {}

    def of(self, category: str, place: UUID, before: int) -> tuple[float, float] | None:
        """Events and the days in which they are usual; None where too little is known."""
        spread = self._of_type(category)
        if spread is None:
            return None
        return spread + before, spread / self._daily(category, place) + self.days

    def _daily(self, category: str, place: UUID) -> float:
        shape, over = self.look.prior(category, self.look.exposures.unit(place), self.since.date())
        known = shape + sum(self.before[category].get(place, ()))
        exposure = self.look.exposures.of(place, self.look.first, self.since.date())
        return known / (over + exposure) * exposure / self.days / self.people[place]

    def _of_type(self, category: str) -> float | None:
        """The shape of how people differ in a type, everybody to whom nothing happened counted too."""
        if category not in self._spread:
            rule, of_type = self.look.policy.person, self.before[category]
            counts = [count for here in of_type.values() for count in here]
            self._spread[category] = None
            if self.days >= rule.least_days and sum(counts) >= rule.least_events:
                events: list[float] = []
                expected: list[float] = []
                for place, number in self.people.items():
                    here = of_type.get(place, [])
                    nobody = max(0, round(number) - len(here))
                    events += [*map(float, here), *[0.0] * nobody]
                    expected += [self._daily(category, place) * self.days] * (len(here) + nobody)
                self._spread[category] = gamma_prior(events, expected)[0]
        return self._spread[category]


def _tail(run: Sequence[Seen], count: CountRule, usual: tuple[float, float]) -> float:
    """How likely the fullest window of a run is."""
    window = timedelta(days=count.days)
    fullest = max(sum(1 for other in run if one.at <= other.at <= one.at + window) for one in run)
    return at_least(fullest, usual[0], usual[1], count.days)


def _within(theirs: Sequence[Seen], count: int, days: int) -> list[Seen]:
    """The incidents of every run of `count` within so many days; in order of time."""
    members: dict[UUID, Seen] = {}
    for first in range(len(theirs) - count + 1):
        run = theirs[first : first + count]
        if run[-1].at - run[0].at <= timedelta(days=days):
            members.update((one.incident_id, one) for one in run)
    return list(members.values())
