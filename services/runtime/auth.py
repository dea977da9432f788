"""From a bearer token to an Actor. Any OpenID Connect issuer whose tokens carry Plumbline's claims will do.

Claims: `sub` (uuid), `provider_id` (uuid), `roles` (list), `scope_all` (bool), `locations` and `regions` (lists of
uuid), beside the standard `iss`, `aud`, `iat`, `exp`.
"""

import hashlib
import threading
import time
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.runtime.actor import Actor
from services.runtime.clock import Clock
from services.runtime.errors import ServiceError, forbidden
from services.runtime.settings import AuthSettings

_LEEWAY_SECONDS = 5
MAX_LIFETIME_SECONDS = 12 * 3600
_CACHE_SIZE = 4096
_KEYS_COOL_SECONDS = 5
"""How often at most an unknown key id has the issuer asked."""
KEYS_FRESH_SECONDS = 300
"""After so long the issuer's keys are asked for again, and tokens that were checked are checked anew: one whose key was
withdrawn is refused from then on."""


def _unauthorised(title: str, detail: str) -> ServiceError:
    return ServiceError(401, "unauthorised", title, detail, headers={"WWW-Authenticate": "Bearer"})


class Authenticator:
    """Checks tokens against the issuer's published keys. Keeps checked tokens for as long as keys, and never beyond their end."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._keys = jwt.PyJWKClient(
            settings.oidc_jwks_url,
            cache_keys=False,
            lifespan=KEYS_FRESH_SECONDS,
            timeout=5,
            cooldown_duration=_KEYS_COOL_SECONDS,
        )
        self._checked: dict[bytes, tuple[float, Actor]] = {}
        self._lock = threading.Lock()

    def authenticate(self, token: str) -> Actor:
        """The caller of a valid token. Raises 401 with the reason and the remedy, 503 if the issuer cannot be asked."""
        fingerprint = hashlib.sha256(token.encode()).digest()
        known = self._checked.get(fingerprint)
        if known is not None and known[0] > time.time():
            return known[1]
        claims = self._claims(token)
        try:
            actor = Actor(
                id=UUID(claims["sub"]),
                provider_id=UUID(claims["provider_id"]),
                roles=frozenset(str(role) for role in claims["roles"]),
                all_locations=claims.get("scope_all") is True,
                locations=frozenset(UUID(x) for x in claims.get("locations", [])),
                regions=frozenset(UUID(x) for x in claims.get("regions", [])),
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            raise _unauthorised(
                "The token lacks what Plumbline needs",
                "Ask your administrator to map sub, provider_id, roles and scope in the identity provider.",
            ) from None
        if claims["exp"] - claims["iat"] > MAX_LIFETIME_SECONDS:
            raise _unauthorised("The token lives too long", "Ask the issuer for a token of at most 12 hours.")
        with self._lock:
            if len(self._checked) >= _CACHE_SIZE:
                self._checked.clear()
            self._checked[fingerprint] = (min(float(claims["exp"]), time.time() + KEYS_FRESH_SECONDS), actor)
        return actor

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=["RS256", "ES256"],
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise _unauthorised("The token has expired", "Sign in again to get a new token, then repeat.") from None
        except jwt.PyJWKClientConnectionError:
            raise ServiceError(
                503,
                "issuer-unavailable",
                "The identity provider did not answer",
                "Nothing was saved. Try again in a few seconds.",
                headers={"Retry-After": "5"},
            ) from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _unauthorised(
                "The token is not valid here", "Use a token of this system's issuer, for this audience, unaltered."
            ) from None
        return claims


_bearer = HTTPBearer(auto_error=False, description="A token of the configured OpenID Connect issuer.")


async def caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Actor:
    """The authenticated caller of a request, who with GET does nothing but read. 403 for who is known and has no role."""
    if credentials is None:
        raise _unauthorised("No token", "Send 'Authorization: Bearer <token>'.")
    authenticator: Authenticator = request.app.state.authenticator
    actor = authenticator.authenticate(credentials.credentials)
    if not actor.roles:
        raise forbidden("Your sign-in carries no role. Ask your administrator to give you the one you work in.")
    if request.method != "GET":
        return actor
    clock: Clock = request.app.state.clock
    return replace(actor, reading_at=clock.now())


Caller = Annotated[Actor, Depends(caller)]


def require_role(actor: Actor, *roles: str) -> None:
    """Raise 403 unless the actor has one of the roles."""
    if not actor.roles.intersection(roles):
        raise forbidden(f"This needs one of the roles {', '.join(sorted(set(roles)))}. Ask somebody who has it.")
