"""The use-cases of candour. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

The duty stands on its own: finishing it settles no complaint, safeguarding enquiry or review, and theirs not it.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import (
    CandourAsked,
    CandourCompleted,
    CandourDecided,
    CandourLate,
    CandourStepRecorded,
    CandourWarned,
)
from services.contracts.taxonomy import BlockerKind, ClockKind, EscalationReason, Role
from services.intake import clocks
from services.intake.candour import policy
from services.intake.candour.domain import LASTING, Limb, is_notifiable
from services.intake.candour.store import (
    Candour,
    CandourAttempt,
    CandourDecision,
    CandourLetter,
    CandourStep,
    attempts_of,
    candour_of,
    steps_of,
)
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as escalation
from services.intake.store import Incident, latest_triage, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText, Word

SERVICE = "intake"
DECIDERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DecideCandour(_Strict):
    """The three questions of regulation 20(9), answered, with the opinion of a health care professional on harm."""

    unintended_or_unexpected: Annotated[bool, Field(strict=True)]
    during_regulated_activity: Annotated[bool, Field(strict=True)]
    harm_test: Literal["met", "not_met", "not_asked"] = Field(
        description="In the reasonable opinion of a health care professional. not_asked only if another answer is no."
    )
    limbs: list[Limb] = Field(default_factory=list, description="Which parts of the harm test; needed when it is met.")
    lasting_days: Annotated[int, Field(ge=0, le=40_000)] | None = Field(
        default=None,
        description="For impairment, prolonged pain or psychological harm: days it has lasted or is likely to last.",
    )
    professional_role: ShortText | None = Field(default=None, description="Role of the professional, not the name.")
    professional_opinion: LongText | None = Field(default=None, description="The opinion in their words.")
    opinion_at: Instant | None = None
    relevant_person: Literal["service_user", "acting_lawfully"] | None = Field(
        default=None, description="Who is to be told: the person, or who acts lawfully for them. Needed when met."
    )
    openness: LongText | None = Field(
        default=None, description="How the person was told openly although the test is not met. Needed when not met."
    )
    reason: LongText = Field(description="Why, on which facts.")


class RecordSteps(_Strict):
    """Parts of the duty that were done at one time. A telephone call is no notification in person."""

    steps: Annotated[list[Word], Field(min_length=1, max_length=20)]
    at: Instant
    note: LongText | None = None


class RecordAttempt(_Strict):
    """An attempt at which the person declined or could not be reached."""

    at: Instant
    how: Literal["visit", "phone", "letter", "email", "other"]
    outcome: Literal["declined", "unreachable"]
    note: LongText | None = None


class RecordLetter(_Strict):
    """A copy of a letter, as it was sent or received."""

    direction: Literal["sent", "received"]
    purpose: Literal["written_notification", "further_results", "other"]
    at: Instant
    content: LongText


class _Change:
    """Writes the audit entry and the event that belong to a change."""

    def __init__(self, session: Session, actor: Actor, row: Candour, at: datetime) -> None:
        self._session, self._actor, self._row, self._at = session, actor, row, at

    def record(self, what: str, event: EventData, **data: Any) -> None:
        row = self._row
        self._session.flush()
        audit.append(
            self._session, SERVICE, chain=row.incident_id, actor=self._actor, action=f"candour_{what}",
            subject=row.candour_id, at=self._at, data=data,
        )  # fmt: skip
        self.publish(event)

    def publish(self, event: EventData) -> None:
        row = self._row
        outbox.record(
            self._session,
            SERVICE,
            outbox.event_row(event, actor=self._actor, subject=row.candour_id, version=row.version, at=self._at),
        )


def ask(session: Session, actor: Actor, incident: Incident, because: dict[str, Any], now: datetime) -> Candour:
    """Have somebody decide whether the duty applies. Asked again only if the facts changed after "not met"."""
    row = candour_of(session, incident.incident_id)
    if row is not None and (row.because == because or row.status == "met"):
        return row
    if row is not None and row.status == "to_decide":
        row.because = because
        return row
    if row is None:
        row = Candour(
            candour_id=new_id(),
            provider_id=incident.provider_id,
            incident_id=incident.incident_id,
            status="to_decide",
            round=0,
            completed_by_attempts=False,
            version=0,
        )
        session.add(row)
    row.round, row.round_id, row.status, row.aware_at = row.round + 1, new_id(), "to_decide", now
    row.because, row.policy_version = because, policy.shipped().version
    row.version += 1
    _turn(session, actor, incident, row, now)
    _Change(session, actor, row, now).record(
        "asked",
        CandourAsked(
            incident_id=row.incident_id,
            candour_id=row.candour_id,
            round=row.round,
            decide_due_at=row.aware_at + policy.shipped().decide,
        ),
        round=row.round,
        policy_version=row.policy_version,
    )
    return row


def decide(
    session: Session, actor: Actor, incident_id: UUID, command: DecideCandour, version: int, now: datetime
) -> Candour:
    """Decide by the three questions. Met needs a professional's opinion and who is to be told; not met, openness.

    May be decided without having been asked for. Decided already: 409 with what was decided.
    """
    incident = visible_incident(session, actor, incident_id, lock=True)
    row = candour_of(session, incident_id)
    if row is not None and row.status != "to_decide":
        raise conflict(
            "already-decided",
            "The duty of candour was decided already",
            f"It was decided to be {'met' if row.status == 'met' else 'not met'}; read it for by whom and why."
            " New facts ask for a new decision.",
        )
    check_version(0 if row is None else row.version, version)
    _still_open(incident)
    met = _judge(command, now)
    if row is None:
        row = ask(session, actor, incident, {"outcome": "opened_by_hand"}, now)
    triage = latest_triage(session, incident_id)
    session.add(
        CandourDecision(
            decision_id=new_id(),
            provider_id=row.provider_id,
            candour_id=row.candour_id,
            round=row.round,
            met=met,
            unintended_or_unexpected=command.unintended_or_unexpected,
            during_regulated_activity=command.during_regulated_activity,
            harm_test=command.harm_test,
            limbs=[str(limb) for limb in command.limbs],
            lasting_days=command.lasting_days,
            professional_role=command.professional_role,
            professional_opinion=command.professional_opinion,
            opinion_at=command.opinion_at,
            relevant_person=command.relevant_person,
            openness=command.openness,
            reason=command.reason,
            harm_grade=None if triage is None else triage.actual_harm,
            decided_by=actor.id,
            decided_role=next((str(role) for role in DECIDERS if role in actor.roles), actor.role),
            decided_at=now,
        )
    )
    row.status = "met" if met else "not_met"
    row.version += 1
    texts = (command.professional_opinion, command.openness, command.reason)
    _Change(session, actor, row, now).record(
        "decided",
        CandourDecided(incident_id=row.incident_id, candour_id=row.candour_id, round=row.round, met=met),
        round=row.round,
        met=met,
        harm_test=command.harm_test,
        limbs=[str(limb) for limb in command.limbs],
        texts_sha256=[None if text is None else audit.digest(text) for text in texts],
    )
    _progress(session, actor, incident, row, now)
    return row


def _judge(command: DecideCandour, now: datetime) -> bool:
    limbs = set(command.limbs)
    if command.harm_test == "not_asked" and command.unintended_or_unexpected and command.during_regulated_activity:
        raise invalid(
            "harm_test", "decides here, and only a health care professional's opinion answers it",
            "Ask a health care professional and record role, opinion and time; the harm grade does not answer it.",
        )  # fmt: skip
    if command.harm_test != "not_asked":
        for field in ("professional_role", "professional_opinion", "opinion_at"):
            if getattr(command, field) is None:
                raise invalid(
                    field, "is needed: the test of harm is the reasonable opinion of a health care professional",
                    "Record the professional's role, their opinion and when they gave it.",
                )  # fmt: skip
    if command.opinion_at is not None and command.opinion_at > now + CLOCK_TOLERANCE:
        raise invalid("opinion_at", "is in the future", "Give the time at which the opinion was given.")
    if (command.harm_test == "met") != bool(limbs):
        raise invalid(
            "limbs", "must name what the harm is if the test is met, and nothing if it is not",
            "Name at least one limb of regulation 20(9) with harm_test met, or set harm_test to not_met.",
        )  # fmt: skip
    days = policy.shipped().prolonged_days
    if limbs and limbs <= LASTING and (command.lasting_days is None or command.lasting_days < days):
        raise invalid(
            "lasting_days", f"must be at least {days}: the harm has lasted, or is likely to last, so long without a break",
            "Give the number of days by the professional's opinion; if it is less, the test is not met by these limbs.",
        )  # fmt: skip
    met = is_notifiable(command.unintended_or_unexpected, command.during_regulated_activity, command.harm_test == "met")
    if met and command.relevant_person is None:
        raise invalid("relevant_person", "is needed when the test is met", "Say who is to be told.")
    if not met and command.openness is None:
        raise invalid(
            "openness", "is needed when the test is not met: openness is owed all the same (regulation 20(1))",
            "Say what the person was told and when, or how they will be told.",
        )  # fmt: skip
    return met


def record_steps(
    session: Session, actor: Actor, incident_id: UUID, command: RecordSteps, version: int, now: datetime
) -> Candour:
    """Record what was done. Letters are recorded as letters, so that a copy is kept (422 here)."""
    incident, row = _met(session, actor, incident_id, version)
    known = policy.shipped().steps
    for step in command.steps:
        if step not in known or step in policy.LETTERS:
            raise invalid(
                "steps", "names a step that does not exist, or one that is a letter",
                f"Use {', '.join(s for s in known if s not in policy.LETTERS)}; record letters with their text.",
            )  # fmt: skip
    _in_time(command.at, incident, now)
    for step in dict.fromkeys(command.steps):
        _add_step(session, actor, row, step, command.at, command.note, now)
    _progress(session, actor, incident, row, now)
    return row


def record_attempt(
    session: Session, actor: Actor, incident_id: UUID, command: RecordAttempt, version: int, now: datetime
) -> Candour:
    """Record that the person declined or was not reached. The written record of attempts is part of the duty (20(5))."""
    incident, row = _met(session, actor, incident_id, version)
    _in_time(command.at, incident, now)
    session.add(
        CandourAttempt(
            attempt_id=new_id(),
            provider_id=row.provider_id,
            candour_id=row.candour_id,
            at=command.at,
            how=command.how,
            outcome=command.outcome,
            note=command.note,
            made_by=actor.id,
            recorded_at=now,
        )
    )
    row.version += 1
    _Change(session, actor, row, now).record(
        "attempt_recorded",
        CandourStepRecorded(
            incident_id=row.incident_id, candour_id=row.candour_id, step=f"attempt_{command.outcome}", at=command.at
        ),
        how=command.how,
        outcome=command.outcome,
        tried_at=command.at,
        note_sha256=None if command.note is None else audit.digest(command.note),
    )
    _progress(session, actor, incident, row, now)
    return row


def record_letter(
    session: Session, actor: Actor, incident_id: UUID, command: RecordLetter, version: int, now: datetime
) -> Candour:
    """Keep a copy of correspondence (20(6)). The written notification follows the conversation, it does not replace it."""
    incident, row = _met(session, actor, incident_id, version)
    _in_time(command.at, incident, now)
    purpose_step = command.purpose in policy.LETTERS and command.direction == "sent"
    spoken = min((s.at for s in steps_of(session, row.candour_id) if s.step == "in_person_notification"), default=None)
    if purpose_step and (spoken is None or command.at < spoken):
        raise conflict(
            "in-person-first",
            "The letter follows a notification in person",
            "Record the conversation first. If the person declined or could not be reached, record the attempts, and"
            " keep the letter with purpose other.",
        )
    sha256 = audit.digest(command.content)
    session.add(
        CandourLetter(
            letter_id=new_id(),
            provider_id=row.provider_id,
            candour_id=row.candour_id,
            direction=command.direction,
            purpose=command.purpose,
            at=command.at,
            content=command.content,
            sha256=sha256,
            recorded_by=actor.id,
            recorded_at=now,
        )
    )
    if purpose_step:
        _add_step(session, actor, row, command.purpose, command.at, None, now, letter_sha256=sha256)
    else:
        row.version += 1
        session.flush()
        audit.append(
            session, SERVICE, chain=row.incident_id, actor=actor, action="candour_letter_kept", subject=row.candour_id,
            at=now, data={"direction": command.direction, "purpose": command.purpose, "letter_sha256": sha256},
        )  # fmt: skip
    _progress(session, actor, incident, row, now)
    return row


def _add_step(
    session: Session,
    actor: Actor,
    row: Candour,
    step: str,
    at: datetime,
    note: str | None,
    now: datetime,
    **data: Any,
) -> None:
    session.add(
        CandourStep(
            step_id=new_id(),
            provider_id=row.provider_id,
            candour_id=row.candour_id,
            step=step,
            at=at,
            note=note,
            done_by=actor.id,
            recorded_at=now,
        )
    )
    row.version += 1
    _Change(session, actor, row, now).record(
        "step_recorded",
        CandourStepRecorded(incident_id=row.incident_id, candour_id=row.candour_id, step=step, at=at),
        step=step,
        done_at=at,
        note_sha256=None if note is None else audit.digest(note),
        **data,
    )


def _progress(session: Session, actor: Actor, incident: Incident, row: Candour, now: datetime) -> None:
    """Completed when every mandatory part is recorded, or the attempts are that release from them."""
    rules = policy.shipped()
    if row.status == "met" and row.completed_at is None:
        done = {step.step for step in steps_of(session, row.candour_id)}
        released = rules.released_by([a.outcome for a in attempts_of(session, row.candour_id)])
        if not rules.missing(done) or released:
            row.completed_at, row.completed_by_attempts = now, bool(rules.missing(done))
            row.version += 1
            _Change(session, actor, row, now).record(
                "completed",
                CandourCompleted(incident_id=row.incident_id, candour_id=row.candour_id),
                by_attempts=row.completed_by_attempts,
            )
    _turn(session, actor, incident, row, now)


def _turn(session: Session, actor: Actor, incident: Incident, row: Candour, now: datetime) -> None:
    """Clock and blocker as the row now asks for them."""
    session.flush()
    rules = policy.shipped()
    done = {step.step: step.at for step in reversed(steps_of(session, row.candour_id))}
    waits = None if row.completed_at is not None else rules.waits_for(row.status, done, row.aware_at)
    if waits is None:
        row.phase = row.warn_at = row.target_at = None
        clocks.stop_clock(session, actor, incident, ClockKind.CANDOUR, row.candour_id, now)
        clocks.lift_blocker(session, actor, incident, BlockerKind.CANDOUR, row.round_id, now)
        return
    phase, since, target = waits
    clocks.raise_blocker(session, actor, incident, BlockerKind.CANDOUR, row.round_id, now)
    if (row.phase, row.target_at) != (phase, target):
        row.phase, row.target_at = phase, target
        row.warn_at = since + (target - since) * rules.warn_at_percent / 100
        row.warned_at = row.late_at = None
    following = _next_ring(row, now)
    if following is not None:
        clocks.set_clock(session, actor, incident, ClockKind.CANDOUR, row.candour_id, following, now)


def _next_ring(row: Candour, now: datetime) -> datetime | None:
    if row.late_at is not None:
        return row.late_at + policy.shipped().late_again * _times_late(row.late_at, now)
    return row.warn_at if row.warned_at is None else row.target_at


def _times_late(late_at: datetime, now: datetime) -> int:
    return (now - late_at) // policy.shipped().late_again + 1


def ring(session: Session, incident: Incident, candour_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Warn before the provider's own target; at the target tell the line, and again until it is done."""
    row = session.get(Candour, candour_id, with_for_update=True)
    if row is None or row.phase is None or row.target_at is None:
        return None
    row.version += 1
    said = {"incident_id": row.incident_id, "candour_id": row.candour_id, "waits_for": row.phase}
    change = _Change(session, actor, row, now)
    if now < row.target_at:
        row.warned_at = now
        change.record(
            "warned", CandourWarned(target_at=row.target_at, **said), waits_for=row.phase, target_at=row.target_at
        )
        return row.target_at
    row.late_at = row.late_at or now
    count = _times_late(row.late_at, now)
    change.record("late", CandourLate(**said), waits_for=row.phase, target_at=row.target_at, count=count)
    escalation.request(
        session, actor, incident, EscalationReason.CANDOUR_LATE, now, about=str(row.candour_id), count=count
    )
    return _next_ring(row, now)


clocks.RINGERS[ClockKind.CANDOUR] = ring


def _met(session: Session, actor: Actor, incident_id: UUID, version: int) -> tuple[Incident, Candour]:
    incident = visible_incident(session, actor, incident_id, lock=True)
    row = candour_of(session, incident_id)
    if row is None or row.status != "met":
        raise conflict(
            "not-decided", "It was not decided that the duty of candour applies", "Decide first, then record the steps."
        )
    check_version(row.version, version)
    return incident, row


def _in_time(at: datetime, incident: Incident, now: datetime) -> None:
    if at > now + CLOCK_TOLERANCE:
        raise invalid("at", "is in the future", "Give the time at which it was done, not later than now.")
    if at < incident.occurred_at - timedelta(minutes=1):
        raise invalid("at", "is before the incident", "Check date and time zone.")


def _still_open(incident: Incident) -> None:
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
