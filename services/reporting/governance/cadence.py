"""Agendas by themselves, by each provider's cadence, and what a meeting asks for by itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from services.contracts.activities import CompiledMeetings
from services.contracts.taxonomy import MeetingLevel
from services.reporting.governance import challenge, meetings
from services.reporting.governance.domain import occurrence
from services.reporting.governance.meetings import Place
from services.reporting.governance.policy import GovernancePolicy
from services.reporting.governance.store import Meeting
from services.reporting.policy import of_governance
from services.reporting.store import LOCATION
from services.runtime.actor import system
from services.runtime.clock import Clock
from services.runtime.db import run, transaction

BATCH = 25
"""So many agendas are compiled in one activity; the rest in the next."""


def compile_due(engine: Engine, clock: Clock, provider_id: UUID) -> CompiledMeetings:
    """Compile what is due by the provider's cadence, at most `BATCH` agendas, each in a transaction of its own.

    A place that never met is due at once: its first agenda is what the next is compared with. After an interruption
    only the newest occurrence is compiled. The same look again changes nothing.
    """
    with transaction(engine, provider_id) as session:
        rules = of_governance(session, provider_id)
        due, next_at = _due(session, provider_id, rules, clock.now())
    for place, scheduled_at in due[:BATCH]:
        with transaction(engine, provider_id) as session:
            run(session, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reporting.meetings:{provider_id}"])
            if _newest(session, provider_id).get(place) != scheduled_at:
                now, actor = clock.now(), system(provider_id)
                meeting = meetings.compile_meeting(session, actor, rules, place, now, scheduled_at=scheduled_at)
                challenge.ask_for_assurance(session, actor, meeting, now)
    return CompiledMeetings(compiled=len(due[:BATCH]), more=len(due) > BATCH, next_at=next_at)


def _newest(session: Session, provider_id: UUID) -> dict[Place, datetime]:
    """The newest occurrence of each place for which an agenda was compiled."""
    rows = session.execute(
        select(Meeting.level, Meeting.location_id, Meeting.region_id, func.max(Meeting.scheduled_at))
        .where(Meeting.provider_id == provider_id, Meeting.called_by.is_(None))
        .group_by(Meeting.level, Meeting.location_id, Meeting.region_id)
    )
    found: dict[Place, datetime] = {}
    for level, location_id, region_id, at in rows:
        # A location may have moved to another region since.
        place = (MeetingLevel(level), location_id, None if location_id is not None else region_id)
        found[place] = max(at, found.get(place, at))
    return found


def _due(
    session: Session, provider_id: UUID, rules: GovernancePolicy, now: datetime
) -> tuple[list[tuple[Place, datetime]], datetime | None]:
    columns = LOCATION.c
    places = session.execute(
        select(columns.location_id, columns.region_id)
        .where(columns.provider_id == provider_id, columns.active)
        .order_by(columns.location_id)
    ).all()
    if not places:
        return [], None
    of_level: dict[MeetingLevel, list[Place]] = {
        MeetingLevel.SERVICE: [(MeetingLevel.SERVICE, row.location_id, None) for row in places],
        MeetingLevel.REGION: [
            (MeetingLevel.REGION, None, region_id) for region_id in sorted({r.region_id for r in places if r.region_id})
        ],
        MeetingLevel.EXECUTIVE: [(MeetingLevel.EXECUTIVE, None, None)],
        MeetingLevel.BOARD: [(MeetingLevel.BOARD, None, None)],
    }
    newest = _newest(session, provider_id)
    due, following = [], []
    for level, rule in rules.levels.items():
        last = occurrence(now, rule.every_months, rule.day)
        following.append(occurrence(now, rule.every_months, rule.day, after=1))
        due += [(place, last) for place in of_level[level] if place not in newest or newest[place] < last]
    return due, min(following)
