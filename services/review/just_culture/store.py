"""The table of the guide's uses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.review.store import Table


class Use(Table):
    """One use of the guide about a review: by whom, why, what they wrote."""

    __tablename__ = "just_culture"

    use_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    review_id: Mapped[UUID]
    guide: Mapped[str]
    opened_by: Mapped[UUID]
    opened_at: Mapped[datetime]
    reason: Mapped[str]
    answers: Mapped[dict[str, str]] = mapped_column(JSONB)
    version: Mapped[int]
