"""Bring a service's schema up to date: its login roles, then its Alembic migrations. Safe to run again and at once."""

import logging
import time
from pathlib import Path

import psycopg
from alembic import command, context
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from services.runtime import db
from services.runtime.settings import MigrationSettings

logger = logging.getLogger(__name__)


def upgrade(service: str, settings: MigrationSettings) -> None:
    """Create roles and schema if absent, then run outstanding migrations, one process at a time.

    All in one transaction, unless one of them makes an index beside writes: then what came before it is committed.
    """
    engine = db.connect(settings.admin_database_url.get_secret_value(), application=f"{service}-migrate", pool_size=1)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / service / "migrations"))
    with engine.connect() as connection:
        _wait_for_turn(connection)
        with connection.begin():
            for url in (settings.database_url, settings.system_database_url):
                _ensure_role(connection, url.get_secret_value())
            connection.execute(text(f"create schema if not exists {service}"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    logger.info("schema is up to date", extra={"service": service})


def _wait_for_turn(connection: Connection) -> None:
    """Hold the lock of migrations until the connection closes. Raises TimeoutError after a minute.

    Asked for again and again: whoever waits inside PostgreSQL is waited for by an index that is made beside writes.
    """
    for _ in range(300):
        if connection.scalar(text("select pg_try_advisory_lock(hashtextextended('plumbline-migrate', 0))")):
            connection.commit()
            return
        connection.rollback()
        time.sleep(0.2)
    raise TimeoutError("other migrations have been running for a minute: try again when they are done")


def run_environment(service: str) -> None:
    """The whole of a service's Alembic `env.py`: run the migrations on the connection that `upgrade` opened."""
    context.configure(
        connection=context.config.attributes["connection"],
        version_table="migration",
        version_table_schema=service,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def _ensure_role(connection: Connection, url: str) -> None:
    parsed = make_url(url)
    if not parsed.username or not parsed.password:
        raise ValueError("a service's database URL must name its role and password")
    driver = connection.connection.driver_connection
    assert driver is not None
    role, password = sql.Identifier(parsed.username), sql.Literal(parsed.password)
    # Roles belong to the whole server, the lock only to this database: another database may be migrated right now.
    for _ in range(10):
        exists = connection.execute(text("select 1 from pg_roles where rolname = :r"), {"r": parsed.username}).scalar()
        form = "alter role {} password {}" if exists else "create role {} login nobypassrls password {}"
        try:
            with connection.begin_nested():
                driver.execute(sql.SQL(form).format(role, password))
            return
        except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_):
            time.sleep(0.2)
    raise RuntimeError(f"role {parsed.username} could not be created or changed: other migrations keep changing it")
