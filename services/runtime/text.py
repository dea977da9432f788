"""Text as people type it, in a form that every store can hold."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

_FORBIDDEN = {chr(code) for code in range(32)} - {"\n", "\r", "\t"}


def _printable(value: str) -> str:
    if _FORBIDDEN.intersection(value):
        raise ValueError("holds control characters: remove them")
    return value


ShortText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_printable)
]
"""One line, at most 300 characters."""

LongText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000), AfterValidator(_printable)
]
"""A narrative, at most 10,000 characters."""
