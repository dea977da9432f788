"""Sharing on a real database: for whom a briefing is, whether it was understood, and that it names nobody."""
# ruff: noqa: F811

import uuid
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.contracts.directory import LocationRecorded, PersonRecorded, RolePlace
from services.contracts.event import EventData
from services.contracts.taxonomy import Employment, LocationType, Role, Shift
from services.review import consumer
from services.runtime import db
from services.runtime.actor import Actor
from services.runtime.consumer import Received
from tests.integration.test_review import BRIEFING, DRAFT, Desk, desk, home  # noqa: F401

POOL = BRIEFING | {
    "explanation": "Two charts were how the dose was doubled.",
    "more_questions": [
        {"question": "Where is it kept?", "options": ["Anywhere", "In one place"], "correct": 1, "explanation": "One."},
        {"question": "Who owns it?", "options": ["The shift lead", "Nobody"], "correct": 0, "explanation": "Lead."},
    ],
}


def received(desk: Desk, event: EventData, at: datetime | None = None) -> Received:
    """An event of directory as the consumer gets it."""
    return Received(
        event_id=uuid.uuid4(), type=event.TYPE, provider_id=desk.provider_id, subject=event.key, key=event.key,
        version=1, occurred_at=at or desk.clock.now(), actor=str(UUID(int=0)), actor_role="service",
        data=event.model_dump(mode="json"), topic="plumbline.directory", partition=0, offset=0,
    )  # fmt: skip


def hear(desk: Desk, event: EventData) -> None:
    """Apply an event of another service."""
    with db.transaction(desk.engine, desk.provider_id) as session:
        consumer.HANDLERS[event.TYPE](session, received(desk, event))


def a_place(desk: Desk, *types: LocationType, region_id: UUID | None = None, name: str = "Test House") -> UUID:
    """A location of some types."""
    made = uuid.uuid4()
    hear(desk, LocationRecorded(
        location_id=made, region_id=region_id, cqc_location_id="1-1", name=name, beds=9, active=True, revision=1,
        types=list(types),
    ))  # fmt: skip
    return made


def worker(
    desk: Desk, at: UUID, *, shift: Shift | None = None, employment: Employment | None = None,
    started: date | None = None, role: Role = Role.CARER, revision: int = 1, active: bool = True, who: Actor | None = None,
) -> Actor:  # fmt: skip
    """Somebody who works at a location, known to review as directory tells it."""
    who = who or desk.make(role, locations=[at])
    hear(desk, PersonRecorded(
        person_id=who.id, active=active, roles=[RolePlace(role=role, location_id=at)], shift=shift,
        employment=employment, started_on=started, revision=revision,
    ))  # fmt: skip
    return who


def shared(desk: Desk, home: UUID, briefing: dict[str, Any] = BRIEFING, **values: Any) -> Any:
    """A review with this briefing is approved, and the briefing sent."""
    opened = desk.open(home, **values)
    desk.approved(DRAFT | {"briefing": briefing})
    return desk.send(opened.incident_id)


def reach(desk: Desk, plan: Any) -> dict[str, Any]:
    """How far it has come."""
    answer: dict[str, Any] = desk.api.get(f"/briefings/{plan.briefing_id}/reach", desk.quality).json()
    return answer


def answer(desk: Desk, plan: Any, who: Actor, at: UUID, *, right: bool = True, pool: dict[str, Any] = POOL) -> Any:
    """Answer the question one is asked."""
    asked = desk.api.get(f"/briefings/{plan.briefing_id}", who).json()
    questions = [pool, *pool.get("more_questions", [])]
    correct = questions[asked["question_number"]]["correct"]
    body = {"location_id": str(at), "question": asked["question_number"], "answer": correct if right else 1 - correct}
    return desk.api.post(f"/briefings/{plan.briefing_id}/acknowledgements", who, body)


def test_a_briefing_goes_to_the_types_of_service_it_concerns(desk: Desk) -> None:
    home = a_place(desk, LocationType.CARE_HOME)
    nursing, branch, unknown = a_place(desk, LocationType.CARE_HOME_NURSING), a_place(desk, LocationType.HOME_CARE), a_place(desk)  # fmt: skip
    everywhere = {"everywhere": True, "location_types": ["care_home_nursing"]}
    plan = shared(desk, home, BRIEFING | {"audience": everywhere})
    went_to = {one["location_id"] for one in reach(desk, plan)["locations"]["items"]}
    assert went_to == {str(home), str(nursing), str(unknown)}, "its own, those that fit, and the one nobody knows about"
    assert str(branch) not in went_to


def test_regions_are_added_to_what_the_policy_asks_for(desk: Desk) -> None:
    north, south = uuid.uuid4(), uuid.uuid4()
    home, near, far, other = (a_place(desk, region_id=region) for region in (north, north, south, uuid.uuid4()))
    plan = shared(desk, home, BRIEFING | {"audience": {"regions": [str(south)]}}, region_id=north)
    assert {one["location_id"] for one in reach(desk, plan)["locations"]["items"]} == {str(home), str(near), str(far)}
    assert other


def test_those_who_were_not_there_are_asked_for(desk: Desk, home: UUID) -> None:
    day = worker(desk, home, shift=Shift.DAY, employment=Employment.PERMANENT)
    night = worker(desk, home, shift=Shift.NIGHT, employment=Employment.PERMANENT)
    agency = worker(desk, home, shift=Shift.DAY, employment=Employment.AGENCY)
    plan = shared(desk, home, POOL | {"audience": {"groups": ["nights", "bank_and_agency", "new_starters"]}})
    for number, who in enumerate((day, night, agency)):
        assert reach(desk, plan)["reached_at"] is None
        assert reach(desk, plan)["people"] == {"name": "all", "expected": 3, "understood": number}
        assert answer(desk, plan, who, home).status_code == 200
    found = reach(desk, plan)
    assert found["reached_at"] is not None
    assert found["by_shift"] == [
        {"name": "day", "expected": 2, "understood": 2}, {"name": "night", "expected": 1, "understood": 1},
    ]  # fmt: skip
    assert [one["name"] for one in found["by_employment"]] == ["agency", "permanent"]


