"""The use-cases of patterns: a look at a provider, and what people decide about what it found.

A look never undoes what a person decided; it brings a decided signal back only on new evidence, and says which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from services.contracts.activities import Searched
from services.contracts.identity import EVERYWHERE
from services.contracts.reporting import SignalAccepted
from services.contracts.taxonomy import Band, Category, Role
from services.reporting.patterns import detection, store
from services.reporting.patterns.domain import Agreed, Decision, Found, LeftOut, Seen, Status, may_return
from services.reporting.patterns.exposure import Exposures
from services.reporting.patterns.policy import PatternPolicy
from services.reporting.patterns.store import Search, Signal, SignalDecision, SignalIncident, visible_signal
from services.reporting.policy import of_patterns
from services.reporting.store import INCIDENT
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.db import run, transaction
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

SERVICE = "reporting"
DECIDERS = (Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR, Role.REGIONAL_MANAGER)
"""Who decides about signals: not the manager of the place that a signal may be about."""

MOST_LEFT_OUT = 1000
"""Of what was considered and left out, the newest so many are kept of a signal."""


class DecideSignal(BaseModel):
    """What somebody says to a signal, and why."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    reason: ShortText = Field(description="Why; for those who ask later. No names.")
    into: UUID | None = Field(default=None, description="With `merge`: the signal that this one is part of.")
    lead_id: UUID | None = Field(
        default=None,
        description="With `accept`: who leads the thematic review. It is then commissioned at once, with the signal's"
        " incidents in it; left out, somebody commissions it with this signal_id.",
    )

    @model_validator(mode="after")
    def _into_goes_with_merge(self) -> "DecideSignal":
        if (self.decision is Decision.MERGE) != (self.into is not None):
            raise ValueError("into: give the other signal with `merge`, and with nothing else")
        if self.lead_id is not None and self.decision is not Decision.ACCEPT:
            raise ValueError("lead_id: a thematic review follows from `accept` only")
        return self


@dataclass(frozen=True)
class Known:
    """What a look goes by."""

    incidents: list[Seen]
    agreed: list[Agreed]
    exposures: Exposures
    rules: PatternPolicy


def search(engine: Engine, provider_id: UUID, now: datetime, actor: Actor) -> Searched:
    """Look at all that is known of a provider, and keep what was found: new patterns, and what became of known ones.

    Reading, thinking and keeping are apart, so that no transaction waits for thought. The same look again changes
    nothing.
    """
    with transaction(engine, provider_id) as session:
        known = read(session, provider_id, now)
    found = detection.find(known.incidents, known.agreed, known.exposures, known.rules, now)
    with transaction(engine, provider_id) as session:
        return keep(session, actor, known, found, now)


def read(session: Session, provider_id: UUID, now: datetime) -> Known:
    """What is known of a provider at a moment, as far back as the policy looks."""
    rules = of_patterns(session, provider_id)
    since = now - timedelta(days=rules.history_days)
    return Known(
        incidents=store.seen(session, provider_id, rules.day(), since, now),
        agreed=store.agreed(session, provider_id, since, now),
        exposures=store.exposures(session, provider_id, since, now),
        rules=rules,
    )


