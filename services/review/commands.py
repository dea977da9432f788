"""The use-cases of review. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by the incident and cycle they speak about.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import CaseData, EventData
from services.contracts.identity import EVERYWHERE
from services.contracts.review import (
    ReviewApproved,
    ReviewOpened,
    ReviewReturned,
    ReviewSubmitted,
)
from services.contracts.taxonomy import (
    Band,
    CaseKind,
    Category,
    Kind,
    LocationType,
    MemberDecision,
    PhysicalHarm,
    PsychologicalHarm,
    ReviewMethod,
    Role,
    Seips,
)
from services.review import domain, gate, policy, store
from services.review.causes import known
from services.review.causes.domain import SUGGESTIONS, Barrier, FactorWord, Held, KnownCause, WhyChain
from services.review.context.domain import Fact, Situation
from services.review.context.store import context_of, is_repeat
from services.review.domain import Need, ReviewStatus, Step
from services.review.findings import domain as findings_domain
from services.review.findings import store as findings_store
from services.review.holds.store import refuse_while_held
from services.review.methods import store as methods
from services.review.methods import template
from services.review.records import domain as records_domain
from services.review.records import store as records
from services.review.sharing.domain import MAX_OPTIONS, MAX_QUESTIONS, Group, read_draft
from services.review.store import Factor, Learning, Review, ReviewStep, RootCause, visible_review
from services.review.thematic.questions import own_questions
from services.review.thematic.store import count, theme_of
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
MAX_CAUSES = 10
MAX_FINDINGS = 100


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class WriteFactor(Strict):
    """Something that contributed: its element, or a word for it that suggests one."""

    element: Seips = Field(
        default=None,  # type: ignore[assignment]  # never None: see below
        description="The element of the work system in which it lies. Left out, what the word suggests.",
    )
    description: LongText | None = None
    word: FactorWord | None = Field(default=None, description="As the team calls it; see /factor-words.")

    @model_validator(mode="before")
    @classmethod
    def _suggested(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("element") is None:
            word = next((one for one in FactorWord if one == data.get("word")), None)
            if word is None:
                raise ValueError("needs an element, or a word of /factor-words that suggests one")
            return {**data, "element": SUGGESTIONS[word].elements[0]}
        return data


class WriteLearning(Strict):
    """What was learned, in one sentence that an action can answer."""

    statement: ShortText
    answers_factor: Annotated[int, Field(ge=0, lt=MAX_FACTORS)] | None = Field(
        default=None, description="The place of the factor it answers, counted from 0."
    )
    answers_cause: Annotated[int, Field(ge=0, lt=MAX_CAUSES)] | None = Field(
        default=None, description="The place of the root cause it answers, counted from 0."
    )


class WriteRootCause(Strict):
    """What lies beneath, and which factors show it."""

    statement: ShortText
    factors: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_FACTORS)]], Field(max_length=MAX_FACTORS)] = Field(
        default_factory=list, description="The places of the factors that show it, counted from 0."
    )


class WriteWhyChain(Strict):
    """Why, and why that: an aid, never asked for."""

    problem: ShortText
    whys: Annotated[list[ShortText], Field(min_length=1, max_length=5)]
    leads_to_factor: Annotated[int, Field(ge=0, lt=MAX_FACTORS)] | None = Field(
        default=None, description="The place of the factor it leads to, counted from 0."
    )


class WriteBarrier(Strict):
    """What stood, or should have stood, between a person and harm: an aid, never asked for."""

    barrier: ShortText
    became: Held
    why: ShortText | None = None
    shows_factor: Annotated[int, Field(ge=0, lt=MAX_FACTORS)] | None = Field(
        default=None, description="The place of the factor it shows, counted from 0."
    )


_Links = Annotated[list[UUID], Field(max_length=MAX_LEARNING)]


class WriteKnownCause(Strict):
    """The cause is known and already worked on: the links stand for actions of this review's own."""

    reason: ShortText = Field(description="Why it is the same cause, and why the work that is linked answers it here.")
    learning: Annotated[_Links, Field(min_length=1)] = Field(description="Learning of other approved reviews.")
    actions: _Links = Field(default_factory=list, description="Actions of other cases that answer it.")
    themes: _Links = Field(default_factory=list, description="Themes that answer it.")

    @model_validator(mode="after")
    def _worked_on(self) -> Self:
        if not (self.actions or self.themes):
            raise ValueError("needs an action or a theme by which the cause is being worked on")
        return self


