"""The yardstick of intake: `python -m tests.load.bare_api`, one endpoint that inserts a row and an outbox row.

The same server and its settings, the same body, the same two rows as intake writes; synchronous, SQLAlchemy. No token, no
tenancy, no look at the location, no audit, no memory of keys, no metrics; its tables have no index but their keys.
"""

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, Table, Text, Uuid, create_engine, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateSchema

_METADATA = MetaData(schema="bare")
REPORT = Table(
    "report", _METADATA,
    Column("incident_id", Uuid, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("location_id", Uuid, nullable=False),
    Column("region_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("narrative", Text, nullable=False),
    Column("immediate_danger", Boolean, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False),
    Column("reporter_id", Uuid, nullable=False),
    Column("triage_due_at", DateTime(timezone=True), nullable=False),
    Column("stage", Text, nullable=False),
    Column("stage_entered_at", DateTime(timezone=True), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("next_move", Text, nullable=False),
    Column("next_due_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
)  # fmt: skip
OUTBOX = Table(
    "outbox", _METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("data", JSONB, nullable=False),
)  # fmt: skip
_SOMEBODY = uuid.UUID(int=1)


class Report(BaseModel):
    """The body that intake takes."""

    location_id: uuid.UUID
    occurred_at: datetime
    category: str
    immediate_danger: bool
    narrative: str


class Receipt(BaseModel):
    """The reply."""

    incident_id: uuid.UUID
    triage_due_at: datetime


def create_app(url: str) -> FastAPI:
    """The application, with its tables made."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=20, max_overflow=20)
    with engine.begin() as connection:
        connection.execute(CreateSchema("bare", if_not_exists=True))
        _METADATA.create_all(connection)
    app = FastAPI()

    @app.post("/reports", status_code=201)
    def report(body: Report) -> Receipt:
        incident_id, now = uuid.uuid4(), datetime.now(UTC)
        due_at = now + timedelta(days=1)
        row = {
            **body.model_dump(), "incident_id": incident_id, "provider_id": _SOMEBODY, "region_id": None,
            "kind": "incident", "reported_at": now, "reporter_id": _SOMEBODY, "triage_due_at": due_at,
            "stage": "reported", "stage_entered_at": now, "cycle": 1, "next_move": "registered_manager",
            "next_due_at": due_at, "version": 1,
        }  # fmt: skip
        data: dict[str, Any] = {
            **body.model_dump(mode="json", exclude={"narrative"}), "incident_id": str(incident_id), "region_id": None,
            "kind": "incident", "reported_at": now.isoformat(), "triage_due_at": due_at.isoformat(),
        }  # fmt: skip
        event = {
            "event_id": uuid.uuid4(), "provider_id": _SOMEBODY, "type": "reported", "subject": str(incident_id),
            "key": str(incident_id), "version": 1, "occurred_at": now, "urgent": body.immediate_danger,
            "actor": str(_SOMEBODY), "actor_role": "carer", "data": data,
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(insert(REPORT), row)
            connection.execute(insert(OUTBOX), event)
        return Receipt(incident_id=incident_id, triage_due_at=due_at)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["BARE_DATABASE_URL"]), host="127.0.0.1", port=int(os.environ["BARE_PORT"]),
        log_config=None, access_log=False, server_header=False, loop="uvloop", http="httptools",
    )  # fmt: skip
