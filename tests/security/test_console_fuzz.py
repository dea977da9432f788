"""Whatever is asked of the console, by whom and with what, a page answers: no 5xx, nothing as it was typed but in its place.

The addresses, the steps, the fields of forms and the words of addresses are asked of the console itself, so that a new page
is asked too. In process, over the real services and a real database: `make test` asks each page a few times, `make security`
many more.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.testclient import TestClient

from services.console import app as console_app
from services.console.__main__ import ROUTERS
from services.console.app import build_app
from services.console.pages import overview
from services.console.visit import Visitor
from services.contracts.taxonomy import Role
from tests.security import console as served_console
from tests.security.conftest import Served, person
from tests.security.console import LIVE, ORIGIN, Console, Field, Forms, SignedIn, Way, ways
from tests.security.odd import IN_HEADERS, IN_PATHS, RAW, TYPES, _of

one_worker = pytest.mark.xdist_group("console")
"""What the pages ask for is found once."""

PEOPLE = [role for role in Role if role is not Role.SERVICE]
EVERY = [pytest.param(way, id=str(way)) for way in ways(build_app(served_console.settings("http://issuer"), ROUTERS))]
PAGES = [one for one in EVERY if one.values[0].method == "GET"]
FORMS = [one for one in EVERY if one.values[0].method == "POST"]

TURNS = {param.values[0]: turn for several in (PAGES, FORMS) for turn, param in enumerate(several)}
"""Of the many odd things each page takes some, in turn."""

NOT_HERE = "PLUMBLINE_DIRECTORY_URL"
"""What a page says where a pack is to be built: it is read from other services, and their addresses are not set here."""
ELSEWHERE = "evil.example"
MARK = "typedmark<\"'>&ends"
"""What somebody may type, and no page may show as it is."""
_SHOWN_RAW = re.compile(
    r"typedmark(?!&lt;(&#34;|&quot;)(&#39;|&#x27;)&gt;&amp;ends|%3C|\\u003c\\u0022|$)", re.IGNORECASE
)
ADDRESSES = tuple(f"{begin}{ELSEWHERE}/{MARK}" for begin in ("https://", "//", "/\\", "/\t/", "\\\\", "javascript:alert(1)//"))  # fmt: skip
TEXTS = (
    "9" * 5000, "a\0b", "0001-01-01T00:00", "9999-12-31T23:59", "-1", "²", "NaN", "../..", "a\nb: c", "é\u202e\U0010ffff",
)  # fmt: skip
MORE_TEXTS = tuple(one for one in _of("text", False) if "\ud800" not in one)
IN_ADDRESSES = ("2026-06-30", "0001-01-01", "9999-12-31", "csv", "true", "out", "region:x", "location:\0")
NO_IDS = (
    *IN_PATHS, "%ED%A0%80", "%2e%2e", ".", "a%3Fb=c", "a%23b", "%25", "%5c", "%e2%80%ae", "{}", "x", quote(MARK, safe=""), "9" * 10_000,
)  # fmt: skip
"""What stands in an address in place of an id."""
TYPES_OF_FORMS = (
    *TYPES, b"multipart/form-data; boundary=b; charset=unicode_escape", b"application/x-www-form-urlencoded; charset=utf-16",
)  # fmt: skip
BROKEN = (
    *RAW, b"--b", b"--b\r\n\r\n--b--", b'--b\r\nContent-Disposition: form-data; name="a\\ud800"\r\n\r\n\\ud800\r\n--b--\r\n',
    b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", b"%", b"a=%ZZ&=&&b", b"a=%ED%A0%80&%00=%00", b"a=1&" * 501,
    b"a=" + b"b" * 1_100_000,
)  # fmt: skip
ODD = st.one_of(st.sampled_from((*ADDRESSES, *TEXTS, *MORE_TEXTS)), st.text(st.characters(codec="utf-8"), max_size=40))

MANY = 10
TAKEN = 40
"""At least so many forms change something when everything in them is as it should be."""
LOOKED_AT = ("/packs/{record_id}/content/{part}",)
"""Who looks at it is written down."""
OPEN = ("/sign-in", "/signed-in", "/sign-out", "/report/worker.js", "/livez", "/readyz", "/metrics")
"""What anybody may ask for."""


class _Links(HTMLParser):
    """Where a page leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        leads = ("href", "src", "action", "formaction", "data", "hx-get", "hx-post", "sse-connect", "srcdoc")
        self.found += [value for name, value in attrs if name in leads and value]


