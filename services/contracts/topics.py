"""Which topic carries what. Each service alone publishes to its own two topics; the urgent lane has its own consumers."""

from services.contracts import actions, directory, intake, reporting, review
from services.contracts.event import EventData

PUBLISHERS: dict[str, tuple[type[EventData], ...]] = {
    "directory": directory.EVENTS,
    "intake": intake.EVENTS,
    "review": review.EVENTS,
    "actions": actions.EVENTS,
    "reporting": reporting.EVENTS,
}

EVENTS: dict[str, type[EventData]] = {event.TYPE: event for events in PUBLISHERS.values() for event in events}


def topic(service: str) -> str:
    """The topic that carries a service's ordinary events."""
    return f"plumbline.{service}"


def urgent_topic(service: str) -> str:
    """The lane for events that must overtake any backlog."""
    return f"plumbline.{service}.urgent"
