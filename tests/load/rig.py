"""The servers that a benchmark runs on: its own PostgreSQL, Temporal and broker, in a folder that goes with it.

They are the parts of the one-machine stack with its settings (fsync on), so what is measured is what `plumbline up` runs.
"""

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from deploy.local import credentials, parts, ports, processes
from deploy.local.clock_file import ClockFile
from deploy.local.parts import MIGRATIONS, Part
from deploy.local.postgres import Database
from deploy.local.state import Home, PartRecord, Stack
from deploy.local.supervisor import Supervisor
from deploy.local.tokens import Signer
from services.intake.commands import record_location
from services.runtime import db

SERVERS = ("postgres", "temporal", "kafka", "issuer", MIGRATIONS)


class Rig:
    """One provider on servers of its own. Use it as `with rig() as r`; a service runs as `with r.running("intake")`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        home.create()
        self.ports = ports.choose({}, preferred=False)
        self._credentials = credentials.load(home, parts.role_names())
        chosen, _ = parts.select(parts.all_parts(home, self.ports, self._credentials), ())
        self._parts = {part.name: part for part in chosen}
        self._database = Database.local(self.ports["postgres"], self._credentials.postgres_admin)
        ClockFile(home).start(datetime.now(UTC), 1.0)
        self.provider_id = uuid.uuid4()
        self.location_id = uuid.uuid4()

    @property
    def admin_url(self) -> str:
        """The database, as its owner."""
        return self._database.admin_url

    @property
    def kafka(self) -> str:
        """The broker's address."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def temporal(self) -> str:
        """The address of the process engine: one that runs elsewhere if PLUMBLINE_TEMPORAL_ADDRESS says so."""
        return os.environ.get("PLUMBLINE_TEMPORAL_ADDRESS") or f"127.0.0.1:{self.ports['temporal']}"

    @property
    def temporal_files(self) -> list[Path]:
        """Where the process engine keeps what it knows."""
        return [Path(f"{self._home.temporal_db}{part}") for part in ("", "-wal")]

    def memory(self, name: str) -> int:
        """Bytes of memory that a part holds, with all that it started."""
        found = processes.survivors(Stack(self._home)).get(name, [])
        return sum(process.memory_info().rss for process in found)

    @property
    def stack(self) -> Stack:
        """Where everything is, for people who use it."""
        known = [PartRecord(part.name, part.address) for part in self._parts.values()]
        return Stack(self._home, ports=self.ports, parts=known)

    @property
    def codec_keys(self) -> str:
        """The keys that the workers of this rig encrypt with."""
        return self._credentials.temporal_codec_keys

    def engine(self, service: str) -> Engine:
        """The database in a service's own role."""
        return db.connect(self._url(f"plumbline_{service}"), application="bench", pool_size=5)

    def token(
        self, *roles: str, locations: Collection[uuid.UUID] | None = None, regions: Collection[uuid.UUID] = ()
    ) -> str:
        """An access token of somebody who sees the whole provider, or some places and regions of it."""
        return Signer(self._home, f"http://127.0.0.1:{self.ports['issuer']}").token(
            {
                "sub": str(uuid.uuid4()),
                "provider_id": str(self.provider_id),
                "roles": list(roles),
                "scope_all": locations is None and not regions,
                "locations": [str(one) for one in locations or ()],
                "regions": [str(one) for one in regions],
            }
        )

    def know_location(self) -> None:
        """Let intake know the one location, as directory's event would."""
        engine = self.engine("intake")
        row = {
            "location_id": self.location_id, "provider_id": self.provider_id, "region_id": None,
            "active": True, "revision": 1, "cqc_location_id": None, "name": None,
        }  # fmt: skip
        with db.transaction(engine, self.provider_id) as session:
            record_location(session, row)
        engine.dispose()

    @contextlib.contextmanager
    def running(self, *names: str, role: str | None = None) -> Iterator[None]:
        """Run parts of the stack; `role` is the one role that services play instead of all of theirs."""
        with self._supervised([self._as(self._parts[name], role) for name in names]):
            yield

    def _as(self, part: Part, role: str | None) -> Part:
        # One person sends what a provider's thousands would.
        part = replace(part, env={**part.env, "PLUMBLINE_REPORTS_PER_MINUTE": "10000000"})
        if role is None or part.command is None:
            return part
        return replace(part, command=(*part.command[:-1], role))

    @contextlib.contextmanager
    def _supervised(self, chosen: list[Part]) -> Iterator[None]:
        names = {part.name for part in chosen}
        record = Stack(self._home, ports=self.ports)
        inside = [replace(part, needs=tuple(need for need in part.needs if need in names)) for part in chosen]
        supervisor = Supervisor(record, inside)
        try:
            supervisor.start()
            for name in names:
                if not supervisor.wait_for(name):
                    raise RuntimeError(f"{name} did not start: {record.failure}")
            yield
        finally:
            supervisor.stop()

    def _url(self, role: str) -> str:
        return self._database.url(role, self._credentials.roles[role])


@contextlib.contextmanager
def rig(*servers: str) -> Iterator[Rig]:
    """Servers that answer, all or those named, with every service's schema; stopped and gone afterwards, whatever happens
    between."""
    folder = Path(tempfile.mkdtemp(prefix="plumbline-bench-"))
    try:
        made = Rig(Home(folder))
        with made.running(*(servers or SERVERS)):
            made.know_location()
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
