"""Link two incidents. In one transaction of the caller: row, audit entries and outbox events together."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.intake import IncidentLinked
from services.contracts.taxonomy import LinkRelation
from services.intake import access
from services.intake.linking.store import Link, joins
from services.intake.store import Incident, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

SERVICE = "intake"


class LinkIncident(BaseModel):
    """Which incident belongs with this one, how, and why."""

    model_config = ConfigDict(extra="forbid")

    other_id: UUID = Field(description="The other incident, also of another place.")
    relation: LinkRelation
    reason: ShortText


def link(session: Session, actor: Actor, incident_id: UUID, command: LinkIncident, now: datetime) -> Link:
    """Say that two incidents belong together. Once (409); the other may be of another place, but not hidden (422).

    Neither is changed by it. Both histories say so; of a restricted incident nothing is said outside it.
    """
    incident = visible_incident(session, actor, incident_id, lock=True)
    other = session.get(Incident, command.other_id)
    if (
        other is None
        or other.incident_id == incident_id
        or not access.may_see(session, actor, other.incident_id, in_scope=True)
    ):
        raise invalid("other_id", "is not another incident that you may see", "Give one that GET .../links or .../earlier lists.")  # fmt: skip
    if session.scalars(select(Link.link_id).where(joins(incident_id, other.incident_id))).first() is not None:
        raise conflict("already-linked", "These two are linked already", "Read GET /incidents/{id}/links for why.")
    made = Link(
        link_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident_id,
        other_id=other.incident_id,
        relation=command.relation,
        reason=command.reason,
        linked_by=actor.id,
        linked_at=now,
    )
    session.add(made)
    session.flush()
    for one, beside in ((incident, other), (other, incident)):
        if access.is_restricted(session, beside.incident_id) and not access.is_restricted(session, one.incident_id):
            continue
        audit.append(
            session, SERVICE, chain=one.incident_id, actor=actor, action="linked", subject=made.link_id, at=now,
            data={"relation": command.relation, "reason_sha256": audit.digest(command.reason)},
        )  # fmt: skip
        event = IncidentLinked(incident_id=one.incident_id, link_id=made.link_id, relation=command.relation)
        row = outbox.event_row(event, actor=actor, subject=one.incident_id, version=one.version, at=now)
        outbox.record(session, SERVICE, row)
    return made
