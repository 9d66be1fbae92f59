"""Read the verdict of a join and gather what its bodies left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from avtomat.core.formula import Json
from avtomat.core.kinds.blocks import BlockState, ForeachState
from avtomat.core.messages import JoinDecided, SizeExceeded, TimerFired
from avtomat.core.model import Error, Ref
from avtomat.core.value import value
from avtomat.core.waiting import OnFork, OnRetry
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.writing import FAILURE_MARK, VALUE_BYTES_INLINE, pages
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Mail

OUTPUTS_AT_FIRST = 16
OUTPUTS_AT_ONCE_MAX = 1_000
OUTPUT_BYTES_AIM = 128 * 1024
"""How much is read and decoded in one go: less than a millisecond of this process, in which nothing else is done."""

FAILURES_MAX = 1_000
"""So many errors of bodies a state can read: those with the lowest index."""

NOTHING = b"null"
"""What stands in the list for a body that left no output."""


@value
class Joined:
    """The event of a join, complete. A long list of outputs stands beside it: encoded, in pages, and as `outputs`."""

    event: JoinDecided | SizeExceeded
    values: Mapping[str, bytes]
    outputs: list[Json] | None = None


def join_of_mail(mail: Mail) -> JoinDecided:
    """The verdict as the store mailed it, without the outputs."""
    line, _, error = mail.body.partition(b"\n")
    word, ok, failed, index = line.decode().split(" ")
    return JoinDecided(
        number=int(mail.id.removeprefix("join:")),
        met=word == "met",
        ok=int(ok),
        failed=int(failed),
        error=Error.from_json(loads(error)) if error else None,
        winner=int(index) if word == "met" and index != "-1" else None,
    )


async def complete(store: Store, kept: Kept, event: JoinDecided) -> Joined:
    """Bring what the bodies left, in order, and the errors of those that failed, where the state reads them. Outputs
    of more than `limits.output_bytes` in all are SizeExceeded.
    """
    waiting, state = kept.scope.waiting, kept.program.machines[kept.scope.machine].states.get(kept.scope.state or "")
    if not isinstance(waiting, OnFork) or not isinstance(state, BlockState):
        return Joined(event=event, values={})
    keeps = event.met and state.keeps_outputs
    if not (keeps or (state.reads_failures and event.failed)):
        return Joined(event=event, values={})
    gathered = _Gathered()
    size_max = kept.program.limits.output_bytes
    wanted = min(event.failed, FAILURES_MAX) if state.reads_failures else 0
    while gathered.seen < waiting.total and (keeps or len(gathered.failures) < wanted):
        count = min(gathered.next_count(), waiting.total - gathered.seen)
        gathered.add(await _outputs(store, kept, event.number, gathered.seen, count), keeps=keeps)
        if gathered.size > size_max:
            text = f"the outputs of the bodies take more than output_bytes, {size_max} bytes"
            return Joined(event=SizeExceeded(message=text), values={})
    event = replace(event, failures=gathered.failures)
    if not keeps:
        return Joined(event=event, values={})
    if isinstance(state, ForeachState) and gathered.size > VALUE_BYTES_INLINE:
        body = b"[" + b",".join(gathered.bodies) + b"]"
        ref = Ref(f"{kept.scope.path}@{kept.scope.version}.joined", len(body))
        return Joined(event=replace(event, outputs=ref), values=pages(ref.id, body), outputs=gathered.outputs)
    return Joined(event=replace(event, outputs=gathered.outputs), values={})


async def time_of_block(store: Store, kept: Kept, event: TimerFired, now: datetime) -> TimerFired:
    """Bring what had failed of a block whose own timeout passed, where the state reads it: of the bodies that are under
    way, or of the attempt before the one that is waited for.
    """
    waiting, state = kept.scope.waiting, kept.program.machines[kept.scope.machine].states.get(kept.scope.state or "")
    if not isinstance(waiting, OnFork | OnRetry) or not isinstance(state, BlockState) or not state.reads_failures:
        return event
    if waiting.deadline is None or waiting.deadline > now or event.visit != kept.scope.visit:
        return event
    gathered, number = _Gathered(), kept.scope.forks - 1
    total = await _begun(store, kept, number, waiting)
    while gathered.seen < total:
        count = min(gathered.next_count(), total - gathered.seen)
        gathered.add(await _outputs(store, kept, number, gathered.seen, count), keeps=False)
    return replace(event, failed=gathered.failed, failures=gathered.failures)


async def _begun(store: Store, kept: Kept, number: int, waiting: OnFork | OnRetry) -> int:
    """How many bodies of the fork may have left something."""
    found = None
    if isinstance(waiting, OnFork):
        found = await repeat(lambda: store.below(kept.head.job, kept.scope.path, number, 0))
    return waiting.total if found is None else found.begun


class _Gathered:
    """What has been read of a fork so far: outputs as they are kept and decoded, their size, and errors."""

    def __init__(self) -> None:
        self.seen = 0
        self.size = 0
        self.read_bytes = 0
        self.bodies: list[bytes] = []
        self.outputs: list[Json] = []
        self.failed = 0
        self.failures: list[tuple[int, Mapping[str, Json]]] = []

    def next_count(self) -> int:
        """How many to read next, by what those before took."""
        if not self.seen:
            return OUTPUTS_AT_FIRST
        return max(1, min(OUTPUTS_AT_ONCE_MAX, OUTPUT_BYTES_AIM * self.seen // max(1, self.read_bytes)))

    def add(self, found: Sequence[bytes | None], *, keeps: bool) -> None:
        """The next ones, in order. Without `keeps` only errors are of interest."""
        for body in found:
            self.read_bytes += len(body or NOTHING) + 1
            failed = body is not None and body.startswith(FAILURE_MARK)
            self.failed += failed
            if failed and len(self.failures) < FAILURES_MAX:
                self.failures.append((self.seen, loads((body or b"")[len(FAILURE_MARK) :])))
            if keeps:
                output = NOTHING if body is None or failed else body
                self.bodies.append(output)
                self.outputs.append(loads(output))
                self.size += len(output) + 1
            self.seen += 1


async def _outputs(store: Store, kept: Kept, number: int, start: int, count: int) -> list[bytes | None]:
    return await repeat(lambda: store.outputs(kept.head.job, kept.scope.path, number, start, count))
