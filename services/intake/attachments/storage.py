"""Where attachments lie: a folder on one machine, or any S3-compatible store. One small interface."""

import io
import os
import tempfile
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from minio import Minio
from minio.error import MinioException
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from urllib3.exceptions import HTTPError

from services.runtime.errors import ServiceError


class AttachmentSettings(BaseSettings):
    """`attachments_url` is `file:///folder` or `s3://host[:port]/bucket`; keys are for the latter."""

    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore")

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
