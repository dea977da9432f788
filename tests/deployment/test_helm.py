"""The chart, rendered: objects that Kubernetes takes, every role with what it needs, nothing that it does not."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deployment import roles

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "plumbline"
VALUES = Path(__file__).parent / "values.yaml"
HELM = which("helm", path=str(ROOT / ".tools" / "bin")) or which("helm")
KUBERNETES = "1.33.0"
OTHERS = {"ScaledObject", "PodMonitor", "PrometheusRule", "ExternalSecret"}
"""Kinds of operators; their schemas are not Kubernetes' own."""

pytestmark = pytest.mark.skipif(HELM is None, reason="helm is missing: run `make helm` (needs Go)")


def helm(*words: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    more = [] if values is None else ["-f", "-"]
    return subprocess.run(
        [HELM, *words, "-f", str(VALUES), *more], input=yaml.safe_dump(values or {}), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip


def rendered(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    done = helm("template", "care", str(CHART), "--namespace", "care", "--kube-version", KUBERNETES, values=values)
    assert done.returncode == 0, done.stderr
    return [made for made in yaml.safe_load_all(done.stdout) if made]


@cache
def chart() -> tuple[dict[str, Any], ...]:
    return tuple(rendered())


def of(kind: str, objects: Any = None) -> dict[str, dict[str, Any]]:
    return {made["metadata"]["name"]: made for made in objects or chart() if made["kind"] == kind}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for made in chart():
        if made["kind"] in ("Deployment", "Job"):
            yield made["metadata"]["name"], made["spec"]["template"]["spec"]


def test_helm_finds_nothing_to_say() -> None:
    done = helm("lint", str(CHART), "--strict", "--kube-version", KUBERNETES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_takes_each_object() -> None:
    kinds = {made["kind"] for made in chart()}
    assert {"Deployment", "Job", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"} <= kinds
    assert kinds >= OTHERS
    for made in chart():
        if made["kind"] not in OTHERS:
            kubernetes_validate.validate(made, KUBERNETES, strict=True)
    names = [(made["kind"], made["metadata"]["name"]) for made in chart()]
    assert len(names) == len(set(names))


def test_every_role_runs_once_with_settings_that_it_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    check = roles.accepted(monkeypatch)
    secrets = {
        "plumbline-shared": {
            "PLUMBLINE_TEMPORAL_CODEC_KEYS": "k1:cGx1bWJsaW5lLXBsdW1ibGluZS1wbHVtYmxpbmUtMDE=",
            "PLUMBLINE_KAFKA_PASSWORD": "b1rch-l4rch",
        },
        "plumbline-console": {"PLUMBLINE_CONSOLE_SESSION_KEYS": "cGx1bWJsaW5lLXBsdW1ibGluZS1wbHVtYmxpbmUtMDE="},
        "plumbline-admin": {"PLUMBLINE_ADMIN_DATABASE_URL": "postgresql://owner:0ak-4sh@db/plumbline"},
        **{
            f"plumbline-{name}": {
                "PLUMBLINE_DATABASE_URL": f"postgresql://plumbline_{name}:4lder@db/plumbline",
                "PLUMBLINE_SYSTEM_DATABASE_URL": f"postgresql://plumbline_{name}_system:4sp3n@db/plumbline",
            }
            for name in roles.SERVICES
        },
    }
    assert {made["spec"]["target"]["name"] for made in of("ExternalSecret").values()} == set(secrets)
    configs = {name: made["data"] for name, made in of("ConfigMap").items()}
    played = []
    for _, pod in pods():
        (container,) = pod["containers"]
        environment: dict[str, str] = {}
        for source in container["envFrom"]:
            kind, named = next(iter(source.items()))
            environment |= (configs if kind == "configMapRef" else secrets)[named["name"]]
        environment |= {item["name"]: item["value"] for item in container.get("env", [])}
        command = container["args"]
        # The console is given no secret of the broker, and so does not read how it is signed in to.
        check(command, environment)
        assert roles.has_work(command), command
        played.append(tuple(command))
    assert len(played) == len(set(played))
    expected = {(f"services.{name}", role) for name in roles.SERVICES for role in ("api", "relay", "worker", "migrate")}
    expected |= {(f"services.{name}", "consumer") for name in roles.SERVICES if name != "directory"}
    expected |= {
        ("workflows", "router"),
        ("workflows", "worker"),
        ("workflows", "promote"),
        ("services.console", "api"),
    }
    assert set(played) == expected


def test_only_migrations_are_the_owner_of_the_database() -> None:
    for name, pod in pods():
        read = {source.get("secretRef", {}).get("name") for source in pod["containers"][0]["envFrom"]}
        assert ("plumbline-admin" in read) == name.endswith("-migrate"), name


def test_schemas_come_before_what_needs_them_and_secrets_before_these() -> None:
    def weight(made: dict[str, Any]) -> int:
        notes = made["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
        return int(notes["helm.sh/hook-weight"])

    jobs = {name: made for name, made in of("Job").items() if name != "care-workflows-promote"}
    assert set(jobs) == {f"care-{name}-migrate" for name in roles.SERVICES}
    assert max(map(weight, of("ExternalSecret").values())) < min(map(weight, jobs.values()))


def test_a_release_becomes_current_after_its_workers_are_there_and_after_a_rollback() -> None:
    made = of("Job")["care-workflows-promote"]
    assert made["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    worker = of("Deployment")["care-workflows-worker"]["spec"]["template"]["spec"]["containers"][0]
    (promotion,) = made["spec"]["template"]["spec"]["containers"]
    assert promotion["image"] == worker["image"]
    assert promotion["envFrom"] == worker["envFrom"]


def test_no_process_may_more_than_it_needs() -> None:
    for name, pod in pods():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            may = container["securityContext"]
            assert (may["allowPrivilegeEscalation"], may["readOnlyRootFilesystem"]) == (False, True), name
            assert may["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"]["memory"], name
            assert container["image"].startswith("registry.example/plumbline@sha256:"), name
            assert not any("PASSWORD" in item["name"] or "KEY" in item["name"] for item in container.get("env", []))


def test_each_deployment_is_probed_may_be_disturbed_one_at_a_time_and_is_scaled() -> None:
    deployments, scaled = of("Deployment"), {**of("HorizontalPodAutoscaler"), **of("ScaledObject")}
    assert set(of("PodDisruptionBudget")) == set(deployments)
    for name, made in deployments.items():
        (container,) = made["spec"]["template"]["spec"]["containers"]
        probes = [container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        assert probes == ["/livez", "/readyz", "/livez"], name
        assert {port["name"] for port in container["ports"]} >= {"http"}
        # A number beside a scaler would set it back at each upgrade. One relay leads, another stands by.
        assert ("replicas" in made["spec"]) == (name not in scaled), name
    assert set(deployments) - set(scaled) == {f"care-{name}-relay" for name in roles.SERVICES}


def test_what_is_scaled_by_is_recorded_or_exported() -> None:
    text = (ROOT / "docs/metrics.md").read_text() + (ROOT / "deploy/observability/rules/operations.yml").read_text()
    for name, made in of("ScaledObject").items():
        for trigger in made["spec"]["triggers"]:
            asked = trigger["metadata"]["query"].partition("(")[2].partition("{")[0]
            assert asked in text, name


def test_services_find_one_another() -> None:
    data = of("ConfigMap")["care-settings"]["data"]
    for service in roles.SERVICES:
        assert data[f"PLUMBLINE_{service.upper()}_URL"] == f"http://care-{service}-api:8000"
        selector = of("Service")[f"care-{service}-api"]["spec"]["selector"]
        labels = of("Deployment")[f"care-{service}-api"]["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()


def test_nobody_is_reached_or_reaches_out_who_is_not_named() -> None:
    policies = of("NetworkPolicy")
    nothing = policies["care-nothing"]["spec"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in nothing
    assert "egress" not in nothing
    for made in of("Deployment").values():
        labels = made["spec"]["template"]["metadata"]["labels"]
        assert nothing["podSelector"]["matchLabels"].items() <= labels.items()
    people = policies["care-people"]["spec"]["podSelector"]["matchExpressions"]
    assert people == [{"key": "plumbline/kind", "operator": "In", "values": ["api", "console"]}]


def test_the_rules_and_dashboards_are_those_that_are_tested() -> None:
    groups = of("PrometheusRule")["care"]["spec"]["groups"]
    shipped = [
        group
        for path in sorted((ROOT / "deploy/observability/rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    assert groups == shipped
    kept = {path.name: path.read_text() for path in (ROOT / "deploy/observability/dashboards").glob("*.json")}
    assert of("ConfigMap")["care-dashboards"]["data"] == kept
    jobs = {end["port"]: end["relabelings"][0]["replacement"] for end in of("PodMonitor")["care"]["spec"]["podMetricsEndpoints"]}  # fmt: skip
    assert jobs == {"http": "plumbline", "sdk": "temporal-sdk"}


def _with(path: str, value: Any) -> dict[str, Any]:
    made: Any = value
    for name in reversed(path.split("/")):
        made = {name: made}
    return dict(made)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (_with("settings/PLUMBLINE_OIDC_ISSUER", "http://id.example"), "PLUMBLINE_OIDC_ISSUER"),
        (_with("settings/PLUMBLINE_DATABASE_URL", "postgresql://a:b@c/d"), "PLUMBLINE_DATABASE_URL"),
        (_with("settings/PLUMBLINE_ENVIRONMENT", "local"), "PLUMBLINE_ENVIRONMENT"),
        (_with("settings/PLUMBLINE_ATTACHMENTS_URL", "file:///tmp"), "PLUMBLINE_ATTACHMENTS_URL"),
        (_with("image/tag", "latest"), "/image/tag"),
        (_with("image/repository", ""), "/image/repository"),
        (_with("network/egress", []), "/network/egress"),
        (_with("autoscaling/prometheus", ""), "/autoscaling/prometheus"),
        (_with("secrets/external/store/name", ""), "/secrets/external/store/name"),
        (_with("kinds/api/replicas", 0), "/kinds/api/replicas"),
        (_with("unheard_of", True), "unheard_of"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(values: dict[str, Any], said: str) -> None:
    done = helm("template", "care", str(CHART), "--kube-version", KUBERNETES, values=values)
    assert done.returncode != 0
    assert said in done.stderr


def test_what_is_left_out_is_not_there() -> None:
    off = {
        "autoscaling": {"enabled": False},
        "network": {"enabled": False},
        "secrets": {"external": {"enabled": False}},
    }
    off["monitoring"] = {"enabled": False, "dashboards": False}
    kinds = {made["kind"] for made in rendered(off)}
    assert kinds == {"Deployment", "Job", "Service", "PodDisruptionBudget", "ConfigMap"}
