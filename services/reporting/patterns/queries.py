"""What is answered about signals: each with why, its members, and what was considered and left out."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import and_, case, func, select, tuple_
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm
from services.reporting.patterns import wording
from services.reporting.patterns.domain import Decision, LeftOut, PatternKind, Status
from services.reporting.patterns.store import Search, Signal, SignalDecision, SignalIncident, visible_signals
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page

_I = INCIDENT.c


class Why(BaseModel):
    """Why there is a signal: the rule, what was seen, what was to be expected, and how likely that is by chance."""

    sentence: str
    rule: str
    policy_version: str
    figures: dict[str, Any]
    is_rate: bool = Field(description="False: counted without an exposure, so a volume.")


class Returned(BaseModel):
    """That a decided signal came back, and on which evidence."""

    at: datetime
    because: str
    figures: dict[str, Any]


class SignalSummary(BaseModel):
    """A signal in lists."""

    signal_id: UUID
    kind: PatternKind
    status: Status
    location_id: UUID | None
    region_id: UUID | None
    category: Category | None
    trait: str | None
    code: str | None
    members: int
    locations: int
    first_at: datetime
    last_at: datetime
    raised_at: datetime
    seen_at: datetime
    returns: int
    why: Why


class DecisionView(BaseModel):
    """What somebody decided, why, and on how many members."""

    decision: Decision
    reason: str
    into: UUID | None
    members: int
    by: UUID
    at: datetime


class SignalView(SignalSummary):
    """A signal whole. `hidden_members` count and are not shown to the caller."""

    hidden_members: int
    left_out: dict[LeftOut, int]
    returned: Returned | None
    decisions: list[DecisionView]
    merged_into: UUID | None
    next_step: str
    version: int


class MemberView(BaseModel):
    """An incident of a signal, or one that was considered and left out."""

    incident_id: UUID
    location_id: UUID
    kind: Kind
    category: Category
    occurred_at: datetime
    band: Band | None
    actual_harm: PhysicalHarm | None
    member: bool
    reason: str
    added_at: datetime


class KindQuality(BaseModel):
    """How one kind of signal fares with those who decide. Precision: accepted or merged of all that were decided."""

    kind: PatternKind
    raised: int
    open: int
    accepted: int
    merged: int
    dismissed: int
    returned: int
    precision: Decimal | None
    oldest_open_days: int | None


class Quality(BaseModel):
    """Alarm fatigue, measured."""

    as_of: datetime
    searched_at: datetime | None = Field(description="When patterns were last looked for.")
    raised: int
    accepted: int
    precision: Decimal | None
    kinds: list[KindQuality]


def _why(row: Signal) -> Why:
    return Why(
        sentence=wording.sentence(row),
        rule=row.rule,
        policy_version=row.policy_version,
        figures=row.figures,
        is_rate=not row.figures.get("volume", False),
    )


def _summary(row: Signal) -> dict[str, Any]:
    names = [name for name in SignalSummary.model_fields if name != "why"]
    return {**{name: getattr(row, name) for name in names}, "why": _why(row)}


def signals(
    session: Session,
    actor: Actor,
    *,
    status: Status | None,
    kind: PatternKind | None,
    location_id: UUID | None,
    region_id: UUID | None,
    incident_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[SignalSummary]:
    """Signals in scope, the newest first."""
    equal = {
        Signal.status: status,
        Signal.kind: kind,
        Signal.location_id: location_id,
        Signal.region_id: region_id,
    }
    query = (
        select(Signal)
        .where(visible_signals(actor), *(column == value for column, value in equal.items() if value is not None))
        .order_by(Signal.signal_id.desc())
        .limit(limit + 1)
    )
    if incident_id is not None:
        of = select(SignalIncident.signal_id).join(INCIDENT, _I.incident_id == SignalIncident.incident_id)
        mine = of.where(SignalIncident.incident_id == incident_id, SignalIncident.member, visible_incidents(actor))
        query = query.where(Signal.signal_id.in_(mine))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Signal.signal_id < after)
    rows = session.scalars(query).all()
    items = [SignalSummary(**_summary(row)) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].signal_id) if len(rows) > limit else None)


def signal_view(session: Session, actor: Actor, signal: Signal) -> SignalView:
    """One signal with all that explains it."""
    seen = session.scalar(
        select(func.count())
        .select_from(SignalIncident)
        .join(INCIDENT, _I.incident_id == SignalIncident.incident_id)
        .where(SignalIncident.signal_id == signal.signal_id, SignalIncident.member, visible_incidents(actor))
    )
    reasons = session.execute(
        select(SignalIncident.reason, func.count())
        .where(SignalIncident.signal_id == signal.signal_id, ~SignalIncident.member)
        .group_by(SignalIncident.reason)
        .order_by(SignalIncident.reason)
    )
    decisions = session.scalars(
        select(SignalDecision)
        .where(SignalDecision.signal_id == signal.signal_id)
        .order_by(SignalDecision.decided_at, SignalDecision.decision_id)
    )
    return SignalView(
        **_summary(signal),
        hidden_members=signal.members - (seen or 0),
        left_out={LeftOut(reason): number for reason, number in reasons},
        returned=None
        if signal.returned_at is None
        else Returned(
            at=signal.returned_at, because=signal.returned_because or "", figures=signal.returned_figures or {}
        ),
        decisions=[
            DecisionView(
                decision=Decision(row.decision),
                reason=row.reason,
                into=row.merged_into,
                members=row.members,
                by=row.decided_by,
                at=row.decided_at,
            )
            for row in decisions
        ],
        merged_into=signal.merged_into,
        next_step=wording.NEXT[Status(signal.status)],
        version=signal.version,
    )


def incidents(
    session: Session, actor: Actor, signal: Signal, *, member: bool | None, limit: int, cursor: str | None
) -> Page[MemberView]:
    """Members and what was left out, as far as the caller may see them; members first, by id."""
    query = (
        select(SignalIncident, INCIDENT)
        .join(
            INCIDENT,
            and_(_I.incident_id == SignalIncident.incident_id, _I.provider_id == SignalIncident.provider_id),
        )
        .where(SignalIncident.signal_id == signal.signal_id, visible_incidents(actor))
        .order_by(SignalIncident.member.desc(), SignalIncident.incident_id)
        .limit(limit + 1)
    )
    if member is not None:
        query = query.where(SignalIncident.member == member)
    after = pagination.decode(cursor)
    if after is not None:
        was = session.get(SignalIncident, (signal.signal_id, after))
        first = True if was is None else was.member
        # Members (true) come before the others.
        query = query.where(
            tuple_(case((SignalIncident.member, 0), else_=1), SignalIncident.incident_id)
            > tuple_(0 if first else 1, after)
        )
    rows = session.execute(query).all()
    items = [
        MemberView(
            incident_id=row.incident_id,
            location_id=row.location_id,
            kind=row.kind,
            category=row.category,
            occurred_at=row.occurred_at,
            band=row.band,
            actual_harm=row.actual_harm,
            member=row.SignalIncident.member,
            reason=row.SignalIncident.reason,
            added_at=row.SignalIncident.added_at,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)


def quality(session: Session, actor: Actor, now: datetime) -> Quality:
    """What became of signals, kind by kind, in the caller's scope."""
    rows = session.execute(
        select(
            Signal.kind,
            func.count().label("raised"),
            *(func.count().filter(Signal.status == status).label(status) for status in Status if status != "raised"),
            func.count().filter(Signal.status == Status.RAISED).label("open"),
            func.sum(Signal.returns).label("returned"),
            func.min(Signal.raised_at).filter(Signal.status == Status.RAISED).label("oldest"),
        )
        .where(visible_signals(actor))
        .group_by(Signal.kind)
    )
    by_kind = {row.kind: row for row in rows}
    kinds = [
        KindQuality(
            kind=kind,
            raised=row.raised if row else 0,
            open=row.open if row else 0,
            accepted=row.accepted if row else 0,
            merged=row.merged if row else 0,
            dismissed=row.dismissed if row else 0,
            returned=int(row.returned or 0) if row else 0,
            precision=_precision(row.accepted + row.merged, row.dismissed) if row else None,
            oldest_open_days=(now - row.oldest).days if row and row.oldest else None,
        )
        for kind in PatternKind
        for row in [by_kind.get(kind)]
    ]
    accepted = sum(one.accepted + one.merged for one in kinds)
    return Quality(
        as_of=now,
        searched_at=session.scalar(select(Search.searched_at).where(Search.provider_id == actor.provider_id)),
        raised=sum(one.raised for one in kinds),
        accepted=sum(one.accepted for one in kinds),
        precision=_precision(accepted, sum(one.dismissed for one in kinds)),
        kinds=kinds,
    )


def _precision(accepted: int, dismissed: int) -> Decimal | None:
    decided = accepted + dismissed
    return None if not decided else round(Decimal(accepted) / decided, 2)
