"""Verification: a sample nobody picked, partly is not passed, more time is decided by another, and a later second look."""

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from services.actions import commands, policy
from services.actions.sampling.domain import drawn
from services.actions.store import Improvement
from services.actions.verification.commands import ask_recheck
from services.contracts import activities as contract
from services.contracts.intake import IncidentReopened, IncidentRestricted
from services.contracts.taxonomy import Band, Category, Role, Stage
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from tests.integration.test_actions import PRIVATE, World
from tests.integration.test_agreeing import refusal
from tests.integration.test_policies import published


@pytest.fixture
def world(
    client: Any, service_engine: Callable[[str], Engine], clock: Any, provider_id: UUID, actor: Callable[..., Actor]
) -> World:
    """A provider that no other test uses."""
    return World(service_engine("actions"), client("actions"), clock, provider_id, actor)


def done(world: World, band: Band = Band.LOW) -> dict[str, Any]:
    """An action that its owner says is done."""
    incident_id = world.incident()
    world.open(incident_id, band=band)
    return world.finish(world.agree(incident_id))


def view(world: World, action: dict[str, Any]) -> dict[str, Any]:
    """The action as the quality lead reads it."""
    found: dict[str, Any] = world.http.get(f"/actions/{action['action_id']}", world.lead).json()
    return found


def draw(world: World, action: dict[str, Any], actor: Actor | None = None, **changes: Any) -> Any:
    """Ask for a sample."""
    body = {"frame_size": 31, "size": 8, **changes}
    body = {name: value for name, value in body.items() if value is not None}
    return world.http.post(f"/actions/{action['action_id']}/draws", actor or world.lead, body)


def look(world: World, action: dict[str, Any], sample: dict[str, Any], *, bad: int = 0) -> Any:
    """Record what was found of each; the first `bad` were not as they should be."""
    items = [
        {"position": item["position"], "compliant": number >= bad, "note": None}
        for number, item in enumerate(sample["items"])
    ]
    return world.http.post(
        f"/actions/{action['action_id']}/draws/{sample['draw_id']}/findings", world.lead, {"items": items}
    )


# --- the sample ---


@given(st.text(min_size=1, max_size=40), st.integers(1, 400), st.data())
def test_a_draw_is_a_sample_that_anybody_can_draw_again(seed: str, frame_size: int, data: Any) -> None:
    size = data.draw(st.integers(1, frame_size))
    places = drawn(seed, frame_size, size)
    assert places == drawn(seed, frame_size, size)
    assert len(set(places)) == size
    assert set(places) <= set(range(1, frame_size + 1))
    assert set(places) <= set(drawn(seed, frame_size, min(size + 1, frame_size)))


def test_every_place_is_drawn_about_as_often() -> None:
    counts = [0] * 20
    for number in range(2_000):
        for place in drawn(f"seed-{number}", 20, 5):
            counts[place - 1] += 1
    assert all(400 < count < 600 for count in counts), counts


def test_the_sample_is_drawn_by_the_system_and_counted_by_it(world: World) -> None:
    action = done(world, Band.HIGH)
    assert refusal(world.verify(action, not_drawn_reason=None)) == (422, "draw_id")
    assert draw(world, action, world.owner).status_code == 403
    rooms = [f"room {number} {PRIVATE}" for number in range(1, 32)]
    made = draw(world, action, frame=rooms, frame_size=None)
    assert made.status_code == 201, made.text
    sample = made.json()
    seed = sample["seed"]
    by_hand = sorted(range(1, 32), key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).hexdigest())[:8]
    assert [item["position"] for item in sample["items"]] == sorted(by_hand)
    assert [item["name"] for item in sample["items"]] == [rooms[place - 1] for place in sorted(by_hand)]

    verdict = {"draw_id": sample["draw_id"], "sample_size": None, "compliant": None, "method": "spot_check"}
    assert refusal(world.verify(action, **verdict)) == (422, "draw_id"), "nobody has looked yet"
    assert look(world, action, sample, bad=1).status_code == 200
    assert refusal(world.verify(action, **{**verdict, "compliant": 8})) == (422, "sample_size")
    passed = world.verify(action, **verdict, finding="One mat was new and not set up.")
    assert passed.status_code == 200, passed.text
    [found] = view(world, action)["verifications"]
    assert (found["sample_size"], found["compliant"], found["draw_id"]) == (8, 7, sample["draw_id"])
    assert refusal(look(world, action, sample)) == (409, "draw-used")
    chain = world.http.get(f"/incidents/{action['incident_id']}/audit", world.lead).json()
    assert [e["data"]["seed"] for e in chain if e["action"] == "sample_drawn"] == [seed]
    assert PRIVATE not in json.dumps([chain, world.events(UUID(action["incident_id"]))])


