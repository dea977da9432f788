"""Speaking up as pages for people: no account, no cookie, no script, and nothing that tells one sender from another.

The pages call the same commands as the API. What was typed comes back with the page whenever something is refused.
"""

import base64
import hashlib
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from sqlalchemy import Engine, select

from services.intake.speak_up import api, commands, policy, queries
from services.intake.speak_up.store import open_conversation
from services.intake.store import Location
from services.runtime.app import Database, Time
from services.runtime.calendar import LONDON
from services.runtime.db import transaction
from services.runtime.errors import FieldProblem, ServiceError
from services.runtime.limit import Limit, Sender

router = APIRouter(include_in_schema=False)

READING = Limit("read_public_page", policy.shipped().reads_per_minute)

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["when"] = lambda at: at.astimezone(LONDON).strftime("%-d %B %Y at %H:%M")
_STYLE = (Path(__file__).parent / "templates" / "style.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ROLES = {
    "safeguarding_lead": "The safeguarding lead",
    "nominated_individual": "The nominated individual (who answers to CQC for the provider)",
    "speak_up_guardian": "The speak-up guardian",
}
_NOTHING = {"message": "", "mode": "", "contact": "", "keep_from": []}
_TITLES = {
    "how": "How to tell us that something went wrong",
    "raise": "Raise a concern",
    "receipt": "Your concern is with us",
    "continue": "Read our answer",
}


def _page(name: str, status: int = 200, errors: list[FieldProblem] | None = None, **words: Any) -> HTMLResponse:
    page = _PAGES.get_template(f"{name}.html").render(
        style=_STYLE, title=_TITLES[name], errors=errors or [], rules=policy.shipped(), **words
    )
    return HTMLResponse(page, status, _HEADERS)


_SAID: dict[str, tuple[str, str]] = {
    "message": ("Say what worries you", "Write at least a few words and at most 10,000 characters."),
    "text": ("Your message cannot be sent as it is", "Write at most 10,000 characters."),
    "code": ("Give your code", "Copy it as it was shown, letter by letter."),
    "mode": ("Choose how you want to tell us", "Choose whether you stay anonymous or tell us in confidence."),
    "contact": ("Say how we can reach you", "Give a telephone number or an address, or choose to stay anonymous."),
    "keep_from": ("Somebody must be able to read it", "Leave at least one of them unticked."),
}


def _problems(error: ValidationError | ServiceError) -> list[FieldProblem]:
    """What is said on the page, in words for somebody who has never seen an API."""
    if isinstance(error, ServiceError) and not error.errors:
        return [FieldProblem(field="", message=error.title, remedy=error.detail)]
    if isinstance(error, ServiceError):
        fields = [one.field for one in error.errors]
    else:
        # The rule between mode and contact belongs to the model: it has no place of its own.
        fields = [str(one["loc"][0]) if one["loc"] else "contact" for one in error.errors()]
    return [
        FieldProblem(field=field, message=_SAID[field][0], remedy=_SAID[field][1])
        for field in dict.fromkeys(fields)
        if field in _SAID
    ]


@router.get("/speak-up/to/{provider_id}")
def open_form(provider_id: UUID, sender: Sender, database: Database) -> HTMLResponse:
    """The form. 404 where there is no such provider."""
    try:
        READING.take(sender)
    except ServiceError as error:
        # The form itself needs nothing to be read: whoever has something to say can say it.
        words = {"there": True, "roles": _ROLES, "typed": _NOTHING, "provider_id": provider_id}
        return _page("raise", error.status, _problems(error), **words)
    there = _is_provider(database, provider_id)
    return _page("raise", 200 if there else 404, there=there, roles=_ROLES, typed=_NOTHING, provider_id=provider_id)


@router.get("/speak-up/to/{provider_id}/how")
def how_to_report(provider_id: UUID, sender: Sender, database: Database) -> HTMLResponse:
    """For people who receive care and their families: what they can tell, how, what happens then, and whom else to ask."""
    try:
        READING.take(sender)
    except ServiceError as error:
        return _page("how", error.status, there=True, provider_id=provider_id)
    there = _is_provider(database, provider_id)
    return _page("how", 200 if there else 404, there=there, provider_id=provider_id)


@router.post("/speak-up/to/{provider_id}")
def send_form(
    provider_id: UUID,
    sender: Sender,
    database: Database,
    clock: Time,
    message: Annotated[str, Form()] = "",
    mode: Annotated[str, Form()] = "",
    contact: Annotated[str, Form()] = "",
    keep_from: Annotated[list[str] | None, Form()] = None,
) -> HTMLResponse:
    """Keep the concern and show its code, this once; or the form again with what was typed and what to mend."""
    typed = {"message": message, "mode": mode, "contact": contact, "keep_from": keep_from or []}
    # An anonymous sender who has typed a contact and changed their mind has said so by the choice.
    left = contact.strip() if mode == commands.Mode.CONFIDENTIAL else ""
    fields = {**typed, "contact": left or None, "provider_id": provider_id}
    try:
        api.RAISING.take(sender)
        command = commands.RaiseConcern.model_validate(fields)
        with transaction(database, provider_id) as session:
            raised = commands.raise_concern(session, command, clock.now())
    except (ValidationError, ServiceError) as error:
        status, errors = getattr(error, "status", 422), _problems(error)
    else:
        return _page("receipt", 201, raised=raised)
    return _page("raise", status, errors, there=True, roles=_ROLES, typed=typed, provider_id=provider_id)


@router.get("/speak-up/continue")
def ask_for_code() -> HTMLResponse:
    """Where the code is typed in."""
    return _page("continue", code="", text="", conversation=None)


@router.post("/speak-up/continue")
def continue_conversation(
    sender: Sender,
    database: Database,
    clock: Time,
    code: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
) -> HTMLResponse:
    """The conversation that the code opens, with the message added if there is one."""
    conversation: queries.Conversation | None = None
    errors: list[FieldProblem] = []
    status = 200
    try:
        api.OPENING.take(sender)
        provider_id, concern_id = api.opened(database, api.OpenConversation(code=code).code)
        with transaction(database, provider_id) as session:
            conversation = queries.conversation(session, open_conversation(session, concern_id))
        if text.strip():
            message = api.WriteMessage(code=code, text=text)
            with transaction(database, provider_id) as session:
                commands.write_as_sender(session, concern_id, message.text, clock.now())
                conversation = queries.conversation(session, open_conversation(session, concern_id))
            text = ""
    except (ValidationError, ServiceError) as error:
        status, errors = getattr(error, "status", 422), _problems(error)
    return _page("continue", status, errors, code=code, text=text, conversation=conversation)


def _is_provider(database: Engine, provider_id: UUID) -> bool:
    with transaction(database, provider_id) as session:
        return session.scalars(select(Location.location_id).where(Location.active).limit(1)).first() is not None
