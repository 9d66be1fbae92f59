"""Keep N processes alive on one machine: start them, start dead ones again, hand signals on.

* The children are forks of this process, which therefore has neither threads nor an event loop of its own.
* The first SIGTERM or SIGINT is handed to the children, which end gently; the second too, and they end at once. Each
  child is a process group of its own, so that Ctrl-C reaches it once: from here.
* A child that dies is started again, at once at first, then with growing pauses. If one dies before any child ever
  was ready, starting again would not help: all end, with its exit code.
* When this process dies, its end of the lifeline closes, and the children end gently.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from avtomat.errors import AvtomatError

log = logging.getLogger(__name__)

PAUSES_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a slot is filled again, by how often its child died in a row."""

STEADY_S: Final = 60.0
"""A child that lived so long starts the row anew."""

_WATCHED: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a child is given: the lifeline to watch, and what to call once it is ready."""

    lifeline: int
    ready: Callable[[], None]


@dataclass(slots=True)
class _Slot:
    """One of the N: the child that fills it, or when it is filled again."""

    pid: int | None = None
    started_s: float = 0.0
    deaths: int = 0
    due_s: float = 0.0


def supervise(count: int, serve: Callable[[Child], int]) -> int:
    """Run `serve` in `count` processes until told to stop; returns the exit code."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        return _Supervisor(count, serve).run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Supervisor:
    def __init__(self, count: int, serve: Callable[[Child], int]) -> None:
        self._serve = serve
        self._slots = [_Slot() for _ in range(count)]
        self._lifeline, self._own_end = os.pipe()
        self._was_ready, self._ready = os.pipe()
        os.set_blocking(self._was_ready, False)
        self._any_ready = False
        self._told: int | None = None
        self._exit_code = 0

    def run(self) -> int:
        """Fill the slots, and do what signals ask for, until no child is left."""
        self._fill()
        while any(slot.pid is not None for slot in self._slots) or self._told is None:
            self._answer(self._next_signal())
            if self._told is None:
                self._fill()
        return self._exit_code

    def _next_signal(self) -> int | None:
        """The next signal; None when a slot is to be filled again before one comes."""
        due = [slot.due_s for slot in self._slots if slot.pid is None and self._told is None]
        if not due:
            return signal.sigwait(_WATCHED)
        found = signal.sigtimedwait(_WATCHED, max(min(due) - time.monotonic(), 0))
        return None if found is None else found.si_signo

    def _answer(self, number: int | None) -> None:
        match number:
            case None:
                return
            case signal.SIGCHLD:
                self._bury()
            case _:
                if self._told is not None:
                    self._exit_code = 128 + number
                self._tell(number)

    def _tell(self, number: int) -> None:
        self._told = number
        for slot in self._slots:
            if slot.pid is not None:
                os.kill(slot.pid, number)

    def _fill(self) -> None:
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.pid is None and slot.due_s <= now_s:
                slot.pid, slot.started_s = self._fork(), now_s

    def _bury(self) -> None:
        """Take note of every child that has ended; one signal may stand for several."""
        for slot in self._slots:
            if slot.pid is not None and (ended := os.waitpid(slot.pid, os.WNOHANG)) != (0, 0):
                self._take_note(slot, os.waitstatus_to_exitcode(ended[1]))

    def _take_note(self, slot: _Slot, code: int) -> None:
        pid, slot.pid = slot.pid, None
        if self._told is not None:
            self._exit_code = self._exit_code or (code if code >= 0 else 128 - code)
        elif not self._has_been_ready():
            self._exit_code = code if code > 0 else 1
            self._tell(signal.SIGTERM)
        else:
            self._plan_again(slot, pid, code)

    def _plan_again(self, slot: _Slot, pid: int | None, code: int) -> None:
        now_s = time.monotonic()
        slot.deaths = 1 if now_s - slot.started_s >= STEADY_S else slot.deaths + 1
        pause_s = PAUSES_S[min(slot.deaths, len(PAUSES_S)) - 1]
        slot.due_s = now_s + pause_s
        log.error("process %s ended with %d; another one is started in %.0f s", pid, code, pause_s)

    def _has_been_ready(self) -> bool:
        """Whether any child ever was ready: each writes one byte then."""
        if not self._any_ready:
            try:
                self._any_ready = bool(os.read(self._was_ready, 1))
            except BlockingIOError:
                return False
        return self._any_ready

    def _fork(self) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_a_child()
        return pid

    def _be_a_child(self) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)
            os.close(self._own_end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
            code = self._serve(Child(lifeline=self._lifeline, ready=lambda: _write_byte(self._ready)))
        except AvtomatError as error:
            log.error("%s", error.message if error.hint is None else f"{error.message}; {error.hint}")  # noqa: TRY400
            code = error.exit_code
        except KeyboardInterrupt:
            code = 130
        except Exception:
            log.exception("the engine failed")
        finally:  # never back into the parent's frames
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _write_byte(descriptor: int) -> None:
    os.write(descriptor, b"r")
