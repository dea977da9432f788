"""How a service stands, for whoever keeps the system of a provider going: what waits to be told, and what is held.

The same endpoint in every service. It reads the provider's own rows; what is true of all providers is in the metrics.
"""

from collections.abc import Collection
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.orm import Session

from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction


class Waiting(BaseModel):
    """Events that were recorded here and not told to the other services yet."""

    events: int
    oldest_at: datetime | None = Field(description="When the oldest of them happened.")


class Held(BaseModel):
    """What could not be told or applied, and all of the same record behind it, until somebody looks."""

    direction: str = Field(description="`out`: the broker refused it. `in`: this service could not apply it.")
    records: int
    events: int
    since: datetime = Field(description="Since when the first of them is held, in real time.")


class Operations(BaseModel):
    """How the service stands for the caller's provider."""

    as_of: datetime
    waiting: Waiting
    held: list[Held]


def operations(service: str, readers: Collection[str]) -> APIRouter:
    """`GET /operations` of a service, for these roles."""
    router = APIRouter(tags=["operations"])

    @router.get("/operations", summary="Read how the service stands")
    def read(actor: Caller, database: Database, clock: Time) -> Operations:
        """What of the caller's provider waits to be told to the other services, and what is held. For whoever keeps the system
        going and whoever leads the provider."""
        require_role(actor, *readers)
        with transaction(database, actor.provider_id) as session:
            waiting = session.execute(
                text(
                    "select count(*) as events, min(occurred_at) as oldest_at"
                    f" from {service}.outbox where published_at is null and parked_at is null"
                )
            ).one()
            return Operations(
                as_of=clock.now(),
                waiting=Waiting(events=waiting.events, oldest_at=waiting.oldest_at),
                held=_held(session, service),
            )

    return router


def _held(session: Session, service: str) -> list[Held]:
    counted = "count(distinct key) as records, count(*) as events, min(parked_at) as since"
    rows = session.execute(
        text(
            f"select 'out' as direction, {counted} from {service}.outbox where parked_at is not null"
            f" union all select 'in', {counted} from {service}.parked_event"
        )
    )
    return [
        Held(direction=row.direction, records=row.records, events=row.events, since=row.since)
        for row in rows
        if row.events
    ]
