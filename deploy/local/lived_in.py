"""What a newcomer finds: a provider in the middle of its year, with cases at every stage, played as its people would.

`left_lying` belongs into the demonstration, at a day a second: what nobody sees to is overdue and has gone up the line when
it ends. `today` is played afterwards on a slower clock, so that what waits still waits when somebody signs in.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx

from deploy.local.people import PATIENCE_SECONDS, Person, Refused
from deploy.local.personas import LOCATION_NORTH_1, LOCATION_NORTH_2, PERSONAS, PROVIDER
from deploy.local.state import Stack

Show = Callable[[str, str], None]
Now = Callable[[], datetime]


class LivedIn:
    """The people whom one may sign in as, and what they have done today."""

    def __init__(self, stack: Stack, http: httpx.Client, now: Now, show: Show) -> None:
        self._stack, self._http, self._now, self._show = stack, http, now, show
        self._as = {name: Person(stack, persona, http) for name, persona in PERSONAS.items()}

    def left_lying(self) -> None:
        """Two reports that nobody sees to: a rule triages them, and they go up the line from one to the next."""
        self._report("infection", "Three people have the same cough since the weekend.", LOCATION_NORTH_1)
        self._report(
            "environment",
            "The lift stopped between two floors with somebody in it.",
            LOCATION_NORTH_2,
            by="second_manager",
        )

    def today(self) -> None:
        """Everything that is in flight, side by side; each stops where it waits for somebody."""
        cases = (
            self._to_triage, self._called, self._twice, self._fall_with_duties, self._being_written, self._to_approve,
            self._to_do, self._more_time, self._to_verify, self._restricted, self._concern, self._near_miss, self._theme,
            self._meeting, self._protected, self._indicator,
        )  # fmt: skip
        with ThreadPoolExecutor(len(cases)) as pool:
            for played in [pool.submit(case) for case in cases]:
                played.result()

    # What waits for a first look.

    def _to_triage(self) -> None:
        self._report(
            "medication", "Two tablets lay on the floor beside the bed at breakfast; whose they are is not known."
        )
        self._say("reported, and waits for triage")

    def _called(self) -> None:
        self._report(
            "choking", "Choked on toast at breakfast. Breathes again, very shaken; alone at the table.", danger=True
        )
        self._say("somebody was in danger: the ladder calls, and nobody has answered yet")

    def _twice(self) -> None:
        first = self._report("environment", "A pipe drips onto the landing; a bucket stands there.")
        again = self._report("environment", "The landing on the first floor is wet.", by="shift_lead")
        self._as["registered_manager"].change("intake", f"/incidents/{again}", "duplicate", {"duplicate_of": first})
        self._say("the same event was reported twice: one of the two has ended")

    # What is owed.

    def _fall_with_duties(self) -> None:
        fall = self._report("fall", "Found on the floor of the bathroom at seven. The left hip hurts, cannot stand up.")
        self._triage(fall, actual_harm="severe", consequence=4, likelihood=4)
        facts = {"serious_injury_test": "not_yet_known", "care_and_support_needs": True}
        manager, path = self._as["registered_manager"], f"/incidents/{fall}/facts"
        manager.put("intake", path, facts, version=manager.version("intake", path))
        self._say("triaged as high risk: who must be told waits for a decision")

    def _restricted(self) -> None:
        self._report(
            "abuse_allegation", "A resident says that she was pulled by the arm when she was washed.",
            LOCATION_NORTH_2, by="quality_lead", about=["second_manager"],
        )  # fmt: skip
        self._say("an allegation is restricted from its first second")

    def _concern(self) -> None:
        said = {
            "provider_id": str(PROVIDER),
            "mode": "anonymous",
            "message": "At night two of us look after forty people.",
        }
        self._http.post(f"{self._stack.url('intake')}/speak-up", json=said).raise_for_status()
        self._say("somebody spoke up without a name, and waits for an answer")

    # What is being learned.

    def _being_written(self) -> None:
        review, manager = self._reviewed(
            "pressure_damage", "A sore of category 2 on the heel, seen at the weekly look."
        )
        text = {"what_happened": "The heel was red on Monday; the mattress was set for another weight."}
        manager.change("review", f"/reviews/{review}", "draft", text, replace=True)
        at = (self._now() - timedelta(hours=2)).isoformat()
        entry = {"at": at, "what": "The mattress was changed.", "nature": "fact", "source": "record"}
        manager.post("review", f"/reviews/{review}/timeline", entry)
        asked = {
            "part": "staff_involved", "person_id": self._as["carer"].id, "asks": "How is the mattress set, and by whom?",
        }  # fmt: skip
        manager.post("review", f"/reviews/{review}/contributions", asked)
        self._say("a review is half written, and a carer is asked what they know")

    def _to_approve(self) -> None:
        review, manager = self._reviewed("missed_visit", "The evening call came two hours late; supper was missed.")
        self._hand_in(manager, review, "The late call was moved by hand, and the list of the evening did not show it.")
        self._say("a review waits for approval")

    def _near_miss(self) -> None:
        case = self._report("medication", "The wrong blister was taken out and put back at once.", kind="near_miss")
        self._triage(case, consequence=2, likelihood=2)
        self._say("a near miss is looked at in a short huddle")

    def _theme(self) -> None:
        lead = self._as["quality_lead"]
        body = {
            "title": "Medicines rounds that are broken off", "category": "medication", "band": "high",
            "why": "The same words stand in the reports of several services.", "lead_id": lead.id,
            "questions": ["What breaks the rounds off?", "What do services do where it does not happen?"],
            "locations": [str(LOCATION_NORTH_1), str(LOCATION_NORTH_2)],
        }  # fmt: skip
        lead.post("review", "/themes", body)
        self._say("a thematic review is commissioned")

    # What changes.

    def _to_do(self) -> None:
        self._acting(
            "environment", "The garden door stood open at night.", "One lock for every garden door, with a closer"
        )
        self._say("an action is open")

    def _more_time(self) -> None:
        action, manager = self._acting(
            "staffing", "One person was alone on the floor.", "A second person built into the rota"
        )
        asked = {"working_days": 10, "reason": "The new colleague begins on the first."}
        manager.change("actions", f"/actions/{action}", "extensions", asked)
        self._say("the owner of an action asks for more time")

    def _to_verify(self) -> None:
        action, manager = self._acting(
            "information", "The screen of the office faces the corridor.", "The screen is relocated"
        )
        record = f"/actions/{action}"
        manager.post(
            "actions", f"{record}/evidence", {"kind": "observation", "description": "Looked at on two shifts."}
        )
        manager.change("actions", record, "completion")
        self._say("an action is done, says its owner, and waits to be verified")

    def _meeting(self) -> None:
        lead, manager = self._as["quality_lead"], self._as["registered_manager"]
        body = {"level": "service", "location_id": str(LOCATION_NORTH_1), "reason": "Two falls in a night."}
        meeting = lead.post("reporting", "/meetings", body)
        due_at = datetime.fromisoformat(meeting["compiled_at"]) + timedelta(days=10)
        challenge = {
            "kind": "challenge", "question": "are_actions_in_place_and_working", "due_at": due_at.isoformat(),
            "said": "Did you watch the handover yourself?", "owner_id": manager.id, "owner_role": "registered_manager",
        }  # fmt: skip
        lead.post("reporting", f"/meetings/{meeting['meeting_id']}/items", challenge)
        self._say("a meeting was called, and a challenge waits for an answer")

    def _protected(self) -> None:
        case = self._report("behaviour_distress", "Went out of the garden door at four in the morning, in the rain.")
        self._triage(case, consequence=3, likelihood=2)
        body = {
            "kind": "restriction", "concerns": "P1", "what": "The garden door is locked from ten to six.",
            "reason": "P1 was found outside twice this week.", "ends_when": "Three weeks without going out at night.",
            "least_restrictive": "A sensor was tried; at night nobody hears it.",
            "started_at": self._now().isoformat(), "look_again_at": (self._now() + timedelta(days=6)).isoformat(),
        }  # fmt: skip
        self._as["registered_manager"].post("intake", f"/incidents/{case}/protections", body)
        self._say("a door is locked after an incident: somebody looks again within the week")

    def _indicator(self) -> None:
        lead = self._as["quality_lead"]
        body = {
            "name": "Medicines rounds without a mistake", "about": "audit_score", "direction": "increase",
            "definition": "Ten rounds a month, watched by somebody who does not work there.", "share": True,
            "numerator": "rounds without a mistake", "denominator": "rounds that were watched",
        }  # fmt: skip
        indicator = lead.post("actions", "/indicators", body)["indicator_id"]
        month, months = self._now().date().replace(day=1), []
        for right in (10, 9, 9, 9, 8, 7, 7, 8, 6, 8, 7, 8):  # the newest first
            month = (month - timedelta(days=1)).replace(day=1)
            months.append({"month": month.isoformat(), "numerator": right, "denominator": 10})
        lead.post("actions", f"/indicators/{indicator}/values", {"values": months})
        self._say("an audit is recorded month by month")

    # How people do it.

    def _say(self, what: str) -> None:
        self._show(what, what)

    def _report(
        self, category: str, story: str, place: object = LOCATION_NORTH_1, *, by: str = "carer", kind: str = "incident",
        danger: bool = False, about: Sequence[str] = (),
    ) -> str:  # fmt: skip
        body = {
            "location_id": str(place), "occurred_at": (self._now() - timedelta(minutes=50)).isoformat(), "kind": kind,
            "category": category, "immediate_danger": danger, "narrative": story,
            **({"about_staff": [self._as[name].id for name in about]} if about else {}),
        }  # fmt: skip
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                found: str = self._as[by].post("intake", "/incidents", body)["incident_id"]
            except Refused as refused:
                # Intake hears of a new place a moment later than directory.
                if "location_id" not in str(refused) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return found

    def _triage(self, incident: str, **scores: Any) -> None:
        said = {"actual_harm": "none", "reason": "Seen and talked through with those on duty.", **scores}
        self._as["registered_manager"].triage(incident, said)
        with contextlib.suppress(Refused):
            self._as["quality_lead"].not_the_same(incident, "Other people, other causes.")

    def _reviewed(self, category: str, story: str) -> tuple[str, Person]:
        """A report that was triaged, with its review open; who writes it."""
        incident, manager = self._report(category, story), self._as["registered_manager"]
        self._triage(incident, consequence=3, likelihood=1)
        review: str = manager.until(
            "review", "/reviews", lambda page: page["items"] and page["items"][0]["review_id"], f"the review of {category}",
            incident_id=incident,
        )  # fmt: skip
        return review, manager

    def _hand_in(self, manager: Person, review: str, why: str, *, acts: bool = False) -> None:
        record = f"/reviews/{review}"
        draft: dict[str, Any] = {
            "what_happened": why, "why": why,
            "factors": [{"element": "organisation", "description": why}, {"element": "tasks", "description": "Done by memory."}],
            "learning": [{"statement": "What the list shows by itself nobody has to remember.", "answers_factor": 0}],
            "no_briefing_reason": "It is of this service only.",
        }  # fmt: skip
        if not acts:
            draft["no_actions_reason"] = "What was put right at once is enough; looked at again in supervision."
        manager.change("review", record, "draft", draft, replace=True)
        for part in manager.get("review", record)["decision"]["take_part"]:
            if part != "registered_manager":
                said = {
                    "part": part, "described": "Those on duty", "how": "meeting", "outcome": "contributed", "said": why,
                }  # fmt: skip
                manager.post("review", f"{record}/contributions", said)
        pointed_out = [one["finding"] for one in manager.get("review", f"{record}/findings")]
        answers = [{"findings": pointed_out, "reason": "Talked through with those on duty."}] if pointed_out else []
        manager.change("review", record, "submission", {"answers": answers})

    def _acting(self, category: str, story: str, title: str) -> tuple[str, Person]:
        """A case whose review is approved, with one action that is open; its owner."""
        review, manager = self._reviewed(category, story)
        incident = manager.get("review", f"/reviews/{review}")["incident_id"]
        body = {
            "incident_id": incident, "title": title, "strength": "stronger", "due_working_days": 5,
            "success_criterion": "It is not found again in three months.",
            "what_counts_as_proof": "Looked at on two shifts by somebody else.",
            "interim_control": "Looked at at each handover until then.",
            "owner_id": manager.id, "owner_role": "registered_manager",
        }  # fmt: skip
        action: str = manager.post_soon("actions", "/actions", body)["action_id"]
        self._hand_in(manager, review, story, acts=True)
        self._as["quality_lead"].change("review", f"/reviews/{review}", "approval", {"answers": []})
        manager.until("actions", f"/actions/{action}", lambda one: one["status"] == "open", f"the action of {category}")
        return action, manager
