"""Commissioners' contracts: kept in directory, heard of by intake, and used where nobody answered for the incident."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.intake import consumer
from services.runtime.actor import Actor
from services.runtime.consumer import Received
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_directory import a_location, register
from tests.integration.test_obligations import Case


@pytest.fixture
def directory(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("directory")


@pytest.fixture
def case(
    client: Callable[[str], ServiceClient],
    service_engine: Callable[[str], Engine],
    clock: MovableClock,
    place: Callable[..., uuid.UUID],
    actor: Callable[..., Actor],
) -> Case:
    return Case(client("intake"), service_engine("intake"), clock, place("intake"), actor)


def a_contract(**changes: Any) -> dict[str, Any]:
    return {
        "commissioner": "E08000035", "categories": ["missed_visit"], "hours": 24, "starts_on": "2026-01-01", **changes,
    }  # fmt: skip


def heard(case: Case, **changes: Any) -> None:
    """What intake makes of directory's event."""
    data = {
        "contract_id": str(uuid.uuid4()), "location_id": str(case.home), "ends_on": None,
        "revision": 1, **a_contract(), **changes,
    }  # fmt: skip
    received = Received(
        event_id=uuid.uuid4(), type="plumbline.contract.recorded.v1", provider_id=case.manager.provider_id,
        subject=data["contract_id"], version=data["revision"], occurred_at=case.clock.now(), actor="x", actor_role="x", topic="directory", partition=0, offset=0,
        key=data["location_id"], data=data,
    )  # fmt: skip
    with transaction(case.engine, case.manager.provider_id) as session:
        consumer.HANDLERS[received.type](session, received)


def test_a_contract_is_kept_told_of_and_changed(
    directory: ServiceClient, actor: Any, service_engine: Callable[[str], Engine]
) -> None:
    admin, quality = actor("platform_admin"), actor("quality_lead")
    register(directory, admin, "/providers", name="Test Care")
    home, other = (register(directory, admin, "/locations", **a_location())["location_id"] for _ in range(2))
    path = f"/locations/{home}/contracts/{uuid.uuid4()}"
    assert directory.put(path, actor("registered_manager"), a_contract()).status_code == 403
    wrong = directory.put(path, quality, a_contract(ends_on="2025-12-31"))
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "ends_on")
    made = directory.put(path, quality, a_contract())
    assert (made.status_code, made.headers["ETag"]) == (200, '"1"'), made.text
    assert directory.put(path, quality, a_contract(hours=4)).status_code == 428
    assert directory.put(path, quality, a_contract(hours=4), version=1).json()["hours"] == 4
    taken = path.replace(home, other)
    assert directory.put(taken, quality, a_contract(), version=2).json()["type"] == "/problems/id-taken"
    listed = directory.get(
        f"/locations/{home}/contracts", actor("registered_manager", locations=[uuid.UUID(home)])
    ).json()
    assert [one["hours"] for one in listed["items"]] == [4]
    stranger = actor("registered_manager", locations=[uuid.uuid4()])
    assert directory.get(f"/locations/{home}/contracts", stranger).status_code == 404
    with transaction(service_engine("directory"), quality.provider_id) as session:
        query = "select data from directory.outbox where type = 'plumbline.contract.recorded.v1' order by seq"
        assert [row["hours"] for row in session.scalars(text(query))] == [24, 4]


def test_the_contract_of_the_place_gives_its_hours_without_an_answer(case: Case) -> None:
    heard(case, hours=4)
    case.reported("missed_visit").triaged("low")
    row = case.row("commissioner")
    assert (row["outcome"], row["must_decide"]) == ("triggered", True)
    assert row["provider_target_at"] == (case.clock.now() + timedelta(hours=4)).isoformat().replace("+00:00", "Z")
    fields = case.intake.get(f"/obligations/{row['obligation_id']}/draft", case.manager).json()["fields"]
    assert {f["name"]: f["value"] for f in fields}["commissioner_contract_hours"] == "4"


