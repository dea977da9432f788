"""The use-cases of retention. Each runs in one transaction of the caller: row and audit entry.

Nothing is erased by itself: somebody appraises a record whose time has come, and somebody else confirms that it is to be
destroyed. A hold, a proceeding or a theme that runs, or a case that was opened again stops it until the erasure begins.
"""

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import RecordKind
from services.intake.details.store import AffectedPerson
from services.intake.retention import subject
from services.intake.retention.domain import Disposal, is_due, kept_until
from services.intake.retention.store import KEEPERS, Appraisal, LegalHold, visible_holds
from services.intake.retention.subject import Subject
from services.intake.safeguarding.store import SafeguardingAdult
from services.intake.store import Incident, visible_incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.auth import require_role
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText

SERVICE = "intake"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlaceHold(_Body):
    """What must not be erased, and why: an incident, every incident of a person, or a record that is not of one incident."""

    incident_id: UUID | None = None
    person_ref: UUID | None = Field(default=None, description="The person's opaque reference of the care record.")
    record_id: UUID | None = Field(
        default=None,
        description="Of a concern, a theme, a meeting or somebody of the register of staff that has ended.",
    )
    reason: LongText = Field(description="Who asked for it and what for, for example an inquiry's notice.")
    look_again_on: date | None = Field(default=None, description="When somebody asks whether it is still needed.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(one is not None for one in (self.incident_id, self.person_ref, self.record_id)) != 1:
            raise ValueError("give one of incident_id, person_ref and record_id")
        return self


class LiftHold(_Body):
    """Why it is no longer needed."""

    reason: LongText


class AppraiseRecord(_Body):
    """What becomes of a record. `keep` says until when; `preserve` is for good."""

    decision: Disposal
    reason: LongText
    keep_until: date | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.decision is Disposal.KEEP) != (self.keep_until is not None):
            raise ValueError("keep_until goes with the decision to keep, and with no other")
        return self


def place_hold(session: Session, actor: Actor, command: PlaceHold, now: datetime) -> LegalHold:
    """Keep anything from being erased from now on. 409 where the erasure has begun.

    On incidents and people those who answer for records (403); on another record whoever may decide about it.
    """
    if command.record_id is None:
        require_role(actor, *KEEPERS)
    if command.look_again_on is not None and command.look_again_on <= now.date():
        raise invalid("look_again_on", "has passed", "Give a day to come, or leave it out.")
    if command.incident_id is not None:
        _not_begun(session, visible_incident(session, actor, command.incident_id, lock=True).incident_id)
    elif command.record_id is not None:
        _not_begun(session, subject.record(session, actor, command.record_id, lock=True).record_id)
    else:
        _lock_incidents_of(session, command.person_ref)
    hold = LegalHold(
        hold_id=new_id(), provider_id=actor.provider_id, placed_by=actor.id, placed_role=actor.role, placed_at=now,
        version=1, **command.model_dump(),
    )  # fmt: skip
    session.add(hold)
    _say(session, actor, hold, "legal_hold_placed", command.reason, now)
    return hold


def lift_hold(
    session: Session, actor: Actor, hold_id: UUID, command: LiftHold, version: int, now: datetime
) -> LegalHold:
    """End a hold. What it kept becomes due by the policy, and waits for a decision."""
    found = select(LegalHold).where(LegalHold.hold_id == hold_id, visible_holds(actor)).with_for_update()
    hold = session.scalars(found).one_or_none()
    if hold is None:
        raise not_found("legal hold")
    check_version(hold.version, version)
    if hold.lifted_at is not None:
        raise conflict("already-ended", "This hold was lifted before", "Place a new one if it is needed again.")
    hold.lifted_by, hold.lifted_at, hold.lift_reason = actor.id, now, command.reason
    hold.version += 1
    _say(session, actor, hold, "legal_hold_lifted", command.reason, now)
    return hold


