"""The use-cases of the records. Each runs in one transaction of the caller.

Each record is saved by itself with a version of its own, so several people may write at once. 412 when somebody else
changed this one in between; it names what differs, and what the caller typed is not stored.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from sqlalchemy.orm import Session

from services.review import commands
from services.review.commands import Strict
from services.review.domain import Participant, ReviewStatus
from services.review.holds.store import refuse_while_held
from services.review.records.domain import Approach, How, Mark, Nature, Outcome, Source, Who
from services.review.records.store import Contribution, Involved, Terms, TimelineEntry
from services.review.store import Review
from services.runtime import audit, restriction
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

Reference = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _/-]{0,59}$")
]  # fmt: skip
"""A code or a role, not a name."""


class WriteTerms(Strict):
    """What is to be found out, and within which scope."""

    to_find_out: LongText
    scope: LongText | None = None
    covers_from: Instant | None = None
    covers_until: Instant | None = None
    left_out: ShortText | None = Field(default=None, description="What is left out, and why.")
    agreed_with: ShortText | None = Field(default=None, description="By whom the terms were agreed. Roles, no names.")
    agreed_on: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.covers_from and self.covers_until and self.covers_until < self.covers_from:
            raise ValueError("covers_until is before covers_from")
        return self


class WriteEntry(Strict):
    """One event of the timeline: what is established or what somebody says; what it means stands apart."""

    at: Instant = Field(description="When it happened.")
    what: ShortText
    nature: Nature = Field(description="`fact`: established. `account`: what somebody says.")
    source: Source
    source_detail: ShortText | None = Field(default=None, description="Which record, device or role. No names.")
    analysis: LongText | None = Field(default=None, description="What it means; kept apart from what happened.")
    marks: Mark | None = Field(default=None, description="What it marks, where the time to it is measured.")
    withdrawn_reason: ShortText | None = Field(
        default=None, description="Why it no longer counts. It stays readable, apart from the others."
    )


class WriteTold(Strict):
    """What somebody was told, and when."""

    at: Instant
    what: ShortText


class WriteInvolved(Strict):
    """Somebody involved: the person, the family, staff. By reference or role, never by name."""

    who: Who
    reference: Reference = Field(description="A code or a role, for example P1 or daughter. Never a name.")
    part: ShortText | None = Field(default=None, description="In what part they are involved.")
    approach: Approach = Field(default=Approach.NOT_YET, description="Whether they were asked to take part.")
    asked_at: Instant | None = None
    asked_how: ShortText | None = None
    reason: ShortText | None = Field(
        default=None, description="Needed when they declined, were unavailable or were not asked."
    )
    questions: LongText | None = Field(default=None, description="What they want answered.")
    account: LongText | None = Field(default=None, description="Their own account.")
    account_given: ShortText | None = Field(default=None, description="In which way of communicating they gave it.")
    told: Annotated[list[WriteTold], Field(max_length=50)] = Field(default_factory=list)
    withdrawn_reason: ShortText | None = Field(default=None, description="Why it no longer counts. It stays readable.")

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.approach.explained and self.reason is None:
            raise ValueError("needs a reason why they did not take part")
        if self.approach is Approach.ASKED and self.asked_at is None:
            raise ValueError("needs asked_at: when they were asked")
        return self


class AskContribution(Strict):
    """Ask somebody to contribute, or record what somebody contributed."""

    part: Participant
    person_id: UUID | None = Field(default=None, description="A person of the directory, who then may write it.")
    described: ShortText | None = Field(default=None, description="A role, or a group of people; no names.")
    how: How = How.INTERVIEW
    asks: LongText | None = Field(default=None, description="What they are asked.")
    outcome: Outcome = Outcome.ASKED
    reason: ShortText | None = Field(default=None, description="Needed when they declined or were unavailable.")
    said: LongText | None = Field(default=None, description="Needed once they contributed.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.person_id is None and self.described is None:
            raise ValueError("needs a person_id, or described: who it is, without a name")
        if self.outcome.explained and self.reason is None:
            raise ValueError("needs a reason why they did not contribute")
        if (self.outcome is Outcome.CONTRIBUTED) != (self.said is not None):
            raise ValueError("needs said when they contributed, and not before")
        return self


class WriteStatement(Strict):
    """What somebody who was asked says, in their own words."""

    said: LongText


_Row = TypeVar("_Row", Terms, TimelineEntry, Involved, Contribution)


def _writing(session: Session, actor: Actor, review_id: UUID, *, asks_people: bool) -> Review:
    review = commands.written_by(session, actor, review_id)
    if asks_people:
        refuse_while_held(session, review.incident_id)
    return review


def _write(row: _Row, said: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    for name, value in said.items():
        setattr(row, name, value)
    row.written_by, row.written_at = actor.id, now
    row.version += 1


def _differing(row: Terms | TimelineEntry | Involved | Contribution, said: Mapping[str, Any]) -> list[str]:
    return [name for name, value in said.items() if getattr(row, name) != value]


def write_terms(
    session: Session, actor: Actor, review_id: UUID, command: WriteTerms, version: int | None, now: datetime
) -> Terms:
    """Say what a review is to find out; a change needs the version it was made against."""
    review = _writing(session, actor, review_id, asks_people=False)
    row, said = session.get(Terms, review_id, populate_existing=True), command.model_dump()
    if row is None:
        if version is not None:
            check_version(0, version)
        row = Terms(review_id=review_id, provider_id=review.provider_id, version=0)
        session.add(row)
    else:
        check_version(row.version, version, _differing(row, said))
    _write(row, said, actor, now)
    session.flush()
    commands.note_author(session, actor, review, now)
    return row


def add_entry(session: Session, actor: Actor, review_id: UUID, command: WriteEntry, now: datetime) -> TimelineEntry:
    """Enter an event of the timeline."""
    review = _writing(session, actor, review_id, asks_people=False)
    _not_to_come(command, now)
    row = TimelineEntry(entry_id=new_id(), review_id=review_id, provider_id=review.provider_id, version=0)
    session.add(row)
    _write(row, command.model_dump(), actor, now)
    session.flush()
    commands.note_author(session, actor, review, now)
    return row


def change_entry(
    session: Session, actor: Actor, review_id: UUID, entry_id: UUID, command: WriteEntry, version: int, now: datetime
) -> TimelineEntry:
    """Correct an event of the timeline, or withdraw it with a reason."""
    review = _writing(session, actor, review_id, asks_people=False)
    _not_to_come(command, now)
    row, said = session.get(TimelineEntry, entry_id, populate_existing=True), command.model_dump()
    if row is None or row.review_id != review_id:
        raise not_found("entry")
    check_version(row.version, version, _differing(row, said))
    _write(row, said, actor, now)
    session.flush()
    commands.note_author(session, actor, review, now)
    return row


def _not_to_come(command: WriteEntry, now: datetime) -> None:
    if command.at > now:
        raise invalid("at", "is in the future", "Give the time it happened, not later than now.")


def _involved(command: WriteInvolved) -> dict[str, Any]:
    return {**command.model_dump(exclude={"told"}), "told": [one.model_dump(mode="json") for one in command.told]}


def add_involved(session: Session, actor: Actor, review_id: UUID, command: WriteInvolved, now: datetime) -> Involved:
    """Enter somebody who is involved. An account only while no hold keeps people from being asked."""
    review = _writing(session, actor, review_id, asks_people=command.account is not None)
    row = Involved(involved_id=new_id(), review_id=review_id, provider_id=review.provider_id, version=0)
    session.add(row)
    _write(row, _involved(command), actor, now)
    session.flush()
    commands.note_author(session, actor, review, now)
    return row


def change_involved(
    session: Session,
    actor: Actor,
    review_id: UUID,
    involved_id: UUID,
    command: WriteInvolved,
    version: int,
    now: datetime,
) -> Involved:
    """Go on with somebody who is involved: their questions, their account, what they were told."""
    row, said = session.get(Involved, involved_id, populate_existing=True), _involved(command)
    new_account = command.account is not None and (row is None or row.account != command.account)
    review = _writing(session, actor, review_id, asks_people=new_account)
    if row is None or row.review_id != review_id:
        raise not_found("person involved")
    session.refresh(row)
    check_version(row.version, version, _differing(row, said))
    _write(row, said, actor, now)
    session.flush()
    commands.note_author(session, actor, review, now)
    return row


def ask_contribution(
    session: Session, actor: Actor, review_id: UUID, command: AskContribution, now: datetime
) -> Contribution:
    """Ask somebody, or record what they said; not while a hold keeps people from being asked."""
    review = _writing(session, actor, review_id, asks_people=True)
    row = Contribution(
        contribution_id=new_id(), review_id=review_id, provider_id=review.provider_id, asked_by=actor.id, asked_at=now,
        version=0,
    )  # fmt: skip
    session.add(row)
    _contribute(session, actor, review, row, command.model_dump(), now)
    commands.note_author(session, actor, review, now)
    return row


def change_contribution(
    session: Session,
    actor: Actor,
    review_id: UUID,
    contribution_id: UUID,
    command: AskContribution,
    version: int,
    now: datetime,
) -> Contribution:
    """Record what became of asking. What the person wrote themselves is not changed by others (409)."""
    review = _writing(session, actor, review_id, asks_people=True)
    row, said = session.get(Contribution, contribution_id, populate_existing=True), command.model_dump()
    if row is None or row.review_id != review_id:
        raise not_found("contribution")
    check_version(row.version, version, _differing(row, said))
    if row.said is not None and row.said != command.said and row.said_by == row.person_id != actor.id:
        raise conflict(
            "own-words",
            "These are somebody's own words",
            "Whoever wrote them may change them. Record what you heard beside it as another contribution.",
        )
    _contribute(session, actor, review, row, said, now)
    commands.note_author(session, actor, review, now)
    return row


def write_statement(
    session: Session, actor: Actor, contribution_id: UUID, command: WriteStatement, version: int, now: datetime
) -> Contribution:
    """What somebody who was asked says; whoever speaks in a review does not approve it."""
    row = asked_of(session, actor, contribution_id)
    # The review first and then what hangs on it, as everybody else locks.
    review = session.get_one(Review, row.review_id, with_for_update=True)
    session.refresh(row)
    if not ReviewStatus(review.status).editable:
        raise conflict(
            "not-editable",
            "This review is not being written",
            "It was submitted or has ended. Tell whoever asked you what you want to add.",
        )
    refuse_while_held(session, review.incident_id)
    check_version(row.version, version, [] if row.said == command.said else ["said"])
    said = {"said": command.said, "outcome": Outcome.CONTRIBUTED, "reason": None}
    _contribute(session, actor, review, row, said, now)
    commands.note_contributor(session, actor, review, now)
    return row


def asked_of(session: Session, actor: Actor, contribution_id: UUID) -> Contribution:
    """What the actor was asked by name; 404 for everybody else, and for whom a restriction keeps away."""
    row = session.get(Contribution, contribution_id)
    if row is None or row.person_id != actor.id:
        raise not_found("contribution")
    review = session.get_one(Review, row.review_id)
    if not restriction.may_see(session, commands.SERVICE, actor, review.incident_id, in_scope=False, own=True):
        raise not_found("contribution")
    return row


def _contribute(
    session: Session, actor: Actor, review: Review, row: Contribution, said: Mapping[str, Any], now: datetime
) -> None:
    if said["said"] != row.said:
        row.said_by, row.contributed_at = (None, None) if said["said"] is None else (actor.id, now)
    _write(row, said, actor, now)
    session.flush()
    commands.note(
        session,
        actor,
        review,
        now,
        "contribution_recorded",
        contribution_id=row.contribution_id,
        part=row.part,
        outcome=row.outcome,
        content_sha256=audit.digest(json.dumps([row.asks, row.said, row.reason], ensure_ascii=False)),
    )
