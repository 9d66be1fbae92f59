"""Refuse workers what their tokens do not allow: to come as another worker, or to do other kinds of task."""

from __future__ import annotations

from collections.abc import Iterable

from avtomat.api.http.auth import Caller
from avtomat.api.http.requests import Request
from avtomat.api.workers.messages import check_id
from avtomat.errors import RequestRefused


def worker_of(request: Request) -> str:
    """The worker of the address. RequestRefused: 400 for what is no id, 403 auth.worker for another one's."""
    worker = check_id(request.parts["worker"], "the worker's id")
    refuse_other_worker(request.caller, worker)
    return worker


def refuse_other_worker(caller: Caller, worker: str) -> None:
    """403 auth.worker for an id that the token is not for."""
    if not caller.is_worker(worker):
        text = f"the token is for the worker {caller.name}, not for {worker[:80]!r}"
        raise RequestRefused(text, status=403, code="auth.worker")


def refuse_kinds(caller: Caller, kinds: Iterable[str]) -> None:
    """403 auth.kinds for kinds of task that the token is not for."""
    entry = caller.worker
    others = [] if entry is None or entry.kinds is None else [kind for kind in kinds if not entry.may_do(kind)]
    if others:
        text = f"the token is not for tasks of the kinds {', '.join(kind[:80] for kind in others[:10])}"
        raise RequestRefused(text, status=403, code="auth.kinds")
