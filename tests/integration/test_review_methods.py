"""The forms of the methods on a real database: questions, several people, and what was submitted before."""
# ruff: noqa: F811 - fixtures

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from services.contracts.taxonomy import Band, Category
from services.review.methods import template
from services.review.sharing.store import Improvement
from services.review.thematic.store import KnownIncident
from services.runtime import db
from services.runtime.db import insert_new
from tests.integration.reviewing import answers
from tests.integration.test_review import DRAFT, SECRET, Desk, desk, home  # noqa: F401 - fixtures


def _questions(form: dict[str, Any]) -> list[str]:
    return [question["id"] for stage in form["stages"] for question in stage["questions"]]


def _unanswered(desk: Desk) -> set[str]:
    found = desk.api.get(f"{desk.path}/findings", desk.manager).json()
    return {one["field"] for one in found if one["weakness"] == "unanswered_question"}


def test_a_review_carries_the_form_it_started_with(
    desk: Desk,
    home: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk.open(home, category=Category.CHOKING)
    form = desk.api.get(f"{desk.path}/method", desk.manager).json()
    assert form["template"] == template.newest(desk.plan.method).name
    assert desk.api.get(desk.path, desk.manager).json()["template"] == form["template"]
    newer = template.newest("swarm_huddle")
    monkeypatch.setattr(template, "newest", lambda _: newer)
    assert desk.api.get(f"{desk.path}/method", desk.manager).json() == form
    desk.open(home)
    assert desk.api.get(f"{desk.path}/method", desk.manager).json()["template"] == newer.name


def test_every_question_is_answered_or_set_aside_with_a_reason(desk: Desk, home: UUID) -> None:
    desk.open(home)
    form = desk.api.get(f"{desk.path}/method", desk.manager).json()
    asked = _questions(form)
    assert len(asked) > 5
    assert _unanswered(desk) == {f"answers.{one}" for one in asked}
    for place, question in enumerate(asked):
        body = {"answer": f"Answer {place}"} if place % 2 else {"not_applicable_reason": "Nobody moved"}
        answer = desk.api.put(f"{desk.path}/answers/{question}", desk.manager, body)
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"'), answer.text
    assert _unanswered(desk) == set()
    shown = desk.api.get(f"{desk.path}/method", desk.quality).json()
    assert shown["stages"][0]["questions"][0]["answer"]["not_applicable_reason"] == "Nobody moved"


@pytest.mark.parametrize("body", [{}, {"answer": "Yes", "not_applicable_reason": "No"}, {"answer": " "}])
def test_an_answer_is_one_thing(desk: Desk, home: UUID, body: dict[str, str]) -> None:
    desk.open(home)
    question = _questions(desk.api.get(f"{desk.path}/method", desk.manager).json())[0]
    assert desk.api.put(f"{desk.path}/answers/{question}", desk.manager, body).status_code == 422


def test_several_people_answer_and_nobody_is_overwritten_unseen(desk: Desk, home: UUID) -> None:
    command = desk.open(home)
    lead = desk.make("safeguarding_lead")
    first, second = _questions(desk.api.get(f"{desk.path}/method", desk.manager).json())[:2]
    assert desk.api.put(f"{desk.path}/answers/{first}", desk.manager, {"answer": "One"}).status_code == 200
    assert desk.api.put(f"{desk.path}/answers/{second}", lead, {"answer": SECRET}).status_code == 200
    assert desk.api.put(f"{desk.path}/answers/{first}", lead, {"answer": "Two"}).status_code == 428
    assert desk.api.put(f"{desk.path}/answers/{first}", lead, {"answer": "Two"}, version=1).status_code == 200
    late = desk.api.put(f"{desk.path}/answers/{first}", desk.manager, {"answer": "Three"}, version=1)
    assert (late.status_code, late.headers["ETag"]) == (412, '"2"')
    assert [error["field"] for error in late.json()["errors"]] == ["answer"]
    assert "Three" not in late.text
    assert "Two" not in late.text
    # Who answered is an author, and does not decide.
    drafted = [step["actor_id"] for step in desk.api.get(desk.path, desk.manager).json()["steps"][1:]]
    assert {str(desk.manager.id), str(lead.id)} <= set(drafted)
    assert SECRET not in str(desk.events(command.incident_id))
    kept = desk.api.get(f"/incidents/{command.incident_id}/audit", desk.quality).text
    assert SECRET not in kept


def test_a_late_draft_is_told_which_fields_differ(desk: Desk, home: UUID) -> None:
    desk.open(home)
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=1).status_code == 200
    late = desk.api.put(f"{desk.path}/draft", desk.quality, {**DRAFT, "why": "Another reason"}, version=1)
    assert (late.status_code, late.headers["ETag"]) == (412, '"2"')
    assert [error["field"] for error in late.json()["errors"]] == ["why"]
    assert "Another reason" not in late.text
    assert desk.api.get(desk.path, desk.manager).json()["why"] == DRAFT["why"]


