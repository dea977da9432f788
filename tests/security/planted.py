"""Personal data that is planted in what people write, and the search for it in bytes where it must not be.

Looked for as it is and as it may be wrapped: UTF-16, escapes of JSON and of addresses, base64, hexadecimal, and streams
of zlib or gzip; one within another, twice.
"""

import base64
import binascii
import contextlib
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

_DEPTH = 2
_STREAM = re.compile(rb"\x1f\x8b\x08(?:\x00.{6}|\x08.{6}[^\x00]*\x00)|\x78[\x01\x5e\x9c\xda]", re.DOTALL)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_SIXTEEN_BITS = re.compile(rb"(?:[\x20-\x7e]\x00){8,}|(?:\x00[\x20-\x7e]){8,}")
_WRITTEN = re.compile(rb"[\x20-\x7e]{8,}")
_MOST_INFLATED, _STEP = 1_000_000, 64


def somebody(seed: UUID) -> dict[str, str]:
    """A person whom nobody else is: name, address, NHS number, telephone, e-mail address."""
    word, digits = seed.hex[:10], f"{seed.int % 10**15:015d}"
    return {
        "name": f"Wilfreda Quillon{word}",
        "address": f"17 Larkspur{word} Lane",
        "NHS number": f"{digits[:3]} {digits[3:6]} {digits[6:10]}",
        "telephone": f"+4477009{digits[10:15]}",
        "e-mail": f"w.quillon.{word}@example.org",
    }


def found(content: bytes, planted: Mapping[str, str], depth: int = _DEPTH) -> set[str]:
    """Which of what was planted stands in the content, in whatever wrapping."""
    there = {what for what, text in planted.items() if text.encode() in content}
    if depth:
        for inner in _unwrapped(content):
            there |= found(inner, planted, depth - 1)
    return there


def anywhere(parts: Iterable[bytes], planted: Mapping[str, str]) -> set[str]:
    """The same over many contents."""
    return set().union(*(found(part, planted) for part in parts))


def _unwrapped(content: bytes) -> Iterator[bytes]:
    for run in _SIXTEEN_BITS.finditer(content):
        yield run[0].replace(b"\0", b"")
    # What was escaped is in letters, so that most of a database's files need not be looked at again.
    written = b"\n".join(_WRITTEN.findall(content))
    if b"\\u00" in written or b"\\/" in written:
        plain = re.sub(rb"\\u00([0-7][0-9a-fA-F])", lambda code: bytes.fromhex(code[1].decode()), written)
        yield plain.replace(b"\\/", b"/")
    if re.search(rb"%[0-9A-Fa-f]{2}", written):
        yield urllib.parse.unquote_to_bytes(written.replace(b"+", b" "))
    for start in _STREAM.finditer(content):
        yield _inflated(content[start.end() : start.end() + _MOST_INFLATED])
    for run in _HEX.finditer(content):
        yield binascii.unhexlify(run[0])
    runs = [run[0].replace(b"-", b"+").replace(b"_", b"/") for run in _BASE64.finditer(content)]
    # Where a run begins is not known: other letters may stand before it.
    yield b"\n".join(base64.b64decode(run[at : at + (len(run) - at) // 4 * 4]) for run in runs for at in range(4))


def _inflated(content: bytes) -> bytes:
    """What comes out until something is wrong: where a stream ends is not known, its checksum may be cut off."""
    stream, out = zlib.decompressobj(-zlib.MAX_WBITS), b""
    with contextlib.suppress(zlib.error):
        for start in range(0, len(content), _STEP):
            out += stream.decompress(content[start : start + _STEP])
            if stream.eof or len(out) > _MOST_INFLATED:
                break
    return out
