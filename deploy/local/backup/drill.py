"""The disaster drill: a stack is played on, backed up, played on, destroyed to the last byte, restored, and looked at.

It proves what the design claims: PostgreSQL and the files are all that must be kept. Kafka begins empty, Temporal begins
empty, and every open case has its process again.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from temporalio.client import Client

from deploy.local import processes, tokens
from deploy.local.backup import archive, proof
from deploy.local.people import Person
from deploy.local.personas import LOCATION_NORTH_1
from deploy.local.state import Home, Stack, StackError

SPEED = 60
"""As in `make run`: what waits for somebody still waits when it is looked at."""
_PATIENCE = 900.0
_AFTERWARDS = 5


@dataclass
class Outcome:
    """What a drill measured, in real seconds, and what did not hold."""

    open_cases: int = 0
    rows: int = 0
    backup_seconds: float = 0.0
    restore_seconds: float = 0.0
    served_after_seconds: float = 0.0
    processes_after_seconds: float = 0.0
    lost_after_backup: int = 0
    lost_window_seconds: float = 0.0
    chains: int = 0
    files: int = 0
    projected_events: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether everything that must hold did."""
        return not self.failed

    def said(self) -> str:
        """The same, for people."""
        lines = [
            f"back-up point: {self.lost_after_backup} reports of the {self.lost_window_seconds:.0f} s after the backup are gone,"
            " as they must be; everything before is there",
            f"backup of {self.rows:,} rows: {self.backup_seconds:.0f} s; restore: {self.restore_seconds:.0f} s",
            f"served again {self.served_after_seconds:.0f} s after the disaster;"
            f" each of {self.open_cases} open cases had its process after {self.processes_after_seconds:.0f} s",
            f"{self.chains:,} audit chains and {self.files:,} files hold; reporting agrees with {self.projected_events:,} events",
        ]
        return "\n".join([*lines, *(f"DOES NOT HOLD: {one}" for one in self.failed)])


