"""What the process engine may ask of review. Each activity is one transaction around one use-case."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text
from temporalio import activity

from services.contracts import activities as contract
from services.review import commands, erasing
from services.review.sharing import commands as sharing
from services.review.sharing import follow_up
from services.review.thematic import commands as thematic
from services.runtime import idempotency, outbox
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.process import Context
from services.runtime.temporal import activity_errors

_OPEN_THEMES = text(
    "select provider_id, theme_id as incident_id from review.theme"
    " where stage not in ('closed', 'ended') and theme_id > :after order by theme_id limit :limit"
)


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
            follow_up.end(session, command, context.clock.now())

    @activity.defn(name=contract.FOLLOW_UP_BRIEFING)
    @activity_errors("review", contract.FOLLOW_UP_BRIEFING)
    def follow_up_briefing(command: contract.FollowUpBriefing) -> contract.BriefingFollowUp:
        with transaction(context.engine, command.provider_id) as session:
            return follow_up.follow_up(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.OPEN_THEME_REVIEW)
    @activity_errors("review", contract.OPEN_THEME_REVIEW)
    def open_theme_review(command: contract.OpenThemeReview) -> contract.ThemeReviewPlan:
        with transaction(context.engine, command.provider_id) as session:
            return thematic.open_review(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.ENTER_THEME_STAGE)
    @activity_errors("review", contract.ENTER_THEME_STAGE)
    def enter_theme_stage(command: contract.EnterThemeStage) -> None:
        with transaction(context.engine, command.provider_id) as session:
            thematic.enter_stage(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.REMIND_THEME)
    @activity_errors("review", contract.REMIND_THEME)
    def remind_theme(command: contract.RemindTheme) -> contract.ThemeReminder:
        with transaction(context.engine, command.provider_id) as session:
            return thematic.remind(session, command, context.clock.now(), system(command.provider_id))

    @activity.defn(name=contract.LIST_OPEN_THEMES)
    @activity_errors("review", contract.LIST_OPEN_THEMES)
    def list_open_themes(query: contract.ListOpenIncidents) -> contract.OpenIncidents:
        after = query.after or "00000000-0000-0000-0000-000000000000"
        with context.system_engine.connect() as connection:
            rows = connection.execute(_OPEN_THEMES, {"after": after, "limit": query.limit}).mappings()
            return contract.OpenIncidents(incidents=[contract.OpenIncident(**row) for row in rows])

    @activity.defn(name=f"review.{contract.REPUBLISH}")
    @activity_errors("review", contract.REPUBLISH)
    def republish(command: contract.Republish) -> int:
        with transaction(context.engine, command.provider_id) as session:
            return outbox.republish(session, "review", str(command.incident_id))

    @activity.defn(name=f"review.{contract.ERASE}")
    @activity_errors("review", contract.ERASE)
    def erase(command: contract.Erase) -> contract.ErasedTexts:
        with transaction(context.engine, command.provider_id) as session:
            stopped = erasing.stopped(session, command.kind, command.incident_id, command.last_used_at)
            if stopped is not None:
                return stopped
            actor, now = system(command.provider_id), context.clock.now()
            made = erasing.erase(session, actor, command.kind, command.incident_id, now)
            return contract.ErasedTexts(cells=made.cells, files=made.files, digest=made.digest)

    @activity.defn(name=f"review.{contract.LIST_KEPT}")
    @activity_errors("review", contract.LIST_KEPT)
    def list_kept(query: contract.ListKept) -> contract.KeptRecords:
        with context.system_engine.connect() as connection:
            rows = connection.execute(erasing.LIST, query.model_dump()).mappings()
            return contract.KeptRecords(records=[contract.KeptRecord(**row) for row in rows])

    @activity.defn(name=f"review.{contract.CLEAR_REPLIES}")
    @activity_errors("review", contract.CLEAR_REPLIES)
    def clear_replies() -> int:
        return idempotency.clear_replies(context.system_engine, "review")

    return [
        open_review,
        send_briefing,
        follow_up_briefing,
        end_review,
        open_theme_review,
        enter_theme_stage,
        remind_theme,
        list_open_themes,
        republish,
        erase,
        list_kept,
        clear_replies,
    ]
