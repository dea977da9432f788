"""One decision or challenge of a meeting: what was asked, what was answered, and a field to answer in."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.service_api import Refused, new_key
from services.console.visit import Visit, Visitor, go

router = APIRouter(include_in_schema=False)


@router.get("/governance/{item_id}")
def asked(visit: Visitor, item_id: str) -> Response:
    """Who asked what, until when, and every answer with what became of it."""
    return _show(visit, item_id, said="", key=new_key(), errors={})


@router.post("/governance/{item_id}")
def answer(visit: Visitor, item_id: str) -> Response:
    """Send the answer; what was typed is not lost if it is refused."""
    said, key = visit.text("said"), visit.text("key") or new_key()
    path = f"/governance-items/{item_id}/answers"
    try:
        visit.api.send("POST", "reporting", path, {"said": said}, key=key, version=visit.text("version"))
    except Refused as refused:
        if refused.status != 422:
            raise
        return _show(visit, item_id, said=said, key=key, errors=refused.errors)
    return go(f"/governance/{item_id}")


def _show(visit: Visit, item_id: str, **words: Any) -> Response:
    found = visit.api.read("reporting", f"/governance-items/{item_id}")
    return visit.page(
        "governance.html", 422 if words["errors"] else 200, item=found.body, version=found.version,
        mine=found.body["owner_id"] == str(visit.actor.id), **words,
    )  # fmt: skip
