"""What an incident is linked to, and what like it happened elsewhere and could be."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select, true
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, LinkRelation, Stage
from services.intake.linking.store import Link, joins
from services.intake.store import Incident
from services.runtime import restriction
from services.runtime.actor import Actor

SIMILAR = timedelta(days=60)
SHOWN = 20


class OtherIncident(BaseModel):
    """An incident beside this one, without what people wrote."""

    incident_id: UUID
    location_id: UUID
    kind: Kind
    category: Category
    occurred_at: datetime
    stage: Stage
    band: Band | None


class LinkView(OtherIncident):
    """An incident that somebody linked, as seen from this one."""

    link_id: UUID
    relation: LinkRelation
    reason: str
    linked_by: UUID
    linked_at: datetime


class LinksView(BaseModel):
    """What is linked, and what could be. Restricted incidents only for those who may see them."""

    links: list[LinkView]
    similar: list[OtherIncident] = Field(
        description="Of the same type at other places in the 60 days before, newest first, at most 20; not linked yet."
    )


def _other(row: Incident) -> dict[str, object]:
    return {name: getattr(row, name) for name in OtherIncident.model_fields}


def links(session: Session, actor: Actor, incident: Incident) -> LinksView:
    """Both, as the actor may see them."""
    seen = restriction.visible("intake", actor, Incident.incident_id, in_scope=true())
    mine = incident.incident_id
    linked = session.execute(
        select(Incident, Link).join(Link, joins(mine, Incident.incident_id)).where(seen).order_by(Link.link_id)
    )
    similar = session.scalars(
        select(Incident)
        .where(
            Incident.provider_id == incident.provider_id,
            Incident.category == incident.category,
            Incident.kind != Kind.GOOD_CARE,
            Incident.location_id != incident.location_id,
            Incident.occurred_at > incident.occurred_at - SIMILAR,
            Incident.occurred_at <= incident.occurred_at,
            Incident.stage.not_in([Stage.WITHDRAWN, Stage.DUPLICATE]),
            ~select(Link.link_id).where(joins(mine, Incident.incident_id)).exists(),
            seen,
        )
        .order_by(Incident.occurred_at.desc(), Incident.incident_id.desc())
        .limit(SHOWN)
    )
    return LinksView(
        links=[
            LinkView.model_validate(
                {
                    **_other(row),
                    **{
                        name: getattr(said, name)
                        for name in LinkView.model_fields
                        if name not in OtherIncident.model_fields
                    },
                }
            )
            for row, said in linked
        ],
        similar=[OtherIncident.model_validate(_other(row)) for row in similar],
    )
