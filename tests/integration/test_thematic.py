"""A theme on a real database: commissioned, its incidents considered without touching them, reviewed, acted on."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.actions import consumer as of_actions
from services.contracts import activities as contract
from services.contracts.event import EventData
from services.contracts.identity import EVERYWHERE
from services.contracts.intake import IncidentReported, IncidentRestricted
from services.contracts.reporting import SignalAccepted
from services.contracts.taxonomy import Band, Category, Kind, Role, ThemeStage
from services.contracts.topics import EVENTS
from services.reporting.consumer import project
from services.review import activities, consumer
from services.runtime import audit, db
from services.runtime.actor import Actor
from services.runtime.consumer import Received
from services.runtime.process import Context
from tests.integration.reviewing import answers
from tests.integration.test_review import DRAFT

SECRET = "The round at noon in the west wing"
TERMS: dict[str, Any] = {
    "title": SECRET,
    "why": "Each was closed with a reminder and the rate has not moved.",
    "questions": ["Do the charts ask for the same?"],
    "sources": ["Supervision records"],
}


class Office:
    """Review with the people of a theme."""

    def __init__(
        self, engines: Callable[[str], Engine], clock: Any, clients: Callable[[str], Any], provider_id: UUID,
        make: Callable[..., Actor],
    ) -> None:  # fmt: skip
        self.engines, self.clock, self.clients, self.provider_id, self.make = engines, clock, clients, provider_id, make
        self.engine, self.api = engines("review"), clients("review")
        context = Context(engine=self.engine, system_engine=engines("review_system"), clock=clock)
        self.activities = {a.__name__: a for a in activities.build(context)}
        self.director, self.lead = make("director"), make("quality_lead")
        self.locations: list[UUID] = []

    def commission(self, **changes: Any) -> Any:
        """A director asks for it."""
        body = {
            **TERMS, "category": "medication", "band": "high", "lead_id": str(self.lead.id),
            "locations": [str(one) for one in self.locations],
        }  # fmt: skip
        return self.api.post("/themes", self.director, {**body, **changes})

    def theme(self, **changes: Any) -> UUID:
        """A theme that was commissioned and accepted."""
        answer = self.commission(**changes)
        assert answer.status_code == 201, answer.text
        theme_id = UUID(answer.json()["theme_id"])
        accepted = self.api.post(f"/themes/{theme_id}/acceptance", self.lead, version=1)
        assert accepted.status_code == 200, accepted.text
        return theme_id

    def reported(self, location_id: UUID, *, restricted: bool = False) -> UUID:
        """An incident that review has heard of."""
        now = self.clock.now()
        event = IncidentReported(
            incident_id=uuid.uuid4(), location_id=location_id, region_id=None, kind=Kind.INCIDENT,
            category=Category.MEDICATION, occurred_at=now, reported_at=now, immediate_danger=False, triage_due_at=now,
            restricted=restricted,
        )  # fmt: skip
        self.tell(event)
        return event.incident_id

    def tell(self, event: EventData, version: int = 1) -> None:
        """Let an event of intake arrive."""
        with db.transaction(self.engine, self.provider_id) as session:
            consumer.HANDLERS[event.TYPE](session, self._received(event.TYPE, event.key, event.model_dump(mode="json")))

    def _received(self, event_type: str, key: str, data: dict[str, Any], **changes: Any) -> Received:
        values: dict[str, Any] = {
            "event_id": uuid.uuid4(), "type": event_type, "provider_id": self.provider_id, "subject": key, "key": key,
            "version": 1, "occurred_at": self.clock.now(), "actor": str(uuid.UUID(int=0)), "actor_role": "service",
            "data": data, "topic": "test", "partition": 0, "offset": 0,
        }  # fmt: skip
        return Received(**{**values, **changes})

    def decide(self, theme_id: UUID, incident_id: UUID, actor: Actor | None = None, decision: str = "linked") -> Any:
        """Consider an incident."""
        body = {"decision": decision, "reason": "A missed signature at noon"}
        return self.api.put(f"/themes/{theme_id}/members/{incident_id}", actor or self.lead, body)

    def ask(self, name: str, command: type[contract.Command], theme_id: UUID, **values: Any) -> Any:
        """What the process asks."""
        known = {"command_id": f"{theme_id}:{name}:{values}", "provider_id": self.provider_id, "incident_id": theme_id}
        return self.activities[name](command.model_validate({**known, **values}))

    def enter(self, theme_id: UUID, stage: ThemeStage, cycle: int = 1) -> None:
        """The process enters a stage."""
        self.ask("enter_theme_stage", contract.EnterThemeStage, theme_id, stage=stage, cycle=cycle)

    def opened(self, theme_id: UUID) -> contract.ThemeReviewPlan:
        """The process opens the review."""
        self.enter(theme_id, ThemeStage.REVIEWING)
        plan: contract.ThemeReviewPlan = self.ask("open_theme_review", contract.OpenThemeReview, theme_id, cycle=1)
        return plan

    def stage(self, theme_id: UUID) -> str:
        """Where it stands."""
        return str(self.api.get(f"/themes/{theme_id}", self.director).json()["stage"])

    def rows(self, sql: str, service: str = "review", **values: Any) -> list[Any]:
        """Rows of this provider."""
        with db.transaction(self.engines(service), self.provider_id) as session:
            return [dict(row) for row in session.execute(text(sql), values).mappings()]

    def said(self, key: UUID, service: str = "review") -> list[Any]:
        """What was said about a case, checked against the contracts."""
        rows = self.rows(
            f"select event_id, type, subject, key, version, occurred_at, actor, actor_role, data"
            f" from {service}.outbox where key = :key order by seq", service, key=str(key),
        )  # fmt: skip
        for row in rows:
            EVENTS[row["type"]].model_validate(row["data"])
        return rows

    def pass_on(self, theme_id: UUID) -> None:
        """Let actions and reporting hear all that review said."""
        events = [
            self._received(row.pop("type"), row.pop("key"), row.pop("data"), **row) for row in self.said(theme_id)
        ]
        with db.transaction(self.engines("actions"), self.provider_id) as session:
            for event in events:
                if event.type in of_actions.HANDLERS:
                    of_actions.HANDLERS[event.type](session, event)
        with db.transaction(self.engines("reporting"), self.provider_id) as session:
            project(session, events)


@pytest.fixture
def office(
    service_engine: Callable[[str], Engine], clock: Any, client: Callable[[str], Any], provider_id: UUID,
    actor: Callable[..., Actor], place: Callable[..., UUID],
) -> Office:  # fmt: skip
    """A provider with three homes, two of which are in the theme."""
    made = Office(service_engine, clock, client, provider_id, actor)
    made.locations = [place("review"), place("review")]
    made.elsewhere = place("review")  # type: ignore[attr-defined]
    return made


def test_a_theme_has_an_owner_a_scope_and_a_clock(office: Office) -> None:
    answer = office.commission()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    theme = answer.json()
    assert (theme["stage"], theme["lead_id"]) == ("commissioned", str(office.lead.id))
    assert theme["next_due_at"] == "2026-06-15T09:00:00Z"  # 5 working days
    theme_id = UUID(theme["theme_id"])
    assert office.api.post(f"/themes/{theme_id}/acceptance", office.director, version=1).status_code == 403
    assert office.api.post(f"/themes/{theme_id}/acceptance", office.lead, version=1).status_code == 200
    assert office.api.post(f"/themes/{theme_id}/acceptance", office.lead, version=2).status_code == 409
    plan = office.opened(theme_id)
    assert plan.due_at == datetime(2026, 7, 20, 9, 0, tzinfo=UTC)  # 30 working days from 8 June
    assert office.opened(theme_id) == plan
    said = [row["type"].split(".")[-2] for row in office.said(theme_id)]
    assert said == ["commissioned", "accepted", "stage_entered"]
    assert SECRET not in str(office.said(theme_id))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"locations": []}, "locations"),
        ({"questions": []}, "questions"),
        ({"locations": ["22222222-2222-4222-8222-222222222222"]}, "locations.0"),
        ({"owner": "nobody"}, "owner"),
    ],
)
def test_what_cannot_be_commissioned(office: Office, changes: dict[str, Any], field: str) -> None:
    answer = office.commission(**changes)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert office.api.get("/themes", office.director).json()["items"] == []


def test_who_may_commission_see_and_change_it(office: Office) -> None:
    theme_id = office.theme(team=[{"part": "support worker", "person_id": str(uuid.uuid4())}])
    manager = office.make("registered_manager", locations=office.locations)
    full = {
        **TERMS,
        "category": "fall",
        "band": "low",
        "lead_id": str(manager.id),
        "locations": [str(office.locations[0])],
    }
    assert office.api.post("/themes", manager, full).status_code == 403
    assert office.api.get(f"/themes/{theme_id}", manager).status_code == 404
    worker = office.make("carer", locations=office.locations)
    terms = {**TERMS, "lead_id": str(office.lead.id), "team": [{"part": "support worker", "person_id": str(worker.id)}]}
    assert office.api.put(f"/themes/{theme_id}/terms", worker, terms, version=2).status_code == 403
    assert office.api.put(f"/themes/{theme_id}/terms", office.director, terms, version=1).status_code == 412
    assert office.api.put(f"/themes/{theme_id}/terms", office.director, terms, version=2).status_code == 200
    assert office.api.get(f"/themes/{theme_id}", worker).json()["team"] == terms["team"]
    # A regional scope is not the whole provider.
    regional = office.make("quality_lead", regions=[uuid.uuid4()])
    body = {**terms, "category": "fall", "band": "low", "locations": [str(office.locations[0])]}
    assert office.api.post("/themes", regional, body).status_code == 403


def test_a_signal_has_one_theme(office: Office) -> None:
    signal = str(uuid.uuid4())
    first = office.theme(signal_id=signal)
    assert office.commission(signal_id=signal).status_code == 409
    assert office.api.get(f"/themes?signal_id={signal}", office.lead).json()["items"][0]["theme_id"] == str(first)
    ended = office.api.post(f"/themes/{first}/end", office.director, {"reason": "Merged with another"}, version=2)
    assert ended.json()["stage"] == "ended"
    assert office.commission(signal_id=signal).status_code == 201


def test_incidents_are_considered_and_stay_as_they_are(office: Office) -> None:
    theme_id = office.theme()
    near, far = office.reported(office.locations[0]), office.reported(office.locations[1])
    assert office.decide(theme_id, near).status_code == 200
    assert office.decide(theme_id, far, decision="excluded").status_code == 200
    assert office.decide(theme_id, far, decision="excluded").status_code == 200
    assert office.decide(theme_id, uuid.uuid4()).status_code == 422
    view = office.api.get(f"/themes/{theme_id}", office.lead).json()
    assert (view["linked"], view["excluded"]) == (1, 1)
    listed = office.api.get(f"/themes/{theme_id}/members?decision=excluded", office.lead).json()["items"]
    assert [(one["incident_id"], one["reason"]) for one in listed] == [(str(far), "A missed signature at noon")]
    # Nothing was said of the incidents, neither in their name nor in their chain.
    assert office.said(near) == office.said(far) == []
    assert office.rows("select 1 from review.audit_entry where chain = :id", id=near) == []
    assert [row["data"].get("linked") for row in office.said(theme_id) if "member" in row["type"]] == [1, 1]
    assert office.api.get(f"/themes?incident_id={near}", office.lead).json()["items"][0]["theme_id"] == str(theme_id)


def test_who_need_not_know_does_not_see_a_restricted_member(office: Office) -> None:
    theme_id = office.theme()
    hidden = office.reported(office.locations[0], restricted=True)
    assert office.decide(theme_id, hidden).status_code == 422
    safeguarding = office.make("safeguarding_lead")
    office.tell(
        IncidentRestricted(incident_id=hidden, revision=1, roles=[Role.SAFEGUARDING_LEAD], people=[], excluded=[])
    )
    assert office.decide(theme_id, hidden, safeguarding).status_code == 200
    for reader, seen in ((safeguarding, 1), (office.lead, 0)):
        assert len(office.api.get(f"/themes/{theme_id}/members", reader).json()["items"]) == seen
        assert office.api.get(f"/themes/{theme_id}", reader).json()["linked"] == seen
        assert len(office.api.get(f"/themes?incident_id={hidden}", reader).json()["items"]) == seen


def approved(office: Office, theme_id: UUID) -> UUID:
    """The review of a theme with two members, written by its lead and approved by a director."""
    review_id = office.opened(theme_id).review_id
    for location_id in office.locations:
        assert office.decide(theme_id, office.reported(location_id)).status_code == 200
    path = f"/reviews/{review_id}"
    assert office.api.put(f"{path}/draft", office.lead, DRAFT, version=1).status_code == 200
    said = answers(office.api, path, office.lead)
    assert office.api.post(f"{path}/submission", office.lead, said, version=2).status_code == 200
    answer = office.api.post(f"{path}/approval", office.director, version=3)
    assert answer.status_code == 200, answer.text
    return review_id


def test_findings_need_a_pattern_and_another_person(office: Office) -> None:
    theme_id = office.theme()
    path = f"/reviews/{office.opened(theme_id).review_id}"
    assert office.api.get(path, office.lead).json()["method"] == "thematic_review"
    assert office.decide(theme_id, office.reported(office.locations[0])).status_code == 200
    office.api.put(f"{path}/draft", office.lead, DRAFT, version=1)
    refused = office.api.post(f"{path}/submission", office.lead, version=2)
    assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, ["members"])
    assert office.decide(theme_id, office.reported(office.locations[1])).status_code == 200
    said = answers(office.api, path, office.lead)
    assert office.api.post(f"{path}/submission", office.lead, said, version=2).status_code == 200
    late = office.decide(theme_id, office.reported(office.locations[1]))
    assert (late.status_code, late.json()["type"].rsplit("/", 1)[-1]) == (409, "members-settled")
    assert office.api.post(f"{path}/approval", office.lead, version=3).status_code == 403
    assert office.api.post(f"{path}/approval", office.director, version=3).status_code == 200


def test_its_method_and_its_terms_ask_and_the_answers_stand_under_their_question(office: Office) -> None:
    theme_id = office.theme()
    path = f"/reviews/{office.opened(theme_id).review_id}"
    form = office.api.get(f"{path}/method", office.lead).json()
    assert form["template"].startswith("thematic_review-")
    stages = {stage["id"]: stage["questions"] for stage in form["stages"]}
    [own] = stages["terms"]
    assert own["text"] == TERMS["questions"][0]
    asked = [question["id"] for questions in stages.values() for question in questions]

    def unanswered() -> set[str]:
        found = office.api.get(f"{path}/findings", office.lead).json()
        return {one["field"].removeprefix("answers.") for one in found if one["weakness"] == "unanswered_question"}

    assert unanswered() == set(asked)
    for question in asked:
        answer = office.api.put(f"{path}/answers/{question}", office.lead, {"answer": "Yes, since the spring."})
        assert answer.status_code == 200, answer.text
    assert unanswered() == set()
    # Other terms, other questions: what was answered before is not taken for their answer.
    changed = {**TERMS, "lead_id": str(office.lead.id), "questions": ["Who checks the charts?", *TERMS["questions"]]}
    version = office.api.get(f"/themes/{theme_id}", office.director).json()["version"]
    assert office.api.put(f"/themes/{theme_id}/terms", office.director, changed, version=version).status_code == 200
    [new] = unanswered()
    terms = office.api.get(f"{path}/method", office.lead).json()["stages"][-1]["questions"]
    assert [(one["id"] == new, one["answer"] is None) for one in terms] == [(True, True), (False, False)]
    assert office.api.put(f"{path}/answers/theme_1", office.lead, {"answer": "No."}).status_code == 404


def test_a_theme_is_never_the_first_of_its_type(office: Office) -> None:
    path = f"/reviews/{office.opened(office.theme()).review_id}"
    learning = [{"statement": "All staff to be reminded about the round and the door.", "answers_factor": 0}]
    draft = {**DRAFT, "learning": learning}
    assert office.api.put(f"{path}/draft", office.lead, draft, version=1).status_code == 200
    assert "reminder_only" in {one["weakness"] for one in office.api.get(f"{path}/findings", office.lead).json()}


def test_its_learning_goes_to_every_location_and_its_actions_are_those_of_a_case(office: Office) -> None:
    theme_id = office.theme()
    approved(office, theme_id)
    event = next(row for row in office.said(theme_id) if row["type"] == "plumbline.review.approved.v1")
    assert (event["data"]["case_kind"], event["data"]["incident_id"]) == ("theme", str(theme_id))
    plan = office.ask("send_briefing", contract.SendBriefing, theme_id, cycle=1)
    assert plan.audience == 3  # not only where the pattern was seen
    sent = office.said(theme_id)[-1]
    assert (sent["type"], sent["data"]["case_kind"]) == ("plumbline.briefing.sent.v1", "theme")

    office.pass_on(theme_id)
    actions, owner = office.clients("actions"), office.make("shift_lead")
    agreed = actions.post(
        "/actions", office.lead,
        {
            "incident_id": str(theme_id), "title": "One chart in all homes", "success_criterion": "Fewer missed doses",
            "what_counts_as_proof": "The chart in use", "strength": "stronger", "owner_id": str(owner.id),
            "owner_role": "shift_lead", "due_working_days": 20,
            "learning_ref": event["data"]["learning"][0],
        },
    )  # fmt: skip
    assert agreed.status_code == 201, agreed.text
    assert agreed.json()["location_id"] == str(EVERYWHERE)
    [said] = office.said(theme_id, "actions")
    assert said["data"]["case_kind"] == "theme"
    # No incident is counted for it.
    assert office.rows("select 1 from actions.daily_count", "actions") == []


def test_clocks_tell_the_lead_then_the_line_above(office: Office) -> None:
    theme_id = office.theme()
    told = [
        office.ask(
            "remind_theme", contract.RemindTheme, theme_id, cycle=1, stage=ThemeStage.COMMISSIONED, count=count
        )
        for count in (1, 2, 3, 4, 5)
    ]  # fmt: skip
    assert told[0].person_id == office.lead.id
    assert [one.role for one in told] == [None, "quality_lead", "nominated_individual", "director", "director"]
    assert len({one.notice_id for one in told}) == 5
    again = office.ask(
        "remind_theme", contract.RemindTheme, theme_id, cycle=1, stage=ThemeStage.COMMISSIONED, count=1
    )  # fmt: skip
    assert again == told[0]
    assert sum("reminded" in row["type"] for row in office.said(theme_id)) == 5


def test_closed_it_is_to_be_looked_at_again_and_an_ended_one_moves_no_more(office: Office) -> None:
    theme_id = office.theme()
    for stage in (ThemeStage.REVIEWING, ThemeStage.ACTING, ThemeStage.VERIFYING, ThemeStage.ACTING):
        office.enter(theme_id, stage)
        assert office.stage(theme_id) == stage
    office.activities["enter_theme_stage"](
        contract.EnterThemeStage(
            command_id="late", provider_id=office.provider_id, incident_id=theme_id, cycle=1,
            stage=ThemeStage.REVIEWING,
        )
    )  # fmt: skip
    assert office.stage(theme_id) == "acting"
    assert [one.incident_id for one in _open(office)] == [theme_id]
    office.enter(theme_id, ThemeStage.CLOSED)
    view = office.api.get(f"/themes/{theme_id}", office.director).json()
    assert view["watch_at"] == (office.clock.now() + timedelta(days=91)).isoformat().replace("+00:00", "Z")
    assert _open(office) == []
    refused = office.api.post(
        f"/themes/{theme_id}/end", office.director, {"reason": "x"}, version=view["version"]
    )  # fmt: skip
    assert refused.status_code == 409
    chain = office.api.get(f"/themes/{theme_id}/audit", office.director).json()
    assert audit.verify(chain) is None
    assert SECRET not in str(chain)


def _open(office: Office) -> list[contract.OpenIncident]:
    found = office.activities["list_open_themes"](contract.ListOpenIncidents()).incidents
    return [one for one in found if one.provider_id == office.provider_id]


def test_reporting_shows_where_it_stands_beside_the_incidents(office: Office) -> None:
    theme_id = office.theme()
    approved(office, theme_id)
    office.enter(theme_id, ThemeStage.ACTING)
    office.pass_on(theme_id)
    office.pass_on(theme_id)  # delivered twice
    reporting = office.clients("reporting")
    [theme] = reporting.get("/themes", office.lead).json()["items"]
    assert (theme["theme_id"], theme["stage"], theme["linked"], theme["locations"]) == (str(theme_id), "acting", 2, 2)
    assert (theme["lead_id"], theme["band"]) == (str(office.lead.id), Band.HIGH)
    assert reporting.get("/themes?stage=reviewing", office.lead).json()["items"] == []
    assert reporting.get("/incidents", office.lead).json()["items"] == []
    overview = reporting.get("/overview", office.lead).json()
    assert (overview["open_total"], overview["themes_open"]) == (0, 1)
    timeline = reporting.get(f"/themes/{theme_id}/timeline", office.lead).json()
    assert [one["stage"] for one in timeline["stages"]] == ["commissioned", "reviewing", "acting"]
    assert any("belongs to the theme" in entry["what"] for entry in timeline["entries"])
    manager = office.make("registered_manager", locations=office.locations)
    assert reporting.get("/themes", manager).json()["items"] == []
    assert reporting.get(f"/themes/{theme_id}/timeline", manager).status_code == 404
    assert reporting.get(f"/incidents/{theme_id}/timeline", office.lead).status_code == 404


def test_another_provider_sees_no_row_of_a_theme(office: Office) -> None:
    theme_id = office.theme()
    assert office.decide(theme_id, office.reported(office.locations[0])).status_code == 200
    office.ask("remind_theme", contract.RemindTheme, theme_id, cycle=1, stage=ThemeStage.COMMISSIONED, count=1)
    office.pass_on(theme_id)
    tables = {
        "review": ("theme", "theme_member", "theme_reminder", "known_incident"), "reporting": ("theme",),
    }  # fmt: skip
    for service, names in tables.items():
        for name in names:
            assert office.rows(f"select 1 from {service}.{name}", service)
            with db.transaction(office.engines(service), uuid.uuid4()) as session:
                assert session.execute(text(f"select 1 from {service}.{name}")).all() == []
    other = office.make("director", provider=uuid.uuid4())
    assert office.api.get(f"/themes/{theme_id}", other).status_code == 404


def test_an_accepted_signal_commissions_its_theme_with_its_incidents_for_whoever_was_named(office: Office) -> None:
    one, two = (office.reported(place) for place in office.locations[:2])
    hidden = office.reported(office.locations[0], restricted=True)
    accepted = SignalAccepted(
        signal_id=uuid.uuid4(), kind="theme_across_services", location_id=None, region_id=None, category=Category.MEDICATION,
        trait="time_of_day", code="12-14", incidents=[one, two, hidden], locations=office.locations[:2],
        first_at=office.clock.now(), last_at=office.clock.now(), policy_version="patterns-2", band=Band.HIGH,
    )  # fmt: skip
    office.tell(accepted)
    assert office.api.get("/themes", office.director).json()["items"] == [], "nobody was named who leads it"

    office.tell(accepted.model_copy(update={"lead_id": office.lead.id}))
    office.tell(accepted.model_copy(update={"lead_id": office.lead.id}))
    [theme] = office.api.get("/themes", office.director).json()["items"]
    assert (theme["category"], theme["band"], theme["stage"]) == ("medication", "high", "commissioned")
    assert (theme["signal_id"], theme["lead_id"]) == (str(accepted.signal_id), str(office.lead.id))
    whole = office.api.get(f"/themes/{theme['theme_id']}", office.lead).json()
    assert whole["title"] == "Medication, the same time of day: 12-14, 2 services"
    assert len(whole["questions"]) == 3
    members = office.api.get(f"/themes/{theme['theme_id']}/members", office.lead).json()["items"]
    assert {member["incident_id"] for member in members} == {str(one), str(two)}, (
        "what is restricted is nobody's to link by itself"
    )
    types = [row["type"] for row in office.said(UUID(theme["theme_id"]))]
    assert types == ["plumbline.theme.commissioned.v1"] + ["plumbline.theme.member_decided.v1"] * 2
    again = office.commission(signal_id=str(accepted.signal_id))
    assert again.status_code == 409
    taken = office.api.post(f"/themes/{theme['theme_id']}/acceptance", office.lead, version=whole["version"])
    assert taken.status_code == 200, taken.text
