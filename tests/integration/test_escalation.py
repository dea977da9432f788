"""The ladder on a real database: what starts it, how it climbs, who may answer, and everything that can be wrong."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import EscalationReason, Role
from services.intake.activities import build
from services.intake.escalation import commands as ladder
from services.intake.escalation import policy
from services.intake.store import Incident
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from services.runtime.process import Context
from tests.conftest import MovableClock, ServiceClient

LADDER = policy.shipped().ladder


class Rig:
    """Intake with its activities, and a directory that knows who is on call."""

    def __init__(self, intake: ServiceClient, engine: Engine, system_engine: Engine, clock: MovableClock) -> None:
        self.intake, self.engine, self.clock = intake, engine, clock
        self.on_call: dict[str, uuid.UUID] = {}
        self._run = {f.__name__: f for f in build(Context(engine, system_engine, clock))}
        self.provider: uuid.UUID = uuid.UUID(int=1)

    def identity(self, incident: str, command: str) -> dict[str, Any]:
        return {"command_id": command, "provider_id": self.provider, "incident_id": uuid.UUID(incident)}

    def report(self, actor: Actor, home: uuid.UUID, **changes: Any) -> str:
        self.provider = actor.provider_id
        body = {
            "location_id": str(home), "occurred_at": (self.clock.now() - timedelta(minutes=5)).isoformat(),
            "category": "fall", "immediate_danger": False, "narrative": "Found on the floor.", **changes,
        }  # fmt: skip
        answer = self.intake.post("/incidents", actor, body)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["incident_id"]
        return made

    def triage(self, actor: Actor, incident: str, consequence: int = 2, likelihood: int = 3, **changes: Any) -> None:
        seen = self.intake.get(f"/incidents/{incident}/earlier", actor).json()["total"]
        scores = {"consequence": consequence, "likelihood": likelihood}
        body = {"actual_harm": "low", "earlier_seen": seen, **scores, **changes}
        version = int(self.intake.get(f"/incidents/{incident}", actor).headers["ETag"].strip('"'))
        answer = self.intake.post(f"/incidents/{incident}/triage", actor, body, version=version)
        assert answer.status_code == 200, answer.text

    def wanted(self, incident: str) -> contract.Climb | None:
        with transaction(self.engine, self.provider) as session:
            return ladder.pending(session, uuid.UUID(incident))

    def call(self, incident: str, climb: contract.Climb | None = None, *others: Actor) -> contract.Escalated:
        """What the process does for one rung; `others` stand on it too."""
        climb = climb or self.wanted(incident)
        assert climb is not None
        escalate = contract.Escalate(
            run_id=climb.run_id, step=climb.step, to_role=climb.role, to_person=self.on_call.get(climb.role),
            others=[contract.OnRung(role=climb.role, person_id=one.id) for one in others],
            **self.identity(incident, f"{incident}:ladder:{climb.run_id}:{climb.step}"),
        )  # fmt: skip
        answer: contract.Escalated = self._run["escalate"](escalate)
        assert self._run["escalate"](escalate) == answer, "the same command twice is one call"
        return answer

    def ring(self, incident: str, clock: contract.RunningClock) -> contract.Rung:
        self.clock.advance(max(clock.due_at - self.clock.now(), timedelta()))
        command = contract.RingClock(
            clock_id=clock.clock_id, revision=clock.revision, **self.identity(incident, f"ring:{clock.revision}")
        )
        rung: contract.Rung = self._run["ring_clock"](command)
        again: contract.Rung = self._run["ring_clock"](command)
        assert again.climb == rung.climb, "rung twice, it climbs once"
        return rung

    def request(self, incident: str, command: str, reason: EscalationReason, count: int = 1) -> contract.Requested:
        asked = contract.RequestEscalation(
            reason=reason, about=command, count=count, **self.identity(incident, command)
        )
        answer: contract.Requested = self._run["request_escalation"](asked)
        return answer

    def calls(self, actor: Actor, incident: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.intake.get(f"/incidents/{incident}/escalations", actor).json()
        return found

    def acknowledge(self, actor: Actor, incident: str, call: dict[str, Any], **arguments: Any) -> Any:
        path = f"/incidents/{incident}/escalations/{call['escalation_id']}/acknowledgement"
        return self.intake.post(path, actor, **arguments)

    def watch_glass(self, incident: str, breaker: Actor) -> contract.ConcernWatch:
        """What the process asks that was started by the word of the broken glass."""
        with transaction(self.engine, self.provider) as session:
            [said] = session.scalars(
                text(
                    "select data from intake.outbox where key = :key and data ->> 'person_id' = :person"
                    " and type = 'plumbline.incident.break_glass_used.v1'"
                ),
                {"key": incident, "person": str(breaker.id)},
            )
        assert said["ended"] is True
        query = contract.WatchGlass(
            provider_id=self.provider, incident_id=uuid.UUID(incident), break_glass_id=said["break_glass_id"], looks=0
        )
        answer: contract.ConcernWatch = self._run["watch_glass"](query)
        return answer

    def requested(self, incident: str) -> list[dict[str, Any]]:
        """What the events asked of the process."""
        with transaction(self.engine, self.provider) as session:
            rows = session.execute(
                text(
                    "select data, urgent from intake.outbox where key = :key"
                    " and type = 'plumbline.incident.escalation_requested.v1' order by seq"
                ),
                {"key": incident},
            )
            return [dict(row.data, urgent=row.urgent) for row in rows]


@pytest.fixture(autouse=True)
def ladder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is only told, beside the ladder, is the subject of test_told.py."""
    alone = replace(policy.shipped(), tell=[])
    monkeypatch.setattr(policy, "shipped", lambda: alone)


