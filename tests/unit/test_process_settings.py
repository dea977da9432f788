"""Settings from the environment: what is missing is named, what is secret is never shown, production runs in real time."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.settings import MigrationSettings, ProcessSettings, ServiceSettings
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
NEEDED = SECRETS | PLACES


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
