"""What people can do in a scenario: each verb with its words, and the API call that it becomes."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from deploy.local.scenarios.words import Moment, Name, Person, Place, Region, Resident, Result, Strict, Text
from services.contracts.taxonomy import (
    AbuseType,
    AuthorityDecision,
    Band,
    Category,
    EnquiryOutcome,
    HoldFor,
    Kind,
    LinkRelation,
    LocationType,
    MeetingLevel,
    PhysicalHarm,
    PsychologicalHarm,
    Role,
    Seips,
    Shift,
    Strength,
    Verdict,
    VerificationOutcome,
)


@dataclass(frozen=True)
class Find:
    """How the record that a verb is about is looked up, for verbs that name it by what it is."""

    path: str
    key: str
    where: dict[str, Any] = field(default_factory=dict)
    rows: str = ""


@dataclass(frozen=True)
class Api:
    """The call that a verb becomes. `{name}` in a path is a field of the verb or what `find` found.

    `version_of` is the record whose ETag goes into If-Match. `patient`: the service hears of the incident by event, so
    404 in the first moments is asked again. `new`: the record may not be there yet, then there is no If-Match. `answer` is the field of the reply that is the id of the result.
    """

    service: str
    method: str
    path: str
    version_of: str = ""
    find: Find | None = None
    patient: bool = False
    new: bool = False
    answer: str = ""
    body: str = "fields"
    found_as: str = ""


class Refused(Strict):
    """The API must say no, with this status, and, if given, name this field or say these words."""

    status: int = Field(ge=400, le=499, description="403 not allowed, 404 not visible, 409 not now, 412, 422 wrong.")
    names: str | None = Field(default=None, description="The field that the answer must name.")
    says: str | None = Field(default=None, description="Words that the answer must hold.")


class Step(Strict):
    """What every step that somebody does may say besides its own words."""

    api: ClassVar[Api]
    needs: ClassVar[tuple[str, ...]] = ()

    do: str
    as_: Person | None = Field(default=None, alias="as", description="Who does it: a name under `people`.")
    at: Moment | None = Field(default=None, description="When: `+2h` after the start, or `fall + 4h`. Else at once.")
    id: Name | None = Field(default=None, description="A name for the result and for the moment it happened.")
    refused: Refused | None = Field(default=None, description="The answer must be a refusal. Counts as an expectation.")
    what: Text | None = Field(default=None, description="What is expected, in words; shown in the result.")
    why: Text | None = None
    source: Text | None = Field(default=None, description="Where it comes from, for example 'SC-05 trap 2'.")
    note: Text | None = Field(default=None, description="What happens outside the system; not sent to it.")


class AboutIncident(Step):
    """A step about an incident."""

    of: Result | None = Field(default=None, description="The `id` of the report; not needed when there is only one.")


_INCIDENT = "/incidents/{of}"


class Report(Step):
    """Report an incident, a near miss or good care."""

    api = Api("intake", "POST", "/incidents", answer="incident_id")

    do: Literal["report"]
    place: Place = Field(serialization_alias="location_id", description="Where it happened.")
    category: Category
    kind: Kind = Kind.INCIDENT
    danger: bool = Field(
        default=False, serialization_alias="immediate_danger", description="Somebody is in danger now."
    )
    happened: Moment | None = Field(
        default=None, serialization_alias="occurred_at", description="Default: at the step."
    )
    story: Text = Field(serialization_alias="narrative", description="As the reporter would type it.")
    people: list[Resident] = Field(
        default_factory=list,
        serialization_alias="person_refs",
        description="Whom it happened to: names of `residents`.",
    )
    about_staff: list[Person] = Field(
        default_factory=list, description="Staff an allegation is about; they never see it."
    )
    about_line: list[Person] = Field(default_factory=list, description="Their line managers, who do not see it either.")
    not_about_staff: bool = Field(
        default=False, description="The allegation is about nobody who works here: it is not restricted."
    )


class AnswerQuestions(AboutIncident):
    """Answer what is asked about this type of incident (GET /incidents/ID/questions names the questions)."""

    api = Api("intake", "PUT", f"{_INCIDENT}/answers", version_of=_INCIDENT)

    do: Literal["answer"]
    answers: dict[str, bool | int | str]


class Attach(AboutIncident):
    """Attach a file. `content` is what is really in it: a made-up one of that type."""

    api = Api("intake", "POST", f"{_INCIDENT}/attachments", answer="attachment_id", body="file")

    do: Literal["attach"]
    name: str = "photo.png"
    content: Literal["png", "pdf", "text", "empty"] = "png"
    says_it_is: str | None = Field(default=None, description="The media type that is claimed. Default: the true one.")


class Triage(AboutIncident):
    """Score actual and worst credible harm; with a reason where it is lower than the rule suggests."""

    api = Api("intake", "POST", f"{_INCIDENT}/triage", version_of=_INCIDENT)

    do: Literal["triage"]
    actual_harm: PhysicalHarm = Field(description="LFPSE physical harm, by what is known at the time.")
    psychological_harm: PsychologicalHarm | None = None
    consequence: int = Field(description="Worst credible consequence, 1 negligible to 5 catastrophic.")
    likelihood: int = Field(description="How likely that is, 1 rare to 5 almost certain.")
    reason: Text | None = None
    earlier_seen: int | Literal["all"] = Field(
        default="all", description="How many earlier incidents were seen; `all` reads and confirms them first."
    )


class Retriage(Triage):
    """Triage again because facts changed; what follows from it follows anew. Needs a reason."""

    needs = ("report",)

    do: Literal["retriage"]  # type: ignore[assignment]


class AcknowledgeEscalation(AboutIncident):
    """Say: I have been told and I am on it. Finds the newest unanswered escalation to this person or role."""

    api = Api(
        "intake", "POST", _INCIDENT + "/escalations/{found}/acknowledgement", answer="escalation_id",
        find=Find(_INCIDENT + "/escalations", "escalation_id", {"acknowledged_at": None, "reason": "{reason}"}),
        body="none",
    )  # fmt: skip

    do: Literal["acknowledge_escalation"]
    reason: str | None = Field(default=None, description="Only one for this reason, for example high_risk.")
    escalation: Result | None = Field(default=None, description="This very one: the id of a `find` step.")


class Withdraw(AboutIncident):
    """End an incident that was reported in error."""

    api = Api("intake", "POST", f"{_INCIDENT}/withdrawal", version_of=_INCIDENT)

    do: Literal["withdraw"]
    reason: Text


class MarkDuplicate(AboutIncident):
    """End an incident that another report already covers."""

    api = Api("intake", "POST", f"{_INCIDENT}/duplicate", version_of=_INCIDENT)

    do: Literal["mark_duplicate"]
    same_as: Result = Field(serialization_alias="duplicate_of")


class LinkIncidents(AboutIncident):
    """Say that another incident belongs with this one: the same event, person or cause, or found while looking into it."""

    api = Api("intake", "POST", f"{_INCIDENT}/links")

    do: Literal["link"]
    other: Result = Field(serialization_alias="other_id", description="The `id` of the other report.")
    relation: LinkRelation
    reason: Text


class Reopen(AboutIncident):
    """Put a closed incident back into the chain."""

    api = Api("intake", "POST", f"{_INCIDENT}/reopening", version_of=_INCIDENT)

    do: Literal["reopen"]
    stage: Literal["reviewing", "acting"]
    reason: Text


class Factor(Strict):
    """Something that contributed: its element, or a word for it that suggests one."""

    element: Seips | None = Field(default=None, description="Left out, what the word suggests.")
    word: Literal["staffing", "communication", "environment", "training", "supervision", "recording"] | None = None
    description: Text


class RootCause(Strict):
    """What lies beneath."""

    statement: Text
    factors: list[int] = Field(description="Which factors show it, counted from 0.")


class Learning(Strict):
    """Something that was learned."""

    statement: Text
    answers_factor: int | None = Field(default=None, description="Which factor it answers, counted from 0.")
    answers_cause: int | None = Field(default=None, description="Which root cause it answers, counted from 0.")


class BriefingQuestion(Strict):
    """Another question to draw from."""

    question: Text
    options: list[Text]
    correct: int
    explanation: Text | None = None


class BriefingAudience(Strict):
    """Who needs it, beyond what the policy asks for."""

    everywhere: bool = False
    regions: list[Region] = Field(default_factory=list)
    location_types: list[LocationType] = Field(default_factory=list)
    roles: list[Role] = Field(default_factory=list)
    groups: list[Literal["nights", "bank_and_agency", "new_starters"]] = Field(default_factory=list)
    people_percent: int | None = None


class Briefing(Strict):
    """What other teams will read."""

    summary: Text
    what_changes: Text
    question: Text
    options: list[Text]
    correct: int = Field(description="The right answer's place among the options, counted from 0.")
    explanation: Text | None = Field(default=None, description="Told to whoever answers wrongly.")
    for_whom: Text | None = None
    learning: list[int] = Field(default_factory=list, description="Which learning it shares, from 0. Default: all.")
    more_questions: list[BriefingQuestion] = Field(default_factory=list)
    audience: BriefingAudience | None = None
    abbreviations: list[str] = Field(default_factory=list, description="Letters that are nobody's initials.")


_REVIEWS = "/reviews?incident_id={of}"


class WriteReview(AboutIncident):
    """Write the review of the incident; what is left out is empty."""

    api = Api(
        "review", "PUT", "/reviews/{found}/draft", version_of="/reviews/{found}", answer="review_id",
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip

    do: Literal["write_review"]
    what_happened: Text | None = None
    why_it_happened: Text | None = Field(default=None, serialization_alias="why")
    factors: list[Factor] = Field(default_factory=list)
    root_causes: list[RootCause] = Field(default_factory=list)
    learning: list[Learning] = Field(default_factory=list)
    only_person_reason: Text | None = None
    no_actions_reason: Text | None = None
    no_briefing_reason: Text | None = None
    briefing: Briefing | None = None
    answers: dict[str, Text] = Field(
        default_factory=dict, exclude=True, description="Of the method's questions, by name; see the look `form`."
    )
    not_applicable: dict[str, Text] = Field(
        default_factory=dict, exclude=True, description="Why a question of the method does not apply, by name."
    )


class FindingAnswers(Strict):
    """Why findings of the quality gate stand."""

    findings: list[str] = Field(description="Their names: `finding` at the look `findings`.")
    reason: Text


class AnswersFindings(AboutIncident):
    """A step that may answer what the quality gate points at."""

    answers: list[FindingAnswers] = Field(default_factory=list)
    answer_rest: Text | None = Field(
        default=None, exclude=True, description="One reason for every finding that `answers` does not name."
    )


class SubmitReview(AnswersFindings):
    """Ask for approval of the review; what the quality gate points at may be answered."""

    api = Api(
        "review", "POST", "/reviews/{found}/submission", version_of="/reviews/{found}",
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip
    needs = ("write_review",)

    do: Literal["submit_review"]


class EnterEvent(AboutIncident):
    """Enter an event in the timeline of the review."""

    api = Api(
        "review", "POST", "/reviews/{found}/timeline", answer="entry_id",
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip

    do: Literal["enter_event"]
    happened: Moment = Field(serialization_alias="at", description="When it happened.")
    event: Text = Field(serialization_alias="what")
    nature: Literal["fact", "account"] = Field(
        default="fact", description="Established, or what somebody says about it."
    )
    known_from: Literal["record", "device", "observation", "person", "other"] = Field(
        default="record", serialization_alias="source"
    )
    source_detail: Text | None = Field(default=None, description="Which record, device or role. No names.")
    analysis: Text | None = Field(default=None, description="What it means; kept apart from what happened.")
    marks: Literal[
        "hot_debrief", "structured_debrief", "staff_welfare", "advice_given", "advice_in_plan", "advice_to_staff",
        "advice_to_hospital",
    ] | None = Field(default=None, description="What it marks, where the time to it is measured.")  # fmt: skip


class Told(Strict):
    """What somebody was told, and when."""

    when: Moment = Field(serialization_alias="at")
    what: Text


class Involve(AboutIncident):
    """Enter somebody involved in the review, by code or role: whether they were asked, and what they say."""

    api = Api(
        "review", "POST", "/reviews/{found}/people", answer="involved_id",
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip

    do: Literal["involve"]
    who: Literal["person", "family_or_friend", "advocate", "staff", "other"]
    reference: Text = Field(description="A code or a role, for example P1 or daughter. Never a name.")
    part: Text | None = None
    approach: Literal["not_yet", "asked", "declined", "unavailable", "not_asked"] = "asked"
    asked: Moment | None = Field(default=None, serialization_alias="asked_at", description="Default: at the step.")
    asked_how: Text | None = None
    reason: Text | None = Field(default=None, description="Needed where they did not take part.")
    questions: Text | None = None
    account: Text | None = None
    account_given: Text | None = Field(default=None, description="In which way of communicating.")
    told: list[Told] = Field(default_factory=list)


class AskToContribute(AboutIncident):
    """Ask somebody to contribute to the review, or record what they said or why they did not."""

    api = Api(
        "review", "POST", "/reviews/{found}/contributions", answer="contribution_id",
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip

    do: Literal["ask_to_contribute"]
    part: Literal[
        "staff_involved", "registered_manager", "quality_lead", "safeguarding_lead", "person_or_family",
        "outside_expertise",
    ]  # fmt: skip
    person: Person | None = Field(
        default=None, serialization_alias="person_id", description="Who then may say it in their own words."
    )
    described: Text | None = Field(default=None, description="A role, or a group of people; no names.")
    how: Literal["interview", "written_statement", "meeting", "advice"] = "interview"
    asks: Text | None = Field(default=None, description="What they are asked.")
    outcome: Literal["asked", "contributed", "declined", "unavailable"] = "asked"
    reason: Text | None = Field(default=None, description="Needed where they did not contribute.")
    said: Text | None = None


class Contribute(Step):
    """Somebody who was asked says it in their own words. Finds what this person was asked last."""

    api = Api(
        "review", "PUT", "/contributions/{found}/statement", version_of="/contributions/{found}",
        find=Find("/contributions", "contribution_id", {"outcome": "asked"}),
    )  # fmt: skip

    do: Literal["contribute"]
    said: Text


class WriteTerms(AboutIncident):
    """Say what the review is to find out, and within which scope."""

    api = Api(
        "review", "PUT", "/reviews/{found}/terms", version_of="/reviews/{found}/terms", new=True,
        find=Find(_REVIEWS, "review_id", {"status": ["open", "returned"]}),
    )  # fmt: skip

    do: Literal["write_terms"]
    to_find_out: Text
    scope: Text | None = None
    covers_from: Moment | None = None
    covers_until: Moment | None = None
    left_out: Text | None = None
    agreed_with: Text | None = Field(default=None, description="By whom the terms were agreed. Roles, no names.")


class ReturnReview(AboutIncident):
    """Send the review back to be completed."""

    api = Api(
        "review", "POST", "/reviews/{found}/return", version_of="/reviews/{found}",
        find=Find(_REVIEWS, "review_id", {"status": ["submitted"]}),
    )  # fmt: skip
    needs = ("submit_review",)

    do: Literal["return_review"]
    reason: Text


class ApproveReview(AnswersFindings):
    """Approve the review; what the quality gate points at and nobody answered is answered here."""

    api = Api(
        "review", "POST", "/reviews/{found}/approval", version_of="/reviews/{found}",
        find=Find(_REVIEWS, "review_id", {"status": ["submitted"]}),
    )  # fmt: skip
    needs = ("submit_review",)

    do: Literal["approve_review"]


class Proof(Strict):
    """One thing that must be shown before an action is done."""

    description: Text
    kinds: list[Literal["observation", "document", "audit_result", "link"]] = Field(default_factory=list)


class AgreeAction(Step):
    """Agree what will change, how one will know, and who answers for it."""

    api = Api("actions", "POST", "/actions", patient=True, answer="action_id")

    do: Literal["agree_action"]
    of: Result | None = Field(default=None, serialization_alias="incident_id")
    title: Text
    strength: Strength
    success_criterion: Text
    what_counts_as_proof: Text
    owner: Person = Field(serialization_alias="owner_id")
    owner_role: Role | None = Field(default=None, description="Default: the owner's first role.")
    due_working_days: int = 20
    learning_ref: Text | None = Field(default=None, description="The id of a learning of the approved review.")
    proof: list[Proof] = Field(default_factory=list, description="What must be shown, item by item.")
    strength_reason: Text | None = Field(default=None, description="Needed where the title says what is weak.")
    priority: Literal["urgent", "high", "normal"] | None = None
    interim_control: Text | None = Field(default=None, description="What protects people until it is done.")
    waits_for: list[Text] = Field(default_factory=list, description="Actions that come first, as ${id}.")
    sites: list[Place] = Field(default_factory=list, description="Where it is to be done, each with its progress.")
    serves: list[Result] = Field(default_factory=list, description="Other incidents that it answers too.")


class AboutAction(Step):
    """A step about an action."""

    needs = ("agree_action",)

    action: Result = Field(description="The `id` of an `agree_action` step.")


class LinkLearning(AboutAction):
    """Say which learning an action answers that was agreed before the review was approved."""

    api = Api("actions", "PUT", "/actions/{action}/learning", patient=True, version_of="/actions/{action}")

    do: Literal["link_learning"]
    learning_ref: Text = Field(description="The id of a learning of the approved review.")


class AddEvidence(AboutAction):
    """Show one piece of proof."""

    api = Api("actions", "POST", "/actions/{action}/evidence", patient=True)

    do: Literal["add_evidence"]
    kind: Literal["observation", "document", "audit_result", "link"] = "observation"
    description: Text
    proves: list[Text] = Field(default_factory=list, description="Ids of items of `proof` that it shows.")


class RecordSite(AboutAction):
    """Say how far an action is at one of its places."""

    api = Api("actions", "POST", "/actions/{action}/sites/{place}")

    do: Literal["record_site"]
    place: Place = Field(exclude=True)
    state: Literal["done", "not_applicable", "open"] = "done"
    note: Text | None = Field(default=None, description="Needed where it does not apply.")


class Complete(AboutAction):
    """The owner says that it is done."""

    api = Api("actions", "POST", "/actions/{action}/completion", version_of="/actions/{action}", body="none")

    do: Literal["complete"]


class Verify(AboutAction):
    """Somebody independent looked in practice: with `draw`, at the sample that the system drew; else with the counts."""

    api = Api("actions", "POST", "/actions/{action}/verification", version_of="/actions/{action}")

    do: Literal["verify"]
    outcome: VerificationOutcome
    method: Literal["spot_check", "observation", "document_check", "people_asked", "records_audit", "re_audit"]
    draw: Text | None = Field(default=None, serialization_alias="draw_id", description="The id of a draw, as ${id}.")
    not_drawn_reason: Text | None = None
    sample_size: int | None = None
    compliant: int | None = None
    finding: Text | None = None
    missing: Text | None = None
    redo_working_days: int | None = None
    remaining_risk: Text | None = None
    next_check_on: Text | None = Field(default=None, description="A day, as 2026-09-30.")
    shifts: list[Shift] = Field(default_factory=list)


class CheckAgain(Verify):
    """Look again at what was verified, once that is asked for."""

    api = Api("actions", "POST", "/actions/{action}/recheck", version_of="/actions/{action}")

    do: Literal["check_again"]  # type: ignore[assignment]


class DrawSample(AboutAction):
    """Have the system draw which of them to look at."""

    api = Api("actions", "POST", "/actions/{action}/draws", answer="draw_id")

    do: Literal["draw_sample"]
    frame: list[Text] = Field(default_factory=list, description="A name for each that could be drawn.")
    frame_size: int | None = Field(default=None, description="How many there are, where they have no names.")
    size: int
    reason: Text | None = None


class SampleFinding(Strict):
    """What was found of one that was drawn."""

    position: int | Text = Field(description="Its place in the frame, for example ${sample.items.0.position}.")
    compliant: bool


class RecordSample(AboutAction):
    """Record what was found of each that was drawn: some by place, the rest at once."""

    api = Api("actions", "POST", "/actions/{action}/draws/{sample}/findings")

    do: Literal["record_sample"]
    sample: Result = Field(exclude=True, description="The `id` of a `draw_sample` step.")
    items: list[SampleFinding] = Field(default_factory=list)
    rest: bool | None = None


class AskForTime(AboutAction):
    """The owner asks for more time."""

    api = Api("actions", "POST", "/actions/{action}/extensions", version_of="/actions/{action}", answer="extension_id")

    do: Literal["ask_for_time"]
    working_days: int
    reason: Text


class DecideOnTime(AboutAction):
    """Somebody other than the owner gives more time, or refuses it."""

    api = Api("actions", "POST", "/actions/{action}/extensions/{request}/decision", version_of="/actions/{action}")

    do: Literal["decide_on_time"]
    request: Result = Field(exclude=True, description="The `id` of an `ask_for_time` step.")
    granted: bool
    reason: Text | None = None


class Understand(AboutAction):
    """The owner confirms that the action is understood."""

    api = Api("actions", "POST", "/actions/{action}/understanding", version_of="/actions/{action}")

    do: Literal["understand_action"]
    in_own_words: Text | None = None


class AcceptWeaker(AboutIncident):
    """An approver says why only weaker actions are enough although the risk is high, or it happened before."""

    api = Api("actions", "POST", _INCIDENT + "/weaker-actions")

    do: Literal["accept_weaker"]
    reason: Text


class HandOver(Step):
    """Give what somebody owns to somebody else, in one go."""

    api = Api("actions", "POST", "/handovers")

    do: Literal["hand_over"]
    from_person: Person = Field(serialization_alias="from_id")
    to_person: Person = Field(serialization_alias="to_id")
    to_role: Role
    reason: Text


class CancelAction(AboutAction):
    """Agree that an action will not be done."""

    api = Api("actions", "POST", "/actions/{action}/cancellation", version_of="/actions/{action}")

    do: Literal["cancel_action"]
    reason: Text


class AskToCancel(AboutAction):
    """The owner asks that it be cancelled; it goes on meanwhile."""

    api = Api(
        "actions", "POST", "/actions/{action}/cancellation-requests", version_of="/actions/{action}",
        answer="request_id",
    )  # fmt: skip

    do: Literal["ask_to_cancel"]
    reason: Text


class DecideOnCancelling(AboutAction):
    """An approver other than the owner cancels it, or refuses."""

    api = Api(
        "actions", "POST", "/actions/{action}/cancellation-requests/{request}/decision",
        version_of="/actions/{action}",
    )  # fmt: skip

    do: Literal["decide_on_cancelling"]
    request: Result = Field(exclude=True, description="The `id` of an `ask_to_cancel` step.")
    accepted: bool
    reason: Text | None = None


class AcknowledgeBriefing(AboutIncident):
    """Read the briefing of the incident and answer its question."""

    api = Api(
        "review", "POST", "/briefings/{found}/acknowledgements",
        find=Find("/briefings?limit=200", "briefing_id", {"incident_id": "{of}"}),
    )  # fmt: skip

    do: Literal["acknowledge_briefing"]
    place: Place = Field(serialization_alias="location_id")
    answer: int = Field(description="The place of the chosen answer, counted from 0.")
    question: int | None = Field(default=None, description="Which question, where the briefing has several.")


_BRIEFING = Find("/briefings?limit=200", "briefing_id", {"incident_id": "{of}"})


class RecordRoute(AboutIncident):
    """Record how the briefing reached a team, with how many were there or where it can be found."""

    api = Api("review", "POST", "/briefings/{found}/routes", find=_BRIEFING, answer="route_id")

    do: Literal["record_route"]
    place: Place = Field(serialization_alias="location_id")
    kind: Literal[
        "team_meeting", "supervision", "training", "practice_guidance", "internal_communication", "safety_alert"
    ]
    held: Moment | None = Field(
        default=None, serialization_alias="held_on", description="Default: the day of the step."
    )
    present: int | None = None
    reference: Text | None = None


class AskServices(AboutIncident):
    """Ask every service that got the briefing for a count, or whether it does what was agreed."""

    api = Api("review", "POST", "/briefings/{found}/adoption-checks", find=_BRIEFING, answer="check_id")

    do: Literal["ask_services"]
    question: Text
    answer_kind: Literal["count", "confirmation"] = "confirmation"
    days: int = 7


class ReturnAnswer(Step):
    """Answer for a service what was asked with `ask_services`."""

    api = Api("review", "POST", "/adoption-checks/{check}/returns")

    do: Literal["return_answer"]
    check: Result = Field(description="The `id` of an `ask_services` step.")
    place: Place = Field(serialization_alias="location_id")
    count: int | None = None
    adopted: bool | None = None
    comment: Text | None = None


class SpotCheck(AboutIncident):
    """Ask people in person what they learned, and record how many could say."""

    api = Api("review", "POST", "/briefings/{found}/spot-checks", find=_BRIEFING, answer="spot_check_id")

    do: Literal["spot_check"]
    place: Place = Field(serialization_alias="location_id")
    shift: Shift | None = None
    role: Role | None = None
    held: Moment | None = Field(
        default=None, serialization_alias="held_on", description="Default: the day of the step."
    )
    asked: int
    could_say: int


class JudgeImpact(AboutIncident):
    """Decide what the changes achieved, when the checkpoint has been measured."""

    api = Api(
        "actions", "POST", "/checkpoints/{found}/decision", version_of="/checkpoints/{found}",
        find=Find("/checkpoints?incident_id={of}", "checkpoint_id", {"status": ["measured"]}),
    )  # fmt: skip

    do: Literal["judge_impact"]
    verdict: Verdict
    reason: Text | None = None
    reopen_at: Literal["reviewing", "acting"] | None = Field(
        default=None, description="Where the next cycle begins after no_change or worse; with a review else."
    )


class BeginIndicator(Step):
    """Begin a series by which one can see whether something worked (docs/impact.md)."""

    api = Api("actions", "POST", "/indicators", answer="indicator_id")

    do: Literal["begin_indicator"]
    name: Text
    about: Literal["audit_score", "competence_observed", "staff_confidence", "outcome_for_people", "quality_indicator"]
    direction: Literal["increase", "decrease", "neutral"] = Field(description="Which way is better.")
    definition: Text
    numerator: Text | None = Field(default=None, description="What is counted, if it is a share or a rate.")
    denominator: Text | None = Field(default=None, description="Out of what, or over what.")
    share: bool | None = Field(default=None, description="Whether the numerator is part of the denominator.")
    place: Place | None = Field(
        default=None, serialization_alias="location_id", description="Default: the whole provider."
    )


class RecordMonths(Step):
    """Record months of an indicator; they end with the month of the step, or so many before it."""

    api = Api("actions", "POST", "/indicators/{indicator}/values", body="months")
    needs = ("begin_indicator",)

    do: Literal["record_months"]
    indicator: Result = Field(exclude=True, description="The `id` of a `begin_indicator` step.")
    months: list[float | tuple[int, int] | None] = Field(
        min_length=1, description="Oldest first; [17, 19] is 17 of 19, null a month without a value."
    )
    ending: int = Field(default=0, ge=0, le=120, description="How many months before the step's own the last one is.")


class ChooseMeasure(AboutIncident):
    """Say by what the effect of the present cycle is measured; once an action is agreed, with a reason."""

    api = Api("actions", "POST", f"{_INCIDENT}/measures", version_of=f"{_INCIDENT}/measures", patient=True)

    do: Literal["choose_measure"]
    kind: Literal["incident_rate", "indicator"] = "incident_rate"
    indicator: Result | None = Field(default=None, serialization_alias="indicator_id")
    category: Category | None = None
    scope: Literal["provider", "region", "location"] = "provider"
    definition: Text | None = None
    baseline_months: int | None = Field(
        default=None,
        exclude=True,
        ge=1,
        le=60,
        description="Compare with so many months before; default: the policy's.",
    )
    beside: list[Result] | None = Field(default=None, description="Ids of `begin_indicator` steps, shown with it.")
    reason: Text | None = None


class Facts(AboutIncident):
    """Answer the questions that decide who outside must be told (docs/obligations.md names the facts)."""

    api = Api("intake", "PUT", f"{_INCIDENT}/facts", version_of=f"{_INCIDENT}/facts", body="facts")

    do: Literal["facts"]
    facts: dict[str, Any] = Field(min_length=1, description="Fact by fact; ${...} is filled in, null is: not known.")


_OBLIGATION = "/obligations/{found}"
_OBLIGATIONS = Find(
    _INCIDENT + "/obligations", "obligation_id", {"rule": "{obligation}", "person": "{person}", "authority": "{authority}"},
    rows="obligations",
)  # fmt: skip


class AboutObligation(AboutIncident):
    """A step about one obligation of an incident."""

    obligation: Text = Field(description="The rule's id, for example cqc-serious-injury (docs/obligations.md).")
    person: Text | None = Field(
        default=None, exclude=True, description="The person's code, where there is one for each."
    )
    authority: Text | None = Field(default=None, exclude=True, description="The local authority's code.")


class OpenObligation(AboutIncident):
    """Open an obligation that no rule asks for, to record a decision on it with its reason."""

    api = Api("intake", "POST", _INCIDENT + "/obligations", answer="obligation_id")

    do: Literal["open_obligation"]
    rule: Text
    person: Text | None = None
    authority: Text | None = None


class DecideObligation(AboutObligation):
    """Decide to notify, or not to and why."""

    api = Api("intake", "POST", _OBLIGATION + "/decision", version_of=_OBLIGATION, find=_OBLIGATIONS)

    do: Literal["decide_obligation"]
    decision: Literal["notify", "not_notify"]
    reason: Text | None = None


class SubmitObligation(AboutObligation):
    """Say that the recipient was told, with the reference that proves it."""

    api = Api("intake", "POST", _OBLIGATION + "/submission", version_of=_OBLIGATION, find=_OBLIGATIONS)

    do: Literal["submit_obligation"]
    reference: Text
    submitted: Moment | None = Field(
        default=None, serialization_alias="submitted_at", description="Default: at the step."
    )
    evidence: Text | None = None


class AcknowledgeObligation(AboutObligation):
    """Say that the recipient confirmed it."""

    api = Api("intake", "POST", _OBLIGATION + "/acknowledgement", version_of=_OBLIGATION, find=_OBLIGATIONS)

    do: Literal["acknowledge_obligation"]
    received: Moment | None = Field(
        default=None, serialization_alias="received_at", description="Default: at the step."
    )
    reference: Text | None = None


_CANDOUR = f"{_INCIDENT}/candour"


class CandourDecide(AboutIncident):
    """Answer the three questions of regulation 20(9), with a health care professional's opinion on harm."""

    api = Api("intake", "POST", f"{_CANDOUR}/decision", version_of=_CANDOUR)

    do: Literal["candour_decide"]
    unintended_or_unexpected: bool
    during_regulated_activity: bool
    harm_test: Literal["met", "not_met", "not_asked"]
    limbs: list[
        Literal[
            "death", "impairment", "change_to_structure_of_body", "prolonged_pain", "prolonged_psychological_harm",
            "shortened_life_expectancy", "treatment_to_prevent",
        ]
    ] = Field(default_factory=list)  # fmt: skip
    lasting_days: int | None = None
    professional_role: Text | None = None
    professional_opinion: Text | None = None
    opinion_at: Moment | None = None
    relevant_person: Literal["service_user", "acting_lawfully"] | None = Field(
        default=None, description="Needed if met."
    )
    openness: Text | None = Field(default=None, description="How the person was told openly all the same, if not met.")
    reason: Text | None = None


