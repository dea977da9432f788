"""Requests for more time, as views."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from services.actions.domain import ActionStatus
from services.actions.extension.store import Extension
from services.actions.store import Action


class ExtensionView(BaseModel):
    """One request for more time; `granted` is None until somebody decides."""

    extension_id: UUID
    attempt: int
    working_days: int
    reason: str
    asked_by: UUID
    asked_at: datetime
    granted: bool | None
    decision_reason: str | None
    decided_by: UUID | None
    decided_at: datetime | None
    due_before: datetime
    due_after: datetime | None


def extension_view(extension: Extension) -> ExtensionView:
    """One request."""
    return ExtensionView(**{name: getattr(extension, name) for name in ExtensionView.model_fields})


def extensions(session: Session, action_id: UUID) -> list[ExtensionView]:
    """All of an action, in order."""
    rows = session.scalars(select(Extension).where(Extension.action_id == action_id).order_by(Extension.extension_id))
    return [extension_view(row) for row in rows]


def undecided() -> ColumnElement[bool]:
    """Whether an action waits for an answer about more time."""
    waiting = select(Extension.extension_id).where(
        Extension.action_id == Action.action_id,
        Extension.attempt == Action.attempt + 1,
        Extension.granted.is_(None),
        Action.status == ActionStatus.OPEN,
    )
    return waiting.exists()
