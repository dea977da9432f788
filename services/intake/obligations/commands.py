"""The use-cases of obligations. Each runs in one transaction of the caller: rows, audit entry and outbox event together."""

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
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
from services.contracts.taxonomy import BlockerKind, Category, ClockKind, EscalationReason, Kind
from services.contracts.taxonomy import ObligationOutcome as Outcome
from services.intake import clocks
from services.intake.candour import commands as candour
from services.intake.checks import commands as checks
from services.intake.domain import CLOCK_TOLERANCE
from services.intake.escalation import commands as escalation
from services.intake.obligations import policy
from services.intake.obligations.domain import DECIDERS, LONDON, Assessment, Limit, Rule, assess, warn_at
from services.intake.obligations.facts import Code, Facts, all_facts, contracts_of, contradiction, facts_for, people_of
from services.intake.obligations.facts import at_report as facts_at_report
from services.intake.obligations.store import (
    FactSheet,
    Obligation,
    ObligationEntry,
    latest_facts,
    obligations_of,
    visible_obligation,
)
from services.intake.safeguarding import need_to_know
from services.intake.safeguarding.domain import Decision
from services.intake.safeguarding.store import SafeguardingAdult, adults_of, referrals_of
from services.intake.store import Incident, latest_triage, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

SERVICE = "intake"


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
    submitted_at: Instant
    evidence: LongText | None = Field(default=None, description="What proves it and where it is kept.")


class AcknowledgeObligation(_Strict):
    """That the recipient confirmed it."""

    received_at: Instant
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
    return _keep_facts(session, actor, incident, before, answers, changed, known_version + 1, now), answers


def learn(session: Session, actor: Actor, incident: Incident, fact: str, now: datetime) -> None:
    """What was done makes an answer true, whatever was said before: keep it and assess anew."""
    version, before = latest_facts(session, incident.incident_id)
    if not incident.ended and before.get(fact) is not True:
        _keep_facts(session, actor, incident, before, {**before, fact: True}, [fact], version + 1, now)


def _keep_facts(
    session: Session,
    actor: Actor,
    incident: Incident,
    before: Mapping[str, Any],
    answers: dict[str, Any],
    changed: list[str],
    version: int,
    now: datetime,
) -> int:
    incident_id = incident.incident_id
    sheet = FactSheet(
        incident_id=incident_id,
        version=version,
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
        data={"version": version, "changed": changed, "answers_sha256": audit.digest(str(sorted(answers.items())))},
    )  # fmt: skip
    if answers.get("allegation_against_staff") or answers.get("position_of_trust_concern"):
        need_to_know.allegation_found(session, actor, incident, now)
    if not (before.get("reported_to_police") or before.get("investigated_by_police")) and (
        answers.get("reported_to_police") or answers.get("investigated_by_police")
    ):
        escalation.request(session, actor, incident, EscalationReason.POLICE, now)
    assess_incident(session, actor, incident, now)
    return version


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
def _at_once(category: Category, kind: Kind, staff_named: bool) -> bool:
    """Whether such a report alone asks for a decision, before anybody has answered anything."""
    facts = facts_at_report(category, kind, staff_named=staff_named)
    rules = policy.shipped().rules.values()
    return any(assess(rule, facts).must_decide for rule in rules if not rule.advice)


def at_report(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    category: Category,
    kind: Kind,
    now: datetime,
    *,
    staff_named: bool = False,
) -> None:
    """Open what a report alone calls for. One that calls for nothing costs nothing: the incident is not even read."""
    if _at_once(category, kind, staff_named):
        session.flush()
        assess_incident(session, actor, session.get_one(Incident, incident_id), now)


