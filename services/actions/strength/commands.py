"""What a plan of only weaker actions needs where the risk is high: somebody else's reason."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.domain import ActionStatus
from services.actions.history import SERVICE
from services.actions.sites.serving import actions_of
from services.actions.store import Action, Improvement, lock_cycle, visible_incident
from services.actions.strength import hierarchy
from services.actions.strength.store import WeakerAccepted
from services.contracts.taxonomy import Band, Role, Strength
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import conflict, forbidden
from services.runtime.text import ShortText

APPROVERS = (Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)


class AcceptWeaker(BaseModel):
    """Why only weaker actions are enough here."""

    model_config = ConfigDict(extra="forbid")

    reason: ShortText


def accept_weaker(
    session: Session, actor: Actor, incident_id: UUID, command: AcceptWeaker, now: datetime
) -> WeakerAccepted:
    """Accept that the current cycle has only weaker actions, with a reason.

    Not by who owns or agreed one of them (403); not where there is nothing to accept (409).
    """
    incident = visible_incident(session, actor, incident_id)
    if session.get(Improvement, (incident_id, incident.cycle)) is None:
        raise _nothing()
    lock_cycle(session, incident_id, incident.cycle)
    actions = _standing(session, incident_id, incident.cycle)
    if not actions or not _only_weaker(actions):
        raise _nothing()
    if any(actor.id in (action.owner_id, action.agreed_by) for action in actions):
        raise forbidden(
            "Whoever owns or agreed one of the actions cannot accept that they are weak. Ask another approver."
        )
    accepted = session.get(WeakerAccepted, (incident_id, incident.cycle))
    if accepted is None:
        accepted = WeakerAccepted(incident_id=incident_id, cycle=incident.cycle, provider_id=actor.provider_id)
        session.add(accepted)
    accepted.reason, accepted.accepted_by, accepted.accepted_at = command.reason, actor.id, now
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=incident_id,
        actor=actor,
        action="weaker_accepted",
        subject=incident_id,
        at=now,
        data={"cycle": incident.cycle, "reason_sha256": audit.digest(command.reason), "actions": len(actions)},
    )
    return accepted


def check_strength(session: Session, improvement: Improvement, actions: list[Action]) -> None:
    """Refuse (409) to complete a cycle of high risk on weaker actions alone, unless an approver said why."""
    standing = [action for action in actions if action.status != ActionStatus.CANCELLED]
    if improvement.band is None or Band(improvement.band) not in policy.of_cycle(session, improvement).stronger_needed:
        return
    if not standing or not _only_weaker(standing):
        return
    if session.get(WeakerAccepted, (improvement.incident_id, improvement.cycle)) is None:
        raise conflict(
            "only-weaker",
            "This cycle would rest on weaker actions alone",
            "The risk is high, and all actions depend on people remembering. Agree one that is at least intermediate, or"
            " have an approver who owns none of them give a reason at POST /incidents/{incident_id}/weaker-actions.",
        )


def _standing(session: Session, incident_id: UUID, cycle: int) -> list[Action]:
    return [one for one in actions_of(session, incident_id, cycle) if one.status != ActionStatus.CANCELLED]


def _only_weaker(actions: list[Action]) -> bool:
    counted = (hierarchy.counts_as(a.title, Strength(a.strength), a.strength_reason) for a in actions)
    return all(strength is Strength.WEAKER for strength in counted)


def _nothing() -> Exception:
    return conflict(
        "not-only-weaker",
        "There is nothing to accept",
        "The actions of this cycle are not all weaker ones, or there are none. Read GET /actions?incident_id=.",
    )
