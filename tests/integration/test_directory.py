"""Directory over HTTP on a real database: the import of CQC's file, places, people, the rota, exposure."""

import csv
import io
import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts import identity
from services.contracts.directory import ExposureRecorded, LocationRecorded, PersonRecorded
from services.contracts.taxonomy import Role
from services.directory import commands, cqc, cqc_import
from services.directory.activities import build
from services.directory.domain import location_types
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import transaction
from services.runtime.process import Context
from tests.conftest import MovableClock, ServiceClient

Engines = Callable[[str], Engine]

SHARED_FILE = Path(__file__).parents[3] / "shared/domain/data/cqc_asc_locations_sample_2025-08.csv"
TABLES = (
    "provider", "region", "location", "person", "assignment", "rota_entry", "exposure", "outbox", "audit_entry",
    "idempotency_key",
)  # fmt: skip


@pytest.fixture
def directory(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("directory")


@pytest.fixture
def admin(actor: Any) -> Actor:
    made: Actor = actor("platform_admin")
    return made


@pytest.fixture
def registered(directory: ServiceClient, admin: Actor) -> Actor:
    """An administrator whose provider is registered."""
    answer = directory.post("/providers", admin, {"name": "Test Care"})
    assert answer.status_code == 201, answer.text
    return admin


def a_cqc_id() -> str:
    return f"1-{random.randrange(10**9, 10**11)}"


def a_location(**changes: Any) -> dict[str, Any]:
    return {"cqc_location_id": a_cqc_id(), "name": "Orchard House", "beds": 10, **changes}


def register(directory: ServiceClient, admin: Actor, path: str, **body: Any) -> dict[str, Any]:
    answer = directory.post(path, admin, body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def count(engine: Engine, provider: uuid.UUID, table: str) -> int:
    with transaction(engine, provider) as session:
        return session.scalar(text(f"select count(*) from directory.{table}")) or 0


def events(engine: Engine, provider: uuid.UUID, kind: str) -> list[dict[str, Any]]:
    with transaction(engine, provider) as session:
        query = text("select * from directory.outbox where type = :kind order by seq")
        return [dict(row) for row in session.execute(query, {"kind": kind}).mappings()]


def problem(answer: Any, status: int, field: str | None = None) -> dict[str, Any]:
    """The answer is a problem with this status, about this field, with a remedy."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    if field is not None:
        assert [error["field"] for error in body["errors"]] == [field]
        assert body["errors"][0]["remedy"]
    return body


# --- the import of CQC's file


class CqcFile:
    """A file like CQC's, about providers and locations that no other test uses."""

    HEADER = (*cqc.REQUIRED, cqc.ENDED)

    def __init__(self, *locations_by_provider: int) -> None:
        self.rows = [
            {
                cqc.LOCATION_ID: a_cqc_id(),
                cqc.LOCATION_NAME: f"Home, {number}",
                cqc.LOCAL_AUTHORITY: "Leeds",
                cqc.REGION: ("South West (ADASS Region)", "East (ADASS Region)")[number % 2],
                cqc.SERVICE_TYPES: "Care home service with nursing",
                cqc.BEDS: "12",
                cqc.STARTED: "2010-12-20",
                cqc.PROVIDER_ID: provider,
                cqc.PROVIDER_NAME: f"Provider {provider}",
            }
            for provider, locations in ((a_cqc_id(), many) for many in locations_by_provider)
            for number in range(locations)
        ]

    @property
    def content(self) -> bytes:
        file = io.StringIO()
        writer = csv.DictWriter(file, self.HEADER)
        writer.writeheader()
        writer.writerows(self.rows)
        return file.getvalue().encode()

    def provider(self, row: int = 0) -> uuid.UUID:
        return identity.provider_id(self.rows[row][cqc.PROVIDER_ID])

    def location(self, row: int = 0) -> uuid.UUID:
        return identity.location_id(self.rows[row][cqc.LOCATION_ID])


def send(directory: ServiceClient, actor: Actor, content: bytes, **arguments: Any) -> Any:
    return directory.post(
        "/imports/cqc-directory", actor, content=content, headers={"Content-Type": "text/csv"}, **arguments
    )


def imported(directory: ServiceClient, admin: Actor, file: CqcFile) -> tuple[int, int, int, int]:
    answer = send(directory, admin, file.content)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["rejected"] == len(body["rejections"])
    return body["created"], body["updated"], body["unchanged"], body["rejected"]


def test_a_file_is_taken_over_with_audit_and_events_for_each_provider(
    directory: ServiceClient, admin: Actor, actor: Any, service_engine: Engines
) -> None:
    file = CqcFile(3, 1)
    assert imported(directory, admin, file) == (4, 0, 0, 0)
    theirs = actor("director", provider=file.provider())
    assert directory.get("/providers/me", theirs).json()["name"] == file.rows[0][cqc.PROVIDER_NAME]
    regions = directory.get("/regions", theirs).json()["items"]
    assert {region["name"] for region in regions} == {"South West", "East"}
    assert {region["region_id"] for region in regions} == {
        str(identity.region_id(file.provider(), name)) for name in ("South West", "East")
    }
    found = directory.get("/locations", theirs, params={"cqc_location_id": file.rows[1][cqc.LOCATION_ID]}).json()
    [location] = found["items"]
    assert location["location_id"] == str(file.location(1))
    assert (location["name"], location["beds"], location["active"]) == ("Home, 1", 12, True)
    told = events(service_engine("directory"), file.provider(), LocationRecorded.TYPE)
    assert {event["key"] for event in told} == {str(file.location(row)) for row in range(3)}
    assert {event["data"]["revision"] for event in told} == {1}
    assert all(event["provider_id"] == file.provider() for event in told)
    assert len(events(service_engine("directory"), file.provider(3), LocationRecorded.TYPE)) == 1
    for chain in (file.location(), file.provider()):
        with transaction(service_engine("directory"), file.provider()) as session:
            entries = audit.read(session, "directory", chain)
        assert len(entries) == 1
        assert audit.verify(entries) is None


def test_importing_again_changes_nothing(directory: ServiceClient, admin: Actor, service_engine: Engines) -> None:
    file = CqcFile(2, 1)
    assert imported(directory, admin, file) == (3, 0, 0, 0)
    engine = service_engine("directory")
    before = {table: count(engine, file.provider(), table) for table in TABLES}
    assert imported(directory, admin, file) == (0, 0, 3, 0)
    assert {table: count(engine, file.provider(), table) for table in TABLES} == before


def test_what_changed_is_updated_and_told_again(
    directory: ServiceClient, admin: Actor, actor: Any, service_engine: Engines
) -> None:
    file = CqcFile(3)
    imported(directory, admin, file)
    file.rows[0] |= {cqc.BEDS: "14", cqc.REGION: "London (ADASS Region)"}
    file.rows[1] |= {cqc.ENDED: "2026-06-08"}
    assert imported(directory, admin, file) == (0, 2, 1, 0)
    told = events(service_engine("directory"), file.provider(), LocationRecorded.TYPE)[3:]
    changed = {event["key"]: event["data"] for event in told}
    assert changed[str(file.location(0))]["beds"] == 14
    assert changed[str(file.location(0))]["region_id"] == str(identity.region_id(file.provider(), "London"))
    assert changed[str(file.location(1))]["active"] is False
    assert {(event["version"], event["data"]["revision"]) for event in told} == {(2, 2)}
    theirs = actor("director", provider=file.provider())
    chain = directory.get(f"/locations/{file.location(1)}/audit", theirs).json()
    assert [entry["seq"] for entry in chain] == [1, 2]
    assert audit.verify(chain) is None
    answer = directory.get(f"/locations/{file.location(0)}", theirs)
    assert answer.headers["ETag"] == '"2"'


def test_a_renamed_provider_is_recorded(
    directory: ServiceClient, admin: Actor, actor: Any, service_engine: Engines
) -> None:
    file = CqcFile(2)
    imported(directory, admin, file)
    for row in file.rows:
        row[cqc.PROVIDER_NAME] = "New Name"
    assert imported(directory, admin, file) == (0, 0, 2, 0)
    answer = directory.get("/providers/me", actor("carer", provider=file.provider()))
    assert (answer.json()["name"], answer.headers["ETag"]) == ("New Name", '"2"')
    with transaction(service_engine("directory"), file.provider()) as session:
        entries = audit.read(session, "directory", file.provider())
    assert len(entries) == 2
    assert audit.verify(entries) is None


def test_a_location_whose_registration_ends_in_the_future_is_active_until_then(
    directory: ServiceClient, admin: Actor, actor: Any, clock: MovableClock
) -> None:
    file = CqcFile(1)
    file.rows[0][cqc.ENDED] = "2026-06-10"
    imported(directory, admin, file)
    theirs = actor("director", provider=file.provider())
    assert directory.get(f"/locations/{file.location()}", theirs).json()["active"] is True
    # British summer time: the tenth begins an hour before it does in UTC.
    clock.advance(datetime.fromisoformat("2026-06-09T23:30:00Z") - clock.now())
    assert imported(directory, admin, file) == (0, 1, 0, 0)
    assert directory.get(f"/locations/{file.location()}", theirs).json()["active"] is False


def test_bad_rows_are_refused_one_by_one_and_the_others_come_in(directory: ServiceClient, admin: Actor) -> None:
    file = CqcFile(5)
    file.rows[0][cqc.LOCATION_ID] = ""
    file.rows[1][cqc.BEDS] = "-3"
    file.rows[3][cqc.LOCATION_ID] = file.rows[2][cqc.LOCATION_ID]
    answer = send(directory, admin, file.content + b"1-1234567890,too few\n")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["created"], body["rejected"]) == (2, 4)
    assert [(one["line"], one["field"]) for one in body["rejections"]] == [
        (2, cqc.LOCATION_ID), (3, cqc.BEDS), (5, cqc.LOCATION_ID), (7, "line"),
    ]  # fmt: skip
    assert all(one["reason"] and one["remedy"] for one in body["rejections"])


@pytest.mark.parametrize("together", [True, False], ids=["both providers in the file", "the owner is not in the file"])
def test_a_location_of_another_provider_is_refused_and_stays_as_it_is(
    directory: ServiceClient, admin: Actor, actor: Any, together: bool
) -> None:
    file = CqcFile(2, 1)
    imported(directory, admin, file)
    owner, thief = file.provider(0), file.provider(2)
    stolen = file.rows[0] | {cqc.PROVIDER_ID: file.rows[2][cqc.PROVIDER_ID], cqc.LOCATION_NAME: "Taken"}
    file.rows = [stolen, *(file.rows[1:] if together else file.rows[2:])]
    unchanged = 2 if together else 1
    answer = send(directory, admin, file.content).json()
    assert (answer["created"], answer["updated"], answer["unchanged"]) == (0, 0, unchanged)
    assert [(one["line"], one["field"]) for one in answer["rejections"]] == [(2, cqc.LOCATION_ID)]
    assert "another provider" in answer["rejections"][0]["reason"]
    kept = directory.get(f"/locations/{file.location()}", actor("director", provider=owner)).json()
    assert (kept["name"], kept["version"]) == ("Home, 0", 1)
    problem(directory.get(f"/locations/{file.location()}", actor("director", provider=thief)), 404)


@pytest.mark.parametrize(
    "content",
    [b"", b"Name,Beds\nx,1\n", CqcFile(1).content + b"Caf\xe9", b'"' + CqcFile(1).content, bytes(range(256))],
    ids=["empty", "another header", "not UTF-8", "open quote", "binary"],
)
def test_a_file_that_cannot_be_read_is_refused_whole(directory: ServiceClient, admin: Actor, content: bytes) -> None:
    body = problem(send(directory, admin, content), 422)
    assert body["errors"]


def test_a_preview_says_what_an_import_would_do_and_keeps_nothing(
    directory: ServiceClient, admin: Actor, actor: Any, service_engine: Engines
) -> None:
    file = CqcFile(3)

    def preview(sender: Actor = admin) -> Any:
        return directory.post(
            "/imports/cqc-directory/previews", sender, content=file.content, headers={"Content-Type": "text/csv"}
        )

    would = preview().json()
    assert (would["created"], would["updated"]) == (len(file.rows), 0)
    assert [one["cqc_location_id"] for one in would["changes"]] == [one[cqc.LOCATION_ID] for one in file.rows]
    assert all(one["created"] for one in would["changes"])
    assert directory.get(f"/locations/{file.location()}", admin).status_code == 404
    with transaction(service_engine("directory"), admin.provider_id) as session:
        assert (
            session.scalar(
                text("select count(*) from directory.outbox where subject = :s"), {"s": str(file.location())}
            )
            == 0
        )
    assert imported(directory, admin, file) == (len(file.rows), 0, 0, 0)
    file.rows[0][cqc.LOCATION_NAME] = "Another name"
    file.rows[1][cqc.BEDS] = "many"
    would = preview().json()
    assert (would["created"], would["updated"], would["rejected"]) == (0, 1, 1)
    assert would["changes"] == [
        {"cqc_location_id": file.rows[0][cqc.LOCATION_ID], "name": "Another name", "created": False}
    ]
    assert would["rejections"][0]["line"] == 3
    assert preview(actor("director")).status_code == 403


def test_only_platform_administrators_import(directory: ServiceClient, actor: Any) -> None:
    problem(send(directory, actor("director", "quality_lead"), CqcFile(1).content), 403)


def test_the_same_key_answers_the_same_and_imports_once(directory: ServiceClient, admin: Actor) -> None:
    file, key = CqcFile(1), str(uuid.uuid4())
    first = send(directory, admin, file.content, key=key)
    assert first.json()["created"] == 1
    assert send(directory, admin, file.content, key=key).json() == first.json()
    problem(send(directory, admin, CqcFile(1).content, key=key), 422)


def test_two_imports_of_one_file_at_once_take_it_over_once(directory: ServiceClient, admin: Actor) -> None:
    file = CqcFile(*[1] * 20)
    with ThreadPoolExecutor(2) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: send(directory, admin, file.content), range(2))]
    assert sorted((answer["created"], answer["unchanged"]) for answer in answers) == [(0, 20), (20, 0)]


