"""Metrics of every process. Labels are bounded: the route's template, never the address that was asked for."""

import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, QueuePool

disable_created_metrics()  # type: ignore[no-untyped-call] # nobody asks when a series began, and it doubles them

REQUESTS = Counter("plumbline_http_requests_total", "Requests answered.", ["service", "method", "route", "status"])
DURATION = Histogram(
    "plumbline_http_request_duration_seconds",
    "Time to answer.",
    ["service", "method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ACTIVITIES = Counter("plumbline_activities_total", "Activities finished.", ["service", "activity", "outcome"])


class _Pools(Collector):
    """How full the pools of connections are. Pools of one name count together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()

    def watch(self, engine: Engine, name: str) -> None:
        with self._lock:
            self._named[engine] = name

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        in_use, limit = self._families()
        used: dict[str, int] = defaultdict(int)
        most: dict[str, int] = defaultdict(int)
        with self._lock:
            for engine, name in self._named.items():
                if isinstance(engine.pool, QueuePool):
                    used[name] += engine.pool.checkedout()
                    most[name] += engine.pool.size() + engine.pool._max_overflow
        for name in sorted(used):
            in_use.add_metric([name], used[name])
            limit.add_metric([name], most[name])
        yield from (in_use, limit)

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "plumbline_database_connections_in_use", "Connections that somebody works with.", labels=["pool"]
            ),
            GaugeMetricFamily(
                "plumbline_database_connections_limit", "Connections that the pool may open.", labels=["pool"]
            ),
        )


_POOLS = _Pools()
REGISTRY.register(_POOLS)


def watch_pool(engine: Engine, name: str) -> None:
    """Export how full the pool of an engine is, under a name that the processes of a role share."""
    _POOLS.watch(engine, name)


Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpMetrics:
    """ASGI middleware that counts and times requests by route."""

    def __init__(self, app: App, service: str) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(self._service, scope["method"], route, str(status)).inc()
            DURATION.labels(self._service, scope["method"], route).observe(time.perf_counter() - started)