def assess_incident(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Judge every rule by the facts known now. The same facts change nothing; new facts ask for a decision anew."""
    if incident.ended:
        return
    rules = policy.shipped()
    facts_version, answers = latest_facts(session, incident.incident_id)
    facts = all_facts(session, incident, answers)
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
        for person, authority in _keys(session, incident, rule, answers):
            own = facts_for(session, incident, rule, authority, answers, facts)
            towards = found if own is facts else assess(rule, own)
            if towards.outcome is Outcome.NOT_TRIGGERED or rule.advice:
                continue
            if not _adopt(known, person, authority):
                row = _open(session, actor, incident, towards, own, facts_version, (person, authority), now)
                rows.setdefault(rule.id, []).append(row)
        for row in known:
            own = facts_for(session, incident, rule, row.authority, answers, facts)
            _update(session, actor, incident, row, assess(rule, own), own, facts_version, now)
    follow_safeguarding(session, actor, incident, now)
    checks.assess(session, actor, incident, facts, now)


def _keys(session: Session, incident: Incident, rule: Rule, answers: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """(person, authority) of each obligation of a rule; one of neither where it is of nobody's in particular."""
    if rule.per_person:
        return people_of(answers)
    asking = contracts_of(session, incident, answers) if rule.per_contract else {}
    return [("", commissioner) for commissioner in asking] or [("", "")]


def follow_safeguarding(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """What the safeguarding record decides and proves about a referral is decided and proved here too."""
    if incident.ended:
        return
    sent = {row.adult_id: row for row in reversed(referrals_of(session, incident.incident_id))}
    for row in obligations_of(session, incident.incident_id):
        if row.submitted_at is not None or policy.shipped().rules[row.rule].kept_by != "safeguarding":
            continue
        adults = _decided_by(session, row)
        _turn(session, actor, incident, row, now)
        if not adults or any(adult.decision is None for adult in adults):
            continue
        referred = [adult for adult in adults if adult.decision == Decision.REFER]
        decision: Literal["notify", "not_notify"] = "notify" if referred else "not_notify"
        if row.decision != decision:
            reasons = dict.fromkeys(adult.decision_reason for adult in adults if adult.decision_reason is not None)
            _decide(session, actor, incident, row, decision, None if referred else "\n".join(reasons), now)
        if referred and all(adult.adult_id in sent for adult in referred):
            sendings = [sent[adult.adult_id] for adult in referred]
            reference = "; ".join(dict.fromkeys(one.reference for one in sendings))
            _submit(session, actor, incident, row, reference, None, max(one.referred_at for one in sendings), now)


def adults_behind(session: Session, row: Obligation) -> Sequence[SafeguardingAdult]:
    """Of whom the safeguarding record speaks for a row: the person with its code, else all whom no row names by code.

    Nobody, if the rows name more people than the record: it says nothing of one of them.
    """
    if policy.shipped().rules[row.rule].kept_by != "safeguarding":
        return []
    adults = adults_of(session, row.incident_id)
    codes = {one.person for one in obligations_of(session, row.incident_id) if one.rule == row.rule}
    unnamed = [adult for adult in adults if str(adult.person_ref) not in codes]
    others = codes - {str(adult.person_ref) for adult in adults}
    if row.person not in others:
        return [adult for adult in adults if str(adult.person_ref) == row.person]
    return unnamed if len(others) <= len(unnamed) else []


def _decided_by(session: Session, row: Obligation) -> Sequence[SafeguardingAdult]:
    """The same, unless facts asked for the decision again after it was decided not to refer."""
    adults = adults_behind(session, row)
    decided = [adult.decided_at for adult in adults if adult.decision == Decision.NOT_REFER and adult.decided_at]
    if adults and len(decided) == len(adults) and max(decided) < row.aware_at:
        return []
    return adults


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
    if rule is None or rule.kept_by == "candour":
        raise invalid("rule", "is not one of the rules", "Use a rule that GET /incidents/{id}/obligations lists.")
    key = (command.person or "", command.authority or "")
    if any((r.rule, r.person, r.authority) == (rule.id, *key) for r in obligations_of(session, incident_id)):
        raise conflict("already-open", "This obligation is open already", "Decide the one that is there.")
    facts_version, answers = latest_facts(session, incident_id)
    facts = facts_for(session, incident, rule, key[1], answers, all_facts(session, incident, answers))
    row = _open(session, actor, incident, assess(rule, facts), facts, facts_version, key, now, by_hand=True)
    follow_safeguarding(session, actor, incident, now)
    return row


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
    refuted = row.decision == "notify" and row.submitted_at is None and _weaker(found.outcome, row.explanation)
    if refuted:
        row.by_hand = True  # somebody wanted it told: nothing takes that back but a decision with a reason
    outcome = Outcome.SUGGESTED if row.by_hand and found.outcome is Outcome.NOT_TRIGGERED else found.outcome
    if row.explanation == explained and row.outcome == outcome and not _times_moved(row, found.rule, facts):
        return
    # What was to be decided or told already keeps its clock: to answer late does not make it early.
    running = row.must_decide or row.decision == "notify"
    must_decide = found.must_decide or row.by_hand
    newly = must_decide and not running
    if must_decide and not row.must_decide:
        row.round_id = new_id()  # a blocker that was lifted is not raised again
    row.explanation, row.outcome, row.must_decide = explained, outcome, must_decide
    row.policy_version, row.facts_version = policy.shipped().version, facts_version
    row.version += 1
    reopened = refuted or (row.decision == "not_notify" and found.must_decide)
    if reopened:
        # Facts that were not known when somebody decided: the decision is asked for again.
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


def _weaker(outcome: Outcome, before: Mapping[str, Any]) -> bool:
    """Whether the facts speak less for telling than they did."""
    strength = (Outcome.NOT_TRIGGERED, Outcome.SUGGESTED, Outcome.TRIGGERED)
    return bool(before) and strength.index(outcome) < strength.index(Outcome(before["outcome"]))


def _times_moved(row: Obligation, rule: Rule, facts: Mapping[str, Any]) -> bool:
    """Whether facts that the rule does not judge by, such as when a breach became known, change by when it is due."""
    return not row.settled and _times(row, rule, facts) != (row.target_at, row.statutory_due_at)


def _times(row: Obligation, rule: Rule, facts: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """By when, by the provider's own target and by the law."""
    full = row.outcome == Outcome.TRIGGERED or row.decision == "notify"
    if full or (row.by_hand and rule.decide_target is None):
        limit = rule.target
    else:
        limit = rule.time_to_decide(facts) if row.must_decide else None
    statutory = None if rule.statutory is None or not full else _due(row, rule.statutory, facts)
    target = None if limit is None else _due(row, limit, facts)
    return target if target is None or statutory is None else min(target, statutory), statutory


def _set_times(row: Obligation, rule: Rule, facts: Mapping[str, Any]) -> None:
    target, row.statutory_due_at = _times(row, rule, facts)
    if target != row.target_at:
        row.warned_at = None
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
    kept_there = bool(_decided_by(session, row))
    if row.settled or kept_there:
        clocks.stop_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, now)
        clocks.lift_blocker(session, actor, incident, BlockerKind.OBLIGATION, row.round_id, now)
        if kept_there:
            row.round_id = new_id()  # should the safeguarding record no longer speak for it
        return
    clocks.raise_blocker(session, actor, incident, BlockerKind.OBLIGATION, row.round_id, now)
    following = _next_ring(row, now)
    if following is None:
        clocks.stop_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, now)
    else:
        clocks.set_clock(session, actor, incident, ClockKind.OBLIGATION, row.obligation_id, following, now)


def _next_ring(row: Obligation, now: datetime) -> datetime | None:
    if row.late_at is None:
        return row.warn_at if row.warned_at is None else row.target_at
    again = _late_since(row) + policy.shipped().late_again * _times_late(row, now)
    return again if row.statutory_due_at is None or row.statutory_late_at else min(again, row.statutory_due_at)


def _late_since(row: Obligation) -> datetime:
    assert row.late_at is not None
    return row.late_at if row.target_at is None else max(row.late_at, row.target_at)


def _times_late(row: Obligation, now: datetime) -> int:
    """How often it will have been called out by now; 0 while a later target, of telling, has not passed."""
    since = _late_since(row)
    return 0 if now < since else (now - since) // policy.shipped().late_again + 1


def ring(session: Session, incident: Incident, obligation_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Warn before the provider's target, escalate at it, where the law states a limit at that, and again until settled."""
    row = session.get(Obligation, obligation_id, with_for_update=True)
    if row is None or row.settled or _decided_by(session, row):
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
    if not late and row.statutory_due_at is not None and row.statutory_late_at is not None:
        late.append((row.statutory_due_at, True))
    elif not late and row.target_at is not None:
        late.append((row.target_at, False))
    undecided = row.decision is None
    for due_at, statutory in late:
        count = max(_times_late(row, now), 2 if statutory else 1)
        event = ObligationLate(due_at=due_at, statutory=statutory, **said)
        change.record("late", event, due_at=due_at.isoformat(), statutory=statutory, undecided=undecided, count=count)
        reason = EscalationReason.OBLIGATION_UNDECIDED if undecided else EscalationReason.OBLIGATION_LATE
        escalation.request(session, actor, incident, reason, now, about=str(row.obligation_id), count=count)
    return _next_ring(row, now)


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
    _not_kept_there(session, row, notify=command.decision == "notify")
    if command.decision == "not_notify" and command.reason is None:
        raise invalid(
            "reason", "is needed to decide not to notify", "Say why the recipient need not be told, on which facts."
        )
    _decide(session, actor, incident, row, command.decision, command.reason, now)
    return row


def _not_kept_there(session: Session, row: Obligation, *, notify: bool) -> None:
    """One referral has one decision. Facts that came after it may still be decided on here, but not to refer after all."""
    if _decided_by(session, row) or (notify and adults_behind(session, row)):
        raise conflict(
            "kept-elsewhere",
            "This is decided and proved in the safeguarding record",
            f"Decide and record the referral under /incidents/{row.incident_id}/safeguarding; it counts here too.",
        )


def _decide(
    session: Session,
    actor: Actor,
    incident: Incident,
    row: Obligation,
    decision: Literal["notify", "not_notify"],
    reason: str | None,
    now: datetime,
) -> None:
    rule, notify = policy.shipped().rules[row.rule], decision == "notify"
    row.decision, row.reason = decision, reason
    row.decided_by, row.decided_role, row.decided_at = actor.id, _deciding_role(actor), now
    row.version += 1
    if notify and not row.must_decide:
        # Nobody had to decide: the clock of telling begins, and a blocker that was lifted is not raised again.
        row.round_id = new_id()
        if row.outcome != Outcome.TRIGGERED:
            row.aware_at, row.warned_at, row.late_at = now, None, None
    if notify and row.outcome != Outcome.TRIGGERED:
        # What was only suggested is to be told now, by the target that counts for telling.
        _, answers = latest_facts(session, incident.incident_id)
        facts = all_facts(session, incident, answers)
        _set_times(row, rule, facts_for(session, incident, rule, row.authority, answers, facts))
    _turn(session, actor, incident, row, now)
    _Change(session, actor, row, now).record(
        "decided",
        ObligationDecided(
            incident_id=row.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=rule.recipient,
            notify=notify,
        ),
        note=reason,
        decision=decision,
        round=row.round,
    )


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
    _not_kept_there(session, row, notify=True)
    if row.decision != "notify":
        raise conflict("not-decided", "Nobody has decided to notify", "Decide first; then record what was sent.")
    _in_order("submitted_at", command.submitted_at, incident.occurred_at, "the incident", now)
    _, answers = latest_facts(session, incident.incident_id)
    unknown = [name for name in policy.shipped().rules[row.rule].needs_to_send if answers.get(name) is None]
    if unknown:
        raise invalid(
            unknown[0], "is not answered", "Record it with PUT of the facts first: it says whom this went to."
        )
    _submit(session, actor, incident, row, command.reference, command.evidence, command.submitted_at, now)
    return row


def _submit(
    session: Session,
    actor: Actor,
    incident: Incident,
    row: Obligation,
    reference: str,
    evidence: str | None,
    submitted_at: datetime,
    now: datetime,
) -> None:
    rule = policy.shipped().rules[row.rule]
    row.reference, row.evidence = reference, evidence
    row.submitted_at, row.submitted_by = submitted_at, actor.id
    row.version += 1
    _turn(session, actor, incident, row, now)
    in_time = None if row.target_at is None else submitted_at <= row.target_at
    _Change(session, actor, row, now).record(
        "submitted",
        ObligationSubmitted(
            incident_id=row.incident_id,
            obligation_id=row.obligation_id,
            rule=row.rule,
            recipient=rule.recipient,
            submitted_at=submitted_at,
            in_time=in_time,
        ),
        note=evidence,
        submitted_at=submitted_at.isoformat(),
        in_time=in_time,
        reference_sha256=audit.digest(reference),
    )
    if rule.sent_sets is not None:
        learn(session, actor, incident, rule.sent_sets, now)


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
