"""Of a review: that its cause is known and worked on already. It links what was learned, and the actions or themes that answer it,
which then stand for actions of its own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.page import TEXTS
from services.console.pages import review_draft
from services.console.pages.review_records import WRITERS
from services.console.service_api import Refused
from services.console.visit import Visit, Visitor, go
from services.console.writing import Sent, key_of, refused

router = APIRouter(include_in_schema=False)
_ = TEXTS.gettext

_MOST = 20
"""So many approved reviews of the same type, the newest, are offered with what they learned and changed."""
_LINKS = ("learning", "actions", "themes")


@router.get("/reviews/{review_id}/known-cause")
def known_cause(visit: Visitor, review_id: str) -> Response:
    """What it links, and what it could link."""
    return _show(visit, review_id, Sent())


@router.post("/reviews/{review_id}/known-cause")
def link(visit: Visitor, review_id: str) -> Response:
    """Keep the links with the reason, or remove them; the rest of the text stays as it is."""
    links = {name: visit.texts(f"known_{name}") for name in _LINKS}
    cause: dict[str, Any] | None = {"reason": visit.text("known_reason"), **links}
    errors = {
        f"known_{name}": text
        for name, text, there in (
            ("reason", _("Say why it is the same cause"), visit.text("known_reason")),
            ("learning", _("Tick what was learned about it before"), links["learning"]),
            ("actions", _("Tick an action or a theme by which it is worked on"), links["actions"] or links["themes"]),
        )
        if not there
    }
    if visit.text("go") == "remove":
        cause, errors = None, {}
    if errors:
        return _show(visit, review_id, _sent(visit, errors, 422))
    path = f"/reviews/{review_id}"
    found = visit.api.get("review", path)
    body = {**review_draft.body(review_draft.stored(found), found), "known_cause": cause}
    try:
        visit.api.send("PUT", "review", f"{path}/draft", body, key=key_of(visit), version=visit.text("version"))
    except Refused as error:
        # A link among others: it is mended where they stand.
        error.errors = {name.removeprefix("known_cause.").split(".")[0]: text for name, text in error.errors.items()}
        return _show(visit, review_id, refused(visit, "known", error, ("reason", *_LINKS)))
    return go(f"{path}/known-cause?saved={'removed' if cause is None else 'linked'}")


def _sent(visit: Visit, errors: dict[str, str], status: int) -> Sent:
    return Sent("known", visit.typed(), {n: visit.texts(n) for n in visit.form}, errors, status, key_of(visit))


def _show(visit: Visit, review_id: str, sent: Sent) -> Response:
    read = visit.api.read("review", f"/reviews/{review_id}")
    found = read.body
    if found["status"] not in ("open", "returned") or not visit.has(*WRITERS):
        return go(f"/reviews/{review_id}")
    return visit.page(
        "known_cause.html", sent.status, review=found, version=read.version, sent=sent, errors=sent.errors,
        kept=found["known_cause"] or {}, saved=visit.request.query_params.get("saved"), **_could_link(visit, found),
    )  # fmt: skip


def _could_link(visit: Visit, found: dict[str, Any]) -> dict[str, Any]:
    """What reviews of the same type learned, what was agreed after them, and themes of that type: of other cases only."""
    approved = [
        one
        for one in visit.api.all("review", "/reviews", most=400, status="approved")
        if one["category"] == found["category"] and one["incident_id"] != found["incident_id"]
    ][:_MOST]
    cases = {one["incident_id"] for one in approved}
    with ThreadPoolExecutor(6) as pool:
        reviews = pool.map(lambda one: visit.api.get_or_none("review", f"/reviews/{one['review_id']}"), approved)
        actions = pool.submit(visit.api.all, "actions", "/actions", most=400)
        themes = pool.submit(visit.api.all, "review", "/themes", most=200)
        return {
            "learning": [one for review in reviews if review for one in review["learning"]],
            "actions": [
                one for one in actions.result() if one["incident_id"] in cases and one["status"] != "cancelled"
            ],
            "themes": [
                one
                for one in themes.result()
                if one["category"] == found["category"]
                and one["stage"] != "ended"
                and one["theme_id"] != found["incident_id"]
            ],
        }
