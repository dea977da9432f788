"""Hand over what somebody owns, in one go, each action with its own entry and event."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.domain import ActionStatus
from services.actions.history import record
from services.actions.people.owner import check_owner
from services.actions.store import Action, lock_cycles, visible_action
from services.contracts.actions import ActionHandedOver
from services.contracts.taxonomy import Role
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, invalid
from services.runtime.text import ShortText

MOST = 200
"""Actions in one handover: what one person can own, and one transaction can hold."""


class HandOver(BaseModel):
    """Who hands over to whom, and why."""

    model_config = ConfigDict(extra="forbid")

    from_id: UUID
    to_id: UUID
    to_role: Role = Field(description="The role in which the new owner answers for them.")
    reason: ShortText
    action_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST)] | None = Field(
        default=None, description="Only these. All that are open and that you may see, if left out."
    )


def hand_over(session: Session, actor: Actor, command: HandOver, now: datetime) -> list[Action]:
    """Give what one person owns and has not finished to another, who then confirms that it is understood.

    Raises 422 for a new owner who cannot answer for them, 409 when there is nothing to hand over. Clocks run on.
    """
    if command.to_id == command.from_id:
        raise invalid("to_id", "is who owns them now", "Choose somebody else.")
    check_owner(session, command.to_id, command.to_role, now, id_field="to_id", role_field="to_role")
    query = (
        select(Action.action_id)
        .where(Action.owner_id == command.from_id)
        .where(Action.status.not_in((ActionStatus.VERIFIED, ActionStatus.CANCELLED)))
        .order_by(Action.incident_id, Action.cycle, Action.action_id)
        .limit(MOST)
    )
    if command.action_ids is not None:
        query = query.where(Action.action_id.in_(command.action_ids))
    handed = []
    for action_id in session.scalars(query).all():
        try:
            action = visible_action(session, actor, action_id)
        except ServiceError:
            continue  # out of the actor's sight: somebody else hands it over
        lock_cycles(session, action)
        session.refresh(action)
        if action.owner_id != command.from_id or ActionStatus(action.status).settled:
            continue
        _give(session, actor, action, command, now)
        handed.append(action)
    if not handed:
        raise conflict(
            "nothing-to-hand-over", "There is nothing to hand over", "No open action of theirs is in your sight."
        )
    return handed


def _give(session: Session, actor: Actor, action: Action, command: HandOver, now: datetime) -> None:
    action.owner_id, action.owner_role = command.to_id, command.to_role
    action.understood_at = None
    action.handovers += 1
    action.version += 1
    record(
        session,
        actor,
        action,
        now,
        "handed_over",
        ActionHandedOver(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            owner_role=command.to_role,
            handover=action.handovers,
        ),
        from_id=command.from_id,
        to_id=command.to_id,
        to_role=command.to_role,
        reason_sha256=audit.digest(command.reason),
    )
