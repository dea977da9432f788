"""Values that are odd for what a schema takes: where PostgreSQL, Python or JSON end, and what other programs would run."""

import uuid
from collections.abc import Iterator
from typing import Any

from tests.integration.test_openapi import resolved
from tests.security.sent import smallest
from tests.security.world import World

_WORST: dict[str, tuple[Any, ...]] = {
    # PostgreSQL holds no NUL; half of a surrogate pair is JSON, and no UTF-8.
    "text": ("a\0b", "\ud800"),
    # Beyond bigint, and what becomes infinite.
    "number": (2**63, 1e308),
    # In another zone these are not of the years that Python knows.
    "date-time": ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    "date": ("0001-01-01", "9999-12-31"),
    "uuid": ("\0",),
    "boolean": (2,),
    "object": ({"a\0b": "a\0b"}, {"a": 2**63}, {"a": "\ud800"}),
}
_MORE: dict[str, tuple[Any, ...]] = {
    "text": (
        "\0", "", " ", "-", "{}", "%00", "=1+1", "../../x", "'; select 1; --", "a" * 400, "\U0010ffff", "\u202e\ufeff\ufffe",
    ),
    "number": (-1, 0, 1.5, 2**31, -(2**63) - 1, 10**30, True, "1", None),
    "date-time": (
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+00:00", "1900-02-30T00:00:00Z", "2026-06-08T08:00:00",
        "2026-06-08T08:59:60Z", 1e18, -1e18, "",
    ),
    "date": ("2026-02-30", "-0001-01-01", "9998-12-31", 0, 1e18, ""),
    "uuid": ("x", "", 0, "00000000-0000-0000-0000-000000000000"),
    "boolean": ("yes", None),
    "object": ({"": {}}, {"a": {"b": {"c": "\0"}}}, [], None),
}  # fmt: skip
RAW = (
    b"", b"\xff", b"\0", b"[]", b"null", b"NaN", b"1e999", b'"', b'{"a":' * 2000, b"[" * 100_000, b'{"a\\u0000": 1}',
    b"a,b\n\0,2\n", b"a,b\nx,\xe4\n", b",,,,\n" * 100, b"\xef\xbb\xbfa,b\n", "{}".encode("utf-16"),
)  # fmt: skip
"""Bodies."""
IN_PATHS = ("%00", "%ff", "%F0%9F%98%80", "..%2f..", "%0a", "0" * 3000)
IN_HEADERS = (b"", b" ", b"\xff\xfe", b"\x01\x7f", b'"1', b'W/"1"', b'"999999999"', b'"-1"', b"a" * 10_000, b"a,b;c=d")
TYPES = (
    b"text/plain",
    b"multipart/form-data",
    b"multipart/form-data; boundary=\xff",
    b"application/json; charset=\xff",
    b"/",
)
"""What a body may be called."""


def odd(service: str, schema: dict[str, Any], world: World, *, worst: bool) -> Iterator[Any]:
    """Odd values for a schema, one at a time in what is otherwise the smallest that it takes. `worst`: a few of each kind."""
    schema = resolved(service, schema)
    for several in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(several, ()):
            yield from odd(service, one, world, worst=worst)
    match schema:
        case {"enum": _} | {"const": _}:
            yield from _of("text", worst)
        case {"type": "array", "items": items}:
            yield []
            yield from ([value] for value in odd(service, items, world, worst=worst))
        case {"type": "object", "properties": properties}:
            whole = smallest(service, schema, "", world)
            for name, one in properties.items():
                yield from (whole | {name: value} for value in odd(service, one, world, worst=worst))
        case {"type": "object"}:
            yield from _of("object", worst)
        case {"type": "integer" | "number"}:
            yield from _of("number", worst)
        case {"type": "boolean"}:
            yield from _of("boolean", worst)
        case {"format": "uuid" | "date" | "date-time" as form}:
            yield from _of(form, worst)
        case {"type": "string"}:
            yield from _of("text", worst)


def _of(kind: str, worst: bool) -> Iterator[Any]:
    yield from _WORST[kind] if worst else _WORST[kind] + _MORE[kind]


def somewhere() -> str:
    """An address that nobody else sends from."""
    return str(uuid.uuid4())
