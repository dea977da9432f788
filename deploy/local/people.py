"""People who use the running stack through its HTTP APIs, each with a token of their own."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from deploy.local.personas import Persona
from deploy.local.state import Stack, StackError
from deploy.local.tokens import LIFETIME_SECONDS, issue_token

PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.2


class Refused(StackError):
    """The API said no; the message is its own, with the fields and remedies."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        problem = response.json() if "json" in response.headers.get("Content-Type", "") else {}
        fields = "; ".join(f"{e['field']}: {e['message']} {e['remedy']}" for e in problem.get("errors", []))
        super().__init__(
            f"{response.request.method} {response.request.url.path} answered {response.status_code}:"
            f" {problem.get('title', 'no reason given')}. {fields or problem.get('detail', '')}"
        )


class Person:
    """Somebody at work. Every write carries a new Idempotency-Key and is repeated with it while a service is away."""

    def __init__(self, stack: Stack, persona: Persona, http: httpx.Client) -> None:
        self._stack, self._http = stack, http
        self._token, self._made_at = "", float("-inf")
        self.persona = persona

    @property
    def id(self) -> str:
        """The opaque id in the person's tokens."""
        return str(self.persona.sub)

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Read."""
        return self._call("GET", service, path, params=query).json()

    def version(self, service: str, path: str) -> int:
        """The version of a record, from its ETag."""
        return int(self._call("GET", service, path).headers["ETag"].strip('"'))

    def post(self, service: str, path: str, body: Any = None, *, version: int | None = None, key: str = "") -> Any:
        """Write. `key` makes the command the same each time it is given."""
        return self._call("POST", service, path, json=body, headers=self._headers(version, key)).json()

    def post_soon(self, service: str, path: str, body: Any) -> Any:
        """Write as soon as the service has heard of what it is about: until then it knows of nothing."""
        deadline, key = time.monotonic() + PATIENCE_SECONDS, str(uuid.uuid4())
        while True:
            try:
                return self.post(service, path, body, key=key)
            except Refused as refused:
                if refused.status != 404 or time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_SECONDS)

    def put(self, service: str, path: str, body: Any = None, *, version: int | None = None, key: str = "") -> Any:
        """Replace."""
        return self._call("PUT", service, path, json=body, headers=self._headers(version, key)).json()

    def change(self, service: str, record: str, step: str, body: Any = None, *, replace: bool = False) -> Any:
        """Post to a step of a record at its newest version, or replace it; read again when somebody else was quicker."""
        deadline, write = time.monotonic() + PATIENCE_SECONDS, self.put if replace else self.post
        while True:
            try:
                return write(service, f"{record}/{step}", body, version=self.version(service, record))
            except Refused as refused:
                if refused.status not in (404, 412) or time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_SECONDS)

    def triage(self, incident_id: str, scores: dict[str, Any]) -> Any:
        """Score an incident, having looked at what came before; look again when another came in between."""
        record = f"/incidents/{incident_id}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = self.get("intake", f"{record}/earlier")["total"]
            try:
                return self.change("intake", record, "triage", {**scores, "earlier_seen": seen})
            except Refused as refused:
                if "earlier_seen" not in str(refused) or time.monotonic() > deadline:
                    raise

    def not_the_same(self, incident_id: str, reason: str) -> None:
        """Say of every closed case that an incident was found to be like that it has not come back."""
        for asked in self.get("intake", f"/incidents/{incident_id}/recurrences"):
            if asked["answer"] is None:
                body = {"answer": "not_the_same", "reason": reason}
                self.change("intake", f"/recurrences/{asked['recurrence_id']}", "answer", body)

    def until(self, service: str, path: str, wanted: Callable[[Any], Any], what: str, **query: Any) -> Any:
        """Look again and again until `wanted` finds something in the answer; answers what it found."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                found = wanted(self.get(service, path, **query))
            except Refused as refused:
                if refused.status != 404:
                    raise
                found = None
            if found:
                return found
            time.sleep(_AGAIN_SECONDS)
        raise StackError(f"waited {PATIENCE_SECONDS:.0f} s for {what}: see 'plumbline status' and the logs")

    def _headers(self, version: int | None, key: str) -> dict[str, str]:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return headers

    def _call(self, method: str, service: str, path: str, **arguments: Any) -> httpx.Response:
        if time.monotonic() - self._made_at > LIFETIME_SECONDS / 2:
            self._token, self._made_at = issue_token(self._stack, self.persona), time.monotonic()
        headers = {"Authorization": f"Bearer {self._token}", **arguments.pop("headers", {})}
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
        if response.is_error:
            raise Refused(response)
        return response
