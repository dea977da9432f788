"""Bring the schemas of services up to date, one after another: `python -m deploy.local.migrations intake review`.

Each is what `python -m services.NAME migrate` does. Doing them in one process saves loading five whole services only to
migrate them, which on a small machine is most of the time that a start takes.
"""

import os
import sys
from collections.abc import Sequence

from deploy.local import credentials
from deploy.local.postgres import Database
from deploy.local.state import Home
from services.runtime import logs, migrate
from services.runtime.settings import MigrationSettings


def main(services: Sequence[str]) -> None:
    """Migrate these services' schemas in the database whose owner `PLUMBLINE_ADMIN_DATABASE_URL` names."""
    logs.configure("INFO", service="migrations")
    database = Database.elsewhere(os.environ["PLUMBLINE_ADMIN_DATABASE_URL"])
    roles = credentials.load(Home.default()).roles
    for service in services:
        role = f"plumbline_{service}"
        urls = {
            "admin_database_url": database.admin_url,
            "database_url": database.url(role, roles[role]),
            "system_database_url": database.url(f"{role}_system", roles[f"{role}_system"]),
        }
        migrate.upgrade(service, MigrationSettings.model_validate(urls))


if __name__ == "__main__":
    main(sys.argv[1:])
