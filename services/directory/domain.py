"""The rules of directory: pure, no I/O. Times carry a time zone; the caller says what time it is."""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from uuid import UUID

from services.contracts.taxonomy import ExposureUnit, LocationType, Role


class Reach(IntEnum):
    """How near a duty is to a location. The nearest counts first."""

    LOCATION = 1
    REGION = 2
    PROVIDER = 3


def reach(location_id: UUID | None, region_id: UUID | None) -> Reach:
    """The reach of a duty that names a location, a region, or neither."""
    if location_id is not None:
        return Reach.LOCATION
    return Reach.PROVIDER if region_id is None else Reach.REGION


@dataclass(frozen=True)
class Duty:
    """Somebody who could be called. `since` is the start of the turn on the rota, None for a standing role."""

    person_id: UUID
    reach: Reach
    since: datetime | None = None


def in_order(duties: Iterable[Duty]) -> list[UUID]:
    """In which order to call those whose duty covers the place and the moment.

    A turn on the rota comes before a standing role, then the nearest duty, then the turn that began last. What is
    still equal is decided by id, so that the answer is the same each time.
    """
    ordered = sorted(
        duties,
        key=lambda duty: (
            duty.since is None,
            duty.reach,
            -duty.since.timestamp() if duty.since is not None else 0.0,
            duty.person_id,
        ),
    )
    return list(dict.fromkeys(duty.person_id for duty in ordered))


_TYPES = (
    ("with nursing", LocationType.CARE_HOME_NURSING),
    ("nursing home", LocationType.CARE_HOME_NURSING),
    ("without nursing", LocationType.CARE_HOME),
    ("residential home", LocationType.CARE_HOME),
    ("domiciliary care", LocationType.HOME_CARE),
    ("homecare", LocationType.HOME_CARE),
    ("supported living", LocationType.SUPPORTED_LIVING),
    ("extra care", LocationType.EXTRA_CARE),
    ("shared lives", LocationType.SHARED_LIVES),
)
"""CQC's names of service types, in its directory and in its API."""


def location_types(service_types: Iterable[str]) -> list[LocationType]:
    """What sort of service a location is, by CQC's names; empty when none is registered."""
    found = {
        next((kind for words, kind in _TYPES if words in name.lower()), LocationType.OTHER) for name in service_types
    }
    return sorted(found)


@dataclass(frozen=True)
class DirectoryPolicy:
    """A version of a provider's directory policy."""

    version: str
    ladder: Sequence[Role]
    stands_in: Mapping[Role, Sequence[Role]]
    longest_turn: timedelta
    most_occupied: Decimal
    most_care_hours: Decimal

    def in_turn(self, role: Role) -> Sequence[Role]:
        """The role, then those that stand in for it when it is held by nobody."""
        return [role, *self.stands_in.get(role, ())]

    def most_exposure(self, unit: ExposureUnit, month: date, beds: int) -> Decimal:
        """The largest quantity that a location with so many beds can have had in a month."""
        if unit is ExposureUnit.OCCUPIED_BED_DAYS:
            return self.most_occupied * beds * calendar.monthrange(month.year, month.month)[1]
        return self.most_care_hours
