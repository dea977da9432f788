"""The whole stack as it runs in production, each role a process of its own, with ways to hurt every part of it.

The parts are those of the one-machine stack with its settings. Between the services and each of the three servers stands a
stretch of network that can be made slow or cut. What the stack keeps is on a volume of its own that can be filled.
"""

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil

from deploy.local import credentials, parts, ports, processes, supervisor
from deploy.local.clock_file import ClockFile
from deploy.local.parts import SERVICES, Part
from deploy.local.postgres import Database
from deploy.local.probes import answers_ok
from deploy.local.state import Home, Stack, State
from deploy.local.supervisor import Supervisor
from services.runtime.process import ROLES
from tests.chaos.proxy import Proxy

SERVERS = ("postgres", "temporal", "kafka")
SPEED = 720.0
"""Twelve minutes a second: a report that nobody triages is triaged by rule after two minutes."""
RECONCILE_SECONDS = 15
VOLUME_BYTES = 2_000_000_000
PATIENCE_SECONDS = 300.0


# On a busy machine a part may take long to start; to kill it for that would only make it busier.
supervisor.START_SECONDS = 600.0


class Volume:
    """A folder on a file system of its own, limited in size, where this account may mount one; else a plain folder.

    `limited` says which; `why_not` why it could not be limited.
    """

    def __init__(self, size: int = VOLUME_BYTES) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="plumbline-chaos-"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=711", "plumbline-chaos", str(self.path)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=10)
            self.why_not = ""
        except subprocess.CalledProcessError as error:
            self.why_not = error.stderr.strip()
        except OSError as error:
            self.why_not = str(error)
        self._filler = self.path / "filler"

    @property
    def limited(self) -> bool:
        """Whether it can be filled without filling anything else."""
        return not self.why_not

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file:
            for piece in (1 << 24, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * piece)

    def full(self) -> bool:
        """Whether nothing can be written any more."""
        try:
            (self.path / "probe").write_bytes(b"\0")
        except OSError as error:
            return error.errno == errno.ENOSPC
        (self.path / "probe").unlink()
        return False

    def free(self) -> None:
        """As it was before it was filled."""
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing of it."""
        if self.limited:
            subprocess.run(["umount", str(self.path)], check=False, capture_output=True)
        shutil.rmtree(self.path, ignore_errors=True)


class ChaosStack:
    """Use it as `with ChaosStack(volume) as stack`: everything runs then, and nothing afterwards."""

    def __init__(self, volume: Volume) -> None:
        self.volume, self.home = volume, Home(volume.path)
        self.home.create()
        (self.home.path / "clocks").mkdir()
        chosen = ports.choose({}, preferred=False)
        self._beside = iter(_free_ports(40, set(chosen.values())))
        self._credentials = credentials.load(self.home, parts.role_names())
        self._between = {server: next(self._beside) for server in SERVERS}
        self._there = {server: chosen[server] for server in SERVERS}
        self._skews: dict[str, timedelta] = {}
        self._held: dict[str, threading.Event] = {}
        self._parts = self._made_of(chosen)
        self.record = Stack(self.home, ports=chosen)
        ClockFile(self.home).start(datetime.now(UTC), SPEED)

    def _made_of(self, chosen: dict[str, int]) -> list[Part]:
        whole, _ = parts.select(parts.all_parts(self.home, chosen, self._credentials), ())
        found: list[Part] = []
        for part in whole:
            roles = ROLES if part.name in SERVICES else ("router", "worker") if part.name == "workflows" else ()
            # Directory hears nobody.
            found += [self._role(part, role) for role in roles if (part.name, role) != ("directory", "consumer")]
            found += [] if roles else [part]
        return [self._hurtable(part) for part in found]

    def _role(self, part: Part, role: str) -> Part:
        """One role of a service; its API keeps the name and the address of the service."""
        assert part.command is not None
        command = (*part.command[:-1], role)
        if role == "api":
            return replace(part, command=command)
        port = next(self._beside)
        return replace(
            part,
            name=f"{part.name}-{role}",
            command=command,
            address=f"http://127.0.0.1:{port}",
            ready=partial(answers_ok, port, "/readyz"),
            env={**part.env, "PLUMBLINE_HTTP_PORT": str(port), "PLUMBLINE_RECONCILE_SECONDS": str(RECONCILE_SECONDS)},
        )

    def _hurtable(self, part: Part) -> Part:
        """The part behind the network that can be hurt, with a clock of its own, and kept away while it is held."""
        env, command = dict(part.env), part.command
        if "PLUMBLINE_CLOCK_FILE" in env:
            env["PLUMBLINE_CLOCK_FILE"] = str(self._clock(part.name))
        for server in SERVERS:
            there, between = f"127.0.0.1:{self._there[server]}", f"127.0.0.1:{self._between[server]}"
            if part.name != parts.MIGRATIONS:
                env = {name: value.replace(there, between) for name, value in env.items()}
            if part.name == server == "kafka" and command is not None:
                # Clients go where the broker says that it is.
                said = command.index("--advertised-listener-url") + 1
                command = (*command[:said], f"tcp://{between}", *command[said + 1 :])
        self._held[part.name] = threading.Event()
        self._held[part.name].set()
        return replace(part, env=env, command=command, prepare=partial(self._prepare, part))

    def _prepare(self, part: Part) -> str:
        while not self._held[part.name].wait(0.1) and not self._supervisor.stopping.is_set():
            pass
        content = json.loads(self.home.clock.read_text())
        for segment in content["segments"]:
            shown = datetime.fromisoformat(segment["virtual"]) + self._skews.get(part.name, timedelta(0))
            segment["virtual"] = shown.isoformat()
        self._clock(part.name).write_text(json.dumps(content))
        return part.prepare() if part.prepare is not None else ""

    def _clock(self, name: str) -> Path:
        return self.home.path / "clocks" / f"{name}.json"

    def __enter__(self) -> "ChaosStack":
        """Start everything."""
        self._network = {server: Proxy({self._between[server]: self._there[server]}) for server in SERVERS}
        self._supervisor = Supervisor(self.record, self._parts)
        self._supervisor.start()
        try:
            for part in self._parts:
                if not self._supervisor.wait_for(part.name):
                    raise RuntimeError(f"{part.name} did not start: {self.record.failure}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, whatever state it is in."""
        self.mend()
        self._supervisor.stop()
        for link in self._network.values():
            link.close()

    @property
    def database(self) -> Database:
        """The database, past the network that can be hurt."""
        return Database.local(self._there["postgres"], self._credentials.postgres_admin)

    def role_url(self, role: str) -> str:
        """The same as another login."""
        return self.database.url(role, self._credentials.roles[role])

    @property
    def kafka(self) -> str:
        """The broker's address."""
        return f"127.0.0.1:{self._there['kafka']}"

    @property
    def temporal(self) -> str:
        """The address of the process engine, past the network that can be hurt."""
        return f"127.0.0.1:{self._there['temporal']}"

    @property
    def codec_keys(self) -> str:
        """What processes are encrypted with."""
        return self._credentials.temporal_codec_keys

    @property
    def programs(self) -> list[str]:
        """The names of our own processes: each role of each service, and what signs people in."""
        return [part.name for part in self._parts if part.name not in (*SERVERS, parts.MIGRATIONS)]

    def kill(self, name: str) -> None:
        """Kill -9 a part with all that it started, and wait until it is gone. The supervisor starts it again."""
        processes.kill_all(self._processes(name))

    @contextlib.contextmanager
    def away(self, name: str, *, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """A part is ended by a signal and is started again only after the block."""
        self._held[name].clear()
        if number is signal.SIGKILL:
            self.kill(name)
        else:
            entry = processes.find(self.record.part(name).process)
            if entry is not None:
                entry.send_signal(number)
                psutil.wait_procs([entry], timeout=20)
        try:
            yield
        finally:
            self._held[name].set()

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """A part stands still, its connections open, and goes on after the block."""
        stopped = self._processes(name)
        for process in stopped:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.Error):
                    process.resume()

    @contextlib.contextmanager
    def network(self, server: str, **order: object) -> Iterator[None]:
        """The network to a server is worse during the block: `delay`, `bytes_a_second`, `cut`."""
        self._network[server].order(**order)
        try:
            yield
        finally:
            self._network[server].order(delay=None, bytes_a_second=None, cut=False)

    @contextlib.contextmanager
    def wrong_clock(self, name: str, by: timedelta) -> Iterator[None]:
        """A process dies and comes back with a clock that is wrong; after the block once more, with the right one."""
        self._skews[name] = by
        self.kill(name)
        try:
            yield
        finally:
            del self._skews[name]
            self.kill(name)

    def mend(self) -> None:
        """Whatever was done: nothing is held, slow, full or wrong any more."""
        self.volume.free()
        for event in self._held.values():
            event.set()
        for link in self._network.values():
            link.order(delay=None, bytes_a_second=None, cut=False)

    def ready(self) -> bool:
        """Whether every part is."""
        return all(part.state in (State.READY, State.DONE) for part in self.record.parts)

    def wait_until_ready(self) -> None:
        """Until every part is ready. Raises RuntimeError with the names of those that are not in time."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready: {[p.name for p in self.record.parts if p.state is not State.READY]}")
            time.sleep(0.2)

    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        return {part.name: part.restarts for part in self.record.parts if part.restarts}

    def _processes(self, name: str) -> list[psutil.Process]:
        return processes.survivors(self.record).get(name, [])


def _free_ports(count: int, taken: set[int]) -> list[int]:
    """So many ports beside one another that nobody uses, outside of what the parts have."""
    for block in random.sample(range(20_000, 32_000, 64), 100):
        wanted = range(block, block + count)
        if not taken.intersection(wanted) and all(ports.is_free(port) for port in wanted):
            return list(wanted)
    raise RuntimeError(f"found no {count} free ports beside one another")


def environment() -> dict[str, object]:
    """The machine: what a summary says of it."""
    return {"cpus": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
