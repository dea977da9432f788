"""Who is told beside the ladder: at once, once, without a clock, and never somebody who is not to know."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from services.contracts.taxonomy import EscalationReason, Role
from tests.conftest import MovableClock
from tests.integration.test_escalation import Rig


@pytest.fixture
def rig(client: Any, service_engine: Callable[[str], Engine], clock: MovableClock) -> Rig:
    return Rig(client("intake"), service_engine("intake"), service_engine("intake_system"), clock)


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def told(rig: Rig, incident: str) -> list[tuple[str, str]]:
    return [(one["rule"], one["role"]) for one in rig.requested(incident)]


def call_all(rig: Rig, incident: str) -> None:
    """As the process does: somebody stands on every rung."""
    rig.on_call = {role: uuid.uuid4() for role in Role}
    while (climb := rig.wanted(incident)) is not None:
        rig.call(incident, climb)


def test_who_is_told_of_what(rig: Rig, home: uuid.UUID, actor: Any) -> None:
    carer, manager = actor("carer"), actor("registered_manager")
    death = rig.report(carer, home, category="death")
    further_up = [("death", "regional_manager"), ("death", "nominated_individual")]
    assert told(rig, death) == [*further_up, ("death", "registered_manager")]
    choked = rig.report(carer, home, category="choking")
    assert told(rig, choked) == [("airway", "registered_manager"), ("airway", "shift_lead")]
    for category, answers, rules in (
        ("medication", {"clinical_advice": True}, ["advice-on-a-medicine"]),
        ("pressure_damage", {"pressure_category": "2"}, ["skin-broken"]),
        ("pressure_damage", {"pressure_category": "1"}, []),
        ("fall", {"clinical_advice": True}, []),
    ):
        incident = rig.report(carer, home, category=category)
        assert rig.intake.put(f"/incidents/{incident}/answers", carer, {"answers": answers}, version=1).is_success
        assert told(rig, incident) == [(rule, "registered_manager") for rule in rules]
    fall = rig.report(carer, home)
    assert told(rig, fall) == []
    rig.triage(manager, fall, 4, 4)
    again = [("extreme-risk", role) for role in ("regional_manager", "nominated_individual", "quality_lead")]
    assert told(rig, fall) == [*again, ("extreme-risk", "registered_manager")]
    rig.triage(manager, fall, 2, 2, reason="Seen again.")
    rig.triage(manager, fall, 5, 5, reason="And again.")
    assert told(rig, fall)[:4] == [*again, ("extreme-risk", "registered_manager")]
    assert sorted(told(rig, fall)[4:]) == [], "each is told once"


def test_several_people(rig: Rig, home: uuid.UUID, actor: Any) -> None:
    carer, manager = actor("carer"), actor("registered_manager")
    one, several = (
        rig.report(carer, home, category="missed_visit", person_refs=[str(uuid.uuid4()) for _ in range(count)])
        for count in (1, 2)
    )
    for incident in (one, several):
        rig.triage(manager, incident, 4, 2)
    assert ("several-people", "nominated_individual") not in told(rig, one)
    assert ("several-people", "nominated_individual") in told(rig, several)


def test_the_ladder_goes_first_and_whoever_is_told_starts_no_clock(rig: Rig, home: uuid.UUID, actor: Any) -> None:
    manager, individual = actor("registered_manager"), actor("nominated_individual")
    incident = rig.report(actor("carer"), home, category="death")
    first = rig.wanted(incident)
    assert first is not None
    assert first.role == "registered_manager"
    call_all(rig, incident)
    calls = {call["to_role"]: call for call in rig.calls(manager, incident)}
    assert set(calls) == {"registered_manager", "regional_manager", "nominated_individual"}
    assert calls["registered_manager"]["answer_due_at"] is not None
    assert calls["nominated_individual"]["answer_due_at"] is None
    assert rig.acknowledge(individual, incident, calls["nominated_individual"]).status_code == 200
    after = {call["to_role"]: call["outcome"] for call in rig.calls(manager, incident)}
    assert after["nominated_individual"] == "acknowledged"
    assert after["registered_manager"] == "waiting", "being told is not the answer of the ladder"


def test_of_a_restricted_incident_only_those_who_may_hear_are_told(rig: Rig, home: uuid.UUID, actor: Any) -> None:
    incident = rig.report(actor("carer"), home, category="abuse_allegation")
    roles = {role for _, role in told(rig, incident)}
    assert roles == {"safeguarding_lead", "nominated_individual"}


def test_the_quality_lead_is_told_of_the_third_of_a_type_across_the_services(
    rig: Rig, home: uuid.UUID, place: Callable[..., uuid.UUID], actor: Any
) -> None:
    carer, manager = actor("carer"), actor("registered_manager")

    def one(where: uuid.UUID, **changes: Any) -> list[tuple[str, str]]:
        incident = rig.report(carer, where, **{"category": "environment", **changes})
        rig.triage(manager, incident, 1, 1, actual_harm="none", reason="Nothing came of it.")
        return told(rig, incident)

    days = {n: (rig.clock.now() - timedelta(days=n)).isoformat() for n in (89, 91)}
    other, third = place("intake"), place("intake")
    assert one(home, occurred_at=days[91]) == [], "longer ago than 90 days"
    assert one(home, occurred_at=days[89]) == []
    assert one(other, category="missed_visit") == [], "of another type"
    assert one(other, kind="good_care") == []
    assert one(other, kind="near_miss") == [], "the second"
    assert one(third) == [("similar-across-services", "quality_lead")], "told, and no rung of the ladder called"
    assert one(place("intake")) == [], "within four weeks the type is spoken of once"
    rig.clock.advance(timedelta(days=29))
    assert one(place("intake")) == [("similar-across-services", "quality_lead")]


def test_only_what_wants_its_answer_soon_interrupts(rig: Rig, home: uuid.UUID, actor: Any) -> None:
    """What is overdue may wait a day, and who is told beside the ladder is asked for nothing: neither gets a text message at night."""
    above, manager = actor("nominated_individual"), actor("registered_manager", locations=[home])
    rig.on_call = {role: uuid.uuid4() for role in Role} | {Role.NOMINATED_INDIVIDUAL: above.id}
    death = rig.report(actor("carer"), home, category="death")
    called: dict[str, list[bool]] = {}
    while (climb := rig.wanted(death)) is not None:
        called.setdefault(climb.role, []).append(rig.call(death, climb).urgent)
    assert called == {"regional_manager": [False], "nominated_individual": [False], "registered_manager": [True]}
    shown = rig.intake.get("/inbox", above).json()["escalations"]
    assert [(one["incident_id"], one["to_answer"]) for one in shown] == [(death, False)]
    assert rig.intake.get("/inbox", manager).json()["escalations"][0]["to_answer"] is True
    late = rig.report(actor("carer"), home)
    rig.request(late, "late", EscalationReason.OVERDUE)
    assert rig.call(late).urgent is False, "what is overdue may wait for the morning"
