"""The use-cases of review. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by the incident and cycle they speak about.
"""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import EventData
from services.contracts.review import (
    ReviewApproved,
    ReviewOpened,
    ReviewReturned,
    ReviewSubmitted,
)
from services.contracts.taxonomy import ReviewMethod, Role, Seips
from services.review import domain, gate, policy, store
from services.review.domain import MAX_OPTIONS, Need, ReviewStatus, Step
from services.review.store import Factor, Learning, Review, ReviewStep, visible_review
from services.runtime import audit, outbox, restriction
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.db import insert_new
from services.runtime.errors import FieldProblem, ServiceError, conflict, forbidden
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "review"

MAX_FACTORS = 20
MAX_LEARNING = 20


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class WriteFactor(Strict):
    """Something that contributed."""

    element: Seips = Field(description="The element of the work system in which it lies.")
    description: LongText | None = None


class WriteLearning(Strict):
    """What was learned, in one sentence that an action can answer."""

    statement: ShortText
    answers_factor: Annotated[int, Field(ge=0, lt=MAX_FACTORS)] | None = Field(
        default=None, description="The place of the factor it answers, counted from 0."
    )


class WriteBriefing(Strict):
    """What other teams will read. No names: it leaves the location."""

    summary: ShortText | None = Field(default=None, description="What happened and why it matters to others.")
    what_changes: LongText | None = Field(default=None, description="What everybody does differently from now on.")
    question: ShortText | None = Field(default=None, description="A question that shows whether it was understood.")
    options: Annotated[list[ShortText], Field(max_length=MAX_OPTIONS)] = Field(
        default_factory=list, description="2 to 5 different answers."
    )
    correct: Annotated[int, Field(ge=0, lt=MAX_OPTIONS)] | None = Field(
        default=None, description="The place of the right answer among the options, counted from 0."
    )


class WriteDraft(Strict):
    """The whole content of a review as far as it is written. What is left out is empty afterwards."""

    what_happened: LongText | None = None
    why: LongText | None = None
    factors: Annotated[list[WriteFactor], Field(max_length=MAX_FACTORS)] = Field(default_factory=list)
    learning: Annotated[list[WriteLearning], Field(max_length=MAX_LEARNING)] = Field(default_factory=list)
    only_person_reason: ShortText | None = Field(
        default=None, description="Needed when every factor lies in a person: why nothing in the system contributed."
    )
    no_actions_reason: ShortText | None = Field(
        default=None, description="Why no action is needed, where the policy lets you say so."
    )
    no_briefing_reason: ShortText | None = Field(
        default=None, description="Why no briefing is needed, where the policy lets you say so."
    )
    briefing: WriteBriefing | None = None


class ReturnReview(Strict):
    """What is missing."""

    reason: LongText


class _Change:
    """Writes the audit entry and the event that belong to a change of a review."""

    def __init__(self, session: Session, actor: Actor, review: Review, at: datetime) -> None:
        self._session, self._actor, self._review, self._at = session, actor, review, at

    def record(self, action: str, event: EventData | None, **data: Any) -> None:
        """Append to the incident's chain and publish, if there is something to say. Data holds codes and digests only."""
        audit.append(
            self._session,
            SERVICE,
            chain=self._review.incident_id,
            actor=self._actor,
            action=action,
            subject=self._review.review_id,
            at=self._at,
            data={"cycle": self._review.cycle, **data},
        )
        if event is not None:
            row = outbox.event_row(
                event, actor=self._actor, subject=self._review.review_id, version=self._review.version, at=self._at
            )
            outbox.record(self._session, SERVICE, row)


def _step(
    session: Session, actor: Actor, review_id: UUID, step: Step, now: datetime, reason: str | None = None
) -> None:
    session.add(
        ReviewStep(
            step_id=new_id(),
            provider_id=actor.provider_id,
            review_id=review_id,
            step=step,
            actor_id=actor.id,
            actor_role=actor.role,
            reason=reason,
            at=now,
        )
    )


