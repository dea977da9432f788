"""What a report promises, and what is asked for until it is answered."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.intake.speak_up import policy
from tests.conftest import ServiceClient


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def receipt(intake: ServiceClient, place: Callable[..., uuid.UUID], actor: Any, now: datetime) -> dict[str, Any]:
    body = {
        "location_id": str(place("intake")), "occurred_at": (now - timedelta(hours=1)).isoformat(),
        "category": "behaviour_distress", "immediate_danger": False, "narrative": "He wants to leave.",
    }  # fmt: skip
    made: dict[str, Any] = intake.post("/incidents", actor("carer"), body).json()
    return made


def test_a_reporter_is_told_what_they_may_rely_on(receipt: dict[str, Any]) -> None:
    assert receipt["fair_blame"] == policy.shipped().fair_blame
    assert "good faith" in receipt["fair_blame"]


def test_an_application_asks_for_its_outcome(intake: ServiceClient, receipt: dict[str, Any], actor: Any) -> None:
    manager, incident = actor("registered_manager"), f"/incidents/{receipt['incident_id']}"

    def notice() -> dict[str, Any]:
        rows = intake.get(f"{incident}/obligations", manager).json()["obligations"]
        (row,) = [one for one in rows if one["rule"] == "cqc-deprivation-of-liberty"]
        found: dict[str, Any] = row
        return found

    assert intake.put(f"{incident}/facts", manager, {"dols_status": "applied"}, version=0).status_code == 200
    asked = notice()
    assert (asked["outcome"], asked["must_decide"], asked["state"]) == ("suggested", True, "to_decide")
    assert asked["provider_warn_at"] is not None
    assert asked["statutory_due_at"] is None
    # Whatever was said while it was awaited, the outcome asks anew.
    none = {"decision": "not_notify", "reason": "Nothing is due before the outcome."}
    path = f"/obligations/{asked['obligation_id']}/decision"
    assert intake.post(path, manager, none, version=asked["version"]).status_code == 200
    assert intake.put(f"{incident}/facts", manager, {"dols_status": "granted"}, version=1).status_code == 200
    again = notice()
    assert (again["outcome"], again["state"], again["round"]) == ("triggered", "to_decide", 2)
