"""The just-culture guide on a real database: restricted, logged, and no part of anything else."""
# ruff: noqa: F811 - fixtures

import json
import uuid
from typing import Any
from uuid import UUID

from services.review.just_culture import guide
from services.runtime import audit, db, restriction
from tests.integration.test_review import Desk, desk, home  # noqa: F401 - fixtures

REASON = "The second check was signed before the round"
THOUGHT = "Nobody meant any harm by signing early"


def _opened(desk: Desk, home: UUID) -> Any:
    desk.open(home)
    answer = desk.api.post(f"{desk.path}/just-culture", desk.manager, {"reason": REASON})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_it_is_for_who_opened_it_and_the_approver_and_each_reading_is_logged(desk: Desk, home: UUID) -> None:
    use = _opened(desk, home)
    path = f"/just-culture/{use['use_id']}"
    peer, lead = desk.make("registered_manager"), desk.make("safeguarding_lead")
    for other in (peer, lead, desk.director):
        assert desk.api.get(path, other).status_code == 404
        assert desk.api.get(f"{path}/audit", other).status_code == 404
        assert desk.api.get(f"{desk.path}/just-culture", other).json()["items"] == []
    assert desk.api.get(path, desk.make("carer")).status_code == 403
    stranger = desk.make("quality_lead", provider=uuid.uuid4())
    assert desk.api.get(path, stranger).status_code == 404
    for reader in (desk.manager, desk.quality):
        assert desk.api.get(path, reader).json()["reason"] == REASON
    [listed] = desk.api.get(f"{desk.path}/just-culture", desk.quality).json()["items"]
    assert (listed["use_id"], "reason" in listed) == (use["use_id"], False)
    chain = desk.api.get(f"{path}/audit", desk.quality).json()
    assert audit.verify(chain) is None
    assert [(e["action"], e["actor"]) for e in chain] == [
        ("guide_opened", str(desk.manager.id)), ("guide_read", str(desk.manager.id)),
        ("guide_read", str(desk.quality.id)),
    ]  # fmt: skip
    assert REASON not in json.dumps(chain)


def test_it_is_worked_through_in_order_by_who_opened_it(desk: Desk, home: UUID) -> None:
    use = _opened(desk, home)
    path, ids = f"/just-culture/{use['use_id']}", [one["id"] for one in use["questions"]]
    assert ids == ["deliberate_harm", "health", "foresight", "substitution", "mitigation"]
    assert "not a decision" in use["about"]
    for wrong in ({ids[1]: THOUGHT}, {ids[0]: THOUGHT, ids[2]: THOUGHT}, {"guilt": THOUGHT}):
        refused = desk.api.put(path, desk.manager, {"answers": wrong}, version=1)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "answers")
        assert THOUGHT not in refused.text
    said = {"answers": {ids[0]: THOUGHT, ids[1]: "Third night in a row"}}
    assert desk.api.put(path, desk.quality, said, version=1).status_code == 404
    written = desk.api.put(path, desk.manager, said, version=1)
    assert (written.status_code, written.headers["ETag"]) == (200, '"2"')
    assert desk.api.put(path, desk.manager, {"answers": {}}, version=1).status_code == 412
    assert [one["answer"] for one in desk.api.get(path, desk.quality).json()["questions"]] == [
        THOUGHT, "Third night in a row", None, None, None,
    ]  # fmt: skip


def test_nothing_of_it_enters_the_review_or_what_is_said(desk: Desk, home: UUID) -> None:
    use = _opened(desk, home)
    said = {"answers": {"deliberate_harm": THOUGHT}}
    assert desk.api.put(f"/just-culture/{use['use_id']}", desk.manager, said, version=1).status_code == 200
    desk.approved()
    [review] = desk.api.get("/reviews", desk.manager).json()["items"]
    incident_id = UUID(review["incident_id"])
    places = [
        desk.api.get(f"{desk.path}{part}", desk.quality).text
        for part in ("", "/submissions", "/records", "/findings", "/method")
    ]
    places.append(desk.api.get(f"/incidents/{incident_id}/audit", desk.quality).text)
    places.append(json.dumps(desk.events(incident_id), default=str))
    for text in places:
        assert THOUGHT not in text
        assert REASON not in text
        assert "guide_" not in text
        assert use["use_id"] not in text
    assert [step["step"] for step in desk.api.get(desk.path, desk.quality).json()["steps"]] == [
        "opened", "drafted", "submitted", "approved",
    ]  # fmt: skip


def test_whom_a_restriction_keeps_away_reads_nothing(desk: Desk, home: UUID) -> None:
    use = _opened(desk, home)
    path = f"/just-culture/{use['use_id']}"
    [review] = desk.api.get("/reviews", desk.manager).json()["items"]
    with db.transaction(desk.engine, desk.provider_id) as session:
        restriction.keep(
            session, "review", provider_id=desk.provider_id, record_id=UUID(review["incident_id"]), revision=1,
            roles=["safeguarding_lead", "nominated_individual"],
        )  # fmt: skip
    for away in (desk.manager, desk.quality):
        assert desk.api.get(path, away).status_code == 404
        assert desk.api.put(path, away, {"answers": {}}, version=1).status_code == 404
    assert desk.api.get(path, desk.make("nominated_individual")).status_code == 200


def test_the_guide_comes_in_versions() -> None:
    assert guide.newest() is guide.shipped()["guide-1"]
