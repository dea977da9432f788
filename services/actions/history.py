"""The audit entry of a change of an action or a checkpoint, and its event, in one call."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.actions.impact.store import Checkpoint
from services.actions.sites import serving
from services.actions.store import Action, Incident
from services.contracts.actions import ActionData
from services.contracts.event import CaseData, EventData
from services.contracts.taxonomy import CaseKind
from services.runtime import audit, outbox
from services.runtime.actor import Actor

SERVICE = "actions"


def record(
    session: Session,
    actor: Actor,
    row: Action | Checkpoint,
    at: datetime,
    action: str,
    event: EventData | None,
    completed: serving.Completed | None = None,
    **data: Any,
) -> None:
    """Write what belongs to a change: the entry always, the event where others must know.

    Of an action the other cases that it serves hear too; `completed` says what is complete by this change, of each.
    """
    session.flush()
    subject = row.action_id if isinstance(row, Action) else row.checkpoint_id
    audit.append(
        session,
        SERVICE,
        chain=row.incident_id,
        actor=actor,
        action=action,
        subject=subject,
        at=at,
        data={"cycle": row.cycle, **data},
    )
    if isinstance(event, CaseData):
        kind = session.get_one(Incident, row.incident_id).case_kind
        event = event.model_copy(update={"case_kind": CaseKind(kind)})
    if event is not None:
        outbox.record(
            session, SERVICE, outbox.event_row(event, actor=actor, subject=subject, version=row.version, at=at)
        )
    if isinstance(row, Action) and isinstance(event, ActionData):
        for copy in serving.told(session, row, event, completed or {}):
            audit.append(
                session,
                SERVICE,
                chain=copy.incident_id,
                actor=actor,
                action=f"served_{action}",
                subject=subject,
                at=at,
                data={"cycle": copy.cycle},
            )
            outbox.record(
                session, SERVICE, outbox.event_row(copy, actor=actor, subject=subject, version=row.version, at=at)
            )