def within(address: str) -> bool:
    """Whether a browser that follows an address from a page of the console stays in it."""
    read = re.sub(r"[\t\r\n]", "", address.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urljoin(f"{ORIGIN}/a/b", read).startswith(f"{ORIGIN}/")


def sound(answer: httpx.Response, sent: Any) -> None:
    """What holds for every answer, whatever was sent."""

    def said() -> str:
        words = re.sub(r"<[^>]+>|\s+", " ", answer.text)[-900:]
        return f"{answer.status_code} {answer.headers.get('location', '')} {words} for {str(sent)[:600]}"

    status, kind = answer.status_code, answer.headers.get("content-type", "").partition(";")[0]
    assert status < 500 or (status == 503 and NOT_HERE in answer.text), said()
    if 300 <= status < 400:
        to = answer.headers["location"]
        assert within(to) or re.match(r"http://127\.0\.0\.1:\d+/authorize\?", to), said()
        return
    if status != 204:
        assert "no-store" in answer.headers.get("cache-control", "") or answer.url.path == "/report/worker.js", said()
    if status >= 400:
        script = kind == "application/json" and ("words" in answer.json() or answer.json() == {})
        assert script or (kind == "text/html" and "<h1" in answer.text), said()
    if kind != "text/html":
        return
    assert "default-src 'none'" in answer.headers.get("content-security-policy", ""), said()
    assert answer.headers["x-content-type-options"] == "nosniff", said()
    for sign in ("Traceback (most recent call", "jinja2", "httpx.", "sqlalchemy"):
        assert sign not in answer.text, (sign, said())
    raw = _SHOWN_RAW.search(answer.text)
    assert raw is None, f"{answer.text[max(raw.start() - 80, 0) : raw.end() + 80]} in {said()}"
    if ELSEWHERE in answer.text:
        for to in _Links(answer.text).found:
            assert within(to) or ELSEWHERE not in to, f"{to} in {said()}"


@pytest.fixture(scope="module")
def making(served: Served, application: Callable[[str], TestClient]) -> Iterator[Callable[..., Console]]:
    """`making(router)` is a console with one more router."""
    patch = pytest.MonkeyPatch()
    patch.setattr(overview, "_LOOK_SECONDS", 0.0)
    patch.setattr(overview, "_CLOCKS_SECONDS", 0.0)
    patch.setattr(HTTPConnection, "query_params", property(served_console.noted_query))
    opened: list[Console] = []

    def make(*more: APIRouter) -> Console:
        app = build_app(served_console.settings(served.issuer.url), [*more, *ROUTERS])
        console = Console(app, served, {name: application(name) for name in served.applications})
        console.http.__enter__()
        opened.append(console)
        return console

    yield make
    for console in opened:
        console.http.__exit__(None, None, None)
    patch.undo()


@pytest.fixture(scope="module")
def console(making: Callable[..., Console]) -> Console:
    return making()


def everybody(console: Console) -> SignedIn:
    """Somebody in all roles of people, to whom everything of the world was given."""
    who = person("no role", console.served, person_id=console.served.ours.id("person_id"))
    return console.signed_in(replace(who, roles=frozenset(Role) - {Role.SERVICE}))


def opens(console: Console, way: Way) -> set[str]:
    """A page about what is there opens and changes nothing. The words that it looks for in its address."""
    address, before = way.address(console.served.ours), console.changed
    console.asked_for.clear()
    answer = console.ask("GET", address, everybody(console))
    sound(answer, address)
    assert answer.status_code in (200, 204, 303) or way.path in OPEN, f"{answer.status_code} for {address}"
    assert console.changed == before or way.path in LOOKED_AT, f"{address} changes something"
    console.forms.update(Forms(address, answer.text).found)
    return set(console.asked_for) if way.path != LIVE else {"since", "place"}


def reads(console: Console, way: Way, *, turn: int = 0, many: bool = False) -> None:
    """Whatever stands in the address of a page: each thing, or a few that others pages take in turn."""
    words, who, ours = sorted(opens(console, way)), everybody(console), console.served.ours
    address = way.address(ours)
    no_ids = NO_IDS if many else [NO_IDS[(turn + more) % len(NO_IDS)] for more in range(2)]
    asked = [way.address(ours, **{gap: instead}) for gap in way.gaps for instead in (*no_ids, str(uuid.uuid4()))]
    asked += [way.address(world) for world in (console.served.kept_apart, console.served.nothing) if way.gaps]
    if many:
        values = (*ADDRESSES, *TEXTS, *MORE_TEXTS, *IN_ADDRESSES)
        for value in values if {*words} - {"saved"} else values[:9]:
            pairs = [(word, value) for word in words]
            asked.append(f"{address}?{urlencode(pairs * (2 if len(value) < 1000 else 1))}")
            if value in IN_ADDRESSES:
                asked += [f"{address}?{urlencode([pair])}" for pair in pairs]
        asked.append(f"{address}?%00=%ED%A0%80&=&a[b]=%zz&" + "&".join(f"{word}=%ED%A0%80%00" for word in words))
    elif turn % 2:
        values = (ADDRESSES[0], "%ED%A0%80%00", MARK, *TEXTS)
        pairs = [(word, values[(turn + place) % len(values)]) for place, word in enumerate(words)]
        asked.append(f"{address}?%00=&{urlencode(pairs)}&{urlencode(pairs[:1])}".replace("%25", "%"))
    for one in asked:
        sound(console.ask("GET", one, who), one)


def form_of(console: Console, way: Way) -> dict[str, Field]:
    """The fields of a form: those that the pages show, and those that are asked for where it is sent. It is sent for that, as it should be."""
    address, who = way.address(console.served.ours), everybody(console)
    if way not in console.fields:
        page = address
        while page and page not in console.pages:
            page = page.rpartition("/")[0]
        if address not in console.forms:
            console.forms.update(Forms(page, console.ask("GET", page or "/", who).text).found)
        console.asked_for.clear()
        before, shown = console.changed, console.forms.get(address, {})
        sound(console.ask("POST", address, who, **_sent(shown, who.form_token)), (address, "as it should be"))
        fields = {name: Field("text") for name in sorted(console.asked_for)} | shown
        console.fields[way] = {name: one for name, one in fields.items() if name != "form_token"}
        if console.changed > before:
            console.taken.add(way)
    return console.fields[way]


def _sent(fields: dict[str, Field], token: str | None, **instead: Any) -> dict[str, Any]:
    """A form as a browser sends it, with a token."""
    values = {name: one.good for name, one in fields.items()} | instead
    content: dict[str, Any] = {
        "data": {name: value for name, value in values.items() if not isinstance(value, tuple)},
        "files": {name: value for name, value in values.items() if isinstance(value, tuple)},
    }
    if token is not None:
        content["data"]["form_token"] = token
    return content


def takes(console: Console, way: Way, *, turn: int = 0, many: bool = False) -> None:
    """Whatever a form is filled in with: each thing, or one that other forms take in turn."""
    fields, who, address = form_of(console, way), everybody(console), way.address(console.served.ours)

    def send(what: Any, **how: Any) -> httpx.Response:
        answer = console.ask("POST", address, who, **how)
        sound(answer, (address, what))
        return answer

    def with_each(value: str) -> None:
        odd = dict.fromkeys(fields, value)
        kept(send(value, **_sent(fields, who.form_token, **odd)), fields, odd)

    def drawn(examples: int = 1) -> None:
        @given(st.dictionaries(st.sampled_from(sorted(fields) or ["x"]), ODD, min_size=1, max_size=4))
        @settings(
            max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )  # fmt: skip
        def run(odd: dict[str, str]) -> None:
            kept(send(odd, **_sent(fields, who.form_token, **odd)), fields, odd)

        run()

    files = dict.fromkeys(list(fields)[-5:], (f"{MARK}.csv", b"\x00<\xff", "text/csv"))
    twice = {name: [one.good, MARK] for name, one in fields.items() if one.kind != "file"}
    odd: list[Callable[[], object]] = [
        lambda: with_each(ADDRESSES[0]),
        lambda: with_each("9" * 5000),
        lambda: send("nothing", data={"form_token": who.form_token}),
        lambda: send("everything twice", **_sent(fields, who.form_token, **twice)),
        lambda: send("files as texts", data={"form_token": who.form_token}, files=files),
        lambda: send("texts as files", data={"form_token": who.form_token} | dict.fromkeys(fields, MARK)),
        lambda: send("halves of characters", **_escaped(who.form_token, fields)),
        drawn,
    ]
    if many:
        odd += [lambda value=value: with_each(value) for value in (*ADDRESSES, *TEXTS, *MORE_TEXTS, "9" * 70_000)]  # type: ignore[misc]
        odd.append(lambda: drawn(MANY))
    for one in odd if many else [odd[turn % len(odd)]]:
        one()


def _escaped(token: str, fields: dict[str, Field]) -> dict[str, Any]:
    """A form in an encoding that makes half a character of what is sent."""
    said = [("form_token", token), *((name, "\\ud800\\x00") for name in fields)]
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in said)
    kind = "multipart/form-data; boundary=b; charset=unicode_escape"
    return {"content": f"{parts}--b--\r\n".encode(), "headers": {"content-type": kind}}


