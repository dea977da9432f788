"""Rates over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from services.reporting.api import READERS, AsOf
from services.reporting.rates import queries
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction

router = APIRouter(tags=["rates"])


@router.get("/rates", summary="Read rates with their control charts")
def read_rates(
    actor: Caller,
    database: Database,
    clock: Time,
    location_id: UUID | None = None,
    region_id: UUID | None = None,
    as_of: AsOf = None,
) -> queries.Rates:
    """Incidents of each whole month for 1,000 bed days or care hours, of all types together and of each type.

    Of a service, a region, or all in the caller's scope. With `as_of`, the months that were over then and what was
    reported by then. 422 for a time to come.
    """
    require_role(actor, *READERS)
    with transaction(database, actor.provider_id) as session:
        return queries.rates(session, actor, clock.now(), as_of, location_id=location_id, region_id=region_id)
