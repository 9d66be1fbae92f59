"""A worker that is nothing but requests, as from curl: it does what a test says, wrong or late things too."""

from __future__ import annotations

import json
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlencode

from tests.e2e.processes import TOKENS, EngineProcess

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the engine answered; `retry_after` is the header of this name."""

    status: int
    body: Json
    retry_after: str | None


class RawWorker:
    """One worker without any state but its name."""

    def __init__(self, engine: EngineProcess, name: str, *kinds: str) -> None:
        self.engine = engine
        self.name = name
        self.kinds = kinds

    def register(self) -> Reply:
        """Make it known."""
        skills = [{"name": kind} for kind in self.kinds]
        return self.ask("POST", "/workers/register", {"worker_id": self.name, "supported_skills": skills})

    def poll(self, timeout_s: float = 20, **query: str) -> Json:
        """The task that came within the time; None when none did."""
        reply = self.ask("GET", self.poll_path(timeout_s, **query))
        assert reply.status in (200, 204), reply
        return reply.body

    def result(self, task: Json, data: Json = None, **more: Json) -> Reply:
        """Deliver a result of an attempt."""
        return self.ask("POST", "/tasks/result", self.result_of(task, data, **more))

    def result_of(self, task: Json, data: Json = None, **more: Json) -> Json:
        """The body of a result."""
        named = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": self.name}
        return {**named, "status": "success", "data": data, **more}

    def heartbeat(self, tasks: Sequence[Json] = ()) -> Reply:
        """Say that it lives and what it holds."""
        held = [task["task_id"] for task in tasks]
        body = {"worker_id": self.name, "status": "busy" if held else "idle", "current_tasks": held}
        return self.ask("PATCH", f"/workers/{self.name}", body)

    def poll_path(self, timeout_s: float, **query: str) -> str:
        """Where it polls."""
        asked = {"timeout": f"{timeout_s:g}", "available_skills": ",".join(self.kinds), **query}
        return f"/workers/{self.name}/tasks/next?{urlencode(asked)}"

    def open_poll(self) -> socket.socket:
        """Send a poll, and leave its answer to whoever reads the connection."""
        connection = socket.create_connection(("127.0.0.1", self.engine.port), timeout=30)
        lines = [f"GET /_worker{self.poll_path(30)} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self._headers().items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def drop_poll(self, *, answered: bool = False, reset: bool = False) -> None:
        """Poll, and be gone: at once, or (`answered`) only when the answer has come, which is never read.

        `reset` leaves with an RST in place of a FIN.
        """
        with self.open_poll() as connection:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if answered:
                connection.recv(1, socket.MSG_PEEK)

    def ask(self, method: str, path: str, body: Json = None, *, timeout_s: float = 70) -> Reply:
        """One request at the workers' door; OSError when nobody answers."""
        request = urllib.request.Request(f"{self.engine.url}/_worker{path}", method=method, headers=self._headers())
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return _reply(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return _reply(refused.code, refused.headers, refused.read())

    def _headers(self) -> dict[str, str]:
        token = {"X-Worker-Token": TOKENS["AVTOMAT_WORKER_TOKEN"]} if self.engine.tokens else {}
        return {"X-Worker-ID": self.name, **token}


def _reply(status: int, headers: Message, text: bytes) -> Reply:
    return Reply(status=status, body=json.loads(text) if text else None, retry_after=headers.get("Retry-After"))
