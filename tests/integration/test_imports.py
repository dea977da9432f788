"""The import commands, from the command line to the database: real services over HTTP, real tokens."""

import csv
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from deploy.local import cli, imports, issuer, ports, tokens
from deploy.local.personas import PROVIDER
from deploy.local.state import Home, PartRecord, Stack, StackError
from services.contracts import identity
from services.directory import cqc
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.db import transaction
from services.runtime.settings import AuthSettings
from tests.conftest import MovableClock

Engines = Callable[[str], Engine]
Run = Callable[..., Any]


@contextmanager
def serving(app: FastAPI, port: int) -> Iterator[None]:
    """The application on a port of this machine, for as long as the block lasts."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


@pytest.fixture
def stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service_engine: Engines, clock: MovableClock
) -> Iterator[Stack]:
    """A stack as the commands find it: a record, a key, the issuer, directory and intake."""
    from services.directory.__main__ import SERVICE as DIRECTORY
    from services.intake.__main__ import SERVICE as INTAKE

    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / "home"))
    home = Home.default()
    home.create()
    tokens.create_key(home)
    chosen = ports.choose({}, preferred=False)
    record = Stack(home)
    record.parts = [PartRecord(name, f"http://127.0.0.1:{chosen[name]}") for name in ("issuer", "directory", "intake")]
    record.save()
    url = record.url("issuer")
    settings = AuthSettings(oidc_issuer=url, oidc_jwks_url=f"{url}/jwks.json", oidc_audience="plumbline")
    with ExitStack() as running:
        running.enter_context(serving(issuer.create_app(home, url, "/"), chosen["issuer"]))
        for service in (DIRECTORY, INTAKE):
            app = build_app(
                service=service.name,
                title=service.title,
                description=service.description,
                routers=service.routers,
                engine=service_engine(service.name),
                clock=clock,
                authenticator=Authenticator(settings),
                body_limits=service.body_limits,
            )
            running.enter_context(serving(app, chosen[service.name]))
        yield record


@pytest.fixture
def run(stack: Stack) -> Run:
    """`run("directory", "import", ...)` answers what the command printed, as JSON if it was asked for."""

    def command(*words: object, refused: bool = False) -> Any:
        result = CliRunner().invoke(cli.app, [str(word) for word in words])
        if refused:
            assert isinstance(result.exception, StackError), result.output
            return str(result.exception)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return command


def as_csv(path: Path, header: list[str], rows: list[dict[str, Any]]) -> Path:
    file = io.StringIO()
    writer = csv.DictWriter(file, header)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(file.getvalue(), newline="")
    return path


def a_cqc_id() -> str:
    return f"1-{uuid.uuid4().int % 10**10 + 10**9}"


def locations(provider: str, many: int) -> list[dict[str, str]]:
    return [
        {
            cqc.LOCATION_ID: a_cqc_id(),
            cqc.LOCATION_NAME: "Orchard House",
            cqc.REGION: "East (ADASS Region)",
            cqc.BEDS: "12",
            cqc.STARTED: "2010-12-20",
            cqc.PROVIDER_ID: provider,
            cqc.PROVIDER_NAME: "Orchard Care",
        }
        for _ in range(many)
    ]


MAPPING = """
fields:
  source_ref: Ref
  location: Home
  category: {column: Type, values: {Drug error: medication}}
  actual_harm: {constant: none}
  occurred_at: When
  closed_at: Closed
  narrative: Story
"""


class History:
    """A provider with one location, and a file of its incidents."""

    HEADER = ("Ref", "Home", "Type", "When", "Closed", "Story")

    def __init__(self, folder: Path, now: datetime, run: Run, place: Any, many: int) -> None:
        self._folder = folder
        self.cqc_provider_id = a_cqc_id()
        self.provider_id = identity.provider_id(self.cqc_provider_id)
        rows = locations(self.cqc_provider_id, 1)
        self.home = rows[0][cqc.LOCATION_ID]
        run("directory", "import", as_csv(folder / "places.csv", list(cqc.REQUIRED), rows), "--json")
        place("intake", location_id=identity.location_id(self.home), provider=self.provider_id)
        self.mapping = folder / "mapping.yaml"
        self.mapping.write_text(MAPPING)
        self.rows: list[dict[str, Any]] = [
            {
                "Ref": f"R{number}",
                "Home": self.home,
                "Type": "Drug error",
                "When": (now - timedelta(days=number % 300 + 2)).isoformat(),
                "Closed": (now - timedelta(days=1)).isoformat(),
                "Story": "A dose was missed.",
            }
            for number in range(many)
        ]

    def words(self, *more: object) -> tuple[object, ...]:
        file = as_csv(self._folder / "incidents.csv", list(self.HEADER), self.rows)
        options = ("--mapping", self.mapping, "--source", "test", "--provider", self.cqc_provider_id)
        return ("incidents", "import", file, *options, *more)


@pytest.fixture
def history(tmp_path: Path, now: datetime, run: Run, service_engine: Engines) -> Callable[[int], History]:
    def place(service: str, *, location_id: uuid.UUID, provider: uuid.UUID) -> None:
        """As directory's event would."""
        with transaction(service_engine(service), provider) as session:
            session.execute(
                text(
                    "insert into intake.location (location_id, provider_id, active, revision)"
                    " values (:location_id, :provider_id, true, 1)"
                ),
                {"location_id": location_id, "provider_id": provider},
            )

    return lambda many: History(tmp_path, now, run, place, many)


