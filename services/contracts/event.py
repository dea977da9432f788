"""The envelope every event travels in: CloudEvents 1.0, binary mode over Kafka, key = incident or theme id."""

from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.contracts.taxonomy import CaseKind


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

    @property
    def case_id(self) -> UUID:
        """The case it belongs to."""
        return self.incident_id


class CaseData(IncidentData):
    """Payload of an event of the work that follows from a case: of an incident, or of a theme.

    `incident_id` is the id of the case; `case_kind` says of which kind it is.
    """

    case_kind: CaseKind = CaseKind.INCIDENT


class ThemeData(EventData):
    """Payload of an event that belongs to one theme."""

    theme_id: UUID

    @property
    def key(self) -> str:
        """Events of a theme keep their order."""
        return str(self.theme_id)

    @property
    def case_id(self) -> UUID:
        """The case it belongs to."""
        return self.theme_id
