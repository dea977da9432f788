"""What must hold of the data of a stack, restored or not: every audit chain, every file, a process for each open case."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from temporalio.client import Client

from deploy.local.parts import SERVICES
from deploy.local.postgres import Database
from services.runtime import audit
from workflows import incident, thematic

_OPEN = {
    incident.workflow_id: "select incident_id from intake.incident where stage not in ('closed', 'withdrawn', 'duplicate')",
    thematic.workflow_id: "select theme_id from review.theme where stage not in ('closed', 'ended')",
}
_FILES = (
    "select distinct provider_id, sha256 from intake.attachment where name <> '' union"
    " select provider_id, sha256 from actions.evidence_file where name <> '' union"
    " select provider_id, sha256 from reporting.pack where sha256 is not null"
)
_SHOWN = 20


@dataclass
class Proved:
    """How much was looked at, and what does not hold."""

    chains: int = 0
    entries: int = 0
    files: int = 0
    broken: list[str] = field(default_factory=list)


def prove(database: Database, files: Path) -> Proved:
    """Look at every chain of every service and every file. `files` is the folder of attachments; a bucket is not looked at."""
    found = Proved()
    with psycopg.connect(database.admin_url, row_factory=dict_row) as connection:
        for service in SERVICES:
            for chain, entries in groupby(_entries(connection, service), key=lambda entry: entry["chain"]):
                listed = list(entries)
                found.chains += 1
                found.entries += len(listed)
                wrong = audit.verify(listed)
                if wrong is not None and len(found.broken) < _SHOWN:
                    found.broken.append(f"{service} chain {chain}: {wrong}")
        for row in connection.execute(_FILES):
            found.files += 1
            path = files / str(row["provider_id"]) / row["sha256"][:2] / row["sha256"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
                found.broken.append(f"file {row['sha256']} is missing or not as it was attached")
    return found


def open_cases(database: Database) -> set[str]:
    """The workflow ids that must run: of open incidents and themes."""
    with psycopg.connect(database.admin_url) as connection:
        return {name(row[0]) for name, asked in _OPEN.items() for row in connection.execute(asked)}


async def running(client: Client) -> set[str]:
    """The workflow ids that do run."""
    query = "WorkflowType IN ('IncidentWorkflow', 'ThematicReviewWorkflow') AND ExecutionStatus = 'Running'"
    return {execution.id async for execution in client.list_workflows(query)}


def _entries(connection: psycopg.Connection[dict[str, Any]], service: str) -> Iterator[Mapping[str, Any]]:
    # A cursor of the server's: chains may be more than memory holds.
    with connection.cursor(name=f"chains_{service}") as cursor:
        yield from cursor.execute(f"select * from {service}.audit_entry order by chain, seq")
