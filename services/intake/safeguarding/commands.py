"""The use-cases of safeguarding. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

For every adult at risk somebody named decides: refer to the local authority, or not, with a reason. Until then the
incident cannot close, and a clock runs to the provider's own target. The authority's decision and the outcome of its
enquiry come later, also after the incident has closed: finishing one never finishes another.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import (
    AuthorityDecided,
    EnquiryConcluded,
    SafeguardingDecided,
    SafeguardingLate,
    SafeguardingOpened,
    SafeguardingReferred,
    SafeguardingWarned,
)
from services.contracts.taxonomy import (
    AbuseType,
    AuthorityDecision,
    BlockerKind,
    ClockKind,
    EnquiryOutcome,
    EscalationReason,
    SafeguardingStep,
    Stage,
)
from services.intake import clocks, policy
from services.intake.checks import commands as checks
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as ladder
from services.intake.holds import commands as holds
from services.intake.holds.store import Hold
from services.intake.obligations import commands as obligations
from services.intake.obligations.domain import warn_at
from services.intake.obligations.policy import shipped as obligation_rules
from services.intake.obligations.store import obligations_of
from services.intake.protection import commands as protection
from services.intake.protection.store import Protection
from services.intake.recurrence import asking as recurrence
from services.intake.recurrence.store import Recurrence
from services.intake.safeguarding.domain import Consent, Decision, Met, refer_due
from services.intake.safeguarding.store import (
    Safeguarding,
    SafeguardingAdult,
    SafeguardingReferral,
    adults_of,
    referrals_of,
)
from services.intake.store import Incident, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

CLOCK, BLOCKER = ClockKind.SAFEGUARDING, BlockerKind.SAFEGUARDING
AUTHORITY_TOLD = "the authority of the notice"
"""Where a referral was proved by the obligation, and nobody recorded there which authority it went to."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wish(_Body):
    """An outcome that the adult wants, in their words, and how far it came true once that is known."""

    outcome: ShortText
    met: Met | None = None


class AdultAtRisk(_Body):
    """One adult at risk: what they say to a referral, what they want, what was noted about capacity."""

    person_ref: UUID = Field(description="The opaque reference of your care records.")
    consent: Consent = Consent.NOT_ASKED
    override_reason: ShortText | None = Field(
        default=None, description="Why a referral is made without consent, for example that others are at risk."
    )
    wishes: Annotated[list[Wish], Field(max_length=20)] = Field(default_factory=list)
    capacity_note: LongText | None = None
    advocate_offered: bool | None = None