class CandourSteps(AboutIncident):
    """Record parts of the duty that were done together, for example in person, a true account, an apology."""

    api = Api("intake", "POST", f"{_CANDOUR}/steps", version_of=_CANDOUR)

    do: Literal["candour_steps"]
    steps: list[
        Literal[
            "in_person_notification", "true_account", "further_enquiries", "apology", "written_record", "support",
            "written_notification", "further_results",
        ]
    ] = Field(min_length=1)  # fmt: skip
    done: Moment | None = Field(default=None, serialization_alias="at", description="Default: at the step.")
    comment: Text | None = Field(default=None, serialization_alias="note")


class CandourAttempt(AboutIncident):
    """Record an attempt at which the person declined or could not be reached."""

    api = Api("intake", "POST", f"{_CANDOUR}/attempts", version_of=_CANDOUR)

    do: Literal["candour_attempt"]
    how: Literal["visit", "phone", "letter", "email", "other"]
    outcome: Literal["declined", "unreachable"]
    done: Moment | None = Field(default=None, serialization_alias="at", description="Default: at the step.")
    comment: Text | None = Field(default=None, serialization_alias="note")


class CandourLetter(AboutIncident):
    """Keep a copy of a letter."""

    api = Api("intake", "POST", f"{_CANDOUR}/letters", version_of=_CANDOUR)

    do: Literal["candour_letter"]
    direction: Literal["sent", "received"] = "sent"
    purpose: Literal["written_notification", "further_results", "other"]
    done: Moment | None = Field(default=None, serialization_alias="at", description="Default: at the step.")
    content: Text