def open_review(session: Session, command: activities.OpenReview, now: datetime, actor: Actor) -> activities.ReviewPlan:
    """Open the proportionate review, due in working days from now. Once an incident and cycle: again answers the first.

    The safeguarding lead leads the review of a restricted incident: the manager of the place does not see it.
    A newer triage changes method, clock and approval of a review that is not approved yet; what was written stays.
    """
    rules = policy.shipped()
    response = rules.choose(command.kind, command.category, command.band, command.actual_harm)
    restricted = restriction.find(session, SERVICE, command.incident_id) is not None
    depth = {
        "actual_harm": command.actual_harm,
        "band": command.band,
        "rule": response.rule,
        "policy_version": rules.version,
        "method": response.method,
        "lead_role": Role.SAFEGUARDING_LEAD if restricted else response.lead_role,
        "approval_role": response.approval_role,
        "actions_need": response.actions_need,
        "briefing_need": response.briefing_need,
        "briefing_audience": response.briefing_audience,
        "briefing_target_percent": response.briefing_target_percent,
        "briefing_working_days": response.briefing_working_days,
        "triage_revision": command.triage_revision,
        "due_at": add_working_days(now, response.working_days),
    }
    opened = insert_new(
        session,
        Review,
        review_id=new_id(),
        provider_id=actor.provider_id,
        incident_id=command.incident_id,
        cycle=command.cycle,
        location_id=command.location_id,
        region_id=command.region_id,
        kind=command.kind,
        category=command.category,
        status=ReviewStatus.OPEN,
        opened_at=now,
        version=1,
        **depth,
    )
    review = store.review_of(session, command.incident_id, command.cycle)
    settled = review.status in (ReviewStatus.APPROVED, ReviewStatus.ENDED)
    rerouted = not opened and not settled and command.triage_revision > review.triage_revision
    if rerouted:
        for name, value in depth.items():
            setattr(review, name, value)
        review.version += 1
        session.flush()
    if opened:
        _step(session, actor, review.review_id, Step.OPENED, now)
    if opened or rerouted:
        _Change(session, actor, review, now).record(
            "review_opened" if opened else "review_rerouted",
            ReviewOpened(
                incident_id=review.incident_id,
                review_id=review.review_id,
                cycle=review.cycle,
                method=response.method,
                lead_role=Role(review.lead_role),
                due_at=review.due_at,
                rule=response.rule,
                policy_version=rules.version,
            ),
            method=review.method,
            rule=review.rule,
            policy_version=review.policy_version,
            due_at=review.due_at,
        )
    return activities.ReviewPlan(
        review_id=review.review_id,
        method=ReviewMethod(review.method),
        lead_role=Role(review.lead_role),
        due_at=review.due_at,
    )


def end_review(session: Session, command: activities.EndReview, now: datetime, actor: Actor) -> None:
    """End what is open of a withdrawn incident's or a duplicate's reviews. Approved ones stay; again does nothing."""
    unfinished = (
        select(Review)
        .where(Review.incident_id == command.incident_id)
        .where(Review.status.not_in([ReviewStatus.APPROVED, ReviewStatus.ENDED]))
        .with_for_update()
    )
    for review in session.scalars(unfinished):
        review.status = ReviewStatus.ENDED
        review.version += 1
        session.flush()
        _Change(session, actor, review, now).record("review_ended", None)


def save_draft(
    session: Session, actor: Actor, review_id: UUID, command: WriteDraft, version: int, now: datetime
) -> Review:
    """Replace the content of a review that is being written (else 409). Nothing has to be complete yet."""
    review = _written_by(session, actor, review_id, version)
    for field in ("what_happened", "why", "only_person_reason", "no_actions_reason", "no_briefing_reason"):
        setattr(review, field, getattr(command, field))
    review.briefing = None if command.briefing is None else command.briefing.model_dump()
    review.version += 1
    _replace_lists(session, review, command)
    last = store.steps(session, review_id)[-1]
    # A draft saves itself every few seconds: the history notes who began to write, the submission what was written.
    if (last.step, last.actor_id) != (Step.DRAFTED, actor.id):
        _step(session, actor, review_id, Step.DRAFTED, now)
        _Change(session, actor, review, now).record("review_drafted", None)
    return review


def _replace_lists(session: Session, review: Review, command: WriteDraft) -> None:
    owner = {"provider_id": review.provider_id, "review_id": review.review_id}
    session.execute(delete(Factor).where(Factor.review_id == review.review_id))
    session.execute(delete(Learning).where(Learning.review_id == review.review_id))
    if command.factors:
        session.execute(
            insert(Factor),
            [{**owner, "place": place, **factor.model_dump()} for place, factor in enumerate(command.factors)],
        )
    if command.learning:
        session.execute(
            insert(Learning),
            [
                {**owner, "learning_id": new_id(), "place": place, **learning.model_dump()}
                for place, learning in enumerate(command.learning)
            ],
        )


