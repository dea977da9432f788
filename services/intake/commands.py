"""The use-cases of intake. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

Every use-case may be sent again: commands of people are made idempotent by their Idempotency-Key, commands of the
process engine by `command_id` or by the state they find.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.event import EventData
from services.contracts.intake import (
    IncidentClosed,
    IncidentImported,
    IncidentMarkedDuplicate,
    IncidentReopened,
    IncidentReported,
    IncidentTriaged,
    IncidentWithdrawn,
    ReminderSent,
    StageEntered,
)
from services.contracts.taxonomy import (
    BlockerKind,
    Category,
    Consequence,
    Kind,
    Likelihood,
    PhysicalHarm,
    PsychologicalHarm,
    Role,
    Stage,
)
from services.intake import access, line, policy
from services.intake.checks import commands as checks
from services.intake.clocks import stop_all
from services.intake.details.describing import describe
from services.intake.details.queries import count_earlier
from services.intake.domain import (
    CLOCK_TOLERANCE,
    FEEDBACK,
    TRIAGED_BY_RULE,
    TriagePolicy,
    harm_contradiction,
    may_enter,
)
from services.intake.escalation import commands as ladder
from services.intake.obligations import commands as obligations
from services.intake.obligations.store import obligations_of
from services.intake.recurrence import asking as recurrence
from services.intake.recurrence.asking import undecided
from services.intake.safeguarding import commands as safeguarding
from services.intake.speak_up import policy as speak_up
from services.intake.store import (
    Feedback,
    Incident,
    Location,
    Reminder,
    StageEntry,
    Triage,
    latest_triage,
    visible_incident,
)
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.db import Row, insert_new, insert_rows, run
from services.runtime.errors import ServiceError, conflict, forbidden, invalid, not_found
from services.runtime.idempotency import Remember, check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText, Word

SERVICE = "intake"
MANAGERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
SECOND_ROLES = (Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Who may withdraw what a manager alone may not."""
EARLIEST = timedelta(days=365 * 20)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class ReportIncident(Strict):
    """A first report. Few fields; the rest is asked later."""

    location_id: UUID = Field(description="Where it happened.")
    occurred_at: Instant = Field(description="When it happened, with time zone.")
    kind: Kind = Kind.INCIDENT
    category: Category
    immediate_danger: bool = Field(description="True if somebody is still in danger now.")
    narrative: LongText = Field(description="What happened, in your words. At most 10,000 characters.")
    person_refs: Annotated[list[UUID], Field(max_length=20)] = Field(
        default_factory=list, description="Whom it happened to: the opaque references of your care records."
    )
    about_staff: Annotated[list[UUID], Field(max_length=20)] = Field(
        default_factory=list,
        description="Staff an allegation is about: ids of their accounts. The incident is then restricted from the"
        " first second, and they never see it, whatever their role.",
    )
    not_about_staff: bool = Field(
        default=False,
        description="True if you know that the allegation is about nobody who works for the provider. Otherwise an"
        " allegation of abuse is restricted from the first second, also while nobody is named.",
    )
    about_line: Annotated[list[UUID], Field(max_length=20)] = Field(
        default_factory=list,
        description="Their line managers, who do not see it either. Whom they answer to by the directory need not be typed.",
    )


class Receipt(BaseModel):
    """What the reporter gets at once."""

    incident_id: UUID
    stage: Stage
    triage_due_at: Instant
    what_happens_next: str
    fair_blame: str = Field(description="What a reporter may rely on, in the provider's words.")


class TriageIncident(Strict):
    """A manager's scoring of actual and worst credible harm."""

    actual_harm: PhysicalHarm = Field(description="LFPSE level of physical harm, by the best information at the time.")
    psychological_harm: PsychologicalHarm = Field(
        default=PsychologicalHarm.NONE, description="LFPSE level of psychological harm."
    )
    consequence: Consequence = Field(description="Worst credible consequence, 1 to 5.")
    likelihood: Likelihood = Field(description="How likely that is if it happened again, 1 to 5.")
    reason: ShortText | None = Field(
        default=None, description="Needed when the score is lower than suggested, and to triage again."
    )
    earlier_seen: int = Field(
        default=0, ge=0, description="The `total` of GET /incidents/{incident_id}/earlier: those incidents were seen."
    )