_SAFEGUARDING = f"{_INCIDENT}/safeguarding"


class Wish(Strict):
    """An outcome that the adult wants."""

    outcome: Text
    met: Literal["fully", "partly", "not"] | None = None


class AdultAtRisk(Strict):
    """One adult at risk."""

    person: Resident = Field(serialization_alias="person_ref")
    consent: Literal["given", "refused", "lacks_capacity", "not_asked"] = "not_asked"
    override_reason: Text | None = None
    wishes: list[Wish] = Field(default_factory=list)
    capacity_note: Text | None = None
    advocate_offered: bool | None = None


class SafeguardingRecord(AboutIncident):
    """Make or change the safeguarding record: types of abuse, immediate safety, each adult with consent and wishes."""

    api = Api("intake", "PUT", _SAFEGUARDING, version_of=_SAFEGUARDING, new=True)

    do: Literal["safeguarding_record"]
    abuse_types: list[AbuseType] = Field(min_length=1)
    immediate_safety_secured: bool
    safety_measures: Text
    adults: list[AdultAtRisk] = Field(default_factory=list)


class SafeguardingDecide(AboutIncident):
    """Decide to refer an adult to the local authority, or not to and why."""

    api = Api("intake", "POST", f"{_SAFEGUARDING}/decision", version_of=_SAFEGUARDING)

    do: Literal["safeguarding_decide"]
    person: Resident | None = Field(default=None, serialization_alias="person_ref")
    decision: Literal["refer", "not_refer"]
    reason: Text | None = None


