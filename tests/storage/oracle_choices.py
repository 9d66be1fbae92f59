"""Choose what to ask of two stores: jobs, write-sets, mail, times, from what the oracle holds.

A write-set always gives its scope a reason to move, as a decision does. The clock stands still but for steps of
STEP_MS; what a store adds is the time that a call takes on its way. No span, nor a third of a lease, is near a multiple
of STEP_MS, so that these milliseconds decide nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random
from typing import Any

from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.rules import ENDED, ROOT, parent_of
from avtomat.storage.port.writes import (
    Dispatch,
    DueCause,
    Fork,
    HeadChange,
    Mail,
    Post,
    ScopeEnd,
    SignalWait,
    TaskRequest,
    Writes,
)
from avtomat.storage.proof.dump import Dump, ScopeDump
from tests.storage.world import StandingClock

PARTITIONS = 3
STEP_MS = 4_100
LEASE_MS = 30_000
MANY = 10_000
SPANS_MS = (6_000, 14_000, 84_000)
OWN_LEASE_MS = 72_000
MAIL_KINDS = ("signal", "cancel", "pause", "resume", "operate")
STATUSES = ("open", "open", "open", "paused", "quarantined", "compensating", "compensating")
WORKERS = ("w1", "w2")
QUEUES = ("a", "b#1")


def chance(rng: Random, one_in: int) -> bool:
    """True once in so many times."""
    return rng.randrange(one_in) == 0


class Choices:
    """What is known of the walk so far: the oracle's last dump, attempts that were ever opened, members given out."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StandingClock()
        self.numbers = itertools.count(1)
        self.given: list[tuple[str, str, DueCause]] = []
        self.tasks: list[tuple[str, str, str]] = []
        self.oracle = MemoryStore(PARTITIONS, offset_ms=self.clock.offset)
        self.seen: Dump

    def name(self, rng: Random) -> str:
        return f"{rng.randint(0, 1):02x}{next(self.numbers):06x}"

    def a_job(self, rng: Random) -> str:
        names = sorted(self.seen["jobs"])
        open_names = [name for name in names if name in self.seen["open"]]
        return rng.choice(open_names if open_names and not chance(rng, 6) else names)

    def a_span(self, rng: Random) -> int | None:
        return rng.choice((None, None, *SPANS_MS))

    def a_time(self, rng: Random) -> int:
        """A time of its own: two tasks that come due together would be queued in any order."""
        return self.clock.now() + rng.choice((0, 2, 19)) * STEP_MS + 2_000 + next(self.numbers) % 100 * 5

    def wanted(self, rng: Random) -> TaskRequest:
        return TaskRequest(
            worker=rng.choice(WORKERS),
            queues=rng.choice((QUEUES, QUEUES, ("a",), ("b#1", "c"))),
            nonce=rng.choice(("", "", "n1", "n2")),
            max_tasks=rng.choice((1, 2, MANY)),
            lease_ms=LEASE_MS,
            strides=rng.choice(({}, {"c2": 250_000}, {"c1": 3_000_000, "c2": 1})),
            reserved=chance(rng, 2),
        )

    # --- write-sets ---------------------------------------------------------------------------------------------------

    def writes(self, rng: Random, job: str, path: str, *, keepable: bool) -> Writes:
        """What a decision for this scope might write."""
        scope = self.scope(job, path)
        number = next(self.numbers)
        fields: dict[str, Any] = {
            "scope": b"scope %d" % number,
            "record": b"record %d" % number,
            "visit": rng.randint(1, 3),
            "state": rng.choice(("", "s1", "s2")),
            "dead_because": rng.choice(("cancelled", "ended", "lease", "timeout")),
            "settled": chance(rng, 4),
        }
        if keepable and rng.random() < 0.5:
            fields["keeps_task"] = True
        else:
            fields |= self._next_waiting(rng, job, path)
            fields["close"] = self._forks_to_close(rng, job, path)
        if chance(rng, 5):
            fields["head"] = self._head(rng)
        if chance(rng, 3):
            fields["undo"] = b"undo %d" % number
        if scope is not None and chance(rng, 3) and self.seen["jobs"][job]["undos"]:
            fields["undone_seq"] = int(rng.choice(sorted(self.seen["jobs"][job]["undos"])))
        if chance(rng, 4):
            fields["values"] = {f"v{number % 3}": b"%d" % number}
        if chance(rng, 4):
            fields["posts"] = (self._post(rng, job),)
        return Writes(**fields)

    def _next_waiting(self, rng: Random, job: str, path: str) -> dict[str, Any]:
        match rng.choice(("task", "task", "task", "timer", "signal", "fork", "end")):
            case "task":
                extra = {"timer_ms": self.a_time(rng)} if chance(rng, 4) else {}
                return {"dispatch": self._dispatch(rng, job, path)} | extra
            case "timer":
                return {"timer_ms": self.a_time(rng)}
            case "signal":
                return {"signal": self._wait(rng)}
            case "fork":
                return {"fork": self._fork(rng)}
        ok = rng.random() < 0.5
        output = rng.choice((None, b"output"))
        status = rng.choice(sorted(ENDED))
        return {"end": ScopeEnd(ok=ok, status=status, output=output, error=None if ok else b"error")}

    def _dispatch(self, rng: Random, job: str, path: str) -> Dispatch:
        task_id = f"{job}-{next(self.numbers)}"
        self.tasks.append((job, path, task_id))
        again = self._can_retry(job, path) and rng.random() < 0.5
        queue = rng.choice(QUEUES)
        return Dispatch(
            task_id=task_id,
            attempt=rng.randint(1, 3),
            queue="" if again else queue,
            priority=0 if again else rng.choice((3, 5, 9)),
            body=None if again else b"body of " + task_id.encode(),
            requirements=b"gpu" if queue == "b#1" and not again else None,
            not_before_ms=self.a_time(rng) if chance(rng, 4) else None,
            queue_ms=self.a_span(rng),
            attempt_ms=self.a_span(rng),
            lease_ms=rng.choice((None, None, OWN_LEASE_MS)),
            total_at_ms=self.a_time(rng) if chance(rng, 4) else None,
            undoable=chance(rng, 2),
            sticky=rng.choice(("", "", "ann", "bob")) if not again else "",
        )

    def _can_retry(self, job: str, path: str) -> bool:
        known = self.oracle._job(job)
        scope = None if known is None else known.scopes.get(path)
        return scope is not None and scope.last is not None

    def _fork(self, rng: Random) -> Fork:
        total = rng.randint(0, 4)
        return Fork(
            number=next(self.numbers),
            total=total,
            need=rng.randint(1, total) if total else 0,
            tolerated=rng.randint(0, total),
            window=rng.randint(1, 3),
            environment=b"env",
        )

    def _forks_to_close(self, rng: Random, job: str, path: str) -> tuple[str, ...]:
        """Forks of this scope: one that closed another's would leave that one waiting for ever."""
        known = self.seen["jobs"].get(job)
        forks = [] if known is None else [fork for fork in known["joins"] if parent_of(f"{fork}.0")[0] == path]
        return tuple(fork for fork in sorted(forks) if chance(rng, 2))

    def _head(self, rng: Random) -> HeadChange:
        return HeadChange(
            status=rng.choice((None, None, *STATUSES)),
            reason=rng.choice((None, b"why")),
            deadline_ms=rng.choice((None, 0, self.a_time(rng))),
            labels=rng.choice((None, b"labels")),
            search=rng.choice((None, {"order": "1"})),
        )

    def _wait(self, rng: Random) -> SignalWait:
        return SignalWait(name="paid", key=rng.choice(("k1", "k2")))

    def mail(self, rng: Random, paths: Sequence[str]) -> Mail:
        to: Any = rng.choice(paths)
        if chance(rng, 2):
            to = ("signal", "paid", rng.choice(("k1", "k2")))
        number = next(self.numbers)
        name = f"m{number if not chance(rng, 5) else number % 5}"
        return Mail(id=name, kind=rng.choice(MAIL_KINDS), body=b"body", to=to)

    def _post(self, rng: Random, job: str) -> Post:
        to = rng.choice([job, *sorted(self.seen["jobs"])])
        mail = Mail(id=f"post-{next(self.numbers)}", kind="child", body=b"post", to=ROOT)
        return Post(job=to, mail=mail)

    # --- what the oracle holds ----------------------------------------------------------------------------------------

    def scope(self, job: str, path: str) -> ScopeDump | None:
        known = self.seen["jobs"].get(job)
        return None if known is None else known["scopes"].get(path)

    def version(self, rng: Random, job: str, path: str) -> int:
        scope = self.scope(job, path)
        version = 0 if scope is None else scope["version"]
        return version if not chance(rng, 8) else max(0, version - 1)

    def stays_alive(self, job: str, path: str) -> bool:
        """Whether the scope has a reason to move that no mail and no answered limit takes away."""
        known, scope = self.seen["jobs"][job], self.scope(job, path)
        if scope is None:
            return False
        timed = any(
            (one["job"], one["path"]) == (job, path) and one["kind"] in {"timer", "start"} for one in self.seen["due"]
        )
        forked = any(join["live"] and parent_of(f"{fork}.0")[0] == path for fork, join in known["joins"].items())
        return bool(scope["task"] or scope["signal"] or timed or forked)

    def letters(self) -> list[tuple[str, str, str]]:
        jobs = self.seen["jobs"].items()
        scopes = [(name, path, scope) for name, job in jobs for path, scope in job["scopes"].items()]
        return [(name, path, letter["id"]) for name, path, scope in scopes for letter in scope["mail"]]

    def begins(self) -> list[tuple[str, str]]:
        return [(one["job"], one["path"]) for one in self.seen["due"] if one["kind"] == "begin"]

    def leased(self) -> list[tuple[str, str, str]]:
        jobs = self.seen["jobs"].items()
        return [
            (name, one["path"], task) for name, job in jobs for task, one in job["attempts"].items() if one["worker"]
        ]

    def held(self) -> dict[str, str]:
        """Dead attempts whose leases are live, each with its worker."""
        jobs = self.seen["jobs"].values()
        return {task: one["worker"] for job in jobs for task, one in job["ended_attempts"].items() if one["holds"]}

    def members_given(self) -> list[tuple[str, str, DueCause]]:
        due = [one for one in self.seen["due"] if one["returned"]]
        return [(one["job"], one["path"], DueCause(kind=one["kind"], number=one["number"])) for one in due]
