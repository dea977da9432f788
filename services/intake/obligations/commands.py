"""The use-cases of obligations. Each runs in one transaction of the caller: rows, audit entry and outbox event together."""

import functools
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.event import EventData
from services.contracts.intake import (
    ObligationAcknowledged,
    ObligationAssessed,
    ObligationDecided,
    ObligationLate,
    ObligationSubmitted,
    ObligationWarned,
)
from services.contracts.taxonomy import BlockerKind, Category, ClockKind, EscalationReason, Kind, Role
from services.contracts.taxonomy import ObligationOutcome as Outcome
from services.intake import clocks
from services.intake.candour import commands as candour
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as escalation
from services.intake.obligations import policy
from services.intake.obligations.domain import LONDON, Assessment, Limit, Rule, assess, warn_at
from services.intake.obligations.facts import Code, Facts, contradiction, derived, people_of
from services.intake.obligations.store import (
    FactSheet,
    Obligation,
    ObligationEntry,
    latest_facts,
    obligations_of,
    visible_obligation,
)
from services.intake.store import Incident, latest_triage, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "intake"
DECIDERS = (
    Role.REGISTERED_MANAGER,
    Role.REGIONAL_MANAGER,
    Role.QUALITY_LEAD,
    Role.SAFEGUARDING_LEAD,
    Role.NOMINATED_INDIVIDUAL,
)
ANSWERERS = (*DECIDERS, Role.SHIFT_LEAD, Role.ON_CALL_MANAGER)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenObligation(_Strict):
    """An obligation that somebody wants decided although no rule asks for it."""

    rule: ShortText = Field(description="Id of the rule, as GET of the obligations lists them.")
    person: Code | None = Field(default=None, description="Code of the person it is about, never a name.")
    authority: Code | None = Field(default=None, description="Code of the local authority.")


class DecideObligation(_Strict):
    """To notify, or not to and why. A reasoned decision not to notify is evidence too."""

    decision: Literal["notify", "not_notify"]
    reason: LongText | None = Field(default=None, description="Needed for not_notify.")


class SubmitObligation(_Strict):
    """That the recipient was told, with what proves it."""

    reference: Annotated[ShortText, Field(description="Reference of the portal, form or call.")]
    submitted_at: AwareDatetime
    evidence: LongText | None = Field(default=None, description="What proves it and where it is kept.")


class AcknowledgeObligation(_Strict):
    """That the recipient confirmed it."""

    received_at: AwareDatetime
    reference: ShortText | None = None


class _Change:
    """Writes the history, the audit entry and the event that belong to a change of an obligation."""

    def __init__(self, session: Session, actor: Actor, row: Obligation, at: datetime) -> None:
        self._session, self._actor, self._row, self._at = session, actor, row, at

    def record(self, what: str, event: EventData, *, note: str | None = None, **detail: Any) -> None:
        row, actor = self._row, self._actor
        self._session.flush()
        self._session.add(
            ObligationEntry(
                entry_id=new_id(),
                provider_id=row.provider_id,
                obligation_id=row.obligation_id,
                incident_id=row.incident_id,
                at=self._at,
                actor=str(actor.id),
                actor_role=actor.role,
                what=what,
                detail=detail,
                note=note,
            )
        )
        data = {"rule": row.rule, **{k: v for k, v in detail.items() if k != "explanation"}}
        if note is not None:
            data["note_sha256"] = audit.digest(note)
        audit.append(
            self._session, SERVICE, chain=row.incident_id, actor=actor, action=f"obligation_{what}",
            subject=row.obligation_id, at=self._at, data=data,
        )  # fmt: skip
        outbox.record(
            self._session,
            SERVICE,
            outbox.event_row(event, actor=actor, subject=row.obligation_id, version=row.version, at=self._at),
        )


# Facts.


