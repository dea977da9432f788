"""`plumbline reporting rebuild`: what reporting shows, made anew from the event log of all services while it is served.

The event log is the services' outboxes (decision 0006). Some cases at a time: their turn is taken, so that no consumer
writes them meanwhile, then everything that was ever said of them is read, applied to nothing, and put in the place of
what was there, in one transaction. Whatever a consumer had applied was in an outbox before, so nothing gets lost.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import ColumnElement, Engine, Text, literal_column, select, text

from deploy.local import credentials
from deploy.local.postgres import Database
from deploy.local.state import Home, Stack, StackError
from services.contracts import directory
from services.contracts.topics import PUBLISHERS
from services.reporting import consumer, store
from services.reporting.domain import Case
from services.reporting.radar import weeks
from services.runtime import db
from services.runtime.clock import Clock
from services.runtime.consumer import Received
from services.runtime.tables import outbox_table

reporting = typer.Typer(add_completion=False, help="What reporting shows.", no_args_is_help=True)

AT_ONCE = 200
"""Cases in one transaction: other events of the provider wait for less than a second or so."""

_SHOWN = 20
_OF_PLACES = {directory.LocationRecorded.TYPE, directory.ExposureRecorded.TYPE}
_PROJECTED = sorted(consumer.PROJECTED)
_KEY = {
    "reporting": "case when type in ({}) then coalesce(data->>'incident_id', data->>'theme_id') else key end".format(
        ", ".join(f"'{one}'" for one in sorted(consumer.GOVERNANCE))
    )
}
"""Of which case or place an event of a publisher is, where that is not its key: of a decision or challenge of a meeting, the
case that it is about. Of one about none nothing is projected."""


@dataclass
class Rebuilt:
    """What was gone through, and what was not as the event log has it."""

    cases: int = 0
    events: int = 0
    missing: int = 0
    different: int = 0
    missing_events: list[str] = field(default_factory=list)
    different_cases: list[str] = field(default_factory=list)


class _OnlyLooked(Exception):
    """Leave it as it was."""


@reporting.callback()
def _group() -> None:
    """Keeps `rebuild` a word of its own while it is the only command of its group."""


@reporting.command("rebuild")
def command(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if anything is not right.")
    ] = False,
    provider: Annotated[str | None, typer.Option(help="Of one provider only, by its id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the projection anew from the event log, while it is served, or only compare the two.

    Events of the last moments are on their way and may count as missing.
    """
    try:
        only = None if provider is None else UUID(provider)
    except ValueError:
        raise StackError(f"{provider!r} is not the id of a provider") from None
    stack = Stack.load(Home.default())
    kept = credentials.load(stack.home)
    elsewhere = os.environ.get("PLUMBLINE_ADMIN_DATABASE_URL")
    database = (
        Database.elsewhere(elsewhere) if elsewhere else Database.local(stack.ports["postgres"], kept.postgres_admin)
    )

    def engine(role: str) -> Engine:
        return db.connect(database.url(role, kept.roles[role]), application="plumbline-rebuild", pool_size=1)

    logs = {publisher: engine(f"plumbline_{publisher}_system") for publisher in PUBLISHERS}
    now = Clock.from_file(stack.home.clock).now()
    found = rebuild(logs, engine("plumbline_reporting"), now, check=check, only=only)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
    else:
        typer.echo(
            f"{found.cases:,} cases of {found.events:,} events {'compared' if check else 'made anew'}:"
            f" {found.missing:,} events had not been applied, {found.different:,} cases were not as the event log has them."
        )
        for case in found.different_cases:
            typer.echo(f"different: {case}")
        for event in found.missing_events:
            typer.echo(f"not applied: {event}")
    raise typer.Exit(1 if check and (found.missing or found.different) else 0)


