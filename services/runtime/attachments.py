"""Files that people attach: what is taken, and where it lies, a folder on one machine or any S3-compatible store."""

import hashlib
import io
import os
import struct
import tempfile
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

import puremagic
from fastapi import Request, UploadFile
from minio import Minio
from minio.error import MinioException
from PIL import Image, JpegImagePlugin
from pydantic import Field, SecretStr
from urllib3.exceptions import HTTPError

from services.runtime.errors import ServiceError, conflict, invalid
from services.runtime.settings import Environment

MAX_BYTES = 10_000_000
BODY_BYTES = MAX_BYTES + 100_000
"""The largest request: a little more for what surrounds the file in it."""
MEDIA_TYPES = {
    "image/jpeg": {"image/jpeg", "image/jpg", "image/pjpeg"},
    "image/png": {"image/png"},
    "image/webp": {"image/webp"},
    "image/heic": {"image/heic", "image/heif"},
    "application/pdf": {"application/pdf"},
}
"""What may be attached, and what its content may be called."""
FETCHED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {kept: {} for kept in MEDIA_TYPES if kept != "image/heic"},
    }
}
"""For `responses` of an endpoint that answers with a file. HEIC is kept as JPEG."""
_NAME_LENGTH = 200
_FORMATS = {"image/jpeg": ("JPEG", "MPO"), "image/png": ("PNG",), "image/webp": ("WEBP",), "image/heic": ("HEIF",)}
_MOST_PIXELS = 64_000_000
"""Opened, a picture takes three or four bytes for each."""
_OF_THE_PICTURE = {
    "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "icc_profile", "adobe", "adobe_transform", "progressive",
    "progression", "gamma", "transparency", "srgb", "chromaticity", "interlace", "background", "aspect", "loop", "duration",
    "timestamp",
}  # fmt: skip
"""What a picture needs to look as it does. All else it says of itself (camera, place, time, comments, previews) is taken out."""
_ORIENTATION = 0x0112
_NO_PICTURE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error)


class Upload:
    """A file as it came: a printable name without folders, the type it claims, and its content up to the limit and one byte."""

    def __init__(self, file: UploadFile) -> None:
        name = (file.filename or "file").rsplit("/", 1)[-1]
        self.name = "".join(c for c in name if c.isprintable())[-_NAME_LENGTH:] or "file"
        self.media_type = (file.content_type or "").lower()
        self.content = file.file.read(MAX_BYTES + 1)
        self.sha256 = hashlib.sha256(self.content).hexdigest()

    def check(self) -> None:
        """Raise 422 unless the content is what it says, of a type and size that is taken.

        What a photograph says of itself, the place where it was taken before all, is then no longer in the content.
        """
        if not self.content:
            raise invalid("file", "is empty", "Attach the file again.")
        if len(self.content) > MAX_BYTES:
            raise invalid(
                "file", "is larger than 10 MB", "Take the photo at a lower resolution, or split the document."
            )
        if self.media_type not in MEDIA_TYPES:
            raise invalid("file", "is not of a type that is taken", f"Attach one of {', '.join(MEDIA_TYPES)}.")
        try:
            found = {match.mime_type for match in puremagic.magic_string(self.content, self.name)}
        except puremagic.PureError:
            found = set()
        if not found & MEDIA_TYPES[self.media_type]:
            raise invalid(
                "file", "is not what it says it is", "Attach the original photo or document, not a renamed file."
            )
        if self.media_type in _FORMATS:
            self._clean()

    def _clean(self) -> None:
        """The same picture without metadata; one that has none stays byte for byte. HEIC becomes JPEG, which every browser shows."""
        try:
            clean = without_metadata(self.content, self.media_type)
        except _NO_PICTURE:
            raise invalid("file", "cannot be opened as a picture", "Take the photo again, or attach a PDF.") from None
        if clean is None:
            return
        self.content, self.sha256 = clean, hashlib.sha256(clean).hexdigest()
        if self.media_type == "image/heic":
            self.media_type, self.name = "image/jpeg", f"{self.name.rsplit('.', 1)[0]}.jpg"


def without_metadata(content: bytes, media_type: str) -> bytes | None:
    """A picture without what it says of itself; None if it says nothing. Which way up it is stays.

    Raises 422 for one of too many pixels, and errors of the library for what is no picture.
    """
    if media_type == "image/heic":
        # Here, for it loads a decoder that few requests need.
        import pi_heif

        pi_heif.register_heif_opener()
    with Image.open(io.BytesIO(content), formats=_FORMATS[media_type]) as picture:
        if picture.width * picture.height > _MOST_PIXELS:
            raise invalid("file", "has more than 64 million pixels", "Take the photo at a lower resolution.")
        if picture.format == "PNG":
            picture.load()  # its texts may stand behind the picture
        segments = {name for name, _ in getattr(picture, "applist", ())} - {"APP0", "APP2", "APP14"}
        if media_type != "image/heic" and not segments and set(picture.info) <= _OF_THE_PICTURE:
            return None
        picture.load()
        upright = Image.Exif()
        if (turned := picture.getexif().get(_ORIENTATION)) is not None and media_type != "image/heic":
            upright[_ORIENTATION] = turned
        picture.info = {name: value for name, value in picture.info.items() if name in _OF_THE_PICTURE}
        how: dict[str, object] = {"exif": upright} if len(upright) else {}
        if isinstance(picture, JpegImagePlugin.JpegImageFile):
            # As fine as it came: with its own tables.
            how |= {"qtables": picture.quantization, "subsampling": JpegImagePlugin.get_sampling(picture)}
        elif media_type != "image/png":
            how["quality"] = 92
        kept, output = io.BytesIO(), "JPEG" if media_type == "image/heic" else _FORMATS[media_type][0]
        shown = picture.convert("RGB") if media_type == "image/heic" else picture
        shown.save(kept, output, icc_profile=picture.info.get("icc_profile"), **how)
    return kept.getvalue()