def keep(session: Session, actor: Actor, known: Known, found: Sequence[Found], now: datetime) -> Searched:
    """Keep what a look found. Looks at one provider take turns."""
    run(session, "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"reporting.search:{actor.provider_id}"])
    signals = store.of_patterns(session, actor.provider_id, [one.pattern for one in found])
    members = store.members_of(session, (signal.signal_id for signal in signals.values()))
    by_id = {one.incident_id: one for one in known.incidents}
    raised = returned = 0
    for one in found:
        signal = signals.get(one.pattern)
        if signal is None:
            _raise(session, actor, one, by_id, known, now)
            raised += 1
        elif _grow(session, actor, signal, one, members.get(signal.signal_id, set()), by_id, known, now):
            returned += 1
    row = {
        "searched_at": now,
        "policy_version": known.rules.version,
        "incidents": len(known.incidents),
        "found": len(found),
    }
    session.execute(
        insert(Search)
        .values(provider_id=actor.provider_id, **row)
        .on_conflict_do_update(index_elements=["provider_id"], set_=row)
    )
    return Searched(incidents=len(known.incidents), found=len(found), raised=raised, returned=returned)


def _raise(
    session: Session, actor: Actor, found: Found, by_id: Mapping[UUID, Seen], look: Known, now: datetime
) -> None:
    mine = [by_id[member] for member in found.members if member in by_id]
    signal = Signal(
        signal_id=new_id(),
        provider_id=actor.provider_id,
        kind=found.kind,
        pattern=found.pattern,
        location_id=found.location_id,
        region_id=found.region_id,
        category=found.category,
        trait=found.trait,
        code=found.code,
        status=Status.RAISED,
        rule=found.rule,
        policy_version=look.rules.version,
        figures=_figures(found),
        members=len(found.members),
        locations=len({one.location_id for one in mine}),
        first_at=min((one.at for one in mine), default=now),
        last_at=max((one.at for one in mine), default=now),
        raised_at=now,
        seen_at=now,
        returns=0,
        version=1,
    )
    session.add(signal)
    session.flush()
    _keep_incidents(session, signal, found.members, detection.left_out(found, look.incidents), by_id, now)
    _audit(session, actor, signal, now, "signal_raised", kind=found.kind, rule=found.rule, members=signal.members)


def _grow(
    session: Session,
    actor: Actor,
    signal: Signal,
    found: Found,
    known: set[UUID],
    by_id: Mapping[UUID, Seen],
    look: Known,
    now: datetime,
) -> bool:
    """Add what is new to a known signal. Answers whether a decided one came back."""
    fresh = found.members - known
    before = signal.last_at
    signal.seen_at = now
    if not fresh:
        return False
    rules = look.rules
    mine = [by_id[member] for member in fresh if member in by_id]
    _keep_incidents(session, signal, fresh, detection.left_out(found, look.incidents), by_id, now)
    signal.members += len(fresh)
    signal.figures, signal.rule, signal.policy_version = _figures(found), found.rule, rules.version
    signal.first_at = min([signal.first_at, *(one.at for one in mine)])
    signal.last_at = max([signal.last_at, *(one.at for one in mine)])
    session.flush()
    signal.locations = len(
        {by_id[i].location_id for i in (known | fresh) if i in by_id}
        | ({signal.location_id} if signal.location_id else set())
    )
    signal.version += 1
    status = Status(signal.status)
    if status is Status.MERGED and signal.merged_into is not None:
        session.flush()
        target = session.get(Signal, signal.merged_into, with_for_update=True)
        assert target is not None
        _pour(session, signal.signal_id, target)
    if status in (Status.RAISED, Status.MERGED):
        return False
    new_since = signal.members - (signal.decision_members or 0)
    because = may_return(
        status,
        new_since,
        signal.last_at - before,
        members_needed=rules.returns.members,
        quiet_needed=timedelta(days=rules.returns.quiet_days),
    )
    if because is None:
        return False
    signal.status, signal.returned_at, signal.returned_because = Status.RAISED, now, because
    signal.returned_figures = {
        "new_incidents": new_since,
        "decided_at": None if signal.decided_at is None else signal.decided_at.isoformat(),
        "was": str(status),
    }
    signal.returns += 1
    session.flush()
    _audit(session, actor, signal, now, "signal_returned", because=because, members=signal.members, new=new_since)
    return True


def _figures(found: Found) -> dict[str, Any]:
    chance = None if found.chance is None else f"{found.chance:.2g}"
    return {**found.figures, "chance": chance}


def _keep_incidents(
    session: Session,
    signal: Signal,
    members: frozenset[UUID] | set[UUID],
    left_out: Mapping[UUID, LeftOut],
    by_id: Mapping[UUID, Seen],
    now: datetime,
) -> None:
    """An incident that was left out may become a member; a member stays one."""
    out = sorted(left_out, key=lambda i: by_id[i].at, reverse=True)[:MOST_LEFT_OUT]
    identity = {"signal_id": signal.signal_id, "provider_id": signal.provider_id, "added_at": now}
    rows = [{**identity, "incident_id": i, "member": True, "reason": signal.rule} for i in sorted(members)]
    rows += [{**identity, "incident_id": i, "member": False, "reason": left_out[i]} for i in out]
    if rows:
        statement = insert(SignalIncident).values(rows)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["signal_id", "incident_id"],
                set_={
                    "member": statement.excluded.member,
                    "reason": statement.excluded.reason,
                    "added_at": statement.excluded.added_at,
                },
                where=~SignalIncident.member & statement.excluded.member,
            )
        )


