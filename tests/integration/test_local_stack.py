"""The one-machine stack: its servers come up, outlive kill -9 of anything, and leave nothing behind when they go."""

import asyncio
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import psycopg
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from deploy.local import credentials, ports, postgres, processes, supervisor, tokens
from deploy.local.clock_file import HEARTBEAT_SECONDS, ClockFile
from deploy.local.parts import Part, select
from deploy.local.probes import answers_ok
from deploy.local.state import Home, Phase, Stack, StackError, State
from deploy.local.supervisor import Supervisor
from services.runtime.clock import Clock

SERVERS = ("--only=postgres", "--only=temporal", "--only=kafka", "--only=issuer")
T0 = datetime(2026, 6, 8, 9, 0, tzinfo=UTC)


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty state folder; whatever a test leaves running in it is ended."""
    folder = Home(Path(tempfile.mkdtemp(prefix="plumbline-stack-")))
    yield folder
    if folder.record.exists():
        plumbline(folder, "down")
    shutil.rmtree(folder.path)


def plumbline(home: Home, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, but not on a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.local.cli", "--home", str(home.path), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def up(home: Home, *words: str) -> str:
    """Start in the background; it must work."""
    done = plumbline(home, "up", "--detach", *(words or SERVERS))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(home: Home) -> dict[str, Any]:
    """What the command says of the stack, parts by name."""
    found: dict[str, Any] = json.loads(plumbline(home, "status", "--json").stdout)
    return found | {"parts": {part["name"]: part for part in found["parts"]}}


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not become so"
        time.sleep(0.1)


def database(home: Home) -> psycopg.Connection[Any]:
    """The stack's database as its owner."""
    made = postgres.Database.local(Stack.load(home).ports["postgres"], credentials.load(home).postgres_admin)
    return psycopg.connect(made.admin_url, autocommit=True)


def processes_of(home: Home) -> list[psutil.Process]:
    """Every process of the stack but its supervisor."""
    return [process for found in processes.survivors(Stack.load(home)).values() for process in found]


async def start_workflow(home: Home, name: str) -> None:
    """Start a workflow that nobody works on."""
    client = await Client.connect(Stack.load(home).url("temporal"))
    await client.start_workflow("Sleeper", id=name, task_queue="nobody")


async def is_known(home: Home, name: str) -> bool:
    """Whether the server knows a workflow as running."""
    client = await Client.connect(Stack.load(home).url("temporal"))
    return (await client.get_workflow_handle(name).describe()).status == WorkflowExecutionStatus.RUNNING


def test_what_servers_accepted_outlives_kill_nine_of_everything(home: Home) -> None:
    """A row and a workflow are still there, the clock never goes back, addresses stay the same."""
    up(home, *SERVERS, "--clock-speed=86400")
    before = Stack.load(home)
    with database(home) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('here')")
    asyncio.run(start_workflow(home, "sleeper"))
    supervised = before.supervisor
    assert supervised is not None
    os.kill(supervised.pid, signal.SIGKILL)
    for process in processes_of(home):
        process.kill()
    seen = Clock.from_file(home.clock).now()
    time.sleep(1.5 * HEARTBEAT_SECONDS)

    up(home)

    after = Stack.load(home)
    assert after.addresses() == before.addresses()
    with database(home) as connection:
        assert connection.execute("select word from kept").fetchall() == [("here",)]
    assert asyncio.run(is_known(home, "sleeper"))
    assert Clock.from_file(home.clock).now() >= seen, "it went back"
    stood = json.loads(home.clock.read_text())["segments"][-2]
    assert stood["speed"] == 0
    assert datetime.fromisoformat(stood["virtual"]) <= seen + timedelta(days=HEARTBEAT_SECONDS), "from the kill on"


def test_a_part_that_is_killed_is_started_again(home: Home) -> None:
    """PostgreSQL and the broker come back at the same address, and the status says that they did."""
    up(home)
    began = status(home)
    for name in ("postgres", "kafka"):
        os.kill(began["parts"][name]["pid"], signal.SIGKILL)
    eventually(lambda: all(status(home)["parts"][name]["restarts"] == 1 for name in ("postgres", "kafka")))
    eventually(lambda: bool(status(home)["ready"]))
    now = status(home)
    assert {name: part["address"] for name, part in now["parts"].items()} == {
        name: part["address"] for name, part in began["parts"].items()
    }
    assert now["parts"]["temporal"]["pid"] == began["parts"]["temporal"]["pid"]


def test_a_dead_server_whose_number_is_still_listed_does_not_keep_postgres_away(home: Home) -> None:
    """In a container nobody may take note of what was killed: its number goes on answering, and the lock file names it."""
    up(home, "--only=postgres")
    record = Stack.load(home)
    os.kill(status(home)["supervisor"], signal.SIGKILL)
    processes.kill_all(processes.survivors(record)["postgres"])
    with subprocess.Popen(["true"], user=home.postgres.stat().st_uid) as ended:
        eventually(lambda: psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE)
        lock = home.postgres / "postmaster.pid"
        lock.write_text("\n".join([str(ended.pid), *lock.read_text().splitlines()[1:], ""]))
        up(home, "--only=postgres")
        assert int(lock.read_text().splitlines()[0]) != ended.pid


