"""The use-cases of speaking up. Each runs in one transaction of the caller.

The promise to the sender: nothing that identifies you is kept unless you leave it yourself. So the public commands take
no Idempotency-Key, which would tie requests of one sender together and keep the code in a remembered reply: a concern
sent twice is there twice, and a message sent twice in a row is kept once.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.activities import ConcernWatch
from services.contracts.intake import ConcernContinued, ConcernRaised
from services.contracts.taxonomy import Role
from services.intake import access
from services.intake.commands import ReportIncident, report_incident
from services.intake.safeguarding import policy as safeguarding
from services.intake.speak_up import policy
from services.intake.speak_up.store import Concern, ConcernMessage, ConcernReceipt, open_conversation, visible_concern
from services.intake.store import Incident, Location
from services.runtime import audit, outbox, restriction, secret_code
from services.runtime.actor import SYSTEM_ID, Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText


class Mode(StrEnum):
    """Anonymous: nobody knows who. In confidence: those who review it know, and tell nobody."""

    ANONYMOUS = "anonymous"
    CONFIDENTIAL = "confidential"


class Author(StrEnum):
    """Who wrote a message, as the conversation shows it."""

    SENDER = "sender"
    STAFF = "staff"
    SYSTEM = "system"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RaiseConcern(_Body):
    """A concern, from anybody. No token, no account."""

    provider_id: UUID = Field(description="The provider it is about; the public page knows it.")
    location_id: UUID | None = None
    mode: Mode
    message: LongText = Field(description="What worries you. Leave out what would show who you are, if you wish.")
    contact: ShortText | None = Field(default=None, description="In confidence only: how those who review reach you.")
    keep_from: Annotated[list[ShortText], Field(max_length=5)] = Field(
        default_factory=list, description="Roles that must not see it, for example because it is about them."
    )

    @model_validator(mode="after")
    def _contact_fits_mode(self) -> Self:
        if self.mode is Mode.ANONYMOUS and self.contact is not None:
            raise ValueError("contact: leave it out to stay anonymous, or set mode to confidential")
        if self.mode is Mode.CONFIDENTIAL and self.contact is None:
            raise ValueError("contact: say how to reach you in confidence, or set mode to anonymous")
        return self


class Raised(BaseModel):
    """The answer to a concern. The code is shown this once; whoever has it has the conversation."""

    code: str
    answer_due_at: datetime
    what_happens_next: str
    fair_blame: str


class SendMessage(_Body):
    """A message of somebody who reviews the concern."""

    text: LongText


class ReviewConcern(_Body):
    """Who reviews, what protection applies to whoever raised it, and who is kept away."""

    reviewer_id: UUID
    protection: LongText = Field(
        description="For example: a protected disclosure; the name is known to two people only."
    )
    excluded: Annotated[list[UUID], Field(max_length=50)] = Field(default_factory=list)
    reason: ShortText


class MakeIncident(ReportIncident):
    """The report of what a concern tells of. Restricted unless somebody decides that all in scope may see it."""

    restricted: bool = True


def raise_concern(session: Session, command: RaiseConcern, now: datetime) -> Raised:
    """Keep a concern of an unknown sender. Raises 422 for a provider or place that is not there."""
    rules = policy.shipped()
    somewhere = session.scalars(select(Location.location_id).where(Location.active).limit(1)).first()
    if somewhere is None:
        raise invalid("provider_id", "is not a provider here", "Use the page of the provider it is about.")
    location = None if command.location_id is None else session.get(Location, command.location_id)
    if command.location_id is not None and location is None:
        raise invalid("location_id", "is not a place of this provider", "Leave it out, or choose from the list.")
    unknown = sorted(set(command.keep_from) - set(rules.roles))
    if unknown:
        raise invalid("keep_from", "names a role that reviews no concerns", f"Choose from {', '.join(rules.roles)}.")
    roles = [role for role in rules.roles if role not in command.keep_from]
    if not roles:
        raise invalid("keep_from", "leaves nobody who could review it", f"Leave one of {', '.join(rules.roles)} in.")
    concern_id, due_at = new_id(), now + timedelta(hours=rules.answer_hours)
    actor = _sender(command.provider_id)
    concern = Concern(
        concern_id=concern_id,
        provider_id=command.provider_id,
        location_id=None if location is None else location.location_id,
        region_id=None if location is None else location.region_id,
        mode=command.mode,
        contact=command.contact,
        raised_at=now,
        answer_due_at=due_at,
        version=1,
    )
    session.add(concern)
    session.flush()
    _say(session, concern, Author.SENDER, None, command.message, now)
    restriction.keep(session, "intake", provider_id=command.provider_id, record_id=concern_id, revision=1, roles=roles)
    code = _new_receipt(session, concern)
    _audit(session, actor, concern, "concern_raised", now, new_chain=True, mode=command.mode, roles=roles)
    event = ConcernRaised(concern_id=concern_id, answer_due_at=due_at)
    outbox.record(session, "intake", outbox.event_row(event, actor=actor, subject=concern_id, version=1, at=now))
    return Raised(
        code=code,
        answer_due_at=due_at,
        what_happens_next="Write the code down: it is shown this once and is the only way to read our answer and to"
        " write again. Somebody outside the line of management reads it by the time shown.",
        fair_blame=rules.fair_blame,
    )


def write_as_sender(session: Session, concern_id: UUID, text: str, now: datetime) -> None:
    """A further message of the sender. The same text twice in a row is one message."""
    concern = open_conversation(session, concern_id, lock=True)
    last = session.scalars(
        select(ConcernMessage)
        .where(ConcernMessage.concern_id == concern_id)
        .order_by(ConcernMessage.message_id.desc())
        .limit(1)
    ).first()
    if last is not None and last.author == Author.SENDER and last.text == text:
        return
    if concern.answered_at is not None:
        concern.answered_at, concern.answer_due_at = None, now + timedelta(hours=policy.shipped().answer_hours)
        concern.version += 1
        event = ConcernContinued(concern_id=concern_id, answer_due_at=concern.answer_due_at)
        actor, version = _sender(concern.provider_id), concern.version
        outbox.record(
            session, "intake", outbox.event_row(event, actor=actor, subject=concern_id, version=version, at=now)
        )
    _say(session, concern, Author.SENDER, None, text, now)
    _audit(session, _sender(concern.provider_id), concern, "concern_message", now, author=Author.SENDER)


def write_as_staff(session: Session, actor: Actor, concern_id: UUID, command: SendMessage, now: datetime) -> Concern:
    """An answer in the conversation. The sender does not learn the name of who wrote it."""
    concern = visible_concern(session, actor, concern_id, lock=True)
    concern.answered_at = now
    concern.version += 1
    _say(session, concern, Author.STAFF, actor.id, command.text, now)
    _audit(session, actor, concern, "concern_message", now, author=Author.STAFF, text_sha256=audit.digest(command.text))
    return concern


def watch(session: Session, concern_id: UUID, now: datetime) -> ConcernWatch:
    """Whether a concern waits for an answer, until when, and who reviews it. Changes nothing."""
    concern, row = session.get(Concern, concern_id), restriction.find(session, "intake", concern_id)
    if concern is None or row is None or concern.answered_at is not None:
        return ConcernWatch(waits=False, next_at=now)
    late = now >= concern.answer_due_at
    again = timedelta(hours=policy.shipped().late_again_hours)
    return ConcernWatch(
        waits=True,
        next_at=now + again if late else concern.answer_due_at,
        late=late,
        roles=[] if row.people else [Role(role) for role in row.roles],
        people=sorted(row.people),
        away=sorted(row.excluded),
        location_id=concern.location_id,
    )


def review_concern(
    session: Session, actor: Actor, concern_id: UUID, command: ReviewConcern, version: int, now: datetime
) -> Concern:
    """Record who reviews and what protection applies. The reviewer sees it from now on, the excluded never again."""
    concern = visible_concern(session, actor, concern_id, lock=True)
    check_version(concern.version, version)
    if command.reviewer_id in command.excluded:
        raise invalid("reviewer_id", "is excluded as well", "Choose somebody whom the concern is not about.")
    row = restriction.find(session, "intake", concern_id, lock=True)
    assert row is not None, "every concern is restricted from its first row"
    concern.reviewer_id, concern.protection = command.reviewer_id, command.protection
    concern.version += 1
    restriction.keep(
        session,
        "intake",
        provider_id=concern.provider_id,
        record_id=concern_id,
        revision=row.revision + 1,
        roles=row.roles,
        people={command.reviewer_id},
        excluded=set(command.excluded),
    )
    session.flush()
    _audit(
        session,
        actor,
        concern,
        "concern_review",
        now,
        reviewer_id=command.reviewer_id,
        excluded=sorted(set(command.excluded)),
        protection_sha256=audit.digest(command.protection),
        reason_sha256=audit.digest(command.reason),
    )
    return concern


def make_incident(
    session: Session, actor: Actor, concern_id: UUID, command: MakeIncident, version: int, now: datetime
) -> Concern:
    """Report what the concern tells of, once. Whoever is kept away from the concern is kept away from the incident.

    From then on the sender reads in the conversation what a reporter is told at each stage.
    """
    concern = visible_concern(session, actor, concern_id, lock=True)
    check_version(concern.version, version)
    if concern.incident_id is not None:
        raise conflict("already-reported", "This concern has its incident", "Read the concern for the incident's id.")
    row = restriction.find(session, "intake", concern_id)
    assert row is not None, "every concern is restricted from its first row"
    away = {*command.about_staff, *command.about_line, *row.excluded}
    if actor.id in away:
        raise invalid("about_staff", "names yourself", "Ask somebody whom the concern is not about to report it.")
    report = ReportIncident.model_validate(
        {
            **{name: getattr(command, name) for name in ReportIncident.model_fields},
            "about_line": sorted({*command.about_line, *row.excluded} - set(command.about_staff)),
        }
    )
    made = report_incident(session, actor, report, now, restricted=command.restricted)
    if access.is_restricted(session, made.incident_id):
        # Whoever made it goes on with it, also with a role that sees no incident by itself.
        people = {actor.id, *row.people} - away
        access.restrict(
            session,
            actor,
            made.incident_id,
            now=now,
            people=people,
            excluded=away,
            reason="It came from a concern raised outside the line.",
            revision=2,
            roles=[role for role in safeguarding.shipped().restricted.roles if role in row.roles],
        )
        incident = session.get_one(Incident, made.incident_id)
        incident.next_move = access.whose_move(session, incident.incident_id, incident.next_move)
    concern.incident_id = made.incident_id
    concern.version += 1
    session.flush()
    _audit(session, actor, concern, "concern_reported", now, restricted=command.restricted)
    return concern


def _new_receipt(session: Session, concern: Concern) -> str:
    while True:
        code = secret_code.new_code()
        selector, secret = secret_code.parts(code)
        salt, sealed = secret_code.seal(secret)
        if insert_new(
            session,
            ConcernReceipt,
            selector=selector,
            provider_id=concern.provider_id,
            concern_id=concern.concern_id,
            salt=salt,
            hash=sealed,
        ):
            return code


def _say(session: Session, concern: Concern, author: Author, author_id: UUID | None, text: str, now: datetime) -> None:
    session.add(
        ConcernMessage(
            message_id=new_id(),
            provider_id=concern.provider_id,
            concern_id=concern.concern_id,
            author=author,
            author_id=author_id,
            text=text,
            sent_at=now,
        )
    )
    session.flush()


def _sender(provider_id: UUID) -> Actor:
    """Nobody in particular: whoever has the code."""
    return Actor(id=SYSTEM_ID, provider_id=provider_id, roles=frozenset({"speak_up"}))


def _audit(
    session: Session,
    actor: Actor,
    concern: Concern,
    action: str,
    now: datetime,
    *,
    new_chain: bool = False,
    **data: object,
) -> None:
    audit.append(
        session,
        "intake",
        chain=concern.concern_id,
        actor=actor,
        action=action,
        subject=concern.concern_id,
        at=now,
        data=data,
        new_chain=new_chain,
    )
