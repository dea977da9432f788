"""How deep a review goes by what is known beside the triage, and who may hand it in."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm
from services.review import activities, consumer, policy
from services.runtime import audit, db
from services.runtime.actor import Actor
from services.runtime.consumer import Received
from services.runtime.process import Context
from tests.integration.reviewing import answers, everybody_took_part
from tests.integration.test_review import DRAFT

SHIPPED = (Path(policy.__file__).parent / "policies" / "default.yaml").read_text()


class Desk:
    """Opens reviews of low-harm incidents at one place and hears intake's events."""

    def __init__(self, engine: Engine, clock: Any, api: Any, provider_id: UUID, home: UUID) -> None:
        self.engine, self.clock, self.api, self.provider_id, self.home = engine, clock, api, provider_id, home
        made = activities.build(Context(engine=engine, system_engine=engine, clock=clock))
        self.activities = {a.__name__: a for a in made}
        self.incident_id = uuid.uuid4()

    def open(self, **values: Any) -> contract.ReviewPlan:
        command = {
            "command_id": "open", "provider_id": self.provider_id, "incident_id": self.incident_id, "cycle": 1,
            "location_id": self.home, "region_id": None, "kind": Kind.INCIDENT, "category": Category.MEDICATION,
            "actual_harm": PhysicalHarm.LOW, "band": Band.LOW, **values,
        }  # fmt: skip
        plan: contract.ReviewPlan = self.activities["open_review"](contract.OpenReview.model_validate(command))
        everybody_took_part(self.engine, self.provider_id, plan.review_id)
        return plan

    def hear(self, short: str, **data: Any) -> None:
        data = {"incident_id": str(self.incident_id), **data}
        received = Received(
            event_id=uuid.uuid4(), type=f"plumbline.{short}.v1", provider_id=self.provider_id,
            subject=data["incident_id"], key=data["incident_id"], version=1, occurred_at=self.clock.now(),
            actor=str(uuid.UUID(int=0)), actor_role="service", data=data, topic="plumbline.intake", partition=0,
            offset=0,
        )  # fmt: skip
        with db.transaction(self.engine, self.provider_id) as session:
            consumer.HANDLERS[received.type](session, received)

    def known(self, **data: Any) -> None:
        """An incident at the place was reported."""
        now = self.clock.now()
        self.hear(
            "incident.reported",
            **{
                "incident_id": str(uuid.uuid4()), "location_id": str(self.home), "region_id": None,
                "kind": "incident", "category": "medication", "occurred_at": (now - timedelta(days=1)).isoformat(),
                "reported_at": now.isoformat(), "immediate_danger": False, "triage_due_at": now.isoformat(), **data,
            },
        )  # fmt: skip

    def safeguarding(self) -> None:
        due = self.clock.now().isoformat()
        self.hear("safeguarding.opened", adult_id=str(self.incident_id), refer_due_at=due)

    def view(self, plan: contract.ReviewPlan, who: Actor) -> Any:
        return self.api.get(f"/reviews/{plan.review_id}", who).json()


@pytest.fixture
def desk(
    service_engine: Callable[[str], Engine], clock: Any, client: Callable[[str], Any], provider_id: UUID,
    place: Callable[..., UUID],
) -> Desk:  # fmt: skip
    """A place of its own."""
    return Desk(service_engine("review"), clock, client("review"), provider_id, place("review"))


def test_the_third_of_a_type_at_a_place_is_reviewed_deeper_and_the_decision_says_why(
    desk: Desk, actor: Callable[..., Actor]
) -> None:
    desk.known()
    desk.known(category="fall")
    desk.known(location_id=str(uuid.uuid4()))
    desk.known(occurred_at=(desk.clock.now() - timedelta(days=91)).isoformat())
    desk.known(incident_id=str(desk.incident_id))
    assert desk.view(desk.open(), actor("quality_lead"))["rule"] == "otherwise"
    desk.known()
    desk.incident_id = uuid.uuid4()
    # The first one, opened above, counts too: it is known, and it is not this one.
    seen = desk.view(desk.open(), actor("quality_lead"))
    assert (seen["method"], seen["rule"]) == ("after_action_review", "repeated")
    decision = seen["decision"]
    assert (decision["rule"], decision["policy_version"], decision["tier"]) == ("repeated", "default-3", 2)
    assert decision["take_part"] == ["staff_involved", "registered_manager"]
    assert decision["inputs"] == {
        "kind": "incident", "category": "medication", "band": "low", "actual_harm": "low",
        "psychological_harm": "none", "repeats_at_location": 3, "repeats_of_person": 0, "repeats_at_provider": 4, "candour_asked": False, "candour_met": False,
        "safeguarding": False, "regulator_notice": False, "restricted": False, "on_hold": False,
    }  # fmt: skip


