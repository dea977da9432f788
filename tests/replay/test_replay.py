"""Histories of the past replay under the code of today: a running incident outlives every deployment."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from services.contracts import activities as contract
from services.contracts.taxonomy import Stage
from tests.replay import alone
from tests.replay.record import BRIEFINGS, CHALLENGES, HISTORIES, PATHS, THEMES
from workflows.incident import WORKFLOW, IncidentWorkflow
from workflows.messages import IncidentCase
from workflows.worker import WORKFLOWS, runner

pytestmark = pytest.mark.anyio

FILES = sorted(HISTORIES.glob("*.json"))


@pytest.fixture
def anyio_backend() -> str:
    """Temporal's SDK runs on asyncio."""
    return "asyncio"


def read(file: Path) -> WorkflowHistory:
    """One run of a process."""
    return WorkflowHistory.from_json("incident-of-the-past", file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=runner(),
    )
    await replayer.replay_workflow(read(file))


@workflow.defn(name=WORKFLOW)
class HastyWorkflow(IncidentWorkflow):
    """A change that nobody made: it waits a moment before the review is opened."""

    @workflow.init
    def __init__(self, case: IncidentCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: IncidentCase) -> None:
        """As before."""
        await super().run(case)

    async def _triaged(self) -> Stage:
        await workflow.sleep(1)
        return await super()._triaged()


async def test_a_change_that_running_incidents_would_not_survive_is_detected() -> None:
    replayer = Replayer(
        workflows=[HastyWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(read(HISTORIES / "low_harm-1.json"))


def test_every_sort_of_process_was_recorded() -> None:
    recorded = {read(file).events[0].workflow_execution_started_event_attributes.workflow_type.name for file in FILES}
    assert recorded == {process.__name__ for process in WORKFLOWS}


def test_every_path_was_recorded_and_all_activities_are_among_them() -> None:
    assert {file.stem.rpartition("-")[0] for file in FILES} == {
        path.__name__ for path in (*PATHS, *THEMES, *BRIEFINGS, *CHALLENGES, *alone.PATHS)
    }
    asked = {
        event.activity_task_scheduled_event_attributes.activity_type.name
        for file in FILES
        for event in read(file).events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert asked >= {
        contract.ENTER_STAGE, contract.DEFAULT_TRIAGE, contract.REMIND, contract.OPEN_REVIEW, contract.OPEN_ACTIONS,
        contract.FOLLOW_UP_BRIEFING, contract.WATCH_GOVERNANCE_ITEM, contract.SEND_BRIEFING, contract.MEASURE_CHECKPOINT, contract.END_REVIEW, contract.END_ACTIONS,
        contract.REQUEST_ESCALATION, contract.RESOLVE_ON_CALL, contract.ESCALATE, contract.DELIVER_NOTICE,
        contract.RING_CLOCK, contract.OPEN_THEME_REVIEW, contract.ENTER_THEME_STAGE, contract.REMIND_THEME, *(f"{queue}.{contract.REPUBLISH}" for queue in ("intake", "review", "actions")),
    }  # fmt: skip
