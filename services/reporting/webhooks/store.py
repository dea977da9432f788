"""The table of webhooks."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Table(DeclarativeBase):
    """Webhooks live in the schema `reporting` beside the projections."""

    metadata = MetaData(schema="reporting")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Webhook(Table):
    """A system outside. It has been told of every line up to `sent_line`; `failures` is how often in a row it did not
    take the next one. Both secrets are sealed; calls are signed with the previous one too, until `previous_until`.
    """

    __tablename__ = "webhook"

    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    active: Mapped[bool]
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_until: Mapped[datetime | None]
    version: Mapped[int]
    sent_line: Mapped[int]
    sent_at: Mapped[datetime | None]
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    next_at: Mapped[datetime]
