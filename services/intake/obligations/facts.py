"""The answers that decide obligations: the questions asked of people, and what follows from the record itself."""

import functools
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Category, Kind, PhysicalHarm
from services.intake import policy
from services.intake.commissioning.store import contracts_asking
from services.intake.obligations.domain import Rule, day_in_london, days_incapacitated
from services.intake.store import Incident, Triage, latest_triage
from services.runtime.errors import ServiceError, invalid
from services.runtime.instant import Instant
from services.runtime.text import LongText, ShortText

Yes = Annotated[bool | None, Field(strict=True)]
Count = Annotated[int | None, Field(ge=0, le=10_000, strict=True)]
Hours = Annotated[float | None, Field(ge=0, le=10_000)]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$")]
"""A code such as `P1` or `E06000023`; never a name."""


class Person(BaseModel):
    """One person affected, by code, and the authority whose safeguarding procedure counts for them."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    local_authority: Code | None = None


class Facts(BaseModel):
    """Answers. What is left out stays as it was; null means: not yet known."""

    model_config = ConfigDict(extra="forbid")

    people: Annotated[list[Person], Field(max_length=100)] | None = Field(
        default=None, description="Who is affected, by code, each with their local authority"
    )
    local_authority: Code | None = Field(default=None, description="Which authority's area did it happen in")
    person_died: Yes = Field(default=None, description="Has the person died")
    death_linked_to_services: Yes = Field(
        default=None, description="Did the death happen while services were provided, or possibly because of them"
    )
    death_expected: Yes = Field(default=None, description="Was the death expected")
    death_cause: ShortText | None = Field(default=None, description="What is known of the cause")
    found_at: Instant | None = Field(default=None, description="When was the person found")
    found_where: ShortText | None = Field(default=None, description="Where was the person found")
    last_care_by_role: ShortText | None = Field(default=None, description="Which role gave care last, and when")
    restraint_in_7_days_before: Yes = Field(default=None, description="Was restraint used in the 7 days before")
    device_or_medicine_concern: Yes = Field(default=None, description="Is there a concern about a device or a medicine")
    detained: Yes = Field(
        default=None, description="Is the person detained, or liable to be, under the Mental Health Act 1983"
    )
    absent_without_leave: Yes = Field(default=None, description="Is the person absent without leave")
    serious_injury_test: Literal["yes", "no", "not_yet_known"] | None = Field(
        default=None,
        description="In the reasonable opinion of a health care professional, is the injury one of those of regulation"
        " 18(2)(a) or (b)",
    )
    serious_injury_kinds: (
        list[
            Literal[
                "impairment",
                "change_to_structure_of_body",
                "prolonged_pain",
                "prolonged_psychological_harm",
                "shortened_life_expectancy",
                "treatment_to_prevent",
            ]
        ]
        | None
    ) = Field(default=None, description="Which of the injuries of the regulation")
    professional_role: ShortText | None = Field(
        default=None, description="Role of the health care professional who gave the opinion"
    )
    professional_opinion_at: Instant | None = Field(default=None, description="When the opinion was given")
    pressure_damage_category: Annotated[int, Field(ge=1, le=4)] | None = Field(
        default=None, description="Category of the pressure damage, 1 to 4"
    )
    pressure_damage_arose_in_service: Yes = Field(
        default=None, description="Did the damage develop after the service began"
    )
    pressure_guide_score: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None, description="Score of the adult safeguarding decision guide for pressure damage"
    )
    pressure_guide_by: Literal["registered_nurse", "other"] | None = Field(
        default=None,
        description="Who filled the guide in: a registered nurse with experience of wounds, or somebody else",
    )
    pressure_guide_by_involved: Yes = Field(
        default=None, description="Was whoever filled the guide in involved in the person's care"
    )
    pressure_guide_by_reason: ShortText | None = Field(
        default=None, description="Why nobody independent with experience of wounds could fill the guide in"
    )
    abuse_or_allegation: Yes = Field(default=None, description="Is there abuse, or an allegation or suspicion of it")
    neglect_or_omission_possible: Yes = Field(default=None, description="May neglect or an omission have played a part")
    allegation_against_staff: Yes = Field(
        default=None, description="Is the allegation about somebody who works with the person"
    )
    care_and_support_needs: Yes = Field(default=None, description="Does the adult have needs for care and support")
    cannot_protect_self: Yes = Field(
        default=None, description="Because of those needs, is the adult unable to protect themselves"
    )
    referred_to_authority: Yes = Field(
        default=None, description="Was a safeguarding concern sent to the local authority"
    )
    reported_to_police: Yes = Field(default=None, description="Was it reported to the police")
    investigated_by_police: Yes = Field(default=None, description="Are the police investigating")
    crime_suspected: Yes = Field(
        default=None, description="Is a crime suspected, ill-treatment or wilful neglect included"
    )
    police_reference: Code | None = Field(default=None, description="Crime or log reference of the police")
    head_injury: Yes = Field(default=None, description="Could the head have been hit")
    restraint: Yes = Field(default=None, description="Was restraint used")
    between_residents: Yes = Field(default=None, description="Did people who live here harm one another")
    staff_shortage_threatens_service: Yes = Field(
        default=None, description="Are there too few suitable staff to carry on the service safely"
    )
    utility_loss_hours: Hours = Field(
        default=None, description="Hours without a break that electricity, gas, water or sewerage were lost"
    )
    premises_damage_threatens_service: Yes = Field(
        default=None, description="Does damage to the premises threaten safe running"
    )
    safety_device_failure_hours: Hours = Field(
        default=None, description="Hours that fire alarms or other safety devices failed"
    )
    dols_status: Literal["none", "applied", "granted", "refused", "withdrawn"] | None = Field(
        default=None, description="Deprivation of liberty: none, applied, or the outcome of the application"
    )
    child_in_adult_psychiatric_unit_hours: Hours = Field(
        default=None, description="Hours that somebody under 18 was placed in an adult psychiatric unit"
    )
    registration_change: (
        Literal[
            "none",
            "statement_of_purpose",
            "absence_28_days",
            "return_from_absence",
            "details",
            "provider_died",
            "insolvency",
        ]
        | None
    ) = Field(default=None, description="What changed in the registration")
    registration_changed_on: date | None = Field(default=None, description="When it changed")
    work_related: Yes = Field(
        default=None, description="Did it arise out of, or in connection with, how work was done, equipment or premises"
    )
    work_contribution: LongText | None = Field(
        default=None, description="How did the way of working, equipment or environment contribute"
    )
    injured_party: Literal["worker", "non_worker", "nobody"] | None = Field(
        default=None, description="Who was injured: a worker, somebody not at work, or nobody"
    )
    specified_injury: Yes = Field(default=None, description="Is it a specified injury of RIDDOR regulation 4")
    taken_directly_to_hospital: Yes = Field(
        default=None, description="Was the injured person taken from the scene directly to hospital for treatment"
    )
    dangerous_occurrence: Yes = Field(default=None, description="Was it a dangerous occurrence of RIDDOR schedule 2")
    worker_unfit_from: date | None = Field(default=None, description="First day the worker could not do normal work")
    worker_unfit_to: date | None = Field(
        default=None, description="Last day so far on which the worker could not do normal work"
    )
    worker_incapacitated_days: Count = Field(
        default=None,
        description="Consecutive days the worker could not do normal work, without the day of the accident",
    )
    occupational_disease_diagnosed: Yes = Field(
        default=None, description="Has a doctor diagnosed a reportable disease linked to the work"
    )
    diagnosed_on: date | None = Field(default=None, description="When the diagnosis was received")
    personal_data_breach: Yes = Field(
        default=None, description="Was personal data lost, disclosed, altered or unavailable"
    )
    breach_risk_to_people: Yes = Field(default=None, description="Is a risk to people's rights and freedoms likely")
    breach_high_risk_to_people: Yes = Field(default=None, description="Is the risk to people's rights high")
    breach_aware_at: Instant | None = Field(default=None, description="When the provider became aware of the breach")
    controlled_drug_concern: Literal["none", "theft_or_misappropriation", "harm", "unresolved_discrepancy"] | None = (
        Field(default=None, description="What the concern about a controlled drug is")
    )
    medicine_side_effect: Yes = Field(default=None, description="Is a side effect of a medicine suspected")
    device_fault: Yes = Field(default=None, description="Is a fault of a medical device suspected")
    death_notifiable_to_coroner: Yes = Field(
        default=None, description="Is the death one that the doctor must notify to the coroner"
    )
    regulation_28_received_on: date | None = Field(
        default=None, description="When a report to prevent future deaths was sent to the provider"
    )
    position_of_trust_concern: Yes = Field(
        default=None,
        description="May somebody who works with people who need care be a risk to them, also by what is known of their own"
        " life, whether or not anybody was harmed",
    )
    position_of_trust_with_children: Yes = Field(
        default=None, description="Does that person also work, volunteer or live with children"
    )
    position_of_trust_authority: Code | None = Field(
        default=None, description="Which council's procedure for people in positions of trust is responsible"
    )
    removed_from_regulated_activity: Yes = Field(
        default=None, description="Was the worker removed from regulated activity, or would have been had they not left"
    )
    barring_harm_test: Yes = Field(
        default=None, description="Did the worker harm somebody, or put somebody at risk of harm"
    )
    linked_infections: Count = Field(default=None, description="How many linked infections there are")
    learning_disability_or_autism: Yes = Field(
        default=None, description="Does the person have a learning disability or autism"
    )
    commissioner_contract_requires: Yes = Field(
        default=None, description="Does the commissioner's contract ask to be told of such an event"
    )
    commissioner_contract_hours: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="Within how many hours by the contract"
    )
    delegated_task: Yes = Field(
        default=None, description="Was it about a task that an NHS team had delegated, such as an injection or a feed"
    )
    nhs_funded_care: Yes = Field(default=None, description="Was it NHS-funded care")


MOMENTS = ("breach_aware_at", "regulation_28_received_on", "diagnosed_on", "registration_changed_on")
"""Answers that a limit may run from."""

FROM_RECORD = ("category", "kind", "actual_harm", "psychological_harm", "supposed_harm", "notifiable_safety_incident")
FROM_PROCEDURE = ("authority_refer_within_hours", "authority_pressure_guide_at_least")
"""What the local authority's own procedure says, where the provider's safeguarding policy has it."""
FACTS = frozenset(Facts.model_fields) | frozenset(FROM_RECORD) | frozenset(FROM_PROCEDURE)
"""Everything a condition may ask about."""


def question(fact: str) -> str:
    """The question an answer belongs to."""
    field = Facts.model_fields.get(fact)
    return fact.replace("_", " ") if field is None or field.description is None else field.description


class Ask(BaseModel):
    """How one question is answered, for whoever draws a form."""

    fact: str
    type: Literal["people", "yes_no", "choice", "choices", "number", "day", "moment", "text"]
    options: list[str]


@functools.cache
def asks() -> Sequence[Ask]:
    """Every question with how it is answered, read off the answers that are allowed."""
    return [_ask(fact, schema) for fact, schema in Facts.model_json_schema()["properties"].items()]


_TYPES: Mapping[str, Literal["yes_no", "number", "day", "moment", "text"]] = {
    "boolean": "yes_no", "integer": "number", "number": "number", "date": "day", "date-time": "moment", "string": "text",
}  # fmt: skip


def _ask(fact: str, schema: dict[str, Any]) -> Ask:
    allowed = next(one for one in schema["anyOf"] if one.get("type") != "null")
    if "items" in allowed:
        options = allowed["items"].get("enum", [])
        return Ask(fact=fact, type="choices" if options else "people", options=options)
    if "enum" in allowed:
        return Ask(fact=fact, type="choice", options=allowed["enum"])
    return Ask(fact=fact, type=_TYPES[allowed.get("format", allowed["type"])], options=[])


def at_report(category: Category, kind: Kind, *, staff_named: bool = False) -> dict[str, Any]:
    """What a report alone says, before anybody has answered anything."""
    facts: dict[str, Any] = {"category": category, "kind": kind}
    if kind is Kind.INCIDENT:
        facts["person_died"] = True if category is Category.DEATH else None
    if kind is not Kind.GOOD_CARE:
        facts["abuse_or_allegation"] = True if category is Category.ABUSE_ALLEGATION else None
        facts["allegation_against_staff"] = staff_named or None
    return facts


def all_facts(session: Session, incident: Incident, answers: Mapping[str, Any]) -> dict[str, Any]:
    """All facts: the answers, what the record says, and what the commissioner's contract asks for, where nobody answered."""
    facts = derived(incident, latest_triage(session, incident.incident_id), answers)
    asking = contracts_of(session, incident, answers)
    if asking:
        facts["commissioner_contract_requires"] = True
        facts.setdefault("commissioner_contract_hours", min(asking.values()))
    return facts