def test_after_an_import_nothing_of_others_is_open(
    directory: ServiceClient, admin: Actor, service_engine: Engines
) -> None:
    file = CqcFile(2)
    engine = service_engine("directory")
    imported(directory, admin, file)
    for table in TABLES:
        assert count(engine, uuid.uuid4(), table) == 0
    # The reply is remembered for the administrator, in the administrator's own provider.
    assert count(engine, admin.provider_id, "idempotency_key") == 1
    assert count(engine, file.provider(), "idempotency_key") == 0


def test_regions_and_locations_registered_by_hand_are_taken_over_not_doubled(
    directory: ServiceClient, actor: Any
) -> None:
    file = CqcFile(1)
    admin = actor("platform_admin", provider=file.provider())
    register(directory, admin, "/providers", name="By hand")
    region = register(directory, admin, "/regions", name="South West")
    row = file.rows[0]
    made = register(
        directory,
        admin,
        "/locations",
        **a_location(cqc_location_id=row[cqc.LOCATION_ID], region_id=region["region_id"]),
    )
    assert imported(directory, admin, file) == (0, 1, 0, 0)
    [location] = directory.get("/locations", admin).json()["items"]
    assert (location["location_id"], location["region_id"]) == (made["location_id"], region["region_id"])
    assert len(directory.get("/regions", admin).json()["items"]) == 1


