"""Signing in with Keycloak itself, on the realm of Compose: who gets in, what tokens say, how it ends, keys that are replaced."""

import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect, sync_playwright
from starlette.responses import Response

from services.console.session import ABSOLUTE_SECONDS, Session
from services.runtime import auth
from tests.deployment.keycloak.conftest import CONSOLE, PASSWORD, Browser, Keycloak, Person
from tests.e2e.browser.conftest import CHROMIUM
from tests.integration.test_imports import serving

pytestmark = pytest.mark.deep


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    """A place of the provider that intake knows."""
    return place("intake")


@pytest.fixture
def manager(keycloak: Keycloak, provider_id: uuid.UUID, home: uuid.UUID) -> Person:
    return keycloak.hire(provider_id=[str(provider_id)], roles=["registered_manager"], locations=[str(home)])


@pytest.fixture
def carer(keycloak: Keycloak, provider_id: uuid.UUID, home: uuid.UUID) -> Person:
    return keycloak.hire(provider_id=[str(provider_id)], roles=["carer"], locations=[str(home)])


def session_of(device: Browser) -> Session:
    found: Session | None = device.console.app.state.cookies.open(device.console.cookies)  # type: ignore[attr-defined]
    assert found is not None
    return found


def tokens_end(device: Browser) -> None:
    """As if the access token of this device were over."""
    cookies = device.console.app.state.cookies  # type: ignore[attr-defined]
    kept = Response()
    cookies.keep(kept, replace(session_of(device), expires_at=time.time()), None)
    for name, value in kept.raw_headers:
        if name == b"set-cookie" and b"Max-Age=0" not in value:
            device.console.cookies.set(*value.decode().split(";")[0].split("=", 1), domain="127.0.0.1", path="/")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}


def report(intake: TestClient, token: str, location: uuid.UUID) -> Any:
    body = {
        "location_id": str(location), "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "category": "fall",
        "immediate_danger": False, "narrative": "Found on the floor.", "not_about_staff": False,
    }  # fmt: skip
    return intake.post("/incidents", json=body, headers=bearer(token))


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_keycloak_is_the_issuer_that_the_settings_name(keycloak: Keycloak) -> None:
    known = keycloak.settings()
    said = httpx.get(f"{known.oidc_issuer}/.well-known/openid-configuration", timeout=60).json()
    assert (said["issuer"], said["jwks_uri"]) == (known.oidc_issuer, known.oidc_jwks_url)
    keys = httpx.get(known.oidc_jwks_url, timeout=60).json()["keys"]
    assert "RS256" in {key["alg"] for key in keys if key["use"] == "sig"}
    assert {"authorization_endpoint", "token_endpoint", "revocation_endpoint"} <= said.keys()


def test_a_code_goes_to_the_console_only_and_only_with_pkce(keycloak: Keycloak) -> None:
    asked = {
        "client_id": "plumbline-console", "response_type": "code", "scope": "openid", "state": "s",
        "redirect_uri": f"{CONSOLE}/signed-in", "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip

    def answer(**changed: str | None) -> httpx.Response:
        given = {name: value for name, value in {**asked, **changed}.items() if value is not None}
        return httpx.get(f"{keycloak.realm}/protocol/openid-connect/auth", params=given, timeout=60)

    assert answer().status_code == 200
    assert answer(redirect_uri="http://127.0.0.1:9999/signed-in").status_code == 400
    for changed in ({"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}):
        refused = answer(**changed)
        assert refused.status_code == 302
        assert "error=invalid_request" in refused.headers["location"]
    lasting = answer(scope="openid offline_access")
    assert "error=invalid_scope" in lasting.headers["location"], "no session that outlives the sign-out"


def test_a_person_signs_in_sees_their_work_and_signs_out_at_keycloak_too(
    browser: Callable[[], Browser], services: dict[str, TestClient], manager: Person, carer: Person, home: uuid.UUID
) -> None:
    phone, device = browser(), browser()
    phone.sign_in(carer).says("Ruth Okafor")
    reported = report(services["intake"], session_of(phone).access_token, home)
    assert reported.status_code == 201, reported.text

    page = device.sign_in(manager)
    assert (page.status, page.path) == (200, "/")
    page.says("Ruth Okafor", f"/incidents/{reported.json()['incident_id']}")
    assert manager.sessions() == 1

    before = session_of(device)
    tokens_end(device)
    assert page.open("/").status == 200
    assert session_of(device).access_token != before.access_token, "renewed without asking"

    page.forms["/sign-out"]["form_token"] = "of another session"
    assert page.send("/sign-out").status == 403
    assert page.open("/").status == 200, "still signed in, and was told so"
    page.send("/sign-out").says("You are signed out")
    assert "may still know this device" not in page.html
    assert device.console.get("/", follow_redirects=False).status_code == 303
    assert manager.sessions() == 0
    assert "kc-form-login" in device.begin().text, "whoever holds the device next is asked who they are"
    assert carer.sessions() == 1


def test_in_a_real_browser_the_next_person_on_a_device_is_asked_who_they_are(
    browser: Callable[[], Browser], manager: Person
) -> None:
    if CHROMIUM is None:
        pytest.skip("NO BROWSER TESTS: install Debian's chromium, or set PLUMBLINE_CHROMIUM")
    # Where Compose has the console: Keycloak sends people back to nowhere else.
    port = int(CONSOLE.rpartition(":")[2])
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"NOT TRIED IN A BROWSER: something else listens on port {port}")
    with serving(browser().console.app, port), sync_playwright() as playwright:  # type: ignore[arg-type]
        page = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        page.goto(CONSOLE)
        page.locator("#username").fill(manager.name)
        page.locator("#password").fill(PASSWORD)
        page.locator("#kc-login").click()
        expect(page.locator(".pl-header__person")).to_have_text("Ruth Okafor", timeout=60_000)
        assert page.url == f"{CONSOLE}/"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="You are signed out")).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Sign in again").click()
        expect(page.locator("#kc-login")).to_be_visible(timeout=60_000)