def test_an_answer_for_the_incident_goes_before_the_contract(case: Case) -> None:
    heard(case, hours=4)
    case.reported("missed_visit")
    case.answers(commissioner_contract_requires=True, commissioner_contract_hours=12)
    row = case.row("commissioner")
    assert row["provider_target_at"] == (case.clock.now() + timedelta(hours=12)).isoformat().replace("+00:00", "Z")
    case.reported("missed_visit")
    case.answers(commissioner_contract_requires=False)
    assert [one["outcome"] for one in case.rows("commissioner")] in ([], ["not_triggered"])


def test_whose_when_and_what_the_contract_is_about_decides(case: Case) -> None:
    heard(case, hours=24, commissioner="LEEDS")
    heard(case, hours=2, commissioner="YORK")
    heard(case, hours=1, ends_on="2026-02-01")
    heard(case, hours=1, location_id=str(uuid.uuid4()))
    heard(case, hours=1, categories=["death"])

    def hours(*authorities: str) -> timedelta:
        case.reported("missed_visit")
        people = [{"code": f"P{number}", "local_authority": one} for number, one in enumerate(authorities)]
        case.answers(people=people, work_related=False)
        [row] = [row for row in case.rows("commissioner") if row["outcome"] == "triggered"]
        return datetime.fromisoformat(row["provider_target_at"]) - datetime.fromisoformat(row["aware_at"])

    assert hours("LEEDS") == timedelta(hours=24), "each council has its own contract"
    case.reported("fall").triaged("low")
    assert case.rows("commissioner") == []


def test_each_commissioner_whose_contract_asks_is_told_by_its_own_hours(case: Case) -> None:
    for commissioner, hours in (("LEEDS", 24), ("YORK", 2), ("YORK", 12), ("HULL", 48)):
        heard(case, hours=hours, commissioner=commissioner)

    def rows() -> dict[str, tuple[float, float]]:
        found = {}
        for row in case.rows("commissioner"):
            if row["outcome"] != "triggered":
                continue
            due, since = (datetime.fromisoformat(row[name]) for name in ("provider_target_at", "aware_at"))
            fields = case.intake.get(f"/obligations/{row['obligation_id']}/draft", case.manager).json()["fields"]
            drafted = {f["name"]: f["value"] for f in fields}["commissioner_contract_hours"]
            found[row["authority"]] = ((due - since).total_seconds() / 3600, float(drafted))
        return found

    case.reported("missed_visit")
    assert rows() == {"LEEDS": (24, 24), "YORK": (2, 2), "HULL": (48, 48)}, "while nobody says whose, all of the place"  # fmt: skip
    case.answers(people=[{"code": "P1", "local_authority": "LEEDS"}, {"code": "P2", "local_authority": "YORK"}])
    [hull] = [row for row in case.rows("commissioner") if row["authority"] == "HULL"]
    assert (hull["state"], hull["must_decide"]) == ("no_longer_indicated", False)
    leeds = next(row for row in case.rows("commissioner") if row["authority"] == "LEEDS")
    path = f"/obligations/{leeds['obligation_id']}"
    assert case.intake.post(f"{path}/decision", case.manager, {"decision": "notify"}, version=leeds["version"]).is_success  # fmt: skip
    assert rows()["LEEDS"] == (24, 24), "deciding for one leaves its own time"
    case.answers(commissioner_contract_hours=6)
    assert rows() == {"LEEDS": (6, 6), "YORK": (6, 6)}, "an answer for the incident goes before the contracts"


def test_the_newest_revision_counts_whatever_the_order(case: Case) -> None:
    same = {"contract_id": str(uuid.uuid4())}
    heard(case, hours=6, revision=2, **same)
    heard(case, hours=48, revision=1, **same)
    with transaction(case.engine, case.manager.provider_id) as session:
        assert session.scalar(text("select hours from intake.contract")) == 6
