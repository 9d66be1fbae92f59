"""Say when the breaker of a kind of task opens, probes and closes: pure functions of its record.

Closed, it counts how attempts end, over a window. It opens when enough of them have ended and the share of those that
failed reaches the rate. Open, nothing of the kind is handed out, until `open_for` has passed: then one attempt is, as a
probe. When that ends well the breaker closes and counts anew; when it fails, it is open for `open_for` again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.runtime.trust.outcomes import FAILING, Outcome, Word
from avtomat.storage.port.codec import dumps, loads

SLICES: Final = 10
"""Parts of the window, each counted by itself: it moves on by one of them at a time."""

LOG_MAX: Final = 20
"""So many changes are kept with a breaker."""


LOG_KEPT_MS: Final = 7 * 24 * 3_600_000


class State(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


@value
class Rules:
    """When a breaker opens: at `rate` percent of at least `attempts_min` within the window; and for how long."""

    rate: int
    attempts_min: int
    window_ms: int
    open_for_ms: int

    def slice_at(self, now_ms: int) -> int:
        """The number of the part of the window that is now."""
        return now_ms * SLICES // self.window_ms


@value
class Count:
    """How attempts ended in one part of the window: how many did not fail, and how many did, by code."""

    well: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: Count) -> Count:
        """Both together."""
        return Count(well=self.well + other.well, failed=Counter(self.failed) + Counter(other.failed))

    def with_one(self, outcome: Outcome) -> Count:
        """One more."""
        if outcome.word not in FAILING:
            return replace(self, well=self.well + 1)
        return replace(self, failed={**self.failed, outcome.code: self.failed.get(outcome.code, 0) + 1})

    @property
    def failures(self) -> int:
        """How many failed."""
        return sum(self.failed.values())

    @property
    def attempts(self) -> int:
        """How many ended."""
        return self.well + self.failures


Counts = Mapping[int, Count]
"""By the number of a part of the window."""


@value
class Entry:
    """A change of a breaker: when, to what, and why."""

    at_ms: int
    word: str
    text: str


@value
class Breaker:
    """The breaker of one kind. `since_ms` is when it closed, or when it opened, however often it probed since; `reason`
    why it is not closed; `probe_at_ms` when the next probe may go out, or when the one that is under way did; `probe`
    that attempt, and `prober` the worker that has it.
    """

    state: State = State.CLOSED
    since_ms: int = 0
    reason: str = ""
    probe_at_ms: int = 0
    probe: str = ""
    prober: str = ""
    counts: Counts = field(default_factory=dict)
    log: tuple[Entry, ...] = ()

    @property
    def is_shut(self) -> bool:
        """Whether nothing but a probe is handed out."""
        return self.state is not State.CLOSED

    def total(self) -> Count:
        """What is counted in the whole window."""
        total = Count()
        for count in self.counts.values():
            total = total.plus(count)
        return total

    def as_bytes(self) -> bytes:
        """The record."""
        return dumps(
            {
                "state": self.state,
                "since": self.since_ms,
                "reason": self.reason,
                "probe_at": self.probe_at_ms,
                "probe": self.probe,
                "prober": self.prober,
                "counts": [[number, count.well, dict(count.failed)] for number, count in self.counts.items()],
                "log": [[entry.at_ms, entry.word, entry.text] for entry in self.log],
            }
        )


def breaker_of(record: bytes | None) -> Breaker:
    """The breaker of a record; None: of a kind that has none yet."""
    if record is None:
        return Breaker()
    told: dict[str, Json] = loads(record)
    return Breaker(
        state=State(told["state"]),
        since_ms=told["since"],
        reason=told["reason"],
        probe_at_ms=told["probe_at"],
        probe=told["probe"],
        prober=told["prober"],
        counts={number: Count(well=well, failed=failed) for number, well, failed in told["counts"]},
        log=tuple(Entry(at_ms=at_ms, word=word, text=text) for at_ms, word, text in told["log"]),
    )


def in_window(counts: Counts, rules: Rules, now_ms: int) -> dict[int, Count]:
    """Those that are not too old."""
    oldest = rules.slice_at(now_ms) - SLICES
    return {number: count for number, count in counts.items() if number > oldest}


def is_over(breaker: Breaker, rules: Rules, now_ms: int) -> bool:
    """Whether nothing of a closed breaker counts any more, and its last change is long past."""
    last_ms = breaker.log[-1].at_ms if breaker.log else 0
    return not breaker.is_shut and not in_window(breaker.counts, rules, now_ms) and now_ms - last_ms > LOG_KEPT_MS


def counted(breaker: Breaker, more: Counts, rules: Rules, now_ms: int) -> Breaker:
    """Count these ends; a breaker that is not closed counts nothing."""
    if breaker.is_shut:
        return breaker
    counts = in_window(breaker.counts, rules, now_ms)
    for number, count in in_window(more, rules, now_ms).items():
        counts[number] = counts.get(number, Count()).plus(count)
    breaker = replace(breaker, counts=counts)
    total = breaker.total()
    if total.attempts < rules.attempts_min or total.failures * 100 < rules.rate * total.attempts or not total.failures:
        return breaker
    codes = ", ".join(f"{code} {number}" for code, number in sorted(total.failed.items(), key=lambda each: -each[1]))
    reason = f"{total.failures} of {total.attempts} attempts failed within {rules.window_ms // 1000} s: {codes}"
    return _opened(breaker, "opened", reason, now_ms + rules.open_for_ms, now_ms)


def probed(breaker: Breaker, task_id: str, worker: str, now_ms: int) -> Breaker | None:
    """This attempt is the probe, or still is, where a worker had given it back; None: there is to be none now."""
    if breaker.state is State.PROBING and breaker.probe == task_id:
        return replace(breaker, prober=worker)
    if breaker.state is not State.OPEN or now_ms < breaker.probe_at_ms:
        return None
    text = f"worker {worker} has the probe {task_id}"
    shut = replace(breaker, state=State.PROBING, probe_at_ms=now_ms, probe=task_id, prober=worker)
    return _logged(shut, "probing", text, now_ms)


def answered(breaker: Breaker, outcome: Outcome, rules: Rules, now_ms: int) -> Breaker:
    """An attempt has ended: if it was the probe, it decides."""
    if breaker.state is not State.PROBING or breaker.probe != outcome.task_id:
        return breaker
    if outcome.word not in FAILING:
        told = "the probe ended well" if outcome.word is Word.WELL else f"the probe was answered: {outcome.code}"
        return closed(breaker, "closed", told, now_ms)
    reason = f"the probe failed: {outcome.code}"
    return _opened(breaker, "opened", reason, now_ms + rules.open_for_ms, now_ms)


def left_open(breaker: Breaker, task_id: str, now_ms: int) -> Breaker:
    """The probe ended and decided nothing: another may go out at once."""
    if breaker.state is not State.PROBING or breaker.probe != task_id:
        return breaker
    return _opened(breaker, "opened", "the probe ended without an answer", now_ms, now_ms)


def closed(breaker: Breaker, word: str, text: str, now_ms: int) -> Breaker:
    """It is closed, and counts anew."""
    return _logged(Breaker(state=State.CLOSED, since_ms=now_ms, log=breaker.log), word, text, now_ms)


def _opened(breaker: Breaker, word: str, reason: str, probe_at_ms: int, now_ms: int) -> Breaker:
    since_ms = breaker.since_ms if breaker.is_shut else now_ms
    shut = Breaker(state=State.OPEN, since_ms=since_ms, reason=reason, probe_at_ms=probe_at_ms, log=breaker.log)
    return _logged(shut, word, reason, now_ms)


def _logged(breaker: Breaker, word: str, text: str, now_ms: int) -> Breaker:
    return replace(breaker, log=(*breaker.log, Entry(at_ms=now_ms, word=word, text=text))[-LOG_MAX:])


def as_json(kind: str, breaker: Breaker) -> dict[str, Json]:
    """The breaker as people see it."""
    total = breaker.total()
    probe = {"task_id": breaker.probe, "worker": breaker.prober} if breaker.probe else None
    is_open = breaker.state is State.OPEN
    return {
        "kind": kind,
        "state": breaker.state.value,
        "since": format_time(from_ms(breaker.since_ms)) if breaker.since_ms else None,
        "reason": breaker.reason or None,
        "next_probe_at": format_time(from_ms(breaker.probe_at_ms)) if is_open else None,
        "probe": probe,
        "attempts": total.attempts,
        "failures": dict(total.failed),
        "changes": [
            {"at": format_time(from_ms(entry.at_ms)), "state": entry.word, "text": entry.text} for entry in breaker.log
        ],
    }
