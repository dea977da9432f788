"""Photographs: what they say of themselves does not come in with them, and what is no picture is refused in words."""

import base64
import hashlib
import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from services.runtime.attachments import without_metadata
from tests.conftest import ServiceClient
from tests.integration.test_details import attach, png, report


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


MARK = b"Marked-By-The-Camera"


def exif(turned: int = 6) -> Image.Exif:
    """What a phone writes: which way up, who made it, where it was."""
    said = Image.Exif()
    said[0x0112] = turned
    said[0x010F] = MARK.decode()
    said.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 0.0), 29: MARK.decode()})
    return said


def photograph(kind: str, **how: Any) -> bytes:
    """A picture whose upper half is red."""
    picture = Image.new("RGB", (64, 48), "blue")
    picture.paste("red", (0, 0, 64, 24))
    made = io.BytesIO()
    picture.save(made, kind, **how)
    return made.getvalue()


def texts() -> PngImagePlugin.PngInfo:
    """Texts of a PNG, one of them behind the picture."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", MARK.decode())
    info.add_text("Late", MARK.decode(), zip=False)
    return info


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAb5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAAB4gABAAAAAAAAACsAAgAAAAACDQABAAAAAAAAAHwAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkA"
    "AAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEH"
    "BpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAABppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAAr21kYXQAAAAnKAGvGYD3hEl/"
    "5yD+eRfwQM1eK+/5tTsrE+yzayu2yxS/0V+8NoN+AAAABkV4aWYAAE1NACoAAAAIAAIBDwACAAAAFQAAACaIJQAEAAAAAQAAADwAAAAATWFya2"
    "VkLUJ5LVRoZS1DYW1lcmEAAAACAAEAAgAAAAJOAAAAAAIABQAAAAMAAABaAAAAAAAAADMAAAABAAAAHgAAAAEAAAAAAAAAAQ=="
)
"""As an iPhone sends it, made with pillow-heif, which we do not ship: 64 by 48, the upper half red, with the mark and a place."""

PHOTOGRAPHS = {
    "jpeg": (photograph("JPEG", exif=exif(), comment=MARK, xmp=MARK), "image/jpeg", "JPEG"),
    "png": (photograph("PNG", exif=exif(), pnginfo=texts()), "image/png", "PNG"),
    "webp": (photograph("WEBP", exif=exif(), xmp=MARK), "image/webp", "WEBP"),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_what_a_photograph_says_of_itself_is_taken_out(
    name: str, client: Callable[[str], ServiceClient], home: uuid.UUID, actor: Any, now: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It looks the same, the same way up; sent again it is the same file."""
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    content, media_type, kind = PHOTOGRAPHS[name]
    assert MARK in content
    intake, carer = client("intake"), actor("carer", locations=[home])
    path = report(intake, carer, home, now)
    sent = [attach(intake, path, carer, f"a.{name}", content, media_type) for _ in range(2)]
    assert [one.status_code for one in sent] == [201, 201], sent[0].text
    assert sent[0].json() == sent[1].json()
    kept = intake.get(f"{path}/attachments/{sent[0].json()['attachment_id']}", carer).content
    assert sent[0].json()["sha256"] == hashlib.sha256(kept).hexdigest()
    assert MARK not in kept
    with Image.open(io.BytesIO(kept)) as picture, Image.open(io.BytesIO(content)) as before:
        assert (picture.format, picture.size) == (kind, before.size)
        assert dict(picture.getexif()) == {0x0112: 6}
        for at in ((32, 4), (32, 44)):
            one, other = (image.convert("RGB").getpixel(at) for image in (picture, before))
            assert all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))  # type: ignore[arg-type]


def test_heic_comes_in_as_a_jpeg_that_every_browser_shows(
    client: Callable[[str], ServiceClient], home: uuid.UUID, actor: Any, now: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    assert MARK in HEIC
    intake, carer = client("intake"), actor("carer", locations=[home])
    path = report(intake, carer, home, now)
    sent = attach(intake, path, carer, "IMG_1.HEIC", HEIC, "image/heic")
    assert sent.status_code == 201, sent.text
    assert (sent.json()["name"], sent.json()["media_type"]) == ("IMG_1.jpg", "image/jpeg")
    kept = intake.get(f"{path}/attachments/{sent.json()['attachment_id']}", carer).content
    assert MARK not in kept
    with Image.open(io.BytesIO(kept)) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (64, 48), {})
        red, _, blue = picture.getpixel((32, 4))  # type: ignore[misc]
        assert red > 200 > 100 > blue


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_picture_that_says_nothing_stays_byte_for_byte(kind: str, media_type: str) -> None:
    assert without_metadata(photograph(kind), media_type) is None


def test_what_cannot_be_opened_or_is_too_large_is_said_in_words(
    client: Callable[[str], ServiceClient], home: uuid.UUID, actor: Any, now: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PLUMBLINE_ATTACHMENTS_URL", f"file://{tmp_path}/kept")
    intake, carer = client("intake"), actor("carer", locations=[home])
    path = report(intake, carer, home, now)
    whole = photograph("JPEG", exif=exif())
    huge = io.BytesIO()
    Image.new("1", (9000, 9000)).save(huge, "PNG")
    for content, media_type, says in (
        (whole[: len(whole) // 2], "image/jpeg", "cannot be opened"),
        (png()[:20], "image/png", "cannot be opened"),
        (huge.getvalue(), "image/png", "64 million pixels"),
    ):
        refused = attach(intake, path, carer, "a", content, media_type)
        assert refused.status_code == 422, refused.text
        [problem] = refused.json()["errors"]
        assert says in problem["message"]
        assert problem["remedy"]
    assert intake.get(f"{path}/attachments", carer).json() == []
