"""The address of hooks: requests of other systems, which sign what they send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import read_body, value_of
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.incoming.hooks import ACCEPTED, Hooks, Taken
from avtomat.settings import Settings

HOOK: Final = "/hooks/{blueprint}/{hook}"


class HookRoutes:
    """The route by which requests of hooks come."""

    def __init__(self, hooks: Hooks, settings: Settings) -> None:
        self._hooks = hooks
        self._body_bytes_max = settings.body_bytes_max

    async def receive(self, request: Request) -> Answer:
        """Take one request: 202 once its job or signal is stored, 200 when it was taken before or changes nothing."""
        refuse_unknown(query_of(request))
        raw = await read_body(request, self._body_bytes_max)
        if not raw:
            raise RequestRefused("the body is empty; JSON was expected", status=400, code="request.json")
        admitted = self._hooks.admit(request.parts["blueprint"], request.parts["hook"], _headers_of(request), raw)
        taken = await self._hooks.take(admitted, await value_of(request, raw))
        return json_answer(_told(taken), status=202 if taken.status == ACCEPTED else 200)


ROUTES: Final = Routes(
    HookRoutes,
    (
        Route(
            "POST",
            HOOK,
            HookRoutes.receive,
            id="receiveHook",
            summary="Take a request of another system: it starts a job, or sends one a signal",
            body="Map",
            answers={
                200: "HookTaken",
                202: "HookTaken",
                **dict.fromkeys((400, 401, 404, 408, 409, 413, 415, 422, 429, 503), None),
            },
        ),
    ),
)


def _headers_of(request: Request) -> Mapping[str, str]:
    """The headers by their names in lower case; one that comes several times as RFC 9110, 5.3, joins them."""
    headers: dict[str, str] = {}
    for name, text in request.headers.items():
        key, text = name.lower(), text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # noqa: PLW2901
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _told(taken: Taken) -> dict[str, Json]:
    told = {"status": taken.status, "job_id": taken.job_id, "reason": taken.reason}
    return {key: text for key, text in told.items() if text is not None}
