"""How the stack is at this moment: processes are looked up and parts are asked, nothing is taken from the record alone."""

import time
from datetime import UTC, datetime
from typing import Any

from deploy.local import probes, processes
from deploy.local.clock_file import ClockFile
from deploy.local.state import Home, PartRecord, Phase, Stack, State


def look(home: Home) -> dict[str, Any]:
    """The stack as a document: its phase, its clock, and each part with state, process, address, restarts and uptime."""
    record = Stack.load(home)
    supervised = processes.find(record.supervisor) is not None
    alive = record.phase in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING)
    clock = ClockFile(home)
    described = [_describe(part, supervised) for part in record.parts]
    return {
        "phase": "unsupervised" if alive and not supervised else str(record.phase),
        "ready": supervised and all(part["state"] in (State.READY, State.DONE) for part in described),
        "supervisor": record.supervisor.pid if supervised and record.supervisor else None,
        "clock": {"now": clock.at(datetime.now(UTC)).isoformat(), "speed": clock.speed},
        "home": str(home.path),
        "parts": described,
    }


def _describe(part: PartRecord, supervised: bool) -> dict[str, Any]:
    process = processes.find(part.process)
    state = part.state
    if state in (State.STARTING, State.READY):
        if process is None and not part.elsewhere:
            state = State.DEAD
        elif part.elsewhere and not supervised:
            state = State.STOPPED
        elif state is State.READY and not probes.answers(part.address):
            state = State.STARTING
    return {
        "name": part.name,
        "state": state,
        "pid": process.pid if process else None,
        "address": part.address,
        "restarts": part.restarts,
        "uptime_seconds": round(time.time() - part.ready_at, 1) if part.ready_at and state is State.READY else None,
    }
