"""The use-cases of actions. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by the state they find.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.agreeing.commands import (
    MAX_ITEMS,
    ProofAsked,
    check_learning,
    check_proof,
    check_proves,
    check_waiting,
    keep_proof,
    keep_waiting,
)
from services.actions.agreeing.domain import Priority
from services.actions.domain import (
    ActionStatus,
    EvidenceKind,
    independent,
)
from services.actions.history import SERVICE
from services.actions.history import record as _record
from services.actions.impact import commands as impact
from services.actions.impact.measuring import freeze_measure
from services.actions.people import line
from services.actions.people.owner import check_owner
from services.actions.sites.commands import (
    MAX_SERVED,
    MAX_SITES,
    check_sites,
    keep_served,
    keep_sites,
    served_ones,
)
from services.actions.sites.serving import Completed, Cycle, actions_of, served_by
from services.actions.store import (
    Action,
    Evidence,
    Improvement,
    Incident,
    lock_all,
    lock_cycle,
    visible_action,
    visible_incident,
)
from services.actions.strength import hierarchy
from services.actions.strength.commands import check_strength
from services.actions.strength.wording import gist
from services.contracts import activities
from services.contracts.actions import (
    ActionAgreed,
    ActionCancelled,
    ActionDone,
    ActionOpened,
    PlannedCheckpoint,
)
from services.contracts.taxonomy import Band, Role, Strength
from services.runtime import audit, restriction
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.db import insert_new
from services.runtime.errors import ServiceError, conflict, forbidden
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.pseudonym import stand_ins
from services.runtime.text import LongText, ShortText

# Safeguarding lead and nominated individual: of a restricted incident nobody else sees the actions.
AGREERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
VERIFIERS = (*AGREERS, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
CANCELLERS = (Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class AgreeAction(Strict):
    """What will change, how one will know, and who answers for it."""

    incident_id: UUID
    title: ShortText = Field(description="What will change, in one line.")
    success_criterion: LongText = Field(description="How one will see that it worked.")
    what_counts_as_proof: LongText = Field(description="What a verifier must find in practice.")
    strength: Strength
    owner_id: UUID = Field(description="The one person who answers for it.")
    owner_role: Role
    due_working_days: Annotated[int, Field(ge=1, le=260)] = Field(description="Working days from when it opens.")
    learning_ref: UUID | None = Field(default=None, description="The learning of the review that it answers.")
    proof: Annotated[list[ProofAsked], Field(max_length=MAX_ITEMS)] = Field(
        default_factory=list, description="The same item by item; each needs evidence before the action is done."
    )
    strength_reason: ShortText | None = Field(
        default=None, description="Needed when the strength is above what weak wording suggests."
    )
    priority: Priority = Priority.NORMAL
    interim_control: LongText | None = Field(
        default=None, description="What protects people until it is done. Shown with the action while it is open."
    )
    cost_pounds: Annotated[Decimal, Field(ge=0, max_digits=11, decimal_places=2)] | None = None
    effort_days: Annotated[Decimal, Field(ge=0, max_digits=6, decimal_places=1)] | None = None
    waits_for: Annotated[list[UUID], Field(max_length=MAX_ITEMS)] = Field(
        default_factory=list, description="Actions that must be done before this one can be."
    )
    sites: Annotated[list[UUID], Field(max_length=MAX_SITES)] = Field(
        default_factory=list, description="Locations at which it is to be done, each with its own progress."
    )
    serves: Annotated[list[UUID], Field(max_length=MAX_SERVED)] = Field(
        default_factory=list, description="Other incidents that it answers too."
    )


class AddEvidence(Strict):
    """One piece of proof."""

    kind: EvidenceKind
    description: LongText = Field(description="What it is and where it is, for example a file reference.")
    proves: Annotated[list[UUID], Field(max_length=MAX_ITEMS)] = Field(
        default_factory=list, description="The items of `proof` of the action that it shows."
    )


class CancelAction(Strict):
    """Why an action will not be done."""

    reason: ShortText


def agree_action(session: Session, actor: Actor, command: AgreeAction, now: datetime) -> Action:
    """Agree an action for the current cycle of an incident. It opens with the others, or at once if they are open.

    It counts in the current cycle of each other incident that it serves too, and opens with the first of them. The
    first one of a cycle freezes by what the cycle's effect is measured.

    Raises 404 for an incident that is unknown here or out of scope, 409 when it has ended or the cycle is complete, 422
    for an owner who cannot answer for it.
    """
    incident = visible_incident(session, actor, command.incident_id)
    check_owner(session, command.owner_id, command.owner_role, now, id_field="owner_id", role_field="owner_role")
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Reopen it first if something is still to change.")
    check_learning(session, incident.incident_id, command.learning_ref)
    serves = served_ones(session, actor, incident.incident_id, command.serves)
    suggested = hierarchy.shipped().suggest(command.title)
    counted = hierarchy.counts_as(command.title, command.strength, command.strength_reason)
    cycles = [_improvement_of(session, one) for one in sorted([incident, *serves], key=lambda one: one.incident_id)]
    improvement = next(one for one in cycles if one.incident_id == incident.incident_id)
    if improvement.completed_at is not None:
        raise conflict(
            "cycle-complete",
            "The actions of this cycle are complete",
            "New actions belong to the next cycle: reopen the incident, or wait for the verdict on its effect. If it was"
            " reopened a moment ago, try again in a few seconds.",
        )
    action = Action(
        action_id=new_id(),
        provider_id=actor.provider_id,
        cycle=improvement.cycle,
        location_id=improvement.location_id,
        region_id=improvement.region_id,
        status=ActionStatus.AGREED,
        attempt=0,
        handovers=0,
        extensions=0,
        agreed_by=actor.id,
        agreed_at=now,
        version=1,
        **command.model_dump(exclude={"proof", "waits_for", "sites", "serves"}),
    )
    session.add(action)
    session.flush()
    keep_proof(session, action, command.proof)
    keep_waiting(session, actor, action, command.waits_for)
    keep_sites(session, actor, action, command.sites)
    keep_served(session, action, serves)
    said = stand_ins(session, SERVICE, actor.provider_id, "wording", filter(None, [gist(command.title)]))
    _record(
        session,
        actor,
        action,
        now,
        "agreed",
        ActionAgreed(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            strength=counted,
            owner_role=command.owner_role,
            wording=said[0] if said else None,
            weak_wording=suggested is not None and suggested.strength is Strength.WEAKER,
        ),
        strength=command.strength,
        counts_as=counted,
        owner_id=command.owner_id,
        owner_role=command.owner_role,
        due_working_days=command.due_working_days,
        learning_ref=command.learning_ref,
        title_sha256=audit.digest(command.title),
        success_criterion_sha256=audit.digest(command.success_criterion),
        what_counts_as_proof_sha256=audit.digest(command.what_counts_as_proof),
        proof_sha256=[audit.digest(item.description) for item in command.proof],
        suggested_strength=None if suggested is None else suggested.strength,
        strength_reason_sha256=None if command.strength_reason is None else audit.digest(command.strength_reason),
        priority=command.priority,
        interim_control_sha256=None if command.interim_control is None else audit.digest(command.interim_control),
        waits_for=sorted(map(str, command.waits_for)),
        sites=sorted(map(str, command.sites)),
        serves=sorted(map(str, command.serves)),
    )
    for one in cycles:
        freeze_measure(session, actor, one, now)
    if any(one.opened_at is not None and one.completed_at is None for one in cycles):
        _open(session, actor, action, now, late=True)
    return action


def open_actions(
    session: Session, command: activities.OpenActions, now: datetime, actor: Actor
) -> activities.ActionsPlan:
    """Start the clocks of all agreed actions of a cycle, once; the measure of their effect is frozen, if nothing was agreed.

    Asked again it changes nothing and answers with all actions of the cycle that were not cancelled. Those agreed for
    another incident that serve this one are among them.
    """
    own = (command.incident_id, command.cycle)
    insert_new(
        session,
        Improvement,
        incident_id=command.incident_id,
        cycle=command.cycle,
        provider_id=command.provider_id,
        location_id=command.location_id,
        region_id=command.region_id,
        category=command.category,
    )
    lock_all(session, {own, *((one.incident_id, one.cycle) for one in actions_of(session, *own))})
    improvement, counted = session.get_one(Improvement, own), actions_of(session, *own)
    if improvement.opened_at is None:
        improvement.band, improvement.opened_at = command.band, now
        freeze_measure(session, actor, improvement, now)
        for action in counted:
            if action.status == ActionStatus.AGREED:
                _open(session, actor, action, now, late=(action.incident_id, action.cycle) != own)
    return activities.ActionsPlan(
        actions=[
            activities.OpenedAction(
                action_id=action.action_id,
                owner_role=Role(action.owner_role),
                due_at=action.due_at,
                remind_at=action.remind_at if action.incident_id == command.incident_id else None,
            )
            for action in counted
            if action.due_at is not None and action.status != ActionStatus.CANCELLED
        ],
        agree_due_at=add_working_days(now, policy.of_cycle(session, improvement).agree_working_days),
    )


def _open(session: Session, actor: Actor, action: Action, now: datetime, *, late: bool) -> None:
    action.status, action.opened_at = ActionStatus.OPEN, now
    due_at = action.due_at = add_working_days(now, action.due_working_days)
    action.remind_at = remind_at(session, action, now)
    action.version += 1
    _record(
        session,
        actor,
        action,
        now,
        "opened",
        ActionOpened(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            owner_role=Role(action.owner_role),
            due_at=due_at,
            late=late,
            remind_at=action.remind_at,
        ),
        due_at=due_at,
    )


def remind_at(session: Session, action: Action, now: datetime) -> datetime | None:
    """When the owner is reminded that the action is due, by the policy of its band; None if that has passed."""
    improvement = session.get_one(Improvement, (action.incident_id, action.cycle))
    if improvement.band is None or action.due_at is None:
        return None
    before = policy.of_cycle(session, improvement).remind_before.get(Band(improvement.band))
    at = None if before is None else action.due_at - before
    return at if at is not None and at > now else None


def remind_owner(
    session: Session, command: activities.RemindOwner, now: datetime, actor: Actor
) -> activities.OwnerReminder:
    """Whom to tell that an action is due soon: the owner, or who covers. Nobody, once it is done or has more time."""
    action = visible_action(session, actor, command.action_id, lock=True)
    if action.status != ActionStatus.OPEN or action.remind_at is None or action.remind_at > now:
        return activities.OwnerReminder()
    person_id = line.cover_of(session, action.owner_id, now) or action.owner_id
    notice_id = uuid5(action.action_id, command.command_id)
    _record(session, actor, action, now, "owner_reminded", None, person_id=person_id, due_at=action.due_at)
    return activities.OwnerReminder(notify=notice_id, person_id=person_id)


def add_evidence(session: Session, actor: Actor, action_id: UUID, command: AddEvidence, now: datetime) -> Action:
    """Add a piece of proof to an action that is open or waits for verification; it belongs to that attempt (409 else).

    Several people may add at once, so no version is asked for; each addition makes a new version all the same, so
    that a verifier decides on what there is.
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    if action.status not in (ActionStatus.OPEN, ActionStatus.DONE):
        raise conflict(
            "not-open",
            "This action takes no evidence now",
            "Evidence can be added from when the action opens until it is verified or cancelled.",
        )
    check_proves(session, action_id, command.proves)
    evidence = Evidence(
        evidence_id=new_id(),
        provider_id=actor.provider_id,
        action_id=action_id,
        attempt=_attempt(action),
        kind=command.kind,
        description=command.description,
        proves=command.proves,
        added_by=actor.id,
        added_at=now,
    )
    session.add(evidence)
    action.version += 1
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=action.incident_id,
        actor=actor,
        action="evidence_added",
        subject=action_id,
        at=now,
        data={
            "cycle": action.cycle,
            "evidence_id": evidence.evidence_id,
            "attempt": evidence.attempt,
            "kind": command.kind,
            "description_sha256": audit.digest(command.description),
            "proves": sorted(map(str, command.proves)),
        },
    )
    return action


