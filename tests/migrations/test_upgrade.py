"""Two processes that migrate at once wait for one another, though one of them makes indexes beside writes."""

import threading
import uuid

from sqlalchemy import create_engine, make_url, text

from services.runtime import migrate
from services.runtime.settings import MigrationSettings
from tests.conftest import role_url


def test_migrations_that_start_together_both_end_well(postgres: str) -> None:
    name = f"plumbline_{uuid.uuid4().hex[:12]}"
    owner = create_engine(make_url(postgres).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"create database {name}"))
    url = make_url(postgres).set(database=name).render_as_string(hide_password=False)
    settings = MigrationSettings.model_validate({
        "environment": "local", "admin_database_url": url, "database_url": role_url(url, "plumbline_directory"),
        "system_database_url": role_url(url, "plumbline_directory_system"),
    })  # fmt: skip
    failed: list[BaseException] = []

    def run() -> None:
        try:
            migrate.upgrade("directory", settings)
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failed == []
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from directory.migration")) == 1
        valid = "select indisvalid from pg_index where indexrelid = 'directory.idempotency_key_created'::regclass"
        assert connection.scalar(text(valid)) is True
    engine.dispose()
    with owner.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    owner.dispose()
