"""Ask that an action be cancelled, and decide on it."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions.cancellation.store import CancellationRequest
from services.actions.commands import CancelAction, cancel, wrong_status
from services.actions.domain import ActionStatus
from services.actions.history import record
from services.actions.people import line
from services.actions.store import visible_action
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import conflict, forbidden, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText


class DecideOnCancelling(BaseModel):
    """Whether the action is cancelled, and why not if it is not."""

    model_config = ConfigDict(extra="forbid")

    accepted: bool
    reason: ShortText | None = Field(default=None, description="Needed when it is refused.")


def ask_to_cancel(
    session: Session, actor: Actor, action_id: UUID, command: CancelAction, version: int, now: datetime
) -> CancellationRequest:
    """The owner, or who covers (403 else), asks that an action be cancelled. It goes on, and its clock runs, meanwhile.

    One request at a time, and none once it is settled (409). A refused one may be asked again; all are counted.
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    if not line.answers_for(session, actor, action, now):
        raise forbidden("Only the owner of an action can ask that it be cancelled. An approver cancels it at once.")
    check_version(action.version, version)
    if ActionStatus(action.status).settled:
        raise wrong_status(action, "Only an action that is not verified yet can be cancelled")
    before = session.scalar(select(func.max(CancellationRequest.number)).filter_by(action_id=action_id)) or 0
    undecided = select(CancellationRequest.request_id).filter_by(action_id=action_id, accepted=None)
    if session.scalar(undecided) is not None:
        raise conflict("already-asked", "It has been asked that this action be cancelled", "Wait for the decision.")
    request = CancellationRequest(
        request_id=new_id(),
        provider_id=action.provider_id,
        action_id=action_id,
        number=before + 1,
        reason=command.reason,
        asked_by=actor.id,
        asked_at=now,
    )
    session.add(request)
    action.version += 1
    record(
        session,
        actor,
        action,
        now,
        "cancellation_asked_for",
        None,
        request_id=request.request_id,
        number=request.number,
        reason_sha256=audit.digest(command.reason),
    )
    return request


def decide_on_cancelling(
    session: Session,
    actor: Actor,
    action_id: UUID,
    request_id: UUID,
    command: DecideOnCancelling,
    version: int,
    now: datetime,
) -> CancellationRequest:
    """An approver other than the owner and who asked decides (403). Accepted, it is cancelled with the owner's reason."""
    action = visible_action(session, actor, action_id, lock=True)
    request = session.get(CancellationRequest, request_id)
    if request is None or request.action_id != action_id:
        raise not_found("request")
    if actor.id in (action.owner_id, request.asked_by):
        raise forbidden("Whoever owns the action or asked to cancel it cannot decide on it. Ask another approver.")
    check_version(action.version, version)
    if request.accepted is not None or ActionStatus(action.status).settled:
        raise conflict("not-waiting", "This request does not wait for a decision any more", "Read the action again.")
    if not command.accepted and command.reason is None:
        raise invalid("reason", "is needed: the request is refused", "Say why the action is still to be done.")
    request.accepted, request.decision_reason = command.accepted, command.reason
    request.decided_by, request.decided_at = actor.id, now
    said = None if command.reason is None else audit.digest(command.reason)
    action.version += 1
    what = "cancellation_accepted" if command.accepted else "cancellation_refused"
    record(session, actor, action, now, what, None, request_id=request_id, decision_reason_sha256=said)
    if command.accepted:
        cancel(session, actor, action, request.reason, now)
    return request
