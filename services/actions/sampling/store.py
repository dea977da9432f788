"""Samples as they are kept: the frame, the seed and what was found, item by item."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class SampleDraw(Table):
    """One draw. `frame` are the names of all that could be drawn, or None where only their number is known."""

    __tablename__ = "sample_draw"

    draw_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    attempt: Mapped[int]
    frame_size: Mapped[int]
    frame: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    seed: Mapped[str]
    size: Mapped[int]
    reason: Mapped[str | None]
    drawn_by: Mapped[UUID]
    drawn_at: Mapped[datetime]


class SampleItem(Table):
    """One that was drawn, by its place in the frame from 1, and what was found."""

    __tablename__ = "sample_item"

    draw_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    compliant: Mapped[bool | None]
    note: Mapped[str | None]
    recorded_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime | None]
