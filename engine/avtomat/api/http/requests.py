"""Keep with a request what its route found and who asks, and give it its id."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from secrets import token_hex
from typing import Final

from aiohttp import web

from avtomat.api.http.auth import Caller
from avtomat.errors import RequestRefused
from avtomat.runtime.byte_budget import Claim

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_PROCESS: Final = token_hex(6)
_NUMBERS: Final = count(1)


class Request(web.BaseRequest):
    """A request on its way through a door: `parts` are the variable parts of its address, `caller` asks, `claims` are
    the room that its body and its value take.
    """

    parts: Mapping[str, str]
    caller: Caller
    claims: Sequence[Claim] = ()
    closer: Callable[[], None] | None = None

    def hold(self, claim: Claim) -> None:
        """The claim is the request's, until `let_go`."""
        self.claims = (*self.claims, claim)

    def let_go(self) -> None:
        """Nothing holds the body and its value any more."""
        for claim in self.claims:
            claim.release()
        self.claims = ()

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
        raise RequestRefused(f"the header {name} is given more than once", status=400, code="request.header")
    return given[0] if given else None


def request_id_of(request: Request) -> str:
    """The id under which this request is told of: the client's own, or the next of this process."""
    given = request.headers.get("X-Request-Id")
    if given is not None and _ID.fullmatch(given):
        return given
    return next_request_id()


def next_request_id() -> str:
    """An id for what names none."""
    return f"{_PROCESS}-{next(_NUMBERS):x}"
