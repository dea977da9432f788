"""Settings from the environment, prefix `PLUMBLINE_`. A process composes the classes it needs; nothing has a secret default."""

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PLACEHOLDERS = ("admin", "changeme", "changeit", "default", "dev", "example", "minioadmin", "password", "placeholder",
    "plumbline", "postgres", "replaceme", "secret", "temporal", "test")  # fmt: skip
"""What documentation, images and test suites write where a secret belongs, in small letters without punctuation."""


class _Settings(BaseSettings):
    # What is set must not show in the error about what is missing: it holds passwords and keys.
    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore", hide_input_in_errors=True)


class Environment(_Settings):
    """Where a process runs. Whatever has a secret is one of these: production takes none that everybody knows."""

    environment: Literal["local", "production"] = "production"

    @model_validator(mode="after")
    def _no_secret_of_everybody(self) -> Self:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if self.environment == "local" or not isinstance(value, SecretStr) or value == field.default:
                continue
            if _known_to_everybody(value.get_secret_value()):
                raise ValueError(
                    f"PLUMBLINE_{name.upper()} holds a placeholder: make a secret of your own,"
                    " or set PLUMBLINE_ENVIRONMENT=local on a machine that holds no real records"
                )
        return self


class ProcessSettings(Environment):
    """What every process reads."""

    http_host: str = "127.0.0.1"
    http_port: int = 8000
    clock_file: Path | None = Field(default=None, description="A faster clock for demonstrations; real time if unset.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _real_time_in_production(self) -> Self:
        if self.environment == "production" and self.clock_file is not None:
            raise ValueError("PLUMBLINE_CLOCK_FILE is for demonstrations: unset it, or set PLUMBLINE_ENVIRONMENT=local")
        return self

    @model_validator(mode="after")
    def _no_issuer_that_can_be_changed_on_the_way(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            of_an_issuer = self.environment == "production" and name in ("oidc_issuer", "oidc_jwks_url")
            if of_an_issuer and not str(value).startswith("https://"):
                raise ValueError(
                    f"PLUMBLINE_{name.upper()} must begin with https://: whoever changes it can be anybody"
                )
        return self


class DatabaseSettings(Environment):
    """`database_url` is the role the service runs as, `system_database_url` the role of its relay."""

    database_url: SecretStr
    system_database_url: SecretStr
    database_pool_size: int = 20


class MigrationSettings(DatabaseSettings):
    """Migrations run as the owner; the two service roles are created with the passwords of their URLs if absent."""

    admin_database_url: SecretStr


class KafkaSettings(Environment):
    """Where the broker is, and how it is reached. Replication is the operator's choice: 1 on one machine, 3 in production.

    A password is only ever sent over TLS. Files are PEM.
    """

    kafka_bootstrap_servers: str
    kafka_partitions: int = 3
    kafka_replication_factor: int = 1
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = Field(default=None, description="The authorities to trust; the system's if unset.")
    kafka_certificate_file: Path | None = Field(default=None, description="Our own certificate, for mutual TLS.")
    kafka_key_file: Path | None = None

    @model_validator(mode="after")
    def _kafka_is_whole(self) -> Self:
        _pair(self, "kafka_username", "kafka_password")
        _pair(self, "kafka_certificate_file", "kafka_key_file")
        if (self.kafka_security_protocol == "SASL_SSL") != (self.kafka_username is not None):
            raise ValueError("PLUMBLINE_KAFKA_USERNAME and PLUMBLINE_KAFKA_PASSWORD go with PLUMBLINE_KAFKA_SECURITY_PROTOCOL=SASL_SSL")  # fmt: skip
        if self.kafka_security_protocol == "PLAINTEXT" and (self.kafka_ca_file or self.kafka_certificate_file):
            raise ValueError("PLUMBLINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT, but certificates are named: set it to SSL or SASL_SSL")  # fmt: skip
        return self

    @property
    def kafka_options(self) -> dict[str, Any]:
        """What a kafka-python client is given beside its servers: empty without TLS."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return {}
        options: dict[str, Any] = {
            "security_protocol": self.kafka_security_protocol,
            "ssl_check_hostname": True,
            "ssl_cafile": _text(self.kafka_ca_file),
            "ssl_certfile": _text(self.kafka_certificate_file),
            "ssl_keyfile": _text(self.kafka_key_file),
        }
        if self.kafka_username is not None and self.kafka_password is not None:
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        return options


class TemporalSettings(Environment):
    """Where the process engine is, how it is reached, and the keys that encrypt what is sent there.

    `temporal_codec_keys` is `id:base64,id:base64`, 32 bytes each; the first encrypts, all decrypt. A certificate of our
    own (mutual TLS) or an API key say who we are. Files are PEM.
    """

    temporal_address: str
    temporal_namespace: str = "default"
    temporal_codec_keys: SecretStr
    temporal_tls: bool = False
    temporal_ca_file: Path | None = Field(default=None, description="The authorities to trust; the system's if unset.")
    temporal_certificate_file: Path | None = None
    temporal_key_file: Path | None = None
    temporal_server_name: str | None = Field(default=None, description="The name in the server's certificate, if another.")  # fmt: skip
    temporal_api_key: SecretStr | None = None
    temporal_metrics_host: str = "127.0.0.1"
    temporal_metrics_port: int | None = Field(default=None, description="Where the SDK's own metrics are served.")

    @model_validator(mode="after")
    def _temporal_is_whole(self) -> Self:
        _pair(self, "temporal_certificate_file", "temporal_key_file")
        if not self.temporal_tls and (self.temporal_ca_file or self.temporal_certificate_file or self.temporal_api_key):
            raise ValueError("PLUMBLINE_TEMPORAL_TLS is not set, but certificates or an API key are: set it to true")
        return self


class AuthSettings(_Settings):
    """Which issuer's tokens are accepted. Any OpenID Connect issuer that signs with RS256 or ES256 will do."""

    oidc_issuer: str
    oidc_audience: str = "plumbline"
    oidc_jwks_url: str


class ServiceSettings(ProcessSettings, DatabaseSettings, KafkaSettings, TemporalSettings, AuthSettings):
    """Everything a service with all its roles needs."""


def _pair(settings: BaseSettings, *names: str) -> None:
    missing = [name for name in names if getattr(settings, name) is None]
    if missing and len(missing) < len(names):
        raise ValueError(f"PLUMBLINE_{missing[0].upper()} is missing: it goes with its other half")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _known_to_everybody(secret: str) -> bool:
    """Whether a secret, or the password in a URL, is a placeholder, its own user's name, or one character repeated."""
    user = ""
    if "://" in secret:
        parts = urlsplit(secret)
        user, secret = unquote(parts.username or ""), unquote(parts.password or "")
        if not parts.password:
            return False  # signed in by a certificate or a file of its own
    plain = "".join(character for character in secret.lower() if character.isalnum())
    return plain in _PLACEHOLDERS or "changeme" in plain or secret == user or len(set(secret.rpartition(":")[2])) < 3
