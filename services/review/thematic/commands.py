"""The use-cases of thematic review. Each runs in one transaction of the caller.

A theme's findings are a review as any other, of the method `thematic_review`: written, submitted, approved by somebody
else, with factors, learning and a briefing. Its id stands where an incident's does, there and in what follows from it.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import EventData
from services.contracts.identity import EVERYWHERE
from services.contracts.reporting import SignalAccepted
from services.contracts.review import (
    ThemeAccepted,
    ThemeCommissioned,
    ThemeEnded,
    ThemeMemberDecided,
    ThemeReminded,
    ThemeStageEntered,
)
from services.contracts.taxonomy import Band, Category, Kind, MemberDecision, PhysicalHarm, Role, ThemeStage
from services.review.commands import SERVICE, Strict, open_for_theme
from services.review.domain import REVIEWERS, THEMATIC, Audience, Need, ReviewStatus
from services.review.methods import template
from services.review.sharing.store import Location
from services.review.store import Review
from services.review.thematic import domain, policy, store
from services.review.thematic.domain import COLLECTORS
from services.review.thematic.store import KnownIncident, Member, Theme, Told, visible_known, visible_theme
from services.runtime import audit, outbox, restriction
from services.runtime.actor import Actor
from services.runtime.auth import require_role
from services.runtime.calendar import add_working_days
from services.runtime.db import insert_new
from services.runtime.errors import conflict, forbidden, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText

MAX_QUESTIONS = 20
MAX_TEAM = 30
MAX_LOCATIONS = 1000


_IN_SIGNAL = "It is in the signal that was accepted."
_QUESTIONS = (
    "What do these incidents have in common, and what not?",
    "Why did what was done after each of them not prevent the next?",
    "What would have to change everywhere, also where nothing was reported?",
)
"""What a theme from a signal asks until whoever leads it changes the terms."""

_NAMED = ("factor", "shift", "time_of_day", "medicine", "equipment", "staff_group")
"""Traits whose code is a word; those of people and wordings stand for themselves and are not shown."""


class TeamMember(Strict):
    """Somebody who works on it. Without an id they take part and have no account, as a pharmacist of the surgery."""

    part: ShortText = Field(description="In what part, for example: support worker, pharmacist.")
    person_id: UUID | None = None


class Terms(Strict):
    """What is to be answered, by whom, from what."""

    title: ShortText = Field(description="The scope in one line. No names.")
    why: LongText = Field(description="Why these incidents are looked at together.")
    questions: Annotated[list[ShortText], Field(min_length=1, max_length=MAX_QUESTIONS)]
    sources: Annotated[list[ShortText], Field(max_length=MAX_QUESTIONS)] = Field(
        default_factory=list, description="What is read besides the incidents: supervision, training, charts."
    )
    lead_id: UUID = Field(description="The one person who answers for it at every stage.")
    team: Annotated[list[TeamMember], Field(max_length=MAX_TEAM)] = Field(default_factory=list)


class CommissionTheme(Terms):
    """The terms, and what the theme is about."""

    category: Category = Field(description="The type of incident whose rate will show the effect.")
    band: Band = Field(description="The risk of the whole, which may be above that of each incident.")
    region_id: UUID | None = Field(default=None, description="Left out: the whole provider.")
    locations: Annotated[list[UUID], Field(min_length=1, max_length=MAX_LOCATIONS)] = Field(
        description="Where the pattern was seen. What is learned goes to all of the region or provider."
    )
    signal_id: UUID | None = Field(default=None, description="The signal that it was commissioned from, if any.")


class DecideMember(Strict):
    """Whether an incident belongs to the theme."""

    decision: MemberDecision
    reason: ShortText


class EndTheme(Strict):
    """Why it will not be finished."""

    reason: LongText


class _Change:
    """Writes the audit entry and the event that belong to a change of a theme."""

    def __init__(self, session: Session, actor: Actor, theme: Theme, at: datetime) -> None:
        self._session, self._actor, self._theme, self._at = session, actor, theme, at

    def record(self, action: str, event: EventData | None, **data: Any) -> None:
        """Append to the theme's chain and publish, if there is something to say. Data holds codes and digests only."""
        theme = self._theme
        theme.version += 1
        self._session.flush()
        audit.append(
            self._session,
            SERVICE,
            chain=theme.theme_id,
            actor=self._actor,
            action=action,
            subject=theme.theme_id,
            at=self._at,
            data={"cycle": theme.cycle, **data},
        )
        if event is not None:
            row = outbox.event_row(event, actor=self._actor, subject=theme.theme_id, version=theme.version, at=self._at)
            outbox.record(self._session, SERVICE, row)


