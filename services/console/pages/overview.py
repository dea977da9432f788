"""Where everything stands: what needs attention first, then the figures, then the places. Each figure leads to its records."""

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.visit import Visitor
from services.contracts.taxonomy import Band, Category, Stage

router = APIRouter(include_in_schema=False)

FILTERS = ("stage", "band", "category", "location_id", "region_id", "overdue", "unverified")


@router.get("/overview")
def overview(visit: Visitor, region_id: str | None = None, location_id: str | None = None) -> Response:
    """The overview of what is in this person's scope, or of one region or place in it."""
    found = visit.api.get("reporting", "/overview", region_id=region_id, location_id=location_id)
    return visit.page("overview.html", overview=found, region_id=region_id, location_id=location_id)


@router.get("/incidents")
def incidents(visit: Visitor) -> Response:
    """The list of incidents, by what was chosen."""
    query = visit.request.query_params
    chosen = {name: query[name] for name in FILTERS if query.get(name)}
    page = visit.api.get("reporting", "/incidents", limit=50, cursor=query.get("cursor"), **chosen)
    names = {place["location_id"]: place["name"] for place in visit.api.all("directory", "/locations")}
    following = urlencode({**chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "incidents.html", incidents=page["items"], names=names, chosen=chosen, following=following,
        stages=list(Stage), bands=list(Band), categories=list(Category),
    )  # fmt: skip
