"""Reporting on a real database: events in, in any order; lists, timelines, overviews and metrics out."""

import random
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from services.contracts import actions, directory, intake, review
from services.contracts.event import EventData
from services.contracts.taxonomy import (
    Band,
    Category,
    Consequence,
    ExposureUnit,
    Kind,
    Likelihood,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Seips,
    Stage,
    Strength,
    Verdict,
)
from services.contracts.topics import PUBLISHERS
from services.reporting import consumer
from services.reporting.metrics import CaseMetrics
from services.reporting.outcome_metrics import OutcomeCounts
from services.runtime import db
from services.runtime.consumer import Received
from services.runtime.outbox import new_id

TABLES = (
    "incident", "action", "escalation", "checkpoint", "timeline", "location", "exposure", "progress",
)  # fmt: skip
CARER = uuid.uuid4()


class Book:
    """A provider's events, as a test lets them happen."""

    def __init__(self, engine: Engine, provider_id: UUID, clock: Any) -> None:
        self.engine, self.provider_id, self.clock = engine, provider_id, clock
        self.told: list[Received] = []

    def tell(self, told: EventData, version: int = 1, *, by: UUID = CARER, role: str = "carer") -> Received:
        """Something happens now."""
        publisher = next(name for name, events in PUBLISHERS.items() if type(told) in events)
        received = Received(
            event_id=new_id(), type=told.TYPE, provider_id=self.provider_id, subject=told.key, key=told.key,
            version=version, occurred_at=self.clock.now(), actor=str(by), actor_role=role,
            data=told.model_dump(mode="json"), topic=f"plumbline.{publisher}", partition=0, offset=len(self.told),
        )  # fmt: skip
        self.told.append(received)
        return received

    def project(self, events: Sequence[Received] | None = None) -> None:
        """Apply events: all that happened so far unless given."""
        with db.transaction(self.engine, self.provider_id) as session:
            consumer.project(session, self.told if events is None else events)

    def rows(self, table: str, where: str = "true") -> list[Any]:
        """What is kept."""
        with db.transaction(self.engine, self.provider_id) as session:
            return list(session.execute(text(f"select * from reporting.{table} where {where} order by 1, 2, 3")))

    def location(self, name: str = "Test House", *, region_id: UUID | None = None, revision: int = 1) -> UUID:
        """Directory registers a location."""
        location_id = uuid.uuid4()
        self.tell(
            directory.LocationRecorded(
                location_id=location_id, region_id=region_id, cqc_location_id="1-1", name=name, beds=30, active=True,
                revision=revision,
            ),
            revision,
            role="platform_admin",
        )  # fmt: skip
        return location_id

    def report(self, location_id: UUID, *, region_id: UUID | None = None, **values: Any) -> UUID:
        """Somebody reports an incident."""
        now, incident_id = self.clock.now(), new_id()
        self.tell(
            intake.IncidentReported(
                **{
                    "incident_id": incident_id, "location_id": location_id, "region_id": region_id,
                    "kind": Kind.INCIDENT, "category": Category.FALL, "occurred_at": now - timedelta(hours=2),
                    "reported_at": now, "immediate_danger": False, "triage_due_at": now + timedelta(hours=24),
                    **values,
                }
            )
        )  # fmt: skip
        return incident_id

    def triage(self, incident_id: UUID, band: Band = Band.MODERATE, *, version: int = 2) -> None:
        """A manager looks at it."""
        self.tell(
            intake.IncidentTriaged(
                incident_id=incident_id, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=Consequence.MINOR,
                likelihood=Likelihood.POSSIBLE, score=6, band=band, by_default=False, rule="otherwise",
                policy_version="default-1", overridden=False,
            ),
            version,
            role="registered_manager",
        )  # fmt: skip

    def enter(self, incident_id: UUID, stage: Stage, version: int, *, due_days: float | None = None) -> None:
        """The process moves on."""
        due_at = None if due_days is None else self.clock.now() + timedelta(days=due_days)
        self.tell(
            intake.StageEntered(
                incident_id=incident_id, cycle=1, stage=stage, due_at=due_at,
                next_move=None if stage.ended else Role.REGISTERED_MANAGER,
            ),
            version,
            by=UUID(int=0),
            role="service",
        )  # fmt: skip

    def open_review(self, incident_id: UUID, *, due_days: float) -> UUID:
        """Review opens one."""
        review_id = new_id()
        self.tell(
            review.ReviewOpened(
                incident_id=incident_id, review_id=review_id, cycle=1, method=ReviewMethod.AFTER_ACTION,
                lead_role=Role.REGISTERED_MANAGER, due_at=self.clock.now() + timedelta(days=due_days), rule="moderate",
                policy_version="default-1",
            ),
            role="service",
        )  # fmt: skip
        return review_id

    def open_action(self, incident_id: UUID, *, due_days: float) -> UUID:
        """An action is agreed, and its clock starts."""
        action_id = new_id()
        self.tell(
            actions.ActionAgreed(
                incident_id=incident_id, action_id=action_id, cycle=1, strength=Strength.STRONGER,
                owner_role=Role.REGISTERED_MANAGER,
            ),
            1,
        )  # fmt: skip
        self.tell(
            actions.ActionOpened(
                incident_id=incident_id, action_id=action_id, cycle=1, owner_role=Role.REGISTERED_MANAGER,
                due_at=self.clock.now() + timedelta(days=due_days), late=False,
            ),
            2,
        )  # fmt: skip
        return action_id

    def do(self, incident_id: UUID, action_id: UUID, *, verify_days: float = 14) -> None:
        """Its owner says it is done."""
        self.tell(
            actions.ActionDone(
                incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, evidence_count=1,
                verify_due_at=self.clock.now() + timedelta(days=verify_days),
            ),
            3,
            role="registered_manager",
        )  # fmt: skip

    def verify(self, incident_id: UUID, action_id: UUID, *, checkpoint_days: float = 30) -> UUID:
        """Somebody else saw it."""
        checkpoint = actions.PlannedCheckpoint(
            checkpoint_id=new_id(), due_at=self.clock.now() + timedelta(days=checkpoint_days)
        )
        self.tell(
            actions.ActionVerified(
                incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, cycle_complete=True,
                checkpoints=[checkpoint],
            ),
            4,
            role="quality_lead",
        )  # fmt: skip
        return checkpoint.checkpoint_id

    def whole_life(self, location_id: UUID) -> UUID:
        """From report to assured closure, a day between the stages."""
        day = timedelta(days=1)
        incident_id = self.report(location_id)
        self.clock.advance(day)
        self.triage(incident_id)
        self.enter(incident_id, Stage.REVIEWING, 3, due_days=20)
        review_id = self.open_review(incident_id, due_days=20)
        self.clock.advance(day)
        self.tell(review.ReviewSubmitted(incident_id=incident_id, review_id=review_id, cycle=1), 2)
        self.tell(
            review.ReviewApproved(
                incident_id=incident_id, review_id=review_id, cycle=1, factors=[], learning_count=1,
                actions_needed=True, briefing_needed=True,
            ),
            3,
        )  # fmt: skip
        self.enter(incident_id, Stage.ACTING, 4, due_days=10)
        action_id = self.open_action(incident_id, due_days=10)
        self.clock.advance(day)
        self.do(incident_id, action_id)
        self.enter(incident_id, Stage.VERIFYING, 5, due_days=14)
        self.clock.advance(day)
        checkpoint_id = self.verify(incident_id, action_id)
        self.enter(incident_id, Stage.SHARING, 6, due_days=10)
        briefing_id = new_id()
        self.tell(
            review.BriefingSent(
                incident_id=incident_id, briefing_id=briefing_id, cycle=1, audience=3, target_percent=80,
                due_at=self.clock.now() + 10 * day,
            )
        )  # fmt: skip
        self.clock.advance(day)
        self.tell(
            review.BriefingReached(incident_id=incident_id, briefing_id=briefing_id, cycle=1, reach_percent=100), 2
        )
        self.enter(incident_id, Stage.CHECKING, 7, due_days=29)
        self.clock.advance(30 * day)
        self.tell(
            actions.CheckpointMeasured(
                incident_id=incident_id, checkpoint_id=checkpoint_id, cycle=1, events=1, exposure=Decimal("900.5"),
                baseline_events=12, baseline_exposure=Decimal(10000), proposed=Verdict.SUSTAINED, rule="lower",
                decide_due_at=self.clock.now() + 7 * day,
            ),
            2,
        )  # fmt: skip
        self.tell(
            actions.ImpactJudged(
                incident_id=incident_id, checkpoint_id=checkpoint_id, cycle=1, verdict=Verdict.SUSTAINED,
                agreed_with_proposal=True, next_checkpoint=None,
            ),
            3,
            role="quality_lead",
        )  # fmt: skip
        self.enter(incident_id, Stage.CLOSED, 8)
        self.tell(intake.IncidentClosed(incident_id=incident_id, cycle=1, closed_at=self.clock.now()), 8)
        return incident_id


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


