"""Access tokens for people at one machine: a key pair, its public half as a key set, and tokens of Plumbline's shape.

Tokens are dated in real time, however fast the stack's own clock runs.
"""

import hashlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.personas import PERSONAS, Persona
from deploy.local.state import Home, Stack, StackError, write_whole

AUDIENCE = "plumbline"
LIFETIME_SECONDS = 3600


def create_key(home: Home) -> str:
    """Make the issuer's key pair if there is none yet."""
    if not home.issuer_key.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        write_whole(home.issuer_key, text)
    return ""


class Signer:
    """Signs tokens with the key of one state folder."""

    def __init__(self, home: Home, issuer: str) -> None:
        try:
            key = serialization.load_pem_private_key(home.issuer_key.read_bytes(), password=None)
        except FileNotFoundError:
            raise StackError("there is no key to sign tokens with yet: start the stack with 'plumbline up'") from None
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key, self._issuer = key, issuer
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = hashlib.sha256(public).hexdigest()[:16]

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**key, "use": "sig", "alg": "RS256", "kid": self._key_id}]}

    def token(self, claims: Mapping[str, Any]) -> str:
        """A signed token that says these claims, from now on for an hour. Claims given win over the standard ones."""
        now = int(time.time())
        standard = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({**standard, **claims}, self._key, algorithm="RS256", headers={"kid": self._key_id})


def claims_of(persona: Persona) -> dict[str, Any]:
    """What a token says of a persona."""
    everywhere = persona.locations == "*"
    return {
        "sub": str(persona.sub),
        **({"name": persona.name} if persona.name else {}),
        "provider_id": str(persona.provider_id),
        "roles": list(persona.roles),
        "scope_all": everywhere,
        "locations": [] if everywhere else [str(location) for location in persona.locations],
        "regions": [str(region) for region in persona.regions],
    }


def persona(name: str) -> Persona:
    """The persona of that name. Raises StackError with the names there are."""
    try:
        return PERSONAS[name]
    except KeyError:
        raise StackError(f"there is no persona '{name}': choose from {', '.join(PERSONAS)}") from None


def issue_token(stack: Stack, who: str | Persona | Mapping[str, Any]) -> str:
    """An access token for a running stack: for a persona by name, for one made up on the spot, or with claims given whole."""
    if isinstance(who, str):
        who = persona(who)
    claims = claims_of(who) if isinstance(who, Persona) else who
    return Signer(stack.home, stack.url("issuer")).token(claims)
