"""Tell people how a job goes on, one line for each thing that happens, from the entries of its history.

A Narrator is fed the entries in order, as the API gives them, and knows nothing else: so it tells the same of a job in
this process and of one that an engine far away works on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.walk import format_time

STATE_WIDTH: Final = 16
MESSAGE_CHARACTERS_MAX: Final = 300
_LIMITS: Final = {
    "queue": "no worker took it in time",
    "attempt": "took longer than its timeout",
    "total": "took longer than its timeout for all attempts",
}


class Tone(Enum):
    """How a line is meant; the value is its colour on a terminal."""

    PLAIN = ""
    GOOD = "32"
    WORRY = "33"
    BAD = "31"


class Narrator:
    """Makes lines of the entries of one job's history; with `colour`, for a terminal that shows it."""

    def __init__(self, *, colour: bool = False) -> None:
        self._colour = colour
        self._began_at: datetime | None = None
        self._state = ""
        self._attempt = 0

    def tell(self, entry: Mapping[str, Json]) -> list[str]:
        """The lines of one entry."""
        at = datetime.fromisoformat(entry["at"])
        self._began_at = self._began_at or at
        passed_s = (at - self._began_at).total_seconds()
        return [self._line(passed_s, *told) for told in (*self._cause(entry), *self._course(entry), *_end(entry))]

    def _cause(self, entry: Mapping[str, Json]) -> Iterator[tuple[str, str, Tone]]:
        """What happened to the state in which the job stood."""
        state, attempt = self._state, f"attempt {self._attempt}"
        match entry["type"]:
            case "TaskSucceeded":
                worker = f" by {entry['worker']}" if entry.get("worker") else ""
                yield state, f"{attempt} done{worker}", Tone.GOOD
            case "TaskFailed":
                yield state, f"{attempt} failed: {_error_text(entry)}", Tone.WORRY
            case "LeaseLost":
                yield state, f"{attempt} lost: its worker fell silent", Tone.WORRY
            case "TaskTimedOut":
                yield state, f"{attempt} {_LIMITS.get(entry['limit'], 'timed out')}", Tone.WORRY
            case "TimerFired":
                yield state, "the wait is over", Tone.PLAIN
            case "DeadlinePassed":
                yield state, "the job's timeout passed", Tone.BAD
            case "CancelRequested":
                yield state, "cancelled" + (f": {entry['reason']}" if entry.get("reason") else ""), Tone.WORRY
            case "Quarantined":
                yield state, f"the engine gave up: {_error_text(entry['error'])}", Tone.BAD

    def _course(self, entry: Mapping[str, Json]) -> Iterator[tuple[str, str, Tone]]:
        """Which states were entered, and what the last one waits for."""
        trail = entry.get("trail") or []
        for name in trail[:-1]:
            yield name, "passed", Tone.PLAIN
        changed = entry.get("set") or {}
        waiting = changed.get("waiting") or {}
        if trail:
            self._state = trail[-1]
        if "dispatch" in entry:
            self._attempt = entry["dispatch"]["attempt"]
            yield self._state, _offer(self._attempt), Tone.PLAIN
        elif waiting.get("for") in {"timer", "start"}:
            until = format_time(datetime.fromtimestamp(waiting["until"] / 1000, UTC))
            yield self._state, f"waits until {until}", Tone.PLAIN
        elif trail:
            yield self._state, "entered", Tone.PLAIN

    def _line(self, passed_s: float, state: str, text: str, tone: Tone) -> str:
        line = f"{passed_s:8.2f} s  {state:<{STATE_WIDTH}} {text}".rstrip()
        return f"\033[{tone.value}m{line}\033[0m" if self._colour and tone.value else line


def _offer(attempt: int) -> str:
    return "offered to workers" if attempt == 1 else f"attempt {attempt} follows"


def _end(entry: Mapping[str, Json]) -> Iterator[tuple[str, str, Tone]]:
    ended = entry.get("ended")
    if ended is not None:
        yield "", f"the job is {ended}", Tone.GOOD if ended == "finished" else Tone.BAD


def _error_text(error: Mapping[str, Json]) -> str:
    message = " ".join(str(error.get("message") or "").split())[:MESSAGE_CHARACTERS_MAX]
    return f"{error.get('code')}: {message}" if message else str(error.get("code"))
