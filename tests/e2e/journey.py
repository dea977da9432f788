"""A made-up provider, and what its people do with one incident: through the HTTP APIs only."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx

from deploy.local.people import Person, Refused
from deploy.local.personas import Persona
from deploy.local.state import Stack
from services.runtime.audit import verify
from services.runtime.clock import Clock
from tests.e2e.running import RunningStack
from tests.security.planted import somebody

CHAINS = ("intake", "review", "actions")
"""The services that keep an audit chain of each incident."""

IN_TIME = 5
"""So many reports are made until somebody is quicker than the triage clock, which runs out in a second."""


class Care:
    """A provider of its own with two homes in one region, and people at work there.

    Whatever they write holds `marker`, which is all of `planted`, so that it can be looked for where it must not be.
    """

    def __init__(self, stack: Stack, http: httpx.Client) -> None:
        self.stack, self.http = stack, http
        self.provider_id, self.region_id = uuid.uuid4(), uuid.uuid4()
        self.home_id, self.other_home_id = uuid.uuid4(), uuid.uuid4()
        self.planted = somebody(uuid.uuid4())
        self.marker = ", ".join(self.planted.values())
        self.carer = self._person("carer", at=(self.home_id,))
        self.other_carer = self._person("carer", at=(self.other_home_id,))
        self.manager = self._person("registered_manager", at=(self.home_id,))
        self.deputy = self._person("registered_manager", at=(self.home_id,))
        self.regional = self._person("regional_manager", regions=(self.region_id,))
        self.quality = self._person("quality_lead")
        self.second_quality = self._person("quality_lead")
        self._admin = self._person("platform_admin")

    def _person(
        self, role: str, *, at: tuple[uuid.UUID, ...] | Literal["*"] | None = None, regions: tuple[uuid.UUID, ...] = ()
    ) -> Person:
        locations = at if at is not None else () if regions else "*"
        return Person(self.stack, Persona(uuid.uuid4(), self.provider_id, (role,), locations, regions), self.http)

    def now(self) -> datetime:
        """The time on the stack's clock."""
        return Clock.from_file(self.stack.home.clock).now()

    def says(self, text: str) -> str:
        """What somebody writes."""
        return f"{text} {self.marker}"

    def set_up(self) -> None:
        """Register everything in the directory; the deputy is on call. Waits until a report is accepted."""
        admin = self._admin
        admin.post("directory", "/providers", {"name": "Test Care"})
        admin.post("directory", "/regions", {"region_id": str(self.region_id), "name": "North"})
        for number, home in enumerate((self.home_id, self.other_home_id)):
            cqc = f"1-{self.provider_id.int % 10**8:08d}{number}"
            body = {"location_id": str(home), "cqc_location_id": cqc, "name": f"Home {number}", "beds": 20}
            admin.post("directory", "/locations", {**body, "region_id": str(self.region_id)})
        for person, place in ((self.manager, {"location_id": str(self.home_id)}),
                              (self.deputy, {"location_id": str(self.home_id)}),
                              (self.regional, {"region_id": str(self.region_id)})):  # fmt: skip
            role = person.persona.roles[0]
            name = self.says(role)
            admin.post(
                "directory", "/people",
                {"person_id": person.id, "display_name": name, "roles": [{"role": role, **place}]},
            )  # fmt: skip
        now = self.now()
        turn = {
            "person_id": self.deputy.id, "role": "registered_manager", "location_id": str(self.home_id),
            "starts_at": (now - timedelta(days=1)).isoformat(), "ends_at": (now + timedelta(days=365)).isoformat(),
        }  # fmt: skip
        self.quality.put("directory", f"/rota/{uuid.uuid4()}", turn)
        self.quality.until(
            "reporting", "/locations/overview", lambda page: len(page["items"]) == 2, "reporting to know the homes"
        )
        first = self.carer.until("intake", "/incidents", lambda _: self._accepted(), "intake to know the homes")
        Journey(self, first).withdraw()

    def _accepted(self) -> Any:
        try:
            return self.carer.post("intake", "/incidents", self.report_body())["incident_id"]
        except Refused as refused:
            if refused.status != 422:
                raise
            return None

    def report_body(self, *, kind: str = "incident", category: str = "medication", danger: bool = False) -> Any:
        """A carer's report."""
        return {
            "location_id": str(self.home_id), "occurred_at": (self.now() - timedelta(hours=1)).isoformat(),
            "kind": kind, "category": category, "immediate_danger": danger,
            "narrative": self.says("The lunchtime tablets were still in the pot."),
        }  # fmt: skip

    def report(self, **details: Any) -> "Journey":
        """A carer reports; nobody has looked yet."""
        return Journey(self, self.carer.post("intake", "/incidents", self.report_body(**details))["incident_id"])

    def triaged(
        self, *, consequence: int = 3, likelihood: int = 1, by: Person | None = None, **details: Any
    ) -> "Journey":
        """An incident that a person triaged in time; the default is low risk. Those who came too late are withdrawn."""
        harm = "low" if details.get("kind", "incident") == "incident" else "none"
        scores = {"actual_harm": harm, "consequence": consequence, "likelihood": likelihood}
        for _ in range(IN_TIME):
            journey = self.report(**details)
            try:
                (by or self.manager).triage(journey.id, {**scores, "reason": self.says("Seen at once.")})
            except Refused as refused:
                if refused.status != 409:
                    raise
            else:
                if not any(triage["by_default"] for triage in journey.read()["triage"]):
                    journey.first_hours()
                    journey.not_the_same()
                    return journey
            journey.withdraw()
        raise AssertionError(f"{IN_TIME} reports, and nobody triaged one within a day of the stack's clock")