def test_who_falls_again_wherever_it_was_is_looked_at_by_several_professions(
    desk: Desk, actor: Callable[..., Actor]
) -> None:
    quality, who, somebody = actor("quality_lead"), "a" * 32, "b" * 32

    def fell(people: list[str], at: UUID) -> None:
        one = str(uuid.uuid4())
        desk.hear("incident.described", incident_id=one, people=people, revision=1)  # before the report, too
        desk.known(incident_id=one, category="fall", location_id=str(at))

    fell([who], uuid.uuid4())
    fell([somebody], uuid.uuid4())
    plan = desk.open(category=Category.FALL)
    desk.hear("incident.described", people=[somebody, who], revision=2)
    desk.hear("incident.described", people=[], revision=1)  # late
    assert desk.view(plan, quality)["rule"] == "recurrent-falls"
    inputs = desk.view(plan, quality)["decision"]["inputs"]
    repeats = {name: inputs[f"repeats_{name}"] for name in ("at_location", "of_person", "at_provider")}
    assert repeats == {"at_location": 0, "of_person": 2, "at_provider": 2}
    with db.transaction(desk.engine, desk.provider_id) as session:
        said = session.scalar(
            text("select data from review.outbox where key = :key and (data ->> 'deepened')::boolean"),
            {"key": str(desk.incident_id)},
        )
    assert (said["method"], said["deepened"], said["revision"]) == ("mdt_review", True, 2)
    assert who not in str(desk.view(plan, quality))
    with db.transaction(desk.engine, uuid.uuid4()) as session:
        assert session.execute(text("select 1 from review.described")).all() == [], "of another provider"


def test_psychological_harm_counts_as_bodily_harm_does(desk: Desk, actor: Callable[..., Actor]) -> None:
    seen = desk.view(desk.open(psychological_harm=PsychologicalHarm.SEVERE), actor("quality_lead"))
    assert (seen["rule"], seen["method"]) == ("severe-psychological-harm", "structured_review")


def test_what_is_learned_later_deepens_an_open_review_once(desk: Desk, actor: Callable[..., Actor]) -> None:
    plan, quality = desk.open(), actor("quality_lead")
    assert plan.method == "brief_fact_review"
    desk.hear("candour.asked", candour_id=str(uuid.uuid4()), round=1, decide_due_at=desk.clock.now().isoformat())
    assert desk.view(plan, quality)["version"] == 1  # the shipped policy asks for nothing more because of that
    with db.transaction(desk.engine, desk.provider_id) as session:  # as if an earlier release had opened it
        session.execute(text("update review.review set policy_version = 'default-2'"))
    for _ in range(2):
        desk.safeguarding()
        seen = desk.view(plan, quality)
        assert (seen["rule"], seen["method"], seen["version"]) == ("safeguarding", "structured_review", 2)
        assert seen["decision"]["policy_version"] == "default-2", "what was shipped when it was opened"
    assert (seen["decision"]["inputs"]["safeguarding"], seen["decision"]["inputs"]["candour_asked"]) == (True, True)
    with db.transaction(desk.engine, desk.provider_id) as session:
        chain = audit.read(session, "review", desk.incident_id)
        rows = session.execute(
            text("select type from review.outbox where key = :key"), {"key": str(desk.incident_id)}
        ).all()
    assert [entry["action"] for entry in chain] == ["review_opened", "review_rerouted"]
    assert [row.type for row in rows] == ["plumbline.review.opened.v1"] * 2