def test_who_may_not(desk: Desk, home: UUID) -> None:
    desk.open(home)
    question = _questions(desk.api.get(f"{desk.path}/method", desk.manager).json())[0]
    address, body = f"{desk.path}/answers/{question}", {"answer": "Yes"}
    carer = desk.make("carer")
    assert desk.api.put(address, carer, body).status_code == 403
    assert desk.api.get(f"{desk.path}/method", carer).status_code == 403
    assert desk.api.get(f"{desk.path}/submissions", carer).status_code == 403
    assert desk.api.put(f"{desk.path}/answers/no_such", desk.manager, body).status_code == 404
    assert desk.api.put(address, desk.manager, body, version=3).status_code == 412
    desk.submitted()
    assert desk.api.put(address, desk.manager, body).status_code == 409


def test_what_was_returned_is_kept_and_the_change_is_shown(desk: Desk, home: UUID) -> None:
    desk.open(home)
    desk.submitted()
    returned = desk.api.post(f"{desk.path}/return", desk.quality, {"reason": "Ask why once more"}, version=3)
    assert returned.status_code == 200
    better = {**DRAFT, "why": "The hospital's chart came with nobody's name to own it."}
    question = _questions(desk.api.get(f"{desk.path}/method", desk.manager).json())[0]
    assert desk.api.put(f"{desk.path}/draft", desk.manager, better, version=4).status_code == 200
    assert desk.api.put(f"{desk.path}/answers/{question}", desk.manager, {"answer": "Yes"}).status_code == 200
    assert desk.api.post(f"{desk.path}/submission", desk.manager, version=5).status_code == 200
    first, second = desk.api.get(f"{desk.path}/submissions", desk.quality).json()["items"]
    assert (first["number"], first["changed"], first["content"]["why"]) == (1, [], DRAFT["why"])
    assert "unanswered_question" in first["findings"]
    changed = {one["field"]: (one["before"], one["after"]) for one in second["changed"]}
    assert changed == {f"answers.{question}.answer": (None, "Yes"), "why": (DRAFT["why"], better["why"])}
    # In pages of one the change is the same.
    page = desk.api.get(f"{desk.path}/submissions?limit=1", desk.quality).json()
    assert page["items"] == [first]
    last = desk.api.get(f"{desk.path}/submissions?limit=1&cursor={page['next']}", desk.quality).json()
    assert last == {"items": [second], "next": None}


def test_a_cause_stands_on_factors_and_learning_on_a_cause(desk: Desk, home: UUID) -> None:
    desk.open(home)
    statement = "Nobody joins the charts"
    loose = {
        **DRAFT,
        "root_causes": [{"statement": statement}, {"statement": statement, "factors": [0, 3]}],
        "learning": [{"statement": "One chart", "answers_cause": 2}],
    }
    assert desk.api.put(f"{desk.path}/draft", desk.manager, loose, version=1).status_code == 200
    refused = desk.api.post(f"{desk.path}/submission", desk.manager, version=2)
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == [
        "root_causes.0.factors", "root_causes.1.factors", "learning.0.answers_cause",
    ]  # fmt: skip
    assert statement not in refused.text
    assert desk.api.put(f"{desk.path}/draft", desk.manager, DRAFT, version=2).status_code == 200
    shown = desk.api.get(desk.path, desk.manager).json()
    assert shown["root_causes"] == DRAFT["root_causes"]
    assert shown["learning"][0]["answers_cause"] == 0
    assert desk.api.post(f"{desk.path}/submission", desk.manager, version=3).status_code == 200


