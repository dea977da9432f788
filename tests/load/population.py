"""Incidents of many years in reporting's tables, in minutes: real projections of some hundred lives, moved and multiplied.

Each life is told by the real events and projected by the real consumer, whole and after each of its events. An incident of
the population is one of these projections with ids of its own, moved in time and to a place. `differences` shows for a
sample that this is what the consumer writes when it is told that incident's own events.

The same 1,000 places report at the same pace, 548 a day in the middle; what grows with the number is the history.
"""

import hashlib
import json
import random
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from services.contracts import actions, directory, intake, review
from services.contracts.event import EventData
from services.contracts.taxonomy import (
    Band,
    Category,
    ExposureUnit,
    Kind,
    LocationType,
    PhysicalHarm,
    Role,
    Seips,
    Strength,
    Verdict,
)
from services.reporting import consumer, store
from services.reporting.domain import Entry
from services.runtime.consumer import Received
from services.runtime.outbox import new_id
from tests.load.projection import life

LOCATIONS, REGIONS = 1_000, 12
A_DAY = 548
"""Reports of all places together: 1,000,000 in five years."""
LINES_DAYS = 400
"""Older incidents have no timeline here, to bound the disk; every reading of it is by an index."""
SHARE_OF_LARGE = 0.85
"""The large provider's places and incidents; the others are of five smaller ones."""
_LONG, _SHORT = 60, 120
_LONG_SHARE = 0.12
"""Assumed: one in eight goes through actions, briefing and checkpoint; the others end with their review."""

# Assumed, in the order of magnitude of what providers publish: no national count of adult social care's incidents exists.
_CATEGORIES = {
    Category.FALL: 30, Category.MEDICATION: 20, Category.BEHAVIOUR_DISTRESS: 15, Category.PRESSURE_DAMAGE: 7,
    Category.ENVIRONMENT: 5, Category.MISSED_VISIT: 5, Category.ABUSE_ALLEGATION: 5, Category.OTHER: 4,
    Category.INFECTION: 3, Category.STAFFING: 2, Category.CHOKING: 1.5, Category.INFORMATION: 1, Category.DEATH: 0.8,
    Category.MISSING_PERSON: 0.7,
}  # fmt: skip
_KINDS = {Kind.INCIDENT: 88, Kind.NEAR_MISS: 10, Kind.GOOD_CARE: 2}
_GRADES = (
    (0.55, PhysicalHarm.NONE, Band.LOW), (0.88, PhysicalHarm.LOW, Band.LOW), (0.97, PhysicalHarm.MODERATE, Band.MODERATE),
    (0.994, PhysicalHarm.SEVERE, Band.HIGH), (1.0, PhysicalHarm.FATAL, Band.EXTREME),
)  # fmt: skip
_EPOCH = datetime(2026, 1, 5, 8, tzinfo=UTC)
_PLACE, _REGION = uuid.UUID(int=0xA1), uuid.UUID(int=0xA2)
"""Stand for an incident's own place and region in the lives."""

Told = tuple[datetime, int, EventData]


@dataclass(frozen=True)
class Seed:
    """What makes an incident of the population out of a life: see the columns of `bench.seed`."""

    incident_id: uuid.UUID
    provider_id: uuid.UUID
    location_id: uuid.UUID
    region_id: uuid.UUID | None
    kind: str
    category: str
    person: str
    template: int
    shift: timedelta


def _grade(chance: random.Random) -> tuple[PhysicalHarm, Band]:
    drawn = chance.random()
    return next((harm, band) for limit, harm, band in _GRADES if drawn <= limit)


