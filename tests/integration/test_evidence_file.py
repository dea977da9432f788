"""Files of evidence: kept whole, by those who may see the action, while the attempt that they belong to lasts."""

import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.runtime.actor import Actor
from services.runtime.db import transaction
from tests.integration.test_actions import World
from tests.integration.test_agreeing import refusal
from tests.integration.test_details import png

PICTURE = png()
ANOTHER = PICTURE + b"\0"


@pytest.fixture
def world(
    client: Any, service_engine: Callable[[str], Engine], clock: Any, provider_id: UUID, actor: Callable[..., Actor]
) -> World:
    """A provider that no other test uses."""
    return World(service_engine("actions"), client("actions"), clock, provider_id, actor)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the files lie."""
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    return tmp_path / "kept"


def opened(world: World) -> tuple[str, str]:
    """The path of an open action, and that of its only piece of evidence."""
    incident_id = world.incident()
    action = world.agree(incident_id)
    world.open(incident_id)
    path = f"/actions/{action['action_id']}"
    world.http.post(f"{path}/evidence", world.owner, {"kind": "document", "description": "The new chart."})
    [evidence] = world.http.get(path, world.owner).json()["evidence"]
    return path, f"{path}/evidence/{evidence['evidence_id']}/files"


def add(world: World, path: str, content: bytes, kind: str = "image/png", name: str = "chart.png", **more: Any) -> Any:
    return world.http.call(
        "POST", path, more.pop("by", world.owner), files={"file": (name, io.BytesIO(content), kind)}, **more
    )


def test_a_file_is_kept_whole_and_shown_with_its_evidence(world: World, kept: Path) -> None:
    action, files = opened(world)
    before = world.http.get(action, world.owner).json()["version"]
    made = add(world, files, PICTURE, key="chart-once")
    assert made.status_code == 201, made.text
    assert add(world, files, PICTURE, key="chart-once").json() == made.json()
    assert add(world, files, PICTURE).json() == made.json(), "the same content twice is one file"
    seen = world.http.get(action, world.lead).json()
    assert seen["evidence"][0]["files"] == [made.json()]
    assert seen["version"] == before + 1, "whoever verifies decides on what there is"
    fetched = world.http.get(f"{files}/{made.json()['file_id']}", world.lead)
    assert fetched.content == PICTURE
    assert fetched.headers["Content-Disposition"] == "attachment"
    with transaction(world.engine, world.provider) as session:
        events = str(session.execute(text("select data from actions.outbox")).all())
        entries = session.scalars(
            text("select data from actions.audit_entry where action = 'evidence_file_added'")
        ).all()
    assert "chart.png" not in events
    assert [entry["sha256"] for entry in entries] == [made.json()["sha256"]]
    assert "chart.png" not in str(entries)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "image/png"), (b"no picture", "image/png"), (PICTURE, "application/pdf"), (PICTURE, "text/html"), (b"x" * 10_000_001, "image/png")],
    ids=["empty", "not what it says", "another type", "a type that is not taken", "too large"],
)  # fmt: skip
def test_what_is_not_taken_is_refused_and_nothing_is_kept(world: World, kept: Path, content: bytes, kind: str) -> None:
    action, files = opened(world)
    assert refusal(add(world, files, content, kind)) == (422, "file")
    assert world.http.get(action, world.owner).json()["evidence"][0]["files"] == []
    assert not kept.exists()


def test_out_of_sight_is_404(world: World, kept: Path) -> None:
    action, files = opened(world)
    file_id = add(world, files, PICTURE).json()["file_id"]
    other, _ = opened(world)
    stranger = world.make_actor("registered_manager", locations=[uuid.uuid4()])
    assert add(world, files, ANOTHER, by=stranger).status_code == 404
    assert world.http.get(f"{files}/{file_id}", stranger).status_code == 404
    evidence_id = files.split("/")[-2]
    assert world.http.get(f"{other}/evidence/{evidence_id}/files/{file_id}", world.owner).status_code == 404
    assert add(world, f"{action}/evidence/{uuid.uuid4()}/files", PICTURE).status_code == 404


def test_an_attempt_that_has_ended_takes_no_files(world: World, kept: Path) -> None:
    action, files = opened(world)
    done = world.http.post(
        f"{action}/completion", world.owner, version=world.http.get(action, world.owner).json()["version"]
    )
    assert done.status_code == 200, done.text
    assert add(world, files, PICTURE).status_code == 201, "until somebody has looked"
    seen = world.http.get(action, world.lead).json()
    assert world.verify(seen, outcome="returned", compliant=0, finding="The old chart is in use.").status_code == 200
    assert refusal(add(world, files, ANOTHER)) == (409, "not-open")


def test_what_was_changed_in_the_store_is_never_given_out_as_evidence(world: World, kept: Path) -> None:
    _, files = opened(world)
    made = add(world, files, PICTURE).json()
    [place] = [path for path in kept.rglob("*") if path.is_file()]
    place.write_bytes(ANOTHER)
    assert refusal(world.http.get(f"{files}/{made['file_id']}", world.owner)) == (409, "content-changed")
