"""Duty of candour over HTTP on a real database: the test of regulation 20(9), each part, letters, attempts, clocks."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from services.runtime import audit
from services.runtime.db import transaction
from tests.conftest import MovableClock
from tests.integration.test_obligations import Case, at, case

__all__ = ["case"]

SPOKEN = ["in_person_notification", "true_account", "further_enquiries", "apology", "written_record", "support"]


class Candour:
    """The duty of one case, called as its manager."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.path = f"/incidents/{case.id}/candour"

    def read(self) -> Any:
        answer = self.case.intake.get(self.path, self.case.manager)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def does(self, what: str, body: Any, status: int = 200, *, version: int | None = None) -> Any:
        known = self.read()["version"] if version is None else version
        answer = self.case.intake.post(f"{self.path}/{what}", self.case.manager, body, version=known)
        assert answer.status_code == status, answer.text
        return answer.json()

    def decision(self, **changes: Any) -> dict[str, Any]:
        return {
            "unintended_or_unexpected": True, "during_regulated_activity": True, "harm_test": "met",
            "limbs": ["change_to_structure_of_body"], "professional_role": "orthopaedic registrar",
            "professional_opinion": "A fractured hip that needs surgery.",
            "opinion_at": self.case.clock.now().isoformat(), "relevant_person": "service_user",
            "reason": "The ward confirmed the fracture.", **changes,
        }  # fmt: skip

    def not_met(self, **changes: Any) -> dict[str, Any]:
        return self.decision(
            **{
                "harm_test": "not_met",
                "limbs": [],
                "openness": "Told the daughter what happened and said sorry.",
                **changes,
            }
        )

    def letter(self, purpose: str, **changes: Any) -> dict[str, Any]:
        return {
            "direction": "sent", "purpose": purpose, "at": self.case.clock.now().isoformat(),
            "content": "We are sorry that this happened.", **changes,
        }  # fmt: skip

    def spoke(self) -> Any:
        return self.does("steps", {"steps": SPOKEN, "at": self.case.clock.now().isoformat()})

    def clock(self) -> Any:
        return self.case.clock_of({"obligation_id": self.read()["candour_id"]})