def test_learning_follows_from_the_cause_it_names(desk: Desk, home: UUID) -> None:
    desk.open(home)
    learning = {"statement": "Reconcile before the first dose", "answers_factor": 2}
    weak = {**DRAFT, "root_causes": [{"statement": "Reconciling has no owner", "factors": [1]}], "learning": [learning]}
    address = f"{desk.path}/findings"
    assert desk.api.put(f"{desk.path}/draft", desk.manager, weak, version=1).status_code == 200
    assert "unconnected_learning" in {one["weakness"] for one in desk.api.get(address, desk.manager).json()}
    linked = {**weak, "learning": [{**learning, "answers_cause": 0}]}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, linked, version=2).status_code == 200
    assert "unconnected_learning" not in {one["weakness"] for one in desk.api.get(address, desk.manager).json()}


def test_a_word_suggests_an_element_and_is_kept(desk: Desk, home: UUID) -> None:
    desk.open(home)
    words = {one["word"]: one["elements"] for one in desk.api.get("/factor-words", desk.manager).json()}
    assert desk.api.get("/factor-words", desk.make("carer")).status_code == 403
    assert set(words) == {"staffing", "communication", "environment", "training", "supervision", "recording"}
    factors = [{"word": word, "description": "Seen"} for word in words]
    chosen = {"word": "training", "element": "person", "description": "Seen"}
    body = {**DRAFT, "factors": [*factors, chosen]}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, body, version=1).status_code == 200
    shown = desk.api.get(desk.path, desk.manager).json()["factors"]
    assert [one["element"] for one in shown] == [*(elements[0] for elements in words.values()), "person"]
    assert [one["word"] for one in shown] == [*words, "training"]
    for neither in ({"description": "Seen"}, {"word": "weather"}):
        refused = desk.api.put(f"{desk.path}/draft", desk.manager, {**DRAFT, "factors": [neither]}, version=2)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"].startswith("factors.0")
    late = desk.api.put(f"{desk.path}/draft", desk.manager, body, version=1)
    assert late.status_code == 412
    assert not late.json().get("errors")


def test_aids_are_optional_and_kept_with_the_draft(desk: Desk, home: UUID) -> None:
    desk.open(home)
    whys = [{"problem": "Two charts", "whys": ["Nobody joined them", "It is nobody's task"], "leads_to_factor": 1}]
    barriers = [
        {"barrier": "Check by a second person", "became": "missing", "why": "One on the round", "shows_factor": 9},
        {"barrier": "The chart", "became": "held", "why": None, "shows_factor": None},
    ]
    loose = {**DRAFT, "five_whys": whys, "barriers": barriers}
    assert desk.api.put(f"{desk.path}/draft", desk.manager, loose, version=1).status_code == 200
    refused = desk.api.post(f"{desk.path}/submission", desk.manager, version=2)
    assert [one["field"] for one in refused.json()["errors"]] == ["barriers.0.shows_factor"]
    barriers[0]["shows_factor"] = 2
    assert desk.api.put(f"{desk.path}/draft", desk.manager, loose, version=2).status_code == 200
    shown = desk.api.get(desk.path, desk.quality).json()
    assert (shown["five_whys"], shown["barriers"]) == (whys, barriers)
    late = desk.api.put(f"{desk.path}/draft", desk.quality, {**loose, "five_whys": []}, version=2)
    assert [one["field"] for one in late.json()["errors"]] == ["five_whys"]
    assert desk.api.post(f"{desk.path}/submission", desk.manager, version=3).status_code == 200
    kept = desk.api.get(f"{desk.path}/submissions", desk.quality).json()["items"][0]["content"]
    assert (kept["five_whys"], kept["barriers"]) == (whys, barriers)


