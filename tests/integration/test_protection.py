"""What protects people after an incident: recorded with why and how it ends, looked at by its date, and nobody forgets it."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import ProtectionKind
from services.intake import clocks
from services.intake.protection import commands, policy
from services.runtime import audit
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.errors import ServiceError
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_details import report
from tests.integration.test_restricted import events

DAY = timedelta(days=1)


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


def a_restriction(now: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "restriction", "concerns": "P1", "what": "The garden door is locked after dark.",
        "reason": "P1 went out in the snow twice.", "least_restrictive": "A sensor was tried; nobody hears it at night.",
        "ends_when": "Three weeks without going out at night.", "started_at": now.isoformat(),
        "look_again_at": (now + 7 * DAY).isoformat(), **changes,
    }  # fmt: skip


def a_plan(now: datetime, **changes: Any) -> dict[str, Any]:
    return {
        **a_restriction(now), "kind": "between_residents", "least_restrictive": None, "concerns": "P1 and P2",
        "what": "Each eats at a table of their own; both have somebody to talk to.",
        "look_again_at": (now + 180 * DAY).isoformat(), **changes,
    }  # fmt: skip


def ring(engine: Engine, provider: uuid.UUID, subject: str, at: datetime) -> datetime | None:
    query = text("select * from intake.clock where subject_id = :id")
    with transaction(engine, provider) as session:
        (row,) = session.execute(query, {"id": subject}).all()
        command = contract.RingClock(
            command_id=f"ring-{row.revision}", provider_id=provider, incident_id=row.incident_id, clock_id=row.clock_id,
            revision=row.revision,
        )  # fmt: skip
        return clocks.ring(session, command, at, system(provider)).due_at


def test_a_restriction_is_recorded_looked_at_and_ended(
    intake: ServiceClient, place: Callable[..., uuid.UUID], actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    manager, home = actor("registered_manager"), place("intake")
    incident = report(intake, actor("carer"), home, now, category="behaviour_distress")
    path = f"{incident}/protections"
    assert intake.post(path, actor("carer"), a_restriction(now)).status_code == 403
    assert (
        intake.post(path, actor("registered_manager", locations=[uuid.uuid4()]), a_restriction(now)).status_code == 404
    )
    for field, wrong in (
        ("least_restrictive", None), ("reason", ""), ("ends_when", ""), ("kind", "lock"),
        ("started_at", (now + DAY).isoformat()),
        ("look_again_at", (now + 8 * DAY).isoformat()), ("look_again_at", now.isoformat()),
    ):  # fmt: skip
        refused = intake.post(path, manager, a_restriction(now, **{field: wrong}))
        assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, [field])
    assert intake.get(path, manager).json() == [], "nothing half-written"
    made = intake.post(path, manager, a_restriction(now))
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"'), made.text
    one = f"/protections/{made.json()['protection_id']}"
    ended = intake.post(f"{incident}/withdrawal", manager, {"reason": "It was elsewhere."}, version=1)
    assert (ended.status_code, "protection" in ended.json()["detail"]) == (409, True)

    later = {"found": "P1 sleeps better.", "look_again_at": (now + 13 * DAY).isoformat()}
    clock.advance(6 * DAY)
    assert intake.post(f"{one}/look", manager, later, version=2).status_code == 412
    looked = intake.post(f"{one}/look", manager, later, version=1)
    assert [row["found"] for row in looked.json()["history"]] == ["P1 sleeps better."], looked.text
    over = intake.post(f"{one}/end", manager, {"ending": "lifted", "reason": "Three weeks are over."}, version=2)
    assert (over.status_code, over.json()["ending"]) == (200, "lifted")
    assert intake.post(f"{one}/look", manager, later, version=3).json()["type"] == "/problems/already-ended"
    assert intake.get(one, manager).headers["ETag"] == '"3"'
    gone = intake.post(f"{incident}/withdrawal", manager, {"reason": "It was elsewhere."}, version=1)
    assert "protection" not in gone.json().get("detail", "")
    chain = intake.get(f"{incident}/audit", manager).json()
    assert audit.verify(chain) is None
    said = str(events(service_engine("intake"), manager.provider_id)) + str(chain)
    for words in ("P1", "garden", "snow", "sensor", "Three weeks"):
        assert words not in said


def test_nobody_looks_so_somebody_is_called_until_it_is_looked_at(
    intake: ServiceClient, place: Callable[..., uuid.UUID], actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    manager, engine = actor("registered_manager"), service_engine("intake")
    incident = report(intake, actor("carer"), place("intake"), now, category="behaviour_distress")
    made = intake.post(f"{incident}/protections", manager, a_restriction(now)).json()
    one = made["protection_id"]

    def mine() -> list[tuple[str, bool]]:
        duties = intake.get("/inbox", manager).json()["duties"]
        return [(duty["waits_for"], duty["late"]) for duty in duties if duty["subject_id"] == one]

    assert mine() == []
    clock.advance(6 * DAY)
    assert mine() == [("restriction", False)], "in the inbox the day before"
    clock.advance(DAY)
    assert mine() == [("restriction", True)]
    assert ring(engine, manager.provider_id, one, clock.now()) == clock.now() + DAY
    clock.advance(DAY)
    assert ring(engine, manager.provider_id, one, clock.now()) == clock.now() + DAY, "and again"
    asked = [e["data"] for e in events(engine, manager.provider_id) if "escalation_requested" in e["type"]]
    assert {one["reason"] for one in asked} == {"overdue"}
    look = {"found": "Still needed.", "look_again_at": (clock.now() + 7 * DAY).isoformat()}
    looked = intake.post(f"/protections/{one}/look", manager, look, version=1)
    assert (looked.status_code, looked.json()["late"]) == (200, 0)
    assert mine() == []


def test_of_people_who_harmed_one_another_it_is_asked_again_within_six_months(
    intake: ServiceClient, place: Callable[..., uuid.UUID], actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    manager, carer = actor("registered_manager"), actor("carer")
    incident = report(intake, carer, place("intake"), now, category="behaviour_distress")
    said = {"answers": {"between_residents": True}}
    assert intake.put(f"{incident}/answers", carer, said, version=1).status_code == 200
    checks = {one["rule"]: one for one in intake.get(f"{incident}/checks", manager).json()}
    assert checks["plan-for-both"]["state"] == "to_do", "who says so is asked for the plan"
    late = intake.post(f"{incident}/protections", manager, a_plan(now, look_again_at=(now + 184 * DAY).isoformat()))
    assert [e["field"] for e in late.json()["errors"]] == ["look_again_at"]
    made = intake.post(f"{incident}/protections", manager, a_plan(now))
    assert made.status_code == 201, made.text
    one = made.json()["protection_id"]
    clock.advance(180 * DAY)
    [duty] = [d for d in intake.get("/inbox", manager).json()["duties"] if d["subject_id"] == one]
    assert (duty["waits_for"], duty["late"]) == ("between_residents", True)
    assert ring(service_engine("intake"), manager.provider_id, one, clock.now()) is not None
    look = {"found": "Calm since.", "look_again_at": (clock.now() + 180 * DAY).isoformat()}
    for wrong in ({}, {"medicines_reviewed_on": "2199-01-01"}, {"medicines_reviewed_on": str(now.date()), "medicines_not_reviewed_because": "No."}):  # fmt: skip
        refused = intake.post(f"/protections/{one}/look", manager, {**look, **wrong}, version=1)
        assert [e["field"] for e in refused.json()["errors"]] == ["medicines_reviewed_on"]
    reviewed = {**look, "medicines_reviewed_on": str(clock.now().date())}
    assert intake.post(f"/protections/{one}/look", manager, reviewed, version=1).status_code == 200


@given(kind=st.sampled_from(list(ProtectionKind)), hours=st.integers(-24 * 400, 24 * 400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_stands_longer_unlooked_at_than_its_kind_allows(
    kind: ProtectionKind, hours: int, now: datetime
) -> None:
    at = now + timedelta(hours=hours)
    allowed = 0 < hours <= 24 * policy.shipped().look_again_days_at_most[kind]
    try:
        commands._ahead(kind, at, now)
    except ServiceError:
        assert not allowed
    else:
        assert allowed