class EndIncident(Strict):
    """Why an incident leaves the chain."""

    reason: ShortText


class MarkDuplicate(Strict):
    """Which incident already covers the same event."""

    duplicate_of: UUID


class ReopenIncident(Strict):
    """Why and where a closed incident goes back into the chain."""

    stage: Literal[Stage.REVIEWING, Stage.ACTING]
    reason: ShortText


class ImportedIncident(Strict):
    """One historical incident."""

    source_ref: Annotated[Word, Field(min_length=1, max_length=100)]
    location_id: UUID
    kind: Kind = Kind.INCIDENT
    category: Category
    actual_harm: PhysicalHarm
    occurred_at: Instant
    reported_at: Instant | None = None
    closed_at: Instant | None = None
    narrative: LongText


class _Change:
    """Writes the audit entry and the event that belong to a change of an incident."""

    def __init__(self, session: Session, actor: Actor, incident: Incident, at: datetime) -> None:
        self._session, self._actor, self._incident, self._at = session, actor, incident, at

    def record(self, action: str, event: EventData, *, urgent: bool = False, **data: Any) -> None:
        incident = self._incident
        audit.append(
            self._session,
            SERVICE,
            chain=incident.incident_id,
            actor=self._actor,
            action=action,
            subject=incident.incident_id,
            at=self._at,
            data=data,
        )
        self.publish(event, urgent=urgent)

    def publish(self, event: EventData, *, urgent: bool = False) -> None:
        row = outbox.event_row(
            event,
            actor=self._actor,
            subject=self._incident.incident_id,
            version=self._incident.version,
            at=self._at,
            urgent=urgent,
        )
        outbox.record(self._session, SERVICE, row)


_ACTIVE_LOCATION = "select region_id from intake.location where location_id = %s and active"


