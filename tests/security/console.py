"""The console in process, over the services of this folder: what it answers to, and what each of its forms asks, by the app itself."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from sys import modules
from typing import Any

import h11
import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, QueryParams
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.testclient import TestClient

from services.console.pages import overview
from services.console.pages.review_records import KINDS
from services.console.session import Session
from services.console.settings import ConsoleSettings
from services.console.sign_in import SignIn
from services.console.visit import _form as sent_form
from services.console.visit import onlooker
from services.runtime.actor import Actor
from services.runtime.auth import Authenticator
from tests.conftest import SERVICES
from tests.security.conftest import Served
from tests.security.sent import WORDS, WORDS_THAT_SAY_ENOUGH
from tests.security.world import PNG, World

ORIGIN = "http://testserver"
LIVE = "/overview/live"
GOOD = {
    "date": "2026-06-07", "datetime-local": "2026-06-08T08:30", "month": "2026-05", "number": "2", "time": "08:30", "hidden": "",
    "url": "https://system.example/plumbline",
}  # fmt: skip
"""What somebody would give to a field of a type."""


class Wire(httpx.BaseTransport):
    """Where the console's client would connect: what HTTP cannot carry goes no further, the rest to a service or the issuer."""

    def __init__(self, services: Mapping[str, TestClient], issuer: str) -> None:
        self._services, self._issuer = services, issuer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        try:
            h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        if request.url.path == "/.well-known/openid-configuration":
            endpoints = {
                "authorization_endpoint": f"{self._issuer}/authorize",
                "token_endpoint": f"{self._issuer}/token",
            }
            return httpx.Response(200, json=endpoints)
        answer = self._services[request.url.host].send(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class _NotedQuery(QueryParams):
    """The words of an address, noting which of them are asked for."""

    names: set[str]

    def __getitem__(self, key: str) -> str:
        self.names.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


_read_query: Any = HTTPConnection.query_params.fget  # type: ignore[attr-defined]


def noted_query(connection: HTTPConnection) -> QueryParams:
    """In place of `query_params` of requests to a console."""
    names = getattr(connection.scope["app"].state, "asked_for", None)
    read: QueryParams = _read_query(connection)
    if names is None:
        return read
    query = _NotedQuery(read.multi_items())
    query.names = names
    return query


class _Noted(FormData):
    """A form, noting which of its fields are asked for."""

    names: set[str]

    def get(self, key: Any, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)

    def getlist(self, key: Any) -> list[Any]:
        self.names.add(key)
        return super().getlist(key)


@dataclass(frozen=True)
class Way:
    """One thing that can be asked of the console: a method and an address with gaps. `name` fills the gap of that name."""

    method: str
    path: str
    name: str = ""

    def address(self, world: World, **instead: str) -> str:
        """The address about the records of a world; `instead` fills gaps otherwise."""
        return re.sub(r"\{(\w+)\}", lambda gap: instead.get(gap[1]) or self._word(gap[1], world), self.path)

    def _word(self, gap: str, world: World) -> str:
        if gap == "name" and self.name:
            return self.name
        if gap == "record_id" and self.name in KINDS:
            gap = KINDS[self.name].id_field
        return str(WORDS.get(gap) or world.id(gap))

    @property
    def gaps(self) -> list[str]:
        """What its address leaves open."""
        return re.findall(r"\{(\w+)\}", self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path.replace('{name}', self.name or '{name}')}"


@dataclass
class Field:
    """A field of a form: its type, and what may be chosen."""

    kind: str
    choices: list[str] = field(default_factory=list)

    @property
    def good(self) -> Any:
        """What somebody would give."""
        if self.kind == "file":
            return ("photograph.png", PNG, "image/png")
        return next(iter(self.choices), GOOD.get(self.kind, WORDS_THAT_SAY_ENOUGH))


class Forms(HTMLParser):
    """The forms of a page by where they go, with the type and the choices of each field."""

    def __init__(self, page: str, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, Field]] = {}
        self._page, self._form, self._select = page, dict[str, Field](), Field("select")
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a form, a field or a choice."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.found.setdefault(given.get("action") or self._page, {})
        if tag in ("input", "textarea", "select", "button") and given.get("name"):
            one = self._form.setdefault(given["name"], Field(given.get("type", "text") if tag == "input" else tag))
            one.choices += [given["value"]] if given.get("value") else []
            self._select = one if tag == "select" else self._select
        if tag == "option" and given.get("value"):
            self._select.choices.append(given["value"])


