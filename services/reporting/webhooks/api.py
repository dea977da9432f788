"""Webhooks over HTTP."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from services.reporting.webhooks import commands
from services.reporting.webhooks.commands import KEEPERS, SERVICE
from services.reporting.webhooks.store import Webhook
from services.runtime import pagination
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["webhooks"])


class WebhookView(BaseModel):
    """A webhook, and how it fares."""

    webhook_id: UUID
    url: str
    event_types: list[str] = Field(description="Empty: all of the timeline.")
    active: bool
    sent_at: datetime | None = Field(description="When it last took an event.")
    failures: int = Field(description="How often in a row it did not take the next event.")
    failing_since: datetime | None
    next_at: datetime = Field(description="When it is tried next, if it is failing.")
    version: int


class RecordedWebhook(WebhookView):
    """A webhook with what its calls are signed with."""

    secret: str = Field(description="Shown here only. Keep it where the receiving system keeps its secrets.")


View = TypeVar("View", bound=WebhookView)


@router.put("/webhooks/{webhook_id}", response_model=RecordedWebhook, summary="Record a webhook")
def record_webhook(
    webhook_id: UUID,
    body: commands.RecordWebhook,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Tell a system outside what happens, by signed calls without personal data. Platform administrators, directors."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            made = commands.record_webhook(session, actor, webhook_id, body, version, clock.now())
            return Reply(200, _view(RecordedWebhook, made), made.version)

        return once(session, SERVICE, actor, key, fingerprint(f"webhook:{webhook_id}:{version}", body), run)


@router.get("/webhooks", summary="List webhooks")
def list_webhooks(actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None) -> Page[WebhookView]:
    """Those of the provider and whether they are taken. Platform administrators, directors."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        query = select(Webhook).where(Webhook.provider_id == actor.provider_id).order_by(Webhook.webhook_id)
        after = pagination.decode(cursor)
        if after is not None:
            query = query.where(Webhook.webhook_id > after)
        rows = list(session.scalars(query.limit(limit + 1)))
        items = [_view(WebhookView, row) for row in rows[:limit]]
        return Page(items=items, next=pagination.encode(items[-1].webhook_id) if len(rows) > limit else None)


def _view(view: type[View], row: Webhook) -> View:
    return view.model_validate({name: getattr(row, name) for name in view.model_fields})