def appraise(
    session: Session, actor: Actor, about: Subject, command: AppraiseRecord, version: int | None, now: datetime
) -> Appraisal:
    """Decide about a record that has ended, or decide anew. To destroy needs that its time has come, and a second person.

    `about` is held by the caller's transaction.
    """
    row = session.get(Appraisal, about.record_id)
    if row is not None:
        check_version(row.version, version)
        _not_begun(session, about.record_id)
    rule, at = about.rule, about.standing
    if at.last_used_at is None:
        what = ("case", "its case") if about.kind is RecordKind.INCIDENT else ("record", "it")
        raise conflict("not-closed", f"This {what[0]} is open", f"A record is appraised after {what[1]} has ended.")
    if command.keep_until is not None and command.keep_until <= now.date():
        raise invalid("keep_until", "has passed", "Give a day to come.")
    if command.decision is Disposal.DESTROY and not is_due(at, rule.years, now):
        raise conflict(
            "not-due", "This record must be kept",
            f"By the rule {rule.id} it is kept until {kept_until(at.last_used_at, rule.years)},"
            " and longer where a hold stands on it, a proceeding runs, or a theme that runs rests on it.",
        )  # fmt: skip
    said = {
        "decision": command.decision, "reason": command.reason, "keep_until": command.keep_until, "rule": rule.id,
        "policy_version": about.policy_version, "last_used_at": at.last_used_at, "decided_by": actor.id,
        "decided_role": actor.role, "decided_at": now, "confirmed_by": None, "confirmed_at": None,
    }  # fmt: skip
    if row is None:
        row = Appraisal(record_id=about.record_id, provider_id=about.provider_id, version=1, **said)
        session.add(row)
    else:
        for name, value in said.items():
            setattr(row, name, value)
        row.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=about.record_id, actor=actor, action="appraised", subject=about.record_id, at=now,
        data={
            "decision": command.decision, "keep_until": str(command.keep_until or ""), "rule": rule.id,
            "policy_version": about.policy_version, "reason_sha256": audit.digest(command.reason),
        },
    )  # fmt: skip
    return row


def confirm(session: Session, actor: Actor, about: Subject, version: int, now: datetime) -> Appraisal:
    """Somebody else agrees that a record is destroyed. The next sweep does it, unless something speaks against it then.

    `about` is held by the caller's transaction.
    """
    row = session.get(Appraisal, about.record_id)
    if row is not None:
        check_version(row.version, version)
    if row is None or row.decision != Disposal.DESTROY:
        raise conflict("nothing-to-confirm", "Nobody has decided to destroy this record", "Appraise it first.")
    if row.confirmed_at is not None:
        raise conflict("already-confirmed", "This was confirmed before", "Nothing more is needed.")
    if row.decided_by == actor.id:
        raise conflict("own-decision", "Whoever decided cannot confirm", "Ask somebody else who answers for records.")
    if not still_due(about, row, now):
        raise conflict(
            "not-due", "Something speaks against it since the decision", "Read the record and appraise it anew."
        )
    row.confirmed_by, row.confirmed_at = actor.id, now
    row.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=about.record_id, actor=actor, action="disposal_confirmed", subject=about.record_id,
        at=now, data={"decided_by": row.decided_by, "rule": row.rule, "policy_version": row.policy_version},
    )  # fmt: skip
    return row


def still_due(about: Subject, appraisal: Appraisal, now: datetime) -> bool:
    """Whether the decision holds: by today's policy, without a hold, and the record was not used since."""
    at = about.standing
    return at.last_used_at == appraisal.last_used_at and is_due(at, about.rule.years, now)


def _lock_incidents_of(session: Session, person_ref: UUID | None) -> None:
    """An erasure of one of them must not begin meanwhile; what has begun cannot be held any more, the others are."""
    adults = select(SafeguardingAdult.incident_id).where(SafeguardingAdult.person_ref == person_ref)
    affected = select(AffectedPerson.incident_id).where(AffectedPerson.person_ref == person_ref)
    session.scalars(
        select(Incident.incident_id).where(Incident.incident_id.in_(adults.union(affected))).with_for_update()
    ).all()


def _not_begun(session: Session, record_id: UUID) -> None:
    row = session.get(Appraisal, record_id)
    if row is not None and row.begun_at is not None:
        raise conflict("erasure-begun", "This record is being erased", "Nothing can be decided about it any more.")


def _say(session: Session, actor: Actor, hold: LegalHold, action: str, words: str, now: datetime) -> None:
    session.flush()
    audit.append(
        session, SERVICE, chain=hold.hold_id, actor=actor, action=action, subject=hold.hold_id, at=now,
        data={"incident_id": hold.incident_id, "record_id": hold.record_id, "of_person": hold.person_ref is not None, "reason_sha256": audit.digest(words)},
    )  # fmt: skip