def rebuild(
    logs: Mapping[str, Engine], reporting_engine: Engine, now: datetime, *, check: bool, only: UUID | None = None
) -> Rebuilt:
    """Make all cases of all providers, or of `only` one, anew, and add up their weeks; with `check` only compare. Safe
    beside consumers, and to repeat.

    `logs` are the publishers' databases in their system roles, which see the outboxes of all providers.
    """
    found = Rebuilt()
    for provider_id in _providers(logs) if only is None else [only]:
        for keys in _keys(logs, provider_id):
            try:
                with db.transaction(reporting_engine, provider_id) as session:
                    store.take_turns(session, provider_id)
                    # Only now: whatever has been applied by now is in an outbox.
                    events = _events(logs, provider_id, keys)
                    ids = {UUID(_case(event)) for event in events if event.type not in _OF_PLACES}
                    before = store.cases(session, provider_id, ids)
                    asked = select(store.TIMELINE.c.event_id).where(store.TIMELINE.c.incident_id.in_(ids))
                    applied = set(session.scalars(asked))
                    consumer.rebuild(session, events)
                    _compare(found, events, applied, before, store.cases(session, provider_id, ids))
                    if check:
                        raise _OnlyLooked
            except _OnlyLooked:
                pass
        if not check:
            with db.transaction(reporting_engine, provider_id) as session:
                weeks.keep_weeks(session, provider_id, now)
    return found


def _compare(
    found: Rebuilt,
    events: Sequence[Received],
    applied: set[UUID],
    before: Mapping[UUID, Case],
    after: Mapping[UUID, Case],
) -> None:
    missing = [event for event in events if event.type not in _OF_PLACES and event.event_id not in applied]
    different = [case_id for case_id, case in after.items() if before.get(case_id) != case]
    found.cases += len(after)
    found.events += len(events)
    found.missing += len(missing)
    found.different += len(different)
    found.missing_events += [f"{one.type} {one.event_id}" for one in missing][: _SHOWN - len(found.missing_events)]
    found.different_cases += [str(one) for one in different][: _SHOWN - len(found.different_cases)]


def _providers(logs: Mapping[str, Engine]) -> list[UUID]:
    found: set[UUID] = set()
    for publisher, engine in logs.items():
        with engine.connect() as connection:
            found.update(connection.scalars(text(f"select distinct provider_id from {publisher}.outbox")))
    return sorted(found)


def _keys(logs: Mapping[str, Engine], provider_id: UUID) -> Iterator[list[str]]:
    """The keys of a provider in order, some at a time, each once. All are ids, so that all order them alike."""
    after = ""
    while True:
        found: set[str] = set()
        for publisher, engine in logs.items():
            key = _KEY.get(publisher, "key")
            asked = text(
                f"select distinct {key} as key from {publisher}.outbox where provider_id = :provider and {key} > :after"
                " and type = any(:types) order by key limit :most"
            )
            arguments = {"provider": provider_id, "after": after, "types": _PROJECTED, "most": AT_ONCE}
            with engine.connect() as connection:
                found.update(connection.scalars(asked, arguments))
        if not found:
            return
        keys = sorted(found)[:AT_ONCE]
        yield keys
        after = keys[-1]


def _case(event: Received) -> str:
    """The case that an event is of."""
    if event.type in consumer.GOVERNANCE:
        return str(event.data["incident_id"] or event.data["theme_id"])
    return event.key


def _events(logs: Mapping[str, Engine], provider_id: UUID, keys: Sequence[str]) -> list[Received]:
    found: list[Received] = []
    for publisher, engine in logs.items():
        columns = outbox_table(publisher).c
        key: ColumnElement[str] = literal_column(_KEY[publisher], Text) if publisher in _KEY else columns.key
        asked = select(*columns["event_id", "type", "provider_id", "subject", "key", "version", "occurred_at", "actor", "actor_role", "data"]).where(
            columns.provider_id == provider_id, key.in_(keys), columns.type.in_(_PROJECTED)
        )  # fmt: skip
        with engine.connect() as connection:
            rows: list[Any] = list(connection.execute(asked.order_by(columns.seq)))
        found += [Received(**row._mapping, topic="", partition=0, offset=0) for row in rows]
    return sorted(found, key=lambda event: (event.occurred_at, event.event_id))
