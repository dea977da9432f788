"""What is owed beside the chain and waits for the caller: who must be told, candour, safeguarding, the checks of the first hours,
from the first warning on; and whether a closed case has come back, from the moment it is asked."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Select, SQLColumnExpression, and_, exists, literal, not_, or_, select
from sqlalchemy.orm import Session, aliased

from services.contracts.taxonomy import AuthorityDecision, SafeguardingStep, Stage
from services.intake import policy
from services.intake.candour.commands import DECIDERS as CANDOUR_DECIDERS
from services.intake.candour.store import Candour
from services.intake.checks import policy as checks_policy
from services.intake.checks.store import FirstCheck, unrecorded
from services.intake.obligations.domain import DECIDERS as OBLIGATION_DECIDERS
from services.intake.obligations.store import Obligation, first_due, unsettled
from services.intake.proceedings.commands import KEEPERS as PROCEEDING_KEEPERS
from services.intake.proceedings.store import Proceeding
from services.intake.protection import policy as protection_policy
from services.intake.protection.store import Protection
from services.intake.recurrence import policy as recurrence_policy
from services.intake.recurrence.policy import RecurrencePolicy
from services.intake.recurrence.store import Recurrence
from services.intake.safeguarding.api import KEEPERS
from services.intake.safeguarding.domain import Decision
from services.intake.safeguarding.store import SafeguardingAdult, SafeguardingReferral
from services.intake.store import Incident
from services.runtime import restriction
from services.runtime.actor import Actor

MOST = 100
_DATE_SHOWN_BEFORE = timedelta(days=1)


class DutyKind(StrEnum):
    """Where a duty is kept."""

    OBLIGATION = "obligation"
    CANDOUR = "candour"
    SAFEGUARDING = "safeguarding"
    CHECK = "check"
    RECURRENCE = "recurrence"
    PROTECTION = "protection"
    PROCEEDING = "proceeding"


class InboxDuty(BaseModel):
    """Something that is owed about an incident, and soon late or late already."""

    kind: DutyKind
    incident_id: UUID
    subject_id: UUID = Field(
        description="The obligation; the record of candour; the adult, or the referral; the check; the question; the protection or proceeding."
    )
    waits_for: str = Field(
        description="The rule of an obligation or a check; the part of candour; the step of safeguarding; an answer; the kind of protection or proceeding."
    )
    due_at: datetime
    late: bool


def duties(session: Session, actor: Actor, now: datetime) -> list[InboxDuty]:
    """What the caller's roles may settle, within their scope and if they need to know; the most pressing first.

    Each kind is for those who may decide it. Nothing owed outside shows before it is warned of, and nothing of what has ended.
    """
    return sorted(_all(session, actor, now), key=lambda duty: (duty.due_at, duty.subject_id))[:MOST]


def _all(session: Session, actor: Actor, now: datetime) -> Iterator[InboxDuty]:
    if actor.roles.intersection(OBLIGATION_DECIDERS):
        due = first_due()
        warned = or_(Obligation.warned_at.is_not(None), Obligation.warn_at <= now, due <= now)
        found: Select[*tuple[Any, ...]] = select(
            Obligation.incident_id, Obligation.obligation_id, Obligation.rule, due
        ).where(unsettled(), warned)
        yield from _seen(session, actor, DutyKind.OBLIGATION, found, Obligation.incident_id, due, now)
    if actor.roles.intersection(CANDOUR_DECIDERS):
        pressing = or_(Candour.warned_at.is_not(None), Candour.warn_at <= now, Candour.target_at <= now)
        found = select(Candour.incident_id, Candour.candour_id, Candour.phase, Candour.target_at).where(
            Candour.phase.is_not(None), pressing
        )
        yield from _seen(session, actor, DutyKind.CANDOUR, found, Candour.incident_id, Candour.target_at, now)
    if actor.roles.intersection(KEEPERS):
        yield from _safeguarding(session, actor, now)
        look = Protection.look_again_at
        shown_from = now + timedelta(hours=protection_policy.shipped().shown_hours_before)
        found = select(Protection.incident_id, Protection.protection_id, Protection.kind, look).where(
            Protection.ended_at.is_(None), look <= shown_from
        )
        yield from _seen(session, actor, DutyKind.PROTECTION, found, Protection.incident_id, look, now)
    if actor.roles.intersection(PROCEEDING_KEEPERS):
        found = select(Proceeding.incident_id, Proceeding.proceeding_id, Proceeding.kind, Proceeding.next_at).where(
            Proceeding.next_at <= now + _DATE_SHOWN_BEFORE
        )
        coming = Proceeding.next_at
        yield from _seen(session, actor, DutyKind.PROCEEDING, found, Proceeding.incident_id, coming, now, ended=True)
    yield from _checks(session, actor, now)
    rules = recurrence_policy.shipped()
    if actor.roles.intersection((*rules.decides, *rules.decides_restricted)):
        yield from _recurrences(session, actor, rules, now)


def _checks(session: Session, actor: Actor, now: datetime) -> Iterator[InboxDuty]:
    """For those who see to a check, once it is warned of; for the managers above them too, once it is late."""
    rules = checks_policy.shipped().rules.values()
    mine = [rule.id for rule in rules if rule.chased and actor.roles.intersection(rule.who)]
    due = FirstCheck.required_at
    pressing = and_(FirstCheck.rule.in_(mine), or_(FirstCheck.warned_at.is_not(None), FirstCheck.warn_at <= now))
    if actor.roles.intersection(OBLIGATION_DECIDERS):
        pressing = or_(pressing, due <= now)
    elif not mine:
        return
    found = select(FirstCheck.incident_id, FirstCheck.check_id, FirstCheck.rule, due).where(unrecorded(), pressing)
    yield from _seen(session, actor, DutyKind.CHECK, found, FirstCheck.incident_id, due, now)


def _recurrences(session: Session, actor: Actor, rules: RecurrencePolicy, now: datetime) -> Iterator[InboxDuty]:
    """Questions about incidents both of which the actor may see, and decide about."""
    closed, restricted = aliased(Incident), select(restriction.restriction_table("intake").c.record_id)
    secret = or_(Recurrence.incident_id.in_(restricted), Recurrence.closed_incident_id.in_(restricted))
    mine = or_(
        and_(not_(secret), literal(bool(actor.roles.intersection(rules.decides)))),
        and_(secret, literal(bool(actor.roles.intersection(rules.decides_restricted)))),
    )
    in_scope = actor.scope(closed.location_id, closed.region_id)
    found: Select[*tuple[Any, ...]] = (
        select(Recurrence.incident_id, Recurrence.recurrence_id, literal("answer"), Recurrence.due_at)
        .join(closed, closed.incident_id == Recurrence.closed_incident_id)
        .where(
            Recurrence.answered_at.is_(None),
            mine,
            restriction.visible("intake", actor, closed.incident_id, in_scope=in_scope),
        )
    )
    yield from _seen(session, actor, DutyKind.RECURRENCE, found, Recurrence.incident_id, Recurrence.due_at, now)


def _safeguarding(session: Session, actor: Actor, now: datetime) -> Iterator[InboxDuty]:
    adult, referral = SafeguardingAdult, SafeguardingReferral
    unproved = and_(adult.decision == Decision.REFER, ~exists().where(referral.adult_id == adult.adult_id))
    kind, step = DutyKind.SAFEGUARDING, SafeguardingStep
    found: Select[*tuple[Any, ...]] = select(adult.incident_id, adult.adult_id, literal(step.REFERRAL.value), adult.refer_due_at).where(
        or_(adult.decision.is_(None), unproved), or_(adult.warned_at.is_not(None), adult.refer_due_at <= now)
    )  # fmt: skip
    yield from _seen(session, actor, kind, found, adult.incident_id, adult.refer_due_at, now)
    asked = referral.authority_decided_at + timedelta(
        days=policy.safeguarding(session, actor.provider_id).enquiry_follow_up_days
    )
    enquiring = and_(referral.authority_decision == AuthorityDecision.ENQUIRY, referral.enquiry_outcome.is_(None))
    for waits_for, due, still in (
        (step.AUTHORITY_DECISION, referral.answer_due_at, referral.authority_decision.is_(None)),
        (step.ENQUIRY_OUTCOME, asked, enquiring),
    ):
        found = select(referral.incident_id, referral.referral_id, literal(waits_for.value), due).where(
            still, due <= now
        )  # fmt: skip
        yield from _seen(session, actor, kind, found, referral.incident_id, due, now)


def _seen(
    session: Session,
    actor: Actor,
    kind: DutyKind,
    found: Select[*tuple[Any, ...]],
    incident_id: SQLColumnExpression[UUID],
    due: SQLColumnExpression[Any],
    now: datetime,
    *,
    ended: bool = False,
) -> Iterator[InboxDuty]:
    """`ended`: also of incidents that have ended."""
    rows = session.execute(
        found.join(Incident, Incident.incident_id == incident_id)
        .where(
            Incident.provider_id == actor.provider_id,
            Incident.stage.not_in([] if ended else [stage for stage in Stage if stage.ended]),
            restriction.visible(
                "intake", actor, Incident.incident_id, in_scope=actor.scope(Incident.location_id, Incident.region_id)
            ),
        )
        .order_by(due)
        .limit(MOST)
    )
    for incident, subject, waits_for, due_at in rows:
        yield InboxDuty(
            kind=kind, incident_id=incident, subject_id=subject, waits_for=waits_for, due_at=due_at, late=due_at <= now
        )
