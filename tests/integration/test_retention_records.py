"""Retention of what is not of one incident, from the due list to the proof: concerns of speaking up, themes,
meetings with their minutes, and the register of staff with reflective supervision."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from services.intake.speak_up import api
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import transaction
from services.runtime.limit import Limit
from tests.conftest import SERVICES, MovableClock, ServiceClient
from tests.integration.test_console_pages import person
from tests.integration.test_escalation import Rig
from tests.integration.test_governance import book
from tests.integration.test_recurrence import close
from tests.integration.test_reporting import Book
from tests.integration.test_restricted import deliver, events
from tests.integration.test_retention import YEARS, anyio_backend, folder, home, left, refused, rig, sweep
from tests.integration.test_review import DRAFT
from tests.integration.test_thematic import Office, office
from workflows.retention import Swept

__all__ = ["anyio_backend", "book", "folder", "home", "office", "person", "rig", "sweep"]

pytestmark = pytest.mark.anyio

MARKER = f"Obadiah Wren {uuid.uuid4().hex[:8]}"
DESTROY = {"decision": "destroy", "reason": f"The time of what {MARKER} said has passed."}
KEPT = {f"{service}.idempotency_key" for service in SERVICES}
"""Replies are cleared by their age in real time, which these tests cannot let pass."""


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAISING", "OPENING"):
        monkeypatch.setattr(api, name, Limit("test", 10_000))


@pytest.fixture(autouse=True)
def unknown(database: str) -> None:
    """Intake asks for what changed since it heard last, and other tests have been in years to come; what they decided and
    never erased is not this test's."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("delete from intake.kept_record"))
        connection.execute(text("delete from intake.appraisal where finished_at is null"))
    engine.dispose()


@pytest.fixture
def concern(rig: Rig, provider_id: uuid.UUID, actor: Any, home: uuid.UUID) -> tuple[str, str]:
    """An answered concern about a colleague: its id, and its receipt code."""
    body = {
        "provider_id": str(provider_id), "mode": "confidential", "contact": f"{MARKER}, room 4", "location_id": str(home),
        "message": f"{MARKER} shouts at people at night.",
    }  # fmt: skip
    raised = rig.intake.http.post("/speak-up", json=body)
    assert raised.status_code == 201, raised.text
    lead = actor("safeguarding_lead")
    [one] = rig.intake.get("/concerns", lead).json()["items"]
    concern_id: str = one["concern_id"]
    review = {"reviewer_id": str(lead.id), "protection": f"Known as {MARKER} to two.", "reason": "Outside the line."}
    assert rig.intake.post(f"/concerns/{concern_id}/review", lead, review, version=1).status_code == 200
    answer(rig, lead, concern_id)
    code: str = raised.json()["code"]
    return concern_id, code


def answer(rig: Rig, who: Actor, concern_id: str) -> None:
    said = rig.intake.post(f"/concerns/{concern_id}/messages", who, {"text": f"We have spoken with {MARKER}."})
    assert said.status_code == 200, said.text


def due(intake: ServiceClient, who: Actor) -> set[str]:
    return {row["record_id"] for row in intake.get("/retention/records/due", who).json()["items"]}


def destroy(intake: ServiceClient, record_id: str, one: Actor, other: Actor) -> None:
    """Two people decide to destroy a record."""
    path = f"/retention/records/{record_id}/appraisal"
    before = intake.get(f"/retention/records/{record_id}", one).json()["appraisal"]
    made = intake.post(path, one, DESTROY, version=None if before is None else before["version"])
    assert made.status_code == 200, made.text
    assert refused(intake.post(f"{path}/confirm", one, version=made.json()["version"])) == (409, "own-decision")
    confirmed = intake.post(f"{path}/confirm", other, version=made.json()["version"])
    assert confirmed.status_code == 200, confirmed.text


def proved(engine: Engine, service: str, provider_id: uuid.UUID, record_id: str) -> None:
    """The audit chain of a record verifies, says that it was erased with what digest, and holds no words."""
    with transaction(engine, provider_id) as session:
        chain = audit.read(session, service, uuid.UUID(record_id))
        digest = session.scalar(
            text(f"select digest from {service}.erasure where record_id = :id"), {"id": uuid.UUID(record_id)}
        )
    assert audit.verify(chain) is None
    [erased] = [entry["data"] for entry in chain if entry["action"] == "erased"]
    assert (len(digest), erased["digest"]) == (64, digest)
    assert MARKER not in str(chain)


