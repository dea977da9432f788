"""Discipline, police, inquest and claim: recorded for few, with dates of their own, and nothing of them joins the learning."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from services.runtime import audit
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_details import report
from tests.integration.test_restricted import events

DAY = timedelta(days=1)


def test_a_discipline_is_kept_apart_from_the_incident_that_it_is_about(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    intake, now = client("intake"), clock.now()
    manager, individual, other = actor("registered_manager"), actor("nominated_individual"), actor("director")
    incident = report(intake, actor("carer"), place("intake"), now)
    before = (intake.get(incident, manager).json(), intake.get(f"{incident}/audit", manager).json())
    told = len(events(service_engine("intake"), manager.provider_id))
    body = {
        "kind": "discipline", "about": "Whether LS falsified a chart.", "begun_at": now.isoformat(), "reference": "HR-7",
        "shared": "The chart itself, by the director.", "kept_apart": "What anybody said in the review.",
        "next_at": (now + 5 * DAY).isoformat(),
    }  # fmt: skip
    path = f"{incident}/proceedings"
    for who in ("carer", "registered_manager", "quality_lead"):
        assert intake.post(path, actor(who), body).status_code == 403
        assert intake.get(path, actor(who)).status_code == 403
    for field, wrong in (
        ("kept_apart", ""), ("shared", ""), ("kind", "gossip"),
        ("begun_at", (now + DAY).isoformat()), ("next_at", (now - DAY).isoformat()),
    ):  # fmt: skip
        refused = intake.post(path, individual, {**body, field: wrong})
        assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, [field])
    made = intake.post(path, individual, body)
    assert made.status_code == 201, made.text
    one = f"/proceedings/{made.json()['proceeding_id']}"
    assert [row["kept_apart"] for row in intake.get(path, other).json()] == ["What anybody said in the review."]

    clock.advance(4 * DAY)

    def mine(who: Any) -> list[str]:
        return [d["waits_for"] for d in intake.get("/inbox", who).json()["duties"] if d["kind"] == "proceeding"]

    assert (mine(individual), mine(manager)) == (["discipline"], []), "its date is for those who keep it"
    noted = {"said": "The hearing was put off.", "next_at": (clock.now() + 9 * DAY).isoformat()}
    assert intake.post(f"{one}/notes", individual, noted, version=2).status_code == 412
    assert intake.post(f"{one}/notes", individual, noted, version=1).json()["history"][0]["said"] == noted["said"]
    assert mine(individual) == []
    early = {"outcome": "No case.", "ended_at": (now - DAY).isoformat()}
    assert [e["field"] for e in intake.post(f"{one}/end", other, early, version=2).json()["errors"]] == ["ended_at"]
    ended = intake.post(f"{one}/end", other, {**early, "ended_at": clock.now().isoformat()}, version=2)
    assert (ended.status_code, ended.json()["next_at"]) == (200, None)
    assert intake.post(f"{one}/notes", individual, noted, version=3).json()["type"] == "/problems/already-ended"

    chain = intake.get(f"{one}/audit", individual).json()
    assert [entry["action"] for entry in chain] == ["proceeding_begun", "proceeding_noted", "proceeding_ended"]
    assert audit.verify(chain) is None
    assert "chart" not in str(chain)
    after = (intake.get(incident, manager).json(), intake.get(f"{incident}/audit", manager).json())
    assert after == before, "whoever sees the incident cannot tell that there was one"
    assert len(events(service_engine("intake"), manager.provider_id)) == told, "no other service hears of it"


def test_of_a_restricted_incident_it_is_for_those_who_need_to_know(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, clock: MovableClock
) -> None:
    intake, now = client("intake"), clock.now()
    incident = report(intake, actor("carer"), place("intake"), now, about_staff=[str(uuid.uuid4())])
    body = {
        "kind": "police", "about": "An assault.", "begun_at": now.isoformat(), "shared": "Nothing yet.",
        "kept_apart": "All of the review.",
    }  # fmt: skip
    assert intake.post(f"{incident}/proceedings", actor("director"), body).status_code == 404
    made = intake.post(f"{incident}/proceedings", actor("safeguarding_lead"), body)
    assert made.status_code == 201, made.text
    one = f"/proceedings/{made.json()['proceeding_id']}"
    assert intake.get(one, actor("director")).status_code == 404
    assert intake.get(one, actor("nominated_individual")).headers["ETag"] == '"1"'
