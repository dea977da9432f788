"""The tables of reporting, and how cases get into them and out: a few statements for any number of cases.

The columns of a table are the fields of its dataclass in `domain`, so what the rules say is what is kept.
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    and_,
    column,
    literal_column,
    not_,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from services.reporting import domain
from services.runtime import db, restriction
from services.runtime.actor import Actor
from services.runtime.erasure import is_erased
from services.runtime.errors import not_found

_TYPES: dict[Any, Any] = {
    UUID: Uuid,
    str: Text,
    int: Integer,
    float: Double,
    bool: Boolean,
    date: Date,
    datetime: DateTime(timezone=True),
    Decimal: Numeric,
    dict[str, object]: JSONB,
    list[str]: ARRAY(Text),
}
_METADATA = MetaData(schema="reporting")


def _table(name: str, row: type, key: Collection[str]) -> Table:
    columns = []
    for item in fields(row):
        kinds = [kind for kind in get_args(item.type) if kind in _TYPES] if item.type not in _TYPES else [item.type]
        columns.append(Column(item.name, _TYPES[kinds[0]], primary_key=item.name in key))
    return Table(name, _METADATA, *columns)


INCIDENT = _table("incident", domain.Incident, {"provider_id", "incident_id"})
ACTION = _table("action", domain.Action, {"provider_id", "incident_id", "action_id"})
ESCALATION = _table("escalation", domain.Escalation, {"provider_id", "incident_id", "escalation_id"})
CHECKPOINT = _table("checkpoint", domain.Checkpoint, {"provider_id", "incident_id", "checkpoint_id"})
THEME = _table("theme", domain.Theme, {"provider_id", "incident_id"})
TIMELINE = _table("timeline", domain.Entry, {"incident_id", "event_id"})
LOCATION = _table("location", domain.Location, {"provider_id", "location_id"})
PROGRESS = _table("progress", domain.Progress, {"provider_id"})
TRAIT = _table("trait", domain.Trait, {"provider_id", "incident_id", "kind"})
PERSON_INCIDENT = table(
    "person_incident",
    column("provider_id", Uuid),
    column("stand_in", Text),
    column("incident_id", Uuid),
    schema="reporting",
)
"""What happened to a person, by stand-in. PostgreSQL keeps it in step with the traits."""
EXPOSURE = _table("exposure", domain.Exposure, {"provider_id", "location_id", "month", "unit"})

_CASE_OF = "where provider_id = %s and incident_id = any(%s::uuid[])"


@functools.cache
def _select(table: Table) -> str:
    return f"select {', '.join(table.columns.keys())} from {table.fullname} {_CASE_OF}"


@functools.cache
def _upsert(table: Table, newest: str | None = None) -> str:
    """All rows come as one JSON text, which PostgreSQL reads faster than any list of parameters."""
    names = table.columns.keys()
    key = [column.name for column in table.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    guard = f" where {table.name}.{newest} <= excluded.{newest}" if newest else ""
    return f"{_insert_from_json(table)} on conflict ({', '.join(key)}) do update set {changed}{guard}"


def _insert_from_json(table: Table) -> str:
    names = ", ".join(table.columns.keys())
    return (
        f"insert into {table.fullname} ({names})"
        f" select {names} from json_populate_recordset(null::{table.fullname}, %s::json)"
    )


_APPEND = f"{_insert_from_json(TIMELINE)} on conflict do nothing"
_COMPLETE = (
    f"{_insert_from_json(TIMELINE)} on conflict (incident_id, event_id) do update set version = excluded.version"
    " where timeline.version is null"
)

LINE_NO = literal_column("timeline.line_no", BigInteger)
"""The number of a line in the order in which lines of its provider became visible: `take_turns` sees to that."""


@functools.cache
def _json(row: type) -> TypeAdapter[list[Any]]:
    return TypeAdapter(list[row])  # type: ignore[valid-type]


def _write(session: Session, statement: str, rows: Iterable[Any]) -> None:
    written = list(rows)
    if written:
        body = _json(written[0].__class__).dump_json(written, exclude_none=True, warnings=False)
        db.run(session, statement, [body.decode()])


def take_turns(session: Session, provider_id: UUID) -> None:
    """Wait until no other transaction projects events of this provider. Held to the end of the transaction.

    The urgent consumer and the ordinary ones meet at the same incidents, read them, and write them back.
    """
    db.run(session, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reporting:{provider_id}"])


def cases(session: Session, provider_id: UUID, ids: Collection[UUID]) -> dict[UUID, domain.Case]:
    """The cases that are known of these incidents, with their parts."""
    return asked_cases(ask_cases(session, provider_id, ids))


def ask_cases(session: Session, provider_id: UUID, ids: Collection[UUID]) -> Sequence[Iterable[Sequence[Any]]]:
    """Ask for cases; `asked_cases` reads the answer."""
    arguments = [provider_id, f"{{{','.join(map(str, ids))}}}"]
    return [db.run(session, _select(table), arguments) for table in (INCIDENT, ACTION, ESCALATION, CHECKPOINT, THEME)]


def asked_cases(answer: Sequence[Iterable[Sequence[Any]]]) -> dict[UUID, domain.Case]:
    """The cases that are known, with their parts."""
    incidents, actions, escalations, checkpoints, themes = answer
    found = {case.incident.incident_id: case for case in (domain.Case(domain.Incident(*row)) for row in incidents)}
    for action in (domain.Action(*row) for row in actions):
        found[action.incident_id].actions[action.action_id] = action
    for rung in (domain.Escalation(*row) for row in escalations):
        found[rung.incident_id].escalations[rung.escalation_id] = rung
    for checkpoint in (domain.Checkpoint(*row) for row in checkpoints):
        found[checkpoint.incident_id].checkpoints[checkpoint.checkpoint_id] = checkpoint
    for theme in (domain.Theme(*row) for row in themes):
        found[theme.incident_id].theme = theme
    return found


def keep_cases(session: Session, changed: Collection[domain.Case]) -> None:
    """Write cases back: each incident, and the parts that events were about."""
    _write(session, _upsert(INCIDENT), (case.incident for case in changed))
    _write(session, _upsert(ACTION), (row for case in changed for row in _told(case, case.actions)))
    _write(session, _upsert(ESCALATION), (row for case in changed for row in _told(case, case.escalations)))
    _write(session, _upsert(CHECKPOINT), (row for case in changed for row in _told(case, case.checkpoints)))
    _write(session, _upsert(THEME), (case.theme for case in changed if case.theme is not None))


def _told(case: domain.Case, parts: Mapping[UUID, Any]) -> Iterable[Any]:
    return (part for part_id, part in parts.items() if part_id in case.told)


def append_entries(session: Session, entries: Iterable[domain.Entry]) -> None:
    """Add lines to the timeline; one that is there already stays as it is."""
    _write(session, _APPEND, entries)


def complete_entries(session: Session, entries: Iterable[domain.Entry]) -> None:
    """Add lines that are not there, and the version to those that lack it. The lines must be different ones."""
    _write(session, _COMPLETE, entries)


def keep_locations(session: Session, rows: Iterable[domain.Location]) -> None:
    """Keep the newest revision of each location. The rows must be of different locations."""
    _write(session, _upsert(LOCATION, newest="revision"), rows)


def keep_exposure(session: Session, rows: Iterable[domain.Exposure]) -> None:
    """Keep the newest revision of each month's exposure. The rows must be of different months, units or locations."""
    _write(session, _upsert(EXPOSURE, newest="revision"), rows)


