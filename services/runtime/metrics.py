"""HTTP metrics. Labels are bounded: the route's template, never the address that was asked for."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import Counter, Histogram

REQUESTS = Counter("plumbline_http_requests_total", "Requests answered.", ["service", "method", "route", "status"])
DURATION = Histogram(
    "plumbline_http_request_duration_seconds",
    "Time to answer.",
    ["service", "method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ACTIVITIES = Counter("plumbline_activities_total", "Activities finished.", ["service", "activity", "outcome"])

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
