"""A stretch of network that can be made slow or cut: `python -m tests.chaos.proxy`, a process of its own.

It stands between the services and one server. Orders come on standard input, one JSON object a line, each answered with
a line: `{"listen": [8000, 9000], ...}` begins with pairs of ports, `{"delay": 0.05}` adds seconds to each piece that
passes, `{"bytes_a_second": 100000}` bounds each direction of each connection, `{"cut": true}` breaks what is connected and
refuses what comes, until `{"cut": false}`. `null` takes a bound away. Without input it ends.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import uvloop

_PIECE = 65_536


class Link:
    """Everything that passes between the services and one server."""

    def __init__(self) -> None:
        self.delay, self.cut = 0.0, False
        self.bytes_a_second: float | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def order(self, changes: Mapping[str, Any]) -> None:
        """Be slower, quicker, cut or whole from here on."""
        self.delay = changes.get("delay", self.delay) or 0.0
        self.bytes_a_second = changes.get("bytes_a_second", self.bytes_a_second)
        self.cut = changes.get("cut", self.cut)
        if self.cut:
            for writer in self._open:
                writer.transport.abort()

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """One connection from its begin to its end."""
        if self.cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, piece by piece, as slowly as is ordered; the end of it too."""
        with contextlib.suppress(OSError, RuntimeError):
            while piece := await reader.read(_PIECE):
                wait = self.delay + (len(piece) / self.bytes_a_second if self.bytes_a_second else 0.0)
                if wait:
                    await asyncio.sleep(wait)
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
                return
        writer.transport.abort()


class Proxy:
    """The process, from outside: `with Proxy({8000: 9000}) as proxy`; what comes to 8000 goes on to 9000."""

    def __init__(self, pairs: Mapping[int, int]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.order(listen=list(pairs.items()))

    def order(self, **changes: Any) -> None:
        """Carry one order out; it holds when this returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(changes) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "done":
            raise RuntimeError(f"the proxy ended at {changes}")

    def close(self) -> None:
        """End it, and with it whatever passes."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _serve() -> None:
    link, loop = Link(), asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        changes = json.loads(line)
        for listens, port in changes.pop("listen", ()):
            servers.append(await asyncio.start_server(partial(link.join, port=port), "127.0.0.1", listens))
        link.order(changes)
        print("done", flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())
