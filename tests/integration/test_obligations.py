"""Obligations over HTTP on a real database: triggered, suggested, decided, drafted, sent, confirmed; clocks; new facts."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.intake import clocks
from services.intake import commands as intake_commands
from services.intake.activities import build
from services.intake.metrics import ObligationCounts
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from services.runtime.process import Context
from tests.conftest import MovableClock, ServiceClient


class Case:
    """One incident and those who deal with it."""

    def __init__(
        self, intake: ServiceClient, engine: Engine, clock: MovableClock, home: uuid.UUID, actor: Callable[..., Actor]
    ) -> None:
        self.intake, self.engine, self.clock, self.home = intake, engine, clock, home
        self.manager = actor("registered_manager", locations=[home])
        self.carer = actor("carer", locations=[home])
        self.id = ""

    def reported(self, category: str = "fall", **changes: Any) -> "Case":
        body = {
            "location_id": str(self.home),
            "occurred_at": (self.clock.now() - timedelta(hours=1)).isoformat(),
            "category": category,
            "not_about_staff": category == "abuse_allegation",  # else it is restricted, and not for the manager
            "immediate_danger": False,
            "narrative": "The person slid from the chair and says the hip hurts.",
            **changes,
        }
        answer = self.intake.post("/incidents", self.carer, body)
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["incident_id"]
        return self

    def triaged(self, harm: str = "low", psychological: str = "none", **changes: Any) -> "Case":
        version = self.intake.get(f"/incidents/{self.id}", self.manager).json()["version"]
        body = {
            "actual_harm": harm, "psychological_harm": psychological, "consequence": 5 if harm == "fatal" else 4,
            "likelihood": 4, "reason": "By what is known now.",
            "earlier_seen": self.intake.get(f"/incidents/{self.id}/earlier", self.manager).json()["total"], **changes,
        }  # fmt: skip
        answer = self.intake.post(f"/incidents/{self.id}/triage", self.manager, body, version=version)
        assert answer.status_code == 200, answer.text
        return self

    def answers(self, status: int = 200, actor: Actor | None = None, **facts: Any) -> Any:
        version = self.intake.get(f"/incidents/{self.id}/facts", self.manager).json()["version"]
        answer = self.intake.put(f"/incidents/{self.id}/facts", actor or self.manager, facts, version=version)
        assert answer.status_code == status, answer.text
        return answer.json()

    def all(self) -> Any:
        answer = self.intake.get(f"/incidents/{self.id}/obligations", self.manager)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, rule: str) -> list[Any]:
        return [row for row in self.all()["obligations"] if row["rule"] == rule]

    def row(self, rule: str) -> Any:
        found = self.rows(rule)
        assert len(found) == 1, found
        return found[0]

    def does(self, row: Any, what: str, body: Any, status: int = 200, *, version: int | None = None) -> Any:
        path = f"/obligations/{row['obligation_id']}/{what}"
        answer = self.intake.post(path, self.manager, body, version=row["version"] if version is None else version)
        assert answer.status_code == status, answer.text
        return answer.json()

    def blocked(self) -> list[str]:
        with transaction(self.engine, self.manager.provider_id) as session:
            return sorted(one.kind for one in clocks.blocking(session, uuid.UUID(self.id)))

    def clock_of(self, row: Any) -> Any:
        with transaction(self.engine, self.manager.provider_id) as session:
            return session.execute(
                text("select * from intake.clock where subject_id = :id"), {"id": row["obligation_id"]}
            ).mappings().one_or_none()  # fmt: skip

    def ring(self, clock: Any) -> contract.Rung:
        with transaction(self.engine, self.manager.provider_id) as session:
            command = contract.RingClock(
                command_id="ring", provider_id=self.manager.provider_id, incident_id=uuid.UUID(self.id),
                clock_id=clock["clock_id"], revision=clock["revision"],
            )  # fmt: skip
            return clocks.ring(session, command, self.clock.now(), system(self.manager.provider_id))

    def events(self, ends: str) -> list[Any]:
        with transaction(self.engine, self.manager.provider_id) as session:
            rows = session.execute(
                text("select type, data from intake.outbox where key = :key order by seq"), {"key": self.id}
            ).mappings()  # fmt: skip
            return [dict(row["data"]) for row in rows if row["type"].endswith(f"{ends}.v1")]

    def chain(self) -> list[Any]:
        with transaction(self.engine, self.manager.provider_id) as session:
            return audit.read(session, "intake", uuid.UUID(self.id))


@pytest.fixture
def case(
    client: Callable[[str], ServiceClient],
    service_engine: Callable[[str], Engine],
    clock: MovableClock,
    place: Callable[..., uuid.UUID],
    actor: Callable[..., Actor],
) -> Case:
    return Case(client("intake"), service_engine("intake"), clock, place("intake"), actor)


def at(value: str) -> datetime:
    return datetime.fromisoformat(value)


def test_any_allegation_goes_to_cqc_and_the_authority_by_its_own_threshold(case: Case, now: datetime) -> None:
    case.reported("abuse_allegation")
    cqc = case.row("cqc-abuse")
    assert (cqc["outcome"], cqc["state"], cqc["must_decide"]) == ("triggered", "to_decide", True)
    assert cqc["statutory_wording"] == "without delay"
    assert cqc["statutory_limit"] is None
    assert cqc["statutory_due_at"] is None
    assert "our own target" in cqc["provider_target"]
    assert at(cqc["provider_target_at"]) == now + timedelta(hours=24)
    authority = case.row("safeguarding-concern")
    assert authority["outcome"] == "suggested"
    assert {q["fact"] for q in authority["explanation"]["ask"]} == {"care_and_support_needs", "cannot_protect_self"}
    case.answers(care_and_support_needs=True, cannot_protect_self=False, local_authority="E06000023")
    assert case.row("safeguarding-concern")["outcome"] == "not_triggered"
    assert case.row("safeguarding-concern")["state"] == "no_longer_indicated"
    assert case.row("cqc-abuse")["outcome"] == "triggered"
    case.answers(cannot_protect_self=True)
    assert case.row("safeguarding-concern")["outcome"] == "triggered"
    assert "obligation" in case.blocked()


def test_a_plain_medicines_error_needs_nobody_but_may_be_decided_with_a_reason(case: Case) -> None:
    case.reported("medication").triaged("low")
    all_ = case.all()
    assert all_["obligations"] == []
    others = {rule["rule"]: rule for rule in all_["others"]}
    assert len(others) == 37
    assert others["medicines-error"]["advice"]
    assert others["cqc-serious-injury"]["outcome"] == "not_triggered"
    assert case.blocked() == []
    path = f"/incidents/{case.id}/obligations"
    assert case.intake.post(path, case.manager, {"rule": "cqc-injury"}).status_code == 422
    opened = case.intake.post(path, case.manager, {"rule": "cqc-serious-injury"})
    assert opened.status_code == 201, opened.text
    assert case.intake.post(path, case.manager, {"rule": "cqc-serious-injury"}).status_code == 409
    decided = case.does(opened.json(), "decision", {"decision": "not_notify", "reason": "No injury of the regulation."})
    assert decided["state"] == "not_notified"
    case.answers(serious_injury_test="yes", professional_role="GP", serious_injury_kinds=["prolonged_pain"])
    again = case.row("cqc-serious-injury")
    assert (again["state"], again["outcome"], again["round"]) == ("to_decide", "triggered", 2)


def test_a_fall_is_told_from_the_moment_the_fracture_is_known(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("low")
    assert case.all()["obligations"] == []
    clock.advance(timedelta(hours=12))
    case.triaged("severe")
    asked = case.row("cqc-serious-injury")
    assert (asked["outcome"], asked["must_decide"]) == ("suggested", True)
    assert at(asked["provider_target_at"]) == clock.now() + timedelta(hours=4)
    assert case.row("riddor-non-worker")["outcome"] == "suggested"
    clock.advance(timedelta(hours=1))
    case.answers(serious_injury_test="yes", professional_role="orthopaedic registrar")
    known = case.row("cqc-serious-injury")
    assert known["outcome"] == "triggered"
    # It had to be decided since the fracture was known: the answer an hour later gives no more time.
    assert at(known["aware_at"]) == clock.now() - timedelta(hours=1)
    assert at(known["provider_target_at"]) == clock.now() + timedelta(hours=23)
    case.answers(work_related=True, injured_party="non_worker", taken_directly_to_hospital=False)
    both_ways = case.row("riddor-non-worker")
    assert (both_ways["outcome"], both_ways["must_decide"]) == ("suggested", True)
    case.answers(work_related=False)
    assert case.row("riddor-non-worker")["outcome"] == "not_triggered"


def test_the_same_facts_change_nothing(case: Case) -> None:
    case.reported("abuse_allegation")
    case.answers(abuse_or_allegation=True)
    before, events = case.all(), len(case.events("assessed"))
    case.answers(abuse_or_allegation=True)
    assert case.all() == before
    case.triaged("low")
    assert [r["version"] for r in case.all()["obligations"]] == [r["version"] for r in before["obligations"]]
    assert len(case.events("assessed")) == events


def test_decided_sent_and_confirmed_each_once_and_in_order(case: Case, clock: MovableClock, now: datetime) -> None:
    case.reported("abuse_allegation")
    row = case.row("cqc-abuse")
    sent = {"reference": "CQC-123", "submitted_at": now.isoformat(), "evidence": "Copy of the portal's mail."}
    assert case.does(row, "submission", sent, 409)["type"] == "/problems/not-decided"
    refused = case.does(row, "decision", {"decision": "not_notify"}, 422)
    assert refused["errors"][0]["field"] == "reason"
    decided = case.does(row, "decision", {"decision": "notify"})
    assert (decided["state"], decided["decided_role"]) == ("to_submit", "registered_manager")
    assert decided["decided_by"] == str(case.manager.id)
    twice = case.does(decided, "decision", {"decision": "not_notify", "reason": "Other."}, 409)
    assert "decided to notify" in twice["detail"]
    assert case.does(decided, "acknowledgement", {"received_at": now.isoformat()}, 409)["type"].endswith(
        "not-submitted"
    )
    assert case.does(decided, "submission", sent, 412, version=row["version"])["type"].endswith("changed-meanwhile")
    future = {**sent, "submitted_at": (now + timedelta(hours=1)).isoformat()}
    assert case.does(decided, "submission", future, 422)["errors"][0]["field"] == "submitted_at"
    early = {**sent, "submitted_at": (now - timedelta(days=2)).isoformat()}
    assert case.does(decided, "submission", early, 422)["errors"][0]["field"] == "submitted_at"
    submitted = case.does(decided, "submission", sent)
    assert submitted["state"] == "submitted"
    assert case.does(submitted, "submission", sent, 409)["type"].endswith("already-submitted")
    assert case.clock_of(row)["due_at"] is None
    clock.advance(timedelta(days=1))
    before = {"received_at": (now - timedelta(hours=1)).isoformat()}
    assert case.does(submitted, "acknowledgement", before, 422)["errors"][0]["field"] == "received_at"
    done = case.does(submitted, "acknowledgement", {"received_at": clock.now().isoformat(), "reference": "ACK-9"})
    assert done["state"] == "acknowledged"
    assert case.does(done, "acknowledgement", {"received_at": clock.now().isoformat()}, 409)
    assert [entry["what"] for entry in done["history"]] == ["assessed", "decided", "submitted", "acknowledged"]
    assert case.events("obligation.submitted")[0]["in_time"] is True
    assert audit.verify(case.chain()) is None
    said = str(case.events("")) + str(case.chain())
    assert "portal's mail" not in said
    assert "CQC-123" not in said


def test_new_facts_ask_again_and_the_decision_before_is_kept(case: Case) -> None:
    case.reported("fall").triaged("severe")
    row = case.row("cqc-serious-injury")
    assert "obligation" in case.blocked()
    case.does(row, "decision", {"decision": "not_notify", "reason": "The X-ray shows no fracture."})
    others = [r for r in case.all()["obligations"] if r["must_decide"] and r["state"] == "to_decide"]
    for other in others:
        case.does(other, "decision", {"decision": "not_notify", "reason": "Not arising out of work."})
    assert "obligation" not in case.blocked()
    case.answers(reported_to_police=False)
    assert case.row("cqc-serious-injury")["state"] == "not_notified"
    case.answers(serious_injury_test="yes", professional_role="radiologist")
    again = case.row("cqc-serious-injury")
    assert (again["state"], again["round"], again["decision"]) == ("to_decide", 2, None)
    kept = [entry for entry in again["history"] if entry["what"] == "decided"]
    assert kept[0]["note"] == "The X-ray shows no fracture."
    assert again["history"][-1]["what"] == "asked_again"
    assert "obligation" in case.blocked()
    assert case.clock_of(again)["due_at"] is not None


def test_the_clock_warns_at_three_quarters_then_goes_up_the_line(
    case: Case, clock: MovableClock, now: datetime
) -> None:
    case.reported("abuse_allegation")
    row = case.row("cqc-abuse")
    running = case.clock_of(row)
    assert running["due_at"] == now + timedelta(hours=18)
    clock.advance(timedelta(hours=18))
    assert case.ring(running).due_at == now + timedelta(hours=24)
    assert [e["rule"] for e in case.events("obligation.warned")] == ["cqc-abuse"]
    assert case.events("obligation.late") == []
    clock.advance(timedelta(hours=6))
    assert case.row("cqc-abuse")["warned_at"] is not None
    late_clock = case.clock_of(row)
    assert case.ring(late_clock).due_at == now + timedelta(hours=48)
    late = case.events("obligation.late")
    assert [(e["rule"], e["statutory"]) for e in late] == [("cqc-abuse", False)]
    assert case.ring(late_clock).due_at == now + timedelta(hours=48)
    assert len(case.events("obligation.late")) == 1
    assert case.row("cqc-abuse")["late_at"] is not None
    with transaction(case.engine, case.manager.provider_id) as session:
        asked = session.scalars(
            text("select type from intake.outbox where key = :k and type like '%escalation%'"), {"k": case.id}
        )
        assert list(asked)


def test_what_is_open_is_counted_by_how_its_time_stands(
    case: Case, clock: MovableClock, service_engine: Callable[[str], Engine]
) -> None:
    counts = ObligationCounts(service_engine("intake_system"), clock, refresh=0)

    def standing() -> dict[str, float]:
        return {sample.labels["state"]: sample.value for family in counts.collect() for sample in family.samples}

    before = standing()
    case.reported("abuse_allegation")
    row, reported = case.row("cqc-abuse"), standing()
    others = reported["in_time"] - before["in_time"] - 1  # of the same report, on clocks of their own or none
    assert others >= 0
    clock.advance(timedelta(hours=20))
    warned = standing()
    assert warned["at_risk"] >= reported["at_risk"] + 1
    clock.advance(timedelta(hours=20))
    late = standing()
    assert late["late"] >= warned["late"] + 1
    assert sum(late.values()) == sum(reported.values())
    decided = case.does(row, "decision", {"decision": "notify"})
    assert standing() == late
    case.does(decided, "submission", {"reference": "CQC-1", "submitted_at": clock.now().isoformat()})
    assert standing() == late | {"late": late["late"] - 1}


def test_what_is_late_rings_again_each_day_higher_until_it_is_sent(
    case: Case, clock: MovableClock, now: datetime
) -> None:
    case.reported("abuse_allegation")
    row = case.row("cqc-abuse")
    for day in (1, 2, 3):
        clock.advance(timedelta(hours=24))
        assert case.ring(case.clock_of(row)).due_at == now + timedelta(days=day + 1)
        with transaction(case.engine, case.manager.provider_id) as session:
            session.execute(text("update intake.ladder_run set acknowledged_at = :now"), {"now": clock.now()})
    late = [entry["detail"] for entry in case.row("cqc-abuse")["history"] if entry["what"] == "late"]
    assert [entry["count"] for entry in late] == [1, 2, 3]
    assert [e["rule"] for e in case.events("escalation_requested")][-2:] == ["obligation-still-undecided"] * 2
    # Decided and still not sent: the clock goes on.
    decided = case.does(case.row("cqc-abuse"), "decision", {"decision": "notify"})
    assert case.clock_of(row)["due_at"] == now + timedelta(days=4)
    case.does(decided, "submission", {"reference": "CQC-1", "submitted_at": clock.now().isoformat()})
    assert case.clock_of(row)["due_at"] is None
    assert case.events("obligation.submitted")[0]["in_time"] is False


def test_to_answer_late_does_not_make_it_early(case: Case, clock: MovableClock, now: datetime) -> None:
    case.reported("death")
    clock.advance(timedelta(hours=24))
    case.ring(case.clock_of(case.row("cqc-death")))
    clock.advance(timedelta(hours=6))
    case.answers(death_linked_to_services=True)
    row = case.row("cqc-death")
    assert (row["outcome"], at(row["aware_at"]), at(row["late_at"])) == ("triggered", now, now + timedelta(hours=24))
    assert at(row["provider_target_at"]) == now + timedelta(hours=24)
    assert case.clock_of(row)["due_at"] == now + timedelta(hours=48)
    # The same where somebody decides to notify on what is only suggested.
    leder = case.row("cqc-death")
    case.answers(death_linked_to_services=None)
    decided = case.does(case.row("cqc-death"), "decision", {"decision": "notify"})
    assert (at(decided["aware_at"]), decided["late_at"]) == (now, leder["late_at"])


def test_a_notice_that_facts_refute_is_decided_anew_with_a_reason(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    case.answers(serious_injury_test="yes", professional_role="GP")
    case.does(case.row("cqc-serious-injury"), "decision", {"decision": "notify"})
    clock.advance(timedelta(hours=2))
    case.answers(serious_injury_test="no")
    row = case.row("cqc-serious-injury")
    assert (row["state"], row["decision"], row["must_decide"], row["round"]) == ("to_decide", None, True, 2)
    assert "obligation" in case.blocked()
    case.answers(serious_injury_test="no", professional_opinion_at=clock.now().isoformat())
    assert case.row("cqc-serious-injury")["must_decide"] is True
    done = case.does(row, "decision", {"decision": "not_notify", "reason": "No injury after all."})
    assert done["state"] == "not_notified"
    assert [e["what"] for e in done["history"]][-2:] == ["asked_again", "decided"]


def test_what_was_sent_is_a_fact_for_other_rules(case: Case) -> None:
    case.reported("missing_person").triaged("none")
    assert case.rows("cqc-police") == []
    decided = case.does(case.row("police"), "decision", {"decision": "notify"})
    case.does(decided, "submission", {"reference": "CAD 1", "submitted_at": case.clock.now().isoformat()})
    assert case.row("cqc-police")["outcome"] == "triggered"
    facts = case.intake.get(f"/incidents/{case.id}/facts", case.manager).json()
    assert (facts["answers"]["reported_to_police"], facts["version"]) == (True, 1)


def test_every_question_says_how_it_is_answered(case: Case) -> None:
    """So that a form is drawn without knowing the questions."""
    facts = case.reported().intake.get(f"/incidents/{case.id}/facts", case.manager).json()
    asks = {one["fact"]: one for one in facts["asks"]}
    assert asks.keys() == facts["questions"].keys() == facts["answers"].keys()
    types = {
        fact: asks[fact]["type"] for fact in ("people", "person_died", "found_at", "linked_infections", "diagnosed_on")
    }
    assert types == {
        "people": "people", "person_died": "yes_no", "found_at": "moment", "linked_infections": "number", "diagnosed_on": "day",
    }  # fmt: skip
    assert asks["dols_status"]["options"] == ["none", "applied", "granted", "refused", "withdrawn"]
    assert (asks["serious_injury_kinds"]["type"], asks["death_cause"]["type"]) == ("choices", "text")


def safeguards(case: Case, what: str, body: Any, status: int = 200) -> Any:
    path = f"/incidents/{case.id}/safeguarding"
    version = case.intake.get(path, case.manager).json().get("version")
    send = case.intake.put if what == "" else case.intake.post
    answer = send(path + what, case.manager, body, version=version)
    assert answer.status_code == status, answer.text
    return answer.json()


def a_concern(*people: uuid.UUID) -> dict[str, Any]:
    return {
        "abuse_types": ["neglect_and_acts_of_omission"], "immediate_safety_secured": True,
        "safety_measures": "Two carers at meals.",
        "adults": [
            {"person_ref": str(ref), "consent": "given", "wishes": [{"outcome": "To eat in peace."}]} for ref in people
        ],
    }  # fmt: skip


def referral(case: Case, **changes: Any) -> dict[str, Any]:
    return {"authority": "Leeds", "reference": "SG-1", "referred_at": case.clock.now().isoformat(), **changes}


def test_one_referral_has_one_decision_and_cqc_is_told_of_it(case: Case) -> None:
    case.reported("choking").triaged("low")
    case.answers(neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True)
    case.answers(abuse_or_allegation=False)
    assert case.row("safeguarding-concern")["outcome"] == "triggered"
    assert case.rows("cqc-abuse")[0]["outcome"] == "not_triggered"
    person = uuid.uuid4()
    safeguards(case, "", a_concern(person))
    row = case.row("safeguarding-concern")
    assert case.clock_of(row)["due_at"] is None
    assert case.blocked() == ["safeguarding"]
    there = case.does(row, "decision", {"decision": "not_notify", "reason": "Other."}, 409)
    assert there["type"] == "/problems/kept-elsewhere"
    safeguards(case, "/decision", {"person_ref": str(person), "decision": "refer"})
    assert case.row("safeguarding-concern")["state"] == "to_submit"
    safeguards(case, "/referral", referral(case, person_ref=str(person)))
    row = case.row("safeguarding-concern")
    assert (row["state"], row["reference"], row["decided_by"]) == ("submitted", "SG-1", str(case.manager.id))
    assert case.events("obligation.submitted")[0]["rule"] == "safeguarding-concern"
    cqc = case.row("cqc-abuse")
    assert (cqc["outcome"], cqc["must_decide"]) == ("suggested", True)
    assert case.blocked() == ["obligation"]
    assert audit.verify(case.chain()) is None


def test_a_referral_before_the_facts_counts_for_them(case: Case) -> None:
    case.reported("choking").triaged("low")
    person = uuid.uuid4()
    safeguards(case, "", a_concern(person))
    safeguards(case, "/referral", referral(case, person_ref=str(person)))
    assert case.rows("safeguarding-concern") == []
    case.answers(neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True)
    row = case.row("safeguarding-concern")
    assert (row["outcome"], row["state"], row["reference"]) == ("triggered", "submitted", "SG-1")


def test_a_referral_of_one_says_nothing_of_another(case: Case, clock: MovableClock) -> None:
    case.reported("choking").triaged("low")
    first, second = uuid.uuid4(), uuid.uuid4()
    case.answers(
        neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True,
        people=[{"code": str(first)}, {"code": "P2"}],
    )  # fmt: skip
    safeguards(case, "", a_concern(first))
    safeguards(case, "/referral", referral(case, person_ref=str(first)))
    states = {row["person"]: row["state"] for row in case.rows("safeguarding-concern")}
    assert states == {str(first): "submitted", "P2": "to_decide"}
    assert "obligation" in case.blocked()
    safeguards(case, "", a_concern(first, second))
    safeguards(case, "/decision", {"person_ref": str(second), "decision": "not_refer", "reason": "Was not there."})
    row = next(row for row in case.rows("safeguarding-concern") if row["person"] == "P2")
    assert (row["state"], row["reason"]) == ("not_notified", "Was not there.")
    # Facts that came later ask here; to refer after all is for the safeguarding record.
    clock.advance(timedelta(hours=1))
    case.answers(cannot_protect_self=None)
    case.answers(abuse_or_allegation=True)
    row = next(row for row in case.rows("safeguarding-concern") if row["person"] == "P2")
    assert (row["state"], row["must_decide"], row["round"]) == ("to_decide", True, 2)
    assert case.clock_of(row)["due_at"] is not None
    assert case.does(row, "decision", {"decision": "notify"}, 409)["type"] == "/problems/kept-elsewhere"
    case.does(row, "decision", {"decision": "not_notify", "reason": "Still was not there."})


def test_harm_that_points_at_an_injury_must_be_decided_within_four_hours(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("moderate")
    row = case.row("cqc-serious-injury")
    assert (row["outcome"], row["must_decide"]) == ("suggested", True)
    assert at(row["provider_target_at"]) == clock.now() + timedelta(hours=4)
    # Nobody triaged, and the rule supposes harm.
    case.reported("fall", immediate_danger=True)
    command = contract.DefaultTriage(
        command_id="t", provider_id=case.manager.provider_id, incident_id=uuid.UUID(case.id), cycle=1
    )
    with transaction(case.engine, case.manager.provider_id) as session:
        intake_commands.default_triage(session, command, clock.now(), system(case.manager.provider_id))
    row = case.row("cqc-serious-injury")
    assert (row["outcome"], row["must_decide"]) == ("suggested", True)
    assert next(q["fact"] for q in row["explanation"]["ask"]) == "serious_injury_test"


def test_a_guide_that_is_never_done_keeps_the_wound_open_and_goes_up_the_line(
    case: Case, clock: MovableClock, now: datetime
) -> None:
    case.reported("pressure_damage")
    case.answers(pressure_damage_category=3, pressure_damage_arose_in_service=False)
    row = case.row("safeguarding-concern")
    assert (row["outcome"], row["must_decide"], row["state"]) == ("suggested", True, "to_decide")
    assert at(row["provider_target_at"]) == now + timedelta(hours=48)
    clock.advance(timedelta(hours=36))
    case.ring(case.clock_of(row))
    assert [e["rule"] for e in case.events("obligation.warned")] == ["safeguarding-concern"]
    clock.advance(timedelta(hours=12))
    case.ring(case.clock_of(row))
    assert "obligation-undecided" in [e["rule"] for e in case.events("escalation_requested")]
    guide = {"pressure_guide_score": 9, "pressure_guide_by": "registered_nurse", "pressure_guide_by_involved": False}
    case.answers(**guide, abuse_or_allegation=False, neglect_or_omission_possible=False)
    assert case.row("safeguarding-concern")["state"] == "no_longer_indicated"
    assert case.clock_of(row)["due_at"] is None


def test_a_missed_visit_does_not_close_before_somebody_knows_what_the_commissioner_asks(case: Case) -> None:
    case.reported("missed_visit")
    assert [row["rule"] for row in case.all()["obligations"]] == ["commissioner"]
    assert case.blocked() == ["obligation"]
    case.answers(commissioner_contract_requires=False)
    assert case.blocked() == []


def test_facts_that_move_only_the_time_move_the_clock(case: Case, now: datetime) -> None:
    case.reported("information")
    case.answers(personal_data_breach=True, breach_risk_to_people=True)
    assert at(case.row("data-breach-ico")["statutory_due_at"]) == now + timedelta(hours=72)
    case.answers(breach_aware_at=(now - timedelta(hours=20)).isoformat())
    row = case.row("data-breach-ico")
    assert at(row["statutory_due_at"]) == now + timedelta(hours=52)
    assert at(row["provider_target_at"]) == now + timedelta(hours=28)
    assert case.clock_of(row)["due_at"] == at(row["provider_warn_at"])


def test_what_was_only_suggested_runs_from_when_it_must_be_decided(
    case: Case, clock: MovableClock, now: datetime
) -> None:
    case.reported("death")
    case.answers(death_expected=True)
    assert (case.row("coroner")["must_decide"], case.row("coroner")["provider_target_at"]) == (False, None)
    assert case.clock_of(case.row("coroner"))["due_at"] is None
    clock.advance(timedelta(days=3))
    case.answers(neglect_or_omission_possible=True)
    row = case.row("coroner")
    assert (row["must_decide"], row["late_at"]) == (True, None)
    assert at(row["provider_target_at"]) == now + timedelta(days=4)
    assert case.clock_of(row)["due_at"] == now + timedelta(days=3, hours=18)


def test_a_referral_draft_carries_the_safeguarding_record_and_what_was_done(case: Case) -> None:
    case.reported("choking").triaged("low")
    case.answers(neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True)
    safeguards(case, "", a_concern(uuid.uuid4()))
    answered = case.intake.put(
        f"/incidents/{case.id}/answers", case.carer, {"answers": {"made_safe": "Sat upright."}}, version=2
    )
    assert answered.status_code == 200, answered.text

    def draft(rule: str) -> dict[str, str]:
        path = f"/obligations/{case.row(rule)['obligation_id']}/draft"
        return {f["name"]: f["value"] for f in case.intake.get(path, case.manager).json()["fields"]}

    told = draft("safeguarding-concern")
    assert told["wishes"] == "To eat in peace."
    assert told["consent"] == "given"
    assert told["abuse_types"] == "neglect and acts of omission"
    assert told["immediate_safety_secured"] == "yes"
    assert told["made_safe"] == "Sat upright."
    assert (told["cqc_location_id"], told["location"]) == ("1-123456789", "Test House")
    cqc = draft("cqc-abuse")
    assert cqc["cqc_location_id"] == "1-123456789"
    assert "wishes" not in cqc


@pytest.mark.parametrize(
    ("category", "rule", "facts", "said"),
    [
        ("abuse_allegation", "cqc-abuse", {}, {"body_site": "Left upper arm, four marks of 1 cm", "own_words": "It was a hard grip."}),
        ("fall", "cqc-serious-injury", {"serious_injury_test": "not_yet_known"},
         {"found_position": "Beside the bed", "head_injury": True, "witnessed": False}),
        ("medication", "police", {"crime_suspected": True}, {"medicine": "Two of 5 mg, not one", "medicine_error": "too_much"}),
        ("choking", "cqc-serious-injury", {"serious_injury_test": "not_yet_known"}, {"food_texture": "Toast; level 5 is in the plan"}),
        ("missing_person", "police", {}, {"last_seen": "At ten, in the garden", "missing_urgency": "within_the_hour"}),
        ("death", "cqc-death", {}, {"death_expected": True, "restraint": False}),
    ],
)  # fmt: skip
def test_a_notice_carries_every_detail_that_was_asked_for_and_answered(
    case: Case, category: str, rule: str, facts: dict[str, Any], said: dict[str, Any]
) -> None:
    case.reported(category)
    if facts:
        case.answers(**facts)
    path = f"/obligations/{case.row(rule)['obligation_id']}/draft"
    before = {f["name"]: f for f in case.intake.get(path, case.manager).json()["fields"]}
    unasked = said.keys() - {"death_expected"}
    assert not unasked & before.keys(), "what nobody answered is not in the notice"
    assert case.intake.put(f"/incidents/{case.id}/answers", case.carer, {"answers": said}, version=1).is_success
    draft = case.intake.get(path, case.manager).json()
    shown = {True: "yes", False: "no"}
    for name, value in said.items():
        text_of = shown[value] if isinstance(value, bool) else value.replace("_", " ")
        assert [f["value"] for f in draft["fields"] if f["name"] == name] == [text_of]
        assert f": {text_of}\n" in draft["text"]
    codes = [line for line in draft["check_before_sending"] if "replace every name in it by a code" in line]
    assert len(codes) == (1 if rule.startswith("cqc") else 0)
    assert "made_safe" in draft["missing"]


def test_what_was_decided_and_not_sent_is_in_the_digest(case: Case, service_engine: Callable[[str], Engine]) -> None:
    run = {f.__name__: f for f in build(Context(case.engine, service_engine("intake_system"), case.clock))}

    def waits() -> bool:
        found = run["list_waiting"](contract.ListWaiting(limit=10_000)).waiting
        return any(one.location_id == case.home for one in found)

    case.reported("infection").triaged("none")
    case.answers(linked_infections=2)
    with transaction(case.engine, case.manager.provider_id) as session:
        session.execute(text("update intake.incident set next_move = null where incident_id = :id"), {"id": case.id})
    decided = case.does(case.row("outbreak"), "decision", {"decision": "notify"})
    assert waits()
    case.does(decided, "submission", {"reference": "HPT-1", "submitted_at": case.clock.now().isoformat()})
    assert not waits()


def test_what_is_owed_is_in_the_inbox_and_listed_across_incidents(
    case: Case, clock: MovableClock, actor: Callable[..., Actor], place: Callable[..., uuid.UUID]
) -> None:
    elsewhere = actor("registered_manager", locations=[place("intake")])
    first = case.reported("abuse_allegation").id
    allegation = {row["rule"]: row for row in case.all()["obligations"] if row["must_decide"]}
    clock.advance(timedelta(hours=1))
    case.reported("death").triaged("fatal")
    case.does(case.row("cqc-death"), "decision", {"decision": "notify"})

    def listed(reader: Actor, query: str = "") -> list[dict[str, Any]]:
        answer = case.intake.get(f"/obligations{query}", reader)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    def owed(reader: Actor) -> list[dict[str, Any]]:
        return list(case.intake.get("/inbox", reader).json()["duties"])

    rows = listed(case.manager)
    assert [row["due_at"] for row in rows] == sorted(row["due_at"] for row in rows)
    states = {row["rule"]: row["state"] for row in rows}
    assert (states["cqc-abuse"], states["cqc-death"]) == ("to_decide", "to_submit")
    assert not any(row["late"] for row in rows)
    assert owed(case.manager) == [], "nothing is warned of yet"
    assert listed(elsewhere) == owed(elsewhere) == []
    assert case.intake.get("/obligations", case.carer).status_code == 403
    # One after the other is the same list, and a cursor of nobody's is refused.
    paged, cursor = [], ""
    while True:
        page = case.intake.get(f"/obligations?unsent=true&limit=1{cursor}", case.manager).json()
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert paged == rows
    assert case.intake.get("/obligations?cursor=nonsense", case.manager).status_code == 422
    clock.advance(timedelta(hours=24))
    late = [row for row in listed(case.manager) if row["late"]]
    assert "cqc-abuse" in {row["rule"] for row in late}
    assert listed(case.manager)[: len(late)] == late, "what is late stands at the top"
    mine = owed(case.manager)
    assert {d["subject_id"] for d in mine if d["kind"] == "obligation" and d["late"]} == {
        row["obligation_id"] for row in late
    }
    assert [(d["incident_id"], d["waits_for"]) for d in mine if d["kind"] == "safeguarding"] == [(first, "referral")]
    assert case.id in {d["incident_id"] for d in mine if d["kind"] == "candour"}
    assert owed(case.carer) == owed(elsewhere) == []
    # What is settled leaves both; need to know holds in both.
    cqc = allegation["cqc-abuse"]
    case.does(cqc, "decision", {"decision": "not_notify", "reason": "CQC was told by the authority, see its letter."})
    for found in (owed(case.manager), listed(case.manager)):
        assert cqc["obligation_id"] not in {row.get("subject_id", row.get("obligation_id")) for row in found}
    assert cqc["obligation_id"] in {row["obligation_id"] for row in listed(case.manager, "?unsent=false")}
    body = {"people": [], "excluded": [str(case.manager.id)], "reason": "The manager is named in it."}
    lead = actor("safeguarding_lead")
    assert case.intake.put(f"/incidents/{case.id}/access", lead, body, version=0).status_code == 200
    assert case.id not in {row["incident_id"] for row in [*owed(case.manager), *listed(case.manager)]}
    assert case.id in {row["incident_id"] for row in listed(lead)}


def test_a_limit_of_the_law_rings_once_more(case: Case, clock: MovableClock, now: datetime) -> None:
    case.reported("information").triaged("none")
    case.answers(
        personal_data_breach=True, breach_risk_to_people=True, breach_aware_at=(now - timedelta(hours=10)).isoformat()
    )
    row = case.row("data-breach-ico")
    assert at(row["statutory_due_at"]) == now + timedelta(hours=62)
    assert at(row["provider_target_at"]) == now + timedelta(hours=38)
    clock.advance(timedelta(hours=38))
    assert case.ring(case.clock_of(row)).due_at == now + timedelta(hours=62)
    clock.advance(timedelta(hours=24))
    case.ring(case.clock_of(row))
    assert [e["statutory"] for e in case.events("obligation.late")] == [False, True]


def test_one_referral_for_each_person_and_authority(case: Case) -> None:
    case.reported("missed_visit").triaged("moderate")
    case.answers(neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True)
    first = case.row("safeguarding-concern")
    people = [{"code": f"P{n}", "local_authority": "E06000023" if n < 3 else "E10000027"} for n in range(1, 5)]
    case.answers(people=people)
    rows = case.rows("safeguarding-concern")
    assert sorted((r["person"], r["authority"]) for r in rows) == [(p["code"], p["local_authority"]) for p in people]
    assert first["obligation_id"] in {r["obligation_id"] for r in rows}
    assert len(case.rows("cqc-abuse")) == 1


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
        ("death", "fatal", {"person_died": False}, "person_died"),
        ("fall", "fatal", {"person_died": False}, "person_died"),
        ("fall", "low", {"person_died": False, "death_linked_to_services": True}, "person_died"),
        ("fall", "low", {"serious_injury_test": "yes"}, "professional_role"),
        ("fall", "low", {"serious_injury_test": "no", "professional_role": "GP", "serious_injury_kinds": ["impairment"]}, "serious_injury_test"),
        ("fall", "low", {"injured_party": "nobody", "taken_directly_to_hospital": True}, "injured_party"),
        ("fall", "low", {"injured_party": "non_worker", "worker_incapacitated_days": 3}, "worker_incapacitated_days"),
        ("fall", "low", {"worker_unfit_from": "2026-06-08", "worker_unfit_to": "2026-06-07"}, "worker_unfit_to"),
        ("fall", "low", {"worker_unfit_from": "2026-06-01", "worker_unfit_to": "2026-06-07"}, "worker_unfit_from"),
        ("fall", "low", {"worker_unfit_to": "2026-07-07"}, "worker_unfit_to"),
        ("fall", "low", {"worker_unfit_from": "2026-06-08", "worker_unfit_to": "2026-06-08", "worker_incapacitated_days": 1}, "worker_incapacitated_days"),
        ("abuse_allegation", "low", {"abuse_or_allegation": False}, "abuse_or_allegation"),
        ("fall", "low", {"abuse_or_allegation": False, "allegation_against_staff": True}, "abuse_or_allegation"),
        ("information", "none", {"personal_data_breach": False, "breach_risk_to_people": True}, "personal_data_breach"),
        ("information", "none", {"breach_risk_to_people": False, "breach_high_risk_to_people": True}, "breach_high_risk_to_people"),
        ("information", "none", {"breach_aware_at": "2026-06-10T09:00:00+00:00"}, "breach_aware_at"),
        ("fall", "low", {"severity": "bad"}, "severity"),
        ("fall", "low", {"linked_infections": -1}, "linked_infections"),
        ("fall", "low", {"people": [{"code": "Mr Jones"}]}, "people.0.code"),
        ("fall", "low", {"serious_injury_test": "perhaps"}, "serious_injury_test"),
        ("fall", "low", {"work_contribution": "a\x00b"}, "work_contribution"),
    ]  # fmt: skip


@pytest.mark.parametrize(("category", "harm"), sorted({(category, harm) for category, harm, _, _ in REFUSED}))
def test_contradictory_and_bad_answers_are_refused_with_field_and_remedy(case: Case, category: str, harm: str) -> None:
    case.reported(category).triaged(harm)
    before = case.all()
    for facts, field in [(f, name) for c, h, f, name in REFUSED if (c, h) == (category, harm)]:
        problem = case.answers(422, **facts)
        assert problem["errors"][0]["field"] == field
        assert problem["errors"][0]["remedy"]
    assert case.all() == before


def test_answers_add_up_and_are_kept_by_version(case: Case) -> None:
    case.reported("fall").triaged("low")
    assert case.answers(work_related=True)["version"] == 1
    second = case.answers(injured_party="worker")
    assert second["answers"]["work_related"] is True
    assert case.answers(work_related=None)["answers"]["work_related"] is None
    stale = case.intake.put(f"/incidents/{case.id}/facts", case.manager, {"work_related": True}, version=1)
    assert stale.status_code == 412
    assert case.intake.put(f"/incidents/{case.id}/facts", case.manager, {"work_related": True}).status_code == 428
    assert case.intake.put(f"/incidents/{case.id}/facts", case.carer, {}, version=3).status_code == 403
    with transaction(case.engine, case.manager.provider_id) as session:
        kept = session.scalars(
            text("select answers from intake.fact_sheet where incident_id = :id order by version"), {"id": case.id}
        )
        assert list(kept) == [
            {"work_related": True},
            {"work_related": True, "injured_party": "worker"},
            {"injured_party": "worker"},
        ]


def test_who_may_not_see_the_incident_sees_no_obligation(case: Case, actor: Callable[..., Actor]) -> None:
    case.reported("abuse_allegation")
    row = case.row("cqc-abuse")
    stranger = actor("registered_manager", locations=[uuid.uuid4()])
    for path in (f"/obligations/{row['obligation_id']}", f"/obligations/{row['obligation_id']}/draft", f"/incidents/{case.id}/obligations", f"/incidents/{case.id}/facts"):  # fmt: skip
        assert case.intake.get(path, stranger).status_code == 404, path
    other = actor("registered_manager", provider=uuid.uuid4())
    assert case.intake.get(f"/obligations/{row['obligation_id']}", other).status_code == 404
    assert case.intake.get(f"/obligations/{uuid.uuid4()}", case.manager).status_code == 404
    path = f"/obligations/{row['obligation_id']}/decision"
    assert case.intake.post(path, case.carer, {"decision": "notify"}, version=1).status_code == 403


def test_a_draft_is_complete_and_says_what_is_missing(case: Case) -> None:
    case.reported("death").triaged("fatal")
    case.answers(
        death_linked_to_services=True, death_expected=False, found_where="in the lounge", people=[{"code": "SU-7"}]
    )
    row = case.row("cqc-death")
    draft = case.intake.get(f"/obligations/{row['obligation_id']}/draft", case.manager).json()
    fields = {f["name"]: f for f in draft["fields"]}
    assert fields["narrative"]["value"].startswith("The person slid")
    assert fields["death_expected"]["value"] == "no"
    assert fields["death_cause"]["missing"]
    assert "death_cause" in draft["missing"]
    assert any("name" in line for line in draft["check_before_sending"])
    text_form = case.intake.get(f"/obligations/{row['obligation_id']}/draft?form=text", case.manager)
    assert text_form.headers["content-disposition"].startswith("attachment")
    assert text_form.text == draft["text"]
    assert "Care Quality Commission" in text_form.text
    assert "regulation 16" in text_form.text
    assert case.intake.get(f"/obligations/{row['obligation_id']}/draft", case.carer).status_code == 403


def test_only_what_is_decided_can_be_withdrawn_and_owes_nothing_more(case: Case, actor: Any) -> None:
    lead = actor("safeguarding_lead")

    def withdraw(who: Actor) -> Any:
        version = case.intake.get(f"/incidents/{case.id}", who).json()["version"]
        return case.intake.post(f"/incidents/{case.id}/withdrawal", who, {"reason": "In error."}, version=version)

    case.reported("abuse_allegation")
    assert withdraw(case.manager).status_code == 403, "never by a manager alone"
    refused = withdraw(lead)
    assert refused.status_code == 409
    assert {"cqc-abuse", "safeguarding"} <= set(refused.json()["detail"].split(": ")[1].split(". ")[0].split(", "))
    assert case.clock_of(case.row("cqc-abuse"))["due_at"] is not None
    no = {"decision": "not_refer", "reason": "Nobody was hurt."}
    assert case.intake.post(f"/incidents/{case.id}/safeguarding/decision", lead, no, version=1).status_code == 200
    for row in case.all()["obligations"]:
        if row["state"] == "to_decide":
            case.does(row, "decision", {"decision": "not_notify", "reason": "Nobody was hurt."})
    assert withdraw(lead).status_code == 200
    row = case.row("cqc-abuse")
    assert case.clock_of(row)["due_at"] is None
    assert case.blocked() == []
    case.does(row, "decision", {"decision": "notify"}, 409)
    case.answers(409, abuse_or_allegation=True)


def test_a_death_is_neither_withdrawn_nor_a_duplicate_before_it_is_decided(case: Case, actor: Any) -> None:
    first = case.reported("death").id
    case.reported("death").triaged("fatal")
    version = case.intake.get(f"/incidents/{case.id}", case.manager).json()["version"]
    path = f"/incidents/{case.id}"
    assert case.intake.post(f"{path}/withdrawal", case.manager, {"reason": "x"}, version=version).status_code == 403
    for what, who, body in (
        ("withdrawal", actor("nominated_individual"), {"reason": "x"}),
        ("duplicate", case.manager, {"duplicate_of": first}),
    ):
        refused = case.intake.post(f"{path}/{what}", who, body, version=version)
        assert (refused.status_code, "cqc-death" in refused.json()["detail"]) == (409, True), refused.text
    assert "obligation" in case.blocked()


def test_the_same_key_decides_once(case: Case) -> None:
    case.reported("abuse_allegation")
    row = case.row("cqc-abuse")
    path = f"/obligations/{row['obligation_id']}/decision"
    answers = [
        case.intake.post(path, case.manager, {"decision": "notify"}, version=row["version"], key="the-same-key")
        for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(case.events("obligation.decided")) == 1


def test_a_referral_that_was_sent_before_the_safeguarding_record_is_the_referral_there(case: Case) -> None:
    """The two records know of one another, whichever came first, and there is no second referral."""
    case.reported("choking").triaged("low")
    person = uuid.uuid4()
    case.answers(
        neglect_or_omission_possible=True, care_and_support_needs=True, cannot_protect_self=True,
        people=[{"code": str(person), "local_authority": "LEEDS"}],
    )  # fmt: skip
    row = case.does(case.row("safeguarding-concern"), "decision", {"decision": "notify"})
    assert row["adults"] == []
    sent = {"reference": "SG-7", "submitted_at": case.clock.now().isoformat()}
    case.does(row, "submission", sent)
    safeguards(case, "", a_concern(person))
    [adult] = case.intake.get(f"/incidents/{case.id}/safeguarding", case.manager).json()["adults"]
    [there] = adult["referrals"]
    assert (adult["decision"], there["reference"], there["authority"]) == ("refer", "SG-7", "LEEDS")
    row = case.row("safeguarding-concern")
    assert (row["adults"], adult["obligations"]) == ([adult["adult_id"]], [row["obligation_id"]])
    assert "safeguarding" not in case.blocked()
    version = case.intake.get(f"/incidents/{case.id}/safeguarding", case.manager).json()["version"]
    again = referral(case, person_ref=str(person)) | {"authority": "Leeds"}
    second = case.intake.post(f"/incidents/{case.id}/safeguarding/referral", case.manager, again, version=version)
    assert (second.status_code, second.json()["type"]) == (409, "/problems/already-referred")
    assert audit.verify(case.chain()) is None


def test_a_position_of_trust_needs_no_victim_and_the_right_council(case: Case, actor: Any) -> None:
    lead = actor("safeguarding_lead")
    case.reported("other", narrative="A worker was charged with theft from a neighbour, at home.")
    case.answers(position_of_trust_concern=True, position_of_trust_with_children=False)
    assert case.intake.get(f"/incidents/{case.id}", case.manager).status_code == 404, "restricted at once"
    case.manager = lead
    row = case.row("position-of-trust")
    assert (row["outcome"], row["must_decide"], row["recipient"]) == ("triggered", True, "position_of_trust")
    assert case.rows("safeguarding-concern") == case.rows("position-of-trust-children") == []
    row = case.does(row, "decision", {"decision": "notify"})
    sent = {"reference": "PIPOT-3", "submitted_at": case.clock.now().isoformat()}
    refused = case.does(row, "submission", sent, 422)
    assert refused["errors"][0]["field"] == "position_of_trust_authority"
    case.answers(position_of_trust_authority="E08000035")
    draft = case.intake.get(f"/obligations/{row['obligation_id']}/draft", lead).json()
    assert {f["name"]: f["value"] for f in draft["fields"]}["position_of_trust_authority"] == "E08000035"
    assert case.does(case.row("position-of-trust"), "submission", sent)["state"] == "submitted"


def test_a_notice_of_a_death_holds_all_that_is_asked_by_code(case: Case) -> None:
    case.reported("death").triaged("fatal")
    case.answers(
        death_linked_to_services=True, death_expected=False, found_where="in the lounge", death_cause="not known yet",
        found_at=(case.clock.now() - timedelta(minutes=50)).isoformat(), last_care_by_role="senior carer, at 21:00",
        restraint_in_7_days_before=False, device_or_medicine_concern=True, people=[{"code": "SU-7"}],
    )  # fmt: skip
    row = case.row("cqc-death")
    draft = case.intake.get(f"/obligations/{row['obligation_id']}/draft", case.manager).json()
    fields = {field["name"]: field["value"] for field in draft["fields"]}
    assert {name: fields[name] for name in (
        "death_expected", "found_where", "death_cause", "last_care_by_role", "restraint_in_7_days_before",
        "device_or_medicine_concern",
    )} == {
        "death_expected": "no", "found_where": "in the lounge", "death_cause": "not known yet",
        "last_care_by_role": "senior carer, at 21:00", "restraint_in_7_days_before": "no", "device_or_medicine_concern": "yes",
    }  # fmt: skip
    assert fields["found_at"].startswith("8 June 2026")
    assert fields["person"].startswith("P-"), "a code, never a name"
    assert "found_at" not in draft["missing"]


def test_how_work_contributed_is_asked_kept_and_told(case: Case) -> None:
    case.reported("fall").triaged("severe")
    asked = case.answers(work_related=True, injured_party="worker", specified_injury=True)["questions"]
    assert "way of working, equipment or environment" in asked["work_contribution"]
    row = case.row("riddor-serious")
    path = f"/obligations/{row['obligation_id']}/draft"
    assert "work_contribution" in case.intake.get(path, case.manager).json()["missing"]
    case.answers(work_contribution="The hoist battery was flat, and nobody checks it before a round.")
    draft = case.intake.get(path, case.manager).json()
    assert {f["name"]: f["value"] for f in draft["fields"]}["work_contribution"].startswith("The hoist battery")
    assert case.answers()["answers"]["work_contribution"].startswith("The hoist battery")
    assert "hoist battery" not in str(case.events("")), "what was written stays here"


def test_a_barring_referral_stays_when_the_worker_left_or_is_from_an_agency(case: Case) -> None:
    case.reported("abuse_allegation")
    questions = case.answers(allegation_against_staff=False)["questions"]
    assert "had they not left" in questions["removed_from_regulated_activity"]
    # Resigned before the end of the enquiry: they would have been removed.
    case.answers(removed_from_regulated_activity=True, barring_harm_test=True)
    row = case.row("barring-referral")
    assert (row["outcome"], row["must_decide"]) == ("triggered", True)
    assert "agency" in str(row["notes"])
    assert "leaves" in str(row["notes"])
    refused = case.does(row, "decision", {"decision": "not_notify"}, 422)
    assert refused["errors"][0]["field"] == "reason", "that somebody left is no way round it"
    assert "obligation" in case.blocked()
