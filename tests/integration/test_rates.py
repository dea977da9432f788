"""Rates on a real database: month by month for the care that was given, by scope, with what chance explains."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts import directory
from services.contracts.taxonomy import Category, ExposureUnit, Kind
from tests.conftest import ServiceClient
from tests.integration.test_reporting import Book


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("reporting")


def months(book: Book) -> list[date]:
    """The whole months before now, newest last."""
    last = book.clock.now().date().replace(day=1)
    found = []
    for _ in range(16):
        last = (last - timedelta(days=1)).replace(day=1)
        found.append(last)
    return found[::-1]


def care(book: Book, home: UUID, month: date, quantity: int = 900) -> None:
    book.tell(
        directory.ExposureRecorded(
            location_id=home, month=month, unit=ExposureUnit.OCCUPIED_BED_DAYS, quantity=Decimal(quantity), revision=1
        )
    )


def happens(book: Book, home: UUID, month: date, times: int = 1, **values: Any) -> None:
    for day in range(times):
        at = datetime(month.year, month.month, 1 + day, 12, tzinfo=UTC)
        book.report(home, occurred_at=at, **{"category": Category.FALL, **values})


def rates(api: ServiceClient, actor: Any, **query: Any) -> dict[str, Any]:
    answer = api.get("/rates", actor, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_rate_is_of_the_care_that_was_given_and_shows_what_chance_does_not_explain(
    book: Book, api: ServiceClient, actor: Any
) -> None:
    home, other = book.location(), book.location()
    known = months(book)
    for month in known:
        care(book, home, month)
        care(book, other, month, 450)
        happens(book, home, month, 14 if month == known[-1] else 2)
    happens(book, home, known[-1], kind=Kind.NEAR_MISS)
    happens(book, other, known[-1], category=Category.MEDICATION)
    book.project()
    lead = actor("quality_lead")
    found = rates(api, lead)
    assert found["unit"] == "occupied_bed_days"
    assert [one["category"] for one in found["series"]] == [None, "fall", "medication"]
    whole, falls, _ = found["series"]
    assert whole["events"][-1] == 15
    assert whole["chart"]["values"][-1] == pytest.approx(15 / 1350 * 1000, abs=0.001)
    assert whole["chart"]["values"][:8] == [None] * 8
    assert falls["chart"]["outside_limits"][-1]
    assert not any(falls["chart"]["outside_limits"][:-1])
    assert (falls["enough"], falls["says"]) == (True, "concern_high")
    there = rates(api, lead, location_id=str(other))
    assert [sum(one["events"]) for one in there["series"]] == [1, 1]
    assert there["exposure"][-1] == 450
    manager = actor("registered_manager", locations=[other])
    assert rates(api, manager) == there
    assert api.get("/rates", actor("carer")).status_code == 403


def test_a_place_that_sends_no_figures_is_left_out_and_said(book: Book, api: ServiceClient, actor: Any) -> None:
    home, silent = book.location(), book.location()
    known = months(book)
    care(book, home, known[-1])
    happens(book, home, known[-1])
    happens(book, home, known[-2])
    happens(book, silent, known[-1], 3)
    book.project()
    found = rates(api, actor("quality_lead"))
    assert (found["left_out"], sum(found["series"][0]["events"])) == (4, 1)
    assert not found["series"][0]["enough"]
    alone = rates(api, actor("quality_lead"), location_id=str(silent))
    assert (alone["unit"], alone["left_out"], alone["series"][0]["events"][-1]) == (None, 0, 3)
    assert alone["series"][0]["chart"]["values"][-1] == 3


def test_a_day_of_the_past_knows_the_months_before_it(book: Book, api: ServiceClient, actor: Any) -> None:
    home = book.location()
    known = months(book)
    for month in known[-2:]:
        happens(book, home, month)
    book.project()
    lead = actor("quality_lead")
    then = datetime(known[-1].year, known[-1].month, 20, 12, tzinfo=UTC)
    found = rates(api, lead, as_of=then.isoformat())
    assert found["months"][-1] == known[-2].isoformat()
    to_come = (book.clock.now() + timedelta(days=1)).isoformat()
    assert api.get("/rates", lead, params={"as_of": to_come}).status_code == 422
