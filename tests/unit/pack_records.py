"""What the APIs answer about one incident, as a pack reads it: one that went well, to be spoiled by the tests."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = START + timedelta(days=200)
INCIDENT = str(UUID(int=0xA1))
CARER, MANAGER, LEAD = (str(UUID(int=number)) for number in (1, 2, 3))
PLACE = str(UUID(int=0xB1))


def at(days: float) -> str:
    """So many days after it happened."""
    return (START + timedelta(days=days)).isoformat()


def row(number: int = 0xA1, **values: Any) -> dict[str, Any]:
    """An incident in reporting's list."""
    return {
        "incident_id": str(UUID(int=number)), "location_id": PLACE, "kind": "incident", "category": "fall",
        "actual_harm": "low", "stage": "closed", "cycle": 1, "origin": "live", "occurred_at": at(0),
        "reported_at": at(0.1), "next_due_at": None, "ended_at": at(150), **values,
    }  # fmt: skip


def whole() -> dict[str, Any]:
    """A chain without a gap."""
    action = {
        "title": "Alarm mats checked by Ruth Okafor at each handover", "strength": "stronger", "owner_role": "registered_manager",
        "status": "verified", "due_at": at(30), "done_at": at(25), "verify_due_at": None, "verified_at": at(28),
        "evidence": [{"added_at": at(24), "kind": "observation", "description": "Seen on two shifts.", "files": []}],
        "verifications": [
            {
                "verified_at": at(28), "verified_by": LEAD, "method": "spot_check", "sample_size": 10, "compliant": 10,
                "outcome": "passed", "finding": None,
            }
        ],
    }  # fmt: skip
    review = {
        "cycle": 1, "method": "after_action_review", "status": "approved", "opened_at": at(2), "due_at": at(20),
        "lead_role": "registered_manager", "policy_version": "default-2", "why": "The mat was unplugged. Ring 07700 900123.",
        "steps": [
            {"step": "submitted", "actor_id": MANAGER, "actor_role": "registered_manager", "reason": None, "at": at(9)},
            {"step": "approved", "actor_id": LEAD, "actor_role": "quality_lead", "reason": None, "at": at(10)},
        ],
        "factors": [{"element": "tools_and_technology", "description": "The mat has a loose plug.", "word": None}],
        "root_causes": [], "known_cause": None, "actions_needed": True, "briefing_needed": True,
        "learning": [{"statement": "What must work at night is checked at handover."}],
    }  # fmt: skip
    checkpoint = {
        "due_at": at(120), "decide_due_at": at(130), "decided_at": at(125), "verdict": "improved_and_sustained",
        "proposed": "improved_and_sustained", "events": 2, "baseline_events": 9, "ratio": "0.22", "ratio_low": "0.05",
        "ratio_high": "0.9", "reason": None, "policy_version": "impact-1",
    }  # fmt: skip
    entries = [
        {
            "at": at(0.1),
            "what": "Reported an incident: fall.",
            "actor": CARER,
            "actor_role": "carer",
            "type": "reported",
        },
        {"at": at(1), "what": "Looked at it.", "actor": MANAGER, "actor_role": "registered_manager", "type": "triaged"},
    ]
    return {
        "incident": {
            **row(), "band": "moderate", "region_id": None, "end_reason": None, "triage_due_at": at(1.1),
            "narrative": "Kofi Mensah found her on the floor. Family: jane@example.org", "triage": [triage()],
        },
        "summary": row(),
        "timeline": {"entries": entries, "more": None},
        "checks": [check()],
        "escalations": [
            {"to_role": "on_call_manager", "sent_at": at(0.2), "answer_due_at": at(0.3), "acknowledged_at": at(0.25)}
        ],
        "feedback": [{"message": "Thank you.", "sent_at": at(0.1)}],
        "obligations": {"obligations": [obligation()]},
        "candour": candour(),
        "safeguarding": None,
        "reviews": [review],
        "actions": [action],
        "checkpoints": [checkpoint],
        "briefings": [briefing()],
        "challenges": [challenge()],
        "withheld": [],
    }  # fmt: skip


