"""A form that saves itself while somebody writes: what the script `static/autosave.js` is told, in words that it shows."""

from starlette.responses import JSONResponse

from services.console.page import TEXTS
from services.console.service_api import Refused
from services.console.visit import Visit
from services.console.writing import Change
from services.runtime.calendar import LONDON

_ = TEXTS.gettext


def asked(visit: Visit) -> bool:
    """Whether the form saved itself, and nobody pressed a button: the answer goes to the script."""
    return visit.text("go") == "autosave"


def kept(visit: Visit, version: str | None) -> JSONResponse:
    """It is saved; the next time and the button send this version, so that nobody is in their own way."""
    at = visit.now.astimezone(LONDON)
    return _said(200, _("Saved at %(time)s") % {"time": f"{at:%H:%M}"}, version)


def not_kept(error: Refused, change: Change | None) -> JSONResponse:
    """Why it is not saved: somebody else wrote meanwhile (the script stops then), or what has to be mended first."""
    if error.status in (412, 428):
        who = _("Somebody else") if change is None else change.who
        return _said(412, _(
            "%(who)s changed this meanwhile. What you typed stands here, is not saved, and no longer saves itself."
            " Press Save to see both side by side."
        ) % {"who": who})  # fmt: skip
    why = next(iter(error.errors.values()), error.detail)
    return _said(error.status, _("Not saved yet: %(why)s") % {"why": why})


def nothing_to_keep(why: str) -> JSONResponse:
    """There is nothing that could be saved as it stands."""
    return _said(422, _("Not saved yet: %(why)s") % {"why": why})


def _said(status: int, words: str, version: str | None = None) -> JSONResponse:
    return JSONResponse({"words": words, "version": version}, status, {"Cache-Control": "no-store"})
