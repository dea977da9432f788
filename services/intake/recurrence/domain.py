"""How alike two incidents are, ground by ground. Nothing is alike that cannot be said in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.contracts.taxonomy import RecurrenceGround

SHOWN_WORDS = 12
DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Traits:
    """What is compared of an incident. `factors` are circumstances in codes, `minute` is the time of day in London."""

    category: str
    location_id: UUID
    people: frozenset[UUID]
    factors: frozenset[str]
    minute: int
    words: frozenset[str]


@dataclass(frozen=True)
class Likeness:
    """What counts as the same, and how much each ground weighs."""

    weights: Mapping[RecurrenceGround, int]
    same_time_minutes: int
    wording_share: float
    wording_words: int


@dataclass(frozen=True)
class Matched:
    """A ground that holds: its weight, and what matched."""

    ground: RecurrenceGround
    weight: int
    what: str


def alike(new: Traits, old: Traits, rules: Likeness) -> list[Matched]:
    """The grounds on which two incidents are alike, the heaviest first. The same whichever of the two is named first."""
    found: dict[RecurrenceGround, str] = {}
    if new.category == old.category:
        found[RecurrenceGround.TYPE] = new.category
    people = new.people & old.people
    if people:
        found[RecurrenceGround.PERSON] = f"{len(people)} of the same people"
    if new.location_id == old.location_id:
        found[RecurrenceGround.PLACE] = "the same location"
    factors = sorted(new.factors & old.factors)
    if factors:
        found[RecurrenceGround.FACTOR] = ", ".join(factors)
    apart = minutes_apart(new.minute, old.minute)
    if apart <= rules.same_time_minutes:
        found[RecurrenceGround.TIME_OF_DAY] = f"{apart} minutes apart in the day"
    words = sorted(new.words & old.words)
    shorter = min(len(new.words), len(old.words))
    if len(words) >= rules.wording_words and len(words) >= rules.wording_share * shorter:
        found[RecurrenceGround.WORDING] = ", ".join(words[:SHOWN_WORDS])
    matched = [Matched(ground, rules.weights[ground], what) for ground, what in found.items() if rules.weights[ground]]
    return sorted(matched, key=lambda one: (-one.weight, one.ground))


def minutes_apart(one: int, other: int) -> int:
    """Between two times of the day, the short way round midnight."""
    apart = abs(one - other) % DAY_MINUTES
    return min(apart, DAY_MINUTES - apart)


def score(matched: list[Matched]) -> int:
    """The weight of all grounds that hold."""
    return sum(one.weight for one in matched)
