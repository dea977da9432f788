"""The services' APIs as a page calls them: with the caller's own token, and refusals that a page can show."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

TIMEOUT_SECONDS = 10.0


@dataclass
class Refused(Exception):
    """A service said no, or did not answer (status 503). `errors` maps a field to what to do about it."""

    status: int
    title: str
    detail: str
    errors: dict[str, str] = field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True)
class Answer:
    """What a service answered. `version` is the record's ETag, to send back with a change."""

    body: Any
    version: str | None


class ServiceApi:
    """The five services, for one signed-in caller."""

    def __init__(self, http: httpx.Client, services: Mapping[str, str], token: str | None) -> None:
        self._http, self._services, self._token = http, services, token

    def get(self, service: str, path: str, **query: Any) -> Any:
        """The body of a record or list. Raises Refused."""
        return self.read(service, path, **query).body

    def read(self, service: str, path: str, **query: Any) -> Answer:
        """A record with its version. Raises Refused."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._call("GET", service, path, params=given)

    def get_or_none(self, service: str, path: str, **query: Any) -> Any:
        """The body, or None where the caller may not see it or it is not there yet. Raises Refused for the rest."""
        try:
            return self.get(service, path, **query)
        except Refused as refused:
            if refused.status in (403, 404):
                return None
            raise

    def all(self, service: str, path: str, most: int = 1000, **query: Any) -> list[Any]:
        """The items of every page of a list, at most so many."""
        items: list[Any] = []
        cursor = None
        while len(items) < most:
            page = self.get(service, path, limit=200, cursor=cursor, **query)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        return items[:most]

    def send(
        self, method: str, service: str, path: str, body: Any = None, *, key: str, version: str | None = None
    ) -> Answer:
        """A write. `key` makes it happen once however often it is sent; `version` is what the caller saw. Raises Refused."""
        headers = {"Idempotency-Key": key}
        if version is not None:
            headers["If-Match"] = version
        return self._call(method, service, path, json=body, headers=headers)

    def upload(self, service: str, path: str, *, name: str, media_type: str, content: bytes, key: str) -> Answer:
        """A file. Raises Refused."""
        return self._call(
            "POST", service, path, files={"file": (name, content, media_type)}, headers={"Idempotency-Key": key}
        )

    def send_text(self, service: str, path: str, content: bytes, *, media_type: str, key: str) -> Answer:
        """A write whose body is a text as it is. Raises Refused."""
        headers = {"Idempotency-Key": key, "Content-Type": media_type}
        return self._call("POST", service, path, content=content, headers=headers)

    def fetch(self, service: str, path: str, **query: Any) -> httpx.Response:
        """A file as it is. Raises Refused."""
        return self._response("GET", service, path, params=query)

    def _call(self, method: str, service: str, path: str, **how: Any) -> Answer:
        response = self._response(method, service, path, **how)
        return Answer(response.json() if response.content else None, response.headers.get("ETag"))

    def _response(self, method: str, service: str, path: str, **how: Any) -> httpx.Response:
        headers = {**how.pop("headers", {}), **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        headers = {name: _NOT_IN_HEADERS.sub("?", value) for name, value in headers.items()}
        try:
            response = self._http.request(method, self._services[service] + _names_only(path), headers=headers, **how)
        except httpx.InvalidURL:
            raise Refused(
                422, "This is longer than any address", "Check the address, or choose again what you chose."
            ) from None
        except httpx.HTTPError:
            raise Refused(
                503, "This part of Plumbline does not answer at the moment",
                "Nothing was lost. Wait a few seconds, then send it again: it will count once.",
            ) from None  # fmt: skip
        if response.is_error:
            raise _refusal(response)
        return response


_NOT_IN_HEADERS = re.compile(r"[^ -~]")
"""Versions and keys are printable ASCII: whatever else stands in their place, the service refuses it."""


def _names_only(path: str) -> str:
    """A path whose parts are names, whatever somebody put in place of an id: none begins a query or leads up to another."""
    return "/".join("%2E" * len(name) if name in (".", "..") else quote(name, safe="") for name in path.split("/"))


def _refusal(response: httpx.Response) -> Refused:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    errors: dict[str, str] = {}
    for one in problem.get("errors") or []:
        errors.setdefault(one["field"], f"{one['message']}. {one['remedy']}")
    kind = str(problem.get("type", "")).rsplit("/", 1)[-1]
    return Refused(
        response.status_code,
        problem.get("title", "That did not work"),
        problem.get("detail", "Try again in a moment."),
        errors,
        kind,
    )


def new_key() -> str:
    """A key for a form: the same form sent twice happens once."""
    return str(uuid.uuid4())
