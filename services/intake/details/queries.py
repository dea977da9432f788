"""What is asked and answered, and what happened before to the same people or at the same place."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import and_, exists, func, or_, select, true
from sqlalchemy.orm import Session, aliased

from services.contracts.taxonomy import Band, Category, Kind, Stage
from services.intake import access
from services.intake.details import policy
from services.intake.details.policy import AnswerType
from services.intake.details.store import AffectedPerson, Answer, AnswerBefore
from services.intake.linking.store import Link, joins
from services.intake.store import Incident
from services.runtime import restriction
from services.runtime.actor import Actor

SAME_PERSON = timedelta(days=365)
SAME_PLACE = timedelta(days=28)
SHOWN = 50


class EarlierAnswer(BaseModel):
    """What an answer said before it was changed, whose it was and from when."""

    answer: Any
    answered_by: UUID
    answered_at: datetime


class QuestionView(BaseModel):
    """A question with its answer, if there is one, and what it said before."""

    id: str
    text: str
    type: AnswerType
    options: list[str]
    required: bool
    answer: Any = None
    answered_by: UUID | None = None
    answered_at: datetime | None = None
    earlier: list[EarlierAnswer] = Field(default_factory=list, description="Earlier answers, the first one first.")


class QuestionsView(BaseModel):
    """All that is asked about an incident."""

    policy_version: str
    questions: list[QuestionView]
    missing: list[str]


class EarlierIncident(BaseModel):
    """An incident that came before, and why it is shown."""

    incident_id: UUID
    kind: Kind
    category: Category
    occurred_at: datetime
    stage: Stage
    band: Band | None
    same_person: bool
    same_place_and_type: bool
    linked: bool = Field(description="Somebody said that the two belong together: GET .../links says how and why.")


class Earlier(BaseModel):
    """How many came before, and the newest of them. The triager confirms having seen `total`."""

    total: int
    incidents: list[EarlierIncident]


def questions(session: Session, actor: Actor, incident: Incident) -> QuestionsView:
    """What is asked about an incident, what was answered, and which required answers are missing.

    What was answered stays in the list, also where it is not asked any more.

    Whoever reported a restricted incident and is not among those who need to know sees their own answers only.
    """
    answers = {
        row.question: row for row in session.scalars(select(Answer).where(Answer.incident_id == incident.incident_id))
    }
    own_only = not access.may_see(session, actor, incident.incident_id, in_scope=True)
    if own_only:
        answers = {name: row for name, row in answers.items() if row.answered_by == actor.id}
    earlier: dict[str, list[EarlierAnswer]] = {}
    before = (
        select(AnswerBefore).where(AnswerBefore.incident_id == incident.incident_id).order_by(AnswerBefore.revision)
    )
    for row in session.scalars(before):
        if not own_only or row.answered_by == actor.id:
            said = EarlierAnswer(answer=row.value, answered_by=row.answered_by, answered_at=row.answered_at)
            earlier.setdefault(row.question, []).append(said)
    asked = policy.shipped()
    views = []
    now_asked = {question.id for question in asked.of(Category(incident.category), Kind(incident.kind))}
    for question in asked.questions:
        known = answers.get(question.id)
        if known is None and question.id not in now_asked:
            continue
        views.append(
            QuestionView(
                **question.model_dump(exclude={"category", "kind", "required"}),
                required=question.required and question.id in now_asked,
                answer=known.value if known else None,
                answered_by=known.answered_by if known else None,
                answered_at=known.answered_at if known else None,
                earlier=earlier.get(question.id, []),
            )
        )
    missing = [view.id for view in views if view.required and view.answer is None]
    return QuestionsView(policy_version=asked.version, questions=views, missing=missing)


def _before(actor: Actor, incident: Incident) -> tuple[Any, Any, Any, Any]:
    mine, theirs = aliased(AffectedPerson), aliased(AffectedPerson)
    same_person = and_(
        Incident.occurred_at >= incident.occurred_at - SAME_PERSON,
        exists().where(
            theirs.incident_id == Incident.incident_id,
            mine.incident_id == incident.incident_id,
            mine.person_ref == theirs.person_ref,
        ),
    )
    same_place = and_(
        Incident.location_id == incident.location_id,
        Incident.category == incident.category,
        Incident.occurred_at >= incident.occurred_at - SAME_PLACE,
    )
    linked = select(Link.link_id).where(joins(incident.incident_id, Incident.incident_id)).exists()
    condition = and_(
        Incident.provider_id == incident.provider_id,
        Incident.incident_id != incident.incident_id,
        Incident.occurred_at <= incident.occurred_at,
        Incident.stage.not_in([Stage.WITHDRAWN, Stage.DUPLICATE]),
        or_(same_person, same_place, linked),
        # Also at other locations, but never one that only some may know of.
        restriction.visible("intake", actor, Incident.incident_id, in_scope=true()),
    )
    return condition, same_person, same_place, linked


def count_earlier(session: Session, actor: Actor, incident: Incident) -> int:
    """How many incidents of the same people (a year), of the same place and type (28 days), or linked, came before.

    Restricted ones count only for those who may see them.
    """
    condition, _, _, _ = _before(actor, incident)
    return session.scalar(select(func.count()).select_from(Incident).where(condition)) or 0


def earlier(session: Session, actor: Actor, incident: Incident) -> Earlier:
    """Those incidents, the newest first, at most 50 of them."""
    condition, same_person, same_place, linked = _before(actor, incident)
    rows = session.execute(
        select(Incident, same_person, same_place, linked)
        .where(condition)
        .order_by(Incident.occurred_at.desc(), Incident.incident_id.desc())
        .limit(SHOWN)
    )
    found = [
        EarlierIncident(
            incident_id=row.incident_id,
            kind=Kind(row.kind),
            category=Category(row.category),
            occurred_at=row.occurred_at,
            stage=Stage(row.stage),
            band=Band(row.band) if row.band else None,
            same_person=person,
            same_place_and_type=place,
            linked=joined,
        )
        for row, person, place, joined in rows
    ]
    return Earlier(total=count_earlier(session, actor, incident), incidents=found)
