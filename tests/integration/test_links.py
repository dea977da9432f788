"""Incidents that belong together: offered from other places, linked with a reason, seen from both sides by who may."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, text

from services.runtime import audit
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_details import report


def test_what_is_like_it_elsewhere_is_offered_and_a_link_is_seen_from_both_sides(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    intake, now = client("intake"), clock.now()
    here, there = place("intake"), place("intake")
    carer, manager = actor("carer"), actor("registered_manager", locations=[here])
    elsewhere, lead = actor("registered_manager", locations=[there]), actor("safeguarding_lead")
    long_ago, like_it, other_type = (
        report(intake, carer, there, now - timedelta(days=days), category=category)
        for days, category in ((61, "medication"), (59, "medication"), (1, "fall"))
    )
    hidden = report(intake, carer, there, now - timedelta(days=1), about_staff=[str(uuid.uuid4())])
    mine = report(intake, carer, here, now, kind="near_miss")

    def ids(path: str, who: Any, part: str) -> list[str]:
        return ["/incidents/" + one["incident_id"] for one in intake.get(f"{path}/links", who).json()[part]]

    def link(who: Any, path: str, other: str, relation: str = "same_cause", reason: str = "A changed appointment.") -> Any:  # fmt: skip
        body = {"other_id": other.removeprefix("/incidents/"), "relation": relation, "reason": reason}
        return intake.post(f"{path}/links", who, body)

    assert ids(mine, manager, "similar") == [like_it], "of the type, elsewhere, within 60 days, and never what is restricted"  # fmt: skip
    assert intake.get(f"{mine}/earlier", manager).json()["total"] == 0
    assert link(carer, mine, like_it).status_code == 403
    for wrong in (mine, hidden, f"/incidents/{uuid.uuid4()}"):
        refused = link(manager, mine, wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "other_id")
    assert [e["field"] for e in link(manager, mine, like_it, reason="").json()["errors"]] == ["reason"]
    made = link(manager, mine, like_it)
    assert made.status_code == 201, made.text
    assert ids(mine, manager, "similar") == []
    for path, who, other in ((mine, manager, like_it), (like_it, elsewhere, mine)):
        [seen] = intake.get(f"{path}/links", who).json()["links"]
        assert ("/incidents/" + seen["incident_id"], seen["relation"], seen["reason"]) == (other, "same_cause", "A changed appointment.")  # fmt: skip
        assert seen["linked_by"] == str(manager.id)
        chain = intake.get(f"{path}/audit", who).json()
        assert [entry["action"] for entry in chain].count("linked") == 1
        assert audit.verify(chain) is None
    assert link(elsewhere, like_it, mine).json()["type"] == "/problems/already-linked"
    # What is linked and came before is among what the triager confirms as seen, whatever its age and place.
    assert link(manager, mine, long_ago).status_code == 201
    earlier = intake.get(f"{mine}/earlier", manager).json()
    assert [(one["linked"], one["same_place_and_type"]) for one in earlier["incidents"]] == [(True, False)] * 2
    # Of a restricted one nothing is said to who may not know of it.
    assert link(lead, hidden, other_type, "found_looking").status_code == 201
    assert ids(hidden, lead, "links") == [other_type]
    assert ids(other_type, elsewhere, "links") == []
    assert "linked" not in [e["action"] for e in intake.get(f"{other_type}/audit", elsewhere).json()]
    with transaction(service_engine("intake"), manager.provider_id) as session:
        said = session.scalars(text("select data from intake.outbox where type = 'plumbline.incident.linked.v1'")).all()
    assert len(said) == 5, "one for each side, but none outside what is restricted"
    assert "appointment" not in str(said)
