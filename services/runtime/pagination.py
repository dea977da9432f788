"""Cursor pagination: a page, and an opaque cursor that continues after its last row whatever was added meanwhile."""

import base64
import json
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.runtime.errors import invalid

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="Rows in a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page. `next` is absent on the last."""

    items: list[T]
    next: str | None = None


def encode(value: UUID) -> str:
    """The cursor that continues after the row with this id."""
    return base64.urlsafe_b64encode(json.dumps([str(value)]).encode()).decode()


def decode(cursor: str | None) -> UUID | None:
    """The id to continue after. Raises 422 for what this service did not make."""
    if cursor is None:
        return None
    try:
        values: Any = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return UUID(values[0])
    except (ValueError, TypeError, IndexError, KeyError, AttributeError):
        raise invalid(
            "cursor", "is not one of this service", "Send `next` as you received it, or leave it out."
        ) from None
