"""What is answered about retention, as views."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, false, or_, select, true
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, RecordKind
from services.intake.retention import store, subject
from services.intake.retention.domain import Disposal, is_due, kept_until
from services.intake.retention.store import KEEPERS, KIND_OF, Appraisal, LegalHold
from services.intake.retention.subject import Subject, policy_of
from services.intake.speak_up import policy as speak_up
from services.intake.store import Incident
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class HoldView(BaseModel):
    """A hold. It stands until `lifted_at` is there; `look_again_on` ends nothing by itself."""

    hold_id: UUID
    incident_id: UUID | None
    person_ref: UUID | None
    record_id: UUID | None
    reason: str
    look_again_on: date | None
    placed_by: UUID
    placed_role: str
    placed_at: datetime
    lifted_by: UUID | None
    lifted_at: datetime | None
    lift_reason: str | None
    version: int


class AppraisalView(BaseModel):
    """What was decided. `current` is false when the record was used since: it is to be decided anew."""

    decision: Disposal
    reason: str
    keep_until: date | None
    rule: str
    policy_version: str
    decided_by: UUID
    decided_role: str
    decided_at: datetime
    confirmed_by: UUID | None
    confirmed_at: datetime | None
    begun_at: datetime | None
    current: bool
    version: int


class Kept(BaseModel):
    """For how long a record is kept, by which rule, and what was decided about it."""

    last_used_at: datetime | None = Field(
        description="When it ended: the case of an incident, or the last proceeding about it. Null while in use."
    )
    rule: str
    keep_years: int
    source: str
    policy_version: str
    kept_until: date | None
    due: bool = Field(description="Whether somebody may decide to destroy it.")
    holds: list[HoldView]
    appraisal: AppraisalView | None


class RetentionView(Kept):
    """The record of an incident."""

    incident_id: UUID
    location_id: UUID
    kind: Kind
    category: Category
    band: Band | None
    proceeding_runs: bool
    theme_runs: bool = Field(description="Whether a theme that runs rests on it.")


class RecordView(Kept):
    """A record that is not of one incident: a concern of speaking up, a theme, a meeting, or somebody of the register of
    staff."""

    record_id: UUID
    kind: RecordKind
    held: bool = Field(description="Whether a hold stands on it, or something keeps the incident that was made of it.")


class ProofView(BaseModel):
    """What one service erased: how many fields, which files by checksum, and the SHA-256 over all of it in order."""

    service: str
    cells: int
    files: list[str]
    digest: str


class ErasureView(BaseModel):
    """A record that was erased. Whose decision it was stands in its audit chain."""

    record_id: UUID
    kind: RecordKind
    incident_id: UUID | None = Field(description="The same id, of the record of an incident.")
    erased_at: datetime
    finished_at: datetime | None = Field(
        description="When the other services had proved it too, and the files were gone."
    )
    rule: str
    policy_version: str
    decided_by: UUID
    confirmed_by: UUID | None
    proofs: list[ProofView]


def view(session: Session, incident: Incident, now: datetime) -> RetentionView:
    """The record of an incident."""
    about = subject.of_incident(session, incident)
    return RetentionView(
        incident_id=incident.incident_id, location_id=incident.location_id, kind=Kind(incident.kind),
        category=Category(incident.category), band=None if incident.band is None else Band(incident.band),
        proceeding_runs=about.standing.proceeding, theme_runs=about.standing.theme,
        **_kept(session, about, store.holds_on(session, incident.incident_id), now),
    )  # fmt: skip


def record_view(session: Session, about: Subject, now: datetime) -> RecordView:
    """A record that is not of an incident."""
    at, holds = about.standing, store.holds_on_record(session, about.record_id)
    return RecordView(
        record_id=about.record_id, kind=about.kind, held=at.held or at.proceeding or at.theme,
        **_kept(session, about, holds, now),
    )  # fmt: skip


def _kept(session: Session, about: Subject, holds: Sequence[LegalHold], now: datetime) -> dict[str, Any]:
    at, rule, row = about.standing, about.rule, session.get(Appraisal, about.record_id)
    return {
        "last_used_at": at.last_used_at, "rule": rule.id, "keep_years": rule.years, "source": rule.source,
        "policy_version": about.policy_version, "due": is_due(at, rule.years, now),
        "holds": [hold_view(one) for one in holds],
        "kept_until": None if at.last_used_at is None else kept_until(at.last_used_at, rule.years),
        "appraisal": None if row is None else appraisal_view(row, current=row.last_used_at == at.last_used_at),
    }  # fmt: skip


def due(session: Session, actor: Actor, now: datetime, limit: int, cursor: str | None) -> Page[RetentionView]:
    """Records of incidents that wait for a decision, or for somebody to confirm it. A page may be short, or empty, before
    the last."""
    shortest = policy_of(session, actor.provider_id).shortest
    before = now - timedelta(days=365 * shortest)
    rows = store.ended_before(
        session, actor.provider_id, before, store.visible_incidents(actor), pagination.decode(cursor), limit + 1
    )
    items = [view(session, one, now) for one in rows[:limit]]
    return Page(
        items=[one for one in items if one.due and not _settled(one.appraisal, now)],
        next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None,
    )


def due_records(session: Session, actor: Actor, now: datetime, limit: int, cursor: str | None) -> Page[RecordView]:
    """The same for records that are not of an incident, as far as the actor may decide about them."""
    shortest = min(rule.years for rule in policy_of(session, actor.provider_id).others.values())
    before = now - timedelta(days=365 * shortest)
    rows = store.records_before(session, actor, before, pagination.decode(cursor), limit + 1)
    items = [record_view(session, subject.of_record(session, one), now) for one in rows[:limit]]
    return Page(
        items=[one for one in items if one.due and not _settled(one.appraisal, now)],
        next=pagination.encode(items[-1].record_id) if len(rows) > limit else None,
    )


def holds(session: Session, actor: Actor, limit: int, cursor: str | None, *, lifted: bool) -> Page[HoldView]:
    """Holds in the order in which they were placed; with `lifted` also those that ended."""
    query = select(LegalHold).where(store.visible_holds(actor)).order_by(LegalHold.hold_id).limit(limit + 1)
    if not lifted:
        query = query.where(LegalHold.lifted_at.is_(None))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(LegalHold.hold_id > after)
    rows = session.scalars(query).all()
    items = [hold_view(one) for one in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].hold_id) if len(rows) > limit else None)


def erasures(session: Session, actor: Actor, limit: int, cursor: str | None) -> Page[ErasureView]:
    """What was erased, with its proof. Of concerns, for the roles that review them."""
    rows = store.proofs(session, _shown(actor), pagination.decode(cursor), limit + 1)
    items = [_erasure(session, row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].record_id) if len(rows) > limit else None)


def _shown(actor: Actor) -> ColumnElement[bool]:
    concerns = KIND_OF == RecordKind.CONCERN
    answers = bool(actor.roles.intersection(KEEPERS))
    return and_(
        or_(concerns, true() if answers else false()),
        or_(KIND_OF != RecordKind.CONCERN, true() if actor.roles.intersection(speak_up.shipped().roles) else false()),
    )


def hold_view(row: LegalHold) -> HoldView:
    """A hold as it is."""
    return HoldView.model_validate(row, from_attributes=True)


def appraisal_view(row: Appraisal, *, current: bool = True) -> AppraisalView:
    """A decision as it is."""
    fields = {name: getattr(row, name) for name in AppraisalView.model_fields if name != "current"}
    return AppraisalView(**fields, current=current)


def _settled(appraisal: AppraisalView | None, now: datetime) -> bool:
    """Whether nobody has to decide about it now."""
    if appraisal is None or not appraisal.current:
        return False
    if appraisal.decision is Disposal.KEEP:
        assert appraisal.keep_until is not None
        return appraisal.keep_until >= now.date()
    return appraisal.decision is Disposal.PRESERVE or appraisal.confirmed_at is not None


def _erasure(session: Session, row: store.Proof) -> ErasureView:
    appraisal = session.get_one(Appraisal, row.record_id)
    of: Sequence[ProofView] = [
        ProofView(service="intake", cells=row.cells, files=row.files, digest=row.digest),
        *(ProofView.model_validate(one, from_attributes=True) for one in store.elsewhere(session, row.record_id)),
    ]
    return ErasureView(
        record_id=row.record_id, kind=row.kind, incident_id=row.record_id if row.kind == RecordKind.INCIDENT else None,
        erased_at=row.erased_at, finished_at=appraisal.finished_at, rule=appraisal.rule,
        policy_version=appraisal.policy_version, decided_by=appraisal.decided_by, confirmed_by=appraisal.confirmed_by,
        proofs=list(of),
    )  # fmt: skip
