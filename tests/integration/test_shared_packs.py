"""Packs that are built here and read by somebody outside for a while: through the real applications of all services."""

import io
import json
import re
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine, text

from services.reporting.packs import building, commands, manifest, pages, policy
from services.runtime import audit, db, restriction
from services.runtime.consumer import Received
from services.runtime.limit import Limit
from tests.conftest import SERVICES, ServiceClient
from tests.integration.test_reporting import Book
from tests.integration.test_restricted import an_allegation

PUBLIC = "/shared-packs"


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "OPENING", Limit("test", 10_000))


@pytest.fixture
def services(
    client: Callable[[str], ServiceClient], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[dict[str, ServiceClient]]:
    """All services; reporting reads the others through their applications, and keeps packs in a folder of this test."""
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/packs")
    made = {name: client(name) for name in SERVICES}
    state = made["reporting"].http.app.state  # type: ignore[attr-defined]
    state.packs = building.Builder({name: one.http for name, one in made.items()})
    builder = state.packs
    yield made
    builder.close()
    del state.packs


@pytest.fixture
def api(services: dict[str, ServiceClient]) -> ServiceClient:
    return services["reporting"]


class Home:
    """A place that intake and reporting know, with what is reported there."""

    def __init__(self, services: dict[str, ServiceClient], book: Book, place: Any) -> None:
        self.services, self.book = services, book
        self.location_id = book.location("Alder House")
        book.project()
        place("intake", location_id=self.location_id)
        self.heard = 0

    def report(self, by: Any, **changes: Any) -> UUID:
        """Somebody reports through intake's API; reporting hears of it."""
        now = self.book.clock.now()
        body = {
            **an_allegation(self.location_id, now),
            "category": "fall",
            "narrative": "Found beside the bed.",
            **changes,
        }
        made = self.services["intake"].post("/incidents", by, body)
        assert made.status_code == 201, made.text
        self.hear()
        return UUID(made.json()["incident_id"])

    def hear(self) -> None:
        """Reporting projects what intake said."""
        intake = self.services["intake"].http.app.state.engine  # type: ignore[attr-defined]
        with db.transaction(intake, self.book.provider_id) as session:
            rows = session.execute(
                text("select * from intake.outbox where seq > :n order by seq"), {"n": self.heard}
            ).all()
        self.heard = rows[-1].seq
        self.book.project(
            [
                Received(
                    event_id=row.event_id, type=row.type, provider_id=row.provider_id, subject=row.subject, key=row.key,
                    version=row.version, occurred_at=row.occurred_at, actor=row.actor, actor_role=row.actor_role,
                    data=row.data, topic="plumbline.intake", partition=0, offset=row.seq,
                )
                for row in rows
            ]
        )  # fmt: skip


@pytest.fixture
def home(
    services: dict[str, ServiceClient],
    service_engine: Callable[[str], Engine],
    provider_id: UUID,
    clock: Any,
    place: Any,
) -> Home:
    return Home(services, Book(service_engine("reporting"), provider_id, clock), place)


def asked(kind: str, subject: UUID, **days: str) -> dict[str, Any]:
    return {"kind": kind, "subject_id": str(subject), "seed": 7, **days}


def built(api: ServiceClient, actor: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Have a pack built, and wait for it."""
    made = api.post("/packs", actor, body)
    assert made.status_code == 201, made.text
    for _ in range(600):
        pack: dict[str, Any] = api.get(f"/packs/{made.json()['record_id']}", actor).json()
        if pack["state"] != "building":
            return pack
        time.sleep(0.05)
    raise AssertionError("the pack was never built")


def granted(api: ServiceClient, actor: Any, pack: dict[str, Any], **changes: Any) -> dict[str, Any]:
    body = {"recipient": "CQC, inspector of this visit", "purpose": "Inspection of June", "days": 3, **changes}
    made = api.post(f"/packs/{pack['record_id']}/grants", actor, body)
    assert made.status_code == 201, made.text
    return dict(made.json())


def opened(api: ServiceClient, code: str, part: str = "cover") -> Any:
    return api.http.post(PUBLIC, data={"code": code, "part": part})


def test_a_pack_is_built_shared_read_and_ended(api: ServiceClient, home: Home, actor: Any, clock: Any) -> None:
    carer, lead = actor("carer", locations=[home.location_id]), actor("quality_lead")
    incidents = {str(home.report(carer)) for _ in range(2)}
    pack = built(api, lead, asked("location", home.location_id))
    assert (pack["state"], pack["failure"], pack["incidents"], pack["done"]) == ("ready", None, 2, 2)
    assert pack["title"].startswith("Evidence pack: Alder House")
    own = api.get(f"/packs/{pack['record_id']}/content/zip", lead)
    found = manifest.check(own.content)
    assert (found.faults, found.pack_id) == ((), pack["pack_id"])
    assert set(found.manifest["incidents"]) == incidents

    grant = granted(api, lead, pack, may_download=True)
    assert grant["opens_at"].endswith(PUBLIC)
    cover = opened(api, grant["code"].lower().replace("-", " "))
    assert cover.status_code == 200
    for shown in ("Alder House", "CQC, inspector of this visit", "11 June 2026 at 10:00", pack["pack_id"]):
        assert shown in cover.text
    assert "script" not in cover.text
    assert opened(api, grant["code"], "zip").content == own.content
    assert opened(api, grant["code"], "pdf").content.startswith(b"%PDF")
    read = opened(api, grant["code"], "pages")
    assert read.headers["Content-Type"].startswith("text/html")
    assert "Found beside the bed." in read.text
    with zipfile.ZipFile(io.BytesIO(own.content)) as archive:
        assert read.content == archive.read("index.html")

    clock.advance(timedelta(days=1))
    [seen] = api.get(f"/packs/{pack['record_id']}/grants", lead).json()["items"]
    assert (seen["state"], seen["openings"], seen["last_opened_at"]) == ("open", 4, "2026-06-08T09:00:00Z")
    assert "code" not in seen
    assert api.get(f"/packs/{pack['record_id']}", lead).json()["open_grants"] == 1
    path = f"/pack-grants/{grant['grant_id']}"
    etag = api.get(path, lead).headers["ETag"]
    assert api.post(f"{path}/revocation", lead, version=9).status_code == 412
    ended = api.post(f"{path}/revocation", lead, version=int(etag.strip('"')))
    assert (ended.status_code, ended.json()["state"]) == (200, "revoked")
    again = api.post(f"{path}/revocation", lead, version=2)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/access-ended")
    for part in ("cover", "pages", "pdf", "zip"):
        gone = opened(api, grant["code"], part)
        assert gone.status_code == 410
        assert "The provider ended it on 9 June 2026 at 10:00" in gone.text
        assert "Alder House" not in gone.text

    uses = api.get(f"/packs/{pack['record_id']}/openings", lead, params={"limit": 5}).json()
    assert [(one["part"], one["refused"]) for one in uses["items"]] == [
        ("zip", "revoked"), ("pdf", "revoked"), ("pages", "revoked"), ("cover", "revoked"), ("pages", None),
    ]  # fmt: skip
    rest = api.get(f"/packs/{pack['record_id']}/openings", lead, params={"cursor": uses["next"]}).json()
    assert ([one["part"] for one in rest["items"]], rest["next"]) == (["pdf", "zip", "cover"], None)
    chain = api.get(f"/packs/{pack['record_id']}/audit", lead).json()
    assert audit.verify(chain) is None
    assert [one["action"] for one in chain] == [
        "pack_asked_for", "pack_built", "pack_read", "pack_access_granted", *["pack_opened"] * 4, "pack_access_revoked",
        *["pack_refused"] * 4,
    ]  # fmt: skip
    for told in ("CQC", "inspector", grant["code"], "Inspection"):
        assert told not in json.dumps(chain)


def test_access_ends_by_itself_at_its_time(api: ServiceClient, home: Home, actor: Any, clock: Any) -> None:
    lead = actor("nominated_individual")
    pack = built(api, lead, asked("location", home.location_id))
    grant = granted(api, lead, pack, days=2)
    clock.advance(timedelta(days=2, microseconds=-1))
    assert opened(api, grant["code"]).status_code == 200
    for part in ("pdf", "zip"):
        refused = opened(api, grant["code"], part)
        assert (refused.status_code, refused.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    clock.advance(timedelta(microseconds=1))
    gone = opened(api, grant["code"], "pages")
    assert gone.status_code == 410
    assert "It ended on 10 June 2026 at 10:00" in gone.text
    [seen] = api.get(f"/packs/{pack['record_id']}/grants", lead).json()["items"]
    assert (seen["state"], seen["openings"]) == ("expired", 1)


def test_a_code_is_shown_once_and_kept_nowhere(
    api: ServiceClient, home: Home, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    lead = actor("quality_lead")
    pack = built(api, lead, asked("location", home.location_id))
    path, key = f"/packs/{pack['record_id']}/grants", str(uuid.uuid4())
    body = {"recipient": "CQC", "purpose": "Visit", "days": 1}
    first, second = (api.post(path, lead, body, key=key) for _ in range(2))
    code = first.json()["code"]
    assert second.status_code == 201
    assert second.json() == {**first.json(), "code": None}
    assert "no-store" in first.headers["Cache-Control"]
    letters = code.replace("-", "")
    with db.transaction(service_engine("reporting"), lead.provider_id) as session:
        for table in ("pack", "pack_grant", "pack_code", "idempotency_key", "audit_entry", "outbox"):
            kept = str(session.execute(text(f"select * from reporting.{table}")).all())
            assert code not in kept
            assert letters[9:] not in kept, table
    assert api.get(path, lead, params={"limit": 1}).json()["next"] is None


def test_what_is_typed_never_opens_by_guessing(
    api: ServiceClient, home: Home, actor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = actor("quality_lead")
    code = granted(api, lead, built(api, lead, asked("location", home.location_id)))["code"]
    last = "0" if code[-1] != "0" else "1"
    for wrong in (code[:-1] + last, code[:-1], "", "x", "\0", "é" * 300, f"{code[:10]}' or true --", str(uuid.uuid4())):
        answer = opened(api, wrong)
        assert answer.status_code == 404, wrong
        assert "Nothing opens with this code" in answer.text
    assert opened(api, code, "nonsense").status_code == 200
    monkeypatch.setattr(pages, "OPENING", Limit("test", 2))
    assert [opened(api, "x").status_code for _ in range(3)] == [404, 404, 429]
    limited = opened(api, code)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "60")


def test_pages_for_somebody_outside_run_nothing_and_lead_nowhere(api: ServiceClient, home: Home, actor: Any) -> None:
    lead, carer = actor("quality_lead"), actor("carer", locations=[home.location_id])
    home.report(carer, narrative="<script>alert(1)</script> fell.")
    grant = granted(api, lead, built(api, lead, asked("location", home.location_id)), recipient="<b>CQC</b>")
    ask = api.http.get(PUBLIC)
    for answer in (ask, opened(api, grant["code"]), opened(api, grant["code"], "pages")):
        said = answer.headers["Content-Security-Policy"]
        assert said.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in said
        assert "frame-ancestors 'none'" in said
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert not re.search(r"<script|<b>|\son\w+=|https?://", answer.text)
        assert "set-cookie" not in answer.headers
    assert said.endswith("form-action 'none'; sandbox")
    assert "form-action 'self'" in ask.headers["Content-Security-Policy"]


def test_a_pack_is_for_those_who_may_see_all_of_it(api: ServiceClient, home: Home, actor: Any) -> None:
    carer, builder = actor("carer", locations=[home.location_id]), actor("nominated_individual")
    home.report(carer)
    hidden = home.report(carer, category="abuse_allegation")
    pack = built(api, builder, asked("location", home.location_id))
    assert pack["incidents"] == 2
    manager = actor("registered_manager", locations=[home.location_id])
    outsiders = [
        manager, actor("quality_lead"), actor("nominated_individual", locations=[uuid.uuid4()]),
        actor("nominated_individual", provider=uuid.uuid4()),
    ]  # fmt: skip
    path = f"/packs/{pack['record_id']}"
    for other in outsiders:
        assert api.get("/packs", other).json()["items"] == []
        for one in (path, f"{path}/content/zip", f"{path}/grants", f"{path}/openings", f"{path}/audit"):
            assert api.get(one, other).status_code == 404, one
        assert api.post(f"{path}/grants", other, {"recipient": "x", "purpose": "y", "days": 1}).status_code == 404
        assert api.post("/packs", other, asked("incident", hidden)).status_code == 404
    other_lead = actor("nominated_individual")
    assert [one["record_id"] for one in api.get("/packs", other_lead).json()["items"]] == [pack["record_id"]]
    assert api.get(f"{path}/content/pages", other_lead).status_code == 200
    for role in ("carer", "director", "regional_manager"):
        assert api.get("/packs", actor(role)).status_code == 403
        assert api.post("/packs", actor(role), asked("location", home.location_id)).status_code == 403

    mine = built(api, manager, asked("location", home.location_id))
    assert (mine["incidents"], mine["role"]) == (1, "registered_manager")
    grant = granted(api, manager, mine)
    seen = {one["record_id"] for one in api.get("/packs", other_lead).json()["items"]}
    assert seen == {pack["record_id"], mine["record_id"]}
    # What nominated individuals may see, they may end.
    assert api.post(f"/pack-grants/{grant['grant_id']}/revocation", other_lead, version=1).status_code == 200


def test_who_may_not_see_an_incident_any_more_ends_what_they_granted_and_reads_nothing(
    api: ServiceClient, home: Home, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    lead = actor("quality_lead")
    incident = home.report(actor("carer", locations=[home.location_id]))
    pack = built(api, lead, asked("incident", incident))
    grant = granted(api, lead, pack)
    with db.transaction(service_engine("reporting"), lead.provider_id) as session:
        restriction.keep(
            session,
            "reporting",
            provider_id=lead.provider_id,
            record_id=incident,
            revision=1,
            roles=["safeguarding_lead"],
        )
    path = f"/packs/{pack['record_id']}"
    assert api.get(path, lead).status_code == 200
    assert api.get(f"{path}/content/zip", lead).status_code == 404
    assert api.post(f"{path}/grants", lead, {"recipient": "x", "purpose": "y", "days": 1}).status_code == 404
    assert api.post(f"/pack-grants/{grant['grant_id']}/revocation", lead, version=1).status_code == 200


def test_what_cannot_be_asked_for_is_refused_by_field(api: ServiceClient, home: Home, actor: Any) -> None:
    lead = actor("quality_lead")
    most = policy.shipped().most_days
    for body in (
        asked("location", home.location_id, first_day="2026-06-02", last_day="2026-06-01"),
        asked("incident", home.location_id, first_day="2026-06-02"),
        {**asked("location", home.location_id), "seed": -1},
        {**asked("location", home.location_id), "kind": "person"},
    ):
        assert api.post("/packs", lead, body).status_code == 422, body
    for kind in ("location", "theme", "incident"):
        assert api.post("/packs", lead, asked(kind, uuid.uuid4())).status_code == 404
    pack = built(api, lead, asked("location", home.location_id))
    for field, wrong in (("days", most + 1), ("days", 0), ("recipient", " "), ("purpose", "x" * 301)):
        body = {"recipient": "CQC", "purpose": "Visit", "days": 1, field: wrong}
        refused = api.post(f"/packs/{pack['record_id']}/grants", lead, body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


def test_a_pack_that_is_not_built_says_why(
    api: ServiceClient, home: Home, actor: Any, services: dict[str, ServiceClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = actor("quality_lead")
    home.report(actor("carer", locations=[home.location_id]))
    engine = api.http.app.state.engine  # type: ignore[attr-defined]

    class Silent(building.Builder):
        """A process that ends before it has built anything."""

        def start(self, *_: Any) -> None:
            pass

    whole = api.http.app.state.packs  # type: ignore[attr-defined]
    api.http.app.state.packs = Silent({})  # type: ignore[attr-defined]
    body = asked("location", home.location_id)
    waiting = [api.post("/packs", lead, body).json()["record_id"] for _ in range(policy.shipped().at_a_time)]
    refused = api.post("/packs", lead, body)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many")
    early = api.get(f"/packs/{waiting[0]}/content/zip", lead)
    assert (early.status_code, early.json()["type"]) == (409, "/problems/not-open")
    path = f"/packs/{waiting[0]}/grants"
    assert api.post(path, lead, {"recipient": "x", "purpose": "y", "days": 1}).status_code == 409
    with db.transaction(engine, lead.provider_id) as session:
        session.execute(text("update reporting.pack set beat_at = beat_at - interval '11 minutes'"))
    stopped = api.get(f"/packs/{waiting[0]}", lead).json()
    assert (stopped["state"], stopped["failure"]) == ("failed", "stopped")
    assert timedelta(minutes=10) == commands.SILENCE

    monkeypatch.setattr(building, "_WAIT_SECONDS", 0.0)
    api.http.app.state.packs = whole  # type: ignore[attr-defined]
    monkeypatch.setitem(whole._clients, "intake", _Gone())
    away = built(api, lead, body)
    assert (away["state"], away["failure"], away["incidents"]) == ("failed", "part_away", 0)


class _Gone:
    def get(self, *_: Any, **__: Any) -> Any:
        raise httpx.ConnectError("nobody is there")
