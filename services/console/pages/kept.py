"""Reports that a device keeps until they are sent: what its script needs to know, and the worker that opens the form without signal."""

import hashlib

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from services.console.page import PAGES, render
from services.console.pages.report import form_words
from services.console.visit import Visitor

router = APIRouter(include_in_schema=False)

FILES = (
    "plumbline.svg", "manifest.webmanifest", "console.css", "session.js", "kept.js", "report.js",
    "vendor/nhsuk-frontend.min.css", "vendor/nhsuk-frontend.min.js", "vendor/htmx.min.js", "vendor/htmx-ext-sse.min.js",
    "vendor/idb-keyval.js",
)  # fmt: skip
"""All that the page of a report loads: without signal it comes from the device."""


@router.get("/report/state")
def state(visit: Visitor) -> Response:
    """For the script: who is signed in, by id, their token for forms, Plumbline's time, and the keys that seal what they keep.

    The keys hold for the rest of this session, `seconds`; the next one of the same person gets the same keys.
    """
    cookies = visit.request.app.state.cookies
    known = {
        "person": str(visit.actor.id), "token": visit.session.form_token, "now": visit.now.isoformat(),
        "seconds": visit.session.rest,
        "seals": cookies.keys_for(f"kept-report {visit.actor.provider_id} {visit.actor.id}"),
    }  # fmt: skip
    return JSONResponse(known, headers={"Cache-Control": "no-store"})


@router.get("/report/form")
def empty_form(visit: Visitor) -> Response:
    """The form as the device keeps it: no name, no token, no key; with the places that this person may report from."""
    words = {**form_words(visit), "key": ""}
    return render("report/form.html", visit=None, now=visit.now, path="/report", form_token="", **words)


@router.get("/report/worker.js")
def worker() -> Response:
    """The service worker. It holds for reporting only, and its version changes with any file that it keeps."""
    files = [PAGES.globals["static"](name) for name in FILES]  # type: ignore[operator]
    version = hashlib.sha256(" ".join(files).encode()).hexdigest()[:12]
    script = PAGES.get_template("report/worker.js").render(files=files, version=version)
    headers = {
        "Service-Worker-Allowed": "/report",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'",
    }
    return Response(script, media_type="text/javascript", headers=headers)
