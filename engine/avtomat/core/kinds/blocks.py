"""The states that run bodies below them: `parallel` and `foreach`.

They are the same to the machine: a number of bodies with an index, some of which run at once, and a join that says how
many must end well and how many may fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from datetime import datetime

from avtomat.core.amounts import AuthorError, as_count
from avtomat.core.flow import fail, go_on, leave, make_error
from avtomat.core.formula import Json, Template
from avtomat.core.kinds.state import NO_TIME, ActiveState, Step, parts_of
from avtomat.core.messages import Change, Decision, ForkScopes, Ignored, JoinDecided, TimerFired
from avtomat.core.model import Error, Ref
from avtomat.core.program import Amount, Count, Part, RetryPolicy
from avtomat.core.retry import try_after
from avtomat.core.value import value
from avtomat.core.waiting import OnFork, OnRetry, Waiting
from avtomat.core.walk import Names, Walk

NO_FAILURES: Names = {"failures": [], "failed": 0}
"""What the arms of a block see of failures where no join told of any."""

_SHARE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?%")


@value
class Join:
    """When a block is done: `at_least` None waits for all; `names_winner` (`any`) makes the winner's name its
    status.
    """

    at_least: Count | None = None
    names_winner: bool = False


@value
class BlockState(ActiveState):
    """Runs bodies below it and goes on when they are joined. `timeout` is that of the visit with all its attempts."""

    CROSSED = True  # a block without anything to do is left at once

    join: Join = field(default_factory=Join)
    timeout: Amount | None = None
    retry: tuple[RetryPolicy, ...] = ()
    reads_failures: bool = False

    def order(self, walk: Walk, names: Names) -> ForkScopes:
        """What entering the block begins. Raises AuthorError for values that make no sense or are over the limits."""
        raise NotImplementedError

    def output_of(self, event: JoinDecided, total: int) -> Json | Ref:
        """The block's output, once its bodies are joined."""
        raise NotImplementedError

    def status_of(self, event: JoinDecided) -> str | None:
        """The word for how the block ended, where it has one."""
        del event
        return None

    def name_of(self, index: int) -> dict[str, Json]:
        """How `failures` name a body."""
        return {"index": index}

    def names_of(self, event: JoinDecided | TimerFired) -> Names:
        """What its arms see beside its output: how many bodies failed, and with what."""
        failures = [{**self.name_of(index), "error": error} for index, error in event.failures]
        return {"failures": failures, "failed": event.failed}

    @property
    def keeps_outputs(self) -> bool:
        """Whether what the bodies leave is part of its output."""
        return True

    def enter(self, walk: Walk) -> Step:
        """Begin the bodies."""
        walk.beside = NO_FAILURES
        span = walk.render_timeout(self.timeout, walk.names())
        deadline = None if span is None else walk.now + span
        return self._fork(walk, OnRetry(until=walk.now, attempt=1, deadline=deadline))

    def time_came(self, walk: Walk, waiting: Waiting, event: TimerFired) -> Decision:
        """The block took too long, or its next attempt is due."""
        walk.beside = NO_FAILURES
        match waiting:
            case OnFork(deadline=deadline) | OnRetry(deadline=deadline) if _passed(deadline, walk.now):
                walk.beside = self.names_of(event)
                error = make_error(walk, "TIMEOUT_ERROR", "the block took longer than its timeout")
                return go_on(walk, fail(walk, error))
            case OnRetry():
                return self._fork_again(walk, waiting)
            case _:
                return NO_TIME

    def _fork(self, walk: Walk, due: OnRetry) -> Step:
        """Begin the bodies for the attempt that is `due`; a block that needs none of them is done at once."""
        limits = walk.program.limits
        if walk.before.path.count("/") + (not walk.is_root) > limits.depth:
            raise AuthorError("LIMIT_EXCEEDED", f"blocks are nested deeper than {limits.depth}")
        order = self.order(walk, walk.names())
        walk.forks += 1
        if order.need == 0:
            nothing = JoinDecided(number=order.number, met=True, ok=0, failed=0, outputs=(None,) * order.total)
            return leave(walk, self, self.output_of(nothing, order.total))
        waiting = OnFork(
            number=order.number, total=order.total, attempt=due.attempt, deadline=due.deadline, taken=due.taken
        )
        return walk.wait_for(waiting, fork=order)

    def _fork_again(self, walk: Walk, waiting: OnRetry) -> Change:
        try:
            return go_on(walk, self._fork(walk, waiting))
        except AuthorError as fault:
            return go_on(walk, fail(walk, walk.fault_as_error(fault, waiting.attempt)))

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.timeout, self.join.at_least)

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """See `State`."""
        return self.retry


@value
class ParallelState(BlockState):
    """Runs its branches, each a machine of its own; `branches` in file order."""

    KEY = "parallel"

    branches: tuple[str, ...]

    def order(self, walk: Walk, names: Names) -> ForkScopes:
        """All branches."""
        total = len(self.branches)
        need = _need(walk, self.join, total, names)
        return ForkScopes(
            number=walk.forks,
            total=total,
            need=need,
            tolerated=total - need,
            window=min(total, walk.program.limits.scopes_live),
            machines=tuple(f"{walk.address}.{branch}" for branch in self.branches),
            places=tuple(f"{walk.place}.{branch}" for branch in self.branches),
        )

    def bodies(self, address: str) -> Sequence[tuple[str, str]]:
        """See `State`."""
        return [(branch, f"{address}.{branch}") for branch in self.branches]

    def output_of(self, event: JoinDecided, total: int) -> Json | Ref:
        """What the branches left, by name."""
        del total
        assert not isinstance(event.outputs, Ref)
        return dict(zip(self.branches, event.outputs, strict=True))

    def status_of(self, event: JoinDecided) -> str | None:
        """The winner's name where any of the branches was enough."""
        named = self.join.names_winner and event.winner is not None
        return self.branches[event.winner or 0] if named else None

    def name_of(self, index: int) -> dict[str, Json]:
        """See `BlockState`."""
        return {"branch": self.branches[index]}


