"""What review does with the events of others."""

from sqlalchemy.orm import Session

from services.contracts.directory import LocationRecorded
from services.contracts.intake import IncidentReported, IncidentRestricted
from services.review.sharing.commands import record_location
from services.runtime import restriction
from services.runtime.consumer import Received


def on_location(session: Session, received: Received) -> None:
    """Keep the newest state of a location."""
    event = LocationRecorded.model_validate(received.data)
    record_location(
        session,
        {
            "location_id": event.location_id,
            "provider_id": received.provider_id,
            "region_id": event.region_id,
            "active": event.active,
            "revision": event.revision,
        },
    )


def on_restricted(session: Session, received: Received) -> None:
    """Keep for whom a restricted incident, and all that follows from it, is."""
    event = IncidentRestricted.model_validate(received.data)
    restriction.keep(
        session,
        "review",
        provider_id=received.provider_id,
        record_id=event.incident_id,
        revision=event.revision,
        roles=event.roles,
        people=event.people,
        excluded=event.excluded,
    )


def on_reported(session: Session, received: Received) -> None:
    """A restricted incident stays hidden until the word about who may see it is there."""
    event = IncidentReported.model_validate(received.data)
    if event.restricted:
        restriction.keep(session, "review", provider_id=received.provider_id, record_id=event.incident_id, revision=0)


HANDLERS = {
    LocationRecorded.TYPE: on_location,
    IncidentReported.TYPE: on_reported,
    IncidentRestricted.TYPE: on_restricted,
}