def test_the_real_sample_comes_in_whole(directory: ServiceClient, admin: Actor, actor: Any) -> None:
    if not SHARED_FILE.exists():
        pytest.skip(f"NOT TESTED: {SHARED_FILE} is not there; CQC's file is not copied into the repository")
    content = SHARED_FILE.read_bytes()
    first, second = (send(directory, admin, content).json() for _ in range(2))
    named = first.pop("changes")
    assert len(named) == cqc_import.MOST_NAMED
    assert all(one["created"] for one in named)
    assert first == {"created": 955, "updated": 0, "unchanged": 0, "rejected": 0, "rejections": []}
    assert second == {"created": 0, "updated": 0, "unchanged": 955, "rejected": 0, "rejections": [], "changes": []}
    nhs = actor("director", provider=identity.provider_id("RX3"))
    found = directory.get("/locations", nhs, params={"cqc_location_id": "RX3LD"}).json()["items"]
    assert [location["location_id"] for location in found] == [str(identity.location_id("RX3LD"))]


# --- places


def test_a_provider_is_registered_once(directory: ServiceClient, registered: Actor) -> None:
    answer = directory.get("/providers/me", registered)
    assert answer.json() == {
        "provider_id": str(registered.provider_id), "cqc_provider_id": None, "name": "Test Care", "version": 1,
    }  # fmt: skip
    problem(directory.post("/providers", registered, {"name": "Again"}), 409)


