"""After a briefing went out: proof of routes, returns of other services, and what people still know weeks later."""
# ruff: noqa: F811

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.contracts import activities as contract
from services.contracts.taxonomy import Band, Role, Shift
from services.review.sharing import policy
from services.runtime import db
from tests.integration.test_review import BRIEFING, Desk, desk, home  # noqa: F401
from tests.integration.test_sharing import a_place, answer, reach, shared, worker

ROUTE = {"kind": "team_meeting", "held_on": "2026-06-08", "present": 7}
RULES = policy.shipped()


def look(desk: Desk, plan: Any) -> contract.BriefingFollowUp:
    """What the process asks."""
    found: contract.BriefingFollowUp = desk.activities["follow_up_briefing"](
        contract.FollowUpBriefing(provider_id=desk.provider_id, briefing_id=plan.briefing_id)
    )
    return found


def everywhere(desk: Desk) -> tuple[Any, list[UUID]]:
    """A briefing at three locations."""
    region = uuid.uuid4()
    places = [a_place(desk, region_id=region) for _ in range(3)]
    plan = shared(desk, places[0], region_id=region)
    return plan, places


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"present": None}, "present"),
        ({"kind": "practice_guidance"}, "reference"),
        ({"held_on": "2027-01-01"}, "held_on"),
        ({"kind": "rumour"}, "kind"),
        ({"present": 0}, "present"),
    ],
)
def test_a_route_needs_its_proof(desk: Desk, home: UUID, change: dict[str, Any], field: str) -> None:
    plan = shared(desk, home)
    body = ROUTE | {"location_id": str(home)} | change
    refused = desk.api.post(f"/briefings/{plan.briefing_id}/routes", desk.manager, body)
    assert (refused.status_code, [one["field"] for one in refused.json()["errors"]]) == (422, [field])


