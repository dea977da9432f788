"""One action at several locations, each with its own progress, and for several incidents."""

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts.directory import LocationRecorded
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


def location(world: World, name: str, *, active: bool = True, revision: int = 1, of: UUID | None = None) -> UUID:
    """A location that directory told of."""
    location_id = of or uuid.uuid4()
    world.tell(
        LocationRecorded(
            location_id=location_id, region_id=world.region, cqc_location_id="1-1", name=name, beds=30, active=active,
            revision=revision,
        )
    )  # fmt: skip
    return location_id


def agreed(world: World, incident_id: UUID, **changes: Any) -> dict[str, Any]:
    """An action that the quality lead agrees: of the whole provider they may choose every location."""
    reply = world.http.post("/actions", world.lead, world.body(incident_id, **changes))
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def site(world: World, action: dict[str, Any], location_id: UUID, actor: Actor, **body: Any) -> Any:
    return world.http.post(f"/actions/{action['action_id']}/sites/{location_id}", actor, {"state": "done", **body})


def test_it_is_done_when_it_is_done_everywhere(world: World) -> None:
    near, far, third = (location(world, name) for name in ("Ash", "Birch", "Cedar"))
    incident_id = world.incident()
    action = agreed(world, incident_id, sites=[str(near), str(far), str(third), str(near)])
    path = f"/actions/{action['action_id']}"
    there = world.make_actor(Role.REGISTERED_MANAGER, locations=[far])
    assert refusal(site(world, action, far, there)) == (409, "not-open")
    world.open(incident_id)
    assert [one["name"] for one in world.http.get(path, world.owner).json()["sites"]] == ["Ash", "Birch", "Cedar"]
    assert action["action_id"] in [one["action_id"] for one in world.http.get("/actions", there).json()["items"]]
    assert site(world, action, far, there, note="The new chart is in use.").status_code == 200
    assert refusal(site(world, action, near, there)) == (403, "forbidden")
    assert site(world, action, near, world.owner).status_code == 200, "the owner speaks for all of them"
    assert site(world, action, uuid.uuid4(), world.owner).status_code == 404
    proof = {"kind": "document", "description": "The charts."}
    assert world.http.post(f"{path}/evidence", world.owner, proof).status_code == 201
    seen = world.http.get(path, world.owner).json()
    assert [(one["name"], one["state"]) for one in seen["sites"]] == [
        ("Cedar", "open"),
        ("Ash", "done"),
        ("Birch", "done"),
    ]
    assert seen["sites"][2]["recorded_by"] == str(there.id)
    early = world.http.post(f"{path}/completion", world.owner, version=seen["version"])
    assert refusal(early) == (409, "sites-open")
    assert "1 of its locations" in early.json()["detail"]
    assert refusal(site(world, action, third, world.owner, state="not_applicable"))[0] == 422
    done = site(world, action, third, world.owner, state="not_applicable", note="Nobody there is given insulin.").json()
    assert world.http.post(f"{path}/completion", world.owner, version=done["version"]).status_code == 200
    assert refusal(site(world, action, near, world.owner, state="open")) == (409, "not-open")


def test_only_where_it_can_be_done(world: World) -> None:
    closed = location(world, "Dale")
    location(world, "Dale", active=False, revision=2, of=closed)
    location(world, "Dale", active=True, revision=1, of=closed)
    incident_id = world.incident()
    for unknown in (uuid.uuid4(), closed):
        refused = world.http.post("/actions", world.lead, world.body(incident_id, sites=[str(unknown)]))
        assert refusal(refused) == (422, "sites.0")
    elsewhere = location(world, "Elm")
    manager = world.make_actor(Role.REGISTERED_MANAGER, locations=[world.location])
    body = world.body(incident_id, sites=[str(elsewhere)])
    assert refusal(world.http.post("/actions", manager, body)) == (422, "sites.0")
    stranger = world.make_actor(Role.QUALITY_LEAD, provider=uuid.uuid4())
    assert world.http.get("/actions", stranger).json()["items"] == []


def test_it_may_answer_several_incidents(world: World) -> None:
    first, second, hidden = world.incident(), world.incident(), world.incident(location_id=uuid.uuid4(), region_id=None)
    action = agreed(world, first, serves=[str(second), str(hidden), str(first)])
    path = f"/actions/{action['action_id']}"
    assert world.http.get(path, world.lead).json()["serves"] == sorted([str(second), str(hidden)])
    assert world.http.get(path, world.manager).json()["serves"] == [str(second)], "as far as they may see"
    found = world.http.get(f"/actions?incident_id={second}", world.manager).json()["items"]
    assert [one["action_id"] for one in found] == [action["action_id"]]
    refused = world.http.post("/actions", world.manager, world.body(first, serves=[str(second), str(hidden)]))
    assert refusal(refused) == (422, "serves.1")
