"""Read the verdict of a join and gather what its bodies left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from avtomat.core.formula import Json
from avtomat.core.kinds.blocks import BlockState, ForeachState
from avtomat.core.messages import JoinDecided, SizeExceeded
from avtomat.core.model import Error, Ref
from avtomat.core.value import value
from avtomat.core.waiting import OnFork
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.writing import VALUE_BYTES_INLINE, pages
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.codec import loads
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import Mail

OUTPUTS_AT_FIRST = 16
OUTPUTS_AT_ONCE_MAX = 1_000
OUTPUT_BYTES_AIM = 128 * 1024
"""How much is read and decoded in one go: less than a millisecond of this process, in which nothing else is done."""

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
    """Bring what the bodies left, in order. More than `limits.output_bytes` in all is SizeExceeded."""
    waiting, state = kept.scope.waiting, kept.program.machines[kept.scope.machine].states.get(kept.scope.state or "")
    if not event.met or not isinstance(waiting, OnFork) or not isinstance(state, BlockState) or not state.keeps_outputs:
        return Joined(event=event, values={})
    found: list[bytes | None] = []
    outputs: list[Json] = []
    size, size_max, count = 0, kept.program.limits.output_bytes, OUTPUTS_AT_FIRST
    while len(found) < waiting.total:
        more = await _outputs(store, kept, event.number, len(found), min(count, waiting.total - len(found)))
        found += more
        outputs += [None if body is None else loads(body) for body in more]
        size += sum(len(body or NOTHING) + 1 for body in more)
        if size > size_max:
            text = f"the outputs of the bodies take more than output_bytes, {size_max} bytes"
            return Joined(event=SizeExceeded(message=text), values={})
        count = max(1, min(OUTPUTS_AT_ONCE_MAX, OUTPUT_BYTES_AIM * len(found) // max(1, size)))
    if isinstance(state, ForeachState) and size > VALUE_BYTES_INLINE:
        body = b"[" + b",".join(one or NOTHING for one in found) + b"]"
        ref = Ref(f"{kept.scope.path}@{kept.scope.version}.joined", len(body))
        return Joined(event=replace(event, outputs=ref), values=pages(ref.id, body), outputs=outputs)
    return Joined(event=replace(event, outputs=outputs), values={})


async def _outputs(store: Store, kept: Kept, number: int, start: int, count: int) -> list[bytes | None]:
    return await repeat(lambda: store.outputs(kept.head.job, kept.scope.path, number, start, count))
