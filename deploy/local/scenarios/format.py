"""The format of a scenario file. `python -m deploy.local.scenarios.format` writes its JSON Schema."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, create_model

from deploy.local.scenarios.verbs import VERBS, Refused, Step
from deploy.local.scenarios.words import Duration, Moment, Name, Person, Place, Region, Result, Strict, Text
from services.contracts.taxonomy import Category, Employment, Role, Shift
from services.intake.safeguarding.policy import Procedure

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "scenario.schema.json"


class ContractEntry(Strict):
    """What the contract with a commissioner asks to be told of, and how soon."""

    commissioner: Text = Field(description="Code of the council or integrated care board, as the facts name it.")
    categories: list[Category] = Field(min_length=1)
    hours: int = Field(ge=1)


class PlaceEntry(Strict):
    """A service: a home, or a branch of care at home."""

    region: Region | None = None
    beds: int = Field(default=20, ge=0, le=2000, description="0 for care at home.")
    local_authority: Text | None = None
    contracts: list[ContractEntry] = Field(default_factory=list, description="With those who commission the care.")


class Provider(Strict):
    """The organisation, made for this play only."""

    name: Text = "Made-up Care"
    regions: list[Text] = Field(default_factory=list)
    places: dict[str, PlaceEntry] = Field(min_length=1, description="Services by name.")
    authorities: dict[str, Procedure] = Field(
        default_factory=dict,
        description="What local authorities' own procedures say; published as the provider's safeguarding policy.",
    )


class PersonEntry(Strict):
    """Somebody who uses the system: initials or a role's name, with what they may see.

    With neither `at` nor `region` they see every place of the provider.
    """

    role: Role | None = None
    roles: list[Role] = Field(default_factory=list, description="Instead of `role`, for somebody with several.")
    at: list[Place] | Place | None = None
    region: Region | None = None
    shift: Shift | None = Field(default=None, description="When they work, as a rule.")
    employment: Employment | None = None
    answers_to: Person | None = Field(default=None, description="Their line manager, by the directory.")
    listed: bool = Field(default=True, description="False for somebody who is not in the directory.")


class Turn(Strict):
    """Somebody is on call for a role; without a place or region for the whole provider."""

    who: Person
    role: Role | None = Field(default=None, description="Default: the person's first role.")
    at: Place | None = None
    region: Region | None = None
    starts: Moment = "-1d"
    ends: Moment = "+30d"


class Start(Strict):
    """The time of day, in England, at which the play begins; who is called may depend on it."""

    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="For example '02:40', in quotes.")]
    day: Literal["any", "working_day", "weekend"] = Field(
        default="any", description="A bank holiday counts as a weekend."
    )


class Wait(Strict):
    """Let time pass, or give a moment a name."""

    wait: Duration | None = Field(default=None, description="This long on the clock.")
    until: Moment | None = None
    id: Name | None = Field(default=None, description="A name for the moment at which the wait ends, for example T1.")
    look_for_patterns: bool = Field(
        default=False, description="Then patterns are looked for, as by itself every hour of real time."
    )
    note: Text | None = None


class FindStep(Strict):
    """Look something up and give it a name."""

    find: str = Field(description="A look, as in expectations, or `service /path`.")
    id: Name
    as_: Person | None = Field(default=None, alias="as")
    at: Moment | None = None
    of: Result | None = None
    pick: dict[str, Any] = Field(default_factory=dict, description="The row with these values; the newest if several.")
    key: str | None = Field(default=None, description="The field that the name stands for. Default: its id.")
    within: Duration | None = None
    note: Text | None = None


class Expect(Strict):
    """What must be true, and where that is to be seen.

    Give `look` and at least one condition. With `within` it is looked at again until it holds, at most so long on the
    clock; with `throughout` it must hold at every look for so long.
    """

    expect: Text = Field(description="What is expected, in words.")
    look: str = Field(description="A look by name (see docs/scenarios.md), or `service /path`.")
    of: Result | None = Field(default=None, description="The `id` of the report; not needed when there is only one.")
    as_: Person | None = Field(
        default=None, alias="as", description="Who looks. Default: a quality lead of the runner."
    )
    at: Moment | None = None
    pick: dict[str, Any] = Field(default_factory=dict, description="Only rows with these values (a list: one of them).")
    field: str | None = Field(default=None, description="Which value of the record or row; parts joined by dots.")
    every: bool = Field(default=False, description="Every picked row must meet the condition, not just one.")

    equals: Any = None
    is_not: Any = None
    one_of: list[Any] | None = None
    contains: Any = Field(default=None, description="A text, or an entry of a list.")
    lacks: Any = Field(default=None, description="A text or entry that must not be in it.")
    at_least: float | None = None
    at_most: float | None = None
    count: int | None = Field(default=None, description="So many rows are picked.")
    count_at_least: int | None = None
    count_at_most: int | None = None
    absent: bool | None = Field(default=None, description="true: no such row or value. false: there is one.")
    not_after: Moment | None = Field(default=None, description="The time in `field` is at most this.")
    not_before: Moment | None = Field(default=None, description="The time in `field` is at least this.")
    refused: Refused | None = Field(default=None, description="Looking must be refused: nobody else may see it.")

    within: Duration | None = None
    throughout: Duration | None = None
    id: Name | None = Field(default=None, description="A name for the picked row (its id) and for this moment.")
    why: Text | None = None
    source: Text | None = None


CONDITIONS = (
    "equals", "is_not", "one_of", "contains", "lacks", "at_least", "at_most", "count", "count_at_least",
    "count_at_most", "absent", "not_after", "not_before", "refused",
)  # fmt: skip
ON_FIELD = frozenset(CONDITIONS) - {"count", "count_at_least", "count_at_most", "refused", "absent"}
"""Conditions on a value rather than on rows."""


class Scenario(Strict):
    """A case of the field, played by made-up people."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
    title: Text
    about: Text | None = None
    speed: float = Field(
        default=3600, gt=0, description="Seconds on the stack's clock in a real second that the times were written for."
    )
    provider: Provider
    people: dict[str, PersonEntry] = Field(min_length=1)
    residents: list[str] = Field(
        default_factory=list, description="People who are cared for, by initials; the system gets opaque references."
    )
    on_call: list[Turn] = Field(default_factory=list)
    starts: Start | None = Field(default=None, description="When T0 is. Default: at once.")
    steps: list[Any] = Field(min_length=1)


def model_of(entry: dict[str, Any]) -> type[Step] | type[Expect] | type[Wait] | type[FindStep] | None:
    """Which kind of entry a step is, by the word it begins with."""
    if "do" in entry:
        verb = entry["do"]
        return VERBS.get(verb) if isinstance(verb, str) else None
    if "expect" in entry:
        return Expect
    if "find" in entry:
        return FindStep
    return Wait if "wait" in entry or "until" in entry else None


def schema() -> dict[str, Any]:
    """The JSON Schema of the format, for editors and for people."""
    union: Any = Expect
    for entry in (FindStep, Wait, *VERBS.values()):
        union = union | entry
    whole = create_model(
        "Scenario", __base__=Scenario, __doc__=Scenario.__doc__, steps=(list[union], Field(min_length=1))
    )
    made = TypeAdapter(whole).json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://plumbline.example/scenario.schema.json",
        **made,
    }


Entry = Step | Expect | Wait | FindStep


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=1) + "\n")
