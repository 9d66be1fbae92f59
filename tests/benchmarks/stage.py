"""Start what a benchmark needs: a Redis that flushes each second, the engine, and the bare handler to compare with.

The engine and the handler run on the core of the engine, in turn; Redis and the load run on the other.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Self

from tests.benchmarks import limit
from tests.benchmarks.machine import Cores, pin
from tests.benchmarks.wire import message
from tests.servers import Daemon, RedisServer, free_port

BLUEPRINTS = Path(__file__).parent / "blueprints"
SERVE = ("-m", "avtomat", "serve")
REDIS = "redis"
SQLITE = "sqlite"


class Server:
    """A process with a port on the engine's core."""

    def __init__(self, command: Sequence[str], *, port: int, ready: str, core: int, folder: Path, env: dict[str, str]):
        self.port = port
        self._daemon = Daemon(command, ready=ready, env={**os.environ, **env}, cwd=folder)
        self.pid = self._daemon.process.pid
        pin(self.pid, core)

    def stop(self) -> None:
        """End it politely."""
        self._daemon.send(SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where workers are let in: the engine's port, and their token."""

    port: int
    token: str

    def message(self, worker: str, method: str, path: str, body: bytes = b"") -> bytes:
        """A request of a worker."""
        return message(method, f"/_worker{path}", {"X-Worker-Token": self.token, "X-Worker-ID": worker}, body)


class Stage:
    """A store of its own, the engine on it, and the bare handler on a Redis; ended and removed by `with`."""

    def __init__(self, store: str, folder: Path, cores: Cores, *, run: Sequence[str] = SERVE) -> None:
        self.store = store
        self.folder = folder
        self._cores = cores
        self._run = run
        self._client_token, self._worker_token = secrets.token_hex(32), secrets.token_hex(32)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        with ExitStack() as started:
            self.redis = RedisServer(self.folder)
            started.callback(self.redis.stop)
            self.redis.command("CONFIG SET appendfsync everysec")
            self.engine = self._start_engine()
            started.callback(self.engine.stop)
            self.bare = self._start_bare()
            started.callback(self.bare.stop)
            self._started = started.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._started.close()

    @property
    def database(self) -> Path:
        """The file of an SQLite store."""
        return self.folder / "bench.db"

    def client_message(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request of a client."""
        return message(method, f"/api/v1{path}", {"Authorization": f"Bearer {self._client_token}"}, body)

    @property
    def door(self) -> Door:
        """The workers' door."""
        return Door(port=self.engine.port, token=self._worker_token)

    def start_beside(self, command: Sequence[str], *, python: Path, ready: str) -> Server:
        """Start a program of another environment on the engine's core; the caller stops it."""
        core, folder = self._cores.engine, self.folder
        return Server([str(python), *command], port=0, ready=ready, core=core, folder=folder, env={})

    def _start_engine(self) -> Server:
        port = free_port()
        settings = {
            "AVTOMAT_STORE": self.redis.url if self.store == REDIS else f"sqlite:///{self.database}",
            "AVTOMAT_BLUEPRINTS": str(BLUEPRINTS),
            "AVTOMAT_PORT": str(port),
            "AVTOMAT_CLIENT_TOKEN": self._client_token,
            "AVTOMAT_WORKER_TOKEN": self._worker_token,
        }
        return self._start(self._run, port, "listening on", settings)

    def _start_bare(self) -> Server:
        port = free_port()
        return self._start([limit.__file__, str(port), f"{self.redis.url[:-1]}1"], port, "listening", {})

    def _start(self, command: Sequence[str], port: int, ready: str, env: dict[str, str]) -> Server:
        return Server(
            [sys.executable, *command], port=port, ready=ready, core=self._cores.engine, folder=self.folder, env=env
        )
