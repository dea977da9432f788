"""Record that somebody is away, with who covers."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Session

from services.contracts.directory import AbsenceRecorded
from services.directory.absence.store import Absence
from services.directory.commands import SERVICE, Strict
from services.directory.store import Person, visible_person
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant

LONGEST = timedelta(days=400)


class RecordAbsence(Strict):
    """From when until when somebody is away, and who covers. An end that is moved to the past ends it."""

    starts_at: Instant
    ends_at: Instant
    cover_id: UUID = Field(description="Who answers for what is theirs meanwhile.")


def record_absence(
    session: Session,
    actor: Actor,
    person_id: UUID,
    absence_id: UUID,
    command: RecordAbsence,
    version: int | None,
    now: datetime,
) -> Absence:
    """Keep an absence under an id of the caller's choice, or change the one there is, for which `version` is needed."""
    person = visible_person(session, actor, person_id)
    if command.ends_at <= command.starts_at:
        raise invalid("ends_at", "is not after starts_at", "Give the first moment at which they are back.")
    if command.ends_at - command.starts_at > LONGEST:
        raise invalid("ends_at", f"makes an absence of more than {LONGEST.days} days", "Check the year, or hand over.")
    cover = session.get(Person, command.cover_id)
    if cover is None or not cover.active or cover.person_id == person_id:
        raise invalid("cover_id", "is not another active person of your provider", "Choose one from GET /people.")
    absence = session.get(Absence, absence_id, with_for_update=True)
    if absence is None:
        values = {"provider_id": person.provider_id, "person_id": person_id, **command.model_dump(), "version": 1}
        if not insert_new(session, Absence, absence_id=absence_id, **values):
            raise conflict("id-taken", "This id is taken", "Send the absence again under a new random id.")
        absence = session.get_one(Absence, absence_id)
    else:
        if absence.person_id != person_id:
            raise conflict("id-taken", "This id is taken", "Send the absence again under a new random id.")
        check_version(absence.version, version)
        for name, value in command.model_dump().items():
            setattr(absence, name, value)
        absence.version += 1
    session.flush()
    event = AbsenceRecorded(
        absence_id=absence_id, person_id=person_id, revision=absence.version, **command.model_dump()
    )
    audit.append(
        session,
        SERVICE,
        chain=person_id,
        actor=actor,
        action="absence_recorded",
        subject=absence_id,
        at=now,
        data={**command.model_dump(), "version": absence.version},
    )
    row = outbox.event_row(event, actor=actor, subject=person_id, version=absence.version, at=now)
    outbox.record(session, SERVICE, row)
    return absence
