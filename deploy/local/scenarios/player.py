"""One of the people of a scenario at the APIs: sends a request and hears the whole answer, refusals too."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.local.personas import Persona
from deploy.local.state import Stack, StackError
from deploy.local.tokens import LIFETIME_SECONDS, issue_token

PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.3


@dataclass(frozen=True)
class Answer:
    """What an API said."""

    status: int
    body: Any
    version: str | None
    path: str

    @property
    def refused(self) -> bool:
        """Whether it said no."""
        return self.status >= 400

    def problem(self) -> str:
        """A refusal in one line, in the API's own words."""
        if not isinstance(self.body, dict):
            return f"answered {self.status}"
        fields = "; ".join(f"{e['field']}: {e['message']}" for e in self.body.get("errors") or [])
        said = fields or self.body.get("detail", "")
        return f"answered {self.status}: {self.body.get('title', 'no reason given')}. {said}".strip()


class Player:
    """Somebody with a token, or nobody: without a persona no token is sent."""

    def __init__(self, stack: Stack, http: httpx.Client, persona: Persona | None) -> None:
        self._stack, self._http, self.persona = stack, http, persona
        self._token, self._made_at = "", float("-inf")

    def get(self, service: str, path: str) -> Answer:
        """Read."""
        return self._send("GET", service, path, {})

    def send(
        self, method: str, service: str, path: str, body: Any = None, *, version: str | None = None, **more: Any
    ) -> Answer:
        """Write, under a new Idempotency-Key that stays the same while a service is away."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), **({"If-Match": version} if version else {})}
        return self._send(method, service, path, headers, **({"json": body} if body is not None else {}), **more)

    def _send(self, method: str, service: str, path: str, headers: dict[str, str], **arguments: Any) -> Answer:
        if self.persona is not None:
            if time.monotonic() - self._made_at > LIFETIME_SECONDS / 2:
                self._token, self._made_at = issue_token(self._stack, self.persona), time.monotonic()
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = self._http.request(method, self._stack.url(service) + path, headers=headers, **arguments)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise StackError(f"{service} does not answer: see 'plumbline status'") from None
            else:
                if response.status_code != 503 or time.monotonic() > deadline:
                    break
            time.sleep(_AGAIN_SECONDS)
        body = response.json() if "json" in response.headers.get("Content-Type", "") and response.content else None
        return Answer(response.status_code, body, response.headers.get("ETag"), f"{service} {path}")