def commission_theme(session: Session, actor: Actor, command: CommissionTheme, now: datetime) -> Theme:
    """Commission a thematic review. Raises 403 outside the actor's scope, 409 when the signal has its theme already."""
    if not actor.sees(EVERYWHERE, command.region_id):
        raise forbidden("A theme is about a whole region or provider. Ask somebody who covers it to commission it.")
    _check_locations(session, command)
    theme = _commissioned(actor, command, now)
    try:
        with session.begin_nested():
            session.add(theme)
    except IntegrityError:
        raise conflict(
            "already-commissioned",
            "A theme was commissioned from this signal already",
            "Read it at GET /themes; if it was about something else, commission this one without the signal.",
        ) from None
    _say_terms(session, actor, theme, now, "theme_commissioned")
    return theme


def commission_from_signal(session: Session, actor: Actor, signal: SignalAccepted, now: datetime) -> Theme | None:
    """Commission the thematic review of an accepted signal, for whoever was named to lead it, with its incidents linked.

    None where nobody was named or the signal has its theme already: the same word again changes nothing. Restricted
    incidents are not linked: who needs to know of them links them. The terms can be changed as any others.
    """
    if signal.lead_id is None or session.scalar(select(Theme.theme_id).where(Theme.signal_id == signal.signal_id)):
        return None
    known = session.execute(
        select(KnownIncident.incident_id, KnownIncident.category)
        .where(KnownIncident.incident_id.in_(signal.incidents))
        .where(KnownIncident.incident_id.not_in(select(restriction.restriction_table("review").c.record_id)))
        .order_by(KnownIncident.occurred_at, KnownIncident.incident_id)
    ).all()
    categories = Counter(Category(row.category) for row in known)
    category = signal.category or (categories.most_common(1)[0][0] if categories else Category.OTHER)
    shared = "" if signal.trait is None else f", the same {signal.trait.replace('_', ' ')}"
    if signal.trait in _NAMED:
        shared += f": {(signal.code or '').replace('_', ' ')}"
    command = CommissionTheme(
        title=f"{category.replace('_', ' ').capitalize()}{shared}, {len(signal.locations)} services",
        why=f"A pattern was found ({signal.kind.replace('_', ' ')}, {len(signal.incidents)} incidents) and accepted as real.",
        questions=[*_QUESTIONS],
        lead_id=signal.lead_id,
        category=category,
        band=signal.band or Band.MODERATE,
        region_id=signal.region_id,
        locations=signal.locations[:MAX_LOCATIONS],
        signal_id=signal.signal_id,
    )
    theme = _commissioned(actor, command, now)
    session.add(theme)
    session.flush()
    _say_terms(session, actor, theme, now, "theme_commissioned")
    for row in known:
        _decide(
            session, actor, theme, row.incident_id, DecideMember(decision=MemberDecision.LINKED, reason=_IN_SIGNAL), now
        )
    return theme


def _commissioned(actor: Actor, command: CommissionTheme, now: datetime) -> Theme:
    rules = policy.shipped()
    accept_due_at = add_working_days(now, rules.accept_working_days)
    theme = Theme(
        theme_id=new_id(),
        provider_id=actor.provider_id,
        region_id=command.region_id,
        locations=sorted(set(command.locations)),
        category=command.category,
        band=command.band,
        signal_id=command.signal_id,
        commissioned_by=actor.id,
        commissioned_at=now,
        accept_due_at=accept_due_at,
        policy_version=rules.version,
        cycle=1,
        stage=ThemeStage.COMMISSIONED,
        next_move=Role.QUALITY_LEAD,
        next_due_at=accept_due_at,
        version=0,
    )
    _set_terms(theme, command)
    return theme


def _check_locations(session: Session, command: CommissionTheme) -> None:
    known = {
        row.location_id: row.region_id
        for row in session.scalars(select(Location).where(Location.location_id.in_(command.locations)))
    }
    for place, location_id in enumerate(command.locations):
        if location_id not in known or command.region_id not in (None, known[location_id]):
            raise invalid(
                f"locations.{place}",
                "is not a location of this provider or region",
                "Choose from GET /locations of directory. If it was recorded a moment ago, try again in a few seconds.",
            )


def _set_terms(theme: Theme, terms: Terms) -> None:
    theme.title, theme.why, theme.lead_id = terms.title, terms.why, terms.lead_id
    theme.questions, theme.sources = list(terms.questions), list(terms.sources)
    theme.team = {
        "members": [member.model_dump(mode="json") for member in terms.team],
        "people": sorted({str(member.person_id) for member in terms.team if member.person_id is not None}),
    }


