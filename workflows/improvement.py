"""From what was learned to what changed for good: acting, verifying, sharing, checking impact.

Written once for whatever has learning to act on: a cycle of an incident, or of a theme. The process (`Process`)
gives waiting, reminding and activities; these functions say what each stage opens, waits for and leads to.
"""

from datetime import datetime
from typing import Protocol

from temporalio import workflow

from services.contracts import activities
from services.contracts.taxonomy import Role, Stage, Verdict
from workflows import process_clock
from workflows.messages import ActionFact, Case, CheckpointFact, CycleFacts, Standing

_VERIFICATION_RINGS = "verification-rings"
"""Processes that began a stage before leave it by the clocks that they knew."""


class Process(Protocol):
    """What a stage may ask of the workflow it runs in."""

    @property
    def case(self) -> Case:
        """The state."""

    @property
    def position(self) -> Standing:
        """Where the process is."""

    def over(self) -> bool:
        """Whether the case ended or was reopened: the stage has nothing left to wait for."""

    async def open_actions(self) -> activities.ActionsPlan:
        """Start the clocks of the agreed actions."""

    async def send_briefing(self) -> activities.BriefingPlan:
        """Send the learning out."""

    async def measure(self, checkpoint: CheckpointFact) -> activities.Measured:
        """Measure the effect."""

    async def enter(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Record the stage with its clock."""

    async def wait(self, ready: "Ready") -> None:
        """Until the condition holds or the case ends; reminds and escalates when the clock runs out."""

    async def sleep_until(self, due_at: datetime, or_when: "Ready") -> None:
        """Until a time, a condition or the end of the case."""

    def set_clock(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Change the running clock without a new stage."""


class Ready(Protocol):
    """A condition over the state."""

    def __call__(self) -> bool:
        """Whether it holds."""


def _facts(process: Process) -> CycleFacts:
    return process.case.facts(process.position.cycle)


def after_review(facts: CycleFacts) -> Stage:
    """Where an approved review leads."""
    assert facts.review is not None
    if facts.review.actions_needed:
        return Stage.ACTING
    return Stage.SHARING if facts.review.briefing_needed else Stage.CLOSED


async def acting(process: Process) -> Stage:
    """Open the actions; wait until all are done."""
    facts, position = _facts(process), process.position
    if not position.opened:
        plan = await process.open_actions()
        for opened in plan.actions:
            action = facts.actions.setdefault(str(opened.action_id), ActionFact(cycle=position.cycle))
            action.owner_role = opened.owner_role
            if action.due_at is None:
                action.due_at, action.remind_at = opened.due_at, opened.remind_at
        due_at, owner = _earliest(facts)
        await process.enter(due_at or plan.agree_due_at, owner or Role.REGISTERED_MANAGER)
    if workflow.patched(_VERIFICATION_RINGS):
        await _until(process, lambda: _done(facts))
        return Stage.VERIFYING
    while not (_all_done(facts) or process.over()):
        clock = _earliest_open(facts)
        if clock[0] is not None:
            process.set_clock(*clock)
        await process.wait(lambda clock=clock: _all_done(facts) or _earliest_open(facts) != clock)
    return Stage.VERIFYING


async def _until(process: Process, ready: Ready) -> None:
    """Until the condition holds; meanwhile the clock is of what is due first, to be done or to be verified."""
    facts, position = _facts(process), process.position
    while not (ready() or process.over()):
        clock = _earliest(facts)
        if clock[0] is not None:
            # What rang already runs until the next reminder.
            process.set_clock(position.due_at if clock[0] == position.rings_for else clock[0], clock[1])
            position.rings_for = clock[0]
        elif position.rings_for is not None:
            # What was waited for will not be done and nothing stands in for it: not when that was due, but now.
            process.set_clock(process_clock.current().at(workflow.now()), Role.REGISTERED_MANAGER)
            position.rings_for = None
        await process.wait(lambda clock=clock: ready() or _earliest(facts) != clock)


def _all_done(facts: CycleFacts) -> bool:
    return facts.actions_complete or (
        bool(facts.actions) and all(a.finished or a.status == "done" for a in facts.actions.values())
    )


def _done(facts: CycleFacts) -> bool:
    """The same, but cancelled alone is not done: what was shared with another case may have been cancelled there."""
    return facts.actions_complete or (_all_done(facts) and any(a.status != "cancelled" for a in facts.actions.values()))


def _earliest_open(facts: CycleFacts) -> tuple[datetime | None, Role | None]:
    waiting = [(a.due_at, a.owner_role) for a in facts.actions.values() if a.status == "open" and a.due_at is not None]
    return min(waiting, key=lambda item: item[0]) if waiting else (None, None)


def _earliest(facts: CycleFacts) -> tuple[datetime | None, Role | None]:
    """What is due first of all that is to be done or to be verified, and whose move it is."""
    waiting: list[tuple[datetime, Role | None]] = []
    for action in facts.actions.values():
        if action.status == "open" and action.due_at is not None:
            waiting.append((action.due_at, action.owner_role))
        elif action.status == "done" and action.verify_due_at is not None:
            waiting.append((action.verify_due_at, Role.QUALITY_LEAD))
    return min(waiting, key=lambda item: item[0]) if waiting else (None, None)


async def verifying(process: Process) -> Stage:
    """Wait until somebody else has seen every action in practice; a returned one leads back to acting."""
    facts = _facts(process)
    if not process.position.opened and not facts.actions_complete:
        await process.enter(_earliest(facts)[0], Role.QUALITY_LEAD)
    if workflow.patched(_VERIFICATION_RINGS):
        await _until(process, lambda: facts.actions_complete or not _done(facts))
    else:
        await process.wait(lambda: facts.actions_complete or not _all_done(facts))
    if not facts.actions_complete:
        return Stage.ACTING
    return Stage.SHARING if _briefing_needed(process.case) else after_sharing(facts)


def _briefing_needed(case: Case) -> bool:
    """What the newest review says: a cycle that was reopened at acting has none of its own."""
    for cycle in sorted(case.cycles, reverse=True):
        review = case.cycles[cycle].review
        if review is not None:
            return review.briefing_needed
    return False


def after_sharing(facts: CycleFacts) -> Stage:
    """Where shared learning leads: to measuring, when something was changed."""
    return Stage.CHECKING if facts.checkpoints else Stage.CLOSED


async def sharing(process: Process) -> Stage:
    """Send the briefing; wait until it reached and was understood by enough."""
    facts = _facts(process)
    if not process.position.opened:
        plan = await process.send_briefing()
        process.position.reminded_elsewhere = plan.reminds_by_location
        await process.enter(plan.due_at, Role.REGISTERED_MANAGER)
    await process.wait(lambda: facts.briefing_reached)
    return after_sharing(facts)


async def checking(process: Process) -> Stage | None:
    """At each checkpoint measure and wait for a person's verdict. None means: not effective, a new cycle is needed.

    So it is when something that was verified is looked at again and does not hold. While that is still to be looked at
    the case does not close.
    """
    facts, position = _facts(process), process.position
    while not process.over():
        decided = [c.verdict for c in facts.checkpoints if c.verdict is not None]
        if facts.undone:
            return None
        if Verdict.SUSTAINED in decided:
            if facts.rechecking:
                process.set_clock(None, Role.QUALITY_LEAD)
                await process.wait(lambda: not facts.rechecking or facts.undone)
                continue
            return Stage.CLOSED
        if Verdict.NO_CHANGE in decided or Verdict.WORSE in decided:
            return None
        checkpoint = _next_checkpoint(facts)
        if checkpoint is None:
            # The verdict says more is to come and the plan of it has not arrived yet.
            await process.wait(lambda: _next_checkpoint(facts) is not None or facts.undone)
            continue
        assert checkpoint.due_at is not None
        if not position.opened:
            await process.enter(checkpoint.due_at, Role.QUALITY_LEAD)
        await process.sleep_until(checkpoint.due_at, lambda: facts.undone)
        if process.over():
            break
        if facts.undone:
            continue
        if position.measured != checkpoint.checkpoint_id:
            measured = await process.measure(checkpoint)
            position.measured = checkpoint.checkpoint_id
            process.set_clock(measured.decide_due_at, Role.QUALITY_LEAD)
        await process.wait(lambda c=checkpoint: c.verdict is not None or facts.undone)
    return Stage.CLOSED


def begins_again_at(facts: CycleFacts) -> Stage:
    """Where the cycle after a change without effect begins: as the person who judged it said, else with a review."""
    return next((c.reopen_at for c in facts.checkpoints if c.reopen_at is not None), Stage.REVIEWING)


def _next_checkpoint(facts: CycleFacts) -> CheckpointFact | None:
    planned = [c for c in facts.checkpoints if c.verdict is None and c.due_at is not None]
    return min(planned, key=lambda c: (c.due_at, str(c.checkpoint_id))) if planned else None
