"""What intake does with the events of others."""

from sqlalchemy.orm import Session

from services.contracts.directory import LocationRecorded
from services.intake.commands import record_location
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
            "cqc_location_id": event.cqc_location_id,
            "name": event.name,
        },
    )


HANDLERS = {LocationRecorded.TYPE: on_location}
