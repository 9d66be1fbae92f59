"""Keep the breakers of kinds of task: count how attempts end, and hand out nothing of a kind whose breaker is open.

What a breaker is stands in the store, so all replicas go by the same one, and a restart changes nothing. A replica
counts by itself, and tells the store of kinds of which an attempt failed; it learns within a second what others told.
Of what it counted last a killed replica takes a second with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.repeating import repeat
from avtomat.runtime.trust.agreement import Agreement
from avtomat.runtime.trust.breaker import (
    Breaker,
    Count,
    Rules,
    State,
    answered,
    as_json,
    breaker_of,
    closed,
    counted,
    in_window,
    is_over,
    left_open,
    probed,
)
from avtomat.runtime.trust.outcomes import FAILING, Outcome
from avtomat.runtime.work.queues import Queues
from avtomat.storage.port.rules import job_of_task
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

TOPIC: Final = "breakers"
LOOK_EVERY_S: Final = 1.0
PAUSE_S: Final = 0.1
"""So long at least a replica waits before it tells the store again."""

KINDS_MAX: Final = 1_000
"""Of so many kinds a replica counts how attempts end; then the kind goes that was heard of longest ago."""

ANSWERS_MAX: Final = 10_000
PROBE_LOOKED_AT_MS: Final = 5_000
"""So often it is looked whether a probe that says nothing is still in a worker's hands."""


