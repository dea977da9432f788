"""The settings for TLS reach the wire: a listener that speaks nothing but TLS sees who calls, and what is said first."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient

from services.runtime.kafka import BrokerUnavailable
from services.runtime.kafka import connect as connect_to_kafka
from services.runtime.settings import KafkaSettings, TemporalSettings
from services.runtime.temporal import connect as connect_to_temporal

CODEC_KEYS = "k1:cGx1bWJsaW5lLXBsdW1ibGluZS1wbHVtYmxpbmUtMDE="


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """`authority("server")` writes a certificate and its key, signed by an authority whose certificate is `ca.pem`."""
    folder, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("Test authority")

    def signed(name: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "ca.pem").write_bytes(signed(ca_name, ca_key.public_key(), is_authority=True))

    def issue(name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(signed(_name(name), key.public_key(), is_authority=False))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return folder / f"{name}.pem", folder / f"{name}.key"

    return issue


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Listener:
    """Takes one caller after another, wants a certificate of our authority, notes what is said first, and hangs up."""

    def __init__(self, authority: Callable[[str], tuple[Path, Path]]) -> None:
        certificate, key = authority("server")
        self.ca = certificate.parent / "ca.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.load_verify_locations(self.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.set_alpn_protocols(["h2"])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.callers: list[str] = []
        self.said: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            try:
                plain.settimeout(5)
                with self._context.wrap_socket(plain, server_side=True) as caller:
                    certificate = caller.getpeercert() or {}
                    first = caller.recv(100)
                    if first:
                        self.callers.append(str(certificate["subject"]))
                        self.said.append(first)
            except OSError:
                plain.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(authority: Callable[[str], tuple[Path, Path]]) -> Iterator[Listener]:
    made = Listener(authority)
    yield made
    made.close()


def kafka_settings(listener: Listener, **more: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"kafka_bootstrap_servers": listener.address, **more})


def test_the_broker_is_spoken_to_over_tls_with_our_own_certificate(
    listener: Listener, authority: Callable[[str], tuple[Path, Path]]
) -> None:
    certificate, key = authority("intake")
    settings = kafka_settings(
        listener, kafka_security_protocol="SSL", kafka_ca_file=listener.ca, kafka_certificate_file=certificate, kafka_key_file=key,
    )  # fmt: skip
    with pytest.raises(BrokerUnavailable):
        connect_to_kafka(KafkaAdminClient, settings.kafka_bootstrap_servers, **settings.kafka_options)
    assert "intake" in listener.callers[0]
    assert listener.said[0][4:6] == (18).to_bytes(2, "big")  # ApiVersions: what a Kafka client asks first


def test_a_broker_whose_authority_is_not_trusted_is_told_nothing(
    listener: Listener, authority: Callable[[str], tuple[Path, Path]]
) -> None:
    certificate, key = authority("intake")
    settings = kafka_settings(
        listener, kafka_security_protocol="SSL", kafka_certificate_file=certificate, kafka_key_file=key
    )
    with pytest.raises(BrokerUnavailable):
        connect_to_kafka(KafkaAdminClient, settings.kafka_bootstrap_servers, **settings.kafka_options)
    assert listener.said == []


def test_temporal_is_spoken_to_over_tls_with_our_own_certificate(
    listener: Listener, authority: Callable[[str], tuple[Path, Path]]
) -> None:
    certificate, key = authority("worker")
    place = {"temporal_address": listener.address, "temporal_codec_keys": CODEC_KEYS}
    secure = TemporalSettings.model_validate(
        place | {
            "temporal_tls": True, "temporal_ca_file": listener.ca, "temporal_certificate_file": certificate,
            "temporal_key_file": key,
        }
    )  # fmt: skip
    with pytest.raises(RuntimeError):
        asyncio.run(connect_to_temporal(secure))
    assert "worker" in listener.callers[0]
    assert listener.said[0].startswith(b"PRI * HTTP/2.0")
    said = len(listener.said)
    with pytest.raises(RuntimeError):
        asyncio.run(connect_to_temporal(TemporalSettings.model_validate(place)))
    assert len(listener.said) == said
