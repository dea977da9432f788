"""The HTTP face of a service: routes, problems, metrics, probes, a limit on what a request may weigh."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine, text
from starlette.responses import JSONResponse

from services.runtime import errors, tracing
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.metrics import App, HttpMetrics, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: errors.refusal(description)
    for status, description in {
        400: "The request could not be read",
        401: "No valid token",
        403: "The caller may not do this",
        404: "Not there, or not visible to the caller",
        409: "The state of the record does not allow this",
        412: "Somebody else changed the record",
        413: "The body is too large",
        422: "A field needs attention",
        428: "The request does not say which version it changes",
        429: "Too many requests of one client at once",
        503: "A part that is needed did not answer; nothing was saved",
    }.items()
}

_CONVENTIONS = """

* A request carries a bearer token, unless it is marked otherwise. It says which provider the caller belongs to, in which
  roles, with which scope.
* A write carries an `Idempotency-Key`. Sent again with the same key, it answers as it did and changes nothing.
* A record that can be changed has an `ETag`; a change sends it back in `If-Match`.
* A refusal is a problem (RFC 9457) that names the field and the remedy.
* A list comes in pages: `next` of one page is the `cursor` of the following.
"""


class BodyLimit:
    """ASGI middleware that refuses bodies over a limit with 413, whether or not they state their length.

    `refusal` is what is answered then, by the limit.
    """

    def __init__(
        self, app: App, limits: Callable[[str], int], refusal: Callable[[int], Response] | None = None
    ) -> None:
        self._app, self._limits, self._refusal = app, limits, refusal or _too_large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, seen, refused = self._limits(scope["path"]), 0, False
        stated = next((int(v) for k, v in scope["headers"] if k == b"content-length" and v.isdigit()), 0)

        async def refuse() -> None:
            nonlocal refused
            refused = True
            await self._refusal(limit)(scope, receive, send)

        if stated > limit:
            await refuse()
            return

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _TooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except _TooLarge:
            await refuse()


def _too_large(limit: int) -> Response:
    return errors.problem_response(
        413, "too-large", "The request is too large",
        f"Nothing was saved. Send at most {limit:,} bytes; shorten the text or split the file.",
    )  # fmt: skip


class _TooLarge(Exception):
    pass


def build_app(
    *,
    service: str,
    title: str,
    description: str,
    routers: Sequence[APIRouter],
    engine: Engine,
    clock: Clock,
    authenticator: Authenticator,
    body_limits: Mapping[str, int] | None = None,
) -> FastAPI:
    """The application of one service. `body_limits` raises the limit for paths that match a pattern."""
    app = FastAPI(
        title=f"Plumbline {title}",
        description=description + _CONVENTIONS,
        version="1",
        responses=_PROBLEMS,
        swagger_ui_parameters={"displayRequestDuration": True},
    )
    app.state.engine = engine
    app.state.clock = clock
    app.state.authenticator = authenticator
    errors.install(app)
    for router in routers:
        app.include_router(router)
    higher = [(re.compile(pattern), limit) for pattern, limit in (body_limits or {}).items()]
    app.add_middleware(
        BodyLimit,
        limits=lambda path: next((limit for pattern, limit in higher if pattern.fullmatch(path)), MAX_BODY_BYTES),
    )
    app.add_middleware(HttpMetrics, service=service)
    if tracing.tracer() is not None:
        app.add_middleware(tracing.TracedRequests)
    app.include_router(probes(engine))
    generate = app.openapi
    app.openapi = lambda: app.openapi_schema or _correct(generate())  # type: ignore[method-assign]
    return app


def _correct(document: dict[str, Any]) -> dict[str, Any]:
    """Say in an OpenAPI document what FastAPI cannot know: what problems look like, and where which can occur."""
    for method, operation in ((m, o) for path in document["paths"].values() for m, o in path.items()):
        headers = {parameter["name"]: parameter for parameter in operation.get("parameters", [])}
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"]["required"] = True
        impossible = {"413"} if method == "get" else set()
        impossible |= set() if "requestBody" in operation else {"400"}
        impossible |= {"409"} if "Idempotency-Key" not in headers else set()
        impossible |= {"412", "428"} if "If-Match" not in headers else set()
        impossible |= set() if "x-limit-per-minute" in operation else {"429"}
        impossible |= set() if "security" in operation else {"401", "403"}
        # What an endpoint says of itself, in words of its own, stays.
        usual = {str(status): reply["description"] for status, reply in _PROBLEMS.items()}
        operation["responses"] = {
            status: reply
            for status, reply in operation["responses"].items()
            if status not in impossible or reply["description"] != usual[status]
        }
        for status, reply in operation["responses"].items():
            if status >= "400":
                reply["content"] = {errors.MEDIA_TYPE: reply["content"]["application/json"]}
            elif len(reply["content"]) > 1 and reply["content"].get("application/json") == {"schema": {}}:
                # FastAPI's guess, beside what the endpoint says that it answers with.
                del reply["content"]["application/json"]
    return document


def probes(engine: Engine | None) -> APIRouter:
    """`/livez`, `/readyz` and `/metrics`. Ready means that the database answers; other parts may be away."""
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    def livez() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        if engine is not None:
            try:
                with engine.connect() as connection:
                    connection.execute(text("select 1"))
            except Exception:  # noqa: BLE001 - a probe answers for every failure alike
                return JSONResponse({"status": "database unavailable"}, 503)
        return JSONResponse({"status": "ready"})

    @router.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


# async: reading an attribute needs no thread of the pool.


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


Database = Annotated[Engine, Depends(_engine)]
"""The service's database, for an endpoint."""

Time = Annotated[Clock, Depends(_clock)]
"""The service's clock, for an endpoint."""