@pytest.fixture
def rig(client: Any, service_engine: Callable[[str], Engine], clock: MovableClock) -> Rig:
    return Rig(client("intake"), service_engine("intake"), service_engine("intake_system"), clock)


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


@pytest.fixture
def people(actor: Any) -> SimpleNamespace:
    return SimpleNamespace(**{str(role): actor(role) for role in (*LADDER, "carer", "director", "quality_lead")})


# --- what starts it

NIGHT = datetime(2026, 6, 8, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("report", "night", "rule", "start"),
    [
        ({"immediate_danger": True}, False, "danger-now", "shift_lead"),
        ({"immediate_danger": True}, True, "danger-now-out-of-hours", "on_call_manager"),
        ({"category": "abuse_allegation"}, False, "allegation", "safeguarding_lead"),
        ({"category": "abuse_allegation", "not_about_staff": True}, False, "allegation", "registered_manager"),
        ({"category": "abuse_allegation", "kind": "near_miss"}, False, None, None),
        # Whatever the category: an allegation is one by whom it names.
        ({"category": "medication", "about_staff": [str(uuid.uuid4())]}, False, "allegation", "safeguarding_lead"),
        (
            {"category": "behaviour_distress", "about_staff": [str(uuid.uuid4())]},
            True,
            "allegation",
            "safeguarding_lead",
        ),
        ({"category": "medication", "kind": "good_care", "about_staff": [str(uuid.uuid4())]}, False, None, None),
        ({"category": "medication"}, False, None, None),
        ({"category": "death", "kind": "good_care"}, False, None, None),
        ({"category": "death"}, False, "death", "registered_manager"),
        ({"category": "abuse_allegation", "immediate_danger": True}, False, "allegation", "safeguarding_lead"),
        ({"category": "missing_person"}, True, "airway-or-missing-out-of-hours", "on_call_manager"),
        ({"category": "missing_person"}, False, None, None),
        ({"category": "choking"}, False, "airway", "shift_lead"),
        ({"category": "choking"}, True, "airway-or-missing-out-of-hours", "on_call_manager"),
        ({"category": "choking", "immediate_danger": True}, False, "danger-now", "shift_lead"),
        ({"category": "choking", "kind": "near_miss"}, False, None, None),
        ({"category": "fall"}, True, None, None),
    ],
)
def test_what_starts_the_ladder_at_the_report(
    rig: Rig, home: uuid.UUID, people: Any, report: dict[str, Any], night: bool, rule: str | None, start: str | None
) -> None:
    if night:
        rig.clock.advance(NIGHT - rig.clock.now())
    incident = rig.report(people.carer, home, **report)
    asked = rig.requested(incident)
    if rule is None:
        assert asked == []
        return
    assert [(one["rule"], one["role"], one["urgent"]) for one in asked] == [(rule, start, True)]
    assert asked[0]["policy_version"] == "escalation-3"
    assert LADDER[asked[0]["level"]] == start