@dataclass(frozen=True)
class Journey:
    """One incident and the steps that people take with it."""

    care: Care
    id: str

    @property
    def record(self) -> str:
        """The incident at intake."""
        return f"/incidents/{self.id}"

    def read(self) -> Any:
        """The incident as intake has it."""
        return self.care.quality.get("intake", self.record)

    def reaches(self, stage: str, cycle: int = 1) -> Any:
        """Wait until intake says that it is in a stage."""
        return self.care.quality.until(
            "intake", self.record, lambda i: i if (i["stage"], i["cycle"]) == (stage, cycle) else None,
            f"{self.id} to reach {stage} in cycle {cycle}",
        )  # fmt: skip

    def first_hours(self) -> None:
        """What must be done inside the service at once is recorded, so that nobody goes on being called about it."""
        for check in self.care.manager.get("intake", f"{self.record}/checks"):
            if check["chased"] and check["done_at"] is None:
                reason = {"reason": self.care.says("Not needed here.")}
                self.care.manager.post("intake", f"{self.record}/checks/{check['rule']}/set-aside", reason)

    def not_the_same(self) -> None:
        """No closed case has come back with it, says the quality lead; nothing ends before."""
        self.care.quality.not_the_same(self.id, self.care.says("Another chart."))

    def withdraw(self) -> None:
        """End it."""
        self.not_the_same()
        self.care.manager.change("intake", self.record, "withdrawal", {"reason": self.care.says("Made in error.")})

    def answer(self) -> None:
        """The deputy says "I have it" to every call of the ladder, which would go on up and round until somebody does."""
        deputy, path = self.care.deputy, f"{self.record}/escalations"
        for call in deputy.get("intake", path):
            if call["to_person"] == deputy.id and call["acknowledged_at"] is None:
                deputy.post("intake", f"{path}/{call['escalation_id']}/acknowledgement")

    def write_review(self, *, actions: bool = False, by: Person | None = None) -> None:
        """The review of the present cycle is written and submitted; with `actions` come a briefing and actions."""
        says, person = self.care.says, by or self.care.manager
        draft: dict[str, Any] = {
            "what_happened": says("A dose was missed."),
            "why": says("The round was broken off."),
            "factors": [{"element": "organisation", "description": says("One person for two tasks.")}],
            "learning": [{"statement": says("A protected round."), "answers_factor": 0}],
        }
        if actions:
            draft["briefing"] = {
                "summary": says("A dose was missed."), "what_changes": says("Nobody is called away."),
                "question": says("Somebody calls. What do you do?"), "options": ["Go", says("Finish")], "correct": 1,
            }  # fmt: skip
        else:
            draft |= {"no_actions_reason": says("Mended."), "no_briefing_reason": says("Only here.")}
        review = self._review("open")
        self.answer()
        self.not_the_same()
        record = f"/reviews/{review['review_id']}"
        person.change("review", record, "draft", draft, replace=True)
        for part in person.get("review", record)["decision"]["take_part"]:
            body = {"part": part, "described": says("Those on duty"), "outcome": "contributed", "said": says("Seen.")}
            person.post("review", f"{record}/contributions", body)
        pointed_out = [one["finding"] for one in person.get("review", f"{record}/findings")]
        answers = [{"findings": pointed_out, "reason": says("Talked through.")}] if pointed_out else []
        person.change("review", record, "submission", {"answers": answers})

    def approve_review(self) -> None:
        """Somebody who did not write it agrees."""
        self.care.quality.change("review", f"/reviews/{self._review('submitted')['review_id']}", "approval")

    def _review(self, status: str) -> Any:
        return self.care.quality.until(
            "review", "/reviews",
            lambda page: next((r for r in page["items"] if r["status"] == status), None),
            f"a review of {self.id} to be {status}", incident_id=self.id,
        )  # fmt: skip

    def agree_action(self) -> str:
        """The manager agrees an action and owns it. Answers its record."""
        says, manager = self.care.says, self.care.manager
        body = {
            "incident_id": self.id, "title": says("Protected round"), "strength": "stronger",
            "success_criterion": says("Ten of ten."), "what_counts_as_proof": says("Seen in practice."),
            "owner_id": manager.id, "owner_role": "registered_manager", "due_working_days": 20,
        }  # fmt: skip
        key = str(uuid.uuid4())

        def agree(_: Any) -> Any:
            try:
                return manager.post("actions", "/actions", body, key=key)
            except Refused as refused:
                if refused.status == 404:  # actions hears of the incident a moment later
                    return None
                raise

        action = manager.until("intake", self.record, agree, f"actions to know {self.id}")
        return f"/actions/{action['action_id']}"

    def complete(self, action: str) -> None:
        """The owner shows evidence and says that it is done."""
        manager = self.care.manager
        manager.until("actions", action, lambda a: a["status"] == "open", f"{action} to be open")
        evidence = {"kind": "observation", "description": self.care.says("Seen on two shifts.")}
        manager.post("actions", f"{action}/evidence", evidence)
        manager.change("actions", action, "completion")

    def check(self, action: str, *, compliant: int = 10) -> None:
        """Somebody else looks at ten: all as they should be, or it goes back."""
        self.care.quality.change(
            "actions", action, "verification",
            {
                "outcome": "passed" if compliant == 10 else "returned", "method": "spot_check", "sample_size": 10,
                "compliant": compliant, "finding": self.care.says("Looked at ten charts."),
                "not_drawn_reason": "There are ten.", "shifts": ["day", "night"],
            },
        )  # fmt: skip

    def understand(self) -> None:
        """Carers of both homes read the briefing; one of them errs at first."""
        care = self.care
        briefing = care.quality.until(
            "review", "/briefings",
            lambda page: next((b for b in page["items"] if b["incident_id"] == self.id), None),
            f"the briefing of {self.id}", limit=200,
        )  # fmt: skip
        path = f"/briefings/{briefing['briefing_id']}/acknowledgements"
        for answer in (0, 1):
            care.carer.post("review", path, {"location_id": str(care.home_id), "answer": answer})
        care.other_carer.post("review", path, {"location_id": str(care.other_home_id), "answer": 1})

    def judge(self, verdict: str) -> None:
        """When the checkpoint has been measured, a person decides."""
        quality = self.care.quality

        def measured(page: Any) -> Any:
            self.answer()
            return next((c for c in page["items"] if c["status"] == "measured"), None)

        checkpoint = quality.until(
            "actions", "/checkpoints", measured,
            f"a checkpoint of {self.id} to be measured", incident_id=self.id,
        )  # fmt: skip
        body = {"verdict": verdict, "reason": self.care.says("Seen by the team.")}
        quality.change("actions", f"/checkpoints/{checkpoint['checkpoint_id']}", "decision", body)

    def to_checkpoint(self, *, returned: bool = False) -> None:
        """From triaged to the wait for the first checkpoint; `returned`: the first verification fails."""
        self.write_review(actions=True)
        action = self.agree_action()
        self.approve_review()
        self.reaches("acting")
        self.complete(action)
        self.reaches("verifying")
        if returned:
            self.check(action, compliant=6)
            self.reaches("acting")
            self.complete(action)
            self.reaches("verifying")
        self.check(action)
        self.reaches("sharing")
        self.understand()
        self.reaches("checking_impact")

    def to_closure_at_once(self, cycle: int = 1) -> None:
        """A review that finds nothing to change."""
        self.write_review()
        self.approve_review()
        self.reaches("closed", cycle)

    def timeline(self) -> Any:
        """What reporting shows once it knows what intake knows."""
        stage = self.read()["stage"]
        return self.care.quality.until(
            "reporting", f"/incidents/{self.id}/timeline",
            lambda t: t if t["incident"]["stage"] == stage else None, f"reporting to hear of {self.id}",
        )  # fmt: skip

    def stages(self) -> list[str]:
        """The stages as reporting has them, in order: `cycle:stage`."""
        return [f"{entry['cycle']}:{entry['stage']}" for entry in self.timeline()["stages"]]

    def chains(self) -> dict[str, list[dict[str, Any]]]:
        """The exported audit chains, by service; services that never heard of the incident have none."""
        found = {}
        for service in CHAINS:
            try:
                found[service] = self.care.quality.get(service, f"{self.record}/audit")
            except Refused as refused:
                if refused.status != 404:
                    raise
        return found

    def chain_faults(self) -> dict[str, str]:
        """What is wrong with the audit chains."""
        return {name: fault for name, chain in self.chains().items() if (fault := verify(chain)) is not None}

    def process(self) -> str:
        """What Temporal says of the incident's process, over its HTTP API."""
        port = self.care.stack.ports["temporal_http"]
        found = self.care.http.get(f"http://127.0.0.1:{port}/api/v1/namespaces/default/workflows/incident-{self.id}")
        found.raise_for_status()
        status: str = found.json()["workflowExecutionInfo"]["status"]
        return status


def in_order(times: Sequence[str]) -> bool:
    """Whether instants never go back."""
    instants = [datetime.fromisoformat(time).astimezone(UTC) for time in times]
    return instants == sorted(instants)


@contextlib.contextmanager
def at_work(stack: RunningStack) -> Iterator[Care]:
    """A provider of its own on a stack, with people at work."""
    with httpx.Client(timeout=30, limits=httpx.Limits(max_connections=40)) as http:
        made = Care(stack.record, http)
        made.set_up()
        yield made
