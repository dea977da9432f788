"""Events that review publishes."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import IncidentData
from services.contracts.taxonomy import ReviewMethod, Role, Seips


class ReviewOpened(IncidentData):
    """A review of a proportionate method was opened, with its own clock."""

    TYPE: ClassVar[str] = "plumbline.review.opened.v1"

    review_id: UUID
    cycle: int
    method: ReviewMethod
    lead_role: Role
    due_at: datetime
    rule: str
    policy_version: str


class ReviewSubmitted(IncidentData):
    """The reviewer says it is complete; approval is next."""

    TYPE: ClassVar[str] = "plumbline.review.submitted.v1"

    review_id: UUID
    cycle: int


class ReviewReturned(IncidentData):
    """The approver sent it back with what is missing."""

    TYPE: ClassVar[str] = "plumbline.review.returned.v1"

    review_id: UUID
    cycle: int


class ReviewApproved(IncidentData):
    """Somebody other than the author approved it. Says what must follow."""

    TYPE: ClassVar[str] = "plumbline.review.approved.v1"

    review_id: UUID
    cycle: int
    factors: list[Seips]
    learning_count: int
    actions_needed: bool
    briefing_needed: bool
    learning: list[UUID] = Field(default_factory=list)


class BriefingSent(IncidentData):
    """Learning went out to the locations that need it."""

    TYPE: ClassVar[str] = "plumbline.briefing.sent.v1"

    briefing_id: UUID
    cycle: int
    audience: int
    target_percent: int
    due_at: datetime


class BriefingAcknowledged(IncidentData):
    """A member of staff at one location read it and answered the check."""

    TYPE: ClassVar[str] = "plumbline.briefing.acknowledged.v1"

    briefing_id: UUID
    cycle: int
    location_id: UUID
    understood: bool


class BriefingReached(IncidentData):
    """Enough of the audience read and understood it."""

    TYPE: ClassVar[str] = "plumbline.briefing.reached.v1"

    briefing_id: UUID
    cycle: int
    reach_percent: int


EVENTS = (
    ReviewOpened,
    ReviewSubmitted,
    ReviewReturned,
    ReviewApproved,
    BriefingSent,
    BriefingAcknowledged,
    BriefingReached,
)
