"""Prometheus beside the one-machine stack, where it is installed (Debian's `prometheus`): the same rules as in production."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.local.state import PROJECT, Home, StackError

OBSERVABILITY = PROJECT / "deploy" / "observability"


def command(home: Home, port: int) -> tuple[str, ...]:
    """How to run it, for this machine only. Raises `StackError` when it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        raise StackError(
            "Prometheus is not installed: install Debian's package 'prometheus', or leave out --prometheus"
        )
    return (
        program,
        f"--config.file={_folder(home) / 'prometheus.yml'}",
        f"--storage.tsdb.path={_folder(home) / 'data'}",
        "--storage.tsdb.retention.size=1GB",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )


def configure(home: Home, processes: Sequence[str], sdk: Sequence[str]) -> str:
    """Write what is scraped: the shipped configuration, with the addresses of this stack. Answers no note."""
    _folder(home).mkdir(parents=True, exist_ok=True)
    path = _folder(home) / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration({"plumbline": processes, "temporal-sdk": sdk}), sort_keys=False))
    return ""


def configuration(targets: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The shipped configuration for other targets, by job; rules by their full path, because it lies elsewhere."""
    shipped: dict[str, Any] = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    shipped["rule_files"] = [str(OBSERVABILITY / name) for name in shipped["rule_files"]]
    shipped.pop("alerting", None)
    shipped["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": list(targets[job["job_name"]])}]}
        for job in shipped["scrape_configs"]
        if job["job_name"] in targets
    ]
    return shipped


def _folder(home: Home) -> Path:
    return home.path / "prometheus"
