"""What a review is drawn from, who took part, and an answer to each finding, on a real database."""
# ruff: noqa: F811 - fixtures

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.contracts.taxonomy import Band
from services.review.holds.store import keep_hold
from services.review.thematic.store import KnownIncident
from services.runtime import audit, db, restriction
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from tests.integration.reviewing import answers
from tests.integration.test_review import DRAFT, SECRET, Desk, desk, home  # noqa: F401 - fixtures

_NOTED = {"nature": "fact", "source": "record", "what": "The chart was signed"}


def _entry(desk: Desk, hours: float, **values: Any) -> dict[str, Any]:
    return {**_NOTED, "at": (desk.clock.now() - timedelta(hours=hours)).isoformat(), **values}


def _investigation(desk: Desk, home: UUID) -> UUID:
    incident_id = desk.open(home, band=Band.EXTREME, asked_anew=True).incident_id
    assert desk.plan.method == "in_depth_investigation"
    return incident_id


def _missing(desk: Desk) -> set[str]:
    found = desk.api.get(f"{desk.path}/findings", desk.quality).json()
    return {one["field"] for one in found if one["weakness"] == "missing_record"}


def test_the_timeline_is_by_when_it_happened_with_its_gaps(desk: Desk, home: UUID) -> None:
    desk.open(home)
    other = desk.make("safeguarding_lead")
    address = f"{desk.path}/timeline"
    late = desk.api.post(address, desk.manager, _entry(desk, 1, what="The doctor came", analysis="Too late"))
    assert (late.status_code, late.headers["ETag"]) == (201, '"1"')
    first = desk.api.post(address, other, _entry(desk, 3.5, nature="account", source="person", what=SECRET)).json()
    wrong = desk.api.post(address, desk.manager, _entry(desk, 2)).json()
    gone = _entry(desk, 2, withdrawn_reason="It was another day")
    assert desk.api.put(f"{address}/{wrong['entry_id']}", other, gone, version=1).status_code == 200
    shown = desk.api.get(f"{desk.path}/records", desk.quality).json()
    assert [(one["what"], one["nature"], one["minutes_since_previous"]) for one in shown["timeline"]] == [
        (SECRET, "account", None), ("The doctor came", "fact", 150),
    ]  # fmt: skip
    assert shown["timeline"][1]["analysis"] == "Too late"
    assert [(one["entry_id"], one["withdrawn_reason"]) for one in shown["withdrawn"]] == [
        (wrong["entry_id"], "It was another day")
    ]
    assert {one["written_by"] for one in shown["timeline"]} == {str(other.id), str(desk.manager.id)}
    to_come = desk.api.post(address, desk.manager, _entry(desk, -1))
    assert (to_come.status_code, to_come.json()["errors"][0]["field"]) == (422, "at")
    # Two at once: the later one is told what differs, and reads nobody's text in the refusal.
    one = f"{address}/{first['entry_id']}"
    changed = {**_entry(desk, 3.5), "nature": "account", "source": "person"}
    assert desk.api.put(one, desk.manager, {**changed, "what": "Heard a call"}, version=1).status_code == 200
    refused = desk.api.put(one, other, {**changed, "what": "Saw nobody"}, version=1)
    assert (refused.status_code, refused.headers["ETag"]) == (412, '"2"')
    assert [error["field"] for error in refused.json()["errors"]] == ["what"]
    assert "Heard" not in refused.text
    assert desk.api.put(f"{address}/{uuid.uuid4()}", other, changed, version=1).status_code == 404