@pytest.fixture
def api(client: Callable[[str], Any]) -> Any:
    return client("reporting")


@pytest.fixture
def director(actor: Callable[..., Any]) -> Any:
    return actor("director")


def test_the_timeline_tells_who_did_what_and_when(book: Book, api: Any, director: Any) -> None:
    incident_id = book.whole_life(book.location())
    book.project()
    told = api.get(f"/incidents/{incident_id}/timeline", director).json()
    assert [entry["stage"] for entry in told["stages"]] == [
        "reported", "triaged", "reviewing", "acting", "verifying", "sharing", "checking_impact", "closed",
    ]  # fmt: skip
    assert told["stages"][0]["by"] == str(CARER)
    assert [entry["by_role"] for entry in told["stages"][:3]] == ["carer", "registered_manager", "service"]
    first, last = told["entries"][0], told["entries"][-1]
    assert first["what"] == "Reported an incident: fall. Somebody must look at it by 9 June 2026, 10:00."
    assert (first["at"], first["service"], first["actor_role"]) == ("2026-06-08T09:00:00Z", "intake", "carer")
    assert first["type"] == intake.IncidentReported.TYPE
    assert last["what"] == "Everything is done, checked and measured; it is closed."
    assert [entry["at"] for entry in told["entries"]] == sorted(entry["at"] for entry in told["entries"])
    assert len(told["entries"]) == len(book.told) - 1
    assert (told["clocks"], told["next"], told["more"]) == ([], None, None)
    incident = told["incident"]
    assert (incident["stage"], incident["origin"], incident["band"]) == ("closed", "live", "moderate")
    assert incident["ended_at"] == book.clock.now().isoformat().replace("+00:00", "Z")
    assert incident["review"]["status"] == "approved"
    assert incident["actions"] == {"agreed": 0, "open": 0, "done": 0, "verified": 1}
    assert incident["briefing"]["reach_percent"] == 100
    assert incident["checkpoint"] == {"next_due_at": None, "last_verdict": "improved_and_sustained"}


