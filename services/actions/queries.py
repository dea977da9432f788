"""What actions answers, by query. Every query is limited to the caller's scope."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from services.actions.agreeing import queries as agreeing
from services.actions.agreeing.domain import Priority
from services.actions.cancellation import queries as cancellation
from services.actions.domain import ActionStatus, EvidenceKind
from services.actions.evidence_file import queries as evidence_file
from services.actions.extension import queries as extension
from services.actions.people import line
from services.actions.sampling import queries as sampling
from services.actions.sites import queries as sites
from services.actions.store import Action, Evidence, Incident
from services.actions.strength import hierarchy
from services.actions.verification import queries as verification
from services.contracts.taxonomy import (
    Band,
    Category,
    Role,
    Strength,
)
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class ActionSummary(BaseModel):
    """An action in a list."""

    action_id: UUID
    incident_id: UUID
    cycle: int
    location_id: UUID
    title: str
    strength: Strength
    owner_id: UUID
    owner_role: Role
    status: ActionStatus
    attempt: int
    due_at: datetime | None
    verify_due_at: datetime | None
    priority: Priority
    understood_at: datetime | None
    learning_ref: UUID | None = Field(description="Absent: it is not linked to what was learned.")
    version: int


class EvidenceView(BaseModel):
    """One piece of proof, for one attempt."""

    evidence_id: UUID
    attempt: int
    kind: EvidenceKind
    description: str
    proves: list[UUID]
    files: list[evidence_file.EvidenceFileView]
    added_by: UUID
    added_at: datetime


class ActionView(ActionSummary):
    """One action as people who may see it see it."""

    region_id: UUID | None
    category: Category
    band: Band | None
    success_criterion: str
    what_counts_as_proof: str
    answering_id: UUID = Field(description="Who answers for it now: the owner, or their cover while they are away.")
    proof: list[agreeing.ProofView]
    suggested: hierarchy.Suggested | None = Field(description="The strength that the title suggests, and why.")
    strength_reason: str | None
    counts_as: Strength = Field(
        description="The strength that is counted: weaker while weak wording is graded higher without a reason."
    )
    interim_control: str | None
    cost_pounds: Decimal | None
    effort_days: Decimal | None
    waits_for: list[agreeing.WaitsForView]
    sites: list[sites.SiteView]
    serves: list[UUID] = Field(description="Other incidents that it answers, as far as you may see them.")
    due_working_days: int
    agreed_by: UUID
    agreed_at: datetime
    opened_at: datetime | None
    done_by: UUID | None
    done_at: datetime | None
    verified_at: datetime | None
    cancel_reason: str | None
    cancellations: list[cancellation.CancellationView] = Field(
        description="Each time that its owner asked to cancel it, and what an approver said."
    )
    evidence: list[EvidenceView]
    verifications: list[verification.VerificationView]
    draws: list[sampling.DrawView]
    rechecks: list[verification.RecheckView]
    extensions: list[extension.ExtensionView]


def columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    """What a row has of a view."""
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def attempt_of(action: Action) -> int:
    """Which attempt is under way, or was last said to be done."""
    return action.attempt + 1 if action.status in (ActionStatus.AGREED, ActionStatus.OPEN) else action.attempt


def summary(action: Action) -> ActionSummary:
    """The list form of an action."""
    return ActionSummary.model_validate(columns(ActionSummary, action))


def view(session: Session, actor: Actor, action: Action, now: datetime) -> ActionView:
    """The full form of an action, with its evidence and verifications in order."""
    incident = session.get_one(Incident, action.incident_id)
    files = evidence_file.files_of(session, action.action_id)
    evidence = session.scalars(
        select(Evidence).where(Evidence.action_id == action.action_id).order_by(Evidence.evidence_id)
    )
    return ActionView.model_validate(
        {
            **columns(ActionView, action),
            "category": incident.category,
            "band": incident.band,
            "answering_id": line.cover_of(session, action.owner_id, now) or action.owner_id,
            "proof": agreeing.proof(session, action, attempt_of(action)),
            "suggested": hierarchy.shipped().suggest(action.title),
            "counts_as": hierarchy.counts_as(action.title, Strength(action.strength), action.strength_reason),
            "waits_for": agreeing.waits_for(session, action.action_id),
            "sites": sites.sites(session, action.action_id),
            "serves": sites.served(session, actor, action.action_id),
            "evidence": [{**columns(EvidenceView, row), "files": files.get(row.evidence_id, [])} for row in evidence],
            "verifications": verification.verifications(session, action.action_id),
            "draws": sampling.draws(session, action.action_id),
            "rechecks": verification.recheck_views(session, action.action_id),
            "cancellations": cancellation.cancellations(session, action.action_id),
            "extensions": extension.extensions(session, action.action_id),
        }
    )


def actions(
    session: Session,
    actor: Actor,
    *,
    incident_id: UUID | None,
    status: ActionStatus | None,
    owner_id: UUID | None,
    overdue: bool,
    unlinked: bool,
    asked: bool,
    mine: bool,
    now: datetime,
    limit: int,
    cursor: str | None,
) -> Page[ActionSummary]:
    """Actions in scope, also by one of their sites, and those the caller owns, newest first."""
    query = (
        select(Action)
        .where(Action.provider_id == actor.provider_id)
        .where(
            restriction.visible(
                "actions",
                actor,
                Action.incident_id,
                in_scope=or_(actor.scope(Action.location_id, Action.region_id), sites.at_a_site_of(actor)),
                own=line.own_or_covered(actor, now),
            )
        )
        .order_by(Action.action_id.desc())
        .limit(limit + 1)
    )
    if incident_id is not None:
        query = query.where(sites.serving(incident_id))
    if status is not None:
        query = query.where(Action.status == status)
    if owner_id is not None:
        query = query.where(Action.owner_id == owner_id)
    if mine:
        query = query.where(line.own_or_covered(actor, now))
    if overdue:
        late_to_do = and_(Action.status == ActionStatus.OPEN, Action.due_at < now)
        query = query.where(or_(late_to_do, and_(Action.status == ActionStatus.DONE, Action.verify_due_at < now)))
    if unlinked:
        query = query.where(Action.learning_ref.is_(None), Action.status != ActionStatus.CANCELLED)
    if asked:
        query = query.where(or_(extension.undecided(), cancellation.undecided()))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Action.action_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].action_id) if len(rows) > limit else None)
