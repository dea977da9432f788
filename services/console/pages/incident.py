"""One incident: its story, where it stands, whose move it is and when the system will act by itself."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.pages.body import body_map
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor

router = APIRouter(include_in_schema=False)

TRACK = ("reported", "triaged", "reviewing", "acting", "verifying", "sharing", "checking_impact", "closed")


@router.get("/incidents/{incident_id}")
def story(visit: Visitor, incident_id: str) -> Response:
    """The whole record as this person may see it."""
    incident = visit.api.get("intake", f"/incidents/{incident_id}")
    timeline = visit.api.get_or_none("reporting", f"/incidents/{incident_id}/timeline")
    of = {"incident_id": incident_id, "limit": 200}
    reads: dict[str, Any] = {
        name: visit.api.get_or_none(service, path.format(incident_id), **query)
        for name, service, path, query in (
            ("feedback", "intake", "/incidents/{}/feedback", {}),
            ("escalations", "intake", "/incidents/{}/escalations", {}),
            ("obligations", "intake", "/incidents/{}/obligations", {}),
            ("access", "intake", "/incidents/{}/access", {}),
            ("questions", "intake", "/incidents/{}/questions", {}),
            ("reviews", "review", "/reviews", of),
            ("actions", "actions", "/actions", of),
            ("checkpoints", "actions", "/checkpoints", of),
        )
    }
    return visit.page(
        "incident.html",
        incident=incident,
        timeline=timeline,
        track=_track(incident),
        place=_place(visit, incident),
        body=body_map(reads["questions"]),
        **reads,
    )


def _track(incident: dict[str, Any]) -> list[dict[str, str]]:
    stage = incident["stage"]
    here = TRACK.index(stage) if stage in TRACK else len(TRACK)
    states = ["done" if n < here or stage == "closed" else "here" if n == here else "ahead" for n in range(len(TRACK))]
    return [{"stage": name, "state": state} for name, state in zip(TRACK, states, strict=True)]


def _place(visit: Visit, incident: dict[str, Any]) -> str:
    try:
        return str(visit.api.get("directory", f"/locations/{incident['location_id']}")["name"])
    except Refused:
        return ""
