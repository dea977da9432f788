"""A backup is whole or refused, restores to what it was, and every chain and file of a stack can be looked at.

The disaster itself, with Kafka and Temporal lost, is `make drill`.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from deploy.local import credentials
from deploy.local.backup import archive
from deploy.local.parts import SERVICES, role_names
from deploy.local.state import Home, StackError
from services.runtime import audit
from services.runtime.actor import system

FILE = b"a photograph"
SHA256 = hashlib.sha256(FILE).hexdigest()


def plumbline(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.local.cli", "--home", str(home), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def provider() -> uuid.UUID:
    return uuid.uuid4()


@pytest.fixture(scope="module")
def stack(run_folder: Path, provider: uuid.UUID) -> Iterator[Path]:
    """PostgreSQL with the schemas, a chain of two entries, and a file: what a backup is of."""
    home = run_folder / f"backed-{uuid.uuid4().hex[:6]}"
    up = plumbline(home, "up", "--detach", "--only=postgres")
    assert up.returncode == 0, up.stdout + up.stderr
    environment = {
        **os.environ,
        "PLUMBLINE_HOME": str(home),
        "PLUMBLINE_ADMIN_DATABASE_URL": archive.database_of(Home(home)).admin_url,
    }
    credentials.load(Home(home), role_names())
    subprocess.run(
        [sys.executable, "-m", "deploy.local.migrations", *SERVICES], env=environment, check=True, timeout=600
    )
    chain, now = uuid.uuid4(), datetime(2026, 6, 8, 9, tzinfo=UTC)
    first = audit.first_entry(chain=chain, actor=system(provider), action="reported", subject=chain, at=now, data={})
    second = audit.build_entry(
        chain=chain, seq=2, previous_hash=first["hash"], actor=system(provider), action="closed", subject=chain, at=now, data={"cycle": 1}
    )  # fmt: skip
    with psycopg.connect(archive.database_of(Home(home)).admin_url) as connection:
        connection.execute("set session_replication_role = replica")
        for entry in (first, second):
            names = ", ".join(entry)
            marks = ", ".join(f"%({name})s" for name in entry)
            connection.execute(
                f"insert into intake.audit_entry ({names}) values ({marks})", {**entry, "data": Jsonb(entry["data"])}
            )
        connection.execute(
            "insert into intake.incident (incident_id, provider_id, location_id, kind, category, narrative, immediate_danger,"
            " occurred_at, reported_at, reporter_id, stage, stage_entered_at) values (%(id)s, %(provider)s, %(id)s, 'incident',"
            " 'fall', 'Found on the stairs.', false, %(now)s, %(now)s, %(id)s, 'reported', %(now)s)",
            {"id": chain, "provider": provider, "now": now},
        )
        connection.execute(
            "insert into intake.attachment values (%(id)s, %(provider)s, %(id)s, 'stairs.png', 'image/png', 12, %(sha)s, %(id)s, now())",
            {"id": chain, "provider": provider, "sha": SHA256},
        )
    place = home / "attachments" / str(provider) / SHA256[:2] / SHA256
    place.parent.mkdir(parents=True)
    place.write_bytes(FILE)
    yield home
    plumbline(home, "down")


@pytest.fixture(scope="module")
def backup(stack: Path, run_folder: Path) -> Path:
    """Its backup."""
    out = run_folder / f"backup-{uuid.uuid4().hex[:6]}"
    made = plumbline(stack, "backup", "create", "--out", str(out), "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    said = json.loads(made.stdout)
    assert said["rows"]["intake.audit_entry"] == 2
    assert plumbline(stack, "backup", "create", "--out", str(out)).returncode == 1, "no backup is overwritten"
    return out


def test_no_key_and_no_password_is_in_it(stack: Path, backup: Path) -> None:
    kept = json.loads((stack / "secrets.json").read_text())
    secrets = [
        kept["postgres_admin"],
        kept["temporal_codec_keys"],
        kept["console_session_keys"],
        *kept["roles"].values(),
    ]
    content = b"".join(path.read_bytes() for path in backup.rglob("*") if path.is_file())
    assert not [secret for secret in secrets if secret.encode() in content]
    assert backup.stat().st_mode & 0o077 == 0


def test_what_was_changed_cut_off_or_taken_away_is_refused_by_name(backup: Path, tmp_path: Path) -> None:
    assert archive.check(backup).rows["intake.attachment"] == 1

    def damaged(name: str, damage: Any) -> str:
        copy = tmp_path / uuid.uuid4().hex
        shutil.copytree(backup, copy)
        damage(copy / name)
        with pytest.raises(StackError) as refused:
            archive.check(copy)
        return str(refused.value)

    [file] = [str(path.relative_to(backup)) for path in (backup / "attachments").rglob(SHA256)]
    assert "not as it was written" in damaged("database.dump", lambda path: path.write_bytes(path.read_bytes()[:-1]))
    assert "is missing" in damaged(file, lambda path: path.unlink())
    assert "no backup" in damaged("manifest.json", lambda path: path.write_text('{"rows": '))


def test_it_restores_to_what_it_was_and_only_into_an_empty_folder(stack: Path, backup: Path, run_folder: Path) -> None:
    refused = plumbline(stack, "backup", "restore", str(backup))
    assert refused.returncode == 1
    assert "holds data already" in refused.stderr
    new = run_folder / f"restored-{uuid.uuid4().hex[:6]}"
    done = plumbline(new, "backup", "restore", str(backup), "--keys", str(stack / "secrets.json"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    up = plumbline(new, "up", "--detach", "--only=postgres")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        database = archive.database_of(Home(new))
        assert archive.count_rows(database) == archive.check(backup).rows
        looked = plumbline(new, "backup", "verify", "--json")
        assert (looked.returncode, json.loads(looked.stdout)["broken"]) == (0, [])
        assert json.loads(looked.stdout)["files"] == 1
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            forced = "select count(*) from pg_class where relnamespace = 'intake'::regnamespace and relkind = 'r' and not relforcerowsecurity"
            assert connection.execute(forced).fetchone() == (1,), "tenancy is forced as before, but for Alembic's note"
            connection.execute("alter table intake.audit_entry disable trigger append_only")
            connection.execute("update intake.audit_entry set actor_role = 'carer' where seq = 1")
        [file] = (new / "attachments").rglob(SHA256)
        file.write_bytes(b"another")
        looked = plumbline(new, "backup", "verify", "--json")
        assert looked.returncode == 1
        broken = json.loads(looked.stdout)["broken"]
        assert [one.rsplit(":", 1)[-1].strip() for one in broken if "chain" in one] == [
            "entry 1 was changed after it was written"
        ]
        assert any(SHA256 in one for one in broken)
    finally:
        plumbline(new, "down")
