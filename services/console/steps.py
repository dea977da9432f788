"""A form of a page and the write that it sends: once however often it is sent, not unseen over somebody else's change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.console.service_api import Refused
from services.console.visit import Visit
from services.console.writing import Sent, answered, key_of, refused
from services.runtime.calendar import LONDON

Body = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """What a form sends where. `needs` are fields with what to say where they are left empty; `path` is filled in from
    what the page knows; `shown` are fields of the page besides `fields` that a refusal may name, and `named` says where the
    page has another name than the service."""

    service: str
    path: str
    fields: tuple[str, ...] = ()
    method: str = "POST"
    versioned: bool = True
    needs: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Visit, Body], Any] = lambda visit, body: body


def take(visit: Visit, form: str, step: Step, **known: str) -> Sent | None:
    """Send a form; None if it was taken, else what the page shows of the refusal. Raises where there is nothing to show."""
    said = answered(visit, form, step.fields)
    missing = {f"{form}_{name}": words for name, words in step.needs.items() if not said.get(name)}
    if missing:
        ticked = {name: visit.texts(name) for name in visit.form}
        return Sent(form, visit.typed(), ticked, missing, 422, key_of(visit))
    version = (visit.text("version") or None) if step.versioned else None
    try:
        visit.api.send(
            step.method, step.service, step.path.format(**known), step.body(visit, said),
            key=key_of(visit), version=version,
        )  # fmt: skip
    except Refused as error:
        error.errors = {step.named.get(name, name.replace(".", "_")): text for name, text in error.errors.items()}
        return refused(visit, form, error, (*step.fields, *step.shown))
    return None


def moment(typed: str) -> str:
    """A time as the browser's field gives it, in England, with its zone; what is no time stays, for the service to name."""
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=LONDON).isoformat()
    except ValueError:
        return typed


_MOST_DIGITS = 18


def number(typed: str) -> int | str:
    """A whole number as it was typed; what is none, or longer than any, stays, for the service to name."""
    return int(typed) if typed.isdecimal() and len(typed) <= _MOST_DIGITS else typed


def at(*names: str) -> Callable[[Visit, Body], Body]:
    """A body in which these fields are times in England."""
    return lambda visit, body: {**body, **{name: moment(body[name]) for name in names if name in body}}


def yes(typed: str | None) -> bool | None:
    """What was answered to a question of yes and no; None while nobody answered."""
    return {"yes": True, "no": False}.get(typed or "")
