"""The weakness radar on a real database: every weakness shows with the records behind it, and does not show without."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.contracts import actions, directory, intake, review
from services.contracts.taxonomy import Category, ExposureUnit, LocationType, Role, Seips, Strength, Verdict
from services.reporting.radar.policy import Weakness
from services.runtime.outbox import new_id
from tests.conftest import ServiceClient
from tests.integration.test_reporting import Book


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("reporting")


def life(book: Book, home: UUID, number: int, *, weak: bool) -> UUID:
    """An incident whose chain was walked, in the weak way or in the good one. Time passes."""
    at = book.clock.now()
    delay = timedelta(hours=60 if weak else 2)
    incident = book.report(home, occurred_at=at - delay, category=Category.MEDICATION)
    book.tell(
        intake.IncidentTriaged(
            incident_id=incident, cycle=1, actual_harm="low", consequence=3, likelihood=3, score=9, band="moderate",
            by_default=weak, rule="otherwise", policy_version="default-1", overridden=False,
        ),
        2,
    )  # fmt: skip
    review_id = book.open_review(incident, due_days=2)
    book.clock.advance(timedelta(days=5 if weak else 1))
    book.tell(
        review.ReviewApproved(
            incident_id=incident, review_id=review_id, cycle=1, factors=[Seips.PERSON] if weak else [Seips.TASKS],
            learning_count=0 if weak and number % 3 else 1, actions_needed=True, briefing_needed=True,
        ),
        3,
    )  # fmt: skip
    action = new_id()
    book.tell(
        actions.ActionAgreed(
            incident_id=incident, action_id=action, cycle=1, owner_role=Role.REGISTERED_MANAGER,
            strength=Strength.WEAKER if weak else Strength.STRONGER,
        )
    )  # fmt: skip
    now = book.clock.now()
    book.tell(
        actions.ActionDone(
            incident_id=incident, action_id=action, cycle=1, attempt=1, evidence_count=1,
            verify_due_at=now + timedelta(days=1),
        ),
        2,
    )  # fmt: skip
    checkpoint = new_id()
    if not weak:
        book.tell(
            actions.ActionVerified(
                incident_id=incident, action_id=action, cycle=1, attempt=1, cycle_complete=True, checkpoints=[]
            ),
            3,
        )
        book.tell(
            review.BriefingSent(
                incident_id=incident, briefing_id=new_id(), cycle=1, audience=5, target_percent=80, due_at=now
            )
        )
        book.tell(review.BriefingReached(incident_id=incident, briefing_id=new_id(), cycle=1, reach_percent=90), 2)
    else:
        fields = {"incident_id": incident, "obligation_id": new_id(), "recipient": "cqc", "statutory": True}
        known = intake.ObligationLate.model_fields
        values = {name: fields.get(name, "cqc_serious_injury") for name in known}
        book.tell(intake.ObligationLate.model_validate(values | {n: now for n in known if n.endswith("_at")}), 4)
    book.tell(
        actions.ImpactJudged(
            incident_id=incident, checkpoint_id=checkpoint, cycle=1, agreed_with_proposal=True, next_checkpoint=None,
            verdict=Verdict.NO_CHANGE if weak else Verdict.SUSTAINED,
        )
    )  # fmt: skip
    book.tell(intake.IncidentClosed(incident_id=incident, cycle=1, closed_at=now), 5)
    book.clock.advance(timedelta(days=2))
    return incident


def test_every_weakness_shows_where_it_is_and_nowhere_else(book: Book, api: ServiceClient, actor: Any) -> None:
    weak, good, lead = book.location(), book.location(), actor("quality_lead")
    bad = [life(book, weak, number, weak=True) for number in range(14)]
    for number in range(14):
        life(book, good, number, weak=False)
    book.clock.advance(timedelta(days=40))
    book.project()
    answer = api.get("/radar", lead, params={"location_id": str(weak)})
    assert answer.status_code == 200, answer.text
    findings = {one["weakness"]: one for one in answer.json()["findings"]}
    assert set(findings) == set(Weakness)
    assert {name for name, one in findings.items() if not one["weak"]} == set()
    assert findings["blame"]["value"] == 1.0
    assert findings["blame"]["of"] == 14
    healthy = api.get("/radar", lead, params={"location_id": str(good)}).json()["findings"]
    assert [one for one in healthy if one["weak"]] == []
    shown = api.get("/radar/blame/records", lead, params={"location_id": str(weak), "limit": 10}).json()
    rest = api.get("/radar/blame/records", lead, params={"limit": 10, "cursor": shown["next"]}).json()
    ids = [one["incident_id"] for one in shown["items"] + rest["items"]]
    assert sorted(ids) == sorted(map(str, bad))
    for weakness, one in findings.items():
        page = api.get(f"/radar/{weakness}/records", lead, params={"location_id": str(weak), "limit": 100}).json()
        assert len(page["items"]) == one["shown_by"], weakness
    both = {one["weakness"]: one for one in api.get("/radar", lead).json()["findings"]}
    assert both["blame"]["value"] == 0.5
    manager = actor("registered_manager", locations=[good])
    mine = {one["weakness"]: one for one in api.get("/radar", manager).json()["findings"]}
    assert mine["blame"]["shown_by"] == 0
    assert api.get("/radar", actor("carer")).status_code == 403


def test_too_few_records_say_nothing(book: Book, api: ServiceClient, actor: Any) -> None:
    home = book.location()
    life(book, home, 1, weak=True)
    book.clock.advance(timedelta(days=40))
    book.project()
    findings = api.get("/radar", actor("quality_lead")).json()["findings"]
    assert [one for one in findings if one["weak"] or one["enough"]] == []


def test_silence_is_told_from_few_events(book: Book, api: ServiceClient, actor: Any) -> None:
    homes = []
    for number in range(8):
        home = book.location()
        book.told[-1].data["types"] = [LocationType.CARE_HOME]
        homes.append(home)
        for month in (3, 4, 5, 6):
            book.tell(
                directory.ExposureRecorded(
                    location_id=home, month=date(2026, month, 1), unit=ExposureUnit.OCCUPIED_BED_DAYS,
                    quantity=Decimal(900), revision=1,
                )
            )  # fmt: skip
        for count in range(1 if number == 0 else 18 + number % 3):
            book.report(home, occurred_at=book.clock.now() - timedelta(days=4 * count + 1))
    book.project()
    silent = api.get("/radar", actor("quality_lead")).json()["silent"]
    assert [one["location_id"] for one in silent] == [str(homes[0])]
    assert silent[0]["reports"] == 1
    assert silent[0]["expected"] > 10
    assert api.get("/radar", actor("registered_manager", locations=[homes[1]])).json()["silent"] == []
