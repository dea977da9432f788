"""The issuer of the one-machine stack: codes with PKCE, tokens that are renewed until the session is ended."""

import hashlib
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from deploy.local.issuer import create_app
from deploy.local.state import Home
from deploy.local.tokens import Signer, create_key

BACK = "http://127.0.0.1:1/signed-in"
VERIFIER = "v" * 43


@pytest.fixture
def issuer(tmp_path: Path) -> TestClient:
    home = Home(tmp_path / "home")
    home.create()
    create_key(home)
    address = "http://127.0.0.1:2"
    return TestClient(create_app(home, address, f"{address}/speak-up"), base_url=address)


def refresh_token(issuer: TestClient) -> str:
    """Somebody signs in."""
    challenge = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {"redirect_uri": BACK, "code_challenge": challenge, "persona": "carer"}
    led = issuer.post("/authorize", data=asked, follow_redirects=False)
    code = parse_qs(urlsplit(led.headers["Location"]).query)["code"][0]
    given = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": BACK}
    token: str = issuer.post("/oauth/token", data=given).raise_for_status().json()["refresh_token"]
    return token


def renewed(issuer: TestClient, token: str) -> str | None:
    answer = issuer.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token})
    return answer.json()["refresh_token"] if answer.status_code == 200 else None


def test_a_session_that_was_ended_is_renewed_by_none_of_its_tokens_and_others_are(issuer: TestClient) -> None:
    first, other = refresh_token(issuer), refresh_token(issuer)
    second = renewed(issuer, first)
    assert second is not None
    where = urlsplit(issuer.get("/.well-known/openid-configuration").json()["revocation_endpoint"]).path
    assert issuer.post(where, data={"token": second}).status_code == 200
    assert [renewed(issuer, token) for token in (first, second)] == [None, None]
    assert renewed(issuer, other) is not None


def test_what_is_no_token_ends_nothing(issuer: TestClient) -> None:
    token = refresh_token(issuer)
    assert issuer.post("/oauth/revoke", data={"token": "nothing"}).status_code == 200
    assert renewed(issuer, token) is not None


def test_a_token_of_the_release_before_which_names_no_session_is_refused(issuer: TestClient, tmp_path: Path) -> None:
    signer = Signer(Home(tmp_path / "home"), "http://127.0.0.1:2")
    old = signer.token({"persona": "carer", "aud": "refresh", "exp": int(time.time()) + 60})
    answer = issuer.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": old})
    assert (answer.status_code, answer.json()["detail"]) == (400, "invalid_grant")
