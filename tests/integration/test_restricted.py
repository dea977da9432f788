"""Restricted incidents: for those who need to know, from the first second, in every service."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts.intake import IncidentRestricted
from services.contracts.taxonomy import Role
from services.intake import access
from services.intake.escalation import policy as escalation
from services.runtime import audit, restriction
from services.runtime.actor import system
from services.runtime.consumer import Received
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def an_allegation(home: uuid.UUID, now: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "location_id": str(home),
        "occurred_at": (now - timedelta(hours=1)).isoformat(),
        "category": "abuse_allegation",
        "immediate_danger": False,
        "narrative": "L says that her arm was held hard. A mark is on the inside.",
        **changes,
    }


def events(engine: Engine, provider: uuid.UUID) -> list[dict[str, Any]]:
    with transaction(engine, provider) as session:
        return [dict(row) for row in session.execute(text("select * from intake.outbox order by seq")).mappings()]


def seen(service: ServiceClient, incident_id: str, actor: Any) -> tuple[int, bool]:
    """The status of reading it, and whether it is in the list."""
    listed = [item["incident_id"] for item in service.get("/incidents", actor).json()["items"]]
    return service.get(f"/incidents/{incident_id}", actor).status_code, incident_id in listed


def test_an_allegation_is_restricted_from_the_first_second(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    carer, accused, line = actor("carer", locations=[home]), actor("carer"), actor("director")
    body = an_allegation(home, now, about_staff=[str(accused.id)], about_line=[str(line.id)])
    made = intake.post("/incidents", carer, body)
    assert made.status_code == 201, made.text
    incident_id = made.json()["incident_id"]
    for needs_to_know in (actor("safeguarding_lead"), actor("nominated_individual", locations=[home])):
        assert seen(intake, incident_id, needs_to_know) == (200, True)
        read = intake.get(f"/incidents/{incident_id}", needs_to_know).json()
        assert (read["restricted"], read["seen_as"]) == (True, "role")
    others = [
        accused, line, carer, actor("director"), actor("registered_manager", locations=[home]), actor("quality_lead"),
        actor("platform_admin"), actor("safeguarding_lead", locations=[uuid.uuid4()]),
    ]  # fmt: skip
    for other in others:
        assert seen(intake, incident_id, other) == (404, False)
        for path in ("audit", "safeguarding", "escalations"):
            assert intake.get(f"/incidents/{incident_id}/{path}", other).status_code in (403, 404), path
    # Whoever reported it hears what happens, and no more.
    assert intake.get(f"/incidents/{incident_id}/feedback", carer).json()[0]["message"].startswith("Thank you")
    assert intake.get(f"/incidents/{incident_id}/feedback", accused).status_code == 404
    kinds = [event["type"] for event in events(service_engine("intake"), carer.provider_id)]
    restricted, reported = (kinds.index(f"plumbline.incident.{name}.v1") for name in ("restricted", "reported"))
    assert restricted < reported
    assert events(service_engine("intake"), carer.provider_id)[restricted]["urgent"]


def test_the_named_person_is_kept_away_whatever_the_role(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    for role in ("safeguarding_lead", "nominated_individual", "director", "executive"):
        accused = actor(role)
        body = an_allegation(home, now, about_staff=[str(accused.id)])
        # Also when it is the accused who reports.
        incident_id = intake.post("/incidents", accused, body).json()["incident_id"]
        assert seen(intake, incident_id, accused) == (404, False)
        assert intake.get(f"/incidents/{incident_id}/feedback", accused).status_code == 404
        broken = intake.post(f"/incidents/{incident_id}/break-glass", accused, {"reason": "I must read this now."})
        assert broken.status_code in (403, 404)
        scored = {"actual_harm": "low", "consequence": 2, "likelihood": 3}
        assert intake.post(f"/incidents/{incident_id}/triage", accused, scored, version=1).status_code in (403, 404)
        named = intake.put(
            f"/incidents/{incident_id}/access", accused, {"people": [], "excluded": [], "reason": "x"}, version=1
        )
        assert named.status_code in (403, 404)


def test_access_is_changed_with_a_reason(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    lead, reviewer, manager = actor("safeguarding_lead"), actor("registered_manager", locations=[uuid.uuid4()]), actor("registered_manager")  # fmt: skip
    plain = an_allegation(home, now, not_about_staff=True)
    incident_id = intake.post("/incidents", actor("carer"), plain).json()["incident_id"]
    path = f"/incidents/{incident_id}/access"
    assert seen(intake, incident_id, manager) == (200, True)
    assert intake.get(path, lead).json()["revision"] == 0
    body = {"people": [str(reviewer.id)], "excluded": [str(manager.id)], "reason": "The manager is named in it."}
    assert intake.put(path, manager, body, version=0).status_code == 403
    assert intake.call("PUT", path, lead, body).status_code == 428
    both = {**body, "excluded": [str(reviewer.id)]}
    assert [e["field"] for e in intake.put(path, lead, both, version=0).json()["errors"]] == ["people"]
    assert [e["field"] for e in intake.put(path, lead, {**body, "reason": ""}, version=0).json()["errors"]] == [
        "reason"
    ]
    changed = intake.put(path, lead, body, version=0)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"1"')
    assert intake.put(path, lead, body, version=0).status_code == 412
    # A reviewer from elsewhere is named; the manager of the place sees it no more.
    assert seen(intake, incident_id, reviewer) == (200, True)
    assert seen(intake, incident_id, manager) == (404, False)
    again = intake.put(path, lead, {"people": [], "excluded": [], "reason": "Not about the manager."}, version=1)
    assert [c["reason"] for c in again.json()["changes"]] == ["The manager is named in it.", "Not about the manager."]
    assert seen(intake, incident_id, manager) == (404, False)
    chain = intake.get(f"/incidents/{incident_id}/audit", lead).json()
    assert audit.verify(chain) is None
    assert "named in it" not in str(chain)
    viewed = [entry["actor"] for entry in chain if entry["action"] == "viewed"]
    assert viewed == [str(reviewer.id), str(lead.id)], "the lead by reading the chain"


def test_break_glass_is_reasoned_limited_and_told(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    director, elsewhere = actor("director"), actor("director", locations=[uuid.uuid4()])
    body = an_allegation(home, now, about_staff=[str(uuid.uuid4())])
    incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]
    path = f"/incidents/{incident_id}/break-glass"
    why = {"reason": "The police ask for it and the lead is away."}
    assert intake.post(path, actor("registered_manager"), why).status_code == 403
    assert intake.post(path, elsewhere, why).status_code == 404
    assert [e["field"] for e in intake.post(path, director, {"reason": "curious"}).json()["errors"]] == ["reason"]
    assert intake.post(path, actor("safeguarding_lead"), why).status_code == 409
    broken = intake.post(path, director, why)
    assert broken.status_code == 201, broken.text
    assert datetime.fromisoformat(broken.json()["ends_at"]) == now + timedelta(hours=8)
    assert intake.get(f"/incidents/{incident_id}", director).json()["seen_as"] == "break_glass"
    scored = {"actual_harm": "low", "consequence": 4, "likelihood": 3}
    assert intake.post(f"/incidents/{incident_id}/triage", director, scored, version=1).status_code in (403, 404)
    assert intake.get(f"/incidents/{incident_id}", actor("director")).status_code == 404
    told = [e for e in events(service_engine("intake"), director.provider_id) if "break_glass" in e["type"]]
    assert [(e["urgent"], e["data"]["person_id"]) for e in told] == [(True, str(director.id))]
    assert "police" not in str(told)
    listed = intake.get(f"/incidents/{incident_id}/access", actor("safeguarding_lead")).json()["break_glass"]
    assert [(row["person_id"], row["reason"]) for row in listed] == [(str(director.id), why["reason"])]
    clock.advance(timedelta(hours=8))
    assert intake.get(f"/incidents/{incident_id}", director).status_code == 404
    chain = intake.get(f"/incidents/{incident_id}/audit", actor("safeguarding_lead")).json()
    assert [entry["action"] for entry in chain if entry["actor"] == str(director.id)] == [
        "break_glass",
        "escalation_requested",
        "viewed",
    ]


def deliver(engine: Engine, service: str, rows: list[dict[str, Any]]) -> None:
    """Hand events to a service as its consumer does."""
    consumer = import_module(f"services.{service}.consumer")
    for row in rows:
        received = Received(
            event_id=row["event_id"], type=row["type"], provider_id=row["provider_id"], subject=row["subject"],
            key=row["key"], version=row["version"], occurred_at=row["occurred_at"], actor=row["actor"],
            actor_role=row["actor_role"], data=row["data"], topic="plumbline.intake", partition=0, offset=row["seq"],
        )  # fmt: skip
        with transaction(engine, row["provider_id"]) as session:
            if service == "reporting":
                consumer.project(session, [received])
            elif row["type"] in consumer.HANDLERS:
                consumer.HANDLERS[row["type"]](session, received)


@pytest.mark.parametrize("order", ["as written", "report first", "report only"])
def test_reporting_shows_it_neither_in_lists_nor_in_counts(
    intake: ServiceClient, client: Any, home: uuid.UUID, actor: Any, now: datetime, order: str,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, director, accused = actor("safeguarding_lead"), actor("director"), actor("director")
    body = an_allegation(home, now, about_staff=[str(accused.id)])
    incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]
    rows = events(service_engine("intake"), director.provider_id)
    if order != "as written":
        rows.sort(key=lambda row: row["type"] == IncidentRestricted.TYPE)
    if order == "report only":
        rows.pop()
    deliver(service_engine("reporting"), "reporting", rows)
    reporting = client("reporting")
    for reader in (lead, director, accused):
        sees = reader is lead and order != "report only"
        listed = [item["incident_id"] for item in reporting.get("/incidents", reader).json()["items"]]
        assert listed == ([incident_id] if sees else [])
        assert reporting.get("/overview", reader).json()["open_total"] == int(sees)
        timeline = reporting.get(f"/incidents/{incident_id}/timeline", reader)
        assert timeline.status_code == (200 if sees else 404)
        if sees:
            assert timeline.json()["incident"]["next_move"] == "safeguarding_lead"
            assert "Restricted it to those who need to know." in [e["what"] for e in timeline.json()["entries"]]


def test_review_and_actions_hold_to_it(
    intake: ServiceClient, client: Any, home: uuid.UUID, actor: Any, now: datetime, place: Callable[..., uuid.UUID],
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    from services.contracts import activities as contract
    from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm
    from services.review import commands as review_commands
    from services.runtime.actor import system

    place("review", location_id=home)
    lead, director, accused = actor("safeguarding_lead"), actor("director"), actor("safeguarding_lead")
    body = an_allegation(home, now, about_staff=[str(accused.id)])
    incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]
    rows = events(service_engine("intake"), director.provider_id)
    for service in ("review", "actions"):
        deliver(service_engine(service), service, rows)
    command = contract.OpenReview(
        command_id=f"{incident_id}:1:review", provider_id=director.provider_id, incident_id=uuid.UUID(incident_id),
        cycle=1, location_id=home, region_id=None, kind=Kind.INCIDENT, category=Category.ABUSE_ALLEGATION,
        actual_harm=PhysicalHarm.MODERATE, band=Band.HIGH,
    )  # fmt: skip
    with transaction(service_engine("review"), director.provider_id) as session:
        plan = review_commands.open_review(session, command, now, system(director.provider_id))
    review = client("review")
    for reader, status in ((lead, 200), (director, 404), (accused, 404)):
        assert review.get(f"/reviews/{plan.review_id}", reader).status_code == status
        assert len(review.get("/reviews", reader).json()["items"]) == int(status == 200)
        assert review.get(f"/incidents/{incident_id}/audit", reader).status_code == status
    actions = client("actions")
    agreed = {
        "incident_id": incident_id, "title": "Check marks over time", "success_criterion": "Every mark is compared.",
        "what_counts_as_proof": "Ten body maps.", "strength": "intermediate", "owner_id": str(uuid.uuid4()),
        "owner_role": "registered_manager", "due_working_days": 5,
    }  # fmt: skip
    assert actions.post("/actions", actor("quality_lead"), agreed).status_code == 404
    assert actions.post("/actions", accused, agreed).status_code in (403, 404)
    assert actions.post("/actions", lead, agreed).status_code == 201
    for reader, status in ((lead, 200), (director, 404), (accused, 404)):
        assert actions.get(f"/incidents/{incident_id}/audit", reader).status_code == status
    # A later word replaces an earlier one, and an earlier one that comes late changes nothing.
    path = f"/incidents/{incident_id}/access"
    change = {"people": [str(director.id)], "excluded": [str(accused.id)], "reason": "The director oversees it."}
    assert intake.put(path, lead, change, version=1).status_code == 200
    newest = [row for row in events(service_engine("intake"), lead.provider_id) if row not in rows]
    deliver(service_engine("review"), "review", [*newest, *rows])
    assert review.get(f"/reviews/{plan.review_id}", director).status_code == 200
    assert review.get(f"/reviews/{plan.review_id}", accused).status_code == 404


def test_the_ladder_calls_nobody_who_is_kept_away(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    accused, regional, lead = actor("regional_manager"), actor("regional_manager"), actor("safeguarding_lead")
    body = an_allegation(home, now, about_staff=[str(accused.id)])
    incident_id = uuid.UUID(intake.post("/incidents", actor("carer"), body).json()["incident_id"])
    engine = system(accused.provider_id)

    def called(role: Role, person: uuid.UUID) -> bool:
        with transaction(service_engine("intake"), accused.provider_id) as session:
            return access.may_be_called(session, engine, incident_id, role, person, now)

    assert not called(Role.REGIONAL_MANAGER, accused.id)
    for colleagues in (Role.SHIFT_LEAD, Role.ON_CALL_MANAGER, Role.REGISTERED_MANAGER):
        assert not called(colleagues, uuid.uuid4()), "no manager of the place by an id that was only typed"
    assert called(Role.SAFEGUARDING_LEAD, lead.id)
    assert called(Role.REGIONAL_MANAGER, regional.id)
    # Whoever was called needs to know.
    assert intake.get(f"/incidents/{incident_id}", regional).status_code == 200
    assert intake.get(f"/incidents/{incident_id}", accused).status_code == 404
    changes = intake.get(f"/incidents/{incident_id}/access", lead).json()["changes"]
    assert [change["reason"] for change in changes][1:] == ["Called by the escalation ladder."]


def test_the_line_is_kept_away_untyped_and_the_manager_of_the_place_is_called_unless_they_are_in_it(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    engine, lead, carer = service_engine("intake"), actor("safeguarding_lead"), actor("carer")
    accused, shift, above, other = (
        actor(role, locations=[home]) for role in ("carer", "shift_lead", "registered_manager", "registered_manager")
    )
    individual = actor("nominated_individual")

    def told(person: Any, manager: Any, revision: int = 1) -> None:
        role = {"role": person.role, "location_id": None, "region_id": None}
        data = {
            "person_id": str(person.id), "manager_id": manager and str(manager.id), "active": True, "roles": [role],
            "shift": None, "employment": None, "started_on": None, "revision": revision,
        }  # fmt: skip
        received = Received(
            event_id=uuid.uuid4(), type="plumbline.person.recorded.v1", provider_id=lead.provider_id, subject=person.id,
            key=str(person.id), version=revision, occurred_at=now, actor="x", actor_role="x", data=data,
            topic="plumbline.directory", partition=0, offset=0,
        )  # fmt: skip
        with transaction(engine, lead.provider_id) as session:
            import_module("services.intake.consumer").HANDLERS[received.type](session, received)

    def reported(about: Any) -> str:
        body = an_allegation(home, now, about_staff=[str(about.id)])
        made: str = intake.post("/incidents", carer, body).json()["incident_id"]
        return made

    def asked(incident_id: str) -> list[str]:
        said = [e["data"] for e in events(engine, lead.provider_id) if "escalation_req" in e["type"]]
        return [one["role"] for one in said if one["incident_id"] == incident_id and one["rule"] == "allegation"]

    def callable_(incident_id: str, *people: Any) -> list[bool]:
        with transaction(engine, lead.provider_id) as session:
            return [
                access.may_be_called(session, system(lead.provider_id), uuid.UUID(incident_id), Role(one.role), one.id, now)
                for one in people
            ]  # fmt: skip

    unknown = reported(accused)
    assert callable_(unknown, other) == [False], "an id that only was typed opens it to no manager of the place"
    for person, manager in ((individual, None), (above, individual), (shift, above), (accused, shift)):
        told(person, manager)
    told(accused, None, revision=0)
    incident_id = reported(accused)
    excluded = intake.get(f"/incidents/{incident_id}/access", lead).json()["excluded"]
    assert set(excluded) == {str(one.id) for one in (accused, shift, above)}, "up to whoever needs to know by role"
    for one in (accused, shift, above):
        assert seen(intake, incident_id, one) == (404, False)
    assert asked(incident_id).count("registered_manager") == 1, "the ladder begins with the manager of the place"
    assert callable_(incident_id, above, other) == [False, True]
    assert [seen(intake, incident_id, one)[0] for one in (above, other, individual)] == [404, 200, 200]
    # Whatever the role: whom the named person answers to directly does not see it.
    assert [seen(intake, reported(above), one)[0] for one in (individual, lead)] == [404, 200]
    told(accused, other, revision=2)
    assert callable_(reported(accused), above, other) == [True, False]


def test_an_allegation_that_names_nobody_is_restricted_unless_it_is_not_about_staff(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    lead, colleague = actor("safeguarding_lead"), actor("carer", locations=[home])
    for kind in ("incident", "near_miss", "good_care"):
        body = an_allegation(home, now, kind=kind)
        incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]
        assert seen(intake, incident_id, colleague) == (404, False)
        assert seen(intake, incident_id, actor("registered_manager", locations=[home])) == (404, False)
        assert intake.get(f"/incidents/{incident_id}", lead).json()["next_move"] == "safeguarding_lead"
    both = an_allegation(home, now, about_staff=[str(colleague.id)], not_about_staff=True)
    refused = intake.post("/incidents", actor("carer"), both)
    assert [e["field"] for e in refused.json()["errors"]] == ["not_about_staff"]
    elsewhere = an_allegation(home, now, not_about_staff=True)
    incident_id = intake.post("/incidents", actor("carer"), elsewhere).json()["incident_id"]
    assert seen(intake, incident_id, colleague) == (200, True)
    # Until the facts say otherwise.
    manager, path = actor("registered_manager", locations=[home]), f"/incidents/{incident_id}/facts"
    assert intake.put(path, manager, {"abuse_or_allegation": True}, version=0).status_code == 200
    assert seen(intake, incident_id, colleague) == (200, True)
    assert intake.put(path, manager, {"allegation_against_staff": True}, version=1).status_code == 200
    for other in (colleague, manager):
        assert seen(intake, incident_id, other) == (404, False)
    assert intake.get(f"/incidents/{incident_id}", lead).json()["next_move"] == "safeguarding_lead"
    assert intake.put(path, lead, {"allegation_against_staff": True, "crime_suspected": True}, version=2).is_success
    access = intake.get(f"/incidents/{incident_id}/access", lead).json()
    assert [change["reason"] for change in access["changes"]] == ["The facts say: an allegation against staff."]


def test_the_ladder_of_what_becomes_restricted_goes_up_to_who_may_hear(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    alone = replace(escalation.shipped(), tell=[])
    monkeypatch.setattr(escalation, "shipped", lambda: alone)
    lead = actor("safeguarding_lead")
    body = an_allegation(home, now, not_about_staff=True)
    incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]
    assert intake.put(
        f"/incidents/{incident_id}/facts", lead, {"allegation_against_staff": True}, version=0
    ).is_success  # fmt: skip
    asked = [e["data"] for e in events(service_engine("intake"), lead.provider_id) if "escalation_req" in e["type"]]
    assert [(one["role"], one["step"]) for one in asked] == [("registered_manager", 1), ("safeguarding_lead", 2)]


def test_staff_named_under_another_category_are_an_allegation_for_everybody_who_must_know(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    lead, accused = actor("safeguarding_lead"), actor("carer", locations=[home])
    body = an_allegation(home, now, category="medication", about_staff=[str(accused.id)])
    incident_id = intake.post("/incidents", actor("carer"), body).json()["incident_id"]

    def called() -> list[tuple[str, str]]:
        said = [e["data"] for e in events(service_engine("intake"), lead.provider_id) if "escalation_req" in e["type"]]
        return sorted((one["reason"], one["role"]) for one in said if one["incident_id"] == incident_id)

    at_once = [("allegation", role) for role in ("nominated_individual", "safeguarding_lead", "safeguarding_lead")]
    assert called() == at_once, "one rung is called and two roles are told"
    rows = {row["rule"]: row for row in intake.get(f"/incidents/{incident_id}/obligations", lead).json()["obligations"]}
    assert rows.keys() >= {"barring-referral", "position-of-trust", "police"}
    assert {row["outcome"] for row in rows.values()} == {"suggested"}
    # The facts say the same once more: nobody is called twice.
    answered = {"allegation_against_staff": True}
    assert intake.put(f"/incidents/{incident_id}/facts", lead, answered, version=0).is_success
    assert called() == at_once


@pytest.mark.parametrize("before", ["by hand", "reported"])
def test_what_was_restricted_for_something_else_calls_people_once_it_is_an_allegation(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, before: str,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    about = {"about_line": [str(actor("registered_manager").id)]} if before == "reported" else {}
    body = an_allegation(home, now, category="behaviour_distress", **about)
    path = f"/incidents/{intake.post('/incidents', actor('carer'), body).json()['incident_id']}"
    if before == "by hand":
        closer = {"people": [], "excluded": [], "reason": "Somebody known lives there."}
        assert intake.put(f"{path}/access", lead, closer, version=0).is_success

    def called() -> list[str]:
        return [e["data"]["reason"] for e in events(engine, lead.provider_id) if "escalation_req" in e["type"]]

    assert called() == []
    for version, more in enumerate(({}, {"crime_suspected": True})):
        facts = {"allegation_against_staff": True, **more}
        assert intake.put(f"{path}/facts", lead, facts, version=version).is_success
        assert called() == ["allegation"] * 3, "a rung and two roles that are told, once"
    assert [one["revision"] for one in intake.get(f"{path}/access", lead).json()["changes"]] == [1]


def test_the_safeguarding_lead_has_every_next_move(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    from services.contracts import activities as contract
    from services.contracts.taxonomy import Role, Stage
    from services.intake import commands
    from services.runtime.actor import system

    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    incident_id = intake.post("/incidents", actor("carer"), an_allegation(home, now)).json()["incident_id"]
    scored = {"actual_harm": "moderate", "consequence": 4, "likelihood": 4}
    assert intake.post(f"/incidents/{incident_id}/triage", lead, scored, version=1).json()["next_move"] == lead.role
    key = {"provider_id": lead.provider_id, "incident_id": uuid.UUID(incident_id), "cycle": 1}
    for stage, role in ((Stage.REVIEWING, Role.REGIONAL_MANAGER), (Stage.VERIFYING, Role.QUALITY_LEAD)):
        enter = contract.EnterStage(command_id=f"{stage}", stage=stage, next_move=role, due_at=now, **key)
        remind = contract.Remind(command_id=f"{stage}:1", stage=stage, count=1, next_move=role, **key)
        with transaction(engine, lead.provider_id) as session:
            commands.enter_stage(session, enter, now, system(lead.provider_id))
            commands.remind(session, remind, now, system(lead.provider_id))
        assert intake.get(f"/incidents/{incident_id}", lead).json()["next_move"] == "safeguarding_lead"
        assert intake.get("/inbox", lead).json()["routine_total"] == 1
    said = [e["data"] for e in events(engine, lead.provider_id) if "stage_entered" in e["type"]]
    assert {one["next_move"] for one in said} == {"safeguarding_lead"}
    reminded = [e["data"] for e in events(engine, lead.provider_id) if "reminder" in e["type"]]
    assert {one["to_role"] for one in reminded} == {"safeguarding_lead"}


def test_every_read_of_a_restricted_incident_leaves_a_trace(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    reporter, lead, director = actor("carer"), actor("safeguarding_lead"), actor("director")
    incident_id = intake.post("/incidents", reporter, an_allegation(home, now)).json()["incident_id"]
    path = f"/incidents/{incident_id}"

    def viewed(reader: Any) -> int:
        chain = intake.get(f"{path}/audit", actor("safeguarding_lead")).json()
        assert audit.verify(chain) is None
        return sum(e["action"] == "viewed" and e["actor"] == str(reader.id) for e in chain)

    [row, *_] = intake.get(f"{path}/obligations", lead).json()["obligations"]
    obligation = f"/obligations/{row['obligation_id']}"
    reads = [path, *(f"{path}/{what}" for what in (
        "obligations", "facts", "questions", "attachments", "escalations", "candour", "earlier", "audit", "safeguarding",
        "access", "whole",
    )), obligation, f"{obligation}/draft"]  # fmt: skip
    for read in reads:
        before = viewed(lead)
        assert intake.get(read, lead).status_code == 200, read
        assert viewed(lead) == before + 1, read
    # After break-glass too; and neither who is told 404 nor who hears of the own report.
    for read in reads:
        assert intake.get(read, director).status_code in (403, 404), read
    assert intake.get(f"{path}/feedback", reporter).status_code == 200
    assert (viewed(director), viewed(reporter)) == (0, 0)
    assert intake.post(f"{path}/break-glass", director, {"reason": "The lead is away."}).status_code == 201
    assert intake.get(f"{path}/facts", director).status_code == 200
    assert viewed(director) == 1
    # What is not restricted is read without one.
    plain = intake.post("/incidents", reporter, an_allegation(home, now, category="fall")).json()["incident_id"]
    assert intake.get(f"/incidents/{plain}", lead).status_code == 200
    assert "viewed" not in str(intake.get(f"/incidents/{plain}/audit", lead).json())


class Opened:
    """A restricted incident with a review and an action that follow from it, told to every service."""

    def __init__(
        self, client: Any, service_engine: Callable[[str], Engine], place: Any, actor: Any, now: datetime
    ) -> None:
        from services.contracts import activities as contract
        from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm
        from services.review import commands as review_commands
        from services.runtime.actor import system

        self._engine, self.client = service_engine, client
        self.home = place("review", location_id=place("intake"))
        self.lead, self.accused = actor("safeguarding_lead"), actor("director")
        body = an_allegation(self.home, now, about_staff=[str(self.accused.id)])
        self.incident = client("intake").post("/incidents", actor("carer"), body).json()["incident_id"]
        self._told: set[uuid.UUID] = set()
        self.tell()
        command = contract.OpenReview(
            command_id=f"{self.incident}:1:review", provider_id=self.lead.provider_id,
            incident_id=uuid.UUID(self.incident), cycle=1, location_id=self.home, region_id=None, kind=Kind.INCIDENT,
            category=Category.ABUSE_ALLEGATION, actual_harm=PhysicalHarm.MODERATE, band=Band.HIGH,
        )  # fmt: skip
        with transaction(service_engine("review"), self.lead.provider_id) as session:
            self.review = review_commands.open_review(session, command, now, system(self.lead.provider_id)).review_id
        agreed = {
            "incident_id": self.incident, "title": "Check marks over time", "success_criterion": "Every mark is compared.",
            "what_counts_as_proof": "Ten body maps.", "strength": "intermediate", "owner_id": str(uuid.uuid4()),
            "owner_role": "registered_manager", "due_working_days": 5,
        }  # fmt: skip
        made = client("actions").post("/actions", self.lead, agreed)
        assert made.status_code == 201, made.text
        self.agreed, self.action = agreed, made.json()["action_id"]

    def tell(self, backwards: bool = False) -> None:
        """Hand what intake has said since to the others."""
        rows = [r for r in events(self._engine("intake"), self.lead.provider_id) if r["event_id"] not in self._told]
        self._told |= {row["event_id"] for row in rows}
        for service in ("review", "actions", "reporting"):
            deliver(self._engine(service), service, rows[::-1] if backwards else rows)

    def break_glass(self, by: Any) -> Any:
        return self.client("intake").post(
            f"/incidents/{self.incident}/break-glass", by, {"reason": "The police ask and the lead is away."}
        )

    def reads(self, reader: Any) -> dict[str, bool]:
        """What of it somebody can read, in single records, lists and counts."""
        intake, review, actions, reporting = map(self.client, ("intake", "review", "actions", "reporting"))
        incident = f"/incidents/{self.incident}"

        def listed(service: ServiceClient, path: str) -> bool:
            return self.incident in service.get(path, reader).text

        def read(service: ServiceClient, path: str) -> bool:
            answer = service.get(path, reader)
            assert answer.status_code in (200, 404), answer.text
            return bool(answer.status_code == 200)

        return {
            "incident": read(intake, incident),
            "review": read(review, f"/reviews/{self.review}"),
            "findings": read(review, f"/reviews/{self.review}/findings"),
            "reviews": listed(review, "/reviews"),
            "review's audit": read(review, f"{incident}/audit"),
            "action": read(actions, f"/actions/{self.action}"),
            "actions": listed(actions, "/actions"),
            "actions' audit": read(actions, f"{incident}/audit"),
            "timeline": read(reporting, f"{incident}/timeline"),
            "incidents": listed(reporting, "/incidents"),
            "overview": bool(reporting.get("/overview", reader).json()["open_total"]),
        }


@pytest.fixture
def opened(client: Any, service_engine: Callable[[str], Engine], place: Any, actor: Any, now: datetime) -> Opened:
    return Opened(client, service_engine, place, actor, now)


def everything(seen: bool, of: dict[str, bool]) -> dict[str, bool]:
    return dict.fromkeys(of, seen)


def test_broken_glass_opens_every_service_to_read_until_its_end(
    opened: Opened, actor: Any, clock: MovableClock
) -> None:
    director, colleague = actor("director", "quality_lead"), actor("director")
    assert (before := opened.reads(director)) == everything(False, before)
    assert opened.break_glass(director).status_code == 201
    opened.tell()
    assert (opens := opened.reads(director)) == everything(True, opens)
    for other in (colleague, opened.accused, actor("director", provider=uuid.uuid4())):
        assert (not_for := opened.reads(other)) == everything(False, not_for)
    # To read, not to change.
    review, actions = opened.client("review"), opened.client("actions")
    for path in ("submission", "approval"):
        assert review.post(f"/reviews/{opened.review}/{path}", director, version=1).status_code in (403, 404), path
    assert actions.post("/actions", director, opened.agreed).status_code == 404
    cancelled = actions.post(f"/actions/{opened.action}/cancellation", director, {"reason": "Not needed."}, version=1)
    assert cancelled.status_code in (403, 404)
    clock.advance(timedelta(hours=8) - timedelta(seconds=1))
    assert (still := opened.reads(director)) == everything(True, still)
    clock.advance(timedelta(seconds=1))
    assert (after := opened.reads(director)) == everything(False, after)
    # The same word again, as from an outbox that is sent once more, opens nothing.
    opened._told.clear()
    opened.tell()
    assert (again := opened.reads(director)) == everything(False, again)


def test_whoever_is_kept_away_reads_nothing_whatever_glass_they_broke(opened: Opened, actor: Any) -> None:
    assert opened.break_glass(opened.accused).status_code == 404
    line = actor("director")
    assert opened.break_glass(line).status_code == 201
    opened.tell()
    assert (opens := opened.reads(line)) == everything(True, opens)
    # It turns out that they are in the line of the person it is about: at once, and in every service.
    away = {"people": [], "excluded": [str(opened.accused.id), str(line.id)], "reason": "They lead that person."}
    path = f"/incidents/{opened.incident}/access"
    assert opened.client("intake").put(path, opened.lead, away, version=1).status_code == 200
    opened.tell()
    assert (kept := opened.reads(line)) == everything(False, kept)
    assert opened.break_glass(line).status_code == 404


@pytest.mark.parametrize("service", ["review", "actions", "reporting"])
def test_what_was_opened_waits_for_the_word_about_who_is_kept_away(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service: str,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    director = actor("director")
    body = an_allegation(home, now, about_staff=[str(uuid.uuid4())])
    incident_id = uuid.UUID(intake.post("/incidents", actor("carer"), body).json()["incident_id"])
    why = {"reason": "The police ask and the lead is away."}
    assert intake.post(f"/incidents/{incident_id}/break-glass", director, why).status_code == 201
    rows = events(service_engine("intake"), director.provider_id)
    [restricted] = [row for row in rows if row["type"] == IncidentRestricted.TYPE]
    reader = replace(director, reading_at=now)

    def sees(who: Any) -> bool:
        with transaction(service_engine(service), director.provider_id) as session:
            return restriction.may_see(session, service, who, incident_id, in_scope=True)

    deliver(service_engine(service), service, [row for row in rows if row is not restricted])
    assert not sees(reader)
    deliver(service_engine(service), service, [restricted])
    assert sees(reader)
    assert not sees(director), "who does not only read"
    assert not sees(replace(director, reading_at=now + timedelta(hours=8)))
