"""Requests to cancel, as views."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from services.actions.cancellation.store import CancellationRequest
from services.actions.domain import ActionStatus
from services.actions.store import Action


class CancellationView(BaseModel):
    """One request to cancel, counted from 1; `accepted` is None until somebody decides."""

    request_id: UUID
    number: int
    reason: str
    asked_by: UUID
    asked_at: datetime
    accepted: bool | None
    decision_reason: str | None
    decided_by: UUID | None
    decided_at: datetime | None


def cancellation_view(request: CancellationRequest) -> CancellationView:
    """One request."""
    return CancellationView(**{name: getattr(request, name) for name in CancellationView.model_fields})


def cancellations(session: Session, action_id: UUID) -> list[CancellationView]:
    """All of an action, in order."""
    rows = session.scalars(
        select(CancellationRequest)
        .where(CancellationRequest.action_id == action_id)
        .order_by(CancellationRequest.number)
    )
    return [cancellation_view(row) for row in rows]


def undecided() -> ColumnElement[bool]:
    """Whether an action waits for an answer about cancelling it."""
    waiting = select(CancellationRequest.request_id).where(
        CancellationRequest.action_id == Action.action_id,
        CancellationRequest.accepted.is_(None),
        Action.status.not_in((ActionStatus.VERIFIED, ActionStatus.CANCELLED)),
    )
    return waiting.exists()