def report_incident(
    session: Session,
    actor: Actor,
    command: ReportIncident,
    now: datetime,
    *,
    restricted: bool = False,
    remember: Remember | None = None,
) -> Receipt:
    """Accept a report. Raises 422 for an unknown location or an impossible time, 403 outside the reporter's scope.

    An allegation of abuse is restricted in the same transaction, unless the reporter says that it is not about staff,
    and what came in confidence by `restricted`. `remember` makes one more row of the receipt.

    Does no more than must be durable before the reply: the row, its audit entry, its event, the first feedback.
    """
    location = run(session, _ACTIVE_LOCATION, [command.location_id]).fetchone()
    if location is None:
        raise invalid(
            "location_id",
            "is not an active location of your provider",
            "Choose a location from the directory. If it is new, ask for it to be imported first.",
        )
    (region_id,) = location
    if not actor.sees(command.location_id, region_id):
        raise forbidden("You may report for the locations you work at. Ask your manager to extend your scope.")
    if command.occurred_at > now + CLOCK_TOLERANCE:
        raise invalid("occurred_at", "is in the future", "Give the time the event happened, not later than now.")
    if command.occurred_at < now - EARLIEST:
        raise invalid("occurred_at", "is more than 20 years ago", "Check the year.")
    away = {*command.about_staff, *command.about_line}
    if away and command.not_about_staff:
        raise invalid(
            "not_about_staff",
            "is true, and staff are named",
            "Leave not_about_staff out, or about_staff and about_line.",
        )
    # Whom they answer to is known without being typed.
    away |= line.line_of(session, command.about_staff, access.need_to_know(session, actor.provider_id))
    rules = policy.current(session, actor.provider_id)
    incident_id, danger, staff_named = new_id(), command.immediate_danger, bool(command.about_staff)
    allegation = command.category is Category.ABUSE_ALLEGATION and not command.not_about_staff
    restricted = restricted or allegation or bool(away)
    next_move = Role.SAFEGUARDING_LEAD if restricted else Role.REGISTERED_MANAGER
    triage_due_at = rules.triage_due(now, danger)
    incident = {
        "incident_id": incident_id,
        "provider_id": actor.provider_id,
        "location_id": command.location_id,
        "region_id": region_id,
        "kind": command.kind,
        "category": command.category,
        "narrative": command.narrative,
        "immediate_danger": danger,
        "staff_named": staff_named,
        "occurred_at": command.occurred_at,
        "reported_at": now,
        "reporter_id": actor.id,
        "triage_due_at": triage_due_at,
        "stage": Stage.REPORTED,
        "stage_entered_at": now,
        "cycle": 1,
        "next_move": next_move,
        "next_due_at": triage_due_at,
        "version": 1,
    }
    entry = audit.first_entry(
        chain=incident_id,
        actor=actor,
        action="reported",
        subject=incident_id,
        at=now,
        data={
            "location_id": command.location_id,
            "kind": command.kind,
            "category": command.category,
            "occurred_at": command.occurred_at,
            "immediate_danger": danger,
            "not_about_staff": command.not_about_staff,
            "narrative_sha256": audit.digest(command.narrative),
        },
    )
    event = IncidentReported(
        incident_id=incident_id,
        location_id=command.location_id,
        region_id=region_id,
        kind=command.kind,
        category=command.category,
        occurred_at=command.occurred_at,
        reported_at=now,
        immediate_danger=danger,
        triage_due_at=triage_due_at,
        restricted=restricted,
        checks_warned_at=checks.warned_at_report(command.category, command.kind, command.occurred_at, now),
    )
    said = outbox.event_row(event, actor=actor, subject=incident_id, version=1, at=now, urgent=danger)
    people = (
        {"incident_id": incident_id, "person_ref": ref, "provider_id": actor.provider_id}
        for ref in sorted(set(command.person_refs))
    )
    receipt = Receipt(
        incident_id=incident_id,
        stage=Stage.REPORTED,
        triage_due_at=triage_due_at,
        what_happens_next=FEEDBACK[Stage.REPORTED],
        fair_blame=speak_up.shipped().fair_blame,
    )
    rows: list[Row] = [
        ("intake.incident", incident),
        ("intake.audit_entry", entry),
        *(("intake.affected_person", person) for person in people),
    ]
    if remember is not None:
        rows.append(remember(receipt))
    if restricted:
        # Said before the report: nobody may hear of it who may not know of it.
        insert_rows(session, *rows)
        access.restrict(session, actor, incident_id, now=now, excluded=away)
        rows = []
    insert_rows(session, *rows, ("intake.outbox", said))
    if command.category is Category.ABUSE_ALLEGATION and command.kind is not Kind.GOOD_CARE:
        safeguarding.open_at_report(session, actor, incident_id, command.person_refs, now)
    ladder.at_report(session, actor, incident_id, danger, command.category, command.kind, now, staff_named=staff_named)
    obligations.at_report(session, actor, incident_id, command.category, command.kind, now, staff_named=staff_named)
    return receipt


