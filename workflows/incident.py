"""The durable process of one incident: opens, reminds, escalates, leads on, reopens, closes.

People's decisions are recorded by the services first and reach this workflow as events (signal `event`). What the
workflow itself does, it does through activities that are idempotent by command id, so a workflow that was lost can be
started again and walks to where the records are.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from services.contracts.taxonomy import Band, Category, EscalationReason, Role, Stage
    from workflows import improvement, search_attributes
    from workflows.facts import learn, want
    from workflows.messages import (
        EVENT_SIGNAL,
        ClockFact,
        IncidentCase,
        NoticeFact,
        Position,
        RecheckFact,
        RoutedEvent,
        Standing,
    )
    from workflows.process import FACTS_PATIENCE, CaseProcess

WORKFLOW = "IncidentWorkflow"
# At the start of the longest wait the workflow continues as new, so that months later it wakes up on a short history.
LONG_STAGES = (Stage.CHECKING,)
_FAILED_FIRST = "failed-first"

_REPUBLISHERS = (activities.INTAKE_QUEUE, activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE)


def workflow_id(incident_id: object) -> str:
    """The one workflow of an incident."""
    return f"incident-{incident_id}"


@workflow.defn(name=WORKFLOW)
class IncidentWorkflow(CaseProcess):
    """One incident from report to assured closure."""

    @workflow.init
    def __init__(self, case: IncidentCase) -> None:
        self._case = case
        self._position = case.position

    @property
    def case(self) -> IncidentCase:
        """The state."""
        return self._case

    @property
    def position(self) -> Position:
        """Where the process is."""
        return self._case.position

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
            asyncio.create_task(watch())
            for watch in (
                self._watch_clocks,
                self._watch_ladders,
                self.watch_notices,
                self.watch_reminders,
                self.watch_rechecks,
            )
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
            self._go(following, improvement.begins_again_at(self._case.facts(self._position.cycle)))
            if following is Stage.CLOSED:
                await self.enter(None, None)
            elif following in LONG_STAGES or workflow.info().is_continue_as_new_suggested():
                # Asked for once here rather than again in the next run.
                await workflow.wait_condition(lambda: not self._case.failed or self._case.ended is not None)
                self.go_on_as_new()
        for task in beside:
            task.cancel()
        if self._case.ended is not None:
            await self.end_work()
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
            if await self.until(lambda seen=seen: self._case.clocks != seen, clock.due_at):  # type: ignore[misc]
                continue
            command = activities.RingClock(
                clock_id=UUID(clock_id),
                revision=clock.revision,
                **self.command(f"clock:{clock_id}:{clock.revision}"),
            )
            rung: activities.Rung = await self.activity(
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
            # Ladders that nobody answers may want one call after another: what failed must not wait for all of them.
            if run_id is None or (self._case.failed and workflow.patched(_FAILED_FIRST)):
                await self.answer_failed()
            else:
                await self._call_rung(run_id)

    def _wanted(self) -> str | None:
        return next((i for i, one in self._case.ladders.items() if one.step > one.called and not one.answered), None)

    async def _call_rung(self, run_id: str) -> None:
        ladder = self._case.ladders[run_id]
        step, role = ladder.step, ladder.role
        assert role is not None
        key = f"ladder:{run_id}:{step}"
        on_call: activities.OnCall = await self.activity(
            activities.RESOLVE_ON_CALL,
            activities.ResolveOnCall(location_id=self._report.location_id, role=role, **self.command(f"{key}:resolve")),
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
            **self.command(key),
        )
        called: activities.Escalated = await self.activity(
            activities.ESCALATE, command, activities.INTAKE_QUEUE, activities.Escalated, urgent=True
        )
        ladder.called = max(ladder.called, step)
        self._climb(called.climb)
        if called.clock is not None:
            self._run_clock(called.clock)
        person_id = called.to_person or on_call.person_id
        if called.notify is not None and person_id is not None and not ladder.answered:
            notice = NoticeFact(run_id=run_id, person_id=person_id, urgent=called.urgent)
            self._case.notices[str(called.notify)] = notice

    def _climb(self, climb: activities.Climb | None) -> None:
        if climb is not None:
            want(self._case, str(climb.run_id), climb.step, climb.role)

    def _run_clock(self, clock: activities.RunningClock) -> None:
        known = self._case.clocks.get(str(clock.clock_id))
        if known is None or clock.revision > known.revision:
            self._case.clocks[str(clock.clock_id)] = ClockFact(
                revision=clock.revision, due_at=clock.due_at, urgent=True
            )

    async def verification_failed(self, action_id: str, times: int) -> None:
        """Ask for the ladder; the policy says from which time on it starts."""
        await self._escalate(EscalationReason.VERIFICATION_FAILED, f"{action_id}:{times}", times)

    async def late_recheck(self, recheck: RecheckFact) -> None:
        """Nobody has looked again in time: up the line."""
        await self._escalate(EscalationReason.OVERDUE, f"recheck:{recheck.recheck_id}:{recheck.late}", recheck.late)

    async def _gather_facts(self) -> None:
        """Wait for the report. If it does not come (a lost process is being rebuilt), ask for all events again."""
        while self._case.report is None and self._case.ended is None:
            if await self.held(lambda: self._case.report is not None, FACTS_PATIENCE):
                return
            await self.ask_again(*_REPUBLISHERS)

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

    def _go(self, following: Stage | None, again: Stage = Stage.REVIEWING) -> None:
        left = self._case.position
        self._case.position = Position(
            cycle=left.cycle + (following is None),
            stage=following or again,
            entry=left.entry + 1,
            triage_revision=left.triage_revision,
            band=left.band,
        )

    def go_on_as_new(self) -> None:
        """Continue as new."""
        workflow.continue_as_new(self._case, search_attributes=search_attributes.of(self._case))

    # Stages that only an incident has.

    async def _reported(self) -> Stage:
        report = self._report
        self._case.position.opened = True
        self.set_clock(report.triage_due_at, Role.REGISTERED_MANAGER)
        if self._case.triage is None:
            await self.sleep_until(report.triage_due_at, or_when=lambda: self._case.triage is not None)
        if self._case.triage is None and not self.over():
            command = activities.DefaultTriage(cycle=self._case.position.cycle, **self.command("default-triage"))
            await self.activity(activities.DEFAULT_TRIAGE, command, activities.INTAKE_QUEUE, None)
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
            plan = await self.activity(
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
                    psychological_harm=triage.psychological_harm,
                    **self.command(f"{position.cycle}:open-review:{triage.revision}"),
                ),
                activities.REVIEW_QUEUE,
                activities.ReviewPlan,
            )
            position.review_revision = plan.revision
            await self.enter(plan.due_at, plan.lead_role)
        while facts.review is None and not self.over():
            deeper = facts.deepened
            if deeper is not None and deeper.revision > position.review_revision:
                # Facts came and it is reviewed deeper: it goes by the clock and the lead of the deeper method.
                position.review_revision, position.entry = deeper.revision, position.entry + 1
                await self.enter(deeper.due_at, deeper.lead_role)
                continue
            await self.wait(lambda seen=deeper: facts.review is not None or facts.deepened != seen)  # type: ignore[misc]
        return improvement.after_review(facts) if facts.review is not None else Stage.REVIEWING

    async def enter(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Record the stage the process is in, with its clock; the stage counts as opened from here."""
        position = self._case.position
        command = activities.EnterStage(
            cycle=position.cycle,
            stage=position.stage,
            due_at=due_at,
            next_move=next_move,
            **self.command(f"{position.cycle}:{position.stage}:{position.entry}"),
        )
        await self.activity(activities.ENTER_STAGE, command, activities.INTAKE_QUEUE, None)
        position.opened = True
        self.set_clock(due_at, next_move)

    def notice_path(self, notice_id: str) -> str:
        """The opaque link of a notice."""
        return f"/escalations/{notice_id}"

    def place(self) -> tuple[UUID, UUID | None, Category, Band]:
        """Where the case is, in what, and how serious: location, region, category, band."""
        report, triage = self._report, self._case.triage
        assert triage is not None
        return report.location_id, report.region_id, report.category, triage.band

    async def ran_out(self, position: Standing) -> None:
        """Remind whoever has the next move, then go up the line."""
        if position.reminded_elsewhere:
            # Where it happened nobody can read for the places that lag: the briefing's process calls their own line.
            position.due_at = None
            return
        stage = self._case.position.stage
        reminded = await self._remind(position, stage)
        position.due_at = reminded.next_at
        if reminded.escalate:
            about = f"{position.cycle}:{stage}:{position.entry}:{position.reminders}"
            await self._escalate(EscalationReason.OVERDUE, about, position.reminders - 1)

    async def _remind(self, position: Standing, stage: Stage) -> activities.Reminded:
        command = activities.Remind(
            cycle=position.cycle,
            stage=stage,
            count=position.reminders,
            next_move=position.next_move or Role.REGISTERED_MANAGER,
            **self.command(f"{position.cycle}:{stage}:{position.entry}:remind:{position.due_at}"),
        )
        reminded: activities.Reminded = await self.activity(
            activities.REMIND, command, activities.INTAKE_QUEUE, activities.Reminded
        )
        return reminded

    async def _escalate(self, reason: EscalationReason, about: str, count: int) -> None:
        """Ask for the ladder for what the process sees first; the policy decides whether and where it starts."""
        key = f"{reason}:{about}"
        if key in self._case.escalated:
            return
        command = activities.RequestEscalation(
            reason=reason, about=about, count=max(count, 1), **self.command(f"escalate:{key}")
        )
        requested: activities.Requested = await self.activity(
            activities.REQUEST_ESCALATION, command, activities.INTAKE_QUEUE, activities.Requested, urgent=True
        )
        self._climb(requested.climb)
        self._case.escalated.append(key)

    @property
    def _report(self) -> Any:
        assert self._case.report is not None
        return self._case.report