def kept(answer: httpx.Response, fields: dict[str, Field], typed: dict[str, str]) -> None:
    """What was typed stands in a form that came back, unless it was taken."""
    if answer.status_code not in (409, 412, 422) or "<form" not in answer.text:
        return
    shown = dict(_Typed(answer.text).found)
    for name, value in typed.items():
        if name in shown and fields[name].kind in ("text", "textarea"):
            assert shown[name].split() == value.split(), (
                f"{name} shows {shown[name][:200]!r} after {value[:200]!r} at {answer.url}"
            )


class _Typed(HTMLParser):
    """What stands in the fields of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given.get("type", "text") == "text" and "name" in given:
            self.found.append((given["name"], given.get("value", "")))
        if tag == "textarea":
            self._area = given.get("name", "")
            self.found.append((self._area, ""))

    def handle_endtag(self, tag: str) -> None:
        self._area = "" if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area:
            self.found[-1] = (self._area, self.found[-1][1] + data)


def guards(console: Console, way: Way, *, many: bool = False) -> None:
    """A form that this session did not hand out is refused and changes nothing."""
    fields, who, address = form_of(console, way), everybody(console), way.address(console.served.ours)
    other = console.signed_in(person(Role.CARER, console.served))
    as_file = _sent(fields, None)
    as_file["files"]["form_token"] = ("x.txt", who.form_token.encode(), "text/plain")
    tokens = (None, other.form_token, "", f"{who.form_token}\0", f" {who.form_token}")[: None if many else 2]
    before = console.changed
    for how in (*(_sent(fields, token) for token in tokens), as_file)[: None if many else 2]:
        answer = console.ask("POST", address, who, **how)
        sound(answer, (address, "a wrong token"))
        assert answer.status_code == 403, f"{answer.status_code} for {address} with a wrong token"
    assert console.changed == before, f"{address} changes something"


def asks_who(console: Console, way: Way, *, turn: int = 0, many: bool = False) -> None:
    """Without a session somebody is asked to sign in; what they typed is held, in its place."""
    address, before = way.address(console.served.ours), console.changed
    how = {"data": {"said": MARK, MARK: ADDRESSES[0], "held_path": ADDRESSES[1]}} if way.method == "POST" else {}
    each: list[dict[str, str]] = [{}, {"cookie": "plumbline_session_0=x"}, {"accept": "application/json"}]
    for headers in each if many else [each[turn % len(each)]]:
        answer = console.ask(way.method, address, None, headers=headers, **how)
        sound(answer, (address, headers))
        assert answer.status_code in ((200, 400, 303) if way.path in OPEN else (204, 286, 303, 401)), address
    assert console.changed == before, f"{address} changes something"


def answers(console: Console, role: Role, scope: str, asked: list[Way]) -> None:
    """Somebody of one role has a page for everything: what they asked for, or why not."""
    who = console.signed_in(person(role, console.served, scope))
    for way in asked:
        how = {"data": {"form_token": who.form_token}} if way.method == "POST" else {}
        address = way.address(console.served.ours)
        sound(console.ask(way.method, address, who, **how), (role, scope, address))


@one_worker
@pytest.mark.parametrize("way", PAGES)
def test_a_page_opens_whatever_stands_in_its_address(console: Console, way: Way) -> None:
    reads(console, way, turn=TURNS[way])


@one_worker
@pytest.mark.parametrize("way", FORMS)
def test_a_form_takes_or_refuses_what_nobody_would_type(console: Console, way: Way) -> None:
    takes(console, way, turn=TURNS[way])


@one_worker
@pytest.mark.parametrize("way", FORMS)
def test_a_form_of_another_session_changes_nothing(console: Console, way: Way) -> None:
    guards(console, way)


@one_worker
def test_forms_of_the_own_session_change_something(console: Console) -> None:
    """Else the test above would say nothing."""
    for param in FORMS:
        form_of(console, param.values[0])
    assert len(console.taken) >= TAKEN, sorted(map(str, console.taken))


@one_worker
@pytest.mark.parametrize("way", EVERY)
def test_without_a_session_somebody_is_asked_to_sign_in(console: Console, way: Way) -> None:
    asks_who(console, way, turn=TURNS[way])


@one_worker
@pytest.mark.parametrize("role", PEOPLE)
def test_a_page_answers_each_role(console: Console, role: Role) -> None:
    turn = PEOPLE.index(role)
    answers(console, role, "place", [param.values[0] for param in PAGES][turn :: 2 * len(PEOPLE)])


@one_worker
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_odd_header_or_body_has_a_page(console: Console, method: str) -> None:
    who = everybody(console)
    odd = {
        **dict.fromkeys(("Accept", "Content-Type", "Content-Length", "Accept-Encoding", "traceparent", "Range"), IN_HEADERS),
        "Cookie": (*IN_HEADERS, b"plumbline_session_0=\xff", b"plumbline_session_0=" + b"A" * 6000, b"plumbline_attempt=\x01"),
        "Origin": (*IN_HEADERS, b"http://[", b"null", b"https://" + ELSEWHERE.encode()),
        "Host": (b"[", ELSEWHERE.encode(), b"a:b", b"\xff", b""),
    }  # fmt: skip
    for name, values in odd.items():
        for value in values:
            headers = {"cookie": who.cookie, name.lower(): value}
            content = {"content": b"form_token=x"} if method == "POST" else {}
            sound(
                console.ask(
                    method, "/session" if method == "GET" else "/session/resume", None, headers=headers, **content
                ),
                (name, value),
            )
    for kind in TYPES_OF_FORMS if method == "POST" else ():
        for body in BROKEN:
            sound(console.ask("POST", "/report", who, content=body, headers={"content-type": kind}), (kind, body[:40]))


@one_worker
@pytest.mark.parametrize("to", ADDRESSES)
def test_nobody_is_led_elsewhere(console: Console, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    who = everybody(console)
    held = console.ask(
        "POST", "/session/resume", who, data={"form_token": who.form_token, "held_path": to, "said": MARK}
    )
    sound(held, to)
    begun = console.ask("GET", f"/sign-in?{urlencode({'to': to})}", None)
    sound(begun, to)
    state = httpx.URL(begun.headers["location"]).params["state"]
    monkeypatch.setattr(
        console.app.state.sign_in, "redeem", lambda *_: console.app.state.cookies.open(_jar(who.cookie))
    )
    cookie = begun.headers["set-cookie"].split(";")[0]
    ended = console.ask(
        "GET", f"/signed-in?{urlencode({'state': state, 'code': 'x'})}", None, headers={"cookie": cookie}
    )
    assert ended.status_code == 303
    sound(ended, to)


def _jar(cookie: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in cookie.split("; "))


@one_worker
def test_what_is_too_large_or_asked_in_another_way_has_a_page(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = everybody(console)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        sound(console.ask(method, "/incidents", who), method)
    monkeypatch.setattr(console_app, "MAX_FORM_BYTES", 1000)
    large = b"form_token=" + b"a" * 2000
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (large, iter([large[:900], large[900:]])):
        answer = console.ask("POST", "/report", who, content=body, headers=kind)
        assert answer.status_code == 413
        sound(answer, "too large")


@pytest.mark.deep
@pytest.mark.parametrize("way", PAGES)
def test_a_page_opens_whatever_else_stands_in_its_address(console: Console, way: Way) -> None:
    reads(console, way, many=True)


@pytest.mark.deep
@pytest.mark.parametrize("way", FORMS)
def test_a_form_takes_or_refuses_all_that_nobody_would_type(console: Console, way: Way) -> None:
    takes(console, way, many=True)
    guards(console, way, many=True)


@pytest.mark.deep
@pytest.mark.parametrize("way", EVERY)
def test_without_a_session_of_any_kind_somebody_is_asked_to_sign_in(console: Console, way: Way) -> None:
    asks_who(console, way, many=True)


@pytest.mark.deep
@pytest.mark.parametrize("scope", ["whole", "place", "another provider"])
@pytest.mark.parametrize("role", PEOPLE)
def test_every_page_answers_each_role(console: Console, role: Role, scope: str) -> None:
    answers(console, role, scope, [param.values[0] for param in EVERY])


planted = APIRouter()


@planted.get("/planted/raises/{incident_id}")
def raises(visit: Visitor, incident_id: str) -> Response:
    """A page that fails where an id is odd."""
    return HTMLResponse(
        str(uuid.UUID(incident_id)),
        headers={"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"},
    )


@planted.get("/planted/reflects")
def reflects(visit: Visitor, said: str = "") -> Response:
    """A page that shows what stands in its address as it is."""
    return HTMLResponse(
        f"<h1>{said}</h1>", headers={"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
    )


@planted.get("/planted/leads")
def leads(visit: Visitor, to: str = "/") -> Response:
    """A page that leads wherever it is told."""
    return RedirectResponse(to)


@planted.get("/planted/is-bare")
def is_bare(visit: Visitor) -> Response:
    """A page without a policy of what it may load."""
    return HTMLResponse("<h1>Bare</h1>")


@planted.post("/planted/takes-anything")
async def takes_anything(request: Request) -> Response:
    """A form that does not ask who handed it out."""
    return RedirectResponse("/", 303)


@planted.post("/planted/counts")
def counts(visit: Visitor) -> Response:
    """A form that takes every number for one that Python reads."""
    return RedirectResponse(f"/?saved={int(visit.text('number') or 0)}", 303)


@planted.post("/planted/forgets")
def forgets(visit: Visitor) -> Response:
    """A form that comes back empty."""
    form = '<h1>No</h1><form method="post"><input name="said"></form>' if visit.text("said") else ""
    return HTMLResponse(
        form, 422, headers={"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}
    )


def _planted_app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(planted)
    return app


@one_worker
@pytest.mark.parametrize("fault", [str(way) for way in ways(_planted_app())])
def test_a_planted_fault_is_found(making: Callable[..., Console], fault: str) -> None:
    """The control of this file: the same questions to a console that has pages with faults."""
    faulty = making(planted)
    way = next(one for one in ways(faulty.app) if str(one) == fault)
    with pytest.raises(AssertionError):
        reads(faulty, way, many=True) if way.method == "GET" else (takes(faulty, way, many=True), guards(faulty, way))
