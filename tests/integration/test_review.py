"""Review on a real database: from the policy's plan to learning that arrived."""

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod
from services.contracts.topics import EVENTS
from services.review import activities, consumer, policy
from services.runtime import audit, db, restriction
from services.runtime.actor import Actor
from services.runtime.consumer import Received
from services.runtime.process import Context
from tests.integration.reviewing import answers, everybody_took_part

SECRET = "Mrs Example was given the tablets twice"

BRIEFING = {
    "summary": "A dose was given twice",
    "what_changes": "One chart for each person, kept in one place.",
    "question": "How many charts does a person have?",
    "options": ["As many as needed", "One"],
    "correct": 1,
}
DRAFT: dict[str, Any] = {
    "what_happened": SECRET,
    "why": "Two charts were in use after the hospital stay.",
    "factors": [
        {"element": "tools_and_technology", "description": "Two charts"},
        {"element": "tasks", "description": "Nobody owns the chart after a hospital stay"},
        {"element": "tools_and_technology", "description": "No alert"},
    ],
    "root_causes": [{"statement": "No step joins the charts when somebody comes home", "factors": [0, 1]}],
    "learning": [{"statement": "One chart prevents double doses", "answers_factor": 0, "answers_cause": 0}],
    "briefing": BRIEFING,
}


OF_THEMES = {"theme", "theme_member", "theme_reminder", "known_incident"}
"""Tables that `test_thematic.py` fills and looks at."""


class Desk:
    """Review with its people, as a test uses it."""

    def __init__(self, engine: Engine, clock: Any, api: Any, provider_id: UUID, make: Callable[..., Actor]) -> None:
        self.engine, self.clock, self.api, self.provider_id = engine, clock, api, provider_id
        self.activities = {
            a.__name__: a for a in activities.build(Context(engine=engine, system_engine=engine, clock=clock))
        }
        self.make = make
        self.manager = make("registered_manager")
        self.quality = make("quality_lead")
        self.director = make("director")

    def open(
        self, location_id: UUID, region_id: UUID | None = None, *, asked_anew: bool = False, **values: Any
    ) -> contract.OpenReview:
        """Open a review of a moderate incident, unless said otherwise; everybody took part, unless they are asked."""
        command = contract.OpenReview.model_validate(
            {
                "command_id": "open",
                "provider_id": self.provider_id,
                "incident_id": uuid.uuid4(),
                "cycle": 1,
                "location_id": location_id,
                "region_id": region_id,
                "kind": Kind.INCIDENT,
                "category": Category.MEDICATION,
                "actual_harm": PhysicalHarm.LOW,
                "band": Band.MODERATE,
                **values,
            }
        )
        self.plan: contract.ReviewPlan = self.activities["open_review"](command)
        if not asked_anew:
            everybody_took_part(self.engine, self.provider_id, self.plan.review_id)
        return command

    @property
    def path(self) -> str:
        """The address of the review opened last."""
        return f"/reviews/{self.plan.review_id}"

    def submitted(self, draft: dict[str, Any] = DRAFT) -> None:
        """Write and submit the review opened last."""
        assert self.api.put(f"{self.path}/draft", self.manager, draft, version=1).status_code == 200
        body = answers(self.api, self.path, self.manager)
        answer = self.api.post(f"{self.path}/submission", self.manager, body, version=2)
        assert answer.status_code == 200, answer.text

    def approved(self, draft: dict[str, Any] = DRAFT, approver: Actor | None = None) -> None:
        """And have it approved."""
        self.submitted(draft)
        answer = self.api.post(f"{self.path}/approval", approver or self.quality, version=3)
        assert answer.status_code == 200, answer.text

    def send(self, incident_id: UUID, cycle: int = 1) -> contract.BriefingPlan:
        """Send the briefing."""
        plan: contract.BriefingPlan = self.activities["send_briefing"](
            contract.SendBriefing(command_id="send", provider_id=self.provider_id, incident_id=incident_id, cycle=cycle)
        )
        return plan

    def acknowledge(self, plan: contract.BriefingPlan, actor: Actor, location_id: UUID, answer: int = 1) -> Any:
        """Answer a briefing."""
        body = {"location_id": str(location_id), "answer": answer}
        return self.api.post(f"/briefings/{plan.briefing_id}/acknowledgements", actor, body)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """Rows of this provider."""
        with db.transaction(self.engine, self.provider_id) as session:
            return [dict(row) for row in session.execute(text(sql), values).mappings()]

    def events(self, incident_id: UUID) -> list[Any]:
        """What was said about an incident, short names, checked against the contracts."""
        rows = self.rows(
            "select type, subject, version, data from review.outbox where key = :key order by seq", key=str(incident_id)
        )
        for row in rows:
            EVENTS[row["type"]].model_validate(row["data"])
            row["type"] = row["type"].removeprefix("plumbline.").removesuffix(".v1")
        return rows

    def types(self, incident_id: UUID) -> list[str]:
        """The types of what was said."""
        return [row["type"] for row in self.events(incident_id)]


