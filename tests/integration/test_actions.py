"""Actions on a real PostgreSQL: done, verified and effective are three things, each with its own evidence."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text
from temporalio.testing import ActivityEnvironment

from services.actions import activities, commands, consumer
from services.actions.impact import commands as impact
from services.actions.impact import counting
from services.actions.impact.domain import Observed, Window
from services.actions.impact.store import Checkpoint
from services.actions.store import Action, Improvement, Incident
from services.actions.verification import commands as verification
from services.contracts import activities as contract
from services.contracts.directory import ExposureRecorded
from services.contracts.event import EventData
from services.contracts.intake import (
    IncidentImported,
    IncidentMarkedDuplicate,
    IncidentReopened,
    IncidentReported,
    IncidentTriaged,
    IncidentWithdrawn,
    StageEntered,
)
from services.contracts.taxonomy import (
    Band,
    Category,
    Consequence,
    ExposureUnit,
    Kind,
    Likelihood,
    PhysicalHarm,
    Role,
    Stage,
    Verdict,
)
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.consumer import Received
from services.runtime.db import transaction
from services.runtime.process import Context

PRIVATE = "Mrs Example lives in room 4"


@dataclass
class World:
    """A provider with one location, seen through the service of actions."""

    engine: Engine
    http: Any
    clock: Any
    provider: UUID
    make_actor: Callable[..., Actor]
    location: UUID = field(default_factory=uuid.uuid4)
    region: UUID = field(default_factory=uuid.uuid4)

    def __post_init__(self) -> None:
        self.manager = self.make_actor(Role.REGISTERED_MANAGER, locations=[self.location])
        self.lead = self.make_actor(Role.QUALITY_LEAD)
        self.owner = self.make_actor(Role.SHIFT_LEAD, locations=[self.location])

    def tell(self, event: EventData, *, version: int = 1, provider: UUID | None = None) -> None:
        """Let an event of another service arrive."""
        received = Received(
            event_id=uuid.uuid4(), type=event.TYPE, provider_id=provider or self.provider, subject=event.key,
            key=event.key, version=version, occurred_at=self.clock.now(), actor=str(uuid.UUID(int=0)),
            actor_role="service", data=event.model_dump(mode="json"), topic="test", partition=0, offset=0,
        )  # fmt: skip
        with transaction(self.engine, received.provider_id) as session:
            consumer.HANDLERS[event.TYPE](session, received)

    def reported(self, **changes: Any) -> IncidentReported:
        """A report, not told yet."""
        now = self.clock.now()
        values: dict[str, Any] = {
            "incident_id": uuid.uuid4(),
            "location_id": self.location,
            "region_id": self.region,
            "kind": Kind.INCIDENT,
            "category": Category.MEDICATION,
            "occurred_at": now,
            "reported_at": now,
            "immediate_danger": False,
            "triage_due_at": now,
        }
        return IncidentReported(**{**values, **changes})

    def incident(self, **changes: Any) -> UUID:
        """A reported incident."""
        event = self.reported(**changes)
        self.tell(event)
        return event.incident_id

    def imported(self, at: datetime, **changes: Any) -> IncidentImported:
        """An incident of the past, told."""
        values: dict[str, Any] = {
            "incident_id": uuid.uuid4(),
            "location_id": self.location,
            "region_id": self.region,
            "kind": Kind.INCIDENT,
            "category": Category.MEDICATION,
            "actual_harm": PhysicalHarm.LOW,
            "occurred_at": at,
            "reported_at": at,
            "closed_at": at,
        }
        event = IncidentImported(**{**values, **changes})
        self.tell(event)
        return event

    def exposure(self, months: list[date], quantity: str, **changes: Any) -> None:
        """Bed days for some months."""
        for month in months:
            values: dict[str, Any] = {
                "location_id": self.location,
                "month": month,
                "unit": ExposureUnit.OCCUPIED_BED_DAYS,
                "quantity": Decimal(quantity),
                "revision": 1,
            }
            self.tell(ExposureRecorded(**{**values, **changes}))

    def body(self, incident_id: UUID, **changes: Any) -> dict[str, Any]:
        """What agreeing an action says."""
        return {
            "incident_id": str(incident_id),
            "title": f"Protected lunchtime round. {PRIVATE}",
            "success_criterion": f"No missed doses. {PRIVATE}",
            "what_counts_as_proof": f"Five rounds observed. {PRIVATE}",
            "strength": "stronger",
            "owner_id": str(self.owner.id),
            "owner_role": "shift_lead",
            "due_working_days": 10,
            **changes,
        }

    def agree(self, incident_id: UUID, **changes: Any) -> dict[str, Any]:
        """Agree an action as the manager."""
        reply = self.http.post("/actions", self.manager, self.body(incident_id, **changes))
        assert reply.status_code == 201, reply.text
        found: dict[str, Any] = reply.json()
        assert reply.headers["ETag"] == f'"{found["version"]}"'
        return found

    def opening(self, incident_id: UUID, *, band: Band = Band.LOW, cycle: int = 1) -> contract.OpenActions:
        """The process asks for the actions of a cycle to be opened."""
        return contract.OpenActions(
            command_id="open", provider_id=self.provider, incident_id=incident_id, cycle=cycle,
            location_id=self.location, region_id=self.region, category=Category.MEDICATION, band=band,
        )  # fmt: skip

    def open(self, incident_id: UUID, **changes: Any) -> contract.ActionsPlan:
        """The actions of a cycle open."""
        with transaction(self.engine, self.provider) as session:
            command = self.opening(incident_id, **changes)
            return commands.open_actions(session, command, self.clock.now(), system(self.provider))

    def finish(self, action: dict[str, Any]) -> dict[str, Any]:
        """The owner proves it and says that it is done."""
        path = f"/actions/{action['action_id']}"
        proof = {"kind": "observation", "description": f"Seen on three rounds. {PRIVATE}"}
        added = self.http.post(f"{path}/evidence", self.owner, proof)
        assert added.status_code == 201, added.text
        done = self.http.post(f"{path}/completion", self.owner, version=added.json()["version"])
        assert done.status_code == 200, done.text
        found: dict[str, Any] = done.json()
        return found

    def verify(self, action: dict[str, Any], actor: Actor | None = None, **changes: Any) -> Any:
        """Somebody looks; passed unless said otherwise."""
        body = {
            "outcome": "passed", "method": "spot_check", "sample_size": 5, "compliant": 5,
            "not_drawn_reason": "There are five.", "shifts": ["day", "night"], **changes,
        }  # fmt: skip
        return self.http.post(
            f"/actions/{action['action_id']}/verification", actor or self.lead, body, version=action["version"]
        )

    def cancel(self, action: dict[str, Any], actor: Actor | None = None) -> Any:
        """An approver decides that it will not be done."""
        return self.http.post(
            f"/actions/{action['action_id']}/cancellation",
            actor or self.lead,
            {"reason": f"Replaced by another. {PRIVATE}"},
            version=action["version"],
        )

    def measure(self, checkpoint_id: Any) -> contract.Measured:
        """The process measures a checkpoint."""
        with transaction(self.engine, self.provider) as session:
            incident_id = session.get_one(Checkpoint, checkpoint_id).incident_id
            command = contract.MeasureCheckpoint(
                command_id="measure", provider_id=self.provider, incident_id=incident_id, checkpoint_id=checkpoint_id
            )
            return impact.measure_checkpoint(session, command, self.clock.now(), system(self.provider))

    def judge(self, checkpoint_id: Any, verdict: Verdict, actor: Actor | None = None, **changes: Any) -> Any:
        """A person decides on the version they read."""
        actor = actor or self.lead
        path = f"/checkpoints/{checkpoint_id}"
        version = self.http.get(path, self.lead).json()["version"]
        return self.http.post(f"{path}/decision", actor, {"verdict": verdict, **changes}, version=version)

    def events(self, incident_id: UUID) -> list[tuple[str, dict[str, Any]]]:
        """What was said of an incident: short type and data."""
        with self.engine.connect() as connection, connection.begin():
            connection.execute(text("select set_config('app.provider_id', :p, true)"), {"p": str(self.provider)})
            rows = connection.execute(
                text("select type, data from actions.outbox where key = :key order by seq"), {"key": str(incident_id)}
            )
            return [(row.type.removeprefix("plumbline.").removesuffix(".v1"), row.data) for row in rows]

    def checkpoints(self, incident_id: UUID) -> list[dict[str, Any]]:
        """The checkpoints of an incident."""
        found: list[dict[str, Any]] = self.http.get(f"/checkpoints?incident_id={incident_id}", self.lead).json()[
            "items"
        ]
        return found

    def row(self, table: Any, key: Any) -> Any:
        """A row as it is in the database."""
        with transaction(self.engine, self.provider) as session:
            return session.get(table, key)


@pytest.fixture
def world(
    client: Any,
    service_engine: Callable[[str], Engine],
    clock: Any,
    provider_id: UUID,
    actor: Callable[..., Actor],
) -> World:
    """A provider that no other test uses."""
    return World(service_engine("actions"), client("actions"), clock, provider_id, actor)


def months_before(day: date, count: int) -> list[date]:
    """The first days of the month of `day` and those before it."""
    index = day.year * 12 + day.month - 1
    return [date((index - n) // 12, (index - n) % 12 + 1, 1) for n in range(count)]


# --- from agreed to verified ---


def test_an_action_travels_from_agreed_to_verified(world: World) -> None:
    incident_id = world.incident()
    agreed = world.agree(incident_id)
    assert (agreed["status"], agreed["due_at"], agreed["cycle"]) == ("agreed", None, 1)

    plan = world.open(incident_id)
    assert [str(opened.action_id) for opened in plan.actions] == [agreed["action_id"]]
    # Monday 8 June plus ten and five working days.
    assert plan.actions[0].due_at == datetime(2026, 6, 22, 9, tzinfo=UTC)
    assert plan.agree_due_at == datetime(2026, 6, 15, 9, tzinfo=UTC)

    opened = world.http.get(f"/actions/{agreed['action_id']}", world.owner).json()
    assert opened["status"] == "open"
    done = world.finish(opened)
    assert (done["status"], done["attempt"]) == ("done", 1)
    assert datetime.fromisoformat(done["verify_due_at"]) == world.clock.now() + timedelta(days=14)

    returned = world.verify(done, world.manager, outcome="returned", compliant=3, finding=f"Two missed. {PRIVATE}")
    assert returned.status_code == 200, returned.text
    assert (returned.json()["status"], returned.json()["verify_due_at"]) == ("open", None)
    assert datetime.fromisoformat(returned.json()["due_at"]) == datetime(2026, 6, 22, 9, tzinfo=UTC)

    world.clock.advance(timedelta(days=3))
    again = world.finish(returned.json())
    verified = world.verify(again)
    assert verified.status_code == 200, verified.text
    assert (verified.json()["status"], verified.json()["attempt"]) == ("verified", 2)

    assert [kind for kind, _ in world.events(incident_id)] == [
        "action.agreed",
        "action.opened",
        "action.done",
        "action.returned",
        "action.done",
        "action.verified",
    ]
    last = world.events(incident_id)[-1][1]
    assert last["cycle_complete"] is True
    assert [datetime.fromisoformat(c["due_at"]) for c in last["checkpoints"]] == [
        world.clock.now() + timedelta(days=30)
    ]
    assert [c["checkpoint_id"] for c in world.checkpoints(incident_id)] == [
        c["checkpoint_id"] for c in last["checkpoints"]
    ]

    view = world.http.get(f"/actions/{agreed['action_id']}", world.lead)
    assert view.headers["ETag"] == f'"{view.json()["version"]}"'
    assert [e["attempt"] for e in view.json()["evidence"]] == [1, 2]
    assert [(v["attempt"], v["outcome"]) for v in view.json()["verifications"]] == [(1, "returned"), (2, "passed")]
    assert view.json()["category"] == "medication"


def test_the_audit_chain_holds_and_nothing_people_typed_leaves_the_tables(world: World) -> None:
    incident_id = world.incident()
    action = world.agree(incident_id)
    other = world.agree(incident_id)
    world.open(incident_id)
    opened = world.http.get(f"/actions/{action['action_id']}", world.lead).json()
    done = world.finish(opened)
    returned = world.verify(done, outcome="returned", compliant=0, finding=PRIVATE).json()
    world.verify(world.finish(returned), compliant=4, finding=PRIVATE)
    world.cancel(world.http.get(f"/actions/{other['action_id']}", world.lead).json())
    [checkpoint] = world.checkpoints(incident_id)
    world.clock.advance(timedelta(days=30))
    world.measure(checkpoint["checkpoint_id"])
    world.judge(checkpoint["checkpoint_id"], Verdict.NO_CHANGE, reason=PRIVATE)

    chain = world.http.get(f"/incidents/{incident_id}/audit", world.manager).json()
    assert audit.verify(chain) is None
    assert [entry["action"] for entry in chain] == [
        "agreed", "measure_frozen", "agreed", "opened", "opened", "evidence_added", "done", "returned",
        "evidence_added", "done", "verified", "cancelled", "measured", "judged",
    ]  # fmt: skip
    assert PRIVATE not in json.dumps(chain)
    events = world.events(incident_id)
    assert events[-1][0] == "impact.judged"
    assert PRIVATE not in json.dumps(events)


def test_evidence_is_needed_for_each_attempt(world: World) -> None:
    incident_id = world.incident()
    action = world.agree(incident_id)
    early = world.http.post(
        f"/actions/{action['action_id']}/evidence", world.owner, {"kind": "link", "description": "x"}
    )
    assert early.status_code == 409
    world.open(incident_id)
    action = world.http.get(f"/actions/{action['action_id']}", world.owner).json()
    path = f"/actions/{action['action_id']}/completion"
    refused = world.http.post(path, world.owner, version=action["version"])
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-evidence")
    done = world.finish(action)
    returned = world.verify(done, outcome="returned", compliant=0, finding="No.").json()
    refused = world.http.post(path, world.owner, version=returned["version"])
    assert refused.json()["title"] == "There is no new evidence since it was returned"


def test_more_evidence_makes_a_new_version_for_the_verifier(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    done = world.finish(world.agree(incident_id))
    more = {"kind": "document", "description": "The new round sheet."}
    assert world.http.post(f"/actions/{done['action_id']}/evidence", world.manager, more).status_code == 201
    stale = world.verify(done)
    assert (stale.status_code, stale.headers["ETag"]) == (412, f'"{done["version"] + 1}"')


def test_verification_is_independent(world: World) -> None:
    owner = world.make_actor(Role.QUALITY_LEAD)
    world.owner = owner
    incident_id = world.incident()
    world.open(incident_id)
    done = world.finish(world.agree(incident_id))
    own = world.verify(done, owner)
    assert own.status_code == 403
    assert "independent" in own.json()["detail"]
    assert world.cancel(done, owner).status_code == 403
    carer = world.make_actor(Role.CARER, locations=[world.location])
    assert world.verify(done, carer).status_code == 403
    assert world.verify(done, world.manager).status_code == 200


def test_only_the_owner_says_that_it_is_done(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    reply = world.http.post(f"/actions/{action['action_id']}/completion", world.manager, version=action["version"])
    assert reply.status_code == 403


def test_the_owner_sees_the_action_whatever_the_scope(world: World) -> None:
    world.owner = world.make_actor(Role.DIRECTOR, locations=[uuid.uuid4()])
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    assert world.http.get(f"/actions/{action['action_id']}", world.owner).status_code == 200
    assert [a["action_id"] for a in world.http.get("/actions", world.owner).json()["items"]] == [action["action_id"]]
    assert world.finish(action)["status"] == "done"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"compliant": 6}, "compliant"),
        ({"compliant": 4}, "finding"),
        ({"compliant": 0}, "outcome"),
        ({"outcome": "returned"}, "finding"),
        ({"sample_size": 0, "compliant": 0}, "sample_size"),
        ({"method": "phone"}, "method"),
        ({"found": "x"}, "found"),
        ({"finding": "a\u0000b"}, "finding"),
    ],
)
def test_findings_that_contradict_themselves_are_refused(world: World, changes: dict[str, Any], name: str) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    done = world.finish(world.agree(incident_id))
    refused = world.verify(done, **changes)
    assert refused.status_code == 422
    assert name in [e["field"] for e in refused.json()["errors"]]
    assert world.row(Action, done["action_id"]).status == "done"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"due_working_days": 0}, "due_working_days"),
        ({"due_working_days": 261}, "due_working_days"),
        ({"title": ""}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"success_criterion": "x" * 10_001}, "success_criterion"),
        ({"owner_role": "service"}, "owner_role"),
        ({"owner_id": "me"}, "owner_id"),
        ({"strength": "very"}, "strength"),
        ({"cycle": 2}, "cycle"),
    ],
)
def test_bad_input_names_the_field(world: World, changes: dict[str, Any], name: str) -> None:
    reply = world.http.post("/actions", world.manager, world.body(world.incident(), **changes))
    assert reply.status_code == 422
    assert [e["field"] for e in reply.json()["errors"]] == [name]


def test_who_may_agree_and_for_what(world: World) -> None:
    incident_id = world.incident()
    body = world.body(incident_id)
    assert world.http.post("/actions", world.owner, body).status_code == 403
    elsewhere = world.make_actor(Role.REGISTERED_MANAGER, locations=[uuid.uuid4()])
    out_of_scope = world.http.post("/actions", elsewhere, body)
    stranger = world.make_actor(Role.QUALITY_LEAD, provider=uuid.uuid4())
    other_provider = world.http.post("/actions", stranger, body)
    unknown = world.http.post("/actions", world.manager, world.body(uuid.uuid4()))
    assert {r.status_code for r in (out_of_scope, other_provider, unknown)} == {404}
    assert out_of_scope.json() == other_provider.json() == unknown.json()
    assert "try again in a few seconds" in unknown.json()["detail"]


def test_out_of_sight_is_404(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    action = world.finish(world.agree(incident_id))
    elsewhere = world.make_actor(Role.QUALITY_LEAD, locations=[uuid.uuid4()])
    stranger = world.make_actor(Role.QUALITY_LEAD, provider=uuid.uuid4())
    world.verify(action)
    [checkpoint] = world.checkpoints(incident_id)
    for actor in (elsewhere, stranger):
        for path in (
            f"/actions/{action['action_id']}",
            f"/checkpoints/{checkpoint['checkpoint_id']}",
            f"/incidents/{incident_id}/audit",
        ):
            assert world.http.get(path, actor).status_code == 404
        assert world.verify(action, actor).status_code == 404
        assert world.cancel(action, actor).status_code == 404
        assert world.http.get("/actions", actor).json()["items"] == []
        assert world.http.get(f"/checkpoints?incident_id={incident_id}", actor).json()["items"] == []
    regional = world.make_actor(Role.REGIONAL_MANAGER, regions=[world.region])
    assert world.http.get(f"/actions/{action['action_id']}", regional).status_code == 200


def test_a_write_needs_its_headers_and_happens_once(world: World) -> None:
    incident_id = world.incident()
    body, key = world.body(incident_id), str(uuid.uuid4())
    assert world.http.post("/actions", world.manager, body, headers={"Idempotency-Key": ""}).status_code == 422
    first = world.http.post("/actions", world.manager, body, key=key)
    second = world.http.post("/actions", world.manager, body, key=key)
    assert first.json() == second.json()
    assert first.headers["ETag"] == second.headers["ETag"]
    assert world.http.post("/actions", world.manager, {**body, "title": "Other"}, key=key).status_code == 422
    assert len(world.http.get(f"/actions?incident_id={incident_id}", world.lead).json()["items"]) == 1
    world.open(incident_id)
    action = world.http.get(f"/actions/{first.json()['action_id']}", world.lead).json()
    path = f"/actions/{action['action_id']}"
    assert world.http.post(f"{path}/completion", world.owner).status_code == 428
    assert world.http.post(f"{path}/cancellation", world.lead, {"reason": "x"}, version=99).status_code == 412


def test_lists_are_filtered_and_paged(world: World) -> None:
    incident_id, other = world.incident(), world.incident()
    world.open(incident_id)
    made = [world.agree(incident_id)["action_id"] for _ in range(5)]
    world.agree(other)
    assert [a["status"] for a in world.http.get(f"/actions?incident_id={other}", world.lead).json()["items"]] == [
        "agreed"
    ]
    seen, cursor = [], ""
    for _ in range(3):
        page = world.http.get(f"/actions?incident_id={incident_id}&status=open&limit=2{cursor}", world.lead).json()
        seen += [item["action_id"] for item in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert seen == made[::-1]
    assert page["next"] is None
    assert len(world.http.get(f"/actions?owner_id={world.owner.id}", world.lead).json()["items"]) == 6
    assert world.http.get(f"/actions?owner_id={world.lead.id}", world.lead).json()["items"] == []
    assert world.http.get("/actions?cursor=nonsense", world.lead).status_code == 422


# --- opening ---


def test_opening_happens_once_and_freezes_the_measure(world: World) -> None:
    world.exposure([date(2026, 5, 1)], "300", unit=ExposureUnit.CARE_HOURS)
    world.exposure([date(2026, 4, 1)], "300")
    incident_id = world.incident()
    world.agree(incident_id)
    first = world.open(incident_id, band=Band.HIGH)
    world.clock.advance(timedelta(days=1))
    second = world.open(incident_id, band=Band.LOW)
    assert first.actions == second.actions
    improvement = world.row(Improvement, (incident_id, 1))
    assert (improvement.band, improvement.unit) == ("high", "care_hours")
    assert (improvement.baseline_first, improvement.baseline_until) == (date(2025, 6, 1), date(2026, 6, 8))
    assert [kind for kind, _ in world.events(incident_id)] == ["action.agreed", "action.opened"]


def test_an_action_agreed_while_the_others_run_opens_at_once(world: World) -> None:
    incident_id = world.incident()
    assert world.open(incident_id).actions == []
    late = world.agree(incident_id)
    assert late["status"] == "open"
    assert [(kind, data.get("late")) for kind, data in world.events(incident_id)] == [
        ("action.agreed", None),
        ("action.opened", True),
    ]
    assert [str(a.action_id) for a in world.open(incident_id).actions] == [late["action_id"]]


def test_opening_works_before_the_report_has_arrived_here(world: World) -> None:
    event = world.reported()
    assert world.open(event.incident_id).actions == []
    assert world.http.post("/actions", world.manager, world.body(event.incident_id)).status_code == 404
    world.tell(event)
    assert world.agree(event.incident_id)["status"] == "open"


def test_an_ended_incident_takes_no_actions_and_a_new_cycle_does(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    world.verify(world.finish(world.agree(incident_id)))
    complete = world.http.post("/actions", world.manager, world.body(incident_id))
    assert (complete.status_code, complete.json()["type"]) == (409, "/problems/cycle-complete")
    closed = StageEntered(incident_id=incident_id, cycle=1, stage=Stage.CLOSED, due_at=None, next_move=None)
    world.tell(closed, version=9)
    ended = world.http.post("/actions", world.manager, world.body(incident_id))
    assert (ended.status_code, ended.json()["type"]) == (409, "/problems/already-ended")
    world.tell(IncidentReopened(incident_id=incident_id, cycle=2, stage=Stage.ACTING), version=10)
    world.tell(closed, version=9)
    again = world.agree(incident_id)
    assert (again["cycle"], again["status"]) == (2, "agreed")
    assert [str(a.action_id) for a in world.open(incident_id, cycle=2).actions] == [again["action_id"]]


# --- completing a cycle ---


def test_the_last_verified_action_plans_the_checkpoints(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id, band=Band.EXTREME)
    first, second = world.agree(incident_id), world.agree(incident_id)
    world.verify(world.finish(first))
    assert world.events(incident_id)[-1][1]["cycle_complete"] is False
    assert world.checkpoints(incident_id) == []
    world.verify(world.finish(second))
    due = [datetime.fromisoformat(c["due_at"]) - world.clock.now() for c in world.checkpoints(incident_id)]
    assert due == [timedelta(days=30), timedelta(days=90), timedelta(days=180)]


def test_two_last_verifications_at_once_plan_once(world: World) -> None:
    """Each would see the other not verified yet, without the lock on the cycle."""
    incident_id = world.incident()
    world.open(incident_id, band=Band.HIGH)
    first, second = (world.finish(world.agree(incident_id)) for _ in range(2))
    command = verification.VerifyAction.model_validate(
        {
            "outcome": "passed",
            "method": "people_asked",
            "sample_size": 1,
            "compliant": 1,
            "not_drawn_reason": "One.",
            "shifts": ["day", "night"],
        }
    )

    def verify(session: Any, action: dict[str, Any]) -> None:
        at = world.clock.now()
        verification.verify_action(session, world.lead, UUID(action["action_id"]), command, action["version"], at)

    def meanwhile() -> None:
        with transaction(world.engine, world.provider) as session:
            verify(session, second)

    with at_once(world, meanwhile) as session:
        verify(session, first)
    verified = [data["cycle_complete"] for kind, data in world.events(incident_id) if kind == "action.verified"]
    assert verified == [False, True]
    assert len(world.checkpoints(incident_id)) == 3


def test_agreeing_and_opening_at_once_leaves_no_action_behind(world: World) -> None:
    """An action agreed while the others are being opened waits for that, and opens at once."""
    incident_id = world.incident()
    world.agree(incident_id)
    command = commands.AgreeAction.model_validate_json(json.dumps(world.body(incident_id)))

    def meanwhile() -> None:
        with transaction(world.engine, world.provider) as session:
            commands.agree_action(session, world.manager, command, world.clock.now())

    with at_once(world, meanwhile) as session:
        commands.open_actions(session, world.opening(incident_id), world.clock.now(), system(world.provider))
    actions = world.http.get(f"/actions?incident_id={incident_id}", world.lead).json()["items"]
    assert [action["status"] for action in actions] == ["open", "open"]


@contextmanager
def at_once(world: World, meanwhile: Callable[[], object]) -> Iterator[Any]:
    """A transaction that commits only after `meanwhile` had every chance to overtake it."""
    other = threading.Thread(target=meanwhile)
    with transaction(world.engine, world.provider) as session:
        yield session
        other.start()
        other.join(timeout=0.5)
    other.join()


def test_a_cancelled_last_action_completes_what_others_verified(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    first, second = world.agree(incident_id), world.agree(incident_id)
    world.verify(world.finish(first))
    verified_at = world.clock.now()
    world.clock.advance(timedelta(days=5))
    assert world.cancel(second, world.manager).status_code == 403
    assert world.cancel(second).status_code == 200
    kind, data = world.events(incident_id)[-1]
    assert (kind, data["cycle_complete"], len(data["checkpoints"])) == ("action.cancelled", True, 1)
    assert world.row(Improvement, (incident_id, 1)).effective_at == verified_at


def test_all_cancelled_leaves_nothing_to_measure(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    action = world.agree(incident_id)
    cancelled = world.cancel(action)
    assert cancelled.json()["status"] == "cancelled"
    data = world.events(incident_id)[-1][1]
    assert (data["cycle_complete"], data["checkpoints"]) == (True, [])
    assert world.cancel(cancelled.json()).status_code == 409
    assert world.open(incident_id).actions == []


def test_cancelled_before_opening_does_not_complete_the_cycle(world: World) -> None:
    incident_id = world.incident()
    world.cancel(world.agree(incident_id))
    assert world.events(incident_id)[-1][1]["cycle_complete"] is False
    assert world.open(incident_id).actions == []
    assert world.agree(incident_id)["status"] == "open"


# --- effect ---


def improved(world: World, *, band: Band, before: int, after: int) -> UUID:
    """A year with `before` incidents at 300 bed days a month, then `after` in the thirty days since verification."""
    now = world.clock.now()
    world.exposure(months_before(now.date(), 14), "300")
    world.exposure([date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)], "3000")
    for n in range(before):
        at = now - timedelta(days=1 + n * 360 // before)
        world.imported(at)
        world.imported(at, kind=Kind.NEAR_MISS)
        if n % 12 == 0:
            world.imported(at, category=Category.FALL)
    incident_id = world.incident()
    world.open(incident_id, band=band)
    world.verify(world.finish(world.agree(incident_id)))
    for n in range(after):
        world.imported(now + timedelta(days=2 + n))
    # People go on reporting as before.
    for n in range(120):
        world.imported(now + timedelta(days=1 + n), category=Category.FALL)
    return incident_id


def test_measured_twice_counts_once(world: World) -> None:
    incident_id = improved(world, band=Band.LOW, before=30, after=2)
    [checkpoint] = world.checkpoints(incident_id)
    world.clock.advance(timedelta(days=30))
    planned = world.http.get(f"/checkpoints/{checkpoint['checkpoint_id']}", world.manager).json()
    assert (planned["events"], planned["baseline_per_1000"], planned["ratio"]) == (None, None, None)
    measured = world.measure(checkpoint["checkpoint_id"])
    # Wednesday 8 July plus five working days.
    assert measured.decide_due_at == datetime(2026, 7, 15, 9, tzinfo=UTC)
    world.imported(world.clock.now() - timedelta(days=3))
    assert world.measure(checkpoint["checkpoint_id"]) == measured
    assert [kind for kind, _ in world.events(incident_id)].count("checkpoint.measured") == 1

    reply = world.http.get(f"/checkpoints/{checkpoint['checkpoint_id']}", world.manager)
    view = reply.json()
    assert reply.headers["ETag"] == '"2"'
    # 9 June to 7 July: 22 of 30 days of June at 300, 7 of 31 days of July at 3,000.
    assert Decimal(view["exposure"]) == Decimal("897.42")
    # June 2025 to May 2026. June 2026 is the month of the incident, and one of the thirty came in it.
    assert Decimal(view["baseline_exposure"]) == Decimal("3600.00")
    assert (view["baseline_events"], view["events"]) == (29, 2)
    assert (view["baseline_near_miss_share"], view["near_miss_share"]) == (0.5, 0)
    assert view["baseline_per_1000"] == pytest.approx(29 / 3.6)
    assert view["ratio"] == pytest.approx(2 / 897.42 / (29 / 3600))
    assert (view["ratio_low"] < view["ratio"] < view["ratio_high"], view["proposed"]) == (True, "no_change")


def test_one_later_point_is_never_enough_to_be_sustained(world: World) -> None:
    incident_id = improved(world, band=Band.LOW, before=60, after=0)
    [checkpoint] = world.checkpoints(incident_id)
    early = world.judge(checkpoint["checkpoint_id"], Verdict.IMPROVING)
    assert (early.status_code, early.json()["type"]) == (409, "/problems/not-measured")
    world.clock.advance(timedelta(days=30))
    world.measure(checkpoint["checkpoint_id"])
    kind, data = world.events(incident_id)[-1]
    assert (kind, data["proposed"], data["rule"]) == ("checkpoint.measured", "improving_not_yet_proven", "rate-fell")
    assert world.judge(checkpoint["checkpoint_id"], Verdict.IMPROVING, world.manager).status_code == 403
    without = world.judge(checkpoint["checkpoint_id"], Verdict.SUSTAINED)
    assert (without.status_code, without.json()["errors"][0]["field"]) == (422, "reason")
    misplaced = world.judge(checkpoint["checkpoint_id"], Verdict.IMPROVING, reopen_at="acting")
    assert (misplaced.status_code, misplaced.json()["errors"][0]["field"]) == (422, "reopen_at")
    judged = world.judge(checkpoint["checkpoint_id"], Verdict.IMPROVING)
    assert (judged.status_code, judged.json()["status"]) == (200, "judged")
    assert world.judge(checkpoint["checkpoint_id"], Verdict.IMPROVING).status_code == 409
    world.clock.advance(timedelta(days=60))
    second = world.checkpoints(incident_id)[-1]
    world.measure(second["checkpoint_id"])
    kind, data = world.events(incident_id)[-1]
    assert (data["proposed"], data["rule"]) == ("improved_and_sustained", "rate-fell-and-stayed")
    world.judge(second["checkpoint_id"], Verdict.SUSTAINED)
    kind, data = world.events(incident_id)[-1]
    assert (kind, data["agreed_with_proposal"], data["next_checkpoint"]) == ("impact.judged", True, None)


def test_what_is_not_proven_goes_on_to_the_next_checkpoint(world: World) -> None:
    incident_id = improved(world, band=Band.MODERATE, before=60, after=0)
    first, second = world.checkpoints(incident_id)
    world.clock.advance(timedelta(days=30))
    world.measure(first["checkpoint_id"])
    assert world.events(incident_id)[-1][1]["proposed"] == "improving_not_yet_proven"
    world.judge(first["checkpoint_id"], Verdict.IMPROVING)
    assert world.events(incident_id)[-1][1]["next_checkpoint"]["checkpoint_id"] == second["checkpoint_id"]
    world.clock.advance(timedelta(days=60))
    world.measure(second["checkpoint_id"])
    assert world.events(incident_id)[-1][1]["proposed"] == "improved_and_sustained"
    world.judge(second["checkpoint_id"], Verdict.IMPROVING, reason="The manager changed; look again.")
    planned = world.events(incident_id)[-1][1]
    assert planned["agreed_with_proposal"] is False
    assert datetime.fromisoformat(planned["next_checkpoint"]["due_at"]) == world.clock.now() + timedelta(days=60)
    assert [c["number"] for c in world.checkpoints(incident_id)] == [1, 2, 3]


def test_cannot_judge_never_closes(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    world.verify(world.finish(world.agree(incident_id)))
    for number in range(1, 4):
        checkpoint = world.checkpoints(incident_id)[-1]
        assert checkpoint["number"] == number
        world.clock.advance(timedelta(days=60))
        world.measure(checkpoint["checkpoint_id"])
        assert world.events(incident_id)[-1][1]["rule"] == "no-exposure"
        world.judge(checkpoint["checkpoint_id"], Verdict.CANNOT_JUDGE)
        assert world.events(incident_id)[-1][1]["next_checkpoint"] is not None


def test_a_final_verdict_drops_what_was_planned(world: World) -> None:
    incident_id = improved(world, band=Band.HIGH, before=6, after=28)
    first, *_ = world.checkpoints(incident_id)
    world.clock.advance(timedelta(days=30))
    world.measure(first["checkpoint_id"])
    assert world.events(incident_id)[-1][1]["proposed"] == "worse"
    world.judge(first["checkpoint_id"], Verdict.WORSE, reopen_at="acting")
    judged = world.events(incident_id)[-1][1]
    assert (judged["next_checkpoint"], judged["reopen_at"]) == (None, "acting")
    assert [c["status"] for c in world.checkpoints(incident_id)] == ["judged", "dropped", "dropped"]


# --- what is counted ---


def observe(world: World, first: date, until: date, unit: ExposureUnit = ExposureUnit.OCCUPIED_BED_DAYS) -> Observed:
    """What the service would count."""
    with transaction(world.engine, world.provider) as session:
        return counting.observe(
            session, counting.Measure(world.provider, Category.MEDICATION, unit), Window(first, until)
        )


def test_only_where_there_is_exposure_in_the_unit(world: World) -> None:
    home_care, silent = uuid.uuid4(), uuid.uuid4()
    at = datetime(2026, 5, 10, 12, tzinfo=UTC)
    world.exposure([date(2026, 5, 1)], "310")
    world.exposure([date(2026, 5, 1)], "5000", location_id=home_care, unit=ExposureUnit.CARE_HOURS)
    for location in (world.location, home_care, silent):
        world.imported(at, location_id=location)
    world.imported(datetime(2026, 4, 10, 12, tzinfo=UTC))
    assert observe(world, date(2026, 4, 1), date(2026, 6, 1)) == Observed(1, 0, Decimal("310.00"))
    assert observe(world, date(2026, 5, 1), date(2026, 5, 11)) == Observed(1, 0, Decimal("100.00"))
    assert observe(world, date(2026, 5, 1), date(2026, 5, 10)) == Observed(0, 0, Decimal("90.00"))
    assert observe(world, date(2026, 5, 1), date(2026, 6, 1), ExposureUnit.CARE_HOURS) == Observed(
        1, 0, Decimal("5000.00")
    )
    assert observe(world, date(2026, 5, 11), date(2026, 5, 1)) == Observed(0, 0, Decimal(0))


def test_the_newest_revision_of_exposure_counts(world: World) -> None:
    month = [date(2026, 5, 1)]
    world.exposure(month, "200", revision=2)
    world.exposure(month, "100", revision=1)
    world.exposure(month, "200", revision=2)
    assert observe(world, date(2026, 5, 1), date(2026, 6, 1)).exposure == 200
    world.exposure(month, "0", revision=3)
    world.imported(datetime(2026, 5, 10, 12, tzinfo=UTC))
    assert observe(world, date(2026, 5, 1), date(2026, 6, 1)) == Observed(0, 0, Decimal("0.00"))


def test_a_withdrawn_or_duplicate_incident_is_not_counted_in_any_order(world: World) -> None:
    world.exposure([date(2026, 6, 1)], "300")
    month = (date(2026, 6, 1), date(2026, 7, 1))
    early, late, doubled, kept = (world.reported() for _ in range(4))
    near_miss = world.reported(kind=Kind.NEAR_MISS)
    world.tell(IncidentWithdrawn(incident_id=early.incident_id), version=2)
    for event in (early, late, doubled, kept, near_miss, world.reported(kind=Kind.GOOD_CARE)):
        world.tell(event)
        world.tell(event)
    assert observe(world, *month) == Observed(3, 1, Decimal("300.00"))
    for _ in range(2):
        world.tell(IncidentWithdrawn(incident_id=late.incident_id), version=2)
        world.tell(IncidentMarkedDuplicate(incident_id=doubled.incident_id, duplicate_of=kept.incident_id), version=2)
        world.tell(IncidentWithdrawn(incident_id=near_miss.incident_id), version=2)
    assert observe(world, *month) == Observed(1, 0, Decimal("300.00"))
    assert world.http.post("/actions", world.manager, world.body(early.incident_id)).status_code == 409


def test_a_day_is_a_day_in_england(world: World) -> None:
    world.exposure([date(2026, 5, 1), date(2026, 6, 1)], "310")
    world.imported(datetime(2026, 5, 31, 23, 30, tzinfo=UTC))
    assert observe(world, date(2026, 5, 1), date(2026, 6, 1)).events == 0
    assert observe(world, date(2026, 6, 1), date(2026, 6, 2)).events == 1


def test_events_of_an_incident_may_come_in_any_order(world: World) -> None:
    report = world.reported()
    triaged = IncidentTriaged(
        incident_id=report.incident_id, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=Consequence.MAJOR,
        likelihood=Likelihood.POSSIBLE, score=12, band=Band.HIGH, by_default=False, rule="otherwise",
        policy_version="test", overridden=False,
    )  # fmt: skip
    later = StageEntered(incident_id=report.incident_id, cycle=2, stage=Stage.REVIEWING, due_at=None, next_move=None)
    before = StageEntered(incident_id=report.incident_id, cycle=1, stage=Stage.CLOSED, due_at=None, next_move=None)
    world.tell(later, version=8)
    world.tell(before, version=7)
    world.tell(triaged, version=2)
    assert world.http.post("/actions", world.manager, world.body(report.incident_id)).status_code == 404
    world.tell(report)
    incident = world.row(Incident, report.incident_id)
    assert (incident.cycle, incident.ended, incident.band) == (2, False, "high")
    action = world.agree(report.incident_id)
    assert action["cycle"] == 2
    assert world.http.get(f"/actions/{action['action_id']}", world.lead).json()["band"] == "high"


# --- the house ---


def test_what_was_opened_for_a_withdrawn_incident_ends_with_it(world: World) -> None:
    context = Context(world.engine, world.engine, world.clock)
    by_name = {vars(made)["__temporal_activity_definition"].name: made for made in activities.build(context)}
    incident_id = world.incident()
    agreed = world.agree(incident_id)
    end = contract.EndActions(command_id="end", provider_id=world.provider, incident_id=incident_id)
    for _ in range(2):
        ActivityEnvironment().run(by_name[contract.END_ACTIONS], end)
    read = world.http.get(f"/actions/{agreed['action_id']}", world.lead).json()
    assert (read["status"], read["version"]) == ("cancelled", agreed["version"] + 1)


def test_the_activities_are_those_of_the_contract(world: World) -> None:
    context = Context(world.engine, world.engine, world.clock)
    by_name = {vars(made)["__temporal_activity_definition"].name: made for made in activities.build(context)}
    assert set(by_name) == {
        contract.OPEN_ACTIONS,
        contract.MEASURE_CHECKPOINT,
        contract.REMIND_OWNER,
        contract.REMIND_VERIFIER,
        contract.ASK_RECHECK,
        contract.END_ACTIONS,
        "actions.republish",
        "actions.erase",
        "actions.files_in_use",
        "actions.clear_replies",
    }
    incident_id = world.incident()
    world.agree(incident_id)
    common: dict[str, Any] = {"command_id": "x", "provider_id": world.provider, "incident_id": incident_id}
    plan = ActivityEnvironment().run(
        by_name[contract.OPEN_ACTIONS],
        contract.OpenActions(
            cycle=1, location_id=world.location, region_id=None, category=Category.MEDICATION, band=Band.LOW, **common
        ),
    )
    assert len(plan.actions) == 1
    world.verify(world.finish(world.http.get(f"/actions/{plan.actions[0].action_id}", world.lead).json()))
    [checkpoint] = world.checkpoints(incident_id)
    measured = ActivityEnvironment().run(
        by_name[contract.MEASURE_CHECKPOINT],
        contract.MeasureCheckpoint(checkpoint_id=checkpoint["checkpoint_id"], **common),
    )
    assert measured.decide_due_at > world.clock.now()
    sent = ActivityEnvironment().run(by_name["actions.republish"], contract.Republish(**common))
    assert sent == len(world.events(incident_id)) == 5


def test_another_provider_sees_no_row_of_any_table(world: World) -> None:
    world.exposure([date(2026, 6, 1)], "300")
    incident_id = world.incident()
    world.open(incident_id)
    world.verify(world.finish(world.agree(incident_id)))
    tables = text("select table_name from information_schema.tables where table_schema = 'actions' order by 1")
    with world.engine.connect() as connection:
        names = [name for name in connection.scalars(tables) if name != "migration"]
    assert len(names) >= 14
    # The consumer itself, which is not running here, writes the first; of the others there is none here.
    empty = {"inbox", "parked_event", "restriction", "finding", "proof_item", "dependency", "weaker_accepted"}
    empty |= {"indicator", "indicator_definition", "indicator_value"}
    empty |= {"person", "absence", "sample_draw", "sample_item", "recheck", "extension", "cancellation_request"}
    empty |= {"location", "site", "served", "evidence_file", "opening", "policy_version", "erasure"}
    for provider, holds in ((world.provider, True), (uuid.uuid4(), False)):
        for name in names:
            with transaction(world.engine, provider) as session:
                found = session.scalar(text(f"select count(*) from actions.{name}")) or 0
            assert bool(found) is (holds and name not in empty), name
    with world.engine.connect() as connection:
        assert connection.scalar(select(Action.action_id)) is None
