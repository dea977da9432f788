"""The tables of safeguarding."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.intake.store import Table


class Safeguarding(Table):
    """The safeguarding record of an incident. `version` counts every change of it and of its parts."""

    __tablename__ = "safeguarding"

    incident_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    abuse_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    immediate_safety_secured: Mapped[bool | None]
    safety_measures: Mapped[str | None]
    policy_version: Mapped[str]
    opened_at: Mapped[datetime]
    version: Mapped[int]


class SafeguardingAdult(Table):
    """An adult at risk: consent, wishes, and the decision to refer or not. Without `person_ref` nobody is named yet.

    `round_id` stands for the time that a decision is asked for; the decisions of earlier times are kept.
    """

    __tablename__ = "safeguarding_adult"

    adult_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    person_ref: Mapped[UUID | None]
    consent: Mapped[str]
    override_reason: Mapped[str | None]
    capacity_note: Mapped[str | None]
    advocate_offered: Mapped[bool | None]
    wishes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    refer_due_at: Mapped[datetime]
    warned_at: Mapped[datetime | None]
    round_id: Mapped[UUID]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    earlier_decisions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class SafeguardingReferral(Table):
    """A referral of one adult to one authority (one for each, whoever else refers), and what came of it."""

    __tablename__ = "safeguarding_referral"

    referral_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    incident_id: Mapped[UUID]
    adult_id: Mapped[UUID]
    authority: Mapped[str]
    reference: Mapped[str]
    referred_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    answer_due_at: Mapped[datetime]
    authority_decision: Mapped[str | None]
    authority_reason: Mapped[str | None]
    authority_decided_at: Mapped[datetime | None]
    enquiry_outcome: Mapped[str | None]
    enquiry_summary: Mapped[str | None]
    enquiry_concluded_at: Mapped[datetime | None]


def adults_of(session: Session, incident_id: UUID) -> Sequence[SafeguardingAdult]:
    """The adults at risk, in the order in which they were recorded."""
    return session.scalars(
        select(SafeguardingAdult)
        .where(SafeguardingAdult.incident_id == incident_id)
        .order_by(SafeguardingAdult.adult_id)
    ).all()


def referrals_of(session: Session, incident_id: UUID) -> Sequence[SafeguardingReferral]:
    """The referrals of all adults, in the order in which they were recorded."""
    return session.scalars(
        select(SafeguardingReferral)
        .where(SafeguardingReferral.incident_id == incident_id)
        .order_by(SafeguardingReferral.referral_id)
    ).all()
