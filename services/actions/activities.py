"""What the process engine may ask of actions. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from services.actions import commands, erasing
from services.actions.impact import commands as impact
from services.actions.verification import commands as verification
from services.contracts import activities as contract
from services.runtime import idempotency, outbox
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors


def build(context: Context) -> Sequence[Callable[..., Any]]:
    """The activities of actions."""

    @activity.defn(name=contract.OPEN_ACTIONS)
    @activity_errors("actions", contract.OPEN_ACTIONS)
    def open_actions(command: contract.OpenActions) -> contract.ActionsPlan:
        with transaction(context.engine, command.provider_id) as session:
            return commands.open_actions(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.MEASURE_CHECKPOINT)
    @activity_errors("actions", contract.MEASURE_CHECKPOINT)
    def measure_checkpoint(command: contract.MeasureCheckpoint) -> contract.Measured:
        with transaction(context.engine, command.provider_id) as session:
            return impact.measure_checkpoint(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.REMIND_OWNER)
    @activity_errors("actions", contract.REMIND_OWNER)
    def remind_owner(command: contract.RemindOwner) -> contract.OwnerReminder:
        with transaction(context.engine, command.provider_id) as session:
            return commands.remind_owner(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.REMIND_VERIFIER)
    @activity_errors("actions", contract.REMIND_VERIFIER)
    def remind_verifier(command: contract.RemindVerifier) -> contract.OwnerReminder:
        with transaction(context.engine, command.provider_id) as session:
            return commands.remind_verifier(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.ASK_RECHECK)
    @activity_errors("actions", contract.ASK_RECHECK)
    def ask_recheck(command: contract.AskRecheck) -> contract.RecheckAsked:
        with transaction(context.engine, command.provider_id) as session:
            return verification.ask_recheck(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.END_ACTIONS)
    @activity_errors("actions", contract.END_ACTIONS)
    def end_actions(command: contract.EndActions) -> None:
        with transaction(context.engine, command.provider_id) as session:
            commands.end_actions(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=f"actions.{contract.REPUBLISH}")
    @activity_errors("actions", contract.REPUBLISH)
    def republish(command: contract.Republish) -> int:
        with transaction(context.engine, command.provider_id) as session:
            return outbox.republish(session, "actions", str(command.incident_id))

    @activity.defn(name=f"actions.{contract.ERASE}")
    @activity_errors("actions", contract.ERASE)
    def erase(command: contract.Erase) -> contract.ErasedTexts:
        with transaction(context.engine, command.provider_id) as session:
            actor, now = system(command.provider_id), context.clock.now()
            made = erasing.erase(session, actor, command.kind, command.incident_id, now)
            return contract.ErasedTexts(cells=made.cells, files=made.files, digest=made.digest)

    @activity.defn(name=f"actions.{contract.FILES_IN_USE}")
    @activity_errors("actions", contract.FILES_IN_USE)
    def files_in_use(query: contract.FilesInUse) -> list[str]:
        with transaction(context.engine, query.provider_id) as session:
            return erasing.files_in_use(session, query.files)

    @activity.defn(name=f"actions.{contract.CLEAR_REPLIES}")
    @activity_errors("actions", contract.CLEAR_REPLIES)
    def clear_replies() -> int:
        return idempotency.clear_replies(context.system_engine, "actions")

    return [
        open_actions,
        measure_checkpoint,
        remind_owner,
        remind_verifier,
        ask_recheck,
        end_actions,
        republish,
        erase,
        files_in_use,
        clear_replies,
    ]
