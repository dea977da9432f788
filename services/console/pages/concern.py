"""One concern, for those who review it: the conversation, and an answer that the sender reads with the receipt code."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.console.service_api import Refused, new_key
from services.console.visit import Visit, Visitor, go

router = APIRouter(include_in_schema=False)


@router.get("/concerns/{concern_id}")
def conversation(visit: Visitor, concern_id: str) -> Response:
    """What was written, by when it wants an answer, and a field to answer in."""
    return _show(visit, concern_id, text="", key=new_key(), errors={})


@router.post("/concerns/{concern_id}")
def answer(visit: Visitor, concern_id: str) -> Response:
    """Send the answer; what was typed is not lost if it is refused."""
    text, key = visit.text("text"), visit.text("key") or new_key()
    try:
        visit.api.send("POST", "intake", f"/concerns/{concern_id}/messages", {"text": text}, key=key)
    except Refused as refused:
        if refused.status != 422:
            raise
        return _show(visit, concern_id, text=text, key=key, errors=refused.errors)
    return go(f"/concerns/{concern_id}")


def _show(visit: Visit, concern_id: str, **words: Any) -> Response:
    concern = visit.api.get("intake", f"/concerns/{concern_id}")
    return visit.page("concern.html", 422 if words["errors"] else 200, concern=concern, **words)