def test_tokens_say_who_in_which_roles_and_where_and_no_name(
    browser: Callable[[], Browser], keycloak: Keycloak, provider_id: uuid.UUID, manager: Person, home: uuid.UUID
) -> None:
    region = uuid.uuid4()
    lead = keycloak.hire(provider_id=[str(provider_id)], roles=["quality_lead", "director"], scope_all=["true"])
    regional = keycloak.hire(provider_id=[str(provider_id)], roles=["regional_manager"], regions=[str(region)])
    at, lasts = auth.Authenticator(keycloak.settings()), []
    for person in (manager, lead, regional):
        device = browser()
        device.sign_in(person)
        token = session_of(device).access_token
        actor, said = at.authenticate(token), claims(token)
        assert (str(actor.id), actor.provider_id) == (person.id, provider_id)
        assert actor.all_locations is (person is lead)
        assert actor.locations == ({home} if person is manager else set())
        assert actor.regions == ({region} if person is regional else set())
        assert said["aud"] == "plumbline"
        assert not {"name", "given_name", "family_name", "preferred_username", "email", "realm_access"} & said.keys()
        assert "Ruth" not in str(said)
        lasts.append(said["exp"] - said["iat"])
    assert actor.roles == {"regional_manager"}
    assert max(lasts) <= auth.MAX_LIFETIME_SECONDS


def test_services_allow_and_refuse_by_role_and_place(
    browser: Callable[[], Browser], services: dict[str, TestClient], manager: Person, carer: Person, home: uuid.UUID,
    place: Callable[..., uuid.UUID],
) -> None:  # fmt: skip
    tokens = {}
    for person in (manager, carer):
        device = browser()
        device.sign_in(person)
        tokens[person.id] = session_of(device).access_token
    directory, intake = services["directory"], services["intake"]
    assert directory.get("/people", headers=bearer(tokens[manager.id])).status_code == 200
    assert directory.get("/people", headers=bearer(tokens[carer.id])).status_code == 403
    assert report(intake, tokens[carer.id], home).status_code == 201
    elsewhere = place("intake")
    assert report(intake, tokens[carer.id], elsewhere).status_code == 403


def test_tokens_that_are_not_for_us_are_refused(
    browser: Callable[[], Browser], services: dict[str, TestClient], keycloak: Keycloak, manager: Person
) -> None:
    other = {"clientId": "other", "publicClient": True, "directAccessGrantsEnabled": True}
    assert keycloak.administer("POST", "/clients", other).status_code == 201
    asked = {"grant_type": "password", "username": manager.name, "password": PASSWORD, "scope": "openid"}
    of_others = [
        httpx.post(
            f"{keycloak.realm}/protocol/openid-connect/token", data={**asked, "client_id": client}, timeout=60
        ).json()
        for client in ("other", "admin-cli")
    ]
    device = browser()
    device.sign_in(manager)
    ours = session_of(device)
    assert services["intake"].get("/incidents", headers=bearer(ours.access_token)).status_code == 200
    refused = [*(found[kind] for found in of_others for kind in ("access_token", "id_token")), str(ours.refresh_token)]
    for token in refused:
        for service in ("directory", "intake"):
            answer = services[service].get("/people" if service == "directory" else "/incidents", headers=bearer(token))
            assert answer.status_code == 401, claims(token)

    # Nobody gives themselves another role: not by the console's token, nor by one that may change an account.
    account, changed = f"{keycloak.realm}/account", {"roles": ["director"], "scope_all": ["true"]}
    asking = {"Accept": "application/json"}
    assert httpx.get(account, headers={**bearer(ours.access_token), **asking}, timeout=60).status_code in (401, 403)
    theirs = {**bearer(of_others[0]["access_token"]), **asking}
    assert httpx.get(account, headers=theirs, timeout=60).json()["username"] == manager.name
    profile = {"username": manager.name, "firstName": "Ruth", "lastName": "Okafor"}
    assert httpx.post(account, json=profile, headers=theirs, timeout=60).status_code == 204
    httpx.post(account, json={**profile, "attributes": changed}, headers=theirs, timeout=60)
    kept = keycloak.administer("GET", f"/users/{manager.id}").json()["attributes"]
    assert (kept["roles"], kept.get("scope_all")) == (["registered_manager"], None)


