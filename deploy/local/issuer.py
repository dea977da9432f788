"""A local development OpenID Connect issuer: anybody on this machine can be any persona. Never for anything else.

Run as `python -m deploy.local.issuer`; production names its own issuer by `PLUMBLINE_OIDC_ISSUER`.
"""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware

from deploy.local import authorization
from deploy.local.personas import PERSONAS
from deploy.local.state import Home
from deploy.local.tokens import LIFETIME_SECONDS, Signer, claims_of


class TokenRequest(BaseModel):
    """Who wants a token."""

    persona: str


class Token(BaseModel):
    """An access token and how many seconds it is good for."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token, not one
    expires_in: int = LIFETIME_SECONDS


def create_app(home: Home, issuer: str, speak_up: str) -> FastAPI:
    """The issuer as an application: discovery document, key set, tokens for personas."""
    signer = Signer(home, issuer)
    app = FastAPI(title="Plumbline development issuer", description="Local development only.", version="1")
    # A page on the internet that points its own name at this machine gets no token.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.get("/.well-known/openid-configuration")
    def configuration() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks.json",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/oauth/token",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @app.get("/jwks.json")
    def key_set() -> dict[str, Any]:
        return signer.key_set()

    @app.get("/personas")
    def personas() -> dict[str, list[str]]:
        return {name: list(persona.roles) for name, persona in PERSONAS.items()}

    @app.post("/token")
    def token(request: TokenRequest) -> Token:
        if request.persona not in PERSONAS:
            raise HTTPException(404, f"There is no persona '{request.persona}'. Choose from: {', '.join(PERSONAS)}.")
        return Token(access_token=signer.token(claims_of(PERSONAS[request.persona])))

    app.include_router(authorization.build(signer, issuer, speak_up))

    @app.get("/readyz", include_in_schema=False)
    @app.get("/livez", include_in_schema=False)
    def alive() -> dict[str, str]:
        return {"status": "ready"}

    return app


def main() -> None:
    """Serve until stopped."""
    if os.environ.get("PLUMBLINE_ENVIRONMENT") != "local":
        raise SystemExit("the development issuer only runs with PLUMBLINE_ENVIRONMENT=local: it trusts whoever asks")
    uvicorn.run(
        create_app(Home.default(), os.environ["PLUMBLINE_OIDC_ISSUER"], os.environ["PLUMBLINE_CONSOLE_SPEAK_UP_URL"]),
        host="127.0.0.1",
        port=int(os.environ["PLUMBLINE_HTTP_PORT"]),
        log_level="warning",
        server_header=False,
    )


if __name__ == "__main__":
    main()
