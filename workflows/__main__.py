"""`python -m workflows router|worker|all|promote`: the process engine's side of Plumbline."""

import argparse
import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import Field
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from services.contracts.topics import topic, urgent_topic
from services.runtime import logs, tracing
from services.runtime.app import probes
from services.runtime.clock import Clock
from services.runtime.errors import frames
from services.runtime.settings import KafkaSettings, ProcessSettings, TemporalSettings
from services.runtime.temporal import connect
from workflows import process_clock
from workflows.router import INCIDENT_QUEUE, run_router
from workflows.schedules import ensure_schedules
from workflows.versions import promote, release
from workflows.worker import serve

logger = logging.getLogger(__name__)

PUBLISHERS = ("intake", "review", "actions", "reporting")


class WorkflowSettings(ProcessSettings, KafkaSettings, TemporalSettings):
    """What the process engine's side reads from the environment."""

    reconcile_seconds: int = Field(default=300, ge=5, description="How often records and processes are compared.")
    patterns_seconds: int = Field(default=3600, ge=5, description="How often patterns are looked for.")
    temporal_deployment: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]{1,60}$", description="Workers say of which version they are; not if unset."
    )
    temporal_build: str = Field(
        default_factory=release, pattern=r"^[A-Za-z0-9._+-]{1,60}$", description="Which version; the release if unset."
    )

    @property
    def version(self) -> WorkerDeploymentVersion | None:
        """Which version of the process this is; None where versions are not told apart."""
        if self.temporal_deployment is None:
            return None
        return WorkerDeploymentVersion(self.temporal_deployment, self.temporal_build)


class Roles:
    """The running roles of one process, each in a thread; a role that fails ends the process."""

    def __init__(self, settings: WorkflowSettings) -> None:
        self._settings = settings
        self._stop, self._failed = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        app = FastAPI(openapi_url=None)
        app.include_router(probes(None))
        self._server = uvicorn.Server(
            uvicorn.Config(app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False)
        )

    def run(self, roles: Sequence[str]) -> int:
        """Run the roles until a signal or a failure. Answers the exit code."""
        if "worker" in roles:
            self._start("worker", lambda: asyncio.run(self._worker()))
        if "router" in roles:
            self._start("router", lambda: self._router("normal", [topic(p) for p in PUBLISHERS]))
            self._start("router-urgent", lambda: self._router("urgent", [urgent_topic(p) for p in PUBLISHERS]))
        self._server.run()
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
        return 1 if self._failed.is_set() or not self._server.started else 0

    def _start(self, name: str, target: Callable[[], Any]) -> None:
        def guarded() -> None:
            try:
                target()
            except Exception as error:  # noqa: BLE001 - whatever it was, the process must end and be restarted
                logger.error(
                    "role failed", extra={"role": name, "error": type(error).__name__, "frames": frames(error)}
                )
            if not self._stop.is_set():
                self._failed.set()
                self._server.should_exit = True

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _router(self, lane: str, topics: Sequence[str]) -> None:
        # Only the worker exports the SDK's metrics: one port, one exporter.
        settings = self._settings.model_copy(update={"temporal_metrics_port": None})
        run_router(
            lambda: _patiently(settings, self._stop),
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            topics=topics,
            lane=lane,
            stop=self._stop,
            client_options=self._settings.kafka_options,
        )

    async def _worker(self) -> None:
        client = await _patiently(self._settings, self._stop)
        if client is None:
            return
        serving = asyncio.create_task(
            serve(client, task_queue=INCIDENT_QUEUE, stop=self._stop, version=self._settings.version)
        )
        await ensure_schedules(
            client,
            reconcile_every=timedelta(seconds=self._settings.reconcile_seconds),
            patterns_every=timedelta(seconds=self._settings.patterns_seconds),
            task_queue=INCIDENT_QUEUE,
        )
        await serving


async def _patiently(settings: TemporalSettings, stop: threading.Event) -> Client | None:
    while not stop.is_set():
        try:
            return await connect(settings)
        except (RuntimeError, RPCError):
            logger.warning("Temporal does not answer yet, trying again", extra={"address": settings.temporal_address})
            await asyncio.sleep(1)
    return None


async def _promote(settings: WorkflowSettings) -> int:
    """Make this version the current one. Answers the exit code."""
    if settings.version is None:
        logger.info("versions are not told apart, nothing to promote")
        return 0
    client = await _patiently(settings.model_copy(update={"temporal_metrics_port": None}), threading.Event())
    assert client is not None
    try:
        await promote(client, settings.version)
    except TimeoutError:
        logger.error("no worker of this version was seen", extra={"version": settings.version.to_canonical_string()})
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m workflows", description=__doc__)
    parser.add_argument("role", choices=["router", "worker", "all", "promote"], help="what this process does")
    role = parser.parse_args(arguments).role
    settings = WorkflowSettings()
    logs.configure(settings.log_level, service="workflows")
    if role == "promote":
        return asyncio.run(_promote(settings))
    tracing.configure("workflows")
    process_clock.install(Clock.from_file(settings.clock_file))
    return Roles(settings).run(("router", "worker") if role == "all" else (role,))


if __name__ == "__main__":
    sys.exit(main())
