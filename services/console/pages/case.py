"""What the pages about one incident have in common: the record with its version, its name, and how a form comes back."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from services.console.labels import label
from services.console.service_api import Refused
from services.console.visit import Visit
from services.console.writing import Sent, newest_change
from services.contracts.taxonomy import Role

TRIAGERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
DECIDERS = (*TRIAGERS, Role.NOMINATED_INDIVIDUAL)
ANSWERERS = (*DECIDERS, Role.SHIFT_LEAD, Role.ON_CALL_MANAGER)
"""Who is offered a form. Whether they may send it is the service's to say."""


@dataclass(frozen=True)
class Case:
    """An incident as this person sees it."""

    id: str
    record: dict[str, Any]
    version: str | None
    place: str

    @property
    def name(self) -> str:
        """Its type and its place."""
        return f"{label(self.record['category'])}{', ' + self.place if self.place else ''}"

    @property
    def ended(self) -> bool:
        """Whether it has left the chain."""
        return self.record["stage"] in ("closed", "withdrawn", "duplicate")


def read_case(visit: Visit, incident_id: str) -> Case:
    """The incident. Raises Refused where this person may not see it."""
    read = visit.api.read("intake", f"/incidents/{incident_id}")
    return Case(incident_id, read.body, read.version, place_name(visit, read.body["location_id"]))


def place_name(visit: Visit, location_id: str) -> str:
    """The name of a place; empty where the directory does not tell this person."""
    try:
        return str(visit.api.get("directory", f"/locations/{location_id}")["name"])
    except Refused:
        return ""


def show(visit: Visit, template: str, case: Case, sent: Sent, subject: str = "", **words: Any) -> Response:
    """A page about an incident; of a form that came too late, who changed what it is about, and when."""
    change = newest_change(visit, "intake", case.id, subject or case.id) if sent.stale else None
    return visit.page(
        template, sent.status, case=case, incident=case.record, sent=sent, errors=sent.errors, change=change,
        saved=visit.request.query_params.get("saved"), **words,
    )  # fmt: skip
