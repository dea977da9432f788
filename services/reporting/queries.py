"""What reporting answers, by query. Every query is limited to the caller's scope and told what time it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, and_, func, not_, or_, select, true, tuple_
from sqlalchemy.orm import Session

from services.contracts import intake, review
from services.contracts.taxonomy import (
    Band,
    Category,
    Kind,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Stage,
    ThemeStage,
    Verdict,
)
from services.reporting import wording
from services.reporting.domain import (
    OPEN_STAGES,
    STAGE_OF_THEME,
    THEME_STAGE,
    AgeWindow,
    Case,
    ClockKind,
    ReviewStatus,
    age_windows,
    whole_days,
)
from services.reporting.governance.oversight import Waiting, waiting
from services.reporting.store import (
    INCIDENT,
    LOCATION,
    PROGRESS,
    SAME_CASE,
    THEME,
    TIMELINE,
    visible_case,
    visible_incidents,
    visible_locations,
    visible_theme,
    visible_themes,
)
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.errors import invalid
from services.runtime.instant import Instant
from services.runtime.pagination import Page

_I, _L, _T = INCIDENT.c, LOCATION.c, TIMELINE.c
_IS_OPEN = _I.ended_at.is_(None)


class ReviewState(BaseModel):
    """The review of the latest cycle."""

    review_id: UUID | None
    method: ReviewMethod | None
    status: ReviewStatus | None
    due_at: datetime | None


class ActionCounts(BaseModel):
    """Actions by where they are now. Done is what the owner says, verified is what somebody else saw."""

    agreed: int
    open: int
    done: int
    verified: int


class BriefingState(BaseModel):
    """The briefing of the latest cycle. The audience is counted in locations."""

    briefing_id: UUID | None
    audience: int | None
    target_percent: int | None
    due_at: datetime | None
    reached_at: datetime | None
    reach_percent: int | None


class CheckpointState(BaseModel):
    """The next look at the impact, and what the last one concluded."""

    next_due_at: datetime | None
    last_verdict: Verdict | None


class IncidentSummary(BaseModel):
    """An incident with where each of its parts stands."""

    incident_id: UUID
    location_id: UUID
    region_id: UUID | None
    kind: Kind
    category: Category
    occurred_at: datetime
    reported_at: datetime
    stage: Stage | None
    cycle: int
    stage_entered_at: datetime | None
    next_move: Role | None
    next_due_at: datetime | None = Field(description="The earliest of all its clocks that run.")
    overdue: bool
    band: Band | None
    actual_harm: PhysicalHarm | None
    triaged_at: datetime | None
    triaged_by_default: bool | None
    review: ReviewState | None
    actions: ActionCounts
    briefing: BriefingState | None
    checkpoint: CheckpointState
    escalations_unacknowledged: int
    ended_at: datetime | None
    last_event_at: datetime
    origin: str


class StageEntry(BaseModel):
    """When the incident entered a stage, and by whom: a person, or the process engine as role `service`."""

    stage: Stage
    cycle: int
    at: datetime
    by: str
    by_role: str


class TimelineEntry(BaseModel):
    """One thing that happened."""

    at: datetime
    what: str = Field(examples=["Reported an incident: fall. Somebody must look at it by 9 June 2026, 10:00."])
    actor: str
    actor_role: str
    service: str
    type: str


class ClockView(BaseModel):
    """Something that somebody has until a certain time for."""

    kind: ClockKind
    what: str
    due_at: datetime
    overdue: bool


class NextMove(BaseModel):
    """Whose move it is, until when, and what happens by itself if nobody moves."""

    role: Role | None
    due_at: datetime | None
    then: str


class Timeline(BaseModel):
    """The life of an incident. `more` is the cursor for later entries, absent when these are the last."""

    incident: IncidentSummary
    stages: list[StageEntry]
    entries: list[TimelineEntry]
    more: str | None
    clocks: list[ClockView]
    next: NextMove | None = Field(description="Absent once the incident has ended.")


class StageCount(BaseModel):
    """Open incidents of a stage."""

    stage: Stage
    open: int
    overdue: int
    oldest_days: int | None = Field(description="Whole days since the report of the oldest; absent if there is none.")
    ages: dict[str, int] = Field(examples=[{"0-7": 3, "8-30": 1, "31-90": 0, ">90": 0}])


class OverdueCounts(BaseModel):
    """Open incidents with a clock of this kind that ran out. One incident may count under several kinds."""

    triage: int
    review: int
    action: int
    verification: int
    briefing: int
    impact: int


class LocationCount(BaseModel):
    """A location with its open incidents. The name is absent until directory has told of it."""

    location_id: UUID
    name: str | None
    open: int
    overdue: int


class Overview(BaseModel):
    """Where all open incidents in scope stand."""

    as_of: datetime
    open_total: int
    by_stage: list[StageCount]
    overdue: OverdueCounts
    done_but_unverified: int = Field(description="Actions whose owner says done and nobody else has checked.")
    awaiting_impact: int = Field(
        description="Incidents whose changes are made and checked; their effect is not judged."
    )
    escalations_unacknowledged: int
    themes_open: int = Field(description="Thematic reviews of the caller's whole scope that are not over.")
    themes_overdue: int
    governance: Waiting | None = Field(
        description="Decisions and challenges of meetings, and meetings that were not held; as of a day that has passed: null."
    )
    by_location: list[LocationCount] = Field(description="The ten locations with most overdue, then most open.")
    last_event_at: datetime | None = Field(description="When the newest event that is counted here happened.")
    lag_seconds: float | None = Field(
        description="How long the last event had waited when it was counted, in real time."
    )


class ThemeSummary(BaseModel):
    """A theme with where it stands. Its terms are in review."""

    theme_id: UUID
    category: Category
    band: Band
    region_id: UUID | None = Field(description="Absent: the whole provider.")
    locations: int = Field(description="In how many the pattern was seen.")
    lead_id: UUID
    signal_id: UUID | None
    stage: ThemeStage
    cycle: int
    stage_entered_at: datetime
    next_move: Role | None
    next_due_at: datetime | None = Field(description="The earliest of all its clocks that run.")
    overdue: bool
    commissioned_at: datetime
    accepted_at: datetime | None
    linked: int
    excluded: int
    actions: ActionCounts
    briefing: BriefingState | None
    last_verdict: Verdict | None
    watch_at: datetime | None = Field(description="When a closed theme is to be looked at again.")
    ended_at: datetime | None
    last_event_at: datetime


class ThemeStageEntry(BaseModel):
    """When the theme entered a stage, and by whom."""

    stage: ThemeStage
    cycle: int
    at: datetime
    by: str
    by_role: str


class ThemeTimeline(BaseModel):
    """The life of a theme. `more` is the cursor for later entries, absent when these are the last."""

    theme: ThemeSummary
    stages: list[ThemeStageEntry]
    entries: list[TimelineEntry]
    more: str | None
    clocks: list[ClockView]
    next: NextMove | None = Field(description="Absent once the theme is over.")


class LocationOverview(BaseModel):
    """A location with what is open there."""

    location_id: UUID
    region_id: UUID | None
    name: str
    beds: int
    active: bool
    open: int
    overdue: int
    done_but_unverified: int
    escalations_unacknowledged: int


def summary(row: Any, now: datetime) -> IncidentSummary:
    """The list form of an incident, from its row or from its case."""
    return IncidentSummary(
        incident_id=row.incident_id,
        location_id=row.location_id,
        region_id=row.region_id,
        kind=row.kind,
        category=row.category,
        occurred_at=row.occurred_at,
        reported_at=row.reported_at,
        stage=row.stage,
        cycle=row.cycle,
        stage_entered_at=row.stage_entered_at,
        next_move=row.next_move,
        next_due_at=row.earliest_due_at,
        overdue=row.earliest_due_at is not None and row.earliest_due_at < now,
        band=row.band,
        actual_harm=row.actual_harm,
        triaged_at=row.triaged_at,
        triaged_by_default=row.triaged_by_default,
        review=ReviewState(
            review_id=row.review_id, method=row.review_method, status=row.review_status, due_at=row.review_due_at
        )
        if row.review_cycle
        else None,
        actions=ActionCounts(
            agreed=row.actions_agreed, open=row.actions_open, done=row.actions_done, verified=row.actions_verified
        ),
        briefing=_briefing(row),
        checkpoint=CheckpointState(next_due_at=row.clock_impact, last_verdict=row.last_verdict),
        escalations_unacknowledged=row.escalations_unacknowledged,
        ended_at=row.ended_at,
        last_event_at=row.last_event_at,
        origin=row.origin,
    )


def _briefing(row: Any) -> BriefingState | None:
    if not row.briefing_cycle:
        return None
    return BriefingState(
        briefing_id=row.briefing_id,
        audience=row.briefing_audience,
        target_percent=row.briefing_target_percent,
        due_at=row.briefing_due_at,
        reached_at=row.briefing_reached_at,
        reach_percent=row.briefing_reach_percent,
    )


@dataclass(frozen=True)
class Wanted:
    """Which incidents are wanted: each part that is given narrows them."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    stage: Stage | None = None
    band: Band | None = None
    category: Category | None = None
    kind: Kind | None = None
    location_id: UUID | None = None
    region_id: UUID | None = None
    overdue: Annotated[bool | None, Query(description="Whether a clock of it ran out.")] = None
    unverified: Annotated[bool | None, Query(description="Whether an action is done but not verified.")] = None
    ineffective: Annotated[bool | None, Query(description="Whether the last look found no change, or worse.")] = None
    unanswered: Annotated[bool | None, Query(description="Whether somebody was called and nobody answered yet.")] = None
    reported_from: Annotated[Instant | None, Query(description="Reported then or later.")] = None
    reported_before: Annotated[Instant | None, Query(description="Reported before then.")] = None

    def where(self, actor: Actor, now: datetime) -> list[ColumnElement[bool]]:
        """The conditions for them, in the actor's scope."""
        equal = ("stage", "band", "category", "kind", "location_id", "region_id")
        found = [visible_incidents(actor)]
        found += [_I[name] == value for name in equal if (value := getattr(self, name)) is not None]
        if self.stage is not None and not self.stage.ended:
            found.append(_IS_OPEN)  # tells PostgreSQL that the index of open incidents will do
        if self.overdue is not None:
            is_overdue = and_(_IS_OPEN, _I.earliest_due_at.is_not(None), _I.earliest_due_at < now)
            found.append(is_overdue if self.overdue else not_(is_overdue))
        if self.unverified is not None:
            is_unverified = and_(_IS_OPEN, _I.actions_done > 0)
            found.append(is_unverified if self.unverified else not_(is_unverified))
        if self.ineffective is not None:
            no_effect = func.coalesce(_I.last_verdict, "").in_([Verdict.NO_CHANGE, Verdict.WORSE])
            found.append(no_effect if self.ineffective else not_(no_effect))
        if self.unanswered is not None:
            waits = and_(_IS_OPEN, _I.escalations_unacknowledged > 0)
            found.append(waits if self.unanswered else not_(waits))
        if self.reported_from is not None:
            found.append(_I.reported_at >= self.reported_from)
        if self.reported_before is not None:
            found.append(_I.reported_at < self.reported_before)
        return found