def test_nothing_is_registered_for_a_provider_that_is_not(directory: ServiceClient, admin: Actor) -> None:
    problem(directory.get("/providers/me", admin), 404)
    for path, body in (
        ("/regions", {"name": "North"}),
        ("/locations", a_location()),
        ("/people", {"display_name": "Sam Example"}),
    ):
        assert problem(directory.post(path, admin, body), 409)["type"] == "/problems/provider-not-registered"


def test_a_location_is_registered_and_told(
    directory: ServiceClient, registered: Actor, service_engine: Engines
) -> None:
    region = register(directory, registered, "/regions", name="North")
    wanted = a_location(location_id=str(uuid.uuid4()), region_id=region["region_id"])
    answer = directory.post("/locations", registered, wanted)
    assert answer.status_code == 201, answer.text
    assert answer.headers["ETag"] == '"1"'
    assert answer.json().items() >= wanted.items()
    read = directory.get(f"/locations/{wanted['location_id']}", registered)
    assert read.json() == answer.json()
    [event] = events(service_engine("directory"), registered.provider_id, LocationRecorded.TYPE)
    assert event["data"] == {
        "location_id": wanted["location_id"], "region_id": region["region_id"], "name": "Orchard House", "beds": 10,
        "cqc_location_id": wanted["cqc_location_id"], "active": True, "revision": 1,
        "types": location_types(wanted.get("service_types", [])),
    }  # fmt: skip
    assert (event["key"], event["version"]) == (wanted["location_id"], 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cqc_location_id", "42"),
        ("name", ""),
        ("name", "x" * 301),
        ("name", "a\u0000b"),
        ("beds", -1),
        ("beds", 10**30),
        ("beds", "NaN"),
        ("region_id", "north"),
        ("region_id", "0198c0de-0000-7000-8000-00000000dead"),
        ("registered_on", "2030-01-01"),
        ("registered_on", "yesterday"),
        ("colour", "blue"),
    ],
)
def test_a_location_with_a_bad_field_is_refused(
    directory: ServiceClient, registered: Actor, field: str, value: Any
) -> None:
    problem(directory.post("/locations", registered, a_location(**{field: value})), 422, field)
    assert directory.get("/locations", registered).json()["items"] == []


def test_a_cqc_id_is_registered_once_whoever_asks(directory: ServiceClient, registered: Actor, actor: Any) -> None:
    wanted = a_location()
    register(directory, registered, "/locations", **wanted)
    other = actor("platform_admin", provider=uuid.uuid4())
    register(directory, other, "/providers", name="Other")
    for who in (registered, other):
        problem(directory.post("/locations", who, wanted), 409)
    assert directory.get("/locations", other).json()["items"] == []


