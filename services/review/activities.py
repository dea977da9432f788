"""What the process engine may ask of review. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from services.contracts import activities as contract
from services.review import commands
from services.review.sharing import commands as sharing
from services.runtime import outbox
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors


def build(context: Context) -> Sequence[Callable[..., Any]]:
    """The activities of review."""

    @activity.defn(name=contract.OPEN_REVIEW)
    @activity_errors("review", contract.OPEN_REVIEW)
    def open_review(command: contract.OpenReview) -> contract.ReviewPlan:
        with transaction(context.engine, command.provider_id) as session:
            return commands.open_review(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.SEND_BRIEFING)
    @activity_errors("review", contract.SEND_BRIEFING)
    def send_briefing(command: contract.SendBriefing) -> contract.BriefingPlan:
        with transaction(context.engine, command.provider_id) as session:
            return sharing.send_briefing(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.END_REVIEW)
    @activity_errors("review", contract.END_REVIEW)
    def end_review(command: contract.EndReview) -> None:
        with transaction(context.engine, command.provider_id) as session:
            commands.end_review(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=f"review.{contract.REPUBLISH}")
    @activity_errors("review", contract.REPUBLISH)
    def republish(command: contract.Republish) -> int:
        with transaction(context.engine, command.provider_id) as session:
            return outbox.republish(session, "review", str(command.incident_id))

    return [open_review, send_briefing, end_review, republish]
