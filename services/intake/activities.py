"""What the process engine may ask of intake. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from temporalio import activity

from services.contracts import activities as contract
from services.contracts.taxonomy import Role
from services.intake import clocks, commands
from services.intake.escalation import commands as ladder
from services.intake.retention import erasing
from services.intake.retention.store import keep_records as keep
from services.intake.speak_up import commands as concerns
from services.runtime import attachments, idempotency, outbox
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors

_OPEN = text(
    "select provider_id, incident_id from intake.incident"
    " where stage not in ('closed', 'withdrawn', 'duplicate') and incident_id > :after"
    " order by incident_id limit :limit"
)

# Who has the next move, and who must settle what keeps an incident open: somebody outside to be told, candour, a
# referral; what is late of the first hours; and whether a closed case came back. What is restricted has its own ways.
_WAITING = text(
    "with open as (select provider_id, incident_id, location_id, next_move from intake.incident"
    " where stage not in ('closed', 'withdrawn', 'duplicate')"
    " and incident_id not in (select record_id from intake.restriction)),"
    " waiting as (select provider_id, next_move as role, location_id from open where next_move is not null"
    " union select provider_id, 'registered_manager', location_id from open where incident_id in"
    " (select incident_id from intake.blocker where lifted_at is null union select incident_id from intake.first_check"
    " where late_at is not null and recorded_at is null)"
    " union select o.provider_id, r.asked_role, o.location_id from open o"
    " join intake.recurrence r on r.incident_id = o.incident_id where r.answered_at is null)"
    " select provider_id, role, location_id from waiting"
    " where (provider_id, role, location_id) > (:provider_id, :role, :location_id) order by 1, 2, 3 limit :limit"
)

_DISPOSALS = text(
    "select a.provider_id, a.incident_id, coalesce(k.kind, 'incident') as kind from intake.appraisal a"
    " left join intake.kept_record k on k.record_id = a.incident_id"
    " where a.confirmed_at is not null and a.finished_at is null and a.incident_id > :after"
    " order by a.incident_id limit :limit"
)

_KEPT_SINCE = text("select max(changed_at) - interval '7 days' from intake.kept_record where kind = :kind")

_CONCERNS = text(
    "select provider_id, concern_id as record_id, 'concern' as kind, answered_at as changed_at, false as in_use"
    " from intake.concern where answered_at >= coalesce(cast(:since as timestamptz), '-infinity')"
    " and (answered_at, concern_id) > (:after_at, :after_id) order by 4, 2 limit :limit"
)


def build(context: Context) -> Sequence[Callable[..., Any]]:
    """The activities of intake."""

    @activity.defn(name=contract.ENTER_STAGE)
    @activity_errors("intake", contract.ENTER_STAGE)
    def enter_stage(command: contract.EnterStage) -> None:
        with transaction(context.engine, command.provider_id) as session:
            commands.enter_stage(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.DEFAULT_TRIAGE)
    @activity_errors("intake", contract.DEFAULT_TRIAGE)
    def default_triage(command: contract.DefaultTriage) -> None:
        with transaction(context.engine, command.provider_id) as session:
            commands.default_triage(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.REMIND)
    @activity_errors("intake", contract.REMIND)
    def remind(command: contract.Remind) -> contract.Reminded:
        with transaction(context.engine, command.provider_id) as session:
            return commands.remind(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.REQUEST_ESCALATION)
    @activity_errors("intake", contract.REQUEST_ESCALATION)
    def request_escalation(command: contract.RequestEscalation) -> contract.Requested:
        with transaction(context.engine, command.provider_id) as session:
            return ladder.request_escalation(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.ESCALATE)
    @activity_errors("intake", contract.ESCALATE)
    def escalate(command: contract.Escalate) -> contract.Escalated:
        with transaction(context.engine, command.provider_id) as session:
            return ladder.escalate(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.RING_CLOCK)
    @activity_errors("intake", contract.RING_CLOCK)
    def ring_clock(command: contract.RingClock) -> contract.Rung:
        with transaction(context.engine, command.provider_id) as session:
            rung = clocks.ring(session, command, context.clock.now(), system(command.provider_id))
            return rung.model_copy(update={"climb": ladder.pending(session, command.incident_id)})

    @activity.defn(name=contract.LIST_OPEN_INCIDENTS)
    @activity_errors("intake", contract.LIST_OPEN_INCIDENTS)
    def list_open_incidents(query: contract.ListOpenIncidents) -> contract.OpenIncidents:
        after = query.after or "00000000-0000-0000-0000-000000000000"
        with context.system_engine.connect() as connection:
            rows = connection.execute(_OPEN, {"after": after, "limit": query.limit}).mappings()
            return contract.OpenIncidents(incidents=[contract.OpenIncident(**row) for row in rows])

    @activity.defn(name=contract.LIST_WAITING)
    @activity_errors("intake", contract.LIST_WAITING)
    def list_waiting(query: contract.ListWaiting) -> contract.WaitingPage:
        after = query.after or contract.Waiting(provider_id=UUID(int=0), role=min(Role), location_id=UUID(int=0))
        with context.system_engine.connect() as connection:
            rows = connection.execute(_WAITING, {**after.model_dump(mode="json"), "limit": query.limit}).mappings()
            return contract.WaitingPage(waiting=[contract.Waiting(**row) for row in rows])

    @activity.defn(name=contract.WATCH_CONCERN)
    @activity_errors("intake", contract.WATCH_CONCERN)
    def watch_concern(query: contract.WatchConcern) -> contract.ConcernWatch:
        with transaction(context.engine, query.provider_id) as session:
            return concerns.watch(session, query.concern_id, context.clock.now())

    @activity.defn(name=contract.WATCH_GLASS)
    @activity_errors("intake", contract.WATCH_GLASS)
    def watch_glass(query: contract.WatchGlass) -> contract.ConcernWatch:
        with transaction(context.engine, query.provider_id) as session:
            return ladder.watch_glass(session, query, context.clock.now())

    @activity.defn(name=f"intake.{contract.REPUBLISH}")
    @activity_errors("intake", contract.REPUBLISH)
    def republish(command: contract.Republish) -> int:
        with transaction(context.engine, command.provider_id) as session:
            return outbox.republish(session, "intake", str(command.incident_id))

    @activity.defn(name=contract.LIST_DISPOSALS)
    @activity_errors("intake", contract.LIST_DISPOSALS)
    def list_disposals(query: contract.ListOpenIncidents) -> contract.Disposals:
        after = query.after or UUID(int=0)
        with context.system_engine.connect() as connection:
            rows = connection.execute(_DISPOSALS, {"after": after, "limit": query.limit}).mappings()
            return contract.Disposals(records=[contract.Disposal(**row) for row in rows])

    @activity.defn(name=contract.KEPT_SINCE)
    @activity_errors("intake", contract.KEPT_SINCE)
    def kept_since(kind: str) -> contract.KeptSince:
        with context.system_engine.connect() as connection:
            return contract.KeptSince(since=connection.scalar(_KEPT_SINCE, {"kind": kind}))

    @activity.defn(name=f"intake.{contract.LIST_KEPT}")
    @activity_errors("intake", contract.LIST_KEPT)
    def list_kept(query: contract.ListKept) -> contract.KeptRecords:
        with context.system_engine.connect() as connection:
            rows = connection.execute(_CONCERNS, query.model_dump()).mappings()
            return contract.KeptRecords(records=[contract.KeptRecord(**row) for row in rows])

    @activity.defn(name=contract.KEEP_RECORDS)
    @activity_errors("intake", contract.KEEP_RECORDS)
    def keep_records(told: contract.KeptRecords) -> None:
        for provider_id in sorted({one.provider_id for one in told.records}):
            with transaction(context.engine, provider_id) as session:
                keep(session, [one for one in told.records if one.provider_id == provider_id])

    @activity.defn(name=contract.BEGIN_DISPOSAL)
    @activity_errors("intake", contract.BEGIN_DISPOSAL)
    def begin_disposal(command: contract.BeginDisposal) -> contract.DisposalBegun:
        with transaction(context.engine, command.provider_id) as session:
            actor, now = system(command.provider_id), context.clock.now()
            row = erasing.begin(session, actor, command.kind, command.incident_id, now)
            return contract.DisposalBegun(begun=row is not None, last_used_at=None if row is None else row.last_used_at)

    @activity.defn(name=contract.STOP_DISPOSAL)
    @activity_errors("intake", contract.STOP_DISPOSAL)
    def stop_disposal(command: contract.StopDisposal) -> None:
        with transaction(context.engine, command.provider_id) as session:
            erasing.stop(
                session, system(command.provider_id), command.incident_id, command.last_used_at, context.clock.now()
            )

    @activity.defn(name=contract.FINISH_DISPOSAL)
    @activity_errors("intake", contract.FINISH_DISPOSAL)
    def finish_disposal(command: contract.FinishDisposal) -> None:
        store = attachments.storage(attachments.AttachmentSettings()) if command.removable else None
        with transaction(context.engine, command.provider_id) as session:
            erasing.finish(session, system(command.provider_id), store, command, context.clock.now())

    @activity.defn(name=f"intake.{contract.ERASE}")
    @activity_errors("intake", contract.ERASE)
    def erase(command: contract.Erase) -> contract.ErasedTexts:
        with transaction(context.engine, command.provider_id) as session:
            actor, now = system(command.provider_id), context.clock.now()
            made = erasing.erase(session, actor, command.kind, command.incident_id, now)
            return contract.ErasedTexts(cells=made.cells, files=made.files, digest=made.digest)

    @activity.defn(name=f"intake.{contract.FILES_IN_USE}")
    @activity_errors("intake", contract.FILES_IN_USE)
    def files_in_use(query: contract.FilesInUse) -> list[str]:
        with transaction(context.engine, query.provider_id) as session:
            return erasing.files_in_use(session, query.files)

    @activity.defn(name=f"intake.{contract.CLEAR_REPLIES}")
    @activity_errors("intake", contract.CLEAR_REPLIES)
    def clear_replies() -> int:
        return idempotency.clear_replies(context.system_engine, "intake")

    return [
        enter_stage,
        default_triage,
        remind,
        request_escalation,
        escalate,
        ring_clock,
        list_open_incidents,
        list_waiting,
        watch_concern,
        watch_glass,
        republish,
        list_disposals,
        kept_since,
        list_kept,
        keep_records,
        stop_disposal,
        begin_disposal,
        finish_disposal,
        erase,
        files_in_use,
        clear_replies,
    ]
