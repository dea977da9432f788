"""What the process engine may ask of reporting. Each activity is one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text
from temporalio import activity

from services.contracts import activities as contract
from services.reporting import erasing
from services.reporting.governance import cadence, challenge
from services.reporting.patterns import commands
from services.reporting.radar import weeks
from services.reporting.webhooks import sending
from services.reporting.webhooks.settings import WebhookSettings
from services.runtime import idempotency
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors

_PROVIDERS = text("select distinct provider_id from reporting.location order by 1")


def build(context: Context) -> Sequence[Callable[..., Any]]:
    """The activities of reporting."""

    @activity.defn(name=contract.LIST_PROVIDERS)
    @activity_errors("reporting", contract.LIST_PROVIDERS)
    def list_providers() -> contract.Providers:
        with context.system_engine.connect() as connection:
            return contract.Providers(providers=list(connection.scalars(_PROVIDERS)))

    @activity.defn(name=contract.SEARCH_PATTERNS)
    @activity_errors("reporting", contract.SEARCH_PATTERNS)
    def search_patterns(command: contract.SearchPatterns) -> contract.Searched:
        now = context.clock.now()
        with transaction(context.engine, command.provider_id) as session:
            weeks.keep_weeks(session, command.provider_id, now)
        return commands.search(context.engine, command.provider_id, now, system(command.provider_id))

    @activity.defn(name=contract.COMPILE_MEETINGS)
    @activity_errors("reporting", contract.COMPILE_MEETINGS)
    def compile_meetings(command: contract.CompileMeetings) -> contract.CompiledMeetings:
        return cadence.compile_due(context.engine, context.clock, command.provider_id)

    @activity.defn(name=contract.WATCH_GOVERNANCE_ITEM)
    @activity_errors("reporting", contract.WATCH_GOVERNANCE_ITEM)
    def watch_item(query: contract.WatchGovernanceItem) -> contract.GovernanceWatch:
        with transaction(context.engine, query.provider_id) as session:
            return challenge.watch(session, system(query.provider_id), query.item_id, context.clock.now())

    @activity.defn(name=contract.SEND_WEBHOOKS)
    @activity_errors("reporting", contract.SEND_WEBHOOKS)
    def send_webhooks() -> contract.WebhooksSent:
        return sending.send_all(context.engine, context.system_engine, context.clock.now, WebhookSettings())

    @activity.defn(name=f"reporting.{contract.ERASE}")
    @activity_errors("reporting", contract.ERASE)
    def erase(command: contract.Erase) -> contract.ErasedTexts:
        with transaction(context.engine, command.provider_id) as session:
            actor, now = system(command.provider_id), context.clock.now()
            stopped = erasing.stopped(session, command.kind, command.incident_id, command.last_used_at, now)
            if stopped is not None:
                return stopped
            made = erasing.erase(session, actor, command.kind, command.incident_id, now)
            return contract.ErasedTexts(cells=made.cells, files=made.files, digest=made.digest)

    @activity.defn(name=f"reporting.{contract.LIST_KEPT}")
    @activity_errors("reporting", contract.LIST_KEPT)
    def list_kept(query: contract.ListKept) -> contract.KeptRecords:
        with context.system_engine.connect() as connection:
            asked = {**query.model_dump(), "now": context.clock.now()}
            rows = connection.execute(erasing.LIST, asked).mappings()
            return contract.KeptRecords(records=[contract.KeptRecord(**row) for row in rows])

    @activity.defn(name=f"reporting.{contract.FILES_IN_USE}")
    @activity_errors("reporting", contract.FILES_IN_USE)
    def files_in_use(query: contract.FilesInUse) -> list[str]:
        with transaction(context.engine, query.provider_id) as session:
            return erasing.files_in_use(session, query.files)

    @activity.defn(name=f"reporting.{contract.CLEAR_REPLIES}")
    @activity_errors("reporting", contract.CLEAR_REPLIES)
    def clear_replies() -> int:
        return idempotency.clear_replies(context.system_engine, "reporting")

    return [
        list_providers,
        search_patterns,
        compile_meetings,
        watch_item,
        send_webhooks,
        erase,
        list_kept,
        files_in_use,
        clear_replies,
    ]