def _long(number: int) -> list[Told]:
    """A life with actions, briefing and checkpoint; some of them weak in one way or another."""
    chance = random.Random(number)
    harm, band = _grade(chance)
    told: list[Told] = []
    for at, version, event in life(chance, _EPOCH):
        if isinstance(event, intake.IncidentReported):
            event = _as_reported(event, chance)
        elif isinstance(event, intake.IncidentTriaged):
            event = event.model_copy(update={"actual_harm": harm, "band": band, "by_default": chance.random() < 0.06})
        elif isinstance(event, review.ReviewApproved):
            person = chance.random() < 0.15
            learning = 0 if chance.random() < 0.2 else 1
            event = event.model_copy(
                update={"factors": [Seips.PERSON] if person else [Seips.TASKS], "learning_count": learning}
            )
        elif isinstance(event, actions.ActionAgreed):
            words = hashlib.md5(str(chance.randrange(400)).encode()).hexdigest()
            strength = chance.choice([Strength.WEAKER, Strength.INTERMEDIATE, Strength.STRONGER])
            event = event.model_copy(update={"wording": words, "strength": strength})
        elif isinstance(event, actions.ImpactJudged):
            verdict = Verdict.NO_CHANGE if chance.random() < 0.25 else Verdict.SUSTAINED
            event = event.model_copy(update={"verdict": verdict})
        elif isinstance(event, review.BriefingReached) and chance.random() < 0.2:
            continue
        told.append((at, version, event))
        if len(told) == 1:
            told += _beside(chance, told[0])
    return told


def _short(number: int) -> list[Told]:
    """A life that ends with its review, or sooner as withdrawn or a duplicate."""
    chance = random.Random(1_000 + number)
    whole = _long(1_000 + number)
    upto = next(n for n, (_, _, event) in enumerate(whole) if isinstance(event, review.ReviewSubmitted)) + 1
    told = whole[:upto]
    at, version, last = told[-1]
    incident_id = last.model_dump()["incident_id"]
    if chance.random() < 0.04:
        return [*told[:-1], (at, version, intake.IncidentWithdrawn(incident_id=incident_id))]
    approved = next(event for _, _, event in whole if isinstance(event, review.ReviewApproved))
    at += timedelta(hours=chance.uniform(1, 48))
    nothing = {"actions_needed": False, "briefing_needed": False, "learning_count": int(chance.random() < 0.1)}
    closed = intake.IncidentClosed(incident_id=incident_id, cycle=1, closed_at=at)
    return [*told, (at, version + 1, approved.model_copy(update=nothing)), (at, version + 2, closed)]


def _as_reported(event: intake.IncidentReported, chance: random.Random) -> intake.IncidentReported:
    before = timedelta(hours=chance.uniform(25, 100) if chance.random() < 0.12 else chance.uniform(0.2, 20))
    return event.model_copy(
        update={"location_id": _PLACE, "region_id": _REGION, "occurred_at": event.reported_at - before}
    )


def _beside(chance: random.Random, reported: Told) -> Iterator[Told]:
    """What comes soon after a report: who and what was involved, calls, who may see it, an obligation that is late."""
    at, _, event = reported
    incident_id = event.model_dump()["incident_id"]
    code = hashlib.md5(str(chance.randrange(20_000)).encode()).hexdigest()
    yield at, 1, intake.IncidentDescribed(incident_id=incident_id, people=[code], medicine=None, revision=1)
    if chance.random() < 0.1:
        rung = uuid.uuid4()
        yield at, 1, intake.IncidentEscalated(
            incident_id=incident_id, escalation_id=rung, level=1, reason="high_risk", to_role=Role.ON_CALL_MANAGER,
            to_person=None,
        )  # fmt: skip
        if chance.random() < 0.9:
            yield (
                at + timedelta(minutes=9),
                1,
                intake.EscalationAcknowledged(incident_id=incident_id, escalation_id=rung, level=1),
            )
    if chance.random() < 0.03:
        yield (
            at,
            1,
            intake.IncidentRestricted(
                incident_id=incident_id, revision=1, roles=[Role.SAFEGUARDING_LEAD], people=[], excluded=[]
            ),
        )
    if chance.random() < 0.03:
        yield at + timedelta(minutes=30), 1, intake.ObligationLate(
            incident_id=incident_id, obligation_id=uuid.uuid4(), rule="cqc_serious_injury", recipient="cqc", due_at=at,
            statutory=True,
        )  # fmt: skip


_DIFFERS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\{\w+\}"
)