def triage_incident(
    session: Session, actor: Actor, incident_id: UUID, command: TriageIncident, version: int, now: datetime
) -> Incident:
    """Record a manager's triage, or a later one because facts changed: what follows from it follows anew.

    A score lower than the rule suggests, and every later triage, needs a reason; what came before must have been seen
    (422). Not once it has ended (409).
    """
    incident = _open_incident(session, actor, incident_id, version)
    if command.reason is None and latest_triage(session, incident_id) is not None:
        raise invalid("reason", "is needed to triage again", "Say which facts have changed since the last triage.")
    rules = policy.current(session, actor.provider_id)
    suggestion = rules.suggest(Kind(incident.kind), Category(incident.category), incident.immediate_danger)
    score = command.consequence * command.likelihood
    if score < suggestion.consequence * suggestion.likelihood and command.reason is None:
        raise invalid(
            "reason",
            f"is needed: rule '{suggestion.rule}' suggests {suggestion.consequence} x {suggestion.likelihood}",
            "Say why this incident is less serious than the rule suggests, or use the suggested score.",
        )
    contradiction = harm_contradiction(
        Kind(incident.kind),
        Category(incident.category),
        command.actual_harm,
        command.psychological_harm,
        command.consequence,
    )
    if contradiction is not None:
        raise invalid(*contradiction)
    shown = count_earlier(session, actor, incident)
    if command.earlier_seen != shown:
        raise invalid(
            "earlier_seen",
            f"is {command.earlier_seen}, and {shown} incidents of the same people, or of this type here, came before",
            "Read GET /incidents/{incident_id}/earlier, and send its total as earlier_seen.",
        )
    _triage(session, actor, incident, command, suggestion_of=suggestion, by_default=False, now=now)
    return incident


def default_triage(session: Session, command: activities.DefaultTriage, now: datetime, actor: Actor) -> None:
    """Triage by rule because the clock ran out. Does nothing when a person has, or when the incident ended."""
    incident = _locked(session, command.incident_id)
    if incident.ended or incident.cycle != command.cycle:
        return
    if latest_triage(session, incident.incident_id) is not None:
        return
    rules = policy.current(session, actor.provider_id)
    suggestion = rules.suggest(Kind(incident.kind), Category(incident.category), incident.immediate_danger)
    scored = TriageIncident(
        actual_harm=suggestion.actual_harm, consequence=suggestion.consequence, likelihood=suggestion.likelihood
    )
    _triage(session, actor, incident, scored, suggestion_of=suggestion, by_default=True, now=now)


def _triage(
    session: Session,
    actor: Actor,
    incident: Incident,
    command: TriageIncident,
    *,
    suggestion_of: Any,
    by_default: bool,
    now: datetime,
) -> None:
    rules = policy.current(session, actor.provider_id)
    score = command.consequence * command.likelihood
    band = rules.band(score)
    before = latest_triage(session, incident.incident_id)
    revision = before.revision + 1 if before is not None else 1
    overridden = (command.consequence, command.likelihood) != (suggestion_of.consequence, suggestion_of.likelihood)
    session.add(
        Triage(
            triage_id=new_id(),
            provider_id=actor.provider_id,
            incident_id=incident.incident_id,
            cycle=incident.cycle,
            actual_harm=command.actual_harm,
            consequence=command.consequence,
            likelihood=command.likelihood,
            score=score,
            band=band,
            suggested_consequence=suggestion_of.consequence,
            suggested_likelihood=suggestion_of.likelihood,
            rule=suggestion_of.rule,
            policy_version=rules.version,
            by_default=by_default,
            reason=command.reason,
            decided_by=actor.id,
            decided_at=now,
            revision=revision,
            psychological_harm=command.psychological_harm,
            earlier_seen=command.earlier_seen,
        )
    )
    incident.band = band
    if incident.stage == Stage.REPORTED:
        message = TRIAGED_BY_RULE if by_default else None
        _move(
            session, actor, incident, Stage.TRIAGED, now,
            due_at=None, next_move=Role.REGISTERED_MANAGER, message=message,
        )  # fmt: skip
    else:
        incident.version += 1
        session.flush()
    _Change(session, actor, incident, now).record(
        "triaged",
        IncidentTriaged(
            incident_id=incident.incident_id,
            cycle=incident.cycle,
            actual_harm=command.actual_harm,
            consequence=command.consequence,
            likelihood=command.likelihood,
            score=score,
            band=band,
            by_default=by_default,
            rule=suggestion_of.rule,
            policy_version=rules.version,
            overridden=overridden,
            revision=revision,
            psychological_harm=command.psychological_harm,
        ),
        urgent=band.urgent,
        revision=revision,
        actual_harm=command.actual_harm,
        psychological_harm=command.psychological_harm,
        consequence=int(command.consequence),
        likelihood=int(command.likelihood),
        band=band,
        by_default=by_default,
        rule=suggestion_of.rule,
        policy_version=rules.version,
        earlier_seen=command.earlier_seen,
        reason_sha256=None if command.reason is None else audit.digest(command.reason),
    )
    describe(session, actor, incident, now)
    ladder.at_triage(session, actor, incident, before, now)
    recurrence.at_triage(session, actor, incident, now)
    obligations.assess_incident(session, actor, incident, now)


