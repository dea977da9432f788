"""Text as people type it, in a form that every store can hold."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_HALVES = re.compile(r"[\ud800-\udfff]")


def _storable(value: str) -> str:
    if _FORBIDDEN.search(value):
        raise ValueError("holds control characters: remove them")
    if _HALVES.search(value):
        raise ValueError("holds half a character: send it whole")
    return value


Storable = AfterValidator(_storable)
"""Refuses what PostgreSQL cannot hold: control characters, and halves of characters, which JSON can name alone."""

ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), Storable]
"""One line, at most 300 characters."""

LongText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), Storable]
"""A narrative, at most 10,000 characters."""

Word = Annotated[str, Storable]
"""A word that a service or another system has for something, looked up or kept as it is."""
