"""A year of a provider of many services, made up from a seed: events as reporting consumes them, and what was planted.

Rates are of the order of what is published for England (falls of about 4 in 1,000 occupied bed days and less of
everything else), with the spread between services, people and hours of the day that makes patterns hard to see. Nothing
in it is real. The same seed gives the same year.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from services.contracts import actions, directory, intake, review
from services.contracts.event import EventData
from services.contracts.taxonomy import (
    Band,
    Category,
    Consequence,
    ExposureUnit,
    Kind,
    Likelihood,
    LocationType,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Seips,
    Strength,
)

_LOCAL = ZoneInfo("Europe/London")

DAYS = 365
REGIONS = 8

# Events in 1,000 occupied bed days or, for care at home, 1,000 care hours.
RATES = {
    ExposureUnit.OCCUPIED_BED_DAYS: {
        Category.FALL: 4.0, Category.MEDICATION: 1.2, Category.BEHAVIOUR_DISTRESS: 0.8, Category.PRESSURE_DAMAGE: 0.4,
        Category.STAFFING: 0.2, Category.INFECTION: 0.15, Category.ENVIRONMENT: 0.15, Category.ABUSE_ALLEGATION: 0.1,
        Category.CHOKING: 0.08, Category.MISSING_PERSON: 0.06, Category.INFORMATION: 0.05,
    },
    ExposureUnit.CARE_HOURS: {
        Category.MISSED_VISIT: 0.8, Category.FALL: 0.25, Category.MEDICATION: 0.25, Category.STAFFING: 0.06,
        Category.ABUSE_ALLEGATION: 0.03, Category.INFORMATION: 0.03, Category.PRESSURE_DAMAGE: 0.04,
    },
}  # fmt: skip

# How often each hour of the day; medicines go by their rounds.
_HOURS = [2, 2, 2, 2, 2, 3, 5, 6, 6, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 5, 4, 3, 2]
_ROUNDS = [1, 0, 0, 0, 0, 0, 1, 8, 14, 6, 2, 2, 9, 6, 2, 1, 2, 8, 9, 3, 3, 8, 5, 2]
_MEDICINES = {
    "anticoagulant": 8, "insulin": 6, "opioid": 7, "other_pain_relief": 20, "epilepsy": 6, "parkinsons": 5,
    "antidepressant": 10, "sedative": 5, "heart_or_blood_pressure": 15, "antibiotic": 6, "laxative": 7, "topical": 5,
}  # fmt: skip
_EQUIPMENT = {
    "none": 55, "walking_aid": 15, "wheelchair": 7, "sensor_or_call_bell": 8, "bed_or_mattress": 6, "bed_rail": 3,
    "bath_or_shower": 4, "hoist_or_sling": 2,
}  # fmt: skip
_STAFF = {"own_staff": 74, "agency": 11, "bank": 8, "own_and_agency": 5, "nobody_there": 2}
_FACTORS = {
    Seips.PERSON: 45, Seips.TASKS: 30, Seips.TOOLS: 20, Seips.ORGANISATION: 35, Seips.INTERNAL_ENVIRONMENT: 20,
    Seips.EXTERNAL_ENVIRONMENT: 5,
}  # fmt: skip
_HARM = {PhysicalHarm.NONE: 58, PhysicalHarm.LOW: 33, PhysicalHarm.MODERATE: 7, PhysicalHarm.SEVERE: 2}
WORDINGS = 300
"""How many ways there are to word an action of one type, the n-th as often as 1/n^0.6."""


@dataclass(frozen=True)
class Told:
    """One event: its payload, the version of the record after it, and when it happened."""

    data: EventData
    version: int
    at: datetime


@dataclass(frozen=True)
class Service:
    """A made-up service."""

    location_id: UUID
    region_id: UUID
    kind: LocationType
    beds: int
    unit: ExposureUnit
    daily: float
    people: int


@dataclass
class Planted:
    """A pattern that was put into the year, by the kind that should find it, with the incidents that are it."""

    kind: str
    category: str | None
    locations: list[UUID]
    trait: str | None
    code: str | None
    first: datetime
    last: datetime
    incidents: list[UUID] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self),
            "locations": [str(one) for one in self.locations],
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "incidents": [str(one) for one in self.incidents],
        }


@dataclass(frozen=True)
class PlantedWeakness:
    """A weakness of a service that was put into the year, and the share of its records that shows it."""

    weakness: str
    location_id: UUID
    share: float

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "location_id": str(self.location_id)}


@dataclass
class Year:
    """A made-up year: its services, its events in order of time, and what was planted."""

    provider_id: UUID
    first: datetime
    services: list[Service]
    told: list[Told]
    planted: list[Planted]
    weaknesses: list[PlantedWeakness] = field(default_factory=list)
    shares: dict[tuple[UUID, str], float] = field(default_factory=dict)
    """How often each service shows each weakness, planted there or not."""

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.first + timedelta(days=DAYS)


class _Maker:
    def __init__(self, seed: int, services: int, first: date) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - made-up data, the same for the same seed
        self.first = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self.provider_id = self.new_id()
        self.regions = [self.new_id() for _ in range(REGIONS)]
        self.told: list[Told] = []
        self.services = [self._service(number) for number in range(services)]
        self.planted: list[Planted] = []
        # How much more, or less, of a type a service has than its exposure says; and of one person than another.
        self.spread = {
            (one.location_id, category): self.chance.gammavariate(6, 1 / 6)
            for one in self.services
            for category in RATES[one.unit]
        }
        self.people = {
            one.location_id: [(self.digest(), self.chance.gammavariate(1.5, 1)) for _ in range(one.people)]
            for one in self.services
        }
        self.words = {category: [self.digest() for _ in range(WORDINGS)] for category in Category}
        self.word_weights = [1 / (place + 3) ** 0.6 for place in range(WORDINGS)]

    def new_id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    def digest(self) -> str:
        return sha256(self.chance.randbytes(16)).hexdigest()[:32]

    def pick(self, weights: dict[Any, int]) -> Any:
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def _service(self, number: int) -> Service:
        chance, share = self.chance, number % 20
        if share < 13:
            beds = min(90, max(12, round(chance.lognormvariate(3.5, 0.4))))
            kind = LocationType.CARE_HOME if share < 9 else LocationType.CARE_HOME_NURSING
            unit, daily, people = ExposureUnit.OCCUPIED_BED_DAYS, beds * chance.uniform(0.82, 0.97), beds
        elif share < 17:
            beds = chance.randint(5, 14)
            kind, unit, daily, people = LocationType.SUPPORTED_LIVING, ExposureUnit.OCCUPIED_BED_DAYS, beds * 0.97, beds
        else:
            beds, people = 0, chance.randint(40, 140)
            kind, unit, daily = LocationType.HOME_CARE, ExposureUnit.CARE_HOURS, people * chance.uniform(1.2, 1.9)
        return Service(self.new_id(), self.regions[number % REGIONS], kind, beds, unit, daily, people)

    def at(self, day: float, category: Category, hour: int | None = None) -> datetime:
        """A moment of a day, by the hours at which the type happens: rounds and shifts go by the clock on the wall."""
        if hour is None:
            hour = self.chance.choices(range(24), _ROUNDS if category is Category.MEDICATION else _HOURS)[0]
        there = (self.first + timedelta(days=int(day), hours=hour, minutes=self.chance.randrange(60))).replace(
            tzinfo=_LOCAL
        )
        return there.astimezone(UTC)

    def register(self) -> None:
        """Services and their exposure, month by month."""
        for number, one in enumerate(self.services):
            self.told.append(
                Told(
                    directory.LocationRecorded(
                        location_id=one.location_id, region_id=one.region_id, cqc_location_id=f"1-9{number:08d}",
                        name=f"Service {number + 1}", beds=one.beds, active=True, revision=1, types=[one.kind],
                    ),
                    1,
                    self.first,
                )
            )  # fmt: skip
            month = self.first.date().replace(day=1)
            while month <= (self.first + timedelta(days=DAYS)).date():
                following = (month + timedelta(days=32)).replace(day=1)
                quantity = Decimal(round(one.daily * (following - month).days * self.chance.uniform(0.97, 1.03), 1))
                self.told.append(
                    Told(
                        directory.ExposureRecorded(
                            location_id=one.location_id, month=month, unit=one.unit, quantity=quantity, revision=1
                        ),
                        1,
                        self.first,
                    )
                )
                month = following

    def happens(
        self,
        one: Service,
        category: Category,
        at: datetime,
        *,
        kind: Kind | None = None,
        harm: PhysicalHarm | None = None,
        person: str | None = None,
        traits: dict[str, str] | None = None,
        wording: str | None = None,
    ) -> UUID:
        """One incident from its report to what was agreed, as far as reporting hears of it."""
        chance, incident_id, given = self.chance, self.new_id(), traits or {}
        if kind is None:
            kind = self.pick({Kind.INCIDENT: 85, Kind.NEAR_MISS: 12, Kind.GOOD_CARE: 3})
        if harm is None:
            harm = PhysicalHarm.NONE if kind is not Kind.INCIDENT else self.pick(_HARM)
        reported = at + timedelta(hours=min(96, chance.lognormvariate(0.7, 1.1)))
        band = {
            PhysicalHarm.NONE: Band.LOW, PhysicalHarm.LOW: self.pick({Band.LOW: 6, Band.MODERATE: 4}),
            PhysicalHarm.MODERATE: Band.MODERATE,
        }.get(harm, Band.HIGH)  # fmt: skip
        self._tell(reported, 1, intake.IncidentReported(
            incident_id=incident_id, location_id=one.location_id, region_id=one.region_id, kind=kind, category=category,
            occurred_at=at, reported_at=reported, immediate_danger=False, triage_due_at=reported + timedelta(hours=24),
        ))  # fmt: skip
        triaged = reported + timedelta(hours=min(40, chance.lognormvariate(1.6, 0.9)))
        self._tell(triaged, 2, intake.IncidentTriaged(
            incident_id=incident_id, cycle=1, actual_harm=harm, consequence=Consequence.MODERATE,
            likelihood=Likelihood.POSSIBLE, score=9, band=band, by_default=False, rule="otherwise",
            policy_version="default-1", overridden=False,
        ))  # fmt: skip
        if person is None:
            people = self.people[one.location_id]
            person = chance.choices([ref for ref, _ in people], [weight for _, weight in people])[0]
        known = chance.random
        self._tell(triaged, 2, intake.IncidentDescribed(
            incident_id=incident_id, people=[person], revision=2,
            medicine=given.get("medicine", self.pick(_MEDICINES) if known() < 0.9 else None)
            if category is Category.MEDICATION else None,
            equipment=given.get("equipment", self.pick(_EQUIPMENT) if known() < 0.7 else None)
            if category in (Category.FALL, Category.PRESSURE_DAMAGE, Category.ENVIRONMENT) else None,
            staff_group=given.get("staff_group", self.pick(_STAFF) if known() < 0.75 else None),
        ))  # fmt: skip
        self._reviewed(one, category, incident_id, triaged, band, given, wording)
        return incident_id

    def _reviewed(
        self, one: Service, category: Category, incident_id: UUID, triaged: datetime, band: Band, given: dict[str, str],
        wording: str | None,
    ) -> None:  # fmt: skip
        chance = self.chance
        if not (band is not Band.LOW or wording or "factor" in given or chance.random() < 0.35):
            self._tell(triaged + timedelta(days=1), 3, intake.IncidentClosed(
                incident_id=incident_id, cycle=1, **self._closed(triaged + timedelta(days=1))
            ))  # fmt: skip
            return
        review_id, approved = self.new_id(), triaged + timedelta(days=chance.uniform(2, 12))
        self._tell(triaged, 1, review.ReviewOpened(
            incident_id=incident_id, review_id=review_id, cycle=1, method=ReviewMethod.BRIEF,
            lead_role=Role.REGISTERED_MANAGER, due_at=triaged + timedelta(days=10), rule="otherwise",
            policy_version="default-1",
        ))  # fmt: skip
        factors = {factor for factor, percent in _FACTORS.items() if chance.random() * 100 < percent}
        if "factor" in given:
            factors.add(Seips(given["factor"]))
        learned = chance.random() < 0.8
        self._tell(approved, 3, review.ReviewApproved(
            incident_id=incident_id, review_id=review_id, cycle=1, factors=sorted(factors or {Seips.PERSON}),
            learning_count=int(learned), actions_needed=True, briefing_needed=learned,
        ))  # fmt: skip
        words = wording or chance.choices(self.words[category], self.word_weights)[0]
        strength = self.pick({Strength.WEAKER: 50, Strength.INTERMEDIATE: 38, Strength.STRONGER: 12})
        self._tell(approved + timedelta(hours=2), 1, actions.ActionAgreed(
            incident_id=incident_id, action_id=self.new_id(), cycle=1, owner_role=Role.REGISTERED_MANAGER,
            strength=Strength.WEAKER if wording else strength, wording=words,
            weak_wording=wording is not None or strength is Strength.WEAKER,
        ))  # fmt: skip

    def _closed(self, at: datetime) -> dict[str, Any]:
        wanted = intake.IncidentClosed.model_fields
        return {name: value for name, value in {"closed_at": at, "rule": "otherwise"}.items() if name in wanted}

    def _tell(self, at: datetime, version: int, data: EventData) -> None:
        self.told.append(Told(data, version, at))

    def usual(self) -> None:
        """What happens with nothing behind it."""
        for one in self.services:
            for category, rate in RATES[one.unit].items():
                mean = one.daily * rate / 1000 * self.spread[one.location_id, category]
                day = self.chance.expovariate(mean)
                while day < DAYS:
                    self.happens(one, category, self.at(day, category))
                    day += self.chance.expovariate(mean)

    def homes(self, number: int, least: int = 0) -> list[Service]:
        """So many different homes."""
        return self.chance.sample([one for one in self.services if one.beds >= max(least, 18)], number)

    def plant(
        self, kind: str, category: Category | None, places: Sequence[Service], days: tuple[float, float],
        make: Iterable[UUID], *, trait: str | None = None, code: str | None = None,
    ) -> None:  # fmt: skip
        """Note what `make` puts into the year."""
        first, last = (self.first + timedelta(days=day) for day in days)
        self.planted.append(
            Planted(kind, category, [one.location_id for one in places], trait, code, first, last, list(make))
        )

    def plant_all(self) -> None:
        """Three or four patterns of each kind, in the last months, when there is a history to tell them from."""
        chance = self.chance
        for _ in range(3):
            [home], start = self.homes(1), chance.uniform(180, 330)
            person = self.people[home.location_id][0][0]
            self.plant("person_repeat", Category.FALL, [home], (start, start + 20), [
                self.happens(home, Category.FALL, self.at(start + 4 * n, Category.FALL), kind=Kind.INCIDENT, person=person)
                for n in range(4)
            ], trait="person", code=person)  # fmt: skip
        for category in (Category.MEDICATION, Category.FALL, Category.BEHAVIOUR_DISTRESS, Category.PRESSURE_DAMAGE):
            [home], start = self.homes(1), chance.uniform(180, 330)
            mean = home.daily * RATES[home.unit][category] / 1000 * self.spread[home.location_id, category] * 28
            extra = round(3 * mean + 5)
            self.plant("place_and_type", category, [home], (start, start + 28), [
                self.happens(home, category, self.at(chance.uniform(start, start + 28), category), kind=Kind.INCIDENT)
                for _ in range(extra)
            ])  # fmt: skip
        for home in self.homes(2, least=42):
            mean = home.daily * RATES[home.unit][Category.FALL] / 1000 * self.spread[home.location_id, Category.FALL]
            start = chance.uniform(200, 240)
            self.plant("rate_special_cause", Category.FALL, [home], (start, DAYS), self._faster(
                [home], Category.FALL, start, mean * 1.2
            ))  # fmt: skip
        region = chance.choice(self.regions)
        there = [one for one in self.services if one.region_id == region and one.beds]
        mean = sum(one.daily for one in there) * RATES[ExposureUnit.OCCUPIED_BED_DAYS][Category.MEDICATION] / 1000
        self.plant("rate_special_cause", Category.MEDICATION, there, (220, DAYS), self._faster(
            there, Category.MEDICATION, 220, mean * 0.6
        ))  # fmt: skip
        self._clusters()
        self._themes()
        self._wordings()
        for category in (Category.CHOKING, Category.MEDICATION, Category.MISSING_PERSON):
            [home], start = self.homes(1), chance.uniform(180, 330)
            lesser: Callable[[int], UUID] = lambda n, home=home, category=category, start=start: self.happens(  # type: ignore[misc]  # noqa: E731
                home, category, self.at(start + 4 * n, category), kind=Kind.NEAR_MISS
            )
            self.plant("precursor", category, [home], (start, start + 28), [
                *(lesser(n) for n in range(5)),
                self.happens(home, category, self.at(start + 23, category), kind=Kind.INCIDENT, harm=PhysicalHarm.SEVERE),
            ])  # fmt: skip

    def _faster(self, places: Sequence[Service], category: Category, start: float, more: float) -> Iterator[UUID]:
        day = start + self.chance.expovariate(more)
        while day < DAYS:
            one = self.chance.choices(places, [place.daily for place in places])[0]
            yield self.happens(one, category, self.at(day, category), kind=Kind.INCIDENT)
            day += self.chance.expovariate(more)

    def _clusters(self) -> None:
        for category, trait, code, hour in (
            (Category.MEDICATION, "time_of_day", "12-14", 12), (Category.FALL, "shift", "night", None),
            (Category.MEDICATION, "medicine", "insulin", None), (Category.FALL, "equipment", "hoist_or_sling", None),
            (Category.MEDICATION, "staff_group", "agency", None), (Category.FALL, "factor", Seips.TOOLS, None),
        ):  # fmt: skip
            [home], start = self.homes(1), self.chance.uniform(150, 280)
            made = []
            for _ in range(10):
                when = (
                    hour
                    if hour is not None
                    else (self.chance.choice([22, 23, 1, 2, 3, 4]) if code == "night" else None)
                )
                at = self.at(self.chance.uniform(start, start + 75), category, when)
                given = {} if trait in ("time_of_day", "shift") else {trait: str(code)}
                made.append(self.happens(home, category, at, kind=Kind.INCIDENT, traits=given))
            self.plant("cluster", category, [home], (start, start + 75), made, trait=trait, code=str(code))

    def _themes(self) -> None:
        for category, trait, code in (
            (Category.MEDICATION, "medicine", "parkinsons"), (Category.FALL, "equipment", "bed_rail"),
            (Category.BEHAVIOUR_DISTRESS, "staff_group", "agency"),
        ):  # fmt: skip
            places, start = self.homes(7), self.chance.uniform(180, 270)
            self.plant("theme_across_services", category, places, (start, start + 80), [
                self.happens(
                    one, category, self.at(self.chance.uniform(start, start + 80), category), kind=Kind.INCIDENT,
                    traits={trait: code},
                )
                for one in places for _ in range(5)
            ], trait=trait, code=code)  # fmt: skip

    def _wordings(self) -> None:
        for number, each in ((1, 6), (1, 6), (6, 3)):
            places, start, words = self.homes(number), self.chance.uniform(180, 260), self.digest()
            self.plant("repeated_action_wording", Category.MEDICATION, places, (start, start + 95), [
                self.happens(
                    one, Category.MEDICATION, self.at(self.chance.uniform(start, start + 80), Category.MEDICATION),
                    kind=Kind.INCIDENT, wording=words,
                )
                for one in places for _ in range(each)
            ], trait="wording", code=words)  # fmt: skip


def make_year(seed: int, *, services: int = 200, planted: bool = True, first: date = date(2025, 6, 1)) -> Year:
    """The year of a seed. Without `planted`, nothing is behind anything: what is found in it is a false alarm."""
    maker = _Maker(seed, services, first)
    maker.register()
    maker.usual()
    if planted:
        maker.plant_all()
    maker.told.sort(key=lambda one: one.at)
    # The two years of a seed are of two providers: looked at in one database, neither is to count in the other.
    provider_id = maker.provider_id if planted else uuid5(maker.provider_id, "stable")
    return Year(provider_id, maker.first, maker.services, maker.told, maker.planted)