def test_who_is_disabled_in_keycloak_is_out_when_their_token_ends(
    browser: Callable[[], Browser], manager: Person
) -> None:
    device = browser()
    page = device.sign_in(manager)
    assert claims(session_of(device).access_token)["exp"] - time.time() <= 900
    assert manager.change(enabled=False).status_code == 204
    assert page.open("/").status == 200, "within the life of the token"
    tokens_end(device)
    answer = device.console.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?to=%2F")
    refused = device.answer(device.begin(), manager.name, PASSWORD)
    assert (refused.status_code, "kc-form-login" in refused.text) == (200, True), "Keycloak shows its form again"


def test_wrong_passwords_are_counted_and_short_ones_refused(
    browser: Callable[[], Browser], keycloak: Keycloak, manager: Person, carer: Person
) -> None:
    device = browser()
    form = device.begin()
    for _ in range(10):
        form = device.answer(form, manager.name, "a guess")
        assert form.status_code == 200
    assert device.answer(form, manager.name, PASSWORD).status_code == 200, "also the right one, for a while"
    assert browser().sign_in(carer).status == 200
    for weak in ("eleven char", manager.name):
        reset = {"type": "password", "value": weak, "temporary": False}
        assert keycloak.administer("PUT", f"/users/{manager.id}/reset-password", reset).status_code == 400


def test_a_session_of_keycloak_lasts_as_long_as_one_of_the_console(
    browser: Callable[[], Browser], manager: Person
) -> None:
    device = browser()
    device.sign_in(manager)
    found = session_of(device)
    token, renewal = claims(found.access_token), claims(str(found.refresh_token))
    life = token["exp"] - token["iat"]
    settings = device.console.app.state.sign_in._settings  # type: ignore[attr-defined]
    assert renewal["exp"] - renewal["iat"] == settings.console_idle_minutes * 60 + life
    assert renewal["exp"] - renewal["iat"] < ABSOLUTE_SECONDS


def test_a_new_key_is_taken_within_seconds_and_the_old_until_it_is_withdrawn(
    browser: Callable[[], Browser], services: dict[str, TestClient], keycloak: Keycloak, manager: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    device = browser()
    page = device.sign_in(manager)
    old = session_of(device).access_token
    realm = keycloak.administer("GET", "").json()["id"]

    def asked(token: str) -> int:
        status: int = services["intake"].get("/incidents", headers=bearer(token)).status_code
        return status

    assert asked(old) == 200
    before = keycloak.administer("GET", "/keys").json()
    (active,) = [key for key in before["keys"] if key["kid"] == before["active"]["RS256"]]
    new = {
        "name": "rsa-next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider", "parentId": realm,
        "config": {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]},
    }  # fmt: skip
    assert keycloak.administer("POST", "/components", new).status_code == 201
    tokens_end(device)
    since = time.monotonic()
    while page.open("/").path != "/" or session_of(device).access_token == old:
        assert time.monotonic() - since < 30, "the console renews, and takes the new key"
    fresh = session_of(device).access_token
    assert jwt.get_unverified_header(fresh)["kid"] != jwt.get_unverified_header(old)["kid"]
    since = time.monotonic()
    while asked(fresh) != 200:
        assert time.monotonic() - since <= auth._KEYS_COOL_SECONDS + 1, "as the code promises"
        time.sleep(0.2)
    assert asked(old) == 200

    assert keycloak.administer("DELETE", f"/components/{active['providerId']}").status_code == 204
    # As if the five minutes had passed for which keys and checked tokens are kept.
    monkeypatch.setattr(auth, "KEYS_FRESH_SECONDS", 0.1)
    again = auth.Authenticator(keycloak.settings())
    services["intake"].app.state.authenticator = again  # type: ignore[attr-defined]
    assert asked(old) == 401
    assert asked(fresh) == 200
    assert page.open("/").status == 200