def incidents(
    session: Session, actor: Actor, now: datetime, wanted: Wanted, *, limit: int, cursor: str | None
) -> Page[IncidentSummary]:
    """Incidents in scope, newest first."""
    query = select(INCIDENT).where(*wanted.where(actor, now)).order_by(_I.incident_id.desc()).limit(limit + 1)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_I.incident_id < after)
    rows = session.execute(query).all()
    items = [summary(row, now) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)


def timeline(
    session: Session, actor: Actor, incident_id: UUID, now: datetime, *, limit: int, cursor: str | None
) -> Timeline:
    """The life of an incident. Raises 404 when it is not in scope."""
    return life(session, visible_case(session, actor, incident_id), now, limit=limit, cursor=cursor)


def life(
    session: Session, case: Case, now: datetime, *, limit: int, cursor: str | None, until: datetime | None = None
) -> Timeline:
    """The life of an incident's case; of what happened, what is not later than `until`."""
    return Timeline(
        incident=summary(case.incident, now),
        stages=stages(session, case.incident.incident_id, until),
        **_life(session, case, now, limit, cursor, until),
    )


def _life(
    session: Session, case: Case, now: datetime, limit: int, cursor: str | None, until: datetime | None = None
) -> dict[str, Any]:
    """What the timelines of an incident and of a theme have in common."""
    incident, running = case.incident, case.running()
    entries = _entries(session, incident.incident_id, until, limit + 1, pagination.decode(cursor))
    return {
        "entries": [
            TimelineEntry(
                at=entry.at,
                what=wording.sentence(entry.type, entry.summary),
                actor=entry.actor,
                actor_role=entry.actor_role,
                service=entry.publisher,
                type=entry.type,
            )
            for entry in entries[:limit]
        ],
        "more": pagination.encode(entries[limit - 1].event_id) if len(entries) > limit else None,
        "clocks": [
            ClockView(kind=clock.kind, what=wording.clock(clock), due_at=clock.due_at, overdue=clock.due_at < now)
            for clock in running
        ],
        "next": None
        if incident.stage is None or incident.ended
        else NextMove(
            role=incident.next_move, due_at=incident.earliest_due_at, then=wording.THEN[Stage(incident.stage)]
        ),
    }


