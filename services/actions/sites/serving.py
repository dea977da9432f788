"""An action answers other cases too: it counts in a cycle of each, and each hears of it."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.sites.store import Served
from services.actions.store import Action, Improvement, Incident
from services.contracts.actions import (
    ActionAgreed,
    ActionCancelled,
    ActionData,
    ActionDone,
    ActionExtended,
    ActionOpened,
    ActionReturned,
    ActionVerified,
    PlannedCheckpoint,
)
from services.contracts.taxonomy import CaseKind

Cycle = tuple[UUID, int]
Completed = Mapping[Cycle, tuple[bool, list[PlannedCheckpoint]]]
"""Whether nothing is left to do or verify in a cycle, and then the plan to measure it."""


def actions_of(session: Session, incident_id: UUID, cycle: int) -> list[Action]:
    """All that count in a cycle, agreed for it or for another that they serve too."""
    elsewhere = select(Served.action_id).where(Served.incident_id == incident_id, Served.cycle == cycle)
    own = (Action.incident_id == incident_id) & (Action.cycle == cycle)
    query = select(Action).where(own | Action.action_id.in_(elsewhere)).order_by(Action.action_id)
    return list(session.scalars(query, execution_options={"populate_existing": True}))


def served_by(session: Session, action: Action) -> list[Cycle]:
    """The other cycles in which an action counts: of cases that go on and are not complete."""
    rows = session.execute(
        select(Served.incident_id, Served.cycle)
        .join(Incident, Incident.incident_id == Served.incident_id)
        .join(Improvement, (Improvement.incident_id == Served.incident_id) & (Improvement.cycle == Served.cycle))
        .where(Served.action_id == action.action_id, Improvement.completed_at.is_(None), Incident.ended.is_(False))
        .order_by(Served.incident_id)
    )
    return [(incident_id, cycle) for incident_id, cycle in rows]


def told(session: Session, action: Action, event: ActionData, completed: Completed) -> Iterator[ActionData]:
    """The event as the other cases hear it; of what is complete, what is complete there.

    Their processes did not ask for it, so what opens is news; owner and verifier are reminded by the process of its own case.
    """
    for key in sorted({*served_by(session, action), *completed} - {(action.incident_id, action.cycle)}):
        incident_id, cycle = key
        kind = CaseKind(session.get_one(Incident, incident_id).case_kind)
        changes: dict[str, object] = {"incident_id": incident_id, "cycle": cycle, "case_kind": kind, "served": True}
        if isinstance(event, ActionAgreed):
            changes["wording"] = None  # said once, not again and again
        if isinstance(event, ActionOpened):
            changes["late"] = True
        if isinstance(event, ActionOpened | ActionDone | ActionReturned | ActionExtended):
            changes["remind_at"] = None
        if isinstance(event, ActionVerified | ActionCancelled):
            changes["cycle_complete"], changes["checkpoints"] = completed.get(key, (False, []))
        if isinstance(event, ActionVerified):
            changes["recheck"] = None
        yield event.model_copy(update=changes)
