"""Notices over a real SMTP server and a real HTTP sink: what is sent, what is not, and what happens while one is away."""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.directory.activities import build
from services.directory.notices import commands
from services.directory.notices.channels import channels, signature
from services.directory.notices.settings import NoticeSettings
from services.runtime.actor import Actor
from services.runtime.db import transaction
from services.runtime.process import Context
from tests.conftest import MovableClock, ServiceClient

EMAIL, MOBILE = "sam.example@home.example", "+447700900123"


class Mailbox:
    """An SMTP server that keeps what it gets; `refuse` answers a recipient for good, `later` for now."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.refuse, self.port = b"", 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None

    def up(self) -> None:
        """Listen, on the same port as before."""

        async def start() -> None:
            self._server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(start(), self._loop).result(5)

    def down(self) -> None:
        """Stop listening."""

        async def stop() -> None:
            assert self._server is not None
            self._server.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(5)

    def close(self) -> None:
        """For good."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 kept\r\n")
            elif verb == b"RCPT" and self.refuse:
                writer.write(self.refuse)
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    made.up()
    yield made
    made.close()


class HttpSink:
    """Takes what is posted and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.got.append((self.path, dict(self.headers), body))
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def posts(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        """What came to a path."""
        return [(headers, body) for at, headers, body in self.got if at == path]


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    made = HttpSink()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def directory(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("directory")


@pytest.fixture
def admin(directory: ServiceClient, actor: Any) -> Actor:
    made: Actor = actor("platform_admin")
    assert directory.post("/providers", made, {"name": "Example Care"}).status_code == 201
    return made


@pytest.fixture
def sam(directory: ServiceClient, admin: Actor) -> uuid.UUID:
    body = {"display_name": "Sam Example", "roles": [{"role": "registered_manager"}]}
    made = uuid.UUID(directory.post("/people", admin, body).json()["person_id"])
    answer = directory.put(f"/people/{made}/contact", admin, {"email": EMAIL, "mobile": MOBILE})
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def settings(mailbox: Mailbox, sink: HttpSink) -> NoticeSettings:
    return NoticeSettings(
        environment="local",
        notice_link="https://plumbline.example/",
        smtp_url=SecretStr(f"smtp://127.0.0.1:{mailbox.port}"),
        sms_url=f"{sink.url}/sms",
        sms_token=SecretStr("token"),
        webhook_url=f"{sink.url}/hook",
        webhook_secret=SecretStr("secret"),
    )


@pytest.fixture
def deliver(
    service_engine: Callable[[str], Engine], clock: MovableClock, admin: Actor, settings: NoticeSettings
) -> Callable[..., contract.Delivered]:
    def run(person: uuid.UUID, notice: uuid.UUID, *, urgent: bool = True, off: bool = False) -> contract.Delivered:
        command = contract.DeliverNotice(
            command_id=str(notice), provider_id=admin.provider_id, incident_id=uuid.uuid4(), notice_id=notice,
            person_id=person, path=f"/escalations/{notice}", urgent=urgent,
        )  # fmt: skip
        made = [] if off else channels(settings)
        return commands.deliver(service_engine("directory"), clock, made, settings.notice_link, command)

    return run


def test_a_notice_says_only_that_something_needs_an_answer(
    deliver: Any, sam: uuid.UUID, mailbox: Mailbox, sink: HttpSink, directory: ServiceClient, admin: Actor
) -> None:
    notice = uuid.uuid4()
    assert deliver(sam, notice).sent == 3
    assert deliver(sam, notice).sent == 3, "a second delivery sends nothing again"
    link = f"https://plumbline.example/escalations/{notice}"
    [mail] = mailbox.mails
    assert f"To: {EMAIL}" in mail
    assert f"Message-ID: <{notice}@plumbline>" in mail
    assert link in mail.replace("=\r\n", "")
    [(headers, body)] = sink.posts("/sms")
    assert json.loads(body) == {"to": MOBILE, "text": f"Something needs your answer now. Open Plumbline: {link}"}
    assert headers["Authorization"] == "Bearer token"
    [(headers, body)] = sink.posts("/hook")
    assert json.loads(body) == {"notice_id": str(notice), "person_id": str(sam), "link": link}
    at, signed = (part.split("=", 1)[1] for part in headers["Plumbline-Signature"].split(","))
    assert signed == signature(b"secret", int(at), body)
    assert "Sam" not in mail + str(sink.got)
    kept = directory.get("/deliveries", admin, params={"unsent": False}).json()
    assert {(d["channel"], d["status"], d["attempt"]) for d in kept} == {
        ("email", "sent", 1), ("sms", "sent", 1), ("webhook", "sent", 1),
    }  # fmt: skip
    assert directory.get("/deliveries", admin).json() == []


def test_a_mail_server_that_is_away_and_comes_back(
    deliver: Any, sam: uuid.UUID, mailbox: Mailbox, sink: HttpSink, directory: ServiceClient, admin: Actor, actor: Any
) -> None:
    notice = uuid.uuid4()
    mailbox.down()
    for _ in range(3):
        with pytest.raises(commands.Undelivered, match=r"^email$"):
            deliver(sam, notice)
    assert len(sink.posts("/sms")) == 1, "what was sent is not sent again"
    [waiting] = directory.get("/deliveries", admin).json()
    assert (waiting["channel"], waiting["status"], waiting["attempt"]) == ("email", "failed", 3)
    assert waiting["error"] == "ConnectionRefusedError"
    assert directory.get("/deliveries", actor("registered_manager")).status_code == 403
    assert directory.get("/deliveries", actor("director", provider=uuid.uuid4())).json() == []
    mailbox.up()
    assert deliver(sam, notice).sent == 3
    assert len(mailbox.mails) == 1
    assert directory.get("/deliveries", admin).json() == []


@pytest.mark.parametrize(("status", "tried_again"), [(400, False), (404, False), (429, True), (401, True), (503, True)])
def test_a_gateway_that_refuses(
    deliver: Any, sam: uuid.UUID, sink: HttpSink, status: int, tried_again: bool, directory: ServiceClient, admin: Actor
) -> None:
    notice = uuid.uuid4()
    sink.status = status
    for _ in range(2):
        if tried_again:
            with pytest.raises(commands.Undelivered):
                deliver(sam, notice)
        else:
            assert deliver(sam, notice).sent == 1
    assert len(sink.posts("/sms")) == (2 if tried_again else 1)
    [sms] = [d for d in directory.get("/deliveries", admin).json() if d["channel"] == "sms"]
    assert sms["status"] == ("failed" if tried_again else "refused")


@pytest.mark.parametrize(("answer", "status"), [(b"550 no such user\r\n", "refused"), (b"451 later\r\n", "failed")])
def test_a_mail_server_that_refuses_somebody(
    deliver: Any, sam: uuid.UUID, mailbox: Mailbox, answer: bytes, status: str, directory: ServiceClient, admin: Actor
) -> None:
    mailbox.refuse = answer
    if status == "failed":
        with pytest.raises(commands.Undelivered):
            deliver(sam, uuid.uuid4())
    else:
        assert deliver(sam, uuid.uuid4()).sent == 2
    [email] = directory.get("/deliveries", admin).json()
    assert email["status"] == status
    assert EMAIL not in str(email)


def test_routine_interrupts_nobody(deliver: Any, sam: uuid.UUID, mailbox: Mailbox, sink: HttpSink) -> None:
    assert deliver(sam, uuid.uuid4(), urgent=False).sent == 1
    assert len(mailbox.mails) == 1
    assert sink.got == []


def test_one_digest_a_day_for_each_person_however_much_waits(
    service_engine: Callable[[str], Engine], clock: MovableClock, settings: NoticeSettings, sam: uuid.UUID,
    mailbox: Mailbox, sink: HttpSink, directory: ServiceClient, admin: Actor,
) -> None:  # fmt: skip
    north, south = uuid.uuid4(), uuid.uuid4()
    for region in (north, south):
        directory.post("/regions", admin, {"region_id": str(region), "name": "North" if region == north else "South"})
    places = [uuid.uuid4() for _ in range(3)]
    for place, region in zip(places, (north, north, south), strict=True):
        body = {
            "location_id": str(place), "cqc_location_id": f"1-{place.int % 10**9}", "name": "Home", "beds": 9,
            "region_id": str(region),
        }  # fmt: skip
        assert directory.post("/locations", admin, body).status_code == 201
    held = {
        "near": [{"role": "registered_manager", "location_id": str(places[0])}],
        "regional": [{"role": "quality_lead", "region_id": str(north)}],
        "elsewhere": [{"role": "registered_manager", "location_id": str(places[2])}],
        "other_role": [{"role": "carer", "location_id": str(places[0])}],
    }
    people = {}
    for name, roles in held.items():
        made = directory.post("/people", admin, {"display_name": name, "roles": roles})
        assert made.status_code == 201, made.text
        people[name] = made.json()["person_id"]
        directory.put(f"/people/{people[name]}/contact", admin, {"email": f"{name}@care.example", "mobile": MOBILE})

    def send(day: int, *waiting: tuple[str, uuid.UUID]) -> int:
        rows = [contract.Waiting(provider_id=admin.provider_id, role=role, location_id=at) for role, at in waiting]
        command = contract.SendDigest(provider_id=admin.provider_id, day=date(2026, 6, day), waiting=rows)
        engine, made = service_engine("directory"), channels(settings)
        return commands.send_digest(engine, clock, made, settings.notice_link, command).sent

    manager, lead = "registered_manager", "quality_lead"
    assert send(8, (manager, places[0]), (manager, places[1]), (lead, places[1])) == 3
    told = sorted(line for mail in mailbox.mails for line in mail.splitlines() if line.startswith("To: "))
    assert told == sorted([f"To: {EMAIL}", "To: near@care.example", "To: regional@care.example"])
    assert all("https://plumbline.example/work" in mail.replace("=\r\n", "") for mail in mailbox.mails)
    assert sink.got == [], "the routine interrupts nobody"
    send(8, (manager, places[0]))  # the next page, or tried again
    assert len(mailbox.mails) == 3
    send(9, (manager, places[0]))
    assert len(mailbox.mails) == 5


def test_nobody_to_reach_is_seen_and_is_no_failure(
    deliver: Any, directory: ServiceClient, admin: Actor, sam: uuid.UUID
) -> None:
    assert deliver(sam, uuid.uuid4(), off=True).sent == 0
    assert deliver(uuid.uuid4(), uuid.uuid4(), urgent=False).sent == 0
    assert [d["status"] for d in directory.get("/deliveries", admin).json()] in (
        ["no_contact", "no_channel"], ["no_channel", "no_contact"],
    )  # fmt: skip


def test_channels_are_off_until_they_are_set(
    service_engine: Callable[[str], Engine], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert channels(NoticeSettings()) == []
    context = Context(service_engine("directory"), service_engine("directory_system"), clock)
    assert [one.__name__ for one in build(context)] == [
        "resolve_on_call",
        "deliver_notice",
        "digest",
        "clear_replies",
        "list_kept",
        "erase",
    ]
    for wrong in ({"smtp_url": "mail.example"}, {"webhook_url": "http://x"}):
        with pytest.raises(ValidationError):
            NoticeSettings.model_validate(wrong)


def test_a_contact_stays_where_it_is(
    directory: ServiceClient, admin: Actor, sam: uuid.UUID, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    path = f"/people/{sam}/contact"
    assert directory.get(path, admin).json()["email"] == EMAIL
    assert directory.get(path, actor("registered_manager")).status_code == 403
    assert directory.put(path, actor("registered_manager"), {"email": "a@b.example"}).status_code == 403
    assert directory.put(path, admin, {"email": "a@b.example"}).status_code == 428
    assert directory.put(path, admin, {"email": "a@b.example"}, version=7).status_code == 412
    assert directory.put(path, admin, {"email": "a@b.example"}, version=1).json()["mobile"] is None
    assert directory.get(f"/people/{uuid.uuid4()}/contact", admin).status_code == 404
    with transaction(service_engine("directory"), admin.provider_id) as session:
        said = str(session.execute(text("select data from directory.audit_entry")).all())
        said += str(session.execute(text("select data from directory.outbox")).all())
    assert "a@b.example" not in said
    assert EMAIL not in said
    assert MOBILE not in said


@pytest.mark.parametrize(
    "wrong",
    [{}, {"email": "sam"}, {"email": "a@b.example,c@d.example"}, {"email": "a@b.example\r\nBcc: c@d.example"},
     {"email": "a@b.example\n"}, {"mobile": "07700900123"}, {"mobile": "+44 7700"}, {"phone": MOBILE}, {"email": "x" * 300}],
)  # fmt: skip
def test_a_contact_that_cannot_be_reached_is_refused(
    directory: ServiceClient, admin: Actor, sam: uuid.UUID, wrong: dict[str, Any]
) -> None:
    answer = directory.put(f"/people/{sam}/contact", admin, wrong, version=1)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["remedy"]
