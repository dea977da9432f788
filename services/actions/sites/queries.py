"""Where an action is to be done and how far it is there, as views."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from services.actions.sites.commands import SiteState
from services.actions.sites.store import Location, Served, Site
from services.actions.store import Action, Incident, may_see
from services.runtime.actor import Actor


class SiteView(BaseModel):
    """How far an action is at one location."""

    location_id: UUID
    name: str
    state: SiteState
    note: str | None
    recorded_by: UUID | None
    recorded_at: datetime | None


def sites(session: Session, action_id: UUID) -> list[SiteView]:
    """All locations of an action, those that are open first."""
    rows = session.execute(
        select(Site, Location.name)
        .join(Location, Location.location_id == Site.location_id)
        .where(Site.action_id == action_id)
        .order_by(Site.state != SiteState.OPEN, Location.name, Site.location_id)
    )
    return [
        SiteView(**{one: getattr(site, one) for one in SiteView.model_fields if one != "name"}, name=name)
        for site, name in rows
    ]


def served(session: Session, actor: Actor, action_id: UUID) -> list[UUID]:
    """The other incidents that an action answers, as far as the caller may see them."""
    rows = session.scalars(
        select(Incident)
        .join(Served, Served.incident_id == Incident.incident_id)
        .where(Served.action_id == action_id)
        .order_by(Incident.incident_id)
    )
    return [
        row.incident_id
        for row in rows
        if row.location_id is not None and may_see(session, actor, row.incident_id, row.location_id, row.region_id)
    ]


def at_a_site_of(actor: Actor) -> ColumnElement[bool]:
    """Whether an action is to be done at a location in the caller's scope."""
    return Action.action_id.in_(select(Site.action_id).where(actor.scope(Site.location_id, Site.region_id)))


def serving(incident_id: UUID) -> ColumnElement[bool]:
    """Whether an action belongs to an incident or answers it too."""
    return (Action.incident_id == incident_id) | Action.action_id.in_(
        select(Served.action_id).where(Served.incident_id == incident_id)
    )
