"""Connections and transactions. Tenancy is a setting of the transaction that row-level security reads."""

import functools
import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session

from services.runtime.metrics import watch_pool


def connect(url: str, *, application: str, pool_size: int = 20) -> Engine:
    """An engine on psycopg 3 with bounded statements and locks. Parameters never appear in error messages or logs."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,
        connect_args={
            "application_name": application,
            "connect_timeout": 5,
            # A host that vanishes without a word must not hang a relay for the system's two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "options": "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
            " -c timezone=UTC",
        },
    )
    event.listen(engine, "checkout", _see_that_it_is_open)
    watch_pool(engine, application)
    return engine


def _see_that_it_is_open(connection: Any, *_: Any) -> None:
    """Refuse a pooled connection that the server has closed, and all that are older; without the round trip of a ping.

    A server that stops, or ends a session, says so: there is something to read where nothing was asked.
    """
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        said = bool(poll.poll(0))
    except psycopg.Error:
        said = True
    if said:
        raise InvalidatePoolError


def set_provider(session: Session, provider_id: UUID) -> None:
    """From here to the end of the transaction, rows of this provider only are visible and writable."""
    run(session, "select set_config('app.provider_id', %s, true)", [str(provider_id)])


@contextmanager
def transaction(engine: Engine, provider_id: UUID) -> Iterator[Session]:
    """One transaction for one provider: committed when the block ends, rolled back when it raises."""
    # The session joins the connection's transaction, and costs next to nothing until somebody needs it.
    with (
        engine.begin() as connection,
        Session(connection, expire_on_commit=False, join_transaction_mode="rollback_only") as session,
    ):
        set_provider(session, provider_id)
        yield session
        session.flush()


def insert_new(session: Session, table: type[DeclarativeBase], **values: Any) -> bool:
    """Insert a row unless one with its key is there. Answers whether it was inserted."""
    # Not `rowcount`: the driver's count is lost on the way through the ORM.
    statement = insert(table).values(**values).on_conflict_do_nothing().returning(*inspect(table).primary_key)
    return session.execute(statement).first() is not None


def run(session: Session, statement: str, parameters: Sequence[Any]) -> psycopg.Cursor[Any]:
    """Give a statement with `%s` straight to the driver: for the few that every write makes.

    Saves SQLAlchemy's part of the work, which is half of what a small statement costs. Errors are SQLAlchemy's.
    """
    connection = session.bind if isinstance(session.bind, Connection) else session.connection()
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        cursor: psycopg.Cursor[Any] = driver.execute(statement, parameters)
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error
    return cursor


Row = tuple[str, Mapping[str, Any]]
"""A row to insert: its table's name, and its columns."""


def insert_rows(session: Session, *rows: Row) -> None:
    """Insert rows into different tables in one statement, in no certain order."""
    statement = _insert_statement(tuple((table, tuple(row)) for table, row in rows))
    values = [Jsonb(value) if isinstance(value, dict) else value for _, row in rows for value in row.values()]
    run(session, statement, values)


@functools.lru_cache(maxsize=256)
def _insert_statement(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    *others, last = (
        f"insert into {table} ({', '.join(columns)}) values ({', '.join(['%s'] * len(columns))})"
        for table, columns in rows
    )
    first = ", ".join(f"row_{number} as ({statement})" for number, statement in enumerate(others))
    return f"with {first} {last}" if first else last
