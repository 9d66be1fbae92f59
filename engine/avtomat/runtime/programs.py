"""Give the program that a job runs: the current one by name, or any that a job still needs by digest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from avtomat.core.program import Program
from avtomat.errors import StoreError
from avtomat.storage.ports import Store

KEPT_MAX = 1_000
"""Programs of earlier versions kept in memory; beyond that the store is asked again."""


class Programs:
    """The current programs, swapped as one, and those that running jobs were started with."""

    def __init__(self, store: Store, build: Callable[[str], Program]) -> None:
        self._store = store
        self._build = build
        self._current: Mapping[str, Program] = {}
        self._kept: OrderedDict[str, Program] = OrderedDict()

    @property
    def current(self) -> Mapping[str, Program]:
        """The programs that new jobs start with, by name."""
        return self._current

    async def swap(self, programs: Mapping[str, Program]) -> None:
        """Make these the current ones: stored first, so that every replica can continue what starts with them."""
        await self._store.put_programs({program.digest: program.canonical for program in programs.values()})
        self._current = dict(programs)
        for program in programs.values():
            self._keep(program)

    async def refresh(self) -> None:
        """Tell the store that the current programs are still in use."""
        await self._store.put_programs({program.digest: program.canonical for program in self._current.values()})

    def known(self, digest: str) -> Program | None:
        """The program if it is at hand."""
        return self._kept.get(digest)

    async def by_digest(self, digest: str) -> Program:
        """The program of a running job; raises StoreError when the store has lost it."""
        program = self._kept.get(digest)
        if program is None:
            canonical = await self._store.program(digest)
            if canonical is None:
                raise StoreError(f"the store has no program {digest[:12]}, which a running job needs")
            program = self._build(canonical)
            self._keep(program)
        return program

    def _keep(self, program: Program) -> None:
        self._kept[program.digest] = program
        self._kept.move_to_end(program.digest)
        while len(self._kept) > KEPT_MAX + len(self._current):
            self._kept.popitem(last=False)