def _improvement(desk: Desk, incident_id: UUID, home: UUID, state: str = "open") -> str:
    action_id = uuid.uuid4()
    with db.transaction(desk.engine, desk.provider_id) as session:
        session.add(
            Improvement(
                action_id=action_id, provider_id=desk.provider_id, incident_id=incident_id, cycle=1, strength="stronger",
                state=state, at=desk.clock.now(), revision=1,
            )
        )  # fmt: skip
        insert_new(
            session, KnownIncident, incident_id=incident_id, provider_id=desk.provider_id,
            location_id=home, region_id=None, category="medication", occurred_at=desk.clock.now(),
        )  # fmt: skip
    return str(action_id)


def test_a_known_cause_links_the_work_that_answers_it(desk: Desk, home: UUID) -> None:
    before = desk.open(home).incident_id
    desk.approved()
    learned = desk.api.get(desk.path, desk.manager).json()["learning"][0]["learning_id"]
    action, cancelled = _improvement(desk, before, home), _improvement(desk, before, home, "cancelled")
    command = desk.open(home, band=Band.HIGH)
    assert desk.api.get(desk.path, desk.manager).json()["actions_need"] == "required"
    own = _improvement(desk, command.incident_id, home)
    reason = "The same two charts; the one chart is on its way to every home."
    cause = {"reason": reason, "learning": [learned], "actions": [action], "themes": []}
    for broken in ({**cause, "actions": []}, {**cause, "learning": []}, {**cause, "reason": " "}):
        body = {**DRAFT, "known_cause": broken}
        assert desk.api.put(f"{desk.path}/draft", desk.manager, body, version=1).status_code == 422
    wrong = {**cause, "learning": [learned, str(uuid.uuid4())], "actions": [cancelled, own, action],
             "themes": [str(uuid.uuid4())]}  # fmt: skip
    assert desk.api.put(f"{desk.path}/draft", desk.manager, {**DRAFT, "known_cause": wrong}, version=1).is_success
    refused = desk.api.post(f"{desk.path}/submission", desk.manager, version=2)
    assert [one["field"] for one in refused.json()["errors"]] == [
        "known_cause.learning.1", "known_cause.actions.0", "known_cause.actions.1", "known_cause.themes.0",
    ]  # fmt: skip
    assert desk.api.put(f"{desk.path}/draft", desk.manager, {**DRAFT, "known_cause": cause}, version=2).is_success
    said = answers(desk.api, desk.path, desk.manager)
    assert desk.api.post(f"{desk.path}/submission", desk.manager, said, version=3).is_success
    shown = desk.api.get(desk.path, desk.quality).json()
    assert shown["known_cause"] == cause
    approver = desk.make(shown["approval_role"])
    assert desk.api.post(f"{desk.path}/approval", approver, version=4).is_success
    shown = desk.api.get(desk.path, desk.quality).json()
    assert (shown["actions_needed"], shown["known_cause"]) == (False, cause)
    said = desk.events(command.incident_id)[-1]["data"]
    assert (said["actions_needed"], said["known_learning"], said["known_actions"]) == (False, [learned], [action])
    assert reason not in str(desk.events(command.incident_id))
    assert reason not in desk.api.get(f"/incidents/{command.incident_id}/audit", desk.quality).text


def test_a_known_cause_links_nothing_out_of_sight(desk: Desk, home: UUID, place: Callable[..., UUID]) -> None:
    elsewhere = place("review")
    before = desk.open(elsewhere).incident_id
    theirs, mine = (
        desk.make("registered_manager", locations=[elsewhere]),
        desk.make("registered_manager", locations=[home]),
    )
    desk.approved()
    learned = desk.api.get(desk.path, theirs).json()["learning"][0]["learning_id"]
    action = _improvement(desk, before, elsewhere)
    desk.open(home)
    cause = {"reason": "The same", "learning": [learned], "actions": [action]}
    assert desk.api.put(f"{desk.path}/draft", mine, {**DRAFT, "known_cause": cause}, version=1).is_success
    refused = desk.api.post(f"{desk.path}/submission", mine, version=2)
    assert [one["field"] for one in refused.json()["errors"]] == ["known_cause.learning.0", "known_cause.actions.0"]
    # Once it was shared it is in the library, for everybody.
    desk.send(before)
    assert desk.api.post(f"{desk.path}/submission", mine, version=2).is_success