class WriteSafeguarding(_Body):
    """The safeguarding record of an incident. Adults may be added and changed, never left out again."""

    abuse_types: Annotated[list[AbuseType], Field(min_length=1, max_length=10)]
    immediate_safety_secured: bool
    safety_measures: LongText = Field(description="What was done, or is being done, so that the adult is safe now.")
    adults: Annotated[list[AdultAtRisk], Field(max_length=50)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({adult.person_ref for adult in self.adults}) < len(self.adults):
            raise ValueError("adults: the same person_ref is there twice; keep one of the two")
        if len(set(self.abuse_types)) < len(self.abuse_types):
            raise ValueError("abuse_types: the same type is there twice; keep one of the two")
        return self


class Decide(_Body):
    """To refer an adult or not. Leave `person_ref` out while nobody is named yet."""

    person_ref: UUID | None = None
    decision: Decision
    reason: LongText | None = Field(default=None, description="Needed for a decision not to refer.")


class RecordReferral(_Body):
    """A referral that was sent: one for each adult and authority."""

    person_ref: UUID | None = None
    authority: ShortText = Field(description="The local authority where the abuse happened.")
    reference: ShortText = Field(description="What the authority gave as proof of receipt.")
    referred_at: Instant


class RecordAuthorityDecision(_Body):
    """What the authority said it does."""

    referral_id: UUID
    decision: AuthorityDecision
    reason: LongText | None = None
    decided_at: Instant


class RecordEnquiryOutcome(_Body):
    """How the authority's enquiry ended."""

    referral_id: UUID
    outcome: EnquiryOutcome
    summary: LongText
    concluded_at: Instant


def open_at_report(
    session: Session, actor: Actor, incident_id: UUID, person_refs: Sequence[UUID], now: datetime
) -> None:
    """An allegation of abuse was reported: from now on the decision to refer is open for each adult that is named.

    Any allegation, without a threshold: the authority applies its own (Care Act 2014, section 42).
    """
    incident = session.get_one(Incident, incident_id)
    _open(session, incident, now, abuse_types=[])
    named: list[UUID | None] = [*dict.fromkeys(person_refs)]
    for person_ref in named or [None]:
        _open_adult(session, actor, incident, person_ref, now)
    session.flush()


def write(
    session: Session, actor: Actor, incident_id: UUID, command: WriteSafeguarding, version: int | None, now: datetime
) -> Safeguarding:
    """Make or replace the safeguarding record. Every adult that is new gets a decision, a clock and keeps closing off."""
    incident = _incident(session, actor, incident_id)
    record = session.get(Safeguarding, incident_id, with_for_update=True)
    if record is None:
        if version is not None:
            raise ServiceError(
                412, "not-there", "There is no safeguarding record yet", "Leave If-Match out to make the first one."
            )
        record = _open(session, incident, now, abuse_types=command.abuse_types)
    else:
        check_version(record.version, version)
        record.version += 1
    adults = adults_of(session, incident_id)
    known = {adult.person_ref: adult for adult in adults if adult.person_ref is not None}
    missing = known.keys() - {adult.person_ref for adult in command.adults}
    if missing:
        raise invalid(
            "adults",
            f"leaves out {len(missing)} that are on record",
            "Send every adult again. If one is not at risk after all, decide not to refer and give the reason.",
        )
    unnamed = [adult for adult in adults if adult.person_ref is None and adult.decision is None]
    for said in command.adults:
        adult = known.get(said.person_ref)
        if adult is None and unnamed:
            adult = unnamed.pop(0)
            adult.person_ref = said.person_ref
        if adult is None:
            adult = _open_adult(session, actor, incident, said.person_ref, now)
        adult.consent, adult.override_reason = said.consent, said.override_reason
        adult.capacity_note, adult.advocate_offered = said.capacity_note, said.advocate_offered
        adult.wishes = [wish.model_dump(mode="json") for wish in said.wishes]
    if not command.adults and not adults:
        _open_adult(session, actor, incident, None, now)
    record.abuse_types = list(command.abuse_types)
    record.immediate_safety_secured = command.immediate_safety_secured
    record.safety_measures = command.safety_measures
    session.flush()
    _note(
        session,
        actor,
        record,
        "safeguarding_recorded",
        now,
        abuse_types=list(command.abuse_types),
        immediate_safety_secured=command.immediate_safety_secured,
        content_sha256=audit.digest(command.model_dump_json()),
    )
    _adopt(session, actor, incident, record, now)
    obligations.follow_safeguarding(session, actor, incident, now)
    checks.safeguarding_recorded(session, actor, incident, now)
    return record


def decide(
    session: Session, actor: Actor, incident_id: UUID, command: Decide, version: int, now: datetime
) -> Safeguarding:
    """A named person decides. Not to refer needs a reason and is evidence too; to refer is proved by the referral.

    The same decision again: 409. A changed one keeps the one before, and to refer after all has its time anew.
    """
    incident, record = _record(session, actor, incident_id, version)
    adult = _adult(session, incident_id, command.person_ref)
    if command.decision is Decision.NOT_REFER and command.reason is None:
        raise invalid(
            "reason",
            "is needed for a decision not to refer",
            "Say why the local authority is not told: an inspector will ask.",
        )
    referrals = [row for row in referrals_of(session, incident_id) if row.adult_id == adult.adult_id]
    if command.decision is Decision.NOT_REFER and referrals:
        raise conflict(
            "already-referred",
            "This adult was referred",
            "A referral cannot be taken back here. Record what the authority decides.",
        )
    if adult.decision == command.decision:
        raise conflict(
            "already-decided",
            "This was decided already",
            "Read the safeguarding record for by whom and why. Only another decision replaces it.",
        )
    changed = adult.decision is not None
    _decide(adult, command.decision, command.reason, actor, now)
    if command.decision is Decision.NOT_REFER:
        _settled(session, actor, incident, adult, now)
    elif changed:
        adult.round_id = new_id()
        _ask(session, actor, incident, adult, now)
    _say(
        session,
        actor,
        record,
        "safeguarding_decided",
        SafeguardingDecided(incident_id=incident_id, adult_id=adult.adult_id, refer=command.decision is Decision.REFER),
        now,
        adult_id=adult.adult_id,
        decision=command.decision,
        reason_sha256=None if command.reason is None else audit.digest(command.reason),
    )
    obligations.follow_safeguarding(session, actor, incident, now)
    return record


def _decide(adult: SafeguardingAdult, decision: Decision, reason: str | None, actor: Actor, now: datetime) -> None:
    if adult.decided_at is not None:
        before = {
            "decision": adult.decision,
            "decision_reason": adult.decision_reason,
            "decided_by": str(adult.decided_by),
            "decided_at": adult.decided_at.isoformat(),
        }
        adult.earlier_decisions = [*adult.earlier_decisions, before]
    adult.decision, adult.decision_reason = decision, reason
    adult.decided_by, adult.decided_at = actor.id, now


def record_referral(
    session: Session, actor: Actor, incident_id: UUID, command: RecordReferral, version: int, now: datetime
) -> Safeguarding:
    """A referral was sent. One for each adult and authority; without consent it needs the reason on record (422)."""
    incident, record = _record(session, actor, incident_id, version)
    adult = _adult(session, incident_id, command.person_ref)
    _past("referred_at", command.referred_at, now)
    if adult.person_ref is not None and adult.consent != Consent.GIVEN and adult.override_reason is None:
        raise invalid(
            "person_ref",
            "is of an adult whose consent to refer is not recorded, nor why it is overridden",
            "Record what this adult says to a referral, or why it is made without consent, in the safeguarding record. The referral itself need not wait for it.",
        )
    for row in referrals_of(session, incident_id):
        same = row.authority.casefold() == command.authority.casefold() or row.authority == AUTHORITY_TOLD
        if row.adult_id == adult.adult_id and same:
            raise conflict(
                "already-referred",
                "This adult was referred to this authority",
                "There is one referral for each adult and authority. Record what the authority decides.",
            )
    if adult.decision != Decision.REFER:
        _decide(adult, Decision.REFER, None, actor, now)
    _refer(session, actor, incident, record, adult, command.authority, command.reference, command.referred_at, now)
    obligations.follow_safeguarding(session, actor, incident, now)
    obligations.learn(session, actor, incident, "referred_to_authority", now)
    return record


def _adopt(session: Session, actor: Actor, incident: Incident, record: Safeguarding, now: datetime) -> None:
    """A referral that the obligation proved before there was this record is the adult's referral here: there is no second."""
    for row in obligations_of(session, incident.incident_id):
        if row.submitted_at is None or row.reference is None:
            continue
        for adult in obligations.adults_behind(session, row):
            if adult.decision is None:
                _decide(adult, Decision.REFER, None, actor, now)
                adult.decided_by, adult.decided_at = row.decided_by, row.decided_at
                authority = row.authority or AUTHORITY_TOLD
                _refer(session, actor, incident, record, adult, authority, row.reference, row.submitted_at, now)


def _refer(
    session: Session,
    actor: Actor,
    incident: Incident,
    record: Safeguarding,
    adult: SafeguardingAdult,
    authority: str,
    reference: str,
    referred_at: datetime,
    now: datetime,
) -> None:
    answer_due_at = policy.safeguarding(session, incident.provider_id).answer_due(authority, now)
    referral = SafeguardingReferral(
        referral_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        adult_id=adult.adult_id,
        authority=authority,
        reference=reference,
        referred_at=referred_at,
        recorded_by=actor.id,
        answer_due_at=answer_due_at,
    )
    session.add(referral)
    _settled(session, actor, incident, adult, now)
    if not incident.ended:
        clocks.set_clock(session, actor, incident, CLOCK, referral.referral_id, answer_due_at, now)
    _say(
        session,
        actor,
        record,
        "safeguarding_referred",
        SafeguardingReferred(
            incident_id=incident.incident_id,
            adult_id=adult.adult_id,
            referral_id=referral.referral_id,
            referred_at=referred_at,
            answer_due_at=answer_due_at,
        ),
        now,
        adult_id=adult.adult_id,
        referral_id=referral.referral_id,
        referred_at=referred_at,
        reference_sha256=audit.digest(f"{authority}\n{reference}"),
    )


def record_authority_decision(
    session: Session, actor: Actor, incident_id: UUID, command: RecordAuthorityDecision, version: int, now: datetime
) -> Safeguarding:
    """The authority answered. If it enquires, the provider asks again after a while; if not, its clock stops."""
    incident, record = _record(session, actor, incident_id, version)
    referral = _referral(session, incident_id, command.referral_id)
    _past("decided_at", command.decided_at, now)
    if referral.authority_decision is not None:
        raise conflict(
            "already-decided",
            "The authority's decision is on record",
            "A later decision of an authority is a new referral with a reference of its own.",
        )
    referral.authority_decision, referral.authority_reason = command.decision, command.reason
    referral.authority_decided_at = command.decided_at
    if command.decision is AuthorityDecision.ENQUIRY and not incident.ended:
        follow_up = now + timedelta(days=policy.safeguarding(session, incident.provider_id).enquiry_follow_up_days)
        clocks.set_clock(session, actor, incident, CLOCK, referral.referral_id, follow_up, now)
    else:
        clocks.stop_clock(session, actor, incident, CLOCK, referral.referral_id, now)
    _say(
        session,
        actor,
        record,
        "authority_decided",
        AuthorityDecided(incident_id=incident_id, referral_id=referral.referral_id, decision=command.decision),
        now,
        referral_id=referral.referral_id,
        decision=command.decision,
        decided_at=command.decided_at,
    )
    return record


def record_enquiry_outcome(
    session: Session, actor: Actor, incident_id: UUID, command: RecordEnquiryOutcome, version: int, now: datetime
) -> Safeguarding:
    """The enquiry ended. It finishes neither the learning nor candour, nor a complaint: those have their own ends."""
    incident, record = _record(session, actor, incident_id, version)
    referral = _referral(session, incident_id, command.referral_id)
    _past("concluded_at", command.concluded_at, now)
    if referral.authority_decision != AuthorityDecision.ENQUIRY:
        raise conflict(
            "no-enquiry", "The authority makes no enquiry", "Record its decision to enquire before the outcome."
        )
    if referral.enquiry_outcome is not None:
        raise conflict("already-concluded", "The outcome is on record", "An outcome is recorded once.")
    referral.enquiry_outcome, referral.enquiry_summary = command.outcome, command.summary
    referral.enquiry_concluded_at = command.concluded_at
    clocks.stop_clock(session, actor, incident, CLOCK, referral.referral_id, now)
    _say(
        session,
        actor,
        record,
        "enquiry_concluded",
        EnquiryConcluded(incident_id=incident_id, referral_id=referral.referral_id, outcome=command.outcome),
        now,
        referral_id=referral.referral_id,
        outcome=command.outcome,
        concluded_at=command.concluded_at,
        summary_sha256=audit.digest(command.summary),
    )
    return record


def ring(session: Session, incident: Incident, subject_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Warn before the provider's own target of a referral. A late step is said, called out and rung until it is recorded."""
    if session.get(Hold, subject_id) is not None:
        return holds.ring(session, incident, subject_id, now, actor)
    if session.get(Recurrence, subject_id) is not None:
        return recurrence.ring(session, incident, subject_id, now, actor)
    if session.get(Protection, subject_id) is not None:
        return protection.ring(session, incident, subject_id, now, actor)
    record = session.get_one(Safeguarding, incident.incident_id, with_for_update=True)
    adult = session.get(SafeguardingAdult, subject_id, with_for_update=True)
    if adult is not None and now < adult.refer_due_at:
        adult.warned_at = now
        event = SafeguardingWarned(
            incident_id=incident.incident_id, adult_id=subject_id, refer_due_at=adult.refer_due_at
        )
        _say(
            session, actor, record, "safeguarding_warned", event, now,
            adult_id=subject_id, refer_due_at=adult.refer_due_at,
        )  # fmt: skip
        return adult.refer_due_at
    step = _waits_for(session, subject_id)
    if step is None:
        return None
    _say(
        session,
        actor,
        record,
        "safeguarding_late",
        SafeguardingLate(incident_id=incident.incident_id, subject_id=subject_id, waits_for=step),
        now,
        subject_id=subject_id,
        waits_for=step,
    )
    ladder.request(
        session, actor, incident, EscalationReason.SAFEGUARDING_LATE, now, about=f"safeguarding:{subject_id}"
    )
    return now + timedelta(hours=policy.safeguarding(session, incident.provider_id).late_again_hours)


clocks.RINGERS[CLOCK] = ring


def _waits_for(session: Session, subject_id: UUID) -> SafeguardingStep | None:
    referral = session.get(SafeguardingReferral, subject_id)
    if referral is None:
        return SafeguardingStep.REFERRAL
    if referral.authority_decision is None:
        return SafeguardingStep.AUTHORITY_DECISION
    if referral.authority_decision == AuthorityDecision.ENQUIRY and referral.enquiry_outcome is None:
        return SafeguardingStep.ENQUIRY_OUTCOME
    return None


def _open(session: Session, incident: Incident, now: datetime, *, abuse_types: Sequence[AbuseType]) -> Safeguarding:
    record = Safeguarding(
        incident_id=incident.incident_id,
        provider_id=incident.provider_id,
        abuse_types=list(abuse_types),
        policy_version=policy.safeguarding(session, incident.provider_id).version,
        opened_at=now,
        version=1,
    )
    session.add(record)
    session.flush()
    return record


def _open_adult(
    session: Session, actor: Actor, incident: Incident, person_ref: UUID | None, now: datetime
) -> SafeguardingAdult:
    adult = SafeguardingAdult(
        adult_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        person_ref=person_ref,
        consent=Consent.NOT_ASKED,
        wishes=[],
        refer_due_at=_refer_due(session, incident, now),
        round_id=new_id(),
        earlier_decisions=[],
    )
    session.add(adult)
    session.flush()
    event = SafeguardingOpened(
        incident_id=incident.incident_id, adult_id=adult.adult_id, refer_due_at=adult.refer_due_at
    )
    outbox.record(session, "intake", outbox.event_row(event, actor=actor, subject=adult.adult_id, version=1, at=now))
    _ask(session, actor, incident, adult, now)
    return adult


def _refer_due(session: Session, incident: Incident, now: datetime) -> datetime:
    target = policy.safeguarding(session, incident.provider_id).referral
    return refer_due(now, same_day=target.same_day, at_least=timedelta(hours=target.at_least_hours))


def _ask(session: Session, actor: Actor, incident: Incident, adult: SafeguardingAdult, now: datetime) -> None:
    """Nothing closes until the adult is decided on, and referred if so; from now on there is a time for it."""
    adult.refer_due_at, adult.warned_at = _refer_due(session, incident, now), None
    session.flush()
    if not incident.ended:
        warning = warn_at(now, adult.refer_due_at, obligation_rules().warn_at_percent)
        clocks.raise_blocker(session, actor, incident, BLOCKER, adult.round_id, now)
        clocks.set_clock(session, actor, incident, CLOCK, adult.adult_id, warning, now)


def _settled(session: Session, actor: Actor, incident: Incident, adult: SafeguardingAdult, now: datetime) -> None:
    """What had to be decided about an adult is decided, and proved."""
    session.flush()
    clocks.stop_clock(session, actor, incident, CLOCK, adult.adult_id, now)
    clocks.lift_blocker(session, actor, incident, BLOCKER, adult.round_id, now)


def _incident(session: Session, actor: Actor, incident_id: UUID) -> Incident:
    incident = visible_incident(session, actor, incident_id, lock=True)
    if incident.stage in (Stage.WITHDRAWN, Stage.DUPLICATE):
        raise conflict(
            "already-ended",
            "This incident has ended without review",
            "Use the incident that covers the same event, or report it again.",
        )
    return incident


def _record(session: Session, actor: Actor, incident_id: UUID, version: int) -> tuple[Incident, Safeguarding]:
    incident = _incident(session, actor, incident_id)
    record = session.get(Safeguarding, incident_id, with_for_update=True)
    if record is None:
        raise conflict(
            "no-safeguarding-record",
            "This incident has no safeguarding record",
            "Make one with PUT .../safeguarding first.",
        )
    check_version(record.version, version)
    record.version += 1
    return incident, record


def _adult(session: Session, incident_id: UUID, person_ref: UUID | None) -> SafeguardingAdult:
    found = [adult for adult in adults_of(session, incident_id) if adult.person_ref == person_ref]
    if not found:
        raise invalid(
            "person_ref",
            "is not an adult of this safeguarding record",
            "Add the adult to the safeguarding record first, or give the person_ref that is there.",
        )
    return found[0]


def _referral(session: Session, incident_id: UUID, referral_id: UUID) -> SafeguardingReferral:
    referral = session.get(SafeguardingReferral, referral_id, with_for_update=True)
    if referral is None or referral.incident_id != incident_id:
        raise not_found("referral")
    return referral


def _past(field: str, at: datetime, now: datetime) -> None:
    if at > now + CLOCK_TOLERANCE:
        raise invalid(field, "is in the future", "Give the time it happened, not later than now.")


def _note(session: Session, actor: Actor, record: Safeguarding, action: str, now: datetime, **data: Any) -> None:
    audit.append(
        session,
        "intake",
        chain=record.incident_id,
        actor=actor,
        action=action,
        subject=record.incident_id,
        at=now,
        data=data,
    )


def _say(
    session: Session,
    actor: Actor,
    record: Safeguarding,
    action: str,
    event: EventData,
    now: datetime,
    **data: Any,
) -> None:
    session.flush()
    _note(session, actor, record, action, now, **data)
    row = outbox.event_row(event, actor=actor, subject=record.incident_id, version=record.version, at=now)
    outbox.record(session, "intake", row)
