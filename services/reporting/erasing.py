"""Erasing what reporting holds of an incident, once intake has decided that its time has come: what was asked and answered
about it, what stands for the people it happened to, and the packs that it has a page in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from services.contracts.intake import IncidentDescribed
from services.contracts.taxonomy import RecordKind
from services.reporting.packs.commands import State
from services.reporting.packs.store import Pack
from services.runtime import erasure
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "reporting"
_OF = "incident_id = :record"
_OF_ITEM = "item_id in (select item_id from reporting.governance_item where incident_id = :record)"
_OF_PACK = "incident_ids @> array[cast(:record as uuid)] or subject_id = :record"
_OF_GRANT = f"record_id in (select record_id from reporting.pack where {_OF_PACK})"

_OF_INCIDENT = (
    Part("action", ("wording",), _OF),
    Part("governance_answer", ("said", "reason"), _OF_ITEM),
    Part("governance_item", ("question", "said"), _OF),
    Part("pack", ("title",), _OF_PACK),
    Part("pack_grant", ("recipient", "purpose"), _OF_GRANT),
    Part("trait", ("codes",), "incident_id = :record and kind = 'person'"),
)
PARTS: Mapping[RecordKind, Sequence[Part]] = {RecordKind.INCIDENT: _OF_INCIDENT}
"""Every place in reporting where somebody may have written about an incident, or that stands for whom it happened to."""

_STAND_INS = text(
    "update reporting.timeline set summary = summary || '{\"people\": []}' where incident_id = :record and type = :type"
)
_PACKS = text(f"select sha256 from reporting.pack where ({_OF_PACK}) and sha256 is not null")
_END_PACKS = text(
    f"update reporting.pack set state = '{State.FAILED}', failure = 'erased', sha256 = null where {_OF_PACK}"
)


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it, and end the packs that it has a page in: their files are to go, and nobody reads them any more."""
    session.execute(_STAND_INS, {"record": record_id, "type": IncidentDescribed.TYPE})
    files = session.scalars(_PACKS, {"record": record_id}).all()
    made = erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now, files=files)
    session.execute(_END_PACKS, {"record": record_id})
    return made


def files_in_use(session: Session, files: Sequence[str]) -> list[str]:
    """Which of these files are packs that can still be read."""
    return list(session.scalars(select(Pack.sha256).where(Pack.sha256.in_(files)).distinct()))
