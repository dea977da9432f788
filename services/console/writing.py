"""A form that was refused: what is wrong, by field of the page; what changed meanwhile, and by whom. Nothing typed is lost."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from services.console.labels import label
from services.console.page import TEXTS
from services.console.service_api import Refused, new_key
from services.console.visit import Visit

_ = TEXTS.gettext
_OWN_WORDS = {
    "draw_id": _("Have the sample drawn and looked at first, or say below why it could not be drawn"),
    "not_drawn_reason": _("Say why the sample could not be drawn"),
    "earlier_seen": _("Look at what came before, and tick that you did"),
}
"""Where a service tells callers of its API what to send, people need another sentence."""


@dataclass(frozen=True)
class Change:
    """The newest change of a record that somebody else made: who, when, and what, in words."""

    who: str
    at: str
    what: str


@dataclass
class Sent:
    """One form of a page as it came back: which, what was typed, what is wrong. Empty when the page is only read."""

    step: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    ticked: dict[str, list[str]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    status: int = 200
    key: str = ""
    stale: bool = False

    def key_for(self, step: str) -> str:
        """The key of a form: the one that it was sent with, so that sending it again counts once; else a new one."""
        return self.key if step == self.step and self.key else new_key()

    def version_for(self, step: str, now: str | None) -> str | None:
        """The version that a form carries: the one it was opened with, also when it comes back for its words, so that
        nobody's change goes unseen; after a conflict was shown, and in every other form, the one of `now`."""
        return (self.typed.get("version") or None) if step == self.step and not self.stale else now


def key_of(visit: Visit) -> str:
    """The key that the form carried."""
    return visit.text("key") or new_key()


def answered(visit: Visit, step: str, fields: Iterable[str]) -> dict[str, Any]:
    """The fields of a form that were filled in, by the names of the API. In the page they begin with the form's name."""
    return {name: value for name in fields if (value := visit.text(f"{step}_{name}"))}


def refused(visit: Visit, step: str, error: Refused, shown: Collection[str]) -> Sent:
    """What the page shows of a refusal. Raises it where the page can do nothing about it: nothing to see, or to do."""
    if error.status in (401, 404):
        raise error
    key, errors = key_of(visit), {}
    for name, text in error.errors.items():
        words = _OWN_WORDS.get(name, text)
        errors[f"{step}_{name}" if name in shown else f"{step}_form"] = words
    stale = error.status in (412, 428)  # 428: somebody wrote the first of it meanwhile
    if error.kind == "idempotency-key-reused":
        key, errors = (
            new_key(),
            {f"{step}_form": _("This was sent before with other words. Send it again if you want both.")},
        )
    elif stale:
        errors = {
            f"{step}_form": _("Somebody changed this since you opened it. What you typed is kept, and was not sent.")
        }
    elif not errors:
        errors = {f"{step}_form": f"{error.title}. {error.detail}"}
    ticked = {name: visit.texts(name) for name in visit.form}
    return Sent(step, visit.typed(), ticked, errors, error.status, key, stale)


def names(visit: Visit, people: Iterable[object]) -> dict[str, str]:
    """The names of people, by id, as far as the directory tells this person; others are left out."""
    known = {str(visit.actor.id): _("You")}
    for one in {str(person) for person in people if person} - known.keys():
        found = visit.api.get_or_none("directory", f"/people/{one}")
        if found is not None:
            known[one] = str(found["display_name"]) or _("somebody who has left")
    return known


def newest_change(visit: Visit, service: str, incident_id: str, subject: str) -> Change | None:
    """Who changed a record last, by the audit chain of its incident; None where this person may not read that."""
    chain = visit.api.get_or_none(service, f"/incidents/{incident_id}/audit") or []
    entry = next((one for one in reversed(chain) if one["subject"] == subject), None)
    if entry is None:
        return None
    who = names(visit, [entry["actor"]]).get(entry["actor"], label(entry["actor_role"]))
    return Change(who, entry["at"], str(entry["action"]).replace("_", " "))
