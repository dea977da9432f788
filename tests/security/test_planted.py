"""The search for planted personal data finds it, however it is wrapped; so that it finds nothing says something."""

import base64
import gzip
import json
import os
import urllib.parse
import uuid
import zlib
from collections.abc import Callable

import pytest

from tests.security.planted import found, somebody

WRAPPINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "UTF-16, small end first": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be"),
    "JSON": lambda text: json.dumps({"said": text}).encode(),
    "JSON with every letter escaped": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    "an address": lambda text: urllib.parse.quote_plus(text).encode(),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 after other letters": lambda text: b"xy" + base64.b64encode(text.encode()),
    "zlib": lambda text: zlib.compress(text.encode()),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in base64": lambda text: base64.b64encode(gzip.compress(text.encode())),
    "base64 in gzip": lambda text: gzip.compress(base64.b64encode(text.encode())),
    "JSON in base64": lambda text: base64.b64encode(json.dumps({"said": text}).encode()),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_what_was_planted_is_found_in_every_wrapping(wrapping: str) -> None:
    planted = somebody(uuid.uuid4())
    for what, text in planted.items():
        # With words around it, as people write, in the middle of bytes that mean nothing.
        hidden = (
            os.urandom(3000) + b"\x00" + WRAPPINGS[wrapping](f"It was {text}, she said.") + b"\x00" + os.urandom(3000)
        )
        assert found(hidden, planted) == {what}


def test_nothing_is_found_where_nothing_was_planted() -> None:
    planted, other = somebody(uuid.uuid4()), somebody(uuid.uuid4())
    assert (
        found(b"".join(wrap(" ".join(other.values())) for wrap in WRAPPINGS.values()) + os.urandom(10_000), planted)
        == set()
    )