def complete_action(session: Session, actor: Actor, action_id: UUID, version: int, now: datetime) -> Action:
    """The owner, or who covers for the owner now, says that it is done (403 for others).

    Needs evidence since it opened or was last returned (409).
    """
    action = visible_action(session, actor, action_id, lock=True, now=now)
    if not line.answers_for(session, actor, action, now):
        raise forbidden("Only the owner of an action can say that it is done. Ask the owner, or agree a new owner.")
    check_version(action.version, version)
    if action.status != ActionStatus.OPEN:
        raise wrong_status(action, "Only an open action can be completed")
    attempt = _attempt(action)
    evidence = session.scalar(select(func.count()).where(Evidence.action_id == action_id, Evidence.attempt == attempt))
    if not evidence:
        raise conflict(
            "no-evidence",
            "There is no evidence yet" if attempt == 1 else "There is no new evidence since it was returned",
            "Add at least one piece of evidence, then say that it is done.",
        )
    check_waiting(session, action_id)
    check_proof(session, action, attempt)
    check_sites(session, action_id)
    action.status, action.attempt = ActionStatus.DONE, attempt
    action.done_by, action.done_at = actor.id, now
    verify_due_at = action.verify_due_at = now + policy.of_action(session, action.incident_id, action.cycle).verify
    told_at = _remind_verifier_at(session, action, now)
    action.version += 1
    _record(
        session,
        actor,
        action,
        now,
        "done",
        ActionDone(
            incident_id=action.incident_id,
            action_id=action_id,
            cycle=action.cycle,
            attempt=attempt,
            evidence_count=evidence,
            verify_due_at=verify_due_at,
            remind_at=told_at,
            remind_role=None if told_at is None else _verifying_role(session, action.incident_id),
        ),
        attempt=attempt,
        evidence_count=evidence,
        verify_due_at=verify_due_at,
    )
    return action


