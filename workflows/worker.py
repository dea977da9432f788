"""The worker that runs workflow code, with graceful stop."""

import asyncio
import threading
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from services.runtime.temporal import GRACE
from workflows.briefing import BriefingWorkflow
from workflows.challenge import ChallengeWorkflow
from workflows.concern import ConcernWorkflow
from workflows.digest import DigestWorkflow
from workflows.glass import GlassWorkflow
from workflows.incident import IncidentWorkflow
from workflows.meetings import MeetingsWorkflow
from workflows.patterns import PatternsWorkflow
from workflows.reconciler import ReconcileWorkflow
from workflows.reconciler_activities import ReconcilerActivities
from workflows.retention import RetentionWorkflow
from workflows.thematic import ThematicReviewWorkflow
from workflows.versions import deployment_config
from workflows.webhooks import WebhooksWorkflow

_SHARED = (
    "services",
    "workflows.process_clock",
    "pydantic",
    "pydantic_core",
    "yaml",
    "prometheus_client",
    "opentelemetry",
)

WORKFLOW_TASKS = 8
"""Tasks at once. One process cannot compute more, and behind fewer writes an urgent one waits less."""


def runner(*, isolated: bool = False) -> SandboxedWorkflowRunner:
    """What workflow code runs in.

    `isolated`, as in tests: each run loads the workflow's modules anew, and what is not deterministic in them (the machine's
    clock, chance, files) is refused. What passed these tests is then shared by all runs: loading it was most of what it
    costs to begin one, see ADR 0039.
    """
    shared = _SHARED if isolated else (*_SHARED, "workflows")
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*shared))


WORKFLOWS = (
    IncidentWorkflow,
    ThematicReviewWorkflow,
    ConcernWorkflow,
    GlassWorkflow,
    BriefingWorkflow,
    ReconcileWorkflow,
    DigestWorkflow,
    PatternsWorkflow,
    MeetingsWorkflow,
    ChallengeWorkflow,
    WebhooksWorkflow,
    RetentionWorkflow,
)
"""Every sort of process: what the worker runs, and what must replay."""


def build_worker(
    client: Client,
    *,
    task_queue: str,
    max_cached_workflows: int = 1000,
    version: WorkerDeploymentVersion | None = None,
    isolated: bool = False,
) -> Worker:
    """A worker for incidents, themes, concerns, broken glass, briefings, challenges, and what runs on schedules.

    With a `version` it is given work only while that is the current one of its deployment. `isolated`: see `runner`.
    """
    reconciler = ReconcilerActivities(client)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        activities=[reconciler.compare, reconciler.report],
        workflow_runner=runner(isolated=isolated),
        max_cached_workflows=max_cached_workflows,
        max_concurrent_workflow_tasks=WORKFLOW_TASKS,
        graceful_shutdown_timeout=GRACE,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        deployment_config=deployment_config(version),
    )


async def serve(
    client: Client, *, task_queue: str, stop: threading.Event, version: WorkerDeploymentVersion | None = None
) -> None:
    """Run workflows until `stop` is set."""
    async with build_worker(client, task_queue=task_queue, version=version):
        while not stop.is_set():
            await asyncio.sleep(0.2)