class SafeguardingRefer(AboutIncident):
    """Record a referral that was sent: one for each adult and authority."""

    api = Api("intake", "POST", f"{_SAFEGUARDING}/referral", version_of=_SAFEGUARDING)

    do: Literal["safeguarding_refer"]
    person: Resident | None = Field(default=None, serialization_alias="person_ref")
    authority: Text
    reference: Text
    referred: Moment | None = Field(
        default=None, serialization_alias="referred_at", description="Default: at the step."
    )


_REFERRAL = Find(_SAFEGUARDING, "referral_id", {"authority": "{authority}"}, rows="adults.referrals")


class SafeguardingAuthority(AboutIncident):
    """Record what the local authority decided about a referral."""

    api = Api(
        "intake", "POST", f"{_SAFEGUARDING}/authority-decision", version_of=_SAFEGUARDING, find=_REFERRAL,
        found_as="referral_id",
    )  # fmt: skip

    do: Literal["safeguarding_authority"]
    authority: Text = Field(exclude=True, description="The authority whose referral it is.")
    decision: AuthorityDecision
    reason: Text | None = None
    decided: Moment | None = Field(default=None, serialization_alias="decided_at", description="Default: at the step.")


class SafeguardingOutcome(AboutIncident):
    """Record how the authority's enquiry ended."""

    api = Api(
        "intake", "POST", f"{_SAFEGUARDING}/enquiry-outcome", version_of=_SAFEGUARDING, find=_REFERRAL,
        found_as="referral_id",
    )  # fmt: skip

    do: Literal["safeguarding_outcome"]
    authority: Text = Field(exclude=True, description="The authority whose referral it is.")
    outcome: EnquiryOutcome
    summary: Text
    concluded: Moment | None = Field(
        default=None, serialization_alias="concluded_at", description="Default: at the step."
    )


