"""What was known at a moment of the past: cases made again from the lines of their timelines up to then.

Who may see a case is decided by what holds now, not by what held then; so are the region and the name of a location.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Stage
from services.reporting import consumer, queries
from services.reporting.domain import OPEN_STAGES, Case, ClockKind, Entry, Incident, age_windows, whole_days
from services.reporting.store import (
    INCIDENT,
    LOCATION,
    SAME_CASE,
    THEME,
    TIMELINE,
    visible_case,
    visible_incidents,
    visible_themes,
)
from services.runtime.actor import Actor
from services.runtime.errors import invalid, not_found

_I, _T = INCIDENT.c, TIMELINE.c

MOST_CASES = 10_000
"""More cases than these are not made again for one request: it would take more than some seconds."""

_AT_ONCE = 500


def timeline(
    session: Session, actor: Actor, incident_id: UUID, as_of: datetime, now: datetime, *, limit: int, cursor: str | None
) -> queries.Timeline:
    """The life of an incident as it was known at `as_of`. Raises 404 when it is not in scope or was not known then, and
    422 when `as_of` is later than `now`.
    """
    _in_the_past(as_of, now)
    visible_case(session, actor, incident_id)
    case = next(_cases(session, [incident_id], as_of), None)
    if case is None or case.incident.reported_at is None:
        raise not_found("incident")
    return queries.life(session, case, as_of, limit=limit, cursor=cursor, until=as_of)


def overview(
    session: Session,
    actor: Actor,
    as_of: datetime,
    now: datetime,
    *,
    region_id: UUID | None,
    location_id: UUID | None,
) -> queries.Overview:
    """Where all incidents that were open at `as_of` stood then, as it was known then.

    Raises 422 when `as_of` is later than `now`, or so many were open that they cannot be made again in one request.
    """
    _in_the_past(as_of, now)
    # Whatever ended by then for good was not open then.
    open_then = or_(_I.ended_at.is_(None), _I.ended_at > as_of)
    within = [visible_incidents(actor), open_then, _I.reported_at <= as_of]
    if region_id is not None:
        within.append(_I.region_id == region_id)
    if location_id is not None:
        within.append(_I.location_id == location_id)
    ids = session.scalars(select(_I.incident_id).where(*within).limit(MOST_CASES + 1)).all()
    if len(ids) > MOST_CASES:
        raise invalid("as_of", f"needs more than {MOST_CASES:,} cases", "Ask for one region or one location at a time.")
    cases = (case.incident for case in _cases(session, ids, as_of))
    incidents = [one for one in cases if one.reported_at is not None and not one.ended]
    of_themes = select(THEME.c.incident_id).join(INCIDENT, SAME_CASE)
    theme_ids = session.scalars(of_themes.where(visible_themes(actor), open_then)).all()
    themes = [
        case.incident
        for case in _cases(session, theme_ids, as_of)
        if case.theme is not None and case.theme.commissioned_at is not None and not case.incident.ended
    ]
    by_stage: dict[str | None, list[Incident]] = defaultdict(list)
    for one in incidents:
        by_stage[one.stage].append(one)
    return queries.Overview(
        as_of=as_of,
        open_total=len(incidents),
        by_stage=[_stage_count(stage, by_stage[stage], as_of) for stage in OPEN_STAGES],
        overdue=queries.OverdueCounts(
            **{kind: sum(_ran_out(getattr(one, f"clock_{kind}"), as_of) for one in incidents) for kind in ClockKind}
        ),
        done_but_unverified=sum(one.actions_done for one in incidents),
        awaiting_impact=len(by_stage[Stage.CHECKING]),
        escalations_unacknowledged=sum(one.escalations_unacknowledged for one in incidents),
        themes_open=len(themes),
        themes_overdue=sum(_ran_out(one.earliest_due_at, as_of) for one in themes),
        by_location=_by_location(session, incidents, as_of),
        governance=None,
        last_event_at=max((one.last_event_at for one in incidents if one.last_event_at), default=None),
        lag_seconds=None,
    )


def _in_the_past(as_of: datetime, now: datetime) -> None:
    if as_of > now:
        raise invalid(
            "as_of", "is in the future", "Give a time that has passed, or leave it out for what is known now."
        )


def _cases(session: Session, ids: Collection[UUID], as_of: datetime) -> Iterator[Case]:
    """Those of the cases that were heard of by then."""
    every = list(ids)
    for start in range(0, len(every), _AT_ONCE):
        some = _T.incident_id.in_(every[start : start + _AT_ONCE])
        rows = session.execute(
            select(TIMELINE).where(some, _T.at <= as_of).order_by(_T.incident_id, _T.at, _T.event_id)
        )
        for _, lines in groupby((Entry(**row._mapping) for row in rows), key=lambda line: line.incident_id):
            known = list(lines)
            if any(line.version is None for line in known):
                raise invalid(
                    "as_of",
                    "is of a time of which the projection does not keep enough",
                    "Have an operator make the projection anew (plumbline reporting rebuild), then ask again.",
                )
            yield consumer.case_of(known)


def _ran_out(due_at: datetime | None, as_of: datetime) -> bool:
    return due_at is not None and due_at < as_of


def _stage_count(stage: Stage, incidents: Collection[Incident], as_of: datetime) -> queries.StageCount:
    reported = [one.reported_at for one in incidents if one.reported_at is not None]
    return queries.StageCount(
        stage=stage,
        open=len(incidents),
        overdue=sum(_ran_out(one.earliest_due_at, as_of) for one in incidents),
        oldest_days=whole_days(min(reported), as_of) if reported else None,
        ages={
            window.label: sum(
                (window.after is None or at > window.after) and (window.until is None or at <= window.until)
                for at in reported
            )
            for window in age_windows(as_of)
        },
    )


def _by_location(session: Session, incidents: Collection[Incident], as_of: datetime) -> list[queries.LocationCount]:
    of_place: dict[UUID, list[Incident]] = defaultdict(list)
    for one in incidents:
        if one.location_id is not None:
            of_place[one.location_id].append(one)
    counted = [
        (sum(_ran_out(one.earliest_due_at, as_of) for one in there), len(there), location_id)
        for location_id, there in of_place.items()
    ]
    top = sorted(counted, key=lambda place: (-place[0], -place[1], place[2]))[:10]
    named: ColumnElement[bool] = LOCATION.c.location_id.in_([location_id for _, _, location_id in top])
    rows = session.execute(select(LOCATION.c.location_id, LOCATION.c.name).where(named))
    names = {row.location_id: row.name for row in rows}
    return [
        queries.LocationCount(location_id=location_id, name=names.get(location_id), open=number, overdue=overdue)
        for overdue, number, location_id in top
    ]
