"""One incident on one page: the gaps first, then what happened, who was told, why, what changed, who saw it, whether it worked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporting.packs import gaps, words
from services.reporting.packs.frameworks import Frameworks
from services.reporting.packs.redaction import Redactor
from services.reporting.packs.words import when, word

_LINES = 9
"""As many in a section as fit a page; the record in the pack has all of them."""

_LEFT_OUT = {
    "narrative": "The reporter's own words are left out for this role.",
    "review": "What people wrote in the review is left out for this role.",
    "action": "What people wrote of actions and their evidence is left out for this role.",
    "safeguarding": "The text of the safeguarding record is left out for this role.",
}


@dataclass(frozen=True)
class Page:
    """A page as it is shown, and the record in the pack that it was made from. `incident_id` is a theme's on its own page."""

    incident_id: str
    title: str
    why: str
    facts: list[tuple[str, str]]
    gaps: list[gaps.Gap]
    sections: list[tuple[str, list[str]]]
    evidence: list[tuple[str, str]]
    withheld: list[str]
    entries: list[dict[str, Any]]
    is_theme: bool = False

    @property
    def name(self) -> str:
        """Of the page, in the pages and in the files of the pack."""
        return f"{'theme' if self.is_theme else 'incident'}-{self.incident_id}"

    def to_json(self) -> dict[str, Any]:
        """The record of the page in the pack."""
        return {
            ("theme_id" if self.is_theme else "incident_id"): self.incident_id,
            "title": self.title,
            "why_it_is_here": self.why,
            "facts": dict(self.facts),
            "gaps": [gap.to_json() for gap in self.gaps],
            "sections": dict(self.sections),
            "evidence_for": [{"statement": s, "category": c} for s, c in self.evidence],
            "withheld": self.withheld,
            "timeline": self.entries,
        }

    def shown(self) -> list[tuple[str, list[str]]]:
        """The sections as far as they fit; how much more there is, is said."""
        return [(label, _fitting(lines)) for label, lines in self.sections]


def _fitting(lines: list[str]) -> list[str]:
    if len(lines) <= _LINES:
        return lines
    return [*lines[: _LINES - 1], f"And {len(lines) - _LINES + 1} more, in the record of this page."]


def make(
    record: Mapping[str, Any],
    why: str,
    now: datetime,
    redactor: Redactor,
    frameworks: Frameworks,
    places: Mapping[str, str],
) -> Page:
    """The page of one incident as it was read; `places` are the names of locations by id."""
    incident = record["incident"]
    writer = Writer(record, redactor, places)
    found = gaps.find(_covered(record, redactor), now)
    return Page(
        incident_id=incident["incident_id"],
        title=f"{word(incident['kind']).capitalize()}: {word(incident['category'])}, {when(incident['occurred_at'])}",
        why=why,
        facts=[
            ("Location", places.get(incident["location_id"], "not known")),
            ("Happened", when(incident["occurred_at"])),
            ("Reported", when(incident["reported_at"])),
            ("Harm", word(record["summary"]["actual_harm"] or "not graded")),
            ("Risk if it happened again", word(incident["band"] or "not graded")),
            ("Stage", word(incident["stage"]) + ("" if incident["cycle"] == 1 else f", round {incident['cycle']}")),
        ],
        gaps=found,
        sections=writer.sections(),
        evidence=frameworks.evidence(parts_of(record), incident["category"]),
        withheld=[*record["withheld"], *writer.left_out()],
        entries=[
            {"at": e["at"], "what": e["what"], "by_role": e["actor_role"], "type": e["type"]}
            for e in record["timeline"]["entries"]
        ],
    )


def _covered(record: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """The record with the texts that gaps quote covered."""
    covered = dict(record)
    if record.get("actions") is not None:
        covered["actions"] = [
            {**one, "title": redactor.text("action", one["title"]) or f"A change by the {word(one['owner_role'])}"}
            for one in record["actions"]
        ]
    return covered


def parts_of(record: Mapping[str, Any]) -> Iterator[str]:
    """What the chain of this incident or theme has: only what is really there is evidence."""
    reviews, actions = record.get("reviews") or [], record.get("actions") or []
    approved = [one for one in reviews if one["status"] == "approved"]
    has = {
        "escalation": record.get("escalations"),
        "obligation": (record.get("obligations") or {}).get("obligations"),
        "candour": (record.get("candour") or {}).get("status") in ("met", "not_met"),
        "safeguarding": record.get("safeguarding"),
        "review": approved,
        "learning": [lesson for one in approved for lesson in one["learning"]],
        "action": [one for one in actions if one["status"] in ("done", "verified")],
        "evidence": [proof for one in actions for proof in one["evidence"]],
        "verification": [look for one in actions for look in one["verifications"]],
        "sharing": [one for one in record.get("briefings") or [] if one["understood"]],
        "verdict": [one for one in record.get("checkpoints") or [] if one["verdict"]],
        "reporter_told": record.get("feedback"),
        "challenge": [one for one in record.get("challenges") or [] if one["answers"]],
    }
    yield from (part for part, found in has.items() if found)


def _said(made: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, list[str]]]:
    return [(label, list(lines) or ["Nothing is recorded."]) for label, lines in made]