@pytest.fixture
def desk(
    service_engine: Callable[[str], Engine],
    clock: Any,
    client: Callable[[str], Any],
    provider_id: UUID,
    actor: Callable[..., Actor],
) -> Desk:
    """A provider of its own."""
    return Desk(service_engine("review"), clock, client("review"), provider_id, actor)


@pytest.fixture
def home(place: Callable[..., UUID]) -> UUID:
    """A location that belongs to no region."""
    return place("review")


def test_the_plan_follows_the_policy_and_is_made_once(desk: Desk, home: UUID) -> None:
    command = desk.open(home)
    first = desk.plan
    assert (first.method, first.lead_role) == (ReviewMethod.AFTER_ACTION, "registered_manager")
    assert first.due_at == datetime(2026, 7, 6, 9, 0, tzinfo=UTC)  # 20 working days from Monday 8 June
    desk.clock.advance(timedelta(hours=1))
    assert desk.activities["open_review"](command.model_copy(update={"command_id": "again"})) == first
    event = desk.events(command.incident_id)
    assert [e["type"] for e in event] == ["review.opened"]
    assert (event[0]["data"]["rule"], event[0]["data"]["policy_version"]) == ("moderate-risk", "default-3")
    desk.open(home, incident_id=command.incident_id, cycle=2)
    assert desk.plan.review_id != first.review_id


def test_a_newer_triage_deepens_a_review_that_is_not_approved(desk: Desk, home: UUID) -> None:
    first = desk.open(home, band=Band.LOW)
    shallow = desk.plan
    desk.open(home, incident_id=first.incident_id, band=Band.EXTREME, triage_revision=2)
    assert desk.plan.review_id == shallow.review_id
    assert (shallow.method, desk.plan.method) == ("brief_fact_review", "in_depth_investigation")
    assert desk.plan.due_at > shallow.due_at
    desk.open(home, incident_id=first.incident_id, band=Band.LOW, triage_revision=1)  # late
    assert desk.plan.method == "in_depth_investigation"
    assert desk.types(first.incident_id) == ["review.opened", "review.opened"]


def test_the_review_of_a_withdrawn_incident_ends(desk: Desk, home: UUID) -> None:
    command = desk.open(home)
    end = contract.EndReview(command_id="end", provider_id=desk.provider_id, incident_id=command.incident_id)
    for _ in range(2):
        desk.activities["end_review"](end)
    read = desk.api.get(desk.path, desk.manager)
    assert (read.json()["status"], read.headers["ETag"]) == ("ended", '"2"')
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=2).status_code == 409