class AttachmentSettings(Environment):
    """`attachments_url` is `file:///folder` or `s3://host[:port]/bucket`; keys are for the latter."""

    attachments_url: str = Field(default="")
    attachments_access_key: str = ""
    attachments_secret_key: SecretStr = SecretStr("")
    attachments_tls: bool = True


class Storage(Protocol):
    """Keeps and returns bytes by provider and checksum. Keeping the same twice is harmless."""

    def keep(self, provider_id: UUID, sha256: str, content: bytes) -> None:
        """Durable when it returns. Raises 503 when the store does not answer."""

    def fetch(self, provider_id: UUID, sha256: str) -> bytes:
        """What was kept. Raises 503 when the store does not answer or has lost it."""

    def remove(self, provider_id: UUID, sha256: str) -> None:
        """Gone when it returns; also where it was not there. Raises 503 when the store does not answer."""


def _away() -> ServiceError:
    return ServiceError(
        503,
        "try-again",
        "The store of attachments did not answer",
        "Nothing was saved. Send the same request with the same Idempotency-Key again in a few seconds.",
        headers={"Retry-After": "5"},
    )


class Folder:
    """Files in a folder, one for each content."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, provider_id: UUID, sha256: str, content: bytes) -> None:
        """Write beside, flush to disk, then move into place: a file is whole or not there."""
        place = self._place(provider_id, sha256)
        if place.exists():
            return
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, place)
        except OSError:
            raise _away() from None

    def fetch(self, provider_id: UUID, sha256: str) -> bytes:
        """Read the file."""
        try:
            return self._place(provider_id, sha256).read_bytes()
        except OSError:
            raise _away() from None

    def remove(self, provider_id: UUID, sha256: str) -> None:
        """Delete the file."""
        try:
            self._place(provider_id, sha256).unlink(missing_ok=True)
        except OSError:
            raise _away() from None

    def _place(self, provider_id: UUID, sha256: str) -> Path:
        return self._root / str(provider_id) / sha256[:2] / sha256


class Bucket:
    """Objects in a bucket of an S3-compatible store."""

    def __init__(self, client: Minio, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def keep(self, provider_id: UUID, sha256: str, content: bytes) -> None:
        """Put the object."""
        try:
            self._client.put_object(self._bucket, f"{provider_id}/{sha256}", io.BytesIO(content), len(content))
        except (MinioException, HTTPError, OSError):
            raise _away() from None

    def fetch(self, provider_id: UUID, sha256: str) -> bytes:
        """Get the object."""
        try:
            response = self._client.get_object(self._bucket, f"{provider_id}/{sha256}")
            try:
                content: bytes = response.read()
            finally:
                response.close()
                response.release_conn()
        except (MinioException, HTTPError, OSError):
            raise _away() from None
        return content

    def remove(self, provider_id: UUID, sha256: str) -> None:
        """Delete the object. Where the bucket keeps versions, its own rules must end them too."""
        try:
            self._client.remove_object(self._bucket, f"{provider_id}/{sha256}")
        except (MinioException, HTTPError, OSError):
            raise _away() from None


class Missing:
    """The settings name no store: whoever may attach or fetch is told what to set."""

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def keep(self, provider_id: UUID, sha256: str, content: bytes) -> None:
        """Refuse."""
        raise self._problem()

    def fetch(self, provider_id: UUID, sha256: str) -> bytes:
        """Refuse."""
        raise self._problem()

    def remove(self, provider_id: UUID, sha256: str) -> None:
        """Refuse."""
        raise self._problem()

    def _problem(self) -> ServiceError:
        return ServiceError(
            503, "no-attachment-store", "This system has no store of attachments", f"Tell its operator: {self._remedy}."
        )


def storage(settings: AttachmentSettings) -> Storage:
    """The store that the settings name. Raises ValueError, with the remedy, for one that cannot be."""
    parts = urlsplit(settings.attachments_url)
    if parts.scheme == "file" and parts.path:
        return Folder(Path(parts.path))
    bucket = parts.path.strip("/")
    if parts.scheme == "s3" and parts.netloc and bucket:
        client = Minio(
            parts.netloc,
            access_key=settings.attachments_access_key,
            secret_key=settings.attachments_secret_key.get_secret_value(),
            secure=settings.attachments_tls,
            region="us-east-1",
        )
        return Bucket(client, bucket)
    raise ValueError("PLUMBLINE_ATTACHMENTS_URL must be file:///folder or s3://host:port/bucket")


def storage_of(request: Request) -> Storage:
    """The store of this process, made when it is first needed: nothing else must depend on it."""
    state = request.app.state
    if not hasattr(state, "attachments"):
        try:
            state.attachments = storage(AttachmentSettings())
        except ValueError as error:
            state.attachments = Missing(str(error))
    made: Storage = state.attachments
    return made


def fetch_whole(store: Storage, provider_id: UUID, sha256: str) -> bytes:
    """What was kept, checked against its checksum. Raises 409 if it is not what was attached."""
    content = store.fetch(provider_id, sha256)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise conflict("content-changed", "The stored file is not the one that was attached", "Tell support at once.")
    return content
