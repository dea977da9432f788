"""Owners of actions: their cover while they are away, their line, and what happens when they leave."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts.directory import AbsenceRecorded, PersonRecorded
from services.contracts.taxonomy import Role
from services.runtime.actor import Actor
from tests.integration.test_actions import World
from tests.integration.test_agreeing import refusal


@pytest.fixture
def world(
    client: Any, service_engine: Callable[[str], Engine], clock: Any, provider_id: UUID, actor: Callable[..., Actor]
) -> World:
    """A provider that no other test uses."""
    return World(service_engine("actions"), client("actions"), clock, provider_id, actor)


def person(world: World, who: UUID, *, revision: int = 1, **changes: Any) -> None:
    """Directory tells of a person."""
    values = {
        "person_id": who, "active": True, "roles": [], "shift": None, "employment": None, "started_on": None,
        "revision": revision, **changes,
    }  # fmt: skip
    world.tell(PersonRecorded(**values), version=revision)


def away(world: World, who: UUID, cover: UUID, days: int, *, absence: UUID | None = None, revision: int = 1) -> UUID:
    """Directory tells that somebody is away from now."""
    absence_id = absence or uuid.uuid4()
    now = world.clock.now()
    world.tell(
        AbsenceRecorded(
            absence_id=absence_id, person_id=who, cover_id=cover, starts_at=now, ends_at=now + timedelta(days=days),
            revision=revision,
        )
    )  # fmt: skip
    return absence_id


def test_the_cover_answers_while_the_owner_is_away_and_no_longer(world: World) -> None:
    cover = world.make_actor(Role.SHIFT_LEAD, locations=[uuid.uuid4()])
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    path = f"/actions/{action['action_id']}"
    assert world.http.get(path, cover).status_code == 404
    absence = away(world, world.owner.id, cover.id, 10)
    assert world.http.get(path, cover).json()["answering_id"] == str(cover.id)
    assert [a["action_id"] for a in world.http.get("/actions?mine=true", cover).json()["items"]] == [
        action["action_id"]
    ]
    proof = {"kind": "observation", "description": "Seen."}
    added = world.http.post(f"{path}/evidence", cover, proof).json()
    world.clock.advance(timedelta(days=11))
    assert world.http.get(path, cover).status_code == 404
    assert world.http.post(f"{path}/completion", cover, version=added["version"]).status_code == 404
    away(world, world.owner.id, cover.id, 30, absence=absence, revision=2)
    done = world.http.post(f"{path}/completion", cover, version=added["version"]).json()
    assert done["status"] == "done"
    leading = world.make_actor(Role.QUALITY_LEAD)
    person(world, leading.id, manager_id=cover.id)
    assert world.verify(done, leading).status_code == 403, "she answers to who did it"
    assert world.verify(done).status_code == 200


def test_nobody_verifies_for_somebody_above_them(world: World) -> None:
    between = uuid.uuid4()
    incident_id = world.incident()
    world.open(incident_id)
    done = world.finish(world.agree(incident_id))
    person(world, world.manager.id, manager_id=between)
    assert world.verify(done, world.manager, outcome="returned", finding="No.", compliant=0).status_code == 200
    again = world.finish(world.http.get(f"/actions/{done['action_id']}", world.owner).json())
    person(world, between, manager_id=world.owner.id)
    refused = world.verify(again, world.manager)
    assert refused.status_code == 403
    assert "answers to them" in refused.json()["detail"]
    person(world, between, manager_id=None, revision=2)
    person(world, between, manager_id=world.owner.id, revision=1)
    assert world.verify(again, world.manager).status_code == 200


def test_what_somebody_owns_is_handed_over_in_one_go(world: World) -> None:
    incidents = [world.incident(), world.incident()]
    for incident_id in incidents:
        world.open(incident_id)
    actions = [world.agree(incident_id) for incident_id in incidents]
    settled = world.agree(incidents[0])
    world.cancel(settled)
    understood = world.http.post(
        f"/actions/{actions[0]['action_id']}/understanding", world.owner, {}, version=actions[0]["version"]
    ).json()
    assert understood["understood_at"] is not None
    new = world.make_actor(Role.SHIFT_LEAD, locations=[world.location])
    body = {"from_id": str(world.owner.id), "to_id": str(new.id), "to_role": "shift_lead", "reason": "Leaves in May."}
    assert world.http.post("/handovers", world.owner, body).status_code == 403
    elsewhere = world.make_actor(Role.REGISTERED_MANAGER, locations=[uuid.uuid4()])
    assert refusal(world.http.post("/handovers", elsewhere, body)) == (409, "nothing-to-hand-over")
    handed = world.http.post("/handovers", world.manager, body)
    assert handed.status_code == 201, handed.text
    assert {a["action_id"] for a in handed.json()["actions"]} == {a["action_id"] for a in actions}
    assert {(a["owner_id"], a["understood_at"]) for a in handed.json()["actions"]} == {(str(new.id), None)}
    assert [a["due_at"] for a in handed.json()["actions"]] == [a["due_at"] for a in actions], "clocks run on"
    for incident_id in incidents:
        kind, data = world.events(incident_id)[-1]
        assert (kind, data["handover"], data["owner_role"]) == ("action.handed_over", 1, "shift_lead")
        chain = world.http.get(f"/incidents/{incident_id}/audit", world.manager).json()
        assert chain[-1]["action"] == "handed_over"
        assert chain[-1]["data"]["from_id"] == str(world.owner.id)
    assert refusal(world.http.post("/handovers", world.manager, body)) == (409, "nothing-to-hand-over")


@pytest.mark.parametrize(
    ("changes", "field"), [({"to_role": "service"}, "to_role"), ({"to_id": "same"}, "to_id"), ({"left": True}, "to_id")]
)
def test_a_handover_to_nobody_is_refused(world: World, changes: dict[str, Any], field: str) -> None:
    body = {
        "from_id": str(world.owner.id), "to_id": str(uuid.uuid4()), "to_role": "shift_lead", "reason": "x", **changes,
    }  # fmt: skip
    if body.pop("left", False):
        person(world, UUID(body["to_id"]), active=False)
    if body["to_id"] == "same":
        body["to_id"] = body["from_id"]
    assert refusal(world.http.post("/handovers", world.manager, body)) == (422, field)


def test_a_last_day_that_is_near_asks_for_a_handover(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    today: date = world.clock.now().date()
    person(world, world.owner.id, leaves_on=today + timedelta(days=60))
    assert world.http.get("/handovers/needed", world.manager).json()["items"] == []
    person(world, world.owner.id, leaves_on=today + timedelta(days=20), revision=2)
    [needed] = world.http.get("/handovers/needed", world.manager).json()["items"]
    assert (needed["person_id"], needed["actions"], needed["left"]) == (str(world.owner.id), 1, False)
    assert needed["earliest_due_at"] == action["due_at"]
    elsewhere = world.make_actor(Role.REGISTERED_MANAGER, locations=[uuid.uuid4()])
    assert world.http.get("/handovers/needed", elsewhere).json()["items"] == []
    assert world.http.get("/handovers/needed", world.owner).status_code == 403
    person(world, world.owner.id, active=False, revision=3)
    assert world.http.get("/handovers/needed", world.manager).json()["items"][0]["left"] is True
    world.cancel(action)
    assert world.http.get("/handovers/needed", world.manager).json()["items"] == []


def test_an_owner_is_somebody_who_is_there_in_that_role(world: World) -> None:
    incident_id = world.incident()
    world.agree(incident_id, owner_id=str(uuid.uuid4()))  # directory has nobody of this provider
    held = [{"role": "shift_lead", "location_id": world.location}]
    person(world, world.owner.id, roles=held)
    world.agree(incident_id)
    person(world, world.lead.id, roles=[{"role": "quality_lead"}])
    before = len(world.http.get("/actions", world.lead).json()["items"])
    gone, leaving = uuid.uuid4(), uuid.uuid4()
    person(world, gone, roles=held, active=False)
    person(world, leaving, roles=held, leaves_on=world.clock.now().date() - timedelta(days=1))
    for changes, field in (
        ({"owner_id": str(uuid.uuid4())}, "owner_id"),
        ({"owner_id": str(gone)}, "owner_id"),
        ({"owner_id": str(leaving)}, "owner_id"),
        ({"owner_role": "registered_manager"}, "owner_role"),
        ({"owner_role": "service"}, "owner_role"),
    ):
        refused = world.http.post("/actions", world.manager, world.body(incident_id, **changes))
        assert refusal(refused) == (422, field)
    body = {"from_id": str(world.owner.id), "to_id": str(world.lead.id), "to_role": "shift_lead", "reason": "Moves."}
    assert refusal(world.http.post("/handovers", world.lead, body)) == (422, "to_role")
    assert refusal(world.http.post("/handovers", world.lead, {**body, "to_id": str(uuid.uuid4())})) == (422, "to_id")
    assert len(world.http.get("/actions", world.lead).json()["items"]) == before
    handed = world.http.post("/handovers", world.lead, {**body, "to_role": "quality_lead"})
    assert handed.status_code == 201, handed.text