def test_debriefs_are_dated_from_the_incident_and_advice_from_when_it_was_given(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    address = f"{desk.path}/timeline"
    for hours, mark in ((1000, "advice_given"), (2, "advice_in_plan"), (1, "hot_debrief")):
        assert desk.api.post(address, desk.manager, _entry(desk, hours, marks=mark)).status_code == 201
    assert desk.api.post(address, desk.manager, _entry(desk, 1, marks="lunch")).status_code == 422

    def shown() -> dict[str, Any]:
        found = desk.api.get(f"{desk.path}/records", desk.quality).json()["measured"]
        return {one["mark"]: (one["minutes"], one["own_target_minutes"], one["kept"]) for one in found}

    assert shown() == {"advice_in_plan": (998 * 60, 24 * 60, False)}
    with db.transaction(desk.engine, desk.provider_id) as session:
        insert_new(
            session, KnownIncident, incident_id=incident_id, provider_id=desk.provider_id, location_id=home,
            region_id=None, category="choking", occurred_at=desk.clock.now() - timedelta(hours=1, minutes=40),
        )  # fmt: skip
    assert shown()["hot_debrief"] == (40, 60, True)


def test_people_are_referred_to_and_never_named(desk: Desk, home: UUID) -> None:
    command = desk.open(home)
    address = f"{desk.path}/people"
    person = {"who": "person", "reference": "P1", "part": "Was given it twice"}
    entered = desk.api.post(address, desk.manager, person)
    assert entered.status_code == 201
    for wrong in ({"reference": ""}, {"approach": "declined"}, {"approach": "asked"}, {"reference": "Mrs. Example"}):
        assert desk.api.post(address, desk.manager, {**person, **wrong}).status_code == 422, wrong
    asked = {
        **person, "approach": "asked", "asked_at": desk.clock.now().isoformat(), "asked_how": "With picture cards",
        "questions": "Will it happen again?", "account": SECRET, "account_given": "Picture cards and gestures",
        "told": [{"at": desk.clock.now().isoformat(), "what": "That the chart is one now"}],
    }  # fmt: skip
    one = f"{address}/{entered.json()['involved_id']}"
    said = desk.api.put(one, desk.manager, asked, version=1)
    assert (said.status_code, said.headers["ETag"]) == (200, '"2"')
    assert said.json()["told"][0]["what"] == "That the chart is one now"
    late = desk.api.put(one, desk.quality, {**asked, "questions": "None"}, version=1)
    assert [error["field"] for error in late.json()["errors"]] == ["questions"]
    chain = desk.api.get(f"/incidents/{command.incident_id}/audit", desk.quality).json()
    for told in (chain, desk.events(command.incident_id)):
        assert SECRET not in json.dumps(told, default=str)
    assert audit.verify(chain) is None


def test_who_is_asked_says_it_in_their_own_words_and_sees_nothing_else(desk: Desk, home: UUID) -> None:
    incident_id = _investigation(desk, home)
    carer, other = desk.make("carer", locations=[home]), desk.make("carer", locations=[home])
    address = f"{desk.path}/contributions"
    ask = {"part": "staff_involved", "person_id": str(carer.id), "asks": "What did you see?"}
    asked = desk.api.post(address, desk.quality, ask)
    assert asked.status_code == 201, asked.text
    contribution = f"/contributions/{asked.json()['contribution_id']}"
    [mine] = desk.api.get("/contributions", carer).json()["items"]
    assert (mine["asks"], mine["outcome"]) == ("What did you see?", "asked")
    read = desk.api.get(contribution, carer)
    assert (read.json(), read.headers["ETag"]) == (mine, '"1"')
    assert desk.api.get(contribution, other).status_code == 404
    assert desk.api.get("/contributions", other).json()["items"] == []
    assert desk.api.get(f"{desk.path}/records", carer).status_code == 403
    assert desk.api.put(f"{contribution}/statement", other, {"said": "I"}, version=1).status_code == 404
    desk.clock.advance(timedelta(hours=2))
    said = desk.api.put(f"{contribution}/statement", carer, {"said": SECRET}, version=1)
    assert (said.status_code, said.json()["outcome"]) == (200, "contributed")
    assert desk.api.put(f"{contribution}/statement", carer, {"said": "More"}, version=1).status_code == 412
    # The lead may not rewrite it.
    one = f"{address}/{mine['contribution_id']}"
    asks_more = {**ask, "asks": "And what did you hear?", "outcome": "contributed", "said": SECRET}
    assert desk.api.put(one, desk.quality, asks_more, version=2).status_code == 200
    for rewritten in ({**asks_more, "said": "Nothing"}, {**ask, "outcome": "declined", "reason": "Never mind"}):
        refused = desk.api.put(one, desk.quality, rewritten, version=3)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/own-words")
    [kept] = desk.api.get(f"{desk.path}/records", desk.quality).json()["contributions"]
    assert (kept["said"], kept["said_by"]) == (SECRET, str(carer.id))
    assert kept["contributed_at"] > kept["asked_at"]
    steps = [(s["step"], s["actor_id"]) for s in desk.api.get(desk.path, desk.quality).json()["steps"]]
    assert ("contributed", str(carer.id)) in steps
    chain = desk.api.get(f"/incidents/{incident_id}/audit", desk.quality).json()
    assert [e["data"]["outcome"] for e in chain if e["action"] == "contribution_recorded"] == [
        "asked", "contributed", "contributed",
    ]  # fmt: skip
    assert SECRET not in json.dumps(chain)


@pytest.mark.parametrize(
    "wrong",
    [
        {"described": None}, {"outcome": "declined"}, {"outcome": "contributed"}, {"said": "Early"},
        {"outcome": "unavailable", "reason": " "}, {"part": "the_cook"},
    ],
)  # fmt: skip
def test_a_contribution_is_whole(desk: Desk, home: UUID, wrong: dict[str, Any]) -> None:
    desk.open(home)
    body = {"part": "staff_involved", "described": "The night team", **wrong}
    assert desk.api.post(f"{desk.path}/contributions", desk.manager, body).status_code == 422


def test_who_must_take_part_has_or_it_says_why_not(desk: Desk, home: UUID) -> None:
    _investigation(desk, home)
    assert desk.api.put(f"{desk.path}/draft", desk.quality, DRAFT, version=1).status_code == 200

    def untaken() -> list[str]:
        refused = desk.api.post(f"{desk.path}/submission", desk.quality, version=2)
        assert refused.status_code == 422
        return [error["field"].removeprefix("take_part.") for error in refused.json()["errors"]]

    def says(part: str, outcome: str, **values: Any) -> str:
        body = {"part": part, "described": "Somebody", "outcome": outcome, **values}
        answer = desk.api.post(f"{desk.path}/contributions", desk.quality, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["contribution_id"])

    assert untaken() == ["staff_involved", "registered_manager", "person_or_family", "outside_expertise"]
    waiting = says("staff_involved", "asked")
    says("outside_expertise", "contributed", said="The pump is known for it")
    assert untaken() == ["staff_involved", "registered_manager", "person_or_family"]
    gone = {"part": "staff_involved", "described": "Somebody", "outcome": "unavailable", "reason": "Left the country"}
    assert desk.api.put(f"{desk.path}/contributions/{waiting}", desk.quality, gone, version=1).status_code == 200
    # Whoever wrote it as manager has taken part by that.
    entry = desk.api.post(f"{desk.path}/timeline", desk.manager, _entry(desk, 2))
    assert entry.status_code == 201
    assert untaken() == ["person_or_family"]
    family = {"who": "family_or_friend", "reference": "daughter"}
    person = desk.api.post(f"{desk.path}/people", desk.quality, family).json()["involved_id"]
    assert untaken() == ["person_or_family"]
    declined = {**family, "approach": "declined", "reason": "Wants to be told the outcome only"}
    assert desk.api.put(f"{desk.path}/people/{person}", desk.quality, declined, version=1).status_code == 200
    said = answers(desk.api, desk.path, desk.quality)
    assert desk.api.post(f"{desk.path}/submission", desk.quality, said, version=2).status_code == 200
    assert desk.api.post(f"{desk.path}/timeline", desk.quality, _entry(desk, 2)).status_code == 409


def test_the_method_says_which_records_it_needs(desk: Desk, home: UUID) -> None:
    desk.open(home)
    assert _missing(desk) == set()
    _investigation(desk, home)
    needed = ["terms", "timeline", "people", "statements"]
    assert desk.api.get(f"{desk.path}/method", desk.quality).json()["records"] == needed
    assert _missing(desk) == {f"records.{one}" for one in needed}
    terms = {"to_find_out": "Why two charts were in use", "scope": "From hospital to the second dose"}
    assert desk.api.get(f"{desk.path}/terms", desk.quality).status_code == 404
    written = desk.api.put(f"{desk.path}/terms", desk.quality, terms)
    assert (written.status_code, written.headers["ETag"]) == (200, '"1"')
    read = desk.api.get(f"{desk.path}/terms", desk.quality)
    assert (read.json(), read.headers["ETag"]) == (written.json(), '"1"')
    assert desk.api.put(f"{desk.path}/terms", desk.quality, terms).status_code == 428
    late = desk.api.put(f"{desk.path}/terms", desk.manager, {**terms, "left_out": "Pay"}, version=2)
    assert [error["field"] for error in late.json()["errors"]] == ["left_out"]
    turned = {**terms, "covers_from": desk.clock.now().isoformat(), "covers_until": "2020-01-01T00:00:00Z"}
    assert desk.api.put(f"{desk.path}/terms", desk.quality, turned, version=1).status_code == 422
    assert _missing(desk) == {"records.timeline", "records.people", "records.statements"}
    for hours in (5, 2):
        assert desk.api.post(f"{desk.path}/timeline", desk.quality, _entry(desk, hours)).status_code == 201
    not_asked = {"who": "person", "reference": "P1", "approach": "not_asked", "reason": "In intensive care"}
    assert desk.api.post(f"{desk.path}/people", desk.quality, not_asked).status_code == 201
    told = {"part": "staff_involved", "described": "Night team", "outcome": "contributed", "said": SECRET}
    assert desk.api.post(f"{desk.path}/contributions", desk.quality, told).status_code == 201
    assert _missing(desk) == set()


def test_nobody_is_asked_while_a_hold_stands(desk: Desk, home: UUID) -> None:
    incident_id = _investigation(desk, home)
    carer = desk.make("carer", locations=[home])
    ask = {"part": "staff_involved", "person_id": str(carer.id)}
    asked = desk.api.post(f"{desk.path}/contributions", desk.quality, ask).json()
    with db.transaction(desk.engine, desk.provider_id) as session:
        keep_hold(
            session, provider_id=desk.provider_id, incident_id=incident_id, hold_id=uuid.uuid4(), revision=1,
            waits_for="police", placed_at=desk.clock.now(), look_again_at=None, lifted_at=None,
        )  # fmt: skip
    family = {"who": "family_or_friend", "reference": "daughter"}
    statement = f"/contributions/{asked['contribution_id']}/statement"
    heard = {**family, "account": "She said so"}
    for refused in (
        desk.api.post(f"{desk.path}/contributions", desk.quality, ask),
        desk.api.put(statement, carer, {"said": "I saw it"}, version=1),
        desk.api.post(f"{desk.path}/people", desk.quality, heard),
    ):
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/fact-finding-on-hold")
    # What is known from records, and that the family is told, waits for nobody.
    assert desk.api.post(f"{desk.path}/timeline", desk.quality, _entry(desk, 2)).status_code == 201
    assert desk.api.post(f"{desk.path}/people", desk.quality, family).status_code == 201


def test_records_are_for_those_who_need_to_know(desk: Desk, home: UUID, actor: Callable[..., Actor]) -> None:
    incident_id = desk.open(home).incident_id
    carer = desk.make("carer", locations=[home])
    ask = {"part": "staff_involved", "person_id": str(carer.id), "asks": SECRET}
    asked = desk.api.post(f"{desk.path}/contributions", desk.manager, ask).json()
    elsewhere = actor("registered_manager", locations=[uuid.uuid4()])
    stranger = actor("quality_lead", provider=uuid.uuid4())
    for who in (elsewhere, stranger):
        assert desk.api.get(f"{desk.path}/records", who).status_code == 404
        assert desk.api.post(f"{desk.path}/timeline", who, _entry(desk, 1)).status_code == 404
        assert desk.api.post(f"{desk.path}/contributions", who, ask).status_code == 404
        assert desk.api.put(f"{desk.path}/terms", who, {"to_find_out": "x"}).status_code == 404
    assert desk.api.post(f"{desk.path}/people", carer, {"who": "staff", "reference": "carer"}).status_code == 403
    with db.transaction(desk.engine, desk.provider_id) as session:
        restriction.keep(
            session, "review", provider_id=desk.provider_id, record_id=incident_id, revision=1,
            roles=["safeguarding_lead"], excluded=[carer.id],
        )  # fmt: skip
    assert desk.api.get(f"{desk.path}/records", desk.manager).status_code == 404
    assert desk.api.get(f"{desk.path}/records", desk.make("safeguarding_lead")).status_code == 200
    # Whom it turns out to be about is kept away from what they were asked, too.
    assert desk.api.get("/contributions", carer).json()["items"] == []
    statement = f"/contributions/{asked['contribution_id']}/statement"
    assert desk.api.put(statement, carer, {"said": "I"}, version=1).status_code == 404


def test_whoever_speaks_in_a_review_does_not_approve_it(desk: Desk, home: UUID) -> None:
    desk.open(home)
    ask = {"part": "quality_lead", "person_id": str(desk.quality.id)}
    asked = desk.api.post(f"{desk.path}/contributions", desk.manager, ask).json()
    statement = f"/contributions/{asked['contribution_id']}/statement"
    assert desk.api.put(statement, desk.quality, {"said": "I audited the charts"}, version=1).status_code == 200
    desk.submitted()
    assert desk.api.post(f"{desk.path}/approval", desk.quality, version=3).status_code == 403
    assert desk.api.post(f"{desk.path}/approval", desk.make("quality_lead"), version=3).status_code == 200


def test_each_finding_is_mended_or_answered(desk: Desk, home: UUID) -> None:
    incident_id = desk.open(home).incident_id
    weak = {**DRAFT, "why": "She should have known better."}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, weak, version=1).status_code == 200
    names = [one["finding"] for one in desk.api.get(f"{desk.path}/findings", desk.manager).json()]
    assert "blame.why" in names
    assert len(set(names)) == len(names)
    of_lead = [name for name in names if name.startswith("unanswered")]
    why = "Asked and answered in the room"
    wrong = {"answers": [{"findings": [of_lead[0], "blame.what_happened"], "reason": why}]}
    refused = desk.api.post(f"{desk.path}/submission", desk.manager, wrong, version=2)
    assert [error["field"] for error in refused.json()["errors"]] == ["answers.0.findings.1"]
    said = {"answers": [{"findings": of_lead, "reason": why}]}
    assert desk.api.post(f"{desk.path}/submission", desk.manager, said, version=2).status_code == 200
    left = set(names) - set(of_lead)
    refused = desk.api.post(f"{desk.path}/approval", desk.quality, version=3)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/findings-unanswered")
    assert {error["field"] for error in refused.json()["errors"]} == left
    # Returned: what was blamed is mended, and what was answered belongs to the submission before.
    assert desk.api.post(f"{desk.path}/return", desk.quality, {"reason": "Mend it"}, version=3).status_code == 200
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=4).status_code == 200
    assert desk.api.post(f"{desk.path}/submission", desk.manager, version=5).status_code == 200
    refused = desk.api.post(f"{desk.path}/approval", desk.quality, version=6)
    now = {error["field"] for error in refused.json()["errors"]}
    assert now == {name for name in names if name != "blame.why"}
    reason = "Small and clear; the talk was enough"
    both = {"answers": [{"findings": sorted(now), "reason": reason}]}
    assert desk.api.post(f"{desk.path}/approval", desk.quality, both, version=6).status_code == 200
    first, second = desk.api.get(f"{desk.path}/submissions", desk.quality).json()["items"]
    told = {point["finding"]: point["answer"] for point in first["points"]}
    assert told.keys() == set(names)
    assert told["blame.why"] is None
    assert (told[of_lead[0]]["step"], told[of_lead[0]]["reason"]) == ("submitted", why)
    assert {(p["answer"]["step"], p["answer"]["answered_by"]) for p in second["points"]} == {
        ("approved", str(desk.quality.id))
    }
    chain = desk.api.get(f"/incidents/{incident_id}/audit", desk.quality).json()
    assert [len(e["data"]["answered"]) for e in chain if e["action"] == "review_approved"] == [len(now)]
    for said_outside in (chain, desk.events(incident_id)):
        assert reason not in json.dumps(said_outside, default=str)


def test_what_was_handed_in_keeps_its_records(desk: Desk, home: UUID) -> None:
    desk.open(home)
    entry = desk.api.post(f"{desk.path}/timeline", desk.manager, _entry(desk, 2)).json()
    desk.submitted()
    assert desk.api.post(f"{desk.path}/return", desk.quality, {"reason": "When?"}, version=3).status_code == 200
    address = f"{desk.path}/timeline/{entry['entry_id']}"
    assert desk.api.put(address, desk.manager, _entry(desk, 2, what="Signed twice"), version=1).status_code == 200
    said = answers(desk.api, desk.path, desk.manager)
    assert desk.api.post(f"{desk.path}/submission", desk.manager, said, version=4).status_code == 200
    first, second = desk.api.get(f"{desk.path}/submissions", desk.quality).json()["items"]
    assert first["content"]["records"]["timeline"][entry["entry_id"]]["what"] == _NOTED["what"]
    assert [(one["field"].rsplit(".", 1)[-1], one["after"]) for one in second["changed"]] == [("what", "Signed twice")]
