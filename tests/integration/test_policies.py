"""A provider's own policy: checked, proposed by one person, published by another, and from then on what decides."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from services.contracts import activities as contract
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm
from services.contracts.topics import EVENTS
from services.intake import policy as triage
from services.review import activities, policy
from services.runtime import audit, db
from services.runtime.actor import Actor
from services.runtime.process import Context

ROOT = Path(__file__).parents[2] / "services"
SHIPPED = (ROOT / "review/policies/default.yaml").read_text()
OWN = SHIPPED.replace("version: default-3", "version: own-1").replace(
    "method: after_action_review", "method: mdt_review"
)


@pytest.fixture
def engine(service_engine: Callable[[str], Engine]) -> Engine:
    """Review's database."""
    return service_engine("review")


@pytest.fixture
def api(client: Callable[[str], Any]) -> Any:
    """Review over HTTP."""
    return client("review")


@pytest.fixture
def opened(engine: Engine, clock: Any, provider_id: UUID, place: Callable[..., UUID]) -> Callable[..., Any]:
    """Opens the review of a moderate medication incident, or asks again after a later triage; answers its row."""
    made = {a.__name__: a for a in activities.build(Context(engine=engine, system_engine=engine, clock=clock))}
    location_id = place("review")

    def run(incident_id: UUID | None = None, revision: int = 1) -> Any:
        command = contract.OpenReview(
            command_id="open", provider_id=provider_id, incident_id=incident_id or uuid.uuid4(), cycle=1,
            location_id=location_id, region_id=None, kind=Kind.INCIDENT, category=Category.MEDICATION,
            actual_harm=PhysicalHarm.LOW, band=Band.MODERATE, triage_revision=revision,
        )  # fmt: skip
        made["open_review"](command)
        with db.transaction(engine, provider_id) as session:
            query = text("select method, rule, policy_version from review.review where incident_id = :i")
            return command.incident_id, *session.execute(query, {"i": command.incident_id}).one()

    return run


def drafted(api: Any, actor: Actor, source: str = OWN, name: str = "review") -> Any:
    answer = api.post("/policies", actor, {"name": name, "source": source})
    assert answer.status_code == 201, answer.text
    return answer.json()["policy_id"]


def published(api: Any, writer: Actor, publisher: Actor, source: str = OWN, name: str = "review") -> Any:
    policy_id = drafted(api, writer, source, name)
    assert api.post(f"/policies/{policy_id}/proposal", writer, version=1).status_code == 200
    answer = api.post(f"/policies/{policy_id}/publication", publisher, version=2)
    assert answer.status_code == 200, answer.text
    return policy_id


def test_a_second_person_publishes_it_and_it_decides(
    api: Any, engine: Engine, actor: Callable[..., Actor], provider_id: UUID, opened: Callable[..., Any]
) -> None:
    quality, director = actor("quality_lead"), actor("director")
    running, *before = opened()
    assert before == ["after_action_review", "moderate-risk", "default-3"]
    policy_id = published(api, quality, director)
    assert opened()[1:] == ("mdt_review", "moderate-risk", "own-1")
    # A running review keeps the version it was opened with, until the incident is triaged again.
    assert opened(running)[1:] == ("after_action_review", "moderate-risk", "default-3")
    assert opened(running, revision=2)[1:] == ("mdt_review", "moderate-risk", "own-1")
    with db.transaction(engine, provider_id) as session:
        chain = audit.read(session, "review", UUID(policy_id))
        said = session.execute(text("select type, data from review.outbox where key = :key"), {"key": policy_id}).one()
    assert [entry["action"] for entry in chain] == ["policy_drafted", "policy_proposed", "policy_published"]
    assert audit.verify(chain) is None
    event = EVENTS[said.type].model_validate(said.data)
    assert event.model_dump(mode="json").keys() == {"policy_id", "name", "policy_version", "sha256"}
    view = api.get(f"/policies/{policy_id}", quality)
    assert (view.json()["source"], view.headers["ETag"]) == (OWN, '"3"')


