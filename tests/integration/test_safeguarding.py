"""Safeguarding: every adult gets a decision, nothing closes before, and each part ends by itself."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import BlockerKind
from services.intake import clocks
from services.intake.safeguarding import policy
from services.intake.safeguarding.domain import refer_due
from services.runtime import audit
from services.runtime.actor import system
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_policies import published

SHIPPED = policy.SHIPPED.read_text()


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def report(intake: ServiceClient, home: uuid.UUID, who: Any, now: datetime, **changes: Any) -> str:
    body = {
        "location_id": str(home), "occurred_at": (now - timedelta(hours=1)).isoformat(), "category": "abuse_allegation",
        "immediate_danger": False, "narrative": "She says that somebody shouted at her.", **changes,
    }  # fmt: skip
    made = intake.post("/incidents", who, body)
    assert made.status_code == 201, made.text
    return str(made.json()["incident_id"])


def a_record(*adults: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "abuse_types": ["psychological", "neglect_and_acts_of_omission"], "immediate_safety_secured": True,
        "safety_measures": "Another worker supports her.", "adults": list(adults), **changes,
    }  # fmt: skip


def an_adult(ref: uuid.UUID, **changes: Any) -> dict[str, Any]:
    wishes = [{"outcome": "That it stops."}]
    return {"person_ref": str(ref), "consent": "given", "wishes": wishes, "capacity_note": "Has capacity.", **changes}


def undecided(engine: Engine, provider: uuid.UUID, incident_id: str) -> bool:
    """Whether safeguarding keeps it from closing; an obligation to notify may do so as well."""
    with transaction(engine, provider) as session:
        return BlockerKind.SAFEGUARDING in {one.kind for one in clocks.blocking(session, uuid.UUID(incident_id))}


def close(engine: Engine, provider: uuid.UUID, incident_id: str) -> None:
    """As the process does once nothing keeps it open."""
    with transaction(engine, provider) as session:
        session.execute(
            text("update intake.incident set stage = 'closed' where incident_id = :id"), {"id": incident_id}
        )


def clock_rows(engine: Engine, provider: uuid.UUID) -> list[Any]:
    with transaction(engine, provider) as session:
        query = "select * from intake.clock where kind = 'safeguarding' order by clock_id"
        return list(session.execute(text(query)).all())


def test_from_allegation_to_outcome(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, person, engine = actor("safeguarding_lead"), uuid.uuid4(), service_engine("intake")
    incident_id = report(intake, home, actor("carer"), now, person_refs=[str(person)])
    path = f"/incidents/{incident_id}/safeguarding"
    opened = intake.get(path, lead)
    assert opened.headers["ETag"] == '"1"'
    (adult,) = opened.json()["adults"]
    assert (adult["person_ref"], adult["decision"]) == (str(person), None)
    # Known at 10:00 in England in summer: until midnight there, which is 23:00 UTC.
    assert datetime.fromisoformat(adult["refer_due_at"]) == datetime(2026, 6, 8, 23, tzinfo=UTC)
    # The clock first rings to warn, at three quarters of that.
    assert [row.due_at for row in clock_rows(engine, lead.provider_id)] == [datetime(2026, 6, 8, 19, 30, tzinfo=UTC)]
    assert undecided(engine, lead.provider_id, incident_id)
    sent = {"person_ref": str(person), "authority": "Leeds", "reference": "SG-1", "referred_at": now.isoformat()}
    unasked = intake.post(f"{path}/referral", lead, sent, version=1)
    assert [e["field"] for e in unasked.json()["errors"]] == ["person_ref"]
    written = intake.put(path, lead, a_record(an_adult(person)), version=1)
    assert (written.status_code, written.headers["ETag"]) == (200, '"2"'), written.text
    assert intake.put(path, lead, a_record(an_adult(person)), version=1).status_code == 412
    assert [e["field"] for e in intake.put(path, lead, a_record(), version=2).json()["errors"]] == ["adults"]
    future = {**sent, "referred_at": (now + timedelta(days=1)).isoformat()}
    assert [e["field"] for e in intake.post(f"{path}/referral", lead, future, version=2).json()["errors"]] == ["referred_at"]  # fmt: skip
    referred = intake.post(f"{path}/referral", lead, sent, version=2)
    assert referred.status_code == 200, referred.text
    (referral,) = referred.json()["adults"][0]["referrals"]
    assert datetime.fromisoformat(referral["answer_due_at"]) == now + timedelta(days=1)
    assert intake.post(f"{path}/referral", lead, {**sent, "authority": "LEEDS"}, version=3).status_code == 409
    # Another authority is told as well: each follows a procedure of its own.
    assert intake.post(f"{path}/referral", lead, {**sent, "authority": "York"}, version=3).status_code == 200
    assert not undecided(engine, lead.provider_id, incident_id)
    close(engine, lead.provider_id, incident_id)
    # The learning has finished; the enquiry has not.
    outcome = {"referral_id": referral["referral_id"], "outcome": "inconclusive", "summary": "Nobody saw it.",
               "concluded_at": now.isoformat()}  # fmt: skip
    assert intake.post(f"{path}/enquiry-outcome", lead, outcome, version=4).status_code == 409
    decided = {"referral_id": referral["referral_id"], "decision": "enquiry", "decided_at": now.isoformat()}
    assert intake.post(f"{path}/authority-decision", lead, decided, version=4).status_code == 200
    assert intake.post(f"{path}/authority-decision", lead, decided, version=5).status_code == 409
    last = intake.post(f"{path}/enquiry-outcome", lead, outcome, version=5)
    assert last.json()["adults"][0]["referrals"][0]["enquiry_outcome"] == "inconclusive"
    # The other authority, and the adult's own wishes, are still open.
    assert [line.split()[0] for line in last.json()["still_open"]] == ["What", "What"]
    wished = an_adult(person, wishes=[{"outcome": "That it stops.", "met": "partly"}])
    assert len(intake.put(path, lead, a_record(wished), version=6).json()["still_open"]) == 1
    chain = intake.get(f"/incidents/{incident_id}/audit", lead).json()
    assert audit.verify(chain) is None
    with transaction(engine, lead.provider_id) as session:
        said = str(session.execute(text("select data from intake.outbox")).all())
    for words in ("shouted", "stops", "SG-1", "Nobody saw it", "capacity"):
        assert words not in said + str(chain)


def test_not_to_refer_is_decided_with_a_reason_for_each_adult(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    manager, first, second = actor("registered_manager"), uuid.uuid4(), uuid.uuid4()
    engine = service_engine("intake")
    # Not an allegation: possible neglect found later.
    incident_id = report(intake, home, manager, now, category="choking")
    path = f"/incidents/{incident_id}/safeguarding"
    assert intake.get(path, manager).status_code == 404
    none = {"person_ref": str(first), "decision": "not_refer", "reason": "x"}
    assert intake.post(f"{path}/decision", manager, none, version=1).status_code == 409
    assert intake.put(path, actor("carer"), a_record(an_adult(first))).status_code == 403
    assert intake.put(path, manager, a_record(an_adult(first)), version=1).status_code == 412
    assert intake.put(path, manager, a_record(an_adult(first), an_adult(second, consent="refused"))).status_code == 200
    assert intake.put(path, manager, a_record(an_adult(first))).status_code == 428
    unreasoned = intake.post(f"{path}/decision", manager, {**none, "reason": None}, version=1)
    assert [e["field"] for e in unreasoned.json()["errors"]] == ["reason"]
    stranger = intake.post(f"{path}/decision", manager, {**none, "person_ref": str(uuid.uuid4())}, version=1)
    assert [e["field"] for e in stranger.json()["errors"]] == ["person_ref"]
    assert intake.post(f"{path}/decision", manager, none, version=1).status_code == 200
    assert undecided(engine, manager.provider_id, incident_id)
    # Without consent a referral needs the reason; with it, it is made.
    sent = {"person_ref": str(second), "authority": "Leeds", "reference": "SG-2", "referred_at": now.isoformat()}
    assert intake.post(f"{path}/referral", manager, sent, version=2).status_code == 422
    over = an_adult(second, consent="refused", override_reason="Others are at risk.")
    assert intake.put(path, manager, a_record(an_adult(first), over), version=2).status_code == 200
    assert intake.post(f"{path}/referral", manager, sent, version=3).status_code == 200
    back = {"person_ref": str(second), "decision": "not_refer", "reason": "She does not want it."}
    assert intake.post(f"{path}/decision", manager, back, version=4).status_code == 409
    assert not undecided(engine, manager.provider_id, incident_id)


def test_a_changed_decision_keeps_the_one_before_and_has_its_time_anew(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, person, engine = actor("safeguarding_lead"), uuid.uuid4(), service_engine("intake")
    incident_id = report(intake, home, lead, now, person_refs=[str(person)])
    path = f"/incidents/{incident_id}/safeguarding/decision"
    none = {"person_ref": str(person), "decision": "not_refer", "reason": "First reason."}
    assert intake.post(path, lead, none, version=1).status_code == 200
    again = intake.post(path, lead, {**none, "reason": "Second reason."}, version=2)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-decided")
    assert not undecided(engine, lead.provider_id, incident_id)
    clock.advance(timedelta(days=1))
    changed = intake.post(path, lead, {"person_ref": str(person), "decision": "refer"}, version=2)
    assert changed.status_code == 200, changed.text
    (adult,) = changed.json()["adults"]
    assert [(e["decision"], e["decision_reason"]) for e in adult["earlier_decisions"]] == [
        ("not_refer", "First reason.")
    ]
    assert datetime.fromisoformat(adult["refer_due_at"]) == datetime(2026, 6, 9, 23, tzinfo=UTC)
    assert undecided(engine, lead.provider_id, incident_id)
    assert [row.due_at for row in clock_rows(engine, lead.provider_id)] == [datetime(2026, 6, 9, 19, 30, tzinfo=UTC)]
    back = intake.post(path, lead, {**none, "reason": "Third reason."}, version=3).json()["adults"][0]
    assert [e["decision"] for e in back["earlier_decisions"]] == ["not_refer", "refer"]
    assert not undecided(engine, lead.provider_id, incident_id)


def test_the_target_of_a_referral_warns_before_it_passes(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    incident_id = report(intake, home, lead, now)
    (row,) = clock_rows(engine, lead.provider_id)
    clock.advance(row.due_at - now)
    command = contract.RingClock(
        command_id="ring", provider_id=lead.provider_id, incident_id=uuid.UUID(incident_id), clock_id=row.clock_id,
        revision=row.revision,
    )  # fmt: skip
    with transaction(engine, lead.provider_id) as session:
        rung = clocks.ring(session, command, clock.now(), system(lead.provider_id))
        said = list(
            session.scalars(text("select type from intake.outbox where type like '%safeguarding%' order by seq"))
        )
    assert rung.due_at == datetime(2026, 6, 8, 23, tzinfo=UTC)
    assert said == ["plumbline.safeguarding.opened.v1", "plumbline.safeguarding.warned.v1"]
    assert intake.get(f"/incidents/{incident_id}/safeguarding", lead).json()["adults"][0]["warned_at"] is not None
    assert "safeguarding_warned" in [e["action"] for e in intake.get(f"/incidents/{incident_id}/audit", lead).json()]


@pytest.mark.parametrize(
    "change",
    [
        {"abuse_types": []},
        {"abuse_types": ["shouting"]},
        {"abuse_types": ["physical", "physical"]},
        {"immediate_safety_secured": None},
        {"safety_measures": ""},
        {"adults": [{"person_ref": "x"}]},
        {"adults": [an_adult(uuid.UUID(int=1)), an_adult(uuid.UUID(int=1))]},
        {"adults": [an_adult(uuid.UUID(int=1), consent="perhaps")]},
        {"adults": [an_adult(uuid.UUID(int=1), wishes=[{"outcome": "Peace.", "met": "nearly"}])]},
        {"threshold": 15},
    ],
)
def test_bad_input_names_the_field(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, change: dict[str, Any]
) -> None:
    lead = actor("safeguarding_lead")
    incident_id = report(intake, home, lead, now)
    answer = intake.put(f"/incidents/{incident_id}/safeguarding", lead, a_record(**change), version=1)
    assert answer.status_code == 422, answer.text
    assert next(iter(change)) in str(answer.json()["errors"])


def test_what_is_late_is_said_and_goes_up_the_line(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    incident_id = report(intake, home, lead, now)
    (row,) = clock_rows(engine, lead.provider_id)
    ring = contract.RingClock(
        command_id="ring", provider_id=lead.provider_id, incident_id=uuid.UUID(incident_id), clock_id=row.clock_id,
        revision=row.revision,
    )  # fmt: skip
    clock.advance(timedelta(days=1))
    for _ in range(2):
        with transaction(engine, lead.provider_id) as session:
            rung = clocks.ring(session, ring, clock.now(), system(lead.provider_id))
        assert rung.due_at == clock.now() + timedelta(hours=24)
    with transaction(engine, lead.provider_id) as session:
        said = session.execute(text("select type, data from intake.outbox order by seq")).all()
    late = [event.data for event in said if event.type == "plumbline.safeguarding.late.v1"]
    assert [event["waits_for"] for event in late] == ["referral"]
    chain = intake.get(f"/incidents/{incident_id}/audit", lead).json()
    joined = [entry["data"]["reason"] for entry in chain if entry["action"] == "escalation_joined"]
    assert "safeguarding_late" in joined, "the safeguarding lead is being called already"
    # Withdrawn: nobody waits for it any more. Not while it is undecided.
    body = {"reason": "Reported about the wrong place."}
    refused = intake.post(f"/incidents/{incident_id}/withdrawal", lead, body, version=1)
    assert (refused.status_code, "safeguarding" in refused.json()["detail"]) == (409, True)
    decided = {"decision": "not_refer", "reason": "It was about another place."}
    assert intake.post(f"/incidents/{incident_id}/safeguarding/decision", lead, decided, version=1).status_code == 200
    for row in intake.get(f"/incidents/{incident_id}/obligations", lead).json()["obligations"]:
        if row["state"] == "to_decide":
            path = f"/obligations/{row['obligation_id']}/decision"
            no = {"decision": "not_notify", "reason": "It was about another place."}
            assert intake.post(path, lead, no, version=row["version"]).status_code == 200
    assert intake.post(f"/incidents/{incident_id}/withdrawal", lead, body, version=1).status_code == 200
    assert [row.due_at for row in clock_rows(engine, lead.provider_id)] == [None]
    put = intake.put(f"/incidents/{incident_id}/safeguarding", lead, a_record(), version=2)
    assert put.status_code == 409


@pytest.mark.parametrize(
    ("known_at", "due_at"),
    [
        ("2026-06-08T09:00:00+00:00", "2026-06-08T23:00:00+00:00"),
        ("2026-12-08T09:00:00+00:00", "2026-12-09T00:00:00+00:00"),
        # Late in the evening: four hours, whatever the date.
        ("2026-12-08T23:30:00+00:00", "2026-12-09T03:30:00+00:00"),
        # The night on which the clocks go back has a day of 25 hours.
        ("2026-10-25T00:30:00+00:00", "2026-10-26T00:00:00+00:00"),
    ],
)
def test_same_day_is_the_day_in_england(known_at: str, due_at: str) -> None:
    due = refer_due(datetime.fromisoformat(known_at), same_day=True, at_least=timedelta(hours=4))
    assert due == datetime.fromisoformat(due_at)


def test_an_authority_has_its_own_threshold_and_time_and_is_chased_by_it(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, quality, person, engine = actor("safeguarding_lead"), actor("quality_lead"), uuid.uuid4(), service_engine("intake")  # fmt: skip
    own = SHIPPED.replace("version: safeguarding-2", "version: own-1").replace(
        "authorities: {}",
        """authorities:
  Mid Shire:
    codes: [MS]
    refer_within_hours: 4
    answer_hours: 6
    who_decides: The adult safeguarding hub
    threshold: Any unexplained mark is referred.
    pressure_guide_at_least: 12
  North Shire: {answer_working_days: 3}""",
    )
    twice = own.replace("codes: [MS]", "codes: [north shire]")
    refused = intake.post("/policies", quality, {"name": "safeguarding", "source": twice})
    assert (refused.status_code, "stands for two" in refused.text) == (422, True)
    published(intake, quality, actor("director"), own, "safeguarding")
    incident_id = report(intake, home, actor("carer"), now, person_refs=[str(person)])
    path = f"/incidents/{incident_id}"
    told = {"people": [{"code": "P1", "local_authority": "MS"}], "care_and_support_needs": True, "cannot_protect_self": True}  # fmt: skip
    assert intake.put(f"{path}/facts", lead, told, version=0).is_success
    record = intake.get(f"{path}/safeguarding", lead).json()
    assert record["policy_version"] == "own-1"
    assert [(one["authority"], one["who_decides"], one["threshold"]) for one in record["procedures"]] == [
        ("Mid Shire", "The adult safeguarding hub", "Any unexplained mark is referred.")
    ], "to be read before somebody decides"
    rows = intake.get(f"{path}/obligations", lead).json()["obligations"]
    [row] = [one for one in rows if one["rule"] == "safeguarding-concern"]
    assert datetime.fromisoformat(row["provider_target_at"]) == now + timedelta(hours=4)
    version = intake.put(f"{path}/safeguarding", lead, a_record(an_adult(person)), version=1).json()["version"]
    for authority in ("mid shire", "North Shire", "Elsewhere"):
        sent = {"person_ref": str(person), "authority": authority, "reference": "R", "referred_at": now.isoformat()}
        answer = intake.post(f"{path}/safeguarding/referral", lead, sent, version=version)
        assert answer.status_code == 200, answer.text
        version = answer.json()["version"]
    (adult,) = answer.json()["adults"]
    due = [datetime.fromisoformat(one["answer_due_at"]) - now for one in adult["referrals"]]
    assert due == [timedelta(hours=6), timedelta(days=3), timedelta(days=1)]
    # It does not answer: the provider asks, and somebody is called.
    subject = uuid.UUID(adult["referrals"][0]["referral_id"])
    [clock_row] = [one for one in clock_rows(engine, lead.provider_id) if one.subject_id == subject]
    clock.advance(timedelta(hours=6))
    with transaction(engine, lead.provider_id) as session:
        command = contract.RingClock(
            command_id="ring", provider_id=lead.provider_id, incident_id=uuid.UUID(incident_id),
            clock_id=clock_row.clock_id, revision=clock_row.revision,
        )  # fmt: skip
        clocks.ring(session, command, clock.now(), system(lead.provider_id))
        late = session.scalars(
            text("select data from intake.outbox where type = 'plumbline.safeguarding.late.v1'")
        ).one()
    assert (late["waits_for"], late["subject_id"]) == ("authority_decision", str(subject))
    sore = report(intake, home, actor("carer"), now, category="pressure_damage")
    guide = {"pressure_guide_score": 13, "pressure_guide_by": "registered_nurse", "pressure_guide_by_involved": False}
    for version, (authority, outcomes) in enumerate((("NS", []), ("MS", ["triggered"]))):
        assert intake.put(f"/incidents/{sore}/facts", lead, {**guide, "local_authority": authority}, version=version).is_success  # fmt: skip
        rows = intake.get(f"/incidents/{sore}/obligations", lead).json()["obligations"]
        assert [one["outcome"] for one in rows if one["rule"] == "safeguarding-concern"] == outcomes