def contracts_of(session: Session, incident: Incident, answers: Mapping[str, Any]) -> dict[str, int]:
    """Whose contracts ask to be told, within how many hours; none where somebody answered that none does."""
    if answers.get("commissioner_contract_requires") is False:
        return {}
    return contracts_asking(session, incident, {authority for _, authority in people_of(answers) if authority})


def facts_for(
    session: Session, incident: Incident, rule: Rule, authority: str, answers: Mapping[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """The facts as they are towards one authority: what its own contract, or its own procedure, says. Of no other rule any."""
    if authority and rule.per_contract:
        asking = contracts_of(session, incident, answers)
        own: dict[str, Any] = {"commissioner_contract_requires": authority in asking}
        if authority in asking and answers.get("commissioner_contract_hours") is None:
            own["commissioner_contract_hours"] = asking[authority]
        return {**facts, **own}
    found = policy.safeguarding(session, incident.provider_id).procedure(authority) if rule.per_person else None
    if found is None:
        return facts
    _, procedure = found
    said = {
        "authority_refer_within_hours": procedure.refer_within_hours,
        "authority_pressure_guide_at_least": procedure.pressure_guide_at_least,
    }
    return {**facts, **{name: value for name, value in said.items() if value is not None}}


def derived(incident: Incident, triage: Triage | None, answers: Mapping[str, Any]) -> dict[str, Any]:
    """All facts: the answers, and what the record says where nobody has answered."""
    facts: dict[str, Any] = dict(answers)
    facts |= {"category": incident.category, "kind": incident.kind, "accident_at": incident.occurred_at}
    # A triage by rule supposes the harm: a reason to ask. Only a person's counts as known.
    if triage is not None and triage.by_default:
        facts["supposed_harm"] = triage.actual_harm
    elif triage is not None:
        facts |= {"actual_harm": triage.actual_harm, "psychological_harm": triage.psychological_harm}
    happened = incident.kind == Kind.INCIDENT
    if incident.category == Category.DEATH or facts.get("actual_harm") == PhysicalHarm.FATAL:
        facts["person_died"] = facts.get("person_died") is not False if happened else facts.get("person_died")
    if facts.get("abuse_or_allegation") is None and incident.category == Category.ABUSE_ALLEGATION:
        facts["abuse_or_allegation"] = incident.kind != Kind.GOOD_CARE or None
    if facts.get("allegation_against_staff") is None and incident.staff_named:
        facts["allegation_against_staff"] = incident.kind != Kind.GOOD_CARE or None
    if facts.get("worker_incapacitated_days") is None:
        facts["worker_incapacitated_days"] = _unfit_days(incident, facts)
    return facts


def _unfit_days(incident: Incident, facts: Mapping[str, Any]) -> int | None:
    first, last = facts.get("worker_unfit_from"), facts.get("worker_unfit_to")
    if first is None or last is None:
        return None
    return days_incapacitated(day_in_london(incident.occurred_at), date.fromisoformat(first), date.fromisoformat(last))


def contradiction(incident: Incident, triage: Triage | None, answers: Mapping[str, Any]) -> ServiceError | None:
    """The first pair of answers that cannot both be true, with the field and what to do."""
    given = answers.get
    if given("person_died") is False and triage is not None and triage.actual_harm == "fatal" and not triage.by_default:
        return invalid(
            "person_died", "contradicts the triage, which grades the harm as fatal",
            "Triage again with the harm as it is, or correct this answer.",
        )  # fmt: skip
    if given("person_died") is False and incident.category == Category.DEATH:
        return invalid(
            "person_died", "contradicts the category of the report, which is a death",
            "Correct this answer, or withdraw the report and report it under its right category.",
        )  # fmt: skip
    if given("person_died") is False and (given("death_linked_to_services") or given("death_notifiable_to_coroner")):
        return invalid(
            "person_died",
            "contradicts what you say about a death",
            "Set it to true, or clear the answers on the death.",
        )
    if given("serious_injury_test") == "no" and given("serious_injury_kinds"):
        return invalid(
            "serious_injury_test", "says no, but serious_injury_kinds names an injury of the regulation",
            "Set serious_injury_test to yes, or empty serious_injury_kinds.",
        )  # fmt: skip
    if given("serious_injury_test") in ("yes", "no") and given("professional_role") is None:
        return invalid(
            "professional_role", "is needed with an answer to serious_injury_test: the test is the opinion of a professional",
            "Give the role of the health care professional, or answer not_yet_known.",
        )  # fmt: skip
    if given("injured_party") == "nobody" and (given("specified_injury") or given("taken_directly_to_hospital")):
        return invalid(
            "injured_party", "says nobody, but another answer says that somebody was injured",
            "Say who was injured, or correct specified_injury and taken_directly_to_hospital.",
        )  # fmt: skip
    if given("injured_party") in ("nobody", "non_worker") and given("worker_incapacitated_days"):
        return invalid(
            "worker_incapacitated_days", "is for an injured worker, but injured_party says otherwise",
            "Set injured_party to worker, or clear the days.",
        )  # fmt: skip
    if given("pressure_guide_score") is not None:
        missing = next(
            (name for name in ("pressure_guide_by", "pressure_guide_by_involved") if given(name) is None), None
        )
        if missing is not None:
            return invalid(
                missing, "is needed with pressure_guide_score: the guide counts by who filled it in",
                "Say whether it was a registered nurse with experience of wounds, and whether they were involved in the care.",
            )  # fmt: skip
        independent = given("pressure_guide_by") == "registered_nurse" and given("pressure_guide_by_involved") is False
        if not independent and given("pressure_guide_by_reason") is None:
            return invalid(
                "pressure_guide_by_reason", "is needed: the guide was not filled in by an independent nurse",
                "Have a registered nurse who is not involved in the care fill it in, or say why that was not possible.",
            )  # fmt: skip
    if given("abuse_or_allegation") is False and (
        given("allegation_against_staff") or incident.category == Category.ABUSE_ALLEGATION
    ):
        return invalid(
            "abuse_or_allegation", "says no, but an allegation is recorded",
            "Set it to true: an allegation that proves unfounded was an allegation all the same.",
        )  # fmt: skip
    if given("personal_data_breach") is False and (
        given("breach_risk_to_people") or given("breach_high_risk_to_people")
    ):
        return invalid(
            "personal_data_breach", "says no, but a risk from a breach is recorded",
            "Set it to true, or clear the answers on the risk.",
        )  # fmt: skip
    if given("breach_risk_to_people") is False and given("breach_high_risk_to_people"):
        return invalid(
            "breach_high_risk_to_people", "cannot be high where there is no risk", "Correct one of the two answers."
        )
    return _impossible_days(incident, answers)


def _impossible_days(incident: Incident, answers: Mapping[str, Any]) -> ServiceError | None:
    first, last = answers.get("worker_unfit_from"), answers.get("worker_unfit_to")
    if first is not None and last is not None and last < first:
        return invalid("worker_unfit_to", "is before worker_unfit_from", "Correct one of the two dates.")
    if first is not None and date.fromisoformat(first) < day_in_london(incident.occurred_at):
        return invalid("worker_unfit_from", "is before the accident", "Give the day of the accident or a later one.")
    counted, given = _unfit_days(incident, answers), answers.get("worker_incapacitated_days")
    if counted is not None and given is not None and counted != given:
        return invalid(
            "worker_incapacitated_days", f"contradicts the dates, which make {counted} days without the day of the accident",
            "Leave the number out, or correct the dates. Weekends and bank holidays count.",
        )  # fmt: skip
    return None


def people_of(answers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(person, authority) of everybody affected; one of no code when nobody is named yet."""
    default = answers.get("local_authority") or ""
    people = [(p["code"], p.get("local_authority") or default) for p in answers.get("people") or []]
    return people or [("", default)]


def person_code(incident_id: UUID) -> str:
    """A code to stand for the person in a notice when nobody gave one."""
    return f"P-{incident_id.hex[-8:]}"
