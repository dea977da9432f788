"""Faults for real: parts are killed with signal 9 while people work. Nothing accepted is lost, no effect happens twice."""

import asyncio
import contextlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from deploy.local import credentials
from deploy.local.probes import answers, listens
from deploy.local.state import Home
from deploy.local.tokens import issue_token
from services.runtime.temporal import data_converter
from tests.e2e.journey import Care, Journey, at_work
from tests.e2e.running import RunningStack, at_a_day_a_second, eventually
from workflows.incident import workflow_id
from workflows.reconciler import Outcome, ReconcileWorkflow
from workflows.router import INCIDENT_QUEUE

REVIEWING = ["1:reported", "1:triaged", "1:reviewing"]
CLOSED = [*REVIEWING, "1:closed"]


@pytest.fixture(scope="module")
def stack(run_folder: Path, worker_id: str) -> Iterator[RunningStack]:
    """A stack of its own: no story is played on it while something is broken."""
    with at_a_day_a_second(Home(run_folder / f"faults-{worker_id}")) as running:
        yield running


@pytest.fixture(scope="module")
def care(stack: RunningStack) -> Iterator[Care]:
    """A provider of its own, with people at work."""
    with at_work(stack) as made:
        yield made


@pytest.fixture(autouse=True)
def _undisturbed(stack: RunningStack) -> None:
    """Everything is whole at the start."""
    stack.wait_until_ready()


@pytest.fixture
def reports(care: Care) -> Iterator[list[Journey]]:
    """Reports of this test, ended after it: an open one reminds somebody every second."""
    made: list[Journey] = []
    yield made
    for journey in made:
        if journey.read()["stage"] not in ("closed", "withdrawn"):
            journey.withdraw()


def post_report(care: Care, key: str, body: Any) -> httpx.Response:
    """One attempt to report, without patience."""
    token = issue_token(care.stack, care.carer.persona)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return care.http.post(f"{care.stack.url('intake')}/incidents", json=body, headers=headers)


def accepted(care: Care) -> Journey:
    """A report that must be taken at once."""
    began = time.monotonic()
    response = post_report(care, str(uuid.uuid4()), care.report_body())
    assert response.status_code == 201, response.text
    assert time.monotonic() - began < 5
    return Journey(care, response.json()["incident_id"])


def reported_at(care: Care, occurred_at: str) -> list[str]:
    """The incidents that a carer's list has with this time of occurrence: by it a test knows its own reports."""
    instant, found, cursor = datetime.fromisoformat(occurred_at), [], None
    while True:
        page = care.carer.get("intake", "/incidents", limit=200, **({"cursor": cursor} if cursor else {}))
        found += [i["incident_id"] for i in page["items"] if datetime.fromisoformat(i["occurred_at"]) == instant]
        cursor = page["next"]
        if cursor is None:
            return found


def test_temporal_killed(stack: RunningStack, care: Care, reports: list[Journey]) -> None:
    """Reports are accepted and people work on while the engine is away; afterwards it catches up."""
    under_way = care.triaged()
    reports.append(under_way)
    under_way.reaches("reviewing")
    with stack.outage("temporal"):
        reports += [accepted(care) for _ in range(3)]
        under_way.write_review()
        under_way.approve_review()
        assert not answers(stack.record.url("temporal"))
        assert under_way.read()["stage"] == "reviewing"
    under_way.reaches("closed")
    assert under_way.stages() == CLOSED
    for journey in reports[1:]:
        journey.reaches("reviewing")
        assert journey.stages() == REVIEWING


