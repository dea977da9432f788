"""What a plan of only weaker actions needs where the risk is high, or moderate and it happened before: somebody else's reason."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.domain import ActionStatus
from services.actions.history import SERVICE
from services.actions.sites.serving import actions_of
from services.actions.store import Action, Improvement, Incident, lock_cycle, visible_incident
from services.actions.strength import hierarchy
from services.actions.strength.store import WeakerAccepted
from services.contracts.taxonomy import Band, CaseKind, Role, Strength
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
    """Refuse (409) to complete a cycle on weaker actions alone where the policy wants more, unless an approver said why.

    It does where the risk is high, and where it is moderate and the same type happened at the place not long before.
    """
    standing = [action for action in actions if action.status != ActionStatus.CANCELLED]
    if not standing or not _only_weaker(standing):
        return
    why = _stronger_needed(session, improvement)
    if why is not None and session.get(WeakerAccepted, (improvement.incident_id, improvement.cycle)) is None:
        raise conflict(
            "only-weaker",
            "This cycle would rest on weaker actions alone",
            f"{why}, and all actions depend on people remembering. Agree one that is at least intermediate, or"
            " have an approver who owns none of them give a reason at POST /incidents/{incident_id}/weaker-actions.",
        )


def _stronger_needed(session: Session, improvement: Improvement) -> str | None:
    """Why more than weaker actions is wanted, in words; None where it is not. A theme is of several incidents."""
    rules, band = policy.of_cycle(session, improvement), improvement.band
    if band is not None and Band(band) in rules.stronger_needed:
        return "The risk is high"
    if band is None or Band(band) not in rules.stronger_needed_on_repeat:
        return None
    incident = session.get(Incident, improvement.incident_id)
    if incident is None:
        return None
    if incident.case_kind == CaseKind.THEME:
        return "It happened several times"
    if incident.occurred_at is None:
        return None
    before = exists().where(
        Incident.location_id == incident.location_id,
        Incident.category == incident.category,
        Incident.incident_id != incident.incident_id,
        Incident.withdrawn.is_(False),
        Incident.occurred_at <= incident.occurred_at,
        Incident.occurred_at > incident.occurred_at - rules.repeat_within,
    )
    return "It happened here before" if session.scalar(select(before)) else None


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
