"""One request of one person: their session, their API, the form they sent."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match

from services.console.page import render
from services.console.service_api import ServiceApi
from services.console.session import Cookies, Session
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError


class SignInNeeded(Exception):
    """Nobody is signed in, or the session is over. `held` is what was sent, so that it is not lost."""

    def __init__(self, held: FormData | None = None) -> None:
        self.held = held


class ForeignForm(Exception):
    """A form that this session did not hand out."""


@dataclass
class Visit:
    """Who is here and what they may call."""

    request: Request
    session: Session
    actor: Actor
    api: ServiceApi
    form: FormData

    @property
    def now(self) -> datetime:
        """The time that records and deadlines use."""
        at: datetime = self.request.app.state.clock.now()
        return at

    @property
    def address(self) -> str:
        """Where this page can be opened again: of a form that came back, the page that it stands on."""
        path: str = self.request.url.path
        if self.request.method in ("GET", "HEAD"):
            return path
        while path and not _opens(self.request, path):
            path = path.rpartition("/")[0]
        return path or "/"

    @property
    def left(self) -> int:
        """Seconds until the session is over if nothing more is clicked."""
        seconds: int = self.request.app.state.cookies.left(self.session)
        return seconds

    def page(self, template: str, status: int = 200, **words: Any) -> HTMLResponse:
        """A page with everything that the frame around it needs."""
        return render(
            template, status, visit=self, now=self.now, path=self.request.url.path, roles=self.actor.roles,
            form_token=self.session.form_token, **words,
        )  # fmt: skip

    def text(self, name: str) -> str:
        """A field of the form, without space around it; empty if it was not sent."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """All values of a field that may be ticked several times."""
        return [value for value in self.form.getlist(name) if isinstance(value, str)]

    def file(self, name: str) -> UploadFile | None:
        """An uploaded file, if one was chosen."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def typed(self) -> dict[str, str]:
        """All texts of the form, to show the form again as it was."""
        return {name: value for name, value in self.form.items() if isinstance(value, str)}

    def has(self, *roles: str) -> bool:
        """Whether the person has one of these roles."""
        return bool(self.actor.roles.intersection(roles))


def _opens(request: Request, path: str) -> bool:
    """Whether there is a page at this path."""
    asked = {**request.scope, "method": "GET", "path": path}
    return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)


def go(path: str) -> Response:
    """To another page, after something was saved."""
    return RedirectResponse(path, 303)


def inside(path: str) -> str:
    """Only paths of the console itself: nobody is led elsewhere by a link. Browsers read `\\` as `/`, and over tabs and ends of lines."""
    here = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if here else "/"


async def _form(request: Request) -> FormData:
    if request.method in ("GET", "HEAD"):
        return FormData()
    _, said = parse_options_header(request.headers.get("content-type"))
    if said.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise HTTPException(415)  # no page of ours sends it, and halves of characters come in by some of them
    return await request.form(max_files=5, max_fields=500, max_part_size=1_000_000)


SentForm = Annotated[FormData, Depends(_form)]


def _is_resumed(request: Request) -> bool:
    """The page that held a form while nobody was signed in knows no token: its origin must do. It only shows the form."""
    origin = request.headers.get("origin")
    same = origin is not None and origin.partition("://")[2] == request.headers.get("host")
    return same and request.url.path == "/session/resume"


def _visit(request: Request, form: SentForm) -> Visit:
    cookies: Cookies = request.app.state.cookies
    session = cookies.open(request.cookies)
    held = form if request.method == "POST" else None
    if session is None:
        raise SignInNeeded(held)
    if session.stale:
        renewed = request.app.state.sign_in.renew(session)
        if renewed is None:
            raise SignInNeeded(held)
        session = replace(renewed, form_token=session.form_token, started_at=session.started_at)
    try:
        actor = request.app.state.authenticator.authenticate(session.access_token)
    except ServiceError:
        raise SignInNeeded(held) from None
    if request.method == "POST" and form.get("form_token") != session.form_token and not _is_resumed(request):
        raise ForeignForm
    request.state.session = session
    api = ServiceApi(request.app.state.http, request.app.state.services, session.access_token)
    return Visit(request, session, actor, api, form)


def onlooker(request: Request) -> Visit | None:
    """Whoever is signed in, for a page that goes on by itself: it neither renews their session nor keeps it open."""
    session = request.app.state.cookies.open(request.cookies)
    if session is None or session.stale:
        return None
    try:
        actor = request.app.state.authenticator.authenticate(session.access_token)
    except ServiceError:
        return None
    api = ServiceApi(request.app.state.http, request.app.state.services, session.access_token)
    return Visit(request, session, actor, api, FormData())


Visitor = Annotated[Visit, Depends(_visit)]
"""The signed-in person behind a request, for a page."""
