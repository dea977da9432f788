"""What leaves reporting for other systems: tables, changes in order, FHIR."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from fhir.resources.R4B.bundle import Bundle
from sqlalchemy import Engine

from services.contracts import intake
from services.contracts.taxonomy import Band, Category, Kind
from services.reporting.exports import queries
from services.runtime.outbox import new_id
from tests.integration.test_reporting import CARER, Book

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], Any]) -> Any:
    return client("reporting")


def table(reply: Any) -> list[dict[str, str]]:
    assert reply.status_code == 200, reply.text
    return list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))


def test_a_table_has_what_the_list_has_and_no_formula(
    book: Book, api: Any, actor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_AT_ONCE", 2)
    lead = actor("quality_lead")
    evil, other = book.location('=HYPERLINK("https://x.example","open")'), book.location("+44 House")
    falls = [book.report(evil, region_id=None) for _ in range(3)]
    book.clock.advance(timedelta(days=1))
    pills = book.report(other, category=Category.MEDICATION)
    book.triage(falls[0], Band.HIGH)
    book.do(falls[0], book.open_action(falls[0], due_days=3))
    book.project()

    whole = table(api.get("/incidents/export", lead, params={"format": "csv"}))
    listed = api.get("/incidents", lead).json()["items"]
    assert [row["incident_id"] for row in whole] == [one["incident_id"] for one in listed]
    first = next(row for row in whole if row["incident_id"] == str(falls[0]))
    assert first["location_name"] == '\'=HYPERLINK("https://x.example","open")'
    assert (first["band"], first["actions_done"], first["reported_at_utc"]) == ("high", "1", "2026-06-08T09:00:00Z")
    assert {row["location_name"] for row in whole if row["incident_id"] == str(pills)} == {"'+44 House"}

    for filters in (
        {"category": "medication"}, {"band": "high"}, {"unverified": True}, {"kind": "near_miss"},
        {"reported_from": "2026-06-09T00:00:00Z"}, {"reported_before": "2026-06-09T00:00:00Z"}, {"stage": "reported"},
    ):  # fmt: skip
        rows = table(api.get("/incidents/export", lead, params={"format": "csv", **filters}))
        expected = [one["incident_id"] for one in api.get("/incidents", lead, params=filters).json()["items"]]
        assert [row["incident_id"] for row in rows] == expected, filters
    manager = actor("registered_manager", locations=[other])
    assert [row["incident_id"] for row in table(api.get("/incidents/export?format=csv", manager))] == [str(pills)]
    assert [row["name"] for row in table(api.get("/locations/overview/export?format=csv", manager))] == ["'+44 House"]

    reply = api.get("/incidents/export", lead, params={"format": "xlsx"})
    assert reply.headers["Content-Disposition"] == 'attachment; filename="incidents-2026-06-09.xlsx"'
    with zipfile.ZipFile(io.BytesIO(reply.content)) as file:
        sheet = ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml"))
    rows = list(sheet.iter(f"{SHEET}row"))
    assert [len(list(row)) > 10 for row in rows] == [True] * 5
    assert not list(sheet.iter(f"{SHEET}f")), "a spreadsheet calculates nothing of it"
    texts = [cell.text for cell in sheet.iter(f"{SHEET}t")]
    assert '=HYPERLINK("https://x.example","open")' in texts
    assert api.get("/locations/overview/export?format=xlsx", lead).content[:2] == b"PK"

    monkeypatch.setattr(queries, "MOST_ROWS", 3)
    for form in ("csv", "xlsx"):
        refused = api.get("/incidents/export", lead, params={"format": form})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/too-many-rows")
    assert api.get("/incidents/export?format=pdf", lead).status_code == 422
    for path in ("/incidents/export?format=csv", "/locations/overview/export?format=csv", "/incidents/changes"):
        assert api.get(path, actor("carer")).status_code == 403


def test_a_filter_is_kept_for_oneself_and_used(book: Book, api: Any, actor: Any) -> None:
    lead, other, home = actor("quality_lead"), actor("quality_lead"), book.location()
    high, low = book.report(home), book.report(home)
    book.triage(high, Band.HIGH)
    book.triage(low, Band.LOW)
    book.project()
    path = f"/saved-filters/{new_id()}"
    body = {"name": "High and late", "wanted": {"band": "high", "overdue": False, "location_id": str(home)}}
    made = api.put(path, lead, body)
    assert made.status_code == 200, made.text
    [kept] = api.get("/saved-filters", lead).json()["items"]
    assert kept["wanted"] == body["wanted"]
    assert [one["incident_id"] for one in api.get(f"/incidents?{kept['query']}", lead).json()["items"]] == [str(high)]
    assert [row["incident_id"] for row in table(api.get(f"/incidents/export?format=csv&{kept['query']}", lead))] == [
        str(high)
    ]
    assert api.get("/saved-filters", other).json()["items"] == []
    assert api.put(path, other, body, version=1).status_code == 404
    assert api.put(path, lead, body).status_code == 428
    assert api.put(path, lead, body, version=7).status_code == 412
    for wrong in ({"band": "purple"}, {"nobody": "knows"}, {"reported_from": "2026-06-08T00:00:00"}):
        assert api.put(f"/saved-filters/{new_id()}", lead, {**body, "wanted": wrong}).status_code == 422, wrong
    assert api.put(path, lead, {**body, "archived": True}, version=1).json()["version"] == 2
    assert api.get("/saved-filters", lead).json()["items"] == []
    assert api.get("/saved-filters", actor("carer")).status_code == 403


def test_changes_come_in_the_order_in_which_they_became_known(book: Book, api: Any, actor: Any) -> None:
    lead, home, other = actor("quality_lead"), book.location(), book.location()
    incidents = [book.report(home) for _ in range(5)]
    hidden = book.report(other)
    book.project()
    manager = actor("registered_manager", locations=[home])

    def read(cursor: str | None, who: Any = manager, **more: Any) -> tuple[list[str], str]:
        ids: list[str] = []
        while True:
            page = api.get(
                "/incidents/changes", who, params={"limit": 2, **more} | ({"cursor": cursor} if cursor else {})
            ).json()
            ids += [one["incident_id"] for one in page["items"]]
            cursor = page["next"]
            if not page["more"]:
                return ids, cursor

    ids, cursor = read(None)
    assert ids == [str(one) for one in incidents]
    assert read(cursor) == ([], cursor)
    # What happened long ago and arrives now is a change of now.
    late = book.told[-1]
    book.clock.advance(timedelta(days=2))
    book.triage(incidents[3])
    book.told[-1].occurred_at = late.occurred_at
    book.project([book.told[-1]])
    ids, cursor = read(cursor)
    assert ids == [str(incidents[3])]
    book.project()
    assert read(cursor) == ([], cursor), "the same events again are no change"
    newest = book.report(home)
    book.project([book.told[-1]])
    since = {"updated_since": (book.clock.now() - timedelta(hours=1)).isoformat()}
    assert read(None, **since)[0] == [str(newest)]
    future = {"updated_since": (book.clock.now() + timedelta(days=1)).isoformat()}
    ids, cursor = read(None, **future)
    assert ids == []
    assert read(cursor)[0] == []
    assert str(hidden) in read(None, lead)[0]
    assert api.get("/incidents/changes?cursor=abc", lead).status_code == 422
    far = queries.pagination.encode(UUID(int=2**100))
    assert api.get("/incidents/changes", lead, params={"cursor": far}).status_code == 422


def test_an_incident_leaves_as_valid_fhir(book: Book, api: Any, actor: Any) -> None:
    lead, home = actor("quality_lead"), book.location("Test House")
    whole = book.whole_life(home)
    near = book.report(home, kind=Kind.NEAR_MISS)
    book.triage(near)
    done = book.open_action(near, due_days=3)
    book.do(near, done)
    good = book.report(home, kind=Kind.GOOD_CARE)
    died = book.report(home)
    book.triage(died)
    book.told[-1].data["actual_harm"] = "fatal"
    described = intake.IncidentDescribed(incident_id=near, people=["ab" * 16], revision=2)
    book.tell(described, 2)
    book.project()

    def resources(incident: UUID) -> dict[str, list[dict[str, Any]]]:
        reply = api.get(f"/incidents/{incident}/fhir", lead)
        assert reply.status_code == 200, reply.text
        assert reply.headers["Content-Type"].startswith("application/fhir+json")
        Bundle.model_validate(reply.json())
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in reply.json()["entry"]:
            assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
            found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
        known = {entry["fullUrl"] for entry in reply.json()["entry"]}
        for one in found["Provenance"]:
            assert {target["reference"] for target in one["target"]} <= known
        return found

    closed = resources(whole)
    (event,), (task,) = closed["AdverseEvent"], closed["Task"]
    assert (event["actuality"], event["severity"]["coding"][0]["code"]) == ("actual", "mild")
    assert event["location"]["display"] == "Test House"
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("completed", "verified")
    lines = api.get(f"/incidents/{whole}/timeline", lead).json()["entries"]
    assert len(closed["Provenance"]) == len(lines)
    assert closed["Provenance"][0]["agent"][0]["who"]["identifier"]["value"] == str(CARER)
    about_task = [one for one in closed["Provenance"] if one["target"][0]["reference"].endswith(task["id"])]
    assert len(about_task) == 4

    waiting = resources(near)
    assert waiting["AdverseEvent"][0]["actuality"] == "potential"
    assert (waiting["Task"][0]["status"], waiting["Task"][0]["businessStatus"]["coding"][0]["code"]) == (
        "in-progress", "done",
    ), "done is not completed before somebody else has seen it"  # fmt: skip
    assert "ab" * 16 not in api.get(f"/incidents/{near}/fhir", lead).text
    assert resources(died)["AdverseEvent"][0]["outcome"]["coding"][0]["code"] == "fatal"
    with pytest.raises(ValueError, match="actuality"):
        Bundle.model_validate(
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {**event, "actuality": None}}]}
        )
    assert api.get(f"/incidents/{good}/fhir", lead).status_code == 422
    assert api.get(f"/incidents/{whole}/fhir", actor("registered_manager", locations=[])).status_code == 404
    assert api.get(f"/incidents/{whole}/fhir", actor("carer")).status_code == 403
