"""What review knows of holds, and what it refuses while one stands."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import HoldFor
from services.review.store import Table
from services.runtime.errors import conflict


class Hold(Table):
    """A hold on the fact-finding of an incident. It stands until `lifted_at` is there; the highest revision counts."""

    __tablename__ = "fact_finding_hold"

    hold_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    revision: Mapped[int]
    waits_for: Mapped[str]
    placed_at: Mapped[datetime]
    look_again_at: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]


class HoldView(BaseModel):
    """A hold that stands: the review's clock runs on, and somebody asks again by `look_again_at`."""

    hold_id: UUID
    waits_for: HoldFor
    placed_at: datetime
    look_again_at: datetime | None


def keep_hold(
    session: Session,
    *,
    provider_id: UUID,
    incident_id: UUID,
    hold_id: UUID,
    revision: int,
    waits_for: HoldFor,
    placed_at: datetime,
    look_again_at: datetime | None,
    lifted_at: datetime | None,
) -> None:
    """Keep the newest word about a hold. An older revision than the one known changes nothing."""
    changes = {"revision": revision, "look_again_at": look_again_at, "lifted_at": lifted_at}
    statement = insert(Hold).values(
        hold_id=hold_id,
        provider_id=provider_id,
        incident_id=incident_id,
        waits_for=waits_for,
        placed_at=placed_at,
        **changes,
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["hold_id"], set_=changes, where=Hold.revision < revision)
    )


def standing(session: Session, incident_id: UUID) -> Sequence[Hold]:
    """The holds of an incident that stand, oldest first."""
    query = select(Hold).where(Hold.incident_id == incident_id, Hold.lifted_at.is_(None))
    return session.scalars(query.order_by(Hold.placed_at, Hold.hold_id)).all()


def refuse_while_held(session: Session, incident_id: UUID) -> None:
    """Raise 409 while internal fact-finding of the incident waits for somebody outside.

    For whatever asks people what happened, or hands on what they said.
    """
    rows = standing(session, incident_id)
    if rows:
        bodies = " and ".join(dict.fromkeys(row.waits_for.replace("_", " ") for row in rows))
        raise conflict(
            "fact-finding-on-hold",
            "Internal fact-finding is on hold",
            f"Hold no interview and take no statement until agreed with: {bodies}. When they agree, record it with the"
            " hold of the incident in intake; then try again.",
        )