def test_from_draft_to_approval(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    api, path = desk.api, desk.path
    first = api.get(path, desk.manager)
    assert (first.headers["ETag"], first.json()["status"], first.json()["factors"]) == ('"1"', "open", [])
    key = str(uuid.uuid4())
    saved = api.put(f"{path}/draft", desk.manager, DRAFT, version=1, key=key)
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"2"')
    assert api.put(f"{path}/draft", desk.manager, DRAFT, version=1, key=key).json() == saved.json()
    assert api.put(f"{path}/draft", desk.manager, DRAFT, version=1).status_code == 412
    assert api.post(f"{path}/submission", desk.manager, version=2).json()["status"] == "submitted"
    assert api.put(f"{path}/draft", desk.manager, DRAFT, version=3).status_code == 409
    back = api.post(f"{path}/return", desk.quality, {"reason": "Who owns the chart?"}, version=3)
    assert (back.status_code, back.json()["status"]) == (200, "returned")
    assert api.put(f"{path}/draft", desk.manager, DRAFT, version=4).status_code == 200
    assert api.post(f"{path}/submission", desk.manager, answers(api, path, desk.manager), version=5).is_success
    assert api.post(f"{path}/approval", desk.quality, version=6).json()["status"] == "approved"
    assert api.post(f"{path}/approval", desk.quality, version=7).status_code == 409
    assert api.put(f"{path}/draft", desk.manager, DRAFT, version=7).status_code == 409

    view = api.get(path, desk.quality).json()
    assert [f["element"] for f in view["factors"]] == ["tools_and_technology", "tasks", "tools_and_technology"]
    assert view["learning"][0]["statement"] == "One chart prevents double doses"
    assert view["briefing"].items() >= BRIEFING.items()
    assert [(s["step"], s["reason"]) for s in view["steps"]] == [
        ("opened", None), ("drafted", None), ("submitted", None), ("returned", "Who owns the chart?"),
        ("drafted", None), ("submitted", None), ("approved", None),
    ]  # fmt: skip
    events = desk.events(incident_id)
    assert [(e["type"], e["version"]) for e in events] == [
        ("review.opened", 1), ("review.submitted", 3), ("review.returned", 4), ("review.submitted", 6),
        ("review.approved", 7),
    ]  # fmt: skip
    approved = events[-1]["data"]
    assert approved["factors"] == ["tools_and_technology", "tasks"]
    assert (approved["learning_count"], approved["actions_needed"], approved["briefing_needed"]) == (1, True, True)


def test_the_history_holds_no_free_text_and_shows_tampering(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    desk.approved()
    chain = desk.api.get(f"/incidents/{incident_id}/audit", desk.manager).json()
    assert audit.verify(chain) is None
    assert [e["action"] for e in chain] == [
        "review_opened", "review_drafted", "review_submitted", "review_approved",
    ]  # fmt: skip
    for said in (chain, desk.events(incident_id)):
        for words in (SECRET, DRAFT["why"], "Nobody owns", BRIEFING["question"], "One chart"):
            assert str(words) not in json.dumps(said, default=str)
    chain[2]["data"]["learning_count"] = 2
    assert audit.verify(chain) == "entry 3 was changed after it was written"


def test_saving_a_draft_often_leaves_one_mark_for_each_writer(desk: Desk, home: UUID) -> None:
    desk.open(home)
    other = desk.make("safeguarding_lead")
    for version, writer in enumerate([desk.manager, desk.manager, other, other], start=1):
        assert desk.api.put(f"{desk.path}/draft", writer, DRAFT, version=version).status_code == 200
    steps = desk.api.get(desk.path, desk.manager).json()["steps"]
    assert [(s["step"], s["actor_id"]) for s in steps[1:]] == [
        ("drafted", str(desk.manager.id)), ("drafted", str(other.id)),
    ]  # fmt: skip


def test_what_is_missing_is_named_with_its_remedy(desk: Desk, home: UUID) -> None:
    desk.open(home, band=Band.HIGH)
    draft = {
        "factors": [{"element": "person"}],
        "no_actions_reason": "Done on the day.",
        "briefing": {"summary": "A dose was given twice", "options": ["One"]},
    }
    assert desk.api.put(f"{desk.path}/draft", desk.manager, draft, version=1).status_code == 200
    answer = desk.api.post(f"{desk.path}/submission", desk.manager, version=2)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/review-incomplete")
    assert [e["field"] for e in answer.json()["errors"]] == [
        "what_happened", "why", "factors.0.description", "only_person_reason", "learning", "no_actions_reason",
        "briefing.what_changes", "briefing.question", "briefing.options", "briefing.correct",
    ]  # fmt: skip
    assert all(e["remedy"] for e in answer.json()["errors"])
    assert desk.api.get(desk.path, desk.manager).json()["status"] == "open"


def test_the_approver_is_who_the_policy_names_and_no_author(desk: Desk, home: UUID) -> None:
    desk.open(home, band=Band.EXTREME)
    path, director_who_wrote = desk.path, desk.make("director", "registered_manager")
    desk.api.put(f"{path}/draft", director_who_wrote, DRAFT, version=1)
    said = answers(desk.api, path, desk.manager)
    assert desk.api.post(f"{path}/submission", desk.manager, said, version=2).status_code == 200
    for body, action in (({"reason": "More"}, "return"), (None, "approval")):
        refused = desk.api.post(f"{path}/{action}", desk.quality, body, version=3)
        assert (refused.status_code, "director" in refused.json()["detail"]) == (403, True)
        refused = desk.api.post(f"{path}/{action}", director_who_wrote, body, version=3)
        assert (refused.status_code, "You wrote" in refused.json()["detail"]) == (403, True)
    assert desk.api.post(f"{path}/approval", desk.director, version=3).status_code == 200


def test_who_submitted_cannot_approve(desk: Desk, home: UUID) -> None:
    desk.open(home)
    desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=1)
    said = answers(desk.api, desk.path, desk.quality)
    desk.api.post(f"{desk.path}/submission", desk.quality, said, version=2)
    assert desk.api.post(f"{desk.path}/approval", desk.quality, version=3).status_code == 403
    assert desk.api.post(f"{desk.path}/approval", desk.make("quality_lead"), version=3).status_code == 200


def test_nothing_follows_where_the_reviewer_says_why(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    draft = DRAFT | {"briefing": None, "no_actions_reason": "Done.", "no_briefing_reason": "Known."}
    desk.approved(draft)
    approved = desk.events(incident_id)[-1]["data"]
    assert (approved["actions_needed"], approved["briefing_needed"]) == (False, False)
    with pytest.raises(Exception, match="no briefing"):
        desk.send(incident_id)


def test_a_huddle_needs_neither_actions_nor_a_briefing(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home, kind=Kind.NEAR_MISS, band=Band.LOW).incident_id
    assert desk.plan.method is ReviewMethod.HUDDLE
    desk.approved(DRAFT | {"briefing": None})
    approved = desk.events(incident_id)[-1]["data"]
    assert (approved["actions_needed"], approved["briefing_needed"]) == (False, False)


def test_scope_and_roles(desk: Desk, home: UUID, actor: Callable[..., Actor]) -> None:
    incident_id = desk.open(home, region := uuid.uuid4()).incident_id
    assert desk.api.get(desk.path, actor("regional_manager", regions=[region])).status_code == 200
    elsewhere = actor("registered_manager", locations=[uuid.uuid4()])
    stranger = actor("quality_lead", provider=uuid.uuid4())
    for who in (elsewhere, stranger):
        assert desk.api.get("/reviews", who).json()["items"] == []
        assert desk.api.get(f"/incidents/{incident_id}/audit", who).status_code == 404
        assert desk.api.get(desk.path, who).status_code == 404
        assert desk.api.put(f"{desk.path}/draft", who, DRAFT, version=1).status_code == 404
        assert desk.api.post(f"{desk.path}/submission", who, version=1).status_code == 404
        assert desk.api.post(f"{desk.path}/approval", who, version=1).status_code == 404
    carer = actor("carer", locations=[home])
    for method, path in (("GET", "/reviews"), ("GET", desk.path), ("GET", f"/incidents/{incident_id}/audit")):
        assert desk.api.call(method, path, carer).status_code == 403
    assert desk.api.put(f"{desk.path}/draft", desk.director, DRAFT, version=1).status_code == 403


def test_lists_are_filtered_and_continue(desk: Desk, home: UUID) -> None:
    incidents = [desk.open(home).incident_id for _ in range(5)]
    desk.submitted()
    items, cursor = [], None
    while True:
        page = desk.api.get("/reviews", desk.manager, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        items += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert [i["incident_id"] for i in items] == [str(i) for i in reversed(incidents)]
    one = desk.api.get("/reviews", desk.manager, params={"incident_id": str(incidents[1])}).json()["items"]
    assert [i["incident_id"] for i in one] == [str(incidents[1])]
    waiting = desk.api.get("/reviews", desk.manager, params={"status": "submitted"}).json()["items"]
    assert [i["incident_id"] for i in waiting] == [str(incidents[4])]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"surprise": 1}, "surprise"),
        ({"what_happened": ""}, "what_happened"),
        ({"what_happened": "x" * 10_001}, "what_happened"),
        ({"why": "null \x00 byte"}, "why"),
        ({"why": "\ud800"}, "why"),
        ({"factors": [{"element": "blame", "description": "x"}]}, "factors.0.element"),
        ({"factors": [{"element": "tasks"}] * 21}, "factors"),
        ({"learning": [{"statement": "x", "answers_factor": -1}]}, "learning.0.answers_factor"),
        ({"learning": [{"statement": "x", "answers_factor": 10**30}]}, "learning.0.answers_factor"),
        ({"briefing": {"options": ["a", "b", "c", "d", "e", "f"]}}, "briefing.options"),
        ({"briefing": {"correct": 5}}, "briefing.correct"),
    ],
)
def test_bad_drafts_are_refused_with_the_field(desk: Desk, home: UUID, change: Any, field: str) -> None:
    desk.open(home)
    answer = desk.api.put(
        f"{desk.path}/draft", desk.manager, version=1,
        content=json.dumps(DRAFT | change), headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
    assert desk.api.get(desk.path, desk.manager).json()["version"] == 1


def test_writes_need_key_and_version(desk: Desk, home: UUID) -> None:
    desk.open(home)
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT).status_code == 428
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=1, key="short").status_code == 422
    key = str(uuid.uuid4())
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=1, key=key).status_code == 200
    other = desk.api.put(f"{desk.path}/draft", desk.manager, {}, version=1, key=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


def test_two_writers_do_not_overwrite_each_other(desk: Desk, home: UUID) -> None:
    desk.open(home)
    with ThreadPoolExecutor(4) as pool:
        answers = [
            pool.submit(desk.api.put, f"{desk.path}/draft", desk.make("quality_lead"), DRAFT, version=1)
            for _ in range(4)
        ]
        assert sorted(a.result().status_code for a in answers) == [200, 412, 412, 412]


# Briefings


def test_a_briefing_goes_to_the_active_locations_of_its_audience(desk: Desk, place: Callable[..., UUID]) -> None:
    region = uuid.uuid4()
    home, near, closed, far = (
        place("review", region_id=region), place("review", region_id=region), place("review", region_id=region),
        place("review", region_id=uuid.uuid4()),
    )  # fmt: skip
    _close(desk, closed, region)
    audiences = {}
    for name, band, approver in (("region", Band.MODERATE, desk.quality), ("provider", Band.EXTREME, desk.director)):
        incident_id = desk.open(home, region, band=band).incident_id
        desk.approved(approver=approver)
        plan = desk.send(incident_id)
        assert desk.send(incident_id) == plan
        assert desk.types(incident_id).count("briefing.sent") == 1
        assert plan.due_at == datetime(2026, 6, 22, 9, 0, tzinfo=UTC)
        answer = desk.api.get(f"/briefings/{plan.briefing_id}/reach", desk.quality).json()
        audiences[name] = {UUID(i["location_id"]) for i in answer["locations"]["items"]}
        assert plan.audience == answer["audience"] == len(audiences[name])
    assert audiences == {"region": {home, near}, "provider": {home, near, far}}


def test_the_own_location_is_told_even_if_it_is_unknown_and_without_region(
    desk: Desk, place: Callable[..., UUID]
) -> None:
    place("review")  # another one without a region is no neighbour
    incident_id = desk.open(unknown := uuid.uuid4()).incident_id
    desk.approved()
    plan = desk.send(incident_id)
    assert plan.audience == 1
    assert desk.acknowledge(plan, desk.make("carer", locations=[unknown]), unknown).json()["understood"] is True
    assert desk.types(incident_id)[-2:] == ["briefing.acknowledged", "briefing.reached"]


def test_a_cycle_that_began_after_reviewing_shares_the_review_before(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    with pytest.raises(Exception, match="No review of this incident was approved"):
        desk.send(incident_id)
    desk.approved()
    first, second = desk.send(incident_id), desk.send(incident_id, cycle=2)
    assert first.briefing_id != second.briefing_id
    assert desk.events(incident_id)[-1]["data"]["cycle"] == 2


def test_staff_read_answer_and_may_correct_themselves(desk: Desk, place: Callable[..., UUID]) -> None:
    region = uuid.uuid4()
    home, near = place("review", region_id=region), place("review", region_id=region)
    incident_id = desk.open(home, region).incident_id
    desk.approved()
    plan = desk.send(incident_id)
    path, carer = f"/briefings/{plan.briefing_id}", desk.make("carer", locations=[near])

    def mine(**params: Any) -> list[Any]:
        items: list[Any] = desk.api.get("/briefings", carer, params=params).json()["items"]
        return [(i["briefing_id"], i["understood"]) for i in items]

    view = desk.api.get(path, carer).json()
    assert (view["question"], view["options"], "correct" in view) == (BRIEFING["question"], BRIEFING["options"], False)
    assert str(home) not in json.dumps(view)
    assert mine(open=True) == [(str(plan.briefing_id), None)]

    wrong = desk.acknowledge(plan, carer, near, 0).json()
    assert (wrong["understood"], wrong["attempts"]) == (False, 1)
    assert desk.acknowledge(plan, carer, near, 0).json()["attempts"] == 1
    assert mine(open=True) == [(str(plan.briefing_id), False)]
    right = desk.acknowledge(plan, carer, near, 1).json()
    assert (right["understood"], right["attempts"]) == (True, 2)
    assert desk.acknowledge(plan, carer, near, 1).json() == right
    assert desk.acknowledge(plan, carer, near, 0).status_code == 409
    assert (mine(open=True), mine(open=False)) == ([], [(str(plan.briefing_id), True)])

    said = [(e["type"], e["data"].get("understood")) for e in desk.events(incident_id)[-2:]]
    assert said == [("briefing.acknowledged", False), ("briefing.acknowledged", True)]
    reach = desk.api.get(f"{path}/reach", desk.quality).json()
    assert (reach["audience"], reach["understood"], reach["reach_percent"]) == (2, 1, 50)
    by_place = {UUID(i["location_id"]): (i["acknowledged"], i["understood"]) for i in reach["locations"]["items"]}
    assert by_place == {home: (0, 0), near: (1, 1)}
    ours = desk.api.get(f"{path}/reach", carer).json()
    assert (ours["audience"], [i["location_id"] for i in ours["locations"]["items"]]) == (2, [str(near)])
    chain = desk.api.get(f"/incidents/{incident_id}/audit", desk.quality).json()
    assert audit.verify(chain) is None


def test_a_briefing_is_answered_where_one_works(desk: Desk, home: UUID, place: Callable[..., UUID]) -> None:
    incident_id = desk.open(home).incident_id
    desk.approved()
    plan = desk.send(incident_id)
    path = f"/briefings/{plan.briefing_id}"
    outsider = desk.make("carer", locations=[place("review")])
    for answer in (desk.api.get(path, outsider), desk.api.get(f"{path}/reach", outsider)):
        assert answer.status_code == 404
    assert desk.api.get("/briefings", outsider).json()["items"] == []
    assert desk.acknowledge(plan, outsider, home).status_code == 404
    carer = desk.make("carer", locations=[home])
    elsewhere = desk.acknowledge(plan, carer, uuid.uuid4())
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["field"]) == (422, "location_id")
    beyond = desk.acknowledge(plan, carer, home, 2)
    assert (beyond.status_code, beyond.json()["errors"][0]["field"]) == (422, "answer")
    assert desk.acknowledge(plan, desk.make("platform_admin"), home).status_code == 403
    assert "briefing.acknowledged" not in desk.types(incident_id)


def test_reach_is_told_once_however_answers_collide(desk: Desk, place: Callable[..., UUID]) -> None:
    region = uuid.uuid4()
    homes = [place("review", region_id=region) for _ in range(5)]
    incident_id = desk.open(homes[0], region).incident_id
    desk.approved()
    plan = desk.send(incident_id)
    people = [(desk.make("carer", locations=[home]), home) for home in homes for _ in range(2)]
    start = threading.Barrier(len(people))

    def answer(person: tuple[Actor, UUID]) -> int:
        start.wait()
        status: int = desk.acknowledge(plan, *person).status_code
        return status

    with ThreadPoolExecutor(len(people)) as pool:
        assert set(pool.map(answer, people)) == {200}
    events = desk.events(incident_id)
    reached = [e for e in events if e["type"] == "briefing.reached"]
    assert [e["data"]["reach_percent"] for e in reached] == [80]
    assert len([e for e in events if e["type"] == "briefing.acknowledged"]) == 10
    versions = [e["version"] for e in events if e["type"] == "briefing.acknowledged"]
    assert versions == sorted(set(versions))
    final = desk.api.get(f"/briefings/{plan.briefing_id}/reach", desk.quality).json()
    assert (final["understood"], final["reach_percent"], final["reached_at"] is None) == (5, 100, False)
    assert audit.verify(desk.api.get(f"/incidents/{incident_id}/audit", desk.quality).json()) is None


def test_one_person_sending_at_once_is_one_answer(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    desk.approved()
    plan, carer = desk.send(incident_id), desk.make("carer", locations=[home])
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(desk.acknowledge, plan, carer, home) for _ in range(4)]
        assert {a.result().status_code for a in answers} == {200}
    assert desk.types(incident_id).count("briefing.acknowledged") == 1


def test_activities_sent_at_once_act_once(desk: Desk, home: UUID) -> None:
    command = contract.OpenReview(
        command_id="open", provider_id=desk.provider_id, incident_id=uuid.uuid4(), cycle=1, location_id=home,
        region_id=None, kind=Kind.INCIDENT, category=Category.FALL, actual_harm=PhysicalHarm.LOW, band=Band.LOW,
    )  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        plans = list(pool.map(desk.activities["open_review"], [command] * 4))
    assert len({plan.review_id for plan in plans}) == 1
    desk.plan = plans[0]
    everybody_took_part(desk.engine, desk.provider_id, desk.plan.review_id)
    desk.approved()
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(desk.send, [command.incident_id] * 4))
    assert len({plan.briefing_id for plan in sent}) == 1
    assert desk.types(command.incident_id) == [
        "review.opened", "review.submitted", "review.approved", "briefing.sent",
    ]  # fmt: skip


