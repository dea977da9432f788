"""Policies of a provider's own: drafted, checked, proposed by one person, published by another, retired.

A provider without its own goes by the shipped one. What was published never changes: a decision that stores the version
can be explained for ever. A row is kept when its policy is retired.
"""

import functools
import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Column, DateTime, Integer, MetaData, Row, Table, Text, Uuid, func, insert, or_, select, update
from sqlalchemy.orm import Session

from services.runtime import audit, outbox, pagination
from services.runtime.actor import Actor
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.errors import FieldProblem, ServiceError, conflict, forbidden, invalid, not_found
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, check_version, fingerprint, once
from services.runtime.outbox import new_id
from services.runtime.pagination import Cursor, Limit, Page
from services.runtime.policy_file import Checked, PolicyKind, Problem, built, check

MAX_SOURCE = 200_000
_FRESH_SECONDS = 2.0
"""How long another process may go on with the version before."""


class State(StrEnum):
    """How far a version is. One of a kind is published at a time."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    PUBLISHED = "published"
    RETIRED = "retired"


@functools.cache
def policy_table(schema: str) -> Table:
    """The versions of a service's policies."""
    return Table(
        "policy_version",
        MetaData(),
        Column("policy_id", Uuid, primary_key=True),
        Column("provider_id", Uuid, nullable=False),
        Column("name", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("drafted_by", Uuid, nullable=False),
        Column("drafted_at", DateTime(timezone=True), nullable=False),
        Column("proposed_by", Uuid),
        Column("proposed_at", DateTime(timezone=True)),
        Column("published_by", Uuid),
        Column("published_at", DateTime(timezone=True)),
        Column("retired_by", Uuid),
        Column("retired_at", DateTime(timezone=True)),
        Column("revision", Integer, nullable=False),
        schema=schema,
    )


@dataclass(frozen=True)
class Policies:
    """The policies of one service: their kinds, who may write and who may publish them, and the event of a publication.

    `published` makes the event of: id, name, version, digest.
    """

    service: str
    kinds: Mapping[str, PolicyKind]
    writers: Collection[str]
    publishers: Collection[str]
    published: Callable[[UUID, str, str, str], Any]
    _seen: dict[tuple[UUID, str], tuple[float, Any]] = field(default_factory=dict, compare=False)

    def current(self, session: Session, provider_id: UUID, name: str) -> Any:
        """What a provider goes by now: its own published version, else the shipped one."""
        known = self._seen.get((provider_id, name))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        table = policy_table(self.service)
        source = session.scalar(
            select(table.c.source).where(
                table.c.provider_id == provider_id, table.c.name == name, table.c.state == State.PUBLISHED
            )
        )
        kind = self.kinds[name]
        policy = kind.shipped() if source is None else built(kind, source)
        if len(self._seen) >= 4096:
            self._seen.clear()
        self._seen[provider_id, name] = (time.monotonic() + _FRESH_SECONDS, policy)
        return policy

    def of_version(self, session: Session, provider_id: UUID, name: str, version: str) -> Any | None:
        """The version that an earlier decision was made by, shipped or once published; None when it is not kept."""
        kind = self.kinds[name]
        if version == kind.shipped().version:
            return kind.shipped()
        table = policy_table(self.service)
        source = session.scalar(
            select(table.c.source).where(
                table.c.provider_id == provider_id, table.c.name == name, table.c.version == version,
                table.c.published_at.is_not(None),
            )
        )  # fmt: skip
        return None if source is None else built(kind, source)

    def forget(self, provider_id: UUID, name: str) -> None:
        """Look again at the next decision."""
        self._seen.pop((provider_id, name), None)


class PolicyText(BaseModel):
    """A policy as it is written."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=40, description="The kind of policy, as `GET /policies` names it.")
    source: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE, description="The YAML text.")]


class ProblemView(BaseModel):
    """What is wrong on a line."""

    line: int
    field: str
    problem: str
    remedy: str


class CheckView(BaseModel):
    """What a check found. Nothing was saved."""

    ok: bool
    kind: str
    version: str | None
    problems: list[ProblemView]


class PolicySummary(BaseModel):
    """A version without its text."""

    policy_id: UUID
    name: str
    version: str
    sha256: str
    state: State
    drafted_by: UUID
    drafted_at: datetime
    proposed_by: UUID | None
    proposed_at: datetime | None
    published_by: UUID | None
    published_at: datetime | None
    retired_by: UUID | None
    retired_at: datetime | None
    revision: int


class KindView(BaseModel):
    """A kind of policy: the version that counts now, and the shipped one to begin with."""

    name: str
    version: str = Field(description="What the provider goes by now: its own, or the shipped one.")
    shipped_version: str
    shipped_source: str = Field(description="The YAML text. Begin your own with a copy.")


class PolicyView(PolicySummary):
    """A version with its text."""

    source: str


def _kind(policies: Policies, name: str) -> PolicyKind:
    if name not in policies.kinds:
        raise invalid("name", "is not a policy of this service", f"Use one of: {', '.join(sorted(policies.kinds))}.")
    return policies.kinds[name]


def usable(policies: Policies, text: PolicyText) -> Checked:
    """A text that can work, else 422 by line."""
    kind = _kind(policies, text.name)
    checked = check(text.source, kind)
    problems = list(checked.problems)
    if (checked.version or "").rpartition("-")[0] == kind.shipped().version.rpartition("-")[0]:
        problems.append(
            Problem(
                1, "version", "is named as the shipped policies are", "Give yours a name of its own, such as own-1."
            )
        )
    if problems:
        raise ServiceError(
            422,
            "policy-refused",
            "The policy cannot work as it is",
            "Nothing was saved. Correct the lines below and send it again.",
            errors=[
                FieldProblem(
                    field=f"line {one.line}: {one.field}".removesuffix(": "), message=one.problem, remedy=one.remedy
                )
                for one in problems
            ],
        )
    return checked


def draft(policies: Policies, session: Session, actor: Actor, text: PolicyText, now: datetime) -> PolicySummary:
    """Keep a new version that can work (else 422 by line). A version is used once (else 409)."""
    checked = usable(policies, text)
    table = policy_table(policies.service)
    _take_turns(policies, session, actor, text.name)
    used = select(table.c.policy_id).where(
        table.c.provider_id == actor.provider_id,
        table.c.name == text.name,
        table.c.version == checked.version,
        or_(table.c.state != State.RETIRED, table.c.published_at.is_not(None)),
    )
    if session.scalar(used) is not None:
        raise conflict(
            "version-taken", "There is such a version already", "Nothing was saved. Give this one another version."
        )
    policy_id = new_id()
    session.execute(
        insert(table).values(
            policy_id=policy_id,
            provider_id=actor.provider_id,
            name=text.name,
            version=checked.version,
            source=text.source,
            sha256=hashlib.sha256(text.source.encode()).hexdigest(),
            state=State.DRAFT,
            drafted_by=actor.id,
            drafted_at=now,
            revision=1,
        )
    )
    row = _row(policies, session, policy_id)
    _note(policies, session, actor, row, "policy_drafted", now)
    return _summary(row)


def propose(
    policies: Policies, session: Session, actor: Actor, policy_id: UUID, revision: int, now: datetime
) -> PolicySummary:
    """Say that a draft (else 409) is meant to be published. Somebody else publishes it."""
    row = _held(policies, session, policy_id, revision, State.DRAFT)
    row = _move(policies, session, row, state=State.PROPOSED, proposed_by=actor.id, proposed_at=now)
    _note(policies, session, actor, row, "policy_proposed", now)
    return _summary(row)


def publish(
    policies: Policies, session: Session, actor: Actor, policy_id: UUID, revision: int, now: datetime
) -> PolicySummary:
    """Make a proposed version (else 409) the one to go by; the one before is retired. Never by who wrote or proposed it."""
    row = _held(policies, session, policy_id, revision, State.PROPOSED)
    if actor.id in (row.drafted_by, row.proposed_by):
        raise forbidden("You wrote or proposed this policy. A second person publishes it: ask a colleague who may.")
    checked = usable(policies, PolicyText(name=row.name, source=row.source))
    table = policy_table(policies.service)
    before = session.execute(
        select(table.c.policy_id).where(
            table.c.provider_id == actor.provider_id, table.c.name == row.name, table.c.state == State.PUBLISHED
        )
    ).scalar()
    if before is not None:
        old = _move(
            policies, session, _row(policies, session, before),
            state=State.RETIRED, retired_by=actor.id, retired_at=now,
        )  # fmt: skip
        _note(policies, session, actor, old, "policy_retired", now)
    row = _move(policies, session, row, state=State.PUBLISHED, published_by=actor.id, published_at=now)
    _note(policies, session, actor, row, "policy_published", now)
    event = policies.published(policy_id, row.name, str(checked.version), row.sha256)
    outbox.record(
        session,
        policies.service,
        outbox.event_row(event, actor=actor, subject=policy_id, version=row.revision, at=now),
    )
    policies.forget(actor.provider_id, row.name)
    return _summary(row)


def retire(
    policies: Policies, session: Session, actor: Actor, policy_id: UUID, revision: int, now: datetime
) -> PolicySummary:
    """Put a version away (409 if it is). Where it was the published one, the shipped policy counts again."""
    row = _held(policies, session, policy_id, revision, State.DRAFT, State.PROPOSED, State.PUBLISHED)
    if row.state == State.PUBLISHED and not actor.roles.intersection(policies.publishers):
        raise forbidden("Who may publish a policy may retire a published one. Ask one of them.")
    row = _move(policies, session, row, state=State.RETIRED, retired_by=actor.id, retired_at=now)
    _note(policies, session, actor, row, "policy_retired", now)
    policies.forget(actor.provider_id, row.name)
    return _summary(row)


def _take_turns(policies: Policies, session: Session, actor: Actor, name: str) -> None:
    key = f"{policies.service}:policy:{actor.provider_id}:{name}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))


def _row(policies: Policies, session: Session, policy_id: UUID, *, lock: bool = False) -> Row[Any]:
    table = policy_table(policies.service)
    query = select(table).where(table.c.policy_id == policy_id)
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found("policy")
    return row


def _held(policies: Policies, session: Session, policy_id: UUID, revision: int, *states: State) -> Row[Any]:
    seen = _row(policies, session, policy_id)
    key = f"{policies.service}:policy:{seen.provider_id}:{seen.name}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    row = _row(policies, session, policy_id, lock=True)
    check_version(row.revision, revision)
    if row.state not in states:
        raise conflict(
            "policy-state",
            "This version does not wait for that",
            f"It is {row.state}; this is for one that is {' or '.join(states)}. Read it again.",
        )
    return row


def _move(policies: Policies, session: Session, row: Row[Any], **values: Any) -> Row[Any]:
    table = policy_table(policies.service)
    session.execute(update(table).where(table.c.policy_id == row.policy_id).values(revision=row.revision + 1, **values))
    return _row(policies, session, row.policy_id)


def _note(policies: Policies, session: Session, actor: Actor, row: Row[Any], said: str, now: datetime) -> None:
    audit.append(
        session,
        policies.service,
        chain=row.policy_id,
        actor=actor,
        action=said,
        subject=row.policy_id,
        at=now,
        data={"name": row.name, "version": row.version, "sha256": row.sha256},
    )


def _summary(row: Row[Any]) -> PolicySummary:
    return PolicySummary.model_validate(row._asdict())


def router(policies: Policies) -> APIRouter:
    """The addresses of a service's policies."""
    made = APIRouter(prefix="/policies", tags=["policies"])
    service, readers = policies.service, {*policies.writers, *policies.publishers}
    may_write, may_publish = ", ".join(sorted(policies.writers)), ", ".join(sorted(policies.publishers))

    @made.get("", summary="List versions of policies")
    def list_policies(
        actor: Caller, database: Database, name: str | None = None, state: State | None = None,
        limit: Limit = 50, cursor: Cursor = None,
    ) -> Page[PolicySummary]:  # fmt: skip
        """The provider's own versions, newest first; without one of its own it goes by the shipped policy."""
        require_role(actor, *readers)
        table = policy_table(service)
        query = select(table).where(table.c.provider_id == actor.provider_id).order_by(table.c.policy_id.desc())
        if name is not None:
            query = query.where(table.c.name == _kind(policies, name).name)
        if state is not None:
            query = query.where(table.c.state == state)
        after = pagination.decode(cursor)
        if after is not None:
            query = query.where(table.c.policy_id < after)
        with transaction(database, actor.provider_id) as session:
            items = [_summary(row) for row in session.execute(query.limit(limit + 1))]
        more = len(items) > limit
        return Page(items=items[:limit], next=pagination.encode(items[limit - 1].policy_id) if more else None)

    @made.post("", response_model=PolicySummary, status_code=201, summary="Draft a policy",
               description=f"Keep a new version, checked line by line. For {may_write}.")  # fmt: skip
    def draft_policy(body: PolicyText, actor: Caller, key: CommandKey, database: Database, clock: Time) -> JSONResponse:
        require_role(actor, *policies.writers)
        with transaction(database, actor.provider_id) as session:
            return once(
                session, service, actor, key, fingerprint("draft-policy", body),
                lambda: Reply(201, draft(policies, session, actor, body, clock.now()), 1),
            )  # fmt: skip

    @made.post("/checks", response_model=CheckView, summary="Check a policy",
               description=f"What is wrong with it, line by line. Nothing is saved. For {may_write}.")  # fmt: skip
    def check_policy(body: PolicyText, actor: Caller, key: CommandKey, database: Database) -> JSONResponse:
        require_role(actor, *policies.writers)

        def run() -> Reply:
            checked = check(body.source, _kind(policies, body.name))
            problems = [ProblemView(**vars(one)) for one in checked.problems]
            return Reply(200, CheckView(ok=checked.ok, kind=body.name, version=checked.version, problems=problems))

        with transaction(database, actor.provider_id) as session:
            return once(session, service, actor, key, fingerprint("check-policy", body), run)

    @made.get("/kinds", summary="List kinds of policies")
    def list_kinds(actor: Caller, database: Database) -> list[KindView]:
        """Each kind that a provider may have its own of, with the version that counts now and the text of the shipped one."""
        require_role(actor, *readers)
        with transaction(database, actor.provider_id) as session:
            return [
                KindView(name=name, version=policies.current(session, actor.provider_id, name).version,
                         shipped_version=kind.shipped().version, shipped_source=kind.text.read_text() if kind.text else "")
                for name, kind in policies.kinds.items()
            ]  # fmt: skip

    @made.get("/{policy_id}", summary="Read a policy")
    def read_policy(policy_id: UUID, actor: Caller, database: Database, response: Response) -> PolicyView:
        """With its text. The ETag is the revision to send back with a change."""
        require_role(actor, *readers)
        with transaction(database, actor.provider_id) as session:
            row = _row(policies, session, policy_id)
        response.headers["ETag"] = f'"{row.revision}"'
        return PolicyView.model_validate(row._asdict())

    def step(
        path: str, title: str, description: str, roles: Collection[str], change: Callable[..., PolicySummary]
    ) -> None:
        def endpoint(
            policy_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
        ) -> JSONResponse:
            require_role(actor, *roles)
            with transaction(database, actor.provider_id) as session:

                def run() -> Reply:
                    moved = change(policies, session, actor, policy_id, version, clock.now())
                    return Reply(200, moved, moved.revision)

                return once(session, service, actor, key, fingerprint(f"{path}:{policy_id}:{version}", b""), run)

        made.post(
            f"/{{policy_id}}/{path}", response_model=PolicySummary, summary=title, description=description,
            name=f"{change.__name__}_policy",
        )(endpoint)  # fmt: skip

    step(
        "proposal", "Propose a policy", f"For publication by somebody else. For {may_write}.", policies.writers, propose
    )
    step("publication", "Publish a policy",
         f"From now on it decides. By somebody who neither wrote nor proposed it. For {may_publish}.",
         policies.publishers, publish)  # fmt: skip
    step("retirement", "Retire a policy",
         f"Where it was published, the shipped policy counts again. For {may_write}; a published one: {may_publish}.",
         readers, retire)  # fmt: skip
    return made