_CHECKS = Find(f"{_INCIDENT}/checks", "rule", {"rule": "{rule}"})


class RecordCheck(AboutIncident):
    """Record what had to be done in the first hours (GET /incidents/ID/checks names the checks and what each asks)."""

    api = Api("intake", "POST", f"{_INCIDENT}/checks/{{found}}/record", find=_CHECKS)

    do: Literal["record_check"]
    rule: Text = Field(exclude=True, description="The check: clinical-advice, care-plan-check, welfare-checks, ...")
    done: Moment | None = Field(default=None, serialization_alias="done_at", description="Default: at the step.")
    answers: dict[str, bool | int | str] = Field(default_factory=dict)


class SetAsideCheck(AboutIncident):
    """Say why a check of the first hours is not done."""

    api = Api("intake", "POST", f"{_INCIDENT}/checks/{{found}}/set-aside", find=_CHECKS)

    do: Literal["set_aside_check"]
    rule: Text = Field(exclude=True)
    reason: Text


_HOLDS = Find(f"{_INCIDENT}/holds", "hold_id", {"waits_for": "{waits_for}"})
_HOLD = f"{_INCIDENT}/holds"


class PlaceHold(AboutIncident):
    """Stop internal fact-finding until the police or an authority agree: no statement, no submission of the review."""

    api = Api("intake", "POST", _HOLD, answer="hold_id")

    do: Literal["place_hold"]
    waits_for: HoldFor
    reason: Text
    asked: Moment | None = Field(default=None, serialization_alias="asked_at", description="Default: at the step.")
    look_again: Moment = Field(serialization_alias="look_again_at", description="When somebody asks again.")


