"""What is done to the stack, in an order that the seed decides. Each fault ends by itself; what follows may overlap it."""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError

from services.runtime.settings import TemporalSettings
from services.runtime.temporal import connect
from tests.chaos.audit import ENDED, open_and_ended
from tests.chaos.stack import SERVERS, ChaosStack
from workflows.incident import workflow_id


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: what it is, to which parts, for how many seconds, and how it is brought about."""

    kind: str
    parts: tuple[str, ...]
    seconds: float
    begin: Callable[[ChaosStack], AbstractContextManager[None]]

    @property
    def name(self) -> str:
        """As the summary says it."""
        return f"{self.kind} {' and '.join(self.parts)}".strip() + (f", {self.seconds:.0f} s" if self.seconds else "")


def deck(stack: ChaosStack, seed: int) -> Iterator[Fault]:
    """Faults without end: each round has every kind on every part that it is for, shuffled anew.

    The same seed gives the same faults in the same order.
    """
    chance = random.Random(f"{seed}:faults")
    while True:
        programs = sorted(stack.programs)
        chance.shuffle(programs)
        pairs = [tuple(programs[at : at + 2]) for at in range(0, len(programs), 2)]
        faults = [Fault("kill", pair, 0, _killed(pair)) for pair in pairs]
        faults += [_paused(name, chance.uniform(3, 8)) for name in (*chance.sample(programs, 4), *SERVERS)]
        faults += [_away("empty the broker", "kafka", chance.uniform(1, 6), signal.SIGKILL)]
        faults += [_away("kill", "postgres", chance.uniform(0, 4), signal.SIGKILL)]
        faults += [_away("restart", "postgres", chance.uniform(0, 2), signal.SIGINT)]
        faults += [_away("kill", "temporal", chance.uniform(0, 6), signal.SIGKILL)]
        faults += [_away("restart", "temporal", chance.uniform(0, 2), signal.SIGTERM)]
        for server in SERVERS:
            faults.append(_network("slow network to", server, chance.uniform(5, 9), delay=chance.uniform(0.02, 0.08)))
            faults.append(_network("narrow network to", server, chance.uniform(5, 9), bytes_a_second=40_000))
            faults.append(_network("cut network to", server, chance.uniform(2, 6), cut=True))
        wrong = chance.choice([name for name in programs if name not in ("console", "issuer")])
        faults += [_wrong_clock(wrong, timedelta(hours=chance.choice((-30, 30))), 6)]
        faults += [Fault("terminate a process", (), 0, _terminated(chance.random()))]
        if stack.volume.limited:
            dies = chance.choice(programs)
            faults += [Fault("full disk and kill", (dies,), chance.uniform(8, 12), _full(dies))]
        chance.shuffle(faults)
        yield from faults


def _once(run: Callable[[ChaosStack], None]) -> Callable[[ChaosStack], AbstractContextManager[None]]:
    def begin(stack: ChaosStack) -> AbstractContextManager[None]:
        run(stack)
        return nullcontext()

    return begin


def _killed(names: tuple[str, ...]) -> Callable[[ChaosStack], AbstractContextManager[None]]:
    def kill(stack: ChaosStack) -> None:
        for name in names:
            stack.kill(name)

    return _once(kill)


def _paused(name: str, seconds: float) -> Fault:
    return Fault("pause", (name,), seconds, lambda stack: stack.paused(name))


def _away(kind: str, name: str, seconds: float, number: signal.Signals) -> Fault:
    return Fault(kind, (name,), seconds, lambda stack: stack.away(name, number=number))


def _network(kind: str, server: str, seconds: float, **order: object) -> Fault:
    return Fault(kind, (server,), seconds, lambda stack: stack.network(server, **order))


def _wrong_clock(name: str, by: timedelta, seconds: float) -> Fault:
    kind = f"clock {'ahead' if by > timedelta(0) else 'behind'} by {abs(by) // timedelta(hours=1)} h of"
    return Fault(kind, (name,), seconds, lambda stack: stack.wrong_clock(name, by))


def _full(dies: str) -> Callable[[ChaosStack], AbstractContextManager[None]]:
    """No byte is left for anybody; a part dies while it is so."""

    @contextmanager
    def begin(stack: ChaosStack) -> Iterator[None]:
        try:
            stack.volume.fill()
            if not stack.volume.full():
                raise RuntimeError("the volume was to be full and is not")
            stack.kill(dies)
            yield
        finally:
            stack.volume.free()

    return begin


def _terminated(where: float) -> Callable[[ChaosStack], AbstractContextManager[None]]:
    """The process of one open incident is ended behind everybody's back."""

    def terminate(stack: ChaosStack) -> None:
        with psycopg.connect(stack.database.admin_url, connect_timeout=5) as connection:
            found = sorted(one for one, (stage, _) in open_and_ended(connection).items() if stage not in ENDED)
        if found:
            asyncio.run(_terminate(stack, found[int(where * len(found))]))

    return _once(terminate)


async def client_of(stack: ChaosStack) -> Client:
    """Temporal, past the network that can be hurt."""
    settings = TemporalSettings(temporal_address=stack.temporal, temporal_codec_keys=SecretStr(stack.codec_keys))
    return await connect(settings)


async def _terminate(stack: ChaosStack, incident_id: str) -> None:
    client = await client_of(stack)
    await client.get_workflow_handle(workflow_id(incident_id)).terminate("chaos")


def bring_about(stack: ChaosStack, fault: Fault) -> str:
    """Do it, for as long as it lasts. Answers what kept it from being done, or nothing.

    A fault may meet a server that an earlier one has not yet let come back: then it is tried for half a minute.
    """
    deadline = time.monotonic() + 30
    while True:
        try:
            with fault.begin(stack):
                time.sleep(fault.seconds)
            return ""
        except (psycopg.OperationalError, RPCError, RuntimeError) as error:
            if time.monotonic() > deadline:
                return type(error).__name__
            time.sleep(1)
