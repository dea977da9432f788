"""Who may look: nobody who owns an action, did it, or answers to either."""

from sqlalchemy.orm import Session

from services.actions.domain import independent
from services.actions.people import line
from services.actions.store import Action
from services.runtime.actor import Actor
from services.runtime.errors import forbidden


def check_independent(session: Session, actor: Actor, action: Action) -> None:
    """Refuse (403) whoever is not independent of an action."""
    above = line.above(session, actor.id)
    if not independent(actor.id, above=above, owner=action.owner_id, done_by=action.done_by):
        raise forbidden(
            "Verification must be independent: whoever owns an action or said that it is done cannot verify it, nor can"
            " anybody who answers to them. Ask somebody else to look."
        )