def test_an_open_case_says_whose_move_it_is_and_which_clocks_run(book: Book, api: Any, director: Any) -> None:
    incident_id = book.report(book.location())
    book.project()
    told = api.get(f"/incidents/{incident_id}/timeline", director).json()
    assert told["next"]["role"] == "registered_manager"
    assert told["next"]["due_at"] == "2026-06-09T09:00:00Z"
    assert "the rules decide" in told["next"]["then"]
    assert told["clocks"] == [
        {"kind": "triage", "what": "A manager looks at it", "due_at": "2026-06-09T09:00:00Z", "overdue": False}
    ]
    book.clock.advance(timedelta(days=2))
    assert api.get(f"/incidents/{incident_id}/timeline", director).json()["clocks"][0]["overdue"] is True

    action_id = book.open_action(incident_id, due_days=3)
    book.enter(incident_id, Stage.ACTING, 4, due_days=3)
    book.project()
    clocks = api.get(f"/incidents/{incident_id}/timeline", director).json()["clocks"]
    assert [clock["what"] for clock in clocks] == ["Make the change (owner: the registered manager)"]
    book.do(incident_id, action_id)
    book.project()
    clocks = api.get(f"/incidents/{incident_id}/timeline", director).json()["clocks"]
    assert "Check the change in practice (owner: the registered manager)" in [clock["what"] for clock in clocks]


def test_a_long_timeline_comes_in_pages(book: Book, api: Any, director: Any) -> None:
    incident_id = book.whole_life(book.location())
    book.project()
    path = f"/incidents/{incident_id}/timeline"
    whole = api.get(path, director).json()["entries"]
    pages, more = [], None
    while True:
        page = api.get(path, director, params={"limit": 4} | ({"cursor": more} if more else {})).json()
        assert len(page["stages"]) == 8
        pages += page["entries"]
        more = page["more"]
        if more is None:
            break
    assert pages == whole


@pytest.mark.parametrize("seed", range(4))
def test_early_late_and_repeated_events_end_in_the_same_picture(book: Book, seed: int) -> None:
    book.whole_life(book.location())
    book.project()
    expected = {table: book.rows(table) for table in TABLES if table != "progress"}
    with db.transaction(book.engine, book.provider_id) as session:
        owner = {"provider_id": book.provider_id}
        assert session.execute(text("select count(*) from reporting.incident"), owner).scalar() == 1

    other = Book(book.engine, uuid.uuid4(), book.clock)
    shuffle = random.Random(seed)
    mixed = [Received(**{**vars(e), "provider_id": other.provider_id, "event_id": new_id()}) for e in book.told]
    mixed += shuffle.sample(mixed, 10)
    shuffle.shuffle(mixed)
    start = 0
    while start < len(mixed):
        step = shuffle.randint(1, 7)
        other.project(mixed[start : start + step])
        start += step
    for table, rows in expected.items():
        drop = {"provider_id", "event_id", "line_no"}
        found = [{k: v for k, v in row._mapping.items() if k not in drop} for row in other.rows(table)]
        wanted = [{k: v for k, v in row._mapping.items() if k not in drop} for row in rows]
        if table == "timeline":
            found, wanted = (sorted(side, key=str) for side in (found, wanted))
        assert found == wanted, table


