"""Signing in with any OpenID Connect issuer: authorization code with PKCE (RFC 6749, RFC 7636). No password is seen here."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from fastapi import APIRouter, Request
from httpx import Client, HTTPError, TransportError
from starlette.responses import RedirectResponse, Response

from services.console.page import render
from services.console.session import Session
from services.console.settings import ConsoleSettings
from services.console.visit import ForeignForm, SentForm, inside
from services.runtime.errors import ServiceError
from services.runtime.limit import Limit, Sender

router = APIRouter(include_in_schema=False)

SIGNING_IN = Limit("sign_in", 600)
"""Of one address: all who work at a provider may come by the same one. The issuer counts wrong passwords, not we."""

_ATTEMPT = "plumbline_attempt"
_ATTEMPT_SECONDS = 600


class SignIn:
    """The issuer as the console uses it: where to send people, what their code is worth, how a token is renewed."""

    def __init__(self, settings: ConsoleSettings, http: Client) -> None:
        self._settings, self._http = settings, http
        self._endpoints: dict[str, str] = {}
        self.return_to = f"{settings.console_public_url.rstrip('/')}/signed-in"

    def address(self, state: str, verifier: str) -> str:
        """Where a person signs in."""
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"), state=state, code_verifier=verifier
            )
        return str(address)

    def redeem(self, code: str, verifier: str) -> Session | None:
        """The session that a code is worth; None for a code that the issuer does not know. Raises TransportError when it does not answer."""
        with self._client() as client:
            try:
                token = client.fetch_token(
                    self._endpoint("token_endpoint"),
                    grant_type="authorization_code", code=code, code_verifier=verifier,
                )  # fmt: skip
                return _session(token)
            except TransportError:
                raise
            except (AuthlibBaseError, HTTPError, jwt.PyJWTError, ValueError):
                return None

    def renew(self, session: Session) -> Session | None:
        """The session with a new token, where the issuer gave the means for it."""
        if session.refresh_token is None:
            return None
        with self._client() as client:
            try:
                token = client.refresh_token(self._endpoint("token_endpoint"), refresh_token=session.refresh_token)
                return replace(_session(token), name=session.name)
            except (AuthlibBaseError, HTTPError, jwt.PyJWTError, ValueError):
                return None

    def revoke(self, session: Session) -> bool:
        """End the session at the issuer as well (RFC 7009). False where that is not sure: it has no way, or did not answer."""
        if session.refresh_token is None:
            return False
        try:
            address = self._endpoint("revocation_endpoint")
            with self._client() as client:
                answer = client.revoke_token(address, token=session.refresh_token, token_type_hint="refresh_token")  # noqa: S106 - a kind
        except (KeyError, AuthlibBaseError, HTTPError, ValueError):
            return False
        return bool(answer.status_code == 200)

    def _client(self) -> OAuth2Client:
        secret = self._settings.console_client_secret
        return OAuth2Client(
            self._settings.console_client_id,
            secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            redirect_uri=self.return_to,
            scope=self._settings.console_scopes,
            code_challenge_method="S256",
            timeout=10,
        )

    def _endpoint(self, name: str) -> str:
        if name not in self._endpoints:
            issuer = self._settings.oidc_issuer.rstrip("/")
            self._endpoints |= self._http.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        return self._endpoints[name]


def _session(token: Mapping[str, Any]) -> Session:
    access = str(token["access_token"])
    # Read for the end and the name only; every service checks the signature, and so does the console before a page.
    claims = jwt.decode(access, options={"verify_signature": False})
    about = (
        {**claims, **jwt.decode(token["id_token"], options={"verify_signature": False})}
        if token.get("id_token")
        else claims
    )
    now = time.time()
    return Session(
        access_token=access,
        refresh_token=token.get("refresh_token"),
        expires_at=float(claims.get("exp", now)),
        name=str(about.get("name") or about.get("preferred_username") or "You"),
        started_at=now,
        seen_at=now,
    )


def _too_often(sender: str) -> Response | None:
    try:
        SIGNING_IN.take(sender)
    except ServiceError as error:
        page = render("problem.html", error.status, title="Too many people are signing in at once", visit=None,
                      detail="Wait a minute, then sign in again.",
                      link={"href": "/sign-in", "text": "Sign in"})  # fmt: skip
        page.headers.update(error.headers or {})
        return page
    return None


@router.get("/sign-in")
def begin(request: Request, sender: Sender, to: str = "/") -> Response:
    """Send somebody to the issuer, and remember where they wanted to go."""
    if (refused := _too_often(sender)) is not None:
        return refused
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    try:
        address = request.app.state.sign_in.address(state, verifier)
    except HTTPError:
        return _not_answering()
    response = RedirectResponse(address, 303)
    attempt = {"state": state, "verifier": verifier, "to": inside(to)}
    request.app.state.cookies.set(response, _ATTEMPT, request.app.state.cookies.seal(attempt), seconds=_ATTEMPT_SECONDS)
    return response


@router.get("/signed-in")
def end(request: Request, sender: Sender, code: str = "", state: str = "") -> Response:
    """The issuer has sent somebody back: open their session, if it was this browser that asked for it."""
    if (refused := _too_often(sender)) is not None:
        return refused
    cookies = request.app.state.cookies
    attempt = cookies.unseal(request.cookies.get(_ATTEMPT, ""), _ATTEMPT_SECONDS)
    session = None
    if attempt is not None and state and state == attempt.get("state"):
        try:
            session = request.app.state.sign_in.redeem(code, str(attempt["verifier"]))
        except TransportError:
            return _not_answering()
    if attempt is None or session is None:
        return render("problem.html", 400, title="You are not signed in", visit=None,
                      detail="This sign-in has ended or belongs to another window. Start again.",
                      link={"href": "/sign-in", "text": "Sign in"})  # fmt: skip
    response = RedirectResponse(inside(str(attempt["to"])), 303)
    response.delete_cookie(_ATTEMPT, path="/")
    cookies.keep(response, session, None)
    return response


def _not_answering() -> Response:
    return render("problem.html", 503, title="Signing in is not possible at the moment", visit=None,
                  detail="The sign-in service does not answer. Wait a few seconds, then try again.",
                  link={"href": "/sign-in", "text": "Sign in"})  # fmt: skip


@router.post("/sign-out")
def sign_out(request: Request, form: SentForm) -> Response:
    """End the session on this device and at the issuer, which would let the next person in without asking."""
    cookies = request.app.state.cookies
    session = cookies.open(request.cookies)
    if session is not None and form.get("form_token") != session.form_token:
        raise ForeignForm
    everywhere = session is not None and request.app.state.sign_in.revoke(session)
    response = render("signed_out.html", visit=None, everywhere=everywhere)
    cookies.end(response)
    return response
