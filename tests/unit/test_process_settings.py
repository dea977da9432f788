"""Settings from the environment: what is missing is named, what is secret is never shown, production runs in real time."""

import ast
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.console.settings import ConsoleSettings
from services.directory.notices.settings import NoticeSettings
from services.reporting.webhooks.settings import WebhookSettings
from services.runtime.attachments import AttachmentSettings
from services.runtime.settings import Environment, MigrationSettings, ProcessSettings, ServiceSettings
from workflows.__main__ import WorkflowSettings

SECRETS = {
    "PLUMBLINE_DATABASE_URL": "postgresql://plumbline_intake:hunter2@db/plumbline",
    "PLUMBLINE_SYSTEM_DATABASE_URL": "postgresql://plumbline_intake_system:hunter3@db/plumbline",
    "PLUMBLINE_TEMPORAL_CODEC_KEYS": "k1:c2VjcmV0LWtleQ==",
}
PLACES = {
    "PLUMBLINE_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "PLUMBLINE_TEMPORAL_ADDRESS": "temporal:7233",
    "PLUMBLINE_OIDC_ISSUER": "https://id.example",
    "PLUMBLINE_OIDC_JWKS_URL": "https://id.example/jwks.json",
}
ADDRESSES = {
    **{
        f"PLUMBLINE_{service}_URL": "http://service"
        for service in ("DIRECTORY", "INTAKE", "REVIEW", "ACTIONS", "REPORTING")
    },
    "PLUMBLINE_CONSOLE_PUBLIC_URL": "https://console.example",
    "PLUMBLINE_CONSOLE_SESSION_KEYS": "c2VjcmV0LWtleS1vZi10aGUtY29uc29sZS0xMjM0NTY=",
}
NEEDED = SECRETS | PLACES
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("PLUMBLINE_"):
            monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_production_refuses_a_clock_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLUMBLINE_CLOCK_FILE", str(tmp_path / "clock.json"))
    with pytest.raises(ValidationError, match="PLUMBLINE_CLOCK_FILE is for demonstrations"):
        ProcessSettings()
    monkeypatch.setenv("PLUMBLINE_ENVIRONMENT", "local")
    assert ProcessSettings().clock_file == tmp_path / "clock.json"


def test_it_is_production_unless_said_otherwise() -> None:
    assert ProcessSettings().environment == "production"
    assert ProcessSettings().clock_file is None
    assert ProcessSettings().http_host == "127.0.0.1"


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_each_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    given(monkeypatch, {name: value for name, value in NEEDED.items() if name != missing})
    with pytest.raises(ValidationError) as refusal:
        ServiceSettings()
    assert [error["loc"] for error in refusal.value.errors()] == [(missing.removeprefix("PLUMBLINE_").lower(),)]


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as refusal:
        ServiceSettings()
    named = {f"PLUMBLINE_{error['loc'][0]}".upper() for error in refusal.value.errors()}
    assert named == set(NEEDED)


def test_what_is_set_does_not_show_in_the_error_about_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, SECRETS)
    with pytest.raises(ValidationError) as refusal:
        ServiceSettings()
    for secret in ("hunter2", "hunter3", "c2VjcmV0"):
        assert secret not in str(refusal.value)


def test_secrets_do_not_show_in_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, NEEDED | {"PLUMBLINE_ADMIN_DATABASE_URL": "postgresql://owner:hunter4@db/plumbline"})
    for settings in (ServiceSettings(), MigrationSettings(), WorkflowSettings()):
        for secret in ("hunter2", "hunter3", "hunter4", "c2VjcmV0"):
            assert secret not in repr(settings)
            assert secret not in settings.model_dump_json()


