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
from services.runtime.idempotency import CommandKey, ExpectedVersion, KnownVersion, Reply, fingerprint, once
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

    secret: str | None = Field(
        description="Shown here only, and to the first of repeated requests only. Keep it where the receiving system keeps"
        " its secrets."
    )
    previous_until: datetime | None = Field(description="Until then calls are signed with the secret before, too.")


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
            return _recorded(made)

        return once(session, SERVICE, actor, key, fingerprint(f"webhook:{webhook_id}:{version}", body), run)


@router.post("/webhooks/{webhook_id}/secret", response_model=RecordedWebhook, summary="Give a webhook another secret")
def renew_secret(
    webhook_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """For a week its calls are signed with both: the header has two `v1=`. Platform administrators, directors."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            return _recorded(commands.renew_secret(session, actor, webhook_id, version, clock.now()))

        return once(session, SERVICE, actor, key, fingerprint(f"webhook-secret:{webhook_id}:{version}", b""), run)


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


def _recorded(row: Webhook) -> Reply:
    """Shown with its secret; kept for a repeated request without."""
    fields = {name: getattr(row, name) for name in RecordedWebhook.model_fields if name != "secret"}
    shown = RecordedWebhook(**fields, secret=commands.secret_of(row))
    return Reply(200, shown, row.version, kept=shown.model_copy(update={"secret": None}))


def _view(view: type[View], row: Webhook) -> View:
    return view.model_validate({name: getattr(row, name) for name in view.model_fields})