@pytest.mark.parametrize(
    ("consequence", "likelihood", "night", "rule"),
    [(4, 4, False, "extreme-risk"), (4, 4, True, "extreme-risk"), (4, 2, False, "high-risk"),
     (4, 2, True, "high-risk-out-of-hours"), (2, 3, False, None)],
)  # fmt: skip
def test_the_band_starts_it_at_triage(
    rig: Rig, home: uuid.UUID, people: Any, consequence: int, likelihood: int, night: bool, rule: str | None
) -> None:
    if night:
        rig.clock.advance(NIGHT - rig.clock.now())
    incident = rig.report(people.carer, home)
    rig.triage(people.registered_manager, incident, consequence, likelihood)
    assert [one["rule"] for one in rig.requested(incident)] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("harm", "night", "rule"),
    [("severe", False, "severe-harm"), ("severe", True, "severe-harm-out-of-hours"), ("moderate", False, None)],
)
def test_severe_harm_calls_somebody_however_unlikely_it_is_to_happen_again(
    rig: Rig, home: uuid.UUID, people: Any, harm: str, night: bool, rule: str | None
) -> None:
    if night:
        rig.clock.advance(NIGHT - rig.clock.now())
    incident = rig.report(people.carer, home)
    rig.triage(people.registered_manager, incident, 4, 1, actual_harm=harm, reason="A step that is gone now.")
    assert rig.intake.get(f"/incidents/{incident}", people.registered_manager).json()["band"] == "moderate"
    assert [one["rule"] for one in rig.requested(incident)] == ([rule] if rule else [])


def test_harm_that_proves_severe_calls_once_though_the_band_stays(rig: Rig, home: uuid.UUID, people: Any) -> None:
    incident = rig.report(people.carer, home)
    manager = people.registered_manager
    rig.triage(manager, incident, 4, 1, actual_harm="moderate", reason="A step that is gone now.")
    assert rig.requested(incident) == []
    for reason in ("The hip is broken.", "Read once more."):
        rig.triage(manager, incident, 4, 1, actual_harm="severe", reason=reason)
        assert [(one["rule"], one["role"]) for one in rig.requested(incident)] == [
            ("severe-harm", "registered_manager")
        ]


def test_an_answer_that_cannot_wait_calls_once_and_what_is_more_urgent_calls_sooner(
    rig: Rig, home: uuid.UUID, people: Any
) -> None:
    rig.on_call = {role: getattr(people, role).id for role in LADDER}
    incident = rig.report(people.carer, home, category="medication")

    def answered(at: str, version: int, **answers: Any) -> list[tuple[str, str]]:
        done = rig.intake.put(f"/incidents/{at}/answers", people.carer, {"answers": answers}, version=version)
        assert done.status_code == 200, done.text
        return [(one["rule"], one["role"]) for one in rig.requested(at)]

    assert answered(incident, 1, medicine_class="laxative") == []
    called = [("high-risk-medicine", "registered_manager")]
    assert answered(incident, 2, medicine_class="insulin") == called
    rig.call(incident)
    assert answered(incident, 3, medicine_class="opioid", equipment="none") == called, "each rule once"
    # That four hours are given for one thing does not give them for another that wants its answer within one.
    rig.triage(people.quality_lead, incident, 4, 2)
    assert rig.requested(incident)[1]["rule"] == "high-risk"
    urgent = rig.call(incident)
    assert urgent.clock is not None
    assert urgent.clock.due_at == rig.clock.now() + timedelta(minutes=60)
    near = rig.report(people.carer, home, category="medication", kind="near_miss")
    assert answered(near, 1, medicine_class="insulin") == []
    gone = rig.report(people.carer, home, category="missing_person")
    assert answered(gone, 1, missing_urgency="after_a_search_of_the_place") == []
    assert answered(gone, 2, missing_urgency="at_once") == [("missing-and-urgent", "registered_manager")]


def test_only_a_change_for_the_worse_starts_it_again(rig: Rig, home: uuid.UUID, people: Any) -> None:
    rig.on_call = {"registered_manager": people.registered_manager.id}
    incident = rig.report(people.carer, home)
    rig.triage(people.quality_lead, incident, 4, 2)
    rig.call(incident)
    [call] = rig.calls(people.quality_lead, incident)
    assert rig.acknowledge(people.registered_manager, incident, call).status_code == 200
    rig.triage(people.quality_lead, incident, 4, 3, reason="Seen again.")
    assert rig.wanted(incident) is None
    rig.triage(people.quality_lead, incident, 5, 4, reason="A fracture was found.")
    assert [one["rule"] for one in rig.requested(incident)] == ["high-risk", "extreme-risk"]
    assert rig.wanted(incident) is not None
    # A death that is found is no second ladder beside the one that waits.
    rig.triage(people.quality_lead, incident, 5, 4, actual_harm="fatal", reason="She died.")
    assert len(rig.requested(incident)) == 2
    chain = rig.intake.get(f"/incidents/{incident}/audit", people.quality_lead).json()
    assert [e["data"]["rule"] for e in chain if e["action"] == "escalation_joined"] == ["death"]
    assert audit.verify(chain) is None