def test_broker_killed_and_back_empty(stack: RunningStack, care: Care, reports: list[Journey]) -> None:
    """The same for the broker, which forgets everything: what was said is said again, and counted once."""
    under_way = care.triaged()
    reports.append(under_way)
    under_way.reaches("reviewing")
    known = under_way.timeline()["entries"]
    with stack.outage("kafka"):
        reports += [accepted(care) for _ in range(3)]
        under_way.write_review()
        under_way.approve_review()
        assert not answers(stack.record.url("kafka"))
    under_way.reaches("closed")
    for journey in reports[1:]:
        journey.reaches("reviewing")
        assert journey.stages() == REVIEWING
    assert under_way.stages() == CLOSED
    entries = under_way.timeline()["entries"]
    # What one service says may come after what another said later: it stands before it then, by its time.
    assert [entry for entry in entries if entry in known] == known
    said = Counter(entry["type"] for entry in entries)
    assert said["plumbline.incident.reported.v1"] == said["plumbline.incident.triaged.v1"] == 1
    assert said["plumbline.review.submitted.v1"] == said["plumbline.review.approved.v1"] == 1
    assert said["plumbline.incident.stage_entered.v1"] == 2


def test_worker_killed_after_the_effect_and_before_it_said_so(
    stack: RunningStack, care: Care, reports: list[Journey]
) -> None:
    """The activity commits, its process dies, it is tried again: one stage entry, one event, one audit entry."""
    journey = care.report()
    reports.append(journey)
    with stack.database() as connection, _commit_held(connection, journey.id) as release:
        scores = {"actual_harm": "low", "consequence": 3, "likelihood": 1, "reason": care.says("Seen at once.")}
        care.manager.triage(journey.id, scores)
        eventually(lambda: _somebody_waits(connection), "the activity to come to its commit")
        stack.kill("intake")
        release()
    journey.reaches("reviewing")
    journey.to_closure_at_once()
    assert journey.stages() == CLOSED
    [chain] = [chain for name, chain in journey.chains().items() if name == "intake"]
    entered = [entry["data"]["stage"] for entry in chain if entry["action"] == "entered_stage"]
    assert entered == ["reviewing", "closed"]
    assert journey.chain_faults() == {}


_LOCK = 71_903_311


@contextlib.contextmanager
def _commit_held(connection: psycopg.Connection[Any], incident_id: str) -> Iterator[Any]:
    """Whoever enters an incident into reviewing waits in the midst of its COMMIT, which then goes through."""
    connection.execute("select pg_advisory_lock(%s)", [_LOCK])
    connection.execute(
        "create function intake.test_wait() returns trigger language plpgsql as"
        f" $$ begin perform pg_advisory_xact_lock({_LOCK}); return null; end $$"
    )
    connection.execute(
        "create constraint trigger test_wait after insert on intake.stage_entry deferrable initially deferred"
        f" for each row when (new.incident_id = '{uuid.UUID(incident_id)}' and new.stage = 'reviewing')"
        " execute function intake.test_wait()"
    )
    try:
        yield lambda: connection.execute("select pg_advisory_unlock(%s)", [_LOCK])
    finally:
        connection.execute("select pg_advisory_unlock_all()")
        connection.execute("drop function intake.test_wait cascade")


def _somebody_waits(connection: psycopg.Connection[Any]) -> bool:
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and not granted"
    row = connection.execute(waiting, [_LOCK]).fetchone()
    return row is not None and row[0] > 0


def test_postgres_killed(stack: RunningStack, care: Care, reports: list[Journey]) -> None:
    """While it is away the API says so and when to come back; the same key then makes one incident."""
    body, keys = care.report_body(), [str(uuid.uuid4()) for _ in range(4)]
    gone = threading.Event()

    def insist(key: str) -> list[httpx.Response]:
        """Report again and again, through the kill and the recovery, until it is accepted after the outage."""
        heard: list[httpx.Response] = []

        def report() -> bool:
            heard.append(post_report(care, key, body))
            return gone.is_set() and heard[-1].status_code == 201

        eventually(report, "a report to be accepted")
        return heard

    with ThreadPoolExecutor(len(keys)) as pool:
        insisting = [pool.submit(insist, key) for key in keys]
        with stack.outage("postgres"):
            gone.set()
            away = post_report(care, str(uuid.uuid4()), body)
        heard = [one.result() for one in insisting]
    assert away.status_code == 503
    assert away.headers["Content-Type"] == "application/problem+json"
    assert int(away.headers["Retry-After"]) > 0
    assert "same Idempotency-Key" in away.json()["detail"]
    assert {answer.status_code for answers in heard for answer in answers} <= {201, 503}
    made = {
        key: {a.json()["incident_id"] for a in said if a.status_code == 201}
        for key, said in zip(keys, heard, strict=True)
    }
    assert all(len(ids) == 1 for ids in made.values())
    assert sorted(reported_at(care, body["occurred_at"])) == sorted(one for ids in made.values() for one in ids)
    reports += [Journey(care, one) for ids in made.values() for one in ids]
    for journey in reports:
        journey.reaches("reviewing")