class WriteQuestion(Strict):
    """A question that shows whether the briefing was understood."""

    question: ShortText | None = None
    options: Annotated[list[ShortText], Field(max_length=MAX_OPTIONS)] = Field(
        default_factory=list, description="2 to 5 different answers."
    )
    correct: Annotated[int, Field(ge=0, lt=MAX_OPTIONS)] | None = Field(
        default=None, description="The place of the right answer among the options, counted from 0."
    )
    explanation: ShortText | None = Field(default=None, description="Told to whoever answers wrongly.")


class WriteAudience(Strict):
    """Who needs it, beyond what the policy asks for; and when a location counts as reached."""

    everywhere: bool = Field(default=False, description="Every location of the provider.")
    regions: Annotated[list[UUID], Field(max_length=50)] = Field(default_factory=list, description="These regions too.")
    location_types: list[LocationType] = Field(
        default_factory=list, description="Only these types of service. Where it happened is always among them."
    )
    roles: list[Role] = Field(default_factory=list, description="Whose understanding is expected. Default: all staff.")
    groups: list[Group] = Field(
        default_factory=list, description="Of each of these that works at a location, somebody must have understood."
    )
    people_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="How many of those expected at a location must have understood. Default: one person."
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
    explanation: ShortText | None = Field(default=None, description="Told to whoever answers wrongly.")
    for_whom: ShortText | None = Field(default=None, description="Whom it concerns, in words.")
    learning: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_LEARNING)]], Field(max_length=MAX_LEARNING)] = Field(
        default_factory=list, description="Which learning it shares, by place from 0. Default: all of it."
    )
    more_questions: Annotated[list[WriteQuestion], Field(max_length=MAX_QUESTIONS - 1)] = Field(
        default_factory=list, description="Others to draw from: each attempt has another question."
    )
    audience: WriteAudience = Field(default_factory=WriteAudience)
    abbreviations: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z]{2,5}$")]], Field(max_length=20)] = Field(
        default_factory=list, description="Two letters that are an abbreviation and no person's initials."
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
    root_causes: Annotated[list[WriteRootCause], Field(max_length=MAX_CAUSES)] = Field(default_factory=list)
    five_whys: Annotated[list[WriteWhyChain], Field(max_length=MAX_CAUSES)] = Field(default_factory=list)
    barriers: Annotated[list[WriteBarrier], Field(max_length=MAX_FACTORS)] = Field(default_factory=list)
    known_cause: WriteKnownCause | None = None


class AnswerFindings(Strict):
    """Why findings of the quality gate stand as they are."""

    findings: Annotated[list[Annotated[str, Field(max_length=120)]], Field(min_length=1, max_length=MAX_FINDINGS)] = (
        Field(description="Their names, as GET /reviews/{review_id}/findings tells them.")
    )
    reason: ShortText


_Answers = Annotated[list[AnswerFindings], Field(max_length=MAX_FINDINGS)]


class SubmitReview(Strict):
    """Answers of the lead to what the quality gate points at, where it was not mended."""

    answers: _Answers = Field(default_factory=list)


class ApproveReview(Strict):
    """Answers of the approver to what the quality gate points at and the lead did not answer."""

    answers: _Answers = Field(default_factory=list)


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
            if isinstance(event, CaseData):
                event = event.model_copy(update={"case_kind": self._review.case_kind})
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


@dataclass(frozen=True)
class _Decided:
    """What the policy of a moment says of an incident: its response, and what the review keeps of it."""

    response: domain.Response
    values: dict[str, Any]


