"""Who is asking: a person with roles and a scope, or the process engine acting for a provider."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, false, or_, true

SYSTEM_ID = UUID(int=0)


@dataclass(frozen=True)
class Actor:
    """An authenticated caller.

    `id` is opaque. `all_locations` or the two sets say what the caller may see; restricted records need more on top.
    `reading_at` is when a request was made that only reads: what was opened for a while counts for it, and for no other.
    """

    id: UUID
    provider_id: UUID
    roles: frozenset[str]
    all_locations: bool = False
    locations: frozenset[UUID] = frozenset()
    regions: frozenset[UUID] = frozenset()
    reading_at: datetime | None = None

    @property
    def role(self) -> str:
        """The role written beside the id in records and events: the first in alphabetical order if there are many."""
        return min(self.roles, default="none")

    def sees(self, location_id: UUID, region_id: UUID | None) -> bool:
        """Whether a location is within the caller's scope."""
        return self.all_locations or location_id in self.locations or (region_id in self.regions)

    def scope(
        self,
        location_id: SQLColumnExpression[UUID] | SQLColumnExpression[UUID | None],
        region_id: SQLColumnExpression[UUID | None],
    ) -> ColumnElement[bool]:
        """The same as a condition for a query."""
        if self.all_locations:
            return true()
        if not self.locations and not self.regions:
            return false()
        return or_(location_id.in_(self.locations), region_id.in_(self.regions))


def system(provider_id: UUID) -> Actor:
    """The process engine acting for a provider."""
    return Actor(id=SYSTEM_ID, provider_id=provider_id, roles=frozenset({"service"}), all_locations=True)
