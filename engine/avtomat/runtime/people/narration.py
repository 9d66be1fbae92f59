"""Tell people how a job goes on, one line for each thing that happens, from the entries of its history.

A Narrator is fed the entries in order, as the API gives them, and knows nothing else: so it tells the same of a job in
this process and of one that an engine far away works on. What happens in a branch or item stands under its place, as
errors name it: `pack[3].pick`, `tell.mail`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.program import FINALLY
from avtomat.core.timestamp import format_time
from avtomat.diagnostics import visible

STATE_WIDTH: Final = 20
ROOT: Final = "/"
LONE: Final = "do"
"""What a body of one state is called in history; people see the place of the body alone."""
MESSAGE_CHARACTERS_MAX: Final = 300
_LIMITS: Final = {
    "queue": "no worker took it in time",
    "attempt": "took longer than its timeout",
    "total": "took longer than its timeout for all attempts",
}


_VERBS: Final = {
    "CancelRequested": "cancel",
    "PauseRequested": "pause",
    "ResumeRequested": "resume",
    "RerunRequested": "rerun",
    "SkipRequested": "skip",
}
"""What operators ask for, in the words of the command line and the API."""


class Tone(Enum):
    """How a line is meant; the value is its colour on a terminal."""

    PLAIN = ""
    GOOD = "32"
    WORRY = "33"
    BAD = "31"


@dataclass(slots=True)
class _Scope:
    """Where one scope stands: the place of its body ("" for the root), its machine, its state and attempt.

    `undoing` is the kind of the undo under way, and `undone` what it undoes; empty while there is none.
    """

    place: str = ""
    machine: str = ""
    state: str = ""
    attempt: int = 0
    undoing: str = ""
    undone: str = ""

    def name(self, state: str) -> str:
        """How people call a state of this scope."""
        if self.place and state == LONE:
            return self.place
        return f"{self.place}.{state}" if self.place else state

    @property
    def here(self) -> str:
        """What it is about: the state in which it stands, or the undo under way."""
        if not (self.undoing or self.undone):
            return self.name(self.state)
        words = ("undo", self.undoing, f"of {self.undone}" if self.undone else "")
        return " ".join(word for word in words if word)


Told = tuple[str, str, Tone]
"""What a line is about, what it says, and how that is meant."""


class Narrator:
    """Makes lines of the entries of one job's history; with `colour`, for a terminal that shows it."""

    def __init__(self, *, colour: bool = False) -> None:
        self._colour = colour
        self._began_at: datetime | None = None
        self._scopes: dict[str, _Scope] = {}
        self._unwinding = False
        self._finishing = False

    def lines(self, entry: Mapping[str, Json]) -> list[str]:
        """The lines of one entry, with the seconds that have passed since the first one."""
        at = datetime.fromisoformat(entry["at"])
        self._began_at = self._began_at or at
        passed_s = (at - self._began_at).total_seconds()
        return [self._line(passed_s, *each) for each in self.tell(entry)]

    def untold(self, entry: Mapping[str, Json]) -> Told:
        """What to say of an entry that `tell` has nothing to say of."""
        words = "".join(f" {each.lower()}" if each.isupper() else each for each in entry["type"]).strip()
        return self._scopes.get(entry.get("scope") or ROOT, _Scope()).here, words, Tone.PLAIN

    def tell(self, entry: Mapping[str, Json]) -> list[Told]:
        """What one entry says, in order; nothing where its news stands in another entry."""
        path = entry.get("scope") or ROOT
        scope = self._scope(path, entry)
        told = [*self._cause(scope, entry), *self._course(scope, entry), *_parked(path, entry)]
        error = (entry.get("set") or {}).get("finally_error")
        told += [("finally", f"failed: {_error_text(error)}", Tone.WORRY)] if error else []
        if "ended" in entry:
            told += [_job_ended(entry) if path == ROOT else _body_ended(scope, entry)]
            del self._scopes[path]
        return told

    def _cause(self, scope: _Scope, entry: Mapping[str, Json]) -> Iterator[Told]:
        """What happened; while a job undoes, its timer only says that the next undo may begin, and the one body of
        `finally` has told its end itself.
        """
        if self._finishing and scope is self._scopes.get(ROOT) and entry["type"] in {"JoinDecided", "TimerFired"}:
            return
        if not (self._unwinding and entry["type"] == "TimerFired"):
            yield from _cause(scope, entry)

    def _scope(self, path: str, entry: Mapping[str, Json]) -> _Scope:
        known = self._scopes.get(path)
        if known is None:
            known = self._scopes[path] = _Scope() if path == ROOT else self._body(path, entry)
        return known

    def _body(self, path: str, entry: Mapping[str, Json]) -> _Scope:
        """The scope of a branch or item that begins, named after the block that began it."""
        parent_path, _, number = path.rpartition("/")
        parent = self._scopes.get(parent_path or ROOT, _Scope())
        machine = (entry.get("set") or {}).get("machine", "")
        block = f"{parent.machine}.{parent.state}" if parent.machine else parent.state
        index = number.rpartition(".")[2]
        if machine == FINALLY:
            return _Scope(place="finally", machine=machine)
        if machine == block:
            return _Scope(place=f"{parent.name(parent.state)}[{index}]", machine=machine)
        return _Scope(place=f"{parent.name(parent.state)}.{machine.rpartition('.')[2]}", machine=machine)

    def _course(self, scope: _Scope, entry: Mapping[str, Json]) -> Iterator[Told]:
        """Which states were entered, and what the last one waits for."""
        trail = entry.get("trail") or []
        for name in trail[:-1]:
            yield scope.name(name), "passed", Tone.PLAIN
        if trail:
            scope.state = trail[-1]
        waiting = (entry.get("set") or {}).get("waiting") or {}
        _note_undo(scope, entry, waiting)
        if "dispatch" in entry:
            scope.attempt = entry["dispatch"]["attempt"]
            yield scope.here, _offer(scope.attempt), Tone.PLAIN
        elif waiting.get("for") in {"timer", "start"}:
            until = format_time(datetime.fromtimestamp(waiting["until"] / 1000, UTC))
            yield scope.here, f"waits until {until}", Tone.PLAIN
        elif waiting.get("for") == "signal":
            key = f" with the key {waiting['key']}" if waiting["key"] else ""
            yield scope.here, f"waits for the signal {waiting['address'].partition('#')[0]}{key}", Tone.PLAIN
        elif waiting.get("for") == "approval":
            yield scope.here, _question(waiting), Tone.PLAIN
        elif waiting.get("for") == "unwind" and not self._unwinding:
            self._unwinding = True
            yield "", "what was done is undone, the latest first", Tone.WORRY
        elif waiting.get("for") == "finally":
            self._unwinding, self._finishing = False, True
            yield "finally", f"begins; the job will be {waiting['status']}", Tone.PLAIN
        elif "fork" in entry:
            yield scope.here, f"splits into {entry['fork']['total']}", Tone.PLAIN
        elif trail and "ended" not in entry:
            yield scope.here, "entered", Tone.PLAIN

    def _line(self, passed_s: float, state: str, text: str, tone: Tone) -> str:
        line = f"{passed_s:8.2f} s  {visible(state):<{STATE_WIDTH}} {visible(text)}".rstrip()
        return f"\033[{tone.value}m{line}\033[0m" if self._colour and tone.value else line


