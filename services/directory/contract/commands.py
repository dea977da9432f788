"""Record what a commissioner's contract asks for."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from services.contracts.directory import ContractRecorded
from services.contracts.taxonomy import Category
from services.directory.commands import SERVICE, Strict
from services.directory.contract.store import Contract
from services.directory.store import visible_location
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version


class RecordContract(Strict):
    """Of what the commissioner is to be told, and within how many hours. The last day ends it."""

    commissioner: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$")] = Field(
        description="Code of the council or integrated care board, such as E08000035."
    )
    categories: Annotated[list[Category], Field(min_length=1)] = Field(description="The types it asks to be told of.")
    hours: int = Field(ge=1, le=10_000, description="Within how many hours of becoming aware.")
    starts_on: date
    ends_on: date | None = Field(default=None, description="Its last day.")


def record_contract(
    session: Session,
    actor: Actor,
    location_id: UUID,
    contract_id: UUID,
    command: RecordContract,
    version: int | None,
    now: datetime,
) -> Contract:
    """Keep a contract under an id of the caller's choice, or change the one there is, for which `version` is needed."""
    location = visible_location(session, actor, location_id, lock=True)
    if command.ends_on is not None and command.ends_on < command.starts_on:
        raise invalid("ends_on", "is before starts_on", "Give the last day of the contract.")
    values = {**command.model_dump(), "categories": sorted({str(one) for one in command.categories})}
    contract = session.get(Contract, contract_id, with_for_update=True)
    if contract is None:
        made = {"provider_id": location.provider_id, "location_id": location_id, **values, "version": 1}
        if not insert_new(session, Contract, contract_id=contract_id, **made):
            raise conflict("id-taken", "This id is taken", "Send the contract again under a new random id.")
        contract = session.get_one(Contract, contract_id)
    else:
        if contract.location_id != location_id:
            raise conflict("id-taken", "This id is taken", "Send the contract again under a new random id.")
        check_version(contract.version, version)
        for name, value in values.items():
            setattr(contract, name, value)
        contract.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=location_id, actor=actor, action="contract_recorded", subject=contract_id, at=now,
        data={**values, "version": contract.version},
    )  # fmt: skip
    event = ContractRecorded(
        contract_id=contract_id, location_id=location_id, revision=contract.version, **command.model_dump()
    )
    row = outbox.event_row(event, actor=actor, subject=contract_id, version=contract.version, at=now)
    outbox.record(session, SERVICE, row)
    return contract
