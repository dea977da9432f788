"""By what a cycle is measured: chosen before its actions open, frozen then, and changed later only on record."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.history import SERVICE
from services.actions.impact.counting import unit_of
from services.actions.impact.domain import MeasureKind, Scope, Window, baseline_before, local_day
from services.actions.impact.store import Defined, Strict, measure_of, visible_indicator
from services.actions.store import Improvement, Incident, visible_incident
from services.contracts.taxonomy import Category, ExposureUnit
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.text import LongText, ShortText
from services.spc.chart import Direction

_Direction = Annotated[Direction, Field(description="Which way is better. A rate of incidents goes down.")]


class DefineMeasure(Strict):
    """By what one will know whether the actions worked. What is left out is as it was, or as the policy has it."""

    kind: MeasureKind = MeasureKind.INCIDENT_RATE
    indicator_id: UUID | None = Field(default=None, description="The series, for an indicator.")
    category: Category | None = Field(
        default=None, description="Which incidents; those of the incident's own kind else."
    )
    unit: ExposureUnit | None = Field(default=None, description="Per what; what the location records else.")
    scope: Scope = Field(default=Scope.PROVIDER, description="Where incidents are counted.")
    definition: LongText | None = Field(default=None, description="What exactly is measured, in words.")
    numerator: ShortText | None = None
    denominator: ShortText | None = None
    baseline_first: date | None = Field(
        default=None, description="The first day before the change to compare with. The policy's window else."
    )
    baseline_until: date | None = Field(default=None, description="The day after the last one of it.")
    reason: ShortText | None = Field(default=None, description="Needed once the actions are open.")

    @model_validator(mode="after")
    def _whole(self) -> "DefineMeasure":
        if (self.baseline_first is None) != (self.baseline_until is None):
            raise ValueError("baseline_first and baseline_until belong together: give both, or neither")
        if (self.kind is MeasureKind.INDICATOR) != (self.indicator_id is not None):
            raise ValueError("an indicator needs indicator_id, and nothing else may have it")
        return self


def define_measure(
    session: Session, actor: Actor, incident_id: UUID, command: DefineMeasure, version: int, now: datetime
) -> Defined:
    """Choose by what the current cycle is measured; `version` is the number of the definition seen, 0 for none.

    Once the actions are open a change needs a reason, and has no baseline unless one is named with it: until then
    nothing is judged by it. Raises 404, 409 when the cycle is settled, 412 when somebody else changed it, 422.
    """
    incident = visible_incident(session, actor, incident_id)
    assert incident.location_id is not None
    assert incident.category is not None
    insert_new(
        session,
        Improvement,
        provider_id=incident.provider_id,
        incident_id=incident_id,
        cycle=incident.cycle,
        location_id=incident.location_id,
        region_id=incident.region_id,
        category=incident.category,
    )
    improvement = session.get_one(
        Improvement, (incident_id, incident.cycle), with_for_update=True, populate_existing=True
    )
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Reopen it first if something is still to measure.")
    latest = measure_of(session, incident_id, incident.cycle)
    check_version(0 if latest is None else latest.number, version)
    opened = improvement.opened_at
    if opened is not None and command.reason is None:
        raise invalid(
            "reason", "is needed: the actions are open and the measure is frozen", "Say why it must change now."
        )
    last_day = local_day(opened or now)
    if command.baseline_until is not None:
        assert command.baseline_first is not None
        if command.baseline_first >= command.baseline_until:
            raise invalid("baseline_until", "is not after baseline_first", "Name the day after the baseline's last.")
        if command.baseline_until > last_day:
            raise invalid(
                "baseline_until",
                f"is after {last_day}, when the change began",
                "A baseline ends before what it is compared with begins.",
            )
    direction = Direction.DECREASE
    if command.indicator_id is not None:
        indicator = visible_indicator(session, actor, command.indicator_id)
        direction = Direction(indicator.direction)
    defined = Defined(
        incident_id=incident_id,
        cycle=incident.cycle,
        number=1 if latest is None else latest.number + 1,
        provider_id=incident.provider_id,
        kind=command.kind,
        scope=command.scope,
        direction=direction,
        category=None if command.indicator_id else command.category or improvement.category,
        unit=None if command.indicator_id else command.unit or _unit(session, improvement),
        indicator_id=command.indicator_id,
        definition=command.definition,
        numerator=command.numerator,
        denominator=command.denominator,
        baseline_first=command.baseline_first,
        baseline_until=command.baseline_until,
        defined_by=actor.id,
        defined_at=now,
        reason=command.reason,
    )
    session.add(defined)
    _record(session, actor, improvement, defined, now, "measure_defined" if opened is None else "measure_changed")
    return defined


def freeze_measure(session: Session, actor: Actor, improvement: Improvement, now: datetime) -> None:
    """When the actions open: from here on nobody can choose the category, unit or baseline that suits the result."""
    rules = policy.shipped()
    defined = measure_of(session, improvement.incident_id, improvement.cycle)
    if defined is None:
        defined = Defined(
            incident_id=improvement.incident_id,
            cycle=improvement.cycle,
            number=1,
            provider_id=improvement.provider_id,
            kind=MeasureKind.INCIDENT_RATE,
            scope=Scope.PROVIDER,
            direction=Direction.DECREASE,
            category=improvement.category,
            unit=_unit(session, improvement),
            defined_at=now,
        )
        session.add(defined)
    if defined.baseline_first is None:
        baseline = baseline_before(now, rules.baseline_days, prompted_on(session, improvement))
        defined.baseline_first, defined.baseline_until = baseline.first, baseline.until
    improvement.unit = defined.unit or _unit(session, improvement)
    improvement.baseline_first, improvement.baseline_until = defined.baseline_first, defined.baseline_until
    improvement.policy_version = rules.version
    _record(session, actor, improvement, defined, now, "measure_frozen", policy_version=rules.version)


def prompted_on(session: Session, improvement: Improvement) -> date | None:
    """The day of the incident that prompted the cycle's actions. People act after a peak, and a peak passes by itself,
    so that its month is not compared with."""
    incident = session.get(Incident, improvement.incident_id)
    return None if incident is None or incident.occurred_at is None else local_day(incident.occurred_at)


def baseline_of(defined: Defined) -> Window | None:
    """The days before the change; None when it was defined anew and not based."""
    if defined.baseline_first is None or defined.baseline_until is None:
        return None
    return Window(defined.baseline_first, defined.baseline_until)


def _unit(session: Session, improvement: Improvement) -> ExposureUnit:
    return unit_of(session, improvement.location_id) or policy.shipped().default_unit


def _record(
    session: Session,
    actor: Actor,
    improvement: Improvement,
    defined: Defined,
    now: datetime,
    action: str,
    **more: str,
) -> None:
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=improvement.incident_id,
        actor=actor,
        action=action,
        subject=improvement.incident_id,
        at=now,
        data={
            "cycle": improvement.cycle,
            "number": defined.number,
            "kind": defined.kind,
            "scope": defined.scope,
            "direction": defined.direction,
            "category": defined.category,
            "unit": defined.unit,
            "indicator_id": defined.indicator_id,
            "baseline_first": defined.baseline_first,
            "baseline_until": defined.baseline_until,
            "reason_sha256": None if defined.reason is None else audit.digest(defined.reason),
            **more,
        },
    )
