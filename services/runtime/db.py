"""Connections and transactions. Tenancy is a setting of the transaction that row-level security reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Session

_SET_PROVIDER = text("select set_config('app.provider_id', :provider_id, true)")


def connect(url: str, *, application: str, pool_size: int = 20) -> Engine:
    """An engine on psycopg 3 with bounded statements and locks. Parameters never appear in error messages or logs."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
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


def set_provider(session: Session, provider_id: UUID) -> None:
    """From here to the end of the transaction, rows of this provider only are visible and writable."""
    session.execute(_SET_PROVIDER, {"provider_id": str(provider_id)})


@contextmanager
def transaction(engine: Engine, provider_id: UUID) -> Iterator[Session]:
    """One transaction for one provider: committed when the block ends, rolled back when it raises."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        set_provider(session, provider_id)
        yield session


def insert_new(session: Session, table: type[DeclarativeBase], **values: Any) -> bool:
    """Insert a row unless one with its key is there. Answers whether it was inserted."""
    # Not `rowcount`: the driver's count is lost on the way through the ORM.
    statement = insert(table).values(**values).on_conflict_do_nothing().returning(*inspect(table).primary_key)
    return session.execute(statement).first() is not None