def test_a_third_of_the_same_type_at_one_place_in_four_weeks(
    rig: Rig, home: uuid.UUID, people: Any, place: Callable[..., uuid.UUID]
) -> None:
    manager = people.registered_manager

    def one(where: uuid.UUID, **changes: Any) -> list[str]:
        incident = rig.report(people.carer, where, **changes)
        rig.triage(manager, incident, actual_harm="none" if "kind" in changes else "low")
        return [asked["rule"] for asked in rig.requested(incident)]

    old = (rig.clock.now() - timedelta(days=29)).isoformat()
    assert one(home, occurred_at=old) == []
    assert one(home) == []
    assert one(home) == []
    assert one(home, category="medication") == []
    assert one(home, kind="good_care") == []
    assert one(place("intake")) == []
    assert one(home, kind="near_miss") == ["repeat"]
    # The place is known now: people are not called again for a week.
    assert one(home) == []
    rig.clock.advance(timedelta(days=8))
    assert one(home) == ["repeat"]


@pytest.mark.parametrize(
    ("earlier_days", "same_type", "rule"),
    [([6], True, "same-person-and-type-in-a-week"), ([8], True, None), ([8, 20], True, "same-person-and-type-in-four-weeks"),
     ([8, 29], True, None), ([6], False, None), ([8, 9, 10], False, "low-level-of-one-person")],
)  # fmt: skip
def test_a_repeat_of_one_person(
    rig: Rig, home: uuid.UUID, people: Any, place: Callable[..., uuid.UUID], earlier_days: list[int], same_type: bool,
    rule: str | None,
) -> None:  # fmt: skip
    person = uuid.uuid4()
    for days in earlier_days:
        at = (rig.clock.now() - timedelta(days=days)).isoformat()
        category = "fall" if same_type else "medication"
        affect(rig, rig.report(people.carer, place("intake"), occurred_at=at, category=category), person)
    with transaction(rig.engine, rig.provider) as session:
        session.execute(text("update intake.incident set band = 'low'"))
    incident = rig.report(people.carer, home)
    affect(rig, incident, person)
    rig.triage(people.registered_manager, incident, 1, 1, actual_harm="none", reason="Nothing came of it.")
    with transaction(rig.engine, rig.provider) as session:
        found = session.scalars(text("select detail from intake.ladder_run")).all()
    assert found == ([rule] if rule else [])


def affect(rig: Rig, incident: str, person: uuid.UUID) -> None:
    with transaction(rig.engine, rig.provider) as session:
        session.execute(
            text("insert into intake.affected_person (incident_id, person_ref, provider_id) values (:i, :p, :t)"),
            {"i": incident, "p": person, "t": rig.provider},
        )


def test_what_the_process_and_other_concepts_ask(rig: Rig, home: uuid.UUID, people: Any) -> None:
    incident = rig.report(people.carer, home)
    assert rig.request(incident, "v1", EscalationReason.VERIFICATION_FAILED, 1).climb is None
    first = rig.request(incident, "a", EscalationReason.OVERDUE)
    assert first.climb is not None
    assert first.climb.role is Role.REGISTERED_MANAGER
    assert rig.request(incident, "a", EscalationReason.OVERDUE) == first
    assert rig.request(incident, "b", EscalationReason.OVERDUE, 2) == first, "it joins the ladder that waits"
    raised = rig.request(incident, "c", EscalationReason.OVERDUE, 3)
    assert raised.climb is not None
    assert (raised.climb.role, raised.climb.step) == (Role.REGIONAL_MANAGER, 2)
    with transaction(rig.engine, rig.provider) as session:
        found = session.get_one(Incident, uuid.UUID(incident))
        ladder.request(session, system(rig.provider), found, EscalationReason.OBLIGATION_LATE, rig.clock.now(), count=2)
    assert [one["rule"] for one in rig.requested(incident)] == ["overdue", "overdue-again", "obligation-late-again"]
    # A call that was raised meanwhile is not made.
    assert rig.call(incident, first.climb).climb == rig.wanted(incident)
    assert rig.calls(people.quality_lead, incident) == []


