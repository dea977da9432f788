"""Every dashboard read over HTTP with 10,000 and with 1,000,000 incidents over 1,000 places, as the application's role.

Each read is asked of the reporting API one after the other, with places, regions and filters drawn anew each time.
"""

import contextlib
import functools
import http.client
import json
import os
import random
import shutil
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from deploy.local.parts import MIGRATIONS
from services.reporting.patterns.commands import search
from services.reporting.radar import weeks
from services.reporting.radar.policy import Weakness
from services.runtime import pagination
from services.runtime.actor import system
from services.runtime.db import transaction
from tests.load.outcome import Outcome, quantile
from tests.load.population import LOCATIONS, Population, Seed
from tests.load.rig import Rig, rig

HOLD_MS, HOLD_RATIO, AT_ONCE_MS = 300.0, 2.0, 100.0
SMALL, LARGE = 10_000, 1_000_000
_SAMPLE = 300

WITHOUT_RATIO = (
    "changes from the beginning", "changes since a day", "export of a place as CSV", "export of locations as CSV",
    "reviews read together, board", "reviews read together, region", "rates, board", "rates, region",
)  # fmt: skip
"""What is read for a file or another system, or adds up a period that ten thousand incidents do not fill: 300 ms alone."""


def measure(_: Rig, *, quick: bool, incidents: int = LARGE, say: Callable[[str], None] = print) -> Outcome:
    """Fill and ask a small and a large population, each on servers of its own."""
    large, rounds = (2 * SMALL, 5) if quick else (incidents, 40)
    found, differences, sizes = {}, 0, {}
    for size in (SMALL, large):
        with rig("postgres", "issuer", MIGRATIONS) as servers:
            waits, different, sizes[size] = _measure(servers, size, rounds, say)
            found[size], differences = waits, differences + different
    rows: list[dict[str, Any]] = []
    held = differences == 0
    for name in found[large]:
        p95 = {size: 1000 * quantile(found[size][name], 0.95) for size in found}
        p50 = {size: 1000 * quantile(found[size][name], 0.5) for size in found}
        twice = name in WITHOUT_RATIO or p95[large] <= max(HOLD_RATIO * p95[SMALL], AT_ONCE_MS)
        holds = p95[large] <= HOLD_MS and twice
        held = held and holds
        rows.append({"read": name, "p95_small": p95[SMALL], "p50": p50[large], "p95": p95[large], "held": holds})
    lines = [
        f"{row['read']:<44} {row['p95_small']:>6.0f} {row['p50']:>6.0f} {row['p95']:>6.0f} {row['p95'] / row['p95_small']:>5.1f}"
        f" {'' if row['held'] else 'NO'}"
        for row in rows
    ]
    say(f"{'read: ms':<44} p95 at {SMALL:,}, p50 and p95 at {large:,}, ratio\n" + "\n".join(lines))
    worst = max(row["p95"] for row in rows)
    return Outcome(
        name="reads",
        result=f"{sum(row['held'] for row in rows)} of {len(rows)} reads hold, the slowest p95 {worst:.0f} ms;"
        f" {differences} rows of a sample differ from the consumer's",
        holds=f"p95 <= {HOLD_MS:.0f} ms at {large:,}, <= {HOLD_RATIO:.0f} x that at {SMALL:,} or <= {AT_ONCE_MS:.0f} ms",
        held=held,
        numbers={"reads": rows, "incidents": large, "places": LOCATIONS, "database": sizes, "differences": differences},
    )


def _measure(
    servers: Rig, size: int, rounds: int, say: Callable[[str], None]
) -> tuple[dict[str, list[float]], int, dict[str, Any]]:
    began = time.monotonic()

    def tell(what: str) -> None:
        free = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
        say(f"  {size:,}: {what} after {time.monotonic() - began:.0f} s; {free:.0f} GB free")

    with contextlib.closing(Population(servers.admin_url, servers.provider_id, size, datetime.now(UTC))) as people:
        tell("drawn")
        people.write(tell)
        different = people.differences(_SAMPLE)
        tell(f"{different} rows differ of {_SAMPLE} incidents told to the consumer")
        engine = servers.engine("reporting")
        now = datetime.now(UTC)
        with transaction(engine, servers.provider_id) as session:
            made = weeks.keep_weeks(session, servers.provider_id, now)
        tell(f"{made:,} weeks of places added up")
        searched = search(engine, servers.provider_id, now, system(servers.provider_id))
        engine.dispose()
        tell(f"patterns looked for among {searched.incidents:,}: {searched.found} found")
        with servers.running("reporting", role="api"), contextlib.closing(_Reader(servers, people)) as reader:
            waits = {}
            for name, ask in reader.reads().items():
                waits[name] = reader.ask(ask, rounds)
                if os.environ.get("BENCH_READS"):
                    tell(f"{name}: {1000 * quantile(waits[name], 0.5):.0f}/{1000 * quantile(waits[name], 0.95):.0f} ms")
            tell("asked")
        return waits, different, _sizes(servers)


