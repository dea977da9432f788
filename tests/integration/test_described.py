"""What may be counted across incidents leaves a service as codes and stand-ins: equal for equals, and not to be read."""

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.actions.strength.wording import gist
from services.runtime import db
from services.runtime.pseudonym import stand_ins
from tests.conftest import ServiceClient

PERSON = "6a1f2f0e-9f2c-4a5e-8f4b-0d6d1f1c1a11"


@pytest.fixture
def said(service_engine: Callable[[str], Engine], provider_id: uuid.UUID) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        with db.transaction(service_engine("intake"), provider_id) as session:
            return list(
                session.scalars(
                    text("select data from intake.outbox where type = 'plumbline.incident.described.v1' order by seq")
                )
            )

    return read


def test_an_incident_is_described_in_codes_and_the_same_person_is_known_again(
    client: Callable[[str], ServiceClient],
    place: Callable[..., uuid.UUID],
    actor: Any,
    now: datetime,
    said: Callable[[], list[dict[str, Any]]],
) -> None:
    intake, home, carer = client("intake"), place("intake"), actor("carer")
    body = {
        "location_id": str(home), "occurred_at": now.isoformat(), "category": "medication", "immediate_danger": False,
        "narrative": "Two doses instead of one.", "person_refs": [PERSON],
    }  # fmt: skip
    paths = []
    for _ in range(2):
        made = intake.post("/incidents", carer, body)
        assert made.status_code == 201, made.text
        paths.append(f"/incidents/{made.json()['incident_id']}")
    assert said() == []
    for path in paths:
        answers = {"medicine_class": "insulin", "staff_group": "agency", "medicine": "Lantus for Mrs Example"}
        assert intake.put(f"{path}/answers", carer, {"answers": answers}, version=1).status_code == 200
    first, second = said()
    assert (first["medicine"], first["staff_group"], first["equipment"]) == ("insulin", "agency", None)
    assert first["people"] == second["people"]
    assert re.fullmatch("[0-9a-f]{32}", first["people"][0])
    assert "Example" not in str(first)
    assert PERSON.replace("-", "")[:8] not in str(first)
    wrong = intake.put(f"{paths[0]}/answers", carer, {"answers": {"medicine_class": "Lantus"}}, version=2)
    assert wrong.status_code == 422, wrong.text


def test_a_stand_in_is_of_one_provider_and_one_purpose(service_engine: Callable[[str], Engine]) -> None:
    found = set()
    for provider in (uuid.uuid4(), uuid.uuid4()):
        for purpose in ("person", "wording"):
            with db.transaction(service_engine("intake"), provider) as session:
                once = stand_ins(session, "intake", provider, purpose, ["x"])
                assert once == stand_ins(session, "intake", provider, purpose, ["x", "x"])
                found.add(once[0])
    assert len(found) == 4


def test_the_same_reminder_has_the_same_gist_however_it_is_put() -> None:
    assert gist("Staff reminded to sign the MAR chart") == gist("Remind all staff to sign MAR charts.")
    assert gist("Remind staff to sign the MAR chart") != gist("One chart format in all homes")
    assert gist("All of the staff, again!") == ""