class LiftHold(AboutIncident):
    """Record that they agreed to internal fact-finding, and what was agreed."""

    api = Api("intake", "POST", "/holds/{found}/agreement", version_of="/holds/{found}", find=_HOLDS)

    do: Literal["lift_hold"]
    waits_for: HoldFor = Field(exclude=True)
    answer: Text
    answered: Moment | None = Field(
        default=None, serialization_alias="answered_at", description="Default: at the step."
    )


class AnswerRecurrence(AboutIncident):
    """Say whether the closed case that this incident is like has come back: reopen it, or why it is not the same."""

    api = Api(
        "intake", "POST", "/recurrences/{found}/answer", version_of="/recurrences/{found}", answer="recurrence_id",
        find=Find(
            f"{_INCIDENT}/recurrences", "recurrence_id", {"answer": None, "closed_incident_id": "{closed}"}
        ),
    )  # fmt: skip

    do: Literal["answer_recurrence"]
    closed: Result | None = Field(
        default=None, exclude=True, description="The report of the closed case, where the incident is like several."
    )
    answer: Literal["reopen", "not_the_same"]
    reason: Text
    stage: Literal["reviewing", "acting"] | None = Field(default=None, description="Where a reopened case goes on.")


class ChangeAccess(AboutIncident):
    """Restrict an incident, or change who is named and who is kept away. Both lists are whole."""

    api = Api("intake", "PUT", f"{_INCIDENT}/access", version_of=f"{_INCIDENT}/access")

    do: Literal["change_access"]
    people: list[Person] = Field(default_factory=list)
    excluded: list[Person] = Field(default_factory=list)
    reason: Text