# --- how it climbs


def test_an_unanswered_rung_climbs_and_the_top_is_called_again(rig: Rig, home: uuid.UUID, people: Any) -> None:
    rig.on_call = {role: getattr(people, role).id for role in LADDER}
    incident = rig.report(people.carer, home, category="death")
    climb, seen, waits = rig.wanted(incident), [], []
    for _ in range(9):
        answer = rig.call(incident, climb)
        assert answer.climb is None
        assert answer.notify is not None
        assert answer.clock is not None
        waits.append(answer.clock.due_at - rig.clock.now())
        climb = rig.ring(incident, answer.clock).climb
        assert climb is not None
        seen.append(climb.role)
    assert seen == [*LADDER[3:], "executive", "executive", "executive", "executive", "executive"]
    minutes = [int(wait.total_seconds() / 60) for wait in waits]
    assert minutes == [30, 30, 30, 30, 60, 240, 1440, 1440, 1440], "through the night, then the top by policy"
    calls = rig.calls(people.quality_lead, incident)
    assert [c["step"] for c in calls] == list(range(1, 10))
    assert {c["outcome"] for c in calls} == {"unanswered"}
    assert {(c["rule"], c["policy_version"]) for c in calls} == {("death", "escalation-3")}
    waiting = rig.intake.get("/inbox", people.executive).json()["escalations"]
    assert [(w["escalation_id"], w["by_name"]) for w in waiting] == [(calls[-1]["escalation_id"], True)]


def test_an_empty_rota_climbs_at_once_and_says_so(rig: Rig, home: uuid.UUID, people: Any) -> None:
    incident = rig.report(people.carer, home, immediate_danger=True)
    climb, steps = rig.wanted(incident), 0
    while climb is not None:
        answer = rig.call(incident, climb)
        climb, steps = answer.climb, steps + 1
        assert answer.notify is None
    assert steps == len(LADDER)
    calls = rig.calls(people.quality_lead, incident)
    assert [(c["to_role"], c["outcome"]) for c in calls] == [(str(role), "nobody_found") for role in LADDER]
    assert {c["to_person"] for c in calls} == {None}
    assert answer.clock is not None, "the top is called again"
    again = rig.ring(incident, answer.clock).climb
    assert again is not None
    assert (again.role, again.step) == ("executive", len(LADDER) + 1)
    # Somebody in the role sees it and answers, though nobody was found by name.
    [waiting] = rig.intake.get("/inbox", people.executive).json()["escalations"]
    assert waiting["by_name"] is False
    assert rig.acknowledge(people.executive, incident, waiting).json()["outcome"] == "acknowledged"
    assert rig.wanted(incident) is None


def test_an_answer_stops_the_ladder(rig: Rig, home: uuid.UUID, people: Any, actor: Any) -> None:
    rig.on_call = {role: getattr(people, role).id for role in LADDER}
    incident = rig.report(people.carer, home, category="abuse_allegation", not_about_staff=True)
    first = rig.call(incident)
    assert first.clock is not None
    second = rig.call(incident, rig.ring(incident, first.clock).climb)
    assert second.clock is not None
    low, high = rig.calls(people.quality_lead, incident)
    assert (low["to_role"], high["to_role"]) == ("registered_manager", "safeguarding_lead")

    # Only who was called, or a higher rung that was called too.
    for stranger in (people.carer, people.quality_lead, people.nominated_individual, people.shift_lead):
        refused = rig.acknowledge(stranger, incident, low)
        assert (refused.status_code, bool(refused.json()["detail"])) == (403, True)
    assert rig.acknowledge(people.registered_manager, incident, high).status_code == 403
    assert rig.acknowledge(actor("executive", provider=uuid.uuid4()), incident, low).status_code == 404
    assert rig.acknowledge(people.executive, incident, {"escalation_id": uuid.uuid4()}).status_code == 404
    assert rig.acknowledge(people.executive, incident, {"escalation_id": "x"}).status_code == 422

    answered = rig.acknowledge(people.safeguarding_lead, incident, low)
    assert answered.status_code == 200, answered.text
    assert (answered.json()["outcome"], answered.json()["acknowledged_by"]) == (
        "acknowledged", str(people.safeguarding_lead.id),
    )  # fmt: skip
    assert rig.acknowledge(people.registered_manager, incident, low).json() == answered.json()
    assert rig.acknowledge(people.safeguarding_lead, incident, high).json() == answered.json()
    assert [c["outcome"] for c in rig.calls(people.quality_lead, incident)] == ["acknowledged", "answered_elsewhere"]
    # The clock that was still on its way changes nothing.
    assert rig.ring(incident, second.clock) == contract.Rung(revision=second.clock.revision + 1, due_at=None)
    assert rig.intake.get("/inbox", people.registered_manager).json()["escalations"] == []
    with transaction(rig.engine, rig.provider) as session:
        [event] = session.scalars(
            text("select data from intake.outbox where type = 'plumbline.incident.escalation_acknowledged.v1'")
        ).all()
    assert set(event["answers"]) == {low["escalation_id"], high["escalation_id"]}