class Stamped:
    """One event of a life with gaps for what differs between incidents: ids, places, times."""

    def __init__(self, at: datetime, version: int, event: EventData) -> None:
        self.at, self.version, self.event, self.event_id = at, version, event, new_id()
        self.publisher = consumer._PUBLISHER.get(event.TYPE, "directory")
        self.incident_id: uuid.UUID = getattr(event, "incident_id", uuid.UUID(int=0))
        whole = event.model_dump(mode="json")
        if isinstance(event, intake.IncidentReported):
            whole |= {"kind": "{kind}", "category": "{category}"}
        elif isinstance(event, intake.IncidentDescribed):
            whole |= {"people": ["{person}"]}
        elif isinstance(event, actions.ActionAgreed):
            whole |= {"wording": f"{{{event.wording}}}"}
        line = {name: value for name, value in whole.items() if name not in ("incident_id", "case_kind")}
        self.whole, self.line = _parts(json.dumps(whole)), _parts(json.dumps(line))

    def received(self, seed: Seed, incident_id: uuid.UUID) -> Received:
        """The event as it is told of an incident of the population."""
        data = json.loads(self.text(self.whole, seed, incident_id))
        return Received(
            event_id=uuid.UUID(_own(self.event_id, seed.incident_id)), type=self.event.TYPE, provider_id=seed.provider_id,
            subject=str(seed.incident_id), key=str(seed.incident_id), version=self.version,
            occurred_at=self.at + seed.shift, actor=str(uuid.UUID(int=7)), actor_role="registered_manager", data=data,
            topic="", partition=0, offset=0,
        )  # fmt: skip

    def told(self, provider_id: uuid.UUID) -> Received:
        """The event as it is told of the life itself."""
        data = self.event.model_dump(mode="json")
        return Received(
            event_id=self.event_id, type=self.event.TYPE, provider_id=provider_id, subject=self.event.key,
            key=self.event.key, version=self.version, occurred_at=self.at, actor=str(uuid.UUID(int=7)),
            actor_role="registered_manager", data=data, topic="", partition=0, offset=0,
        )  # fmt: skip

    def text(self, parts: Sequence[Any], seed: Seed, incident_id: uuid.UUID) -> str:
        """The payload of an incident of the population; `incident_id` is the life's."""
        found = []
        for part in parts:
            if isinstance(part, str):
                found.append(part)
            elif isinstance(part, datetime):
                found.append((part + seed.shift).isoformat().replace("+00:00", "Z"))
            elif isinstance(part, _Gap):
                words = hashlib.md5(f"{part.name}{seed.incident_id}".encode()).hexdigest()
                found.append(getattr(seed, part.name, words))
            elif part == incident_id:
                found.append(str(seed.incident_id))
            elif part == _PLACE:
                found.append(str(seed.location_id))
            elif part == _REGION:
                found.append(str(seed.region_id))
            else:
                found.append(_own(part, seed.incident_id))
        return "".join(found)


@dataclass(frozen=True)
class _Gap:
    """A field of the seed, or the words of an action, which are each incident's own."""

    name: str


def _part(value: str) -> Any:
    if value.startswith("{"):
        return _Gap(value[1:-1])
    return uuid.UUID(value) if value[8] == "-" else datetime.fromisoformat(value)


def _parts(written: str) -> list[Any]:
    parts: list[Any] = []
    end = 0
    for found in _DIFFERS.finditer(written):
        parts += [written[end : found.start()], _part(found.group())]
        end = found.end()
    return [*parts, written[end:]]


def _own(of_life: uuid.UUID, incident_id: uuid.UUID) -> str:
    """The same as `md5(of_life || incident_id)::uuid` in the statements below."""
    made = hashlib.md5(f"{of_life}{incident_id}".encode()).hexdigest()
    return f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:]}"


