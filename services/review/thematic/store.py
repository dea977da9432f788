"""The tables of thematic review and the few queries its use-cases need."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, func, literal, not_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.identity import EVERYWHERE
from services.contracts.taxonomy import MemberDecision
from services.review.store import Review, Table
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.erasure import is_erased
from services.runtime.errors import not_found


class KnownIncident(Table):
    """An incident that may belong to a theme, from intake's events. Written once: a theme changes nothing of it."""

    __tablename__ = "known_incident"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    category: Mapped[str]
    occurred_at: Mapped[datetime]


class Theme(Table):
    """What is looked at together: terms, who leads it, and where it stands. Without a region it is the whole provider."""

    __tablename__ = "theme"

    theme_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    region_id: Mapped[UUID | None]
    locations: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    title: Mapped[str]
    why: Mapped[str]
    category: Mapped[str]
    band: Mapped[str]
    questions: Mapped[list[str]]
    sources: Mapped[list[str]]
    lead_id: Mapped[UUID]
    team: Mapped[dict[str, Any]]
    signal_id: Mapped[UUID | None]
    commissioned_by: Mapped[UUID]
    commissioned_at: Mapped[datetime]
    accept_due_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    policy_version: Mapped[str]
    cycle: Mapped[int]
    stage: Mapped[str]
    next_move: Mapped[str | None]
    next_due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    watch_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    version: Mapped[int]


class Member(Table):
    """An incident that was considered: linked, or excluded, and why. The newest decision; the chain keeps the others."""

    __tablename__ = "theme_member"

    theme_id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    decision: Mapped[str]
    reason: Mapped[str]
    decided_by: Mapped[UUID]
    decided_at: Mapped[datetime]


class Told(Table):
    """That somebody was told of a clock that ran out, once for a command."""

    __tablename__ = "theme_reminder"

    command_id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    theme_id: Mapped[UUID]
    notice_id: Mapped[UUID]
    person_id: Mapped[UUID | None]
    to_role: Mapped[str | None]
    next_at: Mapped[datetime]
    sent_at: Mapped[datetime]


def in_scope(actor: Actor) -> ColumnElement[bool]:
    """The condition for themes that the actor may see: those of the actor's whole scope, those led or worked on; none that
    was erased."""
    return and_(
        not_(is_erased("review", Theme.theme_id)),
        or_(
            actor.scope(literal(EVERYWHERE), Theme.region_id),
            Theme.lead_id == actor.id,
            Theme.team["people"].contains([str(actor.id)]),
        ),
    )


def visible_theme(session: Session, actor: Actor, theme_id: UUID, *, lock: bool = False) -> Theme:
    """The theme if the actor may see it, else 404. `lock` holds it to the end of the transaction."""
    query = select(Theme).where(Theme.theme_id == theme_id, in_scope(actor))
    theme = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if theme is None:
        raise not_found("theme")
    return theme


def visible_known(actor: Actor) -> ColumnElement[bool]:
    """The condition for incidents that the actor may see, restricted ones for those who need to know only."""
    known = KnownIncident
    return restriction.visible(
        "review", actor, known.incident_id, in_scope=actor.scope(known.location_id, known.region_id)
    )


def count(session: Session, theme_id: UUID, decision: MemberDecision) -> int:
    """How many incidents were linked, or excluded."""
    query = select(func.count()).select_from(Member).where(Member.theme_id == theme_id, Member.decision == decision)
    return session.scalar(query) or 0


def theme_of(session: Session, review: Review) -> Theme:
    """The theme of a thematic review."""
    return session.get_one(Theme, review.incident_id)


def keep_incident(session: Session, provider_id: UUID, event: Any) -> None:
    """Know an incident from its report or import."""
    insert_new(
        session,
        KnownIncident,
        incident_id=event.incident_id,
        provider_id=provider_id,
        location_id=event.location_id,
        region_id=event.region_id,
        category=event.category,
        occurred_at=event.occurred_at,
    )