def _decide(
    session: Session, actor: Actor, now: datetime, *, rules: domain.ReviewPolicy, incident_id: UUID, location_id: UUID,
    kind: Kind, category: Category, band: Band, actual_harm: PhysicalHarm, psychological_harm: PsychologicalHarm,
) -> _Decided:  # fmt: skip
    known = context_of(session, incident_id, location_id, category, now=now, within_days=rules.repeats_within_days)
    situation = Situation(
        kind, category, band, actual_harm, psychological_harm,
        repeats_at_location=known.repeats["at_location"], repeats_of_person=known.repeats["of_person"],
        repeats_at_provider=known.repeats["at_provider"],
        **{fact.value: fact in known.facts for fact in Fact}, restricted=known.restricted, on_hold=known.on_hold,
    )  # fmt: skip
    response = rules.choose(situation)
    values = {
        "actual_harm": actual_harm,
        "psychological_harm": psychological_harm,
        "band": band,
        "rule": response.rule,
        "policy_version": rules.version,
        "method": response.method,
        "template": template.newest(response.method).name,
        "lead_role": Role.SAFEGUARDING_LEAD if known.restricted else response.lead_role,
        "approval_role": response.approval_role,
        "actions_need": response.actions_need,
        "briefing_need": response.briefing_need,
        "briefing_audience": response.briefing_audience,
        "briefing_target_percent": response.briefing_target_percent,
        "briefing_working_days": response.briefing_working_days,
        "due_at": add_working_days(now, response.working_days),
        "decision": {
            "rule": response.rule,
            "policy_version": rules.version,
            "tier": response.tier,
            "may_not_lead": list(response.may_not_lead),
            "take_part": list(response.take_part),
            "inputs": asdict(situation),
        },
    }
    return _Decided(response, values)


def reconsider(session: Session, actor: Actor, incident_id: UUID, now: datetime) -> None:
    """Decide an open review again because a fact came: deeper if its policy says so, never shallower, never an approved one.

    By the version it was opened with: a policy published since is for what is triaged after it.
    """
    unfinished = (
        select(Review)
        .where(Review.incident_id == incident_id, Review.location_id != EVERYWHERE)
        .where(Review.status.not_in([ReviewStatus.APPROVED, ReviewStatus.ENDED]))
        .with_for_update()
    )
    for review in session.scalars(unfinished):
        decided = _decide(
            session, actor, now, rules=policy.of_review(session, actor.provider_id, review.policy_version),
            incident_id=incident_id, location_id=review.location_id, kind=Kind(review.kind), category=Category(review.category), band=Band(review.band), actual_harm=PhysicalHarm(review.actual_harm),
            psychological_harm=PsychologicalHarm(review.psychological_harm),
        )  # fmt: skip
        tier = (review.decision or {}).get("tier")
        held = (list(ReviewMethod).index(ReviewMethod(review.method)), -1 if tier is None else tier)
        if decided.response.depth <= held:
            continue
        for name, value in decided.values.items():
            setattr(review, name, value)
        review.version += 1
        session.flush()
        _say_depth(session, actor, review, "review_rerouted", now, deepened=True)


def _say_depth(
    session: Session, actor: Actor, review: Review, action: str, now: datetime, *, deepened: bool = False
) -> None:
    _Change(session, actor, review, now).record(
        action,
        ReviewOpened(
            incident_id=review.incident_id,
            review_id=review.review_id,
            cycle=review.cycle,
            method=ReviewMethod(review.method),
            lead_role=Role(review.lead_role),
            due_at=review.due_at,
            rule=review.rule,
            policy_version=review.policy_version,
            revision=review.version,
            deepened=deepened,
        ),
        method=review.method,
        rule=review.rule,
        policy_version=review.policy_version,
        due_at=review.due_at,
    )


def open_review(session: Session, command: activities.OpenReview, now: datetime, actor: Actor) -> activities.ReviewPlan:
    """Open the proportionate review, due in working days from now. Once an incident and cycle: again answers the first.

    The safeguarding lead leads the review of a restricted incident: the manager of the place does not see it.
    A newer triage changes method, clock and approval of a review that is not approved yet; what was written stays.
    """
    decided = _decide(
        session, actor, now, rules=policy.current(session, actor.provider_id), incident_id=command.incident_id,
        location_id=command.location_id, kind=command.kind, category=command.category, band=command.band,
        actual_harm=command.actual_harm, psychological_harm=command.psychological_harm,
    )  # fmt: skip
    depth = {**decided.values, "triage_revision": command.triage_revision}
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
        _say_depth(session, actor, review, "review_opened" if opened else "review_rerouted", now)
    return activities.ReviewPlan(
        review_id=review.review_id,
        method=ReviewMethod(review.method),
        lead_role=Role(review.lead_role),
        due_at=review.due_at,
        revision=review.version,
    )


