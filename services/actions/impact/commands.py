"""The use-cases of impact, in one transaction of the caller, as those of actions."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.history import SERVICE
from services.actions.history import record as _record
from services.actions.impact.counting import Measure, observe, unit_of
from services.actions.impact.domain import CheckpointStatus, Window, settles, window_before, window_between
from services.actions.impact.store import Checkpoint, visible_checkpoint
from services.actions.impact.verdict import propose, rate_ratio
from services.actions.store import Improvement, lock_cycle
from services.contracts import activities
from services.contracts.actions import CheckpointMeasured, ImpactJudged, PlannedCheckpoint
from services.contracts.taxonomy import Band, Category, ExposureUnit, Role, Verdict
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

JUDGES = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class JudgeImpact(Strict):
    """What a person concludes from the measure."""

    verdict: Verdict
    reason: ShortText | None = Field(default=None, description="Needed when the verdict is not the proposed one.")


def freeze_measure(session: Session, actor: Actor, improvement: Improvement, band: Band, now: datetime) -> None:
    """From here on nobody can choose the category, unit or baseline that suits the result."""
    rules = policy.shipped()
    baseline = window_before(now, rules.baseline_days)
    improvement.band = band
    improvement.opened_at = now
    improvement.unit = unit_of(session, improvement.location_id) or rules.default_unit
    improvement.baseline_first, improvement.baseline_until = baseline.first, baseline.until
    improvement.policy_version = rules.version
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=improvement.incident_id,
        actor=actor,
        action="measure_frozen",
        subject=improvement.incident_id,
        at=now,
        data={
            "cycle": improvement.cycle,
            "category": improvement.category,
            "unit": improvement.unit,
            "baseline_first": baseline.first,
            "baseline_until": baseline.until,
            "policy_version": rules.version,
        },
    )


def drop_checkpoints(session: Session, incident_id: UUID) -> None:
    """Drop what is still to be measured or decided: the incident was withdrawn, or is a duplicate."""
    ahead = (CheckpointStatus.PLANNED, CheckpointStatus.MEASURED)
    for checkpoint in session.scalars(
        select(Checkpoint).where(Checkpoint.incident_id == incident_id, Checkpoint.status.in_(ahead)).with_for_update()
    ):
        checkpoint.status = CheckpointStatus.DROPPED
        checkpoint.version += 1


def plan_checkpoints(session: Session, improvement: Improvement, now: datetime) -> list[PlannedCheckpoint]:
    """The checkpoints of a completed cycle, by the policy for its band."""
    assert improvement.band is not None
    plan = policy.shipped().plan(Band(improvement.band), now)
    return [_plan_checkpoint(session, improvement, number, due_at) for number, due_at in enumerate(plan, 1)]


def _plan_checkpoint(session: Session, improvement: Improvement, number: int, due_at: datetime) -> PlannedCheckpoint:
    checkpoint_id = new_id()
    session.add(
        Checkpoint(
            checkpoint_id=checkpoint_id,
            provider_id=improvement.provider_id,
            incident_id=improvement.incident_id,
            cycle=improvement.cycle,
            number=number,
            location_id=improvement.location_id,
            region_id=improvement.region_id,
            status=CheckpointStatus.PLANNED,
            due_at=due_at,
            version=1,
        )
    )
    return PlannedCheckpoint(checkpoint_id=checkpoint_id, due_at=due_at)


def measure_checkpoint(
    session: Session, command: activities.MeasureCheckpoint, now: datetime, actor: Actor
) -> activities.Measured:
    """Count before and after, and propose a verdict for a person to decide on.

    Measured once: asked again, it answers the same. Raises 409 when an earlier verdict dropped the checkpoint.
    """
    checkpoint = visible_checkpoint(session, actor, command.checkpoint_id, lock=True)
    if checkpoint.status == CheckpointStatus.PLANNED:
        _measure(session, actor, checkpoint, now)
    if checkpoint.decide_due_at is None:
        raise conflict("dropped", "This checkpoint was dropped", "An earlier checkpoint settled the question.")
    return activities.Measured(decide_due_at=checkpoint.decide_due_at)


def _measure(session: Session, actor: Actor, checkpoint: Checkpoint, now: datetime) -> None:
    improvement = lock_cycle(session, checkpoint.incident_id, checkpoint.cycle)
    assert improvement.unit is not None
    assert improvement.baseline_first is not None
    assert improvement.baseline_until is not None
    assert improvement.effective_at is not None
    measure = Measure(improvement.provider_id, Category(improvement.category), ExposureUnit(improvement.unit))
    window = window_between(improvement.effective_at, now)
    before = observe(session, measure, Window(improvement.baseline_first, improvement.baseline_until))
    after = observe(session, measure, window)
    rules = policy.shipped()
    ratio = rate_ratio(before, after, rules.confidence)
    proposal = propose(rules, before, after, ratio, last=_next_planned(session, checkpoint) is None)
    decide_due_at = add_working_days(now, rules.decide_working_days)
    checkpoint.status, checkpoint.measured_at, checkpoint.decide_due_at = CheckpointStatus.MEASURED, now, decide_due_at
    checkpoint.first_day, checkpoint.until_day = window.first, window.until
    checkpoint.events, checkpoint.near_misses, checkpoint.exposure = after.events, after.near_misses, after.exposure
    checkpoint.baseline_events, checkpoint.baseline_near_misses = before.events, before.near_misses
    checkpoint.baseline_exposure = before.exposure
    if ratio is not None:
        checkpoint.ratio, checkpoint.ratio_low, checkpoint.ratio_high = ratio.ratio, ratio.lower, ratio.upper
    checkpoint.proposed, checkpoint.rule, checkpoint.policy_version = proposal.verdict, proposal.rule, rules.version
    checkpoint.version += 1
    _record(
        session,
        actor,
        checkpoint,
        now,
        "measured",
        CheckpointMeasured(
            incident_id=checkpoint.incident_id,
            checkpoint_id=checkpoint.checkpoint_id,
            cycle=checkpoint.cycle,
            events=after.events,
            exposure=after.exposure,
            baseline_events=before.events,
            baseline_exposure=before.exposure,
            proposed=proposal.verdict,
            rule=proposal.rule,
            decide_due_at=decide_due_at,
        ),
        events=after.events,
        near_misses=after.near_misses,
        exposure=after.exposure,
        baseline_events=before.events,
        baseline_near_misses=before.near_misses,
        baseline_exposure=before.exposure,
        proposed=proposal.verdict,
        rule=proposal.rule,
        policy_version=rules.version,
    )


def judge_impact(
    session: Session, actor: Actor, checkpoint_id: UUID, command: JudgeImpact, version: int, now: datetime
) -> Checkpoint:
    """A person decides on a measured checkpoint. Another verdict than the proposed one needs a reason (422).

    What is not proven or cannot be judged is measured again: at the next planned checkpoint, or at one more.
    """
    checkpoint = visible_checkpoint(session, actor, checkpoint_id, lock=True)
    check_version(checkpoint.version, version)
    if checkpoint.status != CheckpointStatus.MEASURED:
        raise conflict(
            "not-measured",
            "Only a measured checkpoint that is not decided can be decided",
            f"This checkpoint is {checkpoint.status}. Read it again to see what comes next.",
        )
    agreed = command.verdict == checkpoint.proposed
    if not agreed and command.reason is None:
        raise invalid(
            "reason",
            f"is needed: rule '{checkpoint.rule}' proposes {checkpoint.proposed}",
            "Say why you see it differently, or agree with the proposal.",
        )
    checkpoint.status, checkpoint.verdict = CheckpointStatus.JUDGED, command.verdict
    checkpoint.agreed_with_proposal, checkpoint.reason = agreed, command.reason
    checkpoint.decided_by, checkpoint.decided_at = actor.id, now
    checkpoint.version += 1
    next_checkpoint = _after_verdict(session, checkpoint, command.verdict, now)
    _record(
        session,
        actor,
        checkpoint,
        now,
        "judged",
        ImpactJudged(
            incident_id=checkpoint.incident_id,
            checkpoint_id=checkpoint_id,
            cycle=checkpoint.cycle,
            verdict=command.verdict,
            agreed_with_proposal=agreed,
            next_checkpoint=next_checkpoint,
        ),
        verdict=command.verdict,
        proposed=checkpoint.proposed,
        next_checkpoint=None if next_checkpoint is None else next_checkpoint.checkpoint_id,
        reason_sha256=None if command.reason is None else audit.digest(command.reason),
    )
    return checkpoint


def _after_verdict(
    session: Session, checkpoint: Checkpoint, verdict: Verdict, now: datetime
) -> PlannedCheckpoint | None:
    """The next checkpoint, or None after dropping those still planned because the verdict is final."""
    planned = _next_planned(session, checkpoint)
    if not settles(verdict):
        if planned is not None:
            return PlannedCheckpoint(checkpoint_id=planned.checkpoint_id, due_at=planned.due_at)
        improvement = lock_cycle(session, checkpoint.incident_id, checkpoint.cycle)
        number = session.scalar(
            select(func.max(Checkpoint.number)).where(
                Checkpoint.incident_id == checkpoint.incident_id, Checkpoint.cycle == checkpoint.cycle
            )
        )
        return _plan_checkpoint(session, improvement, (number or 0) + 1, now + policy.shipped().extension)
    while planned is not None:
        planned.status = CheckpointStatus.DROPPED
        planned.version += 1
        planned = _next_planned(session, checkpoint)
    return None


def _next_planned(session: Session, checkpoint: Checkpoint) -> Checkpoint | None:
    return session.scalars(
        select(Checkpoint)
        .where(
            Checkpoint.incident_id == checkpoint.incident_id,
            Checkpoint.cycle == checkpoint.cycle,
            Checkpoint.number > checkpoint.number,
            Checkpoint.status == CheckpointStatus.PLANNED,
        )
        .order_by(Checkpoint.number)
        .limit(1)
    ).first()
