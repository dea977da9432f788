"""What intake does with the events of others."""

from sqlalchemy.orm import Session

from services.contracts.directory import ContractRecorded, LocationRecorded, PersonRecorded
from services.intake import line
from services.intake.commands import record_location
from services.intake.commissioning.store import record_contract
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


def on_contract(session: Session, received: Received) -> None:
    """Keep the newest state of a contract."""
    event = ContractRecorded.model_validate(received.data)
    values = {**event.model_dump(), "categories": [str(one) for one in event.categories]}
    record_contract(session, {**values, "provider_id": received.provider_id})


def on_person(session: Session, received: Received) -> None:
    """Keep to whom somebody answers, and in which roles they work."""
    event = PersonRecorded.model_validate(received.data)
    kept = event.model_dump(include={"person_id", "manager_id", "revision"})
    roles = sorted({str(held.role) for held in event.roles})
    line.keep_person(session, {"provider_id": received.provider_id, "roles": roles, **kept})


HANDLERS = {LocationRecorded.TYPE: on_location, ContractRecorded.TYPE: on_contract, PersonRecorded.TYPE: on_person}
