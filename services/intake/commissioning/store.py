"""Contracts as intake knows them, and which counts for an incident."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.contracts.taxonomy import Kind
from services.intake.obligations.domain import day_in_london
from services.intake.store import Incident, Table


class Contract(Table):
    """What intake knows of a contract, from directory's events."""

    __tablename__ = "contract"

    contract_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    location_id: Mapped[UUID]
    commissioner: Mapped[str]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    hours: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    revision: Mapped[int]


def record_contract(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a contract that directory told of."""
    statement = insert(Contract).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Contract.contract_id],
            set_={name: value for name, value in values.items() if name != "contract_id"},
            where=Contract.revision < values["revision"],
        )
    )


def contracts_asking(session: Session, incident: Incident, commissioners: Collection[str]) -> dict[str, int]:
    """Which commissioners' contracts for the place ask to be told of this type, each within how many hours.

    `commissioners` are the authorities of those whom it happened to: then only their contracts count. None named: all.
    Of several contracts of one commissioner the shortest time counts.
    """
    if incident.kind == Kind.GOOD_CARE:
        return {}
    day = day_in_london(incident.occurred_at)
    query = select(Contract.commissioner, func.min(Contract.hours)).where(
        Contract.location_id == incident.location_id,
        literal(incident.category) == any_(Contract.categories),
        Contract.starts_on <= day,
        or_(Contract.ends_on.is_(None), Contract.ends_on >= day),
    )
    if commissioners:
        query = query.where(Contract.commissioner.in_(commissioners))
    found = session.execute(query.group_by(Contract.commissioner).order_by(Contract.commissioner))
    return {row[0]: row[1] for row in found}