def open_for_theme(session: Session, actor: Actor, now: datetime, **values: Any) -> Review:
    """Open the review of a theme in a cycle, or answer the one that is open. The theme itself tells that it began."""
    opened = insert_new(
        session,
        Review,
        review_id=new_id(),
        provider_id=actor.provider_id,
        status=ReviewStatus.OPEN,
        opened_at=now,
        version=1,
        **values,
    )
    review = store.review_of(session, values["incident_id"], values["cycle"])
    if opened:
        _step(session, actor, review.review_id, Step.OPENED, now)
        _Change(session, actor, review, now).record(
            "review_opened",
            None,
            method=review.method,
            rule=review.rule,
            policy_version=review.policy_version,
            due_at=review.due_at,
        )
    return review


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
    review = written_by(session, actor, review_id)
    check_version(review.version, version, _differing(session, review, command))
    for field in ("what_happened", "why", "only_person_reason", "no_actions_reason", "no_briefing_reason"):
        setattr(review, field, getattr(command, field))
    review.briefing = None if command.briefing is None else command.briefing.model_dump(mode="json")
    review.known_cause = None if command.known_cause is None else command.known_cause.model_dump(mode="json")
    for aid in ("five_whys", "barriers"):
        setattr(review, aid, [one.model_dump(mode="json") for one in getattr(command, aid)] or None)
    review.version += 1
    _replace_lists(session, review, command)
    note_author(session, actor, review, now)
    return review


def _differing(session: Session, review: Review, command: WriteDraft) -> list[str]:
    """The fields of a draft that the review holds differently."""
    kept = asdict(_draft(session, review))
    return [name for name, value in command.model_dump().items() if kept[name] != value]


def note_author(session: Session, actor: Actor, review: Review, now: datetime) -> None:
    """Note in the history that somebody began to write."""
    last = store.steps(session, review.review_id)[-1]
    # A draft saves itself every few seconds: the history notes who began to write, the submission what was written.
    if (last.step, last.actor_id) != (Step.DRAFTED, actor.id):
        _step(session, actor, review.review_id, Step.DRAFTED, now)
        _Change(session, actor, review, now).record("review_drafted", None)


def note_contributor(session: Session, actor: Actor, review: Review, now: datetime) -> None:
    """Note in the history that somebody who was asked said something."""
    last = store.steps(session, review.review_id)[-1]
    if (last.step, last.actor_id) != (Step.CONTRIBUTED, actor.id):
        _step(session, actor, review.review_id, Step.CONTRIBUTED, now)


def note(session: Session, actor: Actor, review: Review, now: datetime, action: str, **data: Any) -> None:
    """Append to the incident's chain what hangs on a review; codes and digests only."""
    _Change(session, actor, review, now).record(action, None, **data)


def _replace_lists(session: Session, review: Review, command: WriteDraft) -> None:
    owner = {"provider_id": review.provider_id, "review_id": review.review_id}
    session.execute(delete(Factor).where(Factor.review_id == review.review_id))
    session.execute(delete(Learning).where(Learning.review_id == review.review_id))
    if command.factors:
        session.execute(
            insert(Factor),
            [{**owner, "place": place, **factor.model_dump()} for place, factor in enumerate(command.factors)],
        )
    session.execute(delete(RootCause).where(RootCause.review_id == review.review_id))
    if command.root_causes:
        session.execute(
            insert(RootCause),
            [{**owner, "place": place, **cause.model_dump()} for place, cause in enumerate(command.root_causes)],
        )
    if command.learning:
        session.execute(
            insert(Learning),
            [
                {**owner, "learning_id": new_id(), "place": place, **learning.model_dump()}
                for place, learning in enumerate(command.learning)
            ],
        )