class Population:
    """Reporting's tables with `incidents` of six providers, the large one being `provider_id`; made by `write`."""

    def __init__(self, admin_url: str, provider_id: uuid.UUID, incidents: int, now: datetime) -> None:
        url = make_url(admin_url).set(drivername="postgresql+psycopg")
        self._engine = create_engine(url)
        self._address = make_url(admin_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.provider_id, self.incidents, self.now = provider_id, incidents, now
        self._lives_of = uuid.uuid4()
        self._templates: list[list[Stamped]] = []
        self._first: list[int] = []
        self._ages: list[np.ndarray[Any, Any]] = []
        for told in (*(_long for _ in range(_LONG)), *(_short for _ in range(_SHORT))):
            number = len(self._first) if told is _long else len(self._first) - _LONG
            self._first.append(len(self._templates))
            whole = told(number)
            self._ages.append(np.array([(at - _EPOCH).total_seconds() for at, _, _ in whole]))
            # Each beginning of the life has ids of its own.
            self._templates += [[Stamped(*one) for one in told(number)[:upto]] for upto in range(1, len(whole) + 1)]
        self.places = self._place()
        self.seeds = self._draw()

    def _place(self) -> list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]]:
        """Provider, location and region of each place, the largest first."""
        others = [uuid.uuid4() for _ in range(5)]
        large = round(1 / (1 - SHARE_OF_LARGE))
        return [
            (
                others[number // large % 5] if number % large == large - 1 else self.provider_id,
                uuid.uuid5(self.provider_id, f"location {number}"),
                uuid.uuid5(self.provider_id, f"region {number % REGIONS}"),
            )
            for number in range(LOCATIONS)
        ]

    def _draw(self) -> list[Seed]:
        chance = np.random.default_rng(1)
        count = self.incidents
        # Winters are busier by a quarter.
        days = count / A_DAY
        ago = chance.uniform(0, days * 86400, size=round(count * 1.6))
        year = (self.now.timetuple().tm_yday - 15 - ago / 86400) / 365.25
        ago = np.sort(ago[chance.uniform(0, 1.25, size=len(ago)) < 1 + 0.25 * np.cos(2 * np.pi * year)][:count])[::-1]
        weights = 1 / (np.arange(LOCATIONS) + 10.0) ** 0.8
        places = chance.choice(LOCATIONS, size=count, p=weights / weights.sum())
        categories = chance.choice(
            len(_CATEGORIES), size=count, p=np.array([*_CATEGORIES.values()]) / sum(_CATEGORIES.values())
        )
        kinds = chance.choice(len(_KINDS), size=count, p=np.array([*_KINDS.values()]) / sum(_KINDS.values()))
        is_long = chance.random(count) < _LONG_SHARE
        lives = np.where(is_long, chance.integers(0, _LONG, count), _LONG + chance.integers(0, _SHORT, count))
        people = chance.integers(0, 40, count)
        some = random.Random(1)
        names, sorts = [str(one) for one in _CATEGORIES], [str(one) for one in _KINDS]
        seeds = []
        for n in range(count):
            provider_id, location_id, region_id = self.places[places[n]]
            reported_at = self.now - timedelta(seconds=float(ago[n]))
            life_no = lives[n]
            upto = int(np.searchsorted(self._ages[life_no], ago[n], side="right"))
            seeds.append(
                Seed(
                    incident_id=_uuid7(reported_at, some), provider_id=provider_id, location_id=location_id,
                    region_id=region_id, kind=sorts[kinds[n]], category=names[categories[n]],
                    person=hashlib.md5(f"{location_id}{people[n]}".encode()).hexdigest(),
                    template=self._first[life_no] + max(upto, 1) - 1, shift=reported_at - _EPOCH,
                )
            )  # fmt: skip
        return seeds

    def write(self, say: Any) -> None:
        """Fill the tables: places by the real consumer; incidents as said above."""
        with self._engine.connect() as connection, Session(connection) as session:
            for provider_id in {provider for provider, _, _ in self.places}:
                consumer.project(session, self._of_places(provider_id))
            told = [one.told(self._lives_of) for template in self._templates for one in template]
            for start in range(0, len(told), 500):
                consumer.project(session, told[start : start + 500])
            session.commit()
        say("lives projected")
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute("set synchronous_commit = off")
            connection.execute("set work_mem = '256MB'")
            self._copy_seeds(connection)
            for table in (store.INCIDENT, store.ACTION, store.ESCALATION, store.CHECKPOINT, store.TRAIT):
                connection.execute(self._multiply(table))
                say(f"{table.name} written")
            connection.execute(
                "insert into reporting.restriction (record_id, provider_id, revision, roles, people, excluded)"
                " select s.incident_id, s.provider_id, t.revision, t.roles, t.people, t.excluded from bench.seed s"
                " join bench.template m using (template) join reporting.restriction t on t.record_id = m.incident_id"
            )
            self._copy_lines(connection)
            say("timeline written")
            tables = ("incident", "action", "escalation", "checkpoint", "trait", "restriction", "timeline")
            for name in tables:
                connection.execute(f"delete from reporting.{name} where provider_id = %s", [self._lives_of])
            connection.execute("vacuum analyze")
        say("analyzed")

    def _of_places(self, provider_id: uuid.UUID) -> list[Received]:
        events: list[EventData] = []
        first = (self.now - timedelta(days=self.incidents / A_DAY)).date().replace(day=1)
        months = [date(year, month, 1) for year in range(first.year, self.now.year + 1) for month in range(1, 13)]
        for number, (provider, location_id, region_id) in enumerate(self.places):
            if provider == provider_id:
                events.append(
                    directory.LocationRecorded(
                        location_id=location_id, cqc_location_id=f"1-{number:09}", region_id=region_id, active=True,
                        name=f"Place {number}", beds=20 + number % 60, types=[LocationType.CARE_HOME], revision=1,
                    )
                )  # fmt: skip
                events += [
                    directory.ExposureRecorded(
                        location_id=location_id, month=month, unit=ExposureUnit.OCCUPIED_BED_DAYS,
                        quantity=Decimal(6000 * 10 // (number + 10) + 300), revision=1,
                    )
                    for month in months
                    if first <= month <= self.now.date()
                ]  # fmt: skip
        return [Stamped(self.now, 1, event).told(provider_id) for event in events]

    def _copy_seeds(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("drop schema if exists bench cascade")
        connection.execute("create schema bench")
        connection.execute("create unlogged table bench.template (template integer primary key, incident_id uuid)")
        connection.execute(
            "create unlogged table bench.seed (incident_id uuid, provider_id uuid, location_id uuid, region_id uuid,"
            " kind text, category text, person text, template integer, shift interval)"
        )
        with connection.cursor() as cursor:
            with cursor.copy("copy bench.template from stdin") as copy:
                for number, template in enumerate(self._templates):
                    copy.write_row((number, template[0].incident_id))
            with cursor.copy("copy bench.seed from stdin") as copy:
                for seed in self.seeds:
                    row = (
                        *(getattr(seed, one.name) for one in fields(Seed)[:-1]),
                        f"{seed.shift.total_seconds():.6f} seconds",
                    )
                    copy.write("\t".join(map(str, row)) + "\n")
        connection.execute("analyze bench.seed, bench.template")

    def _multiply(self, table: Any) -> str:
        """The statement that makes rows of a table out of those of the lives."""
        of_seed = {"provider_id", "incident_id", "location_id", "region_id", "kind", "category"}
        if table is store.TRAIT:
            of_seed.remove("kind")
        made = []
        for column in table.columns:
            kind = str(column.type)
            if column.name in of_seed:
                made.append(f"s.{column.name}")
            elif column.name == "wording":
                made.append("md5(t.wording || s.incident_id::text)")
            elif table is store.TRAIT and column.name == "codes":
                made.append("case t.kind when 'person' then array[s.person] else t.codes end")
            elif kind == "DATETIME":
                made.append(f"t.{column.name} + s.shift")
            elif kind in ("UUID", "CHAR(32)"):
                made.append(f"md5(t.{column.name}::text || s.incident_id::text)::uuid")
            else:
                made.append(f"t.{column.name}")
        names = ", ".join(column.name for column in table.columns)
        return (
            f"insert into {table.fullname} ({names}) select {', '.join(made)} from bench.seed s"
            f" join bench.template m using (template) join {table.fullname} t"
            f" on t.provider_id = '{self._lives_of}' and t.incident_id = m.incident_id order by s.incident_id"
        )

    def _copy_lines(self, connection: psycopg.Connection[Any]) -> None:
        """The timelines of the newest, in the order in which things happened."""
        since = self.now - timedelta(days=LINES_DAYS)
        told = [
            (one.at + seed.shift, number, place)
            for number, seed in enumerate(self.seeds)
            if _EPOCH + seed.shift >= since
            for place, one in enumerate(self._templates[seed.template])
        ]
        told.sort()
        columns = [one.name for one in fields(Entry)]
        with (
            connection.cursor() as cursor,
            cursor.copy(f"copy reporting.timeline ({', '.join(columns)}) from stdin") as copy,
        ):
            for _, number, place in told:
                seed = self.seeds[number]
                template = self._templates[seed.template]
                copy.write("\t".join(map(str, self._line(template, place, seed))) + "\n")

    def _line(self, template: list[Stamped], place: int, seed: Seed) -> tuple[Any, ...]:
        one = template[place]
        summary = one.text(one.line, seed, template[0].incident_id)
        return (
            seed.provider_id, seed.incident_id, _own(one.event_id, seed.incident_id), one.at + seed.shift,
            one.publisher, one.event.TYPE, uuid.UUID(int=7), "registered_manager", summary, one.version,
        )  # fmt: skip

    def differences(self, sample: int) -> int:
        """Of a sample of incidents: tell the real consumer of their events, from nothing, and count the rows that differ.

        Nothing stays changed. Raises if a sampled incident has no row to compare.
        """
        chance = random.Random(2)
        seeds = [
            *chance.sample(self.seeds, sample // 2),
            *chance.sample(self.seeds[-20 * sample :], sample - sample // 2),
        ]
        seeds = list({seed.incident_id: seed for seed in seeds}.values())
        different = 0
        with self._engine.connect() as connection, Session(connection) as session:
            for provider_id in {seed.provider_id for seed in seeds}:
                mine = [seed for seed in seeds if seed.provider_id == provider_id]
                ids = [seed.incident_id for seed in mine]
                before = self._rows(session, ids)
                for name in ("incident", "action", "escalation", "checkpoint", "trait", "timeline"):
                    session.execute(text(f"delete from reporting.{name} where incident_id = any(:ids)"), {"ids": ids})
                session.execute(text("delete from reporting.restriction where record_id = any(:ids)"), {"ids": ids})
                events = [
                    one.received(seed, self._templates[seed.template][0].incident_id)
                    for seed in mine
                    for one in self._templates[seed.template]
                ]
                consumer.project(session, sorted(events, key=lambda event: event.occurred_at))
                after = self._rows(session, ids)
                if not before["incident"] or len(before["incident"]) != len(ids):
                    raise RuntimeError("a sampled incident has no row")
                # Older ones have no timeline in the population.
                with_lines = {row["incident_id"] for row in before["timeline"]}
                after["timeline"] = [row for row in after["timeline"] if row["incident_id"] in with_lines]
                for name in before:
                    different += len(
                        {json.dumps(row, sort_keys=True, default=str) for row in before[name]}
                        ^ {json.dumps(row, sort_keys=True, default=str) for row in after[name]}
                    )
            session.rollback()
        return different

    def _rows(self, session: Session, ids: list[uuid.UUID]) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name in ("incident", "action", "escalation", "checkpoint", "trait", "timeline", "restriction"):
            key = "record_id" if name == "restriction" else "incident_id"
            rows = session.execute(
                text(f"select * from reporting.{name} where {key} = any(:ids)"), {"ids": ids}
            ).mappings()
            found[name] = [{k: v for k, v in row.items() if k != "line_no"} for row in rows]
        return found

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def _uuid7(at: datetime, chance: random.Random) -> uuid.UUID:
    value = int(at.timestamp() * 1000) << 80 | chance.getrandbits(80)
    return uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)
