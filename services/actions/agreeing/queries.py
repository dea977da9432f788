"""What an action was agreed with, as views."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.agreeing.commands import lacking
from services.actions.agreeing.store import Dependency, ProofItem
from services.actions.domain import ActionStatus, EvidenceKind
from services.actions.store import Action


class ProofView(BaseModel):
    """One thing that must be shown, and whether the current attempt shows it."""

    item_id: UUID
    description: str
    kinds: list[EvidenceKind]
    shown: bool


class WaitsForView(BaseModel):
    """Another action that comes first."""

    action_id: UUID
    status: ActionStatus
    due_at: datetime | None


def proof(session: Session, action: Action, attempt: int) -> list[ProofView]:
    """What counts as proof, in the order in which it was agreed."""
    missing = {item.item_id for item in lacking(session, action, attempt)}
    rows = session.scalars(select(ProofItem).where(ProofItem.action_id == action.action_id).order_by(ProofItem.place))
    return [
        ProofView(
            item_id=row.item_id,
            description=row.description,
            kinds=[EvidenceKind(kind) for kind in row.kinds],
            shown=row.item_id not in missing,
        )
        for row in rows
    ]


def waits_for(session: Session, action_id: UUID) -> list[WaitsForView]:
    """What an action waits for: ids and states only, for they may hang on an incident that the reader may not see."""
    rows = session.scalars(
        select(Action)
        .join(Dependency, Dependency.waits_for == Action.action_id)
        .where(Dependency.action_id == action_id)
        .order_by(Action.action_id)
    )
    return [WaitsForView(action_id=row.action_id, status=ActionStatus(row.status), due_at=row.due_at) for row in rows]
