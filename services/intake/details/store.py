"""Answers, and who was affected."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.intake.store import Table


class Answer(Table):
    """The newest answer to a question about an incident."""

    __tablename__ = "answer"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    question: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    value: Mapped[Any] = mapped_column(JSONB)
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]
    revision: Mapped[int]


class AnswerBefore(Table):
    """What the answer said before it was changed. Rows are added, never changed: the first account stays."""

    __tablename__ = "answer_before"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    question: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    value: Mapped[Any] = mapped_column(JSONB)
    answered_by: Mapped[UUID]
    answered_at: Mapped[datetime]


class AffectedPerson(Table):
    """A person it happened to, by the opaque reference of the provider's care records."""

    __tablename__ = "affected_person"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_ref: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
