"""Events that directory publishes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.event import EventData
from services.contracts.taxonomy import Category, Employment, ExposureUnit, LocationType, Role, Shift


class LocationRecorded(EventData):
    """A location was registered or changed; the whole of what others need is repeated each time.

    `revision` grows with each change, so a consumer keeps the newest whatever the order of arrival.
    """

    TYPE: ClassVar[str] = "plumbline.location.recorded.v1"

    location_id: UUID
    region_id: UUID | None
    cqc_location_id: str
    name: str
    beds: int
    active: bool
    revision: int
    types: list[LocationType] = Field(default_factory=list)

    @property
    def key(self) -> str:
        """The location's id."""
        return str(self.location_id)


class ExposureRecorded(EventData):
    """How much care a location gave in a month: the denominator of every rate. The newest revision replaces older."""

    TYPE: ClassVar[str] = "plumbline.exposure.recorded.v1"

    location_id: UUID
    month: date
    unit: ExposureUnit
    quantity: Decimal
    revision: int

    @property
    def key(self) -> str:
        """The location's id."""
        return str(self.location_id)


class RolePlace(BaseModel):
    """A role that somebody holds at a location, for a region, or for the whole provider if neither is set."""

    model_config = ConfigDict(frozen=True)

    role: Role
    location_id: UUID | None = None
    region_id: UUID | None = None


class PersonRecorded(EventData):
    """Somebody works here, or does so differently from now on; the whole is repeated each time. No name, only the id.

    What is None is not known. `revision` grows with each change.
    """

    TYPE: ClassVar[str] = "plumbline.person.recorded.v1"

    person_id: UUID
    active: bool
    roles: list[RolePlace]
    shift: Shift | None
    employment: Employment | None
    started_on: date | None
    revision: int
    manager_id: UUID | None = None
    leaves_on: date | None = None

    @property
    def key(self) -> str:
        """The person's id."""
        return str(self.person_id)


class AbsenceRecorded(EventData):
    """Somebody is away from `starts_at` until just before `ends_at`, and who covers. The newest revision replaces older."""

    TYPE: ClassVar[str] = "plumbline.absence.recorded.v1"

    absence_id: UUID
    person_id: UUID
    cover_id: UUID
    starts_at: datetime
    ends_at: datetime
    revision: int

    @property
    def key(self) -> str:
        """The id of the person who is away."""
        return str(self.person_id)


class ContractRecorded(EventData):
    """What a commissioner's contract asks for: of which types it is to be told, and within how many hours.

    For those whose care it pays for at a location. The newest revision replaces older.
    """

    TYPE: ClassVar[str] = "plumbline.contract.recorded.v1"

    contract_id: UUID
    location_id: UUID
    commissioner: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$")]
    categories: list[Category]
    hours: int
    starts_on: date
    ends_on: date | None
    revision: int

    @property
    def key(self) -> str:
        """The location's id."""
        return str(self.location_id)


EVENTS = (LocationRecorded, ExposureRecorded, PersonRecorded, AbsenceRecorded, ContractRecorded)
