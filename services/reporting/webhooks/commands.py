"""Say which system outside is told of what."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.reporting.consumer import TOLD
from services.reporting.store import LINE_NO, TIMELINE
from services.reporting.webhooks.sealing import Seal
from services.reporting.webhooks.settings import WebhookSettings
from services.reporting.webhooks.store import Webhook
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.text import Word

SERVICE = "reporting"
BOTH_SECRETS = timedelta(days=7)
"""How long calls are signed with the secret before, too: for the receiving system to take over the new one."""
KEEPERS = (Role.PLATFORM_ADMIN, Role.DIRECTOR)
"""Who says where the provider's data goes."""


class RecordWebhook(BaseModel):
    """Where to call, and for which events. Without types it is called for all of the timeline."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=8, max_length=500)] = Field(
        description="An https address without a login in it."
    )
    event_types: Annotated[list[Word], Field(max_length=100)] = Field(
        default_factory=list, examples=[["plumbline.incident.reported.v1"]]
    )
    active: bool = Field(
        default=True, description="False: nothing is sent. What happens meanwhile is sent when true again."
    )


def record_webhook(
    session: Session, actor: Actor, webhook_id: UUID, command: RecordWebhook, version: int | None, now: datetime
) -> Webhook:
    """Keep a webhook under an id of the caller's choice, or change the one there is, for which `version` is needed.

    A new one is told of what becomes known from now on, and gets a secret of its own.
    """
    _check(command)
    types = sorted(set(command.event_types))
    webhook = session.get(Webhook, webhook_id, with_for_update=True)
    if webhook is None:
        mine = TIMELINE.c.provider_id == actor.provider_id
        made = {
            "provider_id": actor.provider_id, "url": command.url, "event_types": types, "active": command.active,
            "secret": _seal().close(secrets.token_urlsafe(32), webhook_id), "version": 1, "failures": 0, "next_at": now,
            "sent_line": session.scalar(select(func.max(LINE_NO)).where(mine)) or 0,
        }  # fmt: skip
        if not insert_new(session, Webhook, webhook_id=webhook_id, **made):
            raise conflict("id-taken", "This id is taken", "Send the webhook again under a new random id.")
        webhook = session.get_one(Webhook, webhook_id)
    else:
        check_version(webhook.version, version)
        webhook.url, webhook.event_types, webhook.active = command.url, types, command.active
        webhook.failures, webhook.failing_since, webhook.next_at = 0, None, now
        webhook.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=webhook_id, actor=actor, action="webhook_recorded", subject=webhook_id, at=now,
        data={"url": command.url, "event_types": types, "active": command.active, "version": webhook.version},
    )  # fmt: skip
    return webhook


def renew_secret(session: Session, actor: Actor, webhook_id: UUID, version: int, now: datetime) -> Webhook:
    """Give a webhook another secret. For a week calls are signed with both; then the one before is forgotten."""
    webhook = session.get(Webhook, webhook_id, with_for_update=True)
    if webhook is None:
        raise not_found("webhook")
    check_version(webhook.version, version)
    webhook.previous_secret, webhook.previous_until = webhook.secret, now + BOTH_SECRETS
    webhook.secret = _seal().close(secrets.token_urlsafe(32), webhook_id)
    webhook.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=webhook_id, actor=actor, action="webhook_secret_renewed", subject=webhook_id, at=now,
        data={"version": webhook.version, "both_until": webhook.previous_until},
    )  # fmt: skip
    return webhook


def secret_of(webhook: Webhook) -> str:
    """What its calls are signed with, for whoever has just recorded it."""
    return _seal().open(webhook.secret, webhook.webhook_id)


def _seal() -> Seal:
    return Seal(WebhookSettings().temporal_codec_keys)


def _check(command: RecordWebhook) -> None:
    remedy = "Give an address such as https://system.example/plumbline."
    try:
        url = urlsplit(command.url)
        host = url.hostname
        _ = url.port
    except ValueError:
        raise invalid("url", "is not an address", remedy) from None
    schemes = ("https", "http") if WebhookSettings().webhooks_anywhere else ("https",)
    if url.scheme not in schemes or not host or url.username or url.password or url.fragment:
        raise invalid("url", "is not an https address without a login", remedy)
    if unknown := set(command.event_types) - TOLD:
        raise invalid(
            "event_types", f"names {len(unknown)} types that nobody is told of", "Use types of the timeline: see /docs."
        )
