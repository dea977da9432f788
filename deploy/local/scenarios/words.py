"""The kinds of words a scenario file is made of: names of people, places and results, durations, moments."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deploy.local.scenarios import moments

Kind = Literal["person", "place", "region", "resident", "result", "moment", "duration"]


@dataclass(frozen=True)
class Names:
    """What a text stands for."""

    kind: Kind


def _duration(text: str) -> str:
    try:
        moments.duration(text)
    except ValueError:
        raise ValueError(f"is not a length of time. {moments.DURATION_REMEDY}") from None
    return text


def _moment(text: str) -> str:
    try:
        moments.moment(text)
    except ValueError:
        raise ValueError(f"is not a moment. {moments.MOMENT_REMEDY}") from None
    return text


Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Person = Annotated[str, Names("person")]
Place = Annotated[str, Names("place")]
Region = Annotated[str, Names("region")]
Resident = Annotated[str, Names("resident")]
Result = Annotated[str, Names("result")]
Duration = Annotated[str, Names("duration"), AfterValidator(_duration)]
Moment = Annotated[str, Names("moment"), AfterValidator(_moment)]


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def named(annotation: Any, metadata: list[Any], value: Any) -> list[tuple[tuple[str | int, ...], Kind, str]]:
    """The names inside a value: where in it, of which kind, which name."""
    for mark in metadata:
        if isinstance(mark, Names):
            return [((), mark.kind, value)] if isinstance(value, str) else []
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return named(inner, list(marks), value)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return names_in(annotation, value)
    found: list[tuple[tuple[str | int, ...], Kind, str]] = []
    arguments = get_args(annotation)
    if get_origin(annotation) is list and isinstance(value, list):
        for n, item in enumerate(value):
            found += [((n, *path), kind, name) for path, kind, name in named(arguments[0], [], item)]
    elif get_origin(annotation) is dict and isinstance(value, dict):
        for key, item in value.items():
            found += [((key, *path), kind, name) for path, kind, name in named(arguments[1], [], item)]
    elif get_origin(annotation) not in (list, dict, Literal):
        for argument in arguments:
            for entry in named(argument, [], value):
                if entry not in found:
                    found.append(entry)
    return found


def names_in(model: type[BaseModel], values: Any) -> list[tuple[tuple[str | int, ...], Kind, str]]:
    """The names that a model's values use."""
    found: list[tuple[tuple[str | int, ...], Kind, str]] = []
    if isinstance(values, dict):
        for name, info in model.model_fields.items():
            key = info.validation_alias if isinstance(info.validation_alias, str) else name
            if key in values:
                inner = named(info.annotation, list(info.metadata), values[key])
                found += [((key, *path), kind, said) for path, kind, said in inner]
    return found