def withdraw_incident(
    session: Session, actor: Actor, incident_id: UUID, command: EndIncident, version: int, now: datetime
) -> Incident:
    """End an incident that was reported in error, with a reason, once nothing is undecided (409).

    A death, an allegation and what is restricted never by a manager alone (403).
    """
    incident = _open_incident(session, actor, incident_id, version)
    if not actor.roles.intersection(SECOND_ROLES) and _grave(session, incident):
        raise forbidden(
            "A death or an allegation is withdrawn by a safeguarding lead, a nominated individual or a director. Ask one"
            " of them."
        )
    _nothing_undecided(session, incident_id)
    incident.end_reason, incident.closed_at = command.reason, now
    stop_all(session, actor, incident, now)
    _move(session, actor, incident, Stage.WITHDRAWN, now, due_at=None, next_move=None)
    _Change(session, actor, incident, now).record(
        "withdrawn", IncidentWithdrawn(incident_id=incident_id), reason_sha256=audit.digest(command.reason)
    )
    return incident


def mark_duplicate(
    session: Session, actor: Actor, incident_id: UUID, command: MarkDuplicate, version: int, now: datetime
) -> Incident:
    """End an incident that another one already covers, once nothing is undecided (409).

    The other must exist, be visible, be of the same category and not be a duplicate itself (422).
    """
    if command.duplicate_of == incident_id:
        raise invalid("duplicate_of", "is this incident itself", "Give the id of the other incident.")
    incident = _open_incident(session, actor, incident_id, version)
    try:
        original = visible_incident(session, actor, command.duplicate_of)
    except ServiceError:
        raise invalid("duplicate_of", "is not an incident you may see", "Check the id of the other incident.") from None
    if original.stage in (Stage.DUPLICATE, Stage.WITHDRAWN):
        raise invalid("duplicate_of", "has itself ended without review", "Give the incident that is being reviewed.")
    if original.category != incident.category:
        raise invalid(
            "duplicate_of",
            "is of another category, and what must be told for one is not told for the other",
            "Give an incident of the same category, or leave both in the chain.",
        )
    _nothing_undecided(session, incident_id)
    incident.duplicate_of, incident.closed_at = command.duplicate_of, now
    stop_all(session, actor, incident, now)
    _move(session, actor, incident, Stage.DUPLICATE, now, due_at=None, next_move=None)
    _Change(session, actor, incident, now).record(
        "marked_duplicate",
        IncidentMarkedDuplicate(incident_id=incident_id, duplicate_of=command.duplicate_of),
        duplicate_of=command.duplicate_of,
    )
    return incident


def _grave(session: Session, incident: Incident) -> bool:
    triage = latest_triage(session, incident.incident_id)
    return (
        incident.category in (Category.DEATH, Category.ABUSE_ALLEGATION)
        or (triage is not None and triage.actual_harm == PhysicalHarm.FATAL)
        or access.is_restricted(session, incident.incident_id)
    )


def _nothing_undecided(session: Session, incident_id: UUID) -> None:
    """What the law may ask for is not lifted by ending the incident: a person decides it first, with a reason."""
    open_rules = {row.rule for row in obligations_of(session, incident_id) if not row.settled}
    kinds = {kind for kind in undecided(session, incident_id) if kind != BlockerKind.OBLIGATION}
    if open_rules or kinds:
        raise conflict(
            "still-undecided",
            "Something must be decided first",
            f"Undecided: {', '.join(sorted(open_rules | kinds))}. Decide each; if nothing is to be told, say so with the"
            " reason. Then send this again.",
        )


