"""Start real servers for tests: Redis and PostgreSQL, each on a free loopback port, in a folder of its own.

Rules: a server is ready when it says so on its own log, so nothing here sleeps or polls; `kill` loses whatever the
process had not handed to the operating system, and `start` after it finds the same port and the same files; ports are
picked below the kernel's ephemeral range, so that no outgoing connection takes one while its server is down.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
PORTS = range(20_000, 32_000)
ATTEMPTS_TO_FIND_A_PORT = 20

# With everysec, Redis postpones a write for up to two seconds while its fsync is under way, and answers nevertheless,
# so a kill can lose it. With "no" each write reaches the operating system before its answer, but for a client that was
# behind with reading: what it asks next may be answered in the turn of Redis' loop in which it is done, before the file
# is written at the end of that turn. Only "always" keeps these apart, and so keeps every answered write under any load.
KEEPS_WRITES_OVER_KILL = "no"
KEEPS_ALL_WRITES = "always"


def free_port() -> int:
    """Return a loopback port on which nothing listens now."""
    for port in random.SystemRandom().sample(PORTS, ATTEMPTS_TO_FIND_A_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port among {ATTEMPTS_TO_FIND_A_PORT} tried in {PORTS}")


class Daemon:
    """A child process that is ready once a line of its output contains `ready`; its last lines are kept."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: str,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.tail: deque[str] = deque(maxlen=100)
        self._ready_text = ready
        self._said_something = threading.Event()
        self._is_ready = False
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait_until_ready(command)

    def send(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end of the process; one that has ended already stays ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_TIMEOUT_S)

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def _wait_until_ready(self, command: Sequence[str]) -> None:
        self._said_something.wait(READY_TIMEOUT_S)
        if not self._is_ready:
            self.send(signal.SIGKILL)
            raise RuntimeError(f"{command[0]} did not say {self._ready_text!r}:\n" + "".join(self.tail))

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.tail.append(line)
                if not self._is_ready and self._ready_text in line:
                    self._is_ready = True
                    self._said_something.set()
        self._said_something.set()


class RedisServer:
    """A redis-server with an append-only file; writes that it answered survive `kill` and `start`."""

    def __init__(
        self, folder: Path, *, appendfsync: str = KEEPS_WRITES_OVER_KILL, more: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.more = more or {}
        self.appendfsync = appendfsync
        self.port = free_port()
        self._daemon: Daemon | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where an engine finds this server."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process, for tests that stop (SIGSTOP) and continue it."""
        assert self._daemon is not None
        return self._daemon.process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._daemon is not None and self._daemon.running

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version, as the binary says."""
        said = subprocess.run(["redis-server", "--version"], check=True, capture_output=True, text=True).stdout
        major, minor = said.partition("v=")[2].split(".")[:2]
        return int(major), int(minor)

    def start(self) -> None:
        """Start on the same port with the files that are there; a running server is left alone."""
        if self.running:
            return
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": self.appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": "",
            **self.more,
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._daemon = Daemon(["redis-server", *arguments], ready="eady to accept connections")

    def stop(self) -> None:
        """End the server politely."""
        if self._daemon is not None:
            self._daemon.send(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power switch would (kill -9)."""
        if self._daemon is not None:
            self._daemon.send(signal.SIGKILL)

    def flush(self) -> None:
        """Leave an empty server that runs, whatever the test before did to it."""
        self.start()
        self.command("CONFIG SET maxmemory-policy noeviction")
        self.command(f"CONFIG SET appendfsync {self.appendfsync}")
        self.command("SCRIPT FLUSH SYNC")
        self.command("FLUSHALL SYNC")

    def command(self, line: str) -> str:
        """Return the first line of the answer to one inline command; an error of the server raises."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=STOP_TIMEOUT_S) as connection:
            connection.sendall(line.encode() + b"\r\n")
            answer = connection.makefile("rb").readline().decode().strip()
        if answer.startswith("-"):
            raise RuntimeError(f"{line}: {answer}")
        return answer


class PostgresServer:
    """A PostgreSQL that listens on loopback only; as root it runs as the user `postgres`, who owns its folder."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.port = free_port()
        self._binaries = binaries
        self._data = folder / "data"
        self._user = "postgres" if os.geteuid() == 0 else None
        self._daemon: Daemon | None = None
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [binaries / "initdb", "--pgdata", self._data, *options],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )
        self.start()

    @property
    def dsn(self) -> str:
        """Where a client finds this server."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start on the same port with the files that are there; a running server is left alone."""
        if self._daemon is not None and self._daemon.running:
            return
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), *arguments]
        self._daemon = Daemon(command, ready="ready to accept connections", user=self._user, cwd=Path("/"))

    def stop(self) -> None:
        """End the server politely; clients are disconnected."""
        if self._daemon is not None:
            self._daemon.send(signal.SIGINT)

    def kill(self) -> None:
        """End the server without a checkpoint: the next start recovers from its log, as after a crash."""
        if self._daemon is not None:
            self._daemon.send(signal.SIGQUIT)


def redis_server_found() -> bool:
    """Whether this machine has a redis-server."""
    return shutil.which("redis-server") is not None


def postgres_binaries() -> Path | None:
    """Return the folder of the newest initdb and postgres of this machine, if there is one."""
    on_path = shutil.which("postgres")
    if on_path is not None and shutil.which("initdb") is not None:
        return Path(on_path).parent
    folders = [initdb.parent for initdb in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    """The server takes bytes and answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)