def test_every_route_is_kept_with_day_people_and_who_recorded_it(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    path = f"/briefings/{plan.briefing_id}/routes"
    first = desk.api.post(path, desk.manager, ROUTE | {"location_id": str(home)})
    assert first.status_code == 201, first.text
    alert = {"kind": "safety_alert", "held_on": "2026-06-07", "reference": "SA-12", "location_id": str(home)}
    assert desk.api.post(path, desk.quality, alert).status_code == 201
    kept = desk.api.get(path, desk.quality).json()["items"]
    assert [(one["kind"], one["present"], one["reference"]) for one in kept] == [
        ("team_meeting", 7, None), ("safety_alert", None, "SA-12"),
    ]  # fmt: skip
    assert kept[0]["recorded_by"] == str(desk.manager.id)
    carer = desk.make("carer", locations=[home])
    assert desk.api.post(path, carer, ROUTE | {"location_id": str(home)}).status_code == 403
    assert desk.api.get(path, carer).status_code == 403
    far = desk.make("registered_manager", locations=[uuid.uuid4()])
    assert desk.api.get(path, far).status_code == 404
    elsewhere = desk.api.post(path, desk.quality, ROUTE | {"location_id": str(uuid.uuid4())})
    assert [one["field"] for one in elsewhere.json()["errors"]] == ["location_id"]


def test_other_services_answer_and_what_is_missing_is_listed(desk: Desk) -> None:
    plan, places = everywhere(desk)
    asked = desk.api.post(
        f"/briefings/{plan.briefing_id}/adoption-checks", desk.quality,
        {"question": "How many plug-in mats do you have?", "answer_kind": "count", "days": 7},
    )  # fmt: skip
    assert asked.status_code == 201, asked.text
    path = f"/adoption-checks/{asked.json()['check_id']}"
    manager = desk.make("registered_manager", locations=[places[1]])
    no_count = desk.api.post(f"{path}/returns", manager, {"location_id": str(places[1]), "adopted": True})
    assert [one["field"] for one in no_count.json()["errors"]] == ["count"]
    given = {"location_id": str(places[1]), "count": 4}
    assert desk.api.post(f"{path}/returns", manager, given | {"location_id": str(places[2])}).status_code == 422
    assert desk.api.post(f"{path}/returns", manager, given).status_code == 201
    assert desk.api.post(f"{path}/returns", manager, given).status_code == 409
    seen = desk.api.get(path, desk.quality).json()
    assert (seen["locations"], seen["returned"], seen["total"], seen["overdue"]) == (3, 1, 4, False)
    assert set(seen["missing"]) == {str(places[0]), str(places[2])}
    assert desk.api.get(path, manager).json()["missing"] == [], "a manager sees what is theirs"
    for place, count in ((places[0], 0), (places[2], 11)):
        assert (
            desk.api.post(f"{path}/returns", desk.quality, {"location_id": str(place), "count": count}).status_code
            == 201
        )
    closed = desk.api.get(f"/briefings/{plan.briefing_id}/adoption-checks", desk.quality).json()["items"][0]
    assert (closed["missing"], closed["total"], closed["closed_at"] is not None) == ([], 15, True)


def test_a_missing_return_is_reminded_of_and_goes_up_the_line(desk: Desk) -> None:
    plan, places = everywhere(desk)
    asked = desk.api.post(
        f"/briefings/{plan.briefing_id}/adoption-checks", desk.quality,
        {"question": "Done the dummy test?", "answer_kind": "confirmation", "days": 7},
    ).json()  # fmt: skip
    path = f"/adoption-checks/{asked['check_id']}/returns"
    desk.api.post(path, desk.quality, {"location_id": str(places[0]), "adopted": True})
    due = desk.clock.now() + timedelta(days=7)
    assert (look(desk, plan).next_at, look(desk, plan).tell) == (due, [])
    said = []
    for _ in range(RULES.adoption.reminders + 1):
        desk.clock.advance(look(desk, plan).next_at - desk.clock.now())
        found = look(desk, plan)
        assert found == look(desk, plan), "asked again it answers the same"
        said.append([(one.role, one.location_id, one.urgent) for one in found.tell])
    owing = sorted(places[1:])
    reminded = [(Role.REGISTERED_MANAGER, place, False) for place in owing]
    assert said == [*[reminded] * RULES.adoption.reminders, [(Role.REGIONAL_MANAGER, place, True) for place in owing]]
    assert desk.api.get(f"/adoption-checks/{asked['check_id']}", desk.quality).json()["overdue"] is True
    for place in owing:
        desk.api.post(path, desk.quality, {"location_id": str(place), "adopted": False})
    assert look(desk, plan).tell == []


def test_where_it_is_not_understood_in_time_that_place_s_own_line_is_told(desk: Desk) -> None:
    plan, places = everywhere(desk)
    answer(desk, plan, worker(desk, places[0]), places[0], pool=BRIEFING)
    assert (look(desk, plan).next_at, look(desk, plan).tell) == (plan.due_at, [])
    desk.clock.advance(plan.due_at - desk.clock.now())
    lagging, said = sorted(places[1:]), []
    for _ in range(2 * len(RULES.reach.line) + 1):
        found = look(desk, plan)
        assert found == look(desk, plan), "asked again it answers the same"
        assert found.next_at is not None
        assert [one.location_id for one in found.tell] == lagging
        said.append({(one.role, one.urgent) for one in found.tell})
        desk.clock.advance(found.next_at - desk.clock.now())
    manager, region, quality = (
        (Role.REGISTERED_MANAGER, False),
        (Role.REGIONAL_MANAGER, True),
        (Role.QUALITY_LEAD, True),
    )
    assert said == [{manager}, {manager}, {region}, {region}, {quality}, {quality}, {quality}]
    rows = desk.rows(
        "select data from review.outbox where type = 'plumbline.briefing.reminded.v1' order by occurred_at"
    )
    assert [(row["data"]["count"], row["data"]["missing"]) for row in rows] == [(n, 2) for n in range(1, 8)]
    shown = {one["location_id"]: one for one in reach(desk, plan)["locations"]["items"]}
    assert [shown[str(place)]["reminders"] for place in places] == [0, 7, 7]
    assert (shown[str(places[0])]["reminded_role"], shown[str(places[1])]["reminded_role"]) == (None, "quality_lead")
    for place in lagging:
        answer(desk, plan, worker(desk, place), place, pool=BRIEFING)
    assert look(desk, plan).next_at != plan.due_at, "it reached, and nobody is told any more"
    assert not any(one.about.startswith("reach") for one in look(desk, plan).tell)


def test_some_of_those_who_understood_are_asked_again_weeks_later(desk: Desk, home: UUID) -> None:
    team = [worker(desk, home, shift=Shift.NIGHT if number % 2 else Shift.DAY) for number in range(6)]
    plan = shared(desk, home)
    for who in team:
        answer(desk, plan, who, home, pool=BRIEFING)
    first = desk.clock.now() + timedelta(days=RULES.recall.after_days)
    assert look(desk, plan).next_at == first
    desk.clock.advance(timedelta(days=RULES.recall.after_days))
    told = look(desk, plan)
    asked = [who for who in team if who.id in {one.person_id for one in told.tell}]
    assert len(asked) == RULES.recall.at_least
    assert told == look(desk, plan), "the same people, whenever one asks"
    one_left_out = next(who for who in team if who not in asked)
    assert desk.api.get("/recall-questions", one_left_out).json()["items"] == []
    path = f"/briefings/{plan.briefing_id}/recall-answers"
    assert desk.api.post(path, one_left_out, {"answer": 1}).status_code == 404
    for number, who in enumerate(asked[:3]):
        [question] = desk.api.get("/recall-questions", who).json()["items"]
        assert question["question"] == BRIEFING["question"]
        assert desk.api.post(path, who, {"answer": 1 if number else 0}).json()["could_say"] is bool(number)
    assert desk.api.post(path, asked[0], {"answer": 1}).status_code == 409
    spot = {"location_id": str(home), "shift": "night", "held_on": "2026-06-08", "asked": 4, "could_say": 3}
    assert desk.api.post(f"/briefings/{plan.briefing_id}/spot-checks", desk.manager, spot).status_code == 201
    too_many = desk.api.post(f"/briefings/{plan.briefing_id}/spot-checks", desk.manager, spot | {"could_say": 5})
    assert too_many.status_code == 422
    desk.clock.advance(timedelta(days=RULES.recall.answer_days))
    low = look(desk, plan)
    assert [(one.role, one.location_id) for one in low.tell] == [(Role.QUALITY_LEAD, home)], "5 of 9 are under 80 %"
    assert (low.next_at, look(desk, plan)) == (None, low)
    found = desk.api.get(f"/briefings/{plan.briefing_id}/recall", desk.quality).json()
    assert (found["asked"], found["could_say"], found["percent"], found["target_percent"]) == (9, 5, 55, 80)
    assert sum(one["asked"] for one in found["by_shift"]) == 9
    assert [one["name"] for one in found["by_role"]] == ["carer", "not_known"]
    assert found["by_location"] == [{"name": str(home), "asked": 9, "could_say": 5}]
    assert desk.api.post(path, asked[4], {"answer": 1}).status_code == 409, "the time of asking is over"


def test_where_little_could_have_happened_nobody_is_asked_again(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home, band=Band.LOW)
    [sent] = desk.rows("select data from review.outbox where type = 'plumbline.briefing.sent.v1'")
    assert sent["data"]["follow_up_at"] == sent["data"]["due_at"], "nothing but its own day"
    answer(desk, plan, worker(desk, home), home, pool=BRIEFING)
    assert look(desk, plan) == contract.BriefingFollowUp(next_at=None)


def test_a_briefing_of_a_withdrawn_incident_waits_for_nothing(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    [row] = desk.rows("select incident_id from review.briefing")
    desk.activities["end_review"](
        contract.EndReview(command_id="end", provider_id=desk.provider_id, incident_id=row["incident_id"])
    )
    assert look(desk, plan) == contract.BriefingFollowUp(next_at=None)
    refused = desk.api.post(
        f"/briefings/{plan.briefing_id}/adoption-checks", desk.quality,
        {"question": "How many?", "answer_kind": "count", "days": 7},
    )  # fmt: skip
    assert refused.status_code == 409


def test_another_provider_sees_nothing_of_it(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    path = f"/briefings/{plan.briefing_id}"
    desk.api.post(f"{path}/routes", desk.manager, ROUTE | {"location_id": str(home)})
    desk.api.post(f"{path}/adoption-checks", desk.quality, {"question": "?", "answer_kind": "count", "days": 7})
    [check] = desk.rows("select check_id from review.adoption_check")
    desk.api.post(f"/adoption-checks/{check['check_id']}/returns", desk.quality, {"location_id": str(home), "count": 1})
    spot = {"location_id": str(home), "held_on": "2026-06-08", "asked": 4, "could_say": 3}
    desk.api.post(f"{path}/spot-checks", desk.manager, spot)
    who = worker(desk, home)
    answer(desk, plan, who, home, pool=BRIEFING)
    desk.clock.advance(timedelta(days=RULES.recall.after_days))
    look(desk, plan)
    tables = ("briefing_route", "adoption_check", "adoption_return", "recall", "spot_check")
    assert all(desk.rows(f"select 1 from review.{table}") for table in tables)
    with db.transaction(desk.engine, uuid.uuid4()) as session:
        assert not any(session.execute(text(f"select 1 from review.{table}")).all() for table in tables)