async def test_a_concern_is_erased_by_two_who_see_it_and_nobody_else(
    rig: Rig, concern: tuple[str, str], actor: Any, clock: MovableClock, sweep: Callable[[], Any], database: str,
    provider_id: uuid.UUID,
) -> None:  # fmt: skip
    intake, (concern_id, code) = rig.intake, concern
    lead, guardian, director = actor("safeguarding_lead"), actor("speak_up_guardian"), actor("director")
    path = f"/retention/records/{concern_id}"
    assert await sweep() == Swept()
    stands = intake.get(path, guardian).json()
    assert (stands["kind"], stands["rule"], stands["due"], stands["holds"]) == ("concern", "concern", False, [])
    assert stands["source"].endswith("to be confirmed")
    assert refused(intake.post(f"{path}/appraisal", guardian, DESTROY)) == (409, "not-due")
    clock.advance(YEARS)
    for who in (director, actor("registered_manager"), actor("quality_lead")):
        assert due(intake, who) == set(), "who sees no concern decides about none"
        assert intake.get(path, who).status_code == 404
        assert intake.post(f"{path}/appraisal", who, DESTROY).status_code == 404
        assert intake.post(f"{path}/appraisal/confirm", who, version=1).status_code == 404
    assert due(intake, lead) == due(intake, guardian) == {concern_id}

    hold = intake.post("/legal-holds", guardian, {"record_id": concern_id, "reason": f"A tribunal asks of {MARKER}."})
    assert hold.status_code == 201, hold.text
    assert intake.get("/legal-holds", director).json()["items"] == []
    assert [one["record_id"] for one in intake.get("/legal-holds", lead).json()["items"]] == [concern_id]
    assert refused(intake.post(f"{path}/appraisal", lead, DESTROY)) == (409, "not-due")
    lift = f"/legal-holds/{hold.json()['hold_id']}/lift"
    assert intake.post(lift, director, {"reason": "It is over."}, version=1).status_code == 404
    assert intake.post(lift, lead, {"reason": "It is over."}, version=1).status_code == 200

    destroy(intake, concern_id, guardian, lead)
    assert due(intake, lead) == set()
    again = intake.post("/legal-holds", lead, {"record_id": concern_id, "reason": "The police ask."})
    assert await sweep() == Swept(erased=0, stopped=1), "what is held is never erased"
    lift = f"/legal-holds/{again.json()['hold_id']}/lift"
    assert intake.post(lift, guardian, {"reason": "They need it no more."}, version=1).status_code == 200

    assert {"intake.concern", "intake.concern_message"} <= left(database, MARKER, provider_id)
    assert await sweep() == Swept(erased=1, stopped=0)
    assert await sweep() == Swept()
    assert left(database, MARKER, provider_id) <= KEPT
    assert intake.get(f"/concerns/{concern_id}", lead).status_code == 404
    opened = intake.http.post("/speak-up/conversation", json={"code": code})
    never = intake.http.post("/speak-up/conversation", json={"code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"})
    assert (opened.status_code, opened.json()["detail"]) == (404, never.json()["detail"]), "as if it never was"
    assert intake.http.post("/speak-up/messages", json={"code": code, "text": "Are you there?"}).status_code == 404
    proved(rig.engine, "intake", provider_id, concern_id)
    for who in (lead, guardian):
        [proof] = intake.get("/retention/erasures", who).json()["items"]
        assert (proof["record_id"], proof["kind"], proof["incident_id"]) == (concern_id, "concern", None)
        assert (proof["decided_by"], proof["confirmed_by"]) == (str(guardian.id), str(lead.id))
        assert [one["service"] for one in proof["proofs"]] == ["intake"]
    assert intake.get("/retention/erasures", director).json()["items"] == []
    assert intake.get("/retention/erasures", actor("quality_lead")).status_code == 403


async def test_a_concern_that_goes_on_is_not_what_was_decided_about(
    rig: Rig, concern: tuple[str, str], actor: Any, clock: MovableClock, sweep: Callable[[], Any]
) -> None:
    intake, (concern_id, code) = rig.intake, concern
    lead, guardian = actor("safeguarding_lead"), actor("speak_up_guardian")
    await sweep()
    clock.advance(YEARS)
    destroy(intake, concern_id, lead, guardian)
    assert intake.http.post("/speak-up/messages", json={"code": code, "text": "It goes on."}).status_code == 200
    assert await sweep() == Swept(erased=0, stopped=1)
    assert due(intake, lead) == set()
    again = f"/retention/records/{concern_id}/appraisal"
    assert refused(intake.post(again, lead, DESTROY, version=2)) == (409, "not-closed")
    answer(rig, lead, concern_id)
    assert await sweep() == Swept(erased=0, stopped=1), "it begins anew"
    clock.advance(YEARS)
    assert await sweep() == Swept(erased=0, stopped=1), "what was decided was about another conversation"
    assert due(intake, lead) == {concern_id}
    destroy(intake, concern_id, lead, guardian)
    assert await sweep() == Swept(erased=1, stopped=0)


