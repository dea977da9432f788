"""The letter that follows the conversation (regulation 20(4)), drafted from the record. A person finishes and signs it."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from services.intake.candour.store import candour_of, steps_of
from services.intake.details.store import Answer
from services.intake.store import Incident, Location
from services.runtime.calendar import LONDON
from services.runtime.errors import conflict

CHECKS = [
    "The account is in the words of the report: write it for the person, true, with all that is known today.",
    "Keep the apology. Saying sorry admits no fault, and nothing else in the letter has to.",
    "Say which further enquiries there are; their results follow in writing.",
    "The person knows all of it from the conversation: the letter does not replace that.",
]


class LetterDraft(BaseModel):
    """The letter as text, with what is to be completed and checked before it goes."""

    incident_id: UUID
    missing: list[str]
    check_before_sending: list[str]
    text: str


def draft(session: Session, incident: Incident) -> LetterDraft:
    """The letter, from what is known now. Only where it was decided that the duty applies (409)."""
    row = candour_of(session, incident.incident_id)
    if row is None or row.status != "met":
        raise conflict(
            "not-decided", "It was not decided that the duty of candour applies", "Decide first, then draft the letter."
        )
    place = session.get(Location, incident.location_id)
    safe = session.get(Answer, (incident.incident_id, "made_safe"))
    spoken = next((s.at for s in steps_of(session, row.candour_id) if s.step == "in_person_notification"), None)
    missing: list[str] = []

    def known(name: str, value: str | None) -> str:
        if value is None:
            missing.append(name)
        return value or f"[{name.replace('_', ' ')}]"

    lines = [
        known("name_and_address", None),
        "",
        f"On {known('day_of_the_conversation', None if spoken is None else _day(spoken))} we spoke with you about what"
        f" happened on {_day(incident.occurred_at)} at {known('place', None if place is None else place.name)}.",
        "",
        "We are sorry that this happened.",
        "",
        "What we know today:",
        incident.narrative,
        "",
        "What was done:",
        known("what_was_done", None if safe is None else str(safe.value)),
        "",
        "What we are still looking into:",
        known("further_enquiries", None),
        "We will write to you with the results.",
        "",
        "If you have questions, or want support:",
        known("contact", None),
        "",
        known("signed_by", None),
        "",
    ]
    return LetterDraft(
        incident_id=incident.incident_id, missing=missing, check_before_sending=CHECKS, text="\n".join(lines)
    )


def _day(at: datetime) -> str:
    local = at.astimezone(LONDON)
    return f"{local.day} {local:%B %Y}"