def reopen_incident(
    session: Session, actor: Actor, incident_id: UUID, command: ReopenIncident, version: int, now: datetime
) -> Incident:
    """Put a closed incident back into the chain in a new cycle. The cycle before stays as it was."""
    incident = visible_incident(session, actor, incident_id, lock=True)
    check_version(incident.version, version)
    if incident.stage != Stage.CLOSED:
        raise conflict("not-closed", "Only a closed incident can be reopened", "This incident is still in the chain.")
    if incident.import_source is not None and incident.band is None:
        raise conflict(
            "imported",
            "An imported incident has no process to go back to",
            "Report a new incident and refer to this one.",
        )
    incident.cycle += 1
    incident.closed_at = None
    _move(session, actor, incident, command.stage, now, due_at=None, next_move=Role.REGISTERED_MANAGER)
    _Change(session, actor, incident, now).record(
        "reopened",
        IncidentReopened(incident_id=incident_id, cycle=incident.cycle, stage=command.stage),
        stage=command.stage,
        cycle=incident.cycle,
        reason_sha256=audit.digest(command.reason),
    )
    return incident


def enter_stage(session: Session, command: activities.EnterStage, now: datetime, actor: Actor) -> None:
    """Record that the process entered a stage. Does nothing when it was recorded, left already, or the incident ended."""
    incident = _locked(session, command.incident_id)
    if not may_enter((incident.cycle, Stage(incident.stage)), (command.cycle, command.stage)):
        _set_clock(session, incident, command)
        return
    if command.stage is Stage.CLOSED and (kinds := undecided(session, incident.incident_id)):
        raise conflict("still-undecided", "Something must be decided first", f"Undecided: {', '.join(sorted(kinds))}.")
    incident.cycle = command.cycle
    if command.stage is Stage.CLOSED:
        incident.closed_at = now
    elif incident.closed_at is not None:
        incident.closed_at = None
    _move(
        session, actor, incident, command.stage, now,
        due_at=command.due_at, next_move=command.next_move, command_id=command.command_id,
    )  # fmt: skip
    change = _Change(session, actor, incident, now)
    change.record(
        "entered_stage",
        StageEntered(
            incident_id=incident.incident_id,
            cycle=command.cycle,
            stage=command.stage,
            due_at=command.due_at,
            next_move=None if incident.next_move is None else Role(incident.next_move),
        ),
        stage=command.stage,
        cycle=command.cycle,
        due_at=command.due_at,
    )
    if command.stage is Stage.CLOSED:
        change.publish(IncidentClosed(incident_id=incident.incident_id, cycle=command.cycle, closed_at=now))


def _set_clock(session: Session, incident: Incident, command: activities.EnterStage) -> None:
    """A stage that a person's decision already recorded gets its clock from the process."""
    same = (incident.cycle, incident.stage) == (command.cycle, command.stage)
    if same and not incident.ended and incident.next_due_at is None and command.due_at is not None:
        incident.next_due_at = command.due_at
        incident.next_move = access.whose_move(session, incident.incident_id, command.next_move)
        incident.version += 1


def remind(session: Session, command: activities.Remind, now: datetime, actor: Actor) -> activities.Reminded:
    """Remind whoever has the next move. The same command twice reminds once and gives the same answer."""
    incident = _locked(session, command.incident_id)
    next_at, up = policy.current(session, actor.provider_id).next_reminder(now, command.count)
    role = access.whose_move(session, incident.incident_id, command.next_move) or command.next_move
    if not insert_new(
        session,
        Reminder,
        command_id=command.command_id,
        provider_id=actor.provider_id,
        incident_id=incident.incident_id,
        cycle=command.cycle,
        stage=command.stage,
        count=command.count,
        to_role=role,
        sent_at=now,
        next_at=next_at,
    ):
        known = session.get_one(Reminder, command.command_id)
        return activities.Reminded(next_at=known.next_at, escalate=up)
    _Change(session, actor, incident, now).record(
        "reminded",
        ReminderSent(
            incident_id=incident.incident_id,
            cycle=command.cycle,
            stage=command.stage,
            count=command.count,
            to_role=role,
        ),
        stage=command.stage,
        count=command.count,
    )
    return activities.Reminded(next_at=next_at, escalate=up)


