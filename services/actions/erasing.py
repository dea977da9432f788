"""Erasing what people wrote about the actions of an incident or a theme, once intake has decided that its time has come.

An action that serves other incidents keeps its words until the last of them is erased.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from services.actions.evidence_file.store import EvidenceFile
from services.contracts.taxonomy import RecordKind
from services.runtime import erasure, restriction
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "actions"
_OF = "incident_id = :record"
_OF_ACTION = (
    "action_id in (select a.action_id from actions.action a where"
    " (a.incident_id = :record or a.action_id in (select action_id from actions.served where incident_id = :record))"
    " and (a.incident_id = :record or a.incident_id in (select record_id from actions.erasure))"
    " and not exists (select from actions.served s where s.action_id = a.action_id and s.incident_id <> :record"
    " and s.incident_id not in (select record_id from actions.erasure)))"
)
_OF_EVIDENCE = f"evidence_id in (select evidence_id from actions.evidence where {_OF_ACTION})"
_OF_DRAW = f"draw_id in (select draw_id from actions.sample_draw where {_OF_ACTION})"

_OF_INCIDENT = (
    Part(
        "action",
        ("title", "success_criterion", "what_counts_as_proof", "cancel_reason", "interim_control", "strength_reason"),
        _OF_ACTION,
    ),
    Part("cancellation_request", ("reason", "decision_reason"), _OF_ACTION),
    Part("checkpoint", ("reason",), _OF),
    Part("evidence", ("description",), _OF_ACTION),
    Part("evidence_file", ("name",), _OF_EVIDENCE),
    Part("extension", ("reason", "decision_reason"), _OF_ACTION),
    Part("measure", ("definition", "numerator", "denominator", "reason"), _OF),
    Part("proof_item", ("description",), _OF_ACTION),
    Part("sample_draw", ("reason", "frame"), _OF_ACTION),
    Part("sample_item", ("note",), _OF_DRAW),
    Part("site", ("note",), _OF_ACTION),
    Part("verification", ("finding", "not_drawn_reason", "missing", "remaining_risk"), _OF_ACTION),
    Part("weaker_accepted", ("reason",), _OF),
)
PARTS: Mapping[RecordKind, Sequence[Part]] = {RecordKind.INCIDENT: _OF_INCIDENT, RecordKind.THEME: _OF_INCIDENT}
"""Every place in actions where somebody may have written about what followed from an incident or a theme."""

_FILES = text(f"select sha256 from actions.evidence_file where {_OF_EVIDENCE}")


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it, with the files that were evidence. A theme is hidden from everybody first: nobody else has done so."""
    if kind is RecordKind.THEME:
        restriction.keep(session, SERVICE, provider_id=actor.provider_id, record_id=record_id, revision=1)
    files = session.scalars(_FILES, {"record": record_id}).all()
    return erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now, files=files)


def files_in_use(session: Session, files: Sequence[str]) -> list[str]:
    """Which of these files are evidence of actions that are not erased."""
    query = select(EvidenceFile.sha256).where(EvidenceFile.sha256.in_(files), EvidenceFile.name != "")
    return list(session.scalars(query.distinct()))
