"""Say what a worker's reputation is: pure functions of the record that the engine keeps of it.

    reputation = (good + BENEFIT) / (good + BENEFIT + bad)

`good` are attempts that the worker did not spoil, at most GOOD_MAX; `bad` those that it did, each by its weight. Both
fade by half in a span. So one fault of a new worker takes a twentieth, a long good past hides no bad hour, and a worker
of which nothing is heard recovers by itself. Of a worker without a fault nothing is kept: its reputation is 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.runtime.trust.outcomes import Outcome, Word
from avtomat.storage.port.codec import dumps, loads

BENEFIT: Final = 20.0
GOOD_MAX: Final = 60.0
WEIGHTS: Final[Mapping[Word, float]] = {Word.LOST: 1.0, Word.TIMEOUT: 1.0, Word.CONTRACT: 4.0, Word.MALFORMED: 4.0}
FULL: Final = 0.995
"""From here on a reputation counts as 1, and its record is taken away."""

FAULTS_SHOWN_MAX: Final = 10


@value
class Fault:
    """What a worker spoiled: when, how, a task of which kind, which attempt."""

    at_ms: int
    word: str
    kind: str
    task_id: str


@value
class Heard:
    """What a replica has heard of a worker and not yet told: good ends, bad ones by word, the newest faults."""

    good: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def with_fault(self, outcome: Outcome, at_ms: int) -> Heard:
        """One fault more."""
        word = outcome.word.value
        fault = Fault(at_ms=at_ms, word=word, kind=outcome.kind, task_id=outcome.task_id)
        return self.followed_by(Heard(bad={word: 1}, faults=(fault,)))

    def followed_by(self, later: Heard) -> Heard:
        """Both together."""
        return Heard(
            good=self.good + later.good,
            bad=Counter(self.bad) + Counter(later.bad),
            faults=(*self.faults, *later.faults)[-FAULTS_SHOWN_MAX:],
        )


@value
class Standing:
    """What is kept of a worker: its good and bad ends as they stood at a time, and its newest faults."""

    good: float = 0.0
    bad: float = 0.0
    at_ms: int = 0
    faults: tuple[Fault, ...] = ()

    def as_bytes(self) -> bytes:
        """The record."""
        faults = [[fault.at_ms, fault.word, fault.kind, fault.task_id] for fault in self.faults]
        return dumps({"good": round(self.good, 3), "bad": round(self.bad, 3), "at": self.at_ms, "faults": faults})


def standing_of(record: bytes | None) -> Standing:
    """The standing of a record; None: of a worker of which nothing is kept."""
    if record is None:
        return Standing()
    told: dict[str, Json] = loads(record)
    faults = tuple(
        Fault(at_ms=at_ms, word=word, kind=kind, task_id=task_id) for at_ms, word, kind, task_id in told["faults"]
    )
    return Standing(good=told["good"], bad=told["bad"], at_ms=told["at"], faults=faults)


def reputation(standing: Standing, half_life_ms: int, now_ms: int) -> float:
    """From 0 to 1."""
    now = faded(standing, half_life_ms, now_ms)
    return (now.good + BENEFIT) / (now.good + BENEFIT + now.bad)


def faded(standing: Standing, half_life_ms: int, now_ms: int) -> Standing:
    """As it stands now."""
    left = 0.5 ** (max(0, now_ms - standing.at_ms) / half_life_ms)
    return replace(standing, good=standing.good * left, bad=standing.bad * left, at_ms=max(now_ms, standing.at_ms))


def after(standing: Standing, heard: Heard, half_life_ms: int, now_ms: int) -> Standing:
    """As it stands with what was heard since."""
    now = faded(standing, half_life_ms, now_ms)
    bad = sum(WEIGHTS[Word(word)] * number for word, number in heard.bad.items())
    faults = sorted((*now.faults, *heard.faults), key=lambda fault: fault.at_ms)
    return Standing(
        good=min(now.good + heard.good, GOOD_MAX),
        bad=now.bad + bad,
        at_ms=now.at_ms,
        faults=tuple(faults[-FAULTS_SHOWN_MAX:]),
    )


def faults_as_json(standing: Standing) -> list[dict[str, Json]]:
    """The newest faults as people see them, the newest first."""
    return [
        {"at": format_time(from_ms(fault.at_ms)), "fault": fault.word, "kind": fault.kind, "task_id": fault.task_id}
        for fault in reversed(standing.faults)
    ]
