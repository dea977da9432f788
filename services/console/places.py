"""Which place a page is about: all that somebody sees, a region or a service; and what they are called."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from services.console.page import TEXTS
from services.console.visit import Visit
from services.contracts.taxonomy import Role

_ = TEXTS.gettext
_MOST = 1000
LEADERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
    Role.DIRECTOR,
    Role.EXECUTIVE,
)
"""Who answers for a place, a region or the whole provider; in the order of the ladder."""


@dataclass(frozen=True)
class Places:
    """The regions and services that somebody sees, by id, and the one that is chosen: `region:ID`, `location:ID`, or empty."""

    regions: Mapping[str, str]
    locations: Mapping[str, str]
    chosen: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The chosen place as the services take it."""
        kind, _, one = self.chosen.partition(":")
        return {f"{kind}_id": one} if one else {}

    @property
    def title(self) -> str:
        """What the chosen place is called."""
        kind, _colon, one = self.chosen.partition(":")
        known = {"region": self.regions, "location": self.locations}.get(kind, {})
        return known.get(one, "") or (_("this place") if one else "")

    @property
    def options(self) -> list[dict[str, Any]]:
        """All of them to choose from."""
        return [
            {"value": "", "text": _("Everything that I see")},
            *({"value": f"region:{one}", "text": _("Region: %s") % name} for one, name in self.regions.items()),
            *({"value": f"location:{one}", "text": name} for one, name in self.locations.items()),
        ]

    def of(self, record: Mapping[str, Any]) -> str:
        """Where something is: its service, its region, or the whole provider."""
        location, region = record.get("location_id"), record.get("region_id")
        if location:
            return self.locations.get(location, "") or _("a service")
        return (self.regions.get(region, "") or _("a region")) if region else _("the whole provider")


def read_places(visit: Visit) -> Places:
    """The places of this person; the chosen one stands in the address, as `place`, `region_id` or `location_id`."""
    asked = visit.request.query_params
    chosen = asked.get("place", "")
    for kind in ("region", "location"):
        chosen = chosen or (f"{kind}:{asked[f'{kind}_id']}" if asked.get(f"{kind}_id") else "")
    regions = {one["region_id"]: one["name"] for one in visit.api.all("directory", "/regions")}
    locations = {one["location_id"]: one["name"] for one in visit.api.all("directory", "/locations", most=_MOST)}
    kind, _, one = chosen.partition(":")
    known = kind in ("region", "location") and bool(one)
    return Places(regions, locations, chosen if known else "")


def leaders(visit: Visit, location_id: str | None, region_id: str | None) -> list[dict[str, str]]:
    """Who can answer for something at a place, in a region or of the whole provider: each person in each such role.

    `value` is `id:role`. Without a place, all who lead anywhere.
    """

    def holding(role: Role) -> list[tuple[str, str, str]]:
        page = visit.api.get_or_none("directory", "/people", role=role.value, limit=200) or {"items": []}
        return [
            (one["display_name"], one["person_id"], role.value)
            for one in page["items"]
            for held in one["roles"]
            if one["active"]
            and held["role"] == role
            and (not location_id or held["location_id"] in (None, location_id))
            and (not region_id or held["region_id"] in (None, region_id))
        ]

    with ThreadPoolExecutor(len(LEADERS)) as pool:
        made = {one for people in pool.map(holding, LEADERS) for one in people}
    return [{"value": f"{person}:{role}", "text": name, "role": role} for name, person, role in sorted(made)]