async def test_a_concern_is_kept_with_the_incident_that_was_made_of_it(
    rig: Rig,
    concern: tuple[str, str],
    actor: Any,
    clock: MovableClock,
    sweep: Callable[[], Any],
    home: uuid.UUID,
    provider_id: uuid.UUID,
) -> None:
    rig.provider, intake, (concern_id, _) = provider_id, rig.intake, concern
    lead, individual = actor("safeguarding_lead"), actor("nominated_individual")
    version = intake.get(f"/concerns/{concern_id}", lead).json()["version"]
    report = {
        "occurred_at": clock.now().isoformat(),
        "location_id": str(home),
        "kind": "incident",
        "category": "medication",
        "narrative": "As told.",
        "immediate_danger": False,
        "restricted": False,
    }
    made = intake.post(f"/concerns/{concern_id}/incident", lead, report, version=version)
    assert made.status_code == 201, made.text
    incident = made.json()["incident_id"]
    await sweep()
    clock.advance(YEARS)
    assert due(intake, lead) == set(), "its incident is open"
    close(rig, incident)
    assert due(intake, lead) == set(), "its incident was in use until now"
    clock.advance(YEARS)
    assert due(intake, lead) == {concern_id}
    hold = intake.post("/legal-holds", individual, {"incident_id": incident, "reason": "An inquest."})
    assert hold.status_code == 201, hold.text
    assert due(intake, lead) == set(), "what is held of the incident is held of what was told of it"
    stands = intake.get(f"/retention/records/{concern_id}", lead).json()
    assert (stands["due"], stands["held"], stands["holds"]) == (False, True, []), "whose hold it is, is not told"


def a_theme(office: Office, incident: str) -> uuid.UUID:
    """A theme that rests on an incident, with its review begun, an action of it, and what others heard of it."""
    theme = office.theme(title=f"Shouting as {MARKER} told", why=f"{MARKER} was not the first.")
    kept = office.api.put(
        f"/themes/{theme}/members/{incident}", office.lead, {"decision": "linked", "reason": f"It is about {MARKER}."}
    )
    assert kept.status_code == 200, kept.text
    path = f"/reviews/{office.opened(theme).review_id}/draft"
    wrote = office.api.put(path, office.lead, {**DRAFT, "what_happened": f"{MARKER} was heard."}, version=1)
    assert wrote.status_code == 200, wrote.text
    office.pass_on(theme)
    return theme


