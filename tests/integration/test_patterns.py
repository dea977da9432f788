"""Patterns on a real database: found from events, explained, decided by people, and back on new evidence."""

import random
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import Engine, text

from services.contracts import actions, directory, intake
from services.contracts.taxonomy import Band, Category, ExposureUnit, Kind, Role, Strength
from services.reporting.patterns import commands, policy
from services.reporting.policy import POLICIES
from services.runtime import audit, db
from services.runtime.actor import system
from services.runtime.outbox import new_id
from tests.conftest import ServiceClient
from tests.integration.test_reporting import Book

REGION = uuid.UUID("5e3a3a34-0000-4000-8000-000000000001")


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("reporting")


@pytest.fixture
def lead(actor: Any) -> Any:
    return actor("quality_lead")


def look(book: Book) -> Any:
    book.project()
    return commands.search(book.engine, book.provider_id, book.clock.now(), system(book.provider_id))


def homes(book: Book, number: int) -> list[UUID]:
    """Homes with a year of occupied bed days."""
    made = [book.location(region_id=REGION) for _ in range(number)]
    for home in made:
        for month in range(12):
            first = date(2025 + (month + 5) // 12, (month + 5) % 12 + 1, 1)
            book.tell(
                directory.ExposureRecorded(
                    location_id=home,
                    month=first,
                    unit=ExposureUnit.OCCUPIED_BED_DAYS,
                    quantity=Decimal(900),
                    revision=1,
                )
            )
    return made


def happens(book: Book, home: UUID, days_ago: float, **values: Any) -> UUID:
    at = book.clock.now() - timedelta(days=days_ago)
    return book.report(home, region_id=REGION, **{"occurred_at": at, "category": Category.MEDICATION, **values})


def usual(book: Book, places: list[UUID], seed: int = 1) -> None:
    """Two medication incidents a month at each home, at any hour."""
    chance = random.Random(seed)
    for home in places:
        for _ in range(22):
            happens(book, home, chance.uniform(30, 330))


def signals(api: ServiceClient, actor: Any, **query: Any) -> list[dict[str, Any]]:
    answer = api.get("/signals", actor, params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def test_more_at_one_place_than_its_history_and_exposure_explain(book: Book, api: ServiceClient, lead: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    assert look(book).found == 0
    mine = [happens(book, places[0], days) for days in (1, 2, 4, 6, 8, 9, 11, 12, 14, 15, 17, 18)]
    happens(book, places[0], 3, kind=Kind.GOOD_CARE)
    look(book)
    [signal] = signals(api, lead, kind="place_and_type")
    assert (signal["location_id"], signal["category"], signal["members"]) == (str(places[0]), "medication", len(mine))
    assert signal["why"]["is_rate"]
    assert float(signal["why"]["figures"]["expected"]) < 4
    assert "12 times medication at one place in 28 days" in signal["why"]["sentence"]
    whole = api.get(f"/signals/{signal['signal_id']}", lead).json()
    assert whole["left_out"] == {"good_care": 1}
    shown = api.get(f"/signals/{signal['signal_id']}/incidents", lead, params={"limit": 5}).json()
    ids = [item["incident_id"] for item in shown["items"]]
    while shown["next"]:
        shown = api.get(
            f"/signals/{signal['signal_id']}/incidents", lead, params={"limit": 5, "cursor": shown["next"]}
        ).json()
        ids += [item["incident_id"] for item in shown["items"]]
    assert sorted(ids[:-1]) == sorted(map(str, mine))
    assert len(ids) == len(mine) + 1


def test_the_same_look_again_changes_nothing_and_the_pattern_grows(book: Book, api: ServiceClient, lead: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    for days in range(1, 13):
        happens(book, places[0], days)
    look(book)
    before = signals(api, lead)
    assert look(book).raised == 0
    assert signals(api, lead) == before
    book.clock.advance(timedelta(days=2))
    happens(book, places[0], 0.5)
    assert look(book).raised == 0
    after = signals(api, lead, kind="place_and_type")
    assert [one["members"] for one in after] == [13]
    assert after[0]["signal_id"] == signals(api, lead, kind="place_and_type")[0]["signal_id"]


def test_people_decide_once_and_a_dismissed_signal_comes_back_on_new_evidence(
    book: Book, api: ServiceClient, lead: Any, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    places = homes(book, 6)
    usual(book, places)
    for days in range(1, 13):
        happens(book, places[0], days)
    look(book)
    [signal] = signals(api, lead, kind="place_and_type")
    path = f"/signals/{signal['signal_id']}"
    version = api.get(path, lead).json()["version"]
    body = {"decision": "dismiss", "reason": "The count was of one round, entered dose by dose."}
    assert api.post(f"{path}/decisions", actor("registered_manager"), body, version=version).status_code == 403
    assert api.post(f"{path}/decisions", lead, body).status_code == 428
    assert api.post(f"{path}/decisions", lead, {**body, "reason": ""}, version=version).status_code == 422
    key = "a-key-of-this-test"
    first = api.post(f"{path}/decisions", lead, body, version=version, key=key)
    assert first.status_code == 200, first.text
    assert api.post(f"{path}/decisions", lead, body, version=version, key=key).json() == first.json()
    assert api.post(f"{path}/decisions", lead, body, version=version).status_code == 412
    again = api.post(f"{path}/decisions", lead, body, version=first.json()["version"])
    assert (again.status_code, again.json()["code"] if "code" in again.json() else again.json()["type"][-15:]) == (
        409, "already-decided",
    )  # fmt: skip
    assert look(book).returned == 0
    book.clock.advance(timedelta(days=1))
    for hours in (1, 2, 3):
        happens(book, places[0], hours / 24)
    assert look(book).returned == 1
    whole = api.get(path, lead).json()
    assert (whole["status"], whole["returned"]["because"]) == ("raised", "new_incidents")
    assert whole["returned"]["figures"]["new_incidents"] == 3
    assert [one["decision"] for one in whole["decisions"]] == ["dismiss"]
    accepted = api.post(
        f"{path}/decisions", lead, {"decision": "accept", "reason": "It is not one round."}, version=whole["version"]
    )
    assert "POST /themes" in accepted.json()["next_step"]
    with db.transaction(service_engine("reporting"), book.provider_id) as session:
        [event] = session.scalars(text("select data from reporting.outbox")).all()
        chain = audit.read(session, "reporting", UUID(signal["signal_id"]))
    assert (event["signal_id"], len(event["incidents"])) == (signal["signal_id"], 15)
    assert "one round" not in str(event) + str(chain)
    assert audit.verify(chain) is None
    assert [entry["action"] for entry in chain] == [
        "signal_raised", "signal_dismissed", "signal_returned", "signal_accepted",
    ]  # fmt: skip
    quality = api.get("/signals/quality", lead).json()
    [kind] = [one for one in quality["kinds"] if one["kind"] == "place_and_type"]
    assert (kind["raised"], kind["accepted"], kind["returned"], kind["precision"]) == (1, 1, 1, "1.00")


def test_a_merged_signal_gives_its_members_and_what_it_finds_later(book: Book, api: ServiceClient, lead: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    for home in places[:2]:
        for days in range(1, 13):
            happens(book, home, days)
    look(book)
    one, other = signals(api, lead, kind="place_and_type")
    version = api.get(f"/signals/{one['signal_id']}", lead).json()["version"]
    body = {"decision": "merge", "reason": "The same pharmacy.", "into": one["signal_id"]}
    itself = api.post(f"/signals/{one['signal_id']}/decisions", lead, body, version=version)
    assert itself.status_code == 422
    body["into"] = other["signal_id"]
    assert api.post(f"/signals/{one['signal_id']}/decisions", lead, body, version=version).status_code == 200
    assert api.get(f"/signals/{other['signal_id']}", lead).json()["members"] == 24
    book.clock.advance(timedelta(days=1))
    happens(book, UUID(one["location_id"]), 0.2)
    look(book)
    target = api.get(f"/signals/{other['signal_id']}", lead).json()
    assert (target["members"], target["locations"]) == (25, 2)
    assert api.get(f"/signals/{one['signal_id']}", lead).json()["status"] == "merged"


def test_what_incidents_share_is_found_and_named_with_the_rest_left_out(
    book: Book, api: ServiceClient, lead: Any
) -> None:
    places = homes(book, 6)
    usual(book, places)
    noon = book.clock.now().replace(hour=11, minute=30)
    mine = [happens(book, places[2], 0, occurred_at=noon - timedelta(days=days)) for days in range(2, 65, 7)]
    evening = happens(book, places[2], 0, occurred_at=noon - timedelta(days=5, hours=-8))
    look(book)
    [signal] = signals(api, lead, kind="cluster")
    assert (signal["trait"], signal["code"], signal["location_id"]) == ("time_of_day", "12-14", str(places[2]))
    left = api.get(f"/signals/{signal['signal_id']}/incidents", lead, params={"member": False, "limit": 200}).json()
    reasons = {item["incident_id"]: item["reason"] for item in left["items"]}
    assert reasons[str(evening)] == "another_value"
    assert not set(reasons) & set(map(str, mine))


def test_the_same_words_of_an_action_again_and_again_at_several_services(
    book: Book, api: ServiceClient, lead: Any
) -> None:
    places = homes(book, 6)
    words = "ab" * 16
    for number in range(12):
        incident = happens(book, places[number % 4], 10 + number)
        book.tell(
            actions.ActionAgreed(
                incident_id=incident, action_id=new_id(), cycle=1, strength=Strength.WEAKER,
                owner_role=Role.REGISTERED_MANAGER, wording=words, weak_wording=True,
            )
        )  # fmt: skip
    look(book)
    [signal] = signals(api, lead, kind="repeated_action_wording")
    assert (signal["members"], signal["locations"], signal["location_id"]) == (12, 4, None)
    assert signal["why"]["figures"]["weak"] == 12
    assert "12 of 12" in signal["why"]["sentence"]


def test_the_same_person_again_without_a_name(book: Book, api: ServiceClient, lead: Any) -> None:
    home = book.location(region_id=REGION)
    stand_in = "cd" * 16
    for days in (2, 5):
        incident = happens(book, home, days, category=Category.FALL)
        book.tell(intake.IncidentDescribed(incident_id=incident, people=[stand_in], revision=2), 2)
    look(book)
    [signal] = signals(api, lead)
    assert (signal["kind"], signal["code"], signal["members"]) == ("person_repeat", stand_in, 2)
    assert not signal["why"]["is_rate"]
    assert signal["why"]["sentence"].endswith("This is a volume, not a rate.")


def test_withdrawn_and_duplicate_reports_do_not_count(book: Book, api: ServiceClient, lead: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    for days in range(1, 13):
        incident = happens(book, places[0], days)
        if days > 2:
            book.tell(intake.IncidentWithdrawn(incident_id=incident), 2)
    assert look(book).found == 0


def test_restricted_incidents_count_and_are_shown_to_those_who_need_to_know_only(
    book: Book, api: ServiceClient, lead: Any, actor: Any
) -> None:
    places = homes(book, 6)
    hidden = [
        happens(book, places[0], days, category=Category.ABUSE_ALLEGATION, restricted=True) for days in (1, 2, 3, 4, 5)
    ]
    for incident in hidden:
        book.tell(
            intake.IncidentRestricted(
                incident_id=incident, revision=1, roles=[Role.SAFEGUARDING_LEAD], people=[], excluded=[],
            )
        )  # fmt: skip
    for home in places:
        for days in (100, 200, 300):
            happens(book, home, days, category=Category.ABUSE_ALLEGATION)
    look(book)
    safeguarding = actor("safeguarding_lead")
    [signal] = signals(api, safeguarding, kind="place_and_type")
    assert signal["members"] == 5
    assert signals(api, lead, kind="place_and_type") == []
    assert api.get(f"/signals/{signal['signal_id']}", lead).status_code == 404
    # One more that all may see: the signal shows, the hidden ones count and stay hidden.
    happens(book, places[0], 0.5, category=Category.ABUSE_ALLEGATION)
    look(book)
    whole = api.get(f"/signals/{signal['signal_id']}", lead).json()
    assert (whole["members"], whole["hidden_members"]) == (6, 5)
    shown = api.get(f"/signals/{signal['signal_id']}/incidents", lead, params={"member": True}).json()
    assert len(shown["items"]) == 1


def test_scope_and_tenancy(book: Book, api: ServiceClient, actor: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    for days in range(1, 13):
        happens(book, places[0], days)
    look(book)
    [signal] = signals(api, actor("registered_manager", locations=[places[0]]), kind="place_and_type")
    assert signals(api, actor("registered_manager", locations=[places[1]])) == []
    assert len(signals(api, actor("regional_manager", regions=[REGION]), kind="place_and_type")) == 1
    stranger = actor("quality_lead", provider=uuid.uuid4())
    assert signals(api, stranger) == []
    assert api.get(f"/signals/{signal['signal_id']}", stranger).status_code == 404
    assert api.get("/signals", actor("carer")).status_code == 403


def test_precursors_of_a_serious_event(book: Book, api: ServiceClient, lead: Any) -> None:
    places = homes(book, 6)
    for home in places:
        for days in (90, 180, 270):
            happens(book, home, days, category=Category.CHOKING)
    for days in (20, 15, 9, 6):
        happens(book, places[0], days, category=Category.CHOKING, kind=Kind.NEAR_MISS)
    serious = happens(book, places[0], 2, category=Category.CHOKING)
    book.triage(serious, Band.EXTREME)
    look(book)
    [signal] = signals(api, lead, kind="precursor")
    assert signal["members"] == 5
    assert signal["why"]["figures"]["seen"] == 4


def test_what_is_usual_for_a_person_is_no_signal_and_what_is_not_is(book: Book, api: ServiceClient, lead: Any) -> None:
    """Both fell twice within a week. One of them falls every ten days, the other had not fallen for a year."""
    places = homes(book, 4)
    chance = random.Random(3)
    often, rarely = "ab" * 16, "cd" * 16

    def falls(days: float, person: str) -> None:
        incident = happens(book, places[0], days, category=Category.FALL)
        book.tell(intake.IncidentDescribed(incident_id=incident, people=[person], revision=2), 2)

    for home in places[1:]:
        for number in range(20):
            incident = happens(book, home, chance.uniform(30, 330), category=Category.FALL)
            book.tell(intake.IncidentDescribed(incident_id=incident, people=[f"{number:032x}"], revision=2), 2)
    for days in range(30, 330, 10):
        falls(days, often)
    for person in (often, rarely):
        for days in (1, 3, 5, 6):
            falls(days, person) if person == rarely or days in (1, 6) else None
    look(book)
    [signal] = signals(api, lead, kind="person_repeat")
    assert (signal["code"], signal["members"]) == (rarely, 4)
    figures = signal["why"]["figures"]
    assert float(figures["chance"]) < 0.001
    assert float(figures["expected"]) < 1
    assert figures["known_since_days"] == 6
    assert "person's own past" in signal["why"]["sentence"]


def test_a_rate_that_lastingly_rose_or_fell_says_since_when_by_how_much_and_with_what(
    book: Book, api: ServiceClient, lead: Any
) -> None:
    places = homes(book, 6)
    usual(book, places)
    for home in places:  # of everything else there is as much as before
        for days in range(3, 330, 9):
            happens(book, home, days, category=Category.BEHAVIOUR_DISTRESS)
    for number in range(26):
        happens(book, places[0], 1 + number * 3)
    for days in range(90, 330, 4):
        happens(book, places[1], days, category=Category.FALL)
    look(book)
    found = {
        (one["why"]["rule"], one["location_id"]): one["why"] for one in signals(api, lead, kind="rate_special_cause")
    }
    risen = found["more", str(places[0])]
    assert float(risen["figures"]["ratio"]) > 2
    assert float(risen["figures"]["all_others"]) == pytest.approx(1, abs=0.4)
    assert "has changed to more since" in risen["sentence"]
    assert risen["is_rate"]
    fallen = found["fewer", str(places[1])]
    assert float(fallen["figures"]["ratio"]) < 0.3


def test_a_provider_may_ask_for_counts_of_its_own(book: Book, api: ServiceClient, lead: Any, actor: Any) -> None:
    own = yaml.safe_load((Path(policy.__file__).parent / "policies" / "default.yaml").read_text())
    rule = {"rule": "choking_twice", "scope": "location", "category": "choking", "count": 2, "days": 90}
    text = {"name": "patterns", "source": yaml.safe_dump({**own, "version": "ours-1", "thresholds": [rule, rule]})}
    assert "two rules have the same name" in api.post("/policies", lead, text).text
    text["source"] = yaml.safe_dump({**own, "version": "ours-1", "thresholds": [rule]})
    drafted = api.post("/policies", lead, text)
    assert drafted.status_code == 201, drafted.text
    path, revision = f"/policies/{drafted.json()['policy_id']}", drafted.json()["revision"]
    proposed = api.post(f"{path}/proposal", lead, version=revision)
    assert api.post(f"{path}/publication", actor("director"), version=proposed.json()["revision"]).status_code == 200
    POLICIES.forget(book.provider_id, "patterns")
    home, other = book.location(region_id=REGION), book.location(region_id=REGION)
    mine = [happens(book, home, days, category=Category.CHOKING, kind=Kind.NEAR_MISS) for days in (10, 80)]
    happens(book, other, 5, category=Category.CHOKING)
    happens(book, home, 100, category=Category.CHOKING)
    look(book)
    [signal] = signals(api, lead)
    assert (signal["kind"], signal["location_id"], signal["members"]) == ("threshold", str(home), len(mine))
    assert "by your rule choking twice" in signal["why"]["sentence"]
    assert not signal["why"]["is_rate"]


def test_who_accepts_may_name_who_leads_the_theme(book: Book, api: ServiceClient, lead: Any, actor: Any) -> None:
    places = homes(book, 6)
    usual(book, places)
    for days in range(1, 13):
        book.triage(happens(book, places[0], days), Band.HIGH if days == 4 else Band.LOW)
    look(book)
    [signal] = signals(api, lead, kind="place_and_type")
    path, leader = f"/signals/{signal['signal_id']}", uuid.uuid4()
    version = api.get(path, lead).json()["version"]
    dismissed = {"decision": "dismiss", "reason": "No.", "lead_id": str(leader)}
    assert api.post(f"{path}/decisions", lead, dismissed, version=version).status_code == 422
    body = {"decision": "accept", "reason": "It is not one round.", "lead_id": str(leader)}
    assert api.post(f"{path}/decisions", lead, body, version=version).status_code == 200
    with db.transaction(book.engine, book.provider_id) as session:
        [event] = session.scalars(text("select data from reporting.outbox")).all()
    assert (event["lead_id"], event["band"], event["region_id"]) == (str(leader), "high", str(REGION))
