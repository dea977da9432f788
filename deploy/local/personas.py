"""The people that the local development issuer makes tokens for. Data only; the names are made up.

All belong to the provider of the demonstration and work in its services. Locations are `"*"` (every location of the provider) or their ids.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

PROVIDER = UUID("5a1f0000-0000-4000-8000-000000000001")
REGION_NORTH = UUID("5a1f0000-0000-4000-8000-000000000101")
REGION_SOUTH = UUID("5a1f0000-0000-4000-8000-000000000102")
LOCATION_NORTH_1 = UUID("5a1f0000-0000-4000-8000-000000000301")
LOCATION_NORTH_2 = UUID("5a1f0000-0000-4000-8000-000000000304")
LOCATION_SOUTH_1 = UUID("5a1f0000-0000-4000-8000-000000000302")

_EVERYWHERE: Literal["*"] = "*"


@dataclass(frozen=True)
class Persona:
    """What a token says of somebody: who, of which provider, in which roles, and what they may see."""

    sub: UUID
    provider_id: UUID
    roles: tuple[str, ...]
    locations: tuple[UUID, ...] | Literal["*"] = ()
    regions: tuple[UUID, ...] = ()
    name: str = ""


def _person(
    number: int,
    *roles: str,
    at: tuple[UUID, ...] | Literal["*"] = (),
    regions: tuple[UUID, ...] = (),
    name: str = "",
) -> Persona:
    sub = UUID(int=UUID("5a1f0000-0000-4000-8000-000000001000").int + number)
    return Persona(sub, PROVIDER, roles, at, regions, name)


PERSONAS: dict[str, Persona] = {
    "carer": _person(1, "carer", at=(LOCATION_NORTH_1,), name="Kofi Mensah"),
    "shift_lead": _person(2, "shift_lead", at=(LOCATION_NORTH_1,), name="Ines Duarte"),
    "registered_manager": _person(3, "registered_manager", at=(LOCATION_NORTH_1,), name="Ruth Okafor"),
    "second_manager": _person(4, "registered_manager", at=(LOCATION_NORTH_2,), name="Mark Ellis"),
    "regional_manager": _person(5, "regional_manager", regions=(REGION_NORTH,), name="Shabana Aziz"),
    "quality_lead": _person(6, "quality_lead", at=_EVERYWHERE, name="Tom Griffiths"),
    "safeguarding_lead": _person(7, "safeguarding_lead", at=_EVERYWHERE, name="Helen Marsh"),
    "nominated_individual": _person(8, "nominated_individual", at=_EVERYWHERE, name="David Oyelaran"),
    "director": _person(9, "director", at=_EVERYWHERE, name="Anna Whitfield"),
    "platform_admin": _person(10, "platform_admin", at=_EVERYWHERE, name="Lee Carter"),
    "service": _person(11, "service", at=_EVERYWHERE),
    "executive": _person(12, "executive", at=_EVERYWHERE, name="Grace Adeyemi"),
}
