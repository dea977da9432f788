"""The use-cases of the ladder. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

The ladder starts by a rule of the policy, calls one rung after the other, each with its time to answer, and ends when
a person answers. Who stands on a rung is asked of directory by the process, which comes back with `escalate`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import EventData
from services.contracts.intake import EscalationAcknowledged, IncidentEscalated, IncidentEscalationRequested
from services.contracts.taxonomy import Band, Category, ClockKind, EscalationReason, Kind, PhysicalHarm, Role
from services.intake import access, clocks
from services.intake.clocks import ClockRow
from services.intake.escalation import policy
from services.intake.escalation.domain import Circumstances, EscalationPolicy, Outcome, Repeat, Rule, Same
from services.intake.escalation.store import Escalation, LadderRun, call_of, calls, open_run
from services.intake.store import Incident, Triage, visible_incident
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.calendar import LONDON, is_working_day
from services.runtime.errors import ServiceError, conflict, forbidden, not_found
from services.runtime.outbox import new_id

SERVICE = "intake"
ALLEGATIONS = (Category.ABUSE_ALLEGATION,)
DEATHS = (Category.DEATH,)

_SAME_PLACE = text(
    "select count(*) from intake.incident where provider_id = :provider_id and location_id = :location_id"
    " and occurred_at > :since and kind <> 'good_care' and stage not in ('withdrawn', 'duplicate')"
    " and (category = :category or not :same_type)"
    " and (cast(:bands as text[]) is null or band = any (cast(:bands as text[])))"
)
_SAME_PERSON = text(
    "select coalesce(max(n), 0) from (select count(*) as n from intake.affected_person mine"
    " join intake.affected_person theirs on theirs.provider_id = mine.provider_id and theirs.person_ref = mine.person_ref"
    " join intake.incident i on i.incident_id = theirs.incident_id"
    " where mine.incident_id = :incident_id and i.occurred_at > :since"
    " and i.kind <> 'good_care' and i.stage not in ('withdrawn', 'duplicate')"
    " and (i.category = :category or not :same_type)"
    " and (cast(:bands as text[]) is null or i.band = any (cast(:bands as text[])))"
    " group by mine.person_ref) as counted"
)
# The newest first, and no further than it takes to know.
_SAME_PROVIDER = text(
    "select not exists (select from intake.ladder_run r join intake.incident i using (incident_id)"
    " where r.provider_id = :provider_id and r.detail = :detail and r.requested_at > :quiet_since"
    " and i.category = :category)"
    " and (select count(*) from (select from intake.incident where provider_id = :provider_id"
    " and category = :category and occurred_at > :since and kind <> 'good_care'"
    " and stage not in ('withdrawn', 'duplicate')"
    " and (cast(:bands as text[]) is null or band = any (cast(:bands as text[])))"
    " order by incident_id desc limit :at_least) as found) >= :at_least"
)
_PEOPLE = text("select count(*) from intake.affected_person where incident_id = :incident_id")
_ASKED_LATELY = text(
    "select exists (select from intake.ladder_run r join intake.incident i using (incident_id)"
    " where r.provider_id = :provider_id and r.detail = :detail and r.requested_at > :since"
    " and i.location_id = :location_id and (i.category = :category or not :same_type))"
)


# What starts the ladder.


def request(
    session: Session,
    actor: Actor,
    incident: Incident,
    reason: EscalationReason,
    now: datetime,
    *,
    about: str = "",
    count: int = 1,
) -> LadderRun | None:
    """Start the ladder for a reason, in the caller's transaction; None when no rule of the policy wants it.

    An incident whose ladder waits for an answer gets no second one: the reason joins it, or raises it to the rung at
    which the reason would start, or calls again where it wants its answer sooner. `count` is how often it went wrong, `about` names the thing within the incident.
    """
    return _request(session, actor, incident, [reason], now, about=about, count=count)


def at_report(
    session: Session,
    actor: Actor,
    incident_id: UUID,
    danger: bool,
    category: Category,
    kind: Kind,
    now: datetime,
    *,
    staff_named: bool = False,
) -> None:
    """Start the ladder at once for danger, an allegation, a death, or what cannot wait for the morning.

    An allegation is one by its category, and whatever its category if it names staff.

    A report that needs nobody costs nothing here: the incident is not even read.
    """
    reasons = [EscalationReason.OUT_OF_HOURS, EscalationReason.WHAT_HAPPENED]
    if danger:
        reasons.append(EscalationReason.IMMEDIATE_DANGER)
    if category in ALLEGATIONS or staff_named:
        reasons.append(EscalationReason.ALLEGATION)
    if category in DEATHS:
        reasons.append(EscalationReason.DEATH)
    rules = policy.shipped()
    if rules.choose(reasons, Circumstances(None, category, kind, out_of_hours(rules, now))) is not None:
        _request(session, actor, session.get_one(Incident, incident_id), reasons, now)


def at_answers(
    session: Session,
    actor: Actor,
    incident: Incident,
    changed: Collection[str],
    answers: Mapping[str, Any],
    now: datetime,
) -> None:
    """Start the ladder for what an answer says, by the rules that look at one that is new; each rule once."""
    rules = policy.shipped().about_answers(changed)
    if not (rules.rules or rules.tell):
        return
    spoken = set(session.scalars(select(LadderRun.rule).where(LadderRun.incident_id == incident.incident_id)))
    rules = replace(rules, rules=[rule for rule in rules.rules if rule.id not in spoken])
    _request(session, actor, incident, [EscalationReason.WHAT_HAPPENED], now, rules=rules, answers=answers)


def at_triage(session: Session, actor: Actor, incident: Incident, before: Triage | None, now: datetime) -> None:
    """Start the ladder for a high band or severe harm, also when facts change for the worse; for a death found; for a repeat."""
    reasons, detail, series = [], None, None
    harm = _harm(session, incident)
    was = None if before is None else before.actual_harm
    higher = before is None or Band(incident.band or Band.LOW).rank > Band(before.band).rank
    if higher or (harm is PhysicalHarm.SEVERE and was not in (PhysicalHarm.SEVERE, PhysicalHarm.FATAL)):
        reasons.append(EscalationReason.HIGH_RISK)
    if harm is PhysicalHarm.FATAL and was != PhysicalHarm.FATAL:
        reasons.append(EscalationReason.DEATH)
    if before is None and incident.kind != Kind.GOOD_CARE:
        detail = repeated(session, incident, now)
        if detail is not None:
            reasons.append(EscalationReason.REPEAT)
        series = similar(session, incident, now)
        if series is not None:
            reasons.append(EscalationReason.SIMILAR)
    if reasons:
        _request(session, actor, incident, reasons, now, detail=detail, series=series, harm=harm)


def request_escalation(
    session: Session, command: activities.RequestEscalation, now: datetime, actor: Actor
) -> activities.Requested:
    """The same for what the process sees first. The same command twice starts one ladder."""
    incident = _locked(session, command.incident_id)
    known = session.scalars(select(LadderRun).where(LadderRun.about == command.command_id)).first()
    if known is None and not incident.ended:
        known = request(
            session,
            actor,
            incident,
            EscalationReason(command.reason),
            now,
            about=command.command_id,
            count=command.count,
        )
    return activities.Requested(climb=pending(session, command.incident_id))


def _request(
    session: Session,
    actor: Actor,
    incident: Incident,
    reasons: Sequence[EscalationReason],
    now: datetime,
    *,
    about: str = "",
    count: int = 1,
    detail: str | None = None,
    series: str | None = None,
    harm: PhysicalHarm | None = None,
    rules: EscalationPolicy | None = None,
    answers: Mapping[str, Any] | None = None,
) -> LadderRun | None:
    rules = rules or policy.shipped()
    if incident.ended:
        return None
    session.flush()
    circumstances = replace(
        _circumstances(session, rules, incident, reasons, now, count, harm), answers=dict(answers or {})
    )
    _tell(session, actor, incident, rules, reasons, circumstances, now, series)
    rule = rules.choose(reasons, circumstances)
    if rule is None:
        return None
    detail = detail if rule.reason is EscalationReason.REPEAT else None
    level = _first_level(session, rules, incident, rule)
    run = open_run(session, incident.incident_id, rule.reason)
    if run is None:
        run = _run(session, actor, incident, rules, rule, level, now, about=about, detail=detail)
    elif level > run.level or rule.answer < run.answer or _stands_still(session, run):
        clocks.stop_clock(session, actor, incident, ClockKind.ESCALATION, run.run_id, now)
        run.level, run.step = max(run.level, level), run.step + 1
        run.reason, run.rule, run.detail = rule.reason, rule.id, detail
        run.policy_version, run.answer = rules.version, rule.answer
        _say_requested(session, actor, incident, run, rules, "escalation_raised", now)
    else:
        _keep(session, actor, incident, "escalation_joined", now, reason=rule.reason, rule=rule.id, run_id=run.run_id)
    return run


def _circumstances(
    session: Session,
    rules: EscalationPolicy,
    incident: Incident,
    reasons: Sequence[EscalationReason],
    now: datetime,
    count: int = 1,
    harm: PhysicalHarm | None = None,
) -> Circumstances:
    """What the rules may look at; the harm is only looked up where one of them does."""
    if harm is None and rules.asks_for_harm(reasons):
        harm = _harm(session, incident)
    band = None if incident.band is None else Band(incident.band)
    return Circumstances(band, Category(incident.category), Kind(incident.kind), out_of_hours(rules, now), count, harm)


def _tell(
    session: Session,
    actor: Actor,
    incident: Incident,
    rules: EscalationPolicy,
    reasons: Sequence[EscalationReason],
    at: Circumstances,
    now: datetime,
    series: str | None,
) -> None:
    """Have the roles called that are only told, each once for a rule; about a restricted incident those who may hear."""
    speaking = [one for one in rules.tell if one.reason in reasons]
    if not speaking:
        return
    people = session.scalar(_PEOPLE, {"incident_id": incident.incident_id}) or 0
    may_hear = access.may_hear(session, incident.incident_id)
    told = set(session.scalars(select(LadderRun.about).where(LadderRun.incident_id == incident.incident_id)))
    for one in speaking:
        for role in one.roles if one.fits(reasons, at, max(people, 1)) else ():
            about = f"tell:{one.id}:{role}"
            if about in told or (may_hear is not None and role not in may_hear):
                continue
            rule = Rule(id=one.id, reason=one.reason, start=role, answer=timedelta(0))
            detail = series if one.reason is EscalationReason.SIMILAR else None
            _run(
                session, actor, incident, rules, rule, rules.level(role), now,
                about=about, detail=detail, told_role=role,
            )  # fmt: skip


def _run(
    session: Session,
    actor: Actor,
    incident: Incident,
    rules: EscalationPolicy,
    rule: Rule,
    level: int,
    now: datetime,
    *,
    about: str,
    detail: str | None = None,
    told_role: Role | None = None,
) -> LadderRun:
    run = LadderRun(
        run_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        about=about,
        reason=rule.reason,
        rule=rule.id,
        detail=detail,
        policy_version=rules.version,
        answer=rule.answer,
        level=level,
        told_role=told_role,
        step=1,
        top_calls=0,
        requested_at=now,
        acknowledged_at=None,
        acknowledged_by=None,
    )
    session.add(run)
    _say_requested(session, actor, incident, run, rules, "escalation_requested", now)
    return run


def _first_level(session: Session, rules: EscalationPolicy, incident: Incident, rule: Rule) -> int:
    """Where a rule starts: about a restricted incident not below the first rung that may hear of it."""
    level, may_hear = rules.level(rule.start), access.may_hear(session, incident.incident_id)
    if may_hear is None:
        return level
    return next((higher for higher in range(level, rules.top + 1) if rules.ladder[higher] in may_hear), level)


def glass_broken(session: Session, actor: Actor, incident: Incident, break_glass_id: UUID, now: datetime) -> None:
    """Tell somebody else that the glass was broken: by a run of its own, whatever the ladder does and the stage.

    An incident that has ended has no process to call people: it waits in the inbox of the roles that see it, and a
    process of its own tells whoever stands there for those roles, until one of them answers.
    """
    rules = policy.shipped()
    reasons = [EscalationReason.BREAK_GLASS]
    rule = rules.choose(reasons, _circumstances(session, rules, incident, reasons, now))
    assert rule is not None, "the policy has a rule for every broken glass"
    level = _first_level(session, rules, incident, rule)
    run = _run(session, actor, incident, rules, rule, level, now, about=f"break-glass:{break_glass_id}")
    if not incident.ended:
        return
    roles = access.roles_of(session, incident.incident_id)
    seeing = [rung for rung in range(level, rules.top + 1) if rules.ladder[rung] in roles]
    for run.step, run.level in enumerate(seeing or [level], start=1):
        _record_call(
            session, actor, incident, run, now,
            command_id=f"{run.about}:{run.step}", role=rules.ladder[run.level], person=None, outcome=Outcome.WAITING,
        )  # fmt: skip


def watch_glass(session: Session, query: activities.WatchGlass, now: datetime) -> activities.ConcernWatch:
    """Whether a broken glass of an incident that had ended waits for an answer, and whom to tell. Changes nothing.

    Never somebody who is kept away from the incident, nor who broke its glass.
    """
    about = f"break-glass:{query.break_glass_id}"
    run = session.scalars(
        select(LadderRun).where(LadderRun.incident_id == query.incident_id, LadderRun.about == about)
    ).first()
    if run is None or run.acknowledged_at is not None:
        return activities.ConcernWatch(waits=False, next_at=now)
    incident = session.get_one(Incident, query.incident_id)
    called = dict.fromkeys(Role(call.to_role) for call in calls(session, run.run_id))
    return activities.ConcernWatch(
        waits=True,
        next_at=now + policy.shipped().top_again(query.looks + 1),
        late=True,
        roles=list(called),
        away=sorted(
            access.excluded(session, incident.incident_id) | access.who_broke_glass(session, incident.incident_id)
        ),
        location_id=incident.location_id,
    )


def _say_requested(
    session: Session,
    actor: Actor,
    incident: Incident,
    run: LadderRun,
    rules: EscalationPolicy,
    action: str,
    now: datetime,
) -> None:
    session.flush()
    event = IncidentEscalationRequested(
        incident_id=incident.incident_id,
        run_id=run.run_id,
        step=run.step,
        level=run.level,
        role=_role(run),
        reason=EscalationReason(run.reason),
        rule=run.rule,
        policy_version=run.policy_version,
    )
    _keep(
        session, actor, incident, action, now,
        run_id=run.run_id, step=run.step, level=run.level, reason=run.reason, rule=run.rule, detail=run.detail,
        policy_version=run.policy_version,
    )  # fmt: skip
    row = outbox.event_row(event, actor=actor, subject=run.run_id, version=run.step, at=now, urgent=True)
    outbox.record(session, SERVICE, row)


def out_of_hours(rules: EscalationPolicy, now: datetime) -> bool:
    """Whether no manager is expected to be in the building, by the date and time in London."""
    local = now.astimezone(LONDON)
    return not (is_working_day(local.date()) and rules.opens <= local.time() < rules.closes)


def repeated(session: Session, incident: Incident, now: datetime) -> str | None:
    """The id of the first rule by which the incident is one of a series, itself counted; None if it stands alone."""
    by_person_or_place = (one for one in policy.shipped().repeats if one.same is not Same.PROVIDER)
    return next((one.id for one in by_person_or_place if _repeats(session, incident, one, now)), None)


def similar(session: Session, incident: Incident, now: datetime) -> str | None:
    """The id of the first rule by which it has happened too often in the provider's services; None if nobody is to hear.

    Counts restricted ones too, and says no number. Within the rule's quiet days a type is spoken of once.
    """
    across = (one for one in policy.shipped().repeats if one.same is Same.PROVIDER)
    return next((one.id for one in across if _repeats(session, incident, one, now)), None)


def _repeats(session: Session, incident: Incident, one: Repeat, now: datetime) -> bool:
    if one.bands is not None and incident.band not in one.bands:
        return False
    values: dict[str, Any] = {
        "provider_id": incident.provider_id,
        "incident_id": incident.incident_id,
        "location_id": incident.location_id,
        "category": incident.category,
        "same_type": one.same_type,
        "bands": None if one.bands is None else [str(band) for band in one.bands],
        "since": now - one.within,
    }
    session.flush()
    if incident.occurred_at <= now - one.within:
        return False
    if one.same is Same.PROVIDER:
        assert one.quiet is not None, "held by the policy"
        asked = {"detail": one.id, "quiet_since": now - one.quiet, "at_least": one.at_least}
        return bool(session.scalar(_SAME_PROVIDER, {**values, **asked}))
    found = session.scalar(_SAME_PERSON if one.same is Same.PERSON else _SAME_PLACE, values) or 0
    if found < one.at_least:
        return False
    if one.quiet is None:
        return True
    return not session.scalar(_ASKED_LATELY, {**values, "detail": one.id, "since": now - one.quiet})


def _harm(session: Session, incident: Incident) -> PhysicalHarm | None:
    """The harm that was done, by the newest triage."""
    newest = session.scalars(
        select(Triage.actual_harm)
        .where(Triage.incident_id == incident.incident_id)
        .order_by(Triage.revision.desc())
        .limit(1)
    ).first()
    return None if newest is None else PhysicalHarm(newest)


def was_asked(session: Session, incident_id: UUID, reason: EscalationReason) -> bool:
    """Whether somebody was called, or told, about the incident for this reason before."""
    found = select(LadderRun.run_id).where(LadderRun.incident_id == incident_id, LadderRun.reason == reason).limit(1)
    return session.scalars(found).first() is not None


# Climbing.


def escalate(session: Session, command: activities.Escalate, now: datetime, actor: Actor) -> activities.Escalated:
    """Record the call of one rung and start its time to answer. Nobody found is recorded too, and the ladder climbs at once.

    The same command twice is one call. A call that is not wanted any more (answered, raised, ended) is not made.
    """
    incident = _locked(session, command.incident_id)
    run = session.get(LadderRun, command.run_id, with_for_update=True)
    if run is None or run.incident_id != incident.incident_id:
        raise not_found("escalation")
    known = call_of(session, run.run_id, command.step)
    if known is None and run.step == command.step and run.acknowledged_at is None and not incident.ended:
        known = _call(session, actor, incident, run, _first_callable(session, actor, run, command, now), now)
    waits = known is not None and known.step == run.step and known.outcome == Outcome.WAITING
    called = known if waits and known is not None and known.to_person is not None else None
    return activities.Escalated(
        notify=None if called is None else called.escalation_id,
        to_person=None if called is None else called.to_person,
        urgent=run.told_role is None and run.answer <= policy.shipped().interrupts_within,
        clock=_running(session, run),
        climb=pending(session, incident.incident_id),
    )


def _first_callable(
    session: Session, actor: Actor, run: LadderRun, command: activities.Escalate, now: datetime
) -> activities.Escalate:
    """The command for the first on the rung who may be called: not the excluded, nor who broke the glass about it."""
    on_rung = [] if command.to_person is None else [(command.to_role, command.to_person)]
    for role, person in [*on_rung, *((one.role, one.person_id) for one in command.others)]:
        broke = run.reason == EscalationReason.BREAK_GLASS and access.broke_glass(session, run.incident_id, person)
        if not broke and access.may_be_called(session, actor, run.incident_id, role, person, now):
            return command.model_copy(update={"to_role": role, "to_person": person})
    return command.model_copy(update={"to_person": None})


def _call(
    session: Session, actor: Actor, incident: Incident, run: LadderRun, command: activities.Escalate, now: datetime
) -> Escalation:
    rules = policy.shipped()
    at_top = run.told_role is None and run.level >= rules.top
    nobody = command.to_person is None
    answer_due_at = None
    if at_top:
        run.top_calls += 1
        answer_due_at = now + rules.top_again(run.top_calls)
    elif not nobody and run.told_role is None:
        answer_due_at = now + run.answer
    call = _record_call(
        session, actor, incident, run, now,
        command_id=command.command_id, role=command.to_role, person=command.to_person, answer_due_at=answer_due_at,
        outcome=Outcome.NOBODY_FOUND if nobody else Outcome.WAITING,
    )  # fmt: skip
    if answer_due_at is not None:
        clocks.set_clock(session, actor, incident, ClockKind.ESCALATION, run.run_id, answer_due_at, now)
    elif run.told_role is None:
        run.level, run.step = run.level + 1, run.step + 1
    session.flush()
    return call


def _role(run: LadderRun) -> Role:
    """Who is called now."""
    return policy.shipped().ladder[run.level] if run.told_role is None else Role(run.told_role)


def _record_call(
    session: Session,
    actor: Actor,
    incident: Incident,
    run: LadderRun,
    now: datetime,
    *,
    command_id: str,
    role: Role,
    person: UUID | None,
    outcome: Outcome,
    answer_due_at: datetime | None = None,
) -> Escalation:
    call = Escalation(
        escalation_id=new_id(),
        provider_id=incident.provider_id,
        incident_id=incident.incident_id,
        command_id=command_id,
        run_id=run.run_id,
        step=run.step,
        level=run.level,
        reason=run.reason,
        rule=run.rule,
        policy_version=run.policy_version,
        to_role=role,
        to_person=person,
        sent_at=now,
        answer_due_at=answer_due_at,
        outcome=outcome,
        acknowledged_at=None,
        acknowledged_by=None,
    )
    session.add(call)
    session.flush()
    event = IncidentEscalated(
        incident_id=incident.incident_id,
        escalation_id=call.escalation_id,
        level=call.level,
        reason=EscalationReason(run.reason),
        to_role=role,
        to_person=person,
        run_id=run.run_id,
        step=call.step,
        rule=run.rule,
        policy_version=run.policy_version,
        nobody_found=outcome is Outcome.NOBODY_FOUND,
        answer_due_at=answer_due_at,
    )
    _record(
        session, actor, incident, "escalated", event, now,
        level=call.level, reason=run.reason, to_role=role, to_person=person, outcome=outcome,
        rule=run.rule, policy_version=run.policy_version, answer_due_at=answer_due_at,
    )  # fmt: skip
    return call


def unanswered(session: Session, incident: Incident, run_id: UUID, now: datetime, actor: Actor) -> datetime | None:
    """The time to answer ran out: the ladder climbs, or stays at the top and calls it again.

    The next call itself is made by the process once it knows who stands on the rung; its clock is set then.
    """
    run = session.get(LadderRun, run_id, with_for_update=True)
    if run is None or run.acknowledged_at is not None:
        return None
    call = call_of(session, run_id, run.step)
    if call is None:
        return None
    if call.outcome == Outcome.WAITING:
        call.outcome = Outcome.UNANSWERED
    run.level, run.step = min(run.level + 1, policy.shipped().top), run.step + 1
    _keep(session, actor, incident, "escalation_unanswered", now, run_id=run_id, level=call.level, step=call.step)
    return None


clocks.RINGERS[ClockKind.ESCALATION] = unanswered


def pending(session: Session, incident_id: UUID) -> activities.Climb | None:
    """A rung that an open ladder of the incident wants called and that was not called yet; asked again, the next."""
    session.flush()
    open_runs = session.scalars(
        select(LadderRun)
        .where(LadderRun.incident_id == incident_id, LadderRun.acknowledged_at.is_(None))
        # Whoever is to answer comes before those who are only told.
        .order_by(LadderRun.told_role.nulls_first(), LadderRun.requested_at, LadderRun.run_id)
    )
    for run in open_runs:
        if call_of(session, run.run_id, run.step) is None:
            return activities.Climb(run_id=run.run_id, step=run.step, role=_role(run))
    return None


# Answering.


def acknowledge(session: Session, actor: Actor, incident_id: UUID, escalation_id: UUID, now: datetime) -> Escalation:
    """Somebody on the ladder says: I have it. That stops the ladder, whichever rung answers.

    Only the person or role of this call, or of a higher rung that was called already, may (403). The first answer of
    a run counts; a second is answered with the first.
    """
    incident = answerable(session, actor, incident_id)
    escalation = session.get(Escalation, escalation_id, with_for_update=True)
    if escalation is None or escalation.incident_id != incident_id:
        raise not_found("escalation")
    run = None if escalation.run_id is None else session.get(LadderRun, escalation.run_id, with_for_update=True)
    made = [escalation] if run is None else calls(session, run.run_id)
    about_glass = run is not None and run.reason == EscalationReason.BREAK_GLASS
    if (about_glass and access.broke_glass(session, incident_id, actor.id)) or not any(
        call.level >= escalation.level and (call.to_person == actor.id or call.to_role in actor.roles) for call in made
    ):
        raise forbidden(
            "This escalation went to somebody else. Only the person or role it names, or a higher rung that was called"
            " too, can acknowledge it."
        )
    answered = next((call for call in made if call.acknowledged_at is not None), None)
    if answered is not None:
        return answered
    if incident.ended and not about_glass:
        raise conflict("already-ended", "This incident has ended", "Nothing waits for your answer any more.")
    _answer(session, actor, incident, run, made, escalation, now)
    return escalation


def answered_by_deed(
    session: Session, actor: Actor, incident: Incident, reason: EscalationReason, now: datetime
) -> None:
    """What people were called for was done: that is the answer, and nobody else is called about it."""
    run = open_run(session, incident.incident_id, reason)
    if run is None or run.reason != reason:
        return
    made = calls(session, run.run_id)
    if made:
        _answer(session, actor, incident, run, made, made[-1], now)
    else:
        run.acknowledged_at, run.acknowledged_by = now, actor.id


def _answer(
    session: Session,
    actor: Actor,
    incident: Incident,
    run: LadderRun | None,
    made: Sequence[Escalation],
    escalation: Escalation,
    now: datetime,
) -> None:
    for call in made:
        if call is escalation:
            call.outcome, call.acknowledged_at, call.acknowledged_by = Outcome.ACKNOWLEDGED, now, actor.id
        elif call.outcome == Outcome.WAITING:
            call.outcome = Outcome.ANSWERED_ELSEWHERE
    if run is not None:
        run.acknowledged_at, run.acknowledged_by = now, actor.id
        clocks.stop_clock(session, actor, incident, ClockKind.ESCALATION, run.run_id, now)
    session.flush()
    event = EscalationAcknowledged(
        incident_id=incident.incident_id,
        escalation_id=escalation.escalation_id,
        level=escalation.level,
        run_id=escalation.run_id,
        answers=[call.escalation_id for call in made],
    )
    _record(
        session, actor, incident, "escalation_acknowledged", event, now,
        level=escalation.level, run_id=escalation.run_id,
    )  # fmt: skip


def answerable(session: Session, actor: Actor, incident_id: UUID, *, now: datetime | None = None) -> Incident:
    """The incident if the actor sees it, or was called for it by name from outside their usual places.

    Held to the end of the transaction; with `now` it is to be read.
    """
    try:
        return visible_incident(session, actor, incident_id, lock=now is None, now=now)
    except ServiceError:
        called = select(Escalation.escalation_id).where(
            Escalation.incident_id == incident_id, Escalation.to_person == actor.id
        )
        if session.scalars(called).first() is None or access.excludes(session, actor, incident_id):
            raise
        if now is not None and access.is_restricted(session, incident_id):
            access.note_view(session, actor, incident_id, now)
        return _locked(session, incident_id)


def _locked(session: Session, incident_id: UUID) -> Incident:
    incident = session.get(Incident, incident_id, with_for_update=True)
    if incident is None:
        raise not_found("incident")
    return incident


def _stands_still(session: Session, run: LadderRun) -> bool:
    """The last call was made and no clock runs: its incident had ended meanwhile, and was opened again."""
    return call_of(session, run.run_id, run.step) is not None and _running(session, run) is None


def _running(session: Session, run: LadderRun) -> activities.RunningClock | None:
    clock = session.scalars(
        select(ClockRow).where(ClockRow.subject_id == run.run_id, ClockRow.kind == ClockKind.ESCALATION)
    ).first()
    if clock is None or clock.due_at is None:
        return None
    return activities.RunningClock(clock_id=clock.clock_id, revision=clock.revision, due_at=clock.due_at)


def _keep(session: Session, actor: Actor, incident: Incident, action: str, now: datetime, **data: Any) -> None:
    audit.append(
        session,
        SERVICE,
        chain=incident.incident_id,
        actor=actor,
        action=action,
        subject=incident.incident_id,
        at=now,
        data=data,
    )


def _record(
    session: Session, actor: Actor, incident: Incident, action: str, event: EventData, now: datetime, **data: Any
) -> None:
    _keep(session, actor, incident, action, now, **data)
    row = outbox.event_row(
        event, actor=actor, subject=incident.incident_id, version=incident.version, at=now, urgent=True
    )
    outbox.record(session, SERVICE, row)