# The process engine and the other services


def test_all_events_of_an_incident_can_be_sent_again(
    desk: Desk, home: UUID, service_engine: Callable[[str], Engine]
) -> None:
    incident_id = desk.open(home).incident_id
    desk.submitted()
    with service_engine("review_system").begin() as connection:
        connection.execute(
            text("update review.outbox set published_at = now() where key = :key"), {"key": str(incident_id)}
        )
    command = contract.Republish(command_id="again", provider_id=desk.provider_id, incident_id=incident_id)
    assert desk.activities["republish"](command) == 2
    waiting = "select 1 from review.outbox where key = :key and published_at is null"
    assert len(desk.rows(waiting, key=str(incident_id))) == 2


def test_the_newest_revision_of_a_location_stands(desk: Desk) -> None:
    location_id, old, new = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    for region, revision in ((new, 3), (old, 2), (new, 3)):
        _location(desk, location_id, region, revision=revision)
    known = desk.rows("select region_id, revision from review.location where location_id = :id", id=location_id)
    assert known == [{"region_id": new, "revision": 3}]


def test_another_provider_sees_no_row_of_any_table(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    form = desk.api.get(f"{desk.path}/method", desk.manager).json()
    question = form["stages"][0]["questions"][0]["id"]
    answered = desk.api.put(f"{desk.path}/answers/{question}", desk.manager, {"answer": "Yes"})
    assert answered.status_code == 200
    desk.approved()
    desk.acknowledge(desk.send(incident_id), desk.make("carer", locations=[home]), home)
    own = (Path(policy.__file__).parent / "policies" / "default.yaml").read_text().replace("default-3", "own-1")
    assert desk.api.post("/policies", desk.quality, {"name": "review", "source": own}).status_code == 201
    tables = desk.rows("select tablename from pg_tables where schemaname = 'review'")
    names = {row["tablename"] for row in tables} - {"migration"}
    filled = {name for name in names if desk.rows(f"select 1 from review.{name}")}
    # People as directory tells of them, and what hangs on a briefing, are looked at in test_sharing*.py.
    elsewhere = {
        "person", "held_role", "briefing_person", "briefing_route", "adoption_check", "adoption_return", "recall",
        "circumstance", "described", "spot_check", "terms", "timeline_entry", "involved", "just_culture", "improvement", "effect", "supervision", "supervision_content", "fact_finding_hold",
    }  # fmt: skip
    assert names - filled == {"inbox", "parked_event", "restriction", "opening", "erasure", *OF_THEMES} | elsewhere
    with db.transaction(desk.engine, uuid.uuid4()) as session:
        for name in names:
            assert session.execute(text(f"select 1 from review.{name}")).all() == []
    with desk.engine.connect() as connection:
        for name in names:
            assert connection.execute(text(f"select 1 from review.{name}")).all() == []


def test_a_restricted_review_is_led_and_approved_by_those_who_see_it(desk: Desk, home: UUID) -> None:
    lead, individual = desk.make("safeguarding_lead"), desk.make("nominated_individual")
    incident_id = uuid.uuid4()
    with db.transaction(desk.engine, desk.provider_id) as session:
        restriction.keep(
            session, "review", provider_id=desk.provider_id, record_id=incident_id, revision=1,
            roles=["safeguarding_lead", "nominated_individual"],
        )  # fmt: skip
    desk.open(home, incident_id=incident_id)
    assert desk.plan.lead_role == "safeguarding_lead"
    assert [e["data"]["lead_role"] for e in desk.events(incident_id)] == ["safeguarding_lead"]
    desk.manager = lead
    desk.submitted()
    for other, status in ((desk.quality, 404), (lead, 403)):
        assert desk.api.post(f"{desk.path}/approval", other, version=3).status_code == status
    approved = desk.api.post(f"{desk.path}/approval", individual, version=3)
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    # Of others the policy's approver decides, and nobody else.
    desk.open(home)
    desk.submitted()
    assert desk.api.post(f"{desk.path}/approval", individual, version=3).status_code == 403


def test_history_tables_cannot_be_rewritten(desk: Desk, home: UUID) -> None:
    desk.open(home)
    for statement in (
        "update review.review_step set reason = 'x'",
        "delete from review.review_step",
        "delete from review.review",
        "delete from review.acknowledgement",
        "update review.audit_entry set action = 'x'",
    ):
        with pytest.raises(Exception, match="permission denied"):
            desk.rows(statement)


def _close(desk: Desk, location_id: UUID, region_id: UUID) -> None:
    _location(desk, location_id, region_id, revision=2, active=False)


def _location(desk: Desk, location_id: UUID, region_id: UUID, *, revision: int, active: bool = True) -> None:
    data = {
        "location_id": str(location_id), "region_id": str(region_id), "cqc_location_id": "1-123456789",
        "name": "Test House", "beds": 30, "active": active, "revision": revision,
    }  # fmt: skip
    received = Received(
        event_id=uuid.uuid4(), type="plumbline.location.recorded.v1", provider_id=desk.provider_id,
        subject=str(location_id), key=str(location_id), version=revision, occurred_at=desk.clock.now(),
        actor=str(uuid.UUID(int=0)), actor_role="service", data=data, topic="plumbline.directory", partition=0, offset=0,
    )  # fmt: skip
    with db.transaction(desk.engine, desk.provider_id) as session:
        consumer.HANDLERS[received.type](session, received)


def test_the_gate_points_out_and_refuses_nothing(desk: Desk, home: UUID) -> None:
    desk.open(home)
    unread = desk.api.get(f"{desk.path}/findings", desk.manager).json()
    assert {one["weakness"] for one in unread} == {"unanswered_question"}
    desk.submitted()
    weak = {
        **DRAFT,
        "why": "She should have known better.",
        "learning": [{"statement": "All staff to be reminded of the two charts", "answers_factor": 0}],
    }
    desk.clock.advance(timedelta(days=30))
    desk.open(home)
    assert desk.api.put(f"{desk.path}/draft", desk.manager, weak, version=1).status_code == 200
    found = desk.api.get(f"{desk.path}/findings", desk.quality)
    assert found.status_code == 200
    assert {(one["weakness"], one["field"]) for one in found.json()} >= {
        ("blame", "why"),
        ("reminder_only", "learning"),
    }
    assert next(one["quote"] for one in found.json() if one["weakness"] == "blame") == "should have known"
    assert desk.api.get(f"{desk.path}/findings", desk.make("carer")).status_code == 403
    assert desk.api.post(f"{desk.path}/submission", desk.manager, version=2).status_code == 200
    # Somewhere else it would be the first time.
    desk.open(uuid.uuid4())
    assert desk.api.put(f"{desk.path}/draft", desk.manager, weak, version=1).status_code == 200
    elsewhere = desk.api.get(f"{desk.path}/findings", desk.quality).json()
    assert "reminder_only" not in {one["weakness"] for one in elsewhere}
