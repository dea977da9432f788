"""What was learned, for everybody to find: by words, by likeness, and by month, with what changed because of it.

An entry is a briefing, which names nobody. Of a restricted incident it is all there is to see, and only for those to
whom it went.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, exists, func, literal_column, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.contracts import actions
from services.contracts.event import EventData
from services.contracts.taxonomy import Category, Seips, Strength, Verdict
from services.review.domain import APPROVERS
from services.review.sharing.domain import Likeness, likeness, state_of
from services.review.sharing.store import Briefing, BriefingLearning, BriefingLocation, Effect, Improvement, not_erased
from services.review.store import Factor, Learning, Review
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.errors import not_found
from services.runtime.pagination import Page

TYPO = 0.5
"""How alike, of 1, a word must be that is not the same."""
COMPARED = 500
"""So many of the newest briefings are compared with a case."""
IN_A_NOTE = 200


class Change(BaseModel):
    """An action that answers the same case, and how far it is. Done, verified and effective are three things."""

    strength: Strength | None
    state: str
    at: datetime


class Entry(BaseModel):
    """Something that was learned. `because` says why it was found; `learning` is for those who may read the review."""

    briefing_id: UUID
    summary: str
    what_changes: str
    for_whom: str | None
    category: Category | None
    factors: list[Seips]
    sent_at: datetime
    learning: list[str]
    changed: list[Change]
    verdict: Verdict | None
    because: list[str]


class Alike(BaseModel):
    """What was learned from the cases most like one, best first."""

    entries: list[Entry]


class Note(BaseModel):
    """What changed, in one month, for those who work at a place."""

    month: date
    briefings: int
    actions_verified: int
    actions_effective: int
    entries: list[Entry]


_SEARCH: ColumnElement[str] = literal_column("review.briefing.search", TSVECTOR)
_WORDING = Briefing.summary + " " + Briefing.what_changes


def readable(actor: Actor) -> ColumnElement[bool]:
    """The condition for briefings that the library shows to the actor."""
    reaches = exists().where(
        BriefingLocation.briefing_id == Briefing.briefing_id,
        actor.scope(BriefingLocation.location_id, BriefingLocation.region_id),
    )
    return and_(
        Briefing.provider_id == actor.provider_id,
        not_erased(),
        or_(Briefing.incident_id.not_in(_restricted()), and_(reaches, Briefing.incident_id.not_in(_kept_from(actor)))),
    )


def _restricted() -> "Select[tuple[UUID]]":
    table = restriction.restriction_table("review")
    return select(table.c.record_id)


def _kept_from(actor: Actor) -> "Select[tuple[UUID]]":
    table = restriction.restriction_table("review")
    return select(table.c.record_id).where(table.c.excluded.contains([actor.id]))


def search(
    session: Session, actor: Actor, *, words: str | None, category: Category | None, limit: int, cursor: str | None
) -> Page[Entry]:
    """Briefings that hold these words, or nearly so, best first and one page; without words all, newest first."""
    query = select(Briefing).where(readable(actor))
    if category is not None:
        mine = exists().where(Review.review_id == Briefing.review_id, Review.category == category)
        query = query.where(mine, Briefing.incident_id.not_in(_restricted()))
    if words is None:
        after = pagination.decode(cursor)
        if after is not None:
            query = query.where(Briefing.briefing_id < after)
        rows = list(session.scalars(query.order_by(Briefing.briefing_id.desc()).limit(limit + 1)))
        items = _entries(session, actor, rows[:limit], {})
        return Page(items=items, next=pagination.encode(items[-1].briefing_id) if len(rows) > limit else None)
    wanted = func.websearch_to_tsquery("english", words)
    alike = func.word_similarity(words, _WORDING)
    holds = _SEARCH.op("@@")(wanted)
    rank = func.ts_rank(_SEARCH, wanted) + alike
    found = session.execute(
        query.add_columns(holds.label("holds"), alike.label("alike"))
        .where(or_(holds, alike >= TYPO))
        .order_by(rank.desc(), Briefing.briefing_id.desc())
        .limit(limit)
    ).all()
    because = {
        row.Briefing.briefing_id: ["holds these words" if row.holds else f"nearly these words ({row.alike:.2f})"]
        for row in found
    }
    return Page(items=_entries(session, actor, [row.Briefing for row in found], because))


def similar(session: Session, actor: Actor, incident_id: UUID, limit: int) -> list[Entry]:
    """What was learned from cases like this one, the most alike first, each with why. 404 without a review to compare."""
    visible = restriction.visible(
        "review", actor, Review.incident_id, in_scope=actor.scope(Review.location_id, Review.region_id)
    )
    review = session.scalars(
        select(Review).where(Review.incident_id == incident_id, visible).order_by(Review.cycle.desc()).limit(1)
    ).first()
    if review is None:
        raise not_found("incident")
    wording = " ".join(filter(None, (review.what_happened, review.why)))
    stems = session.scalar(select(func.tsvector_to_array(func.to_tsvector("english", wording)))) or []
    case = Likeness(review.category, frozenset(_factors(session, [review.review_id])[review.review_id]), _words(stems))
    candidates = session.execute(
        select(Briefing, type_coerce(func.tsvector_to_array(_SEARCH), ARRAY(Text)).label("stems"))
        .where(readable(actor), Briefing.incident_id != incident_id)
        .order_by(Briefing.briefing_id.desc())
        .limit(COMPARED)
    ).all()
    open_ones = _open(session, [row.Briefing for row in candidates])
    reviews = {one.briefing_id: one.review_id for one in open_ones.values() if one.review_id is not None}
    factors = _factors(session, list(reviews.values()))
    categories = _categories(session, list(reviews.values()))
    scored = []
    for row in candidates:
        of = reviews.get(row.Briefing.briefing_id)
        other = Likeness(
            None if of is None else categories.get(of),
            frozenset() if of is None else frozenset(factors[of]),
            _words(row.stems or []),
        )
        score, reasons = likeness(case, other)
        if score > 0:
            scored.append((score, row.Briefing, reasons))
    scored.sort(key=lambda one: (-one[0], str(one[1].briefing_id)))
    best = scored[:limit]
    because = {briefing.briefing_id: reasons for _, briefing, reasons in best}
    return _entries(session, actor, [briefing for _, briefing, _ in best], because)


def _words(stems: Sequence[str]) -> frozenset[str]:
    return frozenset(one for one in stems if len(one) > 2 and not one.isdigit())


def note(session: Session, actor: Actor, month: date, *, region_id: UUID | None, location_id: UUID | None) -> Note:
    """What went out in a month to the caller's places, or to one region or location of them, and what came of it."""
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    place = actor.scope(BriefingLocation.location_id, BriefingLocation.region_id)
    if region_id is not None:
        place = and_(place, BriefingLocation.region_id == region_id)
    if location_id is not None:
        place = and_(place, BriefingLocation.location_id == location_id)
    rows = list(
        session.scalars(
            select(Briefing)
            .where(readable(actor), Briefing.sent_at >= month, Briefing.sent_at < after)
            .where(exists().where(BriefingLocation.briefing_id == Briefing.briefing_id, place))
            .order_by(Briefing.briefing_id)
            .limit(IN_A_NOTE)
        )
    )
    entries = _entries(session, actor, rows, {})
    states = [one.state for entry in entries for one in entry.changed]
    return Note(
        month=month,
        briefings=len(entries),
        actions_verified=states.count("verified") + states.count("effective"),
        actions_effective=states.count("effective"),
        entries=entries,
    )


