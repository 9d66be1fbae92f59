"""Make the request of a call from its params, and of what came of it what a worker would answer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import quote_plus, urlsplit

from avtomat.core.formula import Json
from avtomat.core.kinds.calls import HEADERS_OF_SIGNATURES, HEADERS_OF_THE_ENGINE
from avtomat.core.retry import CALL_FAILED
from avtomat.errors import RequestRefused, SecretError
from avtomat.runtime.json_door import read_json
from avtomat.runtime.outgoing.messages import Answer, Reason, Request, Unanswered
from avtomat.runtime.outgoing.retry_after import seconds_of
from avtomat.runtime.standard_webhooks import signature
from avtomat.storage.port.codec import dumps

FAILURES_FROM: Final = 400
BODY_OF_ERROR_BYTES_MAX: Final = 16 * 1024
"""So much of an answer's body an error keeps."""

URL_SHOWN_MAX: Final = 200
MESSAGE_ID_MAX: Final = 255
_CHARSETS: Final = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "latin-1", "windows-1252", "cp1252", "utf-16"}
)
_MESSAGES: Final = {
    Reason.TOO_LARGE: "a body that is larger than the setting calls_body_bytes_max",
    Reason.ENCODING: "a body in an encoding that cannot be read",
}


class UnfitRequest(Exception):  # noqa: N818 - what an author's values came to, not a fault
    """The values of a call make no request; the text says which one, and never its value."""


def request_of(params: Mapping[str, Json], key: str, trace: str | None) -> Request:
    """The request; `key` is the visit's idempotency key, the same at each attempt. Raises UnfitRequest."""
    url = params.get("url")
    if not isinstance(url, str):
        raise UnfitRequest("the url is not a text")
    body, kind = _body_of(params)
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "Idempotency-Key": key}
    if trace is not None:
        headers["Traceparent"] = trace
    if kind is not None:
        headers["Content-Type"] = kind
    headers |= _auth_of(params.get("auth"))
    names = {name.lower(): name for name in headers}
    for name, value in _map(params.get("headers"), "headers"):
        if name.lower() in HEADERS_OF_THE_ENGINE:
            raise UnfitRequest(f"the header {name} is set by the engine itself")
        headers.pop(names.get(name.lower(), ""), None)
        headers[name] = _header(name, value)
    if "sign" in params:
        headers = {name: text for name, text in headers.items() if name.lower() not in HEADERS_OF_SIGNATURES}
        headers["webhook-id"] = _message_id(params["sign"], key)
    return Request(
        method=params["method"],
        url=url,
        query={name: _texts(name, value) for name, value in _map(params.get("query"), "query")},
        headers=headers,
        body=body,
    )


def signed(request: Request, params: Mapping[str, Json], now: datetime) -> Request:
    """The request, signed now by each secret that its call names, if it names any. Raises UnfitRequest."""
    if "sign" not in params:
        return request
    identity, at = request.headers["webhook-id"], str(int(now.timestamp()))
    try:
        made = [signature(key, identity.encode(), at.encode(), request.body or b"") for key in params["sign"]["keys"]]
    except SecretError as unfit:
        raise UnfitRequest(f"sign: {unfit.message}") from None
    texts = " ".join(f"v1,{each}" for each in made)
    return replace(request, headers={**request.headers, "webhook-timestamp": at, "webhook-signature": texts})


def place_of(params: Mapping[str, Json]) -> str:
    """What people call the request: its method and url, without the query, which may say much of a person."""
    url = params.get("url")
    text = url.partition("?")[0].partition("#")[0] if isinstance(url, str) else "(no url)"
    try:
        user = urlsplit(text).username
    except ValueError:
        user = ""
    shown = "(an unfit url)" if user is not None else text
    return f"{params['method']} {shown[:URL_SHOWN_MAX]}"


def result_of(params: Mapping[str, Json], came: Answer | Unanswered, now: datetime) -> dict[str, Json]:
    """What a worker would answer: the output, or an error."""
    if isinstance(came, Unanswered):
        return _failure_without_answer(params, came)
    if came.cut is not None:
        reason = f"{came.status} and {_MESSAGES[came.cut]}"
        return _failure(params, came, reason, now, why=came.cut.value)
    if came.status >= FAILURES_FROM and came.status not in (params.get("accept") or ()):
        return _failure(params, came, str(came.status), now)
    try:
        body = _read(came)
    except RequestRefused as unfit:
        return _failure(params, came, f"{came.status} and what is not the JSON that it is said to be: {unfit.message}",
                        now, why="body.invalid")  # fmt: skip
    return {"status": "success", "data": {"status": came.status, "headers": dict(came.headers), "body": body}}


def unfit_result(params: Mapping[str, Json], unfit: UnfitRequest) -> dict[str, Json]:
    """What a worker would answer for a call whose values make no request."""
    return _failure_without_answer(params, Unanswered(reason=Reason.INVALID, message=str(unfit), sent=False))


