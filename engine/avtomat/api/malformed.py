"""Answer what is no HTTP request, in the words of the doors.

aiohttp's parser refuses it before there is a request with an address, so no door is passed. Which door was meant is
told by the bytes that were refused: a worker's request names the prefix of its door, or has its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler

from avtomat.api.http.answers import problem_answer, worker_refusal
from avtomat.api.http.refusals import MALFORMED, MalformedBody
from avtomat.api.http.requests import next_request_id
from avtomat.api.workers.calls import WORKERS
from avtomat.errors import RequestRefused

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

HEAD_LINE_BYTES_MAX: Final = 8_190
HEADERS_MAX: Final = 100

_MARKS_OF_WORKERS: Final = (b" " + WORKERS.encode() + b"/", b"\nx-worker-")
_LINE: Final = "the request line is malformed; METHOD ADDRESS HTTP/1.1 was expected"
_SAID: Final = (
    ("HTTPS", "the client speaks TLS; this port takes plain HTTP"),
    ("bytes when reading", f"a line of the head is longer than {HEAD_LINE_BYTES_MAX} bytes"),
    ("many headers", f"the head has more than {HEADERS_MAX} headers"),
    ("transfer-encoding", "the header Transfer-Encoding is malformed, or stands beside a Content-Length"),
    ("content-length", "the header Content-Length is not one number of bytes"),
    ("chunk", "a chunk of the body is malformed"),
    ("'host'", "the header Host is missing"),
    ("invalid method", "the method is not one of HTTP"),
    ("header", "a header is malformed; NAME: VALUE was expected"),
    ("status line", _LINE),
    ("method", _LINE),
    ("url", "the address in the request line is malformed"),
)
"""What the parser says of its reason, in any case of letters, and what is told for it; the first that fits."""


def text_of(error: BaseException) -> str:
    """What is wrong with the bytes that the parser refused, in one sentence without any of them."""
    if isinstance(error, http_exceptions.InvalidURLError):
        return "the address in the request line is malformed"
    said = str(getattr(error, "message", "")).partition(":")[0].lower()
    return next((text for mark, text in _SAID if mark.lower() in said), "the request is not valid HTTP/1.1")


class Connection(RequestHandler):
    """aiohttp's connection; what its parser refuses is answered as the doors do, and the connection ends then."""

    __slots__ = ("_is_of_worker", "_is_told")

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._is_of_worker = self._is_told = False

    def data_received(self, data: bytes) -> None:
        """asyncio's call."""
        super().data_received(data)
        # what was refused is the last message, and is answered in a later turn of the loop
        error = getattr(self._messages[-1][0], "exc", None) if self._messages else None
        if error is not None:
            self._refuse(data, error)

    def _refuse(self, data: bytes, error: BaseException) -> None:
        small = data.lower()
        self._is_of_worker = any(mark in small for mark in _MARKS_OF_WORKERS)
        request = self._current_request
        bodies = [body for _, body in list(self._messages)[:-1]] + ([request.content] if request is not None else [])
        for body in bodies:
            if not body.is_eof():  # whoever reads it is told, and answers
                self._is_told = True
                body.set_exception(MalformedBody(text_of(error)))
                body.feed_eof()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp's call, for what the parser refused, and for what this raises; doors answer what handlers raise."""
        if isinstance(exc, ConnectionError):
            raise exc
        if not isinstance(exc, http_exceptions.HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        if self._is_told:
            raise ConnectionError("the request whose body it is was answered")
        self.log_debug("no HTTP request", exc_info=exc)
        refused = RequestRefused(text_of(exc), status=400, code=MALFORMED)
        answer: Any = worker_refusal(refused) if self._is_of_worker else problem_answer(refused, next_request_id())
        answer.keep_alive = False
        return answer  # type: ignore[no-any-return]  # of a response aiohttp asks for no more than an Answer has


class Server(web.Server):
    """aiohttp's, with connections of ours."""

    def __call__(self) -> RequestHandler:
        """asyncio's call: a connection was made."""
        return Connection(self, loop=self._loop, **self._kwargs)
