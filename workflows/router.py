"""From Kafka to Temporal: each event of an incident that its process waits for becomes a signal, with start if needed.

Events of one incident are handed on in order; different incidents side by side. The offset moves only after Temporal
has taken the signal, so an engine that is away only delays.
"""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from pydantic import ValidationError
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from services.contracts.actions import ActionOpened
from services.contracts.intake import BreakGlassUsed, ConcernContinued, ConcernRaised, IncidentReopened
from services.contracts.reporting import GovernanceItemAnswered, GovernanceItemJudged, GovernanceItemRaised
from services.contracts.review import AdoptionAsked, BriefingSent, ReviewOpened
from services.contracts.taxonomy import CaseKind
from services.contracts.topics import EVENTS
from services.runtime import tracing
from services.runtime.consumer import Received, Undecodable, decode
from services.runtime.kafka import poll_batches
from workflows import briefing, challenge, concern, glass, search_attributes, thematic
from workflows.facts import NEEDED, NEEDED_OF_THEME
from workflows.incident import WORKFLOW, workflow_id
from workflows.messages import EVENT_SIGNAL, IncidentCase, RoutedEvent, ThemeCase
from workflows.process import ROUTINE, URGENT

logger = logging.getLogger(__name__)

ROUTED = Counter("plumbline_router_events_total", "Events seen by the router.", ["lane", "outcome"])

INCIDENT_QUEUE = "incident"
CONCERNS = frozenset({ConcernRaised.TYPE, ConcernContinued.TYPE})
CHALLENGES = frozenset({GovernanceItemRaised.TYPE, GovernanceItemAnswered.TYPE, GovernanceItemJudged.TYPE})
_SIDE_BY_SIDE = {"urgent": 32, "normal": 2}
"""Incidents handed on at once. Few of the ordinary: what Temporal's store is busy with delays what is urgent."""


class Stopped(Exception):
    """Asked to stop before Temporal had taken an event: its offset must not move."""


_PERMANENT = (RPCStatusCode.INVALID_ARGUMENT,)


def wanted(received: Received) -> bool:
    """Whether a process waits for this event. What it asked for itself, actions and a review opened, is no news."""
    if received.type == ActionOpened.TYPE:
        return bool(received.data.get("late"))
    if received.type == ReviewOpened.TYPE:
        return bool(received.data.get("deepened"))
    if received.type == BreakGlassUsed.TYPE:
        # While the incident's own process runs, its ladder calls people.
        return bool(received.data.get("ended"))
    if received.type in CHALLENGES or _follows_up(received):
        return True
    if _of_theme(received):
        return received.type in NEEDED_OF_THEME
    return received.type in NEEDED or received.type in CONCERNS


def _follows_up(received: Received) -> bool:
    """Whether a briefing has something to follow up from now on."""
    sent = received.type == BriefingSent.TYPE and received.data.get("follow_up_at") is not None
    return sent or received.type == AdoptionAsked.TYPE


def _of_theme(received: Received) -> bool:
    """Whether the case that an event belongs to is a theme."""
    return "theme_id" in received.data or received.data.get("case_kind") == CaseKind.THEME


async def hand_on(
    client: Client, received: Received, *, lane: str, stop: threading.Event, task_queue: str = INCIDENT_QUEUE
) -> None:
    """Signal the incident's workflow, starting it if it does not run. Safe to repeat. Retries while Temporal is away."""
    if not wanted(received):
        return
    try:
        EVENTS[received.type].model_validate(received.data)
        start = _start(received)
    except (ValidationError, ValueError):
        # The relay never writes such an event; whatever did is not the record. The reconciler repairs what it hid.
        ROUTED.labels(lane, "malformed").inc()
        logger.error("event does not match its contract", extra={"event_id": str(received.event_id)})
        return
    while not stop.is_set():
        try:
            await client.start_workflow(
                **start,
                task_queue=task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=Priority(
                    priority_key=URGENT if lane == "urgent" else ROUTINE, fairness_key=str(received.provider_id)
                ),
            )
        except WorkflowAlreadyStartedError:
            ROUTED.labels(lane, "ended").inc()
            return
        except RPCError as error:
            if error.status in _PERMANENT and not _unprepared(error):
                ROUTED.labels(lane, "refused").inc()
                logger.error("Temporal refuses an event", extra={"event_id": str(received.event_id)})
                return
            ROUTED.labels(lane, "retried").inc()
            if _unprepared(error):
                logger.warning("Temporal lacks a search attribute: make those of deploy/compose/temporal-namespace.sh")
            else:
                logger.warning("Temporal does not answer, trying again", extra={"status": error.status.name})
            await asyncio.sleep(1)
            continue
        ROUTED.labels(lane, "signalled").inc()
        return
    raise Stopped


def _unprepared(error: RPCError) -> bool:
    """Whether the namespace does not know what processes are searched by: for seconds after it was made, or until somebody makes it."""
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message.lower()


