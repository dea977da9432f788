"""The import of CQC's directory: one file, many providers, one transaction.

The national file names some 17,000 providers. To switch the tenancy and write for one after the other took minutes, so
the import works on a thousand locations at a time, with the tenancy opened to exactly the providers they belong to.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field
from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.contracts import identity
from services.directory import cqc
from services.directory.commands import SERVICE, location_event, location_facts
from services.directory.store import Location, Provider, Region
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.errors import invalid

_ENGLAND = ZoneInfo("Europe/London")
_AT_A_TIME = 200
MOST_NAMED = 200
_OPEN_TO = text("select set_config('app.import_providers', :provider_ids, true)")

Group = dict[UUID, list[cqc.Row]]
"""Some of the file's rows, by their providers."""


class PlaceChange(BaseModel):
    """A location that is made or changed."""

    cqc_location_id: str
    name: str
    created: bool


class ImportResult(BaseModel):
    """What happened to the locations of a file. Every row that was not taken over is named by its line."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    rejections: list[cqc.Rejection]
    changes: list[PlaceChange] = Field(
        default_factory=list, description=f"The first {MOST_NAMED} locations that are made or changed."
    )


class _Tally:
    """What has happened so far."""

    def __init__(self, rejections: list[cqc.Rejection]) -> None:
        self.created = self.updated = self.unchanged = 0
        self.rejections = rejections
        self.changes: list[PlaceChange] = []

    def name(self, locations: Iterable[Location], *, created: bool) -> None:
        """Name what is made or changed, as far as there is room."""
        for one in islice(locations, MOST_NAMED - len(self.changes)):
            self.changes.append(PlaceChange(cqc_location_id=one.cqc_location_id, name=one.name, created=created))


def import_cqc_directory(session: Session, actor: Actor, content: bytes, now: datetime) -> ImportResult:
    """Take CQC's care directory over: providers, their regions and locations. What is as the file says is left alone.

    Bad rows are refused one by one; the others are taken over together. Raises 422 for a file that cannot be read.
    A location that the file does not name stays as it is: a file may hold a part of the register.
    """
    try:
        rows, rejections = cqc.read(content)
    except cqc.UnreadableFile as error:
        raise invalid("file", error.reason, error.remedy) from None
    tally = _Tally(rejections)
    for group in _groups(rows):
        _open_to(session, group)
        _take_over(session, actor, group, tally, now)
        session.flush()  # while the providers that the changes belong to are still open
    _open_to(session, ())
    return ImportResult(
        created=tally.created,
        updated=tally.updated,
        unchanged=tally.unchanged,
        rejected=len(rejections),
        rejections=sorted(rejections, key=lambda rejection: rejection.line),
        changes=tally.changes,
    )


def preview_cqc_directory(session: Session, actor: Actor, content: bytes, now: datetime) -> ImportResult:
    """What taking the file over would do; nothing of it stays. Raises 422 for a file that cannot be read."""
    trial = session.begin_nested()
    try:
        return import_cqc_directory(session, actor, content, now)
    finally:
        trial.rollback()


def _groups(rows: Iterable[cqc.Row]) -> Iterator[Group]:
    """Rows by provider, in one order: of two imports at once the second waits for the first."""
    by_provider: defaultdict[UUID, list[cqc.Row]] = defaultdict(list)
    for row in rows:
        by_provider[identity.provider_id(row.provider_id)].append(row)
    group: Group = {}
    held = 0
    for provider_id in sorted(by_provider):
        group[provider_id] = by_provider[provider_id]
        held += len(by_provider[provider_id])
        if held >= _AT_A_TIME:
            yield group
            group, held = {}, 0
    if group:
        yield group


def _open_to(session: Session, providers: Iterable[UUID]) -> None:
    """From here on, rows of these providers are visible and writable too, in the tables that an import writes."""
    session.execute(_OPEN_TO, {"provider_ids": ",".join(map(str, providers))})


def _take_over(session: Session, actor: Actor, group: Group, tally: _Tally, now: datetime) -> None:
    changes = _record_providers(session, group)
    regions = _record_regions(session, group)
    today = now.astimezone(_ENGLAND).date()
    wanted = {row.location_id: _wanted(row, owner, regions, today) for owner, rows in group.items() for row in rows}
    known = _known(session, wanted)
    updated = [location for cqc_id, location in known.items() if _change(location, wanted[cqc_id])]
    created = _create(session, [values for cqc_id, values in wanted.items() if cqc_id not in known])
    tally.created += len(created)
    tally.updated += len(updated)
    tally.unchanged += len(known) - len(updated)
    tally.name(created.values(), created=True)
    tally.name(updated, created=False)
    tally.rejections += [
        cqc.Rejection(
            row.line,
            cqc.LOCATION_ID,
            "is registered by another provider",
            "Check the provider's id. A location that changes hands gets a new id from CQC.",
        )
        for rows in group.values()
        for row in rows
        if row.location_id not in known and row.location_id not in created
    ]
    told = [*updated, *created.values()]
    changes += [(one.provider_id, one.location_id, "location_imported", location_facts(one)) for one in told]
    _append(session, actor, changes, now)
    if told:
        outbox.record(
            session,
            SERVICE,
            *(
                outbox.event_row(
                    location_event(one),
                    actor=replace(actor, provider_id=one.provider_id),
                    subject=one.location_id,
                    version=one.version,
                    at=now,
                )
                for one in told
            ),
        )


_AuditChange = tuple[UUID, UUID, str, dict[str, Any]]
"""Whose it is, what was changed, by which action, and what the audit keeps of it."""


def _record_providers(session: Session, group: Group) -> list[_AuditChange]:
    """Record the providers and hold them to the end of the transaction. Answers those that are new or renamed."""
    wanted = {
        provider_id: {"cqc_provider_id": rows[0].provider_id, "name": rows[0].provider_name}
        for provider_id, rows in group.items()
    }
    new = session.scalars(
        upsert(Provider).on_conflict_do_nothing().returning(Provider.provider_id),
        [{"provider_id": provider_id, **values, "version": 1} for provider_id, values in wanted.items()],
    )
    changed = set(new)
    held = (
        select(Provider)
        .where(Provider.provider_id.in_(wanted))
        .order_by(Provider.provider_id)
        .with_for_update(key_share=True)
    )
    changed |= {one.provider_id for one in session.scalars(held) if _change(one, wanted[one.provider_id])}
    return [
        (
            provider_id,
            provider_id,
            "provider_imported",
            {"cqc_provider_id": values["cqc_provider_id"], "name_sha256": audit.digest(values["name"])},
        )
        for provider_id, values in wanted.items()
        if provider_id in changed
    ]


def _record_regions(session: Session, group: Group) -> dict[tuple[UUID, str], UUID]:
    """The ids of the providers' regions by name; those that are missing are made."""
    known = {
        (region.provider_id, region.name): region.region_id
        for region in session.scalars(select(Region).where(Region.provider_id.in_(group)))
    }
    named = {(provider_id, row.region) for provider_id, rows in group.items() for row in rows if row.region}
    missing = {(provider_id, name): identity.region_id(provider_id, name) for provider_id, name in named - known.keys()}
    if missing:
        session.execute(
            insert(Region),
            [
                {"region_id": region_id, "provider_id": provider_id, "name": name}
                for (provider_id, name), region_id in missing.items()
            ],
        )
    return known | missing