def _remind_verifier_at(session: Session, action: Action, now: datetime) -> datetime | None:
    """When somebody is reminded that the verification is due, by the policy of its band; None if that has passed."""
    improvement = session.get_one(Improvement, (action.incident_id, action.cycle))
    if improvement.band is None or action.verify_due_at is None:
        return None
    before = policy.of_cycle(session, improvement).remind_verifier_before.get(Band(improvement.band))
    at = None if before is None else action.verify_due_at - before
    return at if at is not None and at > now else None


def _verifying_role(session: Session, incident_id: UUID) -> Role | None:
    """Whose move a verification is: the quality lead's; of a restricted incident, of those who need to know."""
    hidden = restriction.find(session, SERVICE, incident_id)
    able = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
    return next((role for role in able if hidden is None or role in hidden.roles), None)


def remind_verifier(
    session: Session, command: activities.RemindVerifier, now: datetime, actor: Actor
) -> activities.OwnerReminder:
    """Whom to tell that a verification is due soon: the first who may verify. Nobody, once it is verified or returned."""
    action = visible_action(session, actor, command.action_id, lock=True)
    if action.status != ActionStatus.DONE:
        return activities.OwnerReminder()
    hidden = restriction.find(session, SERVICE, action.incident_id)
    for person_id in command.people:
        above = line.above(session, person_id)
        excluded = hidden is not None and person_id in hidden.excluded
        if excluded or not independent(person_id, above=above, owner=action.owner_id, done_by=action.done_by):
            continue
        due_at = action.verify_due_at
        _record(session, actor, action, now, "verifier_reminded", None, person_id=person_id, due_at=due_at)
        return activities.OwnerReminder(notify=uuid5(action.action_id, command.command_id), person_id=person_id)
    return activities.OwnerReminder()