def decide(
    session: Session, actor: Actor, signal_id: UUID, command: DecideSignal, version: int, now: datetime
) -> Signal:
    """Accept a signal, merge it into another, or dismiss it. Once, until it returns (409).

    An accepted one is told to all: a thematic review follows, at once if somebody is named who leads it. 403 where
    whoever accepts does not cover all that it would be about.
    """
    signal = visible_signal(session, actor, signal_id, lock=True)
    check_version(signal.version, version)
    if signal.status != Status.RAISED:
        raise conflict(
            "already-decided", "This signal has been decided", f"It is {signal.status}. It comes back if more happens."
        )
    if command.lead_id is not None and not actor.sees(EVERYWHERE, signal.region_id):
        raise forbidden(
            "A theme is about a whole region or provider. Accept without lead_id, or ask somebody who covers it."
        )
    target = None if command.into is None else _target(session, actor, signal, command.into)
    signal.status = command.decision.leads_to
    signal.decided_at, signal.decided_by, signal.decision_reason = now, actor.id, command.reason
    signal.decision_members = signal.members
    signal.merged_into = None if target is None else target.signal_id
    signal.version += 1
    session.add(
        SignalDecision(
            decision_id=new_id(),
            provider_id=actor.provider_id,
            signal_id=signal_id,
            decision=command.decision,
            reason=command.reason,
            merged_into=signal.merged_into,
            members=signal.members,
            decided_by=actor.id,
            decided_at=now,
        )
    )
    session.flush()
    _audit(
        session, actor, signal, now, f"signal_{signal.status}",
        reason_sha256=audit.digest(command.reason), members=signal.members, merged_into=signal.merged_into,
    )  # fmt: skip
    if command.decision is Decision.ACCEPT:
        outbox.record(session, SERVICE, outbox.event_row(
            _accepted(session, signal, command.lead_id), actor=actor, subject=signal_id, version=signal.version, at=now
        ))  # fmt: skip
    return signal


def _target(session: Session, actor: Actor, signal: Signal, into: UUID) -> Signal:
    """The signal that another becomes part of, with its members added; they stay in the first as well."""
    target = session.get(Signal, into) if into != signal.signal_id else None
    if target is None or target.status not in (Status.RAISED, Status.ACCEPTED):
        raise invalid(
            "into", "is not another signal that is open or accepted", "Choose one from GET /signals; not this one."
        )
    target = visible_signal(session, actor, into, lock=True)
    _pour(session, signal.signal_id, target)
    return target


def _pour(session: Session, source: UUID, target: Signal) -> None:
    run(
        session,
        "insert into reporting.signal_incident (provider_id, signal_id, incident_id, member, reason, added_at)"
        " select provider_id, %s, incident_id, true, 'merged', added_at from reporting.signal_incident"
        " where signal_id = %s and member on conflict (signal_id, incident_id) do update set member = true,"
        " reason = 'merged' where not signal_incident.member",
        [target.signal_id, source],
    )
    counted = run(
        session,
        "select count(*), count(distinct i.location_id), min(i.occurred_at), max(i.occurred_at)"
        " from reporting.signal_incident s join reporting.incident i using (provider_id, incident_id)"
        " where s.signal_id = %s and s.member",
        [target.signal_id],
    ).fetchone()
    assert counted is not None
    target.members, target.locations, target.first_at, target.last_at = counted
    target.version += 1


def _accepted(session: Session, signal: Signal, lead_id: UUID | None) -> SignalAccepted:
    rows = session.execute(
        select(INCIDENT.c.incident_id, INCIDENT.c.location_id, INCIDENT.c.band)
        .join(SignalIncident, SignalIncident.incident_id == INCIDENT.c.incident_id)
        .where(SignalIncident.signal_id == signal.signal_id, SignalIncident.member)
        .order_by(INCIDENT.c.occurred_at, INCIDENT.c.incident_id)
    ).all()
    return SignalAccepted(
        signal_id=signal.signal_id,
        kind=signal.kind,
        location_id=signal.location_id,
        region_id=signal.region_id,
        category=None if signal.category is None else Category(signal.category),
        trait=signal.trait,
        code=signal.code,
        incidents=[row.incident_id for row in rows],
        locations=sorted({row.location_id for row in rows}),
        first_at=signal.first_at,
        last_at=signal.last_at,
        policy_version=signal.policy_version,
        lead_id=lead_id,
        band=max((Band(row.band) for row in rows if row.band), key=list(Band).index, default=None),
    )


def _audit(session: Session, actor: Actor, signal: Signal, at: datetime, action: str, **data: Any) -> None:
    audit.append(
        session, SERVICE, chain=signal.signal_id, actor=actor, action=action, subject=signal.signal_id, at=at, data=data
    )