class Drill:
    """One drill in a scratch folder."""

    def __init__(self, scratch: Path, console: Console) -> None:
        self._scratch, self._console = scratch, console
        self._lost, self._new = Home(scratch / "lost"), Home(scratch / "new")
        self._backup, self._safe = scratch / "backup", scratch / "safe"
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """From the first start to the last look. Leaves nothing running."""
        try:
            self._play_and_back_up()
            destroyed = self._play_on_and_destroy()
            self._restore(destroyed)
            self._look(destroyed)
        finally:
            for home in (self._lost, self._new):
                if home.record.exists():
                    self._plumbline(home, "down", fails=True)
        return self.outcome

    def _play_and_back_up(self) -> None:
        self._say("a provider begins its day")
        self._plumbline(self._lost, "up", "--detach", f"--clock-speed={SPEED}")
        self._plumbline(self._lost, "demo", "--scenario", "today")
        begun = time.monotonic()
        made = archive.create(self._lost, self._backup)
        self.outcome.backup_seconds = time.monotonic() - begun
        self.outcome.rows = sum(made.rows.values())
        # Where no backup lies: whoever finds one must not find the keys.
        self._safe.mkdir(mode=0o700)
        shutil.copyfile(self._lost.secrets, self._safe / "secrets.json")
        self._say(f"backed up {self.outcome.rows:,} rows in {self.outcome.backup_seconds:.0f} s")

    def _play_on_and_destroy(self) -> float:
        with httpx.Client(timeout=30) as http:
            carer = Person(Stack.load(self._lost), tokens.persona("carer"), http)
            for n in range(_AFTERWARDS):
                self._report(carer, f"Reported after the backup, {n}.")
        begun = datetime.fromisoformat(archive.check(self._backup).begun_at)
        self.outcome.lost_window_seconds = (datetime.now(UTC) - begun).total_seconds()
        self.outcome.lost_after_backup = _AFTERWARDS
        record = Stack.load(self._lost)
        if (supervisor := processes.find(record.supervisor)) is not None:
            supervisor.kill()
            supervisor.wait()
        for found in processes.survivors(record).values():
            processes.kill_all(found)
        shutil.rmtree(self._lost.path)
        self._say("everything was killed, and the state folder is gone")
        return time.monotonic()

    def _restore(self, destroyed: float) -> None:
        archive.restore(self._backup, self._new, self._console, keys=self._safe / "secrets.json")
        self.outcome.restore_seconds = time.monotonic() - destroyed
        self._plumbline(self._new, "up", "--detach", f"--clock-speed={SPEED}")
        self.outcome.served_after_seconds = time.monotonic() - destroyed
        self._say(f"served again after {self.outcome.served_after_seconds:.0f} s")

    def _look(self, destroyed: float) -> None:
        database, outcome = archive.database_of(self._new), self.outcome
        cases = proof.open_cases(database)
        outcome.open_cases = len(cases)
        if not cases:
            outcome.failed.append("there was no open case to bring back")
        if not asyncio.run(self._each_has_a_process()):
            outcome.failed.append("an open case has no process")
        outcome.processes_after_seconds = time.monotonic() - destroyed
        self._say(f"each open case had its process after {outcome.processes_after_seconds:.0f} s")
        found = proof.prove(database, self._new.path / "attachments")
        outcome.chains, outcome.files = found.chains, found.files
        outcome.failed += found.broken
        with httpx.Client(timeout=30) as http:
            self._goes_on(http)
        self._projection_agrees()

    async def _each_has_a_process(self) -> bool:
        """As the runbook says: the reconciler is asked again until nothing is missing."""
        address = Stack.load(self._new).part("temporal").address
        client = await Client.connect(address)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            missing = proof.open_cases(archive.database_of(self._new)) - await proof.running(client)
            if not missing:
                return True
            await client.get_schedule_handle("reconcile").trigger()
            await asyncio.sleep(5)
        return False

    def _goes_on(self, http: httpx.Client) -> None:
        """A case that waited for its triage before the disaster is triaged, and its process leads it on."""
        manager = Person(Stack.load(self._new), tokens.persona("registered_manager"), http)
        waiting = manager.get("intake", "/incidents", stage="reported")["items"]
        if not waiting:
            self.outcome.failed.append("no report waits for triage")
            return
        incident_id = waiting[0]["incident_id"]
        scores = {"actual_harm": "none", "consequence": 2, "likelihood": 2, "reason": "Nobody was near it."}
        manager.triage(incident_id, scores)
        try:
            manager.until(
                "intake", f"/incidents/{incident_id}", lambda seen: seen["stage"] not in ("reported", "triaged"),
                "the process to lead the case on",
            )  # fmt: skip
        except StackError as error:
            self.outcome.failed.append(str(error))

    def _projection_agrees(self) -> None:
        """Reporting, restored and then told everything again, is as the event log has it. Events of now are on their way."""
        until, found = time.monotonic() + 60, dict[str, Any]()
        while time.monotonic() < until:
            done = self._plumbline(self._new, "reporting", "rebuild", "--check", "--json", fails=True)
            if not done.stdout:
                raise StackError(f"plumbline reporting rebuild --check failed:\n{done.stderr.strip()[-2000:]}")
            found = json.loads(done.stdout)
            if not found["missing"] and not found["different"]:
                self.outcome.projected_events = found["events"]
                return
            time.sleep(3)
        self.outcome.failed.append(f"reporting differs: {found['missing']} missing, {found['different']} different")

    def _report(self, carer: Person, narrative: str) -> None:
        body = {
            "location_id": str(LOCATION_NORTH_1), "occurred_at": datetime.now(UTC).isoformat(), "category": "other",
            "immediate_danger": False, "narrative": narrative,
        }  # fmt: skip
        carer.post("intake", "/incidents", body)

    def _plumbline(self, home: Home, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.local.cli", "--home", str(home.path), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, env={**os.environ})
        if done.returncode != 0 and not fails:
            raise StackError(f"plumbline {' '.join(words)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
        return done

    def _say(self, what: str) -> None:
        self._console.print(what, highlight=False)
