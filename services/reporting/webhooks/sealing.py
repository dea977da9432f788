"""Secrets of webhooks as they are kept: sealed, so that a copy of the database does not sign calls.

Sealed by AES-256-GCM under keys that are derived from those of `PLUMBLINE_TEMPORAL_CODEC_KEYS`, with the key's id beside it:
the first seals, all open. What is sealed for one webhook opens for no other.
"""

import base64
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from services.runtime.temporal import codec_keys

_MARK = "sealed"
_NONCE = 12


class Seal:
    """Seals and opens secrets of webhooks."""

    def __init__(self, keys: SecretStr) -> None:
        self._keys = {
            key_id: AESGCM(HKDF(SHA256(), 32, salt=None, info=b"plumbline webhook secrets").derive(secret))
            for key_id, secret in codec_keys(keys).items()
        }
        self._current = next(iter(self._keys))

    def close(self, secret: str, webhook_id: UUID) -> str:
        """The secret of a webhook as it is kept."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._keys[self._current].encrypt(
            nonce, secret.encode(), self._about(self._current, webhook_id)
        )
        return f"{_MARK}:{self._current}:{base64.b64encode(sealed).decode()}"

    def open(self, kept: str, webhook_id: UUID) -> str:
        """The secret itself. One that was kept before there were seals is as it is. Raises ValueError that names the key."""
        if not kept.startswith(f"{_MARK}:"):
            return kept
        _, key_id, encoded = kept.split(":", 2)
        key, sealed = self._keys.get(key_id), base64.b64decode(encoded)
        if key is None:
            raise ValueError(
                f"no key {key_id!r} in PLUMBLINE_TEMPORAL_CODEC_KEYS: add the old key after the current one"
            )
        try:
            return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._about(key_id, webhook_id)).decode()
        except InvalidTag:
            raise ValueError(f"a sealed secret does not match key {key_id!r}") from None

    def renewed(self, kept: str, webhook_id: UUID) -> str:
        """As it is to be kept from now on: sealed with the current key."""
        if kept.startswith(f"{_MARK}:{self._current}:"):
            return kept
        return self.close(self.open(kept, webhook_id), webhook_id)

    @staticmethod
    def _about(key_id: str, webhook_id: UUID) -> bytes:
        return f"{key_id}:{webhook_id}".encode()
