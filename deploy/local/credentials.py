"""Passwords and keys of the one-machine stack: generated once, kept in the state folder, given to parts by environment."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.local.state import Home, write_whole


@dataclass(frozen=True)
class Credentials:
    """Everything secret that the stack makes for itself."""

    postgres_admin: str
    roles: dict[str, str]
    temporal_codec_keys: str
    console_session_keys: str


def load(home: Home, roles: Sequence[str] = ()) -> Credentials:
    """The credentials, generated where they are missing: what exists is never changed. `roles` are database logins."""
    kept = json.loads(home.secrets.read_text()) if home.secrets.exists() else {}
    credentials = Credentials(
        postgres_admin=kept.get("postgres_admin") or secrets.token_urlsafe(24),
        roles={role: secrets.token_urlsafe(24) for role in roles} | kept.get("roles", {}),
        temporal_codec_keys=kept.get("temporal_codec_keys")
        or f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        console_session_keys=kept.get("console_session_keys")
        or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )
    if vars(credentials) != kept:
        write_whole(home.secrets, json.dumps(vars(credentials), indent=1) + "\n")
    return credentials
