"""What an action is agreed with: what it answers, how strong it is, what proves it, what it waits for."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts.review import ReviewApproved
from services.contracts.taxonomy import Band, Role
from services.runtime.actor import Actor
from tests.integration.test_actions import PRIVATE, World


@pytest.fixture
def world(
    client: Any, service_engine: Callable[[str], Engine], clock: Any, provider_id: UUID, actor: Callable[..., Actor]
) -> World:
    """A provider that no other test uses."""
    return World(service_engine("actions"), client("actions"), clock, provider_id, actor)


def approved(world: World, incident_id: UUID, *learning: UUID) -> None:
    """A review of the incident was approved, with what was learned."""
    world.tell(
        ReviewApproved(
            incident_id=incident_id, review_id=uuid.uuid4(), cycle=1, factors=[], learning_count=len(learning),
            actions_needed=True, briefing_needed=False, learning=list(learning),
        )
    )  # fmt: skip


def refusal(reply: Any) -> tuple[int, str]:
    """The status of a refusal and the field or the kind of problem it names."""
    problem = reply.json()
    fields = [error["field"] for error in problem["errors"]]
    return reply.status_code, fields[0] if fields else problem["type"].removeprefix("/problems/")


def test_an_action_answers_a_learning_of_this_incident(world: World) -> None:
    incident_id, other, learning = world.incident(), world.incident(), uuid.uuid4()
    early = world.http.post("/actions", world.manager, world.body(incident_id, learning_ref=str(learning)))
    assert refusal(early) == (422, "learning_ref")
    approved(world, incident_id, learning)
    approved(world, incident_id, learning)
    elsewhere = world.http.post("/actions", world.manager, world.body(other, learning_ref=str(learning)))
    assert refusal(elsewhere) == (422, "learning_ref")
    made = world.agree(incident_id, learning_ref=str(learning))
    assert world.http.get(f"/actions/{made['action_id']}", world.lead).json()["learning_ref"] == str(learning)


def test_an_action_agreed_before_the_approval_is_linked_after_it(world: World) -> None:
    incident_id, other, learning, foreign = world.incident(), world.incident(), uuid.uuid4(), uuid.uuid4()
    world.open(incident_id)
    made = world.agree(incident_id)
    approved(world, incident_id, learning)
    approved(world, other, foreign)

    def unlinked() -> list[str]:
        found = world.http.get(f"/actions?incident_id={incident_id}&unlinked=true", world.lead).json()["items"]
        return [one["action_id"] for one in found if one["learning_ref"] is None]

    def link(learning_ref: uuid.UUID, actor: Actor, version: int) -> Any:
        body = {"learning_ref": str(learning_ref)}
        return world.http.put(f"/actions/{made['action_id']}/learning", actor, body, version=version)

    assert unlinked() == [made["action_id"]]
    done = world.finish(made)  # a missing link keeps nothing from being done
    assert refusal(link(foreign, world.manager, done["version"])) == (422, "learning_ref")
    assert link(learning, world.owner, done["version"]).status_code == 403
    assert link(learning, world.manager, done["version"] - 1).status_code == 412
    linked = link(learning, world.manager, done["version"])
    assert (linked.status_code, linked.json()["learning_ref"]) == (200, str(learning))
    assert unlinked() == []
    entry = world.http.get(f"/incidents/{incident_id}/audit", world.manager).json()[-1]
    assert (entry["action"], entry["data"]["before"]) == ("learning_linked", None)
    assert entry["data"]["learning_ref"] == str(learning)
    cancelled = world.agree(incident_id)
    world.cancel(cancelled)
    made = cancelled
    assert refusal(link(learning, world.manager, cancelled["version"] + 1)) == (409, "wrong-status")


def test_the_hierarchy_is_explained_with_examples(world: World) -> None:
    levels = world.http.get("/strengths", world.owner).json()
    assert [level["strength"] for level in levels] == ["stronger", "intermediate", "weaker"]
    assert all(level["help"] and level["kinds"] and level["examples"] for level in levels)


def test_weak_wording_counts_as_weaker_until_a_reason_is_given(world: World) -> None:
    incident_id = world.incident()
    weak = {"title": "All staff are reminded to read the label", "strength": "intermediate"}
    doubtful = world.agree(incident_id, **weak)
    seen = world.http.get(f"/actions/{doubtful['action_id']}", world.lead).json()
    assert (seen["strength"], seen["counts_as"]) == ("intermediate", "weaker")
    graded = world.agree(incident_id, **weak, strength_reason="The reminder is built into the round sheet.")
    view = world.http.get(f"/actions/{graded['action_id']}", world.lead).json()
    assert view["suggested"]["strength"] == "weaker"
    assert "remind" in view["suggested"]["words"]
    assert view["counts_as"] == "intermediate"
    plain = world.agree(incident_id, title="Something else", strength="weaker")
    assert world.http.get(f"/actions/{plain['action_id']}", world.lead).json()["suggested"] is None


def test_a_cycle_of_high_risk_does_not_complete_on_weaker_actions_alone(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id, band=Band.HIGH)
    action = world.agree(incident_id, strength="weaker")
    author = world.make_actor(Role.QUALITY_LEAD)
    world.manager, manager = author, world.manager
    other = world.agree(incident_id, strength="weaker")
    world.manager = manager
    assert world.verify(world.finish(action)).status_code == 200
    assert refusal(world.cancel(other)) == (409, "only-weaker"), "cancelling must not be a way around"
    done = world.finish(other)
    assert refusal(world.verify(done)) == (409, "only-weaker")
    path = f"/incidents/{incident_id}/weaker-actions"
    reason = {"reason": f"The stronger one is in another plan. {PRIVATE}"}
    assert world.http.post(path, world.manager, reason).status_code == 403
    assert world.http.post(path, author, reason).status_code == 403, "she agreed one of them"
    assert world.http.post(path, world.lead, reason).status_code == 200
    assert world.verify(done).json()["status"] == "verified"
    assert world.events(incident_id)[-1][1]["cycle_complete"] is True
    assert PRIVATE not in json.dumps(world.http.get(f"/incidents/{incident_id}/audit", world.lead).json())


def test_reminding_alone_does_not_complete_a_moderate_risk_that_happened_before(world: World) -> None:
    first = world.incident()
    world.open(first, band=Band.MODERATE)
    assert world.verify(world.finish(world.agree(first, strength="weaker"))).status_code == 200, "the first of its type"
    again = world.incident(occurred_at=world.clock.now())
    world.open(again, band=Band.MODERATE)
    action = world.finish(world.agree(again, strength="weaker"))
    refused = world.verify(action)
    assert refusal(refused) == (409, "only-weaker")
    assert "happened here before" in refused.json()["detail"]
    path, reason = f"/incidents/{again}/weaker-actions", {"reason": "The sheet is replaced next month."}
    assert world.http.post(path, world.lead, reason).status_code == 200
    assert world.verify(action).json()["status"] == "verified"


@pytest.mark.parametrize(("band", "strengths"), [(Band.LOW, ["weaker"]), (Band.HIGH, ["weaker", "intermediate"])])
def test_elsewhere_weaker_actions_complete(world: World, band: Band, strengths: list[str]) -> None:
    incident_id = world.incident()
    world.open(incident_id, band=band)
    for action in [world.agree(incident_id, strength=strength) for strength in strengths]:
        assert world.verify(world.finish(action)).status_code == 200
    nothing = world.http.post(f"/incidents/{incident_id}/weaker-actions", world.lead, {"reason": "x"})
    assert nothing.status_code == (409 if "intermediate" in strengths else 200)


def test_completing_names_what_lacks_proof(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    proof = [
        {"description": f"Five rounds seen. {PRIVATE}", "kinds": ["observation"]},
        {"description": "The new sheet"},
    ]
    action = world.agree(incident_id, proof=proof)
    path = f"/actions/{action['action_id']}"
    items = [item["item_id"] for item in world.http.get(path, world.owner).json()["proof"]]

    def add(kind: str, *proves: str) -> Any:
        return world.http.post(
            f"{path}/evidence", world.owner, {"kind": kind, "description": "x", "proves": list(proves)}
        )

    def complete() -> Any:
        version = world.http.get(path, world.owner).json()["version"]
        return world.http.post(f"{path}/completion", world.owner, version=version)

    assert refusal(add("document", str(uuid.uuid4()))) == (422, "proves.0")
    assert add("document", *items).status_code == 201
    lacking = complete()
    assert refusal(lacking) == (409, "proof-lacking")
    assert "number 1 " in lacking.json()["detail"]
    assert PRIVATE not in lacking.text
    assert [i["shown"] for i in world.http.get(path, world.owner).json()["proof"]] == [False, True]
    add("observation", items[0])
    assert complete().json()["status"] == "done"


def test_an_action_waits_for_another_and_never_for_itself(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    first = world.agree(incident_id)
    second = world.agree(incident_id, waits_for=[first["action_id"]])
    third = world.agree(incident_id, waits_for=[second["action_id"]])
    circle = world.http.put(
        f"/actions/{first['action_id']}/waits-for",
        world.manager,
        {"waits_for": [third["action_id"]]},
        version=first["version"],
    )
    assert refusal(circle) == (422, "waits_for")
    stranger = {"waits_for": [str(uuid.uuid4())]}
    assert refusal(world.http.post("/actions", world.manager, world.body(incident_id, **stranger))) == (
        422, "waits_for.0",
    )  # fmt: skip
    path = f"/actions/{second['action_id']}"
    added = world.http.post(f"{path}/evidence", world.owner, {"kind": "observation", "description": "x"}).json()
    waiting = world.http.post(f"{path}/completion", world.owner, version=added["version"])
    assert refusal(waiting) == (409, "waits-for-others")
    assert [w["status"] for w in world.http.get(path, world.owner).json()["waits_for"]] == ["open"]
    world.finish(first)
    assert world.http.post(f"{path}/completion", world.owner, version=added["version"]).status_code == 200
    changed = world.http.put(
        f"/actions/{third['action_id']}/waits-for", world.manager, {"waits_for": []}, version=third["version"]
    )
    assert changed.status_code == 200
    assert world.finish(third)["status"] == "done"


def test_only_the_owner_says_that_it_is_understood(world: World) -> None:
    action = world.agree(world.incident())
    path, said = f"/actions/{action['action_id']}/understanding", {"in_own_words": PRIVATE}
    assert action["understood_at"] is None
    assert world.http.post(path, world.manager, said, version=action["version"]).status_code == 403
    understood = world.http.post(path, world.owner, said, version=action["version"])
    assert understood.json()["understood_at"] is not None
    chain = world.http.get(f"/incidents/{action['incident_id']}/audit", world.manager).json()
    assert chain[-1]["action"] == "understood"
    assert PRIVATE not in json.dumps(chain)


def test_what_is_late_is_found(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    late, slow = world.agree(incident_id, due_working_days=1), world.agree(incident_id, due_working_days=60)
    assert world.http.get("/actions?overdue=true", world.lead).json()["items"] == []
    world.clock.advance(timedelta(days=20))
    found = world.http.get("/actions?overdue=true", world.lead).json()["items"]
    assert [action["action_id"] for action in found] == [late["action_id"]]
    world.finish(slow)
    world.clock.advance(timedelta(days=15))
    assert len(world.http.get("/actions?overdue=true", world.lead).json()["items"]) == 2


def test_what_protects_people_meanwhile_and_what_it_costs_is_kept(world: World) -> None:
    action = world.agree(
        world.incident(), interim_control="A nurse stays.", priority="urgent", cost_pounds="1200.50", effort_days="3.5"
    )
    view = world.http.get(f"/actions/{action['action_id']}", world.lead).json()
    assert (view["interim_control"], view["priority"], view["cost_pounds"], view["effort_days"]) == (
        "A nurse stays.", "urgent", "1200.50", "3.5",
    )  # fmt: skip