def _wanted(row: cqc.Row, provider_id: UUID, regions: dict[tuple[UUID, str], UUID], today: date) -> dict[str, Any]:
    return {
        "provider_id": provider_id,
        "cqc_location_id": row.location_id,
        "name": row.name,
        "region_id": regions[provider_id, row.region] if row.region else None,
        "local_authority": row.local_authority,
        "service_types": list(row.service_types),
        "beds": row.beds,
        "registered_on": row.registered_on,
        "deregistered_on": row.deregistered_on,
        "active": row.deregistered_on is None or row.deregistered_on > today,
    }


def _known(session: Session, wanted: dict[str, dict[str, Any]]) -> dict[str, Location]:
    """Those locations that their provider has already, held to the end of the transaction."""
    found = session.scalars(
        select(Location)
        .where(Location.cqc_location_id.in_(wanted))
        .order_by(Location.location_id)
        .with_for_update(key_share=True)
    )
    return {one.cqc_location_id: one for one in found if one.provider_id == wanted[one.cqc_location_id]["provider_id"]}


def _change(record: Location | Provider, values: dict[str, Any]) -> bool:
    """Set what is not yet so. Answers whether anything was."""
    different = {name: value for name, value in values.items() if getattr(record, name) != value}
    for name, value in different.items():
        setattr(record, name, value)
    record.version += bool(different)
    return bool(different)


def _create(session: Session, wanted: Sequence[dict[str, Any]]) -> dict[str, Location]:
    """Insert locations. Answers by CQC id those that are new; the others belong to another provider."""
    if not wanted:
        return {}
    rows = [
        {"location_id": identity.location_id(values["cqc_location_id"]), **values, "version": 1} for values in wanted
    ]
    inserted = session.scalars(upsert(Location).on_conflict_do_nothing().returning(Location.cqc_location_id), rows)
    created = set(inserted)
    return {row["cqc_location_id"]: Location(**row) for row in rows if row["cqc_location_id"] in created}


def _append(session: Session, actor: Actor, changes: Sequence[_AuditChange], now: datetime) -> None:
    """Add an entry to each chain. Nobody else writes to them: the providers and locations are held."""
    if not changes:
        return
    table = audit.audit_table(SERVICE)
    last = session.execute(
        select(table.c.chain, table.c.seq, table.c.hash)
        .ext(distinct_on(table.c.chain))
        .where(table.c.chain.in_([subject for _, subject, _, _ in changes]))
        .order_by(table.c.chain, table.c.seq.desc())
    )
    ends = {row.chain: (row.seq, row.hash) for row in last}
    entries = []
    for provider_id, subject, action, data in changes:
        seq, previous_hash = ends.get(subject, (0, audit.GENESIS))
        entries.append(
            audit.build_entry(
                chain=subject,
                seq=seq + 1,
                previous_hash=previous_hash,
                actor=replace(actor, provider_id=provider_id),
                action=action,
                subject=subject,
                at=now,
                data=data,
            )
        )
    session.execute(insert(table), entries)
