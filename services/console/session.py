"""Who is signed in, kept in sealed cookies: nothing is stored on the server, so any console process can answer.

A session holds the caller's own token, so the console can do nothing that its caller could not.
"""

import base64
import json
import secrets
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.responses import Response

_COOKIE = "plumbline_session"
_CHUNK = 3800
"""Browsers keep 4,096 bytes in one cookie, its name and attributes included."""
_MOST_CHUNKS = 8
ABSOLUTE_SECONDS = 12 * 3600
"""However busy somebody is: after a long shift one signs in again."""
_TOUCH_SECONDS = 60


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in. Times are seconds since the epoch, of the real clock."""

    access_token: str
    refresh_token: str | None
    expires_at: float
    name: str
    started_at: float
    seen_at: float
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def stale(self) -> bool:
        """Whether the access token is over, or so nearly that a call could fail on its way."""
        return time.time() > self.expires_at - 10

    @property
    def rest(self) -> int:
        """Seconds until it is over, however busy its person is."""
        return max(int(self.started_at + ABSOLUTE_SECONDS - time.time()), 0)

    def touched(self) -> "Session":
        """The same session, seen now."""
        return replace(self, seen_at=time.time())


class Cookies:
    """Seals sessions into cookies and opens them again."""

    def __init__(self, keys: str, *, idle_seconds: float, secure: bool) -> None:
        self._keys = [key.strip() for key in keys.split(",")]
        self._seal = MultiFernet([Fernet(key) for key in self._keys])
        self._idle, self._secure = idle_seconds, secure

    def open(self, cookies: Mapping[str, str]) -> Session | None:
        """The session of a request, or None: nobody is signed in, it is over, or it is not ours."""
        sealed = "".join(cookies.get(f"{_COOKIE}_{n}", "") for n in range(_MOST_CHUNKS))
        content = self.unseal(sealed)
        if content is None:
            return None
        try:
            session = Session(**content)
        except TypeError:
            return None
        now = time.time()
        over = now - session.seen_at > self._idle or now - session.started_at > ABSOLUTE_SECONDS
        return None if over else session

    def left(self, session: Session) -> int:
        """Seconds until a session is over if nothing more is clicked."""
        return min(max(int(session.seen_at + self._idle - time.time()), 0), session.rest)

    def keys_for(self, what: str) -> list[str]:
        """256-bit keys for one purpose and person, base64, one for each key of the console: the first seals, all open."""
        return [
            base64.b64encode(
                HKDF(SHA256(), 32, salt=None, info=what.encode()).derive(base64.urlsafe_b64decode(key))
            ).decode()
            for key in self._keys
        ]

    def keep(self, response: Response, session: Session, before: Session | None) -> None:
        """Set the cookies if the session is new or changed, or was seen long enough ago."""
        if session == before and time.time() - session.seen_at < _TOUCH_SECONDS:
            return
        sealed = self.seal(asdict(session.touched()))
        for n in range(_MOST_CHUNKS):
            part = sealed[n * _CHUNK : (n + 1) * _CHUNK]
            if part:
                self.set(response, f"{_COOKIE}_{n}", part)
            elif n:
                response.delete_cookie(f"{_COOKIE}_{n}", path="/")

    def end(self, response: Response) -> None:
        """Nobody is signed in any more."""
        for n in range(_MOST_CHUNKS):
            response.delete_cookie(f"{_COOKIE}_{n}", path="/")

    def set(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """A cookie that scripts cannot read and other sites do not send with their forms."""
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")

    def seal(self, content: Mapping[str, object]) -> str:
        """Content that only a console with the same keys can read or make."""
        return self._seal.encrypt(zlib.compress(json.dumps(content).encode(), 9)).decode()

    def unseal(self, sealed: str, seconds: int | None = None) -> dict[str, Any] | None:
        """What was sealed, at most so many seconds ago; None for anything else."""
        try:
            content = json.loads(zlib.decompress(self._seal.decrypt(sealed.encode(), ttl=seconds)))
        except (InvalidToken, zlib.error, ValueError):
            return None
        return content if isinstance(content, dict) else None
