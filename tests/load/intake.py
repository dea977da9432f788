"""Accepted reports a second: the real intake API against a bare insert-and-outbox endpoint, in turns."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from deploy.local.ports import is_free
from deploy.local.probes import listens
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig

HOLD = 0.70
NARRATIVE = (
    "At the tea-time round the lunchtime tablets were still in the pot. The round had been broken off for a visitor and"
    " nobody took it up again. The resident was well, was told, and the pharmacist was rung; the tablets were left out."
)


class Generator:
    """The load generator's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.http_load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order carried out. Raises if a request was not accepted."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        if set(result["statuses"]) != {"201"}:
            raise RuntimeError(f"not all accepted: {result['statuses']}")
        return result

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)


@contextlib.contextmanager
def bare_api(rig: Rig) -> Iterator[int]:
    """The yardstick's port while it runs."""
    port = next(port for port in range(20_000, 32_000) if port not in rig.ports.values() and is_free(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.load.bare_api"],
        env={**os.environ, "BARE_DATABASE_URL": rig.admin_url, "BARE_PORT": str(port)},
    )
    try:
        deadline = time.monotonic() + 120
        while not listens("127.0.0.1", port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the bare endpoint did not start")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Run both, load one after the other, again and again."""
    rounds, seconds = (2, 1.5) if quick else (6, 3.0)
    body = {
        "location_id": str(rig.location_id),
        "occurred_at": datetime.now(UTC).isoformat(),
        "category": "medication",
        "immediate_danger": False,
        "narrative": NARRATIVE,
    }
    headers = {"Authorization": f"Bearer {rig.token('carer')}"}
    with rig.running("intake", role="api"), bare_api(rig) as bare_port, contextlib.closing(Generator()) as generator:
        orders = [
            {"port": rig.ports["intake"], "path": "/incidents"},
            {"port": bare_port, "path": "/reports"},
        ]
        orders = [{**order, "headers": headers, "body": body, "seconds": seconds} for order in orders]
        for order in orders:
            generator.load({**order, "seconds": 1.5})
        results = [[generator.load(order) for order in orders] for _ in range(rounds)]
    ours, bare = ([pair[side]["per_second"] for pair in results] for side in (0, 1))
    share = ratio(ours, bare)
    return Outcome(
        name="intake",
        result=f"{middle(ours):.0f}/s accepted, bare {middle(bare):.0f}/s: {share:.2f}",
        holds=f">= {HOLD:.2f} of a bare insert-and-outbox endpoint",
        held=share >= HOLD,
        numbers={
            "accepted_per_second": middle(ours),
            "bare_per_second": middle(bare),
            "ratio": share,
            "p50_ms": middle([pair[0]["p50_ms"] for pair in results]),
            "p99_ms": middle([pair[0]["p99_ms"] for pair in results]),
            "rounds": [[round(a), round(b)] for a, b in zip(ours, bare, strict=True)],
        },
    )
