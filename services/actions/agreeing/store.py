"""What belongs to an action from the day it is agreed."""

from uuid import UUID

from sqlalchemy import ARRAY, Text
from sqlalchemy.orm import Mapped, mapped_column

from services.actions.store import Table


class Finding(Table):
    """A learning of an approved review, known by its id; the words stay in review."""

    __tablename__ = "finding"

    finding_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    cycle: Mapped[int]


class ProofItem(Table):
    """One thing that must be shown before the action counts as done; `kinds` are the sorts of evidence that show it."""

    __tablename__ = "proof_item"

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    action_id: Mapped[UUID]
    place: Mapped[int]
    description: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))


class Dependency(Table):
    """An action waits for another."""

    __tablename__ = "dependency"

    action_id: Mapped[UUID] = mapped_column(primary_key=True)
    waits_for: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
