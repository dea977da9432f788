"""A complete notice, written from the record, ready to paste into the recipient's form or to download.

CQC says that notices come with too little detail; a draft is worth more than a reminder.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Kind
from services.intake.details.policy import AnswerType
from services.intake.details.policy import shipped as second_moment
from services.intake.details.store import Answer
from services.intake.obligations import policy
from services.intake.obligations.commands import adults_behind
from services.intake.obligations.domain import LONDON
from services.intake.obligations.facts import all_facts, facts_for, person_code, question
from services.intake.obligations.store import Obligation, latest_facts
from services.intake.safeguarding.store import Safeguarding
from services.intake.store import Incident, Location

TO_COMPLETE = "[to be completed]"
_NEEDED = ("made_safe", "people_told")
"""What a notice is not complete without; the other answers of the second moment are in it where there are any."""
_DATES = ("_on", "_from", "_to")


class DraftField(BaseModel):
    """One line of the notice."""

    name: str
    label: str
    value: str
    missing: bool


class Draft(BaseModel):
    """The notice as fields and as text, with what to complete and to check before it goes."""

    obligation_id: UUID
    rule: str
    recipient: str
    title: str
    legal_basis: str
    fields: list[DraftField]
    missing: list[str]
    check_before_sending: list[str]
    text: str


def draft(session: Session, incident: Incident, row: Obligation, now: datetime) -> Draft:
    """The notice of one obligation, from what is known now."""
    rule = policy.shipped().rules[row.rule]
    _, answers = latest_facts(session, incident.incident_id)
    facts = facts_for(session, incident, rule, row.authority, answers, all_facts(session, incident, answers))
    place = session.get(Location, incident.location_id)
    fields = [
        _field("person", "Person, by code", row.person or person_code(incident.incident_id)),
        _field("our_reference", "Our reference", str(incident.incident_id)),
        _field("cqc_location_id", "Location, by its CQC id", None if place is None else place.cqc_location_id),
        _field("location", "Location", None if place is None else place.name),
        _field("occurred_at", "When it happened", incident.occurred_at),
        _field("reported_at", "When it was reported to us", incident.reported_at),
        _field("aware_at", "When we became aware that it must be told", row.aware_at),
        _field("category", "What kind of event", incident.category.replace("_", " ")),
        _field("actual_harm", "Level of physical harm by our triage", facts.get("actual_harm")),
        _field("psychological_harm", "Level of psychological harm by our triage", facts.get("psychological_harm")),
        _field("immediate_danger", "Danger at the time of the report", incident.immediate_danger),
    ]
    if row.authority:
        fields.append(_field("authority", "Authority, by code", row.authority))
    fields += [_field(name, question(name), facts.get(name)) for name in rule.draft]
    if rule.kept_by == "safeguarding":
        fields += _safeguarding(session, row)
    fields.append(_field("narrative", "What happened, in the words of the report", incident.narrative))
    _add_told_later(session, incident, fields)
    missing = [field.name for field in fields if field.missing]
    checks = [f"{field.label}: complete it" for field in fields if field.missing]
    if rule.codes_only:
        checks.append("What people wrote is in their own words: replace every name in it by a code.")
    checks += [note for note in rule.notes if "code" not in note.lower()]
    return Draft(
        obligation_id=row.obligation_id,
        rule=rule.id,
        recipient=rule.recipient_name,
        title=rule.title,
        legal_basis=rule.legal_basis,
        fields=fields,
        missing=missing,
        check_before_sending=checks,
        text="\n".join(
            [
                f"To: {rule.recipient_name}",
                f"Subject: {rule.title}",
                f"Ground: {rule.legal_basis}",
                f"Time in the law: {rule.statutory_wording}",
                f"Prepared: {_shown(now)}",
                "",
                *(f"{field.label}: {field.value}" for field in fields),
                "",
            ]
        ),
    )


def _safeguarding(session: Session, row: Obligation) -> list[DraftField]:
    record, adults = session.get(Safeguarding, row.incident_id), adults_behind(session, row)

    def of_all(name: str, label: str, values: list[str]) -> DraftField:
        return _field(name, label, "; ".join(dict.fromkeys(values)) if values else None)

    types = [] if record is None else [kind.replace("_", " ") for kind in record.abuse_types]
    return [
        of_all("abuse_types", "Types of abuse", types),
        _field("immediate_safety_secured", "Is the adult safe now", record and record.immediate_safety_secured),
        _field("safety_measures", "What was done so that the adult is safe", record and record.safety_measures),
        of_all("wishes", "What the adult wants", [wish["outcome"] for adult in adults for wish in adult.wishes]),
        of_all("consent", "What the adult says to a referral", [adult.consent.replace("_", " ") for adult in adults]),
        of_all(
            "override_reason",
            "Why it is made without consent",
            [
                adult.override_reason or "made with consent"
                for adult in adults
                if adult.override_reason or adult.consent == "given"
            ],
        ),
        of_all("capacity_note", "What was noted about capacity", [a.capacity_note for a in adults if a.capacity_note]),
    ]


def _add_told_later(session: Session, incident: Incident, fields: list[DraftField]) -> None:
    """All that was answered in the second moment, in its order. What a fact says already is not said twice."""
    found = select(Answer.question, Answer.value).where(Answer.incident_id == incident.incident_id)
    answers = {row.question: row.value for row in session.execute(found)}
    known = {field.name: n for n, field in enumerate(fields)}
    needed = {one.id for one in second_moment().of(Category(incident.category), Kind(incident.kind))} & {*_NEEDED}
    for asked in second_moment().questions:
        value = answers.get(asked.id)
        if value is None and asked.id not in needed:
            continue
        if asked.type is AnswerType.CHOICE and value is not None:
            value = str(value).replace("_", " ")
        elif asked.type is AnswerType.CHOICES and value is not None:
            value = [str(one).replace("_", " ") for one in value]
        field = _field(asked.id, asked.text.rstrip("?"), value)
        if asked.id not in known:
            fields.append(field)
        elif fields[known[asked.id]].missing:
            fields[known[asked.id]] = field


def _field(name: str, label: str, value: Any) -> DraftField:
    missing = value is None or value == []
    return DraftField(name=name, label=label, value=TO_COMPLETE if missing else _shown(value, name), missing=missing)


def _shown(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, str) and name.endswith("_at"):
        value = datetime.fromisoformat(value)
    if isinstance(value, str) and name.endswith(_DATES):
        value = date.fromisoformat(value)
    if isinstance(value, datetime):
        local = value.astimezone(LONDON)
        return f"{local.day} {local:%B %Y, %H:%M}"
    if isinstance(value, date):
        return f"{value.day} {value:%B %Y}"
    text = str(value)
    codes = name in (
        "serious_injury_kinds",
        "dols_status",
        "registration_change",
        "injured_party",
        "controlled_drug_concern",
    )
    return text.replace("_", " ") if codes or name == "serious_injury_test" else text