@pytest.mark.parametrize("path", ["/providers", "/regions", "/locations", "/people"])
def test_only_keepers_register(directory: ServiceClient, registered: Actor, actor: Any, path: str) -> None:
    bodies: dict[str, Any] = {"/locations": a_location(), "/people": {"display_name": "Sam Example"}}
    body = bodies.get(path, {"name": "X"})
    problem(directory.post(path, actor("registered_manager", "quality_lead", "carer"), body), 403)


def test_lists_are_paged_filtered_and_limited_to_the_scope(
    directory: ServiceClient, registered: Actor, actor: Any
) -> None:
    north = register(directory, registered, "/regions", name="North")["region_id"]
    made = [
        register(directory, registered, "/locations", **a_location(region_id=north if n < 3 else None))["location_id"]
        for n in range(5)
    ]
    seen: list[str] = []
    page: dict[str, Any] = {}
    while not page or page["next"]:
        params = {"limit": 2} | ({"cursor": page["next"]} if page else {})
        page = directory.get("/locations", registered, params=params).json()
        seen += [item["location_id"] for item in page["items"]]
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen)

    def visible(who: Actor, **params: Any) -> set[str]:
        return {item["location_id"] for item in directory.get("/locations", who, params=params).json()["items"]}

    assert visible(registered, region_id=north) == set(made[:3])
    assert visible(registered, active=False) == set()
    assert visible(actor("regional_manager", regions=[uuid.UUID(north)])) == set(made[:3])
    carer = actor("carer", locations=[uuid.UUID(made[4])])
    assert visible(carer) == {made[4]}
    assert visible(actor("carer", locations=[])) == set()
    problem(directory.get(f"/locations/{made[0]}", carer), 404)
    problem(directory.get(f"/locations/{made[0]}/audit", carer), 404)
    problem(directory.get("/locations", carer, params={"cursor": "nonsense"}), 422, "cursor")


# --- exposure


@pytest.fixture
def home(directory: ServiceClient, registered: Actor) -> uuid.UUID:
    return uuid.UUID(register(directory, registered, "/locations", **a_location())["location_id"])


def test_exposure_is_recorded_corrected_and_told(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, service_engine: Engines
) -> None:
    path = f"/locations/{home}/exposures/2026-05"
    first = directory.put(path, registered, {"unit": "occupied_bed_days", "quantity": "301.50"})
    assert first.status_code == 200, first.text
    assert first.headers["ETag"] == '"1"'
    assert first.json() == {
        "location_id": str(home), "month": "2026-05-01", "unit": "occupied_bed_days", "quantity": "301.50", "version": 1,
    }  # fmt: skip
    corrected = {"unit": "occupied_bed_days", "quantity": 310}
    problem(directory.put(path, registered, corrected), 428)
    problem(directory.put(path, registered, corrected, version=7), 412)
    second = directory.put(path, registered, corrected, version=1)
    assert (second.headers["ETag"], second.json()["quantity"]) == ('"2"', "310")
    # The same again is no change, and the other unit is a record of its own.
    assert directory.put(path, registered, corrected, version=2).headers["ETag"] == '"2"'
    assert directory.put(path, registered, {"unit": "care_hours", "quantity": 80}).headers["ETag"] == '"1"'
    told = events(service_engine("directory"), registered.provider_id, ExposureRecorded.TYPE)
    assert [(e["data"]["unit"], e["data"]["quantity"], e["data"]["revision"]) for e in told] == [
        ("occupied_bed_days", "301.50", 1), ("occupied_bed_days", "310", 2), ("care_hours", "80", 1),
    ]  # fmt: skip
    assert {(e["key"], e["data"]["month"]) for e in told} == {(str(home), "2026-05-01")}
    listed = directory.get(f"/locations/{home}/exposures", registered).json()
    assert [(row["unit"], row["quantity"], row["version"]) for row in listed] == [
        ("care_hours", "80.00", 1), ("occupied_bed_days", "310.00", 2),
    ]  # fmt: skip
    assert audit.verify(directory.get(f"/locations/{home}/audit", registered).json()) is None


@pytest.mark.parametrize(
    ("month", "body", "field"),
    [
        ("2026-07", {}, "month"),
        ("1999-12", {}, "month"),
        ("2026-13", {}, "month"),
        ("2026-5", {}, "month"),
        ("0000-01", {}, "month"),
        ("2026-05", {"quantity": -1}, "quantity"),
        ("2026-05", {"quantity": 342}, "quantity"),
        ("2026-05", {"quantity": "NaN"}, "quantity"),
        ("2026-05", {"quantity": 1e300}, "quantity"),
        ("2026-05", {"quantity": "1.001"}, "quantity"),
        ("2026-05", {"unit": "care_hours", "quantity": 200_001}, "quantity"),
        ("2026-05", {"unit": "bananas"}, "unit"),
    ],
)
def test_an_impossible_exposure_is_refused(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, month: str, body: dict[str, Any], field: str
) -> None:
    whole = {"unit": "occupied_bed_days", "quantity": 300, **body}
    problem(directory.put(f"/locations/{home}/exposures/{month}", registered, whole), 422, field)
    assert directory.get(f"/locations/{home}/exposures", registered).json() == []


