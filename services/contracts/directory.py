"""Events that directory publishes."""

from datetime import date
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from services.contracts.event import EventData
from services.contracts.taxonomy import ExposureUnit


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


EVENTS = (LocationRecorded, ExposureRecorded)
