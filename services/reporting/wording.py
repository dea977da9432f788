"""What happened, in plain words. Sentences are made when they are read, so that a better wording serves old events too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.contracts import actions, intake, reporting, review
from services.contracts.taxonomy import Band, PhysicalHarm, ReviewMethod, Role, Stage, ThemeStage, Verdict
from services.reporting.domain import ClockKind, Running

_LOCAL = ZoneInfo("Europe/London")

TEMPLATES = {
    intake.IncidentReported.TYPE: "Reported {kind}: {category}. Somebody must look at it by {triage_due_at}.",
    intake.IncidentImported.TYPE: "Taken over from an earlier system: {kind}, {category}, {actual_harm}.",
    intake.IncidentDescribed.TYPE: "Said more about who and what was involved.",
    intake.IncidentTriaged.TYPE: "Looked at it: {actual_harm}, {band} if it happened again.",
    intake.StageEntered.TYPE: "{stage}.",
    intake.IncidentEscalated.TYPE: "Told {to_role} at once, because {reason}.",
    intake.EscalationAcknowledged.TYPE: "Said: I have been told and I am on it.",
    intake.ReminderSent.TYPE: "Reminded {to_role} that time has run out (reminder {count}).",
    intake.IncidentWithdrawn.TYPE: "Ended it as reported in error.",
    intake.IncidentMarkedDuplicate.TYPE: "Ended it, because another report covers the same event.",
    intake.IncidentReopened.TYPE: "Opened it again, as round {cycle}. {stage}.",
    intake.IncidentClosed.TYPE: "Everything is done, checked and measured; it is closed.",
    intake.IncidentRestricted.TYPE: "Restricted it to those who need to know.",
    intake.BreakGlassUsed.TYPE: "Opened this restricted record by break-glass, with a recorded reason, until {ends_at}.",
    intake.HoldPlaced.TYPE: "Internal fact-finding waits until agreed with: {waits_for}. We ask again by {look_again_at}.",
    intake.HoldLifted.TYPE: "Internal fact-finding may go on; agreed with: {waits_for}.",
    intake.ProtectionStands.TYPE: "What protects people since: {kind}. Somebody looks at it again by {look_again_at}.",
    intake.ProtectionEnded.TYPE: "What protected people has ended: {kind}, {ending}.",
    intake.RecurrenceAsked.TYPE: (
        "It is like a case that was closed: {to_role} says by {due_at} whether that one is opened again."
    ),
    intake.RecurrenceAnswered.TYPE: "Said of the closed case that is like it: {answer}.",
    intake.IncidentLinked.TYPE: "Linked it with another incident: {relation}.",
    intake.SafeguardingOpened.TYPE: (
        "An adult may need safeguarding: refer to the local authority, or decide with a reason not to, by {refer_due_at}."
    ),
    intake.SafeguardingDecided.TYPE: "Decided to refer to the local authority.",
    intake.SafeguardingReferred.TYPE: "Referred to the local authority. Its answer is expected by {answer_due_at}.",
    intake.AuthorityDecided.TYPE: "The local authority answered the referral: {decision}.",
    intake.EnquiryConcluded.TYPE: "The local authority's enquiry came to an outcome: {outcome}.",
    intake.SafeguardingWarned.TYPE: "Most of our own time to refer to the local authority has passed ({refer_due_at}).",
    intake.SafeguardingLate.TYPE: "Late by the provider's own time: {waits_for}.",
    intake.ObligationAssessed.TYPE: "The rules say that {recipient} must be told ({rule}).",
    intake.ObligationDecided.TYPE: "Decided to tell {recipient} ({rule}).",
    intake.ObligationSubmitted.TYPE: "Told {recipient} ({rule}).",
    intake.ObligationAcknowledged.TYPE: "It was confirmed that {recipient} was told ({rule}).",
    intake.ObligationWarned.TYPE: "Most of our own time to tell {recipient} has passed ({rule}).",
    intake.ObligationLate.TYPE: "Our own time to tell {recipient} has passed ({rule}).",
    intake.CandourAsked.TYPE: "Somebody must decide by {decide_due_at} whether the duty of candour applies (our own target).",
    intake.CandourDecided.TYPE: "Decided that the duty of candour applies.",
    intake.CandourStepRecorded.TYPE: "Duty of candour: {step}.",
    intake.CandourWarned.TYPE: "Duty of candour: most of our own time for {waits_for} has passed.",
    intake.CandourLate.TYPE: "Duty of candour: {waits_for} is late by our own target.",
    intake.CandourCompleted.TYPE: "Duty of candour: every part is recorded.",
    intake.CheckRecorded.TYPE: "Recorded as done: {rule}. It was to be done by {required_at} (our own target).",
    intake.CheckWarned.TYPE: "Most of the time has passed: {rule}, to be done by {required_at} (our own target).",
    intake.CheckLate.TYPE: "Not recorded in time: {rule}, by {required_at} (our own target).",
    review.ThemeCommissioned.TYPE: (
        "Asked for several incidents to be looked at together: {category}, {band}. Whoever leads it accepts by"
        " {accept_due_at}."
    ),
    review.ThemeAccepted.TYPE: "Accepted the terms.",
    review.ThemeMemberDecided.TYPE: (
        "Considered another incident: {decision}. So far {linked} belong to the theme, {excluded} do not."
    ),
    review.ThemeStageEntered.TYPE: "Moved on to: {stage}.",
    review.ThemeReminded.TYPE: "Time ran out. Told {to_role}.",
    review.ThemeEnded.TYPE: "Ended the theme unfinished, with a reason.",
    review.ReviewOpened.TYPE: "Asked {lead_role} to find out why it happened, by {method}, by {due_at}.",
    review.ReviewSubmitted.TYPE: "Finished finding out why it happened and asked for approval.",
    review.ReviewReturned.TYPE: "Sent the review back to be completed.",
    review.ReviewApproved.TYPE: "Approved the review. Lessons learned: {learning_count}.",
    review.BriefingSent.TYPE: "Sent the lessons out, to be read by {due_at}. Locations: {audience}.",
    review.BriefingAcknowledged.TYPE: "Read the lessons and understood them.",
    review.BriefingReached.TYPE: "Enough staff have read and understood the lessons ({reach_percent}% of locations).",
    review.BriefingReminded.TYPE: (
        "Time to read the lessons ran out. Told {to_role} of each place that has not understood them (places: {missing},"
        " reminder {count})."
    ),
    actions.ActionAgreed.TYPE: "Agreed a change, owned by {owner_role}.",
    actions.ActionOpened.TYPE: "Work on a change may start; it is to be made by {due_at}.",
    actions.ActionDone.TYPE: "Says that a change is made. Somebody else must check it by {verify_due_at}.",
    actions.ActionVerified.TYPE: "Checked a change in practice: it works.",
    actions.ActionReturned.TYPE: "Checked a change in practice: not there yet. To be put right by {due_at}.",
    actions.ActionCancelled.TYPE: "Agreed that a change will not be made.",
    actions.ActionHandedOver.TYPE: "Handed a change over; {owner_role} answers for it now.",
    actions.ActionExtended.TYPE: "Agreed to more time for a change, until {due_at}.",
    actions.ActionRecheckAsked.TYPE: "Asked for a change to be checked again, by {answer_due_at}.",
    actions.ActionRechecked.TYPE: "Checked a change again: it still works.",
    actions.CheckpointMeasured.TYPE: "Measured the difference the changes made: {proposed}. Somebody must decide by {decide_due_at}.",
    actions.ImpactJudged.TYPE: "Decided what the changes achieved: {verdict}.",
    reporting.GovernanceItemRaised.TYPE: (
        "Challenged {owner_role} about it at a meeting of the {level}. To be answered by {due_at}."
    ),
    reporting.GovernanceItemAnswered.TYPE: "Answered the challenge of a meeting.",
    reporting.GovernanceItemJudged.TYPE: "Accepted the answer to a meeting.",
    reporting.GovernanceItemEscalated.TYPE: (
        "Nobody had answered a meeting in time: it is with the {level} now, and {to_role} was told. To be answered by"
        " {due_at}."
    ),
}
"""The sentence for each type of event, with the fields it names. Who and when stand beside it."""

_VARIANTS = {
    (intake.IncidentEscalated.TYPE, "nobody_found", True): (
        "Looked for {to_role}, because {reason}: found nobody and went on up the line."
    ),
    (
        intake.ObligationAssessed.TYPE,
        "outcome",
        "suggested",
    ): "Somebody must find out whether {recipient} must be told ({rule}).",
    (
        intake.ObligationAssessed.TYPE,
        "outcome",
        "not_triggered",
    ): "By what is known now, {recipient} need not be told ({rule}).",
    (intake.ObligationDecided.TYPE, "notify", False): "Decided, with a reason, not to tell {recipient} ({rule}).",
    (
        intake.ObligationLate.TYPE,
        "statutory",
        True,
    ): "The time that the law gives to tell {recipient} has passed ({rule}).",
    (
        intake.CandourDecided.TYPE,
        "met",
        False,
    ): "Decided that the duty of candour does not apply, and how the person was told.",
    (intake.CheckRecorded.TYPE, "set_aside", True): "Set aside, with a reason: {rule}.",
    (intake.SafeguardingDecided.TYPE, "refer", False): "Decided, with a reason, not to refer to the local authority.",
    (intake.IncidentTriaged.TYPE, "by_default", True): (
        "Nobody had looked at it in time, so the rules decided: {actual_harm}, {band} if it happened again."
    ),
    (reporting.GovernanceItemRaised.TYPE, "kind", "decision"): (
        "Decided about it at a meeting of the {level}. To be done by {owner_role} until {due_at}."
    ),
    (reporting.GovernanceItemAnswered.TYPE, "kind", "decision"): "Says that what a meeting decided is done.",
    (reporting.GovernanceItemJudged.TYPE, "accepted", False): (
        "Did not accept the answer to a meeting, and asked again. To be answered by {due_at}."
    ),
    (review.ThemeReminded.TYPE, "to_role", None): "Time ran out. Told whoever leads the theme.",
    (review.BriefingAcknowledged.TYPE, "understood", False): "Read the lessons, but did not yet understand them.",
    (actions.ActionRechecked.TYPE, "holds", False): "Checked a change again: it does not hold any more.",
    (actions.ImpactJudged.TYPE, "agreed_with_proposal", False): (
        "Decided, other than the figures suggest, what the changes achieved: {verdict}."
    ),
}

STAGES: Mapping[str, str] = {
    Stage.REPORTED: "Waiting for a manager to look at it",
    Stage.TRIAGED: "A manager's decision is in; finding out why it happened comes next",
    Stage.REVIEWING: "Finding out why it happened",
    Stage.ACTING: "Making the changes that were agreed",
    Stage.VERIFYING: "Somebody independent checks that the changes work in practice",
    Stage.SHARING: "Telling the other teams what was learned",
    Stage.CHECKING: "Measuring whether the changes make a difference",
    Stage.CLOSED: "Closed",
    Stage.WITHDRAWN: "Ended as reported in error",
    Stage.DUPLICATE: "Ended because another report covers it",
}

_THEME_STAGES: Mapping[str, str] = {
    ThemeStage.COMMISSIONED: "Waiting for whoever leads it to accept the terms",
    ThemeStage.ENDED: "Ended unfinished",
}

THEN = {
    Stage.REPORTED: "If nobody looks at it in time, the rules decide how serious it is, and it moves on.",
    Stage.TRIAGED: "The review is opened without anybody having to ask for it.",
    Stage.REVIEWING: "If the review is late, whoever leads it is reminded, and then the line above is told.",
    Stage.ACTING: "If a change is late, its owner is reminded, and then the line above is told.",
    Stage.VERIFYING: "If nobody has checked in time, a reminder goes out, and then the line above is told.",
    Stage.SHARING: "Where it is not understood in time, the manager of that place is reminded, and then the line above it.",
    Stage.CHECKING: "The figures are worked out by themselves; if nobody decides in time, the line above is told.",
}
"""What happens by itself if nobody does anything."""

_CLOCKS = {
    ClockKind.TRIAGE: "A manager looks at it",
    ClockKind.REVIEW: "Find out why it happened",
    ClockKind.ACTION: "Make the change",
    ClockKind.VERIFICATION: "Check the change in practice",
    ClockKind.BRIEFING: "Staff read and understand the lessons",
    ClockKind.IMPACT: "Decide whether the changes made a difference",
}

_WORDS: dict[str, Mapping[str, str]] = {
    "kind": {"incident": "an incident", "near_miss": "a near miss", "good_care": "good care"},
    "band": {band: f"{band} risk" for band in Band},
    "actual_harm": {
        **{harm: f"{harm} harm" for harm in PhysicalHarm},
        PhysicalHarm.NONE: "nobody was harmed",
        PhysicalHarm.FATAL: "somebody died",
    },
    "stage": {**STAGES, **_THEME_STAGES},
    "level": {"service": "service", "region": "region", "executive": "executives", "board": "board"},
    "decision": {"linked": "it belongs to the theme", "excluded": "it does not belong to it"},
    "answer": {"reopen": "it is opened again", "not_the_same": "it is not the same"},
    "reason": {
        "high_risk": "the risk is high",
        "immediate_danger": "somebody may still be in danger",
        "overdue": "time has run out",
        "allegation": "somebody may have been abused",
        "death": "somebody has died",
        "police": "the police are involved",
        "repeat": "it has happened before",
        "out_of_hours": "it cannot wait until the morning",
        "obligation_late": "those who must be told have not been told in time",
        "obligation_undecided": "nobody has decided who must be told",
        "candour_late": "the family has not been told in time",
        "safeguarding_late": "safeguarding has waited too long",
        "verification_failed": "the change was checked more than once and does not work",
        "check_late": "what must be done in the first hours is late",
        "what_happened": "what happened cannot wait for its triage",
        "similar": "others like it have happened in the provider's services",
    },
    "relation": {
        "same_event": "the same event, reported twice",
        "same_person": "it happened to the same person",
        "same_cause": "the cause may be the same",
        "found_looking": "it was found while looking into the other",
    },
    "recipient": {
        "cqc": "CQC",
        "relevant_person": "the person",
        "local_authority": "the local authority",
        "position_of_trust": "the council (people in positions of trust)",
        "designated_officer": "the council's designated officer",
        "hse": "the Health and Safety Executive",
        "accident_record": "our own accident record",
        "ico": "the Information Commissioner",
        "people_affected": "the people affected",
        "cd_accountable_officer": "the controlled drugs accountable officer",
        "prescriber": "the prescriber and the family",
        "mhra": "the MHRA",
        "police": "the police",
        "coroner": "the coroner",
        "dbs": "the Disclosure and Barring Service",
        "health_protection": "the health protection team",
        "leder": "LeDeR",
        "commissioner": "the commissioner",
        "delegating_team": "the NHS team that delegated the task",
        "nhs_england": "NHS England",
    },
    "method": {
        ReviewMethod.HUDDLE: "a short talk of the team",
        ReviewMethod.BRIEF: "a short look at the facts",
        ReviewMethod.AFTER_ACTION: "a meeting of those involved",
        ReviewMethod.MDT: "a meeting of several professions",
        ReviewMethod.STRUCTURED: "a full review",
        ReviewMethod.THEMATIC: "a review of several incidents together",
        ReviewMethod.INVESTIGATION: "an in-depth investigation",
    },
}
_ROLES: Mapping[str, str] = {role: f"the {role.replace('_', ' ')}" for role in Role}
_VERDICTS: Mapping[str, str] = {
    Verdict.SUSTAINED: "things are better and stayed better",
    Verdict.IMPROVING: "things are getting better, which is not yet proven",
    Verdict.NO_CHANGE: "nothing changed",
    Verdict.WORSE: "things got worse",
    Verdict.CANNOT_JUDGE: "it cannot be judged yet",
}


class _Said:
    """The fields of an event in words, each made when the template asks for it. An older event may lack one."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self._summary = summary

    def __getitem__(self, name: str) -> str:
        return _word(name, self._summary.get(name))


def sentence(event_type: str, summary: Mapping[str, Any]) -> str:
    """What an event says, for people. Dates are given in the time of England."""
    template = next(
        (
            text
            for (type_, name, value), text in _VARIANTS.items()
            if type_ == event_type and summary.get(name) == value
        ),
        TEMPLATES[event_type],
    )
    return template.format_map(_Said(summary))


def _word(name: str, value: Any) -> str:
    if value is None:
        return "not recorded"
    code = str(value)
    if name.endswith("_at"):
        return moment(datetime.fromisoformat(code))
    if name.endswith("_role"):
        return _ROLES.get(code, code)
    if name in ("verdict", "proposed"):
        return _VERDICTS.get(code, code)
    return _WORDS.get(name, {}).get(code, code.replace("_", " "))


def moment(at: datetime) -> str:
    """A date and time as people in England write it."""
    local = at.astimezone(_LOCAL)
    return f"{local.day} {local:%B %Y, %H:%M}"


def clock(running: Running) -> str:
    """What a clock is for. Names the role that owns the change it is about."""
    owner = running.action.owner_role if running.action is not None else None
    return _CLOCKS[running.kind] if owner is None else f"{_CLOCKS[running.kind]} (owner: {_word('_role', owner)})"
