"""The yardstick of intake: `python -m tests.load.bare_api`, one endpoint that inserts a row and an outbox row.

The same server and its settings, the same body, synchronous, SQLAlchemy. No token, no tenancy, no audit, no memory of
keys, no metrics; its tables have no index but their keys.
"""

import os
import uuid
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Boolean, Column, DateTime, MetaData, Table, Text, Uuid, create_engine, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateSchema

_METADATA = MetaData(schema="bare")
REPORT = Table(
    "report", _METADATA,
    Column("report_id", Uuid, primary_key=True),
    Column("location_id", Uuid, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("category", Text, nullable=False),
    Column("immediate_danger", Boolean, nullable=False),
    Column("narrative", Text, nullable=False),
)  # fmt: skip
OUTBOX = Table(
    "outbox", _METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
)  # fmt: skip


class Report(BaseModel):
    """The body that intake takes."""

    location_id: uuid.UUID
    occurred_at: datetime
    category: str
    immediate_danger: bool
    narrative: str


class Receipt(BaseModel):
    """The reply."""

    report_id: uuid.UUID


def create_app(url: str) -> FastAPI:
    """The application, with its tables made."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_size=20, max_overflow=20)
    with engine.begin() as connection:
        connection.execute(CreateSchema("bare", if_not_exists=True))
        _METADATA.create_all(connection)
    app = FastAPI()

    @app.post("/reports", status_code=201)
    def report(body: Report) -> Receipt:
        report_id = uuid.uuid4()
        data: dict[str, Any] = body.model_dump(mode="json", exclude={"narrative"})
        with engine.begin() as connection:
            connection.execute(insert(REPORT), {"report_id": report_id, **body.model_dump()})
            connection.execute(
                insert(OUTBOX),
                {"event_id": uuid.uuid4(), "type": "reported", "data": {"report_id": str(report_id), **data}},
            )
        return Receipt(report_id=report_id)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["BARE_DATABASE_URL"]), host="127.0.0.1", port=int(os.environ["BARE_PORT"]),
        log_config=None, access_log=False, server_header=False, loop="uvloop", http="httptools",
    )  # fmt: skip