def test_two_consumers_that_meet_at_an_incident_lose_nothing(book: Book) -> None:
    location_id = book.location()
    for _ in range(6):
        incident_id = book.report(location_id)
        escalation_id = new_id()
        book.tell(
            intake.IncidentEscalated(
                incident_id=incident_id, escalation_id=escalation_id, level=1, reason="high_risk",
                to_role=Role.REGISTERED_MANAGER, to_person=None,
            )
        )  # fmt: skip
    normal = [e for e in book.told if e.type != intake.IncidentEscalated.TYPE]
    urgent = [e for e in book.told if e.type == intake.IncidentEscalated.TYPE]
    barrier = threading.Barrier(2)

    def run(lane: list[Received]) -> None:
        barrier.wait()
        for one in lane:
            book.project([one])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (normal, urgent)))
    rows = book.rows("incident")
    assert len(rows) == 6
    assert {row.escalations_unacknowledged for row in rows} == {1}
    assert {row.kind for row in rows} == {"incident"}


def test_an_incident_is_not_shown_before_its_report_has_arrived(book: Book, api: Any, director: Any) -> None:
    incident_id = book.report(book.location())
    book.triage(incident_id, Band.EXTREME)
    urgent = book.told[-1:]
    book.project(urgent)
    assert api.get("/incidents", director).json()["items"] == []
    assert api.get(f"/incidents/{incident_id}/timeline", director).status_code == 404
    assert api.get("/overview", director).json()["open_total"] == 0
    book.project(book.told[:-1])
    (item,) = api.get("/incidents", director).json()["items"]
    assert (item["stage"], item["band"], item["kind"]) == ("triaged", "extreme", "incident")


