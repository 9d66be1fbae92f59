"""Keep with a request what its route found and who asks, and give it its id."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import count
from secrets import token_hex
from typing import Final

from aiohttp import web

from avtomat.api.http.auth import Caller
from avtomat.errors import RequestRefused

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_PROCESS: Final = token_hex(6)
_NUMBERS: Final = count(1)


class Request(web.BaseRequest):
    """A request on its way through a door: `parts` are the variable parts of its address, `caller` asks."""

    parts: Mapping[str, str]
    caller: Caller
    closer: Callable[[], None] | None = None

    def end(self) -> None:
        """Break it off: its token was taken away. `closer` knows a better way than to close the connection."""
        if self.closer is not None:
            self.closer()
        elif self.transport is not None:
            self.transport.close()


def single_header(request: Request, name: str) -> str | None:
    """The value of a header that means one thing; RequestRefused (400) where it stands more than once."""
    given = request.headers.getall(name, ())
    if len(given) > 1:
        raise RequestRefused(f"the header {name} stands there more than once", status=400, code="request.header")
    return given[0] if given else None


def request_id_of(request: Request) -> str:
    """The id under which this request is told of: the client's own, or the next of this process."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _ID.fullmatch(given):
        return given
    return f"{_PROCESS}-{next(_NUMBERS):x}"
