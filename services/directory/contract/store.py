"""Contracts as they are kept."""

from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.directory.store import Table


class Contract(Table):
    """What a commissioner's contract asks for, for a location, from `starts_on` to `ends_on`."""

    __tablename__ = "contract"

    contract_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    commissioner: Mapped[str]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    hours: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    version: Mapped[int]
