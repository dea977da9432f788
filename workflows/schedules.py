"""What runs by itself, in real time: the reconciler every few minutes, patterns every hour, webhooks every minute, the
digest every morning, retention every night.

Meetings follow Plumbline's clock: their schedule only sees to it, every hour, that the process that watches them is there.
"""

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
)

from workflows.digest import DigestWorkflow
from workflows.meetings import MeetingsWorkflow
from workflows.patterns import PatternsWorkflow
from workflows.reconciler import GRACE_SECONDS, ReconcileWorkflow
from workflows.retention import RetentionWorkflow
from workflows.webhooks import WebhooksWorkflow

RECONCILE, DIGEST, PATTERNS, MEETINGS, WEBHOOKS = "reconcile", "digest", "patterns", "meetings", "webhooks"
RETENTION = "retention"
WEBHOOKS_EVERY = timedelta(minutes=1)
DIGEST_HOUR = 7
"""In the time of England."""
RETENTION_HOUR = 3
"""In the time of England."""


async def ensure_schedules(
    client: Client, *, reconcile_every: timedelta, task_queue: str, patterns_every: timedelta = timedelta(hours=1)
) -> None:
    """Make the schedules, or bring those that are there up to date. Runs of one never overlap."""
    await _ensure(
        client,
        RECONCILE,
        ScheduleActionStartWorkflow(ReconcileWorkflow.run, GRACE_SECONDS, id=RECONCILE, task_queue=task_queue),
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=reconcile_every)]),
        catchup_window=timedelta(minutes=1),
    )
    await _ensure(
        client,
        PATTERNS,
        ScheduleActionStartWorkflow(PatternsWorkflow.run, id=PATTERNS, task_queue=task_queue),
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=patterns_every)]),
        catchup_window=timedelta(minutes=1),
    )
    await _ensure(
        client,
        MEETINGS,
        ScheduleActionStartWorkflow(MeetingsWorkflow.run, id=MEETINGS, task_queue=task_queue),
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))]),
        catchup_window=timedelta(minutes=1),
        at_once=True,
    )
    await _ensure(
        client,
        WEBHOOKS,
        ScheduleActionStartWorkflow(WebhooksWorkflow.run, id=WEBHOOKS, task_queue=task_queue),
        ScheduleSpec(intervals=[ScheduleIntervalSpec(every=WEBHOOKS_EVERY)]),
        catchup_window=WEBHOOKS_EVERY,
    )
    await _ensure(
        client,
        DIGEST,
        ScheduleActionStartWorkflow(DigestWorkflow.run, id=DIGEST, task_queue=task_queue),
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(DIGEST_HOUR)])], time_zone_name="Europe/London"
        ),
        catchup_window=timedelta(hours=6),
    )
    await _ensure(
        client,
        RETENTION,
        ScheduleActionStartWorkflow(RetentionWorkflow.run, id=RETENTION, task_queue=task_queue),
        ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(RETENTION_HOUR)])], time_zone_name="Europe/London"
        ),
        catchup_window=timedelta(hours=6),
    )


async def _ensure(
    client: Client,
    name: str,
    action: ScheduleActionStartWorkflow,
    spec: ScheduleSpec,
    *,
    catchup_window: timedelta,
    at_once: bool = False,
) -> None:
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=catchup_window)
    schedule = Schedule(action=action, spec=spec, policy=policy)
    try:
        await client.create_schedule(name, schedule, trigger_immediately=at_once)
    except ScheduleAlreadyRunningError:
        # Its interval may have changed since, and its input is encrypted with the key of that time.
        await client.get_schedule_handle(name).update(lambda _: ScheduleUpdate(schedule))
