"""Whose a socket is: the worker's that its address or a header names, or that its token is for alone.

Clients up to 1.0b7 name none. Such a socket is the worker's that holds the attempt which it first tells of; until then
it hears of every dead attempt of workers that its token is for and that have no socket of their own, in the older
clients' form as well, and leaves alone what is not its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from avtomat.api.http.requests import Request, single_header
from avtomat.api.workers.allowed import refuse_other_worker, worker_of
from avtomat.api.workers.messages import check_id, read_event
from avtomat.api.workers.older import is_progress, progress_event
from avtomat.api.workers.signed import EVENT_WITHOUT, Signatures
from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.work.dispatcher import Dispatcher
from avtomat.runtime.work.seats import Send


class SocketOwner:
    """One socket on its way to being a worker's. Raises RequestRefused for an id that its token is not for."""

    def __init__(self, dispatcher: Dispatcher, request: Request, send: Send, signatures: Signatures) -> None:
        self._dispatcher = dispatcher
        self._signatures = signatures
        self._caller = request.caller
        self._send = send if "worker" in request.parts else _in_both_forms(send)
        self._worker = _named(request)

    def connect(self) -> None:
        """Hear of commands from now on."""
        if self._worker is None:
            self._dispatcher.connect_nameless(self._send, self._caller.is_worker)
        else:
            self._dispatcher.connect(self._worker, self._send)

    def disconnect(self) -> None:
        """The socket is gone."""
        if self._worker is None:
            self._dispatcher.disconnect_nameless(self._send)
        else:
            self._dispatcher.disconnect(self._worker, self._send)

    def event(self, told: Json) -> dict[str, Json]:
        """What the socket tells, as an event. Raises RequestRefused where it is none, of another worker, or not signed
        by it though it ought to be.
        """
        self._signatures.check(self._caller, told, self._worker, without=EVENT_WITHOUT)
        if is_progress(told):
            told = progress_event(told, self._owner(told))
        event = read_event(told)
        refuse_other_worker(self._caller, event["worker_id"])
        return event

    def _owner(self, told: Mapping[str, Json]) -> str:
        if self._worker is None:
            task_id = told.get("task_id")
            worker = self._dispatcher.holder(task_id) if isinstance(task_id, str) else None
            if worker is None or not self._caller.is_worker(worker):
                text = "no worker here holds this task: say X-Worker-ID when the socket is opened"
                raise RequestRefused(text, status=400, code="request.invalid")
            self.disconnect()
            self._worker = worker
            self.connect()
        return self._worker


def _named(request: Request) -> str | None:
    if "worker" in request.parts:
        return worker_of(request)
    header = single_header(request, "X-Worker-ID")
    if header is not None:
        worker = check_id(header, "the worker's id")
        refuse_other_worker(request.caller, worker)
        return worker
    entry = request.caller.worker
    return None if entry is None or entry.is_pattern else entry.ids


def _in_both_forms(send: Send) -> Send:
    def send_both(command: Mapping[str, Json]) -> None:
        send({"type": command["command"], **command})

    return send_both
