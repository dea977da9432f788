"""The durable process of one thematic review: from its commission to a change that held, or another cycle.

Its own stages are two, commissioned and reviewing; from acting on it goes the way of an incident, by the same
functions. At every stage the theme has somebody who leads it; when a clock runs out they are told, then the line above.
"""

import asyncio
from datetime import datetime
from uuid import UUID

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from services.contracts.identity import EVERYWHERE
    from services.contracts.taxonomy import Band, Category, Role, Stage, ThemeStage
    from workflows import improvement, search_attributes
    from workflows.facts import learn_of_theme
    from workflows.messages import (
        EVENT_SIGNAL,
        NoticeFact,
        RecheckFact,
        RoutedEvent,
        Standing,
        ThemeCase,
        ThemePosition,
    )
    from workflows.process import FACTS_PATIENCE, CaseProcess

WORKFLOW = "ThematicReviewWorkflow"
_FAILED = "theme-verification-failed"


def workflow_id(theme_id: object) -> str:
    """The one workflow of a theme."""
    return f"theme-{theme_id}"


@workflow.defn(name=WORKFLOW)
class ThematicReviewWorkflow(CaseProcess):
    """One theme from its commission to assured closure."""

    @workflow.init
    def __init__(self, case: ThemeCase) -> None:
        self._case = case
        self._position = case.position

    @property
    def case(self) -> ThemeCase:
        """The state."""
        return self._case

    @property
    def position(self) -> ThemePosition:
        """Where the process is."""
        return self._case.position

    @workflow.signal(name=EVENT_SIGNAL)
    def on_event(self, event: RoutedEvent) -> None:
        """Take in what a service said. Duplicates and events out of order are harmless."""
        learn_of_theme(self._case, event)

    @workflow.query(name="case")
    def describe(self) -> ThemeCase:
        """The state, for support and tests."""
        return self._case

    @workflow.run
    async def run(self, _: ThemeCase) -> None:
        """Lead the theme through its stages until it ends."""
        while self._case.commission is None and not self._case.ended:
            if await self.held(lambda: self._case.commission is not None or self._case.ended, FACTS_PATIENCE):
                break
            await self.ask_again(activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE)
        beside = [
            asyncio.create_task(watch())
            for watch in (self.watch_notices, self.watch_reminders, self.watch_rechecks, self._watch_failed)
        ]
        while not (self._case.ended or self.position.stage.over):
            following = await self._stage(self.position.stage)
            if self._case.ended:
                break
            self._go(following, improvement.begins_again_at(self._case.facts(self.position.cycle)))
            if following is ThemeStage.CLOSED:
                await self.enter(None, None)
            elif following is ThemeStage.CHECKING or workflow.info().is_continue_as_new_suggested():
                self.go_on_as_new()
        for task in beside:
            task.cancel()
        if self._case.ended:
            await self.end_work()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _stage(self, stage: ThemeStage) -> ThemeStage | None:
        following: Stage | None
        match stage:
            case ThemeStage.COMMISSIONED:
                return await self._commissioned()
            case ThemeStage.REVIEWING:
                return await self._reviewing()
            case ThemeStage.ACTING:
                following = await improvement.acting(self)
            case ThemeStage.VERIFYING:
                following = await improvement.verifying(self)
            case ThemeStage.SHARING:
                following = await improvement.sharing(self)
            case _:
                following = await improvement.checking(self)
        return None if following is None else ThemeStage(following)

    def _go(self, following: ThemeStage | None, again: Stage) -> None:
        """To the next stage; without one to another cycle, which begins where the verdict says."""
        left = self.position
        self._case.position = ThemePosition(
            cycle=left.cycle + (following is None), stage=following or ThemeStage(again), entry=left.entry + 1
        )

    def over(self) -> bool:
        """Whether the theme ended: the running stage has nothing left to wait for."""
        return self._case.ended

    def go_on_as_new(self) -> None:
        """Continue as new."""
        workflow.continue_as_new(self._case, search_attributes=search_attributes.of_theme(self._case))

    # Stages that only a theme has.

    async def _commissioned(self) -> ThemeStage:
        """Wait until whoever leads it accepts the terms."""
        commission = self._case.commission
        assert commission is not None
        if not self.position.opened:
            await self.enter(commission.accept_due_at, Role.QUALITY_LEAD)
        await self.wait(lambda: self._case.accepted)
        return ThemeStage.REVIEWING

    async def _reviewing(self) -> ThemeStage:
        """Have the thematic review opened; wait until somebody else approves it."""
        position = self.position
        facts = self._case.facts(position.cycle)
        if not position.opened:
            plan: activities.ThemeReviewPlan = await self.activity(
                activities.OPEN_THEME_REVIEW,
                activities.OpenThemeReview(cycle=position.cycle, **self.command(f"{position.cycle}:open-theme-review")),
                activities.REVIEW_QUEUE,
                activities.ThemeReviewPlan,
            )
            await self.enter(plan.due_at, plan.lead_role)
        await self.wait(lambda: facts.review is not None)
        return ThemeStage(improvement.after_review(facts)) if facts.review is not None else ThemeStage.REVIEWING

    # What the shared stages ask for.

    async def enter(self, due_at: datetime | None, next_move: Role | None) -> None:
        """Record the stage with its clock; it counts as opened from here."""
        position = self.position
        command = activities.EnterThemeStage(
            cycle=position.cycle,
            stage=position.stage,
            due_at=due_at,
            next_move=next_move,
            **self.command(f"{position.cycle}:{position.stage}:{position.entry}"),
        )
        await self.activity(activities.ENTER_THEME_STAGE, command, activities.REVIEW_QUEUE, None)
        position.opened = True
        self.set_clock(due_at, next_move)

    async def ran_out(self, position: Standing) -> None:
        """Tell whoever leads the theme, then the line above, one rung further each time."""
        step = f"{position.cycle}:{self.position.stage}:{position.entry}:remind:{position.due_at}"
        position.due_at = await self._remind(step, position.reminders)

    async def late_recheck(self, recheck: RecheckFact) -> None:
        """Nobody has looked again in time: the same people hear of it."""
        await self._remind(f"recheck:{recheck.recheck_id}:{recheck.late}", recheck.late)

    async def _watch_failed(self) -> None:
        """Have each failed verification heard of, whatever stage the theme is in."""
        while True:
            await workflow.wait_condition(lambda: bool(self._case.failed))
            if max(self._case.failed.values()) > 1 and not workflow.patched(_FAILED):
                return  # The run saw it before anybody was told of returns; what is left here is told by the next run.
            await self.answer_failed()

    async def verification_failed(self, action_id: str, times: int) -> None:
        """The first return is between owner and verifier; from the second on the line above hears of it."""
        if times > 1:
            await self._remind(f"failed:{action_id}:{times}", times, UUID(action_id))

    async def _remind(self, step: str, count: int, action_id: UUID | None = None) -> datetime:
        position = self.position
        reminder: activities.ThemeReminder = await self.activity(
            activities.REMIND_THEME,
            activities.RemindTheme(
                cycle=position.cycle, stage=position.stage, count=count, action_id=action_id, **self.command(step)
            ),
            activities.REVIEW_QUEUE,
            activities.ThemeReminder,
        )
        person_id = reminder.person_id
        if person_id is None and reminder.role is not None:
            on_call: activities.OnCall = await self.activity(
                activities.RESOLVE_ON_CALL,
                activities.ResolveOnCall(location_id=EVERYWHERE, role=reminder.role, **self.command(f"{step}:resolve")),
                activities.DIRECTORY_QUEUE,
                activities.OnCall,
            )
            person_id = on_call.person_id
        if person_id is not None:
            self._case.notices[str(reminder.notice_id)] = NoticeFact(run_id=step, person_id=person_id)
        return reminder.next_at

    def notice_path(self, notice_id: str) -> str:
        """The opaque link of a notice."""
        return f"/themes/{self._case.theme_id}"

    def place(self) -> tuple[UUID, UUID | None, Category, Band]:
        """Where the theme is, in what, and how serious: everywhere in its region or provider."""
        commission = self._case.commission
        assert commission is not None
        return EVERYWHERE, commission.region_id, commission.category, commission.band