def _say_terms(session: Session, actor: Actor, theme: Theme, now: datetime, action: str) -> None:
    _Change(session, actor, theme, now).record(
        action,
        ThemeCommissioned(
            theme_id=theme.theme_id,
            region_id=theme.region_id,
            locations=theme.locations,
            category=Category(theme.category),
            band=Band(theme.band),
            lead_id=theme.lead_id,
            signal_id=theme.signal_id,
            accept_due_at=theme.accept_due_at,
            policy_version=theme.policy_version,
        ),
        category=theme.category,
        band=theme.band,
        lead_id=theme.lead_id,
        signal_id=theme.signal_id,
        locations=len(theme.locations),
        policy_version=theme.policy_version,
        title_sha256=audit.digest(theme.title),
        why_sha256=audit.digest(theme.why),
        questions_sha256=[audit.digest(question) for question in theme.questions],
        team=theme.team["people"],
    )


def change_terms(session: Session, actor: Actor, theme_id: UUID, command: Terms, version: int, now: datetime) -> Theme:
    """Replace the terms, who leads it included, while it is not over (409)."""
    theme = _running(session, actor, theme_id, version)
    _set_terms(theme, command)
    _say_terms(session, actor, theme, now, "terms_changed")
    return theme


def accept_theme(session: Session, actor: Actor, theme_id: UUID, version: int, now: datetime) -> Theme:
    """Whoever leads it accepts the terms (403 for others); the process then opens the review."""
    theme = _running(session, actor, theme_id, version)
    if actor.id != theme.lead_id:
        raise forbidden("Only the person who leads the theme accepts its terms. Change the terms to lead it yourself.")
    if not actor.roles.intersection(REVIEWERS) or not actor.sees(EVERYWHERE, theme.region_id):
        raise forbidden(
            "Whoever leads a theme writes its review: a reviewer who covers all of its region or provider."
            " Ask for somebody else in the terms."
        )
    if theme.accepted_at is not None:
        raise conflict("already-accepted", "The terms were accepted already", "The review is open; go on with it.")
    theme.accepted_at = now
    _Change(session, actor, theme, now).record("theme_accepted", ThemeAccepted(theme_id=theme_id))
    return theme


def decide_member(
    session: Session, actor: Actor, theme_id: UUID, incident_id: UUID, command: DecideMember, now: datetime
) -> Member:
    """Link an incident, or keep that it was considered and excluded, with the reason. Nothing of the incident changes.

    For whoever leads or works on the theme, and the roles that collect (403). Only incidents that the actor may see (422); only until the findings of the theme are submitted (409).
    """
    theme = visible_theme(session, actor, theme_id, lock=True)
    if actor.id != theme.lead_id and str(actor.id) not in theme.team["people"]:
        require_role(actor, *COLLECTORS)
    settled = select(Review.review_id).where(
        Review.incident_id == theme_id,
        Review.cycle == theme.cycle,
        Review.status.in_((ReviewStatus.SUBMITTED, ReviewStatus.APPROVED)),
    )
    collecting = theme.stage in (ThemeStage.COMMISSIONED, ThemeStage.REVIEWING)
    if not collecting or session.scalar(settled) is not None:
        raise conflict(
            "members-settled",
            "The findings of this theme were submitted, or it is over",
            "What was concluded rests on the incidents that were considered. Commission another theme for what is new.",
        )
    known = select(KnownIncident.incident_id).where(KnownIncident.incident_id == incident_id, visible_known(actor))
    if session.scalar(known) is None:
        raise invalid(
            "incident_id",
            "is not an incident that you may see",
            "Take its id from GET /incidents. If it was reported a moment ago, try again in a few seconds.",
        )
    return _decide(session, actor, theme, incident_id, command, now)


def _decide(
    session: Session, actor: Actor, theme: Theme, incident_id: UUID, command: DecideMember, now: datetime
) -> Member:
    theme_id = theme.theme_id
    member = session.get(Member, (theme_id, incident_id))
    if member is None:
        member = Member(theme_id=theme_id, incident_id=incident_id, provider_id=actor.provider_id)
        session.add(member)
    elif (member.decision, member.reason) == (command.decision, command.reason):
        return member
    member.decision, member.reason = command.decision, command.reason
    member.decided_by, member.decided_at = actor.id, now
    session.flush()
    _Change(session, actor, theme, now).record(
        "member_decided",
        ThemeMemberDecided(
            theme_id=theme_id,
            incident_id=incident_id,
            decision=command.decision,
            linked=store.count(session, theme_id, MemberDecision.LINKED),
            excluded=store.count(session, theme_id, MemberDecision.EXCLUDED),
        ),
        incident_id=incident_id,
        decision=command.decision,
        reason_sha256=audit.digest(command.reason),
    )
    return member