def test_somebody_called_from_elsewhere_may_answer(rig: Rig, home: uuid.UUID, people: Any, actor: Any) -> None:
    deputy = actor("registered_manager", locations=[uuid.uuid4()])
    rig.on_call = {"registered_manager": deputy.id}
    incident = rig.report(people.carer, home, category="death")
    rig.call(incident)
    [waiting] = rig.intake.get("/inbox", deputy).json()["escalations"]
    assert waiting["category"] == "death"
    assert rig.acknowledge(actor("registered_manager", locations=[uuid.uuid4()]), incident, waiting).status_code == 404
    assert rig.acknowledge(deputy, incident, waiting).status_code == 200


def test_nobody_is_called_for_an_incident_that_ended(rig: Rig, home: uuid.UUID, people: Any) -> None:
    rig.on_call = {"registered_manager": people.registered_manager.id}
    incident = rig.report(people.carer, home)
    rig.triage(people.quality_lead, incident, 4, 4)
    running = rig.call(incident).clock
    assert running is not None
    withdrawn = rig.intake.post(
        f"/incidents/{incident}/withdrawal", people.registered_manager, {"reason": "Test."}, version=2
    )
    assert withdrawn.status_code == 200
    assert rig.ring(incident, running).climb is None
    assert rig.request(incident, "late", EscalationReason.OVERDUE).climb is None
    assert rig.intake.get("/inbox", people.registered_manager).json()["escalations"] == []
    [call] = rig.calls(people.quality_lead, incident)
    assert rig.acknowledge(people.registered_manager, incident, call).status_code == 409


def test_the_inbox_keeps_the_routine_apart(rig: Rig, home: uuid.UUID, people: Any, actor: Any) -> None:
    for _ in range(3):
        rig.report(people.carer, home)
    rig.clock.advance(timedelta(hours=25))
    rig.report(people.carer, home)
    page = rig.intake.get("/inbox", people.registered_manager).json()
    assert page["escalations"] == []
    assert (page["routine_total"], page["routine_overdue"]) == (4, 3)
    assert [item["overdue"] for item in page["routine"]] == [True, True, True, False]
    assert rig.intake.get("/inbox", actor("registered_manager", locations=[uuid.uuid4()])).json()["routine_total"] == 0
    assert rig.intake.get("/inbox", people.carer).json()["routine_total"] == 0


# --- what is restricted


def test_the_first_on_a_rung_who_may_be_called_is(rig: Rig, home: uuid.UUID, people: Any, actor: Any) -> None:
    accused, another = people.safeguarding_lead, actor("safeguarding_lead")
    rig.on_call = {"safeguarding_lead": accused.id}
    incident = rig.report(people.carer, home, category="abuse_allegation", about_staff=[str(accused.id)])
    answer = rig.call(incident, None, another)
    assert (answer.to_person, answer.climb) == (another.id, None)
    assert answer.notify is not None
    [call] = rig.calls(another, incident)
    assert (call["to_person"], call["outcome"]) == (str(another.id), "waiting")
    assert rig.acknowledge(another, incident, call).status_code == 200
    # Where nobody else is, the ladder climbs.
    incident = rig.report(people.carer, home, category="abuse_allegation", about_staff=[str(accused.id)])
    answer = rig.call(incident)
    assert (answer.to_person, answer.notify) == (None, None)
    assert answer.climb is not None
    assert answer.climb.role is Role.REGIONAL_MANAGER


