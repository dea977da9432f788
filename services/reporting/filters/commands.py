"""Keep a filter."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.reporting.filters.store import SavedFilter
from services.reporting.queries import Wanted
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid, not_found
from services.runtime.idempotency import check_version
from services.runtime.text import ShortText

SERVICE = "reporting"
MOST = 100
"""Filters that one person keeps at a time."""

_WANTED = TypeAdapter(Wanted)


class RecordFilter(BaseModel):
    """A name, and what is wanted by it. `archived` takes it out of the list."""

    model_config = ConfigDict(extra="forbid")

    name: ShortText = Field(description="For yourself. No names of people.")
    wanted: Wanted
    archived: bool = False


def record_filter(
    session: Session, actor: Actor, filter_id: UUID, command: RecordFilter, version: int | None, now: datetime
) -> SavedFilter:
    """Keep a filter under an id of the caller's choice, or change the caller's own, for which `version` is needed."""
    wanted: dict[str, Any] = _WANTED.dump_python(command.wanted, mode="json", exclude_none=True)
    kept = session.get(SavedFilter, filter_id, with_for_update=True)
    if kept is None:
        mine = SavedFilter.person_id == actor.id, SavedFilter.archived.is_(False)
        if (session.scalar(select(func.count()).select_from(SavedFilter).where(*mine)) or 0) >= MOST:
            raise invalid("filter_id", f"would be more than {MOST} filters", "Archive one that you do not use.")
        made = {
            "provider_id": actor.provider_id, "person_id": actor.id, "name": command.name, "wanted": wanted,
            "archived": command.archived, "version": 1,
        }  # fmt: skip
        if not insert_new(session, SavedFilter, filter_id=filter_id, **made):
            raise conflict("id-taken", "This id is taken", "Send the filter again under a new random id.")
        kept = session.get_one(SavedFilter, filter_id)
    else:
        if kept.person_id != actor.id:
            raise not_found("filter")
        check_version(kept.version, version)
        kept.name, kept.wanted, kept.archived = command.name, wanted, command.archived
        kept.version += 1
    session.flush()
    audit.append(
        session, SERVICE, chain=filter_id, actor=actor, action="filter_recorded", subject=filter_id, at=now,
        data={"wanted": wanted, "archived": kept.archived, "version": kept.version},
    )  # fmt: skip
    return kept
