"""What `make chaos` does to a stack is what it says: the network, the volume, and the plan of a seed."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from tests.chaos.faults import Fault, deck
from tests.chaos.proxy import Proxy
from tests.chaos.stack import SERVERS, ChaosStack, Volume


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says what it is told."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            while said := connection.recv(65_536):
                connection.sendall(said)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _said(connection: socket.socket, what: bytes) -> float:
    """Seconds until all of it has come back."""
    began, heard = time.monotonic(), b""
    connection.sendall(what)
    while len(heard) < len(what):
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionResetError
        heard += piece
    assert heard == what
    return time.monotonic() - began


def test_the_network_is_slow_narrow_or_cut_for_as_long_as_it_is_ordered(echo: int) -> None:
    port = _free()
    with Proxy({port: echo}) as proxy:
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        _said(connection, b"x" * 1_000_000)
        proxy.order(delay=0.2)
        assert _said(connection, b"there and back") >= 0.4
        proxy.order(delay=None, bytes_a_second=10_000)
        assert _said(connection, b"x" * 4_000) >= 0.4
        proxy.order(bytes_a_second=None, cut=True)
        with pytest.raises(OSError):
            _said(connection, b"nobody hears")
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=20) as refused:
            _said(refused, b"nobody hears")
        proxy.order(cut=False)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as again:
            _said(again, b"here again")
        connection.close()


def test_a_volume_is_full_until_it_is_freed() -> None:
    volume = Volume(1_000_000)
    try:
        if not volume.limited:
            pytest.skip(f"no volume can be mounted here: {volume.why_not}")
        kept = volume.path / "kept"
        kept.write_bytes(b"before")
        volume.fill()
        assert volume.full()
        with pytest.raises(OSError, match="No space left"):
            (volume.path / "new").write_bytes(b"x" * 5000)
        volume.free()
        assert not volume.full()
        assert kept.read_bytes() == b"before"
    finally:
        volume.remove()
    assert not volume.path.exists()


class _Planned:
    """As much of a stack as a plan needs."""

    programs = (
        "console",
        "intake",
        "intake-relay",
        "issuer",
        "review",
        "review-worker",
        "workflows-router",
        "workflows-worker",
    )

    volume = SimpleNamespace(limited=True)


def _plan(seed: int, count: int) -> list[Fault]:
    return list(itertools.islice(deck(cast(ChaosStack, _Planned), seed), count))


def test_a_seed_is_a_plan() -> None:
    """The same faults in the same order, for the same time; another seed is another plan."""
    names = [fault.name for fault in _plan(1, 100)]
    assert names == [fault.name for fault in _plan(1, 100)]
    assert names != [fault.name for fault in _plan(2, 100)]


@pytest.mark.parametrize("seed", range(20))
def test_each_round_has_every_kind_for_every_part(seed: int) -> None:
    size = len(_Planned.programs) // 2 + 4 + len(SERVERS) + 5 + 3 * len(SERVERS) + 3
    plan = _plan(seed, size)
    killed = [part for fault in plan if fault.kind == "kill" for part in fault.parts]
    assert sorted(killed) == sorted([*_Planned.programs, "postgres", "temporal"])
    for kind in ("slow network to", "narrow network to", "cut network to"):
        assert sorted(part for fault in plan if fault.kind == kind for part in fault.parts) == sorted(SERVERS)
    kinds = {fault.kind for fault in plan}
    assert {"pause", "restart", "empty the broker", "terminate a process", "full disk and kill"} <= kinds
    assert any(kind.startswith("clock") for kind in kinds)
