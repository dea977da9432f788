"""The use-cases of checks. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

A check that is chased has one clock with all the others of an incident. One that the report alone opens has a row once the
clock rings or somebody touches a check of the incident; any other from the moment it is needed. It does not keep the
incident from closing: an hour that has passed is not brought back, and a record made up to close a case is worse than a
gap that everybody sees.
"""

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import CheckLate, CheckRecorded, CheckWarned
from services.contracts.taxonomy import Category, ClockKind, EscalationReason, Kind, Role
from services.intake import clocks
from services.intake.checks import policy
from services.intake.checks.domain import late_calls, next_ring
from services.intake.checks.policy import CheckRule, KeptBy, RunsFrom
from services.intake.checks.store import FirstCheck, checks_of
from services.intake.details.policy import problem_of
from services.intake.details.store import Answer
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as escalation
from services.intake.obligations.domain import ANSWERERS, warn_at
from services.intake.obligations.facts import at_report as facts_at_report
from services.intake.store import Incident, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import FieldProblem, ServiceError, conflict, forbidden, invalid, not_found
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText

SERVICE = "intake"
BY_HAND, BY_ANSWER = "hand", "answer"


class RecordCheck(BaseModel):
    """That it was done, when, and what is to be recorded of it."""

    model_config = ConfigDict(extra="forbid")

    done_at: Instant = Field(description="When it was done, which may be before it is recorded.")
    answers: Annotated[
        dict[str, bool | Annotated[int, Field(ge=0, le=1_000_000)] | LongText],
        Field(max_length=20, description="What the check asks for: `asks` of GET /incidents/{id}/checks."),
    ] = Field(default_factory=dict)


