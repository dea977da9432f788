"""Samples as views."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.sampling.commands import items_of
from services.actions.sampling.store import SampleDraw


class ItemView(BaseModel):
    """One that was drawn, and what was found; None where nobody has looked yet."""

    position: int
    name: str | None
    compliant: bool | None
    note: str | None
    recorded_by: UUID | None


class DrawView(BaseModel):
    """A sample, with what is needed to draw it again."""

    draw_id: UUID
    attempt: int
    frame_size: int
    size: int
    seed: str = Field(description="Of all places from 1, those with the smallest SHA-256 of SEED:PLACE are drawn.")
    reason: str | None
    drawn_by: UUID
    drawn_at: datetime
    items: list[ItemView]


def draw_view(session: Session, draw: SampleDraw) -> DrawView:
    """A sample with its items."""
    values = {name: getattr(draw, name) for name in DrawView.model_fields if name != "items"}
    return DrawView(
        **values,
        items=[
            ItemView(
                position=item.position,
                name=None if draw.frame is None else draw.frame[item.position - 1],
                compliant=item.compliant,
                note=item.note,
                recorded_by=item.recorded_by,
            )
            for item in items_of(session, draw.draw_id)
        ],
    )


def draws(session: Session, action_id: UUID) -> list[DrawView]:
    """All samples of an action, in the order in which they were drawn."""
    rows = session.scalars(select(SampleDraw).where(SampleDraw.action_id == action_id).order_by(SampleDraw.draw_id))
    return [draw_view(session, row) for row in rows]