def submit_review(
    session: Session, actor: Actor, review_id: UUID, command: SubmitReview, version: int, now: datetime
) -> Review:
    """Hand a complete review to its approver. Raises 422 that names every gap, 409 when it is not being written.

    Not while internal fact-finding of the incident is on hold (409), nor by whom the policy keeps from leading it (403).
    Whoever the policy wants in it has taken part, or is recorded as having declined or been unavailable.
    """
    review = written_by(session, actor, review_id)
    check_version(review.version, version)
    refuse_while_held(session, review.incident_id)
    draft = _draft(session, review)
    found = domain.gaps(draft, actions=Need(review.actions_need), briefing=Need(review.briefing_need))
    if draft.known_cause is not None:
        found += known.gaps(session, actor, review, draft.known_cause)
    if review.case_kind is CaseKind.THEME:
        theme = theme_of(session, review)
        found += domain.theme_gaps(count(session, theme.theme_id, MemberDecision.LINKED), theme.questions)
    kept = records.kept(session, review_id)
    wanted = (review.decision or {}).get("take_part", ())
    found += records_domain.not_taken_part(wanted, kept, store.roles_of_authors(session, review_id) | {actor.role})
    pointed_out = findings_domain.named(findings_of(session, review))
    found += findings_domain.not_pointed_out([one.findings for one in command.answers], pointed_out)
    if found:
        raise ServiceError(
            422,
            "review-incomplete",
            "The review is not complete yet",
            "It was not submitted. Correct the fields below in the draft, then submit it again.",
            errors=[FieldProblem(field=gap.field, message=gap.message, remedy=gap.remedy) for gap in found],
        )
    may_not = (review.decision or {}).get("may_not_lead", ())
    if not domain.may_lead(may_not, roles=actor.roles, works_there=review.location_id in actor.locations):
        raise forbidden(
            "The policy wants this review led by somebody independent of the place. What you wrote is kept: ask a"
            f" {review.lead_role} from elsewhere to read it and to submit it."
        )
    findings = sorted({one.weakness for one in pointed_out.values()})
    content = _content(session, review, draft)
    review.status = ReviewStatus.SUBMITTED
    review.version += 1
    _step(session, actor, review_id, Step.SUBMITTED, now)
    submission = methods.keep(
        session, review, content, findings, findings_store.points(pointed_out), by=actor.id, at=now
    )
    given = _given(command.answers)
    findings_store.keep_answers(session, submission, given, Step.SUBMITTED, by=actor.id, at=now)
    _Change(session, actor, review, now).record(
        "review_submitted",
        ReviewSubmitted(incident_id=review.incident_id, review_id=review_id, cycle=review.cycle),
        factors=[factor.element for factor in draft.factors],
        learning_count=len(draft.learning),
        findings=findings,
        answered=sorted(given),
        content_sha256=audit.digest(json.dumps(content, sort_keys=True, ensure_ascii=False)),
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


def _given(answers: Sequence[AnswerFindings]) -> dict[str, str]:
    """Why each finding stands; the first answer counts."""
    given: dict[str, str] = {}
    for one in answers:
        for name in one.findings:
            given.setdefault(name, one.reason)
    return given


def _answer_findings(
    session: Session, actor: Actor, review_id: UUID, command: ApproveReview, now: datetime
) -> list[str]:
    """Keep the approver's answers with what was submitted. Raises 422 that names every finding without an answer."""
    submission = findings_store.latest(session, review_id)
    if submission.points is None:  # handed in before findings were kept
        return []
    names = [point["finding"] for point in submission.points]
    given = _given(command.answers)
    answered = {finding for _, finding in findings_store.answers(session, [submission.submission_id])}
    found = [
        *findings_domain.not_pointed_out([one.findings for one in command.answers], names),
        *findings_domain.unanswered(names, answered | given.keys()),
    ]
    if found:
        raise ServiceError(
            422,
            "findings-unanswered",
            "What the quality gate points at needs an answer",
            "It was not approved. Answer each finding below with a reason, or return the review so that it is mended.",
            errors=[FieldProblem(field=gap.field, message=gap.message, remedy=gap.remedy) for gap in found],
        )
    findings_store.keep_answers(session, submission, given, Step.APPROVED, by=actor.id, at=now)
    return sorted(given)


def approve_review(
    session: Session, actor: Actor, review_id: UUID, command: ApproveReview, version: int, now: datetime
) -> Review:
    """Approve a submitted review and say what must follow. Only the policy's approver, never one of its authors.

    Each finding of the quality gate has an answer by then, of the lead or of the approver (else 422 names it).
    """
    review = _decided_by(session, actor, review_id, version)
    answered = _answer_findings(session, actor, review_id, command, now)
    draft = _draft(session, review)
    actions_needed = domain.actions_needed(draft, Need(review.actions_need))
    briefing_needed = domain.briefing_needed(draft)
    known_cause = draft.known_cause
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
            known_learning=[] if known_cause is None else list(known_cause.learning),
            known_actions=[] if known_cause is None else list(known_cause.actions),
            known_themes=[] if known_cause is None else list(known_cause.themes),
        ),
        answered=answered,
        known_cause=review.known_cause is not None,
        actions_needed=actions_needed,
        briefing_needed=briefing_needed,
    )
    return review