def test_down_leaves_nothing_even_when_the_supervisor_was_killed(home: Home) -> None:
    """What goes on serving without a supervisor is said to be unsupervised, and is ended."""
    up(home)
    left = processes_of(home)
    pid = status(home)["supervisor"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: status(home)["phase"] == "unsupervised")
    done = plumbline(home, "down")
    assert done.returncode == 0, done.stderr
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in left)
    assert status(home)["phase"] == "stopped"
    assert status(home)["clock"]["speed"] == 0


def test_up_and_down_can_be_said_twice(home: Home) -> None:
    """A second up changes nothing; a second down has nothing to do."""
    up(home)
    pids = {name: part["pid"] for name, part in status(home)["parts"].items()}
    assert "up already" in up(home)
    assert {name: part["pid"] for name, part in status(home)["parts"].items()} == pids
    assert plumbline(home, "down").returncode == 0
    assert plumbline(home, "down").returncode == 0


def test_tokens_are_accepted_by_their_own_issuer(home: Home) -> None:
    """The command and the issuer sign with the published key; nobody gets a token for a persona there is not."""
    up(home, "--only=issuer")
    url = Stack.load(home).url("issuer")
    configuration = httpx.get(f"{url}/.well-known/openid-configuration").json()
    keys = jwt.PyJWKClient(configuration["jwks_uri"])
    over_http = httpx.post(f"{configuration['issuer']}/token", json={"persona": "carer"}).json()
    assert over_http["expires_in"] == 3600
    for token in (over_http["access_token"], plumbline(home, "token", "carer").stdout.strip()):
        key = keys.get_signing_key_from_jwt(token).key
        claims = jwt.decode(token, key, algorithms=["RS256"], audience="plumbline", issuer=url)
        assert claims["roles"] == ["carer"]
        assert claims["scope_all"] is False
        assert len(claims["locations"]) == 1
    everywhere = jwt.decode(tokens.issue_token(Stack.load(home), "director"), options={"verify_signature": False})
    assert everywhere["scope_all"] is True
    assert httpx.post(f"{configuration['issuer']}/token", json={"persona": "nobody"}).status_code == 404
    refused = plumbline(home, "token", "nobody")
    assert refused.returncode == 1
    assert "choose from carer" in refused.stderr


def test_secrets_are_the_owners_alone(home: Home) -> None:
    """Files with secrets can be read by nobody else, and no command line carries one."""
    up(home, "--only=postgres", "--only=issuer")
    for path in (home.secrets, home.issuer_key):
        assert path.stat().st_mode & 0o077 == 0
    secret = credentials.load(home).postgres_admin
    assert not any(secret in " ".join(process.cmdline()) for process in processes_of(home))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(f"postgresql://plumbline_admin@127.0.0.1:{Stack.load(home).ports['postgres']}/plumbline")


def test_a_start_that_fails_says_why_and_stops_what_it_started(home: Home) -> None:
    """The part, the reason, the log and the remedy; exit code 1; nothing left."""
    up(home, "--only=postgres")
    plumbline(home, "down")
    home.secrets.unlink()
    done = plumbline(home, "up", "--detach", *SERVERS)
    assert done.returncode == 1
    assert "postgres" in done.stdout
    assert "secrets.json is not the one" in done.stdout
    assert str(home.log("postgres")) in done.stdout
    assert processes_of(home) == []


