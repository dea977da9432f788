"""No secret of the running stack is in what others can read: command lines, environments, logs, metrics, other files."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from deploy.local import credentials, processes
from deploy.local.tokens import Signer
from tests.e2e.running import RunningStack
from tests.security.planted import found

MADE_FOR = {
    "postgres_admin": {"migrations"},
    "temporal_codec_keys": {"directory", "intake", "review", "actions", "reporting", "workflows", "console"},
    "console_session_keys": {"console"},
}
"""Which parts are given a secret in their environment; a database login is its service's."""


@pytest.fixture(scope="module")
def secrets(stack: RunningStack) -> Mapping[str, str]:
    """Everything secret that the stack made, by its name; keys without the id that stands before them."""
    made = vars(credentials.load(stack.home))
    roles: Mapping[str, str] = made.pop("roles")
    token = Signer(stack.home, stack.record.url("issuer")).token({"sub": "somebody"})
    key = "".join(stack.home.issuer_key.read_text().splitlines()[1:-1])
    there = {**{name: str(value).rpartition(":")[2] for name, value in made.items()}, **roles}
    assert len(there) >= 13
    return {**there, "key of the issuer": key[40:120], "signature of a token": token.rsplit(".", 1)[1]}


def command_lines() -> Iterator[tuple[str, bytes]]:
    """Of every process of this machine, as everybody can read it."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield folder.name, (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended


def test_no_command_line_holds_a_secret(stack: RunningStack, secrets: Mapping[str, str]) -> None:
    running = {str(one.pid) for parts in processes.survivors(stack.record).values() for one in parts}
    seen = dict(command_lines())
    assert len(running & seen.keys()) > 10
    # Of any process, of this stack or not.
    assert {pid: there for pid, line in seen.items() if (there := found(line, secrets))} == {}


def test_it_would_be_found_in_one(secrets: Mapping[str, str]) -> None:
    name, secret = next(iter(secrets.items()))
    waiting = subprocess.Popen([sys.executable, "-c", "input()", f"--password={secret}"], stdin=subprocess.PIPE)
    try:
        assert found(dict(command_lines())[str(waiting.pid)], secrets) == {name}
    finally:
        waiting.communicate(b"\n", timeout=10)


def test_an_environment_is_for_its_own_account_and_holds_what_the_part_needs(
    stack: RunningStack, secrets: Mapping[str, str]
) -> None:
    looked_at = set()
    for part, running in processes.survivors(stack.record).items():
        for process in running:
            place = Path(f"/proc/{process.pid}/environ")
            try:
                assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0, f"{part}: others can read {place}"
                there = found(place.read_bytes(), secrets)
            except (OSError, psutil.Error):
                continue  # it has just ended, or is PostgreSQL's, which hides it
            own = {f"plumbline_{part}", f"plumbline_{part}_system"}
            unneeded = {name for name in there if name not in own and part not in MADE_FOR.get(name, set())}
            assert unneeded == set(), part
            looked_at.add(part)
    assert looked_at >= {"temporal", "kafka", "issuer", "intake", "workflows", "console"}


def test_no_log_metric_or_open_file_of_the_stack_holds_a_secret(
    stack: RunningStack, secrets: Mapping[str, str]
) -> None:
    logs = [file for file in stack.home.logs.iterdir() if file.is_file()]
    assert {"intake.log", "postgres.log", "temporal.log"} <= {file.name for file in logs}
    assert {file.name: there for file in logs if (there := found(file.read_bytes(), secrets))} == {}
    for name in ("directory", "intake", "review", "actions", "reporting", "workflows", "console"):
        assert found(stack.metrics(name).encode(), secrets) == set(), name
    kept = [stack.home.secrets, stack.home.issuer_key]
    for file in kept:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    others = [file for file in stack.home.path.iterdir() if file.is_file() and file not in kept]
    assert {file.name for file in others if found(file.read_bytes(), secrets)} == set()


def test_what_the_command_answers_holds_no_secret(stack: RunningStack, secrets: Mapping[str, str]) -> None:
    for words in (("status",), ("status", "--json"), ("addresses", "--json"), ("personas",)):
        done = stack.plumbline(*words)
        assert done.returncode == 0, done.stderr
        assert found((done.stdout + done.stderr).encode(), secrets) == set(), words
    assert json.loads(stack.plumbline("addresses", "--json").stdout)