def end_theme(session: Session, actor: Actor, theme_id: UUID, command: EndTheme, version: int, now: datetime) -> Theme:
    """Decide, with a reason, that it will not be finished. What was opened for it ends too; its members are as before."""
    theme = _running(session, actor, theme_id, version)
    theme.stage, theme.end_reason = ThemeStage.ENDED, command.reason
    theme.next_move = theme.next_due_at = None
    _Change(session, actor, theme, now).record(
        "theme_ended", ThemeEnded(theme_id=theme_id), reason_sha256=audit.digest(command.reason)
    )
    return theme


def _running(session: Session, actor: Actor, theme_id: UUID, version: int) -> Theme:
    theme = visible_theme(session, actor, theme_id, lock=True)
    check_version(theme.version, version)
    if ThemeStage(theme.stage).over:
        raise conflict("already-ended", "This theme is over", "Commission another one if there is more to learn.")
    return theme


# What the process asks for.


def open_review(
    session: Session, command: activities.OpenThemeReview, now: datetime, actor: Actor
) -> activities.ThemeReviewPlan:
    """Open the thematic review of a cycle, due in the policy's working days. Again answers the first."""
    theme = _of(session, command)
    rules = policy.shipped()
    review = open_for_theme(
        session,
        actor,
        now,
        incident_id=theme.theme_id,
        cycle=command.cycle,
        location_id=EVERYWHERE,
        region_id=theme.region_id,
        kind=Kind.INCIDENT,
        category=theme.category,
        actual_harm=PhysicalHarm.NONE,
        band=theme.band,
        rule="thematic",
        policy_version=rules.version,
        method=THEMATIC,
        template=template.newest(THEMATIC).name,
        lead_role=Role.QUALITY_LEAD,
        approval_role=Role.DIRECTOR,
        actions_need=Need.REQUIRED,
        briefing_need=Need.REQUIRED,
        briefing_audience=Audience.PROVIDER if theme.region_id is None else Audience.REGION,
        briefing_target_percent=rules.briefing_target_percent,
        briefing_working_days=rules.briefing_working_days,
        triage_revision=1,
        due_at=add_working_days(now, rules.review_working_days),
    )
    return activities.ThemeReviewPlan(
        review_id=review.review_id, lead_role=Role(review.lead_role), due_at=review.due_at
    )


def enter_stage(session: Session, command: activities.EnterThemeStage, now: datetime, actor: Actor) -> None:
    """Record that the process entered a stage. Does nothing when it was recorded, left already, or the theme ended."""
    theme = _of(session, command)
    if not domain.may_enter((theme.cycle, ThemeStage(theme.stage)), (command.cycle, command.stage)):
        return
    theme.cycle, theme.stage = command.cycle, command.stage
    over = command.stage.over
    theme.next_move, theme.next_due_at = (None, None) if over else (command.next_move, command.due_at)
    if over:
        theme.closed_at, theme.watch_at = now, now + timedelta(days=policy.shipped().watch_days)
    _Change(session, actor, theme, now).record(
        "entered_stage",
        ThemeStageEntered(
            theme_id=theme.theme_id,
            cycle=command.cycle,
            stage=command.stage,
            next_move=None if over else command.next_move,
            due_at=None if over else command.due_at,
            watch_at=theme.watch_at,
        ),
        stage=command.stage,
        due_at=command.due_at,
        watch_at=theme.watch_at,
    )


def remind(session: Session, command: activities.RemindTheme, now: datetime, actor: Actor) -> activities.ThemeReminder:
    """Say who is to be told that a clock ran out. The same command twice tells once and gives the same answer."""
    theme = _of(session, command)
    role = domain.whom_to_tell(command.count)
    if insert_new(
        session,
        Told,
        command_id=command.command_id,
        provider_id=actor.provider_id,
        theme_id=theme.theme_id,
        notice_id=uuid5(theme.theme_id, command.command_id),
        person_id=theme.lead_id if role is None else None,
        to_role=role,
        next_at=add_working_days(now, policy.shipped().remind_working_days),
        sent_at=now,
    ):
        _Change(session, actor, theme, now).record(
            "theme_reminded",
            ThemeReminded(
                theme_id=theme.theme_id,
                cycle=command.cycle,
                stage=command.stage,
                count=command.count,
                to_role=role,
                action_id=command.action_id,
            ),
            stage=command.stage,
            count=command.count,
            to_role=role,
            action_id=command.action_id,
        )
    told = session.get_one(Told, command.command_id)
    return activities.ThemeReminder(
        next_at=told.next_at,
        notice_id=told.notice_id,
        person_id=told.person_id,
        role=None if told.to_role is None else Role(told.to_role),
    )


def _of(session: Session, command: activities.Command) -> Theme:
    return session.get_one(Theme, command.incident_id, with_for_update=True)
