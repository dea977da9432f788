"""What obligations answer, by query."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from services.contracts.taxonomy import ObligationOutcome, Stage
from services.intake.domain import variance_minutes
from services.intake.obligations import policy
from services.intake.obligations.commands import adults_behind
from services.intake.obligations.domain import Limit, Rule, assess
from services.intake.obligations.facts import all_facts, question
from services.intake.obligations.store import (
    Obligation,
    ObligationEntry,
    first_due,
    latest_facts,
    obligations_of,
    unsettled,
)
from services.intake.store import Incident
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.errors import invalid
from services.runtime.pagination import Page


class FindingView(BaseModel):
    """What one condition of a rule found."""

    fact: str
    test: str
    value: Any
    holds: bool | None = Field(description="null while the fact is not known.")


class QuestionView(BaseModel):
    """A fact that is still to be asked."""

    fact: str
    question: str


class ExplanationView(BaseModel):
    """Why a rule says what it says."""

    findings: list[FindingView]
    pointers: list[FindingView]
    ask: list[QuestionView]


class RuleView(BaseModel):
    """What the rule says. `provider_target` is the provider's own standard; `statutory_limit` is null unless the law
    states a number."""

    rule: str
    row: int
    title: str
    recipient: str
    recipient_name: str
    legal_basis: str
    statutory_wording: str
    statutory_limit: str | None
    provider_target: str | None
    proof: str
    notes: list[str]
    advice: bool


class HistoryView(BaseModel):
    """Something that happened to an obligation."""

    at: datetime
    actor: str
    actor_role: str
    what: str
    detail: dict[str, Any]
    note: str | None


class ObligationView(RuleView):
    """One obligation of an incident."""

    obligation_id: UUID
    incident_id: UUID
    person: str
    authority: str
    state: str
    outcome: ObligationOutcome
    must_decide: bool
    by_hand: bool
    explanation: ExplanationView
    policy_version: str
    facts_version: int
    round: int
    aware_at: datetime
    provider_warn_at: datetime | None
    warned_at: datetime | None
    provider_target_at: datetime | None
    statutory_due_at: datetime | None
    late_at: datetime | None
    required_at: datetime | None = Field(description="The earlier of the provider's target and the limit of the law.")
    done_at: datetime | None = Field(description="When it was sent, or decided not to be.")
    variance_minutes: int | None = Field(description="Minutes late; early with a minus. null while it is not done.")
    decision: str | None
    reason: str | None
    decided_by: UUID | None
    decided_role: str | None
    decided_at: datetime | None
    reference: str | None
    evidence: str | None
    submitted_at: datetime | None
    acknowledged_at: datetime | None
    acknowledgement: str | None
    adults: list[UUID] = Field(
        description="The adults of the safeguarding record whose decision and referral settle it."
    )
    version: int
    history: list[HistoryView]


class NotTriggeredView(RuleView):
    """A rule that asks for nothing, and why; or one that only advises."""

    outcome: ObligationOutcome
    kept_at: str | None = Field(description="Where it is kept, if not here.")
    explanation: ExplanationView


class ObligationsView(BaseModel):
    """All obligations of an incident, and the rules that ask for nothing."""

    policy_version: str
    facts_version: int
    obligations: list[ObligationView]
    others: list[NotTriggeredView]


class ObligationSummary(BaseModel):
    """An obligation in a list across incidents. No text that somebody typed."""

    obligation_id: UUID
    incident_id: UUID
    location_id: UUID
    rule: str
    title: str
    recipient: str
    recipient_name: str
    state: str
    due_at: datetime | None = Field(description="The earlier of the provider's target and the limit of the law.")
    statutory_due_at: datetime | None
    late: bool
    statutory_late: bool
    version: int


def across(
    session: Session, actor: Actor, now: datetime, *, unsent: bool, limit: int, cursor: str | None
) -> Page[ObligationSummary]:
    """Obligations of every incident that the actor sees, earliest due first: what is late stands at the top.

    `unsent` leaves out what was sent, decided against, or is not called for any more. What ended owes nothing.
    """
    query = (
        select(Obligation, Incident.location_id)
        .join(Incident, Incident.incident_id == Obligation.incident_id)
        .where(
            Obligation.provider_id == actor.provider_id,
            restriction.visible(
                "intake", actor, Incident.incident_id, in_scope=actor.scope(Incident.location_id, Incident.region_id)
            ),
        )
    )
    if unsent:
        ended_without = (Stage.WITHDRAWN, Stage.DUPLICATE)
        query = query.where(unsettled(), Incident.stage.not_in(ended_without))
    due = func.coalesce(first_due(), _NEVER)
    after = pagination.decode(cursor)
    if after is not None:
        last = session.get(Obligation, after)
        if last is None:
            raise invalid("cursor", "is not one of this service", "Send `next` as you received it, or leave it out.")
        dates = [date for date in (last.target_at, last.statutory_due_at) if date is not None]
        query = query.where(tuple_(due, Obligation.obligation_id) > (min(dates, default=_NEVER), after))
    rows = session.execute(query.order_by(due, Obligation.obligation_id).limit(limit + 1)).all()
    items = [_summary(row, location_id, now) for row, location_id in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].obligation_id) if len(rows) > limit else None)


_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Where what has no date stands in the order: last."""


