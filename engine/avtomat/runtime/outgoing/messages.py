"""Say what is sent, and what came of it: an answer, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from avtomat.core.value import value


class Reason(StrEnum):
    """Why there is no answer, or no whole one."""

    REFUSED = "url.refused"
    INVALID = "request.invalid"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    CONNECTION = "connection_lost"
    TIMEOUT = "timeout"
    TOO_LARGE = "body.too_large"
    ENCODING = "body.encoding"


@value
class Request:
    """A request. `query` is added to that of the url; header names are in any case."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str | Sequence[str]] | None = None
    body: bytes | None = None


@dataclass(slots=True)
class Sending:
    """How far a request has come, for whoever may be interrupted: whether it may have reached the server."""

    sent: bool = False


@value
class Answer:
    """An answer with its headers by small name. `cut`: why `body` is not all that the server sent, if so."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    charset: str | None = None
    cut: Reason | None = None


@value
class Unanswered:
    """There is no answer. `sent` is False where the request has surely not reached the server."""

    reason: Reason
    message: str
    sent: bool = True