def submit_review(session: Session, actor: Actor, review_id: UUID, version: int, now: datetime) -> Review:
    """Hand a complete review to its approver. Raises 422 that names every gap, 409 when it is not being written."""
    review = _written_by(session, actor, review_id, version)
    draft = _draft(session, review)
    found = domain.gaps(draft, actions=Need(review.actions_need), briefing=Need(review.briefing_need))
    if found:
        raise ServiceError(
            422,
            "review-incomplete",
            "The review is not complete yet",
            "It was not submitted. Correct the fields below in the draft, then submit it again.",
            errors=[FieldProblem(field=gap.field, message=gap.message, remedy=gap.remedy) for gap in found],
        )
    review.status = ReviewStatus.SUBMITTED
    review.version += 1
    _step(session, actor, review_id, Step.SUBMITTED, now)
    _Change(session, actor, review, now).record(
        "review_submitted",
        ReviewSubmitted(incident_id=review.incident_id, review_id=review_id, cycle=review.cycle),
        factors=[factor.element for factor in draft.factors],
        learning_count=len(draft.learning),
        findings=sorted({one.weakness for one in findings_of(session, review)}),
        content_sha256=audit.digest(json.dumps(asdict(draft), sort_keys=True, ensure_ascii=False)),
    )
    return review


def return_review(
    session: Session, actor: Actor, review_id: UUID, command: ReturnReview, version: int, now: datetime
) -> Review:
    """Send a submitted review back with what is missing. Only the policy's approver, never one of its authors."""
    review = _decided_by(session, actor, review_id, version)
    review.status = ReviewStatus.RETURNED
    review.version += 1
    _step(session, actor, review_id, Step.RETURNED, now, command.reason)
    _Change(session, actor, review, now).record(
        "review_returned",
        ReviewReturned(incident_id=review.incident_id, review_id=review_id, cycle=review.cycle),
        reason_sha256=audit.digest(command.reason),
    )
    return review


def approve_review(session: Session, actor: Actor, review_id: UUID, version: int, now: datetime) -> Review:
    """Approve a submitted review and say what must follow. Only the policy's approver, never one of its authors."""
    review = _decided_by(session, actor, review_id, version)
    draft = _draft(session, review)
    actions_needed = domain.actions_needed(draft, Need(review.actions_need))
    briefing_needed = domain.briefing_needed(draft)
    review.status = ReviewStatus.APPROVED
    review.actions_needed, review.briefing_needed = actions_needed, briefing_needed
    review.version += 1
    _step(session, actor, review_id, Step.APPROVED, now)
    _Change(session, actor, review, now).record(
        "review_approved",
        ReviewApproved(
            incident_id=review.incident_id,
            review_id=review_id,
            cycle=review.cycle,
            factors=list(dict.fromkeys(factor.element for factor in draft.factors)),
            learning_count=len(draft.learning),
            actions_needed=actions_needed,
            briefing_needed=briefing_needed,
            learning=[row.learning_id for row in store.learning(session, review.review_id)],
        ),
        actions_needed=actions_needed,
        briefing_needed=briefing_needed,
    )
    return review


def _written_by(session: Session, actor: Actor, review_id: UUID, version: int) -> Review:
    """The review, held for a change by one of its writers."""
    review = visible_review(session, actor, review_id, lock=True)
    check_version(review.version, version)
    if not ReviewStatus(review.status).editable:
        raise conflict(
            "not-editable",
            "This review is not being written",
            "It was submitted or approved. Until it is approved, its approver can return it to you with a reason.",
        )
    return review


def _decided_by(session: Session, actor: Actor, review_id: UUID, version: int) -> Review:
    """The review, held for a decision by somebody who may make it."""
    review = visible_review(session, actor, review_id, lock=True)
    deciders = [review.approval_role]
    if restriction.find(session, SERVICE, review.incident_id) is not None:
        deciders.append(Role.NOMINATED_INDIVIDUAL)  # the policy's approver may not see it
    by = " or a ".join(deciders)
    if not actor.roles.intersection(deciders):
        raise forbidden(f"The policy wants this review decided by a {by}. Ask one of them.")
    check_version(review.version, version)
    if review.status != ReviewStatus.SUBMITTED:
        raise conflict(
            "not-submitted", "This review does not wait for a decision", "Read it again to see how far it is."
        )
    if actor.id in store.authors(session, review_id):
        raise forbidden(f"You wrote or submitted this review. Ask another {by} to decide on it.")
    return review


def findings_of(session: Session, review: Review) -> list[gate.Finding]:
    """What the quality gate points at in a review as it stands. It keeps nothing from being submitted."""
    return gate.findings(_draft(session, review), repeat=store.is_repeat(session, review))


def _draft(session: Session, review: Review) -> domain.Draft:
    return domain.Draft(
        what_happened=review.what_happened,
        why=review.why,
        factors=[
            domain.Factor(element=Seips(row.element), description=row.description)
            for row in store.factors(session, review.review_id)
        ],
        learning=[
            domain.Learning(statement=row.statement, answers_factor=row.answers_factor)
            for row in store.learning(session, review.review_id)
        ],
        only_person_reason=review.only_person_reason,
        no_actions_reason=review.no_actions_reason,
        no_briefing_reason=review.no_briefing_reason,
        briefing=None if review.briefing is None else domain.BriefingDraft(**review.briefing),
    )
