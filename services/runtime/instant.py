"""Instants as people and systems send them: with a zone, and within the years that this system can reckon with."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Far from where Python and PostgreSQL end, so that whatever is added to an instant, and in any zone, it is still one."""


def _within(value: datetime) -> datetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"is not of the years {FIRST_YEAR} to {LAST_YEAR}: correct the year")
    return value


Instant = Annotated[AwareDatetime, AfterValidator(_within)]
"""A date and time with its zone."""
