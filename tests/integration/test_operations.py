"""How each service says that it stands, and the page that shows it."""
# ruff: noqa: F811 - fixtures

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from services.contracts.taxonomy import OPERATORS, Role
from services.runtime import db
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_console_pages import SERVICES, Case, InProcess, case, person  # noqa: F401 - fixtures


@pytest.fixture
def park(service_engine: Callable[[str], Engine]) -> Callable[..., None]:
    """What a consumer does with an event that it cannot apply."""

    def parked(service: str, provider_id: uuid.UUID, *keys: str) -> None:
        with db.transaction(service_engine(service), provider_id) as session:
            for key in keys:
                session.execute(
                    text(
                        f"insert into {service}.parked_event (consumer, event_id, key, provider_id, topic, partition,"
                        " \"offset\", error) values (:consumer, :event, :key, :provider, 't', 0, 0, 'Wrong')"
                    ),
                    {"consumer": f"{service}-main", "event": str(uuid.uuid4()), "key": key, "provider": provider_id},
                )

    return parked


def test_what_waits_and_what_is_held_is_told_of_the_own_provider(
    case: Case, client: Callable[[str], ServiceClient], actor: Any, park: Callable[..., None], clock: MovableClock
) -> None:
    admin, stranger = actor("platform_admin"), actor("platform_admin", provider=uuid.uuid4())
    assert case.intake.get("/operations", admin).json()["waiting"] == {"events": 0, "oldest_at": None}
    case.report()
    first = clock.now()
    clock.advance(timedelta(minutes=5))
    case.report()
    park("intake", admin.provider_id, "a", "a", "b")
    told = case.intake.get("/operations", admin).json()
    assert told["waiting"]["events"] >= 2
    assert told["waiting"]["oldest_at"] == first.isoformat().replace("+00:00", "Z")
    [held] = told["held"]
    assert (held["direction"], held["records"], held["events"]) == ("in", 2, 3)
    other = case.intake.get("/operations", stranger).json()
    assert (other["waiting"]["events"], other["held"]) == (0, [])


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_says_how_it_stands_to_those_who_keep_it_going(
    service: str, client: Callable[[str], ServiceClient], actor: Any
) -> None:
    api = client(service)
    for role in Role:
        assert api.get("/operations", actor(role)).status_code == (200 if role in OPERATORS else 403), role


def test_the_page_names_the_part_that_is_away_and_what_is_held(
    case: Case, person: Any, actor: Any, park: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = actor("quality_lead")
    page = person(lead).open("/administration/operations")
    page.says("Every part answers, and nothing is held.", "No duty to tell somebody outside is late.")
    park("review", lead.provider_id, "a")
    page.open("/administration/operations/now").says("Something needs attention.", "1 event could not be taken in")
    reached = InProcess.request

    def away(self: InProcess, method: str, url: str, **how: Any) -> httpx.Response:
        if url.startswith("http://actions/"):
            raise httpx.ConnectError("away")
        return reached(self, method, url, **how)

    monkeypatch.setattr(InProcess, "request", away)
    page.open("/administration/operations/now").says("does not answer", "1 event could not be taken in")
    page.open("/administration/operations").says("does not answer")


def test_the_page_is_for_those_who_keep_it_going_and_stops_with_the_session(person: Any, actor: Any) -> None:
    manager = person(actor("registered_manager", locations=[uuid.uuid4()]))
    assert manager.open("/administration/operations").status == 403
    assert manager.open("/administration/operations/now").status == 286
    nobody = person(actor("quality_lead"))
    nobody.http.cookies.clear()
    assert nobody.open("/administration/operations/now").status == 286
    assert nobody.html == ""
