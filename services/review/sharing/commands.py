"""The use-cases of sharing: learning goes out, and is understood. Each runs in one transaction of the caller.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by the incident and cycle they speak about.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import EventData
from services.contracts.review import BriefingAcknowledged, BriefingReached, BriefingSent
from services.review.commands import SERVICE, Strict
from services.review.domain import MAX_OPTIONS
from services.review.sharing import domain, store
from services.review.sharing.store import Acknowledgement, Briefing, BriefingLocation, Location, visible_briefing
from services.review.store import latest_approved
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.outbox import new_id


class AcknowledgeBriefing(Strict):
    """I read it, and this is my answer."""

    location_id: UUID = Field(description="Where you work: a location of the briefing's audience.")
    answer: Annotated[int, Field(ge=0, lt=MAX_OPTIONS)] = Field(
        description="The place of your answer among the options, counted from 0."
    )


def _record(
    session: Session, actor: Actor, briefing: Briefing, at: datetime, action: str, event: EventData | None, **data: Any
) -> None:
    """Append to the incident's chain and publish, if there is something to say. Data holds codes and digests only."""
    audit.append(
        session,
        SERVICE,
        chain=briefing.incident_id,
        actor=actor,
        action=action,
        subject=briefing.briefing_id,
        at=at,
        data={"cycle": briefing.cycle, **data},
    )
    if event is not None:
        row = outbox.event_row(event, actor=actor, subject=briefing.briefing_id, version=briefing.version, at=at)
        outbox.record(session, SERVICE, row)


def send_briefing(
    session: Session, command: activities.SendBriefing, now: datetime, actor: Actor
) -> activities.BriefingPlan:
    """Send the approved learning to its audience. Once an incident and cycle: again answers the first.

    A cycle that began after reviewing shares what the review before it found. Raises 409 when no review was approved,
    or when the approved one has no briefing.
    """
    known = store.briefing_of(session, command.incident_id, command.cycle)
    if known is not None:
        return _briefing_plan(known)
    review = latest_approved(session, command.incident_id, command.cycle)
    if review is None:
        raise conflict("not-approved", "No review of this incident was approved", "Approve its review first.")
    if review.briefing is None:
        raise conflict("nothing-to-share", "The approved review has no briefing", "It says that none is needed.")
    audience = store.audience_of(session, review)
    briefing_id = new_id()
    sent = insert_new(
        session,
        Briefing,
        briefing_id=briefing_id,
        provider_id=actor.provider_id,
        incident_id=command.incident_id,
        cycle=command.cycle,
        review_id=review.review_id,
        **review.briefing,
        audience=len(audience),
        understood=0,
        target_percent=review.briefing_target_percent,
        sent_at=now,
        due_at=add_working_days(now, review.briefing_working_days),
        version=1,
    )
    briefing = store.briefing_of(session, command.incident_id, command.cycle)
    assert briefing is not None
    if sent:
        session.execute(
            insert(BriefingLocation),
            [
                {
                    "briefing_id": briefing_id,
                    "location_id": location_id,
                    "provider_id": actor.provider_id,
                    "region_id": region_id,
                }
                for location_id, region_id in audience.items()
            ],
        )
        _record(
            session,
            actor,
            briefing,
            now,
            "briefing_sent",
            BriefingSent(
                incident_id=briefing.incident_id,
                briefing_id=briefing_id,
                cycle=briefing.cycle,
                audience=briefing.audience,
                target_percent=briefing.target_percent,
                due_at=briefing.due_at,
            ),
            review_id=review.review_id,
            audience=briefing.audience,
            target_percent=briefing.target_percent,
            due_at=briefing.due_at,
        )
    return _briefing_plan(briefing)


def _briefing_plan(briefing: Briefing) -> activities.BriefingPlan:
    return activities.BriefingPlan(briefing_id=briefing.briefing_id, audience=briefing.audience, due_at=briefing.due_at)


def acknowledge_briefing(
    session: Session, actor: Actor, briefing_id: UUID, command: AcknowledgeBriefing, now: datetime
) -> Acknowledgement:
    """Keep one person's answer. The same answer again changes nothing; a wrong one may be corrected, a right one not (409).

    Answers wait for one another at the briefing's row, so that the one that reaches the target is known, once.
    """
    briefing = visible_briefing(session, actor, briefing_id, lock=True)
    location = session.get(BriefingLocation, (briefing_id, command.location_id))
    if location is None or not actor.sees(location.location_id, location.region_id):
        raise invalid(
            "location_id",
            "is not a location of this briefing at which you work",
            "Give the location you work at. If the briefing did not go there, you have nothing to acknowledge.",
        )
    if command.answer >= len(briefing.options):
        raise invalid("answer", "is not the place of an option", "Give the place of your answer, counted from 0.")
    understood = command.answer == briefing.correct
    known = session.get(Acknowledgement, (briefing_id, actor.id))
    if known is None:
        known = Acknowledgement(
            briefing_id=briefing_id, person_id=actor.id, provider_id=actor.provider_id, attempts=0, first_at=now
        )
        session.add(known)
    elif known.answer == command.answer:
        return known
    elif known.understood:
        raise conflict(
            "already-acknowledged", "You have already answered this rightly", "Your first right answer stands."
        )
    known.location_id, known.answer, known.understood = location.location_id, command.answer, understood
    known.attempts, known.last_at = known.attempts + 1, now
    briefing.version += 1
    _record(
        session,
        actor,
        briefing,
        now,
        "briefing_acknowledged",
        BriefingAcknowledged(
            incident_id=briefing.incident_id,
            briefing_id=briefing_id,
            cycle=briefing.cycle,
            location_id=location.location_id,
            understood=understood,
        ),
        location_id=location.location_id,
        understood=understood,
        attempt=known.attempts,
    )
    if understood and location.understood_at is None:
        location.understood_at = now
        briefing.understood += 1
        _check_reach(session, actor, briefing, now)
    return known


def _check_reach(session: Session, actor: Actor, briefing: Briefing, now: datetime) -> None:
    if briefing.reached_at is not None or not domain.is_reached(
        briefing.understood, briefing.audience, briefing.target_percent
    ):
        return
    briefing.reached_at = now
    percent = domain.reach_percent(briefing.understood, briefing.audience)
    _record(
        session,
        actor,
        briefing,
        now,
        "briefing_reached",
        BriefingReached(
            incident_id=briefing.incident_id,
            briefing_id=briefing.briefing_id,
            cycle=briefing.cycle,
            reach_percent=percent,
        ),
        reach_percent=percent,
    )


def record_location(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a location that directory told of."""
    statement = upsert(Location).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Location.location_id],
            set_={"region_id": values["region_id"], "active": values["active"], "revision": values["revision"]},
            where=Location.revision < values["revision"],
        )
    )