def test_a_port_that_is_taken_is_left_alone(home: Home) -> None:
    """An ordered port that is in use is refused in words; a kept one is replaced."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = plumbline(home, "up", "--only=kafka", PLUMBLINE_KAFKA_PORT=str(port))
        assert done.returncode == 1
        assert f"PLUMBLINE_KAFKA_PORT={port} is in use" in done.stderr
        assert ports.choose({"kafka": port}, preferred=False)["kafka"] != port
    assert ports.choose({"kafka": port}, preferred=False)["kafka"] == port


def test_the_clock_runs_stands_still_and_never_changes_what_was_seen(home: Home) -> None:
    """Real time at first; frozen while down; later runs continue where it stood; old instants keep their dates."""
    assert ClockFile(home).at(T0) == T0
    hour = timedelta(hours=1)
    ClockFile(home).start(T0, 24.0)
    ClockFile(home).freeze(T0 + hour)
    ClockFile(home).freeze(T0 + 2 * hour)
    ClockFile(home).start(T0 + 3 * hour, 1.0)
    read = Clock.from_file(home.clock)
    assert read.at(T0 + hour / 2) == T0 + 12 * hour
    assert read.at(T0 + 2 * hour) == T0 + 24 * hour
    assert read.at(T0 + 4 * hour) == T0 + 25 * hour == ClockFile(home).at(T0 + 4 * hour)
    ClockFile(home).start(T0, 1.0)
    assert Clock.from_file(home.clock).at(T0 + hour / 2) == T0 + 12 * hour, "a machine's clock that was set back"


def test_a_first_start_may_choose_what_the_clock_shows(home: Home) -> None:
    """Later starts go on from where it stood."""
    chosen, hour = datetime(2020, 2, 3, 4, 5, tzinfo=UTC), timedelta(hours=1)
    ClockFile(home).start(T0, 2.0, chosen)
    assert ClockFile(home).at(T0 + hour) == chosen + 2 * hour
    ClockFile(home).start(T0 + hour, 1.0, chosen)
    assert ClockFile(home).at(T0 + hour) == chosen + 2 * hour


def test_an_unknown_part_is_refused_by_name() -> None:
    """The names there are come with the refusal; what a part needs comes with the part."""
    first, second = Part("first", None, lambda: True), Part("second", None, lambda: True, needs=("first",))
    assert [part.name for part in select([first, second], ["second"])[0]] == ["first", "second"]
    with pytest.raises(StackError, match="choose from first, second"):
        select([first, second], ["third"])


SERVE = """
import http.server, signal, sys
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
handler = type("H", (http.server.BaseHTTPRequestHandler,), {"do_GET": lambda s: (s.send_response(200), s.end_headers())})
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""


def program(name: str, *words: str, needs: tuple[str, ...] = ()) -> Part:
    """A small program of our own as a part."""
    port = ports.choose({}, preferred=False)["intake"]
    command = (sys.executable, "-c", SERVE, str(port), *words)
    return Part(name, command, lambda: answers_ok(port, "/"), address=f"http://127.0.0.1:{port}", needs=needs)


def test_parts_start_in_order_and_stop_in_reverse(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task runs between what it needs and what needs it; a part that will not go is killed after the time of grace."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 1.0)
    home.create()
    task = Part("task", (sys.executable, "-c", "print('done')"), lambda: True, needs=("server",), once=True)
    record = Stack(home)
    running = Supervisor(record, [program("server", "deaf"), task, program("client", needs=("task",))])
    running.start()
    eventually(lambda: record.phase is Phase.RUNNING)
    ready = {part.name: part.ready_at or 0 for part in record.parts}
    assert ready["server"] < ready["task"] < ready["client"]
    assert home.log("task").read_text() == "done\n"
    children = [psutil.Process(part.process.pid) for part in record.parts if part.process]
    assert len(children) == 2
    running.stop()
    assert not any(child.is_running() for child in children)
    assert [part.state for part in record.parts] == [State.STOPPED, State.DONE, State.STOPPED]
    assert Stack.load(home).phase is Phase.STOPPED


def test_a_full_disk_keeps_no_part_from_being_started_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What dies while the record cannot be saved comes back all the same; once there is room the record is true again."""
    home.create()
    record = Stack(home)
    running = Supervisor(record, [program("server")])
    running.start()
    eventually(lambda: record.phase is Phase.RUNNING)
    save, full = Stack.save, True

    def saved(stack: Stack) -> Stack:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(stack)

    monkeypatch.setattr(Stack, "save", saved)
    [part] = record.parts
    assert part.process is not None
    os.kill(part.process.pid, signal.SIGKILL)
    eventually(lambda: part.restarts == 1 and part.state is State.READY)
    running.save_again()
    assert Stack.load(home).parts[0].restarts == 0
    full = False
    running.save_again()
    assert Stack.load(home).parts[0].restarts == 1
    running.stop()
    assert Stack.load(home).phase is Phase.STOPPED


def test_a_part_that_cannot_start_ends_the_start(home: Home) -> None:
    """What it printed is told; what needed it never ran."""
    home.create()
    broken = Part("broken", (sys.executable, "-c", "raise SystemExit('no such luck')"), lambda: False)
    record = Stack(home)
    running = Supervisor(record, [broken, program("client", needs=("broken",))])
    running.start()
    eventually(running.stopping.is_set)
    running.stop()
    assert record.phase is Phase.FAILED
    assert record.failure is not None
    assert record.failure.message == "ended with exit code 1 before it was ready"
    assert "no such luck" in record.failure.tail[-1]
    assert [part.state for part in record.parts] == [State.DEAD, State.WAITING]


def test_logs_stay_bounded(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log over its limit moves aside and begins again, while its part goes on writing."""
    monkeypatch.setattr(supervisor, "LOG_LIMIT_BYTES", 10)
    home.create()
    record = Stack(home)
    running = Supervisor(record, [Part("talker", None, lambda: True)])
    home.log("talker").write_text("more than ten bytes\n")
    running.bound_logs()
    assert home.log("talker").read_text() == ""
    assert (home.logs / "talker.log.1").read_text() == "more than ten bytes\n"
