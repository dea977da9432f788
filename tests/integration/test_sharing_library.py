"""The library, the note of a month, and reflective supervision."""
# ruff: noqa: F811

import uuid
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.contracts.actions import ActionAgreed, ActionDone, ActionVerified, ImpactJudged
from services.contracts.taxonomy import Band, Category, Role, Strength, Verdict
from services.review import consumer
from services.runtime import db, restriction
from tests.integration.test_review import BRIEFING, DRAFT, Desk, desk, home  # noqa: F401
from tests.integration.test_sharing import a_place, received, shared, worker

CHOKING = BRIEFING | {
    "summary": "Swallowing advice did not reach the kitchen",
    "what_changes": "One board in the kitchen.",
}


def hear(desk: Desk, event: Any, version: int) -> None:
    """Apply an event of actions."""
    with db.transaction(desk.engine, desk.provider_id) as session:
        got = received(desk, event)
        consumer.HANDLERS[event.TYPE](session, got.__class__(**{**got.__dict__, "version": version}))


def restrict(desk: Desk, incident_id: UUID, **who: Any) -> None:
    """Only for those named."""
    with db.transaction(desk.engine, desk.provider_id) as session:
        restriction.keep(session, "review", provider_id=desk.provider_id, record_id=incident_id, revision=1, **who)


