"""Retention from the due list to the proof: two people decide, a hold stops it, and nothing is left in any service."""

import io
import json
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts.taxonomy import Role
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import data_converter
from tests.conftest import SERVICES, MovableClock, ServiceClient
from tests.integration.test_actions import World
from tests.integration.test_details import png
from tests.integration.test_escalation import Rig
from tests.integration.test_recurrence import close
from tests.integration.test_restricted import deliver, events
from tests.integration.test_tenancy import tables
from tests.workflow.conftest import KEYS, server_binary
from workflows.retention import RetentionWorkflow, Swept
from workflows.worker import runner

MARKER = "Zebedee Quill"
DAY = timedelta(days=1)
YEARS = timedelta(days=366 * 10)


@pytest.fixture
def anyio_backend() -> str:
    """Temporal's SDK runs on asyncio."""
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files lie."""
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    return tmp_path / "kept"


@pytest.fixture
def rig(client: Any, service_engine: Callable[[str], Engine], clock: MovableClock) -> Rig:
    return Rig(client("intake"), service_engine("intake"), service_engine("intake_system"), clock)


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


@pytest.fixture
def director(actor: Any) -> Actor:
    made: Actor = actor("director")
    return made


@pytest.fixture
async def sweep(service_engine: Callable[[str], Engine], clock: MovableClock) -> AsyncIterator[Callable[[], Any]]:
    """`await sweep()` is a night's run on a real server, with the real activities of all services."""
    env = await WorkflowEnvironment.start_local(
        data_converter=data_converter(KEYS),
        dev_server_existing_path=server_binary("temporal"),
        dev_server_log_level="error",
    )
    async with env, AsyncExitStack() as workers:
        for service in SERVICES:
            context = Context(service_engine(service), service_engine(f"{service}_system"), clock)
            made = import_module(f"services.{service}.activities").build(context)
            threads = workers.enter_context(ThreadPoolExecutor(2))
            await workers.enter_async_context(
                Worker(env.client, task_queue=service, activities=made, activity_executor=threads)
            )
        await workers.enter_async_context(
            Worker(env.client, task_queue="sweep", workflows=[RetentionWorkflow], workflow_runner=runner(isolated=True))
        )

        async def run() -> Swept:
            return await env.client.execute_workflow(
                RetentionWorkflow.run, id=f"retention-{uuid.uuid4()}", task_queue="sweep",
                execution_timeout=timedelta(seconds=120),
            )  # fmt: skip

        yield run


def attach(intake: ServiceClient, who: Actor, incident: str, content: bytes, name: str = MARKER) -> str:
    """A photograph; answers its checksum."""
    made = intake.call(
        "POST",
        f"/incidents/{incident}/attachments",
        who,
        files={"file": (f"{name}.png", io.BytesIO(content), "image/png")},
    )
    assert made.status_code == 201, made.text
    found: str = made.json()["sha256"]
    return found