def test_an_approved_review_stays_as_it_was(desk: Desk, actor: Callable[..., Actor]) -> None:
    plan, manager, quality = desk.open(), actor("registered_manager"), actor("quality_lead")
    path = f"/reviews/{plan.review_id}"
    assert desk.api.put(f"{path}/draft", manager, DRAFT, version=1).status_code == 200
    said = answers(desk.api, path, manager)
    assert desk.api.post(f"{path}/submission", manager, said, version=2).status_code == 200
    assert desk.api.post(f"{path}/approval", quality, version=3).status_code == 200
    desk.safeguarding()
    assert (desk.view(plan, quality)["rule"], desk.view(plan, quality)["version"]) == ("otherwise", 4)


def test_who_manages_the_place_does_not_hand_in_a_serious_review(desk: Desk, actor: Callable[..., Actor]) -> None:
    desk.safeguarding()
    plan = desk.open()
    path = f"/reviews/{plan.review_id}"
    manager = actor("registered_manager", locations=[desk.home])
    assert desk.api.put(f"{path}/draft", manager, DRAFT, version=1).status_code == 200
    refused = desk.api.post(f"{path}/submission", manager, version=2)
    assert (refused.status_code, "independent" in refused.json()["detail"]) == (403, True)
    assert desk.api.post(f"{path}/submission", actor("regional_manager"), version=2).status_code == 200


def test_the_regulator_counts_and_other_recipients_do_not(desk: Desk) -> None:
    def assessed(recipient: str, outcome: str, at: int, which: str) -> None:
        desk.hear(
            "obligation.assessed", obligation_id=which, rule="r", recipient=recipient, outcome=outcome,
            must_decide=True, round=at, policy_version="t", target_at=None, statutory_due_at=None,
        )  # fmt: skip

    def holds() -> list[bool]:
        with db.transaction(desk.engine, desk.provider_id) as session:
            query = text("select holds from review.circumstance where incident_id = :i and fact = 'regulator_notice'")
            return list(session.scalars(query, {"i": desk.incident_id}))

    one = str(uuid.uuid4())
    assessed("hse", "triggered", 1, str(uuid.uuid4()))
    assert holds() == []
    assessed("cqc", "triggered", 1, one)
    assert holds() == [True]
    assessed("cqc", "not_triggered", 3, one)
    assessed("cqc", "triggered", 2, one)  # late
    assert holds() == [False]


def test_a_draft_is_backtested_over_the_past_that_the_caller_may_see(desk: Desk, actor: Callable[..., Actor]) -> None:
    quality = actor("quality_lead")
    lighter = SHIPPED.replace("version: default-3", "version: own-1").replace(
        "method: brief_fact_review", "method: swarm_huddle", 1
    )
    assert lighter != SHIPPED.replace("version: default-3", "version: own-1")
    desk.open()
    desk.known(occurred_at=(desk.clock.now() + timedelta(hours=1)).isoformat())
    first, desk.incident_id = desk.incident_id, uuid.uuid4()
    desk.open(band=Band.HIGH)
    desk.incident_id = uuid.uuid4()
    desk.open()
    restriction = {"revision": 1, "roles": [], "people": [], "excluded": []}
    desk.hear("incident.restricted", **restriction)
    body = {"name": "review", "source": lighter}
    answer = desk.api.post("/policies/backtests", quality, body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["incidents"], found["changed"]) == (2, 1)  # the restricted one is not for the quality lead
    assert (found["hours_before"], found["hours_after"]) == (23.0, 22.0)
    (less,) = found["reviewed_less"]
    assert (less["incident"], less["repeats_after"], less["went_badly"]) == (str(first), 1, True)
    same = desk.api.post("/policies/backtests", quality, {**body, "source": SHIPPED.replace("default-3", "own-2")})
    assert (same.json()["changed"], same.json()["reviewed_less"]) == (0, [])
    assert desk.api.post("/policies/backtests", actor("carer"), body).status_code == 403
    bad = desk.api.post("/policies/backtests", quality, {**body, "source": lighter.replace("swarm_huddle", "chat", 1)})
    assert (bad.status_code, bad.json()["type"]) == (422, "/problems/policy-refused")
    other = actor("quality_lead", provider=uuid.uuid4())
    assert desk.api.post("/policies/backtests", other, body).json()["incidents"] == 0