class BreakGlass(AboutIncident):
    """Open a restricted incident without being named, to read, with a reason that is kept and told."""

    api = Api("intake", "POST", f"{_INCIDENT}/break-glass", answer="break_glass_id")

    do: Literal["break_glass"]
    reason: Text


class SpeakUp(Step):
    """Raise a concern outside the line, with `as: nobody`. The id stands for the receipt code."""

    api = Api("intake", "POST", "/speak-up", answer="code", body="speak_up")

    do: Literal["speak_up"]
    place: Place | None = Field(default=None, serialization_alias="location_id")
    mode: Literal["anonymous", "confidential"] = "anonymous"
    message: Text
    contact: Text | None = None
    keep_from: list[Role] = Field(default_factory=list, description="Roles that must not see it.")


class SpeakUpRead(Step):
    """Read the conversation with the receipt code, with `as: nobody`; look at it with `look: answer`."""

    api = Api("intake", "POST", "/speak-up/conversation")

    do: Literal["speak_up_read"]
    code: Result = Field(description="The id of a `speak_up` step.")


class SpeakUpWrite(Step):
    """Write again with the receipt code, with `as: nobody`."""

    api = Api("intake", "POST", "/speak-up/messages")

    do: Literal["speak_up_write"]
    code: Result = Field(description="The id of a `speak_up` step.")
    text: Text


class AnswerConcern(Step):
    """Answer whoever raised the concern. Finds the one this person reviews."""

    api = Api("intake", "POST", "/concerns/{found}/messages", find=Find("/concerns", "concern_id"))

    do: Literal["answer_concern"]
    text: Text


class ReviewConcern(Step):
    """Record who reviews a concern, which protection applies, and who is kept away."""

    api = Api(
        "intake", "POST", "/concerns/{found}/review", version_of="/concerns/{found}",
        find=Find("/concerns", "concern_id"),
    )  # fmt: skip

    do: Literal["review_concern"]
    reviewer: Person = Field(serialization_alias="reviewer_id")
    protection: Text
    excluded: list[Person] = Field(default_factory=list)
    reason: Text


class ThemeTeam(Strict):
    """Somebody who works on a theme; without a name, somebody who has no account."""

    part: Text
    who: Person | None = Field(default=None, serialization_alias="person_id")


class DecideSignal(Step):
    """Say what a pattern that was found means: accept, merge or dismiss it. With `lead` its thematic review is commissioned at once."""

    api = Api("reporting", "POST", "/signals/{of}/decisions", version_of="/signals/{of}")

    do: Literal["decide_signal"]
    of: Result = Field(description="A signal that an expectation named with `id`.")
    decision: Literal["accept", "merge", "dismiss"]
    reason: Text
    into: Result | None = Field(default=None, description="With `merge`: the other signal.")
    lead: Person | None = Field(
        default=None, serialization_alias="lead_id", description="With `accept`: who leads its review."
    )


class CommissionTheme(Step):
    """Ask for several incidents to be looked at together. Later steps name it with `of`, as they name an incident."""

    api = Api("review", "POST", "/themes", answer="theme_id")

    do: Literal["commission_theme"]
    title: Text
    why_together: Text = Field(serialization_alias="why", description="Why these incidents are looked at together.")
    category: Category
    band: Band = Field(description="The risk of the whole, which may be above that of each incident.")
    questions: list[Text]
    sources: list[Text] = Field(default_factory=list)
    lead: Person = Field(serialization_alias="lead_id")
    team: list[ThemeTeam] = Field(default_factory=list)
    places: list[Place] = Field(serialization_alias="locations", description="Where the pattern was seen.")
    region: Region | None = Field(
        default=None, serialization_alias="region_id", description="Default: the whole provider."
    )


class AboutTheme(Step):
    """A step about a theme."""

    of: Result = Field(description="The `id` of a `commission_theme` step.")


_THEME = "/themes/{of}"


class AcceptTheme(AboutTheme):
    """Whoever leads the theme accepts its terms; the thematic review opens."""

    api = Api("review", "POST", f"{_THEME}/acceptance", version_of=_THEME, body="none")

    do: Literal["accept_theme"]