def test_the_number_of_statements_does_not_grow_with_the_batch(book: Book) -> None:
    location_id = book.location()
    counts = []
    for size in (3, 60):
        first = len(book.told)
        for _ in range(size):
            book.open_action(book.report(location_id), due_days=5)
        statements: list[str] = []

        def count(_c: Any, _cur: Any, statement: str, *_: Any, seen: list[str] = statements) -> None:
            seen.append(statement)

        event.listen(book.engine, "before_cursor_execute", count)
        try:
            book.project(book.told[first:])
        finally:
            event.remove(book.engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12


def test_lists_filter_and_page(book: Book, api: Any, director: Any) -> None:
    north, south = uuid.uuid4(), uuid.uuid4()
    a, b = book.location("A", region_id=north), book.location("B", region_id=south)
    reported = book.report(a, region_id=north, category=Category.MEDICATION)
    late = book.report(b, region_id=south)
    book.triage(late, Band.HIGH)
    book.enter(late, Stage.REVIEWING, 3, due_days=0.5)
    done = book.report(b, region_id=south)
    book.do(done, book.open_action(done, due_days=5))
    ended = book.report(a, region_id=north)
    book.tell(intake.IncidentWithdrawn(incident_id=ended), 2)
    book.project()
    book.clock.advance(timedelta(days=0.6))

    def found(**params: Any) -> list[str]:
        reply = api.get("/incidents", director, params=params)
        assert reply.status_code == 200, reply.text
        return [item["incident_id"] for item in reply.json()["items"]]

    assert found() == [str(ended), str(done), str(late), str(reported)]
    assert found(stage="reviewing") == [str(late)]
    assert found(stage="withdrawn") == [str(ended)]
    assert found(band="high") == [str(late)]
    assert found(category="medication") == [str(reported)]
    assert found(location_id=a) == [str(ended), str(reported)]
    assert found(region_id=south) == [str(done), str(late)]
    assert found(overdue=True) == [str(late)]
    assert found(overdue=False) == [str(ended), str(done), str(reported)]
    assert found(unverified=True) == [str(done)]
    assert found(unverified=False) == [str(ended), str(late), str(reported)]
    assert found(location_id=uuid.uuid4()) == []
    page = api.get("/incidents", director, params={"limit": 3}).json()
    rest = api.get("/incidents", director, params={"limit": 3, "cursor": page["next"]}).json()
    assert [item["incident_id"] for item in page["items"] + rest["items"]] == found()
    assert rest["next"] is None


def test_the_overview_counts_what_is_open_by_stage_and_age(book: Book, api: Any, director: Any) -> None:
    a, b = book.location("Ash House"), book.location("Birch House")
    day = timedelta(days=1)
    oldest = book.report(a)
    book.clock.advance(60 * day)
    acting = book.report(a)
    book.triage(acting, Band.HIGH)
    book.enter(acting, Stage.ACTING, 3, due_days=20)
    late_action, done_action = book.open_action(acting, due_days=3), book.open_action(acting, due_days=30)
    book.do(acting, done_action, verify_days=4)
    book.tell(
        intake.IncidentEscalated(
            incident_id=acting, escalation_id=new_id(), level=1, reason="overdue", to_role=Role.REGIONAL_MANAGER,
            to_person=None,
        ),
        3,
    )  # fmt: skip
    book.clock.advance(10 * day)
    checking = book.report(b)
    book.verify(checking, book.open_action(checking, due_days=5), checkpoint_days=1)
    book.enter(checking, Stage.CHECKING, 3, due_days=1)
    ended = book.report(b)
    book.tell(intake.IncidentMarkedDuplicate(incident_id=ended, duplicate_of=oldest), 2)
    book.project()
    book.clock.advance(2 * day)

    seen = api.get("/overview", director).json()
    assert seen["as_of"] == "2026-08-19T09:00:00Z"
    assert seen["open_total"] == 3
    by_stage = {item["stage"]: item for item in seen["by_stage"]}
    assert list(by_stage) == [
        "reported", "triaged", "reviewing", "acting", "verifying", "sharing", "checking_impact",
    ]  # fmt: skip
    assert by_stage["reported"] == {
        "stage": "reported", "open": 1, "overdue": 1, "oldest_days": 72,
        "ages": {"0-7": 0, "8-30": 0, "31-90": 1, ">90": 0},
    }  # fmt: skip
    assert by_stage["acting"]["ages"] == {"0-7": 0, "8-30": 1, "31-90": 0, ">90": 0}
    assert by_stage["triaged"] == {
        "stage": "triaged", "open": 0, "overdue": 0, "oldest_days": None,
        "ages": {"0-7": 0, "8-30": 0, "31-90": 0, ">90": 0},
    }  # fmt: skip
    assert seen["overdue"] == {
        "triage": 1, "review": 0, "action": 1, "verification": 1, "briefing": 0, "impact": 1,
    }  # fmt: skip
    assert seen["done_but_unverified"] == 1
    assert seen["awaiting_impact"] == 1
    assert seen["escalations_unacknowledged"] == 1
    assert seen["by_location"] == [
        {"location_id": str(a), "name": "Ash House", "open": 2, "overdue": 2},
        {"location_id": str(b), "name": "Birch House", "open": 1, "overdue": 1},
    ]
    assert seen["last_event_at"] == "2026-08-17T09:00:00Z"
    assert 0 <= seen["lag_seconds"] < 120
    assert api.get("/overview", director, params={"location_id": str(b)}).json()["open_total"] == 1
    assert api.get("/overview", director, params={"region_id": str(uuid.uuid4())}).json()["open_total"] == 0
    assert late_action != done_action


def test_an_empty_provider_has_an_overview(api: Any, director: Any) -> None:
    seen = api.get("/overview", director).json()
    assert (seen["open_total"], seen["by_location"], seen["last_event_at"], seen["lag_seconds"]) == (0, [], None, None)


def test_every_location_with_what_is_open_there(book: Book, api: Any, director: Any) -> None:
    known = sorted([book.location("A"), book.location("B"), book.location("C")])
    book.report(known[1])
    book.do(known_incident := book.report(known[1]), book.open_action(known_incident, due_days=1), verify_days=1)
    book.project()
    book.clock.advance(timedelta(hours=30))
    first = api.get("/locations/overview", director, params={"limit": 2}).json()
    second = api.get("/locations/overview", director, params={"limit": 2, "cursor": first["next"]}).json()
    items = first["items"] + second["items"]
    assert [item["location_id"] for item in items] == [str(location) for location in known]
    assert [(i["open"], i["overdue"], i["done_but_unverified"]) for i in items] == [(0, 0, 0), (2, 2, 1), (0, 0, 0)]
    assert second["next"] is None


def test_scope_and_provider_limit_what_is_seen(book: Book, api: Any, actor: Callable[..., Any]) -> None:
    region = uuid.uuid4()
    mine, other = book.location("Mine", region_id=region), book.location("Other")
    seen, unseen = book.report(mine, region_id=region), book.report(other)
    book.project()
    for insider in (actor("registered_manager", locations=[mine]), actor("regional_manager", regions=[region])):
        assert [i["incident_id"] for i in api.get("/incidents", insider).json()["items"]] == [str(seen)]
        assert api.get(f"/incidents/{seen}/timeline", insider).status_code == 200
        assert api.get(f"/incidents/{unseen}/timeline", insider).status_code == 404
        overview = api.get("/overview", insider).json()
        assert (overview["open_total"], [i["name"] for i in overview["by_location"]]) == (1, ["Mine"])
        assert [i["name"] for i in api.get("/locations/overview", insider).json()["items"]] == ["Mine"]
        assert api.get("/overview", insider, params={"location_id": str(other)}).json()["open_total"] == 0
    board = actor("executive")
    assert api.get("/overview", board).json()["open_total"] == 2
    assert api.get(f"/incidents/{unseen}/timeline", board).status_code == 200
    stranger = actor("director", provider=uuid.uuid4())
    assert api.get(f"/incidents/{seen}/timeline", stranger).status_code == 404
    assert api.get("/incidents", stranger).json()["items"] == []
    assert api.get("/overview", stranger).json()["last_event_at"] is None


def test_a_second_provider_sees_zero_rows_in_every_table(book: Book) -> None:
    location_id = book.location()
    book.whole_life(location_id)
    incident_id = book.report(location_id)
    book.tell(
        intake.IncidentEscalated(
            incident_id=incident_id, escalation_id=new_id(), level=1, reason="high_risk", to_role=Role.DIRECTOR,
            to_person=None,
        )
    )  # fmt: skip
    book.tell(
        directory.ExposureRecorded(
            location_id=location_id, month=date(2026, 5, 1), unit=ExposureUnit.OCCUPIED_BED_DAYS,
            quantity=Decimal("900.5"), revision=1,
        )
    )  # fmt: skip
    book.project()
    for table in TABLES:
        assert book.rows(table), table
        with db.transaction(book.engine, uuid.uuid4()) as session:
            assert session.execute(text(f"select count(*) from reporting.{table}")).scalar() == 0, table


def test_the_newest_revision_of_location_and_exposure_is_kept(book: Book) -> None:
    location_id = uuid.uuid4()

    def location(revision: int) -> EventData:
        return directory.LocationRecorded(
            location_id=location_id, region_id=None, cqc_location_id="1-1", name=f"Name {revision}", beds=revision,
            active=revision < 3, revision=revision,
        )  # fmt: skip

    def exposure(revision: int) -> EventData:
        return directory.ExposureRecorded(
            location_id=location_id, month=date(2026, 5, 1), unit=ExposureUnit.CARE_HOURS, quantity=Decimal(revision),
            revision=revision,
        )  # fmt: skip

    book.project([book.tell(make(revision), revision) for revision in (2, 3, 1) for make in (location, exposure)])
    book.project([book.tell(make(2), 2) for make in (location, exposure)])
    (kept,) = book.rows("location")
    assert (kept.name, kept.beds, kept.active, kept.revision) == ("Name 3", 3, False, 3)
    (month,) = book.rows("exposure")
    assert (month.quantity, month.revision) == (Decimal(3), 3)


def test_an_imported_incident_has_its_two_stages_and_no_clock(book: Book, api: Any, director: Any) -> None:
    incident_id = new_id()
    book.tell(
        intake.IncidentImported(
            incident_id=incident_id, location_id=book.location(), region_id=None, kind=Kind.INCIDENT,
            category=Category.FALL, actual_harm=PhysicalHarm.SEVERE, occurred_at=datetime(1, 1, 1, tzinfo=UTC),
            reported_at=datetime(2024, 3, 1, tzinfo=UTC), closed_at=datetime(2024, 4, 1, tzinfo=UTC),
        ),
        role="quality_lead",
    )  # fmt: skip
    book.project()
    told = api.get(f"/incidents/{incident_id}/timeline", director).json()
    assert [(s["stage"], s["at"]) for s in told["stages"]] == [
        ("reported", "2024-03-01T00:00:00Z"), ("closed", "2024-04-01T00:00:00Z"),
    ]  # fmt: skip
    assert (told["incident"]["origin"], told["incident"]["actual_harm"]) == ("import", "severe")
    assert told["entries"][0]["what"] == "Taken over from an earlier system: an incident, fall, severe harm."
    assert api.get("/overview", director).json()["open_total"] == 0


def test_bad_input_is_a_problem_that_names_the_field(book: Book, api: Any, director: Any, actor: Any) -> None:
    incident_id = book.report(book.location())
    other = book.report(book.location())
    book.project()
    for path, field in (
        ("/incidents?stage=lost", "stage"),
        ("/incidents?band=huge", "band"),
        ("/incidents?overdue=perhaps", "overdue"),
        ("/incidents?limit=0", "limit"),
        ("/incidents?limit=201", "limit"),
        ("/incidents?cursor=%00", "cursor"),
        ("/incidents?location_id=here", "location_id"),
        ("/incidents/x/timeline", "incident_id"),
        (f"/incidents/{incident_id}/timeline?cursor=abcd", "cursor"),
        ("/overview?region_id=1", "region_id"),
        ("/locations/overview?cursor=W10%3D", "cursor"),
    ):
        reply = api.get(path, director)
        assert reply.status_code == 422, path
        assert [problem["field"] for problem in reply.json()["errors"]] == [field], path
    elsewhere = api.get("/incidents", director, params={"limit": 1}).json()["next"]
    assert api.get(f"/incidents/{incident_id}/timeline", director, params={"cursor": elsewhere}).status_code == 422
    assert api.get(f"/incidents/{uuid.uuid4()}/timeline", director).status_code == 404
    for role in ("carer", "shift_lead", "platform_admin"):
        for path in ("/incidents", f"/incidents/{other}/timeline", "/overview", "/locations/overview"):
            assert api.get(path, actor(role)).status_code == 403


def test_an_event_that_cannot_be_read_changes_nothing(book: Book) -> None:
    incident_id = book.report(book.location())
    good = book.told[-1]
    bad = Received(**{**vars(good), "event_id": new_id(), "data": {**good.data, "category": "\u0000"}})
    worse = Received(**{**vars(good), "event_id": new_id(), "data": {"incident_id": [1]}})
    for broken in (bad, worse):
        with pytest.raises((ValueError, AttributeError, TypeError)):
            book.project([*book.told, broken])
        assert book.rows("incident", f"incident_id = '{incident_id}'") == []
    unknown = Received(**{**vars(good), "event_id": new_id(), "type": "plumbline.incident.sung_about.v1"})
    book.project([unknown])
    assert book.rows("timeline") == []


def _samples(metrics: Collector) -> dict[tuple[str, tuple[str, ...]], float]:
    registry = CollectorRegistry(auto_describe=True)
    registry.register(metrics)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_metrics_count_over_all_providers(book: Book, service_engine: Callable[[str], Engine]) -> None:
    metrics = CaseMetrics(service_engine("reporting_system"), book.clock, refresh=0)
    before = _samples(metrics)
    incident_id = book.report(book.location())
    book.triage(incident_id, Band.HIGH)
    book.enter(incident_id, Stage.ACTING, 3, due_days=3)
    book.do(incident_id, book.open_action(incident_id, due_days=3), verify_days=1)
    book.tell(
        intake.IncidentEscalated(
            incident_id=incident_id, escalation_id=new_id(), level=1, reason="high_risk", to_role=Role.DIRECTOR,
            to_person=None,
        )
    )  # fmt: skip
    book.project()
    fresh = _samples(metrics)
    book.clock.advance(timedelta(days=2))
    after = _samples(metrics)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert grown("plumbline_incidents_open", "acting", "high") == 1
    assert grown("plumbline_actions_done_unverified") == 1
    assert grown("plumbline_escalations_unacknowledged") == 1
    overdue = ("plumbline_incidents_overdue", ("verification",))
    assert after[overdue] - fresh[overdue] >= 1
    assert (
        after["plumbline_projection_last_event_timestamp_seconds", ()] >= datetime(2026, 6, 8, tzinfo=UTC).timestamp()
    )
    names = {name for name, _ in after}
    assert {labels for name, labels in after if name == "plumbline_incidents_overdue"} == {
        ("triage",), ("review",), ("action",), ("verification",), ("briefing",), ("impact",),
    }  # fmt: skip
    assert sum(name == "plumbline_incidents_open" for name, _ in after) == 7 * 5
    assert {"plumbline_themes_open", "plumbline_themes_overdue"} <= names
    assert after["plumbline_projection_lag_seconds", ()] >= 0
    assert len(names) == 12


def test_metrics_say_how_old_cases_are_and_what_came_of_them(
    book: Book, service_engine: Callable[[str], Engine]
) -> None:
    metrics = OutcomeCounts(service_engine("reporting_system"), book.clock, refresh=0)
    place = book.location()
    before = _samples(metrics)
    unheard = book.report(place)
    book.triage(unheard, Band.EXTREME)
    for incident_id in (unheard, book.report(place)):  # the second is not of high risk as far as anybody knows
        book.tell(
            intake.IncidentEscalated(
                incident_id=incident_id, escalation_id=new_id(), level=1, reason="high_risk", to_role=Role.DIRECTOR,
                to_person=None,
            )
        )  # fmt: skip
    worse, checkpoint_id = book.report(place), new_id()
    book.triage(worse)
    for version, stage in ((3, Stage.SHARING), (4, Stage.CHECKING)):
        book.enter(worse, stage, version)
    reached, missed = new_id(), new_id()
    for incident_id, briefing_id in ((worse, reached), (unheard, missed)):
        book.tell(
            review.BriefingSent(
                incident_id=incident_id, briefing_id=briefing_id, cycle=1, audience=3, target_percent=80,
                due_at=book.clock.now() + timedelta(days=5),
            )
        )  # fmt: skip
    book.tell(review.BriefingReached(incident_id=worse, briefing_id=reached, cycle=1, reach_percent=90), 2)
    book.tell(
        actions.ImpactJudged(
            incident_id=worse, checkpoint_id=checkpoint_id, cycle=1, verdict=Verdict.WORSE, agreed_with_proposal=True,
            next_checkpoint=None,
        ),
        3,
    )  # fmt: skip
    book.project()
    fresh = _samples(metrics)
    book.clock.advance(timedelta(days=10))
    after = _samples(metrics)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert grown("plumbline_high_risk_unacknowledged") == 1
    assert grown("plumbline_incidents_without_effect") == 1
    by_age = "plumbline_incidents_open_by_age"
    assert fresh[by_age, (Stage.CHECKING, "<7")] - before[by_age, (Stage.CHECKING, "<7")] == 1
    assert after[by_age, (Stage.CHECKING, "7-28")] - fresh[by_age, (Stage.CHECKING, "7-28")] >= 1
    assert sum(name == by_age for name, _ in after) == 7 * 4
    below = ("plumbline_briefings_below_target", ())
    assert after[below] - fresh[below] >= 1
    assert 0 < after["plumbline_learning_reach_ratio", ()] < 1


def test_metrics_fall_silent_without_a_database(clock: Any) -> None:
    nowhere = db.connect("postgresql://nobody:x@127.0.0.1:1/none", application="test")
    assert _samples(CaseMetrics(nowhere, clock)) == {}
    assert _samples(OutcomeCounts(nowhere, clock)) == {}


def test_the_system_role_sees_counts_and_no_ids(book: Book, service_engine: Callable[[str], Engine]) -> None:
    for query in ("select incident_id from reporting.incident", "select * from reporting.timeline"):
        with service_engine("reporting_system").connect() as connection, pytest.raises(DBAPIError, match="denied"):
            connection.execute(text(query))


def test_reviews_are_read_together_by_factor_now_and_before(book: Book, client: Any, actor: Any) -> None:
    home, other = book.location(), book.location()

    def approved(place: UUID, *factors: Seips, restricted: bool = False) -> UUID:
        incident = book.report(place, restricted=restricted)
        book.tell(
            review.ReviewApproved(
                incident_id=incident, review_id=new_id(), cycle=1, factors=list(factors), learning_count=1,
                actions_needed=False, briefing_needed=False,
            ),
            3,
        )  # fmt: skip
        return incident

    for _ in range(3):
        approved(home, Seips.PERSON)
    book.clock.advance(timedelta(days=30))
    mine = [approved(home, Seips.ORGANISATION, Seips.PERSON), approved(other, Seips.ORGANISATION)]
    approved(home, Seips.ORGANISATION, restricted=True)
    book.clock.advance(timedelta(minutes=1))
    book.project()
    api, lead = client("reporting"), actor("quality_lead")
    answer = api.get("/reviews/together", lead, params={"days": 20})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["reviews"], found["reviews_before"]) == (2, 3)
    assert [one["factor"] for one in found["factors"][:2]] == ["organisation", "person"]
    organisation, person = found["factors"][:2]
    assert (organisation["reviews"], organisation["share"], organisation["services"]) == (2, 1.0, 2)
    assert (organisation["share_before"], organisation["chance"] < 0.05) == (0.0, True)
    assert organisation["incidents"] == sorted(map(str, mine), reverse=True)
    assert (person["reviews"], person["reviews_before"]) == (1, 3)
    assert len(found["factors"]) == len(Seips), "also what nobody named"
    narrow = api.get("/reviews/together", lead, params={"days": 20, "location_id": str(other)}).json()
    assert (narrow["reviews"], narrow["factors"][0]["services"]) == (1, 1)
    assert api.get("/reviews/together", actor("carer")).status_code == 403
