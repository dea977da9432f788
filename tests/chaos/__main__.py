"""`make chaos`: a stack of its own is used and hurt at the same time; then everything that was accepted is looked for.

People of two providers report, triage, review, act and verify through the HTTP APIs. Meanwhile processes are killed and
paused, servers restarted and emptied, the disk filled, the network slowed and cut, a clock set wrong. At the end an audit
compares what was accepted with what is there, one by one: nothing lost, nothing doubled, no orphan. Exit code 1 otherwise.

The seed decides which faults come in which order, and what people do; what meets what is up to the machine.
"""

import argparse
import asyncio
import json
import logging
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaConsumer
from rich.console import Console
from rich.table import Table

from deploy.local.projection import rebuild
from services.contracts.topics import PUBLISHERS, topic, urgent_topic
from services.runtime import db
from services.runtime.clock import Clock
from services.runtime.kafka import connect
from tests.chaos import audit
from tests.chaos.audit import Difference, Kind
from tests.chaos.desks import Day
from tests.chaos.faults import bring_about, client_of, deck
from tests.chaos.ledger import Answer, Ledger
from tests.chaos.stack import ChaosStack, Volume, environment

QUIET_SECONDS = 300.0
"""So long after the last fault everything must be as it was accepted: the reconciler waits two minutes before it repairs."""
PAUSES = (0.5, 3.0)


@dataclass(frozen=True)
class Done:
    """A fault that was brought about, and how often somebody was turned away meanwhile."""

    name: str
    kind: str
    turned_away: int


@dataclass
class Found:
    """What one look saw: how much was compared, and what differs."""

    compared: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def look(stack: ChaosStack, ledger: Ledger) -> Found:
    """Compare everything once."""
    found = Found()
    with psycopg.connect(stack.database.admin_url, connect_timeout=5) as connection:
        # One moment for all tables: what happens meanwhile is seen whole or not at all.
        connection.execute("set transaction isolation level repeatable read, read only")
        events = audit.said(connection)
        found.differences += audit.commands(ledger, events, connection)
        found.differences += audit.records(ledger, connection)
        found.differences += audit.chains(connection)
        found.differences += audit.outboxes(events)
        found.differences += audit.inboxes(events, connection)
        found.differences += audit.lines(events, connection)
        records = audit.open_and_ended(connection)
        counted = (connection.execute(f"select count(*) from {one}.audit_entry").fetchone() for one in audit.SERVICES)
        entries = sum(row[0] for row in counted if row is not None)
    in_log = read_log(stack.kafka)
    # Said after the look into the outboxes: known to nobody then.
    later = {event.event_id for event in _said_now(stack)}
    found.differences += [
        one for one in audit.log(events, in_log) if not (one.kind is Kind.ORPHAN and UUID(one.what.split()[-1]) in later)
    ]  # fmt: skip
    found.differences += _projections(stack)
    processes = asyncio.run(_processes(stack, records, events, found))
    found.compared = {
        "commands accepted": ledger.count(Answer.ACCEPTED), "incidents": len(records), "audit entries": entries,
        "events": len(events), "events in the log": len(in_log & {event.event_id for event in events}),
        "processes": processes,
    }  # fmt: skip
    return found


def _said_now(stack: ChaosStack) -> list[audit.Event]:
    with psycopg.connect(stack.database.admin_url, connect_timeout=5) as connection:
        return audit.said(connection)


async def _processes(stack: ChaosStack, records: Any, events: Any, found: Found) -> int:
    client = await client_of(stack)
    still_open = [incident for incident, (stage, _) in records.items() if stage not in audit.ENDED]
    there = await audit.processes_of(client, still_open)
    found.differences += audit.processes(records, events, there)
    found.differences += await audit.followed(client, events)
    return len(there)


def _projections(stack: ChaosStack) -> list[Difference]:
    """What reporting shows, against what it would show if it were made anew from all events."""

    def engine(role: str) -> Any:
        return db.connect(stack.role_url(role), application="chaos", pool_size=1)

    logs = {publisher: engine(f"plumbline_{publisher}_system") for publisher in PUBLISHERS}
    reporting = engine("plumbline_reporting")
    try:
        rebuilt = rebuild(logs, reporting, Clock.from_file(stack.home.clock).now(), check=True)
    finally:
        for one in (*logs.values(), reporting):
            one.dispose()
    return [Difference(Kind.LOST, "projection", one) for one in rebuilt.missing_events] + [
        Difference(Kind.CHANGED, "projection", one) for one in rebuilt.different_cases
    ]


def read_log(bootstrap: str) -> set[UUID]:
    """The ids of all events that the broker holds now, read through the protocol from the beginning."""
    consumer = connect(KafkaConsumer, bootstrap, group_id=None, auto_offset_reset="earliest", max_poll_records=2000)
    found: set[UUID] = set()
    try:
        consumer.subscribe([name for one in PUBLISHERS for name in (topic(one), urgent_topic(one))])
        quiet = time.monotonic()
        while time.monotonic() - quiet < 4:
            for records in consumer.poll(timeout_ms=500).values():
                quiet = time.monotonic()
                found |= {UUID(dict(record.headers)["ce_id"].decode()) for record in records}
    finally:
        consumer.close()
    return found


