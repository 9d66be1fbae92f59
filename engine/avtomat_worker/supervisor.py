"""Keep processes of one worker running: several at once, started anew when one dies or when its code changes.

SIGTERM and SIGINT are handed on, so that each process finishes its tasks; a second signal ends all at once. A process
that the engine does not want, or that cannot begin, is not started again: that would change nothing.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)

CANNOT_BEGIN = 2
"""The exit code of a process that would fail again in the same way."""

LOOK_EVERY_S = 0.2
PAUSE_FIRST_S = 0.5
PAUSE_MAX_S = 30.0
STEADY_S = 60.0
"""After so long without a death the pause before the next start is the first one again."""

Start = Callable[[int], subprocess.Popen[bytes]]


class Supervisor:
    """`start(number)` starts the process of this number; `watched` is a folder whose Python code is followed."""

    def __init__(self, start: Start, processes: int, watched: Path | None) -> None:
        self._start = start
        self._numbers = range(processes)
        self._watched = watched
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._started_s: dict[int, float] = {}
        self._pause_s = dict.fromkeys(self._numbers, PAUSE_FIRST_S)
        self._due_s: dict[int, float] = {}
        self._signals: list[int] = []
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._changed = threading.Event()

    def run(self) -> int:
        """Run until a signal, or until no process can be kept running; returns the exit code."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._on_signal)
        if self._watched is not None:
            threading.Thread(target=self._watch, args=(self._watched,), daemon=True).start()
        codes: set[int] = set()
        try:
            for number in self._numbers:
                self._begin(number)
            while (self._children or self._due_s) and not self._signals:
                self._wake.wait(LOOK_EVERY_S)
                self._wake.clear()
                codes |= self._look()
        finally:
            self._stopped.set()
            self._end()
        return max(codes, default=0)

    def _look(self) -> set[int]:
        """Start what is to be started; returns the codes of processes that ended for good."""
        if self._changed.is_set():
            self._changed.clear()
            self._reload()
        final = set()
        for number, child in list(self._children.items()):
            code = child.poll()
            if code is None:
                continue
            del self._children[number]
            if code in (0, CANNOT_BEGIN) and self._watched is None:
                final.add(code)
            elif code != CANNOT_BEGIN:
                self._die(number, code)
        for number, due_s in list(self._due_s.items()):
            if time.monotonic() >= due_s:
                self._begin(number)
        return final

    def _begin(self, number: int) -> None:
        self._due_s.pop(number, None)
        self._children[number] = self._start(number)
        self._started_s[number] = time.monotonic()

    def _die(self, number: int, code: int) -> None:
        if time.monotonic() - self._started_s[number] > STEADY_S:
            self._pause_s[number] = PAUSE_FIRST_S
        pause_s = self._pause_s[number]
        logger.error("process %d ended with %d; it starts again in %.1f s", number, code, pause_s)
        self._due_s[number] = time.monotonic() + pause_s
        self._pause_s[number] = min(2 * pause_s, PAUSE_MAX_S)

    def _reload(self) -> None:
        """Let each process finish its tasks, then start it with the code that is there now."""
        logger.warning("the code changed: running tasks may finish, then it starts again")
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.wait()
        self._children.clear()
        for number in self._numbers:
            self._begin(number)

    def _end(self) -> None:
        for child in self._children.values():
            child.terminate()
        while any(child.poll() is None for child in self._children.values()):
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
            if len(self._signals) > 1:
                for child in self._children.values():
                    child.kill()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)
        self._wake.set()

    def _watch(self, folder: Path) -> None:
        from watchfiles import PythonFilter, watch

        for _ in watch(folder, watch_filter=PythonFilter(), stop_event=self._stopped, raise_interrupt=False):
            self._changed.set()
            self._wake.set()


def command(target: str, number: int) -> Sequence[str]:
    """The command of one process of the worker that `target` names."""
    return [sys.executable, "-m", "avtomat_worker", target, "--number", str(number)]
