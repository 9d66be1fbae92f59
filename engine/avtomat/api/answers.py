"""Make answers: values as JSON, refusals as problems (RFC 9457) or in the workers' form."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from multidict import CIMultiDict

from avtomat.api.refusals import MethodRefused
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused

GZIP_FROM_BYTES: Final = 1_024
"""Answers larger than this are compressed for clients that ask for it."""

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"
PROTOCOL_VERSION: Final = "1.0b17"

# Of this type because a response copies it at a third of the price of a dict.
_CLIENT_HEADERS: Final = CIMultiDict(
    {
        "Content-Type": JSON_TYPE,
        "Server": "avtomat",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
)
_WORKER_HEADERS: Final = CIMultiDict(
    {"Content-Type": JSON_TYPE, "Server": "avtomat", "X-RXON-Version": PROTOCOL_VERSION}
)


def json_answer(value: Json, *, status: int = 200) -> web.Response:
    """An answer at the clients' door."""
    return web.Response(body=orjson.dumps(value), status=status, headers=_CLIENT_HEADERS)


def tagged_answer(request: web.Request, value: Json) -> web.Response:
    """An answer that a client may ask for again by its ETag, and is then told that nothing changed (304)."""
    answer = json_answer(value)
    assert isinstance(answer.body, bytes)
    tag = f'W/"{blake2b(answer.body, digest_size=12).hexdigest()}"'
    if tag in request.headers.get("If-None-Match", ""):
        answer = web.Response(status=304, headers=_CLIENT_HEADERS)
    answer.headers["ETag"] = tag
    answer.headers["Cache-Control"] = "private, no-cache"
    return answer


def worker_answer(value: Json, *, status: int = 200) -> web.Response:
    """An answer at the workers' door."""
    return web.Response(body=orjson.dumps(value), status=status, headers=_WORKER_HEADERS)


def page_answer(body: bytes, content_type: str, policy: str | None = None) -> web.Response:
    """An answer that is not JSON, for everybody."""
    answer = web.Response(body=body, headers=_CLIENT_HEADERS)
    answer.headers["Content-Type"] = content_type
    if policy is not None:
        answer.headers["Content-Security-Policy"] = policy
    return answer


def no_task_answer() -> web.Response:
    """What a poll gets that found nothing."""
    return web.Response(status=204, headers=_WORKER_HEADERS)


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
    if refused.hint is not None:
        problem["hint"] = refused.hint
    return problem


def problem_answer(refused: RequestRefused, request_id: str) -> web.Response:
    """The refusal for a client."""
    answer = json_answer({**problem_of(refused), "request_id": request_id}, status=refused.status)
    answer.headers["Content-Type"] = PROBLEM_TYPE
    if refused.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return _complete(answer, refused)


def worker_refusal(refused: RequestRefused) -> web.Response:
    """The refusal for a worker, whose protocol knows one word for what is invalid."""
    status = 400 if refused.status == 422 else refused.status
    text = refused.message if refused.hint is None else f"{refused.message}; {refused.hint}"
    return _complete(worker_answer({"error": text, "code": refused.code}, status=status), refused)


def compress(request: web.Request, answer: web.StreamResponse) -> None:
    """Compress the answer if it is worth it and the client takes gzip."""
    if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes) or answer.prepared:
        return
    if len(answer.body) > GZIP_FROM_BYTES and _takes_gzip(request.headers.get("Accept-Encoding", "")):
        answer.enable_compression(web.ContentCoding.gzip)
        answer.headers["Vary"] = "Accept-Encoding"


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


def _complete(answer: web.Response, refused: RequestRefused) -> web.Response:
    if refused.retry_after_s is not None:
        answer.headers["Retry-After"] = str(refused.retry_after_s)
    if isinstance(refused, MethodRefused):
        answer.headers["Allow"] = ", ".join(refused.allowed)
    return answer
