"""Directory: to whom people answer, when they leave, and who covers for them while they are away."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.runtime.actor import Actor
from services.runtime.db import transaction
from tests.conftest import ServiceClient


@pytest.fixture
def directory(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("directory")


@pytest.fixture
def admin(directory: ServiceClient, actor: Any) -> Actor:
    """An administrator whose provider is registered."""
    made: Actor = actor("platform_admin")
    assert directory.post("/providers", made, {"name": "Test Care"}).status_code == 201
    return made


def person(directory: ServiceClient, admin: Actor, **changes: Any) -> Any:
    """Register somebody."""
    return directory.post("/people", admin, {"display_name": "A", "roles": [], **changes})


def told(engine: Engine, provider: UUID, kind: str) -> list[dict[str, Any]]:
    """What others were told, in order."""
    with transaction(engine, provider) as session:
        rows = session.execute(
            text("select data from directory.outbox where type = :type order by seq"), {"type": f"plumbline.{kind}.v1"}
        )
        return [dict(row.data) for row in rows]


def test_the_line_above_somebody_never_leads_back_to_them(
    directory: ServiceClient, admin: Actor, service_engine: Callable[[str], Engine]
) -> None:
    top = person(directory, admin).json()
    below = person(directory, admin, manager_id=top["person_id"], leaves_on="2026-12-24").json()
    assert (below["manager_id"], below["leaves_on"]) == (top["person_id"], "2026-12-24")
    event = told(service_engine("directory"), admin.provider_id, "person.recorded")[-1]
    assert (event["manager_id"], event["leaves_on"]) == (top["person_id"], "2026-12-24")
    change = {"display_name": "A", "roles": [], "manager_id": below["person_id"]}
    for who, refused in ((top, 422), (below, 422)):
        answer = directory.put(f"/people/{who['person_id']}", admin, change, version=who["version"])
        assert answer.status_code == refused
        assert [e["field"] for e in answer.json()["errors"]] == ["manager_id"]
    assert person(directory, admin, manager_id=str(uuid.uuid4())).status_code == 422


def test_an_absence_has_a_cover_and_can_be_ended(
    directory: ServiceClient, admin: Actor, actor: Any, clock: Any, service_engine: Callable[[str], Engine]
) -> None:
    who, cover = (person(directory, admin).json()["person_id"] for _ in range(2))
    path = f"/people/{who}/absences/{uuid.uuid4()}"
    starts = clock.now() + timedelta(days=1)
    body = {"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(days=14)).isoformat(), "cover_id": cover}
    assert directory.put(path, actor("carer"), body).status_code in (403, 404)
    for changes, field in (
        ({"cover_id": who}, "cover_id"),
        ({"cover_id": str(uuid.uuid4())}, "cover_id"),
        ({"ends_at": body["starts_at"]}, "ends_at"),
        ({"ends_at": (starts + timedelta(days=401)).isoformat()}, "ends_at"),
    ):
        refused = directory.put(path, admin, {**body, **changes})
        assert [e["field"] for e in refused.json()["errors"]] == [field]
    made = directory.put(path, admin, body)
    assert made.status_code == 200, made.text
    assert [a["cover_id"] for a in directory.get(f"/people/{who}/absences", admin).json()] == [cover]
    assert directory.put(path, admin, body).status_code == 428
    ended = {**body, "ends_at": (starts + timedelta(hours=1)).isoformat()}
    assert directory.put(path, admin, ended, version=1).json()["version"] == 2
    events = told(service_engine("directory"), admin.provider_id, "absence.recorded")
    assert [(e["person_id"], e["cover_id"], e["revision"]) for e in events] == [(who, cover, 1), (who, cover, 2)]
    clock.advance(timedelta(days=3))
    assert directory.get(f"/people/{who}/absences", admin).json() == []