class LinkMember(AboutTheme):
    """Link an incident to a theme. The incident stays as it is."""

    api = Api("review", "PUT", _THEME + "/members/{incident}")

    do: Literal["link_member"]
    incident: Result = Field(exclude=True, description="The `id` of a report.")
    decision: Literal["linked"] = "linked"
    reason: Text


class ExcludeMember(LinkMember):
    """Keep that an incident was considered and does not belong to the theme, and why."""

    do: Literal["exclude_member"]  # type: ignore[assignment]
    decision: Literal["excluded"] = "excluded"  # type: ignore[assignment]


class EndTheme(AboutTheme):
    """Decide that a theme will not be finished."""

    api = Api("review", "POST", f"{_THEME}/end", version_of=_THEME)

    do: Literal["end_theme"]
    reason: Text


class CallMeeting(Step):
    """Call a meeting beside the cadence; its agenda is compiled at once. Later steps name it with `of`."""

    api = Api("reporting", "POST", "/meetings", answer="meeting_id")

    do: Literal["call_meeting"]
    level: MeetingLevel
    place: Place | None = Field(default=None, serialization_alias="location_id", description="With level service.")
    region: Region | None = Field(default=None, serialization_alias="region_id", description="With level region.")
    reason: Text


class HoldMeeting(Step):
    """Record that a meeting was held."""

    api = Api("reporting", "POST", "/meetings/{of}/held", version_of="/meetings/{of}")

    do: Literal["hold_meeting"]
    of: Result = Field(description="The `id` of a `call_meeting` step.")
    held: Moment | None = Field(default=None, serialization_alias="held_at", description="Default: at the step.")
    present: int
    minutes: Text | None = None


class Challenge(Step):
    """Challenge somebody at a meeting, about an incident or about the place. Later steps name it with `of`."""

    api = Api("reporting", "POST", "/meetings/{of}/items", answer="item_id")

    do: Literal["challenge"]
    of: Result = Field(description="The `id` of a `call_meeting` step.")
    kind: Literal["challenge"] = "challenge"
    question: Literal[
        "does_the_evidence_support_it", "what_changed_and_why", "why_do_services_differ",
        "are_actions_in_place_and_working", "independent_assurance", "other",
    ] = "other"  # fmt: skip
    said: Text
    owner: Person = Field(serialization_alias="owner_id", description="Who is to answer.")
    owner_role: Role | None = Field(default=None, description="Default: the person's first role.")
    due: Moment | None = Field(default=None, serialization_alias="due_at", description="Default: by the policy.")
    about: Result | None = Field(
        default=None, serialization_alias="incident_id", description="The `id` of a report; else it is about the place."
    )


class DecideAtMeeting(Challenge):
    """Record what a meeting decided, with who does it."""

    do: Literal["decide_at_meeting"]  # type: ignore[assignment]
    kind: Literal["decision"] = "decision"  # type: ignore[assignment]
    question: None = None  # type: ignore[assignment]


class AnswerChallenge(Step):
    """Answer a challenge, or say that what a meeting decided is done."""

    api = Api("reporting", "POST", "/governance-items/{of}/answers", version_of="/governance-items/{of}")

    do: Literal["answer_challenge"]
    of: Result = Field(description="The `id` of a `challenge` or `decide_at_meeting` step.")
    said: Text


class JudgeAnswer(Step):
    """Accept an answer and say what it altered, or ask again."""

    api = Api("reporting", "POST", "/governance-items/{of}/judgements", version_of="/governance-items/{of}")

    do: Literal["judge_answer"]
    of: Result = Field(description="The `id` of a `challenge` or `decide_at_meeting` step.")
    accepted: bool
    reason: Text
    altered: list[Literal["plan", "money", "pace"]] = Field(default_factory=list)
    due: Moment | None = Field(default=None, serialization_alias="due_at", description="Where it is asked again.")


class Call(Step):
    """Anything else: one HTTP request. ${...} in path and body is filled in."""

    do: Literal["call"]
    service: Literal["directory", "intake", "review", "actions", "reporting"]
    method: Literal["GET", "POST", "PUT", "DELETE", "PATCH"] = "POST"
    path: str = Field(pattern="^/", description="For example /incidents/${fall}/withdrawal.")
    body: Any = None
    version_of: str | None = Field(default=None, description="A path whose ETag is sent as If-Match.")
    answer: str | None = Field(default=None, description="The field of the reply that `id` stands for.")


VERBS: dict[str, type[Step]] = {
    verb.model_fields["do"].annotation.__args__[0]: verb  # type: ignore[union-attr]
    for verb in (
        Report, AnswerQuestions, Attach, Triage, Retriage, AcknowledgeEscalation, Withdraw, MarkDuplicate, LinkIncidents, Reopen,
        WriteReview, WriteTerms, EnterEvent, Involve, AskToContribute, Contribute, SubmitReview, ReturnReview, ApproveReview, AgreeAction, LinkLearning, AddEvidence, RecordSite, Complete, Verify,
        CheckAgain, DrawSample, RecordSample, AskForTime, DecideOnTime, Understand, AcceptWeaker, HandOver,
        CancelAction, AskToCancel, DecideOnCancelling, AcknowledgeBriefing, RecordRoute, AskServices, ReturnAnswer, SpotCheck, JudgeImpact, BeginIndicator, RecordMonths, ChooseMeasure, Facts, OpenObligation, DecideObligation, SubmitObligation, AcknowledgeObligation,
        CandourDecide, CandourSteps, CandourAttempt, CandourLetter, SafeguardingRecord, SafeguardingDecide,
        SafeguardingRefer, SafeguardingAuthority, SafeguardingOutcome, PlaceHold, LiftHold, RecordCheck, SetAsideCheck, AnswerRecurrence, ChangeAccess, BreakGlass, SpeakUp,
        SpeakUpRead, SpeakUpWrite, AnswerConcern, ReviewConcern, DecideSignal, CommissionTheme, AcceptTheme, LinkMember, ExcludeMember,
        EndTheme, CallMeeting, HoldMeeting, Challenge, DecideAtMeeting, AnswerChallenge, JudgeAnswer, Call,
    )
}  # fmt: skip
ENDS = ("withdraw", "mark_duplicate")
"""After these an incident takes no more steps but `reopen`."""