def _known(incident_id: UUID, until: datetime | None) -> list[ColumnElement[bool]]:
    return [_T.incident_id == incident_id, *([] if until is None else [_T.at <= until])]


def _entries(
    session: Session, incident_id: UUID, until: datetime | None, limit: int, after: UUID | None
) -> Sequence[Any]:
    query = select(TIMELINE).where(*_known(incident_id, until)).order_by(_T.at, _T.event_id).limit(limit)
    if after is not None:
        at = session.scalar(select(_T.at).where(_T.incident_id == incident_id, _T.event_id == after))
        if at is None:
            raise invalid("cursor", "is not of this incident", "Send `more` as you received it, or leave it out.")
        query = query.where(tuple_(_T.at, _T.event_id) > (at, after))
    return session.execute(query).all()


def stages(session: Session, incident_id: UUID, until: datetime | None) -> list[StageEntry]:
    """The stages that an incident went through; until a time, if one is given."""
    rows = session.execute(
        select(TIMELINE).where(*_known(incident_id, until), _T.type.in_(_STAGE_EVENTS)).order_by(_T.at, _T.event_id)
    )
    passed: list[StageEntry] = []
    for row in rows:
        for stage, at in _entered(row):
            cycle = row.summary.get("cycle") or (passed[-1].cycle if passed else 1)
            # A person's decision and the process may both record that a stage was entered.
            if not passed or (passed[-1].stage, passed[-1].cycle) != (stage, cycle):
                passed.append(StageEntry(stage=stage, cycle=cycle, at=at, by=row.actor, by_role=row.actor_role))
    return passed


