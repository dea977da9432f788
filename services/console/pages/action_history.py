"""What happened to an action, in order, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.console.labels import label
from services.console.page import TEXTS, day

_ = TEXTS.gettext


@dataclass(frozen=True)
class Entry:
    """One thing that happened: when, who as far as it may be told, what, and what was said."""

    at: str
    who: str
    what: str
    said: str = ""


def history(found: Mapping[str, Any], people: Mapping[str, str]) -> list[Entry]:
    """All that happened to an action, oldest first."""

    def who(person: str | None) -> str:
        return people.get(str(person), "") if person else ""

    entries = [Entry(found["agreed_at"], who(found["agreed_by"]), _("Agreed"))]
    for at, person, what in (
        (found["opened_at"], None, _("Opened: its clock runs")),
        (found["understood_at"], found["owner_id"], _("Understood by its owner")),
    ):
        if at:
            entries.append(Entry(at, who(person), what))
    if found["done_at"]:
        entries.append(Entry(found["done_at"], who(found["done_by"]), _("Done, says the owner")))
    for one in found["evidence"]:
        what = _("Evidence added: %(kind)s") % {"kind": label(one["kind"]).lower()}
        entries.append(Entry(one["added_at"], who(one["added_by"]), what, one["description"]))
    for one in found["draws"]:
        what = _("A sample of %(size)s from %(all)s was drawn by the system") % {
            "size": one["size"],
            "all": one["frame_size"],
        }
        entries.append(Entry(one["drawn_at"], who(one["drawn_by"]), what))
    for one in found["extensions"]:
        asked = _("More time asked for: %(days)s working days") % {"days": one["working_days"]}
        entries.append(Entry(one["asked_at"], who(one["asked_by"]), asked, one["reason"]))
        if one["decided_at"]:
            given = _("More time given, until %(day)s") % {"day": day(one["due_after"])}
            what = given if one["granted"] else _("More time refused")
            entries.append(Entry(one["decided_at"], who(one["decided_by"]), what, one["decision_reason"] or ""))
    for one in found["verifications"]:
        entries.append(Entry(one["verified_at"], who(one["verified_by"]), _outcome(one), _said(one)))
    return sorted(entries, key=lambda entry: entry.at)


def _outcome(one: Mapping[str, Any]) -> str:
    words = {
        "passed": _("Verified: %(good)s of %(size)s as they should be"),
        "partly": _("Verified in part: %(good)s of %(size)s as they should be"),
        "returned": _("Returned to its owner: %(good)s of %(size)s as they should be"),
    }
    return words[one["outcome"]] % {"good": one["compliant"], "size": one["sample_size"]}


def _said(one: Mapping[str, Any]) -> str:
    said = [one["finding"], one["missing"] and _("Missing: %s") % one["missing"]]
    said.append(one["remaining_risk"] and _("Remains: %s") % one["remaining_risk"])
    return " ".join(text for text in said if text)
