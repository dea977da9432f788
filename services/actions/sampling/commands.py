"""Draw a sample, and record what was found of it."""

import secrets
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.domain import ActionStatus
from services.actions.history import record
from services.actions.sampling.domain import drawn
from services.actions.sampling.store import SampleDraw, SampleItem
from services.actions.store import Action, Verification, visible_action
from services.actions.verification.independence import check_independent
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

MOST_NAMED, MOST_COUNTED, MOST_DRAWN = 2_000, 1_000_000, 200
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Draw(BaseModel):
    """All that could be looked at, by name or by number, and how many of it."""

    model_config = ConfigDict(extra="forbid")

    frame: Annotated[list[_Name], Field(min_length=1, max_length=MOST_NAMED)] | None = Field(
        default=None, description="A name for each, for example a room or the number of a chart. Not of people."
    )
    frame_size: Annotated[int, Field(ge=1, le=MOST_COUNTED)] | None = Field(
        default=None, description="How many there are, where they have no names: they are counted from 1."
    )
    size: Annotated[int, Field(ge=1, le=MOST_DRAWN)]
    reason: ShortText | None = Field(default=None, description="Needed to draw again: why the first will not do.")

    @model_validator(mode="after")
    def _one_frame(self) -> Self:
        if (self.frame is None) == (self.frame_size is None):
            raise ValueError("give frame or frame_size, one of the two")
        if self.frame is not None and len(set(self.frame)) < len(self.frame):
            raise ValueError("frame names something twice")
        return self


class Found(BaseModel):
    """What was found of one that was drawn."""

    model_config = ConfigDict(extra="forbid")

    position: Annotated[int, Field(ge=1)]
    compliant: bool
    note: ShortText | None = None


class RecordFound(BaseModel):
    """What was found, of all that was drawn or of some of it."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[Found], Field(max_length=MOST_DRAWN)] = Field(default_factory=list)
    rest: bool | None = Field(
        default=None, description="What was found of those that are not under `items` and not recorded yet."
    )


def draw_sample(session: Session, actor: Actor, action_id: UUID, command: Draw, now: datetime) -> SampleDraw:
    """Draw a sample of what is to be looked at, by a seed that is kept: the same seed and frame give the same sample.

    For whoever may verify the action, once its owner says that it is done. To draw again needs a reason (422), and the
    earlier draws stay.
    """
    action = visible_action(session, actor, action_id, lock=True)
    check_independent(session, actor, action)
    if action.status not in (ActionStatus.DONE, ActionStatus.VERIFIED):
        raise conflict(
            "wrong-status", "A sample is drawn of what is said to be done", f"This action is {action.status}."
        )
    size_of_frame = len(command.frame) if command.frame is not None else command.frame_size
    assert size_of_frame is not None
    if command.size > size_of_frame:
        raise invalid("size", "is more than there are", "Ask for at most as many as are in the frame.")
    before = unused_draw(session, action)
    if before is not None and command.reason is None:
        raise invalid("reason", "is needed to draw again", "Use the sample that was drawn, or say why it will not do.")
    draw = SampleDraw(
        draw_id=new_id(),
        provider_id=action.provider_id,
        action_id=action_id,
        attempt=action.attempt,
        frame_size=size_of_frame,
        frame=command.frame,
        seed=secrets.token_hex(16),
        size=command.size,
        reason=command.reason,
        drawn_by=actor.id,
        drawn_at=now,
    )
    session.add(draw)
    session.flush()
    session.add_all(
        SampleItem(draw_id=draw.draw_id, position=position, provider_id=action.provider_id)
        for position in drawn(draw.seed, draw.frame_size, draw.size)
    )
    record(
        session,
        actor,
        action,
        now,
        "sample_drawn",
        None,
        draw_id=draw.draw_id,
        attempt=draw.attempt,
        frame_size=draw.frame_size,
        frame_sha256=None if command.frame is None else audit.digest("\n".join(command.frame)),
        seed=draw.seed,
        size=draw.size,
        reason_sha256=None if command.reason is None else audit.digest(command.reason),
    )
    return draw


def record_found(
    session: Session, actor: Actor, action_id: UUID, draw_id: UUID, command: RecordFound, now: datetime
) -> SampleDraw:
    """Record what was found of what was drawn; again for one corrects it, until somebody has decided by it (409)."""
    action = visible_action(session, actor, action_id, lock=True)
    check_independent(session, actor, action)
    draw = session.get(SampleDraw, draw_id)
    if draw is None or draw.action_id != action_id:
        raise not_found("draw")
    if used(session, draw_id):
        raise conflict("draw-used", "This sample has been decided by", "What was found stays as it is. Draw another.")
    items = {item.position: item for item in items_of(session, draw_id)}
    for place, found in enumerate(command.items):
        item = items.get(found.position)
        if item is None:
            raise invalid(f"items.{place}.position", "was not drawn", "Record what was found of those that were drawn.")
        item.compliant, item.note = found.compliant, found.note
        item.recorded_by, item.recorded_at = actor.id, now
    for item in items.values() if command.rest is not None else ():
        if item.compliant is None:
            item.compliant, item.recorded_by, item.recorded_at = command.rest, actor.id, now
    record(
        session,
        actor,
        action,
        now,
        "sample_looked_at",
        None,
        draw_id=draw_id,
        found={str(item.position): item.compliant for item in items.values()},
        notes_sha256=audit.digest("\n".join(f"{found.position}:{found.note}" for found in command.items if found.note)),
    )
    return draw


def counted(session: Session, action: Action, draw_id: UUID) -> tuple[int, int]:
    """How many of a sample were looked at and were as they should be. All must have been, of the newest draw (422)."""
    newest = unused_draw(session, action)
    if newest is None or newest.draw_id != draw_id:
        raise invalid("draw_id", "is not the newest sample drawn for this", "Take the id of the last of `draws`.")
    items = items_of(session, draw_id)
    missing = sum(item.compliant is None for item in items)
    if missing:
        raise invalid(
            "draw_id", f"has {missing} that nobody looked at yet", "Record what was found of each, or draw fewer again."
        )
    return len(items), sum(bool(item.compliant) for item in items)


def unused_draw(session: Session, action: Action) -> SampleDraw | None:
    """The newest draw of the running attempt, unless somebody has decided by it."""
    newest = session.scalars(
        select(SampleDraw)
        .where(SampleDraw.action_id == action.action_id, SampleDraw.attempt == action.attempt)
        .order_by(SampleDraw.draw_id.desc())
        .limit(1)
    ).first()
    return None if newest is None or used(session, newest.draw_id) else newest


def used(session: Session, draw_id: UUID) -> bool:
    """Whether somebody has decided by a sample."""
    return session.scalar(select(Verification.verification_id).where(Verification.draw_id == draw_id)) is not None


def items_of(session: Session, draw_id: UUID) -> list[SampleItem]:
    """What was drawn, in the order of the frame."""
    return list(session.scalars(select(SampleItem).where(SampleItem.draw_id == draw_id).order_by(SampleItem.position)))