async def test_an_incident_is_kept_while_a_theme_rests_on_it_and_a_theme_for_its_own_time(
    rig: Rig, office: Office, home: uuid.UUID, actor: Any, clock: MovableClock, sweep: Callable[[], Any], database: str,
    provider_id: uuid.UUID, service_engine: Callable[[str], Engine], place: Any,
) -> None:  # fmt: skip
    intake, individual, director = rig.intake, actor("nominated_individual"), office.director
    incident = rig.report(actor("carer"), home, narrative="Shouting at night.")
    rig.triage(actor("registered_manager"), incident)
    close(rig, incident)
    place("review", location_id=home)
    deliver(service_engine("review"), "review", events(service_engine("intake"), provider_id))
    theme = str(a_theme(office, incident))
    clock.advance(YEARS)
    path = f"/incidents/{incident}"
    assert intake.get(f"{path}/retention", director).json()["due"] is True
    assert intake.post(f"{path}/appraisal", director, DESTROY).status_code == 200
    assert intake.post(f"{path}/appraisal/confirm", individual, version=1).status_code == 200
    assert await sweep() == Swept(erased=0, stopped=1), "a theme that runs rests on it, as the same night has learned"
    stands = intake.get(f"{path}/retention", director).json()
    assert (stands["due"], stands["theme_runs"], stands["proceeding_runs"]) == (False, True, False)
    assert refused(intake.post(f"{path}/appraisal", director, DESTROY, version=2)) == (409, "not-due")
    assert due(intake, director) == set(), "it runs"
    assert refused(intake.post(f"/retention/records/{theme}/appraisal", director, DESTROY)) == (409, "not-closed")

    version = int(office.api.get(f"/themes/{theme}", director).headers["ETag"].strip('"'))
    ended = office.api.post(f"/themes/{theme}/end", director, {"reason": f"{MARKER} has left."}, version=version)
    assert ended.status_code == 200, ended.text
    assert await sweep() == Swept(erased=1, stopped=0), "nothing rests on the incident any more"
    assert MARKER in office.api.get(f"/themes/{theme}", director).json()["title"], "it has a time of its own"
    clock.advance(YEARS)
    assert due(intake, director) == set(), "20 years"
    clock.advance(YEARS)
    assert due(intake, director) == {theme}
    for who in (actor("quality_lead"), actor("director", locations=[home])):
        assert due(intake, who) == set()
        assert intake.post(f"/retention/records/{theme}/appraisal", who, DESTROY).status_code == 404
    destroy(intake, theme, director, individual)
    assert {"review.theme", "review.review"} <= left(database, MARKER, provider_id)
    assert await sweep() == Swept(erased=1, stopped=0)
    assert left(database, MARKER, provider_id) <= KEPT
    for service in ("review", "actions", "reporting", "intake"):
        proved(service_engine(service), service, provider_id, theme)
    assert office.api.get(f"/themes/{theme}", director).status_code == 404
    assert office.api.get(f"/reviews?incident_id={theme}", director).json()["items"] == []
    assert office.clients("reporting").get(f"/themes/{theme}", director).status_code == 404
    assert office.api.get("/themes", director).json()["items"] == []
    [proof] = [one for one in intake.get("/retention/erasures", director).json()["items"] if one["kind"] == "theme"]
    assert {one["service"] for one in proof["proofs"]} == {"review", "actions", "reporting", "intake"}


async def test_a_meeting_is_erased_whole_once_all_of_it_is_settled(
    rig: Rig, actor: Any, clock: MovableClock, sweep: Callable[[], Any], database: str, provider_id: uuid.UUID,
    service_engine: Callable[[str], Engine], client: Any, book: Book,
) -> None:  # fmt: skip
    intake, api, home = rig.intake, client("reporting"), book.location()
    book.project()
    lead, owner = actor("quality_lead"), actor("registered_manager", locations=[home])
    director, individual = actor("director"), actor("nominated_individual")
    called = api.post(
        "/meetings", lead, {"level": "service", "location_id": str(home), "reason": f"{MARKER} asks for one."}
    )
    assert called.status_code == 201, called.text
    meeting = called.json()["meeting_id"]
    challenge = {
        "kind": "challenge", "question": "are_actions_in_place_and_working", "said": f"Did you watch {MARKER}?",
        "owner_id": str(owner.id), "owner_role": "registered_manager",
    }  # fmt: skip
    raised = api.post(f"/meetings/{meeting}/items", lead, challenge)
    assert raised.status_code == 201, raised.text
    item = raised.json()["item_id"]
    clock.advance(timedelta(hours=1))
    held = {"held_at": clock.now().isoformat(), "present": 4, "minutes": f"{MARKER} spoke."}
    assert api.post(f"/meetings/{meeting}/held", lead, held, version=1).status_code == 200
    clock.advance(YEARS + YEARS)
    assert await sweep() == Swept()
    assert meeting not in due(intake, director), "a challenge waits for its answer"
    answer = {"said": f"I did, with {MARKER}."}
    assert api.post(f"/governance-items/{item}/answers", owner, answer, version=1).status_code == 200
    judged = {"accepted": True, "altered": ["plan"], "reason": f"{MARKER} says so too."}
    accepted = api.post(f"/governance-items/{item}/judgements", lead, judged, version=2)
    assert accepted.status_code == 200, accepted.text
    assert await sweep() == Swept()
    assert meeting not in due(intake, director), "it was in use until now"
    clock.advance(YEARS + YEARS)
    assert meeting in due(intake, director)
    destroy(intake, meeting, director, individual)
    # Somebody raises something at it in the last moment.
    late = api.post(f"/meetings/{meeting}/items", lead, challenge)
    assert late.status_code == 201, late.text
    assert await sweep() == Swept(erased=0, stopped=1), "its owner says that it is in use"
    assert api.get(f"/meetings/{meeting}", lead).json()["minutes"] == f"{MARKER} spoke."
    item = late.json()["item_id"]
    assert api.post(f"/governance-items/{item}/answers", owner, answer, version=1).status_code == 200
    assert api.post(f"/governance-items/{item}/judgements", lead, judged, version=2).status_code == 200
    await sweep()
    clock.advance(YEARS + YEARS)
    destroy(intake, meeting, individual, director)
    assert {"reporting.meeting", "reporting.governance_item"} <= left(database, MARKER, provider_id)
    assert await sweep() == Swept(erased=1, stopped=0)
    assert left(database, MARKER, provider_id) <= KEPT
    for service in ("reporting", "intake"):
        proved(service_engine(service), service, provider_id, meeting)
    assert api.get(f"/meetings/{meeting}", lead).status_code == 404
    for who in (lead, owner):
        assert api.get(f"/governance-items/{item}", who).status_code == 404
        assert api.get("/governance-items", who).json()["items"] == []


