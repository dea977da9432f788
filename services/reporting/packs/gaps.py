"""What the chain of an incident lacks, or had too late: in plain words, with what was expected and by when.

Only what was read is judged: of a part that the reader's role may not see, nothing is said here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.reporting.packs.words import latest, moment, span, when, word

_SOON = timedelta(hours=24)
"""Within which an incident should be reported: the same span as in the weakness radar."""

_NOT_PROVEN = ("improving_not_yet_proven", "cannot_judge")
_NO_EFFECT = ("no_change", "worse")


@dataclass(frozen=True)
class Gap:
    """One thing that is missing or was late. `due` is when it was expected; absent where no time was set for it."""

    code: str
    what: str
    expected: str
    due: datetime | None = None
    late: bool = True

    def to_json(self) -> dict[str, Any]:
        """For a record in the pack."""
        due = None if self.due is None else self.due.isoformat()
        return {"code": self.code, "what": self.what, "expected": self.expected, "due": due, "late": self.late}


def find(record: Mapping[str, Any], now: datetime) -> list[Gap]:
    """The gaps of one incident, those that are late first, each group in the order of the chain."""
    incident = record["incident"]
    if record["summary"]["origin"] == "import":
        what = "It was imported as a record: what followed it is not in this system."
        return [Gap("imported", what, "A chain from triage to effect", late=False)]
    found = [*_told(record, now), *_checks(record, now)]
    if incident["stage"] == "withdrawn":
        found.append(Gap("withdrawn", "It was withdrawn: nothing more was asked of anybody.", "A reason", late=False))
    else:
        found += [*_triage(record, now), *_review(record, now), *_actions(record, now)]
        found += [*_sharing(record, now), *_effect(record, now)]
    found += _challenges(record)
    found += [*_obligations(record, now), *_candour(record), *_safeguarding(record)]
    return sorted(found, key=lambda gap: not gap.late)


def _late(at: str | None, due: str | None, now: datetime) -> timedelta | None:
    """By how much something came, or still is, after it was due."""
    if due is None:
        return None
    over = (moment(at) if at else now) - moment(due)
    return over if over > timedelta(0) else None


def _waits(what: str, due: str | None, now: datetime) -> tuple[str, bool]:
    over = _late(None, due, now)
    return (f"{what}: {span(over)} late.", True) if over else (f"{what} yet.", False)


def _due(value: str | None) -> datetime | None:
    return None if value is None else moment(value)


def _told(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    incident = record["incident"]
    if (over := moment(incident["reported_at"]) - moment(incident["occurred_at"])) > _SOON:
        due = moment(incident["occurred_at"]) + _SOON
        yield Gap("reported_late", f"It was reported {span(over)} after it happened.", "A report within 24 hours", due)
    yield from _calls(record.get("escalations") or [], now)


def _calls(calls: list[dict[str, Any]], now: datetime) -> Iterator[Gap]:
    """Each role once: who was called thirty times in vain is one gap, counted, from the first time on."""
    unanswered: dict[str, list[dict[str, Any]]] = {}
    late: dict[str, list[dict[str, Any]]] = {}
    for call in sorted(calls, key=lambda one: moment(one["sent_at"])):
        if _late(call["acknowledged_at"], call["answer_due_at"], now):
            kind = unanswered if call["acknowledged_at"] is None else late
            kind.setdefault(call["to_role"], []).append(call)
    for code, found, how in (
        ("escalation_unanswered", unanswered, "did not answer"),
        ("escalation_late", late, "answered late"),
    ):
        for role, those in found.items():
            times = "" if len(those) == 1 else f" {len(those)} times"
            what = f"The {word(role)} was called{times} and {how}."
            yield Gap(code, what, f"An answer of the {word(role)}", _due(those[0]["answer_due_at"]))


def _checks(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    for one in record.get("checks") or []:
        if one["set_aside_reason"] is not None or one["how"] == "report":  # when it was reported is a gap of its own
            continue
        expected = f"{one['title']}, within {one['within']}"
        if one["done_at"] is None and one["state"] in ("late", "not_recorded"):
            yield Gap(
                "check_not_done", f"First hours: “{one['title']}” is not recorded.", expected, _due(one["required_at"])
            )
        elif over := one["done_at"] and _late(one["done_at"], one["required_at"], now):
            what = f"First hours: “{one['title']}” was done {span(over)} late."
            yield Gap("check_late", what, expected, _due(one["required_at"]))


def _triage(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    incident = record["incident"]
    due_at, decisions = incident["triage_due_at"], incident["triage"]
    expected = "A manager looks at the report and grades harm and risk"
    by_people = [one for one in decisions if not one["by_default"]]
    if not by_people:
        if decisions:
            what = "Nobody looked at the report in time; it was graded by rule."
            yield Gap("triage_by_rule", what, expected, _due(due_at))
        else:
            what, late = _waits("Nobody has looked at the report", due_at, now)
            yield Gap("not_triaged", what, expected, _due(due_at), late)
    elif len(by_people) < len(decisions):
        what = "The report was graded by rule first, because nobody looked at it in time."
        yield Gap("triage_by_rule", what, expected, _due(due_at))
    elif over := _late(by_people[0]["decided_at"], due_at, now):
        yield Gap("triage_late", f"The report was looked at {span(over)} late.", expected, _due(due_at))


def _review(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    if (reviews := record.get("reviews")) is None:
        return
    expected = "A review of why it happened, approved by somebody else"
    if not reviews:
        clock = record["summary"]["next_due_at"]
        if record["summary"]["ended_at"]:
            yield Gap("no_review", "It was closed without a review.", expected)
        elif record["incident"]["triage"]:
            what, late = _waits("No review was opened", clock, now)
            yield Gap("no_review", what, expected, _due(clock), late)
        return
    for review in sorted(reviews, key=lambda one: one["cycle"]):
        again = "" if review["cycle"] == 1 else f" (round {review['cycle']})"
        approved = [step["at"] for step in review["steps"] if step["step"] == "approved"]
        due_at = review["due_at"]
        if not approved:
            what, late = _waits(f"The review{again} is {word(review['status'])}, not approved", due_at, now)
            yield Gap("review_not_approved", what, expected, _due(due_at), late)
            continue
        if over := _late(approved[-1], due_at, now):
            yield Gap("review_late", f"The review{again} was approved {span(over)} late.", expected, _due(due_at))
        if not review["factors"] and review["known_cause"] is None:
            what = f"The review{again} names nothing that contributed."
            yield Gap("no_causes", what, "What in the work made it possible", late=False)
        elif review["factors"] and all(factor["element"] == "person" for factor in review["factors"]):
            what = f"The review{again} finds the cause in people only."
            yield Gap("people_only", what, "Causes in how the work is set up", late=False)
        if not review["learning"] and review["known_cause"] is None:
            yield Gap("no_learning", f"The review{again} learned nothing.", "At least one lesson", late=False)


def _actions(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    if (actions := record.get("actions")) is None:
        return
    live = [action for action in actions if action["status"] != "cancelled"]
    reviews = record.get("reviews") or []
    if not live:
        approved = [r for r in latest(reviews) if r["status"] == "approved" and r["actions_needed"] is not False]
        if approved:
            yield Gap(
                "no_actions", "Nothing was changed because of it.", "At least one action with an owner", late=False
            )
        return
    for action in live:
        title, owner, due_at = action["title"], word(action["owner_role"]), action["due_at"]
        done = f"The {owner} makes the change"
        if action["status"] in ("agreed", "open"):
            what, late = _waits(f"“{title}” is not done", due_at, now)
            yield Gap("action_open", what, done, _due(due_at), late)
            continue
        if over := _late(action["done_at"], due_at, now):
            yield Gap("action_late", f"“{title}” was done {span(over)} late.", done, _due(due_at))
        if action["status"] == "done":
            check_at = action["verify_due_at"]
            what, late = _waits(f"“{title}” is said to be done; nobody else has verified it", check_at, now)
            yield Gap("not_verified", what, "Somebody else sees it work in practice", _due(check_at), late)
        if not action["evidence"]:
            yield Gap("no_evidence", f"“{title}” has no evidence.", "Evidence that the change was made", late=False)
    if all(action["strength"] == "weaker" for action in live):
        what = "All actions are of the weaker kind: reminding, telling, training."
        yield Gap("weak_only", what, "At least one change of the work itself", late=False)


def _sharing(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    reviews, briefings = record.get("reviews"), record.get("briefings")
    if reviews is None or briefings is None:
        return
    asked = [r for r in latest(reviews) if r["status"] == "approved" and r["briefing_needed"]]
    expected = "Other teams read the lesson and answer a question about it"
    if not briefings and asked:
        yield Gap("not_shared", "What was learned was not shared yet.", expected, late=False)
    for briefing in briefings:
        due_at, reached_at = briefing["due_at"], briefing["reached_at"]
        goal = f"{expected}, at {briefing['target_percent']}% of {briefing['audience']} locations"
        reach = f"{briefing['understood']} of {briefing['audience']} locations have understood what was learned"
        if reached_at is None:
            over = _late(None, due_at, now)
            what = f"{reach}: {span(over)} late." if over else f"{reach} so far."
            yield Gap("sharing_not_reached", what, goal, _due(due_at), over is not None)
        elif over := _late(reached_at, due_at, now):
            yield Gap("sharing_late", f"The lesson reached enough teams {span(over)} late.", goal, _due(due_at))


def _effect(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    actions, checkpoints = record.get("actions"), record.get("checkpoints")
    if actions is None or checkpoints is None:
        return
    expected = "Somebody judges by a measure whether the change made a difference"
    judged = [one for one in checkpoints if one["verdict"]]
    for one in judged:
        if over := _late(one["decided_at"], one["decide_due_at"], now):
            yield Gap("judged_late", f"The effect was judged {span(over)} late.", expected, _due(one["decide_due_at"]))
    if not any(action["status"] == "verified" for action in actions):
        return
    last = judged[-1]["verdict"] if judged else None
    waiting = [one for one in checkpoints if not one["verdict"]]
    due_at = min((one["decide_due_at"] or one["due_at"] for one in waiting), default=None)
    if last is None:
        what, late = _waits("The effect has not been judged", due_at, now)
        yield Gap("effect_not_judged", what, expected, _due(due_at), late)
    elif last in _NOT_PROVEN:
        yield Gap("effect_not_proven", f"The effect is not proven: {word(last)}.", expected, _due(due_at), late=False)
    elif last in _NO_EFFECT:
        what = f"The change made no difference: {word(last)}."
        yield Gap("no_effect", what, "Another round, from the causes on", _due(due_at), late=False)


def _challenges(record: Mapping[str, Any]) -> Iterator[Gap]:
    """What a meeting asked or decided about it, and nobody answered in time or accepted."""
    for one in record.get("challenges") or []:
        kind, owner = one["kind"], word(one["owner_role"])
        expected = f"The {owner} answers, and somebody else accepts it"
        up = "" if not one["climbs"] else ", also after it went up to the " + one["level"]
        if one["status"] == "open" and one["late"]:
            what = f"A {kind} of the {one['raised_level']} meeting was not answered in time{up}."
            yield Gap("challenge_unanswered", what, expected, _due(one["due_at"]))
        elif one["climbs"]:
            what = f"A {kind} of the {one['raised_level']} meeting was answered only after it went up."
            yield Gap("challenge_late", what, expected)
        if one["status"] == "answered":
            what = f"Nobody has accepted the answer to a {kind} of the {one['raised_level']} meeting yet."
            yield Gap("challenge_not_judged", what, expected, late=False)


def _obligations(record: Mapping[str, Any], now: datetime) -> Iterator[Gap]:
    for one in (record.get("obligations") or {}).get("obligations", []):
        target, limit = one["provider_target_at"], one["statutory_due_at"]
        due_at = min((at for at in (target, limit) if at), key=moment, default=None)
        name = f"{one['title']} ({one['recipient_name']})"
        law = f"the law says “{one['statutory_wording']}”"
        expected = f"{one['recipient_name']} is told, or somebody decides why not: {law}"
        if one["state"] == "to_decide" and one["must_decide"]:
            what, late = _waits(f"{name}: nobody has decided whether to notify", due_at, now)
            yield Gap("obligation_undecided", what, expected, _due(due_at), late)
        elif one["state"] == "to_submit":
            what, late = _waits(f"{name}: decided, and not sent", due_at, now)
            yield Gap("obligation_not_sent", what, expected, _due(due_at), late)
        elif one["submitted_at"] and (over := _late(one["submitted_at"], limit, now)):
            what = f"{name}: sent {span(over)} after the limit of the law."
            yield Gap("obligation_late", what, expected, _due(limit))
        elif one["submitted_at"] and (over := _late(one["submitted_at"], target, now)):
            what = f"{name}: sent {span(over)} after the provider's own target."
            yield Gap("obligation_late", what, expected, _due(target))


def _candour(record: Mapping[str, Any]) -> Iterator[Gap]:
    candour = record.get("candour")
    if not candour:
        return
    due = _due(candour["provider_target_at"])
    expected = f"Duty of candour: {candour['statutory_wording']}"
    late = candour["late_at"] is not None
    if candour["status"] == "to_decide":
        what = "Nobody has decided whether the duty of candour applies."
        yield Gap("candour_undecided", what, expected, due, late)
    elif candour["missing"] and candour["completed_at"] is None:
        steps = ", ".join(word(step) for step in candour["missing"])
        yield Gap(
            "candour_incomplete", f"The duty of candour applies, and this is missing: {steps}.", expected, due, late
        )
    elif late and candour["completed_at"]:
        what = f"The duty of candour was completed late, on {when(candour['completed_at'])}."
        yield Gap("candour_late", what, expected, due)


def _safeguarding(record: Mapping[str, Any]) -> Iterator[Gap]:
    for missing in (record.get("safeguarding") or {}).get("still_open", []):
        yield Gap("safeguarding_open", f"Safeguarding: {missing}", "A complete safeguarding record", late=False)