# --- requests ---------------------------------------------------------------------------------------------------------


def _body_of(params: Mapping[str, Json]) -> tuple[bytes | None, str | None]:
    if "json" in params:
        return dumps(params["json"]), "application/json"
    if "form" in params:
        pairs = [
            f"{quote_plus(name)}={quote_plus(text)}"
            for name, value in _map(params["form"], "form")
            for text in _texts(name, value)
        ]
        return "&".join(pairs).encode(), "application/x-www-form-urlencoded"
    if "text" in params:
        return _text("text", params["text"]).encode(), "text/plain; charset=utf-8"
    return None, None


def _auth_of(auth: Json) -> dict[str, str]:
    given = dict(_map(auth, "auth"))
    if "bearer" in given:
        return {"Authorization": f"Bearer {_header('auth.bearer', given['bearer'])}"}
    if given:
        name, word = (_header(f"auth.{key}", given.get(key, "")) for key in ("username", "password"))
        if ":" in name:
            raise UnfitRequest("auth.username has a colon")
        return {"Authorization": f"Basic {b64encode(f'{name}:{word}'.encode()).decode()}"}
    return {}


def _message_id(sign: Mapping[str, Json], key: str) -> str:
    """The id that a signed message has: as the call says, else that of the visit. What is signed has dots between its
    parts, so there is none in it.
    """
    identity = _header("webhook-id", sign["id"]) if "id" in sign else key.replace(".", "-")
    if not identity or len(identity) > MESSAGE_ID_MAX or "." in identity or not identity.isascii():
        raise UnfitRequest(f"sign.id is not a text of 1 to {MESSAGE_ID_MAX} ASCII characters without dots")
    return identity


def _map(value: Json, what: str) -> Iterator[tuple[str, Json]]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise UnfitRequest(f"{what} is not a map")
    yield from value.items()


def _texts(name: str, value: Json) -> list[str]:
    """A value, or a list of them, as texts."""
    return [_text(name, each) for each in value] if isinstance(value, list) else [_text(name, value)]


def _text(name: str, value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        raise UnfitRequest(f"{name} is not a text, a number, true or false")
    return dumps(value).decode()


def _header(name: str, value: Json) -> str:
    text = _text(name, value)
    if any(ord(each) < 32 or ord(each) == 127 for each in text) or not name.isascii():
        raise UnfitRequest(f"the header {name} has a line break or another character that no header can have")
    return text


# --- answers ----------------------------------------------------------------------------------------------------------


def _read(answer: Answer) -> Json:
    """The body: JSON where its type says so, else a text; null where there is none."""
    if not answer.body:
        return None
    if _is_json(answer):
        return read_json(answer.body)
    return _as_text(answer)


def _is_json(answer: Answer) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _as_text(answer: Answer) -> str:
    charset = (answer.charset or "utf-8").lower()
    return answer.body.decode(charset if charset in _CHARSETS else "utf-8", "replace")


def _failure(
    params: Mapping[str, Json], answer: Answer, said: str, now: datetime, why: str | None = None
) -> dict[str, Json]:
    details: dict[str, Json] = {"status": answer.status, "headers": dict(answer.headers), **_body_of_error(answer)}
    if why is not None:
        details["reason"] = why
    retry_after_s = seconds_of(answer.headers.get("retry-after"), now)
    if retry_after_s is not None:
        details["retry_after_s"] = retry_after_s
    return _failed(CALL_FAILED, f"{place_of(params)} answered {said}", details)


def _body_of_error(answer: Answer) -> dict[str, Json]:
    """The body as far as an error keeps it; where it is cut, it is a text, and `body_cut` says so."""
    if len(answer.body) <= BODY_OF_ERROR_BYTES_MAX and answer.cut is None:
        try:
            return {"body": _read(answer)}
        except RequestRefused:
            return {"body": _as_text(answer)}
    text = _as_text(answer)[:BODY_OF_ERROR_BYTES_MAX]
    return {"body": text.encode(errors="replace")[:BODY_OF_ERROR_BYTES_MAX].decode(errors="ignore"), "body_cut": True}


def _failure_without_answer(params: Mapping[str, Json], came: Unanswered) -> dict[str, Json]:
    """A request that was sent and took too long is a timeout; else the call failed without a status."""
    code = "TIMEOUT_ERROR" if came.reason is Reason.TIMEOUT and came.sent else CALL_FAILED
    details = {"reason": came.reason.value, "sent": came.sent}
    return _failed(code, f"{place_of(params)} was not answered: {came.message}", details)


def _failed(code: str, message: str, details: Json) -> dict[str, Json]:
    return {"status": "failure", "error": {"code": code, "message": message, "details": details}}
