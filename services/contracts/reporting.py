"""Events that reporting publishes."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import EventData
from services.contracts.taxonomy import Category

Code = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_:-]{0,79}$")]
"""A code of reporting's pattern policy, or a stand-in; both grow without a new version of the event."""


class SignalAccepted(EventData):
    """People accepted that a pattern is real: a thematic review may be commissioned, by this `signal_id`.

    `trait` and `code` say what the incidents share besides type and place. `incidents` are its members at that moment;
    they stay as they are, wherever the theme goes. None for location, region or category: the pattern crosses them.
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

    @property
    def key(self) -> str:
        """The signal's id."""
        return str(self.signal_id)


EVENTS = (SignalAccepted,)
