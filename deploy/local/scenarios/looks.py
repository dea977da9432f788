"""Where a scenario looks: each look by name, the API path behind it, and which part of the answer it is about."""

from dataclasses import dataclass

SERVICES = ("directory", "intake", "review", "actions", "reporting")


@dataclass(frozen=True)
class Look:
    """`rows` is the field of the answer that holds a list; `field` the value meant when none is named."""

    service: str
    path: str
    about: str
    rows: str = ""
    field: str = ""
    key: str = ""
    record: bool = False

    @property
    def of_incident(self) -> bool:
        """Whether it needs to know which incident."""
        return "{of}" in self.path or self.of_review

    @property
    def of_review(self) -> bool:
        """Whether it is about the newest review of the incident."""
        return "{review}" in self.path


_INCIDENT = "/incidents/{of}"

LOOKS: dict[str, Look] = {
    "incident": Look("intake", _INCIDENT, "The record as intake has it.", key="incident_id", record=True),
    "stage": Look("intake", _INCIDENT, "Its stage: reported, triaged, reviewing, acting, ...", field="stage", record=True),
    "triage": Look("intake", _INCIDENT, "Every triage decision, oldest first.", rows="triage", key="revision"),
    "escalations": Look(
        "intake", f"{_INCIDENT}/escalations", "Every rung that was tried, with its answer.", key="escalation_id"
    ),
    "feedback": Look("intake", f"{_INCIDENT}/feedback", "What the reporter was told.", field="message"),
    "questions": Look("intake", f"{_INCIDENT}/questions", "What the type asks for, with answers.", rows="questions", key="id"),
    "earlier": Look(
        "intake", f"{_INCIDENT}/earlier", "Earlier incidents of the same person or place.", rows="incidents", key="incident_id"
    ),
    "links": Look("intake", f"{_INCIDENT}/links", "Incidents that somebody linked with it.", rows="links", key="incident_id"),
    "similar": Look(
        "intake", f"{_INCIDENT}/links", "Incidents like it at other places, which could be linked.", rows="similar", key="incident_id"
    ),
    "attachments": Look("intake", f"{_INCIDENT}/attachments", "Files kept with it.", key="attachment_id"),
    "audit": Look("intake", f"{_INCIDENT}/audit", "The hash-chained history intake keeps of it.", field="action"),
    "obligations": Look(
        "intake", f"{_INCIDENT}/obligations", "Who outside must be told, each with decision and clocks.",
        rows="obligations", key="obligation_id",
    ),
    "not_notifiable": Look(
        "intake", f"{_INCIDENT}/obligations", "Rules that ask for nothing, each with why.", rows="others", field="outcome"
    ),
    "facts": Look("intake", f"{_INCIDENT}/facts", "The answers that decide obligations.", record=True),
    "candour": Look("intake", f"{_INCIDENT}/candour", "The duty of candour: the test, the steps, what is missing.", record=True),
    "safeguarding": Look("intake", f"{_INCIDENT}/safeguarding", "The safeguarding record.", record=True),
    "holds": Look("intake", f"{_INCIDENT}/holds", "What internal fact-finding waits for.", key="hold_id"),
    "checks": Look(
        "intake", f"{_INCIDENT}/checks", "What must be done inside in the first hours, with required and actual time.", field="state", key="rule"
    ),
    "notices": Look("intake", "/inbox", "What this person is to know of, without an answer.", rows="notices", key="incident_id"),
    "recurrences": Look(
        "intake", f"{_INCIDENT}/recurrences", "Closed cases it is like, with why, and whether one was reopened.",
        key="recurrence_id",
    ),
    "access": Look("intake", f"{_INCIDENT}/access", "For whom a restricted incident is, and who broke the glass.", record=True),
    "inbox": Look("intake", "/inbox", "What needs this person's answer now.", rows="escalations", key="escalation_id"),
    "duties": Look("intake", "/inbox", "What is owed outside and soon or already late.", rows="duties", key="subject_id"),
    "unsent": Look(
        "intake", "/obligations?unsent=true&limit=200", "What must be sent and is not, of every incident, late first.",
        rows="items", key="obligation_id",
    ),
    "concerns": Look("intake", "/concerns", "Concerns this person reviews.", rows="items", key="concern_id"),
    "answer": Look("", "", "What the API answered to the step that `of` names; nobody asks again.", record=True),
    "timeline": Look(
        "reporting", f"{_INCIDENT}/timeline", "What happened, in sentences.", rows="entries", field="what"
    ),
    "stages": Look("reporting", f"{_INCIDENT}/timeline", "The stages it went through.", rows="stages", field="stage"),
    "clocks": Look("reporting", f"{_INCIDENT}/timeline", "What somebody has until when for.", rows="clocks", field="what"),
    "next": Look("reporting", f"{_INCIDENT}/timeline", "Whose move it is.", rows="next", field="role", record=True),
    "signals": Look("reporting", "/signals?limit=200", "Patterns that were found, as this person sees them.", rows="items", field="kind", key="signal_id"),
    "signal": Look("reporting", "/signals/{of}", "A pattern: why it was raised, and what was decided.", field="status", record=True),
    "signal_members": Look(
        "reporting", "/signals/{of}/incidents?member=true&limit=200", "The incidents behind a pattern.", rows="items", key="incident_id"
    ),
    "theme": Look("review", "/themes/{of}", "A theme: its terms, who leads it, where it stands.", field="stage", record=True),
    "theme_members": Look(
        "review", "/themes/{of}/members?limit=200", "The incidents that were considered for it.", rows="items", key="incident_id"
    ),
    "theme_stages": Look("reporting", "/themes/{of}/timeline", "The stages a theme went through.", rows="stages", field="stage"),
    "theme_clocks": Look("reporting", "/themes/{of}/timeline", "What somebody has until when for.", rows="clocks", field="what"),
    "themes": Look("reporting", "/themes?limit=200", "The list of themes as this person sees it.", rows="items", key="theme_id"),
    "reviews": Look("review", "/reviews?incident_id={of}", "Its reviews.", rows="items", key="review_id"),
    "review": Look("review", "/reviews/{review}", "Its newest review, with the policy's decision.", record=True),
    "findings": Look("review", "/reviews/{review}/findings", "What the quality gate points at in it.", field="finding", key="finding"),
    "form": Look("review", "/reviews/{review}/method", "The form of its method: stages, questions, records it needs.", record=True),
    "review_records": Look("review", "/reviews/{review}/records", "What it is drawn from: terms, timeline, people, contributions.", record=True),
    "review_timeline": Look(
        "review", "/reviews/{review}/records", "The events it is drawn from, by when they happened.", rows="timeline", field="what",
        key="entry_id",
    ),
    "contributions": Look(
        "review", "/reviews/{review}/records", "Who was asked to contribute, and what became of it.", rows="contributions",
        field="outcome", key="contribution_id",
    ),
    "submissions": Look("review", "/reviews/{review}/submissions", "What was handed in, with findings and answers.", rows="items", key="submission_id"),
    "asked_of_me": Look("review", "/contributions", "What this person was asked to contribute.", rows="items", key="contribution_id"),
    "actions": Look("actions", "/actions?incident_id={of}", "Its actions.", rows="items", key="action_id"),
    "strengths": Look("actions", "/strengths", "How strong actions are, with help and examples.", key="strength"),
    "late_actions": Look("actions", "/actions?overdue=true", "Actions late to do or to verify.", rows="items", key="action_id"),
    "my_actions": Look("actions", "/actions?mine=true", "What this person answers for now.", rows="items", key="action_id"),
    "handovers": Look(
        "actions", "/handovers/needed", "Who leaves and still owns what is not done.", rows="items", key="person_id"
    ),
    "checkpoints": Look(
        "actions", "/checkpoints?incident_id={of}", "Its impact checkpoints.", rows="items", key="checkpoint_id"
    ),
    "measures": Look("actions", f"{_INCIDENT}/measures", "By what its effect is measured, each change with its reason.", key="number"),
    "briefings": Look("review", "/briefings?limit=200", "Briefings sent, of all incidents.", rows="items", key="briefing_id"),
    "library": Look("review", "/library?limit=200", "What was learned, with what changed because of it.", rows="items", field="summary", key="briefing_id"),
    "supervisions": Look("review", "/supervisions?limit=200", "That supervisions took place.", rows="items", key="supervision_id"),
    "meeting": Look("reporting", "/meetings/{of}", "A meeting with its frozen agenda, and what was raised.", record=True),
    "agenda": Look(
        "reporting", "/meetings/{of}", "What a meeting opens with and raised, as it stands now.",
        rows="decisions_and_challenges", field="status", key="item_id",
    ),
    "challenge": Look("reporting", "/governance-items/{of}", "A challenge or decision with its answers.", field="status", record=True),
    "challenges": Look(
        "reporting", "/governance-items?incident_id={of}", "Challenges and decisions about an incident.", rows="items",
        field="status", key="item_id",
    ),
    "asked_at_meetings": Look(
        "reporting", "/governance-items?mine=true", "What meetings ask of this person.", rows="items", field="status", key="item_id"
    ),
    "incidents": Look(
        "intake", "/incidents?limit=200", "The list of incidents as this person sees it.", rows="items", key="incident_id"
    ),
}  # fmt: skip


def look(text: str) -> Look | None:
    """A look by name, or one given as `service /path`."""
    if text in LOOKS:
        return LOOKS[text]
    service, _, path = text.strip().partition(" ")
    path = path.strip()
    if service in SERVICES and path.startswith("/"):
        return Look(service, path, "as given")
    return None
