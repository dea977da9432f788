"""Histories of every release replay under the code of today: a running incident outlives every deployment."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError

from services.contracts import activities as contract
from services.contracts.taxonomy import Stage
from tests.replay import alone
from tests.replay.clock_reading import ClockReadingWorkflow
from tests.replay.record import BRIEFINGS, CHALLENGES, HISTORIES, PATHS, RELEASE, THEMES
from tests.replay.release import checksums, differs, sealed
from workflows.incident import WORKFLOW, IncidentWorkflow
from workflows.messages import IncidentCase
from workflows.worker import WORKFLOWS, runner

pytestmark = pytest.mark.anyio

FILES = sorted(HISTORIES.glob("*/*.json"))


@pytest.fixture
def anyio_backend() -> str:
    """Temporal's SDK runs on asyncio."""
    return "asyncio"


def read(file: Path) -> WorkflowHistory:
    """One run of a process."""
    return WorkflowHistory.from_json("incident-of-the-past", file.read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
async def test_it_replays(file: Path) -> None:
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=runner(isolated=True),
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


@workflow.defn(name=WORKFLOW)
class PatchedWorkflow(IncidentWorkflow):
    """The same change as it is to be made: what began before it goes on as it began."""

    @workflow.init
    def __init__(self, case: IncidentCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: IncidentCase) -> None:
        """As before."""
        await super().run(case)

    async def _triaged(self) -> Stage:
        if workflow.patched("a-moment-before-the-review"):
            await workflow.sleep(1)
        return await super()._triaged()


INCIDENTS_BEGUN = [file for file in FILES if file.stem == "low_harm-1"]


async def _replay(changed: type, file: Path, within: WorkflowRunner | None = None) -> None:
    replayer = Replayer(
        workflows=[changed],
        data_converter=pydantic_data_converter,
        workflow_runner=within or UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(read(file))


@pytest.mark.parametrize("file", INCIDENTS_BEGUN, ids=lambda file: file.parent.name)
async def test_a_change_that_running_incidents_would_not_survive_is_detected(file: Path) -> None:
    with pytest.raises(NondeterminismError):
        await _replay(HastyWorkflow, file)


@pytest.mark.parametrize("file", INCIDENTS_BEGUN, ids=lambda file: file.parent.name)
async def test_the_same_change_with_a_patch_is_survived(file: Path) -> None:
    await _replay(PatchedWorkflow, file)


async def test_what_is_not_deterministic_is_refused_where_workflows_are_tested() -> None:
    with pytest.raises(RuntimeError, match=r"Cannot access datetime\.datetime\.now"):
        await _replay(ClockReadingWorkflow, INCIDENTS_BEGUN[-1], runner(isolated=True))


def test_what_a_release_recorded_stays_as_it_went_out() -> None:
    folders = {folder.name for folder in HISTORIES.iterdir()}
    assert set(sealed()) <= folders
    assert folders - set(sealed()) <= {RELEASE}, "only the release in the making has histories that may change"
    for release, kept in sealed().items():
        assert not differs(HISTORIES / release, kept), (
            f"{release} is out: its histories are evidence, not to be recorded anew"
        )


def test_a_sealed_history_that_was_changed_added_or_removed_is_found(tmp_path: Path) -> None:
    for name in ("kept", "changed", "gone"):
        (tmp_path / f"{name}-1.json").write_text("{}")
    kept = checksums(tmp_path)
    assert differs(tmp_path, kept) == []
    (tmp_path / "changed-1.json").write_text("[]")
    (tmp_path / "gone-1.json").unlink()
    (tmp_path / "added-1.json").write_text("{}")
    assert differs(tmp_path, kept) == ["added-1.json", "changed-1.json", "gone-1.json"]


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
