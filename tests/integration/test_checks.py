"""The checks of the first hours over HTTP on a real database: required time, actual time, variance; late, and up the line."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.intake import clocks
from services.intake.activities import _WAITING
from services.intake.checks import policy
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_obligations import Case as Incident

ADVICE = {"adviser": "gp", "advice": "Watch for an hour, hold the next dose."}


class Case(Incident):
    """One incident, its checks, and whoever leads the shift."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lead = args[-1]("shift_lead", locations=[self.home])

    def check(self, rule: str, actor: Actor | None = None) -> Any:
        return next((one for one in self.checks(actor) if one["rule"] == rule), None)

    def checks(self, actor: Actor | None = None) -> Any:
        answer = self.intake.get(f"/incidents/{self.id}/checks", actor or self.manager)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def records(
        self, rule: str, status: int = 200, *, actor: Actor | None = None, at: datetime | None = None, **answers: Any
    ) -> Any:
        body = {"done_at": (at or self.clock.now()).isoformat(), "answers": answers}
        answer = self.intake.post(f"/incidents/{self.id}/checks/{rule}/record", actor or self.lead, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def sets_aside(self, rule: str, reason: str, status: int = 200, actor: Actor | None = None) -> Any:
        path = f"/incidents/{self.id}/checks/{rule}/set-aside"
        answer = self.intake.post(path, actor or self.lead, {"reason": reason})
        assert answer.status_code == status, answer.text
        return answer.json()

    def clock_row(self) -> Any:
        """The clock as it is written down; before, as the event of the report sets it; else None."""
        return self.written_clock() or self.clock_of_report()

    def clock_of_report(self) -> Any:
        [said] = self.events("incident.reported")
        at = said["checks_warned_at"]
        return at and {"clock_id": uuid.UUID(self.id), "revision": 1, "due_at": datetime.fromisoformat(at)}

    def written_clock(self) -> Any:
        with transaction(self.engine, self.manager.provider_id) as session:
            query = text("select * from intake.clock where subject_id = :id and kind = 'check'")
            return session.execute(query, {"id": self.id}).mappings().one_or_none()

    def rings(self) -> Any:
        """The clock runs out: the time is moved to it, as the process does."""
        due = self.clock_row()
        assert due["due_at"] is not None
        self.clock.advance(max(due["due_at"] - self.clock.now(), timedelta(0)))
        return self.ring(due)

    def runs(self) -> list[Any]:
        with transaction(self.engine, self.manager.provider_id) as session:
            query = text("select * from intake.ladder_run where incident_id = :id order by requested_at, run_id")
            return [dict(row) for row in session.execute(query, {"id": self.id}).mappings()]

    def inbox(self, actor: Actor) -> Any:
        return self.intake.get("/inbox", actor).json()

    def duties(self, actor: Actor) -> list[tuple[str, bool]]:
        return [(one["waits_for"], one["late"]) for one in self.inbox(actor)["duties"] if one["kind"] == "check"]


@pytest.fixture
def case(
    client: Callable[[str], ServiceClient],
    service_engine: Callable[[str], Engine],
    clock: MovableClock,
    place: Callable[..., uuid.UUID],
    actor: Callable[..., Actor],
) -> Case:
    return Case(client("intake"), service_engine("intake"), clock, place("intake"), actor)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_a_medicines_error_asks_for_advice_within_the_hour_and_a_look_at_the_care_plan(case: Case) -> None:
    now = case.clock.now()
    case.reported("medication", occurred_at=(now - minutes(40)).isoformat())
    advice, plan = case.check("clinical-advice"), case.check("care-plan-check")
    assert datetime.fromisoformat(advice["required_at"]) == now + minutes(60)
    assert datetime.fromisoformat(plan["required_at"]) == now + timedelta(hours=24)
    assert (advice["state"], advice["variance_minutes"], advice["late"]) == ("to_do", None, False)
    assert "own standard" in advice["within"], "never shown as if the law said so"
    assert case.clock_row()["due_at"] == now + minutes(45)
    case.clock.advance(minutes(30))
    case.records("clinical-advice", at=now + minutes(20), **ADVICE)
    done = case.check("clinical-advice")
    assert (done["state"], done["variance_minutes"], done["how"]) == ("done", -40, "hand")
    assert done["answers"]["adviser"] == "gp"
    assert (done["recorded_by"], done["recorded_role"]) == (str(case.lead.id), "shift_lead")
    assert case.clock_row()["due_at"] == now + timedelta(hours=18), "the clock goes on with what is left"
    [said] = case.events("check.recorded")
    assert (said["rule"], said["set_aside"]) == ("clinical-advice", False)
    assert "hold the next dose" not in str([*case.events(""), *case.chain()])
    [kept] = [entry for entry in case.chain() if entry["action"] == "check_recorded"]
    assert kept["data"]["rule"] == "clinical-advice"


def test_the_report_itself_and_who_was_told_keep_both_times_also_of_a_late_entry(case: Case) -> None:
    """Filed within the hour, told within the hour, and a late entry shown as late with the time it was really made."""
    now = case.clock.now()
    case.reported("fall", occurred_at=(now - minutes(35)).isoformat())
    filed = case.check("filed-within-the-hour")
    assert (filed["state"], filed["variance_minutes"], filed["how"]) == ("done", -25, "report")
    told = case.check("shift-lead-told")
    assert (told["state"], told["chased"]) == ("to_do", False)
    case.records("shift-lead-told", actor=case.carer, at=now - minutes(30), told_how="in_person")
    assert case.check("shift-lead-told")["variance_minutes"] == -55
    case.reported("fall", occurred_at=(now - timedelta(hours=30)).isoformat())
    view = case.intake.get(f"/incidents/{case.id}", case.manager).json()
    assert datetime.fromisoformat(view["occurred_at"]) == now - timedelta(hours=30)
    assert datetime.fromisoformat(view["reported_at"]) == now
    filed = case.check("filed-within-the-hour")
    assert (filed["state"], filed["variance_minutes"], filed["late"]) == ("done_late", 29 * 60, True)


def test_a_concern_is_to_be_recorded_in_the_shift_and_the_form_within_a_day(case: Case) -> None:
    now = case.clock.now()
    case.reported("abuse_allegation", occurred_at=(now - timedelta(hours=13)).isoformat())
    assert case.check("concern-in-the-shift")["variance_minutes"] == 60
    form = case.check("safeguarding-form")
    assert (form["state"], datetime.fromisoformat(form["required_at"])) == ("to_do", now + timedelta(hours=24))
    case.records("safeguarding-form", 409)
    case.clock.advance(timedelta(hours=2))
    body = {"abuse_types": ["physical"], "immediate_safety_secured": True, "safety_measures": "Somebody stays with P."}
    record = case.intake.get(f"/incidents/{case.id}/safeguarding", case.manager)
    answer = case.intake.put(f"/incidents/{case.id}/safeguarding", case.manager, body, version=record.json()["version"])
    assert answer.status_code == 200, answer.text
    form = case.check("safeguarding-form")
    assert (form["state"], form["variance_minutes"], form["how"]) == ("done", -22 * 60, "safeguarding")
    assert case.clock_row()["due_at"] is None


def test_an_allegation_against_staff_asks_the_employer_for_the_risk_to_all(case: Case, actor: Any) -> None:
    case.reported("abuse_allegation", about_staff=[str(uuid.uuid4())], not_about_staff=False)
    lead = actor("safeguarding_lead")
    found = case.check("employer-risk-assessment", lead)
    assert datetime.fromisoformat(found["required_at"]) == case.clock.now() + timedelta(hours=6)
    case.records("employer-risk-assessment", 422, actor=lead, duties="away_from_people", support_contact=True)
    case.records("employer-risk-assessment", 404)
    said = {
        "duties": "away_from_people",
        "support_contact": True,
        "risk_to_people": "Nine people; none alone with them.",
    }
    case.records("employer-risk-assessment", actor=lead, **said)
    assert case.check("employer-risk-assessment", lead)["state"] == "done"
    # Also when only the facts say so; of an allegation that is about nobody who works here, nobody asks.
    case.reported("abuse_allegation", not_about_staff=True)
    assert case.check("employer-risk-assessment", lead) is None
    case.answers(allegation_against_staff=True, actor=lead)
    assert case.check("employer-risk-assessment", lead)["state"] == "to_do"


def test_a_choking_or_a_missed_visit_asks_who_else_is_at_risk_today(case: Case) -> None:
    for category, asked in (("choking", True), ("missed_visit", True), ("pressure_damage", True), ("fall", False)):
        case.reported(category)
        assert (case.check("others-at-risk") is not None) == asked
    case.reported("missed_visit")
    case.records("others-at-risk", 422, looked_at=6)
    case.records("others-at-risk", looked_at=6, found="All well.")
    assert case.check("others-at-risk")["variance_minutes"] < 0


def test_what_is_late_warns_then_goes_up_the_line_until_it_is_recorded(case: Case) -> None:
    case.reported("medication")
    assert case.duties(case.lead) == []
    case.rings()
    assert [said["rule"] for said in case.events("check.warned")] == ["clinical-advice"]
    assert case.duties(case.lead) == [("clinical-advice", False)]
    assert case.runs() == [], "a warning calls nobody"
    rung = case.rings()
    assert [(run["reason"], run["rule"], run["level"]) for run in case.runs()] == [("check_late", "check-late", 0)]
    assert rung.climb is None or rung.climb.role == "shift_lead"
    assert case.check("clinical-advice")["state"] == "late"
    assert ("clinical-advice", True) in case.duties(case.manager)
    for _ in range(3):  # the care plan: warned, late; the advice a day later
        case.rings()
    [run] = case.runs()
    assert (run["rule"], run["level"]) == ("check-late-again", 2), "raised to the registered manager"
    case.records("clinical-advice", **ADVICE)
    assert case.check("clinical-advice")["state"] == "done_late"
    assert case.check("clinical-advice")["variance_minutes"] > 23 * 60
    assert case.runs()[0]["acknowledged_at"] is None, "the care plan is late still"
    case.sets_aside("care-plan-check", "The person moved out this morning.")
    assert case.runs()[0]["acknowledged_at"] is not None, "with nothing late any more nobody is called any more"
    assert case.clock_row()["due_at"] is None
    assert case.duties(case.lead) == case.duties(case.manager) == []


def test_it_is_called_out_so_many_times_and_stays_late_for_all_to_see(case: Case) -> None:
    case.reported("medication")
    case.records("care-plan-check", plan_right=True)
    rings = 0
    while case.clock_row()["due_at"] is not None:
        case.rings()
        rings += 1
    assert rings == 1 + 5
    assert [said["rule"] for said in case.events("check.late")] == ["clinical-advice"] * 5
    assert case.duties(case.manager) == [("clinical-advice", True)]


def test_late_checks_and_high_risk_do_not_hide_one_another(case: Case) -> None:
    case.reported("medication")
    case.rings()
    case.rings()
    case.triaged("low")
    assert sorted(run["reason"] for run in case.runs() if run["told_role"] is None) == ["check_late", "high_risk"]


def test_an_answer_settles_it_and_may_be_told_in_full_once(case: Case) -> None:
    case.reported("medication")

    def told(**answers: Any) -> tuple[str, str | None]:
        version = case.intake.get(f"/incidents/{case.id}", case.carer).json()["version"]
        body = {"answers": answers}
        assert case.intake.put(f"/incidents/{case.id}/answers", case.carer, body, version=version).status_code == 200
        return case.check("clinical-advice")["state"], case.check("clinical-advice")["how"]

    # Neither a yes alone nor half of it: who advised and what is what the check is for.
    assert told(clinical_advice=True) == ("to_do", None)
    assert told(clinical_advice_at="At ten: hold the next dose.") == ("to_do", None)
    assert told(clinical_adviser="gp") == ("done", "answer")
    assert case.check("clinical-advice")["answers"] == {"adviser": "gp", "advice": "At ten: hold the next dose."}
    case.records("clinical-advice", **ADVICE)
    assert case.check("clinical-advice")["how"] == "hand"
    case.records("clinical-advice", 409, **ADVICE)
    case.sets_aside("clinical-advice", "Twice.", 409)


def test_a_fall_asks_for_advice_once_the_head_may_be_hurt_and_for_checks_that_are_handed_over(case: Case) -> None:
    case.reported("fall")
    assert case.check("clinical-advice") is None
    case.clock.advance(timedelta(hours=3))
    version = case.intake.get(f"/incidents/{case.id}", case.carer).json()["version"]
    said = {"answers": {"head_injury": True}}
    assert case.intake.put(f"/incidents/{case.id}/answers", case.carer, said, version=version).status_code == 200
    advice = case.check("clinical-advice")
    assert datetime.fromisoformat(advice["required_at"]) == case.clock.now() + minutes(60), "from when it was known"
    missing = case.records("welfare-checks", 422, actor=case.carer, seen="Every half hour; walks and talks as always.")
    assert [one["field"] for one in missing["errors"]] == ["answers.handed_over"]
    case.records("welfare-checks", actor=case.carer, seen="Every half hour; walks as always.", handed_over=True)
    assert case.check("welfare-checks")["answers"]["handed_over"] is True


def test_after_a_restraint_people_are_talked_with_and_after_choking_advice_reaches_the_plan(case: Case) -> None:
    case.reported("behaviour_distress")
    assert case.check("debrief-after-restraint") is None
    case.clock.advance(timedelta(hours=3))
    version = case.intake.get(f"/incidents/{case.id}", case.carer).json()["version"]
    said = {"answers": {"restraint": True}}
    assert case.intake.put(f"/incidents/{case.id}/answers", case.carer, said, version=version).status_code == 200
    times = {rule: case.check(rule) for rule in ("debrief-after-restraint", "staff-welfare")}
    known = case.clock.now()
    assert [datetime.fromisoformat(one["required_at"]) - known for one in times.values()] == [
        timedelta(hours=1), timedelta(hours=72),
    ]  # fmt: skip
    assert all(one["chased"] for one in times.values())
    case.records("staff-welfare", offered=True)
    assert case.check("staff-welfare")["state"] == "done"
    case.reported("choking")
    advice = case.check("advice-in-plan")
    assert datetime.fromisoformat(advice["required_at"]) - case.clock.now() == timedelta(hours=48)
    case.records("advice-in-plan", advice_in_plan=True, who_has_it="Staff and kitchen; the ward by telephone.")
    assert case.check("advice-in-plan")["variance_minutes"] == -48 * 60


def test_what_is_refused(case: Case, actor: Any) -> None:
    case.reported("medication")
    early = case.clock.now() - timedelta(days=2)
    assert case.records("clinical-advice", 422, at=early, **ADVICE)["errors"][0]["field"] == "done_at"
    late = case.clock.now() + timedelta(hours=1)
    assert case.records("clinical-advice", 422, at=late, **ADVICE)["errors"][0]["field"] == "done_at"
    wrong = case.records("clinical-advice", 422, adviser="Dr Hill", colour="red")
    assert {one["field"] for one in wrong["errors"]} == {"answers.adviser", "answers.colour", "answers.advice"}
    assert "Hill" not in str(wrong)
    case.records("clinical-advice", 403, actor=case.carer, **ADVICE)
    case.records("filed-within-the-hour", 409)
    case.records("no-such-check", 404)
    case.sets_aside("clinical-advice", "No.", 403, actor=case.carer)
    stranger = actor("shift_lead", locations=[uuid.uuid4()])
    case.records("clinical-advice", 404, actor=stranger, **ADVICE)
    assert case.check("clinical-advice")["state"] == "to_do", "nothing of all that was kept"


def test_a_near_miss_chases_nobody(case: Case) -> None:
    case.reported("medication", kind="near_miss")
    assert case.clock_row() is None
    assert not [one for one in case.checks() if one["chased"]]


def test_a_report_writes_nothing_for_its_checks_and_they_stand_there_all_the_same(case: Case) -> None:
    """They are derived until the clock that the event sets rings, or somebody touches one; the same then as before."""
    case.reported("medication")
    assert case.written_clock() is None
    derived = case.checks()
    assert {one["rule"] for one in derived if one["chased"]} == {"clinical-advice", "care-plan-check"}
    clock = case.clock_of_report()
    case.ring(clock)
    assert case.checks() == derived
    assert {name: case.written_clock()[name] for name in clock} == clock, "too early to ring, and written down"
    case.rings()
    assert case.written_clock()["revision"] == 2


def test_an_import_that_is_still_open_has_no_checks_to_write_down(case: Case) -> None:
    case.reported("medication")
    with transaction(case.engine, case.manager.provider_id) as session:
        session.execute(text("update intake.incident set import_source = 'old', import_ref = '1'"))
    case.records("earlier-records", pattern_found=False)
    assert case.written_clock() is None


def test_triage_and_obligations_show_required_actual_and_the_minutes_between(case: Case) -> None:
    case.reported("fall")
    case.clock.advance(timedelta(hours=25))
    case.triaged("low")
    [triage] = case.intake.get(f"/incidents/{case.id}", case.manager).json()["triage"]
    assert triage["variance_minutes"] == 60
    case.triaged("low")
    assert case.intake.get(f"/incidents/{case.id}", case.manager).json()["triage"][1]["variance_minutes"] is None
    case.answers(reported_to_police=True)
    row = case.row("cqc-police")
    assert row["variance_minutes"] is None
    assert row["required_at"] == row["provider_target_at"]
    case.does(row, "decision", {"decision": "notify"})
    case.clock.advance(timedelta(hours=23))
    sent = {"reference": "CQC-1", "submitted_at": case.clock.now().isoformat()}
    row = case.does(case.row("cqc-police"), "submission", sent)
    assert (row["variance_minutes"], row["done_at"] is not None) == (-60, True)


def test_whoever_leads_the_shift_finds_every_medicines_error_and_is_not_called(case: Case, actor: Any) -> None:
    case.reported("medication")
    assert [one["incident_id"] for one in case.inbox(case.lead)["notices"]] == [case.id]
    assert case.inbox(case.lead)["escalations"] == [], "a notice asks for no answer"
    assert case.inbox(case.manager)["notices"] == []
    assert case.inbox(actor("shift_lead", locations=[uuid.uuid4()]))["notices"] == [], "somebody else's place"
    case.reported("fall")
    case.reported("medication", about_staff=[str(uuid.uuid4())])
    assert len(case.inbox(case.lead)["notices"]) == 1, "of what is restricted there is no notice"
    case.clock.advance(timedelta(hours=25))
    assert case.inbox(case.lead)["notices"] == [], "it is shown for a day"


def test_the_digest_tells_the_manager_of_what_is_late(case: Case, service_engine: Callable[[str], Engine]) -> None:
    case.reported("medication")
    start = {"provider_id": str(uuid.UUID(int=0)), "role": "", "location_id": str(uuid.UUID(int=0)), "limit": 100}

    def waiting() -> set[str]:
        with service_engine("intake_system").connect() as connection:
            found = connection.execute(_WAITING, start).mappings()
            return {row["role"] for row in found if row["location_id"] == case.home}

    with transaction(case.engine, case.manager.provider_id) as session:
        session.execute(text("update intake.incident set next_move = null"))
    assert waiting() == set()
    case.rings()
    case.rings()
    assert waiting() == {"registered_manager"}


def test_ringing_twice_says_it_once(case: Case) -> None:
    case.reported("medication")
    due = case.clock_row()
    case.clock.advance(due["due_at"] - case.clock.now())
    for _ in range(2):
        with transaction(case.engine, case.manager.provider_id) as session:
            command = contract.RingClock(
                command_id="ring", provider_id=case.manager.provider_id, incident_id=uuid.UUID(case.id),
                clock_id=due["clock_id"], revision=due["revision"],
            )  # fmt: skip
            clocks.ring(session, command, case.clock.now(), system(case.manager.provider_id))
    assert len(case.events("check.warned")) == 1


@pytest.mark.parametrize(
    ("answered_with", "named"),
    [
        ({}, "no question tells 'adviser'"),
        ({"adviser": "clinical_adviser"}, "no question tells 'advice'"),
        ({"adviser": "clinical_advice_at", "advice": "clinical_advice_at"}, "is not answered as 'adviser' is"),
        (
            {"adviser": "clinical_adviser", "advice": "clinical_advice_at", "weather": "made_safe"},
            "names what is not in asks",
        ),
    ],
)
def test_a_policy_in_which_a_yes_alone_settles_a_check_is_refused(answered_with: dict[str, str], named: str) -> None:
    document = yaml.safe_load((Path(policy.__file__).parents[1] / "policies" / "checks.yaml").read_text())
    rule = next(one for one in document["checks"] if one["id"] == "clinical-advice")
    rule["answered_with"] = answered_with
    with pytest.raises(ValueError, match=named):
        policy.Policy(document)