def test_everything_killed_at_once(stack: RunningStack, care: Care, reports: list[Journey]) -> None:
    """Supervisor and all parts die in the midst of work; `up` brings back what was accepted, and the clock did not jump."""
    under_way, fresh = care.triaged(), care.report()
    reports += [under_way, fresh]
    under_way.reaches("reviewing")
    before = stack.record
    ran = json.loads(stack.home.clock.read_text())["segments"][-1]
    seen = care.now()
    stack.kill_everything()
    assert not listens("127.0.0.1", before.ports["intake"])
    stack.up()
    assert stack.record.addresses() == before.addresses()
    # It stood still while nothing ran: it goes on from where the kill found it, give or take a heartbeat.
    resumed = json.loads(stack.home.clock.read_text())["segments"][-1]
    assert resumed["speed"] == ran["speed"]
    jump = datetime.fromisoformat(resumed["virtual"]) - seen
    assert timedelta(0) <= jump < timedelta(days=10)
    under_way.to_closure_at_once()
    assert under_way.stages() == CLOSED
    fresh.reaches("reviewing")
    assert fresh.stages() == REVIEWING
    assert under_way.chain_faults() == {}


def test_a_lost_process_is_found_and_goes_on(stack: RunningStack, care: Care, reports: list[Journey]) -> None:
    """Somebody terminates the workflow of an open incident; the reconciler finds it, and the chain goes on."""
    journey = care.triaged()
    reports.append(journey)
    journey.reaches("reviewing")
    found, later = asyncio.run(_terminate_and_reconcile(stack, journey))
    assert found.orphans == 1
    assert found.looked_at >= 1
    assert later.orphans == 0
    exported = stack.metrics("workflows").splitlines()
    values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in exported if line.startswith("plumbline_orphan")}
    assert values["plumbline_orphan_incidents"] == 0
    assert values["plumbline_orphan_incidents_repaired_total"] >= 1
    journey.to_closure_at_once()
    assert journey.stages() == CLOSED
    assert journey.chain_faults() == {}


async def _terminate_and_reconcile(stack: RunningStack, journey: Journey) -> tuple[Outcome, Outcome]:
    """End the workflow behind everybody's back, reconcile, wait until it runs again, reconcile once more."""
    keys = SecretStr(credentials.load(stack.home).temporal_codec_keys)
    client = await Client.connect(stack.record.url("temporal"), data_converter=data_converter(keys))

    async def reconcile() -> Outcome:
        return await client.execute_workflow(
            ReconcileWorkflow.run, 0, id=f"reconcile-{uuid.uuid4()}", task_queue=INCIDENT_QUEUE,
            execution_timeout=timedelta(seconds=60),
        )  # fmt: skip

    for _ in range(10):
        await client.get_workflow_handle(workflow_id(journey.id)).terminate("a test")
        found = await reconcile()
        if found.orphans:
            break  # else an event that was still on its way had started the process again before it was missed
    await asyncio.to_thread(
        eventually, lambda: journey.process() == "WORKFLOW_EXECUTION_STATUS_RUNNING", "the process to run again"
    )
    return found, await reconcile()
