"""Codes in plain words. A code without a word of its own is shown with spaces."""

_WORDS = {
    "incident": "Incident", "near_miss": "Near miss", "good_care": "Good care",
    "medication": "Medicines", "fall": "Fall", "choking": "Choking or swallowing", "pressure_damage": "Pressure damage",
    "abuse_allegation": "Abuse or neglect, or an allegation of it", "missing_person": "Missing, or tried to leave",
    "missed_visit": "Missed or late visit", "behaviour_distress": "Distress or behaviour that puts people at risk",
    "infection": "Infection", "environment": "Building, equipment or utilities", "information": "Personal information",
    "staffing": "Staffing", "death": "Death", "other": "Something else",
    "none": "No harm", "low": "Low", "moderate": "Moderate", "severe": "Severe", "fatal": "Fatal",
    "high": "High", "extreme": "Extreme",
    "reported": "Reported", "triaged": "Triaged", "reviewing": "Reviewing", "acting": "Acting", "verifying": "Verifying",
    "sharing": "Sharing", "checking_impact": "Checking impact", "closed": "Closed", "withdrawn": "Withdrawn",
    "duplicate": "Duplicate",
    "swarm_huddle": "Swarm huddle", "brief_fact_review": "Brief fact review", "after_action_review": "After action review",
    "mdt_review": "Team review with other professions", "structured_review": "Structured review",
    "thematic_review": "Thematic review", "in_depth_investigation": "In-depth investigation",
    "person": "Person", "tasks": "Tasks", "tools_and_technology": "Tools and technology", "organisation": "Organisation",
    "internal_environment": "Building and surroundings", "external_environment": "Outside the service",
    "weaker": "Weaker", "intermediate": "Intermediate", "stronger": "Stronger",
    "agreed": "Agreed", "open": "Open", "done": "Done, not verified yet", "verified": "Verified", "cancelled": "Cancelled",
    "improved_and_sustained": "Improved and sustained", "improving_not_yet_proven": "Improving, not yet proven",
    "no_change": "No change", "worse": "Worse", "cannot_judge": "Cannot judge yet",
    "to_decide": "To be decided", "to_submit": "To be sent", "submitted": "Sent", "acknowledged": "Confirmed",
    "not_notified": "Not to be told", "no_longer_indicated": "No longer asked for", "to_do": "To do",
    "nhs_111": "NHS 111", "gp": "GP", "out_of_hours_gp": "GP out of hours", "hse": "Health and Safety Executive",
    "told_how": "How they were told", "set_aside": "Not done, with a reason", "done_late": "Done, late",
    "obligation": "To be decided or told", "candour": "Duty of candour", "safeguarding": "Safeguarding",
    "check": "First hours", "recurrence": "A closed case may be back",
    "protection": "Look again", "proceeding": "Next date", "between_residents": "Between people who live there",
    "restriction": "Restriction", "in_care_plan": "Goes on in the care plan",
    "care-plan-check": "look at the care plan", "welfare-checks": "look in on the person",
    "clinical-advice": "ask for clinical advice", "safeguarding-form": "fill in the safeguarding record",
    "re_audit": "Audited again", "audit_result": "Audit result", "partly": "In part", "returned": "Returned",
    "staff_involved": "Staff involved", "person_or_family": "The person or the family", "outside_expertise": "Expertise from outside",
    "mixed": "Mixed shifts",
    "fact": "Established", "account": "What somebody says", "record": "A record", "device": "A device",
    "hot_debrief": "Talk within the hour", "structured_debrief": "Structured debrief", "staff_welfare": "Looking after staff",
    "advice_in_plan": "Advice stands in the plan", "advice_to_staff": "Advice reached the staff", "advice_to_hospital": "Advice reached the hospital",
    "family_or_friend": "Family or friend", "not_yet": "Not yet", "not_asked": "Not to be asked", "written_statement": "Written statement",
    "failed": "Failed", "missing": "Was not there",
    "carer": "Carer", "shift_lead": "Shift lead", "on_call_manager": "On-call manager",
    "registered_manager": "Registered manager", "regional_manager": "Regional manager", "quality_lead": "Quality lead",
    "safeguarding_lead": "Safeguarding lead", "speak_up_guardian": "Speak-up guardian",
    "nominated_individual": "Nominated individual", "director": "Director", "executive": "Executive",
    "platform_admin": "Administrator", "service": "Plumbline itself",
    "raised": "Nobody decided yet", "accepted": "Accepted", "merged": "Merged into another", "dismissed": "Dismissed",
    "accept": "Accepted", "merge": "Merged into another", "dismiss": "Dismissed",
    "person_repeat": "The same person again", "place_and_type": "One place and type", "rate_special_cause": "A rate that chance does not explain",
    "cluster": "What they share", "theme_across_services": "The same in several services",
    "repeated_action_wording": "The same words of an action", "precursor": "Lesser events before a serious one",
    "another_value": "Something else was the case", "not_known": "It is not known", "outside_the_rule": "Outside the rule",
    "actions_without_change": "Actions without change", "repeats_without_learning": "It happens again, and nothing was learned",
    "learning_not_shared": "Learning that was not shared", "no_oversight": "Nobody looked", "blame": "A person named as the cause",
    "late_to_report": "Reported late", "late_to_review": "Reviewed late", "unverified": "Done, and nobody else looked",
    "weak_actions_only": "Weaker actions only", "obligations_late": "What the law asks came late",
    "region": "Region", "board": "Board", "answered": "Answered, not judged yet",
    "challenge": "Challenge", "decision": "Decision",
    "does_the_evidence_support_it": "Does the evidence support it?", "what_changed_and_why": "What changed, and why?",
    "why_do_services_differ": "Why do services differ?", "are_actions_in_place_and_working": "Are actions in place and working?",
    "independent_assurance": "Has somebody independent looked?",
    "commissioned": "Commissioned, terms to be accepted", "ended": "Ended unfinished", "linked": "Linked", "excluded": "Left out",
    "draft": "Draft", "proposed": "Proposed, waits for another person", "published": "Published: counts now", "retired": "Retired",
}  # fmt: skip


def label(code: object) -> str:
    """The word for a code; empty for nothing."""
    if code is None:
        return ""
    text = str(code)
    return _WORDS.get(text) or text.replace("_", " ").capitalize()


def level(code: object) -> str:
    """The word for the level of a meeting: the code of a service is that of Plumbline itself elsewhere."""
    return "Service" if str(code) == "service" else label(code)