def record_facts(
    session: Session, actor: Actor, incident_id: UUID, given: Facts, version: int, now: datetime
) -> tuple[int, dict[str, Any]]:
    """Keep the answers given and assess anew. What is left out stays; null means not yet known.

    Answers that contradict one another or the record are refused (422); after the incident ended, 409.
    """
    incident = visible_incident(session, actor, incident_id, lock=True)
    known_version, before = latest_facts(session, incident_id)
    check_version(known_version, version)
    _still_open(incident)
    changes = given.model_dump(mode="json", exclude_unset=True)
    answers = {name: value for name, value in {**before, **changes}.items() if value is not None}
    changed = sorted(name for name in changes if before.get(name) != answers.get(name))
    problem = _future_date(changes, now) or contradiction(incident, latest_triage(session, incident_id), answers)
    if problem is not None:
        raise problem
    if not changed:
        return known_version, before
    sheet = FactSheet(
        incident_id=incident_id,
        version=known_version + 1,
        provider_id=incident.provider_id,
        answers=answers,
        changed=changed,
        recorded_by=actor.id,
        recorded_at=now,
    )
    session.add(sheet)
    session.flush()
    audit.append(
        session, SERVICE, chain=incident_id, actor=actor, action="facts_recorded", subject=incident_id, at=now,
        data={"version": sheet.version, "changed": changed, "answers_sha256": audit.digest(str(sorted(answers.items())))},
    )  # fmt: skip
    if not (before.get("reported_to_police") or before.get("investigated_by_police")) and (
        answers.get("reported_to_police") or answers.get("investigated_by_police")
    ):
        escalation.request(session, actor, incident, EscalationReason.POLICE, now)
    assess_incident(session, actor, incident, now)
    return sheet.version, answers


def _future_date(changes: Mapping[str, Any], now: datetime) -> Exception | None:
    for name in ("found_at", "professional_opinion_at", "breach_aware_at"):
        value = changes.get(name)
        if value is not None and datetime.fromisoformat(value) > now + CLOCK_TOLERANCE:
            return invalid(name, "is in the future", "Give the time at which it happened.")
    today = now.astimezone(LONDON).date()
    for name in ("worker_unfit_from", "worker_unfit_to", "diagnosed_on", "regulation_28_received_on"):
        value = changes.get(name)
        if value is not None and date.fromisoformat(value) > today:
            return invalid(name, "is in the future", "Give the date up to which it is known, at the latest today.")
    return None


# Assessment.


@functools.cache
def _at_once(category: Category, kind: Kind) -> bool:
    """Whether a report of this category and kind alone asks for a decision, before anybody has answered anything."""
    facts: dict[str, Any] = {"category": category, "kind": kind}
    if kind is Kind.INCIDENT:
        facts["person_died"] = True if category is Category.DEATH else None
    if kind is not Kind.GOOD_CARE:
        facts["abuse_or_allegation"] = True if category is Category.ABUSE_ALLEGATION else None
    rules = policy.shipped().rules.values()
    return any(assess(rule, facts).must_decide for rule in rules if not rule.advice)


def at_report(session: Session, actor: Actor, incident_id: UUID, category: Category, kind: Kind, now: datetime) -> None:
    """Open what a report alone calls for. One that calls for nothing costs nothing: the incident is not even read."""
    if _at_once(category, kind):
        session.flush()
        assess_incident(session, actor, session.get_one(Incident, incident_id), now)


