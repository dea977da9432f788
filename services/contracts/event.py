"""The envelope every event travels in: CloudEvents 1.0, binary mode over Kafka, key = incident or theme id."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class EventData(BaseModel):
    """Payload of one event type.

    Holds ids, codes, grades and dates only, never personal data (design decision 5). Fields may be added with a
    default; a breaking change is a new type (`.v2`) published beside the old one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    TYPE: ClassVar[str]

    @property
    def key(self) -> str:
        """Kafka key: events of one key keep their order. The id of the incident unless a type says otherwise."""
        return str(self.incident_id)  # type: ignore[attr-defined]


class IncidentData(EventData):
    """Payload of an event that belongs to one incident."""

    incident_id: UUID
