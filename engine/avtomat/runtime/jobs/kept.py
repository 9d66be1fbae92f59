"""Keep scopes by version, so that an event is decided without reading the store first.

A kept scope may be stale: the store's commit says so and brings the fresh one. Nothing here is ever the truth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from avtomat.core.formula import Json
from avtomat.core.messages import Undo
from avtomat.core.model import Head
from avtomat.core.program import Program
from avtomat.core.scope import NOTHING_AROUND, Around, Scope
from avtomat.core.value import value

ENTRY_BYTES = 2_048
"""What an entry costs beside its record, roughly."""


@value
class Kept:
    """A scope with all that a decision needs: its record is the stored form, from which deltas are taken.

    `size` is what the scope takes in memory, `head_size` what the head does, which all scopes of a job have in common
    and in which the job's input stands.
    """

    program: Program
    head: Head
    scope: Scope
    record: Mapping[str, Json]
    client: str
    trace: str | None
    updated_ms: int
    size: int
    head_size: int
    around: Around = NOTHING_AROUND
    environment: bytes | None = None
    undos: tuple[Undo, ...] = ()
    undo_seq: int = 0


def state_path(kept: Kept) -> str | None:
    """The path of the state in which the scope stands, as errors have it."""
    scope, around = kept.scope, kept.around.place
    if kept.program.machines[scope.machine].lone or not scope.state:
        return around or None
    return f"{around}.{scope.state}" if around else scope.state


class KeptScopes:
    """The scopes that were touched last, within a number and a sum of bytes; found by place, and by open task."""

    def __init__(self, *, scopes_max: int, bytes_max: int) -> None:
        self._scopes_max = scopes_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._by_place: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._by_task: dict[str, tuple[str, str]] = {}
        self._task_of: dict[tuple[str, str], str] = {}
        self._heads: dict[str, list[int]] = {}
        """For each job how many of its scopes are kept, and what its head takes."""

    @property
    def bytes_kept(self) -> int:
        """What all that is kept takes in memory, roughly."""
        return self._bytes

    def put(self, kept: Kept, task_id: str | None = None) -> None:
        """Keep the scope; `task_id` names the attempt that is open in it now."""
        place = (kept.head.job, kept.scope.path)
        self.drop(*place)
        self._by_place[place] = kept
        self._bytes += kept.size + ENTRY_BYTES
        self._count_head(kept)
        if task_id is not None:
            self._by_task[task_id] = place
            self._task_of[place] = task_id
        while len(self._by_place) > self._scopes_max or self._bytes > self._bytes_max:
            self.drop(*next(iter(self._by_place)))

    def at(self, job: str, path: str) -> Kept | None:
        """The scope at this place."""
        return self._by_place.get((job, path))

    def of_task(self, task_id: str) -> Kept | None:
        """The scope in which this attempt is open."""
        place = self._by_task.get(task_id)
        return None if place is None else self._by_place.get(place)

    def drop(self, job: str, path: str) -> None:
        """Forget the scope."""
        kept = self._by_place.pop((job, path), None)
        if kept is not None:
            self._bytes -= kept.size + ENTRY_BYTES
            self._discount_head(job)
            task_id = self._task_of.pop((job, path), None)
            if task_id is not None:
                self._by_task.pop(task_id, None)

    def clear(self) -> None:
        """Forget all: the store is another one, or was rolled back."""
        self._by_place.clear()
        self._by_task.clear()
        self._task_of.clear()
        self._heads.clear()
        self._bytes = 0

    def _count_head(self, kept: Kept) -> None:
        head = self._heads.get(kept.head.job)
        if head is None:
            self._heads[kept.head.job] = [1, kept.head_size]
            self._bytes += kept.head_size
        else:
            head[0] += 1

    def _discount_head(self, job: str) -> None:
        head = self._heads[job]
        head[0] -= 1
        if not head[0]:
            del self._heads[job]
            self._bytes -= head[1]