def kept(engine: Engine, provider: uuid.UUID, what: str = "count(*)") -> Any:
    with transaction(engine, provider) as session:
        return session.scalar(text(f"select {what} from intake.incident"))


def test_a_directory_is_imported_again_without_a_change(tmp_path: Path, run: Run) -> None:
    rows = locations(a_cqc_id(), 3)
    rows[1] |= {cqc.BEDS: "many"}
    file = as_csv(tmp_path / "cqc.csv", list(cqc.REQUIRED), rows)
    first = run("directory", "import", file, "--json")
    assert {name: first[name] for name in ("created", "updated", "unchanged", "rejected")} == {
        "created": 2, "updated": 0, "unchanged": 0, "rejected": 1,
    }  # fmt: skip
    [rejection] = first["rejections"]
    assert (rejection["line"], rejection["field"]) == (3, cqc.BEDS)
    assert rejection["reason"]
    assert rejection["remedy"]
    assert run("directory", "import", file, "--json")["unchanged"] == 2
    shown = run("directory", "import", file)
    assert "unchanged  2" in shown
    assert cqc.BEDS in shown


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "import"), (b"a,b\n1,2\n", "Location ID"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_a_directory_that_cannot_be_read_is_refused(tmp_path: Path, run: Run, content: bytes, says: str) -> None:
    file = tmp_path / "cqc.csv"
    file.write_bytes(content)
    assert says in run("directory", "import", file, refused=True)
    assert "cannot be read" in run("directory", "import", tmp_path / "absent.csv", refused=True)


def test_closed_history_comes_in_once_and_starts_no_process(
    history: Callable[[int], History], run: Run, service_engine: Engines
) -> None:
    made = history(4_100)
    assert run(*made.words("--json")) == {"created": 4_100, "unchanged": 0, "rejections": [], "rejected": 0}
    assert run(*made.words("--json")) == {"created": 0, "unchanged": 4_100, "rejections": [], "rejected": 0}
    engine = service_engine("intake")
    assert kept(engine, made.provider_id) == 4_100
    assert kept(engine, made.provider_id, "count(*) filter (where stage = 'closed')") == 4_100
    with transaction(engine, made.provider_id) as session:
        types = set(session.scalars(text("select distinct type from intake.outbox")))
    assert types == {"plumbline.incident.imported.v1"}


def test_what_was_cut_short_is_taken_up_again(
    history: Callable[[int], History], run: Run, service_engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = history(50)
    monkeypatch.setattr(imports, "_BATCH_ROWS", 20)
    post, calls = imports._Api.post, 0

    def fails_later(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise StackError("cut short")
        return post(self, *arguments)

    monkeypatch.setattr(imports._Api, "post", fails_later)
    assert run(*made.words(), refused=True) == "cut short"
    assert kept(service_engine("intake"), made.provider_id) == 40
    monkeypatch.setattr(imports._Api, "post", post)
    assert run(*made.words("--json")) == {"created": 10, "unchanged": 40, "rejections": [], "rejected": 0}


def test_each_bad_row_is_named_whoever_finds_it(
    history: Callable[[int], History], run: Run, now: datetime, service_engine: Engines
) -> None:
    made = history(8)
    made.rows[0]["Type"] = "Slips"  # the mapping does not know it
    made.rows[2]["Story"] = "x" * 10_001  # malformed: intake refuses the request
    made.rows[3]["Ref"] = "y" * 101
    made.rows[4]["When"] = (now + timedelta(days=1)).isoformat()  # impossible: intake refuses the row
    made.rows[5]["Closed"] = ""
    made.rows[6]["Ref"] = "R7"
    result = run(*made.words("--json"))
    assert (result["created"], result["unchanged"], result["rejected"]) == (3, 0, 5)
    assert [(row["line"], row["field"]) for row in result["rejections"]] == [
        (2, "category"), (4, "narrative"), (5, "source_ref"), (6, "occurred_at"), (9, "source_ref"),
    ]  # fmt: skip
    assert all(row["reason"] and row["remedy"] for row in result["rejections"])
    assert kept(service_engine("intake"), made.provider_id, "count(*) filter (where stage = 'reported')") == 1


def test_what_stands_in_the_way_of_the_whole_import_is_said(
    history: Callable[[int], History], run: Run, tmp_path: Path
) -> None:
    made = history(1)
    assert "docs/import.md" in run(*made.words("--mapping", tmp_path / "places.csv"), refused=True)
    assert "no locations" in run(*made.words("--provider", uuid.uuid4()), refused=True)
    assert "cannot be read" in run(*made.words("--mapping", tmp_path / "absent.yaml"), refused=True)
    made.mapping.write_text(MAPPING.replace("Story", "Tale"))
    assert "'Tale'" in run(*made.words(), refused=True)
    assert made.provider_id != PROVIDER