def ways(app: FastAPI) -> list[Way]:
    """Everything that can be asked of a console; where one address takes several steps by their name, each of them."""
    found = []
    for one in app.routes:
        for route in getattr(getattr(one, "original_router", None), "routes", [one]):
            if isinstance(route, APIRoute):
                module = modules[route.endpoint.__module__]
                steps = (getattr(module, "STEPS", None) or module.KINDS) if "{name}" in route.path else [""]
                found += [Way(method, route.path, name) for method in sorted(route.methods) for name in steps]
    return found


def settings(issuer: str) -> ConsoleSettings:
    """Of a console over the services in this process."""
    return ConsoleSettings(
        **{f"{name}_url": f"http://{name}" for name in SERVICES},  # type: ignore[arg-type]
        oidc_issuer=issuer, oidc_jwks_url=issuer, oidc_audience="plumbline", environment="local",
        console_public_url=ORIGIN, console_session_keys=Fernet.generate_key().decode(),
    )  # fmt: skip


@dataclass(frozen=True)
class SignedIn:
    """Somebody's session: what their browser sends, and what their forms carry."""

    cookie: str
    form_token: str


class Console:
    """A console over the services of a provider that has one record of everything. Whatever is asked of it has no effect."""

    def __init__(self, app: FastAPI, served: Served, services: Mapping[str, TestClient]) -> None:
        self.app, self.served, self.issuer = app, served, served.issuer
        app.state.http = httpx.Client(transport=Wire(services, self.issuer.url))
        app.state.sign_in = SignIn(settings(self.issuer.url), app.state.http)
        app.state.authenticator = Authenticator(self.issuer.settings())
        app.state.clock = served.applications["intake"].state.clock
        app.dependency_overrides[sent_form] = self._noting
        self.http = TestClient(app, base_url=ORIGIN, follow_redirects=False)
        self.pages = {way.address(served.ours) for way in ways(app) if way.method == "GET"}
        self.forms: dict[str, dict[str, Field]] = {}
        self.fields: dict[Way, dict[str, Field]] = {}
        self.taken: set[Way] = set()
        """Forms that changed something when they were filled in as they should be."""
        self.asked_for: set[str] = set()
        """Fields of forms, and words of addresses, that were asked for since this was emptied."""
        app.state.asked_for = self.asked_for
        self._sessions: dict[Actor, SignedIn] = {}

    async def _noting(self, request: Request) -> FormData:
        form = _Noted((await sent_form(request)).multi_items())
        form.names = self.asked_for
        return form

    @property
    def changed(self) -> int:
        """How many rows would have been changed by all that was asked so far."""
        return sum(engine.changed for engine in self.served.engines.values())

    def signed_in(self, actor: Actor) -> SignedIn:
        """A session of somebody."""
        if actor not in self._sessions:
            at, answer = datetime.now(UTC).timestamp(), Response()
            session = Session(self.issuer.token(actor), None, at + 3600, "Somebody", at, at)
            self.app.state.cookies.keep(answer, session, None)
            pairs = [value.decode().split(";")[0] for name, value in answer.raw_headers if name == b"set-cookie"]
            cookie = "; ".join(pair for pair in pairs if not pair.endswith('=""'))
            self._sessions[actor] = SignedIn(cookie, session.form_token)
        return self._sessions[actor]

    def ask(self, method: str, address: str, who: SignedIn | None, **how: Any) -> httpx.Response:
        """What is answered. An error that nobody answers for is a failure, with what was sent."""
        headers = {**({"cookie": who.cookie} if who else {}), **how.pop("headers", {})}
        try:
            if who and method == "GET" and address.partition("?")[0] == LIVE:
                return self._heard(address, headers)
            answer = self.http.request(method, address, headers=headers, **how)
        except Exception as error:
            raise AssertionError(f"{method} {address} with {str(how)[:500]} raised {error!r}") from error
        finally:
            self.http.cookies.clear()
        return answer

    def _heard(self, address: str, headers: Mapping[str, str]) -> httpx.Response:
        """What the overview is told at first: asked over HTTP it would go on for minutes."""
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        query = httpx.URL(address).query
        visit = onlooker(
            Request({"type": "http", "app": self.app, "query_string": query, "path": LIVE, "headers": raw})
        )
        assert visit is not None

        async def first() -> list[str]:
            told = overview._told(visit)
            return [await anext(told), await anext(told, "")]

        return httpx.Response(200, text="".join(asyncio.run(first())), headers={"Cache-Control": "no-store"})
