"""The durable process of one incident: opens, reminds, escalates, leads on, reopens, closes.

People's decisions are recorded by the services first and reach this workflow as events (signal `event`). What the
workflow itself does, it does through activities that are idempotent by command id, so a workflow that was lost can be
started again and walks to where the records are.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from services.contracts.taxonomy import EscalationReason, Role, Stage
    from workflows import improvement, process_clock, search_attributes
    from workflows.facts import learn, want
    from workflows.messages import (
        EVENT_SIGNAL,
        CheckpointFact,
        ClockFact,
        IncidentCase,
        NoticeFact,
        Position,
        RoutedEvent,
    )

WORKFLOW = "IncidentWorkflow"
URGENT = 1
ROUTINE = 4

# At the start of the longest wait the workflow continues as new, so that months later it wakes up on a short history.
LONG_STAGES = (Stage.CHECKING,)

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=2))
_TIMEOUT = timedelta(seconds=30)
# A mail server may be down for a day: try on, ever less often, and hold no place that the ladder needs.
_DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)
_DELIVERY_TIMEOUT = timedelta(minutes=1)
_FACTS_PATIENCE = timedelta(seconds=30)
_REPUBLISHERS = (activities.INTAKE_QUEUE, activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE)


def workflow_id(incident_id: object) -> str:
    """The one workflow of an incident."""
    return f"incident-{incident_id}"


@workflow.defn(name=WORKFLOW)
class IncidentWorkflow:
    """One incident from report to assured closure."""

    @workflow.init
    def __init__(self, case: IncidentCase) -> None:
        self._case = case
        self._position = case.position

    @property
    def case(self) -> IncidentCase:
        """The state."""
        return self._case

    @workflow.signal(name=EVENT_SIGNAL)
    def on_event(self, event: RoutedEvent) -> None:
        """Take in what a service said. Duplicates and events out of order are harmless."""
        learn(self._case, event)

    @workflow.query(name="case")
    def describe(self) -> IncidentCase:
        """The state, for support and tests."""
        return self._case

    @workflow.run
    async def run(self, _: IncidentCase) -> None:
        """Lead the incident through its stages until it ends."""
        await self._gather_facts()
        beside = [
            asyncio.create_task(watch()) for watch in (self._watch_clocks, self._watch_ladders, self._watch_notices)
        ]
        while not self._ended():
            self._position = self._case.position
            following = await self._stage(self._position.stage)
            if following is Stage.CLOSED:
                await workflow.wait_condition(lambda: not self._case.blocked or self.over())
            if self._retriaged():
                await self._reroute()
                continue
            if self.over():
                continue  # ended, or reopened: the event has set a new position
            self._go(following)
            if following is Stage.CLOSED:
                await self.enter(None, None)
            elif following in LONG_STAGES or workflow.info().is_continue_as_new_suggested():
                # Asked for once here rather than again in the next run.
                await workflow.wait_condition(lambda: not self._case.failed or self._case.ended is not None)
                self._continue_as_new()
        for task in beside:
            task.cancel()
        if self._case.ended is not None:
            await self._end_work()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _watch_clocks(self) -> None:
        """Ring each clock beside the stages when it runs out, whatever stage the incident is in."""
        while True:
            running = {i: c for i, c in self._case.clocks.items() if c.due_at is not None}
            if not running:
                await workflow.wait_condition(lambda: any(c.due_at is not None for c in self._case.clocks.values()))
                continue
            clock_id, clock = min(running.items(), key=lambda item: (str(item[1].due_at), item[0]))
            seen = dict(self._case.clocks)
            if await self._until(lambda seen=seen: self._case.clocks != seen, clock.due_at):  # type: ignore[misc]
                continue
            command = activities.RingClock(
                clock_id=UUID(clock_id),
                revision=clock.revision,
                **self._command(f"clock:{clock_id}:{clock.revision}"),
            )
            rung: activities.Rung = await self._activity(
                activities.RING_CLOCK, command, activities.INTAKE_QUEUE, activities.Rung, urgent=clock.urgent
            )
            if rung.revision > self._case.clocks[clock_id].revision:
                self._case.clocks[clock_id] = ClockFact(revision=rung.revision, due_at=rung.due_at, urgent=clock.urgent)
            self._climb(rung.climb)

    async def _watch_ladders(self) -> None:
        """Call each rung that a ladder wants: ask directory who stands on it now, then have the call recorded.

        Asks for the ladder, too, when a verification has failed.
        """
        while True:
            await workflow.wait_condition(lambda: self._wanted() is not None or bool(self._case.failed))
            run_id = self._wanted()
            if run_id is not None:
                await self._call_rung(run_id)
            else:
                action_id, times = next(iter(self._case.failed.items()))
                await self._escalate(EscalationReason.VERIFICATION_FAILED, f"{action_id}:{times}", times)
                # Only now: had the process continued as new meanwhile, nobody would have been told.
                if self._case.failed.get(action_id) == times:
                    del self._case.failed[action_id]

    def _wanted(self) -> str | None:
        return next((i for i, one in self._case.ladders.items() if one.step > one.called and not one.answered), None)

    async def _call_rung(self, run_id: str) -> None:
        ladder = self._case.ladders[run_id]
        step, role = ladder.step, ladder.role
        assert role is not None
        key = f"ladder:{run_id}:{step}"
        on_call: activities.OnCall = await self._activity(
            activities.RESOLVE_ON_CALL,
            activities.ResolveOnCall(
                location_id=self._report.location_id, role=role, **self._command(f"{key}:resolve")
            ),
            activities.DIRECTORY_QUEUE,
            activities.OnCall,
            urgent=True,
        )
        command = activities.Escalate(
            run_id=UUID(run_id),
            step=step,
            to_role=on_call.role,
            to_person=on_call.person_id,
            others=on_call.others,
            **self._command(key),
        )
        called: activities.Escalated = await self._activity(
            activities.ESCALATE, command, activities.INTAKE_QUEUE, activities.Escalated, urgent=True
        )
        ladder.called = max(ladder.called, step)
        self._climb(called.climb)
        if called.clock is not None:
            self._run_clock(called.clock)
        person_id = called.to_person or on_call.person_id
        if called.notify is not None and person_id is not None and not ladder.answered:
            self._case.notices[str(called.notify)] = NoticeFact(run_id=run_id, person_id=person_id)

    def _climb(self, climb: activities.Climb | None) -> None:
        if climb is not None:
            want(self._case, str(climb.run_id), climb.step, climb.role)

    def _run_clock(self, clock: activities.RunningClock) -> None:
        known = self._case.clocks.get(str(clock.clock_id))
        if known is None or clock.revision > known.revision:
            self._case.clocks[str(clock.clock_id)] = ClockFact(
                revision=clock.revision, due_at=clock.due_at, urgent=True
            )

    async def _watch_notices(self) -> None:
        """Have each notice delivered, beside the ladder and for as long as it takes, unless somebody answers before."""
        sending: dict[str, asyncio.Task[None]] = {}
        while True:
            seen = set(self._case.notices)
            for notice_id in sorted(seen - set(sending)):
                sending[notice_id] = asyncio.create_task(self._notify(notice_id, self._case.notices[notice_id]))
            for notice_id in sorted(set(sending) - seen):
                sending.pop(notice_id).cancel()
            await workflow.wait_condition(lambda seen=seen: set(self._case.notices) != seen)  # type: ignore[misc]

    async def _notify(self, notice_id: str, notice: NoticeFact) -> None:
        command = activities.DeliverNotice(
            notice_id=UUID(notice_id),
            person_id=notice.person_id,
            path=f"/escalations/{notice_id}",
            urgent=True,
            **self._command(f"notice:{notice_id}"),
        )
        await workflow.execute_activity(
            activities.DELIVER_NOTICE,
            command,
            task_queue=activities.DIRECTORY_QUEUE,
            result_type=activities.Delivered,
            start_to_close_timeout=_DELIVERY_TIMEOUT,
            retry_policy=_DELIVERY_RETRY,
            priority=Priority(priority_key=URGENT + 1, fairness_key=str(self._case.provider_id)),
        )
        self._case.notices.pop(notice_id, None)

    async def _gather_facts(self) -> None:
        """Wait for the report. If it does not come (a lost process is being rebuilt), ask for all events again."""
        while self._case.report is None and self._case.ended is None:
            if await self._held(lambda: self._case.report is not None, _FACTS_PATIENCE):
                return
            for queue in _REPUBLISHERS:
                command = activities.Republish(**self._command("republish"))
                await self._activity(f"{queue}.{activities.REPUBLISH}", command, queue, None)

    def _ended(self) -> bool:
        return self._case.ended is not None or self._case.position.stage is Stage.CLOSED

    def over(self) -> bool:
        """Whether the case ended, was reopened or triaged anew: the running stage has nothing left to wait for."""
        return self._case.ended is not None or self._case.position is not self._position or self._retriaged()

    def _retriaged(self) -> bool:
        triage, position = self._case.triage, self._case.position
        return 0 < position.triage_revision < (triage.revision if triage is not None else 0)

    async def _reroute(self) -> None:
        """Facts changed and the incident was triaged again: everything that follows from triage follows anew."""
        triage, position = self._case.triage, self._case.position
        assert triage is not None
        before = position.band
        position.triage_revision, position.band = triage.revision, triage.band
        if position.stage is Stage.REVIEWING:
            position.opened, position.entry = False, position.entry + 1
        elif position.stage is not Stage.TRIAGED and before is not None and triage.band.rank > before.rank:
            # What was reviewed as a lesser harm is reviewed again as what it is; the cycle before is kept.
            self._go(None)

    async def _end_work(self) -> None:
        """Nothing that was opened for a withdrawn incident or a duplicate stays open."""
        await self._activity(
            activities.END_REVIEW, activities.EndReview(**self._command("end")), activities.REVIEW_QUEUE, None
        )
        await self._activity(
            activities.END_ACTIONS, activities.EndActions(**self._command("end")), activities.ACTIONS_QUEUE, None
        )

    async def _stage(self, stage: Stage) -> Stage | None:
        match stage:
            case Stage.REPORTED:
                return await self._reported()
            case Stage.TRIAGED:
                return await self._triaged()
            case Stage.REVIEWING:
                return await self._reviewing()
            case Stage.ACTING:
                return await improvement.acting(self)
            case Stage.VERIFYING:
                return await improvement.verifying(self)
            case Stage.SHARING:
                return await improvement.sharing(self)
            case _:
                return await improvement.checking(self)

    def _go(self, following: Stage | None) -> None:
        left = self._case.position
        self._case.position = Position(
            cycle=left.cycle + (following is None),
            stage=following or Stage.REVIEWING,
            entry=left.entry + 1,
            triage_revision=left.triage_revision,
            band=left.band,
        )

    def _continue_as_new(self) -> None:
        workflow.continue_as_new(self._case, search_attributes=search_attributes.of(self._case))

    # Stages that only an incident has.

    async def _reported(self) -> Stage:
        report = self._report
        self._case.position.opened = True
        self.set_clock(report.triage_due_at, Role.REGISTERED_MANAGER)
        if self._case.triage is None:
            await self.sleep_until(report.triage_due_at, or_when=lambda: self._case.triage is not None)
        if self._case.triage is None and not self.over():
            command = activities.DefaultTriage(cycle=self._case.position.cycle, **self._command("default-triage"))
            await self._activity(activities.DEFAULT_TRIAGE, command, activities.INTAKE_QUEUE, None)
            await self.wait(lambda: self._case.triage is not None)
        return Stage.TRIAGED

    async def _triaged(self) -> Stage:
        triage, position = self._case.triage, self._case.position
        assert triage is not None
        position.triage_revision, position.band = triage.revision, triage.band
        return Stage.REVIEWING

    async def _reviewing(self) -> Stage:
        report, triage, position = self._report, self._case.triage, self._case.position
        assert triage is not None
        facts = self._case.facts(position.cycle)
        if not position.opened:
            plan = await self._activity(
                activities.OPEN_REVIEW,
                activities.OpenReview(
                    cycle=position.cycle,
                    location_id=report.location_id,
                    region_id=report.region_id,
                    kind=report.kind,
                    category=report.category,
                    actual_harm=triage.actual_harm,
                    band=triage.band,
                    triage_revision=triage.revision,
                    **self._command(f"{position.cycle}:open-review:{triage.revision}"),
                ),
                activities.REVIEW_QUEUE,
                activities.ReviewPlan,
            )
            await self.enter(plan.due_at, plan.lead_role)
        await self.wait(lambda: facts.review is not None)
        return improvement.after_review(facts) if facts.review is not None else Stage.REVIEWING

    # What the shared stages ask for.

    async def open_actions(self) -> activities.ActionsPlan:
        """Start the clocks of the agreed actions. Asked again in the same stage, it tells of all there are by then."""
        position, triage = self._case.position, self._case.triage
        assert triage is not None
        command = activities.OpenActions(
            cycle=position.cycle,
            location_id=self._report.location_id,
            region_id=self._report.region_id,
            category=self._report.category,
            band=triage.band,
            **self._command(f"{position.cycle}:open-actions"),
        )
        plan: activities.ActionsPlan = await self._activity(
            activities.OPEN_ACTIONS, command, activities.ACTIONS_QUEUE, activities.ActionsPlan
        )
        return plan

    async def send_briefing(self) -> activities.BriefingPlan:
        """Send the approved learning to the locations that need it."""
        cycle = self._case.position.cycle
        command = activities.SendBriefing(cycle=cycle, **self._command(f"{cycle}:send-briefing"))
        plan: activities.BriefingPlan = await self._activity(
            activities.SEND_BRIEFING, command, activities.REVIEW_QUEUE, activities.BriefingPlan
        )
        return plan

    async def measure(self, checkpoint: CheckpointFact) -> activities.Measured:
        """Have the effect measured."""
        command = activities.MeasureCheckpoint(
            checkpoint_id=checkpoint.checkpoint_id, **self._command(f"measure:{checkpoint.checkpoint_id}")
        )
        measured: activities.Measured = await self._activity(
            activities.MEASURE_CHECKPOINT, command, activities.ACTIONS_QUEUE, activities.Measured
        )
        return measured

    async def enter(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Record the stage the process is in, with its clock; the stage counts as opened from here."""
        position = self._case.position
        command = activities.EnterStage(
            cycle=position.cycle,
            stage=position.stage,
            due_at=due_at,
            next_move=next_move,
            **self._command(f"{position.cycle}:{position.stage}:{position.entry}"),
        )
        await self._activity(activities.ENTER_STAGE, command, activities.INTAKE_QUEUE, None)
        position.opened = True
        self.set_clock(due_at, next_move)

    def set_clock(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Change the running clock without a new stage."""
        position = self._case.position
        if position.due_at != due_at:
            position.reminders = 0
        position.due_at, position.next_move = due_at, next_move

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`, or the case ends or is reopened. Each time the clock runs out: remind, then go up the line."""
        position = self._case.position
        while not await self._until(lambda: ready() or self.over(), position.due_at):
            position.reminders += 1
            reminded = await self._remind(position)
            position.due_at = reminded.next_at
            if reminded.escalate:
                about = f"{position.cycle}:{position.stage}:{position.entry}:{position.reminders}"
                await self._escalate(EscalationReason.OVERDUE, about, position.reminders - 1)
            if workflow.info().is_continue_as_new_suggested():
                self._continue_as_new()

    async def sleep_until(self, due_at: datetime, or_when: Callable[[], bool] = lambda: False) -> None:
        """Until a time on the clock, a condition, or the end of the case."""
        await self._until(lambda: or_when() or self.over(), due_at)

    # Time, escalation, activities.

    async def _until(self, ready: Callable[[], bool], due_at: datetime | None) -> bool:
        """Whether the condition came true before the time on the clock. A demonstration's clock may stop: look again."""
        clock = process_clock.current()
        while not ready():
            if due_at is None:
                await workflow.wait_condition(ready)
                return True
            if clock.at(workflow.now()) >= due_at:
                return False
            await self._held(ready, clock.real_delay(workflow.now(), due_at))
        return True

    async def _held(self, ready: Callable[[], bool], timeout: timedelta) -> bool:
        try:
            await workflow.wait_condition(ready, timeout=max(timeout, timedelta(milliseconds=1)))
        except TimeoutError:
            return False
        return True

    async def _remind(self, position: Position) -> activities.Reminded:
        command = activities.Remind(
            cycle=position.cycle,
            stage=position.stage,
            count=position.reminders,
            next_move=position.next_move or Role.REGISTERED_MANAGER,
            **self._command(f"{position.cycle}:{position.stage}:{position.entry}:remind:{position.due_at}"),
        )
        reminded: activities.Reminded = await self._activity(
            activities.REMIND, command, activities.INTAKE_QUEUE, activities.Reminded
        )
        return reminded

    async def _escalate(self, reason: EscalationReason, about: str, count: int) -> None:
        """Ask for the ladder for what the process sees first; the policy decides whether and where it starts."""
        key = f"{reason}:{about}"
        if key in self._case.escalated:
            return
        command = activities.RequestEscalation(
            reason=reason, about=about, count=max(count, 1), **self._command(f"escalate:{key}")
        )
        requested: activities.Requested = await self._activity(
            activities.REQUEST_ESCALATION, command, activities.INTAKE_QUEUE, activities.Requested, urgent=True
        )
        self._climb(requested.climb)
        self._case.escalated.append(key)

    @property
    def _report(self) -> Any:
        assert self._case.report is not None
        return self._case.report

    def _command(self, step: str) -> dict[str, Any]:
        return {
            "command_id": f"{self._case.incident_id}:{step}",
            "provider_id": self._case.provider_id,
            "incident_id": self._case.incident_id,
        }

    async def _activity(
        self, name: str, command: activities.Command, queue: str, result: type | None, *, urgent: bool = False
    ) -> Any:
        return await workflow.execute_activity(
            name,
            command,
            task_queue=queue,
            result_type=result,
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
            # What runs beside the stages is cut short at the end: what it asked for is short, and may finish.
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
            priority=Priority(priority_key=URGENT if urgent else ROUTINE, fairness_key=str(self._case.provider_id)),
        )
