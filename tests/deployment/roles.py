"""What the files of deployment start, checked against what the code can play: roles, and settings that it accepts."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.console.settings import ConsoleSettings
from services.directory.notices.settings import NoticeSettings
from services.reporting.webhooks.settings import WebhookSettings
from services.runtime.attachments import AttachmentSettings
from services.runtime.process import ROLES
from services.runtime.settings import MigrationSettings, ServiceSettings
from workflows.__main__ import WorkflowSettings

SERVICES = ("directory", "intake", "review", "actions", "reporting")
_BESIDE = (NoticeSettings, WebhookSettings, AttachmentSettings)


def settings_of(command: list[str]) -> type[BaseSettings]:
    """What a role reads. Fails for a command that no process of ours knows."""
    module, role = command
    if module == "workflows":
        assert role in ("router", "worker", "all", "promote")
        return WorkflowSettings
    if module == "services.console":
        assert role in ("api", "all")
        return ConsoleSettings
    name = module.removeprefix("services.")
    assert name in SERVICES, module
    assert role in (*ROLES, "all", "migrate"), command
    return MigrationSettings if role == "migrate" else ServiceSettings


def has_work(command: list[str]) -> bool:
    """Whether a role of a service has something to do: a service without topics needs no consumer."""
    module, role = command
    if module.removeprefix("services.") not in SERVICES:
        return True
    service = import_module(f"{module}.__main__").SERVICE
    return bool(
        {
            "api": service.routers,
            "relay": service.topics,
            "consumer": service.consumes or service.consumes_urgent,
            "worker": service.activities,
            "all": True,
            "migrate": True,
        }[role]
    )


def accepted(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str], Mapping[str, Any]], BaseSettings]:
    """A check of one command and its environment: the settings are complete, accepted, and none is unknown."""

    def check(command: list[str], environment: Mapping[str, Any]) -> BaseSettings:
        known = {f"PLUMBLINE_{field}".upper() for kind in (ServiceSettings, WorkflowSettings, ConsoleSettings,
                 MigrationSettings, *_BESIDE) for field in kind.model_fields}  # fmt: skip
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                assert name in known, f"{command}: nobody reads {name}"
                patch.setenv(name, str(value))
            for kind in _BESIDE:
                kind()
            return settings_of(command)()

    return check
