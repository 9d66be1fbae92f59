"""Describe the address at which requests of hooks come."""

from __future__ import annotations

from typing import Final

from avtomat.api.openapi.operation import Operation

INCOMING: Final = (
    Operation(
        method="post",
        path="/hooks/{blueprint}/{hook}",
        id="receiveHook",
        door="public",
        summary="Take a request of another system: it starts a job, or sends one a signal",
        text="A hook is one of `on` in its blueprint, whose `verify` says how requests are signed. 202 once the job or "
        "the signal is stored; 200 for what was taken before, and for what changes nothing.",
        body="Map",
        answers={
            200: "HookTaken",
            202: "HookTaken",
            **dict.fromkeys((400, 401, 404, 408, 409, 413, 415, 422, 429, 503), None),
        },
    ),
)