def _open(session: Session, briefings: Sequence[Briefing]) -> dict[UUID, Briefing]:
    """Those whose incident is not restricted, by id."""
    ids = {one.incident_id for one in briefings}
    table = restriction.restriction_table("review")
    hidden = set(session.scalars(select(table.c.record_id).where(table.c.record_id.in_(ids))))
    return {one.briefing_id: one for one in briefings if one.incident_id not in hidden}


def _factors(session: Session, review_ids: Sequence[UUID]) -> defaultdict[UUID, list[str]]:
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    query = select(Factor.review_id, Factor.element).where(Factor.review_id.in_(review_ids)).order_by(Factor.place)
    for review_id, element in session.execute(query):
        if element not in found[review_id]:
            found[review_id].append(element)
    return found


def _categories(session: Session, review_ids: Sequence[UUID]) -> dict[UUID, str]:
    query = select(Review.review_id, Review.category).where(Review.review_id.in_(review_ids))
    return {row.review_id: row.category for row in session.execute(query)}


def _entries(
    session: Session, actor: Actor, briefings: Sequence[Briefing], because: dict[UUID, list[str]]
) -> list[Entry]:
    open_ones = _open(session, briefings)
    review_ids = [one.review_id for one in open_ones.values() if one.review_id is not None]
    factors, categories = _factors(session, review_ids), _categories(session, review_ids)
    learned = _learned(session, actor, list(open_ones))
    incidents = {one.incident_id for one in briefings}
    effects = {
        (row.incident_id, row.cycle): row.verdict
        for row in session.scalars(
            select(Effect).where(Effect.incident_id.in_(incidents)).order_by(Effect.at, Effect.checkpoint_id)
        )
    }
    changes: defaultdict[UUID, list[Change]] = defaultdict(list)
    for row in session.scalars(
        select(Improvement)
        .where(Improvement.incident_id.in_(incidents))
        .order_by(Improvement.at, Improvement.action_id)
    ):
        state = state_of(row.state, effects.get((row.incident_id, row.cycle)))
        strength = None if row.strength is None else Strength(row.strength)
        changes[row.incident_id].append(Change(strength=strength, state=state, at=row.at))
    entries = []
    for one in briefings:
        of = one.review_id if one.briefing_id in open_ones else None
        verdict = effects.get((one.incident_id, one.cycle))
        entries.append(
            Entry(
                briefing_id=one.briefing_id,
                summary=one.summary,
                what_changes=one.what_changes,
                for_whom=one.for_whom,
                category=Category(categories[of]) if of in categories else None,
                factors=[Seips(element) for element in factors[of]] if of is not None else [],
                sent_at=one.sent_at,
                learning=learned.get(one.briefing_id, []),
                changed=changes[one.incident_id],
                verdict=None if verdict is None else Verdict(verdict),
                because=because.get(one.briefing_id, []),
            )
        )
    return entries