def keep_traits(session: Session, rows: Iterable[domain.Trait]) -> None:
    """Keep the newest revision of each incident's traits. The rows must be of different incidents or kinds."""
    _write(session, _upsert(TRAIT, newest="revision"), rows)


def keep_progress(session: Session, progress: domain.Progress) -> None:
    """Remember how far the projection of a provider is."""
    db.run(session, _PROGRESS, [progress.provider_id, progress.last_event_at, progress.lag_seconds])


_PROGRESS = (
    "insert into reporting.progress (provider_id, last_event_at, lag_seconds) values (%s, %s, %s)"
    " on conflict (provider_id) do update set"
    " last_event_at = greatest(progress.last_event_at, excluded.last_event_at), lag_seconds = excluded.lag_seconds"
)


def visible_incidents(actor: Actor) -> ColumnElement[bool]:
    """The condition for incidents in the actor's scope whose report has arrived; later events may come before it.

    A restricted one is there, in lists and in counts, for those who need to know only.
    """
    columns = INCIDENT.c
    return and_(
        columns.provider_id == actor.provider_id,
        columns.reported_at.is_not(None),
        restriction.visible(
            "reporting",
            actor,
            columns.incident_id,
            in_scope=actor.scope(columns.location_id, columns.region_id),
        ),
    )


def visible_locations(actor: Actor) -> ColumnElement[bool]:
    """The condition for locations in the actor's scope."""
    columns = LOCATION.c
    return and_(columns.provider_id == actor.provider_id, actor.scope(columns.location_id, columns.region_id))


def visible_case(session: Session, actor: Actor, incident_id: UUID) -> domain.Case:
    """The case if its incident is in the actor's scope, else 404."""
    seen = select(INCIDENT.c.incident_id).where(visible_incidents(actor), INCIDENT.c.incident_id == incident_id)
    if session.scalar(seen) is None:
        raise not_found("incident")
    return cases(session, actor.provider_id, [incident_id])[incident_id]


def visible_themes(actor: Actor) -> ColumnElement[bool]:
    """The condition for rows of themes of the actor's whole scope, and those that the actor leads; none that was erased."""
    columns = INCIDENT.c
    return and_(
        columns.provider_id == actor.provider_id,
        columns.origin == domain.THEME,
        THEME.c.commissioned_at.is_not(None),
        not_(is_erased("reporting", columns.incident_id)),
        or_(actor.scope(columns.location_id, columns.region_id), THEME.c.lead_id == actor.id),
    )


SAME_CASE = and_(THEME.c.provider_id == INCIDENT.c.provider_id, THEME.c.incident_id == INCIDENT.c.incident_id)
"""The row that a theme shares with incidents, beside its own."""


def visible_theme(session: Session, actor: Actor, theme_id: UUID) -> domain.Case:
    """The case if it is a theme that the actor may see, else 404."""
    seen = select(THEME.c.incident_id).join(INCIDENT, SAME_CASE).where(visible_themes(actor))
    if session.scalar(seen.where(THEME.c.incident_id == theme_id)) is None:
        raise not_found("theme")
    return cases(session, actor.provider_id, [theme_id])[theme_id]
