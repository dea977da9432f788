"""What the process engine may ask of directory. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from services.contracts import activities as contract
from services.directory import commands
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

    return [resolve_on_call]