def test_exposure_is_for_keepers_and_quality_leads_within_their_scope(
    directory: ServiceClient, home: uuid.UUID, actor: Any
) -> None:
    path, body = f"/locations/{home}/exposures/2026-05", {"unit": "care_hours", "quantity": 1}
    problem(directory.put(path, actor("registered_manager"), body), 403)
    problem(directory.put(path, actor("quality_lead", locations=[uuid.uuid4()]), body), 404)
    assert directory.put(path, actor("quality_lead", locations=[home]), body).status_code == 200


def test_two_first_records_of_a_month_at_once_make_one(
    directory: ServiceClient, registered: Actor, home: uuid.UUID
) -> None:
    path = f"/locations/{home}/exposures/2026-05"
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda n: directory.put(path, registered, {"unit": "care_hours", "quantity": n}), (10, 20))
        )
    assert sorted(answer.status_code for answer in answers) == [200, 428]


# --- people


def test_how_somebody_works_is_told_without_a_name(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, service_engine: Engines
) -> None:
    work = {"shift": "night", "employment": "agency", "started_on": "2026-06-01"}
    role = {"role": "carer", "location_id": str(home), "region_id": None}
    body = {"display_name": "Sam Example", "roles": [role], **work}
    made = directory.post("/people", registered, body).json()
    assert made.items() >= work.items()
    problem(directory.post("/people", registered, body | {"shift": "sometimes"}), 422, "shift")
    left = directory.put(
        f"/people/{made['person_id']}", registered, {"display_name": "Sam Example", "roles": [], "active": False},
        version=1,
    )  # fmt: skip
    assert left.json()["shift"] is None, "a change replaces the whole"
    first, last = events(service_engine("directory"), registered.provider_id, PersonRecorded.TYPE)
    assert first["data"] == {
        "person_id": made["person_id"], "active": True, "roles": [role], "revision": 1, **work,
        "manager_id": None, "leaves_on": None,
    }  # fmt: skip
    assert (last["data"]["active"], last["data"]["roles"], last["data"]["revision"]) == (False, [], 2)
    assert "Sam" not in str(first) + str(last)


def test_people_are_registered_changed_and_seen_by_those_who_may(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, actor: Any, service_engine: Engines
) -> None:
    person_id = str(uuid.uuid4())
    role = {"role": "registered_manager", "location_id": str(home), "region_id": None}
    made = directory.post(
        "/people", registered, {"person_id": person_id, "display_name": "Sam Example", "roles": [role]}
    )
    assert made.status_code == 201, made.text
    assert made.json() == {
        "person_id": person_id, "display_name": "Sam Example", "active": True, "roles": [role], "version": 1,
        "shift": None, "employment": None, "started_on": None, "manager_id": None, "leaves_on": None,
    }  # fmt: skip
    problem(directory.post("/people", registered, {"person_id": person_id, "display_name": "Other"}), 409)
    near, far = actor("regional_manager", locations=[home]), actor("regional_manager", locations=[uuid.uuid4()])
    assert directory.get(f"/people/{person_id}", near).json() == made.json()
    assert [one["person_id"] for one in directory.get("/people", near).json()["items"]] == [person_id]
    problem(directory.get(f"/people/{person_id}", far), 404)
    assert directory.get("/people", far).json()["items"] == []
    problem(directory.get("/people", actor("carer", locations=[home])), 403)
    problem(directory.get(f"/people/{person_id}", actor("carer", locations=[home])), 403)
    themselves = Actor(uuid.UUID(person_id), registered.provider_id, frozenset({"carer"}))
    assert directory.get(f"/people/{person_id}", themselves).status_code == 200

    change = {"display_name": "Sam Changed", "active": False, "roles": [{"role": "director"}]}
    problem(directory.put(f"/people/{person_id}", registered, change), 428)
    changed = directory.put(f"/people/{person_id}", registered, change, version=1)
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["roles"] == [{"role": "director", "location_id": None, "region_id": None}]
    problem(directory.put(f"/people/{person_id}", registered, change, version=1), 412)
    for params, found in (({"role": "director"}, 1), ({"role": "carer"}, 0), ({"location_id": str(home)}, 0)):
        assert len(directory.get("/people", registered, params=params).json()["items"]) == found

    with transaction(service_engine("directory"), registered.provider_id) as session:
        entries = audit.read(session, "directory", uuid.UUID(person_id))
    assert audit.verify(entries) is None
    assert "Sam" not in str(entries)


