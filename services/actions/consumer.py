"""What actions does with the events of others."""

from sqlalchemy.orm import Session

from services.actions.agreeing.store import Finding
from services.actions.impact import counting
from services.actions.people import line
from services.actions.sites.store import Location
from services.actions.store import Incident, keep_newest
from services.contracts.directory import AbsenceRecorded, ExposureRecorded, LocationRecorded, PersonRecorded
from services.contracts.identity import EVERYWHERE
from services.contracts.intake import (
    BreakGlassUsed,
    IncidentImported,
    IncidentMarkedDuplicate,
    IncidentReopened,
    IncidentReported,
    IncidentRestricted,
    IncidentTriaged,
    IncidentWithdrawn,
    StageEntered,
)
from services.contracts.review import ReviewApproved, ThemeCommissioned, ThemeEnded, ThemeStageEntered
from services.contracts.taxonomy import CaseKind
from services.runtime import restriction
from services.runtime.consumer import Received
from services.runtime.db import insert_new


def on_reported(session: Session, received: Received) -> None:
    """Know the incident, and count it. A restricted one stays hidden until the word about who may see it is there."""
    event = IncidentReported.model_validate(received.data)
    if event.restricted:
        restriction.keep(session, "actions", provider_id=received.provider_id, record_id=event.incident_id, revision=0)
    counting.record_incident(session, received.provider_id, event, ended=False)


def on_imported(session: Session, received: Received) -> None:
    """Count an incident of the past."""
    event = IncidentImported.model_validate(received.data)
    counting.record_incident(session, received.provider_id, event, ended=event.closed_at is not None)


def on_triaged(session: Session, received: Received) -> None:
    """Know how serious it could have been."""
    event = IncidentTriaged.model_validate(received.data)
    counting.record_band(session, received.provider_id, event.incident_id, event.cycle, event.band)


def on_stage_entered(session: Session, received: Received) -> None:
    """Know the cycle, and whether the incident has ended."""
    event = StageEntered.model_validate(received.data)

    def change(incident: Incident) -> None:
        incident.cycle, incident.ended = event.cycle, event.stage.ended

    counting.update_incident(session, received.provider_id, event.incident_id, received.version, change)


def on_reopened(session: Session, received: Received) -> None:
    """A new cycle begins."""
    event = IncidentReopened.model_validate(received.data)

    def change(incident: Incident) -> None:
        incident.cycle, incident.ended = event.cycle, False

    counting.update_incident(session, received.provider_id, event.incident_id, received.version, change)


def on_withdrawn(session: Session, received: Received) -> None:
    """Count it no more."""
    event = IncidentWithdrawn.model_validate(received.data)
    counting.withdraw_incident(session, received.provider_id, event.incident_id, received.version)


def on_duplicate(session: Session, received: Received) -> None:
    """Count it no more: another one stands for it."""
    event = IncidentMarkedDuplicate.model_validate(received.data)
    counting.withdraw_incident(session, received.provider_id, event.incident_id, received.version)


def on_exposure(session: Session, received: Received) -> None:
    """Keep the newest denominator."""
    counting.record_exposure(session, received.provider_id, ExposureRecorded.model_validate(received.data))


def on_restricted(session: Session, received: Received) -> None:
    """Keep for whom a restricted incident, and all that follows from it, is."""
    event = IncidentRestricted.model_validate(received.data)
    restriction.keep(
        session,
        "actions",
        provider_id=received.provider_id,
        record_id=event.incident_id,
        revision=event.revision,
        roles=event.roles,
        people=event.people,
        excluded=event.excluded,
    )


def on_break_glass(session: Session, received: Received) -> None:
    """Whoever broke the glass reads what follows from the incident too, until the same moment."""
    event = BreakGlassUsed.model_validate(received.data)
    restriction.keep_opening(
        session,
        "actions",
        opening_id=event.break_glass_id,
        provider_id=received.provider_id,
        record_id=event.incident_id,
        person_id=event.person_id,
        ends_at=event.ends_at,
    )


def on_person(session: Session, received: Received) -> None:
    """Know to whom somebody answers, in which roles they work, and whether they are there."""
    event = PersonRecorded.model_validate(received.data)
    kept = event.model_dump(include={"person_id", "manager_id", "active", "leaves_on", "revision"})
    roles = sorted({held.role for held in event.roles})
    line.keep_person(session, {"provider_id": received.provider_id, "roles": roles, **kept})


def on_absence(session: Session, received: Received) -> None:
    """Know who covers for whom."""
    event = AbsenceRecorded.model_validate(received.data)
    line.keep_absence(session, {"provider_id": received.provider_id, **event.model_dump()})


def on_approved(session: Session, received: Received) -> None:
    """Know what was learned, by id: actions say which of it they answer."""
    event = ReviewApproved.model_validate(received.data)
    for learning_id in event.learning:
        insert_new(
            session,
            Finding,
            finding_id=learning_id,
            provider_id=received.provider_id,
            incident_id=event.incident_id,
            cycle=event.cycle,
        )


def on_theme_commissioned(session: Session, received: Received) -> None:
    """Know the theme: actions are agreed for it as for an incident. It is counted nowhere."""
    event = ThemeCommissioned.model_validate(received.data)
    theme = counting.known_case(session, received.provider_id, event.theme_id)
    theme.case_kind = CaseKind.THEME
    theme.location_id, theme.region_id = EVERYWHERE, event.region_id
    theme.category, theme.band = event.category, event.band


def on_theme_stage(session: Session, received: Received) -> None:
    """Know its cycle, and whether it is over."""
    event = ThemeStageEntered.model_validate(received.data)

    def change(theme: Incident) -> None:
        theme.cycle, theme.ended = event.cycle, event.stage.over

    counting.update_incident(session, received.provider_id, event.theme_id, received.version, change)


def on_theme_ended(session: Session, received: Received) -> None:
    """It will not be finished."""
    event = ThemeEnded.model_validate(received.data)

    def change(theme: Incident) -> None:
        theme.ended = True

    counting.update_incident(session, received.provider_id, event.theme_id, received.version, change)


def on_location(session: Session, received: Received) -> None:
    """Know where actions can be done."""
    event = LocationRecorded.model_validate(received.data)
    known = event.model_dump(include={"location_id", "region_id", "name", "active", "revision"})
    keep_newest(session, Location, Location.location_id, {**known, "provider_id": received.provider_id})


HANDLERS = {
    LocationRecorded.TYPE: on_location,
    ThemeCommissioned.TYPE: on_theme_commissioned,
    ThemeStageEntered.TYPE: on_theme_stage,
    ThemeEnded.TYPE: on_theme_ended,
    ReviewApproved.TYPE: on_approved,
    PersonRecorded.TYPE: on_person,
    AbsenceRecorded.TYPE: on_absence,
    IncidentRestricted.TYPE: on_restricted,
    BreakGlassUsed.TYPE: on_break_glass,
    IncidentReported.TYPE: on_reported,
    IncidentImported.TYPE: on_imported,
    IncidentTriaged.TYPE: on_triaged,
    StageEntered.TYPE: on_stage_entered,
    IncidentReopened.TYPE: on_reopened,
    IncidentWithdrawn.TYPE: on_withdrawn,
    IncidentMarkedDuplicate.TYPE: on_duplicate,
    ExposureRecorded.TYPE: on_exposure,
}
