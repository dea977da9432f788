"""How often one client may ask for what is public or costs much: by the minute, and nobody has less for what others do.

A client is a person, by their token, or a sender without one, by the address of the connection. Counts are of this
process and in its memory only: to hold them across processes would mean to write down who asked. An address is counted
under a digest whose key lives and dies with the process.
"""

import hashlib
import secrets
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter

from services.runtime.errors import ServiceError

LIMITED = Counter("plumbline_rate_limited_total", "Requests refused because their client asked too often.", ["limit"])

_KEY = secrets.token_bytes(32)


class Limit:
    """Lets so many requests of each client through in any minute. `name` is its label in the metrics."""

    def __init__(self, name: str, per_minute: int) -> None:
        self.name = name
        self._item = RateLimitItemPerMinute(per_minute)
        self._counts = SlidingWindowCounterRateLimiter(MemoryStorage())
        self.described: dict[str, Any] = {"x-limit-per-minute": per_minute}
        """For `openapi_extra`: the document says the limit, and that 429 can be answered."""

    def take(self, client: UUID | str) -> None:
        """Let one request of a client through, or raise 429."""
        if self._counts.hit(self._item, str(client)):
            return
        LIMITED.labels(self.name).inc()
        raise ServiceError(
            429,
            "too-many",
            "Too many requests at once",
            f"Nothing was saved. At most {self._item.amount} a minute are taken from one person or place. Wait a"
            " minute, then send it again.",
            headers={"Retry-After": "60"},
        )


async def _sender(request: Request) -> str:
    # Behind a proxy it is the address that the proxy names, if the server was told to trust it (FORWARDED_ALLOW_IPS).
    address = request.client.host if request.client else ""
    return hashlib.blake2b(address.encode(), key=_KEY, digest_size=16).hexdigest()


Sender = Annotated[str, Depends(_sender)]
"""Who sends a request without a token, for a limit: a digest that nobody can turn back, different in each process."""
