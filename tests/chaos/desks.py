"""People at work while things break: through the HTTP APIs only, what each was told written down in the ledger.

Which story is told next, and whether a reply got lost on its way, is decided by the seed.
"""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from deploy.local import people
from deploy.local.people import Person, Refused
from deploy.local.personas import Persona
from deploy.local.state import Stack, StackError
from tests.chaos.ledger import Answer, Ledger, Line
from tests.e2e.journey import Care

PROVIDERS, DESKS = 2, 4
"""Tenants, and people at each who work side by side."""
LOST_REPLIES = 0.1
"""So many accepted commands are sent again, as if their reply had been lost."""


class DayIsOver(Exception):
    """Nothing new is begun; what was sent is waited for."""


class Writer(Person):
    """Somebody whose commands are in the ledger. Like everybody they repeat a command with its key until it is answered."""

    def __init__(self, stack: Stack, persona: Persona, http: httpx.Client, day: "Day") -> None:
        super().__init__(stack, persona, http)
        self._day = day

    def _call(self, method: str, service: str, path: str, **arguments: Any) -> httpx.Response:
        ledger = self._day.ledger
        if self._day.over.is_set():
            raise DayIsOver
        if method == "GET":
            return self._answered(method, service, path, arguments)
        line = ledger.intend(
            Line(
                provider_id=self.persona.provider_id, actor_id=self.persona.sub, service=service, method=method,
                path=path, key=arguments["headers"]["Idempotency-Key"],
            )
        )  # fmt: skip
        try:
            response = self._answered(method, service, path, arguments)
        except Refused as refused:
            # After the last attempt a service that is away says so; whether an earlier one went through is not known.
            line.answer = Answer.UNKNOWN if refused.status >= 500 else Answer.REFUSED
            line.status = refused.status
            raise
        line.status, line.body, line.etag = response.status_code, response.json(), response.headers.get("ETag")
        line.answer = Answer.ACCEPTED
        if self._day.loses_a_reply():
            again = self._answered(method, service, path, arguments)
            if (again.status_code, again.json()) != (line.status, line.body):
                ledger.odd(f"{method} {service}{path} answered another time otherwise, key {line.key}")
        return response

    def _answered(self, method: str, service: str, path: str, arguments: dict[str, Any]) -> httpx.Response:
        try:
            return super()._call(method, service, path, **{**arguments, "headers": dict(arguments.get("headers", {}))})
        except Refused as refused:
            if refused.status >= 500 and refused.status != 503:
                self._day.ledger.odd(f"{method} {service}{path} answered {refused.status}")
            raise


class WatchedCare(Care):
    """A provider whose people's commands are in the ledger."""

    def __init__(self, stack: Stack, http: httpx.Client, day: "Day") -> None:
        self._day = day
        super().__init__(stack, http)

    def _person(self, role: str, **scope: Any) -> Person:
        return Writer(self.stack, super()._person(role, **scope).persona, self.http, self._day)


def _left(care: Care) -> None:
    """Reported; the rule triages when nobody does."""
    care.report(category="environment")


def _at_once(care: Care) -> None:
    """A review that finds nothing to change."""
    journey = care.triaged(category="medication")
    journey.reaches("reviewing")
    journey.to_closure_at_once()


def _improved(care: Care) -> None:
    """Everybody does their part up to the wait for the first checkpoint."""
    care.triaged(category="medication").to_checkpoint()


def _returned(care: Care) -> None:
    """The same, but the first verification fails."""
    care.triaged(category="medication").to_checkpoint(returned=True)


def _high_risk(care: Care) -> None:
    """The ladder calls, the deputy answers."""
    journey = care.triaged(consequence=4, likelihood=3, category="pressure_damage")
    journey.reaches("reviewing")
    journey.answer()
    journey.withdraw()


def _withdrawn(care: Care) -> None:
    """Reported in error."""
    care.triaged(category="medication").withdraw()


def _duplicate(care: Care) -> None:
    """Two carers report the same event."""
    first, second = care.triaged(category="medication"), care.report(category="medication")
    care.manager.change("intake", second.record, "duplicate", {"duplicate_of": first.id})
    first.to_closure_at_once()


def _reopened(care: Care) -> None:
    """A near miss, closed; then somebody doubts the review."""
    journey = care.triaged(consequence=2, likelihood=2, kind="near_miss")
    journey.to_closure_at_once()
    reason = {"stage": "reviewing", "reason": care.says("It happened again.")}
    care.quality.change("intake", journey.record, "reopening", reason)
    journey.reaches("reviewing", 2)


STORIES: dict[Callable[[Care], None], int] = {
    _left: 4, _at_once: 3, _improved: 3, _returned: 1, _high_risk: 2, _withdrawn: 1, _duplicate: 1, _reopened: 1,
}  # fmt: skip
"""What is told, and how often among the others."""


class Day:
    """A day's work of all desks. `with Day(...)`: they work during the block, and have put everything down after it."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.ledger, self.over = Ledger(), threading.Event()
        self._stack, self._seed = stack, seed
        self._chance = random.Random(f"{seed}:replies")
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()

    def loses_a_reply(self) -> bool:
        """Whether this reply does not reach whoever waits for it."""
        with self._lock:
            return self._chance.random() < LOST_REPLIES

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """People are registered, then every desk tells one story after another until the block ends."""
        usual, people.PATIENCE_SECONDS = people.PATIENCE_SECONDS, 120.0
        limits = httpx.Limits(max_connections=PROVIDERS * DESKS * 2)
        try:
            hooks = {"response": [self._heard]}
            with (
                httpx.Client(timeout=30, limits=limits, event_hooks=hooks) as http,
                ThreadPoolExecutor(PROVIDERS * DESKS) as pool,
            ):
                cares = [WatchedCare(self._stack, http, self) for _ in range(PROVIDERS)]
                list(pool.map(WatchedCare.set_up, cares))
                desks = [pool.submit(self._desk, care, n) for n in range(DESKS) for care in cares]
                try:
                    yield
                finally:
                    self.over.set()
                    for desk in desks:
                        desk.result()
        finally:
            people.PATIENCE_SECONDS = usual

    def _heard(self, response: httpx.Response) -> None:
        """Count an answer. One that turns somebody away says when to come back."""
        with self._lock:
            self.answers[response.status_code] += 1
        if response.status_code == 503:
            told = response.headers.get("Retry-After", ""), response.headers.get("Content-Type", "")
            if not told[0].isdigit() or told[1] != "application/problem+json":
                self.ledger.odd(f"{response.request.url.path} answered 503 without saying when to come back")

    def _desk(self, care: Care, number: int) -> None:
        chance = random.Random(f"{self._seed}:{number}")
        while not self.over.is_set():
            [story] = chance.choices(list(STORIES), list(STORIES.values()))
            try:
                story(care)
            except DayIsOver:
                return
            except (StackError, AssertionError) as error:
                self.ledger.left(f"{story.__name__.strip('_')}: {str(error)[:120]}")
            time.sleep(chance.uniform(0.1, 1.0))
