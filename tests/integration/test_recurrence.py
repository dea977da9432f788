"""A closed case that comes back: found at triage, explained, asked of a person, and nothing closes before the answer."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import Stage
from services.intake import commands
from services.intake.recurrence import policy
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from services.runtime.errors import ServiceError
from tests.conftest import MovableClock
from tests.integration.test_escalation import Rig
from tests.integration.test_policies import published
from tests.integration.test_restricted import an_allegation, deliver, events

STORY = "Found beside the bed at night, the sensor mat was unplugged and the call bell lay on the chair."
AGAIN = "Beside the bed again at night: sensor mat unplugged, call bell on the chair, out of reach."


@pytest.fixture
def rig(client: Any, service_engine: Callable[[str], Engine], clock: MovableClock) -> Rig:
    return Rig(client("intake"), service_engine("intake"), service_engine("intake_system"), clock)


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


@pytest.fixture
def lead(actor: Any) -> Actor:
    made: Actor = actor("quality_lead")
    return made


def close(rig: Rig, incident: str, cycle: int = 1) -> None:
    """What the process does at the end."""
    enter = contract.EnterStage(
        stage=Stage.CLOSED,
        cycle=cycle,
        due_at=None,
        next_move=None,
        **rig.identity(incident, f"{incident}:{cycle}:closed"),
    )
    with transaction(rig.engine, rig.provider) as session:
        commands.enter_stage(session, enter, rig.clock.now(), system(rig.provider))


def asked(rig: Rig, actor: Actor, incident: str) -> list[dict[str, Any]]:
    answer = rig.intake.get(f"/incidents/{incident}/recurrences", actor)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def closed_and_back(rig: Rig, lead: Actor, home: uuid.UUID, *, days: int = 40, **changes: Any) -> tuple[str, str]:
    """A case of a person that was closed, and a new one of the same person some time later, triaged."""
    person = str(uuid.uuid4())
    old = rig.report(lead, home, person_refs=[person], narrative=STORY)
    rig.triage(lead, old)
    close(rig, old)
    rig.clock.advance(timedelta(days=days))
    new = rig.report(lead, home, **{"person_refs": [person], "narrative": AGAIN, **changes})
    rig.triage(lead, new)
    return old, new


def test_what_comes_back_is_linked_and_explained(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    old, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    assert (question["closed_incident_id"], question["closed_cycle"], question["answer"]) == (old, 1, None)
    assert question["asked_role"] == "quality_lead"
    assert question["policy_version"] == "recurrence-1"
    grounds = {one["ground"]: one for one in question["grounds"]}
    assert set(grounds) == {"type", "person", "place", "time_of_day", "wording"}
    assert {name: one["weight"] for name, one in grounds.items()} == {
        "type": 4, "person": 3, "place": 2, "time_of_day": 1, "wording": 2,
    }  # fmt: skip
    assert grounds["type"]["what"] == "fall"
    assert {"bell", "sensor"} <= set(grounds["wording"]["what"].split(", "))
    assert question["score"] == 12
    # From both sides.
    assert asked(rig, lead, old) == [question]
    # The words stay here.
    with transaction(rig.engine, rig.provider) as session:
        said = str(session.execute(text("select data from intake.outbox")).all())
        said += str(session.execute(text("select data from intake.audit_entry")).all())
    assert "sensor" not in said
    waiting = [one for one in rig.intake.get("/inbox", lead).json()["duties"] if one["kind"] == "recurrence"]
    assert [(one["incident_id"], one["subject_id"], one["late"]) for one in waiting] == [
        (new, question["recurrence_id"], False)
    ]


def test_a_provider_has_a_recurrence_policy_of_its_own_and_a_question_keeps_the_version_that_asked(
    rig: Rig, lead: Actor, home: uuid.UUID, actor: Any
) -> None:
    _, before = closed_and_back(rig, lead, home)
    source = (Path(policy.__file__).parents[1] / "policies" / "recurrence.yaml").read_text()
    own = source.replace("recurrence-1", "own-1").replace("watch_days: 365", "watch_days: 30")
    own = own.replace("decides: [quality_lead, director]", "decides: [quality_lead, regional_manager]")
    published(rig.intake, lead, actor("director"), own, "recurrence")
    _, late = closed_and_back(rig, lead, home)
    assert asked(rig, lead, late) == [], "forty days are longer than it watches"
    _, new = closed_and_back(rig, lead, home, days=20)
    [question] = asked(rig, lead, new)
    assert question["policy_version"] == "own-1"
    body, director = {"answer": "not_the_same", "reason": "Another bed."}, actor("director")
    assert (
        rig.intake.post(f"/recurrences/{question['recurrence_id']}/answer", director, body, version=1).status_code
        == 403
    )
    [old] = [one for one in asked(rig, lead, before) if one["policy_version"] == "recurrence-1"]
    assert rig.intake.post(f"/recurrences/{old['recurrence_id']}/answer", director, body, version=1).status_code == 200


def test_nothing_closes_before_the_answer_and_reopening_keeps_the_cycle(
    rig: Rig, lead: Actor, home: uuid.UUID, actor: Any
) -> None:
    old, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    with pytest.raises(ServiceError) as blocked:
        close(rig, new)
    assert "recurrence" in str(blocked.value.detail)
    withdrawn = rig.intake.post(f"/incidents/{new}/withdrawal", lead, {"reason": "In error."}, version=2)
    assert (withdrawn.status_code, withdrawn.json()["type"]) == (409, "/problems/still-undecided")
    assert "recurrence" in withdrawn.json()["detail"]
    path = f"/recurrences/{question['recurrence_id']}/answer"
    body = {"answer": "reopen", "reason": "The mat was to be checked each evening. It was not.", "stage": "acting"}
    assert rig.intake.post(path, actor("carer"), body, version=1).status_code == 403
    assert rig.intake.post(path, actor("registered_manager", locations=[home]), body, version=1).status_code == 403
    assert rig.intake.post(path, actor("quality_lead", locations=[uuid.uuid4()]), body, version=1).status_code == 404
    assert rig.intake.post(path, actor("quality_lead", provider=uuid.uuid4()), body, version=1).status_code == 404
    for field, wrong in (("stage", {**body, "stage": None}), ("reason", {**body, "reason": ""}), ("stage", {**body, "answer": "not_the_same"})):  # fmt: skip
        refused = rig.intake.post(path, lead, wrong, version=1)
        assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, [field])
    assert rig.intake.call("POST", path, lead, body).status_code == 428
    assert rig.intake.post(path, lead, body, version=7).status_code == 412
    once = str(uuid.uuid4())
    done = rig.intake.post(path, lead, body, version=1, key=once)
    assert (done.status_code, done.headers["ETag"]) == (200, '"2"'), done.text
    assert rig.intake.post(path, lead, body, version=1, key=once).json() == done.json(), "sent again, once"
    assert rig.intake.post(path, lead, body, version=2).json()["type"] == "/problems/already-answered"
    record = rig.intake.get(f"/incidents/{old}", lead).json()
    assert (record["stage"], record["cycle"]) == ("acting", 2)
    left = rig.intake.get("/inbox", lead).json()["duties"]
    assert "recurrence" not in {duty["kind"] for duty in left}
    close(rig, new)
    for incident, action in ((old, "reopened"), (new, "recurrence_answered")):
        chain = rig.intake.get(f"/incidents/{incident}/audit", lead).json()
        assert audit.verify(chain) is None
        assert [entry["actor"] for entry in chain if entry["action"] == action] == [str(lead.id)]
    said = [e["data"] for e in events(rig.engine, rig.provider) if "recurrence_answered" in e["type"]]
    assert [(one["answer"], one["reopened"]) for one in said] == [("reopen", True)]


def test_not_the_same_needs_a_reason_and_leaves_the_closed_case(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    old, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    path = f"/recurrences/{question['recurrence_id']}"
    body = {"answer": "not_the_same", "reason": "The mat worked. She tripped over the cable of a lamp."}
    assert rig.intake.post(f"{path}/answer", lead, body, version=1).status_code == 200
    kept = rig.intake.get(path, lead).json()
    assert (kept["answer"], kept["reason"], kept["answered_by"]) == ("not_the_same", body["reason"], str(lead.id))
    assert rig.intake.get(f"/incidents/{old}", lead).json()["stage"] == "closed"
    close(rig, new)
    # Triaged again, it is not asked again.
    third = rig.report(lead, home, narrative=AGAIN)
    rig.triage(lead, third)
    before = asked(rig, lead, third)
    rig.triage(lead, third, reason="The mark on the hip is larger.")
    assert asked(rig, lead, third) == before


def test_two_incidents_may_bring_the_same_case_back_and_it_is_opened_once(
    rig: Rig, lead: Actor, home: uuid.UUID
) -> None:
    person = str(uuid.uuid4())
    old = rig.report(lead, home, person_refs=[person], narrative=STORY)
    rig.triage(lead, old)
    close(rig, old)
    rig.clock.advance(timedelta(days=10))
    new = [rig.report(lead, home, person_refs=[person]) for _ in range(2)]
    for incident in new:
        rig.triage(lead, incident)
    body = {"answer": "reopen", "reason": "It came back.", "stage": "reviewing"}
    for incident in new:
        [question] = asked(rig, lead, incident)
        assert rig.intake.post(f"/recurrences/{question['recurrence_id']}/answer", lead, body, version=1).is_success
    record = rig.intake.get(f"/incidents/{old}", lead).json()
    assert (record["stage"], record["cycle"]) == ("reviewing", 2)


@pytest.mark.parametrize(
    ("days", "changes"),
    [
        (400, {}),  # no longer watched
        (40, {"person_refs": [], "narrative": "Slipped in the garden."}),  # one of many falls of the home
        (40, {"category": "medication", "narrative": "A dose was missed at noon."}),
    ],
)
def test_what_is_not_like_it_is_not_asked(
    rig: Rig, lead: Actor, home: uuid.UUID, days: int, changes: dict[str, Any]
) -> None:
    _, new = closed_and_back(rig, lead, home, days=days, **changes)
    assert asked(rig, lead, new) == []


def test_good_care_brings_nothing_back(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    good = {"kind": "good_care", "actual_harm": "none"}
    person = str(uuid.uuid4())
    old = rig.report(lead, home, person_refs=[person], narrative=STORY)
    rig.triage(lead, old)
    close(rig, old)
    praise = rig.report(lead, home, person_refs=[person], narrative=AGAIN, kind=good["kind"])
    rig.triage(lead, praise, actual_harm=good["actual_harm"])
    assert asked(rig, lead, praise) == []


def test_circumstances_in_codes_count_as_a_factor(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    both = {"category": "infection", "narrative": "It was dirty."}
    old = rig.report(lead, home, **both)
    option = "hoist_or_sling"

    def answered(incident: str) -> None:
        version = int(rig.intake.get(f"/incidents/{incident}", lead).headers["ETag"].strip('"'))
        body = {"answers": {"equipment": option}}
        answer = rig.intake.put(f"/incidents/{incident}/answers", lead, body, version=version)
        assert answer.status_code == 200, answer.text

    answered(old)
    rig.triage(lead, old)
    # No outbreak: else it would not close.
    assert rig.intake.put(f"/incidents/{old}/facts", lead, {"linked_infections": 1}, version=0).is_success
    close(rig, old)
    rig.clock.advance(timedelta(days=30))
    new = rig.report(lead, home, **both)
    answered(new)
    rig.triage(lead, new)
    [question] = asked(rig, lead, new)
    assert {"ground": "factor", "weight": 2, "what": f"equipment: {option}"} in question["grounds"]
    assert question["score"] == 9, "with type, place and time of day, and no person known"


def test_nobody_answers_so_the_ladder_is_called_again_and_again(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    _, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    started: list[str] = []
    for late in range(1, 6):
        with transaction(rig.engine, rig.provider) as session:
            found = session.execute(
                text("select clock_id, revision, due_at from intake.clock where subject_id = :subject"),
                {"subject": question["recurrence_id"]},
            ).one()
        clock = contract.RunningClock(clock_id=found.clock_id, revision=found.revision, due_at=found.due_at)
        if late == 1:
            assert clock.due_at == datetime.fromisoformat(question["due_at"])
        rung = rig.ring(new, clock)
        assert rung.due_at == rig.clock.now() + timedelta(hours=24)
        started = [one["rule"] for one in rig.requested(new)]
    assert [rule for rule in dict.fromkeys(started) if rule.startswith("overdue")] == [
        "overdue", "overdue-again", "overdue-still",
    ]  # fmt: skip
    [waiting] = [one for one in rig.intake.get("/inbox", lead).json()["duties"] if one["kind"] == "recurrence"]
    assert waiting["late"]
    body = {"answer": "not_the_same", "reason": "Another cause."}
    assert rig.intake.post(f"/recurrences/{question['recurrence_id']}/answer", lead, body, version=1).is_success
    with transaction(rig.engine, rig.provider) as session:
        due = session.scalar(
            text("select due_at from intake.clock where subject_id = :s"), {"s": question["recurrence_id"]}
        )
    assert due is None


def test_the_digest_tells_whoever_is_asked_until_it_is_answered(rig: Rig, lead: Actor, home: uuid.UUID) -> None:
    _, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)

    def told() -> bool:
        found = rig._run["list_waiting"](contract.ListWaiting(limit=10_000)).waiting
        return ("quality_lead", home) in {(str(one.role), one.location_id) for one in found}

    assert told()
    body = {"answer": "not_the_same", "reason": "Another cause."}
    assert rig.intake.post(f"/recurrences/{question['recurrence_id']}/answer", lead, body, version=1).is_success
    assert not told()


def test_nobody_learns_of_a_restricted_case_by_the_question(rig: Rig, lead: Actor, home: uuid.UUID, actor: Any) -> None:
    keeper, person, accused = actor("safeguarding_lead"), str(uuid.uuid4()), uuid.uuid4()

    def allegation(**changes: Any) -> str:
        body = an_allegation(home, rig.clock.now(), person_refs=[person], **changes)
        made = rig.intake.post("/incidents", actor("carer"), body)
        assert made.status_code == 201, made.text
        return str(made.json()["incident_id"])

    def settle(incident: str) -> None:
        """Decide what keeps it open: not what is tested here."""
        with transaction(rig.engine, rig.provider) as session:
            session.execute(text("update intake.blocker set lifted_at = now() where incident_id = :i"), {"i": incident})

    rig.provider = lead.provider_id
    old = allegation(about_staff=[str(accused)])
    rig.triage(keeper, old, 3, 3, reason="As known.")
    settle(old)
    close(rig, old)
    rig.clock.advance(timedelta(days=30))
    # Not restricted: seen by many, and asked about nothing.
    plain = allegation(not_about_staff=True)
    rig.triage(keeper, plain, 3, 3, reason="As known.")
    assert asked(rig, keeper, plain) == []
    # Restricted to others than may see the closed one: neither.
    other = allegation(about_staff=[str(uuid.uuid4())])
    rig.triage(keeper, other, 3, 3, reason="As known.")
    assert asked(rig, keeper, other) == []
    # Restricted to the same: asked, of those who need to know, and told to nobody else.
    same = allegation(about_staff=[str(accused)])
    rig.triage(keeper, same, 3, 3, reason="As known.")
    [question] = asked(rig, keeper, same)
    assert (question["closed_incident_id"], question["asked_role"]) == (old, "safeguarding_lead")
    assert rig.intake.get(f"/recurrences/{question['recurrence_id']}", lead).status_code == 404
    assert not [d for d in rig.intake.get("/inbox", lead).json()["duties"] if d["kind"] == "recurrence"]
    assert [d for d in rig.intake.get("/inbox", keeper).json()["duties"] if d["kind"] == "recurrence"]
    body = {"answer": "reopen", "reason": "The same person, the same way.", "stage": "reviewing"}
    path = f"/recurrences/{question['recurrence_id']}/answer"
    assert rig.intake.post(path, lead, body, version=1).status_code == 404
    assert rig.intake.post(path, keeper, body, version=1).status_code == 200


def test_a_closed_case_that_is_restricted_later_is_hidden_with_its_question(
    rig: Rig, lead: Actor, home: uuid.UUID, actor: Any
) -> None:
    old, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    keeper = actor("safeguarding_lead")
    restricted = {"people": [], "excluded": [], "reason": "It turns out to be about staff."}
    assert rig.intake.put(f"/incidents/{old}/access", keeper, restricted, version=0).status_code == 200
    assert asked(rig, lead, new) == []
    assert rig.intake.get(f"/recurrences/{question['recurrence_id']}", lead).status_code == 404
    assert [one["recurrence_id"] for one in asked(rig, keeper, new)] == [question["recurrence_id"]]
    body = {"answer": "not_the_same", "reason": "Another cause."}
    path = f"/recurrences/{question['recurrence_id']}/answer"
    assert rig.intake.post(path, lead, body, version=1).status_code == 404
    assert rig.intake.post(path, keeper, body, version=1).status_code == 200


def test_reporting_tells_it_without_naming_the_closed_case(
    rig: Rig, lead: Actor, home: uuid.UUID, client: Any, service_engine: Callable[[str], Engine]
) -> None:
    old, new = closed_and_back(rig, lead, home)
    [question] = asked(rig, lead, new)
    body = {"answer": "reopen", "reason": "It came back.", "stage": "reviewing"}
    assert rig.intake.post(f"/recurrences/{question['recurrence_id']}/answer", lead, body, version=1).is_success
    deliver(service_engine("reporting"), "reporting", events(rig.engine, rig.provider))
    timeline = client("reporting").get(f"/incidents/{new}/timeline", lead)
    said = [one["what"] for one in timeline.json()["entries"]]
    assert any(one.startswith("It is like a case that was closed: the quality lead says by") for one in said), said
    assert "Said of the closed case that is like it: it is opened again." in said
    assert old not in timeline.text
