"""Carrying out what two people decided: hide the record, erase its texts, keep the proof."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from services.contracts.activities import FinishDisposal
from services.contracts.intake import IncidentDescribed
from services.contracts.taxonomy import RecordKind
from services.intake import access
from services.intake.attachments.store import Attachment
from services.intake.retention import subject
from services.intake.retention.commands import SERVICE, still_due
from services.intake.retention.store import Appraisal, ErasureElsewhere, KeptRecord
from services.runtime import audit, erasure, restriction
from services.runtime.actor import Actor
from services.runtime.attachments import Storage
from services.runtime.erasure import Erased, Part

_OF = "incident_id = :record"
_OF_CANDOUR = "candour_id in (select candour_id from intake.candour where incident_id = :record)"

_DECIDED = (
    Part("appraisal", ("reason",), _OF),
    Part("legal_hold", ("reason", "lift_reason"), "record_id = :record"),
)
_OF_INCIDENT = (
    Part("incident", ("narrative", "end_reason"), _OF),
    Part("access_change", ("reason",), _OF),
    Part("affected_person", (), _OF, ids=("person_ref",)),
    Part("answer", ("value",), _OF),
    Part("answer_before", ("value",), _OF),
    Part("appraisal", ("reason",), _OF),
    Part("attachment", ("name",), _OF),
    Part("break_glass", ("reason",), _OF),
    Part("candour_attempt", ("note",), _OF_CANDOUR),
    Part("candour_decision", ("professional_role", "professional_opinion", "openness", "reason"), _OF_CANDOUR),
    Part("candour_letter", ("content",), _OF_CANDOUR),
    Part("candour_step", ("note",), _OF_CANDOUR),
    Part("fact_finding_hold", ("reason", "answer", "history"), _OF),
    Part("fact_sheet", ("answers",), _OF),
    Part("feedback", ("message",), _OF),
    Part("first_check", ("answers", "set_aside_reason"), _OF),
    Part("incident_link", ("reason",), "incident_id = :record or other_id = :record"),
    Part("ladder_run", ("detail",), _OF),
    Part("legal_hold", ("reason", "lift_reason"), _OF),
    Part("obligation", ("reason", "reference", "evidence", "acknowledgement"), _OF, ids=("person",)),
    Part("obligation_entry", ("detail", "note"), _OF),
    Part("proceeding", ("reference", "about", "shared", "kept_apart", "history", "outcome"), _OF),
    Part(
        "protection",
        ("concerns", "what", "reason", "least_restrictive", "agreed_with", "ends_when", "history", "end_reason"),
        _OF,
    ),
    Part("recurrence", ("grounds", "reason"), "incident_id = :record or closed_incident_id = :record"),
    Part("safeguarding", ("safety_measures",), _OF),
    Part(
        "safeguarding_adult",
        ("override_reason", "capacity_note", "wishes", "decision_reason", "earlier_decisions"),
        _OF,
        ids=("person_ref",),
    ),
    Part("safeguarding_referral", ("reference", "authority_reason", "enquiry_summary"), _OF),
    Part("triage", ("reason",), _OF),
)
PARTS: Mapping[RecordKind, Sequence[Part]] = {
    RecordKind.INCIDENT: _OF_INCIDENT,
    RecordKind.CONCERN: (
        Part("concern", ("contact", "protection"), "concern_id = :record"),
        Part("concern_message", ("text",), "concern_id = :record"),
        *_DECIDED,
    ),
    RecordKind.THEME: _DECIDED,
    RecordKind.MEETING: _DECIDED,
    RecordKind.PERSON: _DECIDED,
}
"""Every place in intake where somebody may have written about a record, or that says whom an incident happened to."""

_STAND_INS = text("update intake.outbox set data = jsonb_set(data, '{people}', '[]') where key = :key and type = :type")


def begin(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Appraisal | None:
    """Hide a record from everybody and let nobody stop it any more, unless something speaks against it: then None.

    A record of another service is hidden by its owner. Safe to repeat.
    """
    about = subject.locked_subject(session, kind, record_id)
    row = session.get(Appraisal, record_id)
    if about is None or row is None or row.confirmed_at is None:
        return None
    if row.begun_at is not None:
        return row
    if not still_due(about, row, now):
        return None
    row.begun_at = now
    before = restriction.find(session, SERVICE, record_id)
    revision = 1 if before is None else before.revision + 1
    if kind is RecordKind.INCIDENT:
        access.restrict(
            session, actor, record_id, now=now, excluded=(), people=(), roles=(), revision=revision,
            reason="Disposed of under the retention policy.",
        )  # fmt: skip
    elif kind is RecordKind.CONCERN:
        restriction.keep(session, SERVICE, provider_id=actor.provider_id, record_id=record_id, revision=revision)
    return row


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase what intake holds, of an incident in its event log too: what stands for people there would come back from it."""
    files: Sequence[str] = ()
    if kind is RecordKind.INCIDENT:
        session.execute(_STAND_INS, {"key": str(record_id), "type": IncidentDescribed.TYPE})
        files = session.scalars(select(Attachment.sha256).where(Attachment.incident_id == record_id)).all()
    return erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now, files=files)


def stop(session: Session, actor: Actor, record_id: UUID, last_used_at: datetime | None, now: datetime) -> None:
    """Take back that an erasure has begun: its owner says that the record was used since. What was decided is void."""
    row = session.get(Appraisal, record_id, with_for_update=True)
    if row is None or row.begun_at is None or row.finished_at is not None:
        return
    row.begun_at = row.confirmed_by = row.confirmed_at = None
    row.version += 1
    session.get_one(KeptRecord, record_id).last_used_at = last_used_at
    session.flush()
    audit.append(
        session, SERVICE, chain=record_id, actor=actor, action="disposal_stopped", subject=record_id, at=now, data={}
    )


def files_in_use(session: Session, files: Sequence[str]) -> list[str]:
    """Which of these files records have that are not erased."""
    query = select(Attachment.sha256).where(Attachment.sha256.in_(files), Attachment.name != "")
    return list(session.scalars(query.distinct()))


def finish(session: Session, actor: Actor, store: Storage | None, command: FinishDisposal, now: datetime) -> None:
    """Remove the files, then keep what the others proved and say that it is done. Safe to repeat.

    `store` is needed where there are files to remove.
    """
    incident_id, elsewhere = command.incident_id, command.elsewhere
    row = session.get(Appraisal, incident_id, with_for_update=True)
    if row is None or row.finished_at is not None:
        return
    for sha256 in command.removable:
        assert store is not None
        store.remove(actor.provider_id, sha256)
    row.finished_at = now
    session.add_all(
        ErasureElsewhere(
            record_id=incident_id,
            service=service,
            provider_id=actor.provider_id,
            **proof.model_dump(include={"cells", "files", "digest"}),
        )
        for service, proof in elsewhere.items()
    )
    session.flush()
    audit.append(
        session, SERVICE, chain=incident_id, actor=actor, action="disposed", subject=incident_id, at=now,
        data={
            "rule": row.rule, "policy_version": row.policy_version, "decided_by": row.decided_by,
            "confirmed_by": row.confirmed_by, "files_removed": len(command.removable),
            "digests": {service: proof.digest for service, proof in sorted(elsewhere.items())},
        },
    )  # fmt: skip
