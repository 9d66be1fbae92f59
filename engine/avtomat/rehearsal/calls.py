"""Play the servers that calls go to: no request leaves the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from avtomat.core.formula import Json
from avtomat.core.kinds.calls import CALL
from avtomat.core.timestamp import from_ms
from avtomat.rehearsal.cases import Answer
from avtomat.rehearsal.script import Task
from avtomat.runtime.outgoing.messages import Answer as Answered
from avtomat.runtime.outgoing.messages import Reason, Unanswered
from avtomat.runtime.work.requests import UnfitRequest, request_of, result_of, unfit_result
from avtomat.settings import Settings
from avtomat.storage.port.codec import dumps


def unfit_call(task: Task) -> dict[str, Json] | None:
    """The result of a call whose values make no request; None for all other tasks, and for calls that can be sent."""
    if task.kind != CALL:
        return None
    try:
        request_of(task.params, "", None)
    except UnfitRequest as unfit:
        return unfit_result(task.params, unfit)
    return None


def call_answered(task: Task, answer: Answer, deadline_ms: int | None, now_ms: int) -> Answer:
    """What the engine makes of a server's answer, and when: it waits no longer than with the usual settings."""
    assert answer.server is not None
    settings = Settings()
    limit_ms = settings.calls_timeout // timedelta(milliseconds=1)
    if deadline_ms is not None:  # the store ends the attempt then
        limit_ms = deadline_ms - now_ms + 1_000
    limit_ms = min(limit_ms, settings.calls_timeout_max // timedelta(milliseconds=1))
    if answer.silent or answer.takes_ms > limit_ms:
        late = Unanswered(reason=Reason.TIMEOUT, message=f"there was no whole answer within {limit_ms / 1000:g} s")
        body = result_of(task.params, late, from_ms(now_ms + limit_ms))
        return replace(answer, body=body, takes_ms=limit_ms, silent=False)
    return replace(answer, body=_result(task, answer.server, from_ms(now_ms + answer.takes_ms)))


def _result(task: Task, server: Mapping[str, Json], now: datetime) -> dict[str, Json]:
    if server.get("broken"):
        broken = Unanswered(reason=Reason.CONNECTION, message="the connection broke")
        return result_of(task.params, broken, now)
    headers = {name.lower(): str(value) for name, value in (server.get("headers") or {}).items()}
    body = server.get("body")
    if "body" in server and "content-type" not in headers:
        headers["content-type"] = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    content = body.encode() if isinstance(body, str) else dumps(body) if "body" in server else b""
    return result_of(task.params, Answered(status=server.get("status", 200), headers=headers, body=content), now)