class ImportResult(BaseModel):
    """What happened to the rows of one batch. `rejected` names rows by their source reference."""

    created: int
    unchanged: int
    rejected: dict[str, str]


def import_incidents(
    session: Session, actor: Actor, source: str, rows: Sequence[ImportedIncident], now: datetime
) -> ImportResult:
    """Take historical incidents over. A row with a known source reference is left as it is.

    Closed ones are records and start nothing. Open ones are as if reported now: triage clock, ladder, obligations, and an
    allegation is restricted before anybody hears of it.
    """
    known = {
        location.location_id: location
        for location in session.query(Location).where(Location.location_id.in_({row.location_id for row in rows}))
    }
    rejected: dict[str, str] = {}
    accepted: list[tuple[UUID, ImportedIncident, Location]] = []
    for row in rows:
        problem = _import_problem(actor, row, known.get(row.location_id), now)
        if problem is not None:
            rejected[row.source_ref] = problem
        else:
            accepted.append((new_id(), row, known[row.location_id]))
    if not accepted:
        return ImportResult(created=0, unchanged=0, rejected=rejected)
    rules = policy.current(session, actor.provider_id)
    result = session.execute(
        upsert(Incident).on_conflict_do_nothing().returning(Incident.incident_id),
        [
            {
                "incident_id": incident_id,
                "provider_id": actor.provider_id,
                "location_id": row.location_id,
                "region_id": location.region_id,
                "kind": row.kind,
                "category": row.category,
                "narrative": row.narrative,
                "immediate_danger": False,
                "occurred_at": row.occurred_at,
                "reported_at": row.reported_at or row.occurred_at,
                "reporter_id": actor.id,
                "triage_due_at": None if row.closed_at else rules.triage_due(now, immediate_danger=False),
                "stage": Stage.CLOSED if row.closed_at else Stage.REPORTED,
                "stage_entered_at": row.closed_at or now,
                "cycle": 1,
                "next_move": None if row.closed_at else Role.REGISTERED_MANAGER,
                "next_due_at": None if row.closed_at else rules.triage_due(now, immediate_danger=False),
                "closed_at": row.closed_at,
                "import_source": source,
                "import_ref": row.source_ref,
                "version": 1,
            }
            for incident_id, row, location in accepted
        ],
    )
    created = {row.incident_id for row in result}
    new = [item for item in accepted if item[0] in created]
    if new:
        session.execute(
            insert(audit.audit_table(SERVICE)),
            [
                audit.build_entry(
                    chain=incident_id,
                    seq=1,
                    previous_hash=audit.GENESIS,
                    actor=actor,
                    action="imported",
                    subject=incident_id,
                    at=now,
                    data={"source": source, "narrative_sha256": audit.digest(row.narrative)},
                )
                for incident_id, row, _ in new
            ],
        )
        for item in new:
            _import_new(session, actor, item, rules, now)
    return ImportResult(created=len(new), unchanged=len(accepted) - len(new), rejected=rejected)


def _import_new(
    session: Session, actor: Actor, item: tuple[UUID, ImportedIncident, Location], rules: TriagePolicy, now: datetime
) -> None:
    """Say that it is there. What is still open is treated as a report: nobody knows who was told in the system before."""
    incident_id, row, _ = item
    restricted = row.closed_at is None and row.category is Category.ABUSE_ALLEGATION
    if restricted:
        access.restrict(session, actor, incident_id, now=now, excluded=())
    outbox.record(session, SERVICE, _import_event(actor, item, rules, now, restricted=restricted))
    if row.closed_at is not None:
        return
    if restricted:
        incident = session.get_one(Incident, incident_id)
        incident.next_move = access.whose_move(session, incident_id, incident.next_move)
        if row.kind is not Kind.GOOD_CARE:
            safeguarding.open_at_report(session, actor, incident_id, (), now)
    ladder.at_report(session, actor, incident_id, False, row.category, row.kind, now)
    obligations.at_report(session, actor, incident_id, row.category, row.kind, now)