def _summary(row: Obligation, location_id: UUID, now: datetime) -> ObligationSummary:
    rule = policy.shipped().rules[row.rule]
    due_at = min((at for at in (row.target_at, row.statutory_due_at) if at is not None), default=None)
    open_still = not row.settled
    return ObligationSummary(
        obligation_id=row.obligation_id,
        incident_id=row.incident_id,
        location_id=location_id,
        rule=row.rule,
        title=rule.title,
        recipient=rule.recipient,
        recipient_name=rule.recipient_name,
        state=row.state,
        due_at=due_at,
        statutory_due_at=row.statutory_due_at,
        late=open_still and due_at is not None and due_at <= now,
        statutory_late=open_still and row.statutory_due_at is not None and row.statutory_due_at <= now,
        version=row.version,
    )


def explanation(kept: dict[str, Any]) -> ExplanationView:
    """What was kept of an assessment, with the questions in words."""
    return ExplanationView(
        findings=[FindingView.model_validate(f) for f in kept.get("findings", [])],
        pointers=[FindingView.model_validate(f) for f in kept.get("pointers", [])],
        ask=[QuestionView(fact=fact, question=question(fact)) for fact in kept.get("missing", [])],
    )


def _length(limit: Limit | None) -> str | None:
    if limit is None:
        return None
    if limit.days == 0:
        return "the end of the same day"
    length = f"{limit.days} days" if limit.days is not None else f"{limit.hours:g} hours"
    start = {"aware": "becoming aware", "accident": "the accident, whose day does not count"}
    return f"{length} from {start.get(limit.runs_from, limit.runs_from.replace('_', ' '))}"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "row": rule.row,
        "title": rule.title,
        "recipient": rule.recipient,
        "recipient_name": rule.recipient_name,
        "legal_basis": rule.legal_basis,
        "statutory_wording": rule.statutory_wording,
        "statutory_limit": _length(rule.statutory),
        "provider_target": None if rule.target is None else f"{_length(rule.target)} (our own target)",
        "proof": rule.proof,
        "notes": list(rule.notes),
        "advice": rule.advice,
    }


def view(session: Session, row: Obligation) -> ObligationView:
    """One obligation with its history."""
    entries = session.scalars(
        select(ObligationEntry)
        .where(ObligationEntry.obligation_id == row.obligation_id)
        .order_by(ObligationEntry.entry_id)
    )
    own = {
        name: getattr(row, name)
        for name in ObligationView.model_fields
        if name not in ("explanation", "history") and hasattr(row, name)
    }
    required_at = min((at for at in (row.target_at, row.statutory_due_at) if at is not None), default=None)
    done_at = row.decided_at if row.decision == "not_notify" else row.submitted_at
    return ObligationView.model_validate(
        {
            **own,
            "adults": [adult.adult_id for adult in adults_behind(session, row)],
            "required_at": required_at,
            "done_at": done_at,
            "variance_minutes": variance_minutes(required_at, done_at),
            **_rule(policy.shipped().rules[row.rule]),
            "explanation": explanation(row.explanation),
            "provider_warn_at": row.warn_at,
            "provider_target_at": row.target_at,
            "history": [
                HistoryView(at=e.at, actor=e.actor, actor_role=e.actor_role, what=e.what, detail=e.detail, note=e.note)
                for e in entries
            ],
        }
    )


def obligations(session: Session, incident: Incident) -> ObligationsView:
    """What is kept, and what every other rule says by the facts known now."""
    rules = policy.shipped()
    version, answers = latest_facts(session, incident.incident_id)
    facts = all_facts(session, incident, answers)
    rows = obligations_of(session, incident.incident_id)
    kept = {row.rule for row in rows}
    others = []
    for rule in rules.rules.values():
        if rule.id not in kept:
            found = assess(rule, facts)
            others.append(
                NotTriggeredView.model_validate(
                    {
                        **_rule(rule),
                        "outcome": found.outcome,
                        "kept_at": f"/incidents/{incident.incident_id}/candour" if rule.kept_by == "candour" else None,
                        "explanation": explanation(found.explained()),
                    }
                )
            )
    return ObligationsView(
        policy_version=rules.version,
        facts_version=version,
        obligations=[view(session, row) for row in rows],
        others=others,
    )