def cancel_action(
    session: Session, actor: Actor, action_id: UUID, command: CancelAction, version: int, now: datetime
) -> Action:
    """Decide that an action will not be done, with a reason. Not by its owner (403), not once it is settled (409)."""
    action = visible_action(session, actor, action_id, lock=True)
    if actor.id == action.owner_id:
        raise forbidden("The owner of an action cannot cancel it. Ask another approver.")
    check_version(action.version, version)
    if ActionStatus(action.status).settled:
        raise wrong_status(action, "Only an action that is not verified yet can be cancelled")
    cancel(session, actor, action, command.reason, now)
    return action


def cancel(session: Session, actor: Actor, action: Action, reason: str, now: datetime) -> None:
    """It will not be done, and why; the caller holds its cycles and has checked who decides."""
    action.status, action.cancel_reason = ActionStatus.CANCELLED, reason
    action.version += 1
    completed = complete_cycles(session, action, now)
    complete, checkpoints = completed[action.incident_id, action.cycle]
    _record(
        session,
        actor,
        action,
        now,
        "cancelled",
        ActionCancelled(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            cycle_complete=complete,
            checkpoints=checkpoints,
        ),
        completed,
        reason_sha256=audit.digest(reason),
        cycle_complete=complete,
        checkpoints=[planned.due_at for planned in checkpoints],
    )


