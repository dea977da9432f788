"""Set where an action is to be done and what it serves, and record how far it is at each location."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions.domain import ActionStatus
from services.actions.history import record
from services.actions.people import line
from services.actions.sites.store import Location, Served, Site
from services.actions.store import Action, Incident, visible_action, visible_incident
from services.contracts.taxonomy import Role
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, forbidden, invalid, not_found
from services.runtime.text import ShortText

MAX_SITES = 1000
MAX_SERVED = 50
IN_CHARGE = (Role.SHIFT_LEAD, Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD)


class SiteState(StrEnum):
    """How far an action is at one location."""

    OPEN = "open"
    DONE = "done"
    NOT_APPLICABLE = "not_applicable"


class RecordSite(BaseModel):
    """How far it is here."""

    model_config = ConfigDict(extra="forbid")

    state: SiteState
    note: ShortText | None = Field(default=None, description="What was done; needed where it does not apply.")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.state is SiteState.NOT_APPLICABLE and self.note is None:
            raise ValueError("note is needed where the action does not apply: say why")
        return self


def keep_sites(session: Session, actor: Actor, action: Action, sites: Sequence[UUID]) -> None:
    """Keep where an action is to be done. Refuses (422) what is no location of the provider, closed, or out of sight."""
    known = {
        one.location_id: one for one in session.scalars(select(Location).where(Location.location_id.in_(set(sites))))
    }
    for place, location_id in enumerate(sites):
        location = known.get(location_id)
        if location is None or not actor.sees(location_id, location.region_id):
            raise invalid(
                f"sites.{place}",
                "is not a location that you may see",
                "Choose from GET /locations of directory. A location registered a moment ago is known in a few seconds.",
            )
        if not location.active:
            raise invalid(f"sites.{place}", "is closed", "Leave it out.")
    session.add_all(
        Site(
            action_id=action.action_id,
            location_id=location_id,
            provider_id=action.provider_id,
            region_id=known[location_id].region_id,
            state=SiteState.OPEN,
        )
        for location_id in dict.fromkeys(sites)
    )


def served_ones(session: Session, actor: Actor, incident_id: UUID, serves: Sequence[UUID]) -> list[Incident]:
    """The other incidents that an action answers. Refuses (422) what the actor may not see."""
    found = []
    for other_id in dict.fromkeys(serves):
        if other_id == incident_id:
            continue
        try:
            found.append(visible_incident(session, actor, other_id))
        except ServiceError:
            raise invalid(
                f"serves.{serves.index(other_id)}",
                "is not an incident that you may see",
                "Choose from GET /incidents of intake.",
            ) from None
    return found


def keep_served(session: Session, action: Action, serves: Sequence[Incident]) -> None:
    """Keep which other incidents an action answers: it counts in the cycle in which each is."""
    session.add_all(
        Served(
            action_id=action.action_id,
            incident_id=one.incident_id,
            provider_id=action.provider_id,
            cycle=one.cycle,
        )
        for one in serves
    )
    session.flush()


def record_site(
    session: Session, actor: Actor, action_id: UUID, location_id: UUID, command: RecordSite, now: datetime
) -> Action:
    """Say how far an action is at one location: its owner, or who is in charge there (403 for others).

    Several locations report at once, so no version is asked for; the last word about a location stands. 409 unless the
    action is open; 404 for a location at which it is not to be done.
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    site = session.get(Site, (action_id, location_id))
    if site is None:
        raise not_found("site")
    in_charge = actor.sees(location_id, site.region_id) and not actor.roles.isdisjoint(IN_CHARGE)
    if not in_charge and not line.answers_for(session, actor, action, now):
        raise forbidden(
            "Only the owner of the action or somebody in charge at that location can say how far it is there."
        )
    if action.status != ActionStatus.OPEN:
        raise conflict(
            "not-open", "This action takes no progress now", "Progress is recorded while the action is open."
        )
    site.state, site.note = command.state, command.note
    site.recorded_by, site.recorded_at = actor.id, now
    action.version += 1
    record(
        session,
        actor,
        action,
        now,
        "site_recorded",
        None,
        location_id=location_id,
        state=command.state,
        note_sha256=None if command.note is None else audit.digest(command.note),
    )
    return action


def check_sites(session: Session, action_id: UUID) -> None:
    """Refuse (409) to complete an action while it is open at one of its locations."""
    open_ones = session.scalar(select(func.count()).where(Site.action_id == action_id, Site.state == SiteState.OPEN))
    if open_ones:
        raise conflict(
            "sites-open",
            "The action is not done everywhere",
            f"It is open at {open_ones} of its locations, see `sites`. Have each recorded as done, or as not applicable"
            " with the reason.",
        )
