"""Reads past incidents from JSON Lines: one object a line, the conditions of a policy by name, and what became of it."""

import json
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm, Verdict
from services.review.backtest.domain import Past
from services.review.context.domain import MOST_REPEATS, Situation


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    incident: str = Field(min_length=1, max_length=60)
    kind: Kind
    category: Category
    band: Band
    actual_harm: PhysicalHarm
    psychological_harm: PsychologicalHarm = PsychologicalHarm.NONE
    repeats_at_location: int = Field(default=0, ge=0)
    repeats_of_person: int = Field(default=0, ge=0)
    repeats_at_provider: int = Field(default=0, ge=0)
    candour_asked: bool = False
    candour_met: bool = False
    safeguarding: bool = False
    regulator_notice: bool = False
    restricted: bool = False
    on_hold: bool = False
    repeats_after: int = Field(default=0, ge=0)
    verdict: Verdict | None = None
    reopened: bool = False


def read(text: str) -> Iterator[Past]:
    """The incidents of a text. Raises ValueError that names the line and the field, and quotes no value."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            said = _Line.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        except ValueError:
            raise ValueError(f"line {number}: is not JSON") from None
        values = said.model_dump(exclude={"incident", "repeats_after", "verdict", "reopened"})
        for name in ("repeats_at_location", "repeats_of_person", "repeats_at_provider"):
            values[name] = min(values[name], MOST_REPEATS)
        yield Past(said.incident, Situation(**values), said.repeats_after, said.verdict, said.reopened)