def end_actions(session: Session, command: activities.EndActions, now: datetime, actor: Actor) -> None:
    """Cancel what is open of a withdrawn incident's or a duplicate's actions, and drop its checkpoints. Again: nothing.

    What another incident waits for goes on.
    """
    settled = (ActionStatus.VERIFIED, ActionStatus.CANCELLED)
    unsettled = (
        select(Action)
        .where(Action.incident_id == command.incident_id, Action.status.not_in(settled))
        .order_by(Action.action_id)
        .with_for_update()
    )
    for action in session.scalars(unsettled):
        if served_by(session, action):
            continue
        action.status, action.cancel_reason = ActionStatus.CANCELLED, "The incident was withdrawn or is a duplicate."
        action.version += 1
        event = ActionCancelled(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            cycle_complete=False,
            checkpoints=[],
        )
        _record(session, actor, action, now, "ended_with_incident", event)
    impact.drop_checkpoints(session, command.incident_id)


def complete_cycles(session: Session, action: Action, now: datetime) -> Completed:
    """Of each cycle in which an action counts: whether nothing is left to do or verify, and then the plan to measure it.

    The caller holds the cycles, so of two last actions settled at once exactly one sees the other settled. Before a
    cycle opened it cannot be complete: people are still agreeing what to do. Where the action only serves, it is not
    complete without anything verified either: who cancels it decides for its own incident.
    """
    own = (action.incident_id, action.cycle)
    session.flush()
    return {one: _complete(session, one, now, empty=one == own) for one in (own, *served_by(session, action))}


def _complete(session: Session, cycle: Cycle, now: datetime, *, empty: bool) -> tuple[bool, list[PlannedCheckpoint]]:
    improvement = lock_cycle(session, *cycle)
    actions = actions_of(session, *cycle)
    if improvement.opened_at is None or not all(ActionStatus(a.status).settled for a in actions):
        return False, []
    verified = [a.verified_at for a in actions if a.verified_at is not None]
    if not (verified or empty):
        return False, []
    check_strength(session, improvement, actions)
    improvement.completed_at = now
    if not verified or session.get_one(Incident, improvement.incident_id).ended:
        return True, []
    improvement.effective_at = max(verified)
    return True, impact.plan_checkpoints(session, improvement, now)


def _improvement_of(session: Session, incident: Incident) -> Improvement:
    """The current cycle of an incident, made if it is new, held to the end of the transaction."""
    insert_new(
        session,
        Improvement,
        incident_id=incident.incident_id,
        cycle=incident.cycle,
        provider_id=incident.provider_id,
        location_id=incident.location_id,
        region_id=incident.region_id,
        category=incident.category,
    )
    return lock_cycle(session, incident.incident_id, incident.cycle)


def _attempt(action: Action) -> int:
    """Which attempt is under way, or waits for verification."""
    return action.attempt if action.status == ActionStatus.DONE else action.attempt + 1


def wrong_status(action: Action, title: str) -> ServiceError:
    """409 for what does not fit the status of an action."""
    return conflict("wrong-status", title, f"This action is {action.status}. Read it again to see what comes next.")