@pytest.mark.parametrize(
    ("roles", "field"),
    [
        ([{"role": "service"}], "roles.0.role"),
        ([{"role": "carer"}, {"role": "carer"}], "roles"),
        ([{"role": "carer", "location_id": str(uuid.uuid4())}], "roles.0.location_id"),
        ([{"role": "carer"}, {"role": "director", "region_id": str(uuid.uuid4())}], "roles.1.region_id"),
        ([{"role": "carer", "region_id": str(uuid.uuid4()), "location_id": str(uuid.uuid4())}], "roles.0"),
        ([{"role": "wizard"}], "roles.0.role"),
        ([{"role": "carer"}] * 101, "roles"),
    ],
)
def test_roles_that_cannot_be_are_refused(
    directory: ServiceClient, registered: Actor, roles: list[dict[str, str]], field: str
) -> None:
    problem(directory.post("/people", registered, {"display_name": "Sam Example", "roles": roles}), 422, field)
    assert directory.get("/people", registered).json()["items"] == []


# --- on call


@pytest.fixture
def resolve(
    service_engine: Engines, clock: MovableClock, registered: Actor
) -> Callable[[uuid.UUID, str], contract.OnCall]:
    """The activity itself."""
    context = Context(service_engine("directory"), service_engine("directory_system"), clock)
    activity = next(one for one in build(context) if one.__name__ == "resolve_on_call")

    def call(location_id: uuid.UUID, rung: str) -> contract.OnCall:
        answer: contract.OnCall = activity(
            contract.ResolveOnCall(
                command_id=str(uuid.uuid4()),
                provider_id=registered.provider_id,
                incident_id=uuid.uuid4(),
                location_id=location_id,
                role=rung,
            )
        )
        return answer

    return call


def a_person(directory: ServiceClient, admin: Actor, *roles: dict[str, Any]) -> uuid.UUID:
    made = register(directory, admin, "/people", display_name="Sam Example", roles=list(roles))
    return uuid.UUID(made["person_id"])


def a_turn(now: datetime, person: uuid.UUID, rung: str, **changes: Any) -> dict[str, Any]:
    return {
        "role": rung,
        "person_id": str(person),
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(hours=12)).isoformat(),
        **changes,
    }


def test_the_ladder_finds_the_person_of_each_rung(
    directory: ServiceClient, registered: Actor, resolve: Any, now: datetime, clock: MovableClock
) -> None:
    region = register(directory, registered, "/regions", name="North")["region_id"]
    home = uuid.UUID(register(directory, registered, "/locations", **a_location(region_id=region))["location_id"])
    assert resolve(home, "registered_manager") == contract.OnCall(role="registered_manager", person_id=None)
    assert resolve(home, "executive") == contract.OnCall(role="executive", person_id=None)
    manager = a_person(directory, registered, {"role": "registered_manager", "location_id": str(home)})
    regional = a_person(directory, registered, {"role": "regional_manager", "region_id": region})
    nominated = a_person(directory, registered, {"role": "nominated_individual"})
    director = a_person(directory, registered, {"role": "director"})
    for rung, role, person in (
        ("registered_manager", "registered_manager", manager),
        ("regional_manager", "regional_manager", regional),
        ("nominated_individual", "nominated_individual", nominated),
        ("executive", "director", director),
    ):
        assert resolve(home, rung) == contract.OnCall(role=role, person_id=person)

    # Somebody on the rota comes first, for as long as the turn lasts.
    deputy = a_person(directory, registered)
    turn = a_turn(now, deputy, "registered_manager", location_id=str(home))
    assert directory.put(f"/rota/{uuid.uuid4()}", registered, turn).status_code == 200
    on_call = resolve(home, "registered_manager")
    assert on_call.person_id == deputy
    assert on_call.others == [contract.OnRung(role="registered_manager", person_id=manager)]
    clock.advance(timedelta(hours=12))
    assert resolve(home, "registered_manager").person_id == manager

    # A location that directory does not know yet still has somebody at the top.
    assert resolve(uuid.uuid4(), "registered_manager").person_id is None
    assert resolve(uuid.uuid4(), "executive").person_id == director


def test_somebody_who_has_left_is_not_called(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, resolve: Any, now: datetime
) -> None:
    person = a_person(directory, registered, {"role": "director"})
    path = f"/rota/{uuid.uuid4()}"
    assert directory.put(path, registered, a_turn(now, person, "director")).status_code == 200
    assert resolve(home, "director").person_id == person
    left = {"display_name": "Sam Example", "active": False, "roles": [{"role": "director"}]}
    assert directory.put(f"/people/{person}", registered, left, version=1).status_code == 200
    assert resolve(home, "director").person_id is None
    problem(directory.put(path, registered, a_turn(now, person, "director"), version=1), 422, "person_id")


