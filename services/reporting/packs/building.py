"""Builds a pack beside the requests, reading the services as the person who asked, with their own token.

The token is held in memory until the pack is built and no longer. A process that ends takes its packs with it: what was
not heard of for a while counts as stopped, and is asked for again.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
from fastapi import Request
from sqlalchemy import Engine, func, update

from services.reporting.packs import commands
from services.reporting.packs.build import Asked, Built, CannotBuild, build
from services.reporting.packs.gather import Refused
from services.reporting.packs.settings import PackSettings
from services.reporting.packs.store import Pack
from services.runtime.actor import Actor
from services.runtime.attachments import Storage
from services.runtime.clock import Clock
from services.runtime.db import transaction
from services.runtime.errors import ServiceError, frames

logger = logging.getLogger(__name__)

_TRIES = 5
_WAIT_SECONDS = 1.0


class HttpReader:
    """Reads through the APIs with one token. A service that is away is asked again a few times."""

    def __init__(self, clients: Mapping[str, httpx.Client], token: str) -> None:
        self._clients, self._headers = clients, {"Authorization": token}

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Read. Raises Refused; with 503 where the service stays away."""
        for tried in range(1, _TRIES + 1):
            try:
                response = self._clients[service].get(path, params=query, headers=self._headers)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code != 503:
                break
            if tried < _TRIES:
                time.sleep(_WAIT_SECONDS)
        if response is None:
            raise Refused(503, f"{service} does not answer")
        if response.is_error:
            raise Refused(response.status_code, f"{service} answered {response.status_code}")
        return response.json()


class Builder:
    """The threads of one process that build packs, and the services that they read."""

    def __init__(self, clients: Mapping[str, httpx.Client]) -> None:
        self._clients = clients
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pack")

    def start(self, engine: Engine, store: Storage, clock: Clock, actor: Actor, token: str, pack: Pack) -> None:
        """Build what was asked for, after the caller's transaction."""
        given: dict[str, Any] = {pack.kind: str(pack.subject_id), "first": pack.first_day, "last": pack.last_day}
        asked, reader = Asked(**given), HttpReader(self._clients, token)
        self._threads.submit(_run, engine, store, clock, actor, reader, pack.record_id, pack.role, asked, pack.seed)

    def close(self) -> None:
        """Wait for what is being built."""
        self._threads.shutdown()


def builder_of(request: Request) -> Builder:
    """The builder of this process, made when it is first needed. Raises 503 where the services' addresses are not set."""
    state = request.app.state
    if not hasattr(state, "packs"):
        addresses = PackSettings().services
        missing = [f"PLUMBLINE_{name.upper()}_URL" for name, address in addresses.items() if not address]
        if missing:
            raise ServiceError(
                503,
                "no-pack-sources",
                "This system cannot build packs here",
                f"Its operator sets {', '.join(missing)}.",
            )
        state.packs = Builder({name: httpx.Client(base_url=at, timeout=30) for name, at in addresses.items()})
    made: Builder = state.packs
    return made


def _run(
    engine: Engine,
    store: Storage,
    clock: Clock,
    actor: Actor,
    reader: HttpReader,
    record_id: UUID,
    role: str,
    asked: Asked,
    seed: int,
) -> None:
    def heard_of(done: int, of: int) -> None:
        _set(engine, actor, record_id, done=done, of=of)

    try:
        built = build(reader, role, asked, seed, heard_of)
        sha256 = hashlib.sha256(built.content).hexdigest()
        store.keep(actor.provider_id, sha256, built.content)
        _keep(engine, actor, record_id, built, sha256, clock)
    except CannotBuild:
        _set(engine, actor, record_id, state=commands.State.FAILED, failure="nothing_to_show")
    except Refused as refused:
        why = {401: "sign_in_over", 403: "not_allowed", 404: "not_there"}.get(refused.status, "part_away")
        _set(engine, actor, record_id, state=commands.State.FAILED, failure=why)
    except Exception as error:  # noqa: BLE001 - whatever it was, whoever asked must see that it failed
        logger.error("a pack was not built", extra={"error": type(error).__name__, "frames": frames(error)})
        why = "part_away" if isinstance(error, ServiceError) else "error"
        _set(engine, actor, record_id, state=commands.State.FAILED, failure=why)


def _set(engine: Engine, actor: Actor, record_id: UUID, **values: Any) -> None:
    with transaction(engine, actor.provider_id) as session:
        session.execute(update(Pack).where(Pack.record_id == record_id).values(beat_at=func.now(), **values))


def _keep(engine: Engine, actor: Actor, record_id: UUID, built: Built, sha256: str, clock: Clock) -> None:
    now = clock.now()
    with transaction(engine, actor.provider_id) as session:
        pack = session.get_one(Pack, record_id, with_for_update=True)
        pack.state, pack.failure, pack.built_at = commands.State.READY, None, now
        pack.title, pack.pack_id, pack.sha256, pack.bytes = built.title, built.pack_id, sha256, len(built.content)
        pack.incident_ids, pack.gaps = [UUID(one) for one in built.incident_ids], built.gaps
        pack.done = pack.of = built.incidents
        session.flush()
        said = {"pack_id": built.pack_id, "sha256": sha256, "bytes": len(built.content), "incidents": built.incidents}
        commands.note(session, actor, record_id, "pack_built", record_id, now, **said)