def assess_incident(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Judge every rule by the facts known now. The same facts change nothing; new facts ask for a decision anew."""
    if incident.ended:
        return
    rules = policy.shipped()
    facts_version, answers = latest_facts(session, incident.incident_id)
    facts = derived(incident, latest_triage(session, incident.incident_id), answers)
    rows: dict[str, list[Obligation]] = {}
    for row in obligations_of(session, incident.incident_id):
        rows.setdefault(row.rule, []).append(row)
    for rule in rules.rules.values():
        found = assess(rule, facts)
        if rule.kept_by == "candour":
            if found.must_decide:
                candour.ask(session, actor, incident, found.explained(), now)
            continue
        known = rows.get(rule.id, [])
        for person, authority in people_of(answers) if rule.per_person else [("", "")]:
            if found.outcome is Outcome.NOT_TRIGGERED or rule.advice:
                break
            if not _adopt(known, person, authority):
                row = _open(session, actor, incident, found, facts, facts_version, (person, authority), now)
                rows.setdefault(rule.id, []).append(row)
        for row in known:
            _update(session, actor, incident, row, found, facts, facts_version, now)


def _adopt(known: list[Obligation], person: str, authority: str) -> bool:
    """Whether there is a row for the person and authority; one that named nobody yet becomes theirs."""
    if any((row.person, row.authority) == (person, authority) for row in known):
        return True
    for row in known:
        unnamed = row.person in ("", person) and row.authority in ("", authority)
        if unnamed and row.decision is None:
            row.person, row.authority = person, authority
            return True
    return False


def open_obligation(
    session: Session, actor: Actor, incident_id: UUID, command: OpenObligation, now: datetime
) -> Obligation:
    """Ask for a decision although no rule does, for instance to record why a notice is not needed. Once (409)."""
    incident = visible_incident(session, actor, incident_id, lock=True)
    _still_open(incident)
    rule = policy.shipped().rules.get(command.rule)
    if rule is None or rule.kept_by is not None:
        raise invalid("rule", "is not one of the rules", "Use a rule that GET /incidents/{id}/obligations lists.")
    key = (command.person or "", command.authority or "")
    if any((r.rule, r.person, r.authority) == (rule.id, *key) for r in obligations_of(session, incident_id)):
        raise conflict("already-open", "This obligation is open already", "Decide the one that is there.")
    facts_version, answers = latest_facts(session, incident_id)
    facts = derived(incident, latest_triage(session, incident_id), answers)
    return _open(session, actor, incident, assess(rule, facts), facts, facts_version, key, now, by_hand=True)


def _open(
    session: Session,
    actor: Actor,
    incident: Incident,
    found: Assessment,
    facts: Mapping[str, Any],
    facts_version: int,
    key: tuple[str, str],
    now: datetime,
    *,
    by_hand: bool = False,
) -> Obligation:
    row = Obligation(
        obligation_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        rule=found.rule.id,
        person=key[0],
        authority=key[1],
        by_hand=by_hand,
        outcome=Outcome.NOT_TRIGGERED,
        must_decide=False,
        explanation={},
        policy_version=policy.shipped().version,
        facts_version=facts_version,
        round=1,
        round_id=new_id(),
        aware_at=now,
        version=0,
    )
    session.add(row)
    _update(session, actor, incident, row, found, facts, facts_version, now)
    return row


def _update(
    session: Session,
    actor: Actor,
    incident: Incident,
    row: Obligation,
    found: Assessment,
    facts: Mapping[str, Any],
    facts_version: int,
    now: datetime,
) -> None:
    explained = found.explained()
    outcome = Outcome.SUGGESTED if row.by_hand and found.outcome is Outcome.NOT_TRIGGERED else found.outcome
    if row.explanation == explained and row.outcome == outcome:
        return
    newly = outcome is Outcome.TRIGGERED and row.outcome != Outcome.TRIGGERED
    if found.must_decide and not row.must_decide:
        row.round_id = new_id()  # a blocker that was lifted is not raised again
    row.explanation, row.outcome, row.must_decide = explained, outcome, found.must_decide
    row.policy_version, row.facts_version = policy.shipped().version, facts_version
    row.version += 1
    reopened = row.decision == "not_notify" and row.must_decide
    if reopened:
        # Facts that were not known when somebody decided not to notify: the decision is asked for again.
        row.round, row.round_id = row.round + 1, new_id()
        row.decision = row.reason = row.decided_by = row.decided_role = row.decided_at = None
    if newly or reopened:
        row.aware_at, row.warned_at, row.late_at, row.statutory_late_at = now, None, None, None
    if row.submitted_at is None:
        _set_times(row, found.rule, facts)
        _turn(session, actor, incident, row, now)
    rule = found.rule
    _Change(session, actor, row, now).record(
        "asked_again" if reopened else "assessed",
        ObligationAssessed(
            incident_id=row.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=rule.recipient,
            outcome=outcome,
            must_decide=row.must_decide,
            round=row.round,
            policy_version=row.policy_version,
            target_at=row.target_at,
            statutory_due_at=row.statutory_due_at,
        ),
        outcome=outcome,
        must_decide=row.must_decide,
        round=row.round,
        policy_version=row.policy_version,
        facts_version=facts_version,
        explanation=explained,
    )


def _set_times(row: Obligation, rule: Rule, facts: Mapping[str, Any]) -> None:
    full = row.outcome == Outcome.TRIGGERED or row.decision == "notify"
    limit = rule.target if full else rule.decide_target
    statutory = rule.statutory if full else None
    row.statutory_due_at = None if statutory is None else _due(row, statutory, facts)
    target = None if limit is None else _due(row, limit, facts)
    if target is not None and row.statutory_due_at is not None:
        target = min(target, row.statutory_due_at)
    row.target_at = target
    row.warn_at = None if target is None else warn_at(row.aware_at, target, policy.shipped().warn_at_percent)


def _due(row: Obligation, limit: Limit, facts: Mapping[str, Any]) -> datetime:
    start = row.aware_at
    moment = facts.get(limit.runs_from)
    if limit.runs_from == "accident":
        start = facts["accident_at"]
    elif isinstance(moment, str):
        at = datetime.fromisoformat(moment)
        start = at if at.tzinfo is not None else datetime.combine(at.date(), time.min, LONDON).astimezone(UTC)
    return limit.due(start, facts)


def _turn(session: Session, actor: Actor, incident: Incident, row: Obligation, now: datetime) -> None:
    """Clock and blocker as the row now asks for them."""
    session.flush()
    if row.settled:
        clocks.stop_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, now)
        clocks.lift_blocker(session, actor, incident, BlockerKind.OBLIGATION, row.round_id, now)
        return
    clocks.raise_blocker(session, actor, incident, BlockerKind.OBLIGATION, row.round_id, now)
    following = _next_ring(row)
    if following is None:
        clocks.stop_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, now)
    else:
        clocks.set_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, following, now)


def _next_ring(row: Obligation) -> datetime | None:
    if row.warned_at is None and row.late_at is None and row.warn_at is not None:
        return row.warn_at
    if row.late_at is None and row.target_at is not None:
        return row.target_at
    return row.statutory_due_at if row.statutory_late_at is None else None


def ring(session: Session, incident: Incident, obligation_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Warn before the provider's target, escalate at it, and again where the law states a limit that passes."""
    row = session.get(Obligation, obligation_id, with_for_update=True)
    if row is None or row.settled:
        return None
    rule = policy.shipped().rules[row.rule]
    said = {
        "incident_id": row.incident_id,
        "obligation_id": row.obligation_id,
        "rule": row.rule,
        "recipient": rule.recipient,
    }
    change = _Change(session, actor, row, now)
    row.version += 1
    late: list[tuple[datetime, bool]] = []
    if row.target_at is not None and row.late_at is None:
        if now < row.target_at:
            row.warned_at = now
            change.record(
                "warned", ObligationWarned(target_at=row.target_at, **said), target_at=row.target_at.isoformat()
            )
            return row.target_at
        row.late_at = now
        late.append((row.target_at, False))
    if row.statutory_due_at is not None and row.statutory_late_at is None and now >= row.statutory_due_at:
        row.statutory_late_at = now
        late.append((row.statutory_due_at, True))
    undecided = row.decision is None
    for due_at, statutory in late:
        event = ObligationLate(due_at=due_at, statutory=statutory, **said)
        change.record("late", event, due_at=due_at.isoformat(), statutory=statutory, undecided=undecided)
        reason = EscalationReason.OBLIGATION_UNDECIDED if undecided else EscalationReason.OBLIGATION_LATE
        escalation.request(
            session, actor, incident, reason, now, about=str(row.obligation_id), count=2 if statutory else 1
        )
    return _next_ring(row)


clocks.RINGERS[ClockKind.OBLIGATION] = ring


# Decision, submission, acknowledgement.


def decide(
    session: Session, actor: Actor, obligation_id: UUID, command: DecideObligation, version: int, now: datetime
) -> Obligation:
    """Decide whether to notify. Decided already: 409 that says what was decided. Not to notify needs a reason (422)."""
    incident, row = visible_obligation(session, actor, obligation_id, lock=True)
    if row.decision is not None and row.decided_at is not None:
        what = "to notify" if row.decision == "notify" else "not to notify"
        raise conflict(
            "already-decided",
            "This obligation was decided already",
            f"On {row.decided_at:%d %B %Y at %H:%M} UTC {row.decided_by} ({row.decided_role}) decided {what}. New facts"
            " ask for a new decision: record them with PUT of the facts.",
        )
    check_version(row.version, version)
    _still_open(incident)
    if command.decision == "not_notify" and command.reason is None:
        raise invalid(
            "reason", "is needed to decide not to notify", "Say why the recipient need not be told, on which facts."
        )
    rule = policy.shipped().rules[row.rule]
    row.decision, row.reason = command.decision, command.reason
    row.decided_by, row.decided_role, row.decided_at = actor.id, _deciding_role(actor), now
    row.version += 1
    if command.decision == "notify" and not row.must_decide:
        row.round_id = new_id()  # a blocker that was lifted is not raised again
    if command.decision == "notify" and row.outcome != Outcome.TRIGGERED:
        # What was only suggested is to be told now, by the target that counts for telling.
        row.aware_at, row.warned_at, row.late_at = now, None, None
        _, answers = latest_facts(session, incident.incident_id)
        _set_times(row, rule, derived(incident, latest_triage(session, incident.incident_id), answers))
    _turn(session, actor, incident, row, now)
    _Change(session, actor, row, now).record(
        "decided",
        ObligationDecided(
            incident_id=row.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=rule.recipient,
            notify=command.decision == "notify",
        ),
        note=command.reason,
        decision=command.decision,
        round=row.round,
    )
    return row


def _deciding_role(actor: Actor) -> str:
    return next((str(role) for role in DECIDERS if role in actor.roles), actor.role)


def submit(
    session: Session, actor: Actor, obligation_id: UUID, command: SubmitObligation, version: int, now: datetime
) -> Obligation:
    """Record that the recipient was told. Only after the decision to notify, and once (409)."""
    incident, row = visible_obligation(session, actor, obligation_id, lock=True)
    if row.submitted_at is not None:
        raise conflict(
            "already-submitted",
            "The recipient was told already",
            f"It was recorded as sent on {row.submitted_at:%d %B %Y at %H:%M} UTC.",
        )
    check_version(row.version, version)
    if row.decision != "notify":
        raise conflict("not-decided", "Nobody has decided to notify", "Decide first; then record what was sent.")
    _in_order("submitted_at", command.submitted_at, incident.occurred_at, "the incident", now)
    rule = policy.shipped().rules[row.rule]
    row.reference, row.evidence = command.reference, command.evidence
    row.submitted_at, row.submitted_by = command.submitted_at, actor.id
    row.version += 1
    _turn(session, actor, incident, row, now)
    in_time = None if row.target_at is None else command.submitted_at <= row.target_at
    _Change(session, actor, row, now).record(
        "submitted",
        ObligationSubmitted(
            incident_id=row.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=rule.recipient,
            submitted_at=command.submitted_at,
            in_time=in_time,
        ),
        note=command.evidence,
        submitted_at=command.submitted_at.isoformat(),
        in_time=in_time,
        reference_sha256=audit.digest(command.reference),
    )
    return row


def acknowledge(
    session: Session, actor: Actor, obligation_id: UUID, command: AcknowledgeObligation, version: int, now: datetime
) -> Obligation:
    """Record that the recipient confirmed it. Only after it was sent, and once (409)."""
    incident, row = visible_obligation(session, actor, obligation_id, lock=True)
    if row.acknowledged_at is not None:
        raise conflict(
            "already-acknowledged",
            "The recipient's confirmation is recorded already",
            f"It came on {row.acknowledged_at:%d %B %Y at %H:%M} UTC.",
        )
    check_version(row.version, version)
    if row.submitted_at is None:
        raise conflict("not-submitted", "Nothing was sent yet", "Record what was sent first.")
    _in_order("received_at", command.received_at, row.submitted_at, "it was sent", now)
    row.acknowledged_at, row.acknowledgement = command.received_at, command.reference
    row.version += 1
    _Change(session, actor, row, now).record(
        "acknowledged",
        ObligationAcknowledged(
            incident_id=incident.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=policy.shipped().rules[row.rule].recipient,
            received_at=command.received_at,
        ),
        received_at=command.received_at.isoformat(),
    )
    return row


def _in_order(field: str, at: datetime, earliest: datetime, what: str, now: datetime) -> None:
    if at > now + CLOCK_TOLERANCE:
        raise invalid(field, "is in the future", "Give the time at which it was done, not later than now.")
    if at < earliest - timedelta(minutes=1):
        raise invalid(field, f"is before {what}", "Check date and time zone.")


def _still_open(incident: Incident) -> None:
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