class SetAsideCheck(BaseModel):
    """That it is not needed here, or cannot be done, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: LongText


# What opens a check.


@functools.cache
def opened_by_report(category: Category, kind: Kind) -> Sequence[CheckRule]:
    """The checks that a report alone asks for and that are chased."""
    return [rule for rule in policy.shipped().needed(facts_at_report(category, kind)) if rule.chased]


def warned_at_report(category: Category, kind: Kind, occurred_at: datetime, now: datetime) -> datetime | None:
    """When the first check that a report opens is to be warned of; None without any.

    A report writes nothing else of its checks: the process sets its timer by this, and `write_down` makes the rows when
    the clock rings or somebody first touches a check. Until then they are derived from the report.
    """
    rules = opened_by_report(category, kind)
    times = (_times(rule, occurred_at=occurred_at, reported_at=now, known_at=now) for rule in rules)
    return min((one["warn_at"] for one in times), default=None)


def write_down(session: Session, incident: Incident) -> None:
    """Make the rows of what the report alone opened, and of the clock that its event set. Once; the incident is locked."""
    rules = opened_by_report(Category(incident.category), Kind(incident.kind))
    incident_id = incident.incident_id
    if not rules or incident.import_source is not None or clocks.is_known(session, ClockKind.CHECK, incident_id):
        return
    rows = [_open(session, incident, rule, incident.reported_at) for rule in rules]
    clocks.set_by_report(session, incident, ClockKind.CHECK, min(row.warn_at for row in rows))


def assess(session: Session, actor: Actor, incident: Incident, facts: Mapping[str, Any], now: datetime) -> None:
    """Open what facts ask for that the report did not. An imported incident is past its first hours and has none."""
    if incident.ended or incident.import_source is not None:
        return
    at_once = {rule.id for rule in opened_by_report(Category(incident.category), Kind(incident.kind))}
    needed = [rule for rule in policy.shipped().needed(facts) if rule.chased and rule.id not in at_once]
    if not needed:
        return
    write_down(session, incident)
    known = checks_of(session, incident.incident_id, lock=True)
    new = [rule for rule in needed if rule.id not in known]
    for rule in new:
        _open(session, incident, rule, now)
    if new:
        _turn(session, actor, incident, now)


def answered(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """What was answered in the second stage of the report opens checks, and settles those that it answers in full."""
    found = select(Answer.question, Answer.value).where(Answer.incident_id == incident.incident_id)
    answers = {row.question: row.value for row in session.execute(found)}
    facts = facts_at_report(Category(incident.category), Kind(incident.kind))
    told_later = {name: answers.get(name) for name in ("head_injury", "restraint", "between_residents")}
    assess(session, actor, incident, {**facts, **told_later}, now)
    told = {
        rule.id: {ask: answers[question] for ask, question in rule.answered_with.items()}
        for rule in policy.shipped().rules.values()
        if answers.get(rule.answered_by or "") is True and answers.keys() >= set(rule.answered_with.values())
    }
    if told:
        _settle(session, actor, incident, told, BY_ANSWER, now)


def safeguarding_recorded(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """The safeguarding record was filled in: the form is with those who may know of it."""
    rules = policy.shipped().rules.values()
    kept: dict[str, dict[str, Any]] = {rule.id: {} for rule in rules if rule.kept_by is KeptBy.SAFEGUARDING}
    _settle(session, actor, incident, kept, KeptBy.SAFEGUARDING, now)


def _settle(
    session: Session, actor: Actor, incident: Incident, told: Mapping[str, dict[str, Any]], how: str, now: datetime
) -> None:
    """Settle checks by what another record tells of them."""
    if incident.ended:
        return
    write_down(session, incident)
    rows = checks_of(session, incident.incident_id, lock=True)
    settled = [row for rule, row in rows.items() if rule in told and row.recorded_at is None]
    for row in settled:
        row.done_at, row.how, row.answers = now, how, told[row.rule]
        _recorded(session, actor, incident, row, now)
    if settled:
        _turn(session, actor, incident, now)


def _new(rule: CheckRule, provider_id: UUID, incident_id: UUID) -> dict[str, Any]:
    return {
        "check_id": new_id(),
        "provider_id": provider_id,
        "incident_id": incident_id,
        "rule": rule.id,
        "policy_version": policy.shipped().version,
    }


def _times(rule: CheckRule, *, occurred_at: datetime, reported_at: datetime, known_at: datetime) -> dict[str, datetime]:
    starts = {RunsFrom.OCCURRED: occurred_at, RunsFrom.REPORTED: reported_at, RunsFrom.KNOWN: known_at}
    start = starts[rule.within.runs_from]
    required_at = start + rule.within.length
    return {"required_at": required_at, "warn_at": warn_at(start, required_at, policy.shipped().warn_at_percent)}


def required_at(incident: Incident, rule: CheckRule) -> datetime | None:
    """Until when a check without a row is to be done; None while nobody knows of it."""
    opened = opened_by_report(Category(incident.category), Kind(incident.kind))
    if rule.within.runs_from is RunsFrom.KNOWN and (rule not in opened or incident.import_source is not None):
        return None
    return _times(
        rule, occurred_at=incident.occurred_at, reported_at=incident.reported_at, known_at=incident.reported_at
    )["required_at"]


def _open(session: Session, incident: Incident, rule: CheckRule, now: datetime) -> FirstCheck:
    times = _times(rule, occurred_at=incident.occurred_at, reported_at=incident.reported_at, known_at=now)
    row = FirstCheck(**_new(rule, incident.provider_id, incident.incident_id), **times, calls=0, answers={})
    session.add(row)
    session.flush()
    return row


# Recording.


def record(
    session: Session, actor: Actor, incident_id: UUID, rule_id: str, command: RecordCheck, now: datetime
) -> FirstCheck:
    """Record what was done, when and with what result. Once (409); what was settled by an answer may be told in full."""
    incident, rule, row = _to_record(session, actor, incident_id, rule_id, now)
    if row.recorded_at is not None and row.how != BY_ANSWER:
        raise conflict(
            "already-recorded",
            "This was recorded already",
            "Read the checks for by whom and when; it is kept as it was.",
        )
    if command.done_at > now + CLOCK_TOLERANCE:
        raise invalid("done_at", "is in the future", "Give the time at which it was done, not later than now.")
    if command.done_at < incident.occurred_at - timedelta(minutes=1):
        raise invalid("done_at", "is before the incident", "Check date and time zone.")
    wrong = [
        problem
        for name, value in command.answers.items()
        if (problem := problem_of(rule.asked, f"answers.{name}", name, value)) is not None
    ]
    wrong += [
        FieldProblem(field=f"answers.{name}", message="is missing", remedy=question.text)
        for name, question in rule.asked.items()
        if question.required and name not in command.answers
    ]
    if wrong:
        raise ServiceError(
            422, "invalid-input", "Some answers need attention",
            "Nothing was saved. Correct the answers below and send them again.", errors=wrong,
        )  # fmt: skip
    row.done_at, row.how, row.answers = command.done_at, BY_HAND, dict(command.answers)
    _recorded(session, actor, incident, row, now)
    _turn(session, actor, incident, now)
    return row


def set_aside(
    session: Session, actor: Actor, incident_id: UUID, rule_id: str, command: SetAsideCheck, now: datetime
) -> FirstCheck:
    """Say why it is not done. What was recorded is not set aside any more (409)."""
    incident, _, row = _to_record(session, actor, incident_id, rule_id, now, by_hand=False)
    if row.recorded_at is not None:
        raise conflict("already-recorded", "This was recorded already", "Nothing is owed any more.")
    row.set_aside_reason = command.reason
    _recorded(session, actor, incident, row, now)
    _turn(session, actor, incident, now)
    return row


def _to_record(
    session: Session, actor: Actor, incident_id: UUID, rule_id: str, now: datetime, *, by_hand: bool = True
) -> tuple[Incident, CheckRule, FirstCheck]:
    incident = visible_incident(session, actor, incident_id, lock=True)
    rule = policy.shipped().rules.get(rule_id)
    if rule is None:
        raise not_found("check")
    if rule.kept_by is KeptBy.REPORT or (rule.kept_by is not None and by_hand):
        raise conflict(
            "kept-elsewhere",
            "This is not recorded here",
            "The report settles it by its own times."
            if rule.kept_by is KeptBy.REPORT
            else f"Fill in /incidents/{incident_id}/safeguarding; that settles it.",
        )
    carers_do = by_hand and Role.CARER in rule.who and Role.CARER in actor.roles
    if not carers_do and not actor.roles.intersection(ANSWERERS):
        raise forbidden("This is recorded by whoever leads the shift, or by a manager.")
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    write_down(session, incident)
    row = checks_of(session, incident_id, lock=True).get(rule_id)
    return incident, rule, row or _open(session, incident, rule, now)


def _recorded(session: Session, actor: Actor, incident: Incident, row: FirstCheck, now: datetime) -> None:
    row.recorded_at, row.recorded_by, row.recorded_role = now, actor.id, actor.role
    put_aside = row.set_aside_reason is not None
    _say(
        session, actor, incident, row, "check_set_aside" if put_aside else "check_recorded",
        CheckRecorded(
            incident_id=incident.incident_id, rule=row.rule, required_at=row.required_at, done_at=row.done_at,
            set_aside=put_aside,
        ),
        now,
        how=row.how, done_at=None if row.done_at is None else row.done_at.isoformat(),
        said_sha256=audit.digest(row.set_aside_reason or str(sorted(row.answers.items()))),
    )  # fmt: skip


# The clock.


def ring(session: Session, incident: Incident, incident_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Warn of what is not recorded and nearly due; call out what is late, and again, up the line, so many times."""
    rules = policy.shipped()
    for row in checks_of(session, incident_id, lock=True).values():
        if row.recorded_at is not None:
            continue
        said = {"incident_id": incident_id, "rule": row.rule, "required_at": row.required_at}
        calls = late_calls(row.times, now, rules.late_again, rules.late_calls)
        if calls > row.calls:
            row.calls, row.late_at = calls, row.late_at or now
            _say(session, actor, incident, row, "check_late", CheckLate(**said), now, count=calls)
            escalation.request(
                session, actor, incident, EscalationReason.CHECK_LATE, now, about=f"check:{row.check_id}", count=calls
            )
        elif not calls and row.warned_at is None and now >= row.warn_at:
            row.warned_at = now
            _say(session, actor, incident, row, "check_warned", CheckWarned(**said), now)
    return _next(session, incident_id)


