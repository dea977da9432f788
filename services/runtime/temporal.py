"""The connection to Temporal: everything that is sent there is encrypted, failure messages too."""

import asyncio
import base64
import dataclasses
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import TLSConfig
from temporalio.worker import Worker

from services.runtime import tracing
from services.runtime.errors import ServiceError, frames, state_of
from services.runtime.metrics import ACTIVITIES
from services.runtime.settings import TemporalSettings

logger = logging.getLogger(__name__)

_ENCODING = b"binary/encrypted"
GRACE = timedelta(seconds=10)


def codec_keys(keys: SecretStr) -> dict[str, bytes]:
    """The keys of `PLUMBLINE_TEMPORAL_CODEC_KEYS` by id, the current one first. Raises ValueError for one that is no key."""
    found: dict[str, bytes] = {}
    for part in keys.get_secret_value().split(","):
        key_id, _, encoded = part.strip().partition(":")
        secret = base64.b64decode(encoded)
        if len(secret) != 32:
            raise ValueError(f"key {key_id!r} of PLUMBLINE_TEMPORAL_CODEC_KEYS must be 32 bytes, base64")
        found[key_id] = secret
    return found


class EncryptionCodec(PayloadCodec):
    """AES-256-GCM, the key's id beside each payload so that keys can be rotated. The first key encrypts."""

    def __init__(self, keys: SecretStr) -> None:
        self._keys = {key_id: AESGCM(secret) for key_id, secret in codec_keys(keys).items()}
        self._current = next(iter(self._keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what this codec encrypted; leave the rest."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(12), self._current.encode()
        data = nonce + self._keys[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": _ENCODING, "key": key_id}, data=data)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        key_id = payload.metadata["key"]
        key = self._keys.get(key_id.decode())
        if key is None:
            raise ValueError(
                f"no key {key_id!r} in PLUMBLINE_TEMPORAL_CODEC_KEYS: add the old key after the current one"
            )
        try:
            return Payload.FromString(key.decrypt(payload.data[:12], payload.data[12:], key_id))
        except InvalidTag:
            raise ValueError(f"a payload does not match key {key_id!r}") from None


def data_converter(keys: SecretStr) -> DataConverter:
    """Pydantic models as JSON, encrypted, failure messages and stack traces included."""
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=EncryptionCodec(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


@functools.cache
def _measured(address: str) -> Runtime:
    """One for a process: it holds the port that its metrics are read from, however often a connection is tried."""
    metrics = PrometheusConfig(
        bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    return Runtime(telemetry=TelemetryConfig(metrics=metrics))


def tls(settings: TemporalSettings) -> TLSConfig | bool:
    """How the server is to be reached: not encrypted, or with what the settings name. Raises OSError for a missing file."""
    if not settings.temporal_tls:
        return False

    def content(path: Path | None) -> bytes | None:
        return None if path is None else path.read_bytes()

    return TLSConfig(
        server_root_ca_cert=content(settings.temporal_ca_file),
        client_cert=content(settings.temporal_certificate_file),
        client_private_key=content(settings.temporal_key_file),
        domain=settings.temporal_server_name,
    )


async def connect(settings: TemporalSettings) -> Client:
    """A client. Raises RuntimeError when the server does not answer."""
    runtime = None
    if settings.temporal_metrics_port is not None:
        runtime = _measured(f"{settings.temporal_metrics_host}:{settings.temporal_metrics_port}")
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=data_converter(settings.temporal_codec_keys),
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        tls=tls(settings),
        runtime=runtime,
        interceptors=interceptors(),
    )


def interceptors() -> list[Interceptor]:
    """What carries a trace from a client to workflows and activities, in headers: nothing while there are no traces."""
    tracer = tracing.tracer()
    if tracer is None:
        return []
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return [TracingInterceptor(tracer)]


def activity_errors(service: str, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Translate failures for Temporal: class and title only, and always tried again.

    A refusal is tried again too: a failed workflow would drop its case out of the chain, while a retrying
    activity is seen, and goes on once the cause is mended.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*arguments: Any) -> Any:
            try:
                result = function(*arguments)
            except ServiceError as error:
                ACTIVITIES.labels(service, name, "refused").inc()
                raise ApplicationError(error.title, type=error.kind) from None
            except Exception as error:  # noqa: BLE001 - every failure is translated
                ACTIVITIES.labels(service, name, "failed").inc()
                logger.warning(
                    "activity failed, it will be tried again",
                    extra={
                        "activity": name,
                        "error": type(error).__name__,
                        "sqlstate": state_of(error),
                        "frames": frames(error),
                    },
                )
                # The message of a driver may hold what people typed: only the class goes on.
                raise ApplicationError("activity failed", type=type(error).__name__) from None
            ACTIVITIES.labels(service, name, "done").inc()
            return result

        return run

    return decorate


async def serve_activities(
    client: Client,
    *,
    task_queue: str,
    activities: Iterable[Callable[..., Any]],
    stop: threading.Event,
    threads: int = 16,
) -> None:
    """Serve a service's activities on its task queue until `stop` is set, then let running ones finish."""
    with ThreadPoolExecutor(threads) as executor:
        worker = Worker(
            client,
            task_queue=task_queue,
            activities=list(activities),
            activity_executor=executor,
            max_concurrent_activities=threads,
            graceful_shutdown_timeout=GRACE,
        )
        async with worker:
            while not stop.is_set():
                await asyncio.sleep(0.2)
