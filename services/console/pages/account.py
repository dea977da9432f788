"""The session itself: what to do when it ended in the middle of something."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.console.visit import SentForm, Visitor, go, inside

router = APIRouter(include_in_schema=False)
_NOT_KEPT = {"Cache-Control": "no-store"}


@router.get("/session")
def signed_in_again(visit: Visitor) -> Response:
    """Where the new tab lands after signing in again."""
    return visit.page("signed_in_again.html")


@router.get("/session/left")
def left(request: Request) -> Response:
    """For the script: seconds until the session is over, and its token for forms. Asking does not make it last longer; 401 if it is over."""
    cookies = request.app.state.cookies
    session = cookies.open(request.cookies)
    if session is None:
        return JSONResponse({}, 401)
    return JSONResponse({"left": cookies.left(session), "token": session.form_token}, headers=_NOT_KEPT)


@router.post("/session/stay")
def stay(visit: Visitor) -> Response:
    """Somebody is still there: the session lasts as long as after any click."""
    return JSONResponse({}, headers=_NOT_KEPT)


@router.get("/accessibility")
def accessibility(visit: Visitor) -> Response:
    """What the pages hold to, and whom to tell when they do not."""
    return visit.page("accessibility.html")


@router.post("/session/resume")
def resume(visit: Visitor, form: SentForm) -> Response:
    """The form that was held while nobody was signed in, ready to be sent as whoever is signed in now."""
    path = visit.text("held_path")
    if inside(path) != path:
        return go("/")
    held = [(n, v) for n, v in form.multi_items() if isinstance(v, str) and n not in ("held_path", "form_token")]
    return visit.page("resume.html", held=held, held_path=path)
