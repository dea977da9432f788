"""The decision guide for pressure damage: by whom it was filled in, and from which score the authority is told."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.contracts.taxonomy import ObligationOutcome
from services.intake.obligations import policy
from services.intake.obligations.domain import assess
from tests.conftest import ServiceClient

SHIPPED = Path(policy.__file__).parents[1] / "policies" / "obligations.yaml"
NURSE = {"pressure_guide_score": 17, "pressure_guide_by": "registered_nurse", "pressure_guide_by_involved": False}


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (NURSE, None),
        ({**NURSE, "pressure_guide_by_involved": True, "pressure_guide_by_reason": "No other nurse for a week."}, None),
        ({**NURSE, "pressure_guide_by": "other", "pressure_guide_by_reason": "No nurse works here."}, None),
        ({"pressure_guide_score": 17}, "pressure_guide_by"),
        ({**NURSE, "pressure_guide_by_involved": None}, "pressure_guide_by_involved"),
        ({**NURSE, "pressure_guide_by_involved": True}, "pressure_guide_by_reason"),
        ({**NURSE, "pressure_guide_by": "other"}, "pressure_guide_by_reason"),
        ({**NURSE, "pressure_guide_by": "the nurse on duty"}, "pressure_guide_by"),
    ],
)
def test_a_score_counts_by_who_filled_the_guide_in(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, now: datetime,
    facts: dict[str, Any], field: str | None,
) -> None:  # fmt: skip
    intake, manager = client("intake"), actor("registered_manager")
    report = {
        "location_id": str(place("intake")), "occurred_at": (now - timedelta(hours=1)).isoformat(),
        "category": "pressure_damage", "immediate_danger": False, "narrative": "The sacrum has opened.",
    }  # fmt: skip
    incident = f"/incidents/{intake.post('/incidents', manager, report).json()['incident_id']}"
    answer = intake.put(f"{incident}/facts", manager, facts, version=0)
    if field is not None:
        assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
        return
    assert answer.status_code == 200, answer.text
    (row,) = [
        one for one in intake.get(f"{incident}/obligations", manager).json()["obligations"]
        if one["rule"] == "safeguarding-concern"
    ]  # fmt: skip
    assert row["outcome"] == "triggered"
    draft = intake.get(f"/obligations/{row['obligation_id']}/draft", manager)
    assert draft.status_code == 200
    reason = facts.get("pressure_guide_by_reason")
    assert reason is None or reason in draft.text, "the referral says why the guide is not an independent nurse's"


@pytest.mark.parametrize(
    ("wording", "score", "told"),
    [("at_least: 15", 14, False), ("at_least: 15", 15, True), ("over: 15", 15, False), ("over: 15", 16, True)],
)
def test_the_threshold_is_a_setting(tmp_path: Path, wording: str, score: int, told: bool) -> None:
    file = tmp_path / "obligations.yaml"
    shipped = SHIPPED.read_text()
    assert shipped.count("{fact: pressure_guide_score, at_least: 15,") == 1
    file.write_text(shipped.replace("pressure_guide_score, at_least: 15", f"pressure_guide_score, {wording}"))
    facts = {
        "category": "pressure_damage", "pressure_guide_score": score, "abuse_or_allegation": False,
        "neglect_or_omission_possible": False,
    }  # fmt: skip
    found = assess(policy.load(file).rules["safeguarding-concern"], facts)
    assert (found.outcome is ObligationOutcome.TRIGGERED) == told
