"""Asking whether a closed case has come back: at triage, in its transaction, and again while nobody answers."""

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from services.contracts.intake import RecurrenceAsked
from services.contracts.taxonomy import BlockerKind, ClockKind, EscalationReason, Kind, Role
from services.intake import access, clocks
from services.intake.escalation import commands as ladder
from services.intake.policy import POLICIES
from services.intake.protection.store import protections_of
from services.intake.recurrence import policy
from services.intake.recurrence.domain import Matched, alike, score
from services.intake.recurrence.policy import RecurrencePolicy
from services.intake.recurrence.store import Recurrence, closed_before, questions_of, traits
from services.intake.store import Incident
from services.runtime import audit, outbox, restriction
from services.runtime.actor import Actor
from services.runtime.outbox import new_id

SERVICE = "intake"
CLOCK, BLOCKER = ClockKind.SAFEGUARDING, BlockerKind.SAFEGUARDING
"""The codes that the process knows are closed lists: to it the question is one more step that keeps an incident open."""


def at_triage(session: Session, actor: Actor, incident: Incident, now: datetime) -> None:
    """Ask about closed cases that this incident resembles, the most alike first; each once. Mostly there is none."""
    if incident.kind == Kind.GOOD_CARE:
        return
    rules: RecurrencePolicy = POLICIES.current(session, incident.provider_id, policy.KIND.name)
    session.flush()
    candidates = closed_before(session, incident, timedelta(days=rules.watch_days))
    candidates = [one for one in candidates if _may_be_linked(session, incident.incident_id, one.incident_id)]
    if not candidates:
        return
    known = traits(session, [incident, *candidates])
    mine = known[incident.incident_id]
    found = [(alike(mine, known[one.incident_id], rules.likeness), one) for one in candidates]
    found = [pair for pair in found if score(pair[0]) >= rules.ask_from]
    found.sort(key=lambda pair: -score(pair[0]))  # stable: of two as alike, the one that was closed last
    room = rules.ask_at_most - len(questions_of(session, incident.incident_id))
    for matched, closed in found[: max(room, 0)]:
        _ask(session, actor, incident, closed, matched, rules, now)


def _may_be_linked(session: Session, incident_id: UUID, closed_id: UUID) -> bool:
    """Nobody is to learn of a restricted case by the question: whoever sees the new incident must see the old one."""
    old = restriction.find(session, SERVICE, closed_id)
    if old is None:
        return True
    new = restriction.find(session, SERVICE, incident_id)
    return (
        new is not None
        and set(new.roles) <= set(old.roles)
        and set(new.people) <= set(old.people)
        and set(old.excluded) <= set(new.excluded)
    )


def _ask(
    session: Session,
    actor: Actor,
    incident: Incident,
    closed: Incident,
    matched: list[Matched],
    rules: RecurrencePolicy,
    now: datetime,
) -> None:
    assert closed.closed_at is not None
    role = access.whose_move(session, incident.incident_id, rules.asked) or rules.asked
    row = Recurrence(
        recurrence_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        closed_incident_id=closed.incident_id,
        closed_cycle=closed.cycle,
        closed_at=closed.closed_at,
        grounds=[asdict(one) for one in matched],
        score=score(matched),
        policy_version=rules.version,
        asked_role=role,
        asked_at=now,
        due_at=now + timedelta(hours=rules.answer_hours),
        late=0,
        answer=None,
        reason=None,
        stage=None,
        answered_by=None,
        answered_at=None,
        version=1,
    )
    session.add(row)
    session.flush()
    clocks.raise_blocker(session, actor, incident, BLOCKER, row.recurrence_id, now)
    clocks.set_clock(session, actor, incident, CLOCK, row.recurrence_id, row.due_at, now)
    grounds = [one.ground for one in matched]
    audit.append(
        session, SERVICE, chain=incident.incident_id, actor=actor, action="recurrence_asked", subject=row.recurrence_id,
        at=now, data={
            "closed_incident_id": closed.incident_id, "closed_cycle": closed.cycle, "grounds": grounds,
            "score": row.score, "policy_version": rules.version, "asked_role": role,
        },
    )  # fmt: skip
    event = RecurrenceAsked(
        incident_id=incident.incident_id,
        recurrence_id=row.recurrence_id,
        closed_incident_id=closed.incident_id,
        closed_cycle=closed.cycle,
        grounds=grounds,
        score=row.score,
        policy_version=rules.version,
        to_role=Role(role),
        due_at=row.due_at,
    )
    said = outbox.event_row(event, actor=actor, subject=row.recurrence_id, version=row.version, at=now)
    outbox.record(session, SERVICE, said)


def rules_of(session: Session, row: Recurrence) -> RecurrencePolicy:
    """A question keeps the version that asked it; one that is kept nowhere gives way to that of now."""
    kind = policy.KIND.name
    kept: RecurrencePolicy | None = POLICIES.of_version(session, row.provider_id, kind, row.policy_version)
    now: RecurrencePolicy = POLICIES.current(session, row.provider_id, kind)
    return kept or now


def undecided(session: Session, incident_id: UUID) -> set[str]:
    """What still keeps an incident from closing, by the name that people know."""
    names = dict.fromkeys((row.recurrence_id for row in questions_of(session, incident_id)), "recurrence")
    names |= dict.fromkeys((row.protection_id for row in protections_of(session, incident_id)), "protection")
    return {names.get(one.subject_id, one.kind) for one in clocks.blocking(session, incident_id)}


def ring(session: Session, incident: Incident, recurrence_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """Nobody has answered in time: somebody further up is called, and again until it is answered."""
    row = session.get(Recurrence, recurrence_id, with_for_update=True)
    if row is None or row.answered_at is not None:
        return None
    if now < row.due_at:
        return row.due_at
    row.late += 1
    about = f"recurrence:{recurrence_id}:{row.late}"
    ladder.request(session, actor, incident, EscalationReason.OVERDUE, now, about=about, count=row.late)
    return now + timedelta(hours=rules_of(session, row).late_again_hours)
