"""One shape for every error: JSON for programs, a page or a partial for browsers; what went wrong inside stays in
the log, under the request's id."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import TemplateError
from pydantic import BaseModel
from sqlalchemy import exc
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.render import is_fragment_request, render
from studio.errors import InvalidInput, StudioError
from studio.ids import new_id

log = logging.getLogger(__name__)

_HTTP_ERRORS = {
    400: ("bad_request", "This request cannot be read."),
    403: ("forbidden", "This request is refused."),
    404: ("not_found", "There is no such page."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("timeout", "The rest of the request did not arrive in time. Send it again."),
    413: ("too_large", "The request is larger than the limit."),
    415: ("unsupported_type", "This kind of content is not read here."),
    503: ("unavailable", "Too busy at the moment. Try again soon."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told of an error."""

    status_code: int
    code: str
    message: str
    fields: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)


class ErrorBody(BaseModel):
    """The inside of every error answer; `fields` names each field (dotted path) with its sentence."""

    code: str
    message: str
    fields: dict[str, str]
    problems: list[str]
    request_id: str


class ErrorOut(BaseModel):
    """Every error answer of the API."""

    error: ErrorBody


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorOut, "description": "Refused; `message` says what to do."},
    "5XX": {"model": ErrorOut, "description": "Failed; nothing was changed."},
}


def describe(error: Exception) -> Problem:
    """Put an exception into words; what is unknown gets no details."""
    if isinstance(error, InvalidInput):
        return Problem(error.status_code, error.code, error.message, error.fields, error.problems)
    if isinstance(error, StudioError):
        return Problem(error.status_code, error.code, error.message)
    if isinstance(error, RequestValidationError):
        fields = fields_of(error)
        return Problem(422, "invalid", "Some values need another look.", fields)
    if isinstance(error, HTTPException):
        return _of_http_exception(error)
    return _of_database_error(error) or Problem(
        500, "internal", "Something failed inside the studio. The log has the details under the id below."
    )


def fields_of(error: RequestValidationError) -> dict[str, str]:
    """Sentences by dotted path; where a value was (body, query) and the tag of the method union are left out."""
    sentences: dict[str, str] = {}
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        path = path[1:] if path and path[0] in {"body", "query", "path", "header"} else path
        if "method" in path[:-2]:
            path.pop(path.index("method") + 1)
        message = str(problem["msg"]).removeprefix("Value error, ")
        sentences.setdefault(".".join(path) or "body", f"{message[:1].upper()}{message[1:]}.")
    return sentences


def respond(request: Request, error: Exception) -> Response:
    """Answer an error in the shape that its reader expects."""
    problem = describe(error)
    request_id = request.scope.setdefault("state", {}).setdefault("request_id", new_id("req"))
    if problem.status_code >= 500:
        log.error("%s %s failed (%s)", request.method, request.url.path, request_id, exc_info=error)
    if request.url.path.startswith("/api/"):
        body = ErrorBody(
            code=problem.code,
            message=problem.message,
            fields=problem.fields,
            problems=problem.problems,
            request_id=request_id,
        )
        return JSONResponse({"error": body.model_dump()}, problem.status_code, dict(problem.headers))
    return _page(request, problem, request_id)


def install(app: FastAPI) -> None:
    """Let the errors that FastAPI answers by itself take the one shape too."""

    async def _answer(request: Request, error: Exception) -> Response:
        return respond(request, error)

    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(RequestValidationError, _answer)


class ErrorEdge:
    """The request's edge: gives it an id, and answers whatever was raised below."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = new_id("req")
        started = False

        async def tracked(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, tracked)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                # Half an answer is out: only the broken connection can still say that it is not whole.
                raise
            await respond(Request(scope), error)(scope, receive, send)


def _of_http_exception(error: HTTPException) -> Problem:
    code, sentence = _HTTP_ERRORS.get(error.status_code, ("refused", str(error.detail)))
    own_words = " " in str(error.detail) and str(error.detail).endswith(".")
    return Problem(error.status_code, code, str(error.detail) if own_words else sentence, headers=error.headers or {})


def _of_database_error(error: Exception) -> Problem | None:
    if isinstance(error, exc.IntegrityError):
        return Problem(409, "conflict", "Another request changed this at the same moment. Try again.")
    if isinstance(error, exc.OperationalError) and "disk is full" in str(error.orig):
        return Problem(507, "disk_full", "The disk is full. Free some space in the data folder and try again.")
    if isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError):
        sentence = "The database does not answer at the moment. Try again soon; running trainings go on."
        return Problem(503, "unavailable", sentence, headers={"Retry-After": "5"})
    return None


def _page(request: Request, problem: Problem, request_id: str) -> Response:
    template = "errors/_error.html" if is_fragment_request(request) else "errors/error.html"
    # What was only read is read again by itself; what was sent is a person's to send again.
    renews_after = problem.headers.get("Retry-After") if request.method == "GET" else None
    # A dataset whose page was asked for wrongly is still there to go back to.
    dataset_id = request.path_params.get("dataset_id") if problem.status_code == 422 else None
    context = {"problem": problem, "request_id": request_id, "renews_after": renews_after, "dataset_id": dataset_id}
    try:
        return render(request, template, context, problem.status_code, problem.headers)
    except TemplateError:
        log.exception("the page of an error failed (%s)", request_id)
        return PlainTextResponse(f"{problem.message}\n({request_id})\n", problem.status_code, dict(problem.headers))
