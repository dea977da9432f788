"""Who may call what: `docs/access.md` against the OpenAPI documents and against what the services answer.

Every operation of every service is asked in process, on a real database, as nobody, with tokens that are worth nothing,
in every role, from elsewhere, from another provider, and about what only some may see. No request of this file changes
anything: each transaction is undone where it would have been committed, and what it had changed by then is known.
"""

import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from services.contracts.taxonomy import Role
from services.runtime import errors
from services.runtime.actor import Actor
from tests.security.conftest import NEED_TO_KNOW, Served, person
from tests.security.sent import Operation, operations
from tests.security.world import World

TABLE = Path(__file__).parents[2] / "docs" / "access.md"
ROLES = (*sorted(Role), "no role")
ANY = frozenset[str](Role)
ELSEWHERE = ("region", "place", "another place", "another region")
REFUSED = (401, 403, 404)
CHOSEN = ("PUT /saved-filters/{filter_id}", "PUT /webhooks/{webhook_id}")
"""Under an id of the caller's choice a new record is made, unless somebody else's has it: then there is no such record."""
MALFORMED = 599
"""The answer to a body or parameter that its schema does not take: then nothing was said of who may."""


@dataclass(frozen=True)
class Line:
    """What the table says of an operation."""

    roles: frozenset[str]
    where: str
    by_name: tuple[str, ...] = ()
    restricted: str = "-"

    def __str__(self) -> str:
        roles = "any" if self.roles == ANY else ", ".join(role for role in ROLES if role in self.roles) or "-"
        return f"{roles} | {self.where} | {', '.join(self.by_name) or '-'} | {self.restricted}"


@cache
def table() -> Mapping[tuple[str, str], Line]:
    """The lines of `docs/access.md`, by service and operation."""
    lines: dict[tuple[str, str], Line] = {}
    service = ""
    for row in TABLE.read_text().splitlines():
        if row.startswith("## "):
            service = row.removeprefix("## ").lower()
        elif row.startswith("| `"):
            operation, roles, where, by_name, restricted = (cell.strip() for cell in row.strip("|").split("|"))
            line = Line(
                ANY if roles == "any" else frozenset(() if roles == "-" else roles.split(", ")),
                where, () if by_name == "-" else tuple(by_name.split(", ")), restricted,
            )  # fmt: skip
            assert (service, operation.strip("`")) not in lines, f"{service} {operation} stands there twice"
            lines[service, operation.strip("`")] = line
    return lines


@dataclass(frozen=True)
class Answer:
    """What came back, and how many rows were changed for it."""

    status: int
    body: bytes
    changed: int


