"""What is imported open is treated as reported; what is closed stays a record."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.intake.commands import ImportedIncident, import_incidents
from services.runtime import audit
from services.runtime.db import transaction
from tests.conftest import ServiceClient
from tests.integration.test_restricted import events, seen


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


@pytest.fixture
def take_over(
    home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> Callable[..., str]:
    """Import one incident twice; its id."""
    importer = actor("platform_admin")

    def run(category: str, **changes: Any) -> str:
        row = ImportedIncident.model_validate(
            {
                "source_ref": str(uuid.uuid4()), "location_id": home, "category": category, "actual_harm": "low",
                "occurred_at": now - timedelta(days=3), "narrative": "From the system before.", **changes,
            }
        )  # fmt: skip
        with transaction(service_engine("intake"), importer.provider_id) as session:
            assert import_incidents(session, importer, "before", [row], now).created == 1
        with transaction(service_engine("intake"), importer.provider_id) as session:
            assert import_incidents(session, importer, "before", [row], now).unchanged == 1
            query = text("select incident_id from intake.incident where import_ref = :ref")
            return str(session.scalar(query, {"ref": row.source_ref}))

    return run


def said(engine: Engine, provider: uuid.UUID, incident_id: str) -> list[str]:
    return [one["type"].split(".", 1)[1] for one in events(engine, provider) if one["key"] == incident_id]


def test_an_open_allegation_is_treated_as_reported(
    take_over: Callable[..., str], intake: ServiceClient, home: uuid.UUID, actor: Any,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    incident_id = take_over("abuse_allegation")
    kinds = said(engine, lead.provider_id, incident_id)
    assert kinds[:2] == ["incident.restricted.v1", "incident.reported.v1"]
    assert kinds.count("incident.reported.v1") == 1
    assert {"safeguarding.opened.v1", "incident.escalation_requested.v1", "obligation.assessed.v1"} <= set(kinds)
    (reported,) = [
        one["data"] for one in events(engine, lead.provider_id) if one["type"] == "plumbline.incident.reported.v1"
    ]
    assert reported["restricted"] is True
    assert seen(intake, incident_id, lead) == (200, True)
    assert seen(intake, incident_id, actor("registered_manager", locations=[home])) == (404, False)
    assert intake.get(f"/incidents/{incident_id}", lead).json()["next_move"] == "safeguarding_lead"
    assert audit.verify(intake.get(f"/incidents/{incident_id}/audit", lead).json()) is None


def test_an_open_death_calls_the_line_and_asks_for_decisions(
    take_over: Callable[..., str], actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    kinds = said(service_engine("intake"), actor("carer").provider_id, take_over("death", actual_harm="fatal"))
    assert {"incident.escalation_requested.v1", "obligation.assessed.v1"} <= set(kinds)
    assert "incident.restricted.v1" not in kinds


@pytest.mark.parametrize("category", ["abuse_allegation", "death"])
def test_a_closed_one_stays_a_record(
    take_over: Callable[..., str], actor: Any, now: datetime, category: str,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    incident_id = take_over(category, closed_at=now - timedelta(days=1))
    assert said(service_engine("intake"), actor("carer").provider_id, incident_id) == ["incident.imported.v1"]
