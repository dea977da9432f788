"""One action at several locations, each with its own progress, and for several incidents."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.actions import commands
from services.contracts import activities as contract
from services.contracts.directory import LocationRecorded
from services.contracts.intake import IncidentWithdrawn
from services.contracts.taxonomy import Role
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
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


def served(world: World, incident_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    """What was said to an incident of an action that was agreed for another."""
    return [(kind, data) for kind, data in world.events(incident_id) if data.get("served")]


def test_what_it_answers_hears_of_it_and_is_complete_with_it(world: World) -> None:
    first, second = world.incident(), world.incident()
    action = agreed(world, first, serves=[str(second)])
    # Whichever opens first starts the clock; the other finds it open.
    [opened] = world.open(second).actions
    assert (str(opened.action_id), opened.remind_at) == (action["action_id"], None)
    assert [one.due_at for one in world.open(first).actions] == [opened.due_at]
    # One of its own, verified first: the second is not complete before the shared one is.
    own = world.agree(second)
    assert world.verify(world.finish({**own, "version": 2})).json()["status"] == "verified"
    assert world.events(second)[-1][1]["cycle_complete"] is False
    done = world.finish(action)
    returned = world.verify(done, outcome="returned", finding="Two rounds were not.", missing="Two more rounds.")
    assert returned.status_code == 200, returned.text
    again = world.finish(action)
    assert world.verify(again).status_code == 200
    said = served(world, second)
    kinds = ["action.agreed", "action.opened", "action.done", "action.returned", "action.done", "action.verified"]
    assert [kind for kind, _ in said] == kinds
    assert {data["cycle"] for _, data in said} == {1}
    assert (said[0][1]["wording"], said[1][1]["late"], said[3][1]["remind_at"]) == (None, True, None)
    _, theirs = said[-1]
    _, ours = world.events(first)[-1]
    assert theirs["cycle_complete"]
    assert ours["cycle_complete"]
    assert theirs["recheck"] is None
    plans = [{one["checkpoint_id"] for one in data["checkpoints"]} for data in (ours, theirs)]
    assert all(plans)
    assert plans[0].isdisjoint(plans[1]), "each is measured on its own"
    with transaction(world.engine, world.provider) as session:
        chain = [entry["action"] for entry in audit.read(session, "actions", second)]
    assert [entry for entry in chain if entry.startswith("served_")] == [f"served_{kind[7:]}" for kind in kinds]


def test_who_cancels_it_decides_for_its_own_incident(world: World) -> None:
    first, second = world.incident(), world.incident()
    action = agreed(world, first, serves=[str(second)])
    world.open(first)
    world.open(second)
    current = world.http.get(f"/actions/{action['action_id']}", world.lead).json()
    assert world.cancel(current).status_code == 200
    assert world.events(first)[-1][1]["cycle_complete"] is True
    kind, data = served(world, second)[-1]
    assert (kind, data["cycle_complete"]) == ("action.cancelled", False), "the other one still needs something"
    # Something else is agreed for it, and it goes on.
    own = world.agree(second)
    assert world.verify(world.finish(own)).status_code == 200
    assert world.events(second)[-1][1]["cycle_complete"] is True


def test_what_another_waits_for_outlives_its_own_incident(world: World) -> None:
    first, second = world.incident(), world.incident()
    action = agreed(world, first, serves=[str(second)])
    world.open(first)
    world.open(second)
    world.tell(IncidentWithdrawn(incident_id=first), version=5)
    with transaction(world.engine, world.provider) as session:
        command = contract.EndActions(command_id="end", provider_id=world.provider, incident_id=first)
        commands.end_actions(session, command, world.clock.now(), system(world.provider))
    assert world.verify(world.finish(action)).status_code == 200
    _, theirs = served(world, second)[-1]
    assert theirs["cycle_complete"]
    assert theirs["checkpoints"]
    assert world.events(first)[-1][1]["checkpoints"] == [], "nothing is measured of what was withdrawn"


def test_two_that_share_two_actions_settle_them_at_once(world: World) -> None:
    first, second = world.incident(), world.incident()
    shared = [agreed(world, first, serves=[str(second)]), agreed(world, second, serves=[str(first)])]
    world.open(first)
    world.open(second)
    done = [world.finish(action) for action in shared]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(world.verify, done))
    assert [answer.status_code for answer in answers] == [200, 200]
    for incident_id in (first, second):
        complete = [data["cycle_complete"] for kind, data in world.events(incident_id) if kind == "action.verified"]
        assert sorted(complete) == [False, True], "exactly one of the two sees that nothing is left"
