"""Ask for more time, and decide on it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.commands import remind_at, wrong_status
from services.actions.domain import ActionStatus
from services.actions.extension.store import Extension
from services.actions.history import record
from services.actions.people import line
from services.actions.store import Action, visible_action
from services.contracts.actions import ActionExtended
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.errors import conflict, forbidden, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText


class AskForTime(BaseModel):
    """How much more time, and why."""

    model_config = ConfigDict(extra="forbid")

    working_days: Annotated[int, Field(ge=1, le=260, description="From the day on which it is due, or from today.")]
    reason: ShortText


class DecideOnTime(BaseModel):
    """Whether more time is given, and why not if it is not."""

    model_config = ConfigDict(extra="forbid")

    granted: bool
    reason: ShortText | None = Field(default=None, description="Needed when it is refused.")


def ask_for_time(
    session: Session, actor: Actor, action_id: UUID, command: AskForTime, version: int, now: datetime
) -> Extension:
    """The owner, or who covers, asks for more time for an open action. The clock runs on until somebody else decides.

    The policy limits how often (409) and how long (422). One request at a time (409).
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    if not line.answers_for(session, actor, action, now):
        raise forbidden("Only the owner of an action can ask for more time. Ask the owner to.")
    check_version(action.version, version)
    if action.status != ActionStatus.OPEN:
        raise wrong_status(action, "Only an open action can be given more time")
    rules = policy.of_action(session, action.incident_id, action.cycle)
    if command.working_days > rules.longest_extension:
        raise invalid(
            "working_days",
            f"is more than the {rules.longest_extension} that the policy allows at once",
            "Ask for less, or have the action cancelled and agree another.",
        )
    if action.extensions >= rules.most_extensions:
        raise conflict(
            "no-more-time",
            "This action has been given more time as often as the policy allows",
            f"It was extended {action.extensions} times. Do it, or have it cancelled by an approver.",
        )
    if _undecided(session, action) is not None:
        raise conflict("already-asked", "More time has been asked for", "Wait for the decision.")
    assert action.due_at is not None
    extension = Extension(
        extension_id=new_id(),
        provider_id=action.provider_id,
        action_id=action_id,
        attempt=action.attempt + 1,
        working_days=command.working_days,
        reason=command.reason,
        asked_by=actor.id,
        asked_at=now,
        due_before=action.due_at,
    )
    session.add(extension)
    action.version += 1
    record(
        session,
        actor,
        action,
        now,
        "time_asked_for",
        None,
        extension_id=extension.extension_id,
        working_days=command.working_days,
        reason_sha256=audit.digest(command.reason),
    )
    return extension


def decide_on_time(
    session: Session,
    actor: Actor,
    action_id: UUID,
    extension_id: UUID,
    command: DecideOnTime,
    version: int,
    now: datetime,
) -> Extension:
    """Somebody other than the owner and who asked decides (403). Granted, the clock runs until the new day."""
    action = visible_action(session, actor, action_id, lock=True)
    extension = session.get(Extension, extension_id)
    if extension is None or extension.action_id != action_id:
        raise not_found("extension")
    if actor.id in (action.owner_id, extension.asked_by):
        raise forbidden("Whoever owns the action or asked for more time cannot decide on it. Ask somebody else.")
    check_version(action.version, version)
    if extension.granted is not None or action.status != ActionStatus.OPEN or extension.attempt != action.attempt + 1:
        raise conflict("not-waiting", "This request does not wait for a decision any more", "Read the action again.")
    if not command.granted and command.reason is None:
        raise invalid("reason", "is needed: more time is refused", "Say why.")
    extension.granted, extension.decision_reason = command.granted, command.reason
    extension.decided_by, extension.decided_at = actor.id, now
    action.version += 1
    event = None
    if command.granted:
        assert action.due_at is not None
        action.extensions += 1
        due_at = action.due_at = add_working_days(max(action.due_at, now), extension.working_days)
        action.remind_at = remind_at(session, action, now)
        extension.due_after = due_at
        event = ActionExtended(
            incident_id=action.incident_id,
            action_id=action_id,
            cycle=action.cycle,
            attempt=extension.attempt,
            extension=action.extensions,
            due_at=due_at,
            remind_at=action.remind_at,
        )
    record(
        session,
        actor,
        action,
        now,
        "extended" if command.granted else "time_refused",
        event,
        extension_id=extension_id,
        due_at=action.due_at,
        reason_sha256=None if command.reason is None else audit.digest(command.reason),
    )
    return extension


def _undecided(session: Session, action: Action) -> Extension | None:
    """The request that waits for a decision; one of an earlier attempt was settled by that."""
    return session.scalars(
        select(Extension).where(
            Extension.action_id == action.action_id,
            Extension.attempt == action.attempt + 1,
            Extension.granted.is_(None),
        )
    ).first()