def _question(waiting: Mapping[str, Json]) -> str:
    """What is asked of whom; of a reminder, which one it is."""
    who = ", ".join(waiting.get("assignees") or ()) or "somebody"
    if waiting.get("reminders"):
        return f"reminder {waiting['reminders']}: {who} did not decide yet"
    return f"asks {who}: {waiting['text']}"


def _cause(scope: _Scope, entry: Mapping[str, Json]) -> Iterator[Told]:
    """What happened to the state in which the scope stood."""
    here, attempt = scope.here, f"attempt {scope.attempt}"
    match entry["type"]:
        case "TaskSucceeded":
            worker = f" by {entry['worker']}" if entry.get("worker") else ""
            yield here, f"{attempt} done{worker}", Tone.GOOD
        case "TaskFailed":
            yield here, f"{attempt} failed: {_error_text(entry)}", Tone.WORRY
        case "LeaseLost":
            lost = "gave it up" if entry.get("gave_up") else "sent no heartbeat in time"
            yield here, f"{attempt} lost: its worker {lost}", Tone.WORRY
        case "AttemptReturned":
            yield here, f"{attempt} given back: its worker stops", Tone.PLAIN
        case "TaskTimedOut":
            yield here, f"{attempt} {_LIMITS.get(entry['limit'], 'timed out')}", Tone.WORRY
        case _:
            yield from _other_cause(here, entry)


