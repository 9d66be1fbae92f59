"""Bring the scopes that are decided on: from what this replica keeps, or from the store, with the values they read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from avtomat.core.formula import Json
from avtomat.core.model import Head, Ref
from avtomat.core.program import RESULT, Program
from avtomat.core.reads import outputs_read
from avtomat.core.scope import NOTHING_AROUND, ROOT, Around, Scope
from avtomat.core.waiting import OnFinally, OnUnwind
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.forks import around_of
from avtomat.runtime.jobs.kept import Kept, KeptScopes
from avtomat.runtime.jobs.writing import page_ids
from avtomat.runtime.repeating import repeat
from avtomat.runtime.weight import weight_of
from avtomat.storage.port.answers import Loaded
from avtomat.storage.port.codec import head_from_json, loads, scope_from_record, undos_from_json
from avtomat.storage.port.rules import LeftScope
from avtomat.storage.port.store import Store

PAGES_KEPT_MAX = 256
"""Pages of forks (items, and what is around bodies) kept decoded; each is about 32 kB."""

VALUE_BYTES_KEPT_MAX = 64 * 1024 * 1024
"""How much of values kept by reference stays here decoded, as their texts weigh: the bodies of a block read the same
ones, and every scope that is loaded from the store reads the job's input.
"""


class Weighed(NamedTuple):
    """A value, and what it takes in memory."""

    value: Json
    size: int


class Scopes:
    """The scopes of this replica's jobs, found by place or by open attempt."""

    def __init__(self, store: Store, programs: Programs, kept: KeptScopes) -> None:
        self._store = store
        self._programs = programs
        self._kept = kept
        self._pages: OrderedDict[tuple[str, str], Json] = OrderedDict()
        self._values: OrderedDict[tuple[str, Ref], Weighed] = OrderedDict()
        self._value_bytes = 0
        self._asking = asyncio.Lock()

    def at_hand(self, job: str, path: str, task_id: str | None) -> Kept | None:
        """The scope at `path`, or the one in which the attempt `task_id` is open, as it is kept here: it may be stale.
        None also for a scope that is about to undo something, because the store knows what.
        """
        kept = self._kept.at(job, path) if task_id is None else self._kept.of_task(task_id)
        if kept is None or kept.head.job != job or isinstance(kept.scope.waiting, OnUnwind):
            return None
        return kept

    async def at(self, job: str, path: str, loaded: Loaded | None, task_id: str | None) -> Kept | None:
        """The scope that is at hand, else `loaded`, else that of the store; None when there is none."""
        kept = self.at_hand(job, path, task_id)
        if kept is not None:
            return kept
        loaded = loaded or await repeat(lambda: self._store.load(job, path, task_id=task_id))
        return None if loaded is None else await self.keep(loaded)

    def knows(self, task_id: str) -> bool:
        """Whether the scope in which this attempt is open is kept here."""
        return self._kept.of_task(task_id) is not None

    async def keep(self, loaded: Loaded, task_id: str | None = None) -> Kept:
        """Keep a scope that the store brought."""
        kept = self._kept.at(loaded.job, loaded.path)
        if (
            kept is None
            or isinstance(kept.scope.waiting, OnUnwind)
            or kept.scope.version != loaded.version
            or kept.head.status != loaded.status
        ):
            program = self._programs.known(loaded.digest) or await self._programs.by_digest(loaded.digest)
            kept = await self._kept_of(program, loaded)
        self._kept.put(kept, task_id)
        return kept

    def put(self, kept: Kept, task_id: str | None) -> None:
        """Keep a scope as it was just committed."""
        self._kept.put(kept, task_id)

    def drop(self, kept: Kept) -> None:
        """Keep the scope no longer."""
        self._kept.drop(kept.head.job, kept.scope.path)

    def drop_root(self, job: str) -> None:
        """Keep the job's root no longer."""
        self._kept.drop(job, ROOT)

    def clear(self) -> None:
        """Keep nothing: the store may be another one."""
        self._kept.clear()
        self._pages.clear()
        self._values.clear()
        self._value_bytes = 0

    async def body(self, near: Kept, path: str, environment: bytes) -> Kept:
        """A body that has not begun, of a fork of the scope `near` or of one beside it, without asking the store."""
        around = await self._around(near.head.job, path, environment)
        return replace(
            near,
            scope=Scope(path=path, machine=around.machine),
            record={},
            size=0,
            around=around,
            environment=environment,
        )

    async def left(self, near: Kept, left: LeftScope) -> Kept:
        """A scope of this job as it was when an attempt was taken from it; `near` is any scope of the job."""
        around = Around()
        if left.environment is not None:
            around = await self._around(near.head.job, left.path, left.environment)
        record = loads(left.record)
        scope = replace(scope_from_record(record, left.path, left.version), machine=around.machine)
        return replace(near, scope=scope, record=record, size=0, around=around, environment=left.environment)

    async def value(self, job: str, ref: Ref) -> Json:
        """A value that is kept by reference: it never changes, so the last ones that were read are kept."""
        return (await self._weighed(job, ref)).value

    async def text(self, job: str, ref: Ref) -> bytes:
        """The JSON of a value that is kept by reference."""
        found = await repeat(lambda: self._store.values(job, page_ids(ref)))
        return b"".join(page or b"" for page in found)

    async def _weighed(self, job: str, ref: Ref) -> Weighed:
        if (job, ref) not in self._values:
            async with self._asking:
                if (job, ref) not in self._values:
                    text = await self.text(job, ref)
                    return self._keep_value((job, ref), Weighed(loads(text), weight_of(text)))
        self._values.move_to_end((job, ref))
        return self._values[job, ref]

    @staticmethod
    def has_refs(kept: Kept) -> bool:
        """Whether any output in scope there is kept by reference."""
        for outputs in (kept.around.outputs, kept.scope.outputs):
            for output in outputs.values() if outputs else ():
                if isinstance(output, Ref):
                    return True
        return False

    async def values(self, kept: Kept, *, entering: str | None = None) -> Mapping[str, Json]:
        """The outputs kept by reference that the next decision of this scope may read, if it is not to enter another
        state than those that follow its own.
        """
        outputs = {**kept.around.outputs, **kept.scope.outputs}
        refs = {name: value for name, value in outputs.items() if isinstance(value, Ref)}
        if not refs:
            return {}
        read = outputs_read(kept.program, kept.scope.machine, entering or kept.scope.state)
        if isinstance(kept.scope.waiting, OnFinally):
            read = frozenset({RESULT})
        wanted = [ref for name, ref in refs.items() if read is None or name in read]
        return {ref.id: await self.value(kept.head.job, ref) for ref in wanted}

    async def _kept_of(self, program: Program, loaded: Loaded) -> Kept:
        fixed = loads(loaded.head)
        around, environment = NOTHING_AROUND, loaded.environment
        if environment is not None:
            around = await self._around(loaded.job, loaded.path, environment)
        record = {} if loaded.scope is None else loads(loaded.scope)
        scope = scope_from_record(record, loaded.path, loaded.version)
        undo_seq, undos = (0, b"[]") if loaded.undo is None else loaded.undo
        head, input_size = await self._head(program, loaded, fixed)
        return Kept(
            program=program,
            head=head,
            scope=replace(scope, machine=around.machine),
            record=record,
            client=loaded.client,
            trace=fixed.get("trace"),
            updated_ms=loaded.updated_ms,
            size=weight_of(loaded.scope or b""),
            head_size=weight_of(loaded.head) + input_size,
            around=around,
            environment=environment,
            undos=undos_from_json(loads(undos), program),
            undo_seq=undo_seq,
        )

    async def _head(self, program: Program, loaded: Loaded, fixed: Mapping[str, Json]) -> tuple[Head, int]:
        """The head with its input, and what the input takes where it is kept by reference."""
        head = head_from_json(
            fixed,
            job=loaded.job,
            blueprint=program.name,
            digest=loaded.digest,
            status=loaded.status,
            deadline_ms=loaded.deadline_ms,
        )
        if isinstance(head.input, Ref):
            given = await self._weighed(loaded.job, head.input)
            return replace(head, input=given.value), given.size
        return head, 0

    async def _around(self, job: str, path: str, environment: bytes) -> Around:
        async def fetch(page: str) -> Json:
            return await self._page(job, page)

        return await around_of(environment, path, fetch)

    async def _page(self, job: str, page: str) -> Json:
        """A page of a fork: the same for many bodies, so that the last ones are kept decoded, and bodies that begin
        together wait for one that asks.
        """
        if (job, page) not in self._pages:
            async with self._asking:
                if (job, page) not in self._pages:
                    found = await repeat(lambda: self._store.values(job, [page]))
                    return self._keep_page((job, page), loads(found[0] or b"null"))
        self._pages.move_to_end((job, page))
        return self._pages[job, page]

    def _keep_page(self, place: tuple[str, str], value: Json) -> Json:
        self._pages[place] = value
        if len(self._pages) > PAGES_KEPT_MAX:
            self._pages.popitem(last=False)
        return value

    def _keep_value(self, place: tuple[str, Ref], value: Weighed) -> Weighed:
        self._values[place] = value
        self._value_bytes += value.size
        while self._value_bytes > VALUE_BYTES_KEPT_MAX:
            _, dropped = self._values.popitem(last=False)
            self._value_bytes -= dropped.size
        return value