async def test_who_has_left_is_somebody_who_has_left_some_years_later(
    rig: Rig, actor: Any, clock: MovableClock, sweep: Callable[[], Any], database: str, provider_id: uuid.UUID,
    service_engine: Callable[[str], Engine], client: Any, person: Any,
) -> None:  # fmt: skip
    intake, directory = rig.intake, client("directory")
    director, individual = actor("director"), actor("nominated_individual")
    registered = directory.post("/providers", director, {"name": "Alder Care"})
    assert registered.status_code == 201, registered.text
    made = directory.post("/people", director, {"display_name": MARKER, "roles": [{"role": "carer"}]})
    assert made.status_code == 201, made.text
    who = made.json()["person_id"]
    reach = {"email": "quill@example.org", "mobile": "+447700900123"}
    assert directory.put(f"/people/{who}/contact", director, reach).status_code == 200
    supervised(service_engine("review"), provider_id, who)
    person(director).open(f"/administration/people/{who}").says(MARKER)

    def change(version: int, *, active: bool) -> None:
        body = {"display_name": MARKER, "active": active, "roles": []}
        changed = directory.put(f"/people/{who}", director, body, version=version)
        assert changed.status_code == 200, changed.text

    clock.advance(timedelta(days=1))
    change(1, active=False)
    await sweep()
    assert due(intake, director) == set()
    clock.advance(YEARS)
    assert due(intake, director) == {who}, "6 years"
    destroy(intake, who, director, individual)
    change(2, active=True)
    assert await sweep() == Swept(erased=0, stopped=1), "somebody came back"
    assert directory.get(f"/people/{who}", director).json()["display_name"] == MARKER
    assert due(intake, director) == set()
    clock.advance(timedelta(days=1))
    change(3, active=False)
    await sweep()
    clock.advance(YEARS)
    destroy(intake, who, director, individual)
    assert {"directory.person", "review.supervision_content"} <= left(database, MARKER, provider_id)
    assert await sweep() == Swept(erased=1, stopped=0)
    assert left(database, MARKER, provider_id) <= KEPT
    assert left(database, "quill@example.org", provider_id) <= KEPT
    for service in ("directory", "review", "intake"):
        proved(service_engine(service), service, provider_id, who)

    found = directory.get(f"/people/{who}", director).json()
    assert (found["person_id"], found["display_name"], found["active"]) == (who, "", False), "the id says who, still"
    assert who not in {one["person_id"] for one in directory.get("/people", director).json()["items"]}
    back = {"display_name": "Somebody else", "active": True, "roles": []}
    assert refused(directory.put(f"/people/{who}", director, back, version=4)) == (409, "already-erased")
    assert refused(directory.put(f"/people/{who}/contact", director, reach, version=1)) == (409, "already-erased")
    page = person(director).open(f"/administration/people/{who}")
    page.says("Somebody who has left", "registered anew")
    assert list(page.forms) == ["/sign-out"]


def supervised(engine: Engine, provider_id: uuid.UUID, who: str) -> None:
    """Somebody's reflective supervision, as its use-case keeps it."""
    ids = {
        "id": uuid.uuid4(),
        "p": provider_id,
        "by": uuid.uuid4(),
        "who": uuid.UUID(who),
        "said": json.dumps([{"prompt": "What now?", "said": MARKER}]),
    }
    with transaction(engine, provider_id) as session:
        session.execute(
            text(
                "insert into review.supervision (supervision_id, provider_id, supervisor_id, worker_id, location_id, held_on,"
                " topics, recorded_at) values (:id, :p, :by, :who, :id, '2026-06-01', '{}', now())"
            ),
            ids,
        )
        session.execute(
            text("insert into review.supervision_content values (:id, :p, cast(:said as jsonb), :said)"), ids
        )
