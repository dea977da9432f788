"""What the process engine may ask of directory. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from services.contracts import activities as contract
from services.directory import commands, erasing
from services.directory.notices.channels import channels
from services.directory.notices.commands import deliver, send_digest
from services.directory.notices.settings import NoticeSettings
from services.runtime import idempotency
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors


def build(context: Context) -> Sequence[Callable[..., Any]]:
    """The activities of directory."""

    @activity.defn(name=contract.RESOLVE_ON_CALL)
    @activity_errors("directory", contract.RESOLVE_ON_CALL)
    def resolve_on_call(command: contract.ResolveOnCall) -> contract.OnCall:
        with transaction(context.engine, command.provider_id) as session:
            return commands.resolve_on_call(session, command, context.clock.now())

    settings = NoticeSettings()
    made = channels(settings)

    @activity.defn(name=contract.DELIVER_NOTICE)
    @activity_errors("directory", contract.DELIVER_NOTICE)
    def deliver_notice(command: contract.DeliverNotice) -> contract.Delivered:
        return deliver(context.engine, context.clock, made, settings.notice_link, command)

    @activity.defn(name=contract.SEND_DIGEST)
    @activity_errors("directory", contract.SEND_DIGEST)
    def digest(command: contract.SendDigest) -> contract.Delivered:
        return send_digest(context.engine, context.clock, made, settings.notice_link, command)

    @activity.defn(name=f"directory.{contract.CLEAR_REPLIES}")
    @activity_errors("directory", contract.CLEAR_REPLIES)
    def clear_replies() -> int:
        return idempotency.clear_replies(context.system_engine, "directory")

    @activity.defn(name=f"directory.{contract.LIST_KEPT}")
    @activity_errors("directory", contract.LIST_KEPT)
    def list_kept(query: contract.ListKept) -> contract.KeptRecords:
        with context.system_engine.connect() as connection:
            rows = connection.execute(erasing.LIST, query.model_dump()).mappings()
            return contract.KeptRecords(records=[contract.KeptRecord(**row) for row in rows])

    @activity.defn(name=f"directory.{contract.ERASE}")
    @activity_errors("directory", contract.ERASE)
    def erase(command: contract.Erase) -> contract.ErasedTexts:
        with transaction(context.engine, command.provider_id) as session:
            stopped = erasing.stopped(session, command.incident_id, command.last_used_at)
            if stopped is not None:
                return stopped
            actor, now = system(command.provider_id), context.clock.now()
            made = erasing.erase(session, actor, command.kind, command.incident_id, now)
            return contract.ErasedTexts(cells=made.cells, files=made.files, digest=made.digest)

    return [resolve_on_call, deliver_notice, digest, clear_replies, list_kept, erase]