class Writer:
    """The sections of one page, in the order of the chain. `record` is what was read of an incident, or of a theme."""

    def __init__(self, record: Mapping[str, Any], redactor: Redactor, places: Mapping[str, str]) -> None:
        self._record, self._redactor, self._places = record, redactor, places
        self._roles = words.roles(record)

    def sections(self) -> list[tuple[str, list[str]]]:
        """Each part of the chain with its lines; a part of which nothing is known says so."""
        made = (
            ("What happened", self._event()),
            ("First hours", self._checks()),
            ("Who was told when", self._told()),
        )
        return [*_said(made), *self.what_followed()]

    def what_followed(self) -> list[tuple[str, list[str]]]:
        """The parts from the review on, which themes have too."""
        made = (
            ("Review", self._review()),
            ("Causes", self._causes()),
            ("Learning", self._learning()),
            ("Actions", self._actions()),
            ("Evidence", self._evidence()),
            ("Verified by", self._verified()),
            ("Shared with", self._shared()),
            ("Effect", self._effect()),
            ("Challenge and response", self._challenges()),
        )
        return _said(made)

    def left_out(self) -> list[str]:
        """What the role may not take out, of what there is."""
        kinds = {
            "narrative": bool(self._record["incident"]["narrative"]),
            "review": bool(self._record.get("reviews")),
            "action": bool(self._record.get("actions")),
            "safeguarding": bool(self._record.get("safeguarding")),
        }
        return [_LEFT_OUT[kind] for kind, there in kinds.items() if there and not self._redactor.may(kind)]  # type: ignore[arg-type]

    def _who(self, person: str | None) -> str:
        return word(self._roles.get(str(person), "somebody")) if person else "nobody"

    def _event(self) -> Iterator[str]:
        incident = self._record["incident"]
        text = self._redactor.text("narrative", incident["narrative"])
        yield text or f"A report of {word(incident['category'])}."
        for one in incident["triage"]:
            who = (
                "by rule, because nobody had looked" if one["by_default"] else f"by the {self._who(one['decided_by'])}"
            )
            yield (
                f"{when(one['decided_at'])}: graded {who}: {word(one['actual_harm'])} for harm,"
                f" {word(one['band'])} risk ({one['consequence']} x {one['likelihood']})."
            )
        if incident["stage"] == "withdrawn":
            yield f"Withdrawn. {self._redactor.text('review', incident['end_reason']) or ''}".strip()

    def _checks(self) -> Iterator[str]:
        for one in self._record.get("checks") or []:
            if one["done_at"]:
                yield f"{when(one['done_at'])}: {one['title']}, by the {word(one['recorded_role'] or 'reporter')}."

    def _told(self) -> Iterator[str]:
        rows: list[tuple[str, str]] = []
        calls: dict[str, list[str]] = {}
        for call in sorted(self._record.get("escalations") or [], key=lambda one: words.moment(one["sent_at"])):
            if call["acknowledged_at"]:
                answer = f"the {word(call['to_role'])}, who answered {when(call['acknowledged_at'])}"
                rows.append((call["sent_at"], answer))
            else:
                calls.setdefault(call["to_role"], []).append(call["sent_at"])
        for role, sent in calls.items():
            again = "" if len(sent) == 1 else f", {len(sent)} times until {when(sent[-1])}"
            rows.append((sent[0], f"the {word(role)}{again}, without an answer"))
        for one in (self._record.get("obligations") or {}).get("obligations", []):
            name = f"{one['recipient_name']}: {one['title'].lower()}"
            if one["submitted_at"]:
                rows.append((one["submitted_at"], name))
            elif one["state"] == "not_notified":
                rows.append((one["decided_at"], f"decided by the {word(one['decided_role'])} not to notify {name}"))
        candour = self._record.get("candour") or {}
        if candour.get("completed_at"):
            rows.append((candour["completed_at"], "the person or who acts for them: duty of candour completed"))
        for adult in (self._record.get("safeguarding") or {}).get("adults", []):
            for referral in adult["referrals"]:
                rows.append((referral["referred_at"], "the local authority: safeguarding concern"))
        told = self._record.get("feedback") or []
        rows += [
            (one["sent_at"], "the reporter: what became of the report") for one in (told[:1] + told[-1:])[: len(told)]
        ]
        yield from (f"{when(at)}: {what}." for at, what in sorted(rows, key=lambda row: words.moment(row[0])))

    def _review(self) -> Iterator[str]:
        for review in self._record.get("reviews") or []:
            yield (
                f"{word(review['method']).capitalize()}, opened {when(review['opened_at'])}, due {when(review['due_at'])},"
                f" led by the {word(review['lead_role'])}; {word(review['status'])}."
            )
            for step in review["steps"]:
                if step["step"] in ("submitted", "returned", "approved"):
                    yield f"{when(step['at'])}: {word(step['step'])} by the {word(step['actor_role'])}."

    def _causes(self) -> Iterator[str]:
        for review in self._record.get("reviews") or []:
            if why := self._redactor.text("review", review["why"]):
                yield why
            for factor in review["factors"]:
                text = self._redactor.text("review", factor["description"])
                yield (
                    f"{word(factor['element']).capitalize()}: {text}" if text else word(factor["element"]).capitalize()
                )
            for cause in review["root_causes"]:
                if text := self._redactor.text("review", cause["statement"]):
                    yield f"Beneath: {text}"

    def _learning(self) -> Iterator[str]:
        for review in self._record.get("reviews") or []:
            lessons = [self._redactor.text("review", one["statement"]) for one in review["learning"]]
            yield from (text for text in lessons if text)
            if review["learning"] and not any(lessons):
                yield f"Lessons: {len(review['learning'])}."

    def _title(self, action: Mapping[str, Any]) -> str:
        title = self._redactor.text("action", action["title"])
        return f"“{title}”" if title else f"A change by the {word(action['owner_role'])}"

    def _actions(self) -> Iterator[str]:
        for one in self._record.get("actions") or []:
            done = f", done {when(one['done_at'])}" if one["done_at"] else ""
            yield (
                f"{self._title(one)} ({word(one['strength'])}), owned by the {word(one['owner_role'])},"
                f" due {when(one['due_at']) if one['due_at'] else 'once it is opened'}{done}: {word(one['status'])}."
            )

    def _evidence(self) -> Iterator[str]:
        for action in self._record.get("actions") or []:
            for one in action["evidence"]:
                text = self._redactor.text("action", one["description"])
                files = f" Files: {len(one['files'])}." if one["files"] else ""
                yield f"{when(one['added_at'])}: {word(one['kind'])}{f': {text}' if text else '.'}{files}"

    def _verified(self) -> Iterator[str]:
        for action in self._record.get("actions") or []:
            for one in action["verifications"]:
                sample = f", {one['compliant']} of {one['sample_size']} as it should be" if one["sample_size"] else ""
                finding = self._redactor.text("action", one["finding"])
                yield (
                    f"{when(one['verified_at'])}: the {self._who(one['verified_by'])} by {word(one['method'])}{sample}:"
                    f" {word(one['outcome'])}.{f' {finding}' if finding else ''}"
                )

    def _shared(self) -> Iterator[str]:
        for one in self._record.get("briefings") or []:
            text = self._redactor.text("review", one["what_changes"])
            places = ", ".join(self._places.get(place, "a location") for place in one["locations"][:6])
            more = f" and {len(one['locations']) - 6} more" if len(one["locations"]) > 6 else ""
            yield f"Sent {when(one['sent_at'])} to {one['audience']} locations: {places or 'not listed'}{more}."
            yield f"Understood at {one['understood']} of {one['audience']}; the goal was {one['target_percent']}%."
            if text:
                yield f"What changes: {text}"

    def _effect(self) -> Iterator[str]:
        for one in self._record.get("checkpoints") or []:
            if not one["verdict"]:
                yield f"To be measured {when(one['due_at'])}."
                continue
            ratio = (
                f"; ratio after to before {one['ratio']} ({one['ratio_low']} to {one['ratio_high']})"
                if one["ratio"]
                else ""
            )
            yield (
                f"{when(one['decided_at'])}: {word(one['verdict'])}; the measure proposed {word(one['proposed'])}:"
                f" {one['events']} after, {one['baseline_events']} before{ratio}."
            )
            if text := self._redactor.text("action", one.get("reason")):
                yield f"Why: {text}"

    def _challenges(self) -> Iterator[str]:
        for one in self._record.get("challenges") or []:
            text = self._redactor.text("review", one["said"])
            yield (
                f"{when(one['raised_at'])}: {word(one['kind'])} of the {one['raised_level']} meeting, by the"
                f" {word(one['raised_role'])} to the {word(one['owner_role'])}.{f' {text}' if text else ''}"
            )
            for answer in one["answers"]:
                said = self._redactor.text("review", answer["said"])
                verdict = {None: "not judged yet", True: "accepted", False: "not accepted"}[answer["accepted"]]
                altered = f"; it altered {', '.join(one['altered'])}" if answer["accepted"] and one["altered"] else ""
                yield (
                    f"{when(answer['at'])}: answered by the {word(answer['by_role'])}, {verdict}{altered}."
                    f"{f' {said}' if said else ''}"
                )