def _import_problem(actor: Actor, row: ImportedIncident, location: Location | None, now: datetime) -> str | None:
    if location is None:
        return "location_id: is not a location of your provider. Import the directory first, or correct the mapping."
    if not actor.sees(location.location_id, location.region_id):
        return "location_id: is outside your scope. Ask somebody with a wider scope to import this row."
    if row.occurred_at > now + CLOCK_TOLERANCE:
        return "occurred_at: is in the future. Correct the date or the date format of the mapping."
    if row.closed_at is not None and row.closed_at < row.occurred_at:
        return "closed_at: is before occurred_at. Correct one of the two."
    return None


def _import_event(
    actor: Actor, item: tuple[UUID, ImportedIncident, Location], rules: TriagePolicy, now: datetime, *, restricted: bool
) -> dict[str, Any]:
    incident_id, row, location = item
    event: EventData
    if row.closed_at is None:
        event = IncidentReported(
            incident_id=incident_id,
            location_id=row.location_id,
            region_id=location.region_id,
            kind=row.kind,
            category=row.category,
            occurred_at=row.occurred_at,
            reported_at=row.reported_at or row.occurred_at,
            immediate_danger=False,
            triage_due_at=rules.triage_due(now, immediate_danger=False),
            restricted=restricted,
        )
    else:
        event = IncidentImported(
            incident_id=incident_id,
            location_id=row.location_id,
            region_id=location.region_id,
            kind=row.kind,
            category=row.category,
            actual_harm=row.actual_harm,
            occurred_at=row.occurred_at,
            reported_at=row.reported_at or row.occurred_at,
            closed_at=row.closed_at,
        )
    return outbox.event_row(event, actor=actor, subject=incident_id, version=1, at=now)


def _locked(session: Session, incident_id: UUID) -> Incident:
    incident = session.get(Incident, incident_id, with_for_update=True)
    if incident is None:
        raise not_found("incident")
    return incident


def _open_incident(session: Session, actor: Actor, incident_id: UUID, version: int) -> Incident:
    incident = visible_incident(session, actor, incident_id, lock=True)
    check_version(incident.version, version)
    if incident.ended:
        raise conflict("already-ended", "This incident has ended", "Read it again to see how it ended and why.")
    return incident


def _move(
    session: Session,
    actor: Actor,
    incident: Incident,
    stage: Stage,
    now: datetime,
    *,
    due_at: datetime | None,
    next_move: Role | None,
    command_id: str | None = None,
    message: str | None = None,
) -> None:
    next_move = access.whose_move(session, incident.incident_id, next_move)
    incident.stage, incident.stage_entered_at = stage, now
    incident.next_due_at, incident.next_move = due_at, next_move
    incident.version += 1
    session.add(
        StageEntry(
            command_id=command_id or f"{incident.incident_id}:{incident.cycle}:{stage}:{incident.version}",
            provider_id=incident.provider_id,
            incident_id=incident.incident_id,
            cycle=incident.cycle,
            stage=stage,
            entered_at=now,
            due_at=due_at,
            next_move=next_move,
            actor=str(actor.id),
        )
    )
    session.add(
        Feedback(
            feedback_id=new_id(),
            provider_id=incident.provider_id,
            incident_id=incident.incident_id,
            message=message or FEEDBACK[stage],
            sent_at=now,
        )
    )
    session.flush()


def record_location(session: Session, values: dict[str, Any]) -> None:
    """Keep the newest revision of a location that directory told of."""
    statement = upsert(Location).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Location.location_id],
            set_={name: values[name] for name in ("region_id", "active", "revision", "cqc_location_id", "name")},
            where=Location.revision <= values["revision"],
        )
    )
