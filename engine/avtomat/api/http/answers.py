"""Make answers: values as JSON, refusals as problems (RFC 9457) or in the workers' form."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

from avtomat.api.http.answer import WHOLE_BYTES_MAX, Answer, Headers
from avtomat.api.http.refusals import MethodRefused
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused

if TYPE_CHECKING:
    from avtomat.api.http.requests import Request

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"
PROTOCOL_VERSION: Final = "1.0b17"

_FOR_CLIENTS: Final = Headers({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
_FOR_REPEATS: Final = Headers({"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"})
_FOR_WORKERS: Final = Headers({"X-RXON-Version": PROTOCOL_VERSION})


def json_answer(value: Json, *, status: int = 200) -> Answer:
    """An answer at the clients' door."""
    return Answer(_encoded(value), JSON_TYPE, _FOR_CLIENTS, status)


def tagged_answer(request: Request, value: Json) -> Answer:
    """An answer that a client may ask for again by its ETag, and is then told that nothing changed (304)."""
    body = _encoded(value)
    tag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    is_known = tag in request.headers.get("If-None-Match", "")
    answer = Answer(b"", JSON_TYPE, _FOR_REPEATS, 304) if is_known else Answer(body, JSON_TYPE, _FOR_REPEATS)
    answer.set("ETag", tag)
    return answer


def worker_answer(value: Json, *, status: int = 200) -> Answer:
    """An answer at the workers' door."""
    return Answer(_encoded(value), JSON_TYPE, _FOR_WORKERS, status)


def page_answer(body: bytes, content_type: str, policy: str | None = None) -> Answer:
    """An answer that is not JSON, for everybody."""
    answer = Answer(body, content_type, _FOR_CLIENTS)
    if policy is not None:
        answer.set("Content-Security-Policy", policy)
    return answer


def no_task_answer() -> Answer:
    """What a poll gets that found nothing."""
    return Answer(b"", JSON_TYPE, _FOR_WORKERS, 204)


def problem_of(refused: RequestRefused) -> dict[str, Json]:
    """The refusal as the members of a problem, without the request's id."""
    problem: dict[str, Json] = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.message,
        "code": refused.code,
    }
    if refused.pointer is not None:
        problem["pointer"] = refused.pointer
    if refused.errors:
        problem["errors"] = refused.errors
    if refused.details:
        problem["details"] = refused.details
    if refused.hint is not None:
        problem["hint"] = refused.hint
    return problem


def problem_answer(refused: RequestRefused, request_id: str) -> Answer:
    """The refusal for a client."""
    body = orjson.dumps({**problem_of(refused), "request_id": request_id})
    answer = Answer(body, PROBLEM_TYPE, _FOR_CLIENTS, refused.status)
    if refused.status == 401:
        answer.set("WWW-Authenticate", "Bearer")
    return _complete(answer, refused)


def worker_refusal(refused: RequestRefused) -> Answer:
    """The refusal for a worker, whose protocol knows one word for what is invalid."""
    status = 400 if refused.status == 422 else refused.status
    text = refused.message if refused.hint is None else f"{refused.message}; {refused.hint}"
    return _complete(worker_answer({"error": text, "code": refused.code}, status=status), refused)


def _encoded(value: Json) -> bytes:
    """The value as JSON. orjson leaves its text in the room that it reserved for it, 64 times as much for many maps: a
    large text, which may wait for its reader, is copied out of there.
    """
    body = orjson.dumps(value)
    return body if len(body) <= WHOLE_BYTES_MAX else memoryview(body).tobytes()


def _complete(answer: Answer, refused: RequestRefused) -> Answer:
    if refused.retry_after_s is not None:
        answer.set("Retry-After", str(refused.retry_after_s))
    if isinstance(refused, MethodRefused):
        answer.set("Allow", ", ".join(refused.allowed))
    return answer
