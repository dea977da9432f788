"""What review does with the events of others."""

from uuid import UUID

from sqlalchemy.orm import Session

from services.contracts.actions import ImpactJudged
from services.contracts.directory import LocationRecorded, PersonRecorded
from services.contracts.intake import (
    BreakGlassUsed,
    CandourAsked,
    CandourDecided,
    HoldLifted,
    HoldPlaced,
    IncidentDescribed,
    IncidentImported,
    IncidentReported,
    IncidentRestricted,
    ObligationAssessed,
    SafeguardingOpened,
)
from services.contracts.reporting import SignalAccepted
from services.contracts.taxonomy import ObligationOutcome
from services.review.commands import reconsider
from services.review.context.domain import Fact
from services.review.context.store import keep_fact, keep_people
from services.review.holds.store import keep_hold
from services.review.sharing import library
from services.review.sharing.commands import record_location, record_person
from services.review.thematic.commands import commission_from_signal
from services.review.thematic.store import keep_incident
from services.runtime import restriction
from services.runtime.actor import Actor, system
from services.runtime.consumer import Received

REGULATOR = "cqc"
"""The code of the regulator among recipients of obligations."""


def on_location(session: Session, received: Received) -> None:
    """Keep the newest state of a location."""
    event = LocationRecorded.model_validate(received.data)
    record_location(
        session,
        {
            "location_id": event.location_id,
            "provider_id": received.provider_id,
            "region_id": event.region_id,
            "name": event.name,
            "types": event.types,
            "active": event.active,
            "revision": event.revision,
        },
    )


def on_person(session: Session, received: Received) -> None:
    """Keep how somebody works; whoever is new at a location gets what was shared there lately."""
    record_person(session, received.provider_id, PersonRecorded.model_validate(received.data), received.occurred_at)


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
    _reconsider(session, received, event.incident_id)


def on_break_glass(session: Session, received: Received) -> None:
    """Whoever broke the glass reads what follows from the incident too, until the same moment."""
    event = BreakGlassUsed.model_validate(received.data)
    restriction.keep_opening(
        session,
        "review",
        opening_id=event.break_glass_id,
        provider_id=received.provider_id,
        record_id=event.incident_id,
        person_id=event.person_id,
        ends_at=event.ends_at,
    )


def on_reported(session: Session, received: Received) -> None:
    """Know that it is there. A restricted one stays hidden until the word about who may see it has come."""
    event = IncidentReported.model_validate(received.data)
    if event.restricted:
        restriction.keep(session, "review", provider_id=received.provider_id, record_id=event.incident_id, revision=0)
    keep_incident(session, received.provider_id, event)


def on_imported(session: Session, received: Received) -> None:
    """An incident of the past may belong to a theme too."""
    keep_incident(session, received.provider_id, IncidentImported.model_validate(received.data))


def on_described(session: Session, received: Received) -> None:
    """Know whether it is the same person again, without knowing who it is."""
    event = IncidentDescribed.model_validate(received.data)
    keep_people(session, received.provider_id, event.incident_id, event.people, event.revision)
    _reconsider(session, received, event.incident_id)


def on_signal_accepted(session: Session, received: Received) -> None:
    """A pattern was accepted as real: its thematic review is commissioned where somebody was named to lead it.

    By whoever accepted it, who covers the place that it is about: reporting has seen to that.
    """
    event = SignalAccepted.model_validate(received.data)
    actor = Actor(
        id=UUID(received.actor),
        provider_id=received.provider_id,
        roles=frozenset({received.actor_role}),
        all_locations=True,
    )
    commission_from_signal(session, actor, event, received.occurred_at)


def on_hold_placed(session: Session, received: Received) -> None:
    """Statements and submission wait from now on."""
    event = HoldPlaced.model_validate(received.data)
    keep_hold(
        session,
        provider_id=received.provider_id,
        incident_id=event.incident_id,
        hold_id=event.hold_id,
        revision=event.revision,
        waits_for=event.waits_for,
        placed_at=event.placed_at,
        look_again_at=event.look_again_at,
        lifted_at=None,
    )
    _reconsider(session, received, event.incident_id)


def on_hold_lifted(session: Session, received: Received) -> None:
    """They wait no more, also when this comes before the word that they had to."""
    event = HoldLifted.model_validate(received.data)
    keep_hold(
        session,
        provider_id=received.provider_id,
        incident_id=event.incident_id,
        hold_id=event.hold_id,
        revision=event.revision,
        waits_for=event.waits_for,
        placed_at=event.placed_at,
        look_again_at=None,
        lifted_at=event.lifted_at,
    )


def _reconsider(session: Session, received: Received, incident_id: UUID) -> None:
    reconsider(session, system(received.provider_id), incident_id, received.occurred_at)


def on_candour_asked(session: Session, received: Received) -> None:
    """Somebody must decide about candour."""
    event = CandourAsked.model_validate(received.data)
    keep_fact(session, received.provider_id, event.incident_id, Fact.CANDOUR_ASKED, event.candour_id, event.round, True)
    _reconsider(session, received, event.incident_id)


def on_candour_decided(session: Session, received: Received) -> None:
    """The duty applies, or not; the newest round counts."""
    event = CandourDecided.model_validate(received.data)
    keep_fact(
        session, received.provider_id, event.incident_id, Fact.CANDOUR_MET, event.candour_id, event.round, event.met
    )
    _reconsider(session, received, event.incident_id)


def on_safeguarding(session: Session, received: Received) -> None:
    """An adult may have been abused or neglected."""
    event = SafeguardingOpened.model_validate(received.data)
    keep_fact(session, received.provider_id, event.incident_id, Fact.SAFEGUARDING, event.adult_id, 1, True)
    _reconsider(session, received, event.incident_id)


def on_obligation(session: Session, received: Received) -> None:
    """The regulator must be told, or no longer; other recipients do not decide how deep a review goes."""
    event = ObligationAssessed.model_validate(received.data)
    if event.recipient != REGULATOR:
        return
    holds = event.outcome is ObligationOutcome.TRIGGERED
    keep_fact(
        session, received.provider_id, event.incident_id, Fact.REGULATOR_NOTICE, event.obligation_id, event.round, holds
    )
    _reconsider(session, received, event.incident_id)


def on_action(session: Session, received: Received) -> None:
    """Keep how far an action is: what changed because of what was learned."""
    library.record_action(
        session, received.provider_id, received.type, received.data, received.version, received.occurred_at
    )


def on_judged(session: Session, received: Received) -> None:
    """Keep whether the change had an effect."""
    event = ImpactJudged.model_validate(received.data)
    library.record_effect(session, received.provider_id, event, received.version, received.occurred_at)


HANDLERS = {
    **dict.fromkeys(library.STATES, on_action),
    ImpactJudged.TYPE: on_judged,
    LocationRecorded.TYPE: on_location,
    PersonRecorded.TYPE: on_person,
    IncidentReported.TYPE: on_reported,
    IncidentImported.TYPE: on_imported,
    IncidentDescribed.TYPE: on_described,
    IncidentRestricted.TYPE: on_restricted,
    BreakGlassUsed.TYPE: on_break_glass,
    CandourAsked.TYPE: on_candour_asked,
    CandourDecided.TYPE: on_candour_decided,
    SafeguardingOpened.TYPE: on_safeguarding,
    ObligationAssessed.TYPE: on_obligation,
    HoldPlaced.TYPE: on_hold_placed,
    HoldLifted.TYPE: on_hold_lifted,
    SignalAccepted.TYPE: on_signal_accepted,
}
