"""E-mail, SMS and webhook behind one interface. A message says that something needs an answer, and where; no more."""

import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

import httpx

from services.directory.notices.settings import NoticeSettings

TIMEOUT_SECONDS = 5.0
_NOW = "Something needs your answer now. Open Plumbline:"
_ROUTINE = "There are things for you to do when you are next at work. Open Plumbline:"


class Refused(Exception):
    """The channel will not take this message, today or tomorrow: trying again is no use."""


@dataclass(frozen=True)
class Notice:
    """What is sent, the same for everybody: no name, nothing of the incident."""

    notice_id: UUID
    person_id: UUID
    link: str
    urgent: bool

    @property
    def text(self) -> str:
        """The whole message."""
        return f"{_NOW if self.urgent else _ROUTINE} {self.link}"


@dataclass(frozen=True)
class Address:
    """Where a person can be reached."""

    email: str | None = None
    mobile: str | None = None


class Channel(Protocol):
    """A way to reach people. `send` raises `Refused` for good, anything else for now."""

    name: str

    def reaches(self, address: Address, urgent: bool) -> bool:
        """Whether the person can be reached this way, and such a notice goes this way."""

    def send(self, notice: Notice, address: Address) -> None:
        """Hand the notice over."""


class Email:
    """By SMTP. Routine and urgent notices."""

    name = "email"

    def __init__(self, url: str, sender: str) -> None:
        self._url, self._sender = urlsplit(url), sender

    def reaches(self, address: Address, urgent: bool) -> bool:
        """Whoever has an e-mail address."""
        return address.email is not None

    def send(self, notice: Notice, address: Address) -> None:
        """One mail. Its Message-ID is that of the notice, so that a repeated one can be told."""
        message = EmailMessage()
        message["From"], message["To"] = self._sender, address.email
        message["Subject"] = (
            "Plumbline: something needs your answer" if notice.urgent else "Plumbline: something to look at"
        )
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{notice.notice_id}@plumbline>"
        message.set_content(notice.text + "\n")
        try:
            with self._connect() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            if all(500 <= code < 600 for code, _ in error.recipients.values()):
                raise Refused from None
            raise
        except smtplib.SMTPResponseException as error:
            if 550 <= error.smtp_code <= 554:
                raise Refused from None
            raise

    def _connect(self) -> smtplib.SMTP:
        url, tls = self._url, ssl.create_default_context()
        host, port = url.hostname or "", url.port
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(host, port or 25, timeout=TIMEOUT_SECONDS)
        if url.scheme == "smtp+starttls":
            server.starttls(context=tls)
        if url.username and url.password:
            server.login(unquote(url.username), unquote(url.password))
        return server


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    answer = httpx.post(
        url, content=body, headers={"Content-Type": "application/json", **headers}, timeout=TIMEOUT_SECONDS
    )
    if 400 <= answer.status_code < 500 and answer.status_code not in (401, 403, 408, 425, 429):
        raise Refused
    if not answer.is_success:
        raise ConnectionError(f"answered {answer.status_code}")


class Sms:
    """By an HTTP gateway. Urgent notices only."""

    name = "sms"

    def __init__(self, url: str, token: str | None) -> None:
        self._url, self._token = url, token

    def reaches(self, address: Address, urgent: bool) -> bool:
        """Whoever has a mobile number, and only for what interrupts."""
        return urgent and address.mobile is not None

    def send(self, notice: Notice, address: Address) -> None:
        """One text message; the gateway can tell a repeated one by the Idempotency-Key."""
        body = json.dumps({"to": address.mobile, "text": notice.text}).encode()
        headers = {"Idempotency-Key": str(notice.notice_id)}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        _post(self._url, body, headers)


class Webhook:
    """To a system of the provider, signed: `Plumbline-Signature: t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY"`."""

    name = "webhook"

    def __init__(self, url: str, secret: str) -> None:
        self._url, self._secret = url, secret.encode()

    def reaches(self, address: Address, urgent: bool) -> bool:
        """Everybody, for what interrupts."""
        return urgent

    def send(self, notice: Notice, address: Address) -> None:
        """One call with opaque ids. The time is signed too, so that an old call cannot be played again."""
        body = json.dumps(
            {"notice_id": str(notice.notice_id), "person_id": str(notice.person_id), "link": notice.link}
        ).encode()
        at = int(time.time())
        _post(self._url, body, {"Plumbline-Signature": f"t={at},v1={signature(self._secret, at, body)}"})


def signature(secret: bytes, at: int, body: bytes) -> str:
    """What a receiver computes to check a call."""
    return hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def channels(settings: NoticeSettings) -> Sequence[Channel]:
    """Those that are set up."""
    made: list[Channel] = []
    if settings.smtp_url is not None:
        made.append(Email(settings.smtp_url.get_secret_value(), settings.smtp_from))
    if settings.sms_url is not None:
        made.append(
            Sms(settings.sms_url, None if settings.sms_token is None else settings.sms_token.get_secret_value())
        )
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        made.append(Webhook(settings.webhook_url, settings.webhook_secret.get_secret_value()))
    return made
