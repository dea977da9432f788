"""The use-cases of impact, in one transaction of the caller, as those of actions."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.history import record as _record
from services.actions.impact.domain import CheckpointStatus, Observed, settles, window_between
from services.actions.impact.observing import look
from services.actions.impact.store import Checkpoint, Strict, measure_of, visible_checkpoint
from services.actions.impact.verdict import compared, conclude, shown, shown_between
from services.actions.store import Improvement, lock_cycle
from services.contracts import activities
from services.contracts.actions import CheckpointMeasured, ImpactJudged, PlannedCheckpoint
from services.contracts.taxonomy import Band, Stage, Verdict
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.calendar import add_working_days
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

_NOTHING = Observed(0, 0, Decimal(0))


class JudgeImpact(Strict):
    """What a person concludes from the measure."""

    verdict: Verdict
    reason: ShortText | None = Field(default=None, description="Needed when the verdict is not the proposed one.")
    reopen_at: Literal[Stage.REVIEWING, Stage.ACTING] | None = Field(
        default=None, description="Where the next cycle begins after no change or worse; with a review unless said."
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
    plan = policy.of_cycle(session, improvement).plan(Band(improvement.band), now)
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
            warnings=[],
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
    assert improvement.effective_at is not None
    defined = measure_of(session, checkpoint.incident_id, checkpoint.cycle)
    assert defined is not None
    rules = policy.of_cycle(session, improvement)
    window = window_between(improvement.effective_at, now)
    looked = look(
        session,
        improvement,
        defined,
        window,
        rules=rules,
        last=_next_planned(session, checkpoint) is None,
        improved_before=_improved_before(session, checkpoint, defined.number),
    )
    found = looked.found
    concluded = conclude(rules, found)
    proposal, ratio = concluded.proposal, concluded.ratio
    decide_due_at = add_working_days(now, rules.decide_working_days)
    checkpoint.status, checkpoint.measured_at, checkpoint.decide_due_at = CheckpointStatus.MEASURED, now, decide_due_at
    checkpoint.first_day, checkpoint.until_day = window.first, window.until
    checkpoint.measure_number, checkpoint.warnings = defined.number, list(concluded.warnings)
    before, after = found.before or _NOTHING, found.after or _NOTHING
    if found.before is not None and found.after is not None:
        checkpoint.events, checkpoint.near_misses, checkpoint.exposure = after.events, after.near_misses, after.exposure
        checkpoint.baseline_events, checkpoint.baseline_near_misses = before.events, before.near_misses
        checkpoint.baseline_exposure = before.exposure
    if concluded.chart is not None:
        checkpoint.chart = shown(concluded.chart, found.series, found.direction)
        if concluded.shares is not None:
            checkpoint.chart = {**checkpoint.chart, "compared": compared(concluded.shares)}
        if concluded.between is not None:
            drawn = shown_between(concluded.between, len(found.between[0]))
            checkpoint.chart = {**checkpoint.chart, "between": drawn}
    checkpoint.balance = looked.balance or None
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
            indicator=defined.indicator_id is not None,
        ),
        events=after.events,
        near_misses=after.near_misses,
        exposure=after.exposure,
        baseline_events=before.events,
        baseline_near_misses=before.near_misses,
        baseline_exposure=before.exposure,
        proposed=proposal.verdict,
        rule=proposal.rule,
        measure_number=defined.number,
        warnings=list(concluded.warnings),
        policy_version=rules.version,
    )


def _improved_before(session: Session, checkpoint: Checkpoint, measure_number: int) -> bool:
    """Whether an earlier checkpoint of the cycle, by the same definition, showed an improvement."""
    improved = (Verdict.IMPROVING, Verdict.SUSTAINED)
    earlier = select(Checkpoint.checkpoint_id).where(
        Checkpoint.incident_id == checkpoint.incident_id,
        Checkpoint.cycle == checkpoint.cycle,
        Checkpoint.number < checkpoint.number,
        Checkpoint.measure_number == measure_number,
        func.coalesce(Checkpoint.verdict, Checkpoint.proposed).in_(improved),
    )
    return session.scalars(earlier.limit(1)).first() is not None


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
    reopens = command.verdict in (Verdict.NO_CHANGE, Verdict.WORSE)
    if command.reopen_at is not None and not reopens:
        raise invalid(
            "reopen_at", "belongs to no change or worse", f"Leave it out: {command.verdict} begins no new cycle."
        )
    reopen_at = (command.reopen_at or Stage.REVIEWING) if reopens else None
    checkpoint.status, checkpoint.verdict = CheckpointStatus.JUDGED, command.verdict
    checkpoint.reopen_at = reopen_at
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
            reopen_at=reopen_at,
        ),
        verdict=command.verdict,
        proposed=checkpoint.proposed,
        reopen_at=reopen_at,
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
        return _plan_checkpoint(
            session, improvement, (number or 0) + 1, now + policy.of_cycle(session, improvement).extension
        )
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
