"""One command a service: `python -m services.NAME api|relay|consumer|worker|all|migrate`.

Each process has one role; `all` runs the roles together for one machine. A role that fails ends the process, so that
its supervisor restarts it: nothing dies unseen.
"""

import argparse
import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from services.runtime import db, logs, tracing
from services.runtime.app import build_app, probes
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.consumer import Handler, run_consumer
from services.runtime.errors import frames
from services.runtime.relay import Topics, run_relay
from services.runtime.settings import MigrationSettings, ServiceSettings
from services.runtime.temporal import connect, serve_activities

logger = logging.getLogger(__name__)

ROLES = ("api", "relay", "consumer", "worker")


@dataclass(frozen=True)
class Context:
    """What activities and collectors need: the database in the role of the service, in that of the system, the clock."""

    engine: Engine
    system_engine: Engine
    clock: Clock


@dataclass(frozen=True)
class Service:
    """What a service is made of."""

    name: str
    title: str
    description: str
    routers: Sequence[APIRouter]
    topics: Topics | None = None
    consumes: Sequence[str] = ()
    consumes_urgent: Sequence[str] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    batch_handler: Callable[..., None] | None = None
    activities: Callable[[Context], Sequence[Callable[..., Any]]] | None = None
    collectors: Callable[[Context], Sequence[Collector]] | None = None
    body_limits: Mapping[str, int] = field(default_factory=dict)
    """Bytes that a body may weigh, by pattern of the path, where the usual limit is too low."""


def create_app(service: Service, settings: ServiceSettings) -> FastAPI:
    """The HTTP application of a service."""
    return build_app(
        service=service.name,
        title=service.title,
        description=service.description,
        routers=service.routers,
        engine=db.connect(
            settings.database_url.get_secret_value(),
            application=f"{service.name}-api",
            pool_size=settings.database_pool_size,
        ),
        clock=Clock.from_file(settings.clock_file),
        authenticator=Authenticator(settings),
        body_limits=service.body_limits,
    )


class Roles:
    """The running roles of one process: threads beside the HTTP server in the main thread."""

    def __init__(self, service: Service, settings: ServiceSettings) -> None:
        self._service, self._settings = service, settings
        self._stop = threading.Event()
        self._failed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._server: uvicorn.Server | None = None

    def run(self, roles: Sequence[str]) -> int:
        """Run the roles until a signal or a failure. Answers the exit code."""
        service, settings = self._service, self._settings
        engine = db.connect(settings.database_url.get_secret_value(), application=f"{service.name}-roles")
        if "relay" in roles and service.topics is not None:
            self._start("relay", self._relay)
        if "consumer" in roles:
            for name, topics in (("main", service.consumes), ("urgent", service.consumes_urgent)):
                if topics:
                    self._start(f"consumer-{name}", self._consumer, engine, name, topics)
            if service.collectors is not None:
                # Beside the consumer, so that the counts of a service are exported by the processes that make them.
                for collector in service.collectors(self._context(engine)):
                    REGISTRY.register(collector)
        if "worker" in roles and service.activities is not None:
            self._start("worker", self._worker, engine)
        if "api" in roles:
            app = create_app(service, settings)
        else:
            app = FastAPI(openapi_url=None)
            app.include_router(probes(engine))
        self._serve(app)
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=15)
        return 1 if self._failed.is_set() else 0

    def _start(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        def guarded() -> None:
            try:
                target(*arguments)
                if not self._stop.is_set():
                    logger.error("role ended unasked", extra={"role": name})
            except Exception as error:  # noqa: BLE001 - whatever it was, the process must end and be restarted
                logger.error(
                    "role failed", extra={"role": name, "error": type(error).__name__, "frames": frames(error)}
                )
            if not self._stop.is_set():
                self._failed.set()
                if self._server is not None:
                    self._server.should_exit = True

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            host=self._settings.http_host,
            port=self._settings.http_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            loop="uvloop",
            http="httptools",
        )
        self._server = uvicorn.Server(config)
        if self._failed.is_set():
            self._server.should_exit = True
        self._server.run()
        if not self._server.started:
            self._failed.set()

    def _relay(self) -> None:
        settings, topics = self._settings, self._service.topics
        assert topics is not None
        run_relay(
            engine=db.connect(
                settings.system_database_url.get_secret_value(), application=f"{self._service.name}-relay", pool_size=2
            ),
            service=self._service.name,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topics=topics,
            stop=self._stop,
            partitions=settings.kafka_partitions,
            replication_factor=settings.kafka_replication_factor,
            client_options=settings.kafka_options,
        )

    def _consumer(self, engine: Engine, name: str, topics: Sequence[str]) -> None:
        run_consumer(
            engine=engine,
            service=self._service.name,
            name=name,
            topics=list(topics),
            handlers=self._service.handlers,
            batch_handler=self._service.batch_handler,
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            client_options=self._settings.kafka_options,
            stop=self._stop,
            system_engine=db.connect(
                self._settings.system_database_url.get_secret_value(),
                application=f"{self._service.name}-parked",
                pool_size=1,
            ),
        )

    def _context(self, engine: Engine) -> Context:
        system_engine = db.connect(
            self._settings.system_database_url.get_secret_value(),
            application=f"{self._service.name}-system",
            pool_size=2,
        )
        return Context(engine, system_engine, Clock.from_file(self._settings.clock_file))

    def _worker(self, engine: Engine) -> None:
        asyncio.run(self._serve_activities(engine))

    async def _serve_activities(self, engine: Engine) -> None:
        assert self._service.activities is not None
        context = self._context(engine)
        client = await connect_patiently(self._settings, self._stop)
        if client is not None:
            await serve_activities(
                client,
                task_queue=self._service.name,
                activities=self._service.activities(context),
                stop=self._stop,
            )


async def connect_patiently(settings: ServiceSettings, stop: threading.Event) -> Any:
    """A Temporal client as soon as the server answers, or None when asked to stop before."""
    while not stop.is_set():
        try:
            return await connect(settings)
        except RuntimeError:
            logger.warning("Temporal does not answer yet, trying again", extra={"address": settings.temporal_address})
            await asyncio.sleep(1)
    return None


def main(service: Service, arguments: Sequence[str] | None = None) -> int:
    """The command line of a service."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service.name}",
        description=f"{service.title}: {service.description} Settings come from PLUMBLINE_* variables.",
    )
    parser.add_argument("role", choices=[*ROLES, "all", "migrate"], help="what this process does")
    role = parser.parse_args(arguments).role
    if role == "migrate":
        # Only here: Alembic is a third of a second that no other role needs.
        from services.runtime import migrate

        logs.configure("INFO", service=service.name)
        migrate.upgrade(service.name, MigrationSettings())
        return 0
    settings = ServiceSettings()
    logs.configure(settings.log_level, service=service.name)
    tracing.configure(service.name)
    return Roles(service, settings).run(ROLES if role == "all" else (role,))
