"""Events that reporting publishes."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import EventData
from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Band, Category, GovernanceKind, MeetingLevel, Role

Code = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_:-]{0,79}$")]
"""A code of reporting's pattern policy, or a stand-in; both grow without a new version of the event."""


class SignalAccepted(EventData):
    """People accepted that a pattern is real: a thematic review may be commissioned, by this `signal_id`.

    `trait` and `code` say what the incidents share besides type and place. `incidents` are its members at that moment;
    they stay as they are, wherever the theme goes. None for location, region or category: the pattern crosses them.
    With `lead_id` the thematic review is commissioned by itself, for that person to accept; `band` is then the highest of
    the members' that are triaged.
    """

    TYPE: ClassVar[str] = "plumbline.signal.accepted.v1"

    signal_id: UUID
    kind: Code
    location_id: UUID | None
    region_id: UUID | None
    category: Category | None
    trait: Code | None
    code: Code | None
    incidents: list[UUID]
    locations: list[UUID]
    first_at: datetime
    last_at: datetime
    policy_version: Code
    lead_id: UUID | None = None
    band: Band | None = None

    @property
    def key(self) -> str:
        """The signal's id."""
        return str(self.signal_id)


class MeetingCompiled(EventData):
    """A meeting's agenda was compiled and is frozen; it is to be held by `hold_by`.

    Without `location_id` it is of a whole region, without both of the whole provider. `called`: by a person, beside the
    cadence.
    """

    TYPE: ClassVar[str] = "plumbline.meeting.compiled.v1"

    meeting_id: UUID
    level: MeetingLevel
    location_id: UUID | None
    region_id: UUID | None
    since: datetime
    hold_by: datetime
    called: bool
    policy_version: Code

    @property
    def key(self) -> str:
        """The meeting's id."""
        return str(self.meeting_id)


class MeetingHeld(EventData):
    """The meeting took place, with so many people."""

    TYPE: ClassVar[str] = "plumbline.meeting.held.v1"

    meeting_id: UUID
    level: MeetingLevel
    location_id: UUID | None
    region_id: UUID | None
    held_at: datetime
    present: int

    @property
    def key(self) -> str:
        """The meeting's id."""
        return str(self.meeting_id)


class GovernanceData(EventData):
    """Payload of an event of one decision or challenge of a meeting.

    It may name an incident or a theme, in whose history it then stands. `level` is the level it is with by now.
    """

    item_id: UUID
    meeting_id: UUID
    kind: GovernanceKind
    level: MeetingLevel
    incident_id: UUID | None
    theme_id: UUID | None

    @property
    def key(self) -> str:
        """Events of one decision or challenge keep their order."""
        return str(self.item_id)

    @property
    def case_id(self) -> UUID:
        """The case in whose history it stands. Raises ValueError where it names none."""
        if (found := self.incident_id or self.theme_id) is None:
            raise ValueError("it names no case")
        return found


class GovernanceItemRaised(GovernanceData):
    """A decision or a challenge was recorded: its owner has until `due_at`.

    Where `owner_id` is the system's, nobody was named: whoever holds `owner_role` at the place owns it.
    """

    TYPE: ClassVar[str] = "plumbline.governance.raised.v1"

    owner_id: UUID
    owner_role: Role
    due_at: datetime
    policy_version: Code


class GovernanceItemAnswered(GovernanceData):
    """The challenge was answered, or what was decided is said to be done, for the `round`-th time."""

    TYPE: ClassVar[str] = "plumbline.governance.answered.v1"

    round: int


class GovernanceItemJudged(GovernanceData):
    """Somebody other than who answered accepted the answer, or challenged again, to be answered until `due_at`."""

    TYPE: ClassVar[str] = "plumbline.governance.judged.v1"

    round: int
    accepted: bool
    due_at: datetime | None


class GovernanceItemEscalated(GovernanceData):
    """Nobody answered in time: it is with `level` from now on, whose `to_role` is told, until `due_at`."""

    TYPE: ClassVar[str] = "plumbline.governance.escalated.v1"

    from_level: MeetingLevel
    to_role: Role
    due_at: datetime
    times: int


EVENTS = (
    PolicyPublished,
    SignalAccepted,
    MeetingCompiled,
    MeetingHeld,
    GovernanceItemRaised,
    GovernanceItemAnswered,
    GovernanceItemJudged,
    GovernanceItemEscalated,
)
