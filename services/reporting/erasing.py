"""Erasing what reporting holds of an incident, once intake has decided that its time has come: what was asked and answered
about it, what stands for the people it happened to, and the packs that it has a page in; and what was decided and asked at a
meeting."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from services.contracts.activities import ErasedTexts, erasure_stopped
from services.contracts.intake import IncidentDescribed
from services.contracts.taxonomy import RecordKind
from services.reporting.packs.commands import State
from services.reporting.packs.store import Pack
from services.runtime import erasure, restriction
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "reporting"
_OF = "incident_id = :record"
_OF_ITEM = "item_id in (select item_id from reporting.governance_item where incident_id = :record)"
_OF_ITEM_OF_THEME = "item_id in (select item_id from reporting.governance_item where theme_id = :record)"
_OF_MEETING = "meeting_id = :record"
_OF_ITEM_OF_MEETING = "item_id in (select item_id from reporting.governance_item where meeting_id = :record)"
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
PARTS: Mapping[RecordKind, Sequence[Part]] = {
    RecordKind.INCIDENT: _OF_INCIDENT,
    RecordKind.THEME: (
        *_OF_INCIDENT,
        Part("governance_answer", ("said", "reason"), _OF_ITEM_OF_THEME),
        Part("governance_item", ("question", "said"), "theme_id = :record"),
    ),
    RecordKind.MEETING: (
        Part("meeting", ("reason", "minutes"), _OF_MEETING),
        Part("governance_answer", ("said", "reason"), _OF_ITEM_OF_MEETING),
        Part("governance_item", ("question", "said"), _OF_MEETING),
    ),
}
"""Every place in reporting where somebody may have written about a record, or that stands for whom it happened to."""

_STAND_INS = text(
    "update reporting.timeline set summary = summary || '{\"people\": []}' where incident_id = :record and type = :type"
)
_PACKS = text(f"select sha256 from reporting.pack where ({_OF_PACK}) and sha256 is not null")
_END_PACKS = text(
    f"update reporting.pack set state = '{State.FAILED}', failure = 'erased', sha256 = null where {_OF_PACK}"
)


_MEETING = (
    "select m.provider_id, m.meeting_id as record_id, 'meeting' as kind, m.hold_by >= :now or exists"
    " (select from reporting.governance_item i where i.meeting_id = m.meeting_id and i.settled_at is null) as in_use,"
    " greatest(m.hold_by, m.held_at, (select max(i.settled_at) from reporting.governance_item i"
    " where i.meeting_id = m.meeting_id)) as changed_at from reporting.meeting m"
)
LIST = text(
    f"select * from ({_MEETING}) as meeting where not in_use"
    " and changed_at >= coalesce(cast(:since as timestamptz), '-infinity')"
    " and (changed_at, record_id) > (:after_at, :after_id) order by changed_at, record_id limit :limit"
)
"""Meetings of all providers that ended since a time: their days have passed, and all that was decided and asked is settled."""
_ONE_MEETING = text(f"{_MEETING} where m.meeting_id = :record for update")


def stopped(
    session: Session, kind: RecordKind, record_id: UUID, last_used_at: datetime | None, now: datetime
) -> ErasedTexts | None:
    """What stops the erasure of a record of reporting's own: that it is not as it was when it was decided about. Held to the
    end of the transaction."""
    if kind is not RecordKind.MEETING or erasure.erased(session, SERVICE, record_id) is not None:
        return None
    row = session.execute(_ONE_MEETING, {"record": record_id, "now": now}).one()
    return erasure_stopped(in_use=row.in_use, changed_at=row.changed_at, last_used_at=last_used_at)


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it, and end the packs that it has a page in: their files are to go, and nobody reads them any more.

    A theme is hidden from everybody first: nobody else has done so.
    """
    if kind is RecordKind.THEME:
        restriction.keep(session, SERVICE, provider_id=actor.provider_id, record_id=record_id, revision=1)
    session.execute(_STAND_INS, {"record": record_id, "type": IncidentDescribed.TYPE})
    files = session.scalars(_PACKS, {"record": record_id}).all()
    made = erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now, files=files)
    session.execute(_END_PACKS, {"record": record_id})
    return made


def files_in_use(session: Session, files: Sequence[str]) -> list[str]:
    """Which of these files are packs that can still be read."""
    return list(session.scalars(select(Pack.sha256).where(Pack.sha256.in_(files)).distinct()))
