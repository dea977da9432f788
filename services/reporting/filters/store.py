"""The table of saved filters."""

from typing import Any
from uuid import UUID

from sqlalchemy import MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Table(DeclarativeBase):
    """Saved filters live in the schema `reporting` beside the projections."""

    metadata = MetaData(schema="reporting")
    type_annotation_map = {str: Text}  # noqa: RUF012 - SQLAlchemy's own idiom


class SavedFilter(Table):
    """What somebody looks for again and again. `wanted` has the parameters of the list of incidents that are given."""

    __tablename__ = "saved_filter"

    filter_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    person_id: Mapped[UUID]
    name: Mapped[str]
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    archived: Mapped[bool]
    version: Mapped[int]
