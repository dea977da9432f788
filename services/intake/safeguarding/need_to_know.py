"""The use-cases of restricted incidents: for whom one is, changed with a reason, and broken glass."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import EscalationReason, Role
from services.intake import access, policy
from services.intake.escalation import commands as ladder
from services.intake.store import Incident, visible_incident
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import conflict, forbidden, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.text import ShortText


class ChangeAccess(BaseModel):
    """Who is named and who is kept away from now on, besides the roles of the policy. Both lists are whole."""

    model_config = ConfigDict(extra="forbid")

    people: Annotated[list[UUID], Field(max_length=50, description="Who needs to know, wherever they work.")]
    excluded: Annotated[list[UUID], Field(max_length=50, description="Whom it is about, and their line.")]
    reason: ShortText


class UseBreakGlass(BaseModel):
    """Why somebody who is not named must read a restricted incident now."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[ShortText, Field(min_length=10)]


class AccessChangeView(BaseModel):
    """One decision about for whom an incident is."""

    revision: int
    people: list[UUID]
    excluded: list[UUID]
    reason: str
    changed_by: UUID
    changed_at: datetime


class BreakGlassView(BaseModel):
    """One time that the glass was broken."""

    break_glass_id: UUID
    incident_id: UUID
    person_id: UUID
    role: Role
    reason: str
    opened_at: datetime
    ends_at: datetime


class AccessView(BaseModel):
    """For whom an incident is. `revision` 0: it is not restricted."""

    incident_id: UUID
    restricted: bool
    revision: int
    roles: list[Role]
    people: list[UUID]
    excluded: list[UUID]
    changes: list[AccessChangeView]
    break_glass: list[BreakGlassView]


def change_access(
    session: Session, actor: Actor, incident_id: UUID, command: ChangeAccess, revision: int, now: datetime
) -> AccessView:
    """Restrict an incident, or change for whom it is. Nobody can be named and kept away at once (422)."""
    incident = visible_incident(session, actor, incident_id, lock=True)
    row = restriction.find(session, "intake", incident_id, lock=True)
    current = 0 if row is None else row.revision
    check_version(current, revision)
    both = set(command.people) & set(command.excluded)
    if both:
        raise invalid(
            "people", f"names {len(both)} who are excluded as well", "Leave each person in one of the two lists only."
        )
    access.restrict(
        session,
        actor,
        incident.incident_id,
        now=now,
        people=command.people,
        excluded=command.excluded,
        reason=command.reason,
        revision=current + 1,
        roles=None if row is None else [Role(role) for role in row.roles],
    )
    incident.next_move = access.whose_move(session, incident_id, incident.next_move)
    return view(session, incident_id)


def use_break_glass(
    session: Session, actor: Actor, incident_id: UUID, command: UseBreakGlass, now: datetime
) -> BreakGlassView:
    """Read a restricted incident for some hours without being named. 404 for the excluded, who are not to know of it."""
    rules = policy.safeguarding(session, actor.provider_id).restricted.break_glass
    roles = [role for role in rules.roles if role in actor.roles]
    if not roles:
        raise forbidden(f"This needs one of the roles {', '.join(sorted(rules.roles))}. Ask somebody who has it.")
    incident = session.get(Incident, incident_id)
    if (
        incident is None
        or not actor.sees(incident.location_id, incident.region_id)
        or access.excludes(session, actor, incident_id)
    ):
        raise not_found("incident")
    if access.may_see(session, actor, incident_id, in_scope=True, now=now):
        raise conflict("already-visible", "You may see this incident", "Read it; there is no glass to break.")
    ends_at = now + timedelta(hours=rules.hours)
    break_glass_id = access.open_by_break_glass(
        session,
        actor,
        incident_id,
        role=roles[0],
        reason=command.reason,
        now=now,
        ends_at=ends_at,
        ended=incident.ended,
    )
    ladder.glass_broken(session, actor, incident, break_glass_id, now)
    return next(row for row in _broken(session, incident_id) if row.break_glass_id == break_glass_id)


def allegation_found(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Facts say that it is an allegation against staff: restrict it, and call who needs to know. Each once.

    One that was restricted before for something else has called nobody yet.
    """
    if access.is_restricted(session, incident.incident_id):
        if ladder.was_asked(session, incident.incident_id, EscalationReason.ALLEGATION):
            return
    else:
        access.restrict(
            session, actor, incident.incident_id, now=now, excluded=(),
            reason="The facts say: an allegation against staff.",
        )  # fmt: skip
        incident.next_move = access.whose_move(session, incident.incident_id, incident.next_move)
    ladder.request(session, actor, incident, EscalationReason.ALLEGATION, now)


def view(session: Session, incident_id: UUID) -> AccessView:
    """For whom the incident is, since when and why, and who broke the glass."""
    row = restriction.find(session, "intake", incident_id)
    columns = access.ACCESS_CHANGE.c
    changes = session.execute(
        select(access.ACCESS_CHANGE).where(columns.incident_id == incident_id).order_by(columns.revision)
    ).mappings()
    now_as: dict[str, Any] = {"revision": 0, "roles": [], "people": [], "excluded": []}
    if row is not None:
        now_as = {name: row._mapping[name] for name in now_as}
    return AccessView(
        incident_id=incident_id,
        restricted=row is not None,
        changes=[AccessChangeView.model_validate(dict(change)) for change in changes],
        break_glass=_broken(session, incident_id),
        **now_as,
    )


def _broken(session: Session, incident_id: UUID) -> list[BreakGlassView]:
    columns = access.BREAK_GLASS.c
    rows = session.execute(
        select(access.BREAK_GLASS).where(columns.incident_id == incident_id).order_by(columns.opened_at)
    ).mappings()
    return [BreakGlassView.model_validate(dict(row)) for row in rows]