def test_an_incident_that_the_policy_wants_reviewed_thematically_stays_an_incident(
    desk: Desk, actor: Callable[..., Actor]
) -> None:
    own = SHIPPED.replace("version: default-3", "version: own-1")
    own = own.replace("method: brief_fact_review", "method: thematic_review")
    own = own.replace("method: structured_review", "method: in_depth_investigation")
    quality = actor("quality_lead")
    drafted = desk.api.post("/policies", quality, {"name": "review", "source": own}).json()["policy_id"]
    assert desk.api.post(f"/policies/{drafted}/proposal", quality, version=1).status_code == 200
    assert desk.api.post(f"/policies/{drafted}/publication", actor("director"), version=2).status_code == 200
    plan, manager = desk.open(), actor("registered_manager")
    assert plan.method == "thematic_review"
    # What comes later deepens it as it would any other, by the version it was opened with, whatever is published since.
    lighter = {"name": "review", "source": SHIPPED.replace("version: default-3", "version: own-2")}
    newer = desk.api.post("/policies", quality, lighter).json()["policy_id"]
    assert desk.api.post(f"/policies/{newer}/proposal", quality, version=1).status_code == 200
    assert desk.api.post(f"/policies/{newer}/publication", actor("director"), version=2).status_code == 200
    desk.safeguarding()
    seen = desk.view(plan, quality)
    assert (seen["method"], seen["policy_version"]) == ("in_depth_investigation", "own-1")
    assert seen["decision"]["policy_version"] == "own-1"
    # Triaged again it is decided anew, by the policy of that moment.
    desk.open(triage_revision=2)
    seen = desk.view(plan, quality)
    assert (seen["method"], seen["policy_version"]) == ("structured_review", "own-2")
    assert desk.api.post(f"/policies/{newer}/retirement", actor("director"), version=3).status_code == 200
    drafted = desk.api.post("/policies", quality, {"name": "review", "source": own.replace("own-1", "own-3")})
    again = drafted.json()["policy_id"]
    assert desk.api.post(f"/policies/{again}/proposal", quality, version=1).status_code == 200
    assert desk.api.post(f"/policies/{again}/publication", actor("director"), version=2).status_code == 200
    desk.incident_id = uuid.uuid4()
    plan = desk.open()
    path = f"/reviews/{plan.review_id}"
    assert desk.api.put(f"{path}/draft", manager, DRAFT, version=1).status_code == 200
    said = answers(desk.api, path, manager)
    submitted = desk.api.post(f"{path}/submission", manager, said, version=2)
    assert submitted.status_code == 200, submitted.text
    assert desk.api.post(f"{path}/approval", quality, version=3).status_code == 200
    with db.transaction(desk.engine, desk.provider_id) as session:
        rows = session.execute(
            text("select type, data ->> 'case_kind' as kind from review.outbox where key = :key"),
            {"key": str(desk.incident_id)},
        ).all()
    assert {row.type.split(".")[2] for row in rows} == {"opened", "submitted", "approved"}
    assert {row.kind for row in rows} == {"incident"}


def test_reminding_is_pointed_out_where_the_same_happened_before_reviewed_or_not(
    desk: Desk, actor: Callable[..., Actor]
) -> None:
    manager = actor("registered_manager")
    learning = [{"statement": "All staff to be reminded about the round and the door.", "answers_factor": 0}]
    path = f"/reviews/{desk.open().review_id}"
    assert desk.api.put(f"{path}/draft", manager, {**DRAFT, "learning": learning}, version=1).status_code == 200

    def pointed_out() -> bool:
        return "reminder_only" in {one["weakness"] for one in desk.api.get(f"{path}/findings", manager).json()}

    desk.known(category="fall")
    desk.known(location_id=str(uuid.uuid4()))
    desk.known(occurred_at=(desk.clock.now() - timedelta(days=181)).isoformat())
    assert not pointed_out()
    before = (desk.clock.now() - timedelta(days=170)).isoformat()
    desk.hear(
        "incident.imported", incident_id=str(uuid.uuid4()), location_id=str(desk.home), region_id=None,
        kind="incident", category="medication", actual_harm="low", occurred_at=before, reported_at=before,
        closed_at=before,
    )  # fmt: skip
    assert pointed_out()
