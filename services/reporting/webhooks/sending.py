"""Tell systems outside what happened: one call an event, in the order in which it became known, at least once.

Who does not take an event is asked again later, ever less often, and gets no later one before it: nothing is skipped.
Restricted incidents are not told of. A call is signed as notices are: `Plumbline-Signature: t=SECONDS,v1=HMAC-SHA256 of
"SECONDS.BODY"`; the time is signed too, so that an old call cannot be played again. After a secret was renewed there are two `v1=`
for a week, of which the receiver needs one.
"""

import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from sqlalchemy import Engine, and_, func, select, text
from sqlalchemy.orm import Session

from services.contracts.activities import WebhooksSent
from services.reporting.domain import THEME
from services.reporting.store import INCIDENT, LINE_NO, TIMELINE, visible_incidents
from services.reporting.webhooks.sealing import Seal
from services.reporting.webhooks.settings import WebhookSettings
from services.reporting.webhooks.store import Webhook
from services.runtime.actor import Actor
from services.runtime.db import transaction

logger = logging.getLogger(__name__)

AT_ONCE = 50
"""Events that one system is told of in one round, so that others have their turn."""

TIMEOUT_SECONDS = 5.0
_ROUND_SECONDS = 300.0
_STAND_INS = ("people", "wording")
"""What stands for people affected and for words: it links incidents of one person, and stays in the house."""
_PATIENCE = timedelta(days=1)
"""How long an event waits for the report of its incident before it is passed over."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
_DUE = text(
    "select provider_id, webhook_id from reporting.webhook where active and next_at <= :now order by sent_at nulls first"
)


def send_all(
    engine: Engine, system_engine: Engine, now: Callable[[], datetime], settings: WebhookSettings
) -> WebhooksSent:
    """One round: every active webhook of every provider whose time has come. Rounds must not overlap."""
    with system_engine.connect() as connection:
        due = connection.execute(_DUE, {"now": now()}).all()
    events = unanswered = 0
    until = time.monotonic() + _ROUND_SECONDS
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as http:
        for provider_id, webhook_id in due:
            if time.monotonic() > until:
                break  # the next round goes on
            taken, answered = _send(engine, http, provider_id, webhook_id, now(), settings)
            events += taken
            unanswered += not answered
    return WebhooksSent(events=events, unanswered=unanswered)


def _send(
    engine: Engine, http: httpx.Client, provider_id: UUID, webhook_id: UUID, now: datetime, settings: WebhookSettings
) -> tuple[int, bool]:
    seal = Seal(settings.temporal_codec_keys)
    with transaction(engine, provider_id) as session:
        webhook = session.get_one(Webhook, webhook_id)
        lines, reached = _waiting(session, webhook, now)
    try:
        secrets = _secrets(webhook, seal, now)
    except ValueError:
        logger.error("webhook's secret cannot be opened, its key is missing", extra={"webhook_id": str(webhook_id)})
        return 0, False
    # Outside of a transaction: a slow system must not hold one open.
    taken, answered, sent_line = 0, True, webhook.sent_line
    for line in lines:
        if not _taken(http, webhook, secrets, line, settings):
            answered = False
            break
        taken, sent_line = taken + 1, line.line_no
    with transaction(engine, provider_id) as session:
        webhook = session.get_one(Webhook, webhook_id, with_for_update=True)
        webhook.sent_line = max(webhook.sent_line, reached if answered else sent_line)
        # So that an old key is needed for no longer than a round.
        webhook.secret = seal.renewed(webhook.secret, webhook_id)
        if webhook.previous_until is not None and webhook.previous_until <= now:
            webhook.previous_secret = webhook.previous_until = None
        elif webhook.previous_secret is not None:
            webhook.previous_secret = seal.renewed(webhook.previous_secret, webhook_id)
        if taken:
            webhook.sent_at = now
        if answered:
            webhook.failures, webhook.failing_since = 0, None
        else:
            wait = min(_FIRST_WAIT * 2 ** min(webhook.failures, 20), _LONGEST_WAIT)
            webhook.failures, webhook.next_at = webhook.failures + 1, now + wait
            webhook.failing_since = webhook.failing_since or now
    return taken, answered


def _waiting(session: Session, webhook: Webhook, now: datetime) -> tuple[Sequence[Any], int]:
    """The next lines that it is to be told of, and the number up to which there is no other."""
    # As somebody in no role, in the whole scope: what is restricted is not seen.
    outsider = Actor(id=webhook.webhook_id, provider_id=webhook.provider_id, roles=frozenset(), all_locations=True)
    mine = TIMELINE.c.provider_id == webhook.provider_id
    of_incident = and_(
        INCIDENT.c.provider_id == TIMELINE.c.provider_id, INCIDENT.c.incident_id == TIMELINE.c.incident_id
    )
    query = (
        select(TIMELINE, LINE_NO.label("line_no"))
        .join(INCIDENT, of_incident)
        .where(mine, webhook.sent_line < LINE_NO, visible_incidents(outsider))
    )
    if webhook.event_types:
        query = query.where(TIMELINE.c.type.in_(webhook.event_types))
    last = session.scalar(select(func.max(LINE_NO)).where(mine)) or 0
    # Urgent events overtake the report, with which comes the word that an incident is restricted.
    early = session.scalar(
        select(func.min(LINE_NO))
        .select_from(TIMELINE)
        .join(INCIDENT, of_incident)
        .where(mine, webhook.sent_line < LINE_NO, TIMELINE.c.at > now - _PATIENCE)
        .where(INCIDENT.c.reported_at.is_(None), INCIDENT.c.origin.is_distinct_from(THEME))
    )
    last = last if early is None else min(last, early - 1)
    lines = session.execute(query.where(last >= LINE_NO).order_by(LINE_NO).limit(AT_ONCE)).all()
    return lines, lines[-1].line_no if len(lines) == AT_ONCE else max(last, webhook.sent_line)


def _secrets(webhook: Webhook, seal: Seal, now: datetime) -> list[str]:
    """What a call is signed with: the secret, and for a while the one before. Raises ValueError where a key is missing."""
    found = [seal.open(webhook.secret, webhook.webhook_id)]
    if webhook.previous_secret is not None and webhook.previous_until is not None and webhook.previous_until > now:
        found.append(seal.open(webhook.previous_secret, webhook.webhook_id))
    return found


def _taken(http: httpx.Client, webhook: Webhook, secrets: Sequence[str], line: Any, settings: WebhookSettings) -> bool:
    body = json.dumps(event(line)).encode()
    at = int(time.time())
    signed = ",".join(f"v1={signature(secret.encode(), at, body)}" for secret in secrets)
    headers = {"Content-Type": "application/cloudevents+json", "Plumbline-Signature": f"t={at},{signed}"}
    try:
        if not settings.webhooks_anywhere and not _outside(webhook.url):
            raise ConnectionError("leads to an address that is not public")
        with http.stream("POST", webhook.url, content=body, headers=headers) as answer:  # its body is not read
            if answer.is_success:
                return True
            why = str(answer.status_code)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        why = type(error).__name__
    logger.warning("a webhook was not taken", extra={"webhook_id": str(webhook.webhook_id), "error": why})
    return False


def event(line: Any) -> dict[str, Any]:
    """A line of the timeline as a CloudEvent (1.0, structured mode): ids, codes, grades and dates, and no stand-ins."""
    data = {name: value for name, value in line.summary.items() if name not in _STAND_INS}
    return {
        "specversion": "1.0",
        "id": str(line.event_id),
        "type": line.type,
        "source": line.publisher,
        "subject": str(line.incident_id),
        "time": line.at.astimezone(UTC).isoformat(),
        "providerid": str(line.provider_id),
        "datacontenttype": "application/json",
        "data": {"incident_id": str(line.incident_id), **data},
    }


def signature(secret: bytes, at: int, body: bytes) -> str:
    """What a receiver computes to check a call."""
    return hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def _outside(url: str) -> bool:
    """Whether all addresses of its host are public ones: else a webhook could be pointed at what is inside."""
    parts = urlsplit(url)
    found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(address[0]).is_global for *_, address in found)