def _learned(session: Session, actor: Actor, briefing_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    if not actor.roles.intersection(APPROVERS):
        return {}
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    query = (
        select(BriefingLearning.briefing_id, Learning.statement)
        .join(Learning, Learning.learning_id == BriefingLearning.learning_id)
        .join(Review, Review.review_id == Learning.review_id)
        .where(BriefingLearning.briefing_id.in_(briefing_ids))
        .where(actor.scope(Review.location_id, Review.region_id))
        .order_by(Learning.place)
    )
    for briefing_id, statement in session.execute(query):
        found[briefing_id].append(statement)
    return found


_STATES: dict[type[EventData], str] = {
    actions.ActionAgreed: "open",
    actions.ActionOpened: "open",
    actions.ActionReturned: "open",
    actions.ActionDone: "done",
    actions.ActionVerified: "verified",
    actions.ActionCancelled: "cancelled",
}
STATES = {event.TYPE: (event, state) for event, state in _STATES.items()}
"""The events of actions that say how far one is."""


def record_action(
    session: Session, provider_id: UUID, event_type: str, data: dict[str, object], version: int, at: datetime
) -> None:
    """Keep how far an action is; an older word than the one known changes nothing but what it alone tells.

    It is kept once, with the case that it was agreed for.
    """
    model, state = STATES[event_type]
    event = model.model_validate(data)
    if event.served:  # type: ignore[attr-defined]
        return
    strength = getattr(event, "strength", None)
    statement = upsert(Improvement).values(
        action_id=event.action_id,  # type: ignore[attr-defined]
        provider_id=provider_id,
        incident_id=event.incident_id,  # type: ignore[attr-defined]
        cycle=event.cycle,  # type: ignore[attr-defined]
        strength=strength,
        state=state,
        at=at,
        revision=version,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Improvement.action_id],
            set_={"state": state, "at": at, "revision": version},
            where=Improvement.revision < version,
        )
    )
    if strength is not None:
        session.execute(
            Improvement.__table__.update()  # type: ignore[attr-defined]
            .where(Improvement.action_id == event.action_id, Improvement.strength.is_(None))  # type: ignore[attr-defined]
            .values(strength=strength)
        )


def record_effect(session: Session, provider_id: UUID, event: actions.ImpactJudged, version: int, at: datetime) -> None:
    """Keep what a person decided at a checkpoint."""
    statement = upsert(Effect).values(
        checkpoint_id=event.checkpoint_id,
        provider_id=provider_id,
        incident_id=event.incident_id,
        cycle=event.cycle,
        verdict=event.verdict,
        at=at,
        revision=version,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Effect.checkpoint_id],
            set_={"verdict": event.verdict, "at": at, "revision": version},
            where=Effect.revision < version,
        )
    )