def _entered(row: Any) -> list[tuple[Stage, datetime]]:
    if row.type == intake.IncidentImported.TYPE:
        reported = [(Stage.REPORTED, datetime.fromisoformat(row.summary["reported_at"]))]
        closed_at = row.summary["closed_at"]
        return reported if closed_at is None else [*reported, (Stage.CLOSED, datetime.fromisoformat(closed_at))]
    return [(_STAGE_EVENTS[row.type] or Stage(row.summary["stage"]), row.at)]


_STAGE_EVENTS = {
    intake.IncidentReported.TYPE: Stage.REPORTED,
    intake.IncidentImported.TYPE: Stage.CLOSED,
    intake.IncidentTriaged.TYPE: Stage.TRIAGED,
    intake.StageEntered.TYPE: None,
    intake.IncidentWithdrawn.TYPE: Stage.WITHDRAWN,
    intake.IncidentMarkedDuplicate.TYPE: Stage.DUPLICATE,
    intake.IncidentReopened.TYPE: None,
}
"""The events that move an incident to a stage; None: the event names it."""


def themes(
    session: Session,
    actor: Actor,
    now: datetime,
    *,
    stage: ThemeStage | None,
    overdue: bool | None,
    watch_due: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[ThemeSummary]:
    """Themes that the caller may see, newest first."""
    query = (
        select(INCIDENT, *(THEME.c[name] for name in _OF_THEME))
        .join(THEME, SAME_CASE)
        .where(visible_themes(actor))
        .order_by(_I.incident_id.desc())
        .limit(limit + 1)
    )
    if stage is not None:
        query = query.where(_I.stage == STAGE_OF_THEME[stage])
    if overdue is not None:
        is_overdue = and_(_IS_OPEN, _I.earliest_due_at.is_not(None), _I.earliest_due_at < now)
        query = query.where(is_overdue if overdue else not_(is_overdue))
    if watch_due is not None:
        due = and_(THEME.c.watch_at.is_not(None), THEME.c.watch_at < now)
        query = query.where(due if watch_due else not_(due))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_I.incident_id < after)
    rows = session.execute(query).all()
    items = [_theme_summary(row, row, now) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].theme_id) if len(rows) > limit else None)


