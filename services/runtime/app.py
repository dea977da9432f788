"""The HTTP face of a service: routes, problems, metrics, probes, a limit on what a request may weigh."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine, text
from starlette.responses import JSONResponse

from services.runtime import errors
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.metrics import App, HttpMetrics, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": errors.Problem, "description": description, "content": {errors.MEDIA_TYPE: {}}}
    for status, description in {
        401: "No valid token",
        403: "The caller may not do this",
        404: "Not there, or not visible to the caller",
        409: "The state of the record does not allow this",
        412: "Somebody else changed the record",
        413: "The body is too large",
        422: "A field needs attention",
    }.items()
}


class BodyLimit:
    """ASGI middleware that refuses bodies over a limit with 413, whether or not they state their length."""

    def __init__(self, app: App, limits: Callable[[str], int]) -> None:
        self._app, self._limits = app, limits

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
            response = errors.problem_response(
                413, "too-large", "The request is too large",
                f"Nothing was saved. Send at most {limit:,} bytes; shorten the text or split the file.",
            )  # fmt: skip
            await response(scope, receive, send)

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
    body_limits: dict[str, int] | None = None,
) -> FastAPI:
    """The application of one service. `body_limits` raises the limit for single paths."""
    app = FastAPI(
        title=f"Plumbline {title}",
        description=description,
        version="1",
        generate_unique_id_function=_operation_id,
        responses=_PROBLEMS,
        swagger_ui_parameters={"displayRequestDuration": True},
    )
    app.state.engine = engine
    app.state.clock = clock
    app.state.authenticator = authenticator
    errors.install(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(BodyLimit, limits=lambda path: (body_limits or {}).get(path, MAX_BODY_BYTES))
    app.add_middleware(HttpMetrics, service=service)
    app.include_router(probes(engine))
    return app


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


def _operation_id(route: APIRoute) -> str:
    return route.name


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
