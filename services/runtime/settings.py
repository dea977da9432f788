"""Settings from the environment, prefix `PLUMBLINE_`. A process composes the classes it needs; nothing has a secret default."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class _Settings(BaseSettings):
    # What is set must not show in the error about what is missing: it holds passwords and keys.
    model_config = SettingsConfigDict(env_prefix="PLUMBLINE_", extra="ignore", hide_input_in_errors=True)


class ProcessSettings(_Settings):
    """What every process reads."""

    environment: Literal["local", "production"] = "production"
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    clock_file: Path | None = Field(default=None, description="A faster clock for demonstrations; real time if unset.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @model_validator(mode="after")
    def _real_time_in_production(self) -> Self:
        if self.environment == "production" and self.clock_file is not None:
            raise ValueError("PLUMBLINE_CLOCK_FILE is for demonstrations: unset it, or set PLUMBLINE_ENVIRONMENT=local")
        return self


class DatabaseSettings(_Settings):
    """`database_url` is the role the service runs as, `system_database_url` the role of its relay."""

    database_url: SecretStr
    system_database_url: SecretStr
    database_pool_size: int = 20


class MigrationSettings(DatabaseSettings):
    """Migrations run as the owner; the two service roles are created with the passwords of their URLs if absent."""

    admin_database_url: SecretStr


class KafkaSettings(_Settings):
    """Where the broker is. Replication is the operator's choice: 1 on one machine, 3 in production."""

    kafka_bootstrap_servers: str
    kafka_partitions: int = 3
    kafka_replication_factor: int = 1


class TemporalSettings(_Settings):
    """Where the process engine is, and the keys that encrypt what is sent there.

    `temporal_codec_keys` is `id:base64,id:base64`, 32 bytes each; the first encrypts, all decrypt.
    """

    temporal_address: str
    temporal_namespace: str = "default"
    temporal_codec_keys: SecretStr
    temporal_metrics_port: int | None = None


class AuthSettings(_Settings):
    """Which issuer's tokens are accepted. Any OpenID Connect issuer that signs with RS256 or ES256 will do."""

    oidc_issuer: str
    oidc_audience: str = "plumbline"
    oidc_jwks_url: str


class ServiceSettings(ProcessSettings, DatabaseSettings, KafkaSettings, TemporalSettings, AuthSettings):
    """Everything a service with all its roles needs."""
