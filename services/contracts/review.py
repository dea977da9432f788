"""Events that review publishes."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import CaseData, ThemeData
from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Band, Category, MemberDecision, ReviewMethod, Role, Seips, ThemeStage


class ReviewOpened(CaseData):
    """A review of a proportionate method was opened, with its own clock; or decided again, which replaces what was.

    `deepened`: because facts came, so that the process hears of its new clock by this alone. The highest `revision` counts.
    """

    TYPE: ClassVar[str] = "plumbline.review.opened.v1"

    review_id: UUID
    cycle: int
    method: ReviewMethod
    lead_role: Role
    due_at: datetime
    rule: str
    policy_version: str
    revision: int = 0
    deepened: bool = False


class ReviewSubmitted(CaseData):
    """The reviewer says it is complete; approval is next."""

    TYPE: ClassVar[str] = "plumbline.review.submitted.v1"

    review_id: UUID
    cycle: int


class ReviewReturned(CaseData):
    """The approver sent it back with what is missing."""

    TYPE: ClassVar[str] = "plumbline.review.returned.v1"

    review_id: UUID
    cycle: int


class ReviewApproved(CaseData):
    """Somebody other than the author approved it. Says what must follow.

    A review whose cause is known links the learning that says so, and the actions and themes that answer it.
    """

    TYPE: ClassVar[str] = "plumbline.review.approved.v1"

    review_id: UUID
    cycle: int
    factors: list[Seips]
    learning_count: int
    actions_needed: bool
    briefing_needed: bool
    learning: list[UUID] = Field(default_factory=list)
    known_learning: list[UUID] = Field(default_factory=list)
    known_actions: list[UUID] = Field(default_factory=list)
    known_themes: list[UUID] = Field(default_factory=list)


class BriefingSent(CaseData):
    """Learning went out to the locations that need it."""

    TYPE: ClassVar[str] = "plumbline.briefing.sent.v1"

    briefing_id: UUID
    cycle: int
    audience: int
    target_percent: int
    due_at: datetime
    follow_up_at: datetime | None = None


class AdoptionAsked(CaseData):
    """The locations of a briefing were asked whether they have the same risk, or do what was agreed."""

    TYPE: ClassVar[str] = "plumbline.adoption.asked.v1"

    check_id: UUID
    briefing_id: UUID
    cycle: int
    due_at: datetime


class AdoptionReturned(CaseData):
    """One location answered."""

    TYPE: ClassVar[str] = "plumbline.adoption.returned.v1"

    check_id: UUID
    briefing_id: UUID
    cycle: int
    location_id: UUID
    missing: int


class RecallMeasured(CaseData):
    """Some of those who had understood a briefing were asked again, weeks later."""

    TYPE: ClassVar[str] = "plumbline.recall.measured.v1"

    briefing_id: UUID
    cycle: int
    asked: int
    could_say: int
    target_percent: int


class BriefingAcknowledged(CaseData):
    """A member of staff at one location read it and answered the check."""

    TYPE: ClassVar[str] = "plumbline.briefing.acknowledged.v1"

    briefing_id: UUID
    cycle: int
    location_id: UUID
    understood: bool


class BriefingReached(CaseData):
    """Enough of the audience read and understood it."""

    TYPE: ClassVar[str] = "plumbline.briefing.reached.v1"

    briefing_id: UUID
    cycle: int
    reach_percent: int


class BriefingReminded(CaseData):
    """Its day is past, and at these locations it is not understood: `to_role` of each of them was told.

    `count` is how often so far; whom it is about changes as it goes up the line of each location.
    """

    TYPE: ClassVar[str] = "plumbline.briefing.reminded.v1"

    briefing_id: UUID
    cycle: int
    count: int
    to_role: Role
    locations: list[UUID]
    missing: int


class ThemeCommissioned(ThemeData):
    """A thematic review was commissioned, with somebody who leads it; its terms are to be accepted until `accept_due_at`.

    Without `region_id` it is about the whole provider. `locations` are those in which the pattern was seen.
    """

    TYPE: ClassVar[str] = "plumbline.theme.commissioned.v1"

    region_id: UUID | None
    locations: list[UUID]
    category: Category
    band: Band
    lead_id: UUID
    signal_id: UUID | None
    accept_due_at: datetime
    policy_version: str


class ThemeAccepted(ThemeData):
    """Whoever leads it accepted the terms; the review begins."""

    TYPE: ClassVar[str] = "plumbline.theme.accepted.v1"


class ThemeMemberDecided(ThemeData):
    """An incident was linked, or considered and excluded. `linked` and `excluded` are the totals after that."""

    TYPE: ClassVar[str] = "plumbline.theme.member_decided.v1"

    incident_id: UUID
    decision: MemberDecision
    linked: int
    excluded: int


class ThemeStageEntered(ThemeData):
    """The theme moved on. `watch_at` is when it is to be looked at again after it was closed."""

    TYPE: ClassVar[str] = "plumbline.theme.stage_entered.v1"

    cycle: int
    stage: ThemeStage
    next_move: Role | None
    due_at: datetime | None
    watch_at: datetime | None = None


class ThemeReminded(ThemeData):
    """A clock ran out and somebody was told: whoever leads the theme, or, without an answer, the line above.

    With `action_id`, that action was returned for the `count`-th time, and the line above was told.
    """

    TYPE: ClassVar[str] = "plumbline.theme.reminded.v1"

    cycle: int
    stage: ThemeStage
    count: int
    to_role: Role | None
    action_id: UUID | None = None


class ThemeEnded(ThemeData):
    """It will not be finished, for a reason that is kept."""

    TYPE: ClassVar[str] = "plumbline.theme.ended.v1"


EVENTS = (
    ThemeCommissioned,
    ThemeAccepted,
    ThemeMemberDecided,
    ThemeStageEntered,
    ThemeReminded,
    ThemeEnded,
    PolicyPublished,
    ReviewOpened,
    ReviewSubmitted,
    ReviewReturned,
    ReviewApproved,
    BriefingSent,
    BriefingAcknowledged,
    BriefingReached,
    BriefingReminded,
    AdoptionAsked,
    AdoptionReturned,
    RecallMeasured,
)