def test_the_process_engine_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {
        name: value
        for name, value in NEEDED.items()
        if name.startswith(("PLUMBLINE_KAFKA", "PLUMBLINE_TEMPORAL"))
    }  # fmt: skip
    given(monkeypatch, needed)
    assert WorkflowSettings().reconcile_seconds == 300
    monkeypatch.setenv("PLUMBLINE_RECONCILE_SECONDS", "1")
    with pytest.raises(ValidationError, match="reconcile_seconds"):
        WorkflowSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PLUMBLINE_ENVIRONMENT", "staging"), ("PLUMBLINE_LOG_LEVEL", "LOUD"), ("PLUMBLINE_HTTP_PORT", "x")],
)
def test_a_setting_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("PLUMBLINE_").lower()):
        ProcessSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLUMBLINE_DATABASE_URL", "postgresql://plumbline_intake:plumbline_intake@db/plumbline"),
        ("PLUMBLINE_DATABASE_URL", "postgresql://plumbline_intake:Postgres@db/plumbline"),
        ("PLUMBLINE_SYSTEM_DATABASE_URL", "postgresql://plumbline_intake_system:change-me-now@db/plumbline"),
        ("PLUMBLINE_TEMPORAL_CODEC_KEYS", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("PLUMBLINE_TEMPORAL_CODEC_KEYS", "CHANGE_ME"),
    ],
)
def test_production_refuses_a_secret_that_everybody_knows(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given(monkeypatch, NEEDED | {name: value})
    with pytest.raises(ValidationError, match=f"{name} holds a placeholder") as refusal:
        ServiceSettings()
    assert value not in str(refusal.value)
    monkeypatch.setenv("PLUMBLINE_ENVIRONMENT", "local")
    assert ServiceSettings().environment == "local"


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        (NoticeSettings, {"PLUMBLINE_SMTP_URL": "smtps://plumbline:changeme@mail.example:465"}),
        (NoticeSettings, {"PLUMBLINE_SMS_TOKEN": "secret"}),
        (NoticeSettings, {"PLUMBLINE_WEBHOOK_SECRET": "change-me", "PLUMBLINE_WEBHOOK_URL": "https://system.example"}),
        (AttachmentSettings, {"PLUMBLINE_ATTACHMENTS_SECRET_KEY": "minioadmin"}),
        (ConsoleSettings, PLACES | ADDRESSES | {"PLUMBLINE_CONSOLE_SESSION_KEYS": "A" * 43 + "="}),
        (ConsoleSettings, PLACES | ADDRESSES | {"PLUMBLINE_CONSOLE_CLIENT_SECRET": "placeholder"}),
        (MigrationSettings, SECRETS | {"PLUMBLINE_ADMIN_DATABASE_URL": "postgresql://postgres:postgres@db/plumbline"}),
    ],
)
def test_so_does_whatever_else_has_a_secret(
    monkeypatch: pytest.MonkeyPatch, settings: type[Environment], environment: dict[str, str]
) -> None:
    given(monkeypatch, environment)
    with pytest.raises(ValidationError, match="holds a placeholder") as refusal:
        settings()
    assert "PLUMBLINE_" in str(refusal.value)
    assert not any(secret in str(refusal.value) for secret in ("changeme", "change-me", "minioadmin", "AAAA"))
    monkeypatch.setenv("PLUMBLINE_ENVIRONMENT", "local")
    assert settings().environment == "local"


def test_no_setting_with_a_secret_is_left_out() -> None:
    """Whatever class of settings has a secret is refused one that everybody knows."""
    left = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for folder in ("services", "workflows")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and "SecretStr" in ast.unparse(node)
        and "BaseSettings" in map(ast.unparse, node.bases)
    ]
    assert left == []
    for settings in (
        ServiceSettings,
        MigrationSettings,
        WorkflowSettings,
        ConsoleSettings,
        NoticeSettings,
        WebhookSettings,
    ):
        assert issubclass(settings, Environment)


@pytest.mark.parametrize("name", ["PLUMBLINE_OIDC_ISSUER", "PLUMBLINE_OIDC_JWKS_URL"])
def test_production_takes_tokens_and_their_keys_over_tls_only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given(monkeypatch, NEEDED | {name: "http://id.example/jwks.json"})
    with pytest.raises(ValidationError, match=f"{name} must begin with https://"):
        ServiceSettings()


SASL = {
    "PLUMBLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "PLUMBLINE_KAFKA_USERNAME": "intake",
    "PLUMBLINE_KAFKA_PASSWORD": "hunter5",
}


def test_the_broker_is_signed_in_to_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, NEEDED)
    assert ServiceSettings().kafka_options == {}
    given(monkeypatch, SASL | {"PLUMBLINE_KAFKA_CA_FILE": "/etc/kafka/ca.pem"})
    settings = ServiceSettings()
    assert settings.kafka_options == {
        "security_protocol": "SASL_SSL", "ssl_check_hostname": True, "ssl_cafile": "/etc/kafka/ca.pem",
        "ssl_certfile": None, "ssl_keyfile": None, "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "intake",
        "sasl_plain_password": "hunter5",
    }  # fmt: skip
    assert "hunter5" not in repr(settings)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PLUMBLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "kafka_security_protocol"),
        ({"PLUMBLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "PLUMBLINE_KAFKA_USERNAME"),
        (SASL | {"PLUMBLINE_KAFKA_SECURITY_PROTOCOL": "SSL"}, "PLUMBLINE_KAFKA_SECURITY_PROTOCOL=SASL_SSL"),
        ({"PLUMBLINE_KAFKA_USERNAME": "intake"}, "PLUMBLINE_KAFKA_PASSWORD is missing"),
        ({"PLUMBLINE_KAFKA_CA_FILE": "/ca.pem"}, "PLUMBLINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        (
            {"PLUMBLINE_KAFKA_SECURITY_PROTOCOL": "SSL", "PLUMBLINE_KAFKA_CERTIFICATE_FILE": "/crt.pem"},
            "PLUMBLINE_KAFKA_KEY_FILE is missing",
        ),
        ({"PLUMBLINE_TEMPORAL_API_KEY": "hunter6"}, "PLUMBLINE_TEMPORAL_TLS is not set"),
        ({"PLUMBLINE_TEMPORAL_TLS": "true", "PLUMBLINE_TEMPORAL_KEY_FILE": "/key.pem"}, "PLUMBLINE_TEMPORAL_CERT"),
    ],
)
def test_half_of_a_secure_connection_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    given(monkeypatch, NEEDED | environment)
    with pytest.raises(ValidationError, match=said) as refusal:
        ServiceSettings()
    assert "hunter" not in str(refusal.value)