def test_to_draw_again_needs_a_reason_and_keeps_the_first(world: World) -> None:
    action = done(world)
    first = draw(world, action).json()
    assert refusal(draw(world, action)) == (422, "reason")
    second = draw(world, action, reason="Half of the rooms are closed.").json()
    look(world, action, first)
    stale = {"draw_id": first["draw_id"], "sample_size": None, "compliant": None}
    assert refusal(world.verify(action, **stale)) == (422, "draw_id")
    assert [d["draw_id"] for d in view(world, action)["draws"]] == [first["draw_id"], second["draw_id"]]


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"size": 32}, "size"), ({"size": 0}, "size"), ({"frame_size": None}, ""), ({"frame": ["a", "a"], "frame_size": None, "size": 1}, "")],
)  # fmt: skip
def test_a_frame_that_cannot_be_drawn_from_is_refused(world: World, changes: dict[str, Any], field: str) -> None:
    refused = draw(world, done(world), **changes)
    assert refused.status_code == 422
    assert field in refusal(refused)[1] or not field


def test_a_sample_is_drawn_of_what_is_done_only(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    assert refusal(draw(world, world.agree(incident_id))) == (409, "wrong-status")


# --- what was found ---


def test_high_risk_rests_on_more_than_one_source(world: World) -> None:
    action = done(world, Band.EXTREME)
    reason = {"not_drawn_reason": "There is one of it."}
    assert refusal(world.verify(action, method="observation", **reason)) == (422, "method")
    assert world.verify(action, method="people_asked", **reason).status_code == 200


def test_a_spot_check_is_drawn_or_says_why_not_whatever_the_risk(world: World) -> None:
    action = done(world)
    assert refusal(world.verify(action, not_drawn_reason=None)) == (422, "draw_id")
    assert world.verify(action, not_drawn_reason=None, method="observation").status_code == 200


def test_high_risk_is_passed_only_when_it_was_seen_on_two_shifts(world: World) -> None:
    action = done(world, Band.HIGH)
    seen = {"method": "people_asked", "shifts": ["day"]}
    assert refusal(world.verify(action, **seen)) == (422, "shifts")
    assert refusal(world.verify(action, method="people_asked", shifts=["day", "mixed"])) == (422, "shifts")
    later = str(world.clock.now().date() + timedelta(days=7))
    partly = {"outcome": "partly", "finding": "By day.", "remaining_risk": "Nights were not seen."}
    assert world.verify(action, **seen, **partly, next_check_on=later).status_code == 200
    other = done(world, Band.EXTREME)
    assert world.verify(other, method="people_asked", shifts=["day", "night"]).status_code == 200


def test_partly_says_what_remains_and_when_it_is_looked_at_again(world: World) -> None:
    action = done(world)
    partly = {"outcome": "partly", "compliant": 4, "finding": f"One was late. {PRIVATE}"}
    assert refusal(world.verify(action, **partly)) == (422, "remaining_risk")
    partly["remaining_risk"] = f"Nights are not covered. {PRIVATE}"
    assert refusal(world.verify(action, **partly)) == (422, "next_check_on")
    today = world.clock.now().date()
    assert refusal(world.verify(action, **partly, next_check_on=str(today))) == (422, "next_check_on")
    later = today + timedelta(days=20)
    verified = world.verify(action, **partly, next_check_on=str(later), shifts=["night", "day"])
    assert verified.json()["status"] == "verified"
    found = view(world, action)
    [one] = found["verifications"]
    assert (one["outcome"], one["shifts"], one["next_check_on"]) == ("partly", ["day", "night"], str(later))
    [again] = found["rechecks"]
    assert datetime.fromisoformat(again["due_at"]).date() == later
    kind, data = world.events(UUID(action["incident_id"]))[-1]
    assert (kind, data["partly"], data["recheck"]["recheck_id"]) == ("action.verified", True, again["recheck_id"])
    assert PRIVATE not in json.dumps(data)


def test_a_return_says_what_is_missing_and_when_stronger_proof_is_due(world: World) -> None:
    action = done(world)
    returned = {"outcome": "returned", "compliant": 2, "finding": "No.", "missing": "The night shift."}
    assert refusal(world.verify(action, missing="x")) == (422, "missing")
    answer = world.verify(action, **returned, redo_working_days=3)
    # Monday 8 June and three working days.
    assert answer.json()["due_at"].startswith("2026-06-11T09")
    assert view(world, action)["verifications"][0]["missing"] == "The night shift."


# --- looking again ---


def asked(world: World, action: dict[str, Any]) -> contract.RecheckAsked:
    """The process asks to look again."""
    recheck_id = view(world, action)["rechecks"][-1]["recheck_id"]
    with transaction(world.engine, world.provider) as session:
        command = contract.AskRecheck(
            command_id="r", provider_id=world.provider, incident_id=UUID(action["incident_id"]), recheck_id=recheck_id
        )
        return ask_recheck(session, command, world.clock.now(), system(world.provider))


def again(world: World, action: dict[str, Any], actor: Actor | None = None, **changes: Any) -> Any:
    """Somebody looks again; it holds unless said otherwise."""
    body = {
        "outcome": "passed", "method": "people_asked", "sample_size": 5, "compliant": 5, "not_drawn_reason": "Few.",
        "shifts": ["day", "night"], **changes,
    }  # fmt: skip
    version = view(world, action)["version"]
    return world.http.post(f"/actions/{action['action_id']}/recheck", actor or world.lead, body, version=version)


def test_high_risk_is_looked_at_again_when_it_is_asked_for(world: World) -> None:
    action = done(world, Band.HIGH)
    assert world.verify(action, not_drawn_reason="Few.", method="people_asked").status_code == 200
    assert refusal(again(world, action)) == (409, "not-asked")
    world.clock.advance(timedelta(days=60))
    first, second = asked(world, action), asked(world, action)
    assert first == second == contract.RecheckAsked(answer_due_at=world.clock.now() + timedelta(days=14))
    assert again(world, action, world.owner).status_code == 403
    assert again(world, action).status_code == 200
    kind, data = world.events(UUID(action["incident_id"]))[-1]
    assert (kind, data["holds"], data["following"]) == ("action.rechecked", True, None)
    assert refusal(again(world, action)) == (409, "not-asked")
    assert len(world.checkpoints(UUID(action["incident_id"]))) == 3
    assert {c["status"] for c in world.checkpoints(UUID(action["incident_id"]))} == {"planned"}


def test_what_does_not_hold_any_more_is_not_measured_further(world: World) -> None:
    action = done(world, Band.HIGH)
    world.verify(action, not_drawn_reason="Few.", method="people_asked")
    world.clock.advance(timedelta(days=60))
    asked(world, action)
    failed = again(world, action, outcome="returned", compliant=1, finding="The old sheet is back.")
    assert failed.status_code == 200, failed.text
    kind, data = world.events(UUID(action["incident_id"]))[-1]
    assert (kind, data["holds"]) == ("action.rechecked", False)
    assert {c["status"] for c in world.checkpoints(UUID(action["incident_id"]))} == {"dropped"}
    assert view(world, action)["verifications"][-1]["recheck_id"] == data["recheck_id"]


def test_a_new_cycle_leaves_the_second_look_of_the_old_one_behind(world: World) -> None:
    action = done(world)
    later = world.clock.now().date() + timedelta(days=9)
    world.verify(action, next_check_on=str(later))
    world.clock.advance(timedelta(days=9))
    asked(world, action)
    incident_id = UUID(action["incident_id"])
    world.tell(IncidentReopened(incident_id=incident_id, cycle=2, stage=Stage.ACTING), version=10)
    assert refusal(again(world, action)) == (409, "new-cycle")


def test_what_followed_a_fall_is_looked_at_again_whatever_its_risk(world: World) -> None:
    incident_id = world.incident(category=Category.FALL)
    with transaction(world.engine, world.provider) as session:
        command = world.opening(incident_id).model_copy(update={"category": Category.FALL})
        commands.open_actions(session, command, world.clock.now(), system(world.provider))
    action = world.finish(world.agree(incident_id))
    assert world.verify(action).status_code == 200
    [again] = view(world, action)["rechecks"]
    assert datetime.fromisoformat(again["due_at"]) == world.clock.now() + timedelta(days=28)
    assert world.events(incident_id)[-1][1]["recheck"]["recheck_id"] == again["recheck_id"]


# --- by whose policy ---


def test_a_cycle_goes_by_the_policy_of_the_moment_at_which_it_began(world: World) -> None:
    """A provider's own policy decides for what begins after its publication; what runs keeps its version."""
    source = (Path(policy.__file__).parent / "policies" / "default.yaml").read_text()
    for before, after in (
        ("version: default-2", "version: own-1"), ("verify_days: 14", "verify_days: 5"), ("low: [30]", "low: [7, 20]"),
        ("most: 2, longest_working_days: 20", "most: 0, longest_working_days: 3"), ("{low: 3, ", "{low: 2, "),
    ):  # fmt: skip
        assert before in source
        source = source.replace(before, after)
    running = world.incident()
    world.open(running)
    earlier = world.agree(running)
    named = {"name": "improvement", "source": source.replace("own-1", "default-9")}
    assert refusal(world.http.post("/policies", world.lead, named))[0] == 422, "named as one that is shipped"
    published(world.http, world.lead, world.make_actor(Role.DIRECTOR), source, "improvement")
    fresh = world.incident()
    world.open(fresh)
    later = world.agree(fresh)
    assert ask(world, earlier).status_code == 201
    assert refusal(ask(world, later, days=4)) == (422, "working_days")
    assert refusal(ask(world, later, days=3)) == (409, "no-more-time")
    for action, days, reminded, plan in ((earlier, 14, 11, [30]), (later, 5, 3, [7, 20])):
        incident_id = UUID(action["incident_id"])
        done = world.finish(view(world, action))
        assert datetime.fromisoformat(done["verify_due_at"]) == world.clock.now() + timedelta(days=days)
        told = datetime.fromisoformat(world.events(incident_id)[-1][1]["remind_at"])
        assert told == world.clock.now() + timedelta(days=reminded)
        assert world.verify(done).status_code == 200
        planned = [datetime.fromisoformat(c["due_at"]) for c in world.checkpoints(incident_id)]
        assert planned == [world.clock.now() + timedelta(days=n) for n in plan]
    with transaction(world.engine, world.provider) as session:
        kept = [session.get_one(Improvement, (one, 1)).policy_version for one in (running, fresh)]
        assert kept == ["default-2", "own-1"]
        # One that began by a policy shipped before, and the provider's own retired meanwhile: each goes on by its own.
        [own] = world.http.get("/policies?name=improvement", world.lead).json()["items"]
        path = f"/policies/{own['policy_id']}/retirement"
        assert world.http.post(path, world.lead, version=own["revision"]).status_code == 200
        assert policy.of_action(session, fresh, 1).verify == timedelta(days=5)
        improvement = session.get_one(Improvement, (running, 1))
        improvement.policy_version = "default-1"
        assert policy.of_cycle(session, improvement).shifts_needed == {}
        session.rollback()


# --- more time ---


def ask(world: World, action: dict[str, Any], actor: Actor | None = None, *, days: int = 5) -> Any:
    """The owner asks for more time."""
    body = {"working_days": days, "reason": f"The supplier is late. {PRIVATE}"}
    version = view(world, action)["version"]
    return world.http.post(f"/actions/{action['action_id']}/extensions", actor or world.owner, body, version=version)


def decide(world: World, action: dict[str, Any], extension: dict[str, Any], actor: Actor, **changes: Any) -> Any:
    """Somebody decides on it."""
    path = f"/actions/{action['action_id']}/extensions/{extension['extension_id']}/decision"
    return world.http.post(path, actor, {"granted": True, **changes}, version=view(world, action)["version"])


def test_more_time_is_asked_for_with_a_reason_and_given_by_another(world: World) -> None:
    owner = world.owner = world.make_actor(Role.QUALITY_LEAD)
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    assert ask(world, action, world.manager).status_code == 403
    assert refusal(ask(world, action, days=21)) == (422, "working_days")
    first = ask(world, action)
    assert first.status_code == 201, first.text
    assert refusal(ask(world, action)) == (409, "already-asked")
    assert decide(world, action, first.json(), owner).status_code == 403
    assert view(world, action)["due_at"] == action["due_at"], "the clock runs on"
    granted = decide(world, action, first.json(), world.manager)
    assert granted.status_code == 200, granted.text
    assert refusal(decide(world, action, first.json(), world.manager)) == (409, "not-waiting")
    kind, data = world.events(incident_id)[-1]
    assert (kind, data["extension"], data["attempt"]) == ("action.extended", 1, 1)
    # Monday 22 June and five working days.
    assert view(world, action)["due_at"].startswith("2026-06-29T09")
    assert datetime.fromisoformat(data["due_at"]) == datetime.fromisoformat(view(world, action)["due_at"])
    refused = ask(world, action).json()
    assert refusal(decide(world, action, refused, world.manager, granted=False)) == (422, "reason")
    assert decide(world, action, refused, world.manager, granted=False, reason="No.").status_code == 200
    assert decide(world, action, ask(world, action).json(), world.manager).status_code == 200
    assert refusal(ask(world, action)) == (409, "no-more-time")
    chain = world.http.get(f"/incidents/{incident_id}/audit", world.manager).json()
    assert [e["action"] for e in chain[-6:]] == [
        "time_asked_for", "extended", "time_asked_for", "time_refused", "time_asked_for", "extended",
    ]  # fmt: skip
    assert PRIVATE not in json.dumps([chain, world.events(incident_id)])


def test_a_request_that_nobody_decided_ends_with_the_attempt(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    waiting = ask(world, action).json()
    returned = world.verify(
        world.finish(view(world, action)), outcome="returned", compliant=0, finding="Not there."
    ).json()
    assert refusal(decide(world, action, waiting, world.manager)) == (409, "not-waiting")
    assert ask(world, returned).status_code == 201


# --- cancelling on request ---


def test_an_owner_asks_to_cancel_and_an_approver_decides(world: World) -> None:
    owner = world.owner = world.make_actor(Role.QUALITY_LEAD)
    incident_id = world.incident()
    world.open(incident_id)
    action, other = world.agree(incident_id), world.agree(incident_id)
    path = f"/actions/{action['action_id']}/cancellation-requests"

    def ask_it(actor: Actor, **body: Any) -> Any:
        body = body or {"reason": f"The round was moved. {PRIVATE}"}
        return world.http.post(path, actor, body, version=view(world, action)["version"])

    def answer(request: dict[str, Any], actor: Actor, **body: Any) -> Any:
        url = f"{path}/{request['request_id']}/decision"
        return world.http.post(url, actor, body, version=view(world, action)["version"])

    assert ask_it(world.manager).status_code == 403, "who may cancel does so, who owns it asks"
    assert refusal(ask_it(owner, reason="")) == (422, "reason")
    assert world.http.post(path, owner, {"reason": "x"}, version=99).status_code == 412
    first = ask_it(owner)
    assert (first.status_code, first.json()["number"], first.json()["accepted"]) == (201, 1, None), first.text
    assert refusal(ask_it(owner)) == (409, "already-asked")
    assert view(world, action)["status"] == "open", "it goes on meanwhile"
    waiting = world.http.get("/actions?asked=true", world.lead).json()["items"]
    assert [one["action_id"] for one in waiting] == [action["action_id"]]
    assert answer(first.json(), owner, accepted=True).status_code == 403
    assert answer(first.json(), world.manager, accepted=True).status_code == 403, "no approver"
    assert refusal(answer(first.json(), world.lead, accepted=False)) == (422, "reason")
    assert answer(first.json(), world.lead, accepted=False, reason="It is still needed.").status_code == 200
    assert refusal(answer(first.json(), world.lead, accepted=True)) == (409, "not-waiting")
    assert world.http.get("/actions?asked=true", world.lead).json()["items"] == []

    second = ask_it(owner).json()
    assert second["number"] == 2
    elsewhere = f"/actions/{other['action_id']}/cancellation-requests/{second['request_id']}/decision"
    assert world.http.post(elsewhere, world.lead, {"accepted": True}, version=other["version"]).status_code == 404
    assert answer(second, world.lead, accepted=True, reason="Another one does it.").status_code == 200
    found = view(world, action)
    assert (found["status"], found["cancel_reason"]) == ("cancelled", f"The round was moved. {PRIVATE}")
    assert [(c["number"], c["accepted"]) for c in found["cancellations"]] == [(1, False), (2, True)]
    assert refusal(ask_it(owner)) == (409, "wrong-status")
    chain = world.http.get(f"/incidents/{incident_id}/audit", world.lead).json()
    assert [e["action"] for e in chain[-5:]] == [
        "cancellation_asked_for", "cancellation_refused", "cancellation_asked_for", "cancellation_accepted",
        "cancelled",
    ]  # fmt: skip
    assert world.events(incident_id)[-1][0] == "action.cancelled"
    assert PRIVATE not in json.dumps([chain, world.events(incident_id)])


# --- reminders ---


def remind(world: World, action: dict[str, Any], at: str) -> contract.OwnerReminder:
    """The process reminds the owner."""
    with transaction(world.engine, world.provider) as session:
        command = contract.RemindOwner(
            command_id=f"remind:{at}", provider_id=world.provider, incident_id=UUID(action["incident_id"]),
            action_id=UUID(action["action_id"]),
        )  # fmt: skip
        return commands.remind_owner(session, command, world.clock.now(), system(world.provider))


def test_the_owner_is_reminded_before_it_is_due_where_the_policy_says_so(world: World) -> None:
    incident_id = world.incident()
    world.agree(incident_id)
    [opened] = world.open(incident_id, band=Band.MODERATE).actions
    assert opened.remind_at == opened.due_at - timedelta(days=3)
    action = view(world, {"action_id": opened.action_id})
    assert remind(world, action, "early") == contract.OwnerReminder()
    world.clock.advance(timedelta(days=12))
    first = remind(world, action, "now")
    assert first.person_id == world.owner.id
    assert remind(world, action, "now").notify == first.notify, "the same notice, told twice"
    world.finish(action)
    assert remind(world, action, "now") == contract.OwnerReminder()


def test_a_low_risk_has_no_reminder_before(world: World) -> None:
    incident_id = world.incident()
    world.agree(incident_id)
    [opened] = world.open(incident_id).actions
    assert opened.remind_at is None


def test_who_can_verify_is_told_before_it_is_due_whatever_the_risk(world: World) -> None:
    action = done(world)
    incident_id = UUID(action["incident_id"])
    _, said = world.events(incident_id)[-1]
    assert datetime.fromisoformat(said["remind_at"]) == world.clock.now() + timedelta(days=11)
    assert said["remind_role"] == "quality_lead"

    def told(people: list[UUID], step: str = "v") -> contract.OwnerReminder:
        with transaction(world.engine, world.provider) as session:
            command = contract.RemindVerifier(
                command_id=step, provider_id=world.provider, incident_id=incident_id,
                action_id=UUID(action["action_id"]), people=people,
            )  # fmt: skip
            return commands.remind_verifier(session, command, world.clock.now(), system(world.provider))

    assert told([world.owner.id]) == told([]) == contract.OwnerReminder(), "nobody who may verify"
    first = told([world.owner.id, world.lead.id, world.manager.id])
    assert (first.person_id, first) == (world.lead.id, told([world.owner.id, world.lead.id]))
    # Restricted meanwhile: not the one it is about. What is done from then on reminds who needs to know.
    world.tell(
        IncidentRestricted(
            incident_id=incident_id, revision=1, roles=[Role.SAFEGUARDING_LEAD], people=[world.lead.id, world.owner.id],
            excluded=[world.manager.id],
        )
    )  # fmt: skip
    assert told([world.manager.id], "w") == contract.OwnerReminder()
    returned = world.verify(action, world.make_actor(Role.SAFEGUARDING_LEAD), outcome="returned", finding="No.")
    assert told([world.lead.id], "w") == contract.OwnerReminder(), "it is with its owner again"
    world.finish(returned.json())
    assert world.events(incident_id)[-1][1]["remind_role"] == "safeguarding_lead"


def test_the_second_look_needs_a_known_record(world: World) -> None:
    assert again(world, done(world)).status_code == 409
    unknown = world.http.post(f"/actions/{uuid.uuid4()}/draws", world.lead, {"frame_size": 3, "size": 1})
    assert unknown.status_code == 404
