"""Errors are part of the product: RFC 9457 problems that name the field and the remedy, and never repeat what was typed."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field, and what to do."""

    field: str = Field(examples=["occurred_at"])
    message: str = Field(examples=["is in the future"])
    remedy: str = Field(examples=["Give the time the event happened, not later than now."])


class Problem(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(examples=["/problems/invalid-input"])
    title: str = Field(examples=["Some fields need attention"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["Nothing was saved. Correct the fields and send the same request again."])
    errors: list[FieldProblem] = Field(default_factory=list)


def refusal(description: str) -> dict[str, Any]:
    """For `responses` of an endpoint: when it answers with a problem, where that is not for every endpoint of its kind."""
    return {"model": Problem, "description": description}


class ServiceError(Exception):
    """A refusal that the caller can understand and act on.

    `kind` is a stable slug; `detail` says what to do next and holds no personal data.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{kind}: {title}")
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.errors, self.headers = list(errors), headers


def invalid(field: str, message: str, remedy: str) -> ServiceError:
    """422 for one field."""
    return ServiceError(
        422,
        "invalid-input",
        "Some fields need attention",
        "Nothing was saved. Correct the fields below and send the request again.",
        errors=[FieldProblem(field=field, message=message, remedy=remedy)],
    )


def not_found(what: str) -> ServiceError:
    """404, also for what exists outside the caller's provider or scope: the two cannot be told apart."""
    return ServiceError(
        404, "not-found", f"No such {what}", f"There is no {what} with this id that you may see. Check the id."
    )


def forbidden(detail: str) -> ServiceError:
    """403: the caller is known and may not do this."""
    return ServiceError(403, "forbidden", "You may not do this", detail)


def conflict(kind: str, title: str, detail: str) -> ServiceError:
    """409: the record's state does not allow this."""
    return ServiceError(409, kind, title, detail)


_REMEDIES = {
    "missing": "Add this field.",
    "extra_forbidden": "Remove this field, or correct its name.",
    "string_too_long": "Shorten it to the length stated.",
    "string_too_short": "Fill it in.",
    "enum": "Use one of the values listed.",
    "literal_error": "Use one of the values listed.",
    "uuid_parsing": "Give an id in the form 01234567-89ab-cdef-0123-456789abcdef.",
    "timezone_aware": "Add the time zone, for example 2026-11-22T08:10:00+00:00.",
    "datetime_from_date_parsing": "Give a date and time with a zone, for example 2026-11-22T08:10:00+00:00.",
    "json_invalid": "Send well-formed JSON.",
}


def problem_response(
    status: int,
    kind: str,
    title: str,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The reply for a problem."""
    problem = Problem(type=f"/problems/{kind}", title=title, status=status, detail=detail, errors=list(errors))
    return JSONResponse(problem.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return problem_response(error.status, error.kind, error.title, error.detail, error.errors, error.headers)


def _field(path: Sequence[Any]) -> str:
    parts = [str(part) for part in path]
    return ".".join(parts[1:] if len(parts) > 1 else parts)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [
        FieldProblem(
            field=_field(item["loc"]),
            message=str(item["msg"]),
            remedy=_REMEDIES.get(item["type"], "Correct this value as the message says."),
        )
        for item in error.errors()
    ]
    return problem_response(
        422,
        "invalid-input",
        "Some fields need attention",
        "Nothing was saved. Correct the fields below and send the request again.",
        fields,
    )


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kinds = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 400: "bad-request"}
    details = {
        404: "There is nothing at this address. See /docs for the addresses of this service.",
        405: "This address does not take this method. See /docs.",
        400: "The request could not be read. Send well-formed JSON as /docs describes.",
    }
    return problem_response(
        error.status_code,
        kinds.get(error.status_code, "http-error"),
        "The request cannot be served",
        details.get(error.status_code, "See /docs for how to use this service."),
        headers=error.headers,
    )


async def _database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        logger.error("database unavailable", extra={"path": _route(request), "error": type(error.orig).__name__})
        return problem_response(
            503,
            "try-again",
            "The database did not answer",
            "Nothing was saved. Send the same request with the same Idempotency-Key again in a few seconds.",
            headers={"Retry-After": "2"},
        )
    return await _unexpected(request, error)


def _route(request: Request) -> str:
    route = request.scope.get("route")
    return getattr(route, "path", "unmatched")


def frames(error: BaseException) -> list[str]:
    """Where an error happened, in our code and at its end, without its message: drivers quote what people typed."""
    places = list(traceback.extract_tb(error.__traceback__))
    ours = [f for f in places if "site-packages" not in f.filename][-6:]
    shown = [*ours, *([places[-1]] if places and places[-1] not in ours else [])]
    return [f"{f.filename.rsplit('/', 2)[-1]}:{f.lineno}:{f.name}" for f in shown]


def state_of(error: BaseException) -> str | None:
    """PostgreSQL's five-letter code of a database error, which says what kind without saying what."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error(
        "unexpected error",
        extra={
            "path": _route(request),
            "error": type(error).__name__,
            "sqlstate": state_of(error),
            "frames": frames(error),
        },
    )
    return problem_response(
        500,
        "unexpected",
        "Something went wrong on our side",
        "Nothing was saved. Send the same request with the same Idempotency-Key again; if it fails again, tell support.",
    )


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(Exception, _unexpected)
