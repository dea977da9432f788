"""Ask for a pack, let somebody outside read it for a while, end that, and open it with a code."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.reporting import store as cases
from services.reporting.packs import policy
from services.reporting.packs.store import Pack, PackCode, PackGrant, visible_pack
from services.runtime import audit, secret_code
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, forbidden, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

SERVICE = "reporting"
SILENCE = timedelta(minutes=10)
"""Of the real clock: what is being built and was not heard of for so long has stopped with its process."""


class State(StrEnum):
    """How far a pack is."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"


class Part(StrEnum):
    """What can be read of a pack: what it is, its pages, the same as PDF, the whole file."""

    COVER = "cover"
    PAGES = "pages"
    PDF = "pdf"
    ZIP = "zip"


class BuildPack(BaseModel):
    """What the pack is of. Days of report, in London, go with a location; without them it is the year up to today."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["location", "theme", "incident"]
    subject_id: UUID = Field(description="Of the location, the theme or the incident.")
    first_day: date | None = None
    last_day: date | None = None
    seed: Annotated[int, Field(ge=0, lt=10**9)] = Field(
        description="Of the random draw. Let whoever will read the pack name it."
    )

    @model_validator(mode="after")
    def _days_fit(self) -> Self:
        if self.kind != "location" and (self.first_day or self.last_day):
            raise ValueError("first_day: leave the days out, or ask for a location")
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise ValueError("first_day: is after last_day: exchange them")
        return self


class GrantAccess(BaseModel):
    """Who outside may read it, what for, and for how long. They need no account: whoever has the code reads."""

    model_config = ConfigDict(extra="forbid")

    recipient: ShortText = Field(description="An organisation and a post.", examples=["CQC, inspector of this visit"])
    purpose: ShortText = Field(examples=["Inspection of June 2026"])
    days: Annotated[int, Field(ge=1, le=365)] = Field(description="Whole days from now on; the policy has a limit.")
    may_download: bool = Field(
        default=False, description="Also the PDF and the whole file, which cannot be taken back."
    )


def builder_role(actor: Actor) -> Role:
    """The role in which the actor builds packs. Raises 403 for whoever may not."""
    role = next((one for one in policy.shipped().builders if one in actor.roles), None)
    if role is None:
        named = ", ".join(one.replace("_", " ") for one in policy.shipped().builders)
        raise forbidden(f"Evidence packs are for: {named}. Ask one of them.")
    return role


def ask_for_pack(session: Session, actor: Actor, command: BuildPack, now: datetime) -> Pack:
    """Note what is to be built; the caller builds it once this is committed. Raises 404 for a subject that the actor may
    not see, 409 while as many are being built as may be at a time.
    """
    role = builder_role(actor)
    _see_subject(session, actor, command)
    _take_turns(session, actor)
    alive = Pack.beat_at > func.now() - SILENCE
    building = select(func.count()).select_from(Pack).where(Pack.state == State.BUILDING, alive)
    if (session.scalar(building) or 0) >= policy.shipped().at_a_time:
        raise conflict(
            "too-many", "Other packs are being built", "Each reads all records. Ask again when one of them is ready."
        )
    pack = Pack(
        record_id=new_id(),
        provider_id=actor.provider_id,
        kind=command.kind,
        subject_id=command.subject_id,
        first_day=command.first_day,
        last_day=command.last_day,
        seed=command.seed,
        role=role,
        asked_by=actor.id,
        asked_at=now,
        state=State.BUILDING,
        done=0,
        beat_at=session.scalar(select(func.now())),
        incident_ids=[],
    )
    session.add(pack)
    session.flush()
    said = {"kind": pack.kind, "subject_id": pack.subject_id, "seed": pack.seed, "role": role}
    note(session, actor, pack.record_id, "pack_asked_for", pack.record_id, now, **said)
    return pack


def _see_subject(session: Session, actor: Actor, command: BuildPack) -> None:
    if command.kind == "incident":
        cases.visible_case(session, actor, command.subject_id)
    elif command.kind == "theme":
        cases.visible_theme(session, actor, command.subject_id)
    else:
        place = cases.LOCATION.c.location_id
        seen = select(place).where(place == command.subject_id, cases.visible_locations(actor))
        if session.scalar(seen) is None:
            raise not_found("location")


def _take_turns(session: Session, actor: Actor) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"packs:{actor.provider_id}", 0))))


def grant_access(
    session: Session, actor: Actor, record_id: UUID, command: GrantAccess, now: datetime
) -> tuple[PackGrant, str]:
    """Let somebody outside read a pack until a time. Answers the grant and its code, which is kept nowhere.

    Raises 404 for a pack that the actor may not read whole, 409 for one that is not built, 422 for more days than the
    policy allows.
    """
    builder_role(actor)
    most = policy.shipped().most_days
    if command.days > most:
        raise invalid("days", f"is more than {most}", f"Give at most {most} days; grant it again if more are needed.")
    pack = visible_pack(session, actor, record_id)
    if pack.state != State.READY:
        raise conflict("not-open", "This pack is not built", "Wait until it is ready, or build it again.")
    pack = visible_pack(session, actor, record_id, content=True)
    grant = PackGrant(
        grant_id=new_id(),
        provider_id=actor.provider_id,
        record_id=record_id,
        recipient=command.recipient,
        purpose=command.purpose,
        may_download=command.may_download,
        granted_by=actor.id,
        granted_role=builder_role(actor),
        granted_at=now,
        expires_at=now + timedelta(days=command.days),
        version=1,
    )
    session.add(grant)
    session.flush()
    # The words stay in the grant's row: a recipient can be a person.
    said = {"expires_at": grant.expires_at, "may_download": grant.may_download, "pack_id": pack.pack_id}
    note(session, actor, record_id, "pack_access_granted", grant.grant_id, now, **said)
    return grant, _new_code(session, grant)


def _new_code(session: Session, grant: PackGrant) -> str:
    while True:
        code = secret_code.new_code()
        selector, secret = secret_code.parts(code)
        salt, sealed = secret_code.seal(secret)
        row = {"provider_id": grant.provider_id, "grant_id": grant.grant_id, "salt": salt, "hash": sealed}
        if insert_new(session, PackCode, selector=selector, **row):
            return code


def revoke_access(session: Session, actor: Actor, grant_id: UUID, version: int, now: datetime) -> PackGrant:
    """End a grant at once. Raises 404 where the actor may not see its pack, 409 where it has ended already."""
    builder_role(actor)
    grant = session.get(PackGrant, grant_id, with_for_update=True)
    if grant is None:
        raise not_found("grant")
    visible_pack(session, actor, grant.record_id, what="grant")
    check_version(grant.version, version)
    if ended_at(grant, now) is not None:
        raise conflict("access-ended", "This access has ended already", "There is nothing left to end.")
    grant.revoked_at, grant.revoked_by = now, actor.id
    grant.version += 1
    session.flush()
    note(session, actor, grant.record_id, "pack_access_revoked", grant_id, now)
    return grant


def ended_at(grant: PackGrant, now: datetime) -> datetime | None:
    """When access ended, or None while it is open."""
    if grant.revoked_at is not None:
        return grant.revoked_at
    return grant.expires_at if now >= grant.expires_at else None


def open_grant(session: Session, grant_id: UUID, part: Part, now: datetime) -> tuple[PackGrant, Pack, str | None]:
    """Log that somebody with the code wants a part; answers why it is refused, or None.

    The refusal is answered and not raised, so that the caller's transaction keeps the log of it.
    """
    grant = session.get_one(PackGrant, grant_id)
    pack = session.get_one(Pack, grant.record_id)
    why = None
    if ended_at(grant, now) is not None:
        why = "revoked" if grant.revoked_at is not None else "expired"
    elif part in (Part.PDF, Part.ZIP) and not grant.may_download:
        why = "no_download"
    outsider = Actor(id=grant_id, provider_id=grant.provider_id, roles=frozenset({"pack_reader"}))
    said = {"part": part, **({} if why is None else {"why": why})}
    note(session, outsider, pack.record_id, "pack_opened" if why is None else "pack_refused", grant_id, now, **said)
    return grant, pack, why


def note(
    session: Session, actor: Actor, record_id: UUID, action: str, subject: UUID, now: datetime, **data: object
) -> None:
    """An entry in the pack's own audit chain: codes, ids, times and digests."""
    audit.append(session, SERVICE, chain=record_id, actor=actor, action=action, subject=subject, at=now, data=data)
