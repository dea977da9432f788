"""The part of the development issuer that signs people in: a page of personas, codes with PKCE, refresh tokens.

Codes and refresh tokens are signed by the issuer's key and hold all there is to know, so nothing is stored but which sessions were
ended, and that in memory: until it starts again.
"""

import contextlib
import hashlib
import html
import secrets
import time
from base64 import urlsafe_b64encode
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import jwt
from fastapi import APIRouter, Form, HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from deploy.local.personas import PERSONAS
from deploy.local.tokens import LIFETIME_SECONDS, Signer, claims_of

_CODE_SECONDS = 60
_REFRESH_SECONDS = 12 * 3600
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Choose who you are - Plumbline development sign-in</title>
<style>body{{font:1.125rem/1.5 Arial,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#212b32}}
button{{display:block;width:100%;text-align:left;font:inherit;padding:.75rem 1rem;margin:0 0 .75rem;border:2px solid
#0b4f5c;border-radius:4px;background:#fff;color:#0b4f5c;cursor:pointer}}button:hover{{background:#e8f3f4}}
button:focus{{outline:4px solid #212b32;outline-offset:2px}}small{{color:#4c6272;display:block}}</style>
<main><h1>Choose who you are</h1><p>This sign-in exists on this machine only. In production your organisation's own
sign-in stands here.</p><form method="post" action="/authorize">{hidden}{people}</form>
<p><a href="{speak_up}">Raise a concern without signing in</a></p></main></html>"""


def build(signer: Signer, issuer: str, speak_up: str) -> APIRouter:
    """`/authorize`, the grants of `/oauth/token` (RFC 6749 4.1 and 6, RFC 7636 S256) and `/oauth/revoke` (RFC 7009).

    `speak_up` is linked for whoever will not sign in.
    """
    router, ended = APIRouter(), set[str]()

    @router.get("/authorize")
    def choose(
        redirect_uri: str, code_challenge: str, state: str = "", code_challenge_method: str = "S256"
    ) -> HTMLResponse:
        _check(redirect_uri, code_challenge_method)
        request = {"redirect_uri": redirect_uri, "code_challenge": code_challenge, "state": state}
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in request.items()
        )
        people = "".join(
            f'<button name="persona" value="{name}">{html.escape(persona.name)}'
            f"<small>{html.escape(', '.join(persona.roles).replace('_', ' '))}</small></button>"
            for name, persona in PERSONAS.items()
            if persona.name
        )
        return HTMLResponse(_PAGE.format(hidden=hidden, people=people, speak_up=html.escape(speak_up)))

    @router.post("/authorize")
    def chosen(
        redirect_uri: Annotated[str, Form()],
        code_challenge: Annotated[str, Form()],
        persona: Annotated[str, Form()],
        state: Annotated[str, Form()] = "",
    ) -> RedirectResponse:
        _check(redirect_uri, "S256")
        if persona not in PERSONAS:
            raise HTTPException(404, f"There is no persona '{persona}'. Choose from: {', '.join(PERSONAS)}.")
        content = {
            "persona": persona, "challenge": code_challenge, "redirect_uri": redirect_uri, "sid": secrets.token_urlsafe(16),
        }  # fmt: skip
        code = signer.token({**content, "aud": "code", "exp": int(time.time()) + _CODE_SECONDS})
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", 303)

    @router.post("/oauth/token")
    def redeem(
        grant_type: Annotated[str, Form()],
        code: Annotated[str, Form()] = "",
        code_verifier: Annotated[str, Form()] = "",
        redirect_uri: Annotated[str, Form()] = "",
        refresh_token: Annotated[str, Form()] = "",
    ) -> dict[str, Any]:
        if grant_type == "authorization_code":
            known = _read(signer, code, "code", issuer)
            challenge = urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
            if (known["challenge"], known["redirect_uri"]) != (challenge, redirect_uri):
                raise HTTPException(400, "invalid_grant")
        elif grant_type == "refresh_token":
            known = _read(signer, refresh_token, "refresh", issuer)
            if known["sid"] in ended:
                raise HTTPException(400, "invalid_grant")
        else:
            raise HTTPException(400, "unsupported_grant_type")
        persona = known["persona"]
        return {
            "access_token": signer.token(claims_of(PERSONAS[persona])),
            "refresh_token": signer.token(
                {"persona": persona, "sid": known["sid"], "aud": "refresh", "exp": int(time.time()) + _REFRESH_SECONDS}
            ),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
        }

    @router.post("/oauth/revoke")
    def revoke(token: Annotated[str, Form()]) -> dict[str, Any]:
        with contextlib.suppress(HTTPException):  # whatever is no token of ours gives nobody anything
            ended.add(_read(signer, token, "refresh", issuer)["sid"])
        return {}

    return router


def _check(redirect_uri: str, method: str) -> None:
    """Back to this machine only: a code must not leave it."""
    if urlsplit(redirect_uri).hostname not in ("127.0.0.1", "localhost") or method != "S256":
        raise HTTPException(400, "invalid_request")


def _read(signer: Signer, token: str, audience: str, issuer: str) -> dict[str, Any]:
    try:
        key = jwt.PyJWKSet.from_dict(signer.key_set())[jwt.get_unverified_header(token)["kid"]]
        known: dict[str, Any] = jwt.decode(
            token, key.key, algorithms=["RS256"], audience=audience, issuer=issuer, options={"require": ["sid"]}
        )
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(400, "invalid_grant") from None
    return known