_OF_THEME = ("lead_id", "signal_id", "locations", "commissioned_at", "accepted_at", "linked", "excluded", "watch_at")


def _theme_summary(row: Any, theme: Any, now: datetime) -> ThemeSummary:
    return ThemeSummary(
        theme_id=row.incident_id,
        category=row.category,
        band=row.band,
        region_id=row.region_id,
        stage=THEME_STAGE[Stage(row.stage)],
        cycle=row.cycle,
        stage_entered_at=row.stage_entered_at,
        next_move=row.next_move,
        next_due_at=row.earliest_due_at,
        overdue=row.earliest_due_at is not None and row.earliest_due_at < now,
        actions=ActionCounts(
            agreed=row.actions_agreed, open=row.actions_open, done=row.actions_done, verified=row.actions_verified
        ),
        briefing=_briefing(row),
        last_verdict=row.last_verdict,
        ended_at=row.ended_at,
        last_event_at=row.last_event_at,
        **{name: getattr(theme, name) for name in _OF_THEME},
    )


def theme_timeline(
    session: Session, actor: Actor, theme_id: UUID, now: datetime, *, limit: int, cursor: str | None
) -> ThemeTimeline:
    """The life of a theme. Raises 404 when the caller may not see it."""
    case = visible_theme(session, actor, theme_id)
    return ThemeTimeline(
        theme=_theme_summary(case.incident, case.theme, now),
        stages=_theme_stages(session, theme_id),
        **_life(session, case, now, limit, cursor),
    )


def _theme_stages(session: Session, theme_id: UUID) -> list[ThemeStageEntry]:
    stages: list[ThemeStageEntry] = []
    rows = session.execute(
        select(TIMELINE).where(_T.incident_id == theme_id, _T.type.in_(_THEME_STAGES)).order_by(_T.at, _T.event_id)
    )
    for row in rows:
        stage = _THEME_STAGES[row.type] or ThemeStage(row.summary["stage"])
        cycle = row.summary.get("cycle") or (stages[-1].cycle if stages else 1)
        # Commissioned is said again when the terms change.
        if stage is not ThemeStage.COMMISSIONED or not stages:
            stages.append(ThemeStageEntry(stage=stage, cycle=cycle, at=row.at, by=row.actor, by_role=row.actor_role))
    return stages


_THEME_STAGES = {
    review.ThemeCommissioned.TYPE: ThemeStage.COMMISSIONED,
    review.ThemeStageEntered.TYPE: None,
    review.ThemeEnded.TYPE: ThemeStage.ENDED,
}
"""The events that move a theme to a stage; None: the event names it."""


def overview(
    session: Session, actor: Actor, now: datetime, *, region_id: UUID | None, location_id: UUID | None
) -> Overview:
    """Where all open incidents in scope stand at `now`."""
    within = [visible_incidents(actor), _IS_OPEN]
    if region_id is not None:
        within.append(_I.region_id == region_id)
    if location_id is not None:
        within.append(_I.location_id == location_id)
    windows = age_windows(now)
    by_stage, by_location = _open_now(session, now, within, windows)
    rows = by_stage.values()
    themes_open, themes_overdue = session.execute(
        select(func.count(), func.count().filter(_I.earliest_due_at < now))
        .select_from(THEME)
        .join(INCIDENT, SAME_CASE)
        .where(visible_themes(actor), _IS_OPEN)
    ).one()
    progress = session.execute(select(PROGRESS).where(PROGRESS.c.provider_id == actor.provider_id)).one_or_none()
    return Overview(
        as_of=now,
        open_total=sum(row.open for row in rows),
        by_stage=[_stage_count(stage, by_stage.get(stage), windows, now) for stage in OPEN_STAGES],
        overdue=OverdueCounts(**{kind: sum(row._mapping[f"overdue_{kind}"] for row in rows) for kind in ClockKind}),
        done_but_unverified=sum(row.done_but_unverified for row in rows),
        awaiting_impact=by_stage[Stage.CHECKING].open if Stage.CHECKING in by_stage else 0,
        escalations_unacknowledged=sum(row.escalations_unacknowledged for row in rows),
        themes_open=themes_open,
        themes_overdue=themes_overdue,
        governance=waiting(session, actor, now, location_id=location_id, region_id=region_id),
        by_location=by_location,
        last_event_at=progress.last_event_at if progress else None,
        lag_seconds=progress.lag_seconds if progress else None,
    )


