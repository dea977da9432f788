"""The use-cases of notices: keep where people can be reached, and deliver."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID, uuid5

from pydantic import Field, model_validator
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.contracts import activities
from services.directory.commands import KEEPERS, SERVICE, Strict
from services.directory.notices.channels import Address, Channel, Notice, Refused
from services.directory.notices.store import Contact, Delivery
from services.directory.store import changeable_person, holders
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.db import transaction
from services.runtime.errors import forbidden
from services.runtime.idempotency import check_version

logger = logging.getLogger(__name__)

SENT, FAILED, REFUSED, NO_CONTACT, NO_CHANNEL = "sent", "failed", "refused", "no_contact", "no_channel"
DECIDED = (SENT, REFUSED)
WORK = "/work"
"""The page that lists what waits for somebody."""

_PLACES = threading.BoundedSemaphore(6)
"""However slow a mail server is, most threads of the worker stay free for the ladder."""


class Undelivered(Exception):
    """A channel is away; the engine tries again, only what was not sent yet."""


class RecordContact(Strict):
    """Where a person can be reached, as it is from now on."""

    email: (
        Annotated[
            str,
            Field(max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"),
        ]
        | None
    ) = None
    mobile: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{7,14}$", examples=["+447700900123"])] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.email is None and self.mobile is None:
            raise ValueError(
                "give an e-mail address or a mobile number with its country code, for example +447700900123"
            )
        return self


def record_contact(
    session: Session, actor: Actor, person_id: UUID, command: RecordContact, version: int | None, now: datetime
) -> Contact:
    """Keep where a person can be reached; themselves, or whoever keeps the register (403). The audit has digests only."""
    if person_id != actor.id and not set(KEEPERS) & actor.roles:
        raise forbidden("You may change your own contact. For others, ask whoever keeps the register of people.")
    changeable_person(session, actor, person_id)
    contact = session.get(Contact, person_id)
    if contact is None:
        contact = Contact(person_id=person_id, provider_id=actor.provider_id, email=None, mobile=None, version=0)
        session.add(contact)
    else:
        check_version(contact.version, version)
    contact.email, contact.mobile, contact.version = command.email, command.mobile, contact.version + 1
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=person_id,
        actor=actor,
        action="contact_recorded",
        subject=person_id,
        at=now,
        data={
            "email_sha256": None if command.email is None else audit.digest(command.email),
            "mobile_sha256": None if command.mobile is None else audit.digest(command.mobile),
            "version": contact.version,
        },
    )
    return contact


def deliver(
    engine: Engine, clock: Clock, channels: Sequence[Channel], link: str, command: activities.DeliverNotice
) -> activities.Delivered:
    """Send a notice over each channel that reaches the person, and keep what became of it.

    Raises `Undelivered` while a channel is away, so that it is tried again; what was sent is not sent again. No
    transaction is open while a server is waited for.
    """
    notice = Notice(command.notice_id, command.person_id, link.rstrip("/") + command.path, command.urgent)
    record = _Record(engine, clock, command.provider_id, command.incident_id, notice)
    with _place():
        return activities.Delivered(sent=_deliver(channels, record))


def send_digest(
    engine: Engine, clock: Clock, channels: Sequence[Channel], link: str, command: activities.SendDigest
) -> activities.Delivered:
    """Send each person for whom something waits one routine notice for the day, with a link to all of it.

    Its id follows from the person and the day, so a second page, or a second try, sends nobody a second one. Raises
    `Undelivered` at the first channel that is away.
    """
    with transaction(engine, command.provider_id) as session:
        people = holders(session, {(str(one.role), one.location_id) for one in command.waiting})
    sent = 0
    with _place():
        for person_id in sorted(people):
            notice_id = uuid5(person_id, f"digest:{command.day.isoformat()}")
            notice = Notice(notice_id, person_id, link.rstrip("/") + WORK, urgent=False)
            sent += _deliver(channels, _Record(engine, clock, command.provider_id, None, notice))
    return activities.Delivered(sent=sent)


@contextmanager
def _place() -> Iterator[None]:
    if not _PLACES.acquire(blocking=False):
        raise Undelivered("busy")
    try:
        yield
    finally:
        _PLACES.release()


@dataclass(frozen=True)
class _Record:
    """Where what becomes of a notice is kept."""

    engine: Engine
    clock: Clock
    provider_id: UUID
    incident_id: UUID | None
    notice: Notice

    def keep(self, *, channel: str, status: str, error: str | None) -> None:
        now, notice = self.clock.now(), self.notice
        statement = insert(Delivery).values(
            notice_id=notice.notice_id,
            channel=channel,
            provider_id=self.provider_id,
            incident_id=self.incident_id,
            person_id=notice.person_id,
            urgent=notice.urgent,
            status=status,
            error=error,
            attempt=1,
            first_at=now,
            last_at=now,
        )
        with transaction(self.engine, self.provider_id) as session:
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=[Delivery.notice_id, Delivery.channel],
                    set_={"status": status, "error": error, "attempt": Delivery.attempt + 1, "last_at": now},
                )
            )


def _deliver(channels: Sequence[Channel], record: _Record) -> int:
    notice = record.notice
    with transaction(record.engine, record.provider_id) as session:
        contact = session.get(Contact, notice.person_id)
        address = Address() if contact is None else Address(contact.email or None, contact.mobile or None)
        before = {one.channel: one.status for one in session.query(Delivery).filter_by(notice_id=notice.notice_id)}
    reaching = [channel for channel in channels if channel.reaches(address, notice.urgent)]
    if not reaching:
        none = NO_CONTACT if channels else NO_CHANNEL
        record.keep(channel="none", status=none, error=None)
        return 0
    states = {}
    for channel in reaching:
        known = before.get(channel.name)
        states[channel.name] = known if known in DECIDED else _send(channel, address, record)
    if FAILED in states.values():
        raise Undelivered(", ".join(sorted(name for name, status in states.items() if status == FAILED)))
    return list(states.values()).count(SENT)


def _send(channel: Channel, address: Address, record: _Record) -> str:
    status, error = SENT, None
    try:
        channel.send(record.notice, address)
    except Refused:
        status, error = REFUSED, "Refused"
    except Exception as failure:  # noqa: BLE001 - whatever it was, it is kept by its class and tried again
        # The message of a server may hold an address: only the class is kept.
        status, error = FAILED, type(failure).__name__
        logger.warning("a channel is away", extra={"channel": channel.name, "error": error})
    record.keep(channel=channel.name, status=status, error=error)
    return status
