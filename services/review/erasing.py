"""Erasing what people wrote in reviews and briefings of an incident, about a theme, or in somebody's supervision, once intake has decided that its time
has come; and which themes there are, for intake to know when theirs has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from services.contracts.activities import ErasedTexts, erasure_stopped
from services.contracts.taxonomy import RecordKind
from services.runtime import erasure, restriction
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "review"
_OF = "incident_id = :record"
_OF_REVIEW = "review_id in (select review_id from review.review where incident_id = :record)"
_OF_SUPERVISION = "supervision_id in (select supervision_id from review.supervision where worker_id = :record)"
_OF_BRIEFING = "briefing_id in (select briefing_id from review.briefing where incident_id = :record)"
_OF_CHECK = (
    "check_id in (select c.check_id from review.adoption_check c join review.briefing b on b.briefing_id = c.briefing_id"
    " where b.incident_id = :record)"
)
_OF_SUBMISSION = (
    "submission_id in (select s.submission_id from review.submission s join review.review r on r.review_id = s.review_id"
    " where r.incident_id = :record)"
)

_OF_INCIDENT = (
    Part(
        "review",
        (
            "what_happened", "why", "only_person_reason", "no_actions_reason", "no_briefing_reason", "briefing", "five_whys",
            "barriers", "known_cause",
        ),
        _OF,
    ),
    Part("described", ("people",), _OF),
    Part("adoption_check", ("question",), _OF_BRIEFING),
    Part("adoption_return", ("comment",), _OF_CHECK),
    Part("answer", ("answer", "not_applicable_reason"), _OF_REVIEW),
    Part("briefing", ("summary", "what_changes", "question", "options", "explanation", "for_whom", "more_questions"), _OF),
    Part("briefing_route", ("reference",), _OF_BRIEFING),
    Part("contribution", ("described", "asks", "reason", "said"), _OF_REVIEW),
    Part("factor", ("description", "word"), _OF_REVIEW),
    Part("finding_answer", ("reason",), _OF_SUBMISSION),
    Part(
        "involved",
        ("reference", "part", "asked_how", "reason", "questions", "account", "account_given", "told", "withdrawn_reason"),
        _OF_REVIEW,
    ),
    Part("just_culture", ("reason", "answers"), _OF_REVIEW),
    Part("learning", ("statement",), _OF_REVIEW),
    Part("review_step", ("reason",), _OF_REVIEW),
    Part("root_cause", ("statement",), _OF_REVIEW),
    Part("submission", ("content", "points"), _OF_REVIEW),
    Part("terms", ("to_find_out", "scope", "left_out", "agreed_with"), _OF_REVIEW),
    Part("theme_member", ("reason",), _OF),
    Part("timeline_entry", ("what", "source_detail", "analysis", "withdrawn_reason"), _OF_REVIEW),
)  # fmt: skip
PARTS: Mapping[RecordKind, Sequence[Part]] = {
    RecordKind.INCIDENT: _OF_INCIDENT,
    # A theme's id stands where an incident's does in what follows from it.
    RecordKind.THEME: (
        *_OF_INCIDENT,
        Part("theme", ("title", "why", "questions", "sources", "team", "end_reason"), "theme_id = :record"),
        Part("theme_member", ("reason",), "theme_id = :record"),
    ),
    RecordKind.PERSON: (Part("supervision_content", ("reflections", "agreed"), _OF_SUPERVISION),),
}
"""Every place in review where somebody may have written about a record, or that says whom an incident happened to."""

_THEME_CHANGED = (
    "coalesce(t.closed_at, (select max(o.occurred_at) from review.outbox o where o.key = t.theme_id::text),"
    " t.commissioned_at)"
)
LIST = text(
    "select * from (select t.provider_id, t.theme_id as record_id, 'theme' as kind, "
    + _THEME_CHANGED
    + " as changed_at,"
    " t.stage not in ('closed', 'ended') as in_use,"
    " array(select m.incident_id from review.theme_member m where m.theme_id = t.theme_id and m.decision = 'linked') as needs"
    " from review.theme t) as theme"
    " where (in_use or changed_at >= coalesce(cast(:since as timestamptz), '-infinity'))"
    " and (changed_at, record_id) > (:after_at, :after_id) order by changed_at, record_id limit :limit"
)
"""Themes of all providers: each that runs, with the incidents that it rests on, and each that ended since a time."""
_THEME = text(
    "select stage not in ('closed', 'ended') as in_use, " + _THEME_CHANGED + " as changed_at from review.theme t"
    " where theme_id = :record for update"
)


def stopped(session: Session, kind: RecordKind, record_id: UUID, last_used_at: datetime | None) -> ErasedTexts | None:
    """What stops the erasure of a record of review's own: that it is not as it was when it was decided about. Held to the end
    of the transaction."""
    if kind is not RecordKind.THEME or erasure.erased(session, SERVICE, record_id) is not None:
        return None
    now = session.execute(_THEME, {"record": record_id}).one()
    return erasure_stopped(in_use=now.in_use, changed_at=now.changed_at, last_used_at=last_used_at)


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it. A theme is hidden from everybody first: nobody else has done so."""
    if kind is RecordKind.THEME:
        restriction.keep(session, SERVICE, provider_id=actor.provider_id, record_id=record_id, revision=1)
    return erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now)