def look_until_quiet(stack: ChaosStack, ledger: Ledger, say: Callable[[str], None]) -> tuple[Found, float]:
    """Look again until nothing differs, or for as long as everything may take. Answers the last look, and its time."""
    began = time.monotonic()
    while True:
        try:
            stack.wait_until_ready()
            found = look(stack, ledger)
        except (psycopg.OperationalError, RuntimeError) as error:
            found = Found(differences=[Difference(Kind.LOST, "stack", f"{type(error).__name__}: {error}")])
        waited = time.monotonic() - began
        if not found.differences or waited > QUIET_SECONDS:
            return found, waited
        say(f"after {waited:.0f} s {len(found.differences)} differ, such as {found.differences[0].what}")
        time.sleep(5)


def run(seed: int, minutes: float, logs: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """A day of people and faults, and its audit. Where something differs, the logs of all parts are kept in `logs`."""
    began, done, not_done = time.monotonic(), list[Done](), dict[str, str]()
    machine = environment()
    volume = Volume()
    if not volume.limited:
        not_done["full disk"] = f"no volume of its own could be mounted: {volume.why_not}"
    try:
        say("starting the stack, each role a process of its own")
        with ChaosStack(volume) as stack:
            day = Day(stack.record, seed)
            with day.at_work():
                say("people are at work")
                chance, until = random.Random(f"{seed}:pauses"), time.monotonic() + 60 * minutes
                for fault in deck(stack, seed):
                    time.sleep(chance.uniform(*PAUSES))
                    if time.monotonic() > until:
                        break
                    say(f"{time.monotonic() - began:5.0f} s  {fault.name}")
                    before = day.answers[503]
                    if why := bring_about(stack, fault):
                        not_done[fault.name] = why
                    else:
                        done.append(Done(fault.name, fault.kind, day.answers[503] - before))
                stack.mend()
                say(f"{time.monotonic() - began:5.0f} s  nothing is broken any more; people put down what they do")
            found, waited = look_until_quiet(stack, day.ledger, say)
            restarts = stack.restarts()
        if found.differences or day.ledger.oddities:
            shutil.copytree(stack.home.logs, logs, dirs_exist_ok=True)
            say(f"the logs of all parts are in {logs}")
    finally:
        volume.remove()
    return _summary(seed, machine, done, not_done, day, found, waited, restarts, time.monotonic() - began)


def _summary(
    seed: int,
    machine: dict[str, object],
    done: list[Done],
    not_done: dict[str, str],
    day: Day,
    found: Found,
    waited: float,
    restarts: dict[str, int],
    seconds: float,
) -> dict[str, Any]:
    ledger = day.ledger
    differences = [*found.differences, *(Difference(Kind.CHANGED, "reply", one) for one in ledger.oddities)]
    kinds = Counter(one.kind for one in differences)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "machine": machine,
        "seconds": round(seconds),
        "faults": [asdict(one) for one in done],
        "faults_not_done": not_done,
        "restarts": restarts,
        "commands": {answer.value: ledger.count(answer) for answer in Answer},
        "answers": {str(status): count for status, count in sorted(day.answers.items())},
        "stories_left_unfinished": dict(ledger.unfinished),
        "compared": found.compared,
        "whole_after_seconds": round(waited),
        **{kind.value: kinds[kind] for kind in Kind},
        "differences": [asdict(one) for one in differences],
        "held": not differences,
    }


def _print(summary: dict[str, Any]) -> None:
    console = Console()
    table = Table("what", "how many", "turned away meanwhile")
    kinds = Counter(one["kind"] for one in summary["faults"])
    for kind, count in sorted(kinds.items()):
        away = sum(one["turned_away"] for one in summary["faults"] if one["kind"] == kind)
        table.add_row(kind, str(count), str(away))
    table.add_section()
    for what, count in summary["compared"].items():
        table.add_row(what, f"{count:,}")
    table.add_section()
    for kind in Kind:
        table.add_row(kind.value, str(summary[kind.value]))
    console.print(table)
    for one in summary["differences"][:50]:
        console.print(f"{one['kind']} ({one['where']}): {one['what']}", highlight=False, soft_wrap=True)
    for fault, why in summary["faults_not_done"].items():
        console.print(f"not done: {fault}: {why}", highlight=False, soft_wrap=True)
    held = "everything accepted is there, once" if summary["held"] else "NOT WHOLE"
    console.print(f"seed {summary['seed']}, {summary['seconds']} s: {held}", highlight=False)


def main(arguments: Iterable[str] | None = None) -> int:
    """The command line. Answers 0 if everything accepted is there, once."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=4.0, help="of faults; starting and the audit come on top")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, default=Path("build/chaos.json"), help="where the JSON goes")
    options = parser.parse_args(None if arguments is None else list(arguments))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    # Whoever ends it, the stack goes with it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("ended before its end"))
    logging.basicConfig(filename=options.output.with_suffix(".log"), level=logging.WARNING, filemode="w")
    logs = options.output.with_suffix(".logs")
    shutil.rmtree(logs, ignore_errors=True)
    summary = run(options.seed, options.minutes, logs, lambda what: print(what, file=sys.stderr, flush=True))
    text = json.dumps(summary, indent=1)
    options.output.write_text(text + "\n")
    print(text) if options.json else _print(summary)
    return 0 if summary["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