def _other_cause(here: str, entry: Mapping[str, Json]) -> Iterator[Told]:
    """What happened that is no end of an attempt."""
    match entry["type"]:
        case "JobCreated" if entry.get("schedule"):
            yield "job", f"made by the schedule {entry['schedule']}{_by(entry)}", Tone.PLAIN
        case "SignalReceived":
            yield here, f"the signal {entry['name']} came from {entry.get('by') or 'somebody'}", Tone.GOOD
        case "ApprovalDecided":
            said = f": {entry['comment']}" if entry.get("comment") else ""
            yield here, f"{entry.get('by') or 'somebody'} chose {entry['choice']}{said}", Tone.GOOD
        case "LateSuccess":
            worker = f" by {entry['worker']}" if entry.get("worker") else ""
            yield entry.get("place", ""), f"attempt {entry['attempt']} done late{worker}: its undo is noted", Tone.WORRY
        case "TimerFired":
            yield here, "the time has come", Tone.PLAIN
        case "JoinDecided":
            yield here, _joined(entry), Tone.WORRY if entry.get("failed") else Tone.GOOD
        case "DeadlinePassed":
            yield here, "the job's timeout passed", Tone.BAD
        case "Quarantined":
            yield here, f"the engine gave up: {_error_text(entry['error'])}", Tone.BAD
        case "ReleaseRequested":
            yield here, f"{'release' if entry.get('data') or entry.get('params') else 'retry'}{_by(entry)}", Tone.WORRY
        case verb if verb in _VERBS:
            yield here, f"{_VERBS[verb]}{_by(entry)}", Tone.WORRY


def _joined(entry: Mapping[str, Json]) -> str:
    failed = f", {entry['failed']} failed" if entry.get("failed") else ""
    return f"joined: {entry['ok']} done{failed}"


def _by(entry: Mapping[str, Json]) -> str:
    by = f" by {entry['by']}" if entry.get("by") else ""
    return by + (f": {entry['reason']}" if entry.get("reason") else "")


def _note_undo(scope: _Scope, entry: Mapping[str, Json], waiting: Mapping[str, Json]) -> None:
    """Note which undo is under way after this entry: its kind is told when it begins, and what it undoes always."""
    if "waiting" not in (entry.get("set") or {}):
        return
    undone = str(waiting.get("place") or "") if waiting.get("for") == "undo" else ""
    kind = str((entry.get("dispatch") or {}).get("kind") or "")
    goes_on = waiting.get("for") == "undo" and undone == scope.undone
    scope.undoing = (kind or (scope.undoing if goes_on else "")) if waiting.get("for") == "undo" else ""
    scope.undone = undone


def _parked(path: str, entry: Mapping[str, Json]) -> Iterator[Told]:
    """A job that was parked stands where it stood, with an error, and nothing under way for it."""
    changed = entry.get("set") or {}
    error = changed.get("error")
    is_under_way = entry.get("trail") or "dispatch" in entry or "ended" in entry or changed.get("waiting")
    if path == ROOT and error and not is_under_way:
        yield "", f"the job is parked for an operator: {_error_text(error)}", Tone.BAD


def _body_ended(scope: _Scope, entry: Mapping[str, Json]) -> Told:
    ended = entry["ended"]
    return scope.place, "done" if ended == "finished" else str(ended), Tone.GOOD if ended == "finished" else Tone.WORRY


def _job_ended(entry: Mapping[str, Json]) -> Told:
    return "", f"the job is {entry['ended']}", Tone.GOOD if entry["ended"] == "finished" else Tone.BAD


def _offer(attempt: int) -> str:
    return "offered to workers" if attempt == 1 else f"attempt {attempt} follows"


def _error_text(error: Mapping[str, Json]) -> str:
    message = " ".join(str(error.get("message") or "").split())[:MESSAGE_CHARACTERS_MAX]
    return f"{error.get('code')}: {message}" if message else str(error.get("code"))
