"""The console as an application: pages, static files, safe headers, and what is shown when something goes wrong."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from services.console import sign_in
from services.console.page import PAGES, render
from services.console.pages.navigation import navigation
from services.console.service_api import TIMEOUT_SECONDS, Refused
from services.console.session import Cookies
from services.console.settings import ConsoleSettings
from services.console.visit import ForeignForm, SignInNeeded
from services.runtime.app import BodyLimit, probes
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.metrics import HttpMetrics

_STATIC = Path(__file__).parent / "static"
MAX_FORM_BYTES = 25_000_000
"""Five photographs; what one may weigh is intake's to say."""

_SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(self)",
}


def build_app(settings: ConsoleSettings, routers: Sequence[APIRouter]) -> FastAPI:
    """The console. It keeps nothing, so any number of processes may serve it."""
    app = FastAPI(title="Plumbline console", openapi_url=None)
    app.state.clock = Clock.from_file(settings.clock_file)
    app.state.http = httpx.Client(timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=100))
    app.state.services = settings.services
    app.state.authenticator = Authenticator(settings)
    app.state.sign_in = sign_in.SignIn(settings, app.state.http)
    app.state.cookies = Cookies(
        settings.console_session_keys.get_secret_value(),
        idle_seconds=settings.console_idle_minutes * 60,
        secure=settings.secure,
    )
    PAGES.globals["static"] = _static_address
    PAGES.globals["navigation"] = navigation
    PAGES.globals["speak_up"] = settings.console_speak_up_url
    app.mount("/static", _Kept(directory=_STATIC), name="static")
    app.include_router(probes(None))
    app.include_router(sign_in.router)
    for router in routers:
        app.include_router(router)
    _explain(app)
    app.add_middleware(BodyLimit, limits=lambda _: MAX_FORM_BYTES, refusal=_too_large)
    app.middleware("http")(_keep_session)
    app.add_middleware(GZipMiddleware, minimum_size=800)
    app.add_middleware(HttpMetrics, service="console")
    return app


class _Kept(StaticFiles):
    """Static files have their content's digest in their address, so browsers may keep them for a year."""

    def file_response(self, *arguments: object, **named: object) -> Response:
        response = super().file_response(*arguments, **named)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


_DIGESTS: dict[str, str] = {}


def _static_address(name: str) -> str:
    if name not in _DIGESTS:
        _DIGESTS[name] = hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?{_DIGESTS[name]}"


async def _keep_session(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
    cookies: Cookies = request.app.state.cookies
    response = await following(request)
    session = getattr(request.state, "session", None)
    if session is not None:
        cookies.keep(response, session, cookies.open(request.cookies))
    for name, value in _SAFE.items():
        response.headers.setdefault(name, value)
    return response


def _explain(app: FastAPI) -> None:
    """Whatever goes wrong, a page says what happened and how to go on."""

    @app.exception_handler(SignInNeeded)
    def sign_in_needed(request: Request, needed: SignInNeeded) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({}, 401)  # a script asks; it says what to do in its page
        if needed.held is None:
            query = f"?{request.url.query}" if request.url.query else ""
            to = httpx.QueryParams({"to": f"{request.url.path}{query}"})
            return RedirectResponse(f"/sign-in?{to}", 303)
        held = [
            (name, value)
            for name, value in needed.held.multi_items()
            if isinstance(value, str) and name != "form_token"
        ]
        return render("session_over.html", 401, visit=None, held=held, path=request.url.path)

    @app.exception_handler(ForeignForm)
    def foreign_form(request: Request, _: ForeignForm) -> Response:
        return _problem(
            403, "This form is out of date",
            "It was opened before you last signed in. Go back, reload the page and send it again; what you typed is still there.",
        )  # fmt: skip

    @app.exception_handler(Refused)
    def refused(request: Request, error: Refused) -> Response:
        if error.status == 401:
            return sign_in_needed(request, SignInNeeded(None))
        if error.status == 422 and request.method == "GET":
            # Nothing was filled in: it is the address that a service could not read.
            return _problem(404, "Page not found", "Check the address, or start from your work.")
        return _problem(error.status, error.title, error.detail)

    @app.exception_handler(HTTPException)
    def not_there(_: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return _problem(404, "Page not found", "Check the address, or start from your work.")
        if error.status_code == 405:
            return _problem(405, "This address takes no such request", "Open it from a page of Plumbline, or start from your work.")  # fmt: skip
        return _problem(
            error.status_code, "This form could not be read",
            "Nothing was saved. Go back, where what you typed still stands, shorten it or choose fewer files, and send it again.",
        )  # fmt: skip

    @app.exception_handler(Exception)
    def unforeseen(_: Request, __: Exception) -> Response:
        return _problem(
            500, "Something went wrong on our side",
            "Nothing that you sent before is lost. Go back, where what you typed still stands, and try again; if it fails again, tell support.",
        )  # fmt: skip


def _too_large(limit: int) -> Response:
    return _problem(
        413, "This is too large to send",
        f"Nothing was saved. Send at most {limit // 1_000_000} MB at once: go back, and choose smaller files or fewer.",
    )  # fmt: skip


def _problem(status: int, title: str, detail: str) -> Response:
    return render(
        "problem.html", status, visit=None, title=title, detail=detail, link={"href": "/", "text": "Go to your work"}
    )
