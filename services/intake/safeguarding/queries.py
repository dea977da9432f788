"""What safeguarding answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import AbuseType, AuthorityDecision, EnquiryOutcome
from services.intake import policy
from services.intake.obligations.commands import adults_behind
from services.intake.obligations.facts import people_of
from services.intake.obligations.store import latest_facts, obligations_of
from services.intake.safeguarding.commands import Wish
from services.intake.safeguarding.domain import Consent, Decision, still_open
from services.intake.safeguarding.store import Safeguarding, adults_of, referrals_of
from services.runtime.errors import not_found


class ProcedureView(BaseModel):
    """What a local authority's own procedure says, by the provider's safeguarding policy of now."""

    authority: str
    who_decides: str | None
    threshold: str | None
    refer_within_hours: float | None
    answer_hours: float | None
    answer_working_days: int | None
    published_in: str | None


class ReferralView(BaseModel):
    """A referral to an authority and what came of it. `answer_due_at` is when the provider asks, not a legal limit."""

    referral_id: UUID
    authority: str
    reference: str
    referred_at: datetime
    recorded_by: UUID
    answer_due_at: datetime
    authority_decision: AuthorityDecision | None
    authority_reason: str | None
    authority_decided_at: datetime | None
    enquiry_outcome: EnquiryOutcome | None
    enquiry_summary: str | None
    enquiry_concluded_at: datetime | None


class EarlierDecision(BaseModel):
    """A decision that was changed."""

    decision: Decision
    decision_reason: str | None
    decided_by: UUID
    decided_at: datetime


class AdultView(BaseModel):
    """An adult at risk. `refer_due_at` is the provider's own target; the law says no hours."""

    adult_id: UUID
    person_ref: UUID | None
    consent: Consent
    override_reason: str | None
    capacity_note: str | None
    advocate_offered: bool | None
    wishes: list[Wish]
    refer_due_at: datetime
    warned_at: datetime | None
    decision: Decision | None
    decision_reason: str | None
    decided_by: UUID | None
    decided_at: datetime | None
    earlier_decisions: list[EarlierDecision]
    referrals: list[ReferralView]
    obligations: list[UUID] = Field(
        description="The obligations to tell the authority that this decision and referral settle."
    )


class SafeguardingView(BaseModel):
    """The safeguarding record of an incident. `still_open` says in plain words what is not recorded yet."""

    incident_id: UUID
    abuse_types: list[AbuseType]
    immediate_safety_secured: bool | None
    safety_measures: str | None
    policy_version: str
    opened_at: datetime
    version: int
    adults: list[AdultView]
    still_open: list[str]
    procedures: list[ProcedureView] = Field(
        description="The procedures of the authorities that the facts and referrals name, as far as the policy has them."
    )


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def view(session: Session, incident_id: UUID) -> SafeguardingView:
    """The record, its adults and their referrals. 404 without one."""
    record = session.get(Safeguarding, incident_id)
    if record is None:
        raise not_found("safeguarding record")
    adults, referrals = adults_of(session, incident_id), referrals_of(session, incident_id)
    settled = [
        (row, {adult.adult_id for adult in adults_behind(session, row)}) for row in obligations_of(session, incident_id)
    ]
    shown = [
        {
            **_columns(AdultView, adult),
            "obligations": [row.obligation_id for row, adult_ids in settled if adult.adult_id in adult_ids],
            "referrals": [_columns(ReferralView, row) for row in referrals if row.adult_id == adult.adult_id],
        }
        for adult in adults
    ]
    missing = still_open(
        safety_recorded=record.immediate_safety_secured is True,
        adults=[
            (
                None if adult.decision is None else Decision(adult.decision),
                any(row.adult_id == adult.adult_id for row in referrals),
                bool(adult.wishes) and all(wish.get("met") for wish in adult.wishes),
            )
            for adult in adults
        ],
        referrals=[
            (
                row.authority_decision is not None,
                row.authority_decision == AuthorityDecision.ENQUIRY,
                row.enquiry_outcome is not None,
            )
            for row in referrals
        ],
    )
    _, answers = latest_facts(session, incident_id)
    named = [*(row.authority for row in referrals), *(authority for _, authority in people_of(answers))]
    rules = policy.safeguarding(session, record.provider_id)
    known = dict(found for authority in named if (found := rules.procedure(authority)) is not None)
    procedures = [{"authority": name, **procedure.model_dump()} for name, procedure in known.items()]
    return SafeguardingView.model_validate(
        {**_columns(SafeguardingView, record), "adults": shown, "still_open": missing, "procedures": procedures}
    )
