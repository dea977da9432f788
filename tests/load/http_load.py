"""A light HTTP/1.1 client that keeps some connections busy: `python -m tests.load.http_load`, orders on standard input.

A process of its own, without an HTTP library: generator and server share the machine, and a library costs more for each
request than the server does for an empty one. Orders and results are one JSON object a line.
"""

import asyncio
import json
import sys
import time
import uuid
from typing import Any, cast

import uvloop

CONNECTIONS = 16


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as a reply is whole."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        self._transport.write(self._load.request())

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end].lower()
        start = head.index(b"content-length:") + 15
        stop = head.find(b"\r", start)
        length = int(head[start : stop if stop > 0 else None])
        if len(self._received) < end + 4 + length:
            return
        self._load.replied(int(head[9:12]), time.perf_counter() - self._sent)
        self._received = b""
        if self._load.over():
            assert self._transport is not None
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost()


class _Load:
    """One order: as many requests as the connections get through in the time, or as many as are ordered."""

    def __init__(self, order: dict[str, Any]) -> None:
        body = json.dumps(order["body"]).encode()
        head = [f"POST {order['path']} HTTP/1.1", "Host: bench", "Content-Type: application/json"]
        head += [f"{name}: {value}" for name, value in order["headers"].items()]
        head += [f"Content-Length: {len(body)}", "Idempotency-Key: "]
        self._before, self._after = "\r\n".join(head).encode(), b"\r\n\r\n" + body
        self._run, self._count = uuid.uuid4().hex, 0
        self._most = order.get("requests", 10**9)
        self._started = time.perf_counter()
        self._until = self._started + order["seconds"]
        self._seconds: list[float] = []
        self._statuses: dict[int, int] = {}
        self._open = CONNECTIONS
        self.done = asyncio.Event()

    def request(self) -> bytes:
        self._count += 1
        return self._before + f"{self._run}-{self._count}".encode() + self._after

    def replied(self, status: int, seconds: float) -> None:
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._seconds.append(seconds)

    def over(self) -> bool:
        return self._count >= self._most or time.perf_counter() >= self._until

    def lost(self) -> None:
        self._open -= 1
        if not self._open:
            self._took = time.perf_counter() - self._started
            self.done.set()

    def result(self) -> dict[str, Any]:
        ordered = sorted(self._seconds)
        return {
            "per_second": len(ordered) / self._took,
            "p50_ms": 1000 * ordered[len(ordered) // 2],
            "p99_ms": 1000 * ordered[len(ordered) * 99 // 100],
            "statuses": self._statuses,
        }


async def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    load = _Load(order)
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", order["port"])
    await asyncio.wait_for(load.done.wait(), order["seconds"] + 30)
    return load.result()


def main() -> None:
    """Carry out orders until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(uvloop.run(_carry_out(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
