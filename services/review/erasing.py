"""Erasing what people wrote in reviews and briefings of an incident, once intake has decided that its time has come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from services.contracts.taxonomy import RecordKind
from services.runtime import erasure
from services.runtime.actor import Actor
from services.runtime.erasure import Erased, Part

SERVICE = "review"
_OF = "incident_id = :record"
_OF_REVIEW = "review_id in (select review_id from review.review where incident_id = :record)"
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
PARTS: Mapping[RecordKind, Sequence[Part]] = {RecordKind.INCIDENT: _OF_INCIDENT}
"""Every place in review where somebody may have written about an incident, or that says whom it happened to."""


def erase(session: Session, actor: Actor, kind: RecordKind, record_id: UUID, now: datetime) -> Erased:
    """Erase it."""
    return erasure.erase(session, SERVICE, actor, record_id, PARTS[kind], now)
