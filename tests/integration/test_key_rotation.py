"""Every key can be replaced: what the old one wrote is read after the new one writes, and not once the old one is gone."""

import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from sqlalchemy import Engine, text

from services.console.session import Cookies
from services.reporting.webhooks import sending
from services.reporting.webhooks.commands import BOTH_SECRETS
from services.reporting.webhooks.sealing import Seal
from services.reporting.webhooks.settings import WebhookSettings
from services.runtime import auth
from services.runtime.actor import Actor
from services.runtime.auth import Authenticator
from services.runtime.db import transaction
from services.runtime.errors import ServiceError
from services.runtime.settings import AuthSettings
from tests.integration.test_reporting import Book
from tests.integration.test_webhooks import Outside

OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("k1", "k2"))


class Keys:
    """An issuer whose published keys a test changes."""

    def __init__(self) -> None:
        self.pairs = {"k1": _pair(), "k2": _pair()}
        self.published: list[str] = ["k1"]

    def jwks(self) -> dict[str, Any]:
        def one(name: str) -> dict[str, Any]:
            key: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.pairs[name].public_key(), as_dict=True)
            return {**key, "kid": name, "use": "sig", "alg": "RS256"}

        return {"keys": [one(name) for name in self.published]}

    def token(self, name: str, actor: Actor) -> str:
        at = int(time.time())
        claims = {
            "iss": "https://id.example", "aud": "plumbline", "iat": at, "exp": at + 3600, "jti": str(uuid.uuid4()),
            "sub": str(actor.id), "provider_id": str(actor.provider_id), "roles": sorted(actor.roles), "scope_all": True,
        }  # fmt: skip
        return jwt.encode(claims, self.pairs[name], algorithm="RS256", headers={"kid": name})