def _start(received: Received) -> dict[str, Any]:
    """What is started, if it does not run: for a concern its watch, for a briefing what follows it, else the incident with the event as its signal."""
    if received.type in CONCERNS:
        return {
            "workflow": concern.WORKFLOW,
            "arg": concern.ConcernCase(concern_id=UUID(received.key), provider_id=received.provider_id),
            "id": concern.workflow_id(UUID(received.key)),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            "static_summary": "concern",
        }
    if received.type == BreakGlassUsed.TYPE:
        broken = glass.GlassCase(
            break_glass_id=UUID(received.data["break_glass_id"]),
            incident_id=UUID(received.key),
            provider_id=received.provider_id,
        )
        return {
            "workflow": glass.WORKFLOW,
            "arg": broken,
            "id": glass.workflow_id(broken.break_glass_id),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            "static_summary": "broken glass",
        }
    if received.type in CHALLENGES:
        item_id = UUID(received.key)
        return {
            "workflow": challenge.WORKFLOW,
            "arg": challenge.ChallengeCase(item_id=item_id, provider_id=received.provider_id),
            "id": challenge.workflow_id(item_id),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            # One that runs already sleeps until the time that it knew of.
            "start_signal": challenge.LOOK_SIGNAL,
            "static_summary": "challenge",
        }
    if _follows_up(received):
        return {
            "workflow": briefing.WORKFLOW,
            "arg": briefing.BriefingCase(
                briefing_id=UUID(received.data["briefing_id"]), provider_id=received.provider_id
            ),
            "id": briefing.workflow_id(received.data["briefing_id"]),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            # One that runs already sleeps until what it knew of.
            **({"start_signal": briefing.LOOK_SIGNAL} if received.type == AdoptionAsked.TYPE else {}),
            "static_summary": "briefing",
        }
    signal = {
        "start_signal": EVENT_SIGNAL,
        "start_signal_args": [RoutedEvent(event_id=str(received.event_id), type=received.type, data=received.data)],
    }
    if _of_theme(received):
        theme = ThemeCase(theme_id=UUID(received.key), provider_id=received.provider_id)
        return {
            "workflow": thematic.WORKFLOW,
            "arg": theme,
            "id": thematic.workflow_id(theme.theme_id),
            "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            "search_attributes": search_attributes.of_theme(theme),
            "static_summary": "theme",
            **signal,
        }
    case = IncidentCase(incident_id=UUID(received.key), provider_id=received.provider_id)
    again = received.type == IncidentReopened.TYPE
    return {
        "workflow": WORKFLOW,
        "arg": case,
        "id": workflow_id(case.incident_id),
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE
        if again
        else WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        "search_attributes": search_attributes.of(case),
        "static_summary": "incident",
        **signal,
    }


async def hand_on_all(
    client: Client,
    batch: Sequence[Received],
    *,
    lane: str,
    stop: threading.Event,
    task_queue: str = INCIDENT_QUEUE,
) -> None:
    """Hand a batch on: in order for each incident, side by side for different ones. Raises `Stopped` if cut short."""
    by_key: dict[str, list[Received]] = defaultdict(list)
    for received in batch:
        by_key[received.key].append(received)

    gate = asyncio.Semaphore(_SIDE_BY_SIDE[lane])

    async def in_order(events: list[Received]) -> None:
        async with gate:
            for received in events:
                with tracing.continued(f"hand on {received.type}", received.traceparent):
                    await hand_on(client, received, lane=lane, stop=stop, task_queue=task_queue)

    await asyncio.gather(*(in_order(events) for events in by_key.values()))


def run_router(
    client_of: Callable[[], Awaitable[Client | None]],
    *,
    bootstrap_servers: str,
    topics: Collection[str],
    lane: str,
    stop: threading.Event,
    task_queue: str = INCIDENT_QUEUE,
    client_options: Mapping[str, Any] | None = None,
) -> None:
    """Hand events of one lane on until `stop` is set. Blocking; one thread or process for each lane."""

    async def route() -> None:
        client = await client_of()
        if client is None:
            return
        batches = poll_batches(
            bootstrap_servers=bootstrap_servers,
            service="router",
            name=lane,
            topics=topics,
            stop=stop,
            max_records=200,
            client_options=client_options,
        )
        # The consumer is not thread-safe: it is only ever asked from this one thread, between two batches.
        for records in batches:
            events = [event for event in map(_decoded, records) if event is not None]
            try:
                await hand_on_all(client, events, lane=lane, stop=stop, task_queue=task_queue)
            except Stopped:
                return

    asyncio.run(route())


def _decoded(record: Any) -> Received | None:
    try:
        return decode(record)
    except Undecodable:
        ROUTED.labels("any", "malformed").inc()
        logger.error("record is not an event", extra={"topic": record.topic, "offset": record.offset})
        return None
