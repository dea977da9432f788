"""Verify what is said to be done, and look again later at what was verified."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions import policy
from services.actions.commands import complete_cycles, remind_at, wrong_status
from services.actions.domain import (
    ActionStatus,
    ImprovementPolicy,
    VerificationMethod,
    sources,
)
from services.actions.history import record
from services.actions.impact.commands import drop_checkpoints
from services.actions.impact.domain import local_day
from services.actions.sampling.commands import counted
from services.actions.store import (
    Action,
    Evidence,
    Improvement,
    Incident,
    Verification,
    visible_action,
)
from services.actions.verification.independence import check_independent
from services.actions.verification.store import Recheck, rechecks
from services.contracts import activities
from services.contracts.actions import (
    ActionRecheckAsked,
    ActionRechecked,
    ActionReturned,
    ActionVerified,
    PlannedRecheck,
)
from services.contracts.taxonomy import Band, Shift, VerificationOutcome
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.calendar import LONDON, add_working_days
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

FURTHEST_CHECK = timedelta(days=400)


class VerifyAction(BaseModel):
    """What somebody other than the owner found in practice."""

    model_config = ConfigDict(extra="forbid")

    outcome: VerificationOutcome = Field(
        description="Passed; partly: good enough for now, with what remains and when it is looked at again; or returned."
    )
    method: VerificationMethod
    draw_id: UUID | None = Field(default=None, description="The sample that the system drew: the counts come from it.")
    not_drawn_reason: ShortText | None = Field(
        default=None,
        description="Why the sample was not drawn by the system; needed of a spot check, and where the risk is high.",
    )
    sample_size: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="How many were looked at or asked. Left out with a draw."
    )
    compliant: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        default=None, description="How many of them were as they should be. Left out with a draw."
    )
    finding: LongText | None = Field(
        default=None,
        description="What was found. Needed unless it passed and all of the sample were as they should be.",
    )
    shifts: Annotated[list[Shift], Field(max_length=3)] = Field(
        default_factory=list,
        description="The shifts on which it was seen. The policy says on how many it must be, to be passed.",
    )
    missing: LongText | None = Field(default=None, description="What is missing, when it is returned.")
    redo_working_days: Annotated[int, Field(ge=1, le=60)] | None = Field(
        default=None, description="When stronger proof is due, when it is returned; the policy's days if left out."
    )
    remaining_risk: LongText | None = Field(default=None, description="What remains. Needed when it passed partly.")
    next_check_on: date | None = Field(
        default=None,
        description="When it is looked at again, where the verifier wants it. Needed when it passed partly.",
    )


def verify_action(
    session: Session, actor: Actor, action_id: UUID, command: VerifyAction, version: int, now: datetime
) -> Action:
    """Somebody independent looked in practice: passed, passed partly, or returned to the owner with a new clock.

    The owner, whoever said that it is done, and whoever answers to either may not (403). The last passed one of a
    cycle plans the checkpoints.
    """
    action = visible_action(session, actor, action_id, lock=True)
    check_independent(session, actor, action)
    check_version(action.version, version)
    if action.status != ActionStatus.DONE:
        raise wrong_status(action, "Only an action that its owner says is done can be verified")
    found = _keep(session, actor, action, command, None, now)
    action.verify_due_at = None
    action.version += 1
    if command.outcome is VerificationOutcome.RETURNED:
        _return(session, actor, action, command, found, now)
    else:
        _pass(session, actor, action, command, found, now)
    return action


def check_again(
    session: Session, actor: Actor, action_id: UUID, command: VerifyAction, version: int, now: datetime
) -> Action:
    """A verified action that was asked for again was looked at: it holds, partly, or not.

    What does not hold any more needs another cycle of the incident; what was to be measured of this one is dropped.
    """
    action = visible_action(session, actor, action_id, lock=True)
    check_independent(session, actor, action)
    check_version(action.version, version)
    planned = rechecks(session, action_id)
    recheck = planned[-1] if planned else None
    if recheck is None or recheck.asked_at is None or recheck.answered_at is not None:
        raise conflict(
            "not-asked", "Nobody has asked to look at this again", "`rechecks` of the action says when it is to be."
        )
    if session.get_one(Incident, action.incident_id).cycle > action.cycle:
        raise conflict(
            "new-cycle", "The incident is in another cycle", "What counts now are the actions of that cycle."
        )
    found = _keep(session, actor, action, command, recheck, now)
    recheck.answered_at = now
    action.version += 1
    holds = command.outcome is not VerificationOutcome.RETURNED
    following = _plan_recheck(session, action, _next_check(command)) if holds else None
    if not holds:
        drop_checkpoints(session, action.incident_id)
    record(
        session,
        actor,
        action,
        now,
        "checked_again",
        ActionRechecked(
            incident_id=action.incident_id,
            action_id=action_id,
            cycle=action.cycle,
            recheck_id=recheck.recheck_id,
            holds=holds,
            following=following,
        ),
        **found,
        recheck_id=recheck.recheck_id,
        holds=holds,
    )
    return action


def ask_recheck(
    session: Session, command: activities.AskRecheck, now: datetime, actor: Actor
) -> activities.RecheckAsked:
    """The time has come to look again. Asked for once; again it answers the same."""
    recheck = session.get_one(Recheck, command.recheck_id)
    action = visible_action(session, actor, recheck.action_id, lock=True)
    session.refresh(recheck)
    if recheck.answer_due_at is None:
        recheck.asked_at, recheck.answer_due_at = now, now + _rules(session, action).verify
        action.version += 1
        event = ActionRecheckAsked(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            recheck_id=recheck.recheck_id,
            answer_due_at=recheck.answer_due_at,
        )
        record(session, actor, action, now, "recheck_asked", event, recheck_id=recheck.recheck_id)
    return activities.RecheckAsked(answer_due_at=recheck.answer_due_at)


def _keep(
    session: Session, actor: Actor, action: Action, command: VerifyAction, recheck: Recheck | None, now: datetime
) -> dict[str, Any]:
    """Check what was found, keep it, and answer what the audit keeps of it."""
    size, compliant = _counts(session, action, command)
    _check_findings(command, size, compliant, now)
    if command.outcome is not VerificationOutcome.RETURNED:
        _check_sources(session, action, command)
    if command.outcome is VerificationOutcome.PASSED:
        _check_shifts(session, action, command)
    typed = {name: getattr(command, name) for name in ("finding", "missing", "remaining_risk", "not_drawn_reason")}
    session.add(
        Verification(
            verification_id=new_id(),
            provider_id=actor.provider_id,
            action_id=action.action_id,
            attempt=action.attempt,
            outcome=command.outcome,
            method=command.method,
            sample_size=size,
            compliant=compliant,
            draw_id=command.draw_id,
            shifts=sorted(set(command.shifts)),
            next_check_on=command.next_check_on,
            recheck_id=None if recheck is None else recheck.recheck_id,
            verified_by=actor.id,
            verified_at=now,
            **typed,
        )
    )
    return {
        "attempt": action.attempt,
        "method": command.method,
        "sample_size": size,
        "compliant": compliant,
        "draw_id": command.draw_id,
        "shifts": sorted(set(command.shifts)),
        "next_check_on": command.next_check_on,
        **{f"{name}_sha256": None if said is None else audit.digest(said) for name, said in typed.items()},
    }


def _counts(session: Session, action: Action, command: VerifyAction) -> tuple[int, int]:
    """Of the sample that was drawn; else as the verifier counted, where that is allowed."""
    if command.draw_id is not None:
        if command.sample_size is not None or command.compliant is not None:
            raise invalid("sample_size", "comes from the draw", "Leave out sample_size and compliant with a draw_id.")
        return counted(session, action, command.draw_id)
    if command.sample_size is None or command.compliant is None:
        missing = "sample_size" if command.sample_size is None else "compliant"
        raise invalid(missing, "is needed without a draw", "Give the counts, or have a sample drawn first.")
    if command.compliant > command.sample_size:
        raise invalid("compliant", "is more than the sample", "Give how many of the sample were as they should be.")
    needed = command.method is VerificationMethod.SPOT_CHECK
    if command.not_drawn_reason is None and (needed or _band(session, action) in _rules(session, action).draws_needed):
        raise invalid(
            "draw_id",
            "is needed of a spot check, and where the risk is high: nobody should pick what suits the result",
            "Have a sample drawn at POST /actions/{action_id}/draws, or say in not_drawn_reason why that cannot be.",
        )
    return command.sample_size, command.compliant


def _check_findings(command: VerifyAction, size: int, compliant: int, now: datetime) -> None:
    passed = command.outcome is VerificationOutcome.PASSED
    if command.outcome is not VerificationOutcome.RETURNED and compliant == 0:
        raise invalid(
            "outcome", "cannot be passed: none of the sample was as it should be", "Return it, or correct the counts."
        )
    if command.finding is None and not (passed and compliant == size):
        raise invalid(
            "finding",
            "is needed: not all was as it should be",
            "Say what you found, and why it is good enough or what is missing.",
        )
    if command.outcome is VerificationOutcome.PARTLY:
        if command.remaining_risk is None:
            raise invalid("remaining_risk", "is needed: it passed only partly", "Say what remains.")
        if command.next_check_on is None:
            raise invalid("next_check_on", "is needed: it passed only partly", "Say when it is looked at again.")
    if command.next_check_on is not None:
        ahead = command.next_check_on - local_day(now)
        if not timedelta(0) < ahead <= FURTHEST_CHECK:
            raise invalid("next_check_on", "is not within the next 400 days", "Give a day after today.")
    if command.outcome is VerificationOutcome.RETURNED:
        if command.next_check_on is not None:
            raise invalid("next_check_on", "is for what passed", "Give redo_working_days, or leave it out.")
    elif command.missing is not None or command.redo_working_days is not None:
        raise invalid("missing", "is for what is returned", "Return it, or say what remains in remaining_risk.")


def _check_sources(session: Session, action: Action, command: VerifyAction) -> None:
    if _band(session, action) not in _rules(session, action).sources_needed:
        return
    kinds = session.scalars(
        select(Evidence.kind).where(Evidence.action_id == action.action_id, Evidence.attempt <= action.attempt)
    )
    if len(sources(kinds, command.method)) < 2:
        raise invalid(
            "method",
            "rests on the same single source as the evidence, and the risk is high",
            "Look in another way too, for example observe or ask people, or have evidence of another kind added.",
        )


def _check_shifts(session: Session, action: Action, command: VerifyAction) -> None:
    """What works by day may not at night. Seen on too few shifts it passes partly, with what remains to be seen.

    A shift that is called mixed does not say which it was.
    """
    band = _band(session, action)
    needed = 0 if band is None else _rules(session, action).shifts_needed.get(band, 0)
    if len({*command.shifts} - {Shift.MIXED}) < needed:
        raise invalid(
            "shifts",
            f"are fewer than the {needed} on which the policy wants it seen, for a risk of this band",
            "Look on another shift too; or let it pass partly, and say what remains and when it is looked at again.",
        )


def _rules(session: Session, action: Action) -> ImprovementPolicy:
    return policy.of_action(session, action.incident_id, action.cycle)


def _band(session: Session, action: Action) -> Band | None:
    band = session.get_one(Improvement, (action.incident_id, action.cycle)).band
    return None if band is None else Band(band)


def _next_check(command: VerifyAction) -> datetime | None:
    """Nine in the morning of the day that the verifier names."""
    if command.next_check_on is None:
        return None
    return datetime.combine(command.next_check_on, time(9), LONDON)


def _plan_recheck(session: Session, action: Action, due_at: datetime | None) -> PlannedRecheck | None:
    if due_at is None:
        return None
    recheck = Recheck(
        recheck_id=new_id(),
        provider_id=action.provider_id,
        action_id=action.action_id,
        incident_id=action.incident_id,
        cycle=action.cycle,
        number=len(rechecks(session, action.action_id)) + 1,
        due_at=due_at,
    )
    session.add(recheck)
    session.flush()
    return PlannedRecheck(recheck_id=recheck.recheck_id, due_at=due_at)


def _pass(
    session: Session, actor: Actor, action: Action, command: VerifyAction, found: dict[str, Any], now: datetime
) -> None:
    action.status, action.verified_at = ActionStatus.VERIFIED, now
    completed = complete_cycles(session, action, now)
    complete, checkpoints = completed[action.incident_id, action.cycle]
    category = session.get_one(Improvement, (action.incident_id, action.cycle)).category
    after = _rules(session, action).recheck(_band(session, action), category)
    recheck = _plan_recheck(session, action, _next_check(command) or (None if after is None else now + after))
    record(
        session,
        actor,
        action,
        now,
        "verified",
        ActionVerified(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            attempt=action.attempt,
            cycle_complete=complete,
            checkpoints=checkpoints,
            partly=command.outcome is VerificationOutcome.PARTLY,
            recheck=recheck,
        ),
        completed,
        **found,
        outcome=command.outcome,
        cycle_complete=complete,
        checkpoints=[planned.due_at for planned in checkpoints],
        recheck_at=None if recheck is None else recheck.due_at,
    )


def _return(
    session: Session, actor: Actor, action: Action, command: VerifyAction, found: dict[str, Any], now: datetime
) -> None:
    action.status = ActionStatus.OPEN
    days = command.redo_working_days or _rules(session, action).redo_working_days
    due_at = action.due_at = add_working_days(now, days)
    action.remind_at = remind_at(session, action, now)
    record(
        session,
        actor,
        action,
        now,
        "returned",
        ActionReturned(
            incident_id=action.incident_id,
            action_id=action.action_id,
            cycle=action.cycle,
            attempt=action.attempt,
            due_at=due_at,
            remind_at=action.remind_at,
        ),
        **found,
        due_at=due_at,
    )