def found(desk: Desk, who: Any, **params: Any) -> list[dict[str, Any]]:
    """What a search finds."""
    answer = desk.api.get("/library", who, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def incident_of(desk: Desk, plan: Any) -> UUID:
    """The incident of a briefing."""
    rows = desk.rows("select incident_id from review.briefing where briefing_id = :id", id=plan.briefing_id)
    return UUID(str(rows[0]["incident_id"]))


def test_learning_is_found_by_words_even_misspelt_and_by_type(desk: Desk, home: UUID) -> None:
    dose = shared(desk, home)
    food = shared(desk, home, CHOKING, category=Category.CHOKING)
    carer = desk.make("carer", locations=[uuid.uuid4()])
    assert [one["briefing_id"] for one in found(desk, carer)] == [str(food.briefing_id), str(dose.briefing_id)]
    for words in ("kitchens", "swalowing", '"swallowing advice"'):
        [hit] = found(desk, carer, q=words)
        assert hit["briefing_id"] == str(food.briefing_id)
        assert hit["because"][0].startswith("nearly these" if words == "swalowing" else "holds these")
    assert found(desk, carer, q="bicycle") == []
    [one] = found(desk, carer, category="choking")
    assert (one["category"], one["learning"]) == ("choking", []), "what the review says is for those who may read it"
    assert found(desk, desk.quality, category="choking")[0]["learning"] == ["One chart prevents double doses"]
    first = desk.api.get("/library", carer, params={"limit": 1}).json()
    assert found(desk, carer, cursor=first["next"])[0]["briefing_id"] == str(dose.briefing_id)


def test_each_shows_what_changed_because_of_it(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    incident, action = incident_of(desk, plan), uuid.uuid4()
    about = {"incident_id": incident, "action_id": action, "cycle": 1}

    def states() -> list[tuple[str | None, str]]:
        return [(one["strength"], one["state"]) for one in found(desk, desk.quality)[0]["changed"]]

    done = ActionDone(**about, attempt=1, evidence_count=1, verify_due_at=desk.clock.now())
    hear(desk, done, 3)
    hear(desk, ActionAgreed(**about, strength=Strength.STRONGER, owner_role=Role.REGISTERED_MANAGER), 1)
    assert states() == [("stronger", "done")], "whatever the order in which it was heard"
    hear(desk, ActionVerified(**about, attempt=1, cycle_complete=True, checkpoints=[]), 4)
    hear(desk, done, 3)
    assert states() == [("stronger", "verified")]
    judged = {"incident_id": incident, "checkpoint_id": uuid.uuid4(), "cycle": 1, "agreed_with_proposal": True}
    hear(desk, ImpactJudged(**judged, verdict=Verdict.SUSTAINED, next_checkpoint=None), 2)
    assert states() == [("stronger", "effective")]
    assert found(desk, desk.quality)[0]["verdict"] == Verdict.SUSTAINED
    note = desk.api.get("/what-changed/2026-06", desk.quality).json()
    assert (note["briefings"], note["actions_verified"], note["actions_effective"]) == (1, 1, 1)


def test_cases_alike_are_found_with_why(desk: Desk, home: UUID) -> None:
    near = shared(desk, home)
    far = shared(desk, home, CHOKING, category=Category.CHOKING)
    opened = desk.open(home)
    other = DRAFT | {"factors": [{"element": "tasks", "description": "No owner"}], "briefing": None}
    desk.api.put(f"{desk.path}/draft", desk.manager, other, version=1)
    answer = desk.api.get("/library/similar", desk.quality, params={"incident_id": str(opened.incident_id)})
    hits = answer.json()["entries"]
    assert [one["briefing_id"] for one in hits] == [str(near.briefing_id), str(far.briefing_id)]
    assert hits[0]["because"][:2] == ["same type: medication", "same factors: tasks"]
    assert hits[1]["because"] == ["same factors: tasks"]
    unseen = {"incident_id": str(uuid.uuid4())}
    assert desk.api.get("/library/similar", desk.quality, params=unseen).status_code == 404
    carer = desk.make("carer", locations=[home])
    assert desk.api.get("/library/similar", carer, params=unseen).status_code == 403


def test_of_a_restricted_incident_there_is_the_briefing_only_and_only_for_its_audience(desk: Desk) -> None:
    home, elsewhere = a_place(desk), a_place(desk)
    plan = shared(desk, home, category=Category.ABUSE_ALLEGATION)
    accused = desk.make("carer", locations=[home])
    restrict(desk, incident_of(desk, plan), roles=["safeguarding_lead"], excluded=[accused.id])
    [entry] = found(desk, desk.make("carer", locations=[home]))
    assert (entry["category"], entry["factors"], entry["learning"]) == (None, [], [])
    assert found(desk, desk.quality)[0]["learning"] == [], "not even for those who approve reviews"
    assert found(desk, desk.make("carer", locations=[elsewhere])) == []
    assert found(desk, accused) == []
    assert found(desk, desk.quality, category="abuse_allegation") == []
    opened = desk.open(elsewhere, category=Category.ABUSE_ALLEGATION)
    hits = desk.api.get("/library/similar", desk.quality, params={"incident_id": str(opened.incident_id)}).json()[
        "entries"
    ]
    assert hits == []


def test_the_note_of_a_month_is_for_a_place(desk: Desk) -> None:
    region = uuid.uuid4()
    north, south = a_place(desk, region_id=region), a_place(desk)
    shared(desk, north, region_id=region)
    desk.clock.advance(timedelta(days=30))
    shared(desk, south, CHOKING)

    def briefings(month: str, who: Any = desk.quality, **params: Any) -> int:
        number: int = desk.api.get(f"/what-changed/{month}", who, params=params).json()["briefings"]
        return number

    assert (briefings("2026-06"), briefings("2026-07"), briefings("2026-08")) == (1, 1, 0)
    assert briefings("2026-06", region_id=str(region)) == 1
    assert briefings("2026-06", location_id=str(south)) == 0
    assert briefings("2026-06", desk.make("carer", locations=[south])) == 0
    assert desk.api.get("/what-changed/2026-13", desk.quality).status_code == 422


def reflection(plan: Any, who: Any, at: UUID, **changes: Any) -> dict[str, Any]:
    """A supervision that took place."""
    return {
        "worker_id": str(who.id), "location_id": str(at), "held_on": "2026-06-08", "topics": [str(plan.briefing_id)],
        "reflections": [{"prompt": "What would you do?", "said": "I was afraid to ask"}], "agreed": "Ask twice", **changes,
    }  # fmt: skip


def test_what_was_said_is_for_two_people_and_the_fact_is_evidence(desk: Desk, home: UUID) -> None:
    plan = shared(desk, home)
    carer, lead = worker(desk, home), desk.make("shift_lead", locations=[home])
    shown = desk.api.get(f"/briefings/{plan.briefing_id}/supervision-prompts", lead).json()["prompts"]
    assert any(BRIEFING["what_changes"] in one for one in shown)
    made = desk.api.post("/supervisions", lead, reflection(plan, carer, home))
    assert made.status_code == 201, made.text
    assert "afraid" not in made.text
    path = f"/supervisions/{made.json()['supervision_id']}"
    for who in (carer, lead):
        assert desk.api.get(path, who).json()["reflections"][0]["said"] == "I was afraid to ask"
    for who in (desk.quality, desk.director, desk.manager, desk.make("shift_lead", locations=[home])):
        assert desk.api.get(path, who).status_code == 404
    facts = desk.api.get("/supervisions", desk.quality, params={"briefing_id": str(plan.briefing_id)})
    assert facts.json()["items"] == [made.json()]
    assert "afraid" not in facts.text
    assert "Ask twice" not in facts.text
    assert desk.api.get("/supervisions", desk.make("shift_lead", locations=[home])).json()["items"] == []
    kept = str(desk.rows("select * from review.audit_entry")) + str(desk.rows("select * from review.outbox"))
    assert "afraid" not in kept
    assert "Ask twice" not in kept
    with db.transaction(desk.engine, uuid.uuid4()) as session:
        for table in ("supervision", "supervision_content"):
            assert session.execute(text(f"select 1 from review.{table}")).all() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"held_on": "2027-01-01"}, "held_on"),
        ({"next_on": "2026-06-01"}, "next_on"),
        ({"location_id": str(uuid.uuid4())}, "location_id"),
        ({"topics": []}, "topics"),
        ({"reflections": []}, "reflections"),
    ],
)
def test_a_supervision_that_cannot_be_is_refused(desk: Desk, home: UUID, change: dict[str, Any], field: str) -> None:
    plan, carer = shared(desk, home, band=Band.LOW), worker(desk, home)
    refused = desk.api.post("/supervisions", desk.manager, reflection(plan, carer, home, **change))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    own = desk.api.post("/supervisions", desk.manager, reflection(plan, desk.manager, home))
    assert own.json()["errors"][0]["field"] == "worker_id"
    assert desk.api.post("/supervisions", carer, reflection(plan, carer, home)).status_code == 403


def test_a_supervision_of_nobody_who_works_there_is_no_evidence(desk: Desk, home: UUID) -> None:
    plan, elsewhere = shared(desk, home, band=Band.LOW), uuid.uuid4()
    for nobody in (desk.make("carer", locations=[home]), worker(desk, elsewhere), worker(desk, home, active=False)):
        refused = desk.api.post("/supervisions", desk.manager, reflection(plan, nobody, home))
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "worker_id")
    assert desk.api.get("/supervisions", desk.quality).json()["items"] == []
