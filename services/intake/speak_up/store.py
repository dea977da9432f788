"""The tables of speaking up, and who sees a concern."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, LargeBinary, func, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table
from services.runtime import restriction
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, not_found


class Concern(Table):
    """A concern somebody raised. Nothing here identifies who raised it anonymously."""

    __tablename__ = "concern"

    concern_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    mode: Mapped[str]
    contact: Mapped[str | None]
    raised_at: Mapped[datetime]
    answer_due_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    reviewer_id: Mapped[UUID | None]
    protection: Mapped[str | None]
    incident_id: Mapped[UUID | None]
    version: Mapped[int]


class ConcernMessage(Table):
    """One message of a conversation."""

    __tablename__ = "concern_message"

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    concern_id: Mapped[UUID]
    author: Mapped[str]
    author_id: Mapped[UUID | None]
    text: Mapped[str]
    sent_at: Mapped[datetime]


class ConcernReceipt(Table):
    """What finds and opens a conversation."""

    __tablename__ = "concern_receipt"

    selector: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    concern_id: Mapped[UUID]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


def find_receipt(session: Session, selector: str) -> ConcernReceipt | None:
    """The row that a selector names, whichever provider it belongs to; no other can be read."""
    session.execute(select(func.set_config("app.receipt", selector, True)))
    return session.get(ConcernReceipt, selector)


def open_conversation(session: Session, concern_id: UUID, *, lock: bool = False) -> Concern:
    """The concern of a code that was right; 404 once it is hidden from everybody, as it is when it is erased."""
    concern = session.get_one(Concern, concern_id, with_for_update=True if lock else None)
    row = restriction.find(session, "intake", concern_id)
    if row is not None and not row.roles and not row.people:
        raise no_conversation()
    return concern


def no_conversation() -> ServiceError:
    """Said of a wrong code, one that never was, and one whose conversation was erased."""
    return ServiceError(
        404, "not-found", "No such conversation", "Nothing opens with this code. Check it letter by letter."
    )


def visible_concern(session: Session, actor: Actor, concern_id: UUID, *, lock: bool = False) -> Concern:
    """The concern if the actor reviews concerns there and is not kept away from it, else 404."""
    concern = session.get(Concern, concern_id, with_for_update=True if lock else None)
    if concern is None or not restriction.may_see(
        session,
        "intake",
        actor,
        concern_id,
        in_scope=concern.location_id is None or actor.sees(concern.location_id, concern.region_id),
    ):
        raise not_found("concern")
    return concern


def visible_concerns(actor: Actor) -> ColumnElement[bool]:
    """The same as a condition for a list."""
    in_scope = or_(Concern.location_id.is_(None), actor.scope(Concern.location_id, Concern.region_id))
    return restriction.visible(
        "intake", actor, Concern.concern_id, in_scope=true() if actor.all_locations else in_scope
    )