def test_severe_harm_asks_but_never_decides(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    asked = candour.read()
    assert (asked["status"], asked["waits_for"], asked["statutory_limit"]) == ("to_decide", "decision", None)
    assert asked["statutory_wording"].startswith("as soon as reasonably practicable")
    assert "candour" in case.blocked()
    decided = candour.does("decision", candour.not_met())
    assert decided["status"] == "not_met"
    assert decided["decisions"][0]["openness"].startswith("Told the daughter")
    assert decided["decisions"][0]["harm_grade"] == "severe"
    assert "candour" not in case.blocked()


def test_low_harm_may_meet_the_test(case: Case) -> None:
    case.reported("choking").triaged("low")
    candour = Candour(case)
    assert candour.read()["status"] == "not_asked"
    assert "candour" not in case.blocked()
    decided = candour.does("decision", candour.decision(limbs=["treatment_to_prevent"]))
    assert decided["status"] == "met"
    assert decided["missing"][:2] == ["in_person_notification", "true_account"]
    assert "candour" in case.blocked()


INCOMPLETE: list[tuple[dict[str, Any], str]] = [
    ({"harm_test": "not_asked", "limbs": []}, "harm_test"),
    ({"professional_role": None}, "professional_role"),
    ({"professional_opinion": None}, "professional_opinion"),
    ({"opinion_at": None}, "opinion_at"),
    ({"opinion_at": "2026-06-09T09:00:00+00:00"}, "opinion_at"),
    ({"limbs": []}, "limbs"),
    ({"harm_test": "not_met", "openness": "Told."}, "limbs"),
    ({"limbs": ["moderate_harm"]}, "limbs.0"),
    ({"limbs": ["prolonged_pain"]}, "lasting_days"),
    ({"limbs": ["impairment"], "lasting_days": 27}, "lasting_days"),
    ({"relevant_person": None}, "relevant_person"),
    ({"harm_test": "not_met", "limbs": []}, "openness"),
    ({"unintended_or_unexpected": False}, "openness"),
    ({"unintended_or_unexpected": "perhaps"}, "unintended_or_unexpected"),
    ({"reason": " "}, "reason"),
    ({"grade": "severe"}, "grade"),
]


def test_an_incomplete_or_contradictory_decision_is_refused(case: Case) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    for change, field in INCOMPLETE:
        problem = candour.does("decision", candour.decision(**change), 422)
        assert problem["errors"][0]["field"] == field
        assert problem["errors"][0]["remedy"]
    assert candour.read()["status"] == "to_decide"


def test_harm_that_lasts_28_days_counts_and_an_activity_not_regulated_does_not(case: Case) -> None:
    case.reported("fall").triaged("moderate")
    candour = Candour(case)
    outside = {"during_regulated_activity": False, "harm_test": "not_asked", "limbs": [], "openness": "Told at once.",
               "professional_role": None, "professional_opinion": None, "opinion_at": None}  # fmt: skip
    assert candour.does("decision", candour.decision(**outside))["status"] == "not_met"
    case.triaged("severe")
    assert candour.read()["round"] == 2
    decided = candour.does("decision", candour.decision(limbs=["prolonged_psychological_harm"], lasting_days=28))
    assert decided["status"] == "met"
    assert [d["met"] for d in decided["decisions"]] == [False, True]


def test_each_part_is_tracked_and_a_call_is_not_the_whole(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    candour.does("decision", candour.decision())
    assert candour.read()["waits_for"] == "in_person_notification"
    clock.advance(timedelta(hours=1))
    early = candour.does("letters", candour.letter("written_notification"), 409)
    assert early["type"].endswith("in-person-first")
    assert candour.does("steps", {"steps": ["phone_call"], "at": clock.now().isoformat()}, 422)
    assert candour.does("steps", {"steps": ["written_notification"], "at": clock.now().isoformat()}, 422)
    late = (clock.now() + timedelta(days=1)).isoformat()
    assert candour.does("steps", {"steps": ["apology"], "at": late}, 422)["errors"][0]["field"] == "at"
    spoken = candour.spoke()
    assert spoken["missing"] == ["written_notification", "further_results"]
    assert spoken["waits_for"] == "written_notification"
    assert at(spoken["provider_target_at"]) == clock.now() + timedelta(days=10)
    by = {s["step"]: s["done"] for s in spoken["steps"]}
    assert by["apology"][0]["done_by"] == str(case.manager.id)
    clock.advance(timedelta(days=2))
    assert candour.does("letters", candour.letter("written_notification"))["waits_for"] == "further_results"
    assert "candour" in case.blocked()
    reply = candour.letter("other", direction="received", content="Thank you for telling us.")
    candour.does("letters", reply)
    done = candour.does("letters", candour.letter("further_results"))
    assert done["completed_at"] is not None
    assert not done["completed_by_attempts"]
    assert len(done["letters"]) == 3
    assert done["letters"][0]["sha256"] == audit.digest("We are sorry that this happened.")
    assert "candour" not in case.blocked()
    assert candour.clock()["due_at"] is None
    said = str(case.chain()) + str(case.events(""))
    assert "sorry" not in said
    assert "fractured" not in said
    assert audit.verify(case.chain()) is None


def test_who_declines_is_on_record_and_so_is_who_cannot_be_reached(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    candour.does("decision", candour.decision())
    attempt = {"at": clock.now().isoformat(), "how": "phone", "outcome": "unreachable", "note": "No answer."}
    for _ in range(2):
        assert candour.does("attempts", attempt)["completed_at"] is None
    done = candour.does("attempts", attempt)
    assert done["completed_by_attempts"]
    assert len(done["attempts"]) == 3
    assert "candour" not in case.blocked()


def test_one_refusal_is_enough(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    candour.does("decision", candour.decision())
    declined = {"at": clock.now().isoformat(), "how": "visit", "outcome": "declined"}
    assert candour.does("attempts", declined)["completed_by_attempts"]


def test_decided_twice_is_refused_with_what_was_decided(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    assert candour.does("steps", {"steps": ["apology"], "at": clock.now().isoformat()}, 409)
    candour.does("decision", candour.decision(), 412, version=9)
    candour.does("decision", candour.decision())
    twice = candour.does("decision", candour.not_met(), 409)
    assert "met" in twice["detail"]
    assert case.intake.get(candour.path, case.carer).status_code == 403


def test_finishing_candour_finishes_nothing_else(case: Case, clock: MovableClock) -> None:
    case.reported("abuse_allegation").triaged("severe")
    candour = Candour(case)
    candour.does("decision", candour.decision())
    candour.does("attempts", {"at": clock.now().isoformat(), "how": "visit", "outcome": "declined"})
    left = case.blocked()
    assert "candour" not in left
    assert "obligation" in left
    assert case.intake.get(f"/incidents/{case.id}", case.manager).json()["stage"] != "closed"


def test_the_clock_is_the_providers_own_and_tells_the_line(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    start = clock.now()
    running = candour.clock()
    assert running["due_at"] == start + timedelta(hours=18)
    clock.advance(timedelta(hours=18))
    assert case.ring(running).due_at == start + timedelta(hours=24)
    clock.advance(timedelta(hours=6))
    assert [e["waits_for"] for e in case.events("candour.warned")] == ["decision"]
    assert "candour_warned" in [entry["action"] for entry in case.chain()]
    assert candour.read()["warned_at"] is not None
    assert case.ring(candour.clock()).due_at == start + timedelta(hours=48)
    assert [e["waits_for"] for e in case.events("candour.late")] == ["decision"]
    assert candour.read()["late_at"] is not None
    with transaction(case.engine, case.manager.provider_id) as session:
        asked = session.scalars(
            text("select data->>'reason' from intake.outbox where key = :k and type like '%escalation_requested%'"),
            {"k": case.id},
        )
        assert list(asked)
    clock.advance(timedelta(hours=24))
    assert case.ring(candour.clock()).due_at == start + timedelta(hours=72)
    late = [entry["data"] for entry in case.chain() if entry["action"] == "candour_late"]
    assert [entry["count"] for entry in late] == [1, 2]
    clock.advance(timedelta(hours=1))
    decided = candour.does("decision", candour.decision())
    assert decided["late_at"] is None
    assert candour.clock()["due_at"] is not None


def test_the_letter_is_drafted_from_the_record(case: Case, clock: MovableClock) -> None:
    case.reported("fall").triaged("severe")
    candour = Candour(case)
    path = f"{candour.path}/letter-draft"
    assert case.intake.get(path, case.manager).json()["type"] == "/problems/not-decided"
    candour.does("decision", candour.decision())
    candour.does("steps", {"steps": SPOKEN, "at": clock.now().isoformat()})
    draft = case.intake.get(path, case.manager).json()
    assert "We are sorry that this happened." in draft["text"]
    assert "The person slid from the chair" in draft["text"]
    assert "On 8 June 2026 we spoke with you" in draft["text"]
    assert draft["missing"] == ["name_and_address", "what_was_done", "further_enquiries", "contact", "signed_by"]
    assert case.intake.get(path, case.carer).status_code == 403