def _sizes(servers: Rig) -> dict[str, Any]:
    engine = create_engine(make_url(servers.admin_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select relname, pg_total_relation_size(oid) as bytes, reltuples::bigint as rows from pg_class"
                " where relnamespace = 'reporting'::regnamespace and relkind = 'r' and reltuples > 0 order by 2 desc"
            )
        )
        found = {row.relname: {"bytes": row.bytes, "rows": row.rows} for row in rows}
    engine.dispose()
    return found


def _fixed(path: str, token: str) -> tuple[str, str]:
    return path, token


class _Reader:
    """Asks the reporting API over one connection that is kept, as one browser does."""

    def __init__(self, servers: Rig, people: Population) -> None:
        self._servers, self._people, self._chance = servers, people, random.Random(3)
        self._connection = http.client.HTTPConnection("127.0.0.1", servers.ports["reporting"], timeout=60)
        mine = [(place, region) for provider, place, region in people.places if provider == people.provider_id]
        self._mine = mine
        token = functools.cache(servers.token)
        self._board = token("director")
        self._token = self._board
        self._location = servers.token("registered_manager", locations=[mine[len(mine) // 2][0]])
        self._largest = servers.token("registered_manager", locations=[mine[0][0]])
        self._region = servers.token("regional_manager", regions=[mine[0][1]])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def get(self, path: str, token: str) -> bytes:
        """A reply of 200."""
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
        return body

    def ask(self, make: Callable[[], tuple[str, str]], rounds: int) -> list[float]:
        """Seconds of each of many asks; the first three warm caches and are left out. Slow ones are asked less often."""
        waits: list[float] = []
        began = time.monotonic()
        for number in range(rounds + 3):
            path, token = make()
            before = time.perf_counter()
            self.get(path, token)
            if number >= 3:
                waits.append(time.perf_counter() - before)
            if time.monotonic() - began > 12 and len(waits) >= 5:
                break
        return waits

    def _anybody(self) -> str:
        """A token of another director each time: one person may ask for so many files a minute only."""
        return self._servers.token("director")

    def _place(self) -> uuid.UUID:
        return self._chance.choice(self._mine)[0]

    def _a_region(self) -> uuid.UUID:
        return self._chance.choice(self._mine)[1]

    def _day(self, most: float) -> str:
        return urllib.parse.quote((datetime.now(UTC) - timedelta(days=self._chance.uniform(1, most))).isoformat())

    def _seed(self) -> Seed:
        """Of an incident that everybody in its scope may see."""
        while True:
            seed = self._people.seeds[-self._chance.randrange(1, min(60_000, len(self._people.seeds)))]
            if seed.provider_id == self._people.provider_id and seed.incident_id not in self._hidden:
                return seed

    def _incident(self) -> uuid.UUID:
        return self._seed().incident_id

    def _person(self) -> str:
        return self._seed().person

    @functools.cached_property
    def _hidden(self) -> set[uuid.UUID]:
        engine = create_engine(make_url(self._servers.admin_url).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            found = set(connection.scalars(text("select record_id from reporting.restriction")))
        engine.dispose()
        return found

    def _deep(self) -> str:
        """A cursor a third into the history: of an incident that was reported then."""
        seeds = self._people.seeds
        return pagination.encode(seeds[self._chance.randrange(len(seeds) // 3, len(seeds) // 2)].incident_id)

    def _deep_page(self, token: str) -> tuple[str, str]:
        return f"/incidents?cursor={self._deep()}", token

    def reads(self) -> dict[str, Callable[[], tuple[str, str]]]:
        """What is asked, by name: makes a path and a token."""
        board, region, location = self._board, self._region, self._location
        days = len(self._people.seeds) / 548
        scopes = {"board": board, "region": region, "location": location}
        asked: dict[str, Callable[[], tuple[str, str]]] = {}
        for name, token in scopes.items():
            asked[f"overview, {name}"] = functools.partial(_fixed, "/overview", token)
        asked["overview of a region, by the board"] = lambda: (f"/overview?region_id={self._a_region()}", board)
        asked["overview of a place, by the board"] = lambda: (f"/overview?location_id={self._place()}", board)
        asked["overview as of a day, of a place"] = lambda: (
            f"/overview?location_id={self._place()}&as_of={self._day(min(300, days))}", board,
        )  # fmt: skip
        for name, token in {**scopes, "largest location": self._largest}.items():
            asked[f"incidents, {name}"] = functools.partial(_fixed, "/incidents", token)
        filters = {
            "stage": "stage=acting", "overdue": "overdue=true", "unverified": "unverified=true",
            "extreme": "band=extreme", "rare type": "category=missing_person", "withdrawn": "stage=withdrawn",
            "high, rare type": "band=high&category=choking",
        }  # fmt: skip
        for name, query in filters.items():
            asked[f"incidents, board, {name}"] = functools.partial(_fixed, f"/incidents?{query}", board)
        asked["incidents of a place, by the board"] = lambda: (f"/incidents?location_id={self._place()}", board)
        asked["incidents of a place, type"] = lambda: (
            f"/incidents?location_id={self._place()}&category=choking",
            board,
        )
        asked["incidents of a region, type"] = lambda: (
            f"/incidents?region_id={self._a_region()}&category=death",
            board,
        )
        asked["incidents reported before a day"] = lambda: (f"/incidents?reported_before={self._day(days)}", board)
        asked["incidents of one day"] = lambda: self._one_day(days)
        for name, token in scopes.items():
            asked[f"incidents, deep page, {name}"] = functools.partial(self._deep_page, token)
        asked["timeline"] = lambda: (f"/incidents/{self._incident()}/timeline", board)
        asked["timeline as of a day"] = lambda: self._as_of()
        asked["locations"] = lambda: ("/locations/overview?limit=200", board)
        asked["locations, region"] = lambda: ("/locations/overview?limit=200", region)
        for name, token in scopes.items():
            asked[f"radar, {name}"] = functools.partial(_fixed, "/radar", token)
        asked["radar of a region, by the board"] = lambda: (f"/radar?region_id={self._a_region()}", board)
        asked["radar of a place, by the board"] = lambda: (f"/radar?location_id={self._place()}", board)
        for name, token in scopes.items():
            asked[f"rates, {name}"] = functools.partial(_fixed, "/rates", token)
            asked[f"reviews read together, {name}"] = functools.partial(_fixed, "/reviews/together", token)
        asked["a place on one page"] = lambda: (f"/locations/{self._place()}/view", board)
        asked["a person's journey"] = lambda: (f"/people/{self._person()}/journey", board)
        asked["your own reports"] = lambda: ("/my-reports", board)
        asked["themes"] = lambda: ("/themes", board)
        weaknesses = list(Weakness)
        asked["records behind a weakness"] = lambda: (f"/radar/{self._chance.choice(weaknesses)}/records", board)
        asked["signals"] = lambda: ("/signals?limit=50", board)
        asked["signals, region"] = lambda: ("/signals", region)
        asked["signals, quality"] = lambda: ("/signals/quality", board)
        asked["changes from the beginning"] = lambda: ("/incidents/changes", board)
        asked["changes since a day"] = lambda: (f"/incidents/changes?updated_since={self._day(min(300, days))}", board)
        asked["export of a place as CSV"] = lambda: (
            f"/incidents/export?format=csv&location_id={self._place()}&reported_from={self._day(90)}", self._anybody(),
        )  # fmt: skip
        asked["export of locations as CSV"] = lambda: ("/locations/overview/export?format=csv", self._anybody())
        asked["saved filters"] = lambda: ("/saved-filters", board)
        asked["agenda of the board"] = self._meeting
        asked["meetings"] = lambda: ("/meetings", board)
        asked["decisions and challenges"] = lambda: ("/governance-items", board)
        return asked

    @functools.cached_property
    def _meeting_path(self) -> str:
        """A meeting that was called, its agenda compiled from all there is."""
        body = json.dumps({"level": "board", "reason": "To see what it has before it."})
        headers = {
            "Authorization": f"Bearer {self._board}", "Idempotency-Key": str(uuid.uuid4()),
            "Content-Type": "application/json",
        }  # fmt: skip
        self._connection.request("POST", "/meetings", body, headers)
        answer = self._connection.getresponse()
        return f"/meetings/{json.loads(answer.read())['meeting_id']}"

    def _meeting(self) -> tuple[str, str]:
        return self._meeting_path, self._board

    def _one_day(self, days: float) -> tuple[str, str]:
        start = datetime.now(UTC) - timedelta(days=self._chance.uniform(1, days))
        until = start + timedelta(days=1)
        quoted = [urllib.parse.quote(at.isoformat()) for at in (start, until)]
        return f"/incidents?reported_from={quoted[0]}&reported_before={quoted[1]}", self._board

    def _as_of(self) -> tuple[str, str]:
        return (
            f"/incidents/{self._incident()}/timeline?as_of={urllib.parse.quote(datetime.now(UTC).isoformat())}",
            self._board,
        )