def _pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Asked anew each time: as if five minutes had passed."""
    made = Keys()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: made.jwks())
    return made


def test_tokens_of_the_old_key_are_taken_until_it_is_withdrawn(
    keys: Keys, actor: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEYS_FRESH_SECONDS", 0.1)
    settings = AuthSettings(oidc_issuer="https://id.example", oidc_jwks_url="https://id.example/jwks.json")
    authenticator, carer = Authenticator(settings), actor("carer")
    old = keys.token("k1", carer)
    assert authenticator.authenticate(old).id == carer.id
    keys.published = ["k2", "k1"]
    time.sleep(0.2)
    assert authenticator.authenticate(keys.token("k2", carer)).id == carer.id
    assert authenticator.authenticate(old).id == carer.id
    keys.published = ["k2"]
    time.sleep(0.2)
    with pytest.raises(ServiceError) as refused:
        authenticator.authenticate(old)
    assert refused.value.status == 401
    assert authenticator.authenticate(keys.token("k2", carer)).id == carer.id


def test_sessions_and_keys_of_drafts_of_the_old_key_open_until_it_is_withdrawn() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()

    def cookies(*keys: str) -> Cookies:
        return Cookies(",".join(keys), idle_seconds=1800, secure=True)

    sealed = cookies(old).seal({"name": "Ruth Okafor"})
    both, only_new = cookies(new, old), cookies(new)
    assert both.unseal(sealed) == {"name": "Ruth Okafor"}
    assert only_new.unseal(sealed) is None
    assert only_new.unseal(both.seal({"name": "Ruth Okafor"})) == {"name": "Ruth Okafor"}, "the first key seals"
    before, during, after = (one.keys_for("drafts of somebody") for one in (cookies(old), both, only_new))
    assert during == [after[0], before[0]], "a report that was kept on a phone opens, and is kept under the new key"


def test_a_sealed_secret_opens_for_its_webhook_until_its_key_is_withdrawn() -> None:
    webhook, other = uuid.uuid4(), uuid.uuid4()
    kept = Seal(SecretStr(OLD)).close("s3cret", webhook)
    assert "s3cret" not in kept
    both, only_new = Seal(SecretStr(f"{NEW},{OLD}")), Seal(SecretStr(NEW))
    assert both.open(kept, webhook) == "s3cret"
    renewed = both.renewed(kept, webhook)
    assert only_new.open(renewed, webhook) == "s3cret"
    assert both.renewed(renewed, webhook) == renewed
    with pytest.raises(ValueError, match="no key 'k1'"):
        only_new.open(kept, webhook)
    with pytest.raises(ValueError, match="does not match"):
        both.open(kept, other)
    assert both.open("kept before there were seals", webhook) == "kept before there were seals"


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.server.shutdown()
    made.server.server_close()


def signed_by(outside: Outside) -> list[Callable[[str], bool]]:
    """For each call, a check whether a secret signed it."""

    def check(header: str, body: bytes) -> Callable[[str], bool]:
        parts = [part.split("=", 1) for part in header.split(",")]
        at = dict(parts)["t"]

        def by(secret: str) -> bool:
            made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            return ["v1", made] in parts

        return by

    found = [check(header, body) for _, header, body in outside.calls]
    outside.calls.clear()
    return found


def test_a_webhooks_secret_is_sealed_renewed_and_signs_beside_the_one_before_for_a_week(
    client: Any, actor: Any, outside: Outside, service_engine: Callable[[str], Engine], provider_id: uuid.UUID, clock: Any,
    monkeypatch: pytest.MonkeyPatch, no_other_webhooks: None,
) -> None:  # fmt: skip
    engine = service_engine("reporting")
    api, admin, book = client("reporting"), actor("platform_admin"), Book(engine, provider_id, clock)
    home, path = book.location(), f"/webhooks/{uuid.uuid4()}"

    def with_keys(keys: str) -> None:
        monkeypatch.setenv("PLUMBLINE_TEMPORAL_CODEC_KEYS", keys)

    def send() -> tuple[int, int]:
        book.report(home)
        book.project()
        found = sending.send_all(engine, service_engine("reporting_system"), clock.now, WebhookSettings())
        return found.events, found.unanswered

    def kept() -> str:
        with transaction(engine, provider_id) as session:
            rows = session.execute(text("select secret, previous_secret from reporting.webhook")).all()
            replies = session.execute(text("select body from reporting.idempotency_key")).all()
            return json.dumps([[*row] for row in (*rows, *replies)])

    monkeypatch.setenv("PLUMBLINE_WEBHOOKS_ANYWHERE", "true")
    with_keys(OLD)
    made = api.put(path, admin, {"url": outside.url}, key="record-the-hook")
    first = made.json()["secret"]
    assert api.put(path, admin, {"url": outside.url}, key="record-the-hook").json()["secret"] is None, "shown once"
    assert send() == (1, 0)
    assert [by(first) for by in signed_by(outside)] == [True]

    for who in ("quality_lead", "carer"):
        assert api.post(f"{path}/secret", actor(who), version=1).status_code == 403
    assert api.post(f"{path}/secret", admin, version=9).status_code == 412
    assert api.post(f"/webhooks/{uuid.uuid4()}/secret", admin, version=1).status_code == 404
    second = api.post(f"{path}/secret", admin, version=1).json()["secret"]
    assert first != second
    assert first not in kept()
    assert second not in kept()
    assert send() == (1, 0)
    assert [(by(first), by(second)) for by in signed_by(outside)] == [(True, True)]

    with_keys(f"{NEW},{OLD}")
    assert send() == (1, 0)
    assert "sealed:k1" not in kept(), "sealed anew in the round"
    with_keys(NEW)
    assert send() == (1, 0), "the old key is needed no more"
    signed_by(outside)
    clock.advance(BOTH_SECRETS + timedelta(seconds=1))
    assert send() == (1, 0)
    assert [(by(first), by(second)) for by in signed_by(outside)] == [(False, True)]
    with_keys(f"k9:{base64.b64encode(os.urandom(32)).decode()}")
    assert send() == (0, 1), "without its key nothing is sent, and nothing is skipped"
    with_keys(NEW)
    assert send() == (2, 0)
    # Its key is this test's alone, and a round goes over all providers.
    version = api.get("/webhooks", admin).json()["items"][0]["version"]
    assert api.put(path, admin, {"url": outside.url, "active": False}, version=version).status_code == 200