class Breakers:
    """The breakers, as one replica knows them. `rules` None: there are none."""

    def __init__(self, store: Store, queues: Queues, rules: Rules | None, changes: Counter[str]) -> None:
        self._store = store
        self._queues = queues
        self._rules = rules
        self._changes = changes
        self._agreed = Agreement(store, TOPIC)
        self._known: dict[str, Breaker] = {}
        self._counts: OrderedDict[str, dict[int, Count]] = OrderedDict()
        self._failed: set[str] = set()
        self._answers: dict[str, list[Outcome]] = {}
        self._looked_ms: dict[str, int] = {}
        self._news = asyncio.Event()

    @property
    def are_kept(self) -> bool:
        """Whether there are breakers at all."""
        return self._rules is not None

    def of(self, kind: str) -> Breaker | None:
        """The breaker of a kind that is not closed, as far as is known here."""
        return self._known.get(kind) if kind in self._queues.shut else None

    def states(self) -> dict[str, int]:
        """How many breakers are open, and how many probe."""
        states = Counter(breaker.state for breaker in self._known.values() if breaker.is_shut)
        return {state.value: states[state] for state in (State.OPEN, State.PROBING)}

    def wake(self) -> None:
        """Look at once: the clock was turned by hand."""
        self._news.set()

    def look_again(self) -> None:
        """What is known here may be of another store."""
        self._agreed.look_again()

    # --- what workers do ----------------------------------------------------------------------------------------------

    def note(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        if self._rules is None:
            return
        kind = outcome.kind
        if kind in self._queues.shut:
            answers = self._answers.setdefault(kind, [])
            if len(answers) < ANSWERS_MAX:
                answers.append(outcome)
            self._news.set()
            return
        counts = self._counts.get(kind)
        if counts is None:
            counts = self._counts[kind] = {}
            if len(self._counts) > KINDS_MAX:
                self._counts.popitem(last=False)
        now_ms = self._store.now_ms()
        number = self._rules.slice_at(now_ms)
        before = counts.get(number)
        if before is None:
            counts = self._counts[kind] = in_window(counts, self._rules, now_ms)
            self._counts.move_to_end(kind)
        counts[number] = (before or Count()).with_one(outcome)
        if outcome.word in FAILING:
            self._failed.add(kind)
            self._news.set()

    async def admit(self, kind: str, task_id: str, worker: str) -> bool:
        """Whether this attempt, which was taken from the store and is in nobody's hands, may go to the worker although
        the kind's breaker is not closed: it is the probe then, for all replicas. Raises StoreError.
        """
        now_ms = self._store.now_ms()

        def probe(breaker: Breaker) -> Breaker | None:
            return probed(breaker, task_id, worker, now_ms)

        await self._change([kind], lambda _, breaker: probe(breaker))
        self._learn()
        return breaker_of(self._agreed.records.get(kind)).probe == task_id

    # --- the duty -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell the store what was counted, learn what others told, and rest: a duty."""
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        await self.keep()
        await asyncio.sleep(PAUSE_S)

    async def keep(self) -> None:
        """Bring this replica and the store together."""
        await self._agreed.follow()
        self._learn()
        await self._tell_counts()
        await self._tell_answers()
        await self._look_at_probes()
        await self._forget()
        self._learn()

    async def _tell_counts(self) -> None:
        rules, now_ms = self._rules, self._store.now_ms()
        if rules is None:
            return
        kinds = {
            kind for kind in self._counts
            if kind in self._failed or in_window(self._known.get(kind, _NONE).counts, rules, now_ms)
        }  # fmt: skip
        if not kinds:
            return
        told = {kind: self._counts.pop(kind) for kind in kinds}
        self._failed -= kinds
        try:
            await self._change(kinds, lambda kind, breaker: counted(breaker, told[kind], rules, now_ms))
        except Exception:
            for kind, counts in told.items():
                self._counts.setdefault(kind, counts)
            self._failed |= kinds
            raise

    async def _tell_answers(self) -> None:
        rules, answers = self._rules, self._answers
        if rules is None or not answers:
            return
        self._answers, now_ms = {}, self._store.now_ms()

        def decide(kind: str, breaker: Breaker) -> Breaker:
            for outcome in answers[kind]:
                breaker = answered(breaker, outcome, rules, now_ms)
            return breaker

        try:
            await self._change(answers, decide)
        except Exception:
            for kind, outcomes in answers.items():
                self._answers.setdefault(kind, []).extend(outcomes)
            raise

    async def _look_at_probes(self) -> None:
        """A probe that is in no worker's hands any more, and of whose end nothing was heard, decides nothing."""
        now_ms = self._store.now_ms()
        for kind, breaker in list(self._known.items()):
            if breaker.state is not State.PROBING:
                self._looked_ms.pop(kind, None)
            elif now_ms - self._looked_ms.setdefault(kind, breaker.probe_at_ms) >= PROBE_LOOKED_AT_MS:
                self._looked_ms[kind] = now_ms
                if not await self._is_held(breaker.probe) and kind not in self._answers:
                    await self._change([kind], partial(_left_open, breaker.probe, now_ms))

    async def _forget(self) -> None:
        """Take away the records of kinds that went well for long."""
        rules, now_ms = self._rules, self._store.now_ms()
        if rules is None:
            return
        over = [kind for kind, breaker in self._known.items() if is_over(breaker, rules, now_ms)]
        if over:
            await self._agreed.change(
                over, lambda _, record: b"" if is_over(breaker_of(record), rules, self._store.now_ms()) else None
            )

    async def _is_held(self, task_id: str) -> bool:
        row = await repeat(lambda: self._store.show(job_of_task(task_id)))
        return row is not None and any(task.task_id == task_id and task.phase == "leased" for task in row.tasks)

    def _learn(self) -> None:
        """Go by the records as they are known now: what is shut, and of which kinds a probe may go out."""
        now_ms, records = self._store.now_ms(), self._agreed.records
        self._known = {kind: breaker_of(record) for kind, record in records.items()}
        shut = {kind for kind, breaker in self._known.items() if breaker.is_shut}
        for kind in shut:
            self._counts.pop(kind, None)
            self._failed.discard(kind)
        probes = {
            kind for kind in shut for each in [self._known[kind]]
            if each.state is State.OPEN and each.probe_at_ms <= now_ms
        }  # fmt: skip
        self._queues.shut_for(shut, probes)

    # --- people -------------------------------------------------------------------------------------------------------

    async def listed(self) -> list[dict[str, Json]]:
        """The breakers of all kinds of which something is known, those that are not closed first."""
        await self._agreed.follow()
        found = {kind: breaker_of(record) for kind, record in self._agreed.records.items()}
        return [as_json(kind, found[kind]) for kind in sorted(found, key=lambda kind: (not found[kind].is_shut, kind))]

    async def reset(self, kind: str, by: str) -> dict[str, Json]:
        """Close the breaker of a kind at once. RequestRefused: 404 for a kind that has none, or where none are kept."""
        await self._agreed.follow()
        if self._rules is None or kind not in self._agreed.records:
            known = ", ".join(sorted(self._agreed.records)[:10])
            hint = "the setting breaker_rate is 0: there are no breakers" if self._rules is None else None
            text = f"no attempt at {kind[:80]!r} is known to have failed"
            raise RequestRefused(
                text, status=404, code="breaker.not_found", hint=hint or (f"known here: {known}" if known else None)
            )
        now_ms, text = self._store.now_ms(), f"{by} closed it"
        await self._change([kind], lambda _, breaker: closed(breaker, "reset", text, now_ms))
        self._counts.pop(kind, None)
        self._learn()
        return as_json(kind, breaker_of(self._agreed.records.get(kind)))

    # --- within -------------------------------------------------------------------------------------------------------

    async def _change(self, kinds: Sequence[str] | set[str] | dict[str, list[Outcome]], change: _Change) -> None:
        """Change breakers, and say in the log what became of them."""
        before: dict[str, Breaker] = {}
        after: dict[str, Breaker] = {}

        def replaced(kind: str, record: bytes | None) -> bytes | None:
            before[kind] = breaker_of(record)
            changed = change(kind, before[kind])
            after[kind] = before[kind] if changed is None else changed
            return None if after[kind] == before[kind] else after[kind].as_bytes()

        await self._agreed.change(kinds, replaced)
        for kind, breaker in after.items():
            if breaker.log != before[kind].log:
                self._tell(kind, breaker)

    def _tell(self, kind: str, breaker: Breaker) -> None:
        entry = breaker.log[-1]
        self._changes[entry.word] += 1
        level = logging.WARNING if breaker.state is State.OPEN else logging.INFO
        log.log(level, "the breaker of %s: %s: %s", kind, entry.word, entry.text)


def _left_open(task_id: str, now_ms: int, _kind: str, breaker: Breaker) -> Breaker:
    return left_open(breaker, task_id, now_ms)


_Change = Callable[[str, Breaker], Breaker | None]
_NONE: Final = Breaker()