clocks.RINGERS[ClockKind.CHECK] = ring
clocks.SET_BY_REPORT.append(write_down)


def _next(session: Session, incident_id: UUID) -> datetime | None:
    rules = policy.shipped()
    session.flush()
    rows = [row for row in checks_of(session, incident_id).values() if row.recorded_at is None]
    rings = (next_ring(row.times, rules.late_again, rules.late_calls) for row in rows)
    return min((at for at in rings if at is not None), default=None)


def _turn(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """The clock as the checks now ask for it; with nothing late any more, nobody is called about it any more."""
    incident_id = incident.incident_id
    following = _next(session, incident_id)
    if following is None:
        clocks.stop_clock(session, actor, incident, ClockKind.CHECK, incident_id, now)
    else:
        clocks.set_clock(session, actor, incident, ClockKind.CHECK, incident_id, following, now)
    rows = checks_of(session, incident_id).values()
    if not any(row.calls and row.recorded_at is None for row in rows):
        escalation.answered_by_deed(session, actor, incident, EscalationReason.CHECK_LATE, now)


def _say(
    session: Session,
    actor: Actor,
    incident: Incident,
    row: FirstCheck,
    action: str,
    event: EventData,
    now: datetime,
    **data: Any,
) -> None:
    session.flush()
    audit.append(
        session, SERVICE, chain=incident.incident_id, actor=actor, action=action, subject=row.check_id, at=now,
        data={"rule": row.rule, "required_at": row.required_at.isoformat(), **data},
    )  # fmt: skip
    version = row.calls + (row.warned_at is not None) + (row.recorded_at is not None)
    outbox.record(session, SERVICE, outbox.event_row(event, actor=actor, subject=row.check_id, version=version, at=now))