def alike(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same, but for ids that were sent or are new."""
    said = [re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", b"", answer.body) for answer in (one, other)]
    return one.status == other.status and said[0] == said[1]


class Asked:
    """The services, asked by people of a provider about its records."""

    def __init__(self, served: Served) -> None:
        self.served, self.ours, self.kept_apart = served, served.ours, served.kept_apart
        self._requests: dict[Any, dict[str, Any]] = {}
        self._lists: dict[Operation, bool] = {}

    def person(self, role: str, scope: str = "whole", person_id: UUID | None = None) -> Actor:
        """Somebody in a role and a scope."""
        return person(role, self.served, scope, person_id)

    def request(self, operation: Operation, about: World) -> dict[str, Any]:
        """What is sent about the records of a world."""
        key = operation, about.location_id
        if key not in self._requests:
            self._requests[key] = operation.request(about)
        return self._requests[key]

    def ask(self, operation: Operation, who: Actor | str, about: World) -> Answer:
        """One request by somebody, or with a token as it is given."""
        request = self.request(operation, about)
        headers = {**request["headers"]}
        if "Idempotency-Key" in headers:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        token = self.served.token(who) if isinstance(who, Actor) else who
        if token:
            headers["Authorization"] = f"Bearer {token}"
        answer, changed = self.served.send(operation.service, {**request, "headers": headers})
        return Answer(answer.status_code, answer.content, changed)

    def answered(self, operation: Operation, who: Actor, about: World | None = None) -> tuple[Answer, bool]:
        """What somebody is answered, and whether that is more than a refusal or a list without any record."""
        about = about or self.ours
        answer = self.ask(operation, who, about)
        asked = f"{operation.name} as {', '.join(who.roles) or 'no role'}"
        assert answer.status != MALFORMED, f"{asked}: the body of this test does not fit its schema"
        assert answer.status != 500, f"{asked}: {answer}"
        if answer.status not in REFUSED:
            empty = not about.tells(answer.body) and not about.named_in(str(self.request(operation, about)))
            # Rules and words that ship with a service are nobody's records, and shown to whoever may read them.
            return answer, not (empty and operation.method == "GET" and self._lists_records(operation))
        assert answer.changed == 0, f"{asked} was refused and changed {answer.changed} rows: {answer}"
        assert not about.tells(answer.body), f"{asked} was refused and told something: {answer}"
        if answer.status == 404:
            nothing = self.ask(operation, who, self.served.nothing)
            assert alike(answer, nothing) or operation.name in CHOSEN, (
                f"{asked} tells that there is something: {answer} and not {nothing}"
            )
        return answer, False

    def may(self, operation: Operation, who: Actor) -> bool:
        """Whether somebody is let in."""
        return self.answered(operation, who)[1]

    def shown(self, operation: Operation, who: Actor, about: World | None = None) -> bool:
        """Whether somebody gets at a record: let in, and not answered as if it were not there."""
        about = about or self.ours
        answer, let_in = self.answered(operation, who, about)
        if not let_in or about.tells(answer.body) or not about.named_in(str(self.request(operation, about))):
            return let_in
        nothing = self.ask(operation, who, self.served.nothing)
        hidden = alike(answer, nothing)
        assert not hidden or answer.changed == 0, f"{operation.name}: a record was hidden and changed"
        return not hidden

    def nothing_from_abroad(self, operation: Operation, role: str) -> None:
        """A caller of another provider gets nothing, and is answered about a record as about one that is not there."""
        abroad = self.person(role, "another provider")
        answer, nothing = (self.ask(operation, abroad, one) for one in (self.ours, self.served.nothing))
        assert self.ours.marker not in answer.body.decode(errors="replace"), f"{operation.name}: another provider's"
        assert alike(answer, nothing) or operation.name in CHOSEN, (
            f"{operation.name} tells another provider: {answer} and not {nothing}"
        )

    def _lists_records(self, operation: Operation) -> bool:
        if operation not in self._lists:
            somebody = replace(self.person("no role"), roles=frozenset(Role))
            self._lists[operation] = self.ours.tells(self.ask(operation, somebody, self.ours).body)
        return self._lists[operation]

    def _as_if_not_there(self, operation: Operation, who: Actor, answer: Answer, asked: str) -> None:
        nothing = self.ask(operation, who, self.served.nothing)
        same = (answer.status, answer.body) == (nothing.status, nothing.body)
        assert same, f"{asked} tells that there is something: {answer} and not {nothing}"


@pytest.fixture(scope="module")
def asked(served: Served) -> Iterator[Asked]:
    """Whoever asks with a malformed body is told so by a status of its own."""
    for app in served.applications.values():
        app.exception_handlers[RequestValidationError] = lambda *_: Response(status_code=MALFORMED)
        app.middleware_stack = None  # made anew, with the handler
    yield Asked(served)
    for app in served.applications.values():
        errors.install(app)
        app.middleware_stack = None


def where(asked: Asked, operation: Operation, role: str) -> str:
    """From which scope somebody in a role gets at a record."""
    if not asked.shown(operation, asked.person(role)):
        return "provider"
    shown = {scope: asked.shown(operation, asked.person(role, scope)) for scope in ELSEWHERE}
    assert shown["another place"] or not shown["another region"], operation.name
    if shown["another place"]:
        return "provider"
    return "place" if shown["place"] else "region" if shown["region"] else "whole provider"


def observed(asked: Asked, operation: Operation, names: Collection[str]) -> Line:
    """What the service makes of the operation. `names` are the columns whose person is asked, in no role that may."""
    if operation.public:
        return Line(frozenset(), "public")
    roles = frozenset(role for role in ROLES if asked.may(operation, asked.person(role)))
    others = replace(
        asked.person("no role", "place"), roles=frozenset(ROLES) - roles - {"no role"} or frozenset({"another role"})
    )
    by_name = (
        ()
        if roles == ANY
        else tuple(name for name in names if asked.may(operation, replace(others, id=asked.ours.id(name))))
    )
    if not roles:
        return Line(roles, "-", by_name)
    outsider = next((role for role in ROLES if role in roles and role not in NEED_TO_KNOW), None)
    inside = next((role for role in NEED_TO_KNOW if role in roles), None)
    place = where(asked, operation, outsider or str(inside))
    asked.nothing_from_abroad(operation, outsider or str(inside))
    kept = outsider is not None and not asked.shown(operation, asked.person(outsider), asked.kept_apart)
    kept = kept and asked.shown(operation, asked.person(str(outsider)))
    if kept and inside is not None:
        kept = asked.shown(operation, asked.person(inside), asked.kept_apart)
        accused = asked.person(inside, person_id=asked.kept_apart.id("accused_id"))
        assert not kept or not asked.shown(operation, accused, asked.kept_apart), (
            f"{operation.name}: for who is excluded"
        )
    return Line(roles, place, by_name, "need to know" if kept else "-")


EVERY = [pytest.param(operation, id=f"{operation.service} {operation.name}") for operation in operations()]


def test_the_table_names_every_operation_and_no_other() -> None:
    there = {(operation.service, operation.name) for operation in operations()}
    assert table().keys() - there == set(), "these are gone: delete their lines"
    assert there - table().keys() == set(), "say in docs/access.md who may call these"


@pytest.mark.parametrize("operation", EVERY)
def test_who_may_is_what_the_table_says(asked: Asked, operation: Operation) -> None:
    line = table()[operation.service, operation.name]
    assert str(observed(asked, operation, line.by_name)) == str(line)


@pytest.fixture(scope="module")
def worthless(asked: Asked) -> Mapping[str, str]:
    """Tokens of somebody who may do everything, each with a fault."""
    issuer = asked.served.issuer
    most = replace(asked.person("no role"), roles=frozenset(Role))
    good = issuer.token(most)
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "none": "",
        "broken": "x.y.z",
        "altered": f"{head}.{body[:-4]}AAAA.{signature}",
        "expired": issuer.token(most, exp=claims["iat"] - 60, iat=claims["iat"] - 3600),
        "signed by another": jwt.encode(claims, key, algorithm="RS256", headers={"kid": "test"}),
        "not signed": jwt.encode(claims, None, algorithm="none", headers={"kid": "test"}),
        "of another issuer": issuer.token(most, iss="https://id.example"),
        "for another audience": issuer.token(most, aud="another"),
    }


@pytest.mark.parametrize("operation", [one for one in EVERY if not one.values[0].public])  # type: ignore[union-attr]
def test_a_token_that_is_worth_nothing_opens_nothing(
    asked: Asked, operation: Operation, worthless: Mapping[str, str]
) -> None:
    for fault, token in worthless.items():
        answer = asked.ask(operation, token, asked.ours)
        assert (answer.status, answer.changed) == (401, 0), f"{fault}: {answer}"


@pytest.mark.deep
@pytest.mark.parametrize("operation", EVERY)
def test_no_role_reaches_further_than_the_table_says(asked: Asked, operation: Operation) -> None:
    """Every role from everywhere, and about what only some may see."""
    line = table()[operation.service, operation.name]
    within = {"place": ("region", "place"), "region": ("region",), "whole provider": ()}.get(line.where, ELSEWHERE)
    for role in () if operation.public else ROLES:
        asked.nothing_from_abroad(operation, role)
        for scope in ELSEWHERE:
            if role not in line.roles or scope not in within:
                assert not asked.shown(operation, asked.person(role, scope)), f"{role} of {scope}"
        if line.restricted == "need to know" and role not in NEED_TO_KNOW:
            assert not asked.shown(operation, asked.person(role), asked.kept_apart), role


@pytest.mark.parametrize("operation", [one for one in EVERY if "requestBody" in one.values[0].described])  # type: ignore[union-attr]
def test_a_body_that_is_refused_tells_nothing_of_the_record(asked: Asked, operation: Operation) -> None:
    """The shape of a body is judged before the record is looked for, so the answer is the same with and without one."""
    if "json" not in asked.request(operation, asked.ours) or operation.public:
        return
    answers = []
    for world in (asked.ours, asked.served.nothing):
        request = {**asked.request(operation, world), "json": {"no": "field of this name"}}
        headers = {
            **request["headers"],
            "Authorization": f"Bearer {asked.served.token(asked.person('carer', 'place'))}",
        }
        answer, changed = asked.served.send(operation.service, {**request, "headers": headers})
        answers.append((answer.status_code, answer.content, changed))
    assert answers[0] == answers[1]
    assert answers[0][0] in (MALFORMED, 403)
    assert answers[0][2] == 0
