"""The use-cases of agreeing beside the agreement itself: what it waits for, and that the owner understands it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from services.actions.agreeing.domain import circle
from services.actions.agreeing.store import Dependency, Finding, ProofItem
from services.actions.domain import ActionStatus, EvidenceKind
from services.actions.history import record
from services.actions.store import Action, Evidence, visible_action
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import ServiceError, conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

MAX_ITEMS = 20


class ProofAsked(BaseModel):
    """One thing that must be shown."""

    model_config = ConfigDict(extra="forbid")

    description: ShortText = Field(description="What a verifier must find.")
    kinds: list[EvidenceKind] = Field(
        default_factory=list, max_length=10, description="The sorts of evidence that show it; any, if left out."
    )


class WaitFor(BaseModel):
    """What an action waits for, as a whole."""

    model_config = ConfigDict(extra="forbid")

    waits_for: Annotated[list[UUID], Field(max_length=MAX_ITEMS)]


class LinkLearning(BaseModel):
    """What an action answers."""

    model_config = ConfigDict(extra="forbid")

    learning_ref: UUID = Field(description="A learning of an approved review of the incident.")


class Understood(BaseModel):
    """The owner says that the action is understood."""

    model_config = ConfigDict(extra="forbid")

    in_own_words: LongText | None = Field(default=None, description="What will be different, as the owner sees it.")


def check_learning(session: Session, incident_id: UUID, learning_ref: UUID | None) -> None:
    """Refuse (422) a learning that no approved review of this incident has."""
    if learning_ref is None:
        return
    finding = session.get(Finding, learning_ref)
    if finding is None or finding.incident_id != incident_id:
        raise invalid(
            "learning_ref",
            "is not a learning of an approved review of this incident",
            "Take its id from GET /reviews/{review_id} of review, after approval. If it was approved a moment ago, try"
            " again in a few seconds; or leave it out and link the action later at PUT /actions/{action_id}/learning.",
        )


def link_learning(
    session: Session, actor: Actor, action_id: UUID, command: LinkLearning, version: int, now: datetime
) -> Action:
    """Say which learning an action answers, once the review is approved, also when it is done by then.

    Raises 409 for one that will not be done, 422 for what is no learning of its incident.
    """
    action = visible_action(session, actor, action_id, lock=True)
    check_version(action.version, version)
    if action.status == ActionStatus.CANCELLED:
        raise conflict("wrong-status", "This action is cancelled", "It will not be done, so it answers nothing.")
    check_learning(session, action.incident_id, command.learning_ref)
    before, action.learning_ref = action.learning_ref, command.learning_ref
    action.version += 1
    record(session, actor, action, now, "learning_linked", None, learning_ref=command.learning_ref, before=before)
    return action


def keep_proof(session: Session, action: Action, asked: Sequence[ProofAsked]) -> None:
    """Keep what counts as proof, item by item: it is set when the action is agreed, and not changed after."""
    session.add_all(
        ProofItem(
            item_id=new_id(),
            provider_id=action.provider_id,
            action_id=action.action_id,
            place=place,
            description=item.description,
            kinds=sorted(set(item.kinds)),
        )
        for place, item in enumerate(asked)
    )


def keep_waiting(session: Session, actor: Actor, action: Action, waits_for: Sequence[UUID]) -> None:
    """Keep what an action waits for. Refuses (422) what the actor may not see, what is cancelled, and a circle."""
    wanted = list(dict.fromkeys(waits_for))
    for place, other_id in enumerate(wanted):
        try:
            other = visible_action(session, actor, other_id)
        except ServiceError:
            raise invalid(
                f"waits_for.{place}", "is not an action that you may see", "Choose one from GET /actions."
            ) from None
        if other.status == ActionStatus.CANCELLED:
            raise invalid(f"waits_for.{place}", "is cancelled", "Choose one that will be done.")
    if wanted:
        # One at a time for a provider: of two halves of a circle agreed at once, one must see the other.
        session.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"waits:{action.provider_id}"}
        )
    known: dict[UUID, list[UUID]] = defaultdict(list)
    for one in session.scalars(select(Dependency).where(Dependency.action_id != action.action_id)) if wanted else ():
        known[one.action_id].append(one.waits_for)
    known[action.action_id] = wanted
    if circle(known, action.action_id):
        raise invalid("waits_for", "would make the action wait for itself", "Leave out what waits for this action.")
    session.execute(delete(Dependency).where(Dependency.action_id == action.action_id))
    session.flush()
    session.add_all(
        Dependency(action_id=action.action_id, waits_for=other_id, provider_id=action.provider_id)
        for other_id in wanted
    )


def wait_for(session: Session, actor: Actor, action_id: UUID, command: WaitFor, version: int, now: datetime) -> Action:
    """Say what an action waits for, instead of what was said before. 409 once it is done."""
    action = visible_action(session, actor, action_id, lock=True)
    check_version(action.version, version)
    if action.status not in (ActionStatus.AGREED, ActionStatus.OPEN):
        raise conflict("wrong-status", "Only an action that is not done can wait", f"This action is {action.status}.")
    keep_waiting(session, actor, action, command.waits_for)
    action.version += 1
    record(session, actor, action, now, "waits_for", None, waits_for=sorted(map(str, command.waits_for)))
    return action


def check_waiting(session: Session, action_id: UUID) -> None:
    """Refuse (409) to complete an action before those that it waits for are done."""
    open_ones = session.scalar(
        select(func.count())
        .select_from(Dependency)
        .join(Action, Action.action_id == Dependency.waits_for)
        .where(Dependency.action_id == action_id, Action.status.in_((ActionStatus.AGREED, ActionStatus.OPEN)))
    )
    if open_ones:
        raise conflict(
            "waits-for-others",
            "This action waits for others that are not done",
            f"{open_ones} of those under waits_for are open. Have them completed or cancelled first, or change what it"
            " waits for at PUT /actions/{action_id}/waits-for.",
        )


def lacking(session: Session, action: Action, attempt: int) -> list[ProofItem]:
    """What counts as proof and has none in an attempt, in the order in which it was agreed.

    A piece counts for an item that it names, if it is of a sort that shows it.
    """
    items = session.scalars(
        select(ProofItem).where(ProofItem.action_id == action.action_id).order_by(ProofItem.place)
    ).all()
    evidence = session.scalars(
        select(Evidence).where(Evidence.action_id == action.action_id, Evidence.attempt <= attempt)
    ).all()
    return [
        item
        for item in items
        if not any(item.item_id in one.proves and (not item.kinds or one.kind in item.kinds) for one in evidence)
    ]


def check_proves(session: Session, action_id: UUID, proves: Sequence[UUID]) -> None:
    """Refuse (422) evidence for an item that this action does not have."""
    known = set(session.scalars(select(ProofItem.item_id).where(ProofItem.action_id == action_id)))
    for place, item_id in enumerate(proves):
        if item_id not in known:
            raise invalid(f"proves.{place}", "is not an item of this action", "Choose from `proof` of the action.")


def check_proof(session: Session, action: Action, attempt: int) -> None:
    """Refuse (409) to complete an action while something that was agreed as proof has none."""
    missing = lacking(session, action, attempt)
    if missing:
        places = ", ".join(str(item.place + 1) for item in missing)
        raise conflict(
            "proof-lacking",
            "Something that was agreed as proof has no evidence yet",
            f"Lacking: number {places} of `proof`. Add evidence that names it under `proves`, of a sort that it asks for.",
        )


def understand(
    session: Session, actor: Actor, action_id: UUID, command: Understood, version: int, now: datetime
) -> Action:
    """The owner confirms, when the action is given to them, that it is understood. Nobody else can (403)."""
    action = visible_action(session, actor, action_id, lock=True)
    if actor.id != action.owner_id:
        raise forbidden("Only the owner of an action can say that it is understood.")
    check_version(action.version, version)
    if ActionStatus(action.status).settled:
        raise conflict("wrong-status", "This action is settled", f"It is {action.status}; there is nothing to confirm.")
    action.understood_at = now
    action.version += 1
    record(
        session,
        actor,
        action,
        now,
        "understood",
        None,
        in_own_words_sha256=None if command.in_own_words is None else audit.digest(command.in_own_words),
    )
    return action