def triage(**values: Any) -> dict[str, Any]:
    """A grading."""
    return {
        "actual_harm": "low", "band": "moderate", "consequence": 2, "likelihood": 3, "by_default": False,
        "decided_by": MANAGER, "decided_at": at(1), "policy_version": "default-1", **values,
    }  # fmt: skip


def check(**values: Any) -> dict[str, Any]:
    """A check of the first hours, done in time."""
    return {
        "title": "Post-fall check", "within": "15 minutes", "state": "done", "required_at": at(0.11), "done_at": at(0.105),
        "how": "hand", "set_aside_reason": None, "recorded_role": "shift_lead", **values,
    }  # fmt: skip


def obligation(**values: Any) -> dict[str, Any]:
    """A notice that was sent in time."""
    return {
        "title": "Serious injury of a person using the service", "recipient_name": "Care Quality Commission",
        "statutory_wording": "without delay", "state": "submitted", "must_decide": False,
        "provider_target_at": at(1.2), "statutory_due_at": None, "submitted_at": at(1), "decided_at": at(0.5),
        "decided_role": "registered_manager", "policy_version": "obligations-2", **values,
    }  # fmt: skip


def candour(**values: Any) -> dict[str, Any]:
    """The duty of candour, completed in time."""
    return {
        "status": "met", "statutory_wording": "as soon as reasonably practicable after becoming aware", "missing": [],
        "provider_target_at": at(10), "late_at": None, "completed_at": at(8), **values,
    }  # fmt: skip


def challenge(**values: Any) -> dict[str, Any]:
    """A challenge of a meeting, answered and accepted in time."""
    answer = {
        "said": "On both shifts.",
        "by_role": "registered_manager",
        "at": at(33),
        "accepted": True,
        **values.pop("answer", {}),
    }
    return {
        "item_id": "g", "kind": "challenge", "raised_level": "service", "level": "service", "raised_at": at(31), "status": "accepted",
        "raised_role": "regional_manager", "owner_role": "registered_manager", "said": "Did you watch the nights?",
        "due_at": None, "late": False, "climbs": 0, "altered": ["pace"], "answers": [answer], **values,
    }  # fmt: skip


def briefing(**values: Any) -> dict[str, Any]:
    """What was shared, and understood in time."""
    return {
        "what_changes": "Mats are checked at handover.", "sent_at": at(40), "audience": 4, "understood": 4,
        "target_percent": 80, "due_at": at(60), "reached_at": at(50), "locations": [PLACE], **values,
    }  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """A whole chain with one thing different; the path names it with dots, list places as numbers."""
    record = copy.deepcopy(whole())
    *way, last = path.split(".")
    found: Any = record
    for step in way:
        found = found[int(step)] if isinstance(found, list) else found[step]
    if isinstance(found, list):
        found[int(last)] = value
    else:
        found[last] = value
    return record


THEME = str(UUID(int=0x71))


def theme(**values: Any) -> dict[str, Any]:
    """A theme as review answers it."""
    return {
        "theme_id": THEME, "title": "Falls at the corner", "category": "fall", "band": "moderate", "stage": "acting", "cycle": 1,
        "commissioned_at": at(20), "signal_id": str(UUID(int=0x51)), "locations": [PLACE],
        "why": "Three in a week. Ruth Okafor saw two.", "questions": ["What do they have in common?"],
        "sources": ["Rota of May"], "team": [{"part": "support worker", "person_id": None}], "linked": 2, "excluded": 2,
        **values,
    }  # fmt: skip


def member(number: int, decision: str, reason: str) -> dict[str, Any]:
    """An incident that was considered for it."""
    return {
        "incident_id": str(UUID(int=number)), "location_id": PLACE, "category": "fall", "occurred_at": at(0),
        "decision": decision, "reason": reason,
    }  # fmt: skip


def theme_timeline() -> dict[str, Any]:
    """The theme as reporting answers it, with one clock that ran out."""
    clocks = [
        {"kind": "actions", "what": "The actions are to be done", "due_at": at(40), "overdue": True},
        {"kind": "impact", "what": "Its effect is to be measured", "due_at": at(900), "overdue": False},
    ]
    stood = {"ended_at": None, "briefing": {"briefing_id": "b"}}
    return {"theme": stood, "entries": whole()["timeline"]["entries"], "more": None, "clocks": clocks}
