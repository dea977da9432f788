"""Keycloak itself, started as `compose.keycloak.yaml` says on the realm that it imports; its distribution is fetched by Maven.

Where Java 17, Maven or the distribution cannot be had, these tests are skipped and say so.
"""

import html
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.fernet import Fernet
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from deploy.compose import make_secrets
from services.console import app as console_app
from services.console.__main__ import ROUTERS
from services.console.settings import ConsoleSettings
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.settings import AuthSettings
from tests.broker.apache.conftest import _free_port as free_port
from tests.conftest import SERVICES
from tests.integration.test_console_pages import Page

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose"
POM = ROOT / "deploy" / "keycloak" / "pom.xml"
CONSOLE = "http://127.0.0.1:8000"
PASSWORD = "a plumb line is straight"
PATIENCE = 600
"""Seconds for a start: on one slow core it builds itself for a minute and makes its tables for another."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes them all, so that Keycloak is started once."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("keycloak"))


@pytest.fixture(scope="session")
def distribution(run_folder: Path) -> Path:
    """Keycloak as it is unpacked, with the realm where Compose mounts it."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"NOT RUN ON KEYCLOAK: there is no {program} here")
    folder = run_folder / "keycloak"
    found = subprocess.run(
        ["mvn", "--quiet", "--batch-mode", "--file", POM, "dependency:copy-dependencies", f"-DoutputDirectory={folder}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    if found.returncode != 0:
        pytest.skip("NOT RUN ON KEYCLOAK: Maven could not fetch it")
    (archive,) = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()
    (unpacked,) = folder.iterdir()
    (unpacked / "data" / "import").mkdir(parents=True)
    shutil.copy(COMPOSE / "realm.json", unpacked / "data" / "import")
    return unpacked


class Keycloak:
    """A running Keycloak and its administrator."""

    def __init__(self, url: str, password: str) -> None:
        self.url, self._password = url, password
        self.realm = f"{url}/realms/plumbline"

    def settings(self) -> AuthSettings:
        """What Compose has the services know of it, at the address it has here."""
        given = yaml.safe_load((COMPOSE / "compose.keycloak.yaml").read_text())["x-issuer"]
        named = "http://keycloak.localhost:8080"
        issuer, keys = given["PLUMBLINE_OIDC_ISSUER"], given["PLUMBLINE_OIDC_JWKS_URL"]
        return AuthSettings(oidc_issuer=issuer.replace(named, self.url), oidc_jwks_url=keys.replace(named, self.url))

    def administer(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """One request to the API of the realm's administrator, who signs in anew: their token lives a minute."""
        signed_in = httpx.post(
            f"{self.url}/realms/master/protocol/openid-connect/token",
            data={"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self._password},
            timeout=60,
        )
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        address = f"{self.url}/admin/realms/plumbline{path}"
        return httpx.request(method, address, json=body, params=query, headers=headers, timeout=60)

    def hire(self, **attributes: list[str]) -> "Person":
        """Make somebody with these attributes, as docs/deployment.md says. Their id is the `sub` of their tokens."""
        name = f"ruth-{uuid.uuid4().hex[:8]}"
        made = self.administer(
            "POST", "/users",
            {
                "username": name, "firstName": "Ruth", "lastName": "Okafor", "enabled": True, "attributes": attributes,
                "credentials": [{"type": "password", "value": PASSWORD}],
            },
        )  # fmt: skip
        assert made.status_code == 201, made.text
        return Person(self, made.headers["location"].rsplit("/", 1)[1], name)


class Person:
    """Somebody in Keycloak, as its administrator sees them."""

    def __init__(self, keycloak: Keycloak, person_id: str, name: str) -> None:
        self._keycloak, self.id, self.name = keycloak, person_id, name
        self.shown = "Ruth Okafor"

    def sessions(self) -> int:
        """How many sessions they have, offline ones included."""
        (client,) = self._keycloak.administer("GET", "/clients", clientId="plumbline-console").json()
        online = self._keycloak.administer("GET", f"/users/{self.id}/sessions").json()
        offline = self._keycloak.administer("GET", f"/users/{self.id}/offline-sessions/{client['id']}").json()
        return len(online) + len(offline)

    def change(self, **changed: Any) -> httpx.Response:
        """Change what Keycloak knows of them."""
        now = self._keycloak.administer("GET", f"/users/{self.id}").json()
        return self._keycloak.administer("PUT", f"/users/{self.id}", {**now, **changed})


@pytest.fixture(scope="session")
def keycloak(distribution: Path) -> Iterator[Keycloak]:
    """Keycloak with the command and the environment of Compose, on free ports of this machine."""
    service = yaml.safe_load((COMPOSE / "compose.keycloak.yaml").read_text())["services"]["keycloak"]
    port, management = free_port(), free_port()
    password = make_secrets.variables()["KEYCLOAK_PASSWORD"]
    url = f"http://127.0.0.1:{port}"
    given = {
        name: re.sub(r"\$\{KEYCLOAK_PASSWORD:[^}]*\}", password, value)
        for name, value in service["environment"].items()
    }
    given |= {
        "KC_HOSTNAME": url,
        "KC_HTTP_HOST": "127.0.0.1",
        "KC_HTTP_PORT": str(port),
        "KC_HTTP_MANAGEMENT_PORT": str(management),
        "JAVA_OPTS_KC_HEAP": "-Xmx512m",
    }
    with (distribution / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", distribution / "bin" / "kc.sh", *service["command"]], env={**os.environ, **given},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    check = service["healthcheck"]["test"][1].replace("/9000", f"/{management}")
    try:
        until = time.monotonic() + PATIENCE
        # By the check that Compose would run in its shell, bash.
        while subprocess.run(["bash", "-c", check], capture_output=True, timeout=60).returncode != 0:
            assert process.poll() is None, (distribution / "log").read_text()[-2000:]
            assert time.monotonic() < until, (distribution / "log").read_text()[-2000:]
            time.sleep(1)
        yield Keycloak(url, password)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Browser:
    """Follows a person from the console to Keycloak and back. Like a browser it trusts this machine with secure cookies."""

    def __init__(self, console: TestClient) -> None:
        self.console = console
        self.keycloak = httpx.Client(timeout=60, event_hooks={"request": [self._send_cookies]})

    def _send_cookies(self, request: httpx.Request) -> None:
        kept = "; ".join(f"{one.name}={one.value}" for one in self.keycloak.cookies.jar)
        if kept:
            request.headers["cookie"] = kept

    def begin(self) -> httpx.Response:
        """Click on the console's `Sign in`: Keycloak's form, or the way back where it asks nobody."""
        sent = self.console.get("/sign-in", follow_redirects=False)
        assert sent.status_code == 303, sent.text
        return self.keycloak.get(sent.headers["location"])

    def answer(self, form: httpx.Response, name: str, password: str) -> httpx.Response:
        """Fill in Keycloak's form."""
        found = re.search(r'<form[^>]*id="kc-form-login"[^>]*action="([^"]+)"', form.text)
        assert found, form.text
        return self.keycloak.post(html.unescape(found[1]), data={"username": name, "password": password})

    def arrive(self, sent_back: httpx.Response) -> Page:
        """Come back to the console."""
        assert sent_back.status_code == 302, re.sub(r"<[^>]+>", " ", sent_back.text)[-400:]
        assert sent_back.headers["location"].startswith(f"{CONSOLE}/signed-in?")
        return Page(self.console).open(sent_back.headers["location"].removeprefix(CONSOLE))

    def sign_in(self, person: Person) -> Page:
        """The whole way. Where the console waits for Keycloak in vain, ten seconds at most, one starts again as its page says."""
        for _ in range(3):
            asked = self.begin()
            known = asked.status_code == 302
            page = self.arrive(asked if known else self.answer(asked, person.name, PASSWORD))
            if page.status != 400:
                break
        page.says(person.shown)
        return page


@pytest.fixture
def services(keycloak: Keycloak, service_engine: Callable[[str], Engine]) -> Iterator[dict[str, TestClient]]:
    """The five services on the real database, each with an authenticator that knows nothing yet."""
    opened: dict[str, TestClient] = {}
    for name in SERVICES:
        service = import_module(f"services.{name}.__main__").SERVICE
        app = build_app(
            service=name, title=service.title, description=service.description, routers=service.routers,
            engine=service_engine(name), clock=Clock(), authenticator=Authenticator(keycloak.settings()),
            body_limits=service.body_limits,
        )  # fmt: skip
        opened[name] = TestClient(app, raise_server_exceptions=False)
        opened[name].__enter__()
    yield opened
    for http in opened.values():
        http.__exit__(None, None, None)


class _Through:
    """Stands where the console has its HTTP client: the same requests go to the services in this process."""

    def __init__(self, services: dict[str, TestClient]) -> None:
        self._services = services

    def request(self, method: str, url: str, **how: Any) -> httpx.Response:
        name, _, path = url.removeprefix("http://").partition("/")
        return self._services[name].request(method, f"/{path}", **how)  # type: ignore[return-value]


@pytest.fixture
def browser(keycloak: Keycloak, services: dict[str, TestClient]) -> Callable[[], Browser]:
    """`browser()` is a device on which nobody has signed in, before the console with the settings of Compose."""
    console = yaml.safe_load((COMPOSE / "compose.keycloak.yaml").read_text())["services"]["console"]["environment"]
    known = keycloak.settings()
    settings = ConsoleSettings(
        **{f"{name}_url": f"http://{name}" for name in SERVICES},  # type: ignore[arg-type]
        oidc_issuer=known.oidc_issuer, oidc_jwks_url=known.oidc_jwks_url, environment="local",
        console_scopes=console["PLUMBLINE_CONSOLE_SCOPES"],
        console_public_url=CONSOLE, console_session_keys=Fernet.generate_key().decode(),
    )  # fmt: skip
    app = console_app.build_app(settings, ROUTERS)
    app.state.http = _Through(services)
    return lambda: Browser(TestClient(app, base_url=CONSOLE))
