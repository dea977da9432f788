"""The services in process, with a provider that has one record of everything; whatever is asked of them has no effect."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text

from services.contracts.taxonomy import Role
from services.runtime.actor import Actor
from services.runtime.attachments import Folder
from tests.conftest import SERVICES, Issuer, MovableClock
from tests.security.world import NOW, PACK, PNG, World, restrict
from tests.workflow.conftest import KEYS

NEED_TO_KNOW = (Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL)


class Undone:
    """An engine whose transactions end without effect. `changed` is what those that would have committed had written."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.changed = engine, 0

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that is rolled back where it would be committed."""
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
                if connection.scalar(text("select pg_current_xact_id_if_assigned()::text")) is not None:
                    rows = text("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_xact_user_tables")
                    self.changed += connection.scalar(rows) or 0
            finally:
                transaction.rollback()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


@dataclass
class Served:
    """The services' real applications. One loop serves all, because a request costs less than a loop."""

    issuer: Issuer
    applications: Mapping[str, FastAPI]
    engines: Mapping[str, Undone]
    ours: World
    kept_apart: World
    nothing: World = field(default_factory=World)
    """Records that are not there."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _tokens: dict[Actor, str] = field(default_factory=dict)
    _clients: dict[str, tuple[httpx.ASGITransport, httpx.AsyncClient]] = field(default_factory=dict)

    def token(self, actor: Actor) -> str:
        """A token of an actor, signed once: that costs more than a request."""
        if actor not in self._tokens:
            self._tokens[actor] = self.issuer.token(actor)
        return self._tokens[actor]

    def send(
        self, service: str, request: Mapping[str, Any], *, sender: str = "127.0.0.1"
    ) -> tuple[httpx.Response, int]:
        """What a service answers to somebody at an address, and how many rows it would have changed."""
        if service not in self._clients:
            transport = httpx.ASGITransport(self.applications[service], raise_app_exceptions=False)
            self._clients[service] = transport, httpx.AsyncClient(transport=transport, base_url="http://test")
        transport, client = self._clients[service]
        transport.client = sender, 123
        before = self.engines[service].changed
        answer = self._loop.run_until_complete(client.request(**request))
        return answer, self.engines[service].changed - before


@pytest.fixture(scope="package")
def served(
    database: str, application: Callable[[str], Any], issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A provider with one record of everything, and one more of everything behind an allegation."""
    environment = pytest.MonkeyPatch()
    environment.setenv("PLUMBLINE_TEMPORAL_CODEC_KEYS", KEYS.get_secret_value())  # secrets of webhooks are sealed
    ours = World()
    kept_apart = World(provider_id=ours.provider_id)
    with psycopg.connect(database) as owner:
        for service in SERVICES:
            ours.fill(owner, service)
            kept_apart.fill(owner, service)
            if service != "directory":
                excluded = [kept_apart.id("accused_id")]
                restrict(owner, service, kept_apart, "incident_id", NEED_TO_KNOW, excluded)
    store = Folder(tmp_path_factory.mktemp("attachments"))
    for kept in (PNG, PACK):
        store.keep(ours.provider_id, hashlib.sha256(kept).hexdigest(), kept)
    applications: dict[str, FastAPI] = {name: application(name).app for name in SERVICES}  # type: ignore[attr-defined]
    engines = {name: app.state.engine for name, app in applications.items()}
    for app in applications.values():
        app.state.engine, app.state.attachments = Undone(app.state.engine), store
        app.state.clock = MovableClock(datetime.fromisoformat(NOW))
    before = counts(database)
    yield Served(issuer, applications, {n: app.state.engine for n, app in applications.items()}, ours, kept_apart)
    for name, app in applications.items():
        app.state.engine = engines[name]
        del app.state.attachments
    assert counts(database) == before, "something was changed after all"
    environment.undo()


def counts(database: str) -> dict[str, int]:
    """Rows of every table."""
    with psycopg.connect(database) as owner:
        tables = owner.execute(
            "select schemaname || '.' || relname from pg_stat_user_tables where schemaname = any(%s)", [list(SERVICES)]
        ).fetchall()
        every = " union all ".join(f"select '{name}', count(*) from {name}" for (name,) in tables)
        return dict(owner.execute(every.encode()).fetchall())


def person(role: str, served: Served, scope: str = "whole", person_id: uuid.UUID | None = None) -> Actor:
    """Somebody in a role: of the whole provider, of the region or place of its records, or from elsewhere."""
    ours, apart = served.ours, served.kept_apart
    regions = {"region": [ours.region_id, apart.region_id], "another region": [uuid.UUID(int=8)]}
    places = {"place": [ours.location_id, apart.location_id], "another place": [uuid.UUID(int=9)]}
    return Actor(
        id=person_id or uuid.uuid5(uuid.NAMESPACE_OID, f"{role} {scope}"),
        provider_id=uuid.UUID(int=7) if scope == "another provider" else ours.provider_id,
        roles=frozenset() if role == "no role" else frozenset({role}),
        all_locations=scope in ("whole", "another provider"),
        locations=frozenset(places.get(scope, [])),
        regions=frozenset(regions.get(scope, [])),
    )
