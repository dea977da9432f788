"""The views of a place, a person and a reporter: what they show, what they hide, and that they come in pages."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts import directory, intake
from services.contracts.taxonomy import Band, Category, ExposureUnit, Kind, Role, Stage
from services.reporting.views import queries
from services.runtime import audit, db
from tests.integration.test_reporting import CARER, Book

SOMEBODY, ANOTHER = "ab" * 16, "cd" * 16


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], Any]) -> Any:
    return client("reporting")


def restricted(book: Book, incident_id: UUID, *, people: Any = (), excluded: Any = ()) -> None:
    book.tell(
        intake.IncidentRestricted(
            incident_id=incident_id, roles=[Role.SAFEGUARDING_LEAD], people=list(people), excluded=list(excluded), revision=1
        )
    )  # fmt: skip


def happened_to(book: Book, incident_id: UUID, *people: str) -> None:
    book.tell(intake.IncidentDescribed(incident_id=incident_id, people=list(people), revision=2), 2)


def test_a_place_shows_what_is_urgent_its_rate_and_its_weaknesses(book: Book, api: Any, actor: Any) -> None:
    home, other = book.location("Alder House"), book.location("Birch House")
    lead = actor("quality_lead")
    for month, days in ((date(2026, 5, 1), 900), (date(2026, 6, 1), 300)):
        book.tell(
            directory.ExposureRecorded(
                location_id=home, month=month, unit=ExposureUnit.OCCUPIED_BED_DAYS, quantity=Decimal(days), revision=1
            )
        )  # fmt: skip
    late = book.report(home)
    later = book.report(home, triage_due_at=book.clock.now() + timedelta(hours=30))
    in_may = book.clock.now() - timedelta(days=12)
    book.report(home, occurred_at=in_may)
    book.report(home, kind=Kind.GOOD_CARE)
    book.report(other)
    hidden = book.report(home)
    restricted(book, hidden)
    book.project()
    book.clock.advance(timedelta(hours=31))

    seen = api.get(f"/locations/{home}/view", lead).json()
    assert (seen["name"], seen["overview"]["open_total"]) == ("Alder House", 4)
    urgent = [one["incident_id"] for one in seen["urgent"]]
    assert (urgent[0], urgent[-1]) == (str(late), str(later))
    assert str(hidden) not in str(seen)
    assert len(seen["months"]) == queries.MONTHS
    may, june = seen["months"][-2:]
    assert may == {
        "month": "2026-05-01", "incidents": 1, "exposure": 900, "unit": "occupied_bed_days", "per_1000": 1.11
    }  # fmt: skip
    assert (june["incidents"], june["per_1000"]) == (2, 6.67)
    assert seen["months"][0] == {
        "month": "2025-06-01", "incidents": 0, "exposure": None, "unit": None, "per_1000": None
    }  # fmt: skip
    weaknesses = {one["weakness"]: one for one in seen["radar"]["findings"]}
    assert weaknesses["late_to_report"]["of"] == 3

    safeguarding = api.get(f"/locations/{home}/view", actor("safeguarding_lead")).json()
    assert (safeguarding["overview"]["open_total"], safeguarding["months"][-1]["incidents"]) == (5, 3)
    before = (book.clock.now() - timedelta(hours=32)).isoformat()
    then = api.get(f"/locations/{home}/view", lead, params={"as_of": before}).json()
    assert (then["overview"]["open_total"], then["urgent"], then["radar"]) == (0, None, None)
    assert [one["incidents"] for one in then["months"]] == [0] * queries.MONTHS
    future = (book.clock.now() + timedelta(hours=1)).isoformat()
    assert api.get(f"/locations/{home}/view", lead, params={"as_of": future}).status_code == 422
    for other_actor in (actor("registered_manager", locations=[other]), actor("quality_lead", provider=uuid.uuid4())):
        assert api.get(f"/locations/{home}/view", other_actor).status_code == 404
    assert api.get(f"/locations/{home}/view", actor("carer")).status_code == 403


def test_a_person_is_followed_through_all_that_may_be_seen_and_that_is_kept(book: Book, api: Any, actor: Any) -> None:
    home, other = book.location(), book.location()
    lead, manager = actor("quality_lead"), actor("registered_manager", locations=[home])
    third, first, second = (
        book.report(place, occurred_at=book.clock.now() - timedelta(days=days))
        for place, days in ((home, 1), (home, 9), (other, 5))
    )
    hidden, another = book.report(home), book.report(home)
    for incident in (first, second, third, hidden):
        happened_to(book, incident, SOMEBODY)
    happened_to(book, another, ANOTHER)
    restricted(book, hidden)
    book.triage(first, Band.HIGH)
    book.enter(first, Stage.REVIEWING, 3)
    book.project()

    assert api.get(f"/incidents/{first}/people", lead).json() == [{"stand_in": SOMEBODY, "incidents": 3}]
    assert api.get(f"/incidents/{first}/people", manager).json() == [{"stand_in": SOMEBODY, "incidents": 2}]
    assert api.get(f"/incidents/{hidden}/people", lead).status_code == 404
    path = f"/people/{SOMEBODY}/journey"
    pages = api.get(path, lead, params={"limit": 2}).json()
    assert [one["incident"]["incident_id"] for one in pages["items"]] == [str(first), str(second)]
    assert [one["stage"] for one in pages["items"][0]["stages"]] == ["reported", "triaged", "reviewing"]
    rest = api.get(path, lead, params={"limit": 2, "cursor": pages["next"]}).json()
    assert ([one["incident"]["incident_id"] for one in rest["items"]], rest["next"]) == ([str(third)], None)
    mine = api.get(path, manager).json()["items"]
    assert [one["incident"]["incident_id"] for one in mine] == [str(first), str(third)]
    knows = api.get(path, actor("safeguarding_lead")).json()["items"]
    assert len(knows) == 4

    nobody = f"/people/{'ef' * 16}/journey"
    for reader, where, status in (
        (lead, nobody, 404), (actor("quality_lead", provider=uuid.uuid4()), path, 404), (actor("carer"), path, 403),
        (actor("registered_manager", locations=[uuid.uuid4()]), path, 404), (lead, "/people/Jane/journey", 422),
    ):  # fmt: skip
        assert api.get(where, reader).status_code == status, where
    with db.transaction(book.engine, book.provider_id) as session:
        chain = audit.read(session, "reporting", queries.journey_chain(book.provider_id, SOMEBODY))
        assert audit.read(session, "reporting", queries.journey_chain(book.provider_id, "ef" * 16)) == []
    assert audit.verify(chain) is None
    assert [one["actor"] for one in chain[:3]] == [str(lead.id), str(lead.id), str(manager.id)]
    assert chain[0]["data"] == {"stand_in": SOMEBODY, "incidents": [str(first), str(second)]}
    assert len(chain) == 4


def test_whoever_was_named_by_mistake_is_no_longer_led_to_an_incident(book: Book, api: Any, actor: Any) -> None:
    lead, incident = actor("quality_lead"), book.report(book.location())
    for revision, person in ((2, SOMEBODY), (3, ANOTHER)):
        book.tell(intake.IncidentDescribed(incident_id=incident, people=[person], revision=revision), revision)
    book.project(book.told[:-1])
    assert api.get(f"/people/{SOMEBODY}/journey", lead).status_code == 200
    book.project(book.told[-1:])
    assert api.get(f"/people/{SOMEBODY}/journey", lead).status_code == 404
    assert len(api.get(f"/people/{ANOTHER}/journey", lead).json()["items"]) == 1
    assert [row.stand_in for row in book.rows("person_incident")] == [ANOTHER]


def test_who_reported_reads_what_became_of_it_and_no_more(book: Book, api: Any, actor: Any) -> None:
    home = book.location()
    me = actor("carer", locations=[home])
    done = book.whole_life(home)
    waiting, hidden, about_me = (book.report(home, category=Category.MEDICATION) for _ in range(3))
    restricted(book, hidden)
    restricted(book, about_me, excluded=[me.id])
    mine = {str(one) for one in (done, waiting, hidden, about_me)}
    for n, one in enumerate(book.told):
        if one.type == intake.IncidentReported.TYPE and str(one.data["incident_id"]) in mine:
            book.told[n] = type(one)(**{**vars(one), "actor": str(me.id)})
    other = book.report(home)
    book.project()

    first = api.get("/my-reports", me, params={"limit": 2}).json()
    rest = api.get("/my-reports", me, params={"cursor": first["next"]}).json()
    seen = {one["incident_id"]: one for one in [*first["items"], *rest["items"]]}
    assert list(seen) == sorted((str(one) for one in (done, waiting, hidden)), reverse=True)
    assert rest["next"] is None
    ended = seen[str(done)]
    assert ended["review_approved_at"] is not None
    assert (ended["changes"], ended["changes_verified"]) == (1, 1)
    assert set(ended) == set(queries.OwnReport.model_fields)
    assert (seen[str(waiting)]["stage"], seen[str(waiting)]["changes"]) == ("reported", 0)
    somebody_else = actor("carer", locations=[home])
    assert api.get("/my-reports", somebody_else).json()["items"] == []
    by_others = api.get("/my-reports", type(me)(**{**vars(me), "id": CARER})).json()["items"]
    assert [one["incident_id"] for one in by_others] == [str(other)]