def test_a_turn_is_replaced_against_its_version(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, resolve: Any, now: datetime
) -> None:
    first, second = (a_person(directory, registered) for _ in range(2))
    path = f"/rota/{uuid.uuid4()}"
    made = directory.put(path, registered, a_turn(now, first, "director"))
    assert (made.status_code, made.headers["ETag"]) == (200, '"1"')
    swapped = a_turn(now, second, "director", location_id=str(home))
    problem(directory.put(path, registered, swapped), 428)
    assert directory.put(path, registered, swapped, version=1).headers["ETag"] == '"2"'
    problem(directory.put(path, registered, swapped, version=1), 412)
    assert resolve(home, "director").person_id == second
    [listed] = directory.get("/rota", registered, params={"ending_after": now.isoformat()}).json()["items"]
    assert (listed["person_id"], listed["location_id"], listed["version"]) == (str(second), str(home), 2)
    late = (now + timedelta(hours=12)).isoformat()
    assert directory.get("/rota", registered, params={"ending_after": late}).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": "carer"}, "role"),
        ({"ends_at": "2026-06-08T09:00:00Z"}, "ends_at"),
        ({"ends_at": "2027-06-10T09:00:00Z"}, "ends_at"),
        ({"starts_at": "2026-06-08T09:00:00"}, "starts_at"),
        ({"starts_at": "2016-06-08T09:00:00Z", "ends_at": "2016-06-09T09:00:00Z"}, "starts_at"),
        ({"person_id": str(uuid.uuid4())}, "person_id"),
        ({"location_id": str(uuid.uuid4())}, "location_id"),
        ({"region_id": str(uuid.uuid4())}, "region_id"),
    ],
)
def test_an_impossible_turn_is_refused(
    directory: ServiceClient, registered: Actor, now: datetime, changes: dict[str, str], field: str
) -> None:
    person = a_person(directory, registered)
    turn = a_turn(now, person, "director", **changes)
    problem(directory.put(f"/rota/{uuid.uuid4()}", registered, turn), 422, field)
    assert directory.get("/rota", registered).json()["items"] == []


def test_the_rota_is_kept_within_the_keepers_scope(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    person = a_person(directory, registered)
    lead = actor("quality_lead", locations=[home])
    here = a_turn(now, person, "director", location_id=str(home))
    everywhere = a_turn(now, person, "director")
    path = f"/rota/{uuid.uuid4()}"
    assert directory.put(path, lead, here).status_code == 200
    problem(directory.put(f"/rota/{uuid.uuid4()}", lead, everywhere), 403)
    wide = f"/rota/{uuid.uuid4()}"
    assert directory.put(wide, registered, everywhere).status_code == 200
    problem(directory.put(wide, lead, here, version=1), 403)
    problem(directory.put(path, actor("registered_manager"), here, version=1), 403)
    stranger = actor("quality_lead", locations=[uuid.uuid4()])
    assert [one["location_id"] for one in directory.get("/rota", stranger).json()["items"]] == [None]


# --- tenancy


def test_another_provider_sees_nothing_and_touches_nothing(
    directory: ServiceClient, registered: Actor, home: uuid.UUID, actor: Any, now: datetime, service_engine: Engines
) -> None:
    person = a_person(directory, registered, {"role": "director"})
    turn = f"/rota/{uuid.uuid4()}"
    directory.put(turn, registered, a_turn(now, person, "director"))
    directory.put(f"/locations/{home}/exposures/2026-05", registered, {"unit": "care_hours", "quantity": 1})
    register(directory, registered, "/regions", name="North")
    engine = service_engine("directory")
    for table in TABLES:
        assert count(engine, registered.provider_id, table) > 0
        assert count(engine, uuid.uuid4(), table) == 0

    stranger = actor("platform_admin", provider=uuid.uuid4())
    register(directory, stranger, "/providers", name="Stranger")
    theirs = a_person(directory, stranger)
    problem(directory.get(f"/locations/{home}", stranger), 404)
    problem(directory.get(f"/people/{person}", stranger), 404)
    problem(directory.put(turn, stranger, a_turn(now, theirs, "director")), 409)
    problem(directory.put(turn, stranger, a_turn(now, person, "director")), 422, "person_id")
    problem(directory.post("/people", stranger, {"person_id": str(person), "display_name": "Mine"}), 409)
    exposure = f"/locations/{home}/exposures/2026-05"
    problem(directory.put(exposure, stranger, {"unit": "care_hours", "quantity": 2}), 404)
    for path in ("/locations", "/regions", "/rota"):
        assert directory.get(path, stranger).json()["items"] == []


def test_every_write_needs_a_key(directory: ServiceClient, registered: Actor) -> None:
    for method, path in (
        ("POST", "/imports/cqc-directory"),
        ("POST", "/providers"),
        ("POST", "/regions"),
        ("POST", "/locations"),
        ("POST", "/people"),
        ("PUT", f"/people/{uuid.uuid4()}"),
        ("PUT", f"/rota/{uuid.uuid4()}"),
        ("PUT", f"/locations/{uuid.uuid4()}/exposures/2026-05"),
    ):
        answer = directory.call(method, path, registered, {}, headers={"Idempotency-Key": ""}, version=1)
        assert "Idempotency-Key" in {error["field"] for error in problem(answer, 422)["errors"]}


def test_the_ladder_of_the_policy_is_the_one_that_roles_can_hold() -> None:
    assert set(commands.policy.shipped().ladder) <= set(Role)
