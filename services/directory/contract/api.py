"""Contracts over HTTP."""

from datetime import date
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import select

from services.contracts.taxonomy import Category
from services.directory.commands import MANAGERS, QUALITY
from services.directory.contract import commands
from services.directory.contract.store import Contract
from services.directory.store import visible_location
from services.runtime import pagination
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["contracts"])


class ContractView(BaseModel):
    """What a contract asks for."""

    contract_id: UUID
    location_id: UUID
    commissioner: str
    categories: list[Category]
    hours: int
    starts_on: date
    ends_on: date | None
    version: int


def _view(contract: Contract) -> ContractView:
    return ContractView.model_validate({name: getattr(contract, name) for name in ContractView.model_fields})


@router.put(
    "/locations/{location_id}/contracts/{contract_id}", response_model=ContractView, summary="Record a contract"
)
def record_contract(
    location_id: UUID,
    contract_id: UUID,
    body: commands.RecordContract,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Of what a commissioner is to be told and within how many hours. Platform administrators, directors, quality leads."""
    require_role(actor, *QUALITY)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            contract = commands.record_contract(session, actor, location_id, contract_id, body, version, clock.now())
            return Reply(200, _view(contract), contract.version)

        return once(session, "directory", actor, key, fingerprint(f"contract:{contract_id}:{version}", body), run)


@router.get("/locations/{location_id}/contracts", summary="List contracts")
def list_contracts(
    location_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[ContractView]:
    """Those of a location, ended ones too. For managers and leads in whose scope it is."""
    require_role(actor, *MANAGERS)
    with transaction(database, actor.provider_id) as session:
        visible_location(session, actor, location_id)
        query = select(Contract).where(Contract.location_id == location_id).order_by(Contract.contract_id)
        after = pagination.decode(cursor)
        if after is not None:
            query = query.where(Contract.contract_id > after)
        rows = list(session.scalars(query.limit(limit + 1)))
        items = [_view(row) for row in rows[:limit]]
        return Page(items=items, next=pagination.encode(items[-1].contract_id) if len(rows) > limit else None)
