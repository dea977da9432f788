"""An incident as FHIR R4: an AdverseEvent, a Task for each action, a Provenance for each line of its timeline.

Source of shapes and codes: HL7 FHIR R4 (4.0.1), AdverseEvent, Task and Provenance. Codes that FHIR binds are FHIR's;
all others are Plumbline's own, under `urn:plumbline:`. Nobody is named: the person affected is said to be there, staff
are opaque ids in their roles, as in the timeline. `done` is not `completed`: that somebody else has seen it, is.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from services.contracts.taxonomy import Kind, PhysicalHarm
from services.reporting.domain import Action, ActionStatus, Case, Entry

Resource = dict[str, Any]

_SEVERITY = {PhysicalHarm.LOW: "mild", PhysicalHarm.MODERATE: "moderate"}
_SERIOUS = (PhysicalHarm.SEVERE, PhysicalHarm.FATAL)
_STATUS = {
    ActionStatus.AGREED: "accepted",
    ActionStatus.OPEN: "in-progress",
    ActionStatus.DONE: "in-progress",
    ActionStatus.VERIFIED: "completed",
    ActionStatus.CANCELLED: "cancelled",
}
_HL7 = "http://terminology.hl7.org/CodeSystem"


def bundle(case: Case, lines: Sequence[Entry], location_name: str | None, now: datetime) -> Resource:
    """The collection of all resources of an incident. `lines` are its whole timeline, in order."""
    event = _adverse_event(case, location_name)
    actions = sorted((one for one in case.actions.values() if one.status is not None), key=lambda one: one.action_id)
    known = {str(one.action_id) for one in actions}
    resources = [event, *(_task(one, case) for one in actions), *(_provenance(line, known) for line in lines)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": _moment(now),
        "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources],
    }


def _adverse_event(case: Case, location_name: str | None) -> Resource:
    incident = case.incident
    harm = None if incident.actual_harm is None else PhysicalHarm(incident.actual_harm)
    found: Resource = {
        "resourceType": "AdverseEvent",
        "id": str(incident.incident_id),
        "identifier": _identifier("incident", incident.incident_id),
        "actuality": "potential" if incident.kind == Kind.NEAR_MISS else "actual",
        "category": [_concept("category", incident.category)],
        "subject": {"type": "Patient", "display": "A person using the service, not named here"},
        "date": _moment(incident.occurred_at),
        "recordedDate": _moment(incident.reported_at),
        "location": {"identifier": _identifier("location", incident.location_id)},
    }
    if location_name is not None:
        found["location"]["display"] = location_name
    if harm is not None:
        serious = harm in _SERIOUS
        found["seriousness"] = _coded(
            f"{_HL7}/adverse-event-seriousness", "serious" if serious else "non-serious", f"{harm} harm"
        )
        if harm is not PhysicalHarm.NONE:
            found["severity"] = _coded(f"{_HL7}/adverse-event-severity", _SEVERITY.get(harm, "severe"))
        if harm is PhysicalHarm.FATAL:
            found["outcome"] = _coded(f"{_HL7}/adverse-event-outcome", "fatal")
    return found


def _task(action: Action, case: Case) -> Resource:
    found: Resource = {
        "resourceType": "Task",
        "id": str(action.action_id),
        "identifier": [_identifier("action", action.action_id)],
        "status": _STATUS[ActionStatus(action.status or "")],
        "businessStatus": _concept("action-status", action.status),
        "intent": "order",
        "code": _concept("action-strength", action.strength),
        "focus": _reference(case.incident.incident_id),
    }
    if action.agreed_at is not None:
        found["authoredOn"] = _moment(action.agreed_at)
    if action.status_at is not None:
        found["lastModified"] = _moment(action.status_at)
    if action.owner_role is not None:
        found["owner"] = {"display": action.owner_role}
    if action.due_at is not None:
        found["restriction"] = {"period": {"end": _moment(action.due_at)}}
    if action.done_at is not None:
        found["executionPeriod"] = {"end": _moment(action.done_at)}
    return found


def _provenance(line: Entry, actions: set[str]) -> Resource:
    about = str(line.summary.get("action_id"))
    return {
        "resourceType": "Provenance",
        "id": str(uuid5(line.incident_id, str(line.event_id))),
        "target": [_reference(about if about in actions else line.incident_id)],
        "recorded": _moment(line.at),
        "activity": _concept("event", line.type),
        "agent": [
            {
                "role": [_concept("role", line.actor_role)],
                "who": {"identifier": _identifier("person", line.actor)},
            }
        ],
    }


def _identifier(kind: str, value: Any) -> Resource:
    return {"system": f"urn:plumbline:{kind}", "value": str(value)}


def _concept(system: str, code: Any) -> Resource:
    return _coded(f"urn:plumbline:{system}", "unknown" if code is None else str(code))


def _coded(system: str, code: str, text: str | None = None) -> Resource:
    concept: Resource = {"coding": [{"system": system, "code": code}]}
    return concept if text is None else {**concept, "text": text}


def _reference(resource_id: UUID | str) -> Resource:
    return {"reference": f"urn:uuid:{resource_id}"}


def _moment(at: datetime | None) -> str:
    assert at is not None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