@value
class ForeachState(BlockState):
    """Runs one machine for each item of a list. `tolerate` is a number, or a text such as `10%` (rounded down).

    Without `collects` the outputs of the items are not kept, and the state's output is their counts.
    """

    KEY = "foreach"

    items: Template
    item_name: str = "item"
    concurrency: Count | None = None
    tolerate: Count | str | None = None
    collects: bool = True

    def order(self, walk: Walk, names: Names) -> ForkScopes:
        """All items, as many at once as `concurrency` says."""
        items, limit = walk.render(self.items, names).value, walk.program.limits.items
        if not isinstance(items, list):
            raise AuthorError("TEMPLATE_ERROR", "foreach: expected a list")
        if len(items) > limit:
            raise AuthorError("LIMIT_EXCEEDED", f"foreach over {len(items)} items, the limit is {limit}")
        total = len(items)
        need = _need(walk, self.join, total, names)
        tolerated = total - need if self.join.at_least is not None else self._tolerated(walk, total, names)
        return ForkScopes(
            number=walk.forks,
            total=total,
            need=need,
            tolerated=tolerated,
            window=self._window(walk, names),
            machines=(walk.address,),
            places=(walk.place,),
            item_name=self.item_name,
            items=items,
        )

    def bodies(self, address: str) -> Sequence[tuple[str, str]]:
        """See `State`."""
        return [("", address)]

    def output_of(self, event: JoinDecided, total: int) -> Json | Ref:
        """What the items left, in order, or their counts."""
        if not self.collects:
            return {"total": total, "succeeded": event.ok, "failed": event.failed}
        return event.outputs if isinstance(event.outputs, Ref) else list(event.outputs)

    @property
    def keeps_outputs(self) -> bool:
        """See `BlockState`."""
        return self.collects

    def parts(self) -> Iterator[Part]:
        """See `State`."""
        return parts_of(self.items, self.timeout, self.join.at_least, self.concurrency, self.tolerate)

    def _window(self, walk: Walk, names: Names) -> int:
        """How many bodies run at once; no number, or 0, is no limit of the block's own."""
        live, count = walk.program.limits.scopes_live, self.concurrency
        if count is None:
            return live
        return min(_count(walk, count, "concurrency", names, otherwise=0) or live, live)

    def _tolerated(self, walk: Walk, total: int, names: Names) -> int:
        tolerate = self.tolerate
        if tolerate is None:
            return 0
        value = tolerate if isinstance(tolerate, int | str) else walk.render(tolerate, names).value
        if isinstance(value, str) and (share := _SHARE.fullmatch(value)):
            decimals = share[2] or ""
            return min(total, total * int(share[1] + decimals) // int("100" + "0" * len(decimals)))
        return min(total, as_count(value, "tolerate"))


def answer_join(walk: Walk, event: JoinDecided) -> Decision:
    """Go on after the bodies of a block were joined."""
    waiting = walk.before.waiting
    if not isinstance(waiting, OnFork) or waiting.number != event.number:
        return Ignored(reason="the block was left before")
    block = walk.current
    assert isinstance(block, BlockState)
    walk.joined = True
    walk.beside = block.names_of(event)
    if event.ok + event.failed < waiting.total:
        walk.close = (waiting.number,)
    if event.met:
        return go_on(walk, leave(walk, block, block.output_of(event, waiting.total), block.status_of(event)))
    error = event.error or make_error(walk, "INTERNAL_ERROR", "a body failed without an error")
    return _retry_or_fail(walk, block, waiting, error)


def _retry_or_fail(walk: Walk, block: BlockState, waiting: OnFork, error: Error) -> Change:
    again = try_after(block.retry, replace(error, attempt=waiting.attempt), seed=walk.seed, taken=waiting.taken)
    if again is None:
        return go_on(walk, fail(walk, error))
    until, attempt = walk.now + again.delay, waiting.attempt + 1
    total = waiting.total if block.reads_failures else 0
    return walk.wait_for(
        OnRetry(until=until, attempt=attempt, deadline=waiting.deadline, taken=again.taken, total=total)
    )


def _need(walk: Walk, join: Join, total: int, names: Names) -> int:
    if join.at_least is None:
        return total
    need = _count(walk, join.at_least, "at_least", names)
    if need > total:
        raise AuthorError("TEMPLATE_ERROR", f"join: {need} must succeed, and there are {total} to begin")
    return need


def _count(walk: Walk, count: Json, what: str, names: Names, otherwise: Json = None) -> int:
    """A number that is written out or rendered; `otherwise` stands for null."""
    if isinstance(count, int):
        return count
    value = walk.render(count, names).value
    return as_count(otherwise if value is None else value, what)


def _passed(deadline: datetime | None, now: datetime) -> bool:
    return deadline is not None and deadline <= now