@pytest.mark.parametrize("high", [False, True])
def test_broken_glass_calls_somebody_else_wherever_the_ladder_stands(
    rig: Rig, home: uuid.UUID, people: Any, actor: Any, high: bool
) -> None:
    """Also where the ladder waits at or above the rung already, and never the person who broke it."""
    rig.on_call = {role: getattr(people, role).id for role in LADDER}
    breaker = people.director
    rig.on_call["executive"] = breaker.id
    incident = rig.report(people.carer, home, category="abuse_allegation")
    waiting = rig.call(incident)
    if high:
        assert waiting.clock is not None
        waiting = rig.call(incident, rig.ring(incident, waiting.clock).climb)
    why = {"reason": "I want to know what it is."}
    assert rig.intake.post(f"/incidents/{incident}/break-glass", breaker, why).status_code == 201
    assert [(one["rule"], one["role"]) for one in rig.requested(incident)] == [
        ("allegation", "safeguarding_lead"), ("break-glass", "safeguarding_lead"),
    ]  # fmt: skip
    answer, called = rig.call(incident), [people.safeguarding_lead.id]
    assert answer.to_person == called[0]
    for _ in LADDER[4:]:
        assert answer.clock is not None
        answer = rig.call(incident, rig.ring(incident, answer.clock).climb)
        called.append(answer.to_person)
    assert breaker.id not in called
    assert called[-1] is None, "the top is who broke it"
    # The other ladder is where it was, and goes on.
    assert waiting.clock is not None
    assert rig.ring(incident, waiting.clock).climb is not None
    mine = [c for c in rig.calls(people.safeguarding_lead, incident) if c["reason"] == "break_glass"]
    assert rig.acknowledge(people.nominated_individual, incident, mine[0]).status_code == 200
    assert rig.acknowledge(breaker, incident, mine[-1]).status_code in (403, 404)


@pytest.mark.parametrize("narrowed", [None, {"band": ["high"]}, {"kind": ["incident"]}, {"at_least": 2}])
def test_a_policy_that_lets_glass_break_unheard_is_refused(tmp_path: Path, narrowed: dict[str, Any] | None) -> None:
    document = yaml.safe_load((Path(policy.__file__).parents[1] / "policies" / "escalation.yaml").read_text())
    [rule] = [rule for rule in document["rules"] if rule["reason"] == "break_glass"]
    if narrowed is None:
        document["rules"].remove(rule)
    else:
        rule.update(narrowed)
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match="whenever the glass is broken"):
        policy.load(tmp_path / "policy.yaml")


def test_broken_glass_of_a_closed_incident_waits_in_the_inbox(rig: Rig, home: uuid.UUID, people: Any) -> None:
    incident = rig.report(people.carer, home, category="abuse_allegation")
    with transaction(rig.engine, rig.provider) as session:
        session.execute(text("update intake.incident set stage = 'closed' where incident_id = :id"), {"id": incident})
    path = f"/incidents/{incident}"
    why = {"reason": "I want to know what it is."}
    assert rig.intake.post(f"{path}/break-glass", people.director, why).status_code == 201
    assert rig.intake.get("/inbox", people.director).json()["escalations"] == []
    watch = rig.watch_glass(incident, people.director)
    assert (watch.waits, watch.late, watch.location_id) == (True, True, home)
    assert watch.roles == [Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL]
    assert (watch.away, watch.next_at > rig.clock.now()) == ([people.director.id], True)
    for who in (people.safeguarding_lead, people.nominated_individual):
        [waiting] = rig.intake.get("/inbox", who).json()["escalations"]
        assert (waiting["reason"], waiting["to_role"]) == ("break_glass", who.role)
    assert rig.acknowledge(people.director, incident, waiting).status_code == 404
    assert rig.acknowledge(people.nominated_individual, incident, waiting).json()["outcome"] == "acknowledged"
    assert not rig.watch_glass(incident, people.director).waits
    assert rig.intake.get("/inbox", people.safeguarding_lead).json()["escalations"] == []
    chain = rig.intake.get(f"{path}/audit", people.safeguarding_lead).json()
    assert audit.verify(chain) is None
    assert [e["action"] for e in chain if e["action"] in ("break_glass", "escalated", "escalation_acknowledged")] == [
        "break_glass", "escalated", "escalated", "escalation_acknowledged",
    ]  # fmt: skip
