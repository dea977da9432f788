"""What a migration may not do while the release before goes on beside it: `python -m tests.migrations.lint`.

Two looks. Squawk reads the SQL of each migration for what locks a table or rewrites it. A comparison of PostgreSQL's own
catalogue before and after each migration finds what code of the release before would trip over: a table or column that is
gone or of another type, and a column that its inserts do not name and that may not be empty.

A migration that takes away what an earlier release stopped using says so: `CONTRACTS = {"intake.incident.colour": "0.3.0"}`,
the release since which nothing reads or writes it.
"""

import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from packaging.version import Version
from sqlalchemy import Connection, text

ROOT = Path(__file__).parents[2]
SERVICES = ("directory", "intake", "review", "actions", "reporting")
LOCKS = frozenset({
    "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field",
    "adding-serial-primary-key-field", "changing-column-type", "constraint-missing-not-valid", "disallowed-unique-constraint",
    "renaming-column", "renaming-table", "require-concurrent-index-creation", "require-concurrent-index-deletion",
})  # fmt: skip
"""Squawk's rules that matter here: what rewrites a table, or stops reads or writes while it looks at every row."""
BEFORE = Path(__file__).parent / "before.json"
"""Migrations of before there was this linter, with what they do. The list may only become shorter."""
_SQUAWK = Path(sys.executable).with_name("squawk")
_CATALOGUE = text(
    "select table_name, column_name, data_type || coalesce('(' || character_maximum_length || ')', '') as type,"
    " is_nullable = 'YES' as nullable,"
    " column_default is not null or is_identity = 'YES' or is_generated = 'ALWAYS' as filled"
    " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
    " where table_schema = :schema and table_type = 'BASE TABLE'"
)


@dataclass(frozen=True)
class Migration:
    """One step of a service's schema."""

    service: str
    path: Path
    module: ModuleType

    @property
    def name(self) -> str:
        """As the exceptions name it."""
        return f"{self.service}/{self.path.stem}"

    @property
    def contracts(self) -> Mapping[str, str]:
        """What it takes away, by `schema.table` or `schema.table.column`, and the release that stopped using it."""
        found: Mapping[str, str] = getattr(self.module, "CONTRACTS", {})
        return found


@dataclass(frozen=True)
class Fault:
    """What a migration does that it may not."""

    migration: str
    rule: str
    about: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.rule}: {self.about}"


@cache
def migrations(folder: Path = ROOT / "services") -> tuple[Migration, ...]:
    """All of them, each service's in order."""
    return tuple(
        Migration(service, path, _load(path))
        for service in SERVICES
        for path in sorted((folder / service / "migrations" / "versions").glob("*.py"))
    )


def sql_of(migration: Migration) -> str:
    """The statements of a migration, without a database."""
    written = io.StringIO()
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written})
    with Operations.context(context):
        migration.module.upgrade()
    return written.getvalue()


def locks(found: Sequence[Migration]) -> list[Fault]:
    """What Squawk says of them."""
    with tempfile.TemporaryDirectory() as folder:
        files = {str(Path(folder) / f"{n:04}.sql"): one for n, one in enumerate(found)}
        for path, one in files.items():
            Path(path).write_text(sql_of(one))
        done = subprocess.run(
            [str(_SQUAWK), "--assume-in-transaction", "--pg-version", "15", "--reporter", "json", *files],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        said: list[dict[str, Any]] = json.loads(done.stdout)
        return [
            Fault(files[one["file"]].name, one["rule_name"], _statement(Path(one["file"]).read_text(), one))
            for one in said
            if one["rule_name"] in LOCKS or one["rule_name"] == "syntax-error"
        ]


Column = tuple[str, bool, bool]
Catalogue = Mapping[tuple[str, str], Column]


def catalogue(connection: Connection, schema: str) -> Catalogue:
    """Every column of a schema's tables: its type, whether it may be empty, and whether it is filled by itself."""
    rows = connection.execute(_CATALOGUE, {"schema": schema})
    return {(row.table_name, row.column_name): (row.type, row.nullable, row.filled) for row in rows}


def broken(migration: Migration, before: Catalogue, after: Catalogue) -> Iterator[Fault]:
    """What code of the release before would trip over, unless the migration may contract it."""
    tables, left = {table for table, _ in before}, {table for table, _ in after}
    for table in sorted(tables - left):
        yield from _unless_contracted(migration, "dropped-table", f"{migration.service}.{table}")
    for (table, column), (kind, _, _) in sorted(before.items()):
        about = f"{migration.service}.{table}.{column}"
        if table in left and (table, column) not in after:
            yield from _unless_contracted(migration, "dropped-column", about)
        elif table in left and after[table, column][0] != kind:
            yield from _unless_contracted(migration, "changed-type", about)
    for (table, column), (_, nullable, filled) in sorted(after.items()):
        if table not in tables or nullable or filled:
            continue
        known = before.get((table, column))
        if known is None or known[1] or known[2]:
            yield Fault(migration.name, "required-column", f"{migration.service}.{table}.{column}")


def before() -> dict[str, list[str]]:
    """The exceptions: `rule: about` by migration."""
    found: dict[str, list[str]] = json.loads(BEFORE.read_text())
    return found


def _unless_contracted(migration: Migration, rule: str, about: str) -> Iterator[Fault]:
    since = migration.contracts.get(about)
    if since is None:
        yield Fault(migration.name, rule, about)
    elif not Version(since) < Version(version("plumbline")):
        yield Fault(migration.name, rule, f"{about}: {since} is not an earlier release")


def _statement(sql: str, said: Mapping[str, Any]) -> str:
    """The line that it is about, without the white space that only lays it out."""
    lines = sql.splitlines()
    return " ".join(lines[min(said["line"], len(lines) - 1)].split()).rstrip(";,")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    known = before()
    wrong = [one for one in locks(migrations()) if f"{one.rule}: {one.about}" not in known.get(one.migration, [])]
    print("\n".join(map(str, wrong)) or f"{len(migrations())} migrations: none stops the release before")
    sys.exit(1 if wrong else 0)
