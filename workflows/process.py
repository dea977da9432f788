"""What the process of every case can do, whether of an incident or of a theme: wait, remind, have things done.

The stages (`workflows.improvement`) ask it; what differs between the two (who is reminded, where a stage is recorded)
is left to the workflow itself.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from services.contracts.taxonomy import Band, Category, Role
    from workflows import process_clock
    from workflows.messages import ActionFact, Case, CheckpointFact, NoticeFact, RecheckFact, Standing

URGENT = 1
ROUTINE = 4

FACTS_PATIENCE = timedelta(seconds=30)

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=2))
_TIMEOUT = timedelta(seconds=30)
# A mail server may be down for a day: try on, ever less often, and hold no place that the ladder needs.
_DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)
_DELIVERY_TIMEOUT = timedelta(minutes=1)
# Until whoever is asked to look again, and has not, is asked once more one rung further up.
_RECHECK_AGAIN = timedelta(days=7)
_VERIFIERS_REMINDED = "verifiers-reminded"
"""Processes that began before remind owners only, until they continue as new."""


class CaseProcess(ABC):
    """The part of a workflow that an incident and a theme share."""

    @property
    @abstractmethod
    def case(self) -> Case:
        """The state."""

    @property
    @abstractmethod
    def position(self) -> Standing:
        """Where the process is."""

    @abstractmethod
    def over(self) -> bool:
        """Whether the running stage has nothing left to wait for."""

    @abstractmethod
    async def enter(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Record the stage with its clock; it counts as opened from here."""

    @abstractmethod
    async def ran_out(self, position: Standing) -> None:
        """The clock of a stage ran out: remind, go up the line, and set the clock anew."""

    @abstractmethod
    async def late_recheck(self, recheck: RecheckFact) -> None:
        """Nobody has looked again in time at what was verified."""

    @abstractmethod
    async def verification_failed(self, action_id: str, times: int) -> None:
        """An action was returned for the `times`-th time: whoever must hear of it does."""

    @abstractmethod
    def go_on_as_new(self) -> None:
        """Continue as new."""

    @abstractmethod
    def notice_path(self, notice_id: str) -> str:
        """The opaque link of a notice."""

    @abstractmethod
    def place(self) -> tuple[UUID, UUID | None, Category, Band]:
        """Where the case is, in what, and how serious: location, region, category, band."""

    # What the shared stages ask for.

    async def open_actions(self) -> activities.ActionsPlan:
        """Start the clocks of the agreed actions. Asked again in the same stage, it tells of all there are by then."""
        location_id, region_id, category, band = self.place()
        cycle = self.position.cycle
        command = activities.OpenActions(
            cycle=cycle,
            location_id=location_id,
            region_id=region_id,
            category=category,
            band=band,
            **self.command(f"{cycle}:open-actions"),
        )
        plan: activities.ActionsPlan = await self.activity(
            activities.OPEN_ACTIONS, command, activities.ACTIONS_QUEUE, activities.ActionsPlan
        )
        return plan

    async def send_briefing(self) -> activities.BriefingPlan:
        """Send the approved learning to the locations that need it."""
        cycle = self.position.cycle
        command = activities.SendBriefing(cycle=cycle, **self.command(f"{cycle}:send-briefing"))
        plan: activities.BriefingPlan = await self.activity(
            activities.SEND_BRIEFING, command, activities.REVIEW_QUEUE, activities.BriefingPlan
        )
        return plan

    async def measure(self, checkpoint: CheckpointFact) -> activities.Measured:
        """Have the effect measured."""
        command = activities.MeasureCheckpoint(
            checkpoint_id=checkpoint.checkpoint_id, **self.command(f"measure:{checkpoint.checkpoint_id}")
        )
        measured: activities.Measured = await self.activity(
            activities.MEASURE_CHECKPOINT, command, activities.ACTIONS_QUEUE, activities.Measured
        )
        return measured

    def set_clock(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Change the running clock without a new stage."""
        position = self.position
        if position.due_at != due_at:
            position.reminders = 0
        position.due_at, position.next_move = due_at, next_move

    async def wait(self, ready: Callable[[], bool]) -> None:
        """Until `ready`, or the case ends or is reopened. Each time the clock runs out: remind, then go up the line."""
        position = self.position
        while not await self.until(lambda: ready() or self.over(), position.due_at):
            position.reminders += 1
            await self.ran_out(position)
            if workflow.info().is_continue_as_new_suggested():
                self.go_on_as_new()

    async def sleep_until(self, due_at: datetime, or_when: Callable[[], bool] = lambda: False) -> None:
        """Until a time on the clock, a condition, or the end of the case."""
        await self.until(lambda: or_when() or self.over(), due_at)

    async def end_work(self) -> None:
        """Nothing that was opened for a case that ended without being closed stays open."""
        await self.activity(
            activities.END_REVIEW, activities.EndReview(**self.command("end")), activities.REVIEW_QUEUE, None
        )
        await self.activity(
            activities.END_ACTIONS, activities.EndActions(**self.command("end")), activities.ACTIONS_QUEUE, None
        )

    async def ask_again(self, *queues: str) -> None:
        """Have all events of the case sent again: a process that was lost is being rebuilt."""
        for queue in queues:
            command = activities.Republish(**self.command("republish"))
            await self.activity(f"{queue}.{activities.REPUBLISH}", command, queue, None)

    # What verified and open actions want, beside the stages.

    async def watch_reminders(self) -> None:
        """Remind before something is due, where the policy says so: of an open action its owner or their cover, of one
        that is done whoever can verify it."""
        verifying = workflow.patched(_VERIFIERS_REMINDED)
        while True:
            await workflow.wait_condition(lambda: self._next_reminder(verifying) is not None)
            following = self._next_reminder(verifying)
            assert following is not None
            remind_at, action_id, action = following
            if await self.until(lambda seen=following: self._next_reminder(verifying) != seen, remind_at):  # type: ignore[misc]
                continue
            step = f"remind-owner:{action_id}:{remind_at}"
            if action.status == "open":
                reminder: activities.OwnerReminder = await self.activity(
                    activities.REMIND_OWNER,
                    activities.RemindOwner(action_id=UUID(action_id), **self.command(step)),
                    activities.ACTIONS_QUEUE,
                    activities.OwnerReminder,
                )
            else:
                reminder = await self._remind_verifier(action_id, action, f"remind-verifier:{action_id}:{remind_at}")
            action.reminded = remind_at
            if reminder.notify is not None and reminder.person_id is not None:
                self.case.notices[str(reminder.notify)] = NoticeFact(
                    run_id="", person_id=reminder.person_id, path=f"/actions/{action_id}", urgent=False
                )

    async def _remind_verifier(self, action_id: str, action: ActionFact, step: str) -> activities.OwnerReminder:
        assert action.verify_remind_role is not None
        location_id, *_ = self.place()
        on_call: activities.OnCall = await self.activity(
            activities.RESOLVE_ON_CALL,
            activities.ResolveOnCall(
                location_id=location_id, role=action.verify_remind_role, **self.command(f"{step}:resolve")
            ),
            activities.DIRECTORY_QUEUE,
            activities.OnCall,
        )
        first = [] if on_call.person_id is None else [on_call.person_id]
        people = [*first, *(one.person_id for one in on_call.others)]
        reminder: activities.OwnerReminder = await self.activity(
            activities.REMIND_VERIFIER,
            activities.RemindVerifier(action_id=UUID(action_id), people=people, **self.command(step)),
            activities.ACTIONS_QUEUE,
            activities.OwnerReminder,
        )
        return reminder

    def _next_reminder(self, verifying: bool) -> tuple[datetime, str, ActionFact] | None:
        due = []
        for action_id, action in self.case.facts(self.position.cycle).actions.items():
            at = action.remind_at if action.status == "open" else None
            if verifying and action.status == "done" and action.verify_remind_role is not None:
                at = action.verify_remind_at
            if at is not None and action.reminded != at:
                due.append((at, action_id, action))
        return min(due, key=lambda one: one[:2]) if due else None

    async def watch_rechecks(self) -> None:
        """Ask for each verified action to be looked at again when its time has come, and up the line if nobody does."""
        while True:
            await workflow.wait_condition(lambda: self._next_recheck() is not None)
            recheck = self._next_recheck()
            assert recheck is not None
            when = recheck.answer_due_at or recheck.due_at
            if await self.until(lambda seen=recheck: self._next_recheck() is not seen, when):  # type: ignore[misc]
                continue
            if recheck.answer_due_at is None:
                command = activities.AskRecheck(
                    recheck_id=recheck.recheck_id, **self.command(f"recheck:{recheck.recheck_id}")
                )
                asked: activities.RecheckAsked = await self.activity(
                    activities.ASK_RECHECK, command, activities.ACTIONS_QUEUE, activities.RecheckAsked
                )
                recheck.answer_due_at = asked.answer_due_at
                continue
            recheck.late += 1
            recheck.answer_due_at += _RECHECK_AGAIN
            await self.late_recheck(recheck)

    def _next_recheck(self) -> RecheckFact | None:
        waiting = [
            recheck
            for recheck in self.case.facts(self.position.cycle).rechecks.values()
            if recheck.holds is None and recheck.due_at is not None
        ]
        return min(waiting, key=lambda r: (r.answer_due_at or r.due_at, str(r.recheck_id))) if waiting else None

    async def answer_failed(self) -> None:
        """Have one failed verification heard of."""
        action_id, times = next(iter(self.case.failed.items()))
        await self.verification_failed(action_id, times)
        # Only now: had the process continued as new meanwhile, nobody would have been told.
        if self.case.failed.get(action_id) == times:
            del self.case.failed[action_id]

    # Notices, beside the stages.

    async def watch_notices(self) -> None:
        """Have each notice delivered, beside all else and for as long as it takes, unless somebody answers before."""
        sending: dict[str, asyncio.Task[None]] = {}
        while True:
            seen = set(self.case.notices)
            for notice_id in sorted(seen - set(sending)):
                sending[notice_id] = asyncio.create_task(self._notify(notice_id, self.case.notices[notice_id]))
            for notice_id in sorted(set(sending) - seen):
                sending.pop(notice_id).cancel()
            await workflow.wait_condition(lambda seen=seen: set(self.case.notices) != seen)  # type: ignore[misc]

    async def _notify(self, notice_id: str, notice: NoticeFact) -> None:
        command = activities.DeliverNotice(
            notice_id=UUID(notice_id),
            person_id=notice.person_id,
            path=notice.path or self.notice_path(notice_id),
            urgent=notice.urgent,
            **self.command(f"notice:{notice_id}"),
        )
        await workflow.execute_activity(
            activities.DELIVER_NOTICE,
            command,
            task_queue=activities.DIRECTORY_QUEUE,
            result_type=activities.Delivered,
            start_to_close_timeout=_DELIVERY_TIMEOUT,
            retry_policy=_DELIVERY_RETRY,
            priority=Priority(priority_key=URGENT + 1, fairness_key=str(self.case.provider_id)),
        )
        self.case.notices.pop(notice_id, None)

    # Time and activities.

    async def until(self, ready: Callable[[], bool], due_at: datetime | None) -> bool:
        """Whether the condition came true before the time on the clock. A demonstration's clock may stop: look again."""
        clock = process_clock.current()
        while not ready():
            if due_at is None:
                await workflow.wait_condition(ready)
                return True
            if clock.at(workflow.now()) >= due_at:
                return False
            await self.held(ready, clock.real_delay(workflow.now(), due_at))
        return True

    async def held(self, ready: Callable[[], bool], timeout: timedelta) -> bool:
        """Whether the condition came true within a real time."""
        try:
            await workflow.wait_condition(ready, timeout=max(timeout, timedelta(milliseconds=1)))
        except TimeoutError:
            return False
        return True

    def command(self, step: str) -> dict[str, Any]:
        """What every command carries; the case's id stands in `incident_id`."""
        return {
            "command_id": f"{self.case.case_id}:{step}",
            "provider_id": self.case.provider_id,
            "incident_id": self.case.case_id,
        }

    async def activity(
        self, name: str, command: activities.Command, queue: str, result: type | None, *, urgent: bool = False
    ) -> Any:
        """Have a service do something; tried for ever."""
        return await workflow.execute_activity(
            name,
            command,
            task_queue=queue,
            result_type=result,
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
            # What runs beside the stages is cut short at the end: what it asked for is short, and may finish.
            cancellation_type=workflow.ActivityCancellationType.ABANDON,
            priority=Priority(priority_key=URGENT if urgent else ROUTINE, fairness_key=str(self.case.provider_id)),
        )
