"""Which place a page is about: all that somebody sees, a region or a service; and what they are called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.console.page import TEXTS
from services.console.visit import Visit

_ = TEXTS.gettext
_MOST = 1000


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
