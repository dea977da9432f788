"""The governance cycle on a real database: agendas by cadence, frozen; challenge and response; who sees what."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from services.contracts.intake import IncidentRestricted
from services.contracts.review import ThemeCommissioned
from services.contracts.taxonomy import Band, Category, Role, Stage
from services.reporting.governance import cadence, policy
from services.reporting.governance import challenge as challenges
from services.reporting.metrics import CaseMetrics
from services.runtime import audit, db
from services.runtime.actor import system
from services.runtime.consumer import Received
from tests.conftest import ServiceClient
from tests.integration.test_reporting import Book

REGION = uuid.UUID("5e3a3a34-0000-4000-8000-000000000006")


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("reporting")


def look(book: Book) -> Any:
    """What the process asks for: events first, then what is due by the cadence."""
    book.project()
    return cadence.compile_due(book.engine, book.clock, book.provider_id)


def watch(book: Book, item: dict[str, Any]) -> Any:
    with db.transaction(book.engine, book.provider_id) as session:
        return challenges.watch(session, system(book.provider_id), UUID(item["item_id"]), book.clock.now())


def hear_itself(book: Book) -> list[str]:
    """Reporting hears its own events, as it does from Kafka. Answers their types."""
    with db.transaction(book.engine, book.provider_id) as session:
        rows = session.execute(text("select * from reporting.outbox order by seq")).all()
    book.project(
        [
            Received(
                event_id=row.event_id, type=row.type, provider_id=row.provider_id, subject=row.subject, key=row.key,
                version=row.version, occurred_at=row.occurred_at, actor=row.actor, actor_role=row.actor_role,
                data=row.data, topic="plumbline.reporting", partition=0, offset=row.seq,
            )
            for row in rows
        ]
    )  # fmt: skip
    return [row.type.removeprefix("plumbline.").removesuffix(".v1") for row in rows]


def meeting(api: ServiceClient, actor: Any, **query: Any) -> dict[str, Any]:
    """The newest meeting of a level and place, whole."""
    listed = api.get("/meetings", actor, params=query)
    assert listed.status_code == 200, listed.text
    whole = api.get(f"/meetings/{listed.json()['items'][0]['meeting_id']}", actor)
    return dict(whole.json())


def topics(found: dict[str, Any]) -> dict[str, tuple[int, int | None, int | None, int | None]]:
    return {
        one["topic"]: (one["count"], one["before"], one["came"], one["went"])
        for one in found["agenda"]["topics"]
        if one["count"] or one["before"]
    }


def challenge(**values: Any) -> dict[str, Any]:
    return {
        "kind": "challenge", "question": "are_actions_in_place_and_working", "said": "Which shifts did you watch?",
        "owner_id": str(uuid.uuid4()), "owner_role": "registered_manager", **values,
    }  # fmt: skip


def test_each_level_gets_its_agenda_by_cadence_with_what_changed_and_it_stays_as_it_was(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home, alone, lead = book.location(region_id=REGION), book.location(), actor("quality_lead")
    risky = book.report(home, region_id=REGION)
    book.triage(risky, Band.HIGH)
    book.clock.advance(timedelta(hours=1))
    assert (look(book).compiled, look(book).compiled) == (5, 0)
    assert look(book).next_at == datetime(2026, 6, 9, 5, tzinfo=UTC)  # the region's, at six in the morning in England
    first = meeting(api, lead, level="service", location_id=str(home))
    assert topics(first) == {"high_risk": (1, None, None, None)}
    assert first["agenda"]["topics"][0]["records"] == [str(risky)]
    assert first["agenda"]["changed"]["reported"] == 1
    assert (first["agenda"]["seen_at"], first["called"]) == (first["compiled_at"], False)
    assert topics(meeting(api, lead, level="service", location_id=str(alone))) == {}
    assert topics(meeting(api, lead, level="region")) == topics(meeting(api, lead, level="board")) == topics(first)

    book.enter(risky, Stage.CLOSED, 3)
    action = book.open_action(late := book.report(home, region_id=REGION), due_days=5)
    book.do(late, action)
    book.clock.advance(timedelta(days=26))  # 4 July: the third, the day of services, has passed
    assert look(book).compiled == 4  # region and executives had theirs in June, the board meets in July
    second = meeting(api, lead, level="service", location_id=str(home))
    assert second["previous_id"] == first["meeting_id"]
    assert second["agenda"]["since"] == first["compiled_at"]
    assert topics(second) == {"high_risk": (0, 1, 0, 1), "overdue": (1, 0, 1, 0), "unverified": (1, 0, 1, 0)}
    assert second["agenda"]["changed"] == {
        "reported": 1, "ended": 1, "reviews_approved": 0, "actions_verified": 0, "effects_judged": 0,
    }  # fmt: skip
    assert (second["agenda"]["last"]["held_at"], second["agenda"]["last"]["challenges"]) == (None, 0)
    assert topics(api.get(f"/meetings/{first['meeting_id']}", lead).json()) == topics(first)
    with pytest.raises(DBAPIError, match="permission denied"), db.transaction(book.engine, book.provider_id) as session:
        session.execute(text("update reporting.meeting set agenda = '{}'"))
    [entry] = api.get(f"/meetings/{first['meeting_id']}/audit", lead).json()
    assert (entry["action"], entry["actor_role"]) == ("meeting_compiled", "service")
    assert audit.verify([entry]) is None


def test_meetings_are_for_those_who_cover_their_place(book: Book, api: ServiceClient, actor: Any) -> None:
    home, other = book.location(region_id=REGION), book.location(region_id=REGION)
    look(book)

    def seen(who: Any) -> set[tuple[str, str | None]]:
        listed = api.get("/meetings", who).json()["items"]
        for one in listed:
            assert api.get(f"/meetings/{one['meeting_id']}", who).status_code == 200
        return {(one["level"], one["location_id"]) for one in listed}

    services = {("service", str(home)), ("service", str(other))}
    manager = actor("registered_manager", locations=[home])
    assert seen(manager) == {("service", str(home))}
    assert seen(actor("regional_manager", regions=[REGION])) == {*services, ("region", None)}
    everything = {*services, ("region", None), ("executive", None), ("board", None)}
    assert seen(actor("executive")) == seen(actor("director")) == everything
    assert seen(actor("registered_manager")) == {*services, ("region", None)}
    assert seen(actor("director", provider=uuid.uuid4())) == set()
    assert api.get("/meetings", actor("carer")).status_code == 403
    above = meeting(api, actor("director"), level="board")
    for path in (f"/meetings/{above['meeting_id']}", f"/meetings/{above['meeting_id']}/audit"):
        assert api.get(path, manager).status_code == 404
    assert api.post(f"/meetings/{above['meeting_id']}/items", manager, challenge()).status_code == 404
    called = {"level": "service", "location_id": str(other), "reason": "Two falls in a night."}
    assert api.post("/meetings", manager, called).status_code == 422
    assert api.post("/meetings", manager, {"level": "board", "reason": "Now."}).status_code == 403
    assert api.post("/meetings", manager, {**called, "level": "board"}).status_code == 422
    made = api.post("/meetings", manager, {**called, "location_id": str(home)})
    assert (made.status_code, made.json()["called"], made.json()["agenda"]["last"]["held_at"]) == (201, True, None)
    assert look(book).compiled == 0  # beside the cadence, not in its place


def test_a_challenge_is_answered_by_its_owner_and_judged_by_another_and_the_next_meeting_opens_with_it(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home = book.location(region_id=REGION)
    manager, regional = actor("registered_manager", locations=[home]), actor("regional_manager", regions=[REGION])
    incident = book.report(home, region_id=REGION)
    elsewhere = book.report(book.location())
    book.triage(incident)
    look(book)
    found = meeting(api, regional, level="service")
    path = f"/meetings/{found['meeting_id']}/items"
    body = challenge(owner_id=str(manager.id), incident_id=str(incident))
    for refused in (
        {**body, "owner_id": str(regional.id)}, {**body, "incident_id": str(elsewhere)}, {**body, "question": None},
        {**body, "due_at": "2026-06-01T09:00:00Z"}, {**body, "weakness": "blame"}, {**body, "said": ""},
    ):  # fmt: skip
        assert api.post(path, regional, refused).status_code == 422, refused
    raised = api.post(path, regional, body, key="the-same-challenge")
    assert raised.status_code == 201, raised.text
    assert api.post(path, regional, body, key="the-same-challenge").json() == raised.json()
    item = raised.json()
    assert (item["due_at"], item["level"], item["late"]) == ("2026-06-15T09:00:00Z", "service", False)
    decision = {
        "kind": "decision",
        "said": "Two staff at night.",
        "owner_id": str(manager.id),
        "owner_role": "registered_manager",
    }
    assert api.post(path, regional, decision).status_code == 201
    one = f"/governance-items/{item['item_id']}"
    waits = api.get("/governance-items", manager, params={"mine": True, "kind": "challenge"}).json()["items"]
    assert [x["item_id"] for x in waits] == [item["item_id"]]
    assert api.get("/overview", manager).json()["governance"] == {"open": 2, "late": 0, "meetings_not_held": 0}
    assert api.get("/governance-items", actor("carer", locations=[home])).json()["items"] == []
    assert api.get(one, actor("shift_lead", locations=[home])).status_code == 404

    said = {"said": "The nights of 8 and 9 June."}
    judged = {"accepted": False, "reason": "Nights only: what of the days?"}
    assert api.post(f"{one}/judgements", regional, judged, version=1).status_code == 409
    assert api.post(f"{one}/answers", regional, said, version=1).status_code == 403
    assert api.post(f"{one}/answers", actor("registered_manager", locations=[home]), said, version=1).status_code == 403
    assert api.post(f"{one}/answers", manager, said).status_code == 428
    assert api.post(f"{one}/answers", manager, said, version=1).json()["status"] == "answered"
    assert api.post(f"{one}/answers", manager, said, version=1).status_code == 412
    assert api.post(f"{one}/answers", manager, said, version=2).json()["type"] == "/problems/already-answered"
    for stranger in (manager, actor("registered_manager", locations=[home])):
        assert api.post(f"{one}/judgements", stranger, judged, version=2).status_code == 403
    mine = api.get("/governance-items", regional, params={"mine": True}).json()["items"]
    assert [x["item_id"] for x in mine] == [item["item_id"]]
    assert api.post(f"{one}/judgements", regional, {**judged, "altered": ["pace"]}, version=2).status_code == 422
    again = api.post(f"{one}/judgements", regional, judged, version=2).json()
    assert (again["status"], again["round"], again["answers"][0]["accepted"]) == ("open", 2, False)
    api.post(f"{one}/answers", manager, {"said": "Both, from 10 June on."}, version=3)

    held = {"held_at": book.clock.now().isoformat(), "present": 4, "minutes": "The family was thanked."}
    wrong = [
        {**held, "present": 0},
        {**held, "held_at": "2026-06-01T09:00:00Z"},
        {**held, "held_at": "2026-06-08T09:00:00"},
    ]
    for refused in wrong:
        assert api.post(f"/meetings/{found['meeting_id']}/held", regional, refused, version=1).status_code == 422
    assert api.post(f"/meetings/{found['meeting_id']}/held", regional, held, version=1).status_code == 200
    assert api.post(f"/meetings/{found['meeting_id']}/held", regional, held, version=2).status_code == 409

    book.clock.advance(timedelta(days=26))
    look(book)
    following = meeting(api, regional, level="service", location_id=str(home))
    assert item["item_id"] in following["agenda"]["items"]
    assert len(following["decisions_and_challenges"]) == 2
    last = following["agenda"]["last"]
    assert (last["decisions"], last["challenges"], last["answered"], last["open"], last["late"]) == (1, 1, 1, 1, 1)
    assert last["held_at"] is not None
    lead = actor("quality_lead")
    done = api.post(f"{one}/judgements", lead, {"accepted": True, "reason": "Seen.", "altered": ["plan"]}, version=4)
    assert (done.json()["status"], done.json()["altered"], done.json()["due_at"]) == ("accepted", ["plan"], None)
    chain = api.get(f"{one}/audit", regional).json()
    assert [entry["action"].removeprefix("challenge_") for entry in chain] == [
        "raised", "answered", "asked_again", "answered", "accepted",
    ]  # fmt: skip
    assert audit.verify(chain) is None
    assert "June" not in str(chain)
    types = hear_itself(book)
    assert [one for one in types if one.startswith("governance")] == [
        "governance.raised", "governance.raised", "governance.answered", "governance.judged", "governance.answered",
        "governance.judged",
    ]  # fmt: skip
    told = api.get(f"/incidents/{incident}/timeline", manager).json()["entries"]
    assert [entry["what"] for entry in told][-5:] == [
        "Challenged the registered manager about it at a meeting of the service. To be answered by 15 June 2026, 10:00.",
        "Answered the challenge of a meeting.",
        "Did not accept the answer to a meeting, and asked again. To be answered by 15 June 2026, 10:00.",
        "Answered the challenge of a meeting.",
        "Accepted the answer to a meeting.",
    ]
    assert api.get("/radar", lead).json()["oversight"] == {
        "meetings": 5, "held": 1, "without_an_item": 0, "challenges": 1, "unanswered_in_time": 0, "altered": 1,
    }  # fmt: skip


def test_what_nobody_answers_goes_up_level_by_level_and_shows_as_no_oversight(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home = book.location(region_id=REGION)
    manager, regional = actor("registered_manager", locations=[home]), actor("regional_manager", regions=[REGION])
    incident = book.report(home, region_id=REGION)
    book.triage(incident)
    look(book)
    lead = actor("quality_lead")
    found = meeting(api, lead, level="service")
    body = challenge(owner_id=str(manager.id), incident_id=str(incident))
    item = api.post(f"/meetings/{found['meeting_id']}/items", lead, body).json()
    one = f"/governance-items/{item['item_id']}"
    before = watch(book, item)
    assert (before.waits, before.late, before.people, before.roles) == (True, False, [manager.id], [])
    assert before.next_at.isoformat() == "2026-06-15T09:00:00+00:00"

    def weak() -> int:
        findings = api.get("/radar", lead, params={"location_id": str(home)}).json()["findings"]
        return int(next(finding["shown_by"] for finding in findings if finding["weakness"] == "no_oversight"))

    assert weak() == 0
    levels = []
    for roles in ([Role.REGIONAL_MANAGER], [Role.NOMINATED_INDIVIDUAL], [Role.DIRECTOR], [Role.DIRECTOR]):
        book.clock.advance(watch(book, item).next_at - book.clock.now())
        after = watch(book, item)
        assert watch(book, item) == after  # the same look again
        assert (after.late, after.roles, after.people, after.location_id) == (True, roles, [manager.id], home)
        assert after.call > before.call
        before = after
        levels.append(api.get(one, lead).json()["level"])
    assert levels == ["region", "executive", "board", "board"]
    assert weak() == 1
    shown = api.get(one, manager).json()
    assert (shown["raised_level"], shown["climbs"], shown["late"]) == ("service", 4, True)
    assert api.get("/overview", manager).json()["governance"]["late"] == 1
    others = api.get("/governance-items", regional, params={"mine": True, "late": True}).json()["items"]
    assert [x["item_id"] for x in others] == [item["item_id"]]
    look(book)
    board = meeting(api, actor("director"), level="board")
    called = api.post("/meetings", actor("director"), {"level": "board", "reason": "It came up to us."}).json()
    assert (item["item_id"] in board["agenda"]["items"], called["agenda"]["items"]) == (False, [item["item_id"]])
    assert api.post(f"{one}/answers", regional, {"said": "I looked."}, version=shown["version"]).status_code == 403
    answered = api.post(f"{one}/answers", actor("director"), {"said": "I looked."}, version=shown["version"])
    assert answered.json()["status"] == "answered"
    assert watch(book, item).waits is False
    assert weak() == 1  # it was not answered in time, and that stays so
    assert hear_itself(book).count("governance.escalated") == 4
    told = api.get(f"/incidents/{incident}/timeline", manager).json()["entries"]
    assert next(entry["what"] for entry in told if "in time" in entry["what"]).startswith(
        "Nobody had answered a meeting in time: it is with the region now, and the regional manager was told."
    )


def test_what_is_restricted_is_in_no_agenda_and_its_challenge_only_for_those_who_need_to_know(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home = book.location(region_id=REGION)
    manager, safeguarding = actor("registered_manager", locations=[home]), actor("safeguarding_lead")
    hidden, later = (book.report(home, region_id=REGION) for _ in range(2))
    owner, about = actor("regional_manager", regions=[REGION]), actor("carer", locations=[home])
    for incident in (hidden, later):
        book.triage(incident, Band.EXTREME)

    def restrict(incident: UUID) -> None:
        book.tell(
            IncidentRestricted(
                incident_id=incident, revision=1, roles=[Role.SAFEGUARDING_LEAD], people=[], excluded=[about.id]
            )
        )

    restrict(hidden)
    look(book)
    found = meeting(api, manager, level="service")
    [risk] = [one for one in found["agenda"]["topics"] if one["topic"] == "high_risk"]
    assert (risk["count"], risk["records"], found["agenda"]["restricted_open"]) == (1, [str(later)], None)
    assert meeting(api, safeguarding, level="board")["agenda"]["restricted_open"] == 1
    restrict(later)
    book.project()
    [risk] = [one for one in meeting(api, manager, level="service")["agenda"]["topics"] if one["topic"] == "high_risk"]
    assert (risk["count"], risk["records"], risk["hidden"]) == (1, [], 1)

    path = f"/meetings/{found['meeting_id']}/items"
    body = challenge(owner_id=str(owner.id), owner_role="regional_manager", incident_id=str(hidden))
    assert api.post(path, manager, body).status_code == 422
    assert api.post(path, safeguarding, {**body, "owner_id": str(about.id)}).status_code == 422
    item = api.post(path, safeguarding, body).json()
    one = f"/governance-items/{item['item_id']}"
    for who, status in ((safeguarding, 200), (owner, 200), (manager, 404), (actor("quality_lead"), 404), (about, 404)):
        assert api.get(one, who).status_code == status
        assert api.get(f"{one}/audit", who).status_code == status
        listed = api.get("/governance-items", who).json()["items"]
        assert [x["item_id"] for x in listed] == ([item["item_id"]] if status == 200 else [])
    assert meeting(api, manager, level="service")["decisions_and_challenges"] == []
    assert api.get("/overview", manager).json()["governance"]["open"] == 0


def test_a_provider_meets_by_its_own_published_cadence(book: Book, api: ServiceClient, actor: Any) -> None:
    book.location(region_id=REGION)
    own = policy.Path(policy.__file__).parent / "policies" / "default.yaml"
    source = (
        own.read_text()
        .replace("governance-2", "ours-1")
        .replace("board: {every_months: 3, day: 22", "board: {every_months: 3, day: 29")
    )
    bad = api.post("/policies", actor("director"), {"name": "governance", "source": source})
    assert (bad.status_code, bad.json()["type"]) == (422, "/problems/policy-refused")
    lines = [line for line in source.splitlines() if not line.startswith(("  region", "  board"))]
    drafted = api.post("/policies", actor("director"), {"name": "governance", "source": "\n".join(lines)})
    assert drafted.status_code == 201, drafted.text
    policy_id = drafted.json()["policy_id"]
    api.post(f"/policies/{policy_id}/proposal", actor("director"), version=1)
    assert api.post(f"/policies/{policy_id}/publication", actor("quality_lead"), version=2).status_code == 200
    assert look(book).compiled == 2
    lead = actor("quality_lead")
    assert {one["level"] for one in api.get("/meetings", lead).json()["items"]} == {"service", "executive"}
    found = meeting(api, lead, level="service")
    assert found["policy_version"] == "ours-1"
    item = api.post(f"/meetings/{found['meeting_id']}/items", lead, challenge()).json()
    book.clock.advance(timedelta(days=10))
    watch(book, item)
    assert api.get(f"/governance-items/{item['item_id']}", lead).json()["level"] == "executive"  # regions do not meet


def test_a_theme_is_on_the_agenda_of_its_region_and_above_and_a_decision_stands_in_its_history(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home, theme, lead = book.location(region_id=REGION), uuid.uuid4(), actor("quality_lead")
    book.tell(
        ThemeCommissioned(
            theme_id=theme, region_id=REGION, locations=[home], category=Category.MEDICATION, band=Band.HIGH,
            lead_id=lead.id, signal_id=None, accept_due_at=book.clock.now() + timedelta(days=7), policy_version="t",
        )
    )  # fmt: skip
    look(book)
    for level, count in (("service", 0), ("region", 1), ("executive", 1), ("board", 1)):
        [found] = [one for one in meeting(api, lead, level=level)["agenda"]["topics"] if one["topic"] == "themes"]
        assert (found["count"], found["records"]) == (count, [str(theme)] * count), level
    board = meeting(api, actor("director"), level="board")
    body = {
        "kind": "decision", "said": "A pharmacist for the region.", "owner_id": str(lead.id), "owner_role": "quality_lead",
        "theme_id": str(theme),
    }  # fmt: skip
    path = f"/meetings/{board['meeting_id']}/items"
    assert api.post(path, actor("director"), {**body, "theme_id": str(uuid.uuid4())}).status_code == 404
    item = api.post(path, actor("director"), body).json()
    done = api.post(f"/governance-items/{item['item_id']}/answers", lead, {"said": "She began on 1 June."}, version=1)
    assert done.json()["status"] == "answered"
    hear_itself(book)
    told = [entry["what"] for entry in api.get(f"/themes/{theme}/timeline", lead).json()["entries"]]
    assert told[1:] == [
        "Decided about it at a meeting of the board. To be done by the quality lead until 15 June 2026, 10:00.",
        "Says that what a meeting decided is done.",
    ]


def test_independent_assurance_is_asked_for_by_itself_where_the_same_weakness_shows_meeting_after_meeting(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home, other = book.location(region_id=REGION), book.location(region_id=REGION)
    for _ in range(6):
        incident = book.report(home, region_id=REGION)
        book.do(incident, book.open_action(incident, due_days=5))
        book.report(other, region_id=REGION)
    book.clock.advance(timedelta(days=30))
    look(book)
    above = actor("regional_manager", regions=[REGION])
    first = meeting(api, above, level="service", location_id=str(home))
    assert "unverified" in {one["weakness"] for one in first["agenda"]["radar"] if one["weak"]}
    assert first["decisions_and_challenges"] == [], "once may be chance"

    book.clock.advance(timedelta(days=31))
    look(book)
    second = meeting(api, above, level="service", location_id=str(home))
    [asked] = second["decisions_and_challenges"]
    assert (asked["kind"], asked["question"], asked["weakness"]) == ("challenge", "independent_assurance", "unverified")
    assert (asked["owner_role"], asked["status"], asked["late"]) == ("regional_manager", "open", False)
    assert asked["due_at"] is not None
    records = api.get(asked["records"], above)
    assert (records.status_code, len(records.json()["items"])) == (200, 6)
    assert meeting(api, above, level="service", location_id=str(other))["decisions_and_challenges"] == []
    told = watch(book, asked)
    assert (told.people, told.roles) == ([], [Role.REGIONAL_MANAGER])
    assert [one["item_id"] for one in api.get("/governance-items", above, params={"mine": True}).json()["items"]] == [
        asked["item_id"]
    ]

    path = f"/governance-items/{asked['item_id']}"
    answer = {"said": "I drew three and looked at the floor: two of them are in use."}
    own = actor("registered_manager", locations=[home])
    assert api.post(f"{path}/answers", own, answer, version=1).status_code == 403, "not by the line of the place itself"
    assert api.post(f"{path}/answers", above, answer, version=1).status_code == 200
    judged = {"accepted": True, "altered": ["plan"], "reason": "The third is to be in use by Monday."}
    assert api.post(f"{path}/judgements", above, judged, version=2).status_code == 403
    assert api.post(f"{path}/judgements", actor("quality_lead"), judged, version=2).status_code == 200
    book.clock.advance(timedelta(days=31))
    look(book)
    third = meeting(api, above, level="service", location_id=str(home))
    assert {one["item_id"] for one in third["decisions_and_challenges"]} == {asked["item_id"]}, "not again at once"


def test_meetings_and_what_waits_for_an_answer_are_counted_by_level_and_age(
    book: Book, api: ServiceClient, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    metrics = CaseMetrics(service_engine("reporting_system"), book.clock, refresh=0)

    def counted() -> dict[tuple[str, ...], float]:
        wanted = ("plumbline_meetings", "plumbline_governance_items_open", "plumbline_governance_items_overdue")
        return {
            (family.name.removeprefix("plumbline_"), *sample.labels.values()): sample.value
            for family in metrics.collect()
            if family.name in wanted
            for sample in family.samples
        }

    def grown(before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
        return {key: value - before[key] for key, value in counted().items() if value != before[key]}

    before = counted()
    assert len(before) == 4 * 3 + 2 * 4 * 3 + 2 * 4, "bounded, zeros included"
    home, lead = book.location(), actor("quality_lead")
    look(book)
    service = meeting(api, lead, level="service", location_id=str(home))
    asked = api.post(f"/meetings/{service['meeting_id']}/items", lead, challenge())
    assert asked.status_code == 201, asked.text
    held = {"held_at": book.clock.now().isoformat(), "present": 4}
    assert api.post(f"/meetings/{service['meeting_id']}/held", lead, held, version=1).status_code == 200
    assert grown(before) == {
        ("meetings", "service", "held"): 1, ("meetings", "executive", "due"): 1, ("meetings", "board", "due"): 1,
        ("governance_items_open", "challenge", "service", "0-7"): 1,
    }  # fmt: skip
    book.clock.advance(timedelta(days=10))
    # Those of other providers grow late by the same clock.
    late = grown(before)
    assert late["governance_items_open", "challenge", "service", "7-28"] >= 1
    assert late["governance_items_overdue", "challenge", "service"] >= 1
    assert late["meetings", "executive", "late"] >= 1
