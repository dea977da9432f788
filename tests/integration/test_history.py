"""What was known on a day of the past, and a projection made anew from the event log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from deploy.local import projection
from services.contracts import intake, reporting, review
from services.contracts.taxonomy import Band, Category, GovernanceKind, MeetingLevel, Role, Stage
from services.contracts.topics import PUBLISHERS
from services.reporting import history
from services.runtime import db, outbox
from services.runtime.outbox import new_id
from tests.integration.test_reporting import Book

DAY = timedelta(days=1)


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], Any]) -> Any:
    return client("reporting")


def commission(book: Book) -> UUID:
    theme_id = new_id()
    book.tell(
        review.ThemeCommissioned(
            theme_id=theme_id, category=Category.FALL, band=Band.HIGH, lead_id=new_id(), region_id=None, signal_id=None,
            locations=[], accept_due_at=book.clock.now() + 3 * DAY, policy_version="default-1",
        )
    )  # fmt: skip
    return theme_id


def test_the_past_is_shown_as_it_was_known_then(book: Book, api: Any, actor: Any, monkeypatch: Any) -> None:
    """What was answered at the time is what is answered later of that time: overview and timeline."""
    lead, home, other = actor("quality_lead"), book.location(), book.location("Other House")
    seen = []

    def look(*incidents: UUID) -> None:
        book.project()
        answers = [api.get(path, lead).json() for path in ("/overview", f"/overview?location_id={other}")]
        told = {incident: api.get(f"/incidents/{incident}/timeline", lead).json() for incident in incidents}
        seen.append((book.clock.now(), answers, told))
        book.clock.advance(2 * DAY)

    first = book.report(home)
    look(first)
    book.triage(first, Band.HIGH)
    book.enter(first, Stage.REVIEWING, 3, due_days=1)
    book.open_review(first, due_days=1)
    theme = commission(book)
    second = book.report(other, category=Category.MEDICATION)
    look(first, second)
    book.enter(first, Stage.ACTING, 4, due_days=3)
    action = book.open_action(first, due_days=1)
    book.tell(intake.IncidentWithdrawn(incident_id=second), 2)
    look(first, second)
    book.do(first, action, verify_days=1)
    book.enter(first, Stage.VERIFYING, 5, due_days=1)
    book.tell(intake.IncidentReopened(incident_id=second, cycle=2, stage=Stage.REVIEWING), 3)
    look(first, second)
    book.verify(first, action)
    book.tell(intake.IncidentClosed(incident_id=first, cycle=1, closed_at=book.clock.now()), 6)
    book.tell(review.ThemeEnded(theme_id=theme), 2)
    look(first, second)

    assert [answers[0]["open_total"] for _, answers, _ in seen] == [1, 2, 1, 2, 1]
    assert [answers[0]["themes_open"] for _, answers, _ in seen] == [0, 1, 1, 1, 0]
    moving = {"last_event_at", "lag_seconds", "governance"}  # of now only
    for at, answers, told in seen:
        as_of = {"as_of": at.isoformat()}
        for path, then in zip(("/overview", f"/overview?location_id={other}"), answers, strict=True):
            again = api.get(path, lead, params=as_of | ({"location_id": str(other)} if "=" in path else {}))
            assert again.status_code == 200, again.text
            assert {k: v for k, v in again.json().items() if k not in moving} == {
                k: v for k, v in then.items() if k not in moving
            }
        for incident, then in told.items():
            assert api.get(f"/incidents/{incident}/timeline", lead, params=as_of).json() == then

    path, before = f"/incidents/{second}/timeline", {"as_of": seen[0][0].isoformat()}
    assert api.get(path, lead, params=before).status_code == 404, "it was not known then"
    assert api.get(path, actor("registered_manager", locations=[home]), params=before).status_code == 404
    future = {"as_of": (book.clock.now() + DAY).isoformat()}
    for asked in ("/overview", path):
        assert api.get(asked, lead, params=future).json()["errors"][0]["field"] == "as_of"
        assert api.get(asked, lead, params={"as_of": "2026-06-08T00:00:00"}).status_code == 422, "without a zone"
    monkeypatch.setattr(history, "MOST_CASES", 1)
    assert api.get("/overview", lead, params={"as_of": seen[1][0].isoformat()}).status_code == 422
    with db.transaction(book.engine, book.provider_id) as session:
        session.execute(text("update reporting.timeline set version = null where incident_id = :id"), {"id": first})
    unknown = api.get(f"/incidents/{first}/timeline", lead, params={"as_of": seen[1][0].isoformat()})
    assert "rebuild" in unknown.json()["errors"][0]["remedy"]


def challenged(book: Book, incident_id: UUID | None) -> None:
    """A meeting challenges somebody, about a case or about none: its events have a key of their own."""
    book.tell(
        reporting.GovernanceItemRaised(
            item_id=new_id(), meeting_id=new_id(), kind=GovernanceKind.CHALLENGE, level=MeetingLevel.BOARD,
            incident_id=incident_id, theme_id=None, owner_id=new_id(), owner_role=Role.REGISTERED_MANAGER,
            due_at=book.clock.now() + timedelta(days=7), policy_version="default-1",
        )
    )  # fmt: skip


def test_the_projection_is_made_anew_from_the_event_log(
    book: Book, api: Any, actor: Any, service_engine: Callable[[str], Engine], monkeypatch: Any
) -> None:
    """What is wrong, and what never arrived, is found by `check`, which changes nothing, and mended by the other."""
    monkeypatch.setattr(projection, "AT_ONCE", 2)
    lead, home = actor("quality_lead"), book.location()
    whole = [book.whole_life(home) for _ in range(2)]
    late = book.report(home)
    commission(book)
    challenged(book, whole[0])
    challenged(book, None)
    for publisher in PUBLISHERS:
        rows = [
            {
                **{name: getattr(one, name) for name in (
                    "event_id", "provider_id", "type", "subject", "key", "version", "occurred_at", "actor", "actor_role",
                    "data",
                )},
                "urgent": False,
            }
            for one in book.told
            if one.topic == f"plumbline.{publisher}"
        ]  # fmt: skip
        if rows:
            with db.transaction(service_engine(publisher), book.provider_id) as session:
                outbox.record(session, publisher, *rows)
    book.project()

    def pictures() -> list[Any]:
        paths = ["/overview", "/incidents", "/themes", *(f"/incidents/{one}/timeline" for one in (*whole, late))]
        return [{k: v for k, v in api.get(path, lead).json().items() if k != "lag_seconds"} for path in paths]

    right = pictures()
    logs = {publisher: service_engine(f"{publisher}_system") for publisher in PUBLISHERS}

    def run(*, check: bool) -> projection.Rebuilt:
        return projection.rebuild(logs, book.engine, book.clock.now(), check=check, only=book.provider_id)

    clean = run(check=True)
    assert (clean.cases, clean.missing, clean.different) == (4, 0, 0)
    assert clean.events == len(book.told) - 1, "a challenge about no case is in no case's history"

    book.tell(intake.IncidentWithdrawn(incident_id=late), 2)
    lost = book.told[-1]
    with db.transaction(service_engine("intake"), book.provider_id) as session:
        outbox.record(session, "intake", outbox.event_row(
            intake.IncidentWithdrawn(incident_id=late), actor=lead, subject=late, version=2, at=lost.occurred_at
        ))  # fmt: skip
    with db.transaction(book.engine, book.provider_id) as session:
        session.execute(text("update reporting.incident set band = 'low' where incident_id = :id"), {"id": whole[0]})
        session.execute(text("update reporting.timeline set version = null"))
    wrong = pictures()
    found = run(check=True)
    assert (found.missing, found.different) == (1, 2)
    assert set(found.different_cases) == {str(whole[0]), str(late)}
    assert pictures() == wrong
    assert run(check=False) == found
    mended = pictures()
    assert mended[3:5] == right[3:5]
    assert mended[5]["incident"]["stage"] == "withdrawn"
    assert book.rows("timeline", "version is null") == []
    with db.transaction(book.engine, book.provider_id) as session:
        assert session.scalar(text("select made_at from reporting.radar_mark")) == book.clock.now()
    assert (run(check=True).missing, run(check=True).different) == (0, 0)
