"""Say what an exception means to whoever asked: every one becomes a refusal with a status and a code."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from avtomat.errors import RequestRefused, StoreError

log = logging.getLogger(__name__)

STORE_RETRY_AFTER_S: Final = 2
MALFORMED: Final = "request.http"
_LOST_HINT: Final = "it may have been carried out: repeat a request with an Idempotency-Key; otherwise read the job"


class MalformedBody(web.RequestPayloadError):
    """What follows in the body is not as HTTP has it; the text says what is wrong."""


class MethodRefused(RequestRefused):
    """The address is there, but not for this method."""

    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        text = f"{method} is not possible here; there are {', '.join(allowed)}"
        super().__init__(text, status=405, code="request.method")
        self.allowed = allowed


def refusal_of(error: Exception, request_id: str = "of a worker") -> RequestRefused:
    """The refusal that answers `error`. What nobody expected is logged with its traceback, and told without it."""
    match error:
        case RequestRefused():
            return error
        case StoreError():
            hint = _LOST_HINT if _lost(error) else error.hint
            return RequestRefused(
                error.message, status=503, code=error.code, hint=hint, retry_after_s=STORE_RETRY_AFTER_S
            )
        case web.HTTPException():
            return RequestRefused(error.reason, status=error.status, code="request.refused")
        case MalformedBody():
            return RequestRefused(str(error), status=400, code=MALFORMED)
        case web.RequestPayloadError() | ConnectionError():
            return RequestRefused("the request was interrupted", status=400, code="request.body")
    log.error("request %s could not be answered", request_id, exc_info=error)
    return RequestRefused("the engine failed; its log says why", status=500, code="internal")


def _lost(error: StoreError) -> bool:
    return error.code == "store.answer_lost"
