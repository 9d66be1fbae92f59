"""The clients' door: send a signal to a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from avtomat.access.model import Scope
from avtomat.api.clients.bodies import fields_of, invalid
from avtomat.api.clients.jobs import JOBS, acted
from avtomat.api.http.answer import Answer
from avtomat.api.http.answers import json_answer
from avtomat.api.http.bodies import optional_json_body
from avtomat.api.http.queries import query_of, refuse_unknown
from avtomat.api.http.requests import Request
from avtomat.api.http.routes import Route, Routes
from avtomat.core.formula import Json
from avtomat.runtime.jobs.signals import Signal, Signals
from avtomat.settings import Settings

SIGNAL: Final = JOBS + "/{job}/signals/{name}"
_FIELDS: Final = ("payload", "key", "id")


class SignalRoutes:
    """The route by which signals come."""

    def __init__(self, signals: Signals, settings: Settings) -> None:
        self._signals = signals
        self._body_bytes_max = settings.body_bytes_max

    async def send(self, request: Request) -> Answer:
        """Deliver a signal to one job: 202 once it is stored, 200 when its id was taken before."""
        refuse_unknown(query_of(request))
        body = _checked(await optional_json_body(request, self._body_bytes_max))
        job_id, name, caller = request.parts["job"], request.parts["name"], request.caller
        key = body.get("key", "")
        signal = Signal(name=name, payload=body.get("payload"), key=str(key), id=body.get("id", ""))
        fresh = acted(await self._signals.send(job_id, caller.acts, signal, caller.name), request)
        told = {"job_id": job_id, "signal": name, "status": "accepted" if fresh else "repeated"}
        return json_answer(told, status=202 if fresh else 200)


ROUTES: Final = Routes(
    SignalRoutes,
    (
        Route(
            "POST",
            SIGNAL,
            SignalRoutes.send,
            id="sendSignal",
            summary="Send a signal to a job",
            scopes=(Scope.CLIENT, Scope.OPERATOR),
            body="Signal",
            body_required=False,
            answers={202: "SignalAccepted", 200: "SignalAccepted"},
            refusals=(404, 409, 413, 422, 429, 503),
        ),
    ),
)


def _checked(body: Json) -> Mapping[str, Json]:
    signal = fields_of(body, _FIELDS, "; data goes into payload")
    key, identity = signal.get("key", ""), signal.get("id", "")
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise invalid("key is a text or a whole number", "/key")
    if not isinstance(identity, str):
        raise invalid("id is a text", "/id")
    return signal
