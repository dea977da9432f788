"""The tables of signals, and how a look reads what is known of a provider's incidents."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, MetaData, Text, and_, or_, select, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.reporting.patterns.domain import Agreed, Seen, Shifts, timed
from services.reporting.patterns.exposure import Exposures, Month
from services.reporting.store import INCIDENT, visible_incidents
from services.runtime.actor import SYSTEM_ID, Actor
from services.runtime.errors import not_found


class Table(DeclarativeBase):
    """Signals live in the schema `reporting` beside the projections."""

    metadata = MetaData(schema="reporting")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Signal(Table):
    """A pattern that was found, with what is known of it by now and what people said to it.

    `pattern` names it: found again, it grows here. `decision_members` is how many members it had when it was decided.
    """

    __tablename__ = "signal"

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    kind: Mapped[str]
    pattern: Mapped[str]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    category: Mapped[str | None]
    trait: Mapped[str | None]
    code: Mapped[str | None]
    status: Mapped[str]
    rule: Mapped[str]
    policy_version: Mapped[str]
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)
    members: Mapped[int]
    locations: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    raised_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    decision_reason: Mapped[str | None]
    decision_members: Mapped[int | None]
    merged_into: Mapped[UUID | None]
    returns: Mapped[int]
    returned_at: Mapped[datetime | None]
    returned_because: Mapped[str | None]
    returned_figures: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    version: Mapped[int]


class SignalIncident(Table):
    """An incident that belongs to a signal, or was considered and left out with the reason. It keeps its own history."""

    __tablename__ = "signal_incident"

    signal_id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    member: Mapped[bool]
    reason: Mapped[str]
    added_at: Mapped[datetime]


class SignalDecision(Table):
    """What somebody decided about a signal, each time."""

    __tablename__ = "signal_decision"

    decision_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    signal_id: Mapped[UUID]
    decision: Mapped[str]
    reason: Mapped[str]
    merged_into: Mapped[UUID | None]
    members: Mapped[int]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime]


class Search(Table):
    """The last look at a provider."""

    __tablename__ = "search"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    searched_at: Mapped[datetime]
    policy_version: Mapped[str]
    incidents: Mapped[int]
    found: Mapped[int]


_INCIDENTS = text(
    "select incident_id, location_id, region_id, kind, category, occurred_at, stage, actual_harm, band"
    " from reporting.incident where provider_id = :provider_id and occurred_at >= :since and occurred_at <= :now"
    " and reported_at is not null and reported_at <= :now"
)
_TRAITS = text(
    "select t.incident_id, t.kind, t.codes from reporting.trait t join reporting.incident i"
    " on i.provider_id = t.provider_id and i.incident_id = t.incident_id"
    " where t.provider_id = :provider_id and i.occurred_at >= :since and i.occurred_at <= :now"
    " union all select incident_id, 'factor', factors from reporting.incident"
    " where provider_id = :provider_id and occurred_at >= :since and occurred_at <= :now and factors is not null"
)
_AGREED = text(
    "select a.action_id, a.incident_id, i.location_id, i.region_id, i.category, a.agreed_at, a.wording, a.weak_wording"
    " from reporting.action a join reporting.incident i"
    " on i.provider_id = a.provider_id and i.incident_id = a.incident_id"
    " where a.provider_id = :provider_id and a.wording is not null and a.agreed_at >= :since and a.agreed_at <= :now"
    " and i.reported_at is not null and i.stage not in ('withdrawn', 'duplicate')"
)


def seen(session: Session, provider_id: UUID, shifts: Shifts, since: datetime, now: datetime) -> list[Seen]:
    """Every incident since `since` that is known, counted or not."""
    span = {"provider_id": provider_id, "since": since, "now": now}
    traits: dict[UUID, dict[str, frozenset[str]]] = {}
    for incident_id, kind, codes in session.execute(_TRAITS, span):
        if codes:
            traits.setdefault(incident_id, {})[kind] = frozenset(codes)
    return [
        Seen(
            incident_id=row.incident_id,
            location_id=row.location_id,
            region_id=row.region_id,
            kind=row.kind,
            category=row.category,
            at=row.occurred_at,
            stage=row.stage,
            harm=row.actual_harm,
            band=row.band,
            traits={**traits.get(row.incident_id, {}), **timed(row.occurred_at, shifts)},
        )
        for row in session.execute(_INCIDENTS, span)
    ]


def agreed(session: Session, provider_id: UUID, since: datetime, now: datetime) -> list[Agreed]:
    """Every action agreed since `since` whose wording is known."""
    span = {"provider_id": provider_id, "since": since, "now": now}
    return [
        Agreed(
            action_id=row.action_id,
            incident_id=row.incident_id,
            location_id=row.location_id,
            region_id=row.region_id,
            category=row.category,
            at=row.agreed_at,
            wording=row.wording,
            weak=bool(row.weak_wording),
        )
        for row in session.execute(_AGREED, span)
    ]


_EXPOSURES = text(
    "with used as (select distinct on (location_id) location_id, unit, max(month) filter (where month <= :first) as since"
    " from reporting.exposure where provider_id = :provider_id group by location_id, unit"
    " order by location_id, count(*) desc, unit)"
    " select e.location_id, e.month, e.unit, e.quantity::float8 from used join reporting.exposure e using (location_id, unit)"
    " where e.provider_id = :provider_id and e.month >= coalesce(used.since, '-infinity')"
)


def exposures(session: Session, provider_id: UUID, since: datetime, now: datetime) -> Exposures:
    """The exposure of every place between two moments: in the unit that it gave most months of, the last month before
    the first among them."""
    first = since.date().replace(day=1)
    rows = session.execute(_EXPOSURES, {"provider_id": provider_id, "first": first})
    months = [Month(*row) for row in rows]
    return Exposures(months, since.date(), now.date())


def members_of(session: Session, signal_ids: Iterable[UUID]) -> dict[UUID, set[UUID]]:
    """The members of signals, which are all that a signal has ever held."""
    found: dict[UUID, set[UUID]] = {}
    rows = session.execute(
        select(SignalIncident.signal_id, SignalIncident.incident_id).where(
            SignalIncident.signal_id.in_(list(signal_ids)), SignalIncident.member
        )
    )
    for signal_id, incident_id in rows:
        found.setdefault(signal_id, set()).add(incident_id)
    return found


def of_patterns(session: Session, provider_id: UUID, patterns: Sequence[str]) -> dict[str, Signal]:
    """The signals that are known of patterns, locked in one order."""
    rows = session.scalars(
        select(Signal)
        .where(Signal.provider_id == provider_id, Signal.pattern.in_(patterns))
        .order_by(Signal.signal_id)
        .with_for_update()
    )
    return {row.pattern: row for row in rows}


def visible_signals(actor: Actor) -> ColumnElement[bool]:
    """The condition for signals in the actor's scope of which the actor may see at least one member.

    One that crosses places is for those who see the whole provider, or all of its region.
    """
    scope: ColumnElement[bool]
    if actor.all_locations:
        scope = true()
    else:
        scope = or_(
            and_(Signal.location_id.is_not(None), actor.scope(Signal.location_id, Signal.region_id)),
            and_(Signal.location_id.is_(None), Signal.region_id.in_(actor.regions)),
        )
    condition = and_(Signal.provider_id == actor.provider_id, scope)
    if actor.id == SYSTEM_ID:
        return condition
    some = (
        select(SignalIncident.incident_id)
        .join(INCIDENT, INCIDENT.c.incident_id == SignalIncident.incident_id)
        .where(SignalIncident.signal_id == Signal.signal_id, SignalIncident.member, visible_incidents(actor))
    )
    return and_(condition, some.exists())


def visible_signal(session: Session, actor: Actor, signal_id: UUID, *, lock: bool = False) -> Signal:
    """The signal if the actor may see it, else 404."""
    query = select(Signal).where(Signal.signal_id == signal_id, visible_signals(actor))
    signal = session.scalars(query.with_for_update(of=Signal) if lock else query).one_or_none()
    if signal is None:
        raise not_found("signal")
    return signal
