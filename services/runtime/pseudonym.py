"""Stand-ins for what may not leave a service: equal things stay equal, and nobody outside can tell what they were.

A stand-in is a hash under a key of the provider that stays in the service's own schema. Without the key it cannot be
found out by trying, and once the key is gone nothing can be linked any more.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.orm import Session

from services.runtime.db import run

LENGTH = 32
"""Hexadecimal digits: 128 bits, so that two things do not meet by chance."""


def stand_ins(session: Session, service: str, provider_id: UUID, purpose: str, values: Iterable[str]) -> list[str]:
    """One for each value, sorted. The same value for another purpose has another one."""
    wanted = sorted(set(values))
    if not wanted:
        return []
    key = _key(session, service, provider_id)
    return sorted(hmac.digest(key, f"{purpose}\0{value}".encode(), hashlib.sha256).hex()[:LENGTH] for value in wanted)


def _key(session: Session, service: str, provider_id: UUID) -> bytes:
    """The provider's key, made when it is first needed. Two that make it at once end with one."""
    session.flush()
    known = f"select key from {service}.pseudonym_key where provider_id = %s"
    row = run(session, known, [provider_id]).fetchone()
    if row is None:
        run(
            session,
            f"insert into {service}.pseudonym_key (provider_id, key) values (%s, %s) on conflict do nothing",
            [provider_id, secrets.token_bytes(32)],
        )
        row = run(session, known, [provider_id]).fetchone()
        assert row is not None
    return bytes(row[0])