def test_a_share_of_the_people_may_be_asked_for(desk: Desk, home: UUID) -> None:
    team = [worker(desk, home) for _ in range(4)]
    gone = worker(desk, home)
    plan = shared(desk, home, POOL | {"audience": {"people_percent": 75}})
    worker(desk, home, revision=2, active=False, who=gone)
    for who in team[:2]:
        answer(desk, plan, who, home)
    assert reach(desk, plan)["reached_at"] is None
    assert answer(desk, plan, team[2], home, right=False).json()["understood"] is False
    assert reach(desk, plan)["reached_at"] is None
    answer(desk, plan, team[3], home)
    found = reach(desk, plan)
    assert found["reached_at"] is not None, "three of the four who still work here"
    assert found["locations"]["items"][0].items() >= {"expected": 4, "acknowledged": 4, "understood": 3}.items()


def test_who_starts_within_the_weeks_after_gets_it_then(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    desk.clock.advance(timedelta(weeks=11))
    starter = worker(desk, home, started=desk.clock.now().date())
    assert reach(desk, plan)["new_starters"] == {"name": "new_starters", "expected": 1, "understood": 0}
    desk.acknowledge(plan, starter, home)
    assert reach(desk, plan)["new_starters"]["understood"] == 1
    desk.clock.advance(timedelta(weeks=2))
    worker(desk, home, started=desk.clock.now().date())
    assert reach(desk, plan)["people"]["expected"] == 1, "after twelve weeks it is no longer new"


def test_an_older_word_about_somebody_changes_nothing(desk: Desk, home: UUID) -> None:
    who = worker(desk, home, revision=2)
    worker(desk, home, revision=1, active=False, who=who)
    assert reach(desk, shared(desk, home))["people"]["expected"] == 1


def test_a_wrong_answer_explains_and_leads_to_another_question(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home, POOL)
    carer = desk.make("carer", locations=[home])
    path = f"/briefings/{plan.briefing_id}"
    asked = []
    for _ in range(3):
        first = desk.api.get(path, carer).json()
        assert first == desk.api.get(path, carer).json(), "the same question until it is answered"
        asked.append(first["question_number"])
        wrong = answer(desk, plan, carer, home, right=False).json()
        assert (wrong["understood"], bool(wrong["explanation"])) == (False, True)
    assert sorted(asked) == [0, 1, 2], "each of them once before one comes again"
    stale = {"location_id": str(home), "question": asked[1], "answer": 0}
    known = {(a["question_number"]) for a in [desk.api.get(path, carer).json()]}
    assert known == {asked[0]}
    assert desk.api.post(f"{path}/acknowledgements", carer, stale).status_code == 409
    assert desk.api.post(f"{path}/acknowledgements", carer, {"location_id": str(home), "answer": 0}).status_code == 422
    assert (
        answer(desk, plan, carer, home).json().items()
        >= {"understood": True, "explanation": None, "attempts": 4}.items()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("summary", "JD was given a dose twice"),
        ("what_changes", "Mrs Example has one chart"),
        ("question", "What about P1?"),
        ("options", ["Ask A.W.", "One"]),
    ],
)
def test_a_briefing_that_names_somebody_is_not_submitted(desk: Desk, home: UUID, field: str, value: Any) -> None:
    desk.open(home)
    draft = DRAFT | {"briefing": BRIEFING | {field: value}}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, draft, version=1).status_code == 200
    refused = desk.api.post(f"{desk.path}/submission", desk.manager, version=2)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [f"briefing.{field}"]
    assert not [words for words in ("JD", "Example", "A.W") if words in refused.text]


def test_an_abbreviation_is_nobody(desk: Desk, home: UUID) -> None:
    desk.open(home)
    text = BRIEFING | {"what_changes": "Ask the GP. A PRN chart and a DN sheet.", "abbreviations": ["DN"]}
    desk.submitted(DRAFT | {"briefing": text})


def test_the_preview_shows_how_wide_it_goes_and_what_may_tell_who_it_was(desk: Desk) -> None:
    home = a_place(desk, name="Larch House")
    worker(desk, home)
    desk.open(home)
    assert desk.api.get(f"{desk.path}/briefing-preview", desk.manager).status_code == 404
    text = BRIEFING | {"summary": "On 3 June at Larch House she was given it twice in room 4"}
    desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT | {"briefing": text}, version=1)
    seen = desk.api.get(f"{desk.path}/briefing-preview", desk.manager).json()
    assert (seen["locations"], seen["people"]) == (1, 1)
    assert {(one["sign"], one["quote"]) for one in seen["identifying"]} == {
        ("date", "3 June"), ("gender", "she"), ("place", "Larch House"), ("place", "room 4"),
    }  # fmt: skip
    assert desk.api.get(f"{desk.path}/briefing-preview", desk.make("carer", locations=[home])).status_code == 403


def test_another_provider_sees_nobody_of_the_audience(desk: Desk, home: UUID) -> None:
    worker(desk, home)
    shared(desk, home)
    tables = ("person", "held_role", "briefing_person", "briefing_learning")
    assert all(desk.rows(f"select 1 from review.{table}") for table in tables)
    with db.transaction(desk.engine, uuid.uuid4()) as session:
        assert not any(session.execute(text(f"select 1 from review.{table}")).all() for table in tables)
