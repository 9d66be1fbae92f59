"""Ask an engine over HTTP, one request after the other: what commands use.

It is built on the standard library, so that a command starts at once.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from avtomat.errors import RequestRefused, ServerUnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = Any
TIMEOUT_S: Final = 90.0
"""Longer than the longest `?wait`."""


class EngineApi:
    """The clients' door of the engine at `url`."""

    def __init__(self, url: str, token: str | None) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _no_address(url) from None
        if parts.scheme not in {"http", "https"} or not host:
            raise _no_address(url)
        self._url = url
        self._root = parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(host, port, timeout=TIMEOUT_S)
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def address_of(self, link: str) -> str:
        """A link that the engine gave out, as it is reached from here where it is only a path."""
        return link if "://" in link else f"{self._url.rstrip('/')}{link}"

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Json:
        """The answer to a GET; parameters that are None are left out."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._ask("GET", path + (f"?{urlencode(given)}" if given else ""), None)

    def post(self, path: str, body: Json, headers: Mapping[str, str] | None = None) -> Json:
        """The answer to a POST."""
        return self._ask("POST", path, json.dumps(body).encode(), headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None, more: Mapping[str, str] | None = None) -> Json:
        """Raises ServerUnreachableError when nobody answers, RequestRefused when the engine refuses."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        headers = {**headers, **(more or {})}
        try:
            self._connection.request(method, self._root + path, body, headers)
            response = self._connection.getresponse()
            raw = response.read()
        except ValueError:  # not latin-1, or a line break: no header can carry it
            raise UsageError("a token or a key has characters that HTTP does not carry", hint="use ASCII") from None
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ServerUnreachableError(
                f"no engine answers at {self._url}: {error or type(error).__name__}",
                hint="is it running? --url or AVTOMAT_URL says where",
            ) from None
        return _value_of(response, raw, self._url)


def _no_address(url: str) -> UsageError:
    return UsageError(f"{url!r} is not an address of an engine", hint="write http://host:8080")


def _value_of(response: HTTPResponse, raw: bytes, url: str) -> Json:
    try:
        value = json.loads(raw)
    except ValueError:
        text = f"{url} answered {response.status} without JSON; it may be something else than an engine"
        raise ServerUnreachableError(text) from None
    if response.status < 400:
        return value
    problem = value if isinstance(value, dict) else {}
    raise RequestRefused(
        str(problem.get("detail", response.reason)),
        status=response.status,
        code=str(problem.get("code", "internal")),
        hint=_hint_of(response.status, problem),
        pointer=problem.get("pointer"),
    )


def _hint_of(status: int, problem: Mapping[str, Json]) -> str | None:
    if status == 401:
        return "set AVTOMAT_CLIENT_TOKEN, or say --token"
    return problem.get("hint")