def refused(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["type"].rsplit("/", 1)[-1]


def left(database: str, marker: str = MARKER, provider: uuid.UUID | None = None) -> set[str]:
    """Every table of every service in which the marker stands, of one provider or of all."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        found = {
            f"{service}.{table}"
            for service in SERVICES
            for table in tables(connection, service)
            if connection.scalar(
                text(
                    f"select exists (select from {service}.{table} t where to_jsonb(t)::text like :m and to_jsonb(t)::text like :p)"
                ),
                {"m": f"%{marker}%", "p": f"%{provider or ''}%"},
            )
        }
    engine.dispose()
    return found


@pytest.mark.anyio
async def test_what_two_people_decided_is_erased_in_every_service_and_proved(
    rig: Rig, home: uuid.UUID, actor: Any, director: Actor, clock: MovableClock, sweep: Callable[[], Any], folder: Path,
    database: str, client: Any, service_engine: Callable[[str], Engine], provider_id: uuid.UUID, place: Any,
) -> None:  # fmt: skip
    intake, carer, manager = rig.intake, actor("carer"), actor("registered_manager")
    individual, person = actor("nominated_individual"), str(uuid.uuid4())
    incident = rig.report(carer, home, narrative=f"{MARKER} fell on the stairs.", person_refs=[person])
    beside = rig.report(carer, home, narrative="Another person fell.")
    rig.triage(manager, incident, reason=f"{MARKER} fell before.")
    shared, own = png(), png() + b"\0"
    attach(intake, manager, beside, shared, "stairs")
    files = [attach(intake, manager, incident, shared), attach(intake, manager, incident, own)]
    path = f"/incidents/{incident}"
    begun = intake.post(
        f"{path}/proceedings", director,
        {"kind": "claim", "about": f"{MARKER} claims.", "shared": "The chart.", "kept_apart": "The review.",
         "begun_at": clock.now().isoformat()},
    )  # fmt: skip
    assert begun.status_code == 201, begun.text

    world = World(service_engine("actions"), client("actions"), clock, provider_id, actor)
    world.incident(incident_id=uuid.UUID(incident), location_id=world.location)
    action = world.agree(uuid.UUID(incident), title=f"Put a rail where {MARKER} fell")
    close(rig, incident)
    close(rig, beside)
    told = events(service_engine("intake"), provider_id)
    for service in ("review", "actions", "reporting"):
        if service != "reporting":
            place(service, location_id=home)
        deliver(service_engine(service), service, told)
    clock.advance(YEARS)

    def due() -> set[str]:
        return {row["incident_id"] for row in intake.get("/retention/due", director).json()["items"]}

    assert due() == {beside}, "a claim runs"
    ended = {"outcome": f"{MARKER} was paid.", "ended_at": clock.now().isoformat()}
    assert (
        intake.post(f"/proceedings/{begun.json()['proceeding_id']}/end", director, ended, version=1).status_code == 200
    )
    assert due() == {beside}, "it was in use until now"
    clock.advance(YEARS)
    assert due() == {incident, beside}

    destroy = {"decision": "destroy", "reason": f"The time of {MARKER}'s record has passed."}
    hold = intake.post("/legal-holds", individual, {"person_ref": person, "reason": f"An inquiry asks about {MARKER}."})
    assert hold.status_code == 201, hold.text
    assert refused(intake.post(f"{path}/appraisal", director, destroy)) == (409, "not-due")
    lift = f"/legal-holds/{hold.json()['hold_id']}/lift"
    assert intake.post(lift, director, {"reason": "It has reported."}, version=1).status_code == 200
    for who in ("registered_manager", "quality_lead", "platform_admin"):
        assert intake.post(f"{path}/appraisal", actor(who), destroy).status_code == 403
    assert intake.post(f"{path}/appraisal", director, destroy).status_code == 200
    assert refused(intake.post(f"{path}/appraisal/confirm", director, version=1)) == (409, "own-decision")
    assert (await sweep()).erased == 0, "one person is not enough"
    assert intake.post(f"{path}/appraisal/confirm", individual, version=1).status_code == 200
    assert due() == {beside}

    again = intake.post("/legal-holds", individual, {"incident_id": incident, "reason": f"Police ask for {MARKER}."})
    assert (await sweep()) == Swept(erased=0, stopped=1), "what is held is never erased"
    assert MARKER in intake.get(path, manager).json()["narrative"]
    lift = f"/legal-holds/{again.json()['hold_id']}/lift"
    assert intake.post(lift, director, {"reason": "They need it no more."}, version=1).status_code == 200

    assert "intake.incident" in left(database)
    assert "actions.action" in left(database)
    assert await sweep() == Swept(erased=1, stopped=0)
    assert await sweep() == Swept(erased=0, stopped=0)
    deliver(service_engine("actions"), "actions", [row for row in events(service_engine("intake"), provider_id) if row["type"].endswith("restricted.v1")])  # fmt: skip

    # Replies are cleared by their age in real time, which this test cannot let pass.
    kept = {f"{service}.idempotency_key" for service in SERVICES}
    assert left(database) - kept == {"intake.legal_hold"}, "of the person, who is not this record's alone"
    assert intake.get(path, manager).status_code == 404
    assert client("actions").get(f"/actions/{action['action_id']}", world.lead).status_code == 404
    [proof] = intake.get("/retention/erasures", individual).json()["items"]
    assert (proof["incident_id"], proof["decided_by"], proof["confirmed_by"]) == (
        incident,
        str(director.id),
        str(individual.id),
    )
    assert {one["service"] for one in proof["proofs"]} == {"intake", "review", "actions", "reporting"}
    assert all(len(one["digest"]) == 64 for one in proof["proofs"])
    assert not list(folder.rglob(files[1])), "its own file is gone"
    assert list(folder.rglob(files[0])), "another record has the same photograph"
    for service in ("intake", "review", "actions", "reporting"):
        with transaction(service_engine(service), provider_id) as session:
            chain = audit.read(session, service, uuid.UUID(incident))
            assert audit.verify(chain) is None
            assert "erased" in [entry["action"] for entry in chain]
            assert MARKER not in json.dumps(chain)
            assert person not in json.dumps(chain)
    with transaction(service_engine("reporting"), provider_id) as session:
        assert session.scalar(text("select count(*) from reporting.person_incident")) == 0
    assert person not in str(events(service_engine("intake"), provider_id)), "nor as a stand-in in the event log"
    described = [
        row["data"]["people"]
        for row in events(service_engine("intake"), provider_id)
        if row["type"].endswith("described.v1")
    ]
    assert described == [[]]


def test_a_record_is_appraised_kept_preserved_and_appraised_anew(
    rig: Rig, home: uuid.UUID, actor: Any, director: Actor, clock: MovableClock
) -> None:
    intake, individual = rig.intake, actor("nominated_individual")
    incident = rig.report(actor("carer"), home)
    path = f"/incidents/{incident}"
    keep = {
        "decision": "keep",
        "reason": "A family asks.",
        "keep_until": (clock.now() + YEARS + 400 * DAY).date().isoformat(),
    }
    assert refused(intake.post(f"{path}/appraisal", director, keep)) == (409, "not-closed")
    rig.triage(actor("registered_manager"), incident, consequence=5, likelihood=4)
    close(rig, incident)
    stands = intake.get(f"{path}/retention", director).json()
    assert (stands["rule"], stands["keep_years"], stands["due"], stands["policy_version"]) == (
        "serious",
        20,
        False,
        "retention-2",
    )
    clock.advance(YEARS)
    destroy = {"decision": "destroy", "reason": "It is old."}
    assert refused(intake.post(f"{path}/appraisal", director, destroy)) == (409, "not-due")
    clock.advance(YEARS)
    keep["keep_until"] = (clock.now() + 400 * DAY).date().isoformat()
    for field, wrong in (("keep_until", None), ("keep_until", "2020-01-01"), ("reason", " "), ("decision", "burn")):
        assert intake.post(f"{path}/appraisal", director, {**keep, field: wrong}).status_code == 422

    def waits() -> bool:
        return bool(intake.get("/retention/due", individual).json()["items"])

    assert waits()
    made = intake.post(f"{path}/appraisal", director, keep)
    assert (made.status_code, made.headers["ETag"]) == (200, '"1"')
    assert not waits()
    clock.advance(401 * DAY)
    assert waits(), "until then"
    preserve = {"decision": "preserve", "reason": "It changed how we work."}
    assert intake.post(f"{path}/appraisal", director, preserve).status_code == 428
    assert intake.post(f"{path}/appraisal", director, preserve, version=7).status_code == 412
    assert intake.post(f"{path}/appraisal", director, preserve, version=1).status_code == 200
    assert refused(intake.post(f"{path}/appraisal/confirm", individual, version=2)) == (409, "nothing-to-confirm")
    assert not waits()
    assert intake.post(f"{path}/appraisal", director, destroy, version=2).status_code == 200
    assert waits(), "for somebody to confirm it"
    audited = [entry["action"] for entry in intake.get(f"{path}/audit", director).json()]
    assert audited.count("appraised") == 3


def test_a_case_that_is_opened_again_is_not_what_was_decided_about(
    rig: Rig, home: uuid.UUID, actor: Any, director: Actor, clock: MovableClock
) -> None:
    intake, individual = rig.intake, actor("nominated_individual")
    incident = rig.report(actor("carer"), home)
    path = f"/incidents/{incident}"
    rig.triage(actor("registered_manager"), incident)
    close(rig, incident)
    clock.advance(YEARS)
    assert (
        intake.post(f"{path}/appraisal", director, {"decision": "destroy", "reason": "It is old."}).status_code == 200
    )
    version = int(intake.get(path, director).headers["ETag"].strip('"'))
    reopened = intake.post(
        f"{path}/reopening",
        actor(Role.QUALITY_LEAD),
        {"reason": "It came back.", "stage": "reviewing"},
        version=version,
    )
    assert reopened.status_code == 200, reopened.text
    assert refused(intake.post(f"{path}/appraisal/confirm", individual, version=1)) == (409, "not-due")
    close(rig, incident, cycle=2)
    assert refused(intake.post(f"{path}/appraisal/confirm", individual, version=1)) == (409, "not-due")
    clock.advance(YEARS)
    assert intake.get(f"{path}/retention", director).json()["appraisal"]["current"] is False
    assert refused(intake.post(f"{path}/appraisal/confirm", individual, version=1)) == (409, "not-due")


def test_holds_are_listed_lifted_once_and_name_what_is_wrong(
    rig: Rig, home: uuid.UUID, actor: Any, director: Actor, clock: MovableClock
) -> None:
    intake = rig.intake
    incident = rig.report(actor("carer"), home)
    both = {"incident_id": incident, "person_ref": str(uuid.uuid4()), "reason": "An inquiry."}
    for body in (both, {"reason": "An inquiry."}, {**both, "person_ref": None, "look_again_on": "2020-01-01"}):
        assert intake.post("/legal-holds", director, body).status_code == 422
    assert (
        intake.post(
            "/legal-holds", director, {**both, "incident_id": str(uuid.uuid4()), "person_ref": None}
        ).status_code
        == 404
    )
    made = intake.post("/legal-holds", director, {"incident_id": incident, "reason": "An inquiry."})
    lift = f"/legal-holds/{made.json()['hold_id']}/lift"
    assert [one["reason"] for one in intake.get(f"/incidents/{incident}/retention", director).json()["holds"]] == [
        "An inquiry."
    ]
    assert intake.post(lift, director, {"reason": "Done."}, version=4).status_code == 412
    assert (
        intake.post(lift, actor("director", locations=[uuid.uuid4()]), {"reason": "Done."}, version=1).status_code
        == 404
    )
    assert intake.post(lift, director, {"reason": "Done."}, version=1).status_code == 200
    assert refused(intake.post(lift, director, {"reason": "Done."}, version=2)) == (409, "already-ended")
    assert intake.get("/legal-holds", director).json()["items"] == []
    [kept] = intake.get("/legal-holds", director, params={"lifted": True}).json()["items"]
    assert (kept["lifted_by"], kept["lift_reason"]) == (str(director.id), "Done.")


def test_what_few_may_see_is_neither_due_nor_held_for_others(
    rig: Rig, home: uuid.UUID, actor: Any, director: Actor, clock: MovableClock
) -> None:
    intake, accused, lead = rig.intake, actor("director"), actor("safeguarding_lead")
    incident = rig.report(lead, home, category="abuse_allegation", about_staff=[str(accused.id)])
    assert intake.get(f"/incidents/{incident}/retention", accused).status_code == 404
    made = intake.post("/legal-holds", lead, {"incident_id": incident, "reason": "Police."})
    assert made.status_code == 201, made.text
    assert intake.get("/legal-holds", accused).json()["items"] == []
    lift = f"/legal-holds/{made.json()['hold_id']}/lift"
    assert intake.post(lift, accused, {"reason": "Not needed."}, version=1).status_code == 404
