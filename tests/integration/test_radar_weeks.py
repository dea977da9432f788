"""What the radar adds up by weeks is what it counts from the incidents, whatever happened, in whatever order, and when."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.contracts import actions, intake, review
from services.contracts.taxonomy import Category, Role, Seips, Strength, Verdict
from services.reporting import consumer
from services.reporting.radar import weeks
from services.runtime import db
from services.runtime.actor import Actor
from services.runtime.outbox import new_id
from tests.integration.test_reporting import Book


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


def readers(book: Book, home: UUID, region: UUID) -> list[Actor]:
    """Somebody who sees all, some, and what is restricted."""

    def one(role: str, **scope: Any) -> Actor:
        return Actor(id=new_id(), provider_id=book.provider_id, roles=frozenset({role}), **scope)

    return [
        one("director", all_locations=True),
        one("safeguarding_lead", all_locations=True),
        one("registered_manager", locations=frozenset({home})),
        one("regional_manager", regions=frozenset({region})),
    ]


def check(book: Book, actors: list[Actor], home: UUID) -> bool:
    """With and without weeks the same is counted. Answers whether there were weeks."""
    now = book.clock.now()
    there = False
    for actor in actors:
        for location_id in (None, home) if actor.all_locations else (None,):
            with db.transaction(book.engine, book.provider_id) as session:
                there |= weeks._mark(session, book.provider_id, now) is not None
                fast = dict(weeks.counts(session, actor, now, location_id=location_id, region_id=None))
                weeks.forget(session, book.provider_id)
                slow = dict(weeks.counts(session, actor, now, location_id=location_id, region_id=None))
                session.rollback()
            assert fast == slow
    return there


def happen(book: Book, chance: random.Random, homes: list[tuple[UUID, UUID]]) -> None:
    """One life, of any shape: parts of it early, late, restricted, twice, never finished."""
    home, region = chance.choice(homes)
    at = book.clock.now()
    incident = book.report(
        home, region_id=region, occurred_at=at - timedelta(hours=chance.choice([1, 30, 24 * 9, -20])),
        category=chance.choice([Category.FALL, Category.MEDICATION]), restricted=chance.random() < 0.1,
    )  # fmt: skip
    if chance.random() < 0.3:
        roles = chance.choice([[Role.SAFEGUARDING_LEAD], [Role.DIRECTOR], []])
        book.tell(
            intake.IncidentRestricted(
                incident_id=incident, revision=chance.choice([1, 2]), roles=roles, people=[], excluded=[]
            )
        )
    book.triage(incident)
    if chance.random() < 0.3:
        rung = new_id()
        book.tell(
            intake.IncidentEscalated(
                incident_id=incident, escalation_id=rung, level=1, reason="high_risk", to_role=Role.ON_CALL_MANAGER,
                to_person=None,
            )
        )  # fmt: skip
        if chance.random() < 0.5:
            book.clock.advance(timedelta(hours=chance.choice([1, 30])))
            book.tell(intake.EscalationAcknowledged(incident_id=incident, escalation_id=rung, level=1))
    review_id = book.open_review(incident, due_days=chance.choice([1, 10, 40]))
    book.clock.advance(timedelta(days=chance.choice([0, 2, 20])))
    if chance.random() < 0.8:
        book.tell(
            review.ReviewApproved(
                incident_id=incident, review_id=review_id, cycle=1, learning_count=chance.choice([0, 1]),
                factors=[chance.choice([Seips.PERSON, Seips.TASKS])], actions_needed=True, briefing_needed=True,
            ),
            3,
        )  # fmt: skip
    for _ in range(chance.choice([0, 1, 2])):
        action = new_id()
        strength = chance.choice([Strength.WEAKER, Strength.STRONGER])
        owner = Role.REGISTERED_MANAGER
        book.tell(
            actions.ActionAgreed(incident_id=incident, action_id=action, cycle=1, owner_role=owner, strength=strength)
        )
        if chance.random() < 0.7:
            due = book.clock.now() + timedelta(days=chance.choice([1, 30]))
            book.tell(
                actions.ActionDone(
                    incident_id=incident, action_id=action, cycle=1, attempt=1, evidence_count=1, verify_due_at=due
                ),
                2,
            )
    if chance.random() < 0.3:
        verdict = chance.choice([Verdict.NO_CHANGE, Verdict.SUSTAINED])
        book.tell(
            actions.ImpactJudged(
                incident_id=incident, checkpoint_id=new_id(), cycle=1, agreed_with_proposal=True, next_checkpoint=None,
                verdict=verdict,
            )
        )  # fmt: skip
    end = chance.random()
    if end < 0.6:
        book.tell(intake.IncidentClosed(incident_id=incident, cycle=1, closed_at=book.clock.now()), 5)
    elif end < 0.75:
        book.tell(intake.IncidentWithdrawn(incident_id=incident), 5)


@pytest.mark.parametrize("seed", range(3))
def test_weeks_count_what_the_incidents_count(book: Book, seed: int) -> None:
    chance = random.Random(seed)
    region = new_id()
    homes = [(book.location(region_id=region), region), (book.location(region_id=None), new_id())]
    actors = readers(book, homes[0][0], region)
    waiting: list[Any] = []
    with_weeks, applied = 0, []
    for _ in range(10):
        before = len(book.told)
        for _ in range(chance.choice([1, 3])):
            happen(book, chance, homes)
        waiting += book.told[before:]
        chance.shuffle(waiting)
        some = chance.randrange(len(waiting) + 1)
        applied += waiting[:some]
        book.project(waiting[:some])
        waiting = waiting[some:]
        step = chance.random()
        with db.transaction(book.engine, book.provider_id) as session:
            if step < 0.6:
                weeks.keep_weeks(session, book.provider_id, book.clock.now())
            elif step < 0.75:
                consumer.rebuild(session, applied)
        book.clock.advance(timedelta(days=chance.choice([0, 0.5, 3, 40])))
        with_weeks += check(book, actors, homes[0][0])
    book.project(waiting)
    check(book, actors, homes[0][0])
    assert with_weeks > 2
    assert book.rows("radar_week")


def test_a_week_that_nothing_touched_is_not_added_up_again(book: Book) -> None:
    chance = random.Random(1)
    region = new_id()
    homes = [(book.location(region_id=region), region)]
    for _ in range(5):
        happen(book, chance, homes)
        book.clock.advance(timedelta(days=60))
    book.project()
    with db.transaction(book.engine, book.provider_id) as session:
        assert weeks.keep_weeks(session, book.provider_id, book.clock.now()) > 0
        assert weeks.keep_weeks(session, book.provider_id, book.clock.now()) == 0


def test_the_radar_reads_weeks_and_not_each_incident(book: Book) -> None:
    """A week that is wrong on purpose shows in the answer: it is read. What was heard of since is not."""
    region = new_id()
    home = book.location(region_id=region)
    chance = random.Random(2)
    for _ in range(4):
        happen(book, chance, [(home, region)])
    book.clock.advance(timedelta(days=60))
    book.project()
    director = readers(book, home, region)[0]
    now = book.clock.now()

    def late() -> int:
        with db.transaction(book.engine, book.provider_id) as session:
            return int(weeks.counts(session, director, now, location_id=None, region_id=None)["of_late_to_report"])

    with db.transaction(book.engine, book.provider_id) as session:
        weeks.keep_weeks(session, book.provider_id, now)
    before = late()
    assert before > 0
    with db.transaction(book.engine, book.provider_id) as session:
        session.execute(text("delete from reporting.radar_week"))
    assert late() == 0
    with db.transaction(book.engine, book.provider_id) as session:
        consumer.rebuild(session, book.told)
    assert late() == before
