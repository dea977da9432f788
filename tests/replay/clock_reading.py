"""A mistake in a process that nobody made, in a module of its own: where workflows are tested it is loaded for each run."""

from datetime import UTC, datetime

from temporalio import workflow

from services.contracts.taxonomy import Stage
from workflows.incident import WORKFLOW, IncidentWorkflow
from workflows.messages import IncidentCase


@workflow.defn(name=WORKFLOW)
class ClockReadingWorkflow(IncidentWorkflow):
    """It asks the machine for the time."""

    @workflow.init
    def __init__(self, case: IncidentCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: IncidentCase) -> None:
        """As before."""
        await super().run(case)

    async def _triaged(self) -> Stage:
        self.asked_at = datetime.now(UTC)
        return await super()._triaged()
