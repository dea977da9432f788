"""By what a cycle is measured: chosen before its first action is agreed, frozen then, and changed later only on record."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.history import SERVICE
from services.actions.impact.counting import unit_of
from services.actions.impact.domain import JUDGES, MeasureKind, Scope, Window, baseline_before, local_day
from services.actions.impact.store import Defined, Indicator, IndicatorDefinition, Strict, measure_of, visible_indicator
from services.actions.store import Improvement, Incident, visible_incident
from services.contracts.taxonomy import Category, ExposureUnit
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.text import LongText, ShortText
from services.spc.chart import Direction

MOST_BESIDE = 5
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
    beside: Annotated[list[UUID], Field(max_length=MOST_BESIDE)] | None = Field(
        default=None,
        description="Indicators to be seen with it at each checkpoint: what must not get worse meanwhile, outcomes for"
        " people. As they were if left out.",
    )
    reason: ShortText | None = Field(default=None, description="Needed once an action is agreed.")

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

    Once an action is agreed a change needs a reason and somebody who may decide on the effect (403). Once the actions
    are open it has no baseline unless one is named with it: until then nothing is judged by it. Raises 404, 409 when
    the cycle is settled, 412 when somebody else changed it, 422.
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
    frozen = improvement.frozen_at is not None
    if frozen and not actor.roles.intersection(JUDGES):
        raise forbidden(
            "An action is agreed, and by what its effect is measured is frozen. Ask a quality or safeguarding lead, a"
            " nominated individual or a director to change it."
        )
    if frozen and command.reason is None:
        raise invalid(
            "reason", "is needed: an action is agreed and the measure is frozen", "Say why it must change now."
        )
    if command.scope is Scope.REGION and improvement.region_id is None:
        raise invalid(
            "scope",
            "is a region, and the place of this case is in none",
            "Count at the location or the whole provider.",
        )
    last_day = local_day(improvement.opened_at or now)
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
    if command.beside is None:
        beside = [] if latest is None else latest.beside
    else:
        beside = _check_beside(session, actor, command.beside, command.indicator_id)
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
        beside=beside,
        defined_by=actor.id,
        defined_at=now,
        reason=command.reason,
    )
    session.add(defined)
    if improvement.frozen_at is not None:
        _put_in_words(session, defined)
        if improvement.opened_at is None and defined.baseline_first is None:
            # Nothing has begun, so that nobody can choose the days that suit the result.
            baseline = _baseline(session, improvement, improvement.frozen_at)
            defined.baseline_first, defined.baseline_until = baseline.first, baseline.until
    _record(session, actor, improvement, defined, now, "measure_changed" if frozen else "measure_defined")
    return defined


def _check_beside(session: Session, actor: Actor, beside: list[UUID], measured: UUID | None) -> list[UUID]:
    for place, indicator_id in enumerate(beside):
        if indicator_id == measured or indicator_id in beside[:place]:
            raise invalid(f"beside.{place}", "is the measure itself, or named twice", "Name each other series once.")
        visible_indicator(session, actor, indicator_id)
    return beside


def freeze_measure(session: Session, actor: Actor, improvement: Improvement, now: datetime) -> None:
    """When the first action is agreed, once: from here on nobody can choose what suits the result.

    With the words of it: of a rate what is counted over what, of an indicator its definition of now.
    """
    if improvement.frozen_at is not None:
        return
    rules = policy.of_cycle(session, improvement)
    improvement.frozen_at = now
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
        baseline = _baseline(session, improvement, now)
        defined.baseline_first, defined.baseline_until = baseline.first, baseline.until
    _put_in_words(session, defined)
    improvement.unit = defined.unit or _unit(session, improvement)
    improvement.baseline_first, improvement.baseline_until = defined.baseline_first, defined.baseline_until
    improvement.policy_version = rules.version
    _record(session, actor, improvement, defined, now, "measure_frozen", policy_version=rules.version)


def _baseline(session: Session, improvement: Improvement, at: datetime) -> Window:
    return baseline_before(at, policy.of_cycle(session, improvement).baseline_days, prompted_on(session, improvement))


_WHERE = {
    Scope.PROVIDER: "over the whole provider",
    Scope.REGION: "in the region of the case",
    Scope.LOCATION: "at the location of the case",
}


def _put_in_words(session: Session, defined: Defined) -> None:
    """Keep what is measured in words, where nobody chose any, so that a later change of them elsewhere changes nothing."""
    if defined.indicator_id is not None:
        indicator = session.get_one(Indicator, defined.indicator_id)
        meant = session.get_one(IndicatorDefinition, (indicator.indicator_id, indicator.definition))
        defined.indicator_definition = meant.number
        words = (meant.definition, meant.numerator, meant.denominator)
    else:
        assert defined.category is not None
        assert defined.unit is not None
        category, unit = (code.replace("_", " ") for code in (defined.category, defined.unit))
        words = (
            f"Incidents of the category {category} per 1,000 {unit}, {_WHERE[Scope(defined.scope)]}.",
            f"Incidents of the category {category}, without near misses and without what was withdrawn.",
            f"{unit.capitalize()} of the places and months that have a return.",
        )
    defined.definition = defined.definition or words[0]
    defined.numerator = defined.numerator or words[1]
    defined.denominator = defined.denominator or words[2]


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
    return unit_of(session, improvement.location_id) or policy.of_cycle(session, improvement).default_unit


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
            "indicator_definition": defined.indicator_definition,
            **{
                f"{name}_sha256": None if words is None else audit.digest(words)
                for name, words in (
                    ("definition", defined.definition),
                    ("numerator", defined.numerator),
                    ("denominator", defined.denominator),
                )
            },
            "baseline_first": defined.baseline_first,
            "baseline_until": defined.baseline_until,
            "beside": [str(one) for one in defined.beside or []],
            "reason_sha256": None if defined.reason is None else audit.digest(defined.reason),
            **more,
        },
    )