def written_by(session: Session, actor: Actor, review_id: UUID) -> Review:
    """The review, held for a change by one of its writers."""
    review = visible_review(session, actor, review_id, lock=True)
    if not ReviewStatus(review.status).editable:
        raise conflict(
            "not-editable",
            "This review is not being written",
            "It was submitted or approved. Until it is approved, its approver can return it to you with a reason.",
        )
    return review


def deciders(session: Session, review: Review) -> list[str]:
    """Which roles may decide on a review."""
    if restriction.find(session, SERVICE, review.incident_id) is None:
        return [review.approval_role]
    return [review.approval_role, Role.NOMINATED_INDIVIDUAL]  # the policy's approver may not see it


def _decided_by(session: Session, actor: Actor, review_id: UUID, version: int) -> Review:
    """The review, held for a decision by somebody who may make it."""
    review = visible_review(session, actor, review_id, lock=True)
    roles = deciders(session, review)
    by = " or a ".join(roles)
    if not actor.roles.intersection(roles):
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
    asked = [question.id for question in template.asked(review.template, Category(review.category))]
    answered = methods.answers(session, review.review_id)
    terms, draft = own_questions(session, review), _draft(session, review)
    return [
        *gate.findings(draft, repeat=is_repeat(session, review)),
        *gate.unlinked_learning(draft),
        *gate.unanswered(asked, answered),
        *gate.unanswered_terms({} if terms is None else {one.id: one.text for one in terms.questions}, answered),
        *gate.missing_records(template.needed(review.template), records.kept(session, review.review_id)),
    ]


def _content(session: Session, review: Review, draft: domain.Draft) -> dict[str, Any]:
    """Everything people wrote in a review: the draft, and the answers to the method's questions."""
    answers = {
        row.question: {"answer": row.answer, "not_applicable_reason": row.not_applicable_reason}
        for row in methods.answers(session, review.review_id).values()
    }
    return {
        **asdict(draft),
        "known_cause": review.known_cause,
        "template": review.template,
        "answers": answers,
        "records": records.content(session, review.review_id),
    }


def _draft(session: Session, review: Review) -> domain.Draft:
    return domain.Draft(
        what_happened=review.what_happened,
        why=review.why,
        factors=[
            domain.Factor(
                element=Seips(row.element),
                description=row.description,
                word=None if row.word is None else FactorWord(row.word),
            )
            for row in store.factors(session, review.review_id)
        ],
        learning=[
            domain.Learning(row.statement, row.answers_factor, row.answers_cause)
            for row in store.learning(session, review.review_id)
        ],
        only_person_reason=review.only_person_reason,
        no_actions_reason=review.no_actions_reason,
        no_briefing_reason=review.no_briefing_reason,
        briefing=None if review.briefing is None else read_draft(review.briefing),
        root_causes=[
            domain.RootCause(row.statement, row.factors) for row in store.root_causes(session, review.review_id)
        ],
        five_whys=[WhyChain(**one) for one in review.five_whys or ()],
        known_cause=None if review.known_cause is None else _known(review.known_cause),
        barriers=[Barrier(**{**one, "became": Held(one["became"])}) for one in review.barriers or ()],
    )


def _known(kept: dict[str, Any]) -> KnownCause:
    ids = {name: [UUID(one) for one in kept[name]] for name in ("learning", "actions", "themes")}
    return KnownCause(reason=kept["reason"], **ids)