def _stage_count(stage: Stage, row: Any, windows: Sequence[AgeWindow], now: datetime) -> StageCount:
    return StageCount(
        stage=stage,
        open=row.open if row else 0,
        overdue=row.overdue if row else 0,
        oldest_days=whole_days(row.oldest, now) if row else None,
        ages={window.label: row._mapping[window.label] if row else 0 for window in windows},
    )


def _counts(now: datetime) -> list[ColumnElement[int]]:
    """What is counted of open incidents wherever they are grouped."""
    return [
        func.count().label("open"),
        func.count().filter(_I.earliest_due_at < now).label("overdue"),
        func.coalesce(func.sum(_I.actions_done), 0).label("done_but_unverified"),
        func.coalesce(func.sum(_I.escalations_unacknowledged), 0).label("escalations_unacknowledged"),
    ]


def _clock(kind: ClockKind) -> ColumnElement[datetime]:
    return _I[f"clock_{kind}"]


def _reported_in(window: AgeWindow) -> ColumnElement[bool]:
    return and_(
        true() if window.after is None else _I.reported_at > window.after,
        true() if window.until is None else _I.reported_at <= window.until,
    )


def _open_now(
    session: Session, now: datetime, within: Sequence[ColumnElement[bool]], windows: Sequence[AgeWindow]
) -> tuple[dict[str, Any], list[LocationCount]]:
    """Counts of each stage, and the ten locations with most overdue, then most open: from one look at each incident."""
    is_place = func.grouping(_I.location_id) == 0
    counts = (
        select(
            is_place.label("is_place"),
            _I.stage,
            _I.location_id,
            *_counts(now),
            func.min(_I.reported_at).label("oldest"),
            *(func.count().filter(_reported_in(window)).label(window.label) for window in windows),
            *(func.count().filter(_clock(kind) < now).label(f"overdue_{kind}") for kind in ClockKind),
        )
        .where(*within)
        .group_by(func.grouping_sets(tuple_(_I.stage), tuple_(_I.location_id)))
        .subquery("counts")
    )
    most = counts.c.overdue.desc(), counts.c.open.desc(), counts.c.location_id
    place_no = func.row_number().over(partition_by=counts.c.is_place, order_by=most).label("place_no")
    ranked = select(counts, place_no).subquery("ranked")
    rows = session.execute(
        select(ranked, LOCATION.c.name)
        .outerjoin(LOCATION, and_(ranked.c.is_place, _L.location_id == ranked.c.location_id))
        .where(or_(not_(ranked.c.is_place), ranked.c.place_no <= 10))
        .order_by(ranked.c.place_no)
    ).all()
    places = [
        LocationCount(location_id=row.location_id, name=row.name, open=row.open, overdue=row.overdue)
        for row in rows
        if row.is_place
    ]
    return {row.stage: row for row in rows if not row.is_place}, places


def locations(
    session: Session, actor: Actor, now: datetime, *, limit: int, cursor: str | None
) -> Page[LocationOverview]:
    """The locations in scope, each with what is open there; by id, so that pages hold still while counts move."""
    query = select(LOCATION).where(visible_locations(actor)).order_by(_L.location_id).limit(limit + 1)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(_L.location_id > after)
    rows = session.execute(query).all()
    page = rows[:limit]
    counts = {
        row.location_id: row
        for row in session.execute(
            select(_I.location_id, *_counts(now))
            .where(visible_incidents(actor), _IS_OPEN, _I.location_id.in_([row.location_id for row in page]))
            .group_by(_I.location_id)
        )
    }
    items = [
        LocationOverview(
            location_id=row.location_id,
            region_id=row.region_id,
            name=row.name,
            beds=row.beds,
            active=row.active,
            **{name: getattr(counts.get(row.location_id), name, 0) for name in _COUNTED},
        )
        for row in page
    ]
    return Page(items=items, next=pagination.encode(items[-1].location_id) if len(rows) > limit else None)


_COUNTED = ("open", "overdue", "done_but_unverified", "escalations_unacknowledged")
