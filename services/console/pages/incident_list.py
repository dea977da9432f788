"""The list of incidents by what was chosen, filters that people keep for themselves, the list of places, and both as files."""

import uuid
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, key_of, refused
from services.contracts.taxonomy import Band, Category, Stage

router = APIRouter(include_in_schema=False)

_OF_FORMS = uuid.UUID("b1b7c1d4-5e0e-4f53-9a53-5d6f6ee0c7a1")
"""Ids of filters are made of the keys of forms in this space."""
FILTERS = (
    "stage", "band", "category", "kind", "location_id", "region_id", "overdue", "unverified", "ineffective", "unanswered"
)  # fmt: skip
_FORMATS = ("csv", "xlsx")


@router.get("/incidents")
def incidents(visit: Visitor) -> Response:
    """The list of incidents, by what was chosen."""
    return _list(visit, Sent())


@router.post("/incidents")
def keep(visit: Visitor) -> Response:
    """Keep what was chosen under a name, for oneself; or take one that was kept out of the list."""
    wanted = {name: visit.text(name) for name in FILTERS if visit.text(name)}
    key = key_of(visit)
    filter_id = visit.text("filter_id")
    body: dict[str, Any] = {"name": visit.text("keep_name"), "wanted": wanted}
    version = visit.text("version") or None
    if filter_id:
        kept = next((one for one in _kept(visit) if one["filter_id"] == filter_id), None)
        if kept is None:
            return go("/incidents")
        body, version = {"name": kept["name"], "wanted": kept["wanted"], "archived": True}, f'"{kept["version"]}"'
    try:
        # The same form sent twice is the same filter.
        path = f"/saved-filters/{filter_id or uuid.uuid5(_OF_FORMS, key)}"
        visit.api.send("PUT", "reporting", path, body, key=key, version=version)
    except Refused as error:
        return _list(visit, refused(visit, "keep", error, ("name",)), wanted)
    return go(f"/incidents?{urlencode(wanted)}")


@router.get("/incidents/export")
def export(visit: Visitor) -> Response:
    """The list that was chosen, as a file."""
    form = visit.request.query_params.get("format", "")
    query = {name: visit.request.query_params[name] for name in FILTERS if visit.request.query_params.get(name)}
    return _file(visit, "/incidents/export", {"format": form if form in _FORMATS else "csv", **query})


@router.get("/places")
def all_places(visit: Visitor) -> Response:
    """Every service in this person's scope with what is open there."""
    page = visit.api.get("reporting", "/locations/overview", limit=50, cursor=visit.request.query_params.get("cursor"))
    following = urlencode({"cursor": page["next"]}) if page["next"] else None
    return visit.page("places.html", found=page["items"], following=following)


@router.get("/places/export")
def export_places(visit: Visitor) -> Response:
    """The services with what is open there, as a file."""
    form = visit.request.query_params.get("format", "")
    return _file(visit, "/locations/overview/export", {"format": form if form in _FORMATS else "csv"})


def _file(visit: Visit, path: str, query: dict[str, str]) -> Response:
    found = visit.api.fetch("reporting", path, **query)
    headers = {name: found.headers[name] for name in ("Content-Disposition",) if name in found.headers}
    return Response(
        found.content, media_type=found.headers["Content-Type"], headers={**headers, "Cache-Control": "no-store"}
    )


def _kept(visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visit.api.all("reporting", "/saved-filters")
    return found


def _list(visit: Visit, sent: Sent, wanted: dict[str, str] | None = None) -> Response:
    query = visit.request.query_params
    chosen = {name: query[name] for name in FILTERS if query.get(name)} if wanted is None else wanted
    page = visit.api.get("reporting", "/incidents", limit=50, cursor=query.get("cursor"), **chosen)
    names = {place["location_id"]: place["name"] for place in visit.api.all("directory", "/locations")}
    following = urlencode({**chosen, "cursor": page["next"]}) if page["next"] else None
    return visit.page(
        "incidents.html", sent.status, incidents=page["items"], names=names, chosen=chosen, following=following,
        stages=list(Stage), bands=list(Band), categories=list(Category), kept=_kept(visit), here=urlencode(chosen),
        sent=sent, errors=sent.errors,
    )  # fmt: skip