def test_who_wrote_or_proposed_it_does_not_publish_it(api: Any, actor: Callable[..., Actor], engine: Engine) -> None:
    writer, proposer, carer = actor("quality_lead"), actor("director"), actor("carer")
    policy_id = drafted(api, writer)
    assert api.post(f"/policies/{policy_id}/publication", proposer, version=1).status_code == 409
    assert api.post(f"/policies/{policy_id}/proposal", proposer, version=1).status_code == 200
    for one in (writer, proposer):
        refused = api.post(f"/policies/{policy_id}/publication", one, version=2)
        assert (refused.status_code, "second person" in refused.json()["detail"]) == (403, True)
    assert api.post(f"/policies/{policy_id}/publication", carer, version=2).status_code == 403
    assert api.post(f"/policies/{policy_id}/publication", actor("safeguarding_lead"), version=2).status_code == 403
    with pytest.raises(IntegrityError), db.transaction(engine, writer.provider_id) as session:
        session.execute(
            text(
                "update review.policy_version set state = 'published', published_by = drafted_by where policy_id = :i"
            ),
            {"i": policy_id},
        )
    assert api.post(f"/policies/{policy_id}/publication", actor("quality_lead"), version=1).status_code == 412
    assert api.post(f"/policies/{policy_id}/publication", actor("quality_lead"), version=2).status_code == 200


def test_the_next_replaces_it_and_retired_the_shipped_one_counts(
    api: Any, actor: Callable[..., Actor], opened: Callable[..., Any]
) -> None:
    quality, director = actor("quality_lead"), actor("director")
    first = published(api, quality, director)
    second = published(api, quality, director, OWN.replace("own-1", "own-2"))
    rows = {row["policy_id"]: row["state"] for row in api.get("/policies?name=review", quality).json()["items"]}
    assert rows == {first: "retired", second: "published"}
    assert opened()[3] == "own-2"
    assert api.post(f"/policies/{second}/retirement", actor("safeguarding_lead"), version=3).status_code == 403
    assert api.post(f"/policies/{second}/retirement", director, version=3).status_code == 200
    assert opened()[3] == "default-3"
    again = api.post("/policies", quality, {"name": "review", "source": OWN})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/version-taken")


def test_a_bad_one_is_refused_by_line_and_nothing_is_kept(api: Any, actor: Callable[..., Actor]) -> None:
    quality = actor("quality_lead")
    bad = OWN.replace("method: structured_review", "method: chat_with_mrs_smith")
    line = next(n for n, row in enumerate(bad.splitlines(), 1) if "chat_with" in row)
    refused = api.post("/policies", quality, {"name": "review", "source": bad})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == f"line {line}: rules.3.method"
    assert "mrs_smith" not in refused.text
    checked = api.post("/policies/checks", quality, {"name": "review", "source": bad})
    assert (checked.status_code, checked.json()["ok"], checked.json()["problems"][0]["line"]) == (200, False, line)
    assert api.post("/policies/checks", quality, {"name": "review", "source": OWN}).json()["ok"]
    assert api.post("/policies", quality, {"name": "review", "source": SHIPPED}).status_code == 422
    assert api.post("/policies", quality, {"name": "weather", "source": OWN}).status_code == 422
    assert api.get("/policies", quality).json()["items"] == []


def test_another_provider_goes_by_its_own(
    api: Any, actor: Callable[..., Actor], engine: Engine, provider_id: UUID
) -> None:
    policy_id = published(api, actor("quality_lead"), actor("director"))
    stranger = Actor(id=uuid.uuid4(), provider_id=uuid.uuid4(), roles=frozenset({"quality_lead"}), all_locations=True)
    assert api.get(f"/policies/{policy_id}", stranger).status_code == 404
    with db.transaction(engine, stranger.provider_id) as session:
        assert policy.current(session, stranger.provider_id).version == "default-3"
    with db.transaction(engine, provider_id) as session:
        assert policy.current(session, provider_id).version == "own-1"


def test_triage_goes_by_a_policy_of_its_own_too(
    client: Callable[[str], Any],
    actor: Callable[..., Actor],
    service_engine: Callable[[str], Engine],
    provider_id: UUID,
) -> None:
    source = (ROOT / "intake/policies/default.yaml").read_text()
    version = triage.shipped().version
    own = source.replace(f"version: {version}", "version: own-1")
    published(client("intake"), actor("quality_lead"), actor("director"), own, "triage")
    with db.transaction(service_engine("intake"), provider_id) as session:
        assert triage.current(session, provider_id).version == "own-1"
